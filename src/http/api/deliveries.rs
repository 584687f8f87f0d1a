//! Messages to receivers, and how their delivery goes.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::MOST;
use crate::http::SharedBackend;
use crate::http::access::Caller;
use crate::http::extract::{Json, Path, Query, page_request};
use crate::http::problem::{ChangeProblems, Problem, Problems};
use crate::view::{DeliveryDetail, DeliveryFilter, DeliveryRow, DeliveryStatus, Page};

/// Filter.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveryQuery {
    /// Receiver.
    receiver: Option<String>,
    /// State; all if absent.
    #[param(inline)]
    status: Option<DeliveryStatus>,
    /// Page cursor: `next` of the previous response.
    cursor: Option<String>,
    /// Maximum number of messages.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

/// Lists messages, newest first.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "deliveries", params(DeliveryQuery),
    responses((status = 200, body = Page<DeliveryRow>), Problems))]
pub(super) async fn list(
    State(backend): State<SharedBackend>,
    Query(query): Query<DeliveryQuery>,
) -> Result<Json<Page<DeliveryRow>>, Problem> {
    let filter = DeliveryFilter { receiver: query.receiver, status: query.status };
    let request = page_request(query.cursor, query.limit, MOST)?;
    Ok(Json(backend.deliveries(&filter, &request).await?))
}

/// Returns a message with its event and all delivery attempts.
#[utoipa::path(get, path = "/api/v1/deliveries/{delivery}", tag = "deliveries",
    params(("delivery" = Uuid, Path, description = "ID of the message")), responses((status = 200, body = DeliveryDetail), Problems))]
pub(super) async fn one(
    State(backend): State<SharedBackend>,
    Path(delivery): Path<Uuid>,
) -> Result<Json<DeliveryDetail>, Problem> {
    Ok(Json(backend.delivery(delivery).await?))
}

/// Resends a failed or sent message with the same ID.
#[utoipa::path(post, path = "/api/v1/deliveries/{delivery}/replay", tag = "deliveries",
    params(("delivery" = Uuid, Path, description = "ID of the message")), responses((status = 200, body = DeliveryDetail), ChangeProblems))]
pub(super) async fn again(
    State(backend): State<SharedBackend>,
    Path(delivery): Path<Uuid>,
    caller: Caller,
) -> Result<Json<DeliveryDetail>, Problem> {
    Ok(Json(backend.send_again(delivery, &caller.name).await?))
}
