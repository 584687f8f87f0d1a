//! Retraining requests.

use super::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::retrain::RequestState;

/// A request as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RequestRow {
    /// Its id.
    pub id: Uuid,
    /// Its monitor.
    pub monitor: String,
    /// The model version that drifted.
    pub version: String,
    /// The segment that drifted.
    pub segment: String,
    /// The alert behind it.
    pub alert_id: Uuid,
    /// End of the window behind it, RFC 3339.
    pub window_end: Timestamp,
    /// Where it stands.
    pub state: RequestState,
    /// Whether it is only shown what would have been asked.
    pub dry_run: bool,
    /// Who is asked.
    pub receivers: Vec<String>,
    /// What the training system calls it.
    pub external_id: Option<String>,
    /// When it was decided, RFC 3339.
    pub created_at: Timestamp,
    /// When it last moved, RFC 3339.
    pub updated_at: Timestamp,
    /// Until when an answer is waited for, RFC 3339.
    pub expires_at: Option<Timestamp>,
    /// The event: what was asked.
    #[schema(value_type = Object)]
    pub body: Value,
}

/// A row of a request's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RequestChange {
    /// When, RFC 3339.
    pub at: Timestamp,
    /// Where it stood then.
    pub state: RequestState,
    /// Who moved it.
    pub actor: String,
    /// In words.
    pub detail: String,
}

/// A request with its history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RequestDetail {
    /// As it stands.
    pub request: RequestRow,
    /// From beginning to end.
    pub history: Vec<RequestChange>,
}
