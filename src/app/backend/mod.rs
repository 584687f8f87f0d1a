//! What the listener shows and changes, from the store and from what runs.

mod changes;
mod cursor;
mod windows;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use super::callbacks;
use super::false_alarms::false_alarms;
use super::housekeeping::watermark;
use super::monitors::RunningMonitor;
use super::overview::view;
use super::state::Shared;
use crate::account::LimitsStep;
use crate::alert::RowState;
use crate::http::{
    Access, Backend, BackendError, BackendResult, Callback, CallbackOutcome, ColumnDetail, NewSilence,
    PageRequest, Probe, RequestedAlertChange, RetrainingChange, SeriesQuery, WindowDetail,
};
use crate::kafka::SourceCommands;
use crate::record::TimeSpan;
use crate::reference::ReferenceRule;
use crate::report::baseline_diff;
use crate::store::{FindingPlace, Store, StoreError};
use crate::view::{
    AlertDetail, AlertRow, AuditEntry, BaselineDetail, BaselineDiff, BaselineSummary, ChallengerView, ColumnInfo,
    ColumnPoint, ConfiguredValue, DeliveryDetail, DeliveryFilter, DeliveryRow, DetectionsView, DistributionRow,
    Episode, FalseAlarmsView, FindingFilter, FindingRow, MonitorDetail, MonitorView, Page, Promotion,
    RequestDetail, RequestRow, SampledRecords, ScoreBoard, SilenceRow, Status, WindowFilter, WindowRow,
    baseline_columns, distribution_rows,
};
use crate::window::WHOLE;
use cursor::{bad_cursor, number, place};

/// Series of a monitor that are listed at most.
const SERIES: i64 = 500;

/// The backend of the listener.
pub(super) struct StoreBackend {
    pub(super) store: Store,
    pub(super) shared: Arc<Shared>,
    pub(super) commands: SourceCommands,
    /// How long a reader may be silent before it is no longer believed.
    pub(super) reader_timeout: TimeSpan,
}

/// Words for people instead of errors of the store.
impl From<StoreError> for BackendError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(why) => Self::NotFound(why),
            StoreError::Refused(why) => Self::Refused(why),
            error @ StoreError::CountsDeleted { .. } => Self::Deleted(error.to_string()),
            error @ (StoreError::Damaged { .. }
            | StoreError::Settings(_)
            | StoreError::Migrate(_)
            | StoreError::NewerSchema { .. }) => {
                tracing::error!(%error, "cannot answer a request");
                Self::Broken(error.to_string())
            }
            error @ StoreError::Database { .. } if error.is_transient() => Self::Unavailable(error.to_string()),
            error if error.is_about_text() => {
                Self::Invalid("text contains a NUL character, which cannot be stored".to_owned())
            }
            error @ StoreError::Database { .. } => {
                tracing::error!(%error, "cannot answer a request");
                Self::Broken("the database rejects the request; see the log".to_owned())
            }
        }
    }
}

fn no_monitor(name: &str) -> BackendError {
    BackendError::NotFound(format!("monitor `{name}` not found"))
}

impl StoreBackend {
    fn running(&self, name: &str) -> Option<Arc<RunningMonitor>> {
        self.shared.monitors().into_iter().find(|running| running.monitor.name == name)
    }

    fn configured(&self, name: &str) -> BackendResult<Arc<RunningMonitor>> {
        self.running(name).ok_or_else(|| {
            BackendError::Refused(format!(
                "monitor `{name}` is not configured on this daemon: only stored data is available"
            ))
        })
    }

