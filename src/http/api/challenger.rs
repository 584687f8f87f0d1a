//! Champion and challenger.

use axum::extract::State;

use crate::http::SharedBackend;
use crate::http::backend::BackendError;
use crate::http::extract::{Json, Path};
use crate::http::problem::{Problem, Problems};
use crate::view::{ChallengerView, SHOWN_PAIRS, no_challenger};

/// Returns champion and challenger of a monitor side by side, with the newest pairs of windows. 404 for a monitor without a
/// challenger.
#[utoipa::path(get, path = "/api/v1/monitors/{monitor}/challenger", tag = "monitors",
    params(("monitor" = String, Path, description = "Name of the monitor")),
    responses((status = 200, body = ChallengerView), Problems))]
pub(super) async fn show(
    State(backend): State<SharedBackend>,
    Path(monitor): Path<String>,
) -> Result<Json<ChallengerView>, Problem> {
    let view = backend.challenger(&monitor, SHOWN_PAIRS).await?;
    view.map(Json).ok_or_else(|| BackendError::NotFound(no_challenger(&monitor)).into())
}
