//! Straight from the database, with the configuration.

use crate::record::TimeSpan;
use std::collections::BTreeSet;

use uuid::Uuid;

use super::{AlertStep, Compared, RequestStep, StoredBaseline};
use crate::account::LimitsStep;
use crate::alert::Matcher;
use crate::app::{self, store_options};
use crate::cli::{CliError, Context, actor};
use crate::config::{Monitor, Settings};
use crate::distribution::Distribution;
use crate::measure::Pair;
use crate::report::window_column;
use crate::retrain::{RequestState, Step};
use crate::store::{AlertAction, Moved, Resend, Store};
use crate::view::{
    AlertDetail, AlertFilter, AlertRow, BaselineDetail, BaselineSummary, ChallengerView, ConfiguredValue,
    DetectionsView, FalseAlarmsView, RequestDetail, RequestRow, SHOWN_DETECTIONS, SHOWN_PAIRS, SilenceRow, Status,
    WindowRow, baseline_columns, distribution_rows, no_challenger,
};
use crate::window::WHOLE;

/// Alerts in a list at most.
const MOST: i64 = 1_000;

/// The database with the configuration.
pub(in crate::cli) struct Database {
    pub(super) settings: Settings,
    store: Store,
}

impl Database {
    /// Connects when it is first used.
    pub(in crate::cli) fn open(context: &Context) -> Result<Self, CliError> {
        let settings = context.settings()?;
        let options = store_options(&settings).map_err(|unread| {
            CliError::Secret(format!(
                "{unread}\nhint: or use the API of a running daemon: --server http://127.0.0.1:9464"
            ))
        })?;
        let store = Store::connect_lazily(&options)?;
        Ok(Self { settings, store })
    }

    /// The database itself, for what the API does not have.
    pub(in crate::cli) fn store(&self) -> &Store {
        &self.store
    }

    fn monitors(&self) -> Vec<&Monitor> {
        self.settings.monitors.iter().collect()
    }

    pub(super) async fn status(&self) -> Result<Status, CliError> {
        Ok(app::status(&self.store, &self.monitors()).await?)
    }

    pub(in crate::cli) async fn check_monitor(&self, name: &str) -> Result<(), CliError> {
        if self.settings.monitors.iter().any(|monitor| monitor.name == name) {
            return Ok(());
        }
        let mut known = self.store.monitor_names().await?;
        if known.iter().any(|stored| stored == name) {
            return Ok(());
        }
        known.extend(self.settings.monitors.iter().map(|monitor| monitor.name.clone()));
        let known: BTreeSet<&str> = known.iter().map(String::as_str).collect();
        let known: Vec<&str> = known.into_iter().collect();
        let names =
            if known.is_empty() { "no monitors".to_owned() } else { format!("monitors: {}", known.join(", ")) };
        Err(CliError::Failed(format!("monitor `{name}` not found\nhint: {names}")))
    }

    #[expect(clippy::unused_async, reason = "as the server's")]
    pub(super) async fn configuration(&self) -> Result<Vec<ConfiguredValue>, CliError> {
        Ok(self.settings.configured.clone())
    }

    pub(super) async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<AlertRow>, CliError> {
        Ok(self.store.alerts(filter, MOST).await?)
    }

    pub(super) async fn alert(&self, prefix: &str) -> Result<AlertDetail, CliError> {
        Ok(self.store.alert(prefix).await?)
    }

    pub(super) async fn change_alert(
        &self,
        prefix: &str,
        step: AlertStep,
        comment: &str,
    ) -> Result<AlertRow, CliError> {
        let id = self.store.find_alert(prefix).await?;
        Ok(match step {
            AlertStep::Acknowledge => {
                self.store.act_on_alert(id, AlertAction::Acknowledge, &actor(), comment).await?
            }
            AlertStep::Resolve(judged) => self.store.resolve_alert(id, judged, &actor(), comment).await?,
        })
    }

    pub(super) async fn send_again(&self, prefix: &str) -> Result<u64, CliError> {
        Ok(self.store.replay_deliveries(&Resend::Message(prefix.to_owned()), &actor()).await?)
    }

    /// Sends all failed messages to a receiver again, which is switched on again.
    pub(in crate::cli) async fn send_all_again(&self, receiver: &str) -> Result<u64, CliError> {
        self.store.enable_receiver(receiver).await?;
        Ok(self.store.replay_deliveries(&Resend::Receiver(receiver.to_owned()), &actor()).await?)
    }

    pub(super) async fn silences(&self, all: bool) -> Result<Vec<SilenceRow>, CliError> {
        Ok(self.store.silences(all).await?)
    }

    pub(super) async fn silence(
        &self,
        matchers: &[Matcher],
        duration: &str,
        comment: &str,
    ) -> Result<Uuid, CliError> {
        let known = app::vocabulary(&self.store, &self.monitors()).await?;
        known.check_all(matchers)?;
        let span = TimeSpan::parse(duration).unwrap_or_default();
        Ok(self.store.add_silence(matchers, span, &actor(), comment).await?)
    }

    pub(super) async fn end_silence(&self, prefix: &str) -> Result<Uuid, CliError> {
        Ok(self.store.expire_silence(prefix, &actor()).await?)
    }

    pub(super) async fn requests(&self, all: bool) -> Result<Vec<RequestRow>, CliError> {
        Ok(self.store.retraining_requests(all).await?)
    }

