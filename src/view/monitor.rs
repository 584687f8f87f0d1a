//! Monitors: their state in a word and a sentence.

use serde::Serialize;

use super::{BaselineSummary, Learning, OpenAlert, Reading, RecordCount, SegmentWithoutBaseline, WindowStatus};
use crate::alert::{OperationalRule, RowState, Severity};
use crate::judge::Verdict;
use crate::record::Timestamp;
use crate::reference::RuleName;

/// State of a monitor. Unknown states are never ok.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MonitorState {
    /// Last window compared, no drift.
    Ok,
    /// Last window with a warning, or a firing alert of severity warn.
    Warn,
    /// Last window with drift, or a firing alert.
    Drift,
    /// Alert about records or columns that cannot be read; no drift in the data that was compared.
    Trouble,
    /// No records.
    NoData,
    /// No baseline: windows are counted, but not judged.
    NoBaseline,
    /// No baseline yet: it is being learned.
    Learning,
    /// Too few records in the last window.
    TooFew,
    /// No closed window yet.
    Waiting,
    /// Last window could not be compared.
    Undefined,
    /// Not configured on this daemon: only stored data is available.
    NotConfigured,
}

impl MonitorState {
    /// The name in answers and style sheets.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Drift => "drift",
            Self::Trouble => "trouble",
            Self::NoData => "no_data",
            Self::NoBaseline => "no_baseline",
            Self::Learning => "learning",
            Self::TooFew => "too_few",
            Self::Waiting => "waiting",
            Self::Undefined => "undefined",
            Self::NotConfigured => "not_configured",
        }
    }

    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Drift => "drift",
            Self::Trouble => "trouble with its input",
            Self::NoData => "no data",
            Self::NoBaseline => "no baseline",
            Self::Learning => "learning",
            Self::TooFew => "too few records",
            Self::Waiting => "waiting",
            Self::Undefined => "undefined",
            Self::NotConfigured => "not configured here",
        }
    }

    /// From what is known of a monitor: the alerts that are not over, the last closed window of the whole, whether any
    /// window is open, whether a baseline is being learned.
    #[must_use]
    pub fn of(alerts: &[&OpenAlert], last: Option<&WindowStatus>, open_windows: u64, learning: bool) -> Self {
        let fires = |alert: &&&OpenAlert| alert.state != RowState::Pending;
        let operational =
            |alert: &&&OpenAlert| OperationalRule::ALL.iter().any(|rule| rule.as_str() == alert.rule);
        let drifts = |alert: &&&OpenAlert| fires(alert) && !operational(alert);
        if alerts.iter().filter(fires).any(|alert| alert.rule == "no_data") {
            return Self::NoData;
        }
        let worst = alerts.iter().filter(drifts).map(|alert| alert.severity).max();
        let by_alerts = worst.map(|severity| match severity {
            Severity::Critical => Self::Drift,
            Severity::Warn => Self::Warn,
        });
        let by_window = match (last.map(|window| window.verdict), open_windows) {
            (None, 0) => Self::NoData,
            (None, _) => Self::Waiting,
            (Some(Verdict::NoBaseline), _) if learning => Self::Learning,
            (Some(Verdict::Ok), _) => Self::Ok,
            (Some(Verdict::Warn), _) => Self::Warn,
            (Some(Verdict::Critical), _) => Self::Drift,
            (Some(Verdict::NotEnoughData), _) => Self::TooFew,
            (Some(Verdict::NoBaseline), _) => Self::NoBaseline,
            (Some(Verdict::Undefined), _) => Self::Undefined,
        };
        let trouble = alerts.iter().filter(fires).any(|alert| operational(&alert));
        match (by_alerts, by_window) {
            (Some(Self::Drift), _) | (_, Self::Drift) => Self::Drift,
            (Some(other), _) => other,
            (None, _) if trouble => Self::Trouble,
            (None, state) => state,
        }
    }
}

/// Number of open alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct OpenAlerts {
    /// Pending.
    pub pending: usize,
    /// Firing.
    pub firing: usize,
    /// Acknowledged.
    pub acknowledged: usize,
}

/// A monitor.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct MonitorView {
    /// Name.
    pub name: String,
    /// Whether it is configured on this daemon; otherwise only stored data is available.
    pub configured: bool,
    /// State.
    pub state: MonitorState,
    /// State as text.
    pub summary: String,
    /// Open alerts.
    pub alerts: OpenAlerts,
    /// Record counts by outcome.
    pub records: Vec<RecordCount>,
    /// Messages and columns that could not be read.
    pub reading: Reading,
    /// Open windows.
    pub open_windows: u64,
    /// Last closed window (segment `*`).
    pub last_window: Option<WindowStatus>,
    /// The active baseline.
    pub baseline: Option<BaselineSummary>,
    /// Lag in messages.
    pub lag: Option<u64>,
    /// Progress of learning the baseline; null if not learning.
    pub learning: Option<Learning>,
    /// Segments not in the active baseline.
    pub segments_without_baseline: Vec<SegmentWithoutBaseline>,
    /// Labels.
    pub labels: std::collections::BTreeMap<String, String>,
}

