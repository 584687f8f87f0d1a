//! What the listener shows and changes: filled in by the application, so that this edge knows no other.

use crate::record::TimeSpan;
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use super::Probe;
use super::access::Access;
use crate::account::LimitsStep;
use crate::alert::{Matcher, RowState};
use crate::report::ColumnReport;
use crate::view::{
    AlertDetail, AlertRow, AuditEntry, BaselineDetail, BaselineDiff, BaselineSummary, ChallengerView, ColumnPoint,
    DeliveryDetail, DeliveryFilter, DeliveryRow, DetectionsView, DistributionRow, Episode, FalseAlarmsView,
    FindingFilter, FindingRow, Judged, MonitorDetail, MonitorView, Page, Promotion, RequestDetail, RequestRow,
    SampledRecords, ScoreBoard, SilenceRow, Status, WindowFilter, WindowRow,
};
use crate::window::OffsetRanges;

/// Why something cannot be shown or changed; texts are for people and hold no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendError {
    /// There is no such thing.
    NotFound(String),
    /// Conflict with the current state.
    Refused(String),
    /// It was there, and is older than it is kept.
    Deleted(String),
    /// It makes no sense.
    Invalid(String),
    /// Later, perhaps.
    Unavailable(String),
    /// Something stored is damaged.
    Broken(String),
}

/// What can be had, or why not.
pub type BackendResult<T> = Result<T, BackendError>;

/// Where a list goes on, and how long a part of it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// What the part before said, if there was one.
    pub cursor: Option<String>,
    /// Entries at most.
    pub limit: usize,
}

/// A series of a monitor, and how many of its last windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesQuery {
    /// The monitor.
    pub monitor: String,
    /// The model version.
    pub version: String,
    /// The segment.
    pub segment: String,
    /// Windows at most.
    pub windows: i64,
}

/// A window with what it is made of.
#[derive(Clone, Debug)]
pub struct WindowDetail {
    /// The window.
    pub window: WindowRow,
    /// Topic, partition, first offset, offset past the last.
    pub offsets: OffsetRanges,
    /// Why it has no counts any more; none while it has them.
    pub deleted: Option<String>,
}

/// A column of a window: compared with its baseline, or why it cannot be.
#[derive(Clone, Debug)]
pub struct ColumnDetail {
    /// The window.
    pub window: WindowRow,
    /// What the window was compared with.
    pub baseline: Option<String>,
    /// The comparison; none without a baseline on the same bins.
    pub report: Option<ColumnReport>,
    /// Records of the window in its sample; 0 when none is kept.
    pub sample: usize,
    /// Why there are no counts to compare any more; none while there are.
    pub deleted: Option<String>,
}

/// What people do to an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestedAlertChange {
    /// A person acknowledges it.
    Acknowledge,
    /// It is over; what it was, if somebody knows.
    Resolve(Option<Judged>),
}

/// A silence to be made.
#[derive(Clone, Debug)]
pub struct NewSilence {
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// For how long.
    pub duration: TimeSpan,
    /// Why.
    pub comment: String,
}

/// What becomes of a retraining request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetrainingChange {
    /// It is sent.
    Approve,
    /// It is called off.
    Cancel,
}

/// Something that was reported, not verified yet: id, timestamp and signatures as they came, and the body.
#[derive(Clone, Debug)]
pub enum Callback {
    /// How a retraining goes.
    Retraining {
        /// The request.
        id: String,
        /// Standard Webhooks' headers.
        signed: (String, String, String),
        /// The body.
        body: String,
    },
    /// MLflow's registry has something new.
    Mlflow {
        /// MLflow's headers, in the same order.
        signed: (String, String, String),
        /// The body.
        body: String,
    },
}

/// The outcome of a report, in words for its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallbackOutcome {
    /// Taken over; how things stand.
    Taken(String),
    /// Nobody can say that it is who it says.
    Unauthorized(String),
    /// It makes no sense.
    Invalid(String),
    /// It is about nothing that there is.
    NotFound(String),
    /// Conflict with the current state.
    Conflict(String),
    /// Reports of this kind are not taken here.
    Off(String),
    /// Later, perhaps.
    Unavailable(String),
}

