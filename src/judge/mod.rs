//! The judging machine: (merged window, baseline, rules) -> findings and a verdict. It reads no clock and no
//! store.
//!
//! A finding moves only when its effect is *material* (at or above a limit) and *significant* (above what chance produces
//! at these sizes, corrected over all findings of the window).
//!
//! *Drifted* has one meaning everywhere, in rules, pages, messages and reports: a verdict of [`Verdict::Critical`]. Below
//! that limit and at or above the lower one is a warning; *moved* is either. See [`Verdict::drifts`] and
//! [`Verdict::moved`].

mod accepted;
mod budget;
mod change;
mod finding;
mod judging;
mod movement;
mod power;
mod rules;
mod slow_drift;
mod verdict;
mod volume;
pub mod why;

pub use accepted::AcceptedLimits;
pub use budget::{FalseAlarms, Spread};
pub use change::{ChangeDetail, LastingDetail, largest_change};
pub use finding::{Finding, RECORDS, Subject, leading, strength};
pub use judging::{Against, judge};
pub use movement::{Movement, movement};
pub use power::{Bound, Power, power};
pub use rules::{ColumnRules, JudgeSpec, MeasureRule, WindowRule};
pub use slow_drift::{FollowedWindow, SeriesTrend};
pub use verdict::Verdict;

use serde::{Deserialize, Serialize};

/// A column with its worst verdict and how it moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnJudgement {
    pub column: String,
    /// The worst verdict of its measures.
    pub verdict: Verdict,
    /// The [`Finding::strength`] of its [`leading`] finding: what columns are ranked by.
    pub strength: f64,
    /// Before and after.
    pub movement: Movement,
}

/// What was decided about a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// By the rule over columns.
    pub verdict: Verdict,
    /// Records in the window.
    pub n_window: u64,
    /// Records in the baseline; 0 without one.
    pub n_baseline: u64,
    /// Every measure of every subject, those of a subject one after the other.
    pub findings: Vec<Finding>,
    /// Every column, the most moved first.
    pub columns: Vec<ColumnJudgement>,
}

impl Judgement {
    /// The columns that drifted or warn, most moved first.
    pub fn moved(&self) -> impl Iterator<Item = &ColumnJudgement> {
        self.columns.iter().filter(|column| column.verdict.moved())
    }
}

#[cfg(test)]
mod tests;