    /// Everything known of the monitors, stored or configured.
    async fn views(&self, only: Option<&str>) -> BackendResult<Vec<MonitorView>> {
        let status = self.shared.status(&self.store).await?;
        let running = self.shared.monitors();
        let mut names: BTreeSet<&str> = status.monitors.iter().map(|monitor| monitor.monitor.as_str()).collect();
        names.extend(running.iter().map(|running| running.monitor.name.as_str()));
        let mut views = Vec::new();
        for name in names.into_iter().filter(|name| only.is_none_or(|only| only == *name)) {
            let stored = status.monitors.iter().find(|monitor| monitor.monitor == name);
            let running = running.iter().find(|running| running.monitor.name == name);
            let baselines = self.store.baselines(name).await?;
            views.push(view(name, stored, running.map(Arc::as_ref), baselines, &status));
        }
        Ok(views)
    }

    /// Whether there is such a monitor, configured or stored.
    async fn check(&self, name: &str) -> BackendResult<()> {
        if self.running(name).is_some() || self.store.has_monitor(name).await? {
            return Ok(());
        }
        Err(no_monitor(name))
    }
}

#[async_trait]
impl Backend for StoreBackend {
    fn access(&self) -> Arc<Access> {
        Arc::clone(&self.shared.in_force().access)
    }

    fn health(&self) -> Probe {
        self.shared.health(&self.commands)
    }

    fn ready(&self) -> Probe {
        self.shared.readiness(&self.commands)
    }

    fn metrics(&self) -> String {
        self.shared.metrics.ready(self.ready().ok);
        self.shared.metrics.pressure(self.commands.is_paused(), self.commands.in_flight());
        self.shared.metrics.encode()
    }

    async fn session_ended(&self, id: &str) -> BackendResult<bool> {
        Ok(self.store.session_ended(id).await?)
    }

    async fn end_session(&self, id: &str, until: u64) -> BackendResult<()> {
        Ok(self.store.end_session(id, i64::try_from(until).unwrap_or(i64::MAX)).await?)
    }

    async fn report(&self, report: Callback) -> CallbackOutcome {
        callbacks::take(&self.store, &self.shared, report).await
    }

    async fn monitors(&self) -> BackendResult<Vec<MonitorView>> {
        self.views(None).await
    }

    async fn monitor(&self, name: &str) -> BackendResult<MonitorDetail> {
        let monitor = self.views(Some(name)).await?.into_iter().next().ok_or_else(|| no_monitor(name))?;
        let running = self.running(name);
        let columns =
            running.iter().flat_map(|running| running.monitor.schema.columns()).map(|column| ColumnInfo {
                name: column.name.clone(),
                role: column.role.as_str().to_owned(),
                column_type: column.column_type.as_str().to_owned(),
            });
        let watermark = match &running {
            None => None,
            Some(running) => {
                let topics = self.store.topics().await?;
                watermark(&self.store, running, &topics, self.reader_timeout).await?
            }
        };
        let rules = running.iter().flat_map(|running| &running.monitor.references.rules);
        Ok(MonitorDetail {
            references: rules.map(ReferenceRule::name).collect(),
            watermark: watermark.map(|(watermark, _)| watermark.into()),
            columns: columns.collect(),
            series: self.store.series(name, SERIES).await?,
            window_seconds: running.map(|running| running.monitor.counting.length.span().micros() / 1_000_000),
            monitor,
        })
    }

    async fn windows(
        &self,
        monitor: &str,
        filter: &WindowFilter,
        request: &PageRequest,
    ) -> BackendResult<Page<WindowRow>> {
        self.check(monitor).await?;
        let after = place(request)?;
        Ok(self.store.windows(monitor, filter, after, request.limit).await?)
    }

    async fn window(&self, monitor: &str, id: i64) -> BackendResult<WindowDetail> {
        windows::detail(self, monitor, id).await
    }

    async fn distributions(
        &self,
        monitor: &str,
        id: i64,
        column: Option<&str>,
    ) -> BackendResult<Vec<DistributionRow>> {
        windows::distributions(self, monitor, id, column).await
    }

    async fn column(&self, monitor: &str, id: i64, column: &str) -> BackendResult<ColumnDetail> {
        windows::column(self, monitor, id, column).await
    }

