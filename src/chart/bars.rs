//! Two distributions of one column, side by side.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::{at, rectangle};

/// Kind of bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BarKind {
    /// Values of the column.
    Value,
    /// Values below the baseline's range.
    Below,
    /// Values above the baseline's range.
    Above,
    /// Categories not in the baseline.
    Unseen,
    /// All other categories.
    Other,
    /// Null and missing values.
    Null,
    /// NaN, infinite and wrongly typed values.
    Invalid,
}

impl BarKind {
    /// Whether it stands apart from the column's own values.
    fn is_apart(self) -> bool {
        !matches!(self, Self::Value | Self::Other)
    }
}

/// A bar: a bin with its share in baseline and window.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Bar {
    /// Label: a range, a category, a kind of absence.
    pub label: String,
    /// Kind of bar.
    pub kind: BarKind,
    /// Share of all rows of the baseline.
    pub baseline: f64,
    /// Share of all rows of the window.
    pub window: f64,
}

/// Where bars stand: (left, width), those apart after a gap.
fn places(bars: &[Bar], width: f64) -> Vec<(f64, f64)> {
    let apart = bars.iter().filter(|bar| bar.kind.is_apart()).count();
    #[expect(clippy::cast_precision_loss, reason = "some dozen bars")]
    let slots = bars.len() as f64 + if apart > 0 { 1.0 } else { 0.0 };
    let slot = width / slots.max(1.0);
    let mut left = 0.0;
    let mut in_gap = false;
    bars.iter()
        .map(|bar| {
            if bar.kind.is_apart() && !in_gap {
                left += slot;
                in_gap = true;
            }
            let place = (left, slot);
            left += slot;
            place
        })
        .collect()
}

fn largest(bars: &[Bar]) -> f64 {
    bars.iter().map(|bar| bar.baseline.max(bar.window)).fold(1e-9, f64::max)
}

/// (path of the baseline's bars, path of the window's bars)
fn paths(bars: &[Bar], width: f64, top: f64, height: f64) -> (String, String) {
    let most = largest(bars);
    let (mut back, mut front) = (String::new(), String::new());
    for (bar, (left, slot)) in bars.iter().zip(places(bars, width)) {
        for (path, share, inset) in [(&mut back, bar.baseline, 0.04), (&mut front, bar.window, 0.26)] {
            if share > 0.0 {
                // The smallest share is still to be seen.
                let tall = (share / most * height).max(0.7);
                rectangle(path, left + slot * inset, top + height - tall, slot * (1.0 - 2.0 * inset), tall);
            }
        }
    }
    (back, front)
}

/// A small picture for a table; decorative, since the row says the same in words.
#[must_use]
pub fn thumbnail(bars: &[Bar]) -> Markup {
    let (back, front) = paths(bars, 120.0, 0.0, 28.0);
    html! {
        svg.chart.thumb viewBox="0 0 120 28" width="120" height="28" aria-hidden="true" focusable="false" {
            path.base d=(back) {}
            path.win d=(front) {}
        }
    }
}

/// The chart of a column: the baseline's shares behind, the window's in front, what is not a known value apart.
/// `sentence` says what is to be seen.
#[must_use]
pub fn distribution(id: &str, bars: &[Bar], sentence: &str) -> Markup {
    let (width, height, top) = (420.0, 120.0, 10.0);
    let (back, front) = paths(bars, width, top, height);
    let most = largest(bars);
    let bottom = top + height;
    let title = format!("{id}-title");
    let apart = bars.iter().any(|bar| bar.kind.is_apart());
    let frame = format!("-46 0 472 {}", if apart { 190 } else { 150 });
    html! {
        svg.chart viewBox=(frame) role="img" aria-labelledby=(title) {
            title id=(title) { (sentence) }
            g.axis {
                @for part in [0.0, 0.5, 1.0] {
                    @let y = bottom - part * height;
                    path d=(format!("M0 {}h{}", at(y), at(width))) {}
                    text x="-6" y=(at(y + 4.0)) text-anchor="end" { (percent(part * most)) }
                }
            }
            path.base d=(back) {}
            path.win d=(front) {}
            g.labels {
                @for (x, y, label) in labels(bars, width, bottom) {
                    text x=(at(x)) y=(at(y)) text-anchor="middle" { (label) }
                }
            }
        }
    }
}

