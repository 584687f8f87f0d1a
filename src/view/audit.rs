//! Who changed what.

use super::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// A change somebody made.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct AuditEntry {
    /// Counts up.
    pub id: i64,
    /// When, RFC 3339.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What was done, such as `baseline.activate`.
    pub action: String,
    /// To what: a monitor, or an id.
    pub subject: String,
    /// How it was before and after, as far as that makes sense.
    #[schema(value_type = Object)]
    pub detail: Value,
}
