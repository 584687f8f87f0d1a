//! Monitors with their windows, findings and distributions.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::{Listing, MOST_ROWS};
use crate::http::SharedBackend;
use crate::http::arrow::{AnswerFormat, page_as, stream};
use crate::http::extract::{Json, Path, Query, page_request};
use crate::http::problem::{Problem, Problems};
use crate::judge::Verdict;
use crate::record::EventTime;
use crate::report::ColumnReport;
use crate::view::{
    DistributionRow, FindingFilter, FindingRow, MonitorDetail, MonitorView, Page, SampledRecords, WindowFilter,
    WindowRow, WindowState,
};

/// All monitors, by name.
#[utoipa::path(get, path = "/api/v1/monitors", tag = "monitors", params(Listing),
    responses((status = 200, body = Page<MonitorView>), Problems))]
pub(super) async fn list(
    State(backend): State<SharedBackend>,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<MonitorView>>, Problem> {
    let request = listing.page()?;
    let mut monitors = backend.monitors().await?;
    monitors.sort_by(|left, right| left.name.cmp(&right.name));
    monitors.retain(|monitor| request.cursor.as_deref().is_none_or(|cursor| monitor.name.as_str() > cursor));
    Ok(Json(Page::cut(monitors, request.limit, |monitor| monitor.name.clone())))
}

/// A monitor with its columns and series.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}", tag = "monitors",
    params(("monitor" = String, Path, description = "Its name")),
    responses((status = 200, body = MonitorDetail), Problems))]
pub(super) async fn one(
    State(backend): State<SharedBackend>,
    Path(monitor): Path<String>,
) -> Result<Json<MonitorDetail>, Problem> {
    Ok(Json(backend.monitor(&monitor).await?))
}

/// Which windows.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct WindowQuery {
    /// Of this model version; empty for records that name none.
    version: Option<String>,
    /// Of this segment: `*` for the whole, or `column=value`.
    segment: Option<String>,
    /// Windows that start at or after this, RFC 3339.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Windows that start before this, RFC 3339.
    #[param(format = DateTime)]
    to: Option<String>,
    /// open or closed.
    #[param(inline)]
    status: Option<WindowState>,
    /// With this verdict.
    verdict: Option<Verdict>,
    /// Where to go on: `next` of the answer before.
    cursor: Option<String>,
    /// Windows at most.
    #[param(minimum = 1, maximum = 10000, default = 100)]
    limit: Option<usize>,
}

fn micros(name: &str, text: Option<&String>) -> Result<Option<i64>, Problem> {
    let parsed = text.map(|text| text.parse::<EventTime>());
    parsed
        .transpose()
        .map(|time| time.map(EventTime::micros))
        .map_err(|error| Problem::bad(format!("`{name}`: {error}")))
}

/// Windows, the newest first. As Arrow, times are timestamps in microseconds.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/windows", tag = "monitors",
    params(("monitor" = String, Path, description = "Its name"), WindowQuery),
    responses((status = 200, content((Page<WindowRow> = "application/json"), (Vec<u8> = "application/vnd.apache.arrow.stream"))), Problems))]
pub(super) async fn windows(
    State(backend): State<SharedBackend>,
    Path(monitor): Path<String>,
    Query(query): Query<WindowQuery>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let form = AnswerFormat::wanted(&headers)?;
    let filter = WindowFilter {
        from: micros("from", query.from.as_ref())?,
        to: micros("to", query.to.as_ref())?,
        version: query.version,
        segment: query.segment,
        status: query.status,
        verdict: query.verdict,
    };
    let request = page_request(query.cursor, query.limit, MOST_ROWS)?;
    let page = backend.windows(&monitor, &filter, &request).await?;
    page_as(form, &page, uri.path_and_query().map_or("", |uri| uri.as_str()))
}

/// A window, and what it is made of.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct WindowAnswer {
    /// The window.
    window: WindowRow,
    /// Topic and partition, first offset, offset past the last.
    #[schema(value_type = Vec<serde_json::Value>)]
    offsets: crate::window::OffsetRanges,
}

/// A window, and exactly which messages it is made of.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/windows/{window}", tag = "monitors",
    params(("monitor" = String, Path, description = "Its name"), ("window" = i64, Path, description = "Its id")),
    responses((status = 200, body = WindowAnswer), Problems))]
pub(super) async fn window(
    State(backend): State<SharedBackend>,
    Path((monitor, window)): Path<(String, i64)>,
) -> Result<Json<WindowAnswer>, Problem> {
    let detail = backend.window(&monitor, window).await?;
    Ok(Json(WindowAnswer { window: detail.window, offsets: detail.offsets }))
}

/// Which distributions.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DistributionQuery {
    /// Of this column alone.
    column: Option<String>,
}

