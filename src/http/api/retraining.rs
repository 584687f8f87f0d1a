//! Retraining requests.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{Comment, comment};
use crate::http::SharedBackend;
use crate::http::access::Caller;
use crate::http::backend::RetrainingChange;
use crate::http::extract::{Json, Path, Query};
use crate::http::problem::{ChangeProblems, Problem, Problems};
use crate::view::{RequestDetail, RequestRow};

/// Filter.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestQuery {
    /// Include those that have ended.
    #[serde(default)]
    all: bool,
}

/// Lists retraining requests, newest first, at most 1000.
#[utoipa::path(get, path = "/api/v1/retraining", tag = "retraining", params(RequestQuery),
    responses((status = 200, body = Vec<RequestRow>), Problems))]
pub(super) async fn list(
    State(backend): State<SharedBackend>,
    Query(query): Query<RequestQuery>,
) -> Result<Json<Vec<RequestRow>>, Problem> {
    Ok(Json(backend.requests(query.all).await?))
}

/// Returns a retraining request with its history.
#[utoipa::path(get, path = "/api/v1/retraining/{request}", tag = "retraining",
    params(("request" = Uuid, Path, description = "ID of the request")), responses((status = 200, body = RequestDetail), Problems))]
pub(super) async fn one(
    State(backend): State<SharedBackend>,
    Path(request): Path<Uuid>,
) -> Result<Json<RequestDetail>, Problem> {
    Ok(Json(backend.request(request).await?))
}

/// Approves a proposed request and sends it.
#[utoipa::path(post, path = "/api/v1/retraining/{request}/approve", tag = "retraining",
    params(("request" = Uuid, Path, description = "ID of the request")), request_body = Comment,
    responses((status = 200, body = RequestDetail), ChangeProblems))]
pub(super) async fn approve(
    State(backend): State<SharedBackend>,
    Path(request): Path<Uuid>,
    caller: Caller,
    Json(given): Json<Comment>,
) -> Result<Json<RequestDetail>, Problem> {
    let words = comment(&given.comment)?;
    Ok(Json(backend.change_request(request, RetrainingChange::Approve, &caller.name, &words).await?))
}

/// Cancels a request. A run that has started in the training system is not stopped.
#[utoipa::path(post, path = "/api/v1/retraining/{request}/cancel", tag = "retraining",
    params(("request" = Uuid, Path, description = "ID of the request")), request_body = Comment,
    responses((status = 200, body = RequestDetail), ChangeProblems))]
pub(super) async fn cancel(
    State(backend): State<SharedBackend>,
    Path(request): Path<Uuid>,
    caller: Caller,
    Json(given): Json<Comment>,
) -> Result<Json<RequestDetail>, Problem> {
    let words = comment(&given.comment)?;
    Ok(Json(backend.change_request(request, RetrainingChange::Cancel, &caller.name, &words).await?))
}
