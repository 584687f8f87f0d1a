//! What is configured, and where.

use serde::{Deserialize, Serialize};

/// A configuration key with its effective value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConfiguredValue {
    /// File of the key: `driftd.toml`, or the file of a monitor.
    pub file: String,
    /// Key, dotted.
    pub key: String,
    /// Value as TOML; secrets are redacted.
    pub value: String,
    /// Origin: line of a file, environment, or default.
    pub origin: String,
    /// Value in the file that becomes effective after a restart, if it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_restart: Option<String>,
}
