//! Scores over time with their thresholds.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::at;

/// A line of scores over windows.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreLine {
    /// What it is called.
    pub name: String,
    /// One value a window, none where there is none.
    pub values: Vec<Option<f64>>,
    /// The limits: warn and drift; none where the score is only shown.
    pub limits: Option<(f64, f64)>,
}

/// What happened at a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeMark {
    /// Nothing.
    None,
    /// It was judged incomplete, or not at all.
    Unjudged,
    /// An alert was firing.
    Alert,
}

/// Something that changed with a window: the baseline, the configuration, the model version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The first window with it.
    pub window: usize,
    /// A letter or two for the chart; the words are elsewhere.
    pub sign: String,
}

/// The chart of one line: the band between the thresholds, the values, firing windows shaded. `labels` are the first
/// and the last window's.
#[must_use]
pub fn timeline(id: &str, series: &ScoreLine, marks: &[TimeMark], labels: (&str, &str), sentence: &str) -> Markup {
    timeline_with(id, series, marks, &[], labels, sentence)
}

/// The same, with a line where something changed.
#[must_use]
pub fn timeline_with(
    id: &str,
    series: &ScoreLine,
    marks: &[TimeMark],
    changes: &[Change],
    labels: (&str, &str),
    sentence: &str,
) -> Markup {
    let (width, height, top) = (420.0, 90.0, if changes.is_empty() { 8.0 } else { 18.0 });
    let bottom = top + height;
    let most = series
        .values
        .iter()
        .flatten()
        .copied()
        .fold(series.limits.map_or(0.0, |(_, drift)| drift * 1.1), f64::max)
        .max(1e-12);
    #[expect(clippy::cast_precision_loss, reason = "some thousand windows")]
    let slot = width / series.values.len().max(1) as f64;
    #[expect(clippy::cast_precision_loss, reason = "some thousand windows")]
    let x = |index: usize| index as f64 * slot + slot / 2.0;
    let y = |value: f64| bottom - (value / most).clamp(0.0, 1.0) * height;
    let mut line = String::new();
    let mut dots = String::new();
    let mut drawing = false;
    for (index, value) in series.values.iter().enumerate() {
        match value {
            Some(value) => {
                let step = if drawing { 'L' } else { 'M' };
                let _infallible = write!(line, "{step}{} {}", at(x(index)), at(y(*value)));
                // Hundreds of dots would only make the line thicker.
                if series.values.len() <= 150 {
                    let _infallible = write!(dots, "M{} {}h0", at(x(index)), at(y(*value)));
                }
                drawing = true;
            }
            None => drawing = false,
        }
    }
    let shade = |wanted: TimeMark| {
        let mut path = String::new();
        let mut index = 0;
        for run in marks.chunk_by(|left, right| left == right) {
            if run.first() == Some(&wanted) {
                #[expect(clippy::cast_precision_loss, reason = "some thousand windows")]
                super::rectangle(&mut path, x(index) - slot / 2.0, top, slot * run.len() as f64, height);
            }
            index += run.len();
        }
        path
    };
    let title = format!("{id}-title");
    html! {
        svg.chart viewBox=(format!("-46 0 472 {}", at(bottom + 22.0))) role="img" aria-labelledby=(title) {
            title id=(title) { (sentence) }
            path.firing d=(shade(TimeMark::Alert)) {}
            path.unjudged d=(shade(TimeMark::Unjudged)) {}
            @if let Some((warn, drift)) = series.limits {
                path.band d=(format!("M0 {}h{}V{}h-{}z", at(y(warn)), at(width), at(y(drift)), at(width))) {}
                path.limit d=(format!("M0 {}h{}", at(y(drift)), at(width))) {}
            }
            g.changes {
                @for change in changes {
                    path d=(format!("M{} {}V{}", at(x(change.window) - slot / 2.0), at(top - 4.0), at(bottom))) {}
                    text x=(at(x(change.window) - slot / 2.0)) y=(at(top - 7.0)) text-anchor="middle" { (change.sign) }
                }
            }
            g.axis {
                path d=(format!("M0 {}h{}", at(bottom), at(width))) {}
                @let limit = series.limits.map(|(_, drift)| drift);
                @if limit.is_none_or(|limit| y(limit) - top > 14.0) { text x="-6" y=(at(top + 8.0)) text-anchor="end" { (short(most)) } }
                @if let Some(limit) = limit { text x="-6" y=(at(y(limit) + 4.0)) text-anchor="end" { (short(limit)) } }
                @if limit.is_none_or(|limit| bottom - y(limit) > 12.0) { text x="-6" y=(at(bottom + 2.0)) text-anchor="end" { "0" } }
            }
            path.line d=(line) {}
            path.dots d=(dots) {}
            g.labels {
                text x="0" y=(at(bottom + 16.0)) { (labels.0) }
                text x=(at(width)) y=(at(bottom + 16.0)) text-anchor="end" { (labels.1) }
            }
        }
    }
}

fn short(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