fn percent(share: f64) -> String {
    let value = share * 100.0;
    if value == 0.0 {
        "0".to_owned()
    } else if value >= 10.0 {
        format!("{value:.0} %")
    } else {
        format!("{value:.1} %")
    }
}

/// Labels that fit: all of the bars apart, as many of the others as there is room for.
fn labels(bars: &[Bar], width: f64, bottom: f64) -> Vec<(f64, f64, String)> {
    let places = places(bars, width);
    let values = bars.iter().filter(|bar| !bar.kind.is_apart()).count();
    let longest =
        bars.iter().filter(|bar| !bar.kind.is_apart()).map(|bar| bar.label.chars().count().min(12)).max();
    let slot = places.first().map_or(width, |(_, slot)| *slot);
    #[expect(clippy::cast_precision_loss, reason = "some dozen letters")]
    let room = longest.unwrap_or(1) as f64 * 6.2 + 8.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some dozen bars")]
    let every = ((room / slot).ceil() as usize).max(1);
    let mut apart = 0i32;
    bars.iter()
        .zip(places)
        .enumerate()
        .filter_map(|(index, (bar, (left, slot)))| {
            let middle = left + slot / 2.0;
            if bar.kind.is_apart() {
                apart += 1;
                // In three rows, so that they do not run into each other.
                let y = bottom + 28.0 + f64::from((apart - 1) % 3) * 13.0;
                return Some((middle.min(width - 20.0), y, bar.label.clone()));
            }
            // The last one always: it says where the values end.
            let last = values.saturating_sub(1);
            (index == last || (index % every == 0 && index + every <= last)).then(|| {
                let mut text: String = bar.label.chars().take(12).collect();
                if bar.label.chars().count() > 12 {
                    text.push('…');
                }
                (middle.min(width - 12.0), bottom + 15.0, text)
            })
        })
        .collect()
}

/// The blocks of a sparkline, from next to nothing to all.
pub const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A side of the bars as a line of text of at most `width` letters.
#[must_use]
pub fn sparkline(bars: &[Bar], width: usize, side: impl Fn(&Bar) -> f64) -> String {
    let step = bars.len().div_ceil(width.max(1)).max(1);
    let heights: Vec<f64> = bars.chunks(step).map(|part| part.iter().map(&side).sum()).collect();
    let most = heights.iter().copied().fold(1e-12, f64::max);
    let mut text = String::new();
    for height in heights {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 8")]
        let level = (height / most * 7.0).ceil() as usize;
        let block = if height > 0.0 { BLOCKS.get(level.min(7)).copied().unwrap_or(' ') } else { ' ' };
        let _infallible = write!(text, "{block}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_value_are_labelled_and_no_two_labels_meet() {
        for number in [1_usize, 2, 5, 23, 24, 25, 60] {
            let bar =
                |index: usize, kind| Bar { label: format!("{index}.125"), kind, baseline: 0.01, window: 0.02 };
            let mut bars: Vec<Bar> = (0..number).map(|index| bar(index, BarKind::Value)).collect();
            bars.push(bar(900, BarKind::Null));
            let mut labels = labels(&bars, 420.0, 130.0);
            assert_eq!(labels.pop().map(|(_, _, text)| text).as_deref(), Some("900.125"), "stands apart");
            assert_eq!(labels.first().map(|(_, _, text)| text.as_str()), Some("0.125"));
            assert_eq!(labels.last().map(|(_, _, text)| text.clone()), Some(format!("{}.125", number - 1)));
            for pair in labels.windows(2) {
                assert!(pair[1].0 - pair[0].0 > 6.0 * 5.0, "{number} bars: {pair:?}");
            }
        }
    }
}
