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

/// Returns monitors, partitions, open alerts and the outbox.
#[utoipa::path(get, path = "/api/v1/status", tag = "daemon", responses((status = 200, body = Status), Problems))]
pub(super) async fn status(State(backend): State<SharedBackend>) -> Result<Json<Status>, Problem> {
    Ok(Json(backend.status().await?))
}

/// Returns the effective configuration with the origin of each value, without secrets.
#[utoipa::path(get, path = "/api/v1/configuration", tag = "daemon",
    responses((status = 200, body = Vec<ConfiguredValue>), Problems))]
pub(super) async fn configuration(State(backend): State<SharedBackend>) -> Json<Vec<ConfiguredValue>> {
    Json(backend.configuration())
}

/// Filter.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    /// Subject: a monitor name or an ID.
    subject: Option<String>,
    /// Page cursor: `next` of the previous response.
    cursor: Option<String>,
    /// Maximum number of entries.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

/// Returns the audit log, newest first.
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
    /// Name.
    measure: &'static str,
    /// Description.
    meaning: &'static str,
}

/// Lists the measures.
#[utoipa::path(get, path = "/api/v1/measures", tag = "daemon", responses((status = 200, body = Vec<MeasureInfo>), Problems))]
pub(super) async fn measures() -> Json<Vec<MeasureInfo>> {
    Json(
        Measure::ALL
            .into_iter()
            .map(|measure| MeasureInfo { measure: measure.as_str(), meaning: measure.about() })
            .collect(),
    )
}
