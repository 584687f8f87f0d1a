//! `[kafka]`: the cluster, the consumer group, authentication.

use crate::record::TimeSpan;
use std::path::PathBuf;

use secrecy::SecretString;

use super::in_the_open;
use crate::config::section::Section;
use crate::kafka::StartAt;

/// How to reach Kafka.
#[derive(Debug)]
pub struct KafkaSettings {
    /// Bootstrap servers.
    pub brokers: String,
    /// The consumer group that daemons share.
    pub group: String,
    /// Where reading begins.
    pub start: StartAt,
    /// After this long without a heartbeat the group gives a daemon's partitions to others.
    pub session_timeout: TimeSpan,
    /// TLS and authentication.
    pub security: KafkaSecurity,
    /// Further librdkafka properties.
    pub properties: Vec<(String, String)>,
}

/// TLS and authentication towards Kafka.
#[derive(Debug)]
pub struct KafkaSecurity {
    /// `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`.
    pub protocol: &'static str,
    /// The authority to trust; the system's when absent.
    pub ca_file: Option<PathBuf>,
    /// Client certificate.
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    /// The key's password.
    pub key_password: Option<SecretString>,
    /// SASL, when the protocol has it.
    pub sasl: Option<SaslSettings>,
}

/// How to authenticate.
#[derive(Debug)]
pub struct SaslSettings {
    /// `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER`.
    pub mechanism: &'static str,
    /// For PLAIN and SCRAM.
    pub username: Option<String>,
    /// For PLAIN and SCRAM.
    pub password: Option<SecretString>,
    /// For OAUTHBEARER.
    pub token: Option<TokenSettings>,
}

/// Where OAUTHBEARER tokens come from.
#[derive(Debug)]
pub enum TokenSettings {
    /// A file that somebody else keeps fresh.
    File(PathBuf),
    /// An OAuth 2 token endpoint, by client credentials.
    Endpoint(TokenEndpoint),
}

/// An OAuth 2 token endpoint.
#[derive(Debug)]
pub struct TokenEndpoint {
    pub url: String,
    pub client_id: String,
    /// Its secret; none when it could not be read here.
    pub client_secret: Option<SecretString>,
    /// What is asked for.
    pub scope: Option<String>,
}

/// librdkafka properties whose change would break what driftd promises.
const PROTECTED_PROPERTIES: [&str; 12] = [
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "enable.partition.eof",
    "group.id",
    "bootstrap.servers",
    "metadata.broker.list",
    "isolation.level",
    "group.protocol",
    "partition.assignment.strategy",
    "session.timeout.ms",
    "statistics.interval.ms",
];

pub(super) fn read(section: &Section<'_>, warnings: &mut Vec<String>) -> Option<KafkaSettings> {
    let brokers = section.required("brokers", "the addresses of some brokers, \"host:9092,host:9092\"");
    if let Some(brokers) = &brokers {
        check_brokers(section, brokers);
    }
    let group = section.string("group").unwrap_or_else(|| "driftd".to_owned());
    if group.trim().is_empty() {
        section.add(section.mistake("group", "is empty: the consumer group of the daemons, `driftd` by default"));
    }
    let start =
        section.choice("start", StartAt::Latest, &[("earliest", StartAt::Earliest), ("latest", StartAt::Latest)]);
    let session_timeout = section.duration("session_timeout", "45s", ("1s", "30m"));
    let security = security(&section.section("security"), warnings);
    let extra = section.section("properties");
    let properties = extra.texts();
    for (name, value) in &properties {
        if PROTECTED_PROPERTIES.contains(&name.as_str()) {
            extra.add(extra.mistake(name, "is set by driftd: another value could lose or duplicate records"));
        } else if ["password", "secret", "ssl.key.pem"].iter().any(|word| name.contains(word)) {
            extra.add(extra.mistake(name, "is a secret: set it under `kafka.security`"));
        } else if let Err(error) = crate::kafka::check_property(name, value) {
            extra.add(extra.mistake(name, format!("rejected by librdkafka: {error}")).without_value());
        }
    }
    section.finish();
    Some(KafkaSettings { brokers: brokers?, group, start, session_timeout, security: security?, properties })
}

