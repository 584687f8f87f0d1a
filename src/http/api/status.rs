//! How the daemon itself does: status, configuration, audit log, measures.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::MOST;
use crate::http::SharedBackend;
use crate::http::extract::{Json, Query, page_request};
use crate::http::problem::{Problem, Problems};
use crate::measure::Measure;
use crate::view::{AuditEntry, ConfiguredValue, Page, Status};

/// Monitors, partitions, open alerts and outbox in one answer.
#[utoipa::path(get, path = "/api/v1/status", tag = "daemon", responses((status = 200, body = Status), Problems))]
pub(super) async fn status(State(backend): State<SharedBackend>) -> Result<Json<Status>, Problem> {
    Ok(Json(backend.status().await?))
}

/// The configuration in force, and where each value was set; secrets are not in it.
#[utoipa::path(get, path = "/api/v1/configuration", tag = "daemon",
    responses((status = 200, body = Vec<ConfiguredValue>), Problems))]
pub(super) async fn configuration(State(backend): State<SharedBackend>) -> Json<Vec<ConfiguredValue>> {
    Json(backend.configuration())
}

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    /// About this: a monitor, or an id.
    subject: Option<String>,
    /// Where to go on: `next` of the answer before.
    cursor: Option<String>,
    /// Entries at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

/// Who changed what, the newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "daemon", params(AuditQuery),
    responses((status = 200, body = Page<AuditEntry>), Problems))]
pub(super) async fn audit(
    State(backend): State<SharedBackend>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Page<AuditEntry>>, Problem> {
    let request = page_request(query.cursor, query.limit, MOST)?;
    Ok(Json(backend.audit(query.subject.as_deref(), &request).await?))
}

/// A measure.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct MeasureInfo {
    /// Its name.
    measure: &'static str,
    /// What it says.
    meaning: &'static str,
}

/// The measures there are.
#[utoipa::path(get, path = "/api/v1/measures", tag = "daemon", responses((status = 200, body = Vec<MeasureInfo>), Problems))]
pub(super) async fn measures() -> Json<Vec<MeasureInfo>> {
    Json(
        Measure::ALL
            .into_iter()
            .map(|measure| MeasureInfo { measure: measure.as_str(), meaning: measure.about() })
            .collect(),
    )
}
