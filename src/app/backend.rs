//! What the listener shows and changes, from the store and from what runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use super::callbacks;
use super::housekeeping::watermark;
use super::monitors::RunningMonitor;
use super::overview::view;
use super::state::Shared;
use crate::config::Monitor;
use crate::http::{
    Access, AlertChange, Answer, Backend, ColumnDetail, Failure, NewSilence, Part, Probe, Report, ReportOutcome,
    RequestChange, SeriesOf, WindowDetail,
};
use crate::kafka::SourceCommands;
use crate::measure::Pair;
use crate::report::{baseline_diff, window_column};
use crate::retrain::Step;
use crate::store::{AlertAction, FindingPlace, Moved, Resend, Store, StoreError};
use crate::view::{
    AlertDetail, AlertRow, AuditEntry, BaselineDetail, BaselineDiff, BaselineSummary, ColumnInfo, ColumnPoint,
    ConfiguredValue, DeliveryDetail, DeliveryFilter, DeliveryRow, DistributionRow, Episode, FindingFilter,
    FindingRow, MonitorDetail, MonitorView, Page, Promotion, RequestDetail, RequestRow, SampledRecords,
    ScoreBoard, SilenceRow, Status, WindowFilter, WindowRow, baseline_columns, distribution_rows, sampled_records,
};
use crate::window::WHOLE;

/// Series of a monitor that are listed at most.
const SERIES: i64 = 500;

/// The backend of the listener.
pub(super) struct StoreBackend {
    pub(super) store: Store,
    pub(super) shared: Arc<Shared>,
    pub(super) commands: SourceCommands,
    /// How long a reader may be silent before it is no longer believed, in microseconds.
    pub(super) reader_timeout: i64,
}

/// Words for people instead of errors of the store.
fn failure(error: StoreError) -> Failure {
    match error {
        StoreError::NotFound(why) => Failure::NotFound(why),
        StoreError::Refused(why) => Failure::Refused(why),
        error @ (StoreError::Damaged { .. }
        | StoreError::Settings(_)
        | StoreError::Migrate(_)
        | StoreError::NewerSchema { .. }) => {
            tracing::error!(%error, "cannot answer a request");
            Failure::Broken(error.to_string())
        }
        error @ StoreError::Database { .. } if error.is_transient() => Failure::Unavailable(error.to_string()),
        error if error.is_about_text() => {
            Failure::Invalid("a text has a NUL in it, which cannot be stored and is found nowhere".to_owned())
        }
        error @ StoreError::Database { .. } => {
            tracing::error!(%error, "cannot answer a request");
            Failure::Broken("the database refuses what was asked; the log says more".to_owned())
        }
    }
}

fn bad_cursor() -> Failure {
    Failure::Invalid("invalid `cursor`: pass the `next` of the answer before".to_owned())
}

/// A cursor of two parts.
fn place<A: std::str::FromStr, B: std::str::FromStr>(part: &Part) -> Answer<Option<(A, B)>> {
    let Some(cursor) = &part.cursor else { return Ok(None) };
    let (left, right) = cursor.split_once('.').ok_or_else(bad_cursor)?;
    Ok(Some((left.parse().map_err(|_| bad_cursor())?, right.parse().map_err(|_| bad_cursor())?)))
}

fn number(part: &Part) -> Answer<Option<i64>> {
    part.cursor.as_deref().map(str::parse).transpose().map_err(|_| bad_cursor())
}

/// PostgreSQL's text cannot hold a NUL, so nothing there is called so.
fn clean(text: &str) -> Answer<()> {
    if text.contains('\0') { Err(Failure::Invalid("names must not contain NUL".to_owned())) } else { Ok(()) }
}

impl StoreBackend {
    fn running(&self, name: &str) -> Option<Arc<RunningMonitor>> {
        self.shared.monitors().into_iter().find(|running| running.monitor.name == name)
    }