    async fn records(
        &self,
        monitor: &str,
        id: i64,
        column: Option<&str>,
        limit: usize,
    ) -> BackendResult<SampledRecords> {
        windows::records(self, monitor, id, (column, limit)).await
    }

    async fn findings(
        &self,
        monitor: &str,
        filter: &FindingFilter,
        request: &PageRequest,
    ) -> BackendResult<Page<FindingRow>> {
        self.check(monitor).await?;
        let after: Option<FindingPlace> =
            request.cursor.as_deref().map(serde_json::from_str).transpose().map_err(|_| bad_cursor())?;
        Ok(self.store.findings(monitor, filter, after, request.limit).await?)
    }

    async fn score_board(&self, series: &SeriesQuery) -> BackendResult<ScoreBoard> {
        Ok(self.store.score_board(&series.monitor, &series.version, &series.segment, series.windows).await?)
    }

    async fn column_history(
        &self,
        series: &SeriesQuery,
        column: &str,
        around: Option<i64>,
    ) -> BackendResult<Vec<ColumnPoint>> {
        Ok(self
            .store
            .column_history((&series.monitor, &series.version, &series.segment), column, series.windows, around)
            .await?)
    }

    async fn episodes(&self, series: &SeriesQuery) -> BackendResult<Vec<Episode>> {
        Ok(self.store.episodes(&series.monitor, &series.version, &series.segment).await?)
    }

    async fn challenger(&self, monitor: &str, pairs: usize) -> BackendResult<Option<ChallengerView>> {
        self.check(monitor).await?;
        let running = self.running(monitor);
        let Some(spec) = running.as_ref().and_then(|running| running.monitor.challenger.as_ref()) else {
            return Ok(None);
        };
        let stored = self.store.challenge_history(monitor, spec, pairs).await?;
        Ok(Some(ChallengerView::new(monitor, spec, stored)))
    }

    async fn detections(&self, monitor: &str, limit: i64) -> BackendResult<DetectionsView> {
        self.check(monitor).await?;
        let running = self.running(monitor);
        let configured = running.as_ref().map(|running| running.monitor.detectors.as_slice()).unwrap_or_default();
        let progress = self.store.detector_progress(monitor).await?;
        let found = self.store.detections(monitor, limit).await?;
        Ok(DetectionsView::new(monitor, configured, &progress, found))
    }

    async fn false_alarms(&self, monitor: &str) -> BackendResult<FalseAlarmsView> {
        self.check(monitor).await?;
        let running = self.running(monitor);
        Ok(false_alarms(&self.store, monitor, running.as_ref().map(|running| &running.monitor)).await?)
    }

    async fn change_limits(
        &self,
        monitor: &str,
        id: Uuid,
        step: LimitsStep,
        actor: &str,
        comment: &str,
    ) -> BackendResult<FalseAlarmsView> {
        changes::change_limits(self, monitor, (id, step), (actor, comment)).await
    }

    async fn baselines(&self, monitor: &str) -> BackendResult<Vec<BaselineSummary>> {
        self.check(monitor).await?;
        let mut baselines = self.store.baselines(monitor).await?;
        baselines.reverse();
        Ok(baselines)
    }

    async fn baseline(&self, monitor: &str, version: i32) -> BackendResult<BaselineDetail> {
        let baseline = self.store.baseline_summary(monitor, version).await?;
        let (windows, segments) = self.store.baseline_use(baseline.id).await?;
        let columns = baseline_columns(&self.store.baseline(monitor, version).await?);
        Ok(BaselineDetail { baseline, segments, windows, columns })
    }

    async fn baseline_distributions(&self, monitor: &str, version: i32) -> BackendResult<Vec<DistributionRow>> {
        self.store.baseline_summary(monitor, version).await?;
        let counted = self.store.baseline(monitor, version).await?;
        let whole = counted.segments.get(WHOLE);
        Ok(whole.map(|whole| distribution_rows(whole, None, None)).unwrap_or_default())
    }

