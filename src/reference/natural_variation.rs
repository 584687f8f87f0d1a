//! What is known of how the windows of a reference differ, as it is said to people and stored with windows.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::record::number_of;
use crate::variation::{ChangeTest, LEAST_WINDOWS};

/// What is known of the natural variation of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NaturalVariation {
    /// Whether it has windows enough to learn from; otherwise only sampling noise counts as natural.
    pub known: bool,
    /// The windows of the reference.
    pub windows: u32,
}

impl NaturalVariation {
    /// Of a reference that windows are tested against.
    #[must_use]
    pub fn of(test: &ChangeTest) -> Self {
        Self::of_windows(test.variation().windows())
    }

    /// Of a reference with so many windows.
    #[must_use]
    pub fn of_windows(windows: usize) -> Self {
        Self { known: windows >= LEAST_WINDOWS, windows: u32::try_from(windows).unwrap_or(u32::MAX) }
    }
}

impl fmt::Display for NaturalVariation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let windows = number_of(u64::from(self.windows), "window");
        match (self.known, self.windows) {
            (true, _) => write!(formatter, "learned from {windows}"),
            (false, 0 | 1) => formatter.write_str("not known, sampling noise alone: the reference has no windows"),
            (false, _) => write!(
                formatter,
                "not known, sampling noise alone: {windows} are too few to learn from, {LEAST_WINDOWS} are needed"
            ),
        }
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
