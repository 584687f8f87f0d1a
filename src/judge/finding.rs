//! Findings: one measure of one subject in one window.

use serde::{Deserialize, Serialize};

use super::{ChangeDetail, Verdict};
use crate::measure::{Measure, Score, Thresholds};

/// What the rows of a window are called where columns are listed by name.
pub const RECORDS: &str = "(records)";

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The values of a column.
    Column(String),
    /// The rows of the window as a whole: how many, or how columns go together.
    Rows,
}

impl Subject {
    /// The column it is about; none when it is about the rows.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::Column(name) => Some(name),
            Self::Rows => None,
        }
    }

    /// What it is called where subjects are listed by name: that of the column, [`RECORDS`] for the rows.
    #[must_use]
    pub fn name(&self) -> &str {
        self.column().unwrap_or(RECORDS)
    }

    /// The one that is called so in lists.
    #[must_use]
    pub fn from_name(name: String) -> Self {
        if name == RECORDS { Self::Rows } else { Self::Column(name) }
    }

    /// Whether it is about this column.
    #[must_use]
    pub fn is_column(&self, name: &str) -> bool {
        self.column() == Some(name)
    }

    /// The name used in tables: that of the column, empty for the rows. No column has an empty name.
    #[must_use]
    pub fn as_stored(&self) -> &str {
        self.column().unwrap_or_default()
    }

    /// The one of this stored name.
    #[must_use]
    pub fn from_stored(name: String) -> Self {
        if name.is_empty() { Self::Rows } else { Self::Column(name) }
    }
}

/// One measure of one subject in one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is about.
    pub subject: Subject,
    pub measure: Measure,
    /// Its numbers; none when undefined or not computed.
    pub score: Option<Score>,
    /// The limits it was held against; none where it is only shown, and decides nothing.
    pub limits: Option<Thresholds>,
    /// The effect chance alone may produce at these sizes at most: of a change measure the one whose p-value equals the level;
    /// none where the p-value says it.
    pub noise_floor: Option<f64>,
    /// Whether chance alone does not explain it, whatever the limits.
    #[serde(default)]
    pub significant: bool,
    /// What was decided.
    pub verdict: Verdict,
    /// What a change measure says beside its score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeDetail>,
}

impl Finding {
    /// The effect as a multiple of the limit of drift, see [`strength`]; 0 without a score.
    #[must_use]
    pub fn strength(&self) -> f64 {
        let critical = self.limits.map(|limits| limits.critical);
        self.score.map_or(0.0, |score| strength(score.effect, critical, self.noise_floor, self.verdict))
    }

    /// The verdict with both limits multiplied by a factor: at 1 its own. What chance explains stays as it is, whatever the
    /// limits, and so does what has no score.
    #[must_use]
    pub fn verdict_with(&self, factor: f64) -> Verdict {
        let score = self.score.filter(|_| self.significant);
        let Some((score, limits)) = score.zip(self.limits) else { return self.verdict };
        if score.effect >= limits.critical * factor {
            Verdict::Critical
        } else if score.effect >= limits.warn * factor {
            Verdict::Warn
        } else {
            Verdict::Ok
        }
    }

    /// The limit its verdict was held against: that of a warning for warnings, otherwise that of drift; none where it is only
    /// shown.
    #[must_use]
    pub fn limit(&self) -> Option<f64> {
        let limits = self.limits?;
        Some(if self.verdict == Verdict::Warn { limits.warn } else { limits.critical })
    }
}

/// An effect as a multiple of the limit of drift: 1 and more is drift where it is significant.
///
/// With a limit of 0 what chance produces stands in for it, and where there is no such effect (significance is a p-value)
/// it is 1 for drift and 0 otherwise: always finite. 0 without any limit: such an effect is only shown.
#[must_use]
pub fn strength(effect: f64, critical: Option<f64>, noise_floor: Option<f64>, verdict: Verdict) -> f64 {
    let Some(critical) = critical else { return 0.0 };
    let limit = if critical > 0.0 { critical } else { noise_floor.unwrap_or(0.0) };
    let strength = if limit > 0.0 { effect / limit } else { f64::from(u8::from(verdict.drifts())) };
    if strength.is_finite() { strength } else { f64::MAX }
}

/// Of the findings of a column the one that says most: of those with the worst verdict the one whose effect is largest.
/// What a column's score is, and what it is ranked by; none without findings.
pub fn leading<'a>(findings: impl Iterator<Item = &'a Finding>) -> Option<&'a Finding> {
    findings.max_by(|left, right| {
        let ranks = left.verdict.rank().cmp(&right.verdict.rank());
        ranks.then_with(|| left.strength().total_cmp(&right.strength()))
    })
}
