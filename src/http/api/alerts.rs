//! Alerts, and silences over them.

use crate::record::TimeSpan;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{Comment, MOST, comment};
use crate::alert::{Matcher, RowState};
use crate::http::SharedBackend;
use crate::http::access::Caller;
use crate::http::backend::{NewSilence, RequestedAlertChange};
use crate::http::extract::{Json, Path, Query, page_request};
use crate::http::problem::{ChangeProblems, Problem, Problems};
use crate::view::{AlertDetail, AlertRow, Judged, Page, SilenceRow};

/// Alert state to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Standing {
    /// pending, firing or acknowledged.
    Open,
    /// Pending.
    Pending,
    /// Firing.
    Firing,
    /// Firing, acknowledged by a person.
    Acknowledged,
    /// Resolved.
    Resolved,
    /// Ended before it fired.
    Cleared,
}

/// Filter.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AlertQuery {
    /// Monitor.
    monitor: Option<String>,
    /// State; all if absent.
    #[param(inline)]
    state: Option<Standing>,
    /// Page cursor: `next` of the previous response.
    cursor: Option<String>,
    /// Maximum number of alerts.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

/// Lists alerts, latest change first.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts", params(AlertQuery),
    responses((status = 200, body = Page<AlertRow>), Problems))]
pub(super) async fn list(
    State(backend): State<SharedBackend>,
    Query(query): Query<AlertQuery>,
) -> Result<Json<Page<AlertRow>>, Problem> {
    let states: &[RowState] = match query.state {
        None => &[],
        Some(Standing::Open) => &RowState::OPEN,
        Some(Standing::Pending) => &[RowState::Pending],
        Some(Standing::Firing) => &[RowState::Firing],
        Some(Standing::Acknowledged) => &[RowState::Acknowledged],
        Some(Standing::Resolved) => &[RowState::Resolved],
        Some(Standing::Cleared) => &[RowState::Cleared],
    };
    let request = page_request(query.cursor, query.limit, MOST)?;
    Ok(Json(backend.alerts(query.monitor.as_deref(), states, &request).await?))
}

/// Returns an alert with its history and messages.
#[utoipa::path(get, path = "/api/v1/alerts/{alert}", tag = "alerts",
    params(("alert" = Uuid, Path, description = "ID of the alert")), responses((status = 200, body = AlertDetail), Problems))]
pub(super) async fn one(
    State(backend): State<SharedBackend>,
    Path(alert): Path<Uuid>,
) -> Result<Json<AlertDetail>, Problem> {
    Ok(Json(backend.alert(&alert.to_string()).await?))
}

/// Acknowledges an alert: no further messages unless it becomes worse.
#[utoipa::path(post, path = "/api/v1/alerts/{alert}/acknowledge", tag = "alerts",
    params(("alert" = Uuid, Path, description = "ID of the alert")), request_body = Comment,
    responses((status = 200, body = AlertRow), ChangeProblems))]
pub(super) async fn acknowledge(
    State(backend): State<SharedBackend>,
    Path(alert): Path<Uuid>,
    caller: Caller,
    Json(given): Json<Comment>,
) -> Result<Json<AlertRow>, Problem> {
    let words = comment(&given.comment)?;
    Ok(Json(backend.change_alert(alert, RequestedAlertChange::Acknowledge, &caller.name, &words).await?))
}

/// Resolution of an alert.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Resolution {
    /// Operator comment.
    #[serde(default)]
    #[schema(max_length = 1000, pattern = "^[^\\u0000]*$")]
    comment: String,
    /// Judgement: a real problem or a false alarm; used for the false-alarm rate.
    #[serde(default)]
    judged: Option<Judged>,
}

/// Resolves an alert; the next window with drift opens a new one. For a resolved alert only the judgement is
/// recorded.
#[utoipa::path(post, path = "/api/v1/alerts/{alert}/resolve", tag = "alerts",
    params(("alert" = Uuid, Path, description = "ID of the alert")), request_body = Resolution,
    responses((status = 200, body = AlertRow), ChangeProblems))]