/// The distributions of a window, bin by bin, beside those of its baseline. Bins that are empty on both sides are left out.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/windows/{window}/distributions", tag = "monitors",
    params(("monitor" = String, Path, description = "Its name"), ("window" = i64, Path, description = "Its id"), DistributionQuery),
    responses((status = 200, content((Vec<DistributionRow> = "application/json"), (Vec<u8> = "application/vnd.apache.arrow.stream"))), Problems))]
pub(super) async fn distributions(
    State(backend): State<SharedBackend>,
    Path((monitor, window)): Path<(String, i64)>,
    Query(query): Query<DistributionQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let form = AnswerFormat::wanted(&headers)?;
    let rows = backend.distributions(&monitor, window, query.column.as_deref()).await?;
    match form {
        AnswerFormat::Json => Ok(Json(rows).into_response()),
        AnswerFormat::Arrow => stream(&rows),
    }
}

/// A column of a window.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct ColumnAnswer {
    /// The window.
    window: WindowRow,
    /// What it was compared with.
    baseline: Option<String>,
    /// The comparison: bars, measures and why; none without a baseline on the same bins.
    comparison: Option<ColumnReport>,
}

/// A column of a window compared with the baseline: bars, measures, and why it moved.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/windows/{window}/columns/{column}", tag = "monitors",
    params(("monitor" = String, Path, description = "Its name"), ("window" = i64, Path, description = "Its id"),
           ("column" = String, Path, description = "The column")),
    responses((status = 200, body = ColumnAnswer), Problems))]
pub(super) async fn column(
    State(backend): State<SharedBackend>,
    Path((monitor, window, column)): Path<(String, i64, String)>,
) -> Result<Json<ColumnAnswer>, Problem> {
    let detail = backend.column(&monitor, window, &column).await?;
    Ok(Json(ColumnAnswer { window: detail.window, baseline: detail.baseline, comparison: detail.report }))
}

/// Which records.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordQuery {
    /// Behind the drift of this column alone: its value belongs to what became more frequent and carries the score.
    column: Option<String>,
    /// Records at most.
    #[param(minimum = 1, maximum = 10000, default = 100)]
    limit: Option<usize>,
}

/// Records of a window's sample. Takes the role operator. Empty when the monitor keeps no sample; columns that are marked as
/// sensitive are not in it.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/windows/{window}/records", tag = "monitors",
    params(("monitor" = String, Path, description = "Its name"), ("window" = i64, Path, description = "Its id"), RecordQuery),
    responses((status = 200, body = SampledRecords), Problems))]
pub(super) async fn records(
    State(backend): State<SharedBackend>,
    Path((monitor, window)): Path<(String, i64)>,
    Query(query): Query<RecordQuery>,
) -> Result<Json<SampledRecords>, Problem> {
    let limit = page_request(None, query.limit, MOST_ROWS)?.limit;
    Ok(Json(backend.records(&monitor, window, query.column.as_deref(), limit).await?))
}

/// Which findings.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct FindingQuery {
    /// In windows of this model version; empty for records that name none.
    version: Option<String>,
    /// In windows of this segment: `*` for the whole, or `column=value`.
    segment: Option<String>,
    /// In windows that start at or after this, RFC 3339.
    #[param(format = DateTime)]
    from: Option<String>,
    /// In windows that start before this, RFC 3339.
    #[param(format = DateTime)]
    to: Option<String>,
    /// In this window.
    window: Option<i64>,
    /// About this column.
    column: Option<String>,
    /// By this measure.
    measure: Option<String>,
    /// With this verdict.
    verdict: Option<Verdict>,
    /// Where to go on: `next` of the answer before.
    cursor: Option<String>,
    /// Findings at most.
    #[param(minimum = 1, maximum = 10000, default = 100)]
    limit: Option<usize>,
}

/// Findings, those of the newest windows first.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/findings", tag = "monitors",
    params(("monitor" = String, Path, description = "Its name"), FindingQuery),
    responses((status = 200, content((Page<FindingRow> = "application/json"), (Vec<u8> = "application/vnd.apache.arrow.stream"))), Problems))]
pub(super) async fn findings(
    State(backend): State<SharedBackend>,
    Path(monitor): Path<String>,
    Query(query): Query<FindingQuery>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let form = AnswerFormat::wanted(&headers)?;
    let filter = FindingFilter {
        from: micros("from", query.from.as_ref())?,
        to: micros("to", query.to.as_ref())?,
        version: query.version,
        segment: query.segment,
        window: query.window,
        column: query.column,
        measure: query.measure,
        verdict: query.verdict,
    };
    let request = page_request(query.cursor, query.limit, MOST_ROWS)?;
    let page = backend.findings(&monitor, &filter, &request).await?;
    page_as(form, &page, uri.path_and_query().map_or("", |uri| uri.as_str()))
}
