//! Monitors with their windows, findings and distributions.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::{Listing, MOST_ROWS};
use crate::http::SharedBackend;
use crate::http::arrow::{AnswerFormat, page_as, stream};
use crate::http::backend::BackendError;
use crate::http::extract::{Json, Path, Query, page_request};
use crate::http::problem::{DeletedProblems, Problem, Problems};
use crate::judge::Verdict;
use crate::record::EventTime;
use crate::report::ColumnReport;
use crate::view::{
    DistributionRow, FindingFilter, FindingRow, MonitorDetail, MonitorView, Page, SampledRecords, WindowFilter,
    WindowRow, WindowState,
};

/// Lists monitors by name.
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

/// Returns a monitor with its columns and series.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}", tag = "monitors",
    params(("monitor" = String, Path, description = "Name of the monitor")),
    responses((status = 200, body = MonitorDetail), Problems))]
pub(super) async fn one(
    State(backend): State<SharedBackend>,
    Path(monitor): Path<String>,
) -> Result<Json<MonitorDetail>, Problem> {
    Ok(Json(backend.monitor(&monitor).await?))
}

/// Filter.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct WindowQuery {
    /// Model version; empty for records without a version.
    version: Option<String>,
    /// Segment: `*` for all records, or `column=value`.
    segment: Option<String>,
    /// Earliest start (inclusive), RFC 3339.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Latest start (exclusive), RFC 3339.
    #[param(format = DateTime)]
    to: Option<String>,
    /// open or closed.
    #[param(inline)]
    status: Option<WindowState>,
    /// Verdict.
    verdict: Option<Verdict>,
    /// Page cursor: `next` of the previous response.
    cursor: Option<String>,
    /// Maximum number of windows.
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

/// Lists windows, newest first. In Arrow, times are timestamps in microseconds.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/windows", tag = "monitors",
    params(("monitor" = String, Path, description = "Name of the monitor"), WindowQuery),
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

/// A window and its offsets.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct WindowAnswer {
    /// The window.
    window: WindowRow,
    /// Per partition: topic and partition, first offset, end offset (exclusive).
    #[schema(value_type = Vec<serde_json::Value>)]
    offsets: crate::window::OffsetRanges,
    /// Reason why its counts were deleted; null if it has them.
    deleted: Option<String>,
}

/// Returns a window with the offsets of its messages.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/windows/{window}", tag = "monitors",
    params(("monitor" = String, Path, description = "Name of the monitor"), ("window" = i64, Path, description = "ID of the window")),
    responses((status = 200, body = WindowAnswer), Problems))]
pub(super) async fn window(
    State(backend): State<SharedBackend>,
    Path((monitor, window)): Path<(String, i64)>,
) -> Result<Json<WindowAnswer>, Problem> {
    let detail = backend.window(&monitor, window).await?;
    Ok(Json(WindowAnswer { window: detail.window, offsets: detail.offsets, deleted: detail.deleted }))
}

/// Filter.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DistributionQuery {
    /// Column; all if absent.
    column: Option<String>,
}

/// Returns the distributions of a window and its baseline per bin, without bins that are empty in both.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/windows/{window}/distributions", tag = "monitors",
    params(("monitor" = String, Path, description = "Name of the monitor"), ("window" = i64, Path, description = "ID of the window"), DistributionQuery),
    responses((status = 200, content((Vec<DistributionRow> = "application/json"), (Vec<u8> = "application/vnd.apache.arrow.stream"))), DeletedProblems, Problems))]
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
    /// Baseline of the comparison.
    baseline: Option<String>,
    /// Comparison: bars, measures and causes; null without a baseline on the same bins.
    comparison: Option<ColumnReport>,
}

/// Compares a column of a window with the baseline: bars, measures and causes.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/windows/{window}/columns/{column}", tag = "monitors",
    params(("monitor" = String, Path, description = "Name of the monitor"), ("window" = i64, Path, description = "ID of the window"),
           ("column" = String, Path, description = "Name of the column")),
    responses((status = 200, body = ColumnAnswer), DeletedProblems, Problems))]
pub(super) async fn column(
    State(backend): State<SharedBackend>,
    Path((monitor, window, column)): Path<(String, i64, String)>,
) -> Result<Json<ColumnAnswer>, Problem> {
    let detail = backend.column(&monitor, window, &column).await?;
    if let Some(why) = detail.deleted {
        return Err(BackendError::Deleted(why).into());
    }
    Ok(Json(ColumnAnswer { window: detail.window, baseline: detail.baseline, comparison: detail.report }))
}

/// Filter.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordQuery {
    /// Only records that contribute to the drift of this column: values that became more frequent and account for the score.
    column: Option<String>,
    /// Maximum number of records.
    #[param(minimum = 1, maximum = 10000, default = 100)]
    limit: Option<usize>,
}

/// Returns records of the sample of a window. Requires the role operator. Empty if the monitor keeps no sample; without
/// sensitive columns.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/windows/{window}/records", tag = "monitors",
    params(("monitor" = String, Path, description = "Name of the monitor"), ("window" = i64, Path, description = "ID of the window"), RecordQuery),
    responses((status = 200, body = SampledRecords), DeletedProblems, Problems))]
pub(super) async fn records(
    State(backend): State<SharedBackend>,
    Path((monitor, window)): Path<(String, i64)>,
    Query(query): Query<RecordQuery>,
) -> Result<Json<SampledRecords>, Problem> {
    let limit = page_request(None, query.limit, MOST_ROWS)?.limit;
    Ok(Json(backend.records(&monitor, window, query.column.as_deref(), limit).await?))
}

/// Filter.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct FindingQuery {
    /// Model version of the window; empty for records without a version.
    version: Option<String>,
    /// Segment of the window: `*` for all records, or `column=value`.
    segment: Option<String>,
    /// Earliest start of the window (inclusive), RFC 3339.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Latest start of the window (exclusive), RFC 3339.
    #[param(format = DateTime)]
    to: Option<String>,
    /// Window ID.
    window: Option<i64>,
    /// Column.
    column: Option<String>,
    /// Measure.
    measure: Option<String>,
    /// Verdict.
    verdict: Option<Verdict>,
    /// Page cursor: `next` of the previous response.
    cursor: Option<String>,
    /// Maximum number of findings.
    #[param(minimum = 1, maximum = 10000, default = 100)]
    limit: Option<usize>,
}

/// Lists findings, newest windows first.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/findings", tag = "monitors",
    params(("monitor" = String, Path, description = "Name of the monitor"), FindingQuery),
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
