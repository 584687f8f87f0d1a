//! Silences.

use crate::record::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A silence.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SilenceRow {
    /// Silence ID.
    pub id: Uuid,
    /// Matchers; all must match.
    pub matchers: Vec<String>,
    /// Start, RFC 3339.
    pub starts_at: Timestamp,
    /// End, RFC 3339.
    pub ends_at: Timestamp,
    /// Whether it is active.
    pub active: bool,
    /// Author.
    pub author: String,
    /// Reason.
    pub comment: String,
}
