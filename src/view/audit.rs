//! Who changed what.

use crate::record::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// An entry of the audit log.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct AuditEntry {
    /// Sequence number.
    pub id: i64,
    /// Time, RFC 3339.
    pub at: Timestamp,
    /// Actor.
    pub actor: String,
    /// Action, such as `baseline.activate`.
    pub action: String,
    /// Subject: a monitor name or an ID.
    pub subject: String,
    /// State before and after, if applicable.
    #[schema(value_type = Object)]
    pub detail: Value,
}
