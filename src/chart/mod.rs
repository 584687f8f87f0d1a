//! Charts as SVG, drawn by ourselves: no script, colours by style sheet (light, dark, print), a sentence for those who do
//! not see them. Reports and pages use the same ones.

mod bars;
mod over_time;
mod strip;
mod timeline;

pub use bars::{BLOCKS, Bar, BarKind, distribution, sparkline, thumbnail};
pub use over_time::{
    FILLS, Quantiles, Rate, quantile_bands, rates, record_bars, score_lines, spark, stacked_shares,
};
pub use strip::{StripCell, condensed, hatching, strip, strip_key};
pub use timeline::{Change, ScoreLine, TimeMark, timeline, timeline_with};

use std::fmt::Write as _;

/// The style of charts, for inclusion into a page's style sheet.
pub const STYLE: &str = include_str!("chart.css");

/// A coordinate with as many digits as can be seen.
fn at(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Adds a rectangle to a path.
fn rectangle(path: &mut String, left: f64, top: f64, width: f64, height: f64) {
    // Writing to a String cannot fail.
    let _infallible = write!(path, "M{} {}h{}v{}h-{}z", at(left), at(top), at(width), at(height), at(width));
}
