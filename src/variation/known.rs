//! What is known of how the windows of a reference differ, as it is said to people and stored with windows.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{LEAST_WINDOWS, Source, Variation};
use crate::record::number_of;

/// What is known of the natural variation of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NaturalVariation {
    /// Where it is from.
    pub source: Source,
    /// The windows of the reference.
    pub windows: u32,
}

impl NaturalVariation {
    /// Of a reference with so many windows.
    #[must_use]
    pub fn of_windows(windows: usize) -> Self {
        let source = match windows {
            0 | 1 => Source::Sampling,
            few if few < LEAST_WINDOWS => Source::Learning,
            _ => Source::Windows,
        };
        Self { source, windows: u32::try_from(windows).unwrap_or(u32::MAX) }
    }
}

impl fmt::Display for NaturalVariation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let windows = number_of(u64::from(self.windows), "window");
        match self.source {
            Source::Sampling => {
                formatter.write_str("not known, sampling noise alone: the reference has no windows")
            }
            Source::Learning => write!(
                formatter,
                "not known, sampling noise alone: {windows} are too few to learn from, {LEAST_WINDOWS} are needed"
            ),
            Source::Windows => write!(formatter, "learned from {windows}"),
        }
    }
}

impl Variation {
    /// What is known of it, for people.
    #[must_use]
    pub fn known(&self) -> NaturalVariation {
        NaturalVariation::of_windows(self.windows())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_learned_from_when_they_are_enough() {
        let words = |windows: usize| NaturalVariation::of_windows(windows).to_string();
        assert_eq!(words(24), "learned from 24 windows");
        assert_eq!(words(1), "not known, sampling noise alone: the reference has no windows");
        assert_eq!(words(5), "not known, sampling noise alone: 5 windows are too few to learn from, 6 are needed");
    }
}
