//! `driftd.toml`: the daemon itself.

use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

use super::section::Section;
use crate::http::{Role, TlsFiles, Token};
use crate::notify::{Dialect, Keys};

/// How the daemon runs.
#[derive(Debug)]
pub struct DaemonSettings {
    /// What this daemon is called in `driftd status` and Kafka's tools.
    pub name: String,
    /// Kafka.
    pub kafka: KafkaSettings,
    /// Postgres.
    pub postgres: PostgresSettings,
    /// The listener for health and metrics.
    pub http: HttpSettings,
    /// Logs.
    pub log: LogSettings,
    /// Checkpoints and judging.
    pub checkpoint: CheckpointSettings,
    /// Limits.
    pub limits: LimitSettings,
}

/// Where reading begins in a partition never read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// At the oldest record there is.
    Earliest,
    /// At the next record to come.
    Latest,
}

/// How to reach Kafka.
#[derive(Debug)]
pub struct KafkaSettings {
    /// Bootstrap servers.
    pub brokers: String,
    /// The consumer group that daemons share.
    pub group: String,
    /// Where reading begins.
    pub start: StartAt,
    /// After this long without a heartbeat the group gives a daemon's partitions to others; microseconds.
    pub session_timeout: i64,
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
    /// Its key.
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
    /// Its URL.
    pub url: String,
    /// The client.
    pub client_id: String,
    /// Its secret; none when it could not be read here.
    pub client_secret: Option<SecretString>,
    /// What is asked for.
    pub scope: Option<String>,
}

/// Protection of the connection to Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostgresTls {
    /// Verified when remote, none when local.
    Auto,
    /// None.
    Disable,
    /// Encrypted, not verified.
    Require,
    /// The authority is verified.
    VerifyCa,
    /// Authority and host name are verified.
    VerifyFull,
}

/// How to reach Postgres.
#[derive(Debug)]
pub struct PostgresSettings {
    /// `postgres://user@host/database`.
    pub url: String,
    /// The password.
    pub password: Option<SecretString>,
    /// Protection.
    pub tls: PostgresTls,
    /// The authority to trust.
    pub ca_file: Option<PathBuf>,
    /// Connections at most.
    pub max_connections: u32,
    /// Prepared statements a connection keeps.
    pub statement_cache: usize,
    /// How long a statement may take, in microseconds.
    pub statement_timeout: i64,
}

/// The listener.
#[derive(Debug)]
pub struct HttpSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What people and training systems reach it by.
    pub external_url: Option<String>,
    /// What training systems sign their reports with, `whsec_...`.
    pub callback_secret: Option<SecretString>,
    /// What MLflow signs its registry webhooks with.
    pub mlflow_secret: Option<SecretString>,
    /// Who may look and change; without any, whoever reaches a loopback address.
    pub tokens: Vec<Token>,
    /// Its certificate; none without TLS.
    pub tls: Option<TlsFiles>,
    /// Connections at a time at most.
    pub max_connections: usize,
    /// Of them those of one peer.
    pub max_connections_per_peer: usize,
}

impl HttpSettings {
    /// What a request's id is put behind to report on it; none when reports could not be verified.
    #[must_use]
    pub fn callback_url(&self) -> Option<String> {
        self.callback_secret.as_ref()?;
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let base = self.external_url.clone().unwrap_or_else(|| format!("{scheme}://{}", self.listen));
        Some(format!("{}/api/v1/retraining/", base.trim_end_matches('/')))
    }
}

/// How logs look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// The journal under systemd, otherwise text.
    Auto,
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
    /// The systemd journal.
    Journald,
}

/// Logs.
#[derive(Debug)]
pub struct LogSettings {
    /// How they look.
    pub format: LogFormat,
    /// A level, or directives of tracing's `EnvFilter`.
    pub level: String,
}

/// Checkpoints and judging; microseconds.
#[derive(Debug)]
pub struct CheckpointSettings {
    /// Between checkpoints.
    pub interval: i64,
    /// Between looks for windows to close.
    pub judge_interval: i64,
}

