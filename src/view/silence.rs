//! Silences.

use super::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A silence with who made it, and why.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SilenceRow {
    /// Its id.
    pub id: Uuid,
    /// All must match.
    pub matchers: Vec<String>,
    /// When it begins, RFC 3339.
    pub starts_at: Timestamp,
    /// When it ends, RFC 3339.
    pub ends_at: Timestamp,
    /// Whether it is in force.
    pub active: bool,
    /// Who made it.
    pub author: String,
    /// Why.
    pub comment: String,
}
