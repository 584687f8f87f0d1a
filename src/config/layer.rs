//! The environment over the file, for a fixed list of single values.
//!
//! Only these: variable names carry no case, so keys that users choose cannot be told apart in them.

use config::{Config, Environment};

/// Keys the environment may set, as `DRIFTD_` and the key in capitals, `__` between its parts.
pub const ENVIRONMENT_KEYS: [&str; 8] = [
    "kafka.brokers",
    "kafka.group",
    "postgres.url",
    "postgres.max_connections",
    "http.listen",
    "log.format",
    "log.level",
    "daemon.name",
];

/// The layered view of the fixed keys.
#[derive(Debug)]
pub(super) struct Layer {
    environment: Config,
}

impl Layer {
    /// From pairs of variable names and values.
    pub(super) fn new(variables: &std::collections::HashMap<String, String>) -> Self {
        let source = Environment::with_prefix("DRIFTD")
            .prefix_separator("_")
            .separator("__")
            .source(Some(variables.clone()));
        // Only malformed sources fail, and pairs of texts are not.
        Self { environment: Config::builder().add_source(source).build().unwrap_or_default() }
    }

    /// The environment's value for a key it may set.
    pub(super) fn environment(&self, key: &str) -> Option<String> {
        ENVIRONMENT_KEYS.contains(&key).then(|| self.environment.get_string(key).ok()).flatten()
    }
}
