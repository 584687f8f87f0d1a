//! A backend of the listener that has nothing: requests get as far as what they ask for.

use std::sync::Arc;

use async_trait::async_trait;
use driftd::account::LimitsStep;
use driftd::alert::RowState;
use driftd::http::{
    Access, Backend, BackendError, BackendResult, Callback, CallbackOutcome, ColumnDetail, NewSilence,
    PageRequest, Probe, RequestedAlertChange, RetrainingChange, SeriesQuery, WindowDetail,
};
use driftd::view::{
    AlertDetail, AlertRow, AuditEntry, BaselineDetail, BaselineDiff, BaselineSummary, ChallengerView, ColumnPoint,
    ConfiguredValue, DeliveryDetail, DeliveryFilter, DeliveryRow, DetectionsView, DistributionRow, Episode,
    FalseAlarmsView, FindingFilter, FindingRow, MonitorDetail, MonitorView, Page, Promotion, RequestDetail,
    RequestRow, SampledRecords, ScoreBoard, SilenceRow, Status, WindowFilter, WindowRow,
};
use uuid::Uuid;

/// Who may do what, and no data.
pub struct Nothing(pub Arc<Access>);

fn none<T>() -> BackendResult<T> {
    Err(BackendError::NotFound("there is nothing".to_owned()))
}

#[async_trait]
impl Backend for Nothing {
    fn access(&self) -> Arc<Access> {
        Arc::clone(&self.0)
    }
    fn health(&self) -> Probe {
        Probe::new(Vec::new())
    }
    fn ready(&self) -> Probe {
        Probe::new(Vec::new())
    }
    fn metrics(&self) -> String {
        String::new()
    }
    async fn session_ended(&self, _: &str) -> BackendResult<bool> {
        Ok(false)
    }
    async fn end_session(&self, _: &str, _: u64) -> BackendResult<()> {
        Ok(())
    }
    async fn report(&self, _: Callback) -> CallbackOutcome {
        CallbackOutcome::Off(String::new())
    }
    async fn monitors(&self) -> BackendResult<Vec<MonitorView>> {
        Ok(Vec::new())
    }
    async fn monitor(&self, _: &str) -> BackendResult<MonitorDetail> {
        none()
    }
    async fn windows(&self, _: &str, _: &WindowFilter, _: &PageRequest) -> BackendResult<Page<WindowRow>> {
        Ok(Page { items: Vec::new(), next: None })
    }
    async fn window(&self, _: &str, _: i64) -> BackendResult<WindowDetail> {
        none()
    }
    async fn distributions(&self, _: &str, _: i64, _: Option<&str>) -> BackendResult<Vec<DistributionRow>> {
        none()
    }
    async fn column(&self, _: &str, _: i64, _: &str) -> BackendResult<ColumnDetail> {
        none()
    }
    async fn records(&self, _: &str, _: i64, _: Option<&str>, _: usize) -> BackendResult<SampledRecords> {
        none()
    }
    async fn findings(&self, _: &str, _: &FindingFilter, _: &PageRequest) -> BackendResult<Page<FindingRow>> {
        Ok(Page { items: Vec::new(), next: None })
    }
    async fn score_board(&self, _: &SeriesQuery) -> BackendResult<ScoreBoard> {
        none()
    }
    async fn column_history(&self, _: &SeriesQuery, _: &str, _: Option<i64>) -> BackendResult<Vec<ColumnPoint>> {
        Ok(Vec::new())
    }
    async fn episodes(&self, _: &SeriesQuery) -> BackendResult<Vec<Episode>> {
        Ok(Vec::new())
    }
    async fn false_alarms(&self, _: &str) -> BackendResult<FalseAlarmsView> {
        none()
    }
    async fn change_limits(
        &self,
        _: &str,
        _: Uuid,
        _: LimitsStep,
        _: &str,
        _: &str,
    ) -> BackendResult<FalseAlarmsView> {
        none()
    }
    async fn baselines(&self, _: &str) -> BackendResult<Vec<BaselineSummary>> {
        Ok(Vec::new())
    }
    async fn baseline(&self, _: &str, _: i32) -> BackendResult<BaselineDetail> {
        none()
    }
    async fn baseline_distributions(&self, _: &str, _: i32) -> BackendResult<Vec<DistributionRow>> {
        none()
    }
    async fn baseline_diff(&self, _: &str, _: i32, _: i32) -> BackendResult<BaselineDiff> {
        none()
    }
    async fn promote(&self, _: &str, _: Promotion, _: &str) -> BackendResult<BaselineSummary> {
        none()
    }
    async fn activate(&self, _: &str, _: i32, _: &str) -> BackendResult<BaselineSummary> {
        none()
    }
    async fn challenger(&self, _: &str, _: usize) -> BackendResult<Option<ChallengerView>> {
        Ok(None)
    }
    async fn detections(&self, _: &str, _: i64) -> BackendResult<DetectionsView> {
        none()
    }
    async fn alerts(&self, _: Option<&str>, _: &[RowState], _: &PageRequest) -> BackendResult<Page<AlertRow>> {
        Ok(Page { items: Vec::new(), next: None })
    }
    async fn alert(&self, _: &str) -> BackendResult<AlertDetail> {
        none()
    }
    async fn change_alert(&self, _: Uuid, _: RequestedAlertChange, _: &str, _: &str) -> BackendResult<AlertRow> {
        none()
    }
    async fn silences(&self, _: bool) -> BackendResult<Vec<SilenceRow>> {
        Ok(Vec::new())
    }
    async fn silence(&self, _: NewSilence, _: &str) -> BackendResult<SilenceRow> {
        none()
    }
    async fn end_silence(&self, _: Uuid, _: &str) -> BackendResult<SilenceRow> {
        none()
    }
    async fn deliveries(&self, _: &DeliveryFilter, _: &PageRequest) -> BackendResult<Page<DeliveryRow>> {
        Ok(Page { items: Vec::new(), next: None })
    }
    async fn delivery(&self, _: Uuid) -> BackendResult<DeliveryDetail> {
        none()
    }
    async fn send_again(&self, _: Uuid, _: &str) -> BackendResult<DeliveryDetail> {
        none()
    }
    async fn requests(&self, _: bool) -> BackendResult<Vec<RequestRow>> {
        Ok(Vec::new())
    }
    async fn request(&self, _: Uuid) -> BackendResult<RequestDetail> {
        none()
    }
    async fn change_request(
        &self,
        _: Uuid,
        _: RetrainingChange,
        _: &str,
        _: &str,
    ) -> BackendResult<RequestDetail> {
        none()
    }
    async fn status(&self) -> BackendResult<Status> {
        none()
    }
    fn configuration(&self) -> Vec<ConfiguredValue> {
        Vec::new()
    }
    async fn audit(&self, _: Option<&str>, _: &PageRequest) -> BackendResult<Page<AuditEntry>> {
        Ok(Page { items: Vec::new(), next: None })
    }
}
