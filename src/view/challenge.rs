//! Champion and challenger side by side.

use serde::{Deserialize, Serialize};

use crate::challenge::{
    ChallengeSpec, ChallengeState, ComparedColumn, PairedColumn, Progress, SideWindow, shadow_of,
};
use crate::record::{EventTime, Timestamp};
use crate::window::WindowKey;

/// The windows of both sides with the same start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ComparedPair {
    /// Start of both windows, RFC 3339.
    pub start: Timestamp,
    /// End of both windows (exclusive), RFC 3339.
    pub end: Timestamp,
    /// Window of the champion.
    pub champion: SideWindow,
    /// Window of the challenger.
    pub challenger: SideWindow,
    /// State of the challenge after the pair.
    pub state: ChallengeState,
    /// Columns; empty when the counts of a window could not be read.
    pub columns: Vec<PairedColumn>,
}

/// A challenge as it is stored: its progress, and its newest pairs, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChallengeHistory {
    /// Start of the pair with which the state began.
    pub since: Option<Timestamp>,
    /// Its progress.
    pub progress: Progress,
    /// The newest pairs.
    pub pairs: Vec<ComparedPair>,
}

/// Pairs of an answer at most.
pub const SHOWN_PAIRS: usize = 200;

/// Champion and challenger of a monitor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ChallengerView {
    /// Monitor name.
    pub monitor: String,
    /// Segment column whose values are the arms; null where they are model versions.
    pub by: Option<String>,
    /// Version or arm in use.
    pub champion: String,
    /// Version or arm that may replace it.
    pub challenger: String,
    /// Shadow mode: the challenger's own alerts send no message and request no retraining.
    pub shadow: bool,
    /// Compared pairs without evidence that are needed before the challenger is ready.
    pub windows: u32,
    /// Pairs in a row in which a column must be worse, or differ, before that counts.
    #[serde(rename = "for")]
    pub in_a_row: u32,
    /// State.
    pub state: ChallengeState,
    /// Why, in words.
    pub reason: String,
    /// Start of the pair with which the state began, RFC 3339; null before the first pair.
    pub since: Option<Timestamp>,
    /// Pairs so far.
    pub pairs: u32,
    /// Pairs in which all deciding columns could be compared.
    pub compared: u32,
    /// Compared pairs since the last evidence against the challenger.
    pub quiet: u32,
    /// Columns in the last pair and in all pairs: deciding ones first, then those with the most evidence against the challenger.
    pub columns: Vec<ComparedColumn>,
    /// The newest pairs, oldest first: at most 200, and fewer of a monitor with more than 50 columns.
    pub history: Vec<ComparedPair>,
}

impl ChallengerView {
    /// What is configured, with what is stored of it.
    #[must_use]
    pub fn new(monitor: &str, spec: &ChallengeSpec, stored: Option<ChallengeHistory>) -> Self {
        let ChallengeHistory { since, progress, pairs } = stored.unwrap_or_default();
        let last = pairs.iter().rev().find(|pair| !pair.columns.is_empty());
        let columns = last.map(|last| ComparedColumn::all(&last.columns, &progress, &spec.columns));
        Self {
            monitor: monitor.to_owned(),
            by: spec.by.clone(),
            champion: spec.champion.clone(),
            challenger: spec.challenger.clone(),
            shadow: spec.shadow,
            windows: spec.windows,
            in_a_row: spec.in_a_row,
            state: progress.state,
            reason: progress.reason(spec),
            since,
            pairs: progress.pairs,
            compared: progress.compared,
            quiet: progress.quiet,
            columns: columns.unwrap_or_default(),
            history: pairs,
        }
    }

    /// Whether the alerts of a series send nothing, because the challenger is in shadow mode.
    #[must_use]
    pub fn is_shadowed(&self, version: &str, segment: &str) -> bool {
        let key =
            WindowKey { version: version.to_owned(), segment: segment.to_owned(), start: EventTime::default() };
        let shadow = self.shadow.then(|| shadow_of(self.by.as_deref(), &self.challenger));
        shadow.is_some_and(|shadow| shadow.covers(&key))
    }

    /// A side as it is named in sentences: `version 4`, `arm=b`.
    #[must_use]
    pub fn in_words(&self, side: &str) -> String {
        crate::challenge::side_words(self.by.as_deref(), side)
    }
}

/// Text for a monitor without a challenger.
#[must_use]
pub fn no_challenger(monitor: &str) -> String {
    format!(
        "monitor `{monitor}` has no challenger\nhint: add [challenger] with `champion` and `challenger` to the file of the monitor"
    )
}