/// Limits.
#[derive(Debug)]
pub struct LimitSettings {
    /// Messages larger than this are rejected.
    pub max_message_bytes: usize,
    /// Bytes fetched and not counted yet; partitions pause beyond it.
    pub in_flight_bytes: usize,
    /// Bytes of what is counted and not stored; beyond it a checkpoint begins at once, and reading waits for it.
    pub counted_bytes: usize,
    /// Threads that decode and count; 0 takes one less than there are cores, at least one.
    pub workers: usize,
    /// Versions times segments of a monitor.
    pub max_series: usize,
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

pub(super) fn read(root: &Section<'_>, warnings: &mut Vec<String>) -> Option<DaemonSettings> {
    let section = root.section("daemon");
    let name = section.string("name").unwrap_or_else(default_name);
    section.finish();
    let kafka = kafka(&root.section("kafka"), warnings);
    let postgres = postgres(&root.section("postgres"), warnings);
    let http = http(&root.section("http"), warnings);
    let section = root.section("log");
    let log = LogSettings {
        format: section.choice(
            "format",
            LogFormat::Auto,
            &[
                ("auto", LogFormat::Auto),
                ("text", LogFormat::Text),
                ("json", LogFormat::Json),
                ("journald", LogFormat::Journald),
            ],
        ),
        level: section.string("level").unwrap_or_else(|| "info".to_owned()),
    };
    section.finish();
    let section = root.section("checkpoint");
    let checkpoint = CheckpointSettings {
        interval: section.duration("interval", "10s", ("100ms", "5m")),
        judge_interval: section.duration("judge_interval", "1s", ("100ms", "5m")),
    };
    section.finish();
    let section = root.section("limits");
    let size = |key, default, range| usize::try_from(section.integer(key, default, range)).unwrap_or(usize::MAX);
    let limits = LimitSettings {
        max_message_bytes: size("max_message_bytes", 1_048_576, 1..=268_435_456),
        in_flight_bytes: size("in_flight_bytes", 67_108_864, 1_048_576..=17_179_869_184),
        workers: size("workers", 0, 0..=256),
        counted_bytes: size("counted_bytes", 256 << 20, 8 << 20..=1 << 40),
        max_series: size("max_series", 1_000, 1..=100_000),
    };
    section.finish();
    Some(DaemonSettings { name, kafka: kafka?, postgres: postgres?, http: http?, log, checkpoint, limits })
}

fn default_name() -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host = host.trim();
    format!("driftd@{}", if host.is_empty() { "localhost" } else { host })
}

