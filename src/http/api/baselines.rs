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

/// The baselines of a monitor, the newest first.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/baselines", tag = "baselines",
    params(("monitor" = String, Path, description = "Its name"), Listing),
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
            cursor.parse().map_err(|_| Problem::bad("invalid `cursor`: pass the `next` of the answer before"))?;
        baselines.retain(|baseline| baseline.version < last);
    }
    Ok(Json(Page::cut(baselines, request.limit, |baseline| baseline.version.to_string())))
}

/// A baseline, and what is in it.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/baselines/{version}", tag = "baselines",
    params(("monitor" = String, Path, description = "Its name"), ("version" = i32, Path, description = "The baseline's version")),
    responses((status = 200, body = BaselineDetail), Problems))]
pub(super) async fn one(
    State(backend): State<SharedBackend>,
    Path((monitor, version)): Path<(String, i32)>,
) -> Result<Json<BaselineDetail>, Problem> {
    Ok(Json(backend.baseline(&monitor, version).await?))
}

/// What is in a baseline, bin by bin, of the whole. `window` of a row is the baseline's own count.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/baselines/{version}/distributions", tag = "baselines",
    params(("monitor" = String, Path, description = "Its name"), ("version" = i32, Path, description = "The baseline's version")),
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

/// Which two baselines.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DiffQuery {
    /// Version of the one.
    before: i32,
    /// Version of the other.
    after: i32,
}

/// How two baselines differ, column by column: measures where both are counted on the same bins, and what is in them.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/baselines/diff", tag = "baselines",
    params(("monitor" = String, Path, description = "Its name"), DiffQuery),
    responses((status = 200, body = BaselineDiff), Problems))]
pub(super) async fn diff(
    State(backend): State<SharedBackend>,
    Path(monitor): Path<String>,
    Query(query): Query<DiffQuery>,
) -> Result<Json<BaselineDiff>, Problem> {
    Ok(Json(backend.baseline_diff(&monitor, query.before, query.after).await?))
}

/// Windows that are to become a baseline.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Promote {
    /// Closed windows that start at or after this, RFC 3339.
    #[schema(format = DateTime)]
    from: String,
    /// And before this; one window when it is the end of that window.
    #[schema(format = DateTime)]
    to: String,
    /// Of this model version alone.
    #[serde(default)]
    version: Option<String>,
    /// Windows that overlap one of these periods are left out.
    #[serde(default)]
    #[schema(max_items = 100)]
    exclude: Vec<Period>,
    /// So are windows in which alerts of the monitor fired.
    #[serde(default)]
    exclude_alerts: bool,
    /// Whether new windows are compared with it at once.
    #[serde(default)]
    activate: bool,
}

fn time(name: &str, text: &str) -> Result<EventTime, Problem> {
    text.parse().map_err(|error| Problem::bad(format!("`{name}`: {error}")))
}

/// Makes a baseline of the sum of closed windows.
#[utoipa::path(post, path = "/api/v1/monitors/{monitor}/baselines", tag = "baselines",
    params(("monitor" = String, Path, description = "Its name")), request_body = Promote,
    responses((status = 201, body = BaselineSummary, headers(("Location" = String, description = "Where it is"))), ChangeProblems))]
pub(super) async fn promote(
    State(backend): State<SharedBackend>,
    Path(monitor): Path<String>,
    caller: Caller,
    Json(wanted): Json<Promote>,
) -> Result<Response, Problem> {
    if wanted.exclude.len() > 100 {
        return Err(Problem::bad("`exclude` takes 100 periods at most"));
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

/// Compares new windows with this baseline from now on. Open windows stay with the one they began with.
#[utoipa::path(post, path = "/api/v1/monitors/{monitor}/baselines/{version}/activate", tag = "baselines",
    params(("monitor" = String, Path, description = "Its name"), ("version" = i32, Path, description = "The baseline's version")),
    responses((status = 200, body = BaselineSummary), ChangeProblems))]
pub(super) async fn activate(
    State(backend): State<SharedBackend>,
    Path((monitor, version)): Path<(String, i32)>,
    caller: Caller,
) -> Result<Json<BaselineSummary>, Problem> {
    Ok(Json(backend.activate(&monitor, version, &caller.name).await?))
}
