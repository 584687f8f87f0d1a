//! Windows and findings, one by one and as the score board of a series.

use serde::{Deserialize, Serialize};

use super::ColumnSummary;
use crate::judge::{ChangeDetail, Verdict};
use crate::record::{Timestamp, grouped, number_of};
use crate::reference::{ReferenceChoice, RuleName};
use crate::window::Partition;

/// Window state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WindowState {
    /// Takes records.
    Open,
    /// Judged.
    Closed,
}

impl WindowState {
    /// The name in tables and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Open, Self::Closed].into_iter().find(|state| state.as_str() == name)
    }
}

/// Which windows to list.
#[derive(Clone, Debug, Default)]
pub struct WindowFilter {
    /// Of this model version.
    pub version: Option<String>,
    /// Of this segment.
    pub segment: Option<String>,
    /// Those that start at or after this, in microseconds since 1970.
    pub from: Option<i64>,
    /// Those that start before this.
    pub to: Option<i64>,
    /// In this state.
    pub status: Option<WindowState>,
    /// With this verdict.
    pub verdict: Option<Verdict>,
}

/// A window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WindowRow {
    /// Window ID.
    pub id: i64,
    /// Model version; empty if records have none.
    pub version: String,
    /// `*` or `column=value`.
    pub segment: String,
    /// Start, RFC 3339.
    pub start: Timestamp,
    /// Start of its last pane, by which windows are ordered and alerts count them; the same as `start` unless windows overlap.
    #[serde(default)]
    pub pane_start: Timestamp,
    /// End (exclusive), RFC 3339.
    pub end: Timestamp,
    /// Window state.
    pub status: WindowState,
    /// Number of counted records.
    pub rows: u64,
    /// Number of records of its last pane; the same as `rows` unless windows overlap.
    #[serde(default)]
    pub pane_rows: u64,
    /// How often it was judged again with late records.
    #[serde(default)]
    pub revision: u32,
    /// Usual number of records of a pane, by earlier windows; null while open, and when it was not judged.
    #[serde(default)]
    pub usual_rows: Option<u64>,
    /// Verdict on the number of records of its last pane; null while open, and when it was not judged.
    #[serde(default)]
    pub volume: Option<Verdict>,
    /// Number of late records.
    pub late: u64,
    /// Verdict; null while open.
    pub verdict: Option<Verdict>,
    /// Whether all partitions had passed its end; null while open.
    pub complete: Option<bool>,
    /// Partitions that had not passed its end.
    #[schema(value_type = Vec<serde_json::Value>)]
    pub missing: Vec<Partition>,
    /// Version of the baseline; null when it was compared with other windows.
    pub baseline: Option<i32>,
    /// How the reference was chosen; null while open, and for windows closed before it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<ReferenceChoice>,
    /// Number of the backfill that made it; null for a window of live counting.
    #[serde(default)]
    pub backfill: Option<i64>,
    /// Fingerprint of the configuration of the verdict.
    pub configuration: Option<String>,
    /// Decision on a retraining request, with the reason.
    pub retraining: Option<String>,
}

impl WindowRow {
    /// How its number of records differs from the usual one, when that is a finding: `1,000 are usual`.
    #[must_use]
    pub fn volume_in_words(&self) -> Option<String> {
        self.volume.filter(|verdict| verdict.moved())?;
        let usual = grouped(self.usual_rows?);
        if self.start == self.pane_start {
            return Some(format!("{usual} are usual"));
        }
        Some(format!("{} in the last pane, {usual} are usual", grouped(self.pane_rows)))
    }

    /// What it was compared with, as it is said in a sentence; none while it is open, and when there was nothing.
    #[must_use]
    pub fn compared_with(&self) -> Option<String> {
        if self.status == WindowState::Open {
            return None;
        }
        match &self.reference {
            Some(choice) => choice.in_words(),
            None => self.baseline.map(|version| format!("baseline version {version}")),
        }
    }

    /// What is known of how windows of the reference differ, as it is said in a sentence; none where that is not stored.
    #[must_use]
    pub fn natural_variation(&self) -> Option<String> {
        let known = self.reference.as_ref()?.natural_variation?;
        Some(format!("natural variation: {known}"))
    }