    fn configured(&self, name: &str) -> Answer<Arc<RunningMonitor>> {
        self.running(name).ok_or_else(|| {
            Failure::Refused(format!(
                "monitor `{name}` is not configured on this daemon: it is known from what is stored alone"
            ))
        })
    }

    /// Everything known of the monitors, stored or configured.
    async fn views(&self, only: Option<&str>) -> Answer<Vec<MonitorView>> {
        let status = self.shared.status(&self.store).await.map_err(failure)?;
        let running = self.shared.monitors();
        let mut names: BTreeSet<&str> = status.monitors.iter().map(|monitor| monitor.monitor.as_str()).collect();
        names.extend(running.iter().map(|running| running.monitor.name.as_str()));
        let mut views = Vec::new();
        for name in names.into_iter().filter(|name| only.is_none_or(|only| only == *name)) {
            let stored = status.monitors.iter().find(|monitor| monitor.monitor == name);
            let running = running.iter().find(|running| running.monitor.name == name);
            let baselines = self.store.baselines(name).await.map_err(failure)?;
            views.push(view(name, stored, running.map(Arc::as_ref), baselines, &status));
        }
        Ok(views)
    }

    async fn known(&self, name: &str) -> Answer<MonitorView> {
        clean(name)?;
        let found = self.views(Some(name)).await?.into_iter().next();
        found.ok_or_else(|| Failure::NotFound(format!("there is no monitor `{name}`")))
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
        self.shared.metrics.pressure(self.commands.is_paused(), self.commands.in_flight());
        self.shared.metrics.encode()
    }

    async fn session_ended(&self, id: &str) -> Answer<bool> {
        self.store.session_ended(id).await.map_err(failure)
    }

    async fn end_session(&self, id: &str, until: u64) -> Answer<()> {
        self.store.end_session(id, i64::try_from(until).unwrap_or(i64::MAX)).await.map_err(failure)
    }

    async fn report(&self, report: Report) -> ReportOutcome {
        callbacks::take(&self.store, &self.shared, report).await
    }

    async fn monitors(&self) -> Answer<Vec<MonitorView>> {
        self.views(None).await
    }