    async fn baseline_diff(&self, monitor: &str, before: i32, after: i32) -> BackendResult<BaselineDiff> {
        let old = self.store.baseline_summary(monitor, before).await?;
        let new = self.store.baseline_summary(monitor, after).await?;
        let of = async |version| self.store.baseline(monitor, version).await.map_err(BackendError::from);
        let (counted_old, counted_new) = (of(before).await?, of(after).await?);
        let running = self.configured(monitor)?;
        let columns = match counted_old.segments.get(WHOLE).zip(counted_new.segments.get(WHOLE)) {
            Some((old, new)) => baseline_diff(old, new, &running.monitor.rules.judge),
            None => Vec::new(),
        };
        let same_bins = counted_old.binnings.id() == counted_new.binnings.id();
        Ok(BaselineDiff { before: old, after: new, same_bins, columns })
    }

    async fn promote(&self, monitor: &str, wanted: Promotion, actor: &str) -> BackendResult<BaselineSummary> {
        changes::promote(self, monitor, wanted, actor).await
    }

    async fn activate(&self, monitor: &str, version: i32, actor: &str) -> BackendResult<BaselineSummary> {
        changes::activate(self, monitor, version, actor).await
    }

    async fn alerts(
        &self,
        monitor: Option<&str>,
        states: &[RowState],
        request: &PageRequest,
    ) -> BackendResult<Page<AlertRow>> {
        let after = place(request)?;
        Ok(self.store.alerts_page(monitor, states, after, request.limit).await?)
    }

    async fn alert(&self, id: &str) -> BackendResult<AlertDetail> {
        Ok(self.store.alert(id).await?)
    }

    async fn change_alert(
        &self,
        id: Uuid,
        change: RequestedAlertChange,
        actor: &str,
        comment: &str,
    ) -> BackendResult<AlertRow> {
        changes::change_alert(self, id, change, actor, comment).await
    }

    async fn silences(&self, all: bool) -> BackendResult<Vec<SilenceRow>> {
        Ok(self.store.silences(all).await?)
    }

    async fn silence(&self, wanted: NewSilence, actor: &str) -> BackendResult<SilenceRow> {
        changes::silence(self, wanted, actor).await
    }

    async fn end_silence(&self, id: Uuid, actor: &str) -> BackendResult<SilenceRow> {
        changes::end_silence(self, id, actor).await
    }

    async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        request: &PageRequest,
    ) -> BackendResult<Page<DeliveryRow>> {
        let after = number(request)?;
        Ok(self.store.deliveries(filter, after, request.limit).await?)
    }

    async fn delivery(&self, id: Uuid) -> BackendResult<DeliveryDetail> {
        Ok(self.store.delivery(id).await?)
    }

    async fn send_again(&self, id: Uuid, actor: &str) -> BackendResult<DeliveryDetail> {
        changes::send_again(self, id, actor).await
    }

    async fn requests(&self, all: bool) -> BackendResult<Vec<RequestRow>> {
        Ok(self.store.retraining_requests(all).await?)
    }

    async fn request(&self, id: Uuid) -> BackendResult<RequestDetail> {
        Ok(self.store.retraining_request(&id.to_string()).await?)
    }

    async fn change_request(
        &self,
        id: Uuid,
        change: RetrainingChange,
        actor: &str,
        comment: &str,
    ) -> BackendResult<RequestDetail> {
        changes::change_request(self, id, change, actor, comment).await
    }

    async fn status(&self) -> BackendResult<Status> {
        Ok(self.shared.status(&self.store).await?)
    }

    fn configuration(&self) -> Vec<ConfiguredValue> {
        self.shared.in_force().configuration.clone()
    }

    async fn audit(&self, subject: Option<&str>, request: &PageRequest) -> BackendResult<Page<AuditEntry>> {
        let after = number(request)?;
        Ok(self.store.audit(subject, after, request.limit).await?)
    }
}
