//! The account of false alarms, and what people decide about proposals of wider limits.

use axum::extract::State;
use uuid::Uuid;

use super::{Comment, comment};
use crate::account::LimitsStep;
use crate::http::SharedBackend;
use crate::http::access::Caller;
use crate::http::extract::{Json, Path};
use crate::http::problem::{ChangeProblems, Problem, Problems};
use crate::view::FalseAlarmsView;

/// Returns the account of false alarms of a monitor against its budget, proposals of wider limits, and accepted limits.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/false-alarms", tag = "monitors",
    params(("monitor" = String, Path, description = "Name of the monitor")),
    responses((status = 200, body = FalseAlarmsView), Problems))]
pub(super) async fn show(
    State(backend): State<SharedBackend>,
    Path(monitor): Path<String>,
) -> Result<Json<FalseAlarmsView>, Problem> {
    Ok(Json(backend.false_alarms(&monitor).await?))
}

/// Accepts a proposal: its limits hold for all windows that are judged from now on, on all daemons.
#[utoipa::path(post, path = "/api/v1/monitors/{monitor}/limits/{limits}/accept", tag = "monitors",
    params(("monitor" = String, Path, description = "Name of the monitor"), ("limits" = Uuid, Path, description = "ID of the proposal")),
    request_body = Comment, responses((status = 200, body = FalseAlarmsView), ChangeProblems))]
pub(super) async fn accept(
    State(backend): State<SharedBackend>,
    Path((monitor, limits)): Path<(String, Uuid)>,
    caller: Caller,
    Json(given): Json<Comment>,
) -> Result<Json<FalseAlarmsView>, Problem> {
    change(&backend, (&monitor, limits), LimitsStep::Accept, &caller, &given).await
}

/// Dismisses a proposal. It is proposed again if a later false alarm needs wider limits.
#[utoipa::path(post, path = "/api/v1/monitors/{monitor}/limits/{limits}/dismiss", tag = "monitors",
    params(("monitor" = String, Path, description = "Name of the monitor"), ("limits" = Uuid, Path, description = "ID of the proposal")),
    request_body = Comment, responses((status = 200, body = FalseAlarmsView), ChangeProblems))]
pub(super) async fn dismiss(
    State(backend): State<SharedBackend>,
    Path((monitor, limits)): Path<(String, Uuid)>,
    caller: Caller,
    Json(given): Json<Comment>,
) -> Result<Json<FalseAlarmsView>, Problem> {
    change(&backend, (&monitor, limits), LimitsStep::Dismiss, &caller, &given).await
}

/// Withdraws accepted limits, or a dismissal. The configured limits hold for windows that are judged from now on.
#[utoipa::path(post, path = "/api/v1/monitors/{monitor}/limits/{limits}/withdraw", tag = "monitors",
    params(("monitor" = String, Path, description = "Name of the monitor"), ("limits" = Uuid, Path, description = "ID of the limits, that of the proposal")),
    request_body = Comment, responses((status = 200, body = FalseAlarmsView), ChangeProblems))]
pub(super) async fn withdraw(
    State(backend): State<SharedBackend>,
    Path((monitor, limits)): Path<(String, Uuid)>,
    caller: Caller,
    Json(given): Json<Comment>,
) -> Result<Json<FalseAlarmsView>, Problem> {
    change(&backend, (&monitor, limits), LimitsStep::Withdraw, &caller, &given).await
}

async fn change(
    backend: &SharedBackend,
    (monitor, limits): (&str, Uuid),
    step: LimitsStep,
    caller: &Caller,
    given: &Comment,
) -> Result<Json<FalseAlarmsView>, Problem> {
    let words = comment(&given.comment)?;
    Ok(Json(backend.change_limits(monitor, limits, step, &caller.name, &words).await?))
}