/// Everything that is shown and changed. Who changes something is written into the audit log.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Who may do what.
    fn access(&self) -> Arc<Access>;
    /// Is the process making progress?
    fn health(&self) -> Probe;
    /// Can it do its work: database, Kafka?
    fn ready(&self) -> Probe;
    /// The metrics, in the OpenMetrics text format.
    fn metrics(&self) -> String;
    /// Whether a session was ended before its time.
    async fn session_ended(&self, id: &str) -> BackendResult<bool>;
    /// Ends a session, on all daemons and for good; `until` is when it would have ended, in seconds since 1970.
    async fn end_session(&self, id: &str, until: u64) -> BackendResult<()>;
    /// Takes what training systems and registries report.
    async fn report(&self, report: Callback) -> CallbackOutcome;

    /// All monitors.
    async fn monitors(&self) -> BackendResult<Vec<MonitorView>>;
    /// One of them.
    async fn monitor(&self, name: &str) -> BackendResult<MonitorDetail>;
    /// Windows, newest first.
    async fn windows(
        &self,
        monitor: &str,
        filter: &WindowFilter,
        request: &PageRequest,
    ) -> BackendResult<Page<WindowRow>>;
    /// One of them.
    async fn window(&self, monitor: &str, id: i64) -> BackendResult<WindowDetail>;
    /// The bins of a window's columns.
    async fn distributions(
        &self,
        monitor: &str,
        id: i64,
        column: Option<&str>,
    ) -> BackendResult<Vec<DistributionRow>>;
    /// A column of a window, compared with the baseline.
    async fn column(&self, monitor: &str, id: i64, column: &str) -> BackendResult<ColumnDetail>;
    /// Records of a window's sample; with a column those behind its drift.
    async fn records(
        &self,
        monitor: &str,
        id: i64,
        column: Option<&str>,
        limit: usize,
    ) -> BackendResult<SampledRecords>;
    /// Findings, those of the newest windows first.
    async fn findings(
        &self,
        monitor: &str,
        filter: &FindingFilter,
        request: &PageRequest,
    ) -> BackendResult<Page<FindingRow>>;
    /// How the columns of a series stand over time.
    async fn score_board(&self, series: &SeriesQuery) -> BackendResult<ScoreBoard>;
    /// A column of a series over time: in the last windows, or in those around a window.
    async fn column_history(
        &self,
        series: &SeriesQuery,
        column: &str,
        around: Option<i64>,
    ) -> BackendResult<Vec<ColumnPoint>>;
    /// When alerts of a series fired.
    async fn episodes(&self, series: &SeriesQuery) -> BackendResult<Vec<Episode>>;

    /// Champion and challenger of a monitor, with at most so many of the newest pairs; none when it has no challenger.
    async fn challenger(&self, monitor: &str, pairs: usize) -> BackendResult<Option<ChallengerView>>;
    /// The detectors of a monitor, and at most so many of the newest detections.
    async fn detections(&self, monitor: &str, limit: i64) -> BackendResult<DetectionsView>;

    /// False alarms of a monitor, proposals of wider limits, and accepted limits.
    async fn false_alarms(&self, monitor: &str) -> BackendResult<FalseAlarmsView>;
    /// Accepts or dismisses a proposal, or withdraws what was decided about one.
    async fn change_limits(
        &self,
        monitor: &str,
        id: Uuid,
        step: LimitsStep,
        actor: &str,
        comment: &str,
    ) -> BackendResult<FalseAlarmsView>;

    /// The baselines of a monitor, newest first.
    async fn baselines(&self, monitor: &str) -> BackendResult<Vec<BaselineSummary>>;
    /// One of them.
    async fn baseline(&self, monitor: &str, version: i32) -> BackendResult<BaselineDetail>;
    /// The bins of a baseline's columns, of the whole.
    async fn baseline_distributions(&self, monitor: &str, version: i32) -> BackendResult<Vec<DistributionRow>>;
    /// How two of them differ.
    async fn baseline_diff(&self, monitor: &str, before: i32, after: i32) -> BackendResult<BaselineDiff>;
    /// Makes one from closed windows.
    async fn promote(&self, monitor: &str, wanted: Promotion, actor: &str) -> BackendResult<BaselineSummary>;
    /// Compares new windows with it from now on.
    async fn activate(&self, monitor: &str, version: i32, actor: &str) -> BackendResult<BaselineSummary>;

    /// Alerts, the latest change first; in these states, or all.
    async fn alerts(
        &self,
        monitor: Option<&str>,
        states: &[RowState],
        request: &PageRequest,
    ) -> BackendResult<Page<AlertRow>>;
    /// One of them; `id` may be the beginning of its id.
    async fn alert(&self, id: &str) -> BackendResult<AlertDetail>;
    /// Does something to an alert.
    async fn change_alert(
        &self,
        id: Uuid,
        change: RequestedAlertChange,
        actor: &str,
        comment: &str,
    ) -> BackendResult<AlertRow>;
    /// Silences; with `all`, those that are over, too.
    async fn silences(&self, all: bool) -> BackendResult<Vec<SilenceRow>>;
    /// Makes a silence.
    async fn silence(&self, wanted: NewSilence, actor: &str) -> BackendResult<SilenceRow>;
    /// Ends a silence.
    async fn end_silence(&self, id: Uuid, actor: &str) -> BackendResult<SilenceRow>;

    /// Messages, newest first.
    async fn deliveries(&self, filter: &DeliveryFilter, request: &PageRequest)
    -> BackendResult<Page<DeliveryRow>>;
    /// One of them.
    async fn delivery(&self, id: Uuid) -> BackendResult<DeliveryDetail>;
    /// Sends a message again.
    async fn send_again(&self, id: Uuid, actor: &str) -> BackendResult<DeliveryDetail>;

    /// Retraining requests, newest first; with `all`, those that are over, too.
    async fn requests(&self, all: bool) -> BackendResult<Vec<RequestRow>>;
    /// One of them.
    async fn request(&self, id: Uuid) -> BackendResult<RequestDetail>;
    /// Approves or cancels a request.
    async fn change_request(
        &self,
        id: Uuid,
        change: RetrainingChange,
        actor: &str,
        comment: &str,
    ) -> BackendResult<RequestDetail>;

    /// The summary of everything.
    async fn status(&self) -> BackendResult<Status>;
    /// The configuration in force: (key, value, where it was set), secrets redacted.
    fn configuration(&self) -> Vec<crate::view::ConfiguredValue>;
    /// Who changed what, newest first.
    async fn audit(&self, subject: Option<&str>, request: &PageRequest) -> BackendResult<Page<AuditEntry>>;
}
