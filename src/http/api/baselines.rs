//! Baselines: listed, compared, made from closed windows, activated.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Listing;
use crate::http::SharedBackend;
use crate::http::access::Caller;
use crate::http::arrow::{AnswerFormat, stream};
use crate::http::extract::{Json, Path, Query};
use crate::http::problem::{ChangeProblems, Problem, Problems};
use crate::record::EventTime;
use crate::view::{BaselineDetail, BaselineDiff, BaselineSummary, DistributionRow, Page, Period, Promotion};

/// Lists the baselines of a monitor, newest first.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/baselines", tag = "baselines",
    params(("monitor" = String, Path, description = "Name of the monitor"), Listing),
    responses((status = 200, body = Page<BaselineSummary>), Problems))]
pub(super) async fn list(
    State(backend): State<SharedBackend>,
    Path(monitor): Path<String>,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<BaselineSummary>>, Problem> {
    let request = listing.page()?;
    let mut baselines = backend.baselines(&monitor).await?;
    if let Some(cursor) = &request.cursor {
        let last: i32 =
            cursor.parse().map_err(|_| Problem::bad("invalid `cursor`: pass `next` of the previous response"))?;
        baselines.retain(|baseline| baseline.version < last);
    }
    Ok(Json(Page::cut(baselines, request.limit, |baseline| baseline.version.to_string())))
}

/// Returns a baseline with its columns.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/baselines/{version}", tag = "baselines",
    params(("monitor" = String, Path, description = "Name of the monitor"), ("version" = i32, Path, description = "Version of the baseline")),
    responses((status = 200, body = BaselineDetail), Problems))]
pub(super) async fn one(
    State(backend): State<SharedBackend>,
    Path((monitor, version)): Path<(String, i32)>,
) -> Result<Json<BaselineDetail>, Problem> {
    Ok(Json(backend.baseline(&monitor, version).await?))
}

/// Returns the distributions of a baseline per bin, for all records. `window` of a row is the count of the baseline.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/baselines/{version}/distributions", tag = "baselines",
    params(("monitor" = String, Path, description = "Name of the monitor"), ("version" = i32, Path, description = "Version of the baseline")),
    responses((status = 200, content((Vec<DistributionRow> = "application/json"), (Vec<u8> = "application/vnd.apache.arrow.stream"))), Problems))]
pub(super) async fn distributions(
    State(backend): State<SharedBackend>,
    Path((monitor, version)): Path<(String, i32)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let form = AnswerFormat::wanted(&headers)?;
    let rows = backend.baseline_distributions(&monitor, version).await?;
    match form {
        AnswerFormat::Json => Ok(Json(rows).into_response()),
        AnswerFormat::Arrow => stream(&rows),
    }
}

/// The two baselines.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DiffQuery {
    /// First version.
    before: i32,
    /// Second version.
    after: i32,
}

/// Compares two baselines per column: measures if both have the same bins, and their content.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/baselines/diff", tag = "baselines",
    params(("monitor" = String, Path, description = "Name of the monitor"), DiffQuery),
    responses((status = 200, body = BaselineDiff), Problems))]
pub(super) async fn diff(
    State(backend): State<SharedBackend>,
    Path(monitor): Path<String>,
    Query(query): Query<DiffQuery>,
) -> Result<Json<BaselineDiff>, Problem> {
    Ok(Json(backend.baseline_diff(&monitor, query.before, query.after).await?))
}

/// Windows to build a baseline from.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Promote {
    /// Earliest start of the closed windows (inclusive), RFC 3339.
    #[schema(format = DateTime)]
    from: String,
    /// Latest start (exclusive), RFC 3339; the end of a window selects that window alone.
    #[schema(format = DateTime)]
    to: String,
    /// Model version; all versions if absent.
    #[serde(default)]
    version: Option<String>,
    /// Periods to exclude, with all windows that overlap them.
    #[serde(default)]
    #[schema(max_items = 100)]
    exclude: Vec<Period>,
    /// Also exclude windows with firing alerts of the monitor.
    #[serde(default)]
    exclude_alerts: bool,
    /// Activate the new baseline.
    #[serde(default)]
    activate: bool,
}

fn time(name: &str, text: &str) -> Result<EventTime, Problem> {
    text.parse().map_err(|error| Problem::bad(format!("`{name}`: {error}")))
}

/// Builds a baseline from the sum of closed windows.
#[utoipa::path(post, path = "/api/v1/monitors/{monitor}/baselines", tag = "baselines",
    params(("monitor" = String, Path, description = "Name of the monitor")), request_body = Promote,
    responses((status = 201, body = BaselineSummary, headers(("Location" = String, description = "URL of the new baseline"))), ChangeProblems))]
pub(super) async fn promote(
    State(backend): State<SharedBackend>,
    Path(monitor): Path<String>,
    caller: Caller,
    Json(wanted): Json<Promote>,
) -> Result<Response, Problem> {
    if wanted.exclude.len() > 100 {
        return Err(Problem::bad("`exclude` allows at most 100 periods"));
    }
    let (from, to) = (time("from", &wanted.from)?, time("to", &wanted.to)?);
    let exclude = wanted
        .exclude
        .iter()
        .map(|period| Ok((time("exclude.from", &period.from)?, time("exclude.to", &period.to)?)))
        .collect::<Result<_, Problem>>()?;
    let wanted = Promotion {
        from,
        to,
        version: wanted.version,
        exclude,
        exclude_alerts: wanted.exclude_alerts,
        activate: wanted.activate,
    };
    let made = backend.promote(&monitor, wanted, &caller.name).await?;
    let place = format!("/api/v1/monitors/{monitor}/baselines/{}", made.version);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(made)).into_response())
}

/// Activates a baseline. A window is compared when it closes: with the active baseline if its counts fit the bins of that
/// baseline, otherwise with the newest baseline on the bins that the window began with.
#[utoipa::path(post, path = "/api/v1/monitors/{monitor}/baselines/{version}/activate", tag = "baselines",
    params(("monitor" = String, Path, description = "Name of the monitor"), ("version" = i32, Path, description = "Version of the baseline")),
    responses((status = 200, body = BaselineSummary), ChangeProblems))]
pub(super) async fn activate(
    State(backend): State<SharedBackend>,
    Path((monitor, version)): Path<(String, i32)>,
    caller: Caller,
) -> Result<Json<BaselineSummary>, Problem> {
    Ok(Json(backend.activate(&monitor, version, &caller.name).await?))
}
