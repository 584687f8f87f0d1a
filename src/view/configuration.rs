//! What is configured, and where.

use serde::{Deserialize, Serialize};

/// A key of the configuration with the value in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConfiguredValue {
    /// The file whose key it is: `driftd.toml`, or that of a monitor.
    pub file: String,
    /// The key, dotted.
    pub key: String,
    /// The value as it is written; secrets are redacted.
    pub value: String,
    /// Where it was set: a line of the file, the environment, or by default.
    pub origin: String,
    /// The value in the file that a restart would bring into force, where a reload could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_restart: Option<String>,
}
