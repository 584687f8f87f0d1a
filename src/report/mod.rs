//! Reports: what a comparison, a replay or a rehearsal found, as data, as text for a terminal and as one HTML file.

mod baselines;
mod calibrated;
mod columns;
mod compared;
mod gaps;
mod html;
mod notes;
mod page;
mod replay_html;
mod replay_text;
mod replayed;
mod side_by_side;
mod summary;
mod text;

pub use baselines::{ColumnDiff, MeasuredDiff, baseline_diff};
pub use calibrated::{
    AlertRateReport, AlternativeReport, BudgetReport, CalibrationReport, ColumnCalibration, FalseFindingsReport,
    FindsReport, LongerReport, MovedReport, PowerReport, RateReport, RecordsReport, SeriesReport,
    SuggestionReport, calibrate_html, calibrate_text, calibration_report,
};
pub use compared::{compare_report, window_column};
pub use html::{column_section, compare_html};
pub use page::{STYLE, badge, key, page, scrolling};
pub use replay_html::replay_html;
pub use replay_text::replay_text;
pub use replayed::{
    AlertReport, ColumnWhy, DetectionReport, MonitorReport, Records, ReplayReport, WindowColumn, WindowReport,
    replay_report,
};
pub use text::{compare_text, measure_words};

use serde::{Deserialize, Serialize};

use crate::chart::Bar;
use crate::judge::why::{Cause, Reason};
use crate::judge::{ChangeDetail, Verdict};
pub use summary::Summary;

/// The version of the JSON form of reports: it changes when a field changes its meaning or goes.
pub const FORMAT: u32 = 1;

/// What is said of a column or of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Compared, and nothing to report.
    Ok,
    /// Moved a little.
    Warn,
    /// Moved.
    Drift,
    /// Too few rows to say anything.
    NotEnoughData,
    /// There is no value to compare.
    Undefined,
}

impl Outcome {
    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Drift => "drift",
            Self::NotEnoughData => "not_enough_data",
            Self::Undefined => "undefined",
        }
    }

    /// The word for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NotEnoughData => "too few",
            other => other.as_str(),
        }
    }

    /// The verdict of another tool, if it has one.
    fn of_tool(drift: Option<bool>) -> Self {
        match drift {
            Some(true) => Self::Drift,
            Some(false) => Self::Ok,
            None => Self::Undefined,
        }
    }

    /// The loudest first.
    fn order(self) -> u8 {
        match self {
            Self::Drift => 0,
            Self::Warn => 1,
            Self::Undefined => 2,
            Self::NotEnoughData => 3,
            Self::Ok => 4,
        }
    }
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Ok => Self::Ok,
            Verdict::Warn => Self::Warn,
            Verdict::Critical => Self::Drift,
            Verdict::NotEnoughData => Self::NotEnoughData,
            Verdict::NoBaseline | Verdict::Undefined => Self::Undefined,
        }
    }
}

/// A number for each of the two files.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Both<T> {
    pub baseline: T,
    pub window: T,
}

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CompareReport {
    /// The version of driftd.
    pub driftd: &'static str,
    /// The version of this form, see [`FORMAT`].
    pub format: u32,
    /// The verdict on the two files.
    pub verdict: Outcome,
    /// The same in a sentence.
    pub summary: String,
    /// How values were compared.
    pub method: String,
    pub files: Both<String>,
    /// Rows compared.
    pub rows: Both<u64>,
    /// Rows that could not be read.
    pub rejected: Both<u64>,
    /// The columns, those that moved most first.
    pub columns: Vec<ColumnReport>,
    /// What was not compared, and other remarks.
    pub notes: Vec<String>,
}

/// What was found of one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ColumnReport {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub column_type: String,
    /// The worst verdict of its measures.
    pub verdict: Outcome,
    /// The effect of the measure that says most about it, as a multiple of its limit.
    pub moved: f64,
    /// What is in the baseline.
    pub baseline: Summary,
    /// What is in the window.
    pub window: Summary,
    /// The category whose share of the values changed most, with its shares; none for a column without categories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<serde_json::Value>>)]
    pub category: Option<(String, f64, f64)>,
    /// Its measures.
    pub measures: Vec<MeasureReport>,
    /// The two distributions as bars, shares of all rows.
    pub distribution: Vec<Bar>,
    /// Why it drifts.
    pub why: Vec<Reason>,
}

/// One measure of one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MeasureReport {
    /// Its name.
    pub measure: String,
    /// Its number; none where it has none.
    pub statistic: Option<f64>,
    /// Its p-value, where it is a test.
    pub p_value: Option<f64>,
    /// The size without unit that limits hold; absent for another tool's numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<f64>,
    /// The limit of a warning; absent for another tool's numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warn: Option<f64>,
    /// The limit of drift.
    pub threshold: Option<f64>,
    /// The effect that chance alone exceeds as rarely as the significance says, where it is known without the values; of others
    /// the p-value alone says it. Absent for another tool's numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise_floor: Option<f64>,
    /// Its verdict.
    pub verdict: Outcome,
    /// What it was computed on: bins, smoothing, base of the logarithm; of a change measure, what changed.
    pub detail: String,
    /// Of a change measure: the interval, and the smallest change that could have been found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeDetail>,
}

impl MeasureReport {
    /// Its verdict in words. One of driftd's own without limits is only shown.
    #[must_use]
    pub fn verdict_in_words(&self) -> &'static str {
        let has_limits = self.threshold.is_some() || self.effect.is_none();
        if self.verdict == Outcome::Ok && !has_limits { "shown" } else { self.verdict.words() }
    }
}

impl CompareReport {
    /// Says that each column was asked for: without a verdict on one of them there is none on the whole, unless others drift.
    pub fn asked_for_all(&mut self) {
        let unclear: Vec<&str> = self
            .columns
            .iter()
            .filter(|column| matches!(column.verdict, Outcome::Undefined | Outcome::NotEnoughData))
            .map(|column| column.name.as_str())
            .collect();
        if !unclear.is_empty() && matches!(self.verdict, Outcome::Ok | Outcome::Warn) {
            self.summary = format!("There is no verdict on {}. {}", unclear.join(", "), self.summary);
            self.verdict = Outcome::Undefined;
        }
    }
}

impl ColumnReport {
    /// Whether the window does not have the column.
    fn is_gone(&self) -> bool {
        self.why.iter().any(|reason| reason.cause == Cause::ColumnMissing)
    }

    /// The measure that says most about the verdict.
    #[must_use]
    pub fn leading(&self) -> Option<&MeasureReport> {
        columns::leading(&self.measures)
    }
}
