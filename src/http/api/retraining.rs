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

/// Which requests.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestQuery {
    /// Those that are over, too.
    #[serde(default)]
    all: bool,
}

/// Requests, the newest first, a thousand at most.
#[utoipa::path(get, path = "/api/v1/retraining", tag = "retraining", params(RequestQuery),
    responses((status = 200, body = Vec<RequestRow>), Problems))]
pub(super) async fn list(
    State(backend): State<SharedBackend>,
    Query(query): Query<RequestQuery>,
) -> Result<Json<Vec<RequestRow>>, Problem> {
    Ok(Json(backend.requests(query.all).await?))
}

/// A request with its history.
#[utoipa::path(get, path = "/api/v1/retraining/{request}", tag = "retraining",
    params(("request" = Uuid, Path, description = "Its id")), responses((status = 200, body = RequestDetail), Problems))]
pub(super) async fn one(
    State(backend): State<SharedBackend>,
    Path(request): Path<Uuid>,
) -> Result<Json<RequestDetail>, Problem> {
    Ok(Json(backend.request(request).await?))
}

/// Sends a proposed request.
#[utoipa::path(post, path = "/api/v1/retraining/{request}/approve", tag = "retraining",
    params(("request" = Uuid, Path, description = "Its id")), request_body = Comment,
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

/// Calls a request off. A run that began goes on in the training system.
#[utoipa::path(post, path = "/api/v1/retraining/{request}/cancel", tag = "retraining",
    params(("request" = Uuid, Path, description = "Its id")), request_body = Comment,
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