    pub(super) async fn request(&self, prefix: &str) -> Result<RequestDetail, CliError> {
        Ok(self.store.retraining_request(prefix).await?)
    }

    pub(super) async fn change_request(
        &self,
        prefix: &str,
        step: RequestStep,
        comment: &str,
    ) -> Result<(Uuid, RequestState), CliError> {
        let RequestDetail { request, .. } = self.store.retraining_request(prefix).await?;
        let step = match step {
            RequestStep::Approve => Step::Approve,
            RequestStep::Cancel => Step::Cancel,
        };
        let moved = Moved { step, actor: &actor(), detail: comment, external_id: None };
        let (state, _) = self.store.move_request(request.id, moved).await?;
        Ok((request.id, state))
    }

    pub(super) async fn baselines(&self, monitor: &str) -> Result<Vec<BaselineSummary>, CliError> {
        Ok(self.store.baselines(monitor).await?)
    }

    pub(super) async fn baseline(&self, monitor: &str, version: i32) -> Result<StoredBaseline, CliError> {
        let counted = self.store.baseline(monitor, version).await?;
        let found = self.store.baselines(monitor).await?.into_iter().find(|baseline| baseline.version == version);
        let summary = found
            .ok_or_else(|| CliError::Failed(format!("version {version} of `{monitor}` was deleted meanwhile")))?;
        let (windows, segments) = self.store.baseline_use(summary.id).await?;
        let columns = baseline_columns(&counted);
        let whole = counted.segments.get(WHOLE);
        let distributions = whole.map(|whole| distribution_rows(whole, None, None)).unwrap_or_default();
        Ok(StoredBaseline {
            detail: BaselineDetail { baseline: summary, segments, windows, columns },
            distributions,
        })
    }

    pub(super) async fn activate(&self, monitor: &str, version: i32) -> Result<(), CliError> {
        Ok(self.store.activate_baseline(monitor, version, &actor()).await?)
    }

    pub(super) async fn challenger(&self, monitor: &str) -> Result<ChallengerView, CliError> {
        self.check_monitor(monitor).await?;
        let known = self.settings.monitors.iter().find(|known| known.name == monitor);
        let spec = known
            .and_then(|known| known.challenger.as_ref())
            .ok_or_else(|| CliError::Failed(no_challenger(monitor)))?;
        let stored = self.store.challenge_history(monitor, spec, SHOWN_PAIRS).await?;
        Ok(ChallengerView::new(monitor, spec, stored))
    }

    pub(super) async fn detections(&self, monitor: &str) -> Result<DetectionsView, CliError> {
        self.check_monitor(monitor).await?;
        let known = self.settings.monitors.iter().find(|known| known.name == monitor);
        let configured = known.map(|known| known.detectors.as_slice()).unwrap_or_default();
        let progress = self.store.detector_progress(monitor).await?;
        let found = self.store.detections(monitor, SHOWN_DETECTIONS).await?;
        Ok(DetectionsView::new(monitor, configured, &progress, found))
    }

    pub(super) async fn false_alarms(&self, monitor: &str) -> Result<FalseAlarmsView, CliError> {
        self.check_monitor(monitor).await?;
        let known = self.settings.monitors.iter().find(|known| known.name == monitor);
        Ok(app::false_alarms(&self.store, monitor, known).await?)
    }

    pub(super) async fn change_limits(
        &self,
        monitor: &str,
        id: Uuid,
        step: LimitsStep,
        comment: &str,
    ) -> Result<(), CliError> {
        let known = self.settings.monitors.iter().find(|known| known.name == monitor).ok_or_else(|| {
            CliError::Failed(format!("monitor `{monitor}` is not configured: its limits are not known"))
        })?;
        Ok(app::change_limits(&self.store, known, (id, step), (&actor(), comment)).await?)
    }

    pub(super) async fn last_window(&self, monitor: &str) -> Result<Option<WindowRow>, CliError> {
        Ok(self.store.last_window(monitor).await?)
    }

    pub(super) async fn column(&self, monitor: &str, window: i64, column: &str) -> Result<Compared, CliError> {
        let found = self.store.window_counts(monitor, window).await;
        let found = found.map_err(|error| CliError::of_window(error, &self.settings.retention_of(monitor)))?;
        let after = found.window.column(column).ok_or_else(|| {
            let names: Vec<&str> = found.window.columns().iter().map(Distribution::name).collect();
            CliError::Failed(format!(
                "window {window} of `{monitor}` has no column `{column}`\nhint: columns: {}",
                names.join(", ")
            ))
        })?;
        let values_only = self
            .settings
            .monitors
            .iter()
            .find(|known| known.name == monitor)
            .is_some_and(|known| known.rules.judge.values_only);
        let (baseline, counts) =
            found.reference.map(|reference| (reference.choice.name, reference.counts)).unzip();
        let counts = counts.flatten();
        let findings = self.store.judged(window).await?;
        let before = counts.as_ref().and_then(|counts| counts.column(column));
        let sample = self.store.window_sample(monitor, window).await?.column(column);
        let report = before
            .and_then(|before| Pair::new(before, after).ok())
            .map(|pair| window_column(&pair, &findings, values_only, sample.as_ref()));
        Ok(Compared { window: found.row, baseline, report })
    }
}