/// The addresses of brokers, `host:port` or `host` with commas between them.
fn check_brokers(section: &Section<'_>, brokers: &str) {
    for address in brokers.split(',').map(str::trim) {
        // A listener's name may stand before it, as in `PLAINTEXT://host:9092`.
        let bare = address.split_once("://").map_or(address, |(_, rest)| rest);
        let (host, port) = match bare.rsplit_once(':') {
            // The colons of an IPv6 address without a port.
            Some((host, _)) if host.contains(':') && !host.ends_with(']') => (bare, None),
            Some((host, port)) => (host, Some(port)),
            None => (bare, None),
        };
        let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        if host.is_empty() || host.contains(char::is_whitespace) || !is_port {
            section.add(
                section
                    .mistake("brokers", format!("`{address}` is not a host and a port from 1 to 65535"))
                    .hint("write \"host:9092,host:9092\""),
            );
        }
    }
}

fn security(section: &Section<'_>, warnings: &mut Vec<String>) -> Option<KafkaSecurity> {
    let protocol = section.choice(
        "protocol",
        "plaintext",
        &[
            ("plaintext", "plaintext"),
            ("ssl", "ssl"),
            ("sasl_plaintext", "sasl_plaintext"),
            ("sasl_ssl", "sasl_ssl"),
        ],
    );
    let (ca_file, cert_file) = (section.file("ca_file"), section.file("cert_file"));
    let key_file = section.key_file("key_file");
    let key_password = section.secret("key_password", warnings);
    let mechanism = section.optional_choice(
        "mechanism",
        &[
            ("PLAIN", "PLAIN"),
            ("SCRAM-SHA-256", "SCRAM-SHA-256"),
            ("SCRAM-SHA-512", "SCRAM-SHA-512"),
            ("OAUTHBEARER", "OAUTHBEARER"),
        ],
    );
    let username = section.string("username");
    let password = section.secret("password", warnings);
    let token = token(section, warnings);
    section.finish();
    let sasl = match (protocol.starts_with("sasl"), mechanism) {
        (false, None) => None,
        (false, Some(_)) => {
            section.add(
                section
                    .mistake("mechanism", format!("has no effect with protocol `{protocol}`"))
                    .hint("set `protocol = \"sasl_ssl\"`"),
            );
            return None;
        }
        (true, None) => {
            if !section.has("mechanism") {
                section.add(
                    section.mistake("mechanism", "is missing: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"),
                );
            }
            return None;
        }
        (true, Some("OAUTHBEARER")) => {
            if token.is_none() {
                section.add(section.mistake(
                    "token",
                    "is missing: OAUTHBEARER needs `token = { file = ... }` or a `token_endpoint` table",
                ));
                return None;
            }
            Some(SaslSettings { mechanism: "OAUTHBEARER", username: None, password: None, token })
        }
        (true, Some(mechanism)) => {
            if username.is_none() || (password.is_none() && !section.is_unread("password")) {
                if !section.has("username") || !section.has("password") {
                    section.add(
                        section.mistake("mechanism", format!("`{mechanism}` needs `username` and `password`")),
                    );
                }
                return None;
            }
            Some(SaslSettings { mechanism, username, password, token: None })
        }
    };
    if protocol == "sasl_plaintext" {
        warnings.push("kafka.security: passwords travel unencrypted with protocol `sasl_plaintext`".to_owned());
    }
    Some(KafkaSecurity { protocol, ca_file, cert_file, key_file, key_password, sasl })
}

fn token(section: &Section<'_>, warnings: &mut Vec<String>) -> Option<TokenSettings> {
    let file = section.section("token");
    let path = file.is_there().then(|| file.required_key_file("file", "the file with the token")).flatten();
    file.finish();
    let endpoint = section.section("token_endpoint");
    if !endpoint.is_there() {
        return path.map(TokenSettings::File);
    }
    let url = endpoint.required("url", "the https URL of the token endpoint");
    if let Some(url) = &url {
        in_the_open(&endpoint, "url", url, "the client's secret");
    }
    let client_id = endpoint.required("client_id", "the OAuth client ID");
    let client_secret = endpoint.secret("client_secret", warnings);
    if client_secret.is_none() && !endpoint.has("client_secret") {
        endpoint.add(endpoint.mistake("client_secret", "is missing: the OAuth client secret"));
    }
    let scope = endpoint.string("scope");
    endpoint.finish();
    if client_secret.is_none() && !endpoint.is_unread("client_secret") {
        return None;
    }
    Some(TokenSettings::Endpoint(TokenEndpoint { url: url?, client_id: client_id?, client_secret, scope }))
}