fn kafka(section: &Section<'_>, warnings: &mut Vec<String>) -> Option<KafkaSettings> {
    let brokers = section.required("brokers", "the addresses of some brokers, \"host:9092,host:9092\"");
    let group = section.string("group").unwrap_or_else(|| "driftd".to_owned());
    let start =
        section.choice("start", StartAt::Latest, &[("earliest", StartAt::Earliest), ("latest", StartAt::Latest)]);
    let session_timeout = section.duration("session_timeout", "45s", ("1s", "30m"));
    let security = security(&section.section("security"), warnings);
    let extra = section.section("properties");
    let properties = extra.texts();
    for (name, _) in &properties {
        if PROTECTED_PROPERTIES.contains(&name.as_str()) {
            extra.add(extra.problem(name, "is set by driftd: another value would lose or double records"));
        } else if ["password", "secret", "ssl.key.pem"].iter().any(|word| name.contains(word)) {
            extra.add(extra.problem(name, "is a secret and has a key of its own under `kafka.security`"));
        }
    }
    section.finish();
    Some(KafkaSettings { brokers: brokers?, group, start, session_timeout, security: security?, properties })
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
    let path = |key| section.string(key).map(PathBuf::from);
    let (ca_file, cert_file) = (path("ca_file"), path("cert_file"));
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
                    .problem("mechanism", format!("has no effect with protocol `{protocol}`"))
                    .hint("set `protocol = \"sasl_ssl\"`"),
            );
            return None;
        }
        (true, None) => {
            if !section.has("mechanism") {
                section.add(
                    section.problem("mechanism", "is missing: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"),
                );
            }
            return None;
        }
        (true, Some("OAUTHBEARER")) => {
            if token.is_none() {
                section.add(section.problem(
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
                        section.problem("mechanism", format!("`{mechanism}` needs `username` and `password`")),
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
    let path = file.is_there().then(|| file.required_key_file("file", "the file that holds the token")).flatten();
    file.finish();
    let endpoint = section.section("token_endpoint");
    if !endpoint.is_there() {
        return path.map(TokenSettings::File);
    }
    let url = endpoint.required("url", "the https URL of the token endpoint");
    if let Some(url) = &url {
        in_the_open(&endpoint, "url", url, "the client's secret");
    }
    let client_id = endpoint.required("client_id", "the OAuth client");
    let client_secret = endpoint.secret("client_secret", warnings);
    if client_secret.is_none() && !endpoint.has("client_secret") {
        endpoint.add(endpoint.problem("client_secret", "is missing: the OAuth client's secret"));
    }
    let scope = endpoint.string("scope");
    endpoint.finish();
    if client_secret.is_none() && !endpoint.is_unread("client_secret") {
        return None;
    }
    Some(TokenSettings::Endpoint(TokenEndpoint { url: url?, client_id: client_id?, client_secret, scope }))
}

fn postgres(section: &Section<'_>, warnings: &mut Vec<String>) -> Option<PostgresSettings> {
    let url = section.required("url", "where the database is, \"postgres://driftd@host/driftd\"");
    if let Some(url) = &url
        && !(url.starts_with("postgres://") || url.starts_with("postgresql://"))
    {
        section.add(section.problem("url", "must begin with `postgres://`"));
    }
    if url
        .as_deref()
        .and_then(|url| url.split_once("://")?.1.split_once('@'))
        .is_some_and(|(user, _)| user.contains(':'))
    {
        warnings.push(
            "postgres: the password is written in the URL\nhint: set `postgres.password = { file = \"/path\" }`"
                .to_owned(),
        );
    }
    let password = section.secret("password", warnings);
    let tls = section.choice(
        "tls",
        PostgresTls::Auto,
        &[
            ("auto", PostgresTls::Auto),
            ("disable", PostgresTls::Disable),
            ("require", PostgresTls::Require),
            ("verify-ca", PostgresTls::VerifyCa),
            ("verify-full", PostgresTls::VerifyFull),
        ],
    );
    let ca_file = section.string("ca_file").map(PathBuf::from);
    let max_connections = u32::try_from(section.integer("max_connections", 8, 3..=200)).unwrap_or(8);
    let statement_cache = usize::try_from(section.integer("statement_cache", 100, 0..=10_000)).unwrap_or(100);
    let statement_timeout = section.duration("statement_timeout", "30s", ("1s", "10m"));
    section.finish();
    Some(PostgresSettings {
        url: url?,
        password,
        tls,
        ca_file,
        max_connections,
        statement_cache,
        statement_timeout,
    })
}

fn http(section: &Section<'_>, warnings: &mut Vec<String>) -> Option<HttpSettings> {
    let text = section.string("listen").unwrap_or_else(|| "127.0.0.1:9464".to_owned());
    let listen = text.parse::<SocketAddr>().ok();
    if listen.is_none() {
        section.add(
            section
                .problem("listen", format!("`{text}` is not an address and port"))
                .hint("write \"127.0.0.1:9464\""),
        );
    }
    let external_url = section.string("external_url");
    if let Some(url) = &external_url
        && !(url.starts_with("https://") || url.starts_with("http://"))
    {
        section.add(section.problem("external_url", "must begin with `https://` or `http://`"));
    }
    let callback_secret = section.secret("callback_secret", warnings);
    let mlflow_secret = section.secret("mlflow_secret", warnings);
    if let Some(secret) = &callback_secret
        && let Err(error) = Dialect::Webhook(Keys(vec![secret.clone()])).check()
    {
        section.add(section.problem("callback_secret", error));
    }
    if mlflow_secret.as_ref().is_some_and(|secret| secret.expose_secret().len() < 16) {
        section.add(section.problem("mlflow_secret", "needs 16 characters or more"));
    }
    let tls = tls(&section.section("tls"));
    let tokens = tokens(section, warnings);
    let may_be_open = section.flag("allow_plain_http", false);
    let max_connections = usize::try_from(section.integer("max_connections", 256, 8..=65_536)).unwrap_or(256);
    let max_connections_per_peer =
        usize::try_from(section.integer("max_connections_per_peer", 64, 4..=65_536)).unwrap_or(64);
    if listen.is_some_and(|address| !address.ip().is_loopback()) {
        if !section.has("tokens") {
            section.add(
                section
                    .problem(
                        "listen",
                        format!("`{text}` is not a loopback address, and whoever reaches it could do everything"),
                    )
                    .hint("add `[[http.tokens]]`, or bind to 127.0.0.1"),
            );
        } else if tls.is_none() && !may_be_open {
            section.add(
                section
                    .problem("listen", format!("tokens would travel unencrypted to {text}"))
                    .hint("set `http.tls`, bind to 127.0.0.1 with a proxy in front, or say `allow_plain_http = true` where the network is trusted"),
            );
        }
    }
    if let Some(url) = external_url.as_deref().filter(|_| section.has("tokens")) {
        in_the_open(section, "external_url", url, "tokens");
    }
    section.finish();
    Some(HttpSettings {
        listen: listen?,
        external_url,
        callback_secret,
        mlflow_secret,
        tokens,
        tls,
        max_connections,
        max_connections_per_peer,
    })
}

fn tls(section: &Section<'_>) -> Option<TlsFiles> {
    if !section.is_there() {
        return None;
    }
    let certificate = section.required("cert_file", "the certificate of the listener, PEM");
    let key = section.required_key_file("key_file", "its key, PEM");
    section.finish();
    Some(TlsFiles { certificate: certificate?.into(), key: key? })
}

/// Refuses a URL over which a secret would be sent unencrypted to another machine, unless the file says that it may.
pub(super) fn in_the_open(section: &Section<'_>, key: &'static str, url: &str, what: &str) {
    let allowed = section.flag("allow_plain_http", false);
    if let Some(host) = crate::notify::reached_in_the_open(url).filter(|_| !allowed) {
        section.add(
            section
                .problem(key, format!("{what} would travel unencrypted to {host}"))
                .hint("write https://, or say `allow_plain_http = true` where the network is trusted"),
        );
    }
}

/// Shorter ones could be guessed.
const TOKEN_LENGTH: usize = 20;

fn tokens(section: &Section<'_>, warnings: &mut Vec<String>) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    for entry in section.sections("tokens") {
        let name = entry.required("name", "who has it: what the audit log says");
        let role = entry.optional_choice(
            "role",
            &[("viewer", Role::Viewer), ("operator", Role::Operator), ("admin", Role::Admin)],
        );
        if role.is_none() && !entry.has("role") {
            entry.add(entry.problem("role", "is missing: `viewer`, `operator` or `admin`"));
        }
        let secret = entry.secret("token", warnings);
        if secret.is_none() && !entry.has("token") {
            entry
                .add(entry.problem("token", "is missing").hint("make one with: head -c 24 /dev/urandom | base64"));
        }
        if secret.as_ref().is_some_and(|secret| secret.expose_secret().len() < TOKEN_LENGTH) {
            entry.add(
                entry
                    .problem("token", format!("needs {TOKEN_LENGTH} characters or more"))
                    .hint("make one with: head -c 24 /dev/urandom | base64"),
            );
        }
        entry.finish();
        if let Some(name) = &name
            && tokens.iter().any(|other| other.name == *name)
        {
            entry.add(entry.problem("name", format!("`{name}` has a token already")));
        }
        if let (Some(name), Some(role), Some(secret)) = (name, role, secret) {
            tokens.push(Token { name, role, secret });
        }
    }
    tokens
}
