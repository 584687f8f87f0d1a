//! What forms do; afterwards the page is shown again.

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::Shown;
use crate::http::Shared;
use crate::http::api::{comment, new_silence};
use crate::http::backend::{AlertChange, RequestChange};
use crate::http::extract::{By, Named};
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

/// A form, or what is wrong with it.
pub(super) type Filled<T> = Result<Form<T>, FormRejection>;

pub(super) fn fields<T>(filled: Filled<T>) -> Result<T, Problem> {
    filled.map(|Form(fields)| fields).map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))
}

fn back(to: &str) -> Response {
    Redirect::to(to).into_response()
}

pub(super) async fn acknowledge(
    State(backend): State<Shared>,
    Named(alert): Named<Uuid>,
    By(caller): By,
    filled: Filled<Fields>,
) -> Shown {
    let words = comment(&fields(filled)?.comment)?;
    backend.change_alert(alert, AlertChange::Acknowledge, &caller.name, &words).await?;
    Ok(back(&format!("/alerts/{alert}")))
}

pub(super) async fn resolve(
    State(backend): State<Shared>,
    Named(alert): Named<Uuid>,
    By(caller): By,
    filled: Filled<Fields>,
) -> Shown {
    let fields = fields(filled)?;
    let change = AlertChange::Resolve(Judged::from_name(&fields.judged));
    backend.change_alert(alert, change, &caller.name, &comment(&fields.comment)?).await?;
    Ok(back(&format!("/alerts/{alert}")))
}

pub(super) async fn silence(
    State(backend): State<Shared>,
    Named(alert): Named<Uuid>,
    By(caller): By,
    filled: Filled<Fields>,
) -> Shown {
    let fields = fields(filled)?;
    let detail = backend.alert(&alert.to_string()).await?;
    let matchers: Vec<String> = detail.alert.view.matchers().iter().map(ToString::to_string).collect();
    let wanted = new_silence(&matchers, &fields.duration, &fields.comment)?;
    backend.silence(wanted, &caller.name).await?;
    Ok(back("/alerts"))
}

pub(super) async fn end_silence(
    State(backend): State<Shared>,
    Named(silence): Named<Uuid>,
    By(caller): By,
) -> Shown {
    backend.end_silence(silence, &caller.name).await?;
    Ok(back("/alerts"))
}

async fn change_request(
    backend: &Shared,
    request: Uuid,
    change: RequestChange,
    caller: &str,
    filled: Filled<Fields>,
) -> Shown {
    let words = comment(&fields(filled)?.comment)?;
    backend.change_request(request, change, caller, &words).await?;
    Ok(back(&format!("/retraining/{request}")))
}

pub(super) async fn approve(
    State(backend): State<Shared>,
    Named(request): Named<Uuid>,
    By(caller): By,
    filled: Filled<Fields>,
) -> Shown {
    change_request(&backend, request, RequestChange::Approve, &caller.name, filled).await
}

pub(super) async fn cancel(
    State(backend): State<Shared>,
    Named(request): Named<Uuid>,
    By(caller): By,
    filled: Filled<Fields>,
) -> Shown {
    change_request(&backend, request, RequestChange::Cancel, &caller.name, filled).await
}

pub(super) async fn send_again(
    State(backend): State<Shared>,
    Named(delivery): Named<Uuid>,
    By(caller): By,
) -> Shown {
    backend.send_again(delivery, &caller.name).await?;
    Ok(back(&format!("/deliveries/{delivery}")))
}
