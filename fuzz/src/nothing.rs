//! A backend of the listener that has nothing: requests get as far as what they ask for.

use std::sync::Arc;

use async_trait::async_trait;
use driftd::http::{
    Access, AlertChange, Answer, Backend, ColumnDetail, Failure, NewSilence, Part, Probe, Report, ReportOutcome,
    RequestChange, SeriesOf, WindowDetail,
};
use driftd::view::{
    AlertDetail, AlertRow, AuditEntry, BaselineDetail, BaselineDiff, BaselineSummary, ColumnPoint, ConfiguredValue,
    DeliveryDetail, DeliveryFilter, DeliveryRow, DistributionRow, Episode, FindingFilter, FindingRow, MonitorDetail,
    MonitorView, Page, Promotion, RequestDetail, RequestRow, SampledRecords, ScoreBoard, SilenceRow, Status,
    WindowFilter, WindowRow,
};
use uuid::Uuid;

/// Who may do what, and no data.
pub struct Nothing(pub Arc<Access>);

fn none<T>() -> Answer<T> {
    Err(Failure::NotFound("there is nothing".to_owned()))
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
    async fn session_ended(&self, _: &str) -> Answer<bool> {
        Ok(false)
    }
    async fn end_session(&self, _: &str, _: u64) -> Answer<()> {
        Ok(())
    }
    async fn report(&self, _: Report) -> ReportOutcome {
        ReportOutcome::Off(String::new())
    }
    async fn monitors(&self) -> Answer<Vec<MonitorView>> {
        Ok(Vec::new())
    }
    async fn monitor(&self, _: &str) -> Answer<MonitorDetail> {
        none()
    }
    async fn windows(&self, _: &str, _: &WindowFilter, _: &Part) -> Answer<Page<WindowRow>> {
        Ok(Page { items: Vec::new(), next: None })
    }
    async fn window(&self, _: &str, _: i64) -> Answer<WindowDetail> {
        none()
    }
    async fn distributions(&self, _: &str, _: i64, _: Option<&str>) -> Answer<Vec<DistributionRow>> {
        none()
    }
    async fn column(&self, _: &str, _: i64, _: &str) -> Answer<ColumnDetail> {
        none()
    }
    async fn records(&self, _: &str, _: i64, _: Option<&str>, _: usize) -> Answer<SampledRecords> {
        none()
    }
    async fn findings(&self, _: &str, _: &FindingFilter, _: &Part) -> Answer<Page<FindingRow>> {
        Ok(Page { items: Vec::new(), next: None })
    }
    async fn score_board(&self, _: &SeriesOf) -> Answer<ScoreBoard> {
        none()
    }
    async fn column_history(&self, _: &SeriesOf, _: &str, _: Option<i64>) -> Answer<Vec<ColumnPoint>> {
        Ok(Vec::new())
    }
    async fn episodes(&self, _: &SeriesOf) -> Answer<Vec<Episode>> {
        Ok(Vec::new())
    }
    async fn baselines(&self, _: &str) -> Answer<Vec<BaselineSummary>> {
        Ok(Vec::new())
    }
    async fn baseline(&self, _: &str, _: i32) -> Answer<BaselineDetail> {
        none()
    }
    async fn baseline_distributions(&self, _: &str, _: i32) -> Answer<Vec<DistributionRow>> {
        none()
    }
    async fn baseline_diff(&self, _: &str, _: i32, _: i32) -> Answer<BaselineDiff> {
        none()
    }
    async fn promote(&self, _: &str, _: Promotion, _: &str) -> Answer<BaselineSummary> {
        none()
    }
    async fn activate(&self, _: &str, _: i32, _: &str) -> Answer<BaselineSummary> {
        none()
    }
    async fn alerts(&self, _: Option<&str>, _: &[String], _: &Part) -> Answer<Page<AlertRow>> {
        Ok(Page { items: Vec::new(), next: None })
    }
    async fn alert(&self, _: &str) -> Answer<AlertDetail> {
        none()
    }
    async fn change_alert(&self, _: Uuid, _: AlertChange, _: &str, _: &str) -> Answer<AlertRow> {
        none()
    }
    async fn silences(&self, _: bool) -> Answer<Vec<SilenceRow>> {
        Ok(Vec::new())
    }
    async fn silence(&self, _: NewSilence, _: &str) -> Answer<SilenceRow> {
        none()
    }
    async fn end_silence(&self, _: Uuid, _: &str) -> Answer<SilenceRow> {
        none()
    }
    async fn deliveries(&self, _: &DeliveryFilter, _: &Part) -> Answer<Page<DeliveryRow>> {
        Ok(Page { items: Vec::new(), next: None })
    }
    async fn delivery(&self, _: Uuid) -> Answer<DeliveryDetail> {
        none()
    }
    async fn send_again(&self, _: Uuid, _: &str) -> Answer<DeliveryDetail> {
        none()
    }
    async fn requests(&self, _: bool) -> Answer<Vec<RequestRow>> {
        Ok(Vec::new())
    }
    async fn request(&self, _: Uuid) -> Answer<RequestDetail> {
        none()
    }
    async fn change_request(&self, _: Uuid, _: RequestChange, _: &str, _: &str) -> Answer<RequestDetail> {
        none()
    }
    async fn status(&self) -> Answer<Status> {
        none()
    }
    fn configuration(&self) -> Vec<ConfiguredValue> {
        Vec::new()
    }
    async fn audit(&self, _: Option<&str>, _: &Part) -> Answer<Page<AuditEntry>> {
        Ok(Page { items: Vec::new(), next: None })
    }
}
