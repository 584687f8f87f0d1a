//! Sequential detectors and what they found.

use axum::extract::State;

use crate::http::SharedBackend;
use crate::http::extract::{Json, Path};
use crate::http::problem::{Problem, Problems};
use crate::view::{DetectionsView, SHOWN_DETECTIONS};

/// Returns the sequential detectors of a monitor, and the newest drifts that they found.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/detections", tag = "monitors",
    params(("monitor" = String, Path, description = "Name of the monitor")),
    responses((status = 200, body = DetectionsView), Problems))]
pub(super) async fn show(
    State(backend): State<SharedBackend>,
    Path(monitor): Path<String>,
) -> Result<Json<DetectionsView>, Problem> {
    Ok(Json(backend.detections(&monitor, SHOWN_DETECTIONS).await?))
}
