//! How clients are configured. A `ClientConfig` is never formatted: it holds secrets.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use secrecy::{ExposeSecret, SecretString};

/// How often the client looks for new partitions.
const METADATA_REFRESH: &str = "topic.metadata.refresh.interval.ms";

/// Where reading begins when a monitor is started for the first time, in the partitions that there are then. What appears
/// later is read from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// At the oldest message.
    Earliest,
    /// At the next message to come.
    Latest,
}

/// A token for OAUTHBEARER.
#[derive(Debug)]
pub struct OauthToken {
    pub value: SecretString,
    /// Whom it stands for.
    pub principal: String,
    /// Until when it is valid, in milliseconds since the epoch.
    pub expires_at_ms: i64,
}

/// Fetches a token; called whenever the last one runs out, by the thread that polls or drops the client. May block. Where it comes
/// from, and what may go wrong there, is not known here.
pub type TokenProvider = Arc<dyn Fn() -> Result<OauthToken, Box<dyn Error + Send + Sync>> + Send + Sync>;

/// How to authenticate.
pub struct Sasl {
    /// The mechanism's name.
    pub mechanism: &'static str,
    /// For PLAIN and SCRAM.
    pub username: Option<String>,
    /// For PLAIN and SCRAM.
    pub password: Option<SecretString>,
    /// For OAUTHBEARER.
    pub token: Option<TokenProvider>,
}

impl fmt::Debug for Sasl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sasl").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

/// TLS and authentication.
#[derive(Debug)]
pub struct Security {
    /// librdkafka's `security.protocol`.
    pub protocol: &'static str,
    /// The authority to trust; the system's when absent.
    pub ca_file: Option<PathBuf>,
    /// Client certificate.
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    /// The key's password.
    pub key_password: Option<SecretString>,
    /// Authentication.
    pub sasl: Option<Sasl>,
}

/// How to read.
#[derive(Debug)]
pub struct SourceOptions {
    /// Bootstrap servers.
    pub brokers: String,
    /// The consumer group.
    pub group: String,
    /// What the client calls itself.
    pub client_id: String,
    /// Where reading begins for a monitor that was never started before.
    pub start: StartAt,
    /// How long the group waits for a heartbeat.
    pub session_timeout: Duration,
    /// TLS and authentication.
    pub security: Security,
    /// Further properties.
    pub properties: Vec<(String, String)>,
    /// Bytes fetched and not counted yet; partitions pause beyond it.
    pub in_flight_bytes: usize,
}

/// Why a property of librdkafka cannot be set.
#[derive(Debug, thiserror::Error)]
pub enum PropertyError {
    /// What librdkafka says, without the value: it may be a secret under a misspelt name.
    #[error("{0}")]
    Refused(String),
    /// The value begins with a number and goes on.
    #[error("must be a number")]
    NotANumber,
}

/// Checks a property of librdkafka by itself.
///
/// # Errors
/// When librdkafka knows no such name, or does not take the value.
pub fn check_property(name: &str, value: &str) -> Result<(), PropertyError> {
    let outcome = ClientConfig::new().set(name, value).create_native_config();
    let config = outcome.map_err(|error| PropertyError::Refused(super::without_value(&error)))?;
    // A number is taken from the beginning of a text, and the rest is ignored.
    match config.get(name) {
        Ok(taken) if taken.parse::<i64>().is_ok() && value.trim().parse::<f64>().is_err() => {
            Err(PropertyError::NotANumber)
        }
        _ => Ok(()),
    }
}

impl SourceOptions {
    fn common(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", &self.client_id)
            .set("security.protocol", self.security.protocol)
            .set("socket.keepalive.enable", "true");
        let path = |path: &PathBuf| path.display().to_string();
        if self.security.protocol.ends_with("ssl") {
            // With OpenSSL linked in statically the system's authorities are found only by probing.
            config.set("ssl.ca.location", self.security.ca_file.as_ref().map_or("probe".to_owned(), path));
        }
        if let Some(file) = &self.security.cert_file {
            config.set("ssl.certificate.location", path(file));
        }
        if let Some(file) = &self.security.key_file {
            config.set("ssl.key.location", path(file));
        }
        if let Some(password) = &self.security.key_password {
            config.set("ssl.key.password", password.expose_secret());
        }
        if let Some(sasl) = &self.security.sasl {
            config.set("sasl.mechanisms", sasl.mechanism);
            if let (Some(username), Some(password)) = (&sasl.username, &sasl.password) {
                config.set("sasl.username", username).set("sasl.password", password.expose_secret());
            }
        }
        config
    }

    pub(super) fn consumer(&self) -> ClientConfig {
        let mut config = self.common();
        let megabytes = (self.in_flight_bytes / 1024).clamp(1_024, 65_536).to_string();
        let heartbeat = (self.session_timeout.as_millis() / 10).clamp(200, 3_000).to_string();
        if !self.properties.iter().any(|(key, _)| key == METADATA_REFRESH) {
            // New partitions, and topics of a pattern, are to be read soon after they appear.
            config.set(METADATA_REFRESH, "10000");
        }
        config
            .set("group.id", &self.group)
            .set("session.timeout.ms", self.session_timeout.as_millis().to_string())
            .set("heartbeat.interval.ms", heartbeat)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // Records that are gone must be a gap that is known, not a silent jump.
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed")
            .set("check.crcs", "true")
            .set("queued.max.messages.kbytes", megabytes)
            .set("statistics.interval.ms", "1000");
        config
    }

    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.common();
        config.set("enable.idempotence", "true").set("message.timeout.ms", "30000");
        config
    }

    pub(super) fn token_provider(&self) -> Option<TokenProvider> {
        self.security.sasl.as_ref().and_then(|sasl| sasl.token.clone())
    }
}