    /// What it was compared with in a cell of a table.
    #[must_use]
    pub fn reference_in_short(&self) -> Option<String> {
        if self.status == WindowState::Open {
            return None;
        }
        if let Some(version) = self.baseline {
            return Some(format!("baseline {version}"));
        }
        let choice = self.reference.as_ref()?;
        let rule = choice.rule?;
        Some(match rule {
            RuleName::Previous | RuleName::Version | RuleName::Rest => rule.as_str().to_owned(),
            _ => format!("{}, {}", rule.as_str(), number_of(choice.windows, "window")),
        })
    }
}

/// Which findings to list.
#[derive(Clone, Debug, Default)]
pub struct FindingFilter {
    /// In windows of this model version.
    pub version: Option<String>,
    /// In windows of this segment.
    pub segment: Option<String>,
    /// In windows that start at or after this, in microseconds since 1970.
    pub from: Option<i64>,
    /// In windows that start before this.
    pub to: Option<i64>,
    /// In this window.
    pub window: Option<i64>,
    /// About this column.
    pub column: Option<String>,
    /// By this measure.
    pub measure: Option<String>,
    /// With this verdict.
    pub verdict: Option<Verdict>,
}

/// A finding with its window.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct FindingRow {
    /// The window.
    pub window: i64,
    /// The model version.
    pub version: String,
    /// The segment.
    pub segment: String,
    /// Start of the window, RFC 3339.
    pub start: Timestamp,
    /// End of the window, RFC 3339.
    pub end: Timestamp,
    /// The column; `(records)` for the number of records.
    pub column: String,
    /// The measure.
    pub measure: String,
    /// Raw test statistic, or null.
    pub statistic: Option<f64>,
    /// p-value.
    pub p_value: Option<f64>,
    /// Effect size (unitless), compared with the limits.
    pub effect: Option<f64>,
    /// Bound of the binning error of the statistic.
    pub bound: Option<f64>,
    /// Noise floor: the effect that chance alone exceeds as rarely as the significance says; null where the p-value alone says it.
    pub noise_floor: Option<f64>,
    /// Limit of a warning; null for measures that are only shown.
    pub warn: Option<f64>,
    /// Limit of drift; null for measures that are only shown.
    pub critical: Option<f64>,
    /// Records of the baseline.
    pub n_baseline: Option<u64>,
    /// Records of the window.
    pub n_window: Option<u64>,
    /// Verdict.
    pub verdict: Verdict,
    /// Of a change measure: what changed, the interval, the smallest change that could have been found; null for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeDetail>,
}

impl FindingRow {
    /// Its effect as a multiple of the limit of drift; 0 without one.
    #[must_use]
    pub fn strength(&self) -> f64 {
        self.effect
            .map_or(0.0, |effect| crate::judge::strength(effect, self.critical, self.noise_floor, self.verdict))
    }
}

/// Score of a column in a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoardScore {
    /// The effect of its leading finding as a multiple of the limit of drift.
    pub score: f32,
    /// Verdict of the column.
    pub verdict: Verdict,
}

/// A window with how each column stood, in the order of the score board's columns; none where it was not judged.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredWindow {
    /// The window.
    pub window: WindowRow,
    /// Its columns.
    pub scores: Vec<Option<BoardScore>>,
}

/// The closed windows of a series over its columns, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScoreBoard {
    /// The columns, in the order of the last window.
    pub columns: Vec<String>,
    /// The windows.
    pub windows: Vec<ScoredWindow>,
}

/// A column in a window of its series.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnPoint {
    /// The window.
    pub window: WindowRow,
    /// Summary; null for windows closed by a version of driftd without summaries.
    pub summary: Option<ColumnSummary>,
    /// Its findings.
    pub findings: Vec<FindingRow>,
}

const LETTERS: [(char, Verdict); 6] = [
    ('o', Verdict::Ok),
    ('w', Verdict::Warn),
    ('c', Verdict::Critical),
    ('n', Verdict::NotEnoughData),
    ('b', Verdict::NoBaseline),
    ('u', Verdict::Undefined),
];

/// The letter a verdict is stored as.
#[must_use]
pub fn letter_of(verdict: Verdict) -> char {
    LETTERS.iter().find(|(_, known)| *known == verdict).map_or('u', |(letter, _)| *letter)
}

/// The verdict behind a letter.
#[must_use]
pub fn verdict_of(letter: char) -> Verdict {
    LETTERS.iter().find(|(known, _)| *known == letter).map_or(Verdict::Undefined, |(_, verdict)| *verdict)
}
