//! What a reload does not take over: connections, the listener and threads are made once, at the start.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::{ExposeSecret as _, SecretString};

use super::{Settings, TokenSettings};
use crate::view::ConfiguredValue;

/// Keys of `driftd.toml` that are read at the start alone, and tables of such keys.
const AT_START: [&str; 12] = [
    "checkpoint.",
    "daemon.",
    "http.listen",
    "http.max_connections",
    "http.max_connections_per_peer",
    "http.tls.",
    "kafka.",
    "limits.counted_bytes",
    "limits.in_flight_bytes",
    "limits.workers",
    "log.",
    "postgres.",
];

fn is_at_start(key: &str) -> bool {
    AT_START.iter().any(|known| match known.strip_suffix('.') {
        Some(_) => key.starts_with(known),
        None => key == *known,
    })
}

impl Settings {
    /// Every key with the value in force in a daemon that started with `started` and took these settings over since: of the
    /// keys that need a restart the old value, with the new one beside it.
    #[must_use]
    pub fn in_force(&self, started: &Self) -> Vec<ConfiguredValue> {
        let main = started.path.display().to_string();
        let of_start = |value: &&ConfiguredValue| value.file == main && is_at_start(&value.key);
        let old: BTreeMap<&str, &ConfiguredValue> =
            started.configured.iter().filter(of_start).map(|value| (value.key.as_str(), value)).collect();
        let mut shown = Vec::new();
        let mut seen = BTreeSet::new();
        for value in &self.configured {
            if !of_start(&value) {
                shown.push(value.clone());
                continue;
            }
            seen.insert(value.key.as_str());
            let before = old.get(value.key.as_str());
            let mut in_force = before.map_or_else(|| absent(&main, &value.key), |value| (*value).clone());
            if in_force.value != value.value {
                in_force.after_restart = Some(value.value.clone());
            }
            shown.push(in_force);
        }
        for (key, value) in old {
            if !seen.contains(key) {
                shown.push(ConfiguredValue { after_restart: Some(NONE.to_owned()), ..value.clone() });
            }
        }
        shown
    }

    /// The keys that were changed since `started` and need a restart; secrets among them.
    #[must_use]
    pub fn needs_restart(&self, started: &Self) -> Vec<String> {
        let mut keys: BTreeSet<String> = self
            .in_force(started)
            .into_iter()
            .filter_map(|value| value.after_restart.is_some().then_some(value.key))
            .collect();
        let (now, before) = (self.start_secrets(), started.start_secrets());
        let text = |secret: Option<&SecretString>| secret.map(|secret| secret.expose_secret().to_owned());
        let changed = now
            .into_iter()
            .zip(before)
            .filter(|((_, now), (_, before))| text(*now) != text(*before))
            .map(|((key, _), _)| key);
        keys.extend(changed.map(str::to_owned));
        keys.into_iter().collect()
    }

    /// The secrets that are read at the start alone, always in the same order.
    fn start_secrets(&self) -> [(&'static str, Option<&SecretString>); 4] {
        let security = &self.daemon.kafka.security;
        let sasl = security.sasl.as_ref();
        let client = sasl.and_then(|sasl| match &sasl.token {
            Some(TokenSettings::Endpoint(endpoint)) => endpoint.client_secret.as_ref(),
            _ => None,
        });
        [
            ("kafka.security.key_password", security.key_password.as_ref()),
            ("kafka.security.password", sasl.and_then(|sasl| sasl.password.as_ref())),
            ("kafka.security.token_endpoint.client_secret", client),
            ("postgres.password", self.daemon.postgres.password.as_ref()),
        ]
    }
}

/// How a key is shown that the file does not have.
const NONE: &str = "(none)";

fn absent(file: &str, key: &str) -> ConfiguredValue {
    ConfiguredValue {
        file: file.to_owned(),
        key: key.to_owned(),
        value: NONE.to_owned(),
        origin: "default".to_owned(),
        after_restart: None,
    }
}
