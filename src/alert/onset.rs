//! When a column of an alert began to drift, as messages and pages show it.

use serde::{Deserialize, Serialize};

use super::DriftedColumn;
use crate::record::Timestamp;

/// Since when a column has drifted. Times are starts of windows, or of panes where windows overlap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ColumnOnset {
    /// The most likely window.
    pub likely: Timestamp,
    /// The earliest plausible window (95 %); none where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest: Option<Timestamp>,
    /// The latest plausible window (95 %).
    pub latest: Timestamp,
}

impl ColumnOnset {
    /// A sentence without its end.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { likely, earliest, latest } = self;
        match earliest {
            Some(earliest) if earliest == latest => format!("began in the window of {likely}"),
            Some(earliest) => format!("began about {likely}, between {earliest} and {latest} (95 %)"),
            None => format!("began about {likely}, {latest} at the latest (95 %); how early is not known"),
        }
    }

    /// Whether one window alone is plausible.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.earliest.as_ref() == Some(&self.latest)
    }
}

impl DriftedColumn {
    /// What is said of it beside its numbers: when it began, and why it drifts.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        self.onset.iter().map(ColumnOnset::words).chain(self.why.iter().cloned()).collect()
    }
}