    async fn monitor(&self, name: &str) -> Answer<MonitorDetail> {
        let monitor = self.known(name).await?;
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
                let topics = self.store.topics().await.map_err(failure)?;
                watermark(&self.store, running, &topics, self.reader_timeout).await.map_err(failure)?
            }
        };
        Ok(MonitorDetail {
            watermark: watermark.map(|(watermark, _)| watermark.to_string()),
            columns: columns.collect(),
            series: self.store.series(name, SERIES).await.map_err(failure)?,
            window_seconds: running.map(|running| running.monitor.counting.length.micros() / 1_000_000),
            monitor,
        })
    }

    async fn windows(&self, monitor: &str, filter: &WindowFilter, part: &Part) -> Answer<Page<WindowRow>> {
        self.known(monitor).await?;
        for text in filter.version.iter().chain(&filter.segment) {
            clean(text)?;
        }
        let after = place(part)?;
        self.store.windows(monitor, filter, after, part.limit).await.map_err(failure)
    }

    async fn window(&self, monitor: &str, id: i64) -> Answer<WindowDetail> {
        clean(monitor)?;
        let pair = self.store.window_counts(monitor, id).await.map_err(failure)?;
        Ok(WindowDetail { window: pair.row, offsets: pair.offsets })
    }

    async fn distributions(&self, monitor: &str, id: i64, column: Option<&str>) -> Answer<Vec<DistributionRow>> {
        clean(monitor)?;
        let pair = self.store.window_counts(monitor, id).await.map_err(failure)?;
        let baseline = pair.baseline.as_ref().and_then(|(_, counts)| counts.as_ref());
        if let Some(name) = column.filter(|name| pair.window.column(name).is_none()) {
            return Err(Failure::NotFound(format!("window {id} has no column `{name}`")));
        }
        Ok(distribution_rows(&pair.window, baseline, column))
    }

    async fn column(&self, monitor: &str, id: i64, column: &str) -> Answer<ColumnDetail> {
        clean(monitor)?;
        let pair = self.store.window_counts(monitor, id).await.map_err(failure)?;
        let Some(after) = pair.window.column(column) else {
            return Err(Failure::NotFound(format!("window {id} has no column `{column}`")));
        };
        let findings = self.store.judged(id).await.map_err(failure)?;
        let (name, counts) = pair.baseline.unzip();
        let values_only = self.running(monitor).is_some_and(|running| running.monitor.rules.judge.values_only);
        let counts = counts.flatten();
        let before = counts.as_ref().and_then(|counts| counts.column(column));
        let sample = self.store.window_sample(monitor, id).await.map_err(failure)?;
        let values = sample.column(column);
        let report = before.and_then(|before| {
            let pair = Pair::new(before, after).ok()?;
            Some(window_column(&pair, &findings, values_only, values.as_ref()))
        });
        Ok(ColumnDetail { window: pair.row, baseline: name, report, sample: sample.len() })
    }

    async fn records(&self, monitor: &str, id: i64, column: Option<&str>, limit: usize) -> Answer<SampledRecords> {
        clean(monitor)?;
        let pair = self.store.window_counts(monitor, id).await.map_err(failure)?;
        if let Some(column) = column.filter(|column| pair.window.column(column).is_none()) {
            return Err(Failure::NotFound(format!("window {id} has no column `{column}`")));
        }
        let mut sample = self.store.window_sample(monitor, id).await.map_err(failure)?;
        let baseline = pair.baseline.and_then(|(_, counts)| counts);
        let of = (&mut sample, &pair.offsets);
        Ok(sampled_records(pair.row, &pair.window, baseline.as_ref(), of, column, limit))
    }

    async fn findings(&self, monitor: &str, filter: &FindingFilter, part: &Part) -> Answer<Page<FindingRow>> {
        self.known(monitor).await?;
        for text in filter.version.iter().chain(&filter.segment).chain(&filter.column).chain(&filter.measure) {
            clean(text)?;
        }
        let after: Option<FindingPlace> =
            part.cursor.as_deref().map(serde_json::from_str).transpose().map_err(|_| bad_cursor())?;
        if let Some((_, column, measure)) = &after {
            clean(column)?;
            clean(measure)?;
        }
        self.store.findings(monitor, filter, after, part.limit).await.map_err(failure)
    }

    async fn score_board(&self, series: &SeriesOf) -> Answer<ScoreBoard> {
        clean(&series.version)?;
        clean(&series.segment)?;
        self.store
            .score_board(&series.monitor, &series.version, &series.segment, series.windows)
            .await
            .map_err(failure)
    }

    async fn column_history(
        &self,
        series: &SeriesOf,
        column: &str,
        around: Option<i64>,
    ) -> Answer<Vec<ColumnPoint>> {
        clean(&series.version)?;
        clean(&series.segment)?;
        clean(column)?;
        self.store
            .column_history((&series.monitor, &series.version, &series.segment), column, series.windows, around)
            .await
            .map_err(failure)
    }

    async fn episodes(&self, series: &SeriesOf) -> Answer<Vec<Episode>> {
        clean(&series.version)?;
        clean(&series.segment)?;
        self.store.episodes(&series.monitor, &series.version, &series.segment).await.map_err(failure)
    }

    async fn baselines(&self, monitor: &str) -> Answer<Vec<BaselineSummary>> {
        self.known(monitor).await?;
        let mut baselines = self.store.baselines(monitor).await.map_err(failure)?;
        baselines.reverse();
        Ok(baselines)
    }

    async fn baseline(&self, monitor: &str, version: i32) -> Answer<BaselineDetail> {
        let baseline = self.one_baseline(monitor, version).await?;
        let (windows, segments) = self.store.baseline_use(baseline.id).await.map_err(failure)?;
        let columns = baseline_columns(&self.store.baseline(monitor, version).await.map_err(failure)?);
        Ok(BaselineDetail { baseline, segments, windows, columns })
    }

    async fn baseline_distributions(&self, monitor: &str, version: i32) -> Answer<Vec<DistributionRow>> {
        self.one_baseline(monitor, version).await?;
        let counted = self.store.baseline(monitor, version).await.map_err(failure)?;
        let whole = counted.segments.get(WHOLE);
        Ok(whole.map(|whole| distribution_rows(whole, None, None)).unwrap_or_default())
    }

    async fn baseline_diff(&self, monitor: &str, before: i32, after: i32) -> Answer<BaselineDiff> {
        let (old, new) = (self.one_baseline(monitor, before).await?, self.one_baseline(monitor, after).await?);
        let of = async |version| self.store.baseline(monitor, version).await.map_err(failure);
        let (counted_old, counted_new) = (of(before).await?, of(after).await?);
        let running = self.configured(monitor)?;
        let columns = match counted_old.segments.get(WHOLE).zip(counted_new.segments.get(WHOLE)) {
            Some((old, new)) => baseline_diff(old, new, &running.monitor.rules.judge),
            None => Vec::new(),
        };
        let same_bins = counted_old.binnings.id() == counted_new.binnings.id();
        Ok(BaselineDiff { before: old, after: new, same_bins, columns })
    }

    async fn promote(&self, monitor: &str, wanted: Promotion, actor: &str) -> Answer<BaselineSummary> {
        self.known(monitor).await?;
        let running = self.configured(monitor)?;
        if let Some(version) = &wanted.version {
            clean(version)?;
        }
        let (schema, options) = (&running.monitor.schema, running.monitor.build);
        let made = self.store.promote(monitor, &wanted, schema, options, actor).await.map_err(failure)?;
        tracing::info!(monitor, version = made.version, actor, origin = %made.origin, "made a baseline from windows");
        Ok(made)
    }

    async fn activate(&self, monitor: &str, version: i32, actor: &str) -> Answer<BaselineSummary> {
        self.one_baseline(monitor, version).await?;
        self.store.activate_baseline(monitor, version, actor).await.map_err(failure)?;
        tracing::info!(monitor, version, actor, "activated a baseline");
        self.one_baseline(monitor, version).await
    }

    async fn alerts(&self, monitor: Option<&str>, states: &[String], part: &Part) -> Answer<Page<AlertRow>> {
        if let Some(monitor) = monitor {
            clean(monitor)?;
        }
        let after = place(part)?;
        self.store.alerts_page(monitor, states, after, part.limit).await.map_err(failure)
    }

    async fn alert(&self, id: &str) -> Answer<AlertDetail> {
        clean(id)?;
        self.store.alert(id).await.map_err(failure)
    }

    async fn change_alert(&self, id: Uuid, change: AlertChange, actor: &str, comment: &str) -> Answer<AlertRow> {
        let act = async |action| self.store.act_on_alert(id, action, actor, comment).await.map_err(failure);
        match change {
            AlertChange::Acknowledge => {
                act(AlertAction::Acknowledge).await?;
            }
            AlertChange::Resolve(None) => {
                act(AlertAction::Resolve).await?;
            }
            AlertChange::Resolve(Some(judged)) => {
                // One that is over can still turn out to have been a false alarm.
                if !self.store.alert(&id.to_string()).await.map_err(failure)?.alert.is_over() {
                    act(AlertAction::Resolve).await?;
                }
                self.store.judge_alert(id, judged, actor).await.map_err(failure)?;
            }
        }
        self.shared.alerts.notify_waiters();
        Ok(self.store.alert(&id.to_string()).await.map_err(failure)?.alert)
    }

    async fn silences(&self, all: bool) -> Answer<Vec<SilenceRow>> {
        self.store.silences(all).await.map_err(failure)
    }

    async fn silence(&self, wanted: NewSilence, actor: &str) -> Answer<SilenceRow> {
        let running = self.shared.monitors();
        let monitors: Vec<&Monitor> = running.iter().map(|running| &running.monitor).collect();
        let known = super::status::vocabulary(&self.store, &monitors).await.map_err(failure)?;
        known.check_all(&wanted.matchers).map_err(Failure::Invalid)?;
        let id = self
            .store
            .add_silence(&wanted.matchers, wanted.duration, actor, &wanted.comment)
            .await
            .map_err(failure)?;
        self.shared.alerts.notify_waiters();
        self.one_silence(id).await
    }

    async fn end_silence(&self, id: Uuid, actor: &str) -> Answer<SilenceRow> {
        self.store.expire_silence(&id.to_string(), actor).await.map_err(failure)?;
        self.shared.alerts.notify_waiters();
        self.one_silence(id).await
    }

    async fn deliveries(&self, filter: &DeliveryFilter, part: &Part) -> Answer<Page<DeliveryRow>> {
        if let Some(receiver) = &filter.receiver {
            clean(receiver)?;
        }
        let after = number(part)?;
        self.store.deliveries(filter, after, part.limit).await.map_err(failure)
    }

    async fn delivery(&self, id: Uuid) -> Answer<DeliveryDetail> {
        self.store.delivery(id).await.map_err(failure)
    }

    async fn send_again(&self, id: Uuid, actor: &str) -> Answer<DeliveryDetail> {
        let before = self.store.delivery(id).await.map_err(failure)?;
        let sent = self.store.replay_deliveries(&Resend::Message(id.to_string()), actor).await.map_err(failure)?;
        if sent == 0 {
            return Err(Failure::Refused(format!(
                "message {id} is {}: only those that were given up or sent can be sent again",
                before.delivery.status
            )));
        }
        self.shared.outbox.notify_waiters();
        self.store.delivery(id).await.map_err(failure)
    }

    async fn requests(&self, all: bool) -> Answer<Vec<RequestRow>> {
        self.store.retraining_requests(all).await.map_err(failure)
    }

    async fn request(&self, id: Uuid) -> Answer<RequestDetail> {
        self.store.retraining_request(&id.to_string()).await.map_err(failure)
    }

    async fn change_request(
        &self,
        id: Uuid,
        change: RequestChange,
        actor: &str,
        comment: &str,
    ) -> Answer<RequestDetail> {
        let step = match change {
            RequestChange::Approve => Step::Approve,
            RequestChange::Cancel => Step::Cancel,
        };
        let moved = Moved { step, actor, detail: comment, external_id: None };
        callbacks::move_on(&self.store, &self.shared, &id.to_string(), moved).await.map_err(failure)?;
        self.shared.outbox.notify_waiters();
        self.request(id).await
    }

    async fn status(&self) -> Answer<Status> {
        self.shared.status(&self.store).await.map_err(failure)
    }

    fn configuration(&self) -> Vec<ConfiguredValue> {
        self.shared.in_force().configuration.clone()
    }

    async fn audit(&self, subject: Option<&str>, part: &Part) -> Answer<Page<AuditEntry>> {
        if let Some(subject) = subject {
            clean(subject)?;
        }
        let after = number(part)?;
        self.store.audit(subject, after, part.limit).await.map_err(failure)
    }
}

impl StoreBackend {
    async fn one_baseline(&self, monitor: &str, version: i32) -> Answer<BaselineSummary> {
        let found = self.baselines(monitor).await?.into_iter().find(|baseline| baseline.version == version);
        found.ok_or_else(|| Failure::NotFound(format!("monitor `{monitor}` has no baseline version {version}")))
    }

    async fn one_silence(&self, id: Uuid) -> Answer<SilenceRow> {
        let found = self.store.silences(true).await.map_err(failure)?.into_iter().find(|silence| silence.id == id);
        found.ok_or_else(|| Failure::NotFound(format!("there is no silence {id}")))
    }
}
