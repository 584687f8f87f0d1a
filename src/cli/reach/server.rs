//! Through the API of a running daemon.

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::{Client, ServerOptions};
use super::{AlertStep, Compared, RequestStep, StoredBaseline};
use crate::account::LimitsStep;
use crate::alert::Matcher;
use crate::cli::CliError;
use crate::report::ColumnReport;
use crate::retrain::RequestState;
use crate::view::{
    AlertDetail, AlertFilter, AlertRow, BaselineDetail, BaselineSummary, ChallengerView, ConfiguredValue,
    DeliveryDetail, DeliveryRow, DetectionsView, DistributionRow, FalseAlarmsView, Page, RequestDetail,
    RequestRow, SilenceRow, Status, WindowRow,
};

/// Entries of a list at most.
const MOST: &str = "1000";

/// A running daemon.
pub(in crate::cli) struct Server {
    client: Client,
}

#[derive(Deserialize)]
struct ColumnAnswer {
    window: WindowRow,
    baseline: Option<String>,
    comparison: Option<ColumnReport>,
}

impl Server {
    pub(super) fn new(options: &ServerOptions) -> Result<Self, CliError> {
        Ok(Self { client: Client::new(options)? })
    }

    pub(super) async fn status(&self) -> Result<Status, CliError> {
        self.client.get(&["status"], &[]).await
    }

    pub(super) async fn check_monitor(&self, name: &str) -> Result<(), CliError> {
        let _there: Value = self.client.get(&["monitors", name], &[]).await?;
        Ok(())
    }

    pub(super) async fn configuration(&self) -> Result<Vec<ConfiguredValue>, CliError> {
        self.client.get(&["configuration"], &[]).await
    }

    pub(super) async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<AlertRow>, CliError> {
        let mut query = vec![("limit", MOST)];
        query.extend(filter.monitor.as_deref().map(|monitor| ("monitor", monitor)));
        query.extend((!filter.all).then_some(("state", "open")));
        let page: Page<AlertRow> = self.client.get(&["alerts"], &query).await?;
        Ok(page.items)
    }

    pub(super) async fn alert(&self, prefix: &str) -> Result<AlertDetail, CliError> {
        let id = self.alert_id(prefix).await?;
        self.client.get(&["alerts", &id.to_string()], &[]).await
    }

    pub(super) async fn change_alert(
        &self,
        prefix: &str,
        step: AlertStep,
        comment: &str,
    ) -> Result<AlertRow, CliError> {
        let id = self.alert_id(prefix).await?.to_string();
        let (verb, body) = match step {
            AlertStep::Acknowledge => ("acknowledge", json!({ "comment": comment })),
            AlertStep::Resolve(judged) => ("resolve", json!({ "comment": comment, "judged": judged })),
        };
        self.client.post(&["alerts", &id, verb], &body).await
    }

    pub(super) async fn send_again(&self, prefix: &str) -> Result<u64, CliError> {
        let id = match prefix.parse() {
            Ok(id) => id,
            Err(_) => {
                let page: Page<DeliveryRow> = self.client.get(&["deliveries"], &[("limit", MOST)]).await?;
                the_one(page.items.iter().map(|row| row.id), "message", prefix, "driftd alerts show ALERT")?
            }
        };
        let _sent: DeliveryDetail =
            self.client.post(&["deliveries", &id.to_string(), "replay"], &json!({})).await?;
        Ok(1)
    }

    pub(super) async fn silences(&self, all: bool) -> Result<Vec<SilenceRow>, CliError> {
        self.client.get(&["silences"], &[("all", if all { "true" } else { "false" })]).await
    }

    pub(super) async fn silence(
        &self,
        matchers: &[Matcher],
        duration: &str,
        comment: &str,
    ) -> Result<Uuid, CliError> {
        let matchers: Vec<String> = matchers.iter().map(ToString::to_string).collect();
        let body = json!({ "matchers": matchers, "duration": duration, "comment": comment });
        let made: SilenceRow = self.client.post(&["silences"], &body).await?;
        Ok(made.id)
    }

    pub(super) async fn end_silence(&self, prefix: &str) -> Result<Uuid, CliError> {
        let id = match prefix.parse() {
            Ok(id) => id,
            Err(_) => {
                let all = self.silences(true).await?;
                the_one(all.iter().map(|silence| silence.id), "silence", prefix, "driftd silences list --all")?
            }
        };
        let ended: SilenceRow = self.client.delete(&["silences", &id.to_string()]).await?;
        Ok(ended.id)
    }

    pub(super) async fn requests(&self, all: bool) -> Result<Vec<RequestRow>, CliError> {
        self.client.get(&["retraining"], &[("all", if all { "true" } else { "false" })]).await
    }

