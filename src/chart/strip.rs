//! Windows side by side as cells: a line of a heat map. How loud a cell is shows in its height and in its colour.

use maud::{Markup, html};

use super::rectangle;

/// A window of a strip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StripCell {
    /// There is none.
    Empty,
    /// No verdict: no baseline, too few records, nothing to compare.
    Unjudged,
    /// In order, and far from its limit.
    Calm,
    /// In order, but more than half way to its limit.
    Near,
    /// A warning.
    Warn,
    Drift,
    /// Drift by more than twice the limit.
    Strong,
}

impl StripCell {
    const DRAWN: [Self; 6] = [Self::Unjudged, Self::Calm, Self::Near, Self::Warn, Self::Drift, Self::Strong];

    /// Whether it is drift.
    #[must_use]
    pub fn drifted(self) -> bool {
        matches!(self, Self::Drift | Self::Strong)
    }

    fn class(self) -> &'static str {
        match self {
            Self::Empty => "",
            Self::Unjudged => "unjudged",
            Self::Calm => "calm",
            Self::Near => "near",
            Self::Warn => "warned",
            Self::Drift => "drifted",
            Self::Strong => "strong",
        }
    }

    fn height(self) -> f64 {
        match self {
            Self::Empty => 0.0,
            Self::Calm => 4.0,
            Self::Near => 5.5,
            Self::Warn => 7.5,
            Self::Unjudged | Self::Drift | Self::Strong => 10.0,
        }
    }

    /// A letter for scripts that say what is under the pointer.
    fn letter(self) -> char {
        match self {
            Self::Empty => '-',
            Self::Unjudged => 'u',
            Self::Calm | Self::Near => 'o',
            Self::Warn => 'w',
            Self::Drift | Self::Strong => 'd',
        }
    }
}

/// Puts neighbours together until there are at most `most`; the loudest of them is shown.
#[must_use]
pub fn condensed(cells: &[StripCell], most: usize) -> Vec<StripCell> {
    let step = cells.len().div_ceil(most.max(1)).max(1);
    cells.chunks(step).map(|part| part.iter().copied().max().unwrap_or(StripCell::Empty)).collect()
}

/// The cells of one line. `sentence` says what is to be seen.
#[must_use]
pub fn strip(cells: &[StripCell], sentence: &str) -> Markup {
    let letters: String = cells.iter().map(|cell| cell.letter()).collect();
    html! {
        svg.strip viewBox=(format!("0 0 {} 10", cells.len().max(1))) preserveAspectRatio="none" role="img" aria-label=(sentence) data-cells=(letters) {
            @for kind in StripCell::DRAWN {
                @let path = path(cells, kind);
                @if !path.is_empty() { path class=(kind.class()) d=(path) {} }
            }
        }
    }
}

/// Beyond this many cells nobody counts them, and gaps between them would be too narrow to be seen.
const COUNTABLE: usize = 64;

/// All cells of a kind as one path, runs of them as one rectangle.
#[expect(clippy::cast_precision_loss, reason = "some hundred windows")]
fn path(cells: &[StripCell], kind: StripCell) -> String {
    let mut path = String::new();
    let mut index = 0;
    for run in cells.chunk_by(|left, right| left == right) {
        if run.first() == Some(&kind) {
            let top = 10.0 - kind.height();
            if cells.len() > COUNTABLE {
                rectangle(&mut path, index as f64, top, run.len() as f64, kind.height());
            } else {
                // A gap of a tenth between cells, so that they can be counted.
                for place in 0..run.len() {
                    rectangle(&mut path, (index + place) as f64, top, 0.9, kind.height());
                }
            }
        }
        index += run.len();
    }
    path
}

/// What the cells mean.
#[must_use]
pub fn strip_key() -> Markup {
    let words = [
        (StripCell::Calm, "ok"),
        (StripCell::Near, "near the limit"),
        (StripCell::Warn, "warn"),
        (StripCell::Drift, "drift"),
        (StripCell::Strong, "more than twice the limit"),
        (StripCell::Unjudged, "no verdict"),
    ];
    html! {
        p.key {
            @for (cell, word) in words {
                svg.strip.sample viewBox="0 0 1 10" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                    path class=(cell.class()) d=(path(&[cell], cell)) {}
                }
                " " (word) " "
            }
        }
    }
}

/// A pattern that marks what has no verdict; once a page.
#[must_use]
pub fn hatching() -> Markup {
    html! {
        svg.hidden width="0" height="0" aria-hidden="true" focusable="false" {
            defs {
                pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect width="6" height="6" fill="none" {}
                    path.hatch d="M0 0v6" {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_put_together_and_the_loudest_is_shown() {
        let cells = [StripCell::Calm, StripCell::Drift, StripCell::Empty, StripCell::Unjudged, StripCell::Warn];
        assert_eq!(condensed(&cells, 5), cells);
        assert_eq!(condensed(&cells, 3), [StripCell::Drift, StripCell::Unjudged, StripCell::Warn]);
        assert_eq!(condensed(&cells, 1), [StripCell::Strong.min(StripCell::Drift)]);
        assert_eq!(condensed(&[], 4), []);
    }

    #[test]
    fn a_strip_says_what_is_in_it_in_height_class_and_letters() {
        let text =
            strip(&[StripCell::Calm, StripCell::Drift, StripCell::Empty], "one of three drifted").into_string();
        assert!(text.contains("data-cells=\"od-\"") && text.contains("aria-label=\"one of three drifted\""));
        assert!(text.contains("<path class=\"drifted\" d=\"M1 0h0.9v10h-0.9z\">"), "{text}");
    }
}