/// A column of a monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ColumnInfo {
    /// Name.
    pub name: String,
    /// feature, output or latency.
    pub role: String,
    /// numeric, categorical, boolean, text or embedding.
    #[serde(rename = "type")]
    pub column_type: String,
}

/// A model version and segment with closed windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SeriesInfo {
    /// Model version; empty if records have none.
    pub version: String,
    /// `*` or `column=value`.
    pub segment: String,
    /// Number of closed windows.
    pub windows: u64,
    /// Start of the first window, RFC 3339.
    pub first_start: Timestamp,
    /// Start of the last window, RFC 3339.
    pub last_start: Timestamp,
    /// Verdict of the last window.
    pub last_verdict: Verdict,
    /// Records in the last window.
    pub last_rows: u64,
}

/// A monitor with its columns and series.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct MonitorDetail {
    /// Rules for the reference of its windows, in the order in which they are tried; empty if it is not configured on this daemon.
    pub references: Vec<RuleName>,
    /// The monitor.
    pub monitor: MonitorView,
    /// Configured columns.
    pub columns: Vec<ColumnInfo>,
    /// Series, newest window first.
    pub series: Vec<SeriesInfo>,
    /// Watermark: all records up to this event time are counted, RFC 3339; null until every partition has records.
    pub watermark: Option<Timestamp>,
    /// Window length in seconds; null if not configured on this daemon.
    pub window_seconds: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(verdict: Verdict) -> WindowStatus {
        WindowStatus {
            reference: None,
            version: String::new(),
            start: Timestamp::default(),
            end: Timestamp::default(),
            rows: 1,
            verdict,
            complete: true,
        }
    }

    fn alert(rule: &str, state: RowState, severity: Severity) -> OpenAlert {
        let text = str::to_owned;
        OpenAlert {
            id: text("1"),
            monitor: text("m"),
            version: text(""),
            segment: text("*"),
            rule: text(rule),
            state,
            severity,
            since: Timestamp::default(),
            silenced: false,
        }
    }

    #[test]
    fn what_cannot_be_said_is_a_state_of_its_own_and_never_ok() {
        let of = |verdict| MonitorState::of(&[], Some(&window(verdict)), 1, false);
        assert_eq!(of(Verdict::Ok), MonitorState::Ok);
        assert_eq!(of(Verdict::NotEnoughData), MonitorState::TooFew);
        assert_eq!(of(Verdict::NoBaseline), MonitorState::NoBaseline);
        assert_eq!(of(Verdict::Undefined), MonitorState::Undefined);
        assert_eq!(MonitorState::of(&[], None, 0, true), MonitorState::NoData);
        assert_eq!(MonitorState::of(&[], None, 2, true), MonitorState::Waiting);
        let unjudged = window(Verdict::NoBaseline);
        assert_eq!(MonitorState::of(&[], Some(&unjudged), 1, true), MonitorState::Learning);
        assert_eq!(MonitorState::of(&[], Some(&window(Verdict::Ok)), 1, true), MonitorState::Ok);
    }

    #[test]
    fn alerts_outlast_a_window_that_is_in_order_and_silence_outdoes_them() {
        let ok = window(Verdict::Ok);
        let firing = alert("drift", RowState::Firing, Severity::Critical);
        let pending = alert("drift", RowState::Pending, Severity::Critical);
        let warning = alert("drift", RowState::Acknowledged, Severity::Warn);
        let silent = alert("no_data", RowState::Firing, Severity::Critical);
        assert_eq!(MonitorState::of(&[&firing], Some(&ok), 1, false), MonitorState::Drift);
        assert_eq!(MonitorState::of(&[&pending], Some(&ok), 1, false), MonitorState::Ok);
        assert_eq!(MonitorState::of(&[&warning], Some(&ok), 1, false), MonitorState::Warn);
        assert_eq!(MonitorState::of(&[&warning], Some(&window(Verdict::Critical)), 1, false), MonitorState::Drift);
        assert_eq!(MonitorState::of(&[&firing, &silent], Some(&ok), 1, false), MonitorState::NoData);
        // What is wrong with the input is not drift, and not in order either.
        let rejected = alert("rejected_share", RowState::Firing, Severity::Critical);
        assert_eq!(MonitorState::of(&[&rejected], Some(&ok), 1, false), MonitorState::Trouble);
        assert_eq!(MonitorState::of(&[&rejected], None, 1, false), MonitorState::Trouble);
        assert_eq!(MonitorState::of(&[&rejected, &firing], Some(&ok), 1, false), MonitorState::Drift);
        assert_eq!(
            MonitorState::of(&[&rejected], Some(&window(Verdict::Critical)), 1, false),
            MonitorState::Drift
        );
    }
}
