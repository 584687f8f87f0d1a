//! What forms do; afterwards the page is shown again.

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::PageResult;
use super::words::monitor_at;
use crate::account::LimitsStep;
use crate::http::SharedBackend;
use crate::http::access::Caller;
use crate::http::api::{comment, new_silence};
use crate::http::backend::{RequestedAlertChange, RetrainingChange};
use crate::http::extract::{Form, Path};
use crate::http::problem::Problem;
use crate::view::Judged;

/// The fields of all forms.
#[derive(Default, Deserialize)]
pub(super) struct Fields {
    #[serde(default)]
    comment: String,
    #[serde(default)]
    judged: String,
    #[serde(default)]
    duration: String,
}

fn back(to: &str) -> Response {
    Redirect::to(to).into_response()
}

pub(super) async fn acknowledge(
    State(backend): State<SharedBackend>,
    Path(alert): Path<Uuid>,
    caller: Caller,
    Form(fields): Form<Fields>,
) -> PageResult {
    let words = comment(&fields.comment)?;
    backend.change_alert(alert, RequestedAlertChange::Acknowledge, &caller.name, &words).await?;
    Ok(back(&format!("/alerts/{alert}")))
}

pub(super) async fn resolve(
    State(backend): State<SharedBackend>,
    Path(alert): Path<Uuid>,
    caller: Caller,
    Form(fields): Form<Fields>,
) -> PageResult {
    let change = RequestedAlertChange::Resolve(Judged::from_name(&fields.judged));
    backend.change_alert(alert, change, &caller.name, &comment(&fields.comment)?).await?;
    Ok(back(&format!("/alerts/{alert}")))
}

pub(super) async fn silence(
    State(backend): State<SharedBackend>,
    Path(alert): Path<Uuid>,
    caller: Caller,
    Form(fields): Form<Fields>,
) -> PageResult {
    let detail = backend.alert(&alert.to_string()).await?;
    let matchers: Vec<String> = detail.alert.view.matchers().iter().map(ToString::to_string).collect();
    let wanted = new_silence(&matchers, &fields.duration, &fields.comment)?;
    backend.silence(wanted, &caller.name).await?;
    Ok(back("/alerts"))
}

pub(super) async fn end_silence(
    State(backend): State<SharedBackend>,
    Path(silence): Path<Uuid>,
    caller: Caller,
) -> PageResult {
    backend.end_silence(silence, &caller.name).await?;
    Ok(back("/alerts"))
}

async fn change_request(
    backend: &SharedBackend,
    request: Uuid,
    change: RetrainingChange,
    caller: &str,
    fields: &Fields,
) -> PageResult {
    let words = comment(&fields.comment)?;
    backend.change_request(request, change, caller, &words).await?;
    Ok(back(&format!("/retraining/{request}")))
}

pub(super) async fn approve(
    State(backend): State<SharedBackend>,
    Path(request): Path<Uuid>,
    caller: Caller,
    Form(fields): Form<Fields>,
) -> PageResult {
    change_request(&backend, request, RetrainingChange::Approve, &caller.name, &fields).await
}

pub(super) async fn cancel(
    State(backend): State<SharedBackend>,
    Path(request): Path<Uuid>,
    caller: Caller,
    Form(fields): Form<Fields>,
) -> PageResult {
    change_request(&backend, request, RetrainingChange::Cancel, &caller.name, &fields).await
}

async fn change_limits(
    backend: &SharedBackend,
    (monitor, limits): (&str, Uuid),
    step: LimitsStep,
    caller: &str,
    fields: &Fields,
) -> PageResult {
    let words = comment(&fields.comment)?;
    backend.change_limits(monitor, limits, step, caller, &words).await?;
    Ok(back(&format!("{}#false-alarms", monitor_at(monitor))))
}

pub(super) async fn accept_limits(
    State(backend): State<SharedBackend>,
    Path((monitor, limits)): Path<(String, Uuid)>,
    caller: Caller,
    Form(fields): Form<Fields>,
) -> PageResult {
    change_limits(&backend, (&monitor, limits), LimitsStep::Accept, &caller.name, &fields).await
}

/// Several proposals.
#[derive(Deserialize)]
pub(super) struct Proposals {
    /// Their ids, with commas between them.
    accept: String,
    #[serde(default)]
    comment: String,
}

pub(super) async fn accept_all_limits(
    State(backend): State<SharedBackend>,
    Path(monitor): Path<String>,
    caller: Caller,
    Form(given): Form<Proposals>,
) -> PageResult {
    let words = comment(&given.comment)?;
    let bad = |_| Problem::bad("`accept` must have IDs of proposals, with commas between them");
    let ids: Vec<Uuid> = given.accept.split(',').map(str::parse).collect::<Result<_, _>>().map_err(bad)?;
    for id in ids {
        backend.change_limits(&monitor, id, LimitsStep::Accept, &caller.name, &words).await?;
    }
    Ok(back(&format!("{}#false-alarms", monitor_at(&monitor))))
}

pub(super) async fn dismiss_limits(
    State(backend): State<SharedBackend>,
    Path((monitor, limits)): Path<(String, Uuid)>,
    caller: Caller,
    Form(fields): Form<Fields>,
) -> PageResult {
    change_limits(&backend, (&monitor, limits), LimitsStep::Dismiss, &caller.name, &fields).await
}

pub(super) async fn withdraw_limits(
    State(backend): State<SharedBackend>,
    Path((monitor, limits)): Path<(String, Uuid)>,
    caller: Caller,
    Form(fields): Form<Fields>,
) -> PageResult {
    change_limits(&backend, (&monitor, limits), LimitsStep::Withdraw, &caller.name, &fields).await
}

pub(super) async fn send_again(
    State(backend): State<SharedBackend>,
    Path(delivery): Path<Uuid>,
    caller: Caller,
) -> PageResult {
    backend.send_again(delivery, &caller.name).await?;
    Ok(back(&format!("/deliveries/{delivery}")))
}