pub(super) async fn resolve(
    State(backend): State<SharedBackend>,
    Path(alert): Path<Uuid>,
    caller: Caller,
    Json(given): Json<Resolution>,
) -> Result<Json<AlertRow>, Problem> {
    let words = comment(&given.comment)?;
    Ok(Json(backend.change_alert(alert, RequestedAlertChange::Resolve(given.judged), &caller.name, &words).await?))
}

/// Filter.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SilenceQuery {
    /// Include those that have ended.
    #[serde(default)]
    all: bool,
}

/// Lists silences, latest end first.
#[utoipa::path(get, path = "/api/v1/silences", tag = "alerts", params(SilenceQuery),
    responses((status = 200, body = Vec<SilenceRow>), Problems))]
pub(super) async fn silences(
    State(backend): State<SharedBackend>,
    Query(query): Query<SilenceQuery>,
) -> Result<Json<Vec<SilenceRow>>, Problem> {
    Ok(Json(backend.silences(query.all).await?))
}

/// New silence.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Silence {
    /// Matchers in Alertmanager syntax, such as `monitor=credit-score` or `severity!=critical`; all must match.
    #[schema(min_items = 1, max_items = 50)]
    matchers: Vec<String>,
    /// Duration from now: `30m`, `2h`, `7d`; at most 366d.
    #[schema(example = "2h")]
    duration: String,
    /// Reason.
    #[schema(min_length = 1, max_length = 1000, pattern = "^[^\\u0000]*$")]
    comment: String,
}

/// Silences all matching alerts.
#[utoipa::path(post, path = "/api/v1/silences", tag = "alerts", request_body = Silence,
    responses((status = 201, body = SilenceRow), ChangeProblems))]
pub(super) async fn silence(
    State(backend): State<SharedBackend>,
    caller: Caller,
    Json(given): Json<Silence>,
) -> Result<Response, Problem> {
    let wanted = new_silence(&given.matchers, &given.duration, &given.comment)?;
    Ok((StatusCode::CREATED, Json(backend.silence(wanted, &caller.name).await?)).into_response())
}

/// Checks what is to become a silence.
pub(in crate::http) fn new_silence(matchers: &[String], duration: &str, why: &str) -> Result<NewSilence, Problem> {
    if matchers.is_empty() || matchers.len() > 50 {
        return Err(Problem::bad("a silence has 1 to 50 matchers"));
    }
    let matchers: Vec<Matcher> = matchers
        .iter()
        .map(|text| Matcher::parse(text).map_err(|error| Problem::bad(error.to_string())))
        .collect::<Result<_, _>>()?;
    let duration = TimeSpan::parse(duration).filter(|span| !span.is_zero() && *span <= YEAR).ok_or_else(|| {
        Problem::bad("`duration` must be more than 0 and at most 366d\nhint: write 30m, 2h or 7d")
    })?;
    let comment = comment(why)?;
    if comment.trim().is_empty() {
        return Err(Problem::bad("`comment` is empty: give the reason for the silence"));
    }
    Ok(NewSilence { matchers, duration, comment })
}

/// The longest silence.
const YEAR: TimeSpan = TimeSpan::days(366);

/// Ends a silence now. The ended silence is listed with `all=true`.
#[utoipa::path(delete, path = "/api/v1/silences/{silence}", tag = "alerts",
    params(("silence" = Uuid, Path, description = "ID of the silence")), responses((status = 200, body = SilenceRow), ChangeProblems))]
pub(super) async fn end_silence(
    State(backend): State<SharedBackend>,
    Path(silence): Path<Uuid>,
    caller: Caller,
) -> Result<Json<SilenceRow>, Problem> {
    Ok(Json(backend.end_silence(silence, &caller.name).await?))
}
