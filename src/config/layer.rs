//! The environment over the file, for a fixed list of single values.
//!
//! Only these: variable names carry no case, so keys that users choose cannot be told apart in them.

use config::{Config, Environment};

use crate::record::nearest;

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

/// The environment variable of a key.
pub(super) fn variable_of(key: &str) -> String {
    format!("DRIFTD_{}", key.to_uppercase().replace('.', "__"))
}

/// Variables that look like those of keys and are none: a misspelt one would be ignored in silence.
pub(super) fn unknown_variables(variables: &std::collections::HashMap<String, String>) -> Vec<String> {
    let known = ENVIRONMENT_KEYS.map(variable_of);
    let mut unknown: Vec<String> = variables
        .keys()
        .filter(|name| name.strip_prefix("DRIFTD_").is_some_and(|key| key.contains("__")) && !known.contains(name))
        .map(|name| {
            let near = nearest(name, known.iter().map(String::as_str));
            let meant = near.map_or_else(
                || format!("allowed are {}", known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            format!("the environment variable `{name}` sets no key and is ignored: {meant}")
        })
        .collect();
    unknown.sort();
    unknown
}

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