    pub(super) async fn request(&self, prefix: &str) -> Result<RequestDetail, CliError> {
        let id = match prefix.parse() {
            Ok(id) => id,
            Err(_) => {
                let all = self.requests(true).await?;
                let list = "driftd retraining list --all";
                the_one(all.iter().map(|request| request.id), "retraining request", prefix, list)?
            }
        };
        self.client.get(&["retraining", &id.to_string()], &[]).await
    }

    pub(super) async fn change_request(
        &self,
        prefix: &str,
        step: RequestStep,
        comment: &str,
    ) -> Result<(Uuid, RequestState), CliError> {
        let RequestDetail { request, .. } = self.request(prefix).await?;
        let verb = match step {
            RequestStep::Approve => "approve",
            RequestStep::Cancel => "cancel",
        };
        let body = json!({ "comment": comment });
        let moved: RequestDetail = self.client.post(&["retraining", &request.id.to_string(), verb], &body).await?;
        Ok((moved.request.id, moved.request.state))
    }

    pub(super) async fn baselines(&self, monitor: &str) -> Result<Vec<BaselineSummary>, CliError> {
        let page: Page<BaselineSummary> =
            self.client.get(&["monitors", monitor, "baselines"], &[("limit", MOST)]).await?;
        let mut baselines = page.items;
        baselines.reverse();
        Ok(baselines)
    }

    pub(super) async fn baseline(&self, monitor: &str, version: i32) -> Result<StoredBaseline, CliError> {
        let version = version.to_string();
        let path = ["monitors", monitor, "baselines", version.as_str()];
        let detail: BaselineDetail = self.client.get(&path, &[]).await?;
        let path = ["monitors", monitor, "baselines", version.as_str(), "distributions"];
        let distributions: Vec<DistributionRow> = self.client.get(&path, &[]).await?;
        Ok(StoredBaseline { detail, distributions })
    }

    pub(super) async fn activate(&self, monitor: &str, version: i32) -> Result<(), CliError> {
        let version = version.to_string();
        let path = ["monitors", monitor, "baselines", version.as_str(), "activate"];
        let _active: BaselineSummary = self.client.post(&path, &json!({})).await?;
        Ok(())
    }

    pub(super) async fn challenger(&self, monitor: &str) -> Result<ChallengerView, CliError> {
        self.client.get(&["monitors", monitor, "challenger"], &[]).await
    }

    pub(super) async fn detections(&self, monitor: &str) -> Result<DetectionsView, CliError> {
        self.client.get(&["monitors", monitor, "detections"], &[]).await
    }

    pub(super) async fn false_alarms(&self, monitor: &str) -> Result<FalseAlarmsView, CliError> {
        self.client.get(&["monitors", monitor, "false-alarms"], &[]).await
    }

    pub(super) async fn change_limits(
        &self,
        monitor: &str,
        id: Uuid,
        step: LimitsStep,
        comment: &str,
    ) -> Result<(), CliError> {
        let path = ["monitors", monitor, "limits", &id.to_string(), step.as_str()];
        let _changed: FalseAlarmsView = self.client.post(&path, &json!({ "comment": comment })).await?;
        Ok(())
    }

    pub(super) async fn last_window(&self, monitor: &str) -> Result<Option<WindowRow>, CliError> {
        let query = [("segment", crate::window::WHOLE), ("status", "closed"), ("limit", "1")];
        let page: Page<WindowRow> = self.client.get(&["monitors", monitor, "windows"], &query).await?;
        Ok(page.items.into_iter().next())
    }

    pub(super) async fn column(&self, monitor: &str, window: i64, column: &str) -> Result<Compared, CliError> {
        let window = window.to_string();
        let path = ["monitors", monitor, "windows", window.as_str(), "columns", column];
        let ColumnAnswer { window, baseline, comparison } = self.client.get(&path, &[]).await?;
        Ok(Compared { window, baseline, report: comparison })
    }

    /// The API takes whole ids; people write how they begin.
    async fn alert_id(&self, prefix: &str) -> Result<Uuid, CliError> {
        if let Ok(id) = prefix.parse() {
            return Ok(id);
        }
        let all = self.alerts(&AlertFilter { monitor: None, all: true }).await?;
        the_one(all.iter().map(|alert| alert.view.id), "alert", prefix, "driftd alerts list --all")
    }
}

/// The one thing whose id begins as somebody wrote it.
fn the_one(ids: impl Iterator<Item = Uuid>, what: &str, prefix: &str, list: &str) -> Result<Uuid, CliError> {
    let wanted = prefix.to_lowercase();
    let found: Vec<Uuid> = ids.filter(|id| id.to_string().starts_with(&wanted)).collect();
    match found.as_slice() {
        [id] => Ok(*id),
        [] => Err(CliError::Failed(format!("{what} `{prefix}` not found\nhint: `{list}` lists them"))),
        _ => Err(CliError::Failed(format!(
            "more than one {what} matches prefix `{prefix}`\nhint: give more of the ID"
        ))),
    }
}
