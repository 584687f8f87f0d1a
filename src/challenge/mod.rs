//! Champion and challenger: two model versions, or two arms that a segment column names, compared in the same windows.
//!
//! Windows of the same start make a [`SidePair`]. [`compare_pair`] gives a [`PairedVerdict`] per column: both sides are judged
//! against one reference, that of the champion's window, and the challenger is judged against the champion directly. Over
//! the pairs a [`Progress`] moves from collecting to ready, or to worse, see [`Progress::step`]. Pure: the store reads the pairs and
//! writes what is decided.

mod compare;
mod event;
mod progress;
mod sequential;
#[cfg(test)]
mod tests;
mod thin;

pub use compare::{PairedColumn, PairedVerdict, SidePair, compare_pair};
pub use event::{
    ChallengeStep, ChallengerEvent, ComparedColumn, Decider, SideWindow, challenger_labels, challenger_page,
};
pub use progress::{ChallengeState, ColumnProgress, Progress};
pub use sequential::log_evidence;
pub use thin::thinned;

use uuid::Uuid;

use crate::alert::derived_id;
use crate::closing::Shadow;
use crate::window::WHOLE;

/// Which two sides of a monitor are compared, and when that has a result.
#[derive(Clone, Debug, PartialEq)]
pub struct ChallengeSpec {
    /// The segment column whose values are the arms; none where the sides are model versions.
    pub by: Option<String>,
    /// The version or arm that is in use.
    pub champion: String,
    /// The version or arm that may replace it.
    pub challenger: String,
    /// Shadow mode: the predictions of the challenger are logged and not used, and its own alerts send nothing.
    pub shadow: bool,
    /// Compared pairs without evidence against the challenger that are needed before it is ready.
    pub windows: u32,
    /// Pairs in a row in which a column must be worse, or differ, before that counts.
    pub in_a_row: u32,
    /// The columns that decide; all others are compared and shown.
    pub columns: Vec<String>,
    /// Features that do not decide: where they differ, the two sides may not receive the same traffic.
    pub features: Vec<String>,
    /// Names of the receivers of its events; those of the monitor and its routes when empty.
    pub receivers: Vec<String>,
}

/// The series of one side: of one version or of all, and of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideSeries {
    /// The model version; none where windows of all versions belong to the side.
    pub version: Option<String>,
    /// The segment: the whole, or the arm.
    pub segment: String,
}

impl ChallengeSpec {
    /// The id of the challenge: another champion or challenger is another challenge.
    #[must_use]
    pub fn id(&self, monitor: &str) -> Uuid {
        let by = self.by.as_deref().unwrap_or_default();
        derived_id(&["challenge", monitor, by, &self.champion, &self.challenger])
    }

    /// The series of the champion and of the challenger.
    #[must_use]
    pub fn series(&self) -> [SideSeries; 2] {
        [&self.champion, &self.challenger].map(|side| match &self.by {
            None => SideSeries { version: Some(side.clone()), segment: WHOLE.to_owned() },
            Some(column) => SideSeries { version: None, segment: format!("{column}={side}") },
        })
    }

    /// The series whose alerts send nothing; none without shadow mode.
    #[must_use]
    pub fn shadowed(&self) -> Option<Shadow> {
        self.shadow.then(|| shadow_of(self.by.as_deref(), &self.challenger))
    }

    /// A side as it is named in sentences: `version 4`, `arm=b`.
    #[must_use]
    pub fn in_words(&self, side: &str) -> String {
        side_words(self.by.as_deref(), side)
    }
}

/// The series of a challenger: of a model version, or of an arm of a segment column.
#[must_use]
pub fn shadow_of(by: Option<&str>, challenger: &str) -> Shadow {
    by.map_or_else(
        || Shadow::Version(challenger.to_owned()),
        |column| Shadow::Segment(format!("{column}={challenger}")),
    )
}

/// A side as it is named in sentences.
#[must_use]
pub fn side_words(by: Option<&str>, side: &str) -> String {
    by.map_or_else(|| format!("version {side}"), |column| format!("{column}={side}"))
}
