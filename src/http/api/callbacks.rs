//! Signed reports of training systems and model registries: a report is signed and needs no token.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use crate::http::SharedBackend;
use crate::http::backend::{Callback, CallbackOutcome};
use crate::http::extract::{Json, Path, Text};
use crate::http::problem::{ChangeProblems, Problem};
use crate::retrain::RequestState;

/// Progress of a retraining.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "only the description is used: the body is verified before it is read")]
pub(super) struct Progress {
    /// ID of the request, the same as in the URL (the URL is not signed).
    request: uuid::Uuid,
    /// Request state.
    state: RequestState,
    /// Text.
    detail: Option<String>,
    /// ID in the training system.
    external_id: Option<String>,
}

/// Callback result.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Taken {
    /// State after the callback.
    state: String,
}

fn signed(headers: &HeaderMap, names: [&str; 3]) -> (String, String, String) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let [id, timestamp, signature] = names.map(text);
    (id, timestamp, signature)
}

/// Reports the progress of a retraining. Signed according to Standard Webhooks, with `http.callback_secret`.
#[utoipa::path(post, path = "/api/v1/retraining/{request}", tag = "retraining", security(()),
    params(("request" = String, Path, description = "ID of the request"),
           ("webhook-id" = String, Header, description = "Message ID (Standard Webhooks)"),
           ("webhook-timestamp" = String, Header, description = "Seconds since 1970"),
           ("webhook-signature" = String, Header, description = "`v1,` and the signature")),
    request_body = Progress, responses((status = 200, body = Taken), ChangeProblems))]
pub(super) async fn progress(
    State(backend): State<SharedBackend>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Text(body): Text,
) -> Response {
    let signed = signed(&headers, ["webhook-id", "webhook-timestamp", "webhook-signature"]);
    outcome(backend.report(Callback::Retraining { id, signed, body }).await)
}

/// Receives webhooks of the MLflow model registry. Signed with `http.mlflow_secret`.
#[utoipa::path(post, path = "/api/v1/mlflow", tag = "retraining", security(()),
    params(("x-mlflow-delivery-id" = String, Header, description = "Delivery ID, set by MLflow"),
           ("x-mlflow-timestamp" = String, Header, description = "Timestamp, set by MLflow"),
           ("x-mlflow-signature" = String, Header, description = "Signature, set by MLflow")),
    request_body = Object, responses((status = 200, body = Taken), ChangeProblems))]
pub(super) async fn mlflow(
    State(backend): State<SharedBackend>,
    headers: HeaderMap,
    Text(body): Text,
) -> Response {
    let signed = signed(&headers, ["x-mlflow-delivery-id", "x-mlflow-timestamp", "x-mlflow-signature"]);
    outcome(backend.report(Callback::Mlflow { signed, body }).await)
}

fn outcome(outcome: CallbackOutcome) -> Response {
    let (status, detail) = match outcome {
        CallbackOutcome::Taken(state) => {
            return Json(Taken { state }).into_response();
        }
        CallbackOutcome::Unauthorized(why) => (StatusCode::UNAUTHORIZED, why),
        CallbackOutcome::Invalid(why) => (StatusCode::BAD_REQUEST, why),
        CallbackOutcome::NotFound(why) => (StatusCode::NOT_FOUND, why),
        CallbackOutcome::Conflict(why) => (StatusCode::CONFLICT, why),
        CallbackOutcome::Off(why) => (StatusCode::FORBIDDEN, why),
        CallbackOutcome::Unavailable(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    };
    Problem::new(status, detail).into_response()
}
