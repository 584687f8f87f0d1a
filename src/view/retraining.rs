//! Retraining requests.

use crate::record::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::retrain::RequestState;

/// A retraining request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RequestRow {
    /// Request ID.
    pub id: Uuid,
    /// Monitor name.
    pub monitor: String,
    /// Model version with drift.
    pub version: String,
    /// Segment with drift.
    pub segment: String,
    /// ID of the alert.
    pub alert_id: Uuid,
    /// End of the window that caused it, RFC 3339.
    pub window_end: Timestamp,
    /// Request state.
    pub state: RequestState,
    /// Dry run: the request is stored, but not sent.
    pub dry_run: bool,
    /// Receivers.
    pub receivers: Vec<String>,
    /// ID in the training system.
    pub external_id: Option<String>,
    /// Time of the decision, RFC 3339.
    pub created_at: Timestamp,
    /// Time of the last change, RFC 3339.
    pub updated_at: Timestamp,
    /// Deadline for an answer, RFC 3339.
    pub expires_at: Option<Timestamp>,
    /// Event of the request.
    #[schema(value_type = Object)]
    pub body: Value,
}

/// A row of a request's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RequestChange {
    /// Time, RFC 3339.
    pub at: Timestamp,
    /// State.
    pub state: RequestState,
    /// Actor.
    pub actor: String,
    /// Text.
    pub detail: String,
}

/// A request with its history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RequestDetail {
    /// Request.
    pub request: RequestRow,
    /// History, oldest first.
    pub history: Vec<RequestChange>,
}
