//! `driftd.toml`: the daemon itself.

mod http;
mod kafka;
mod postgres;

pub use http::HttpSettings;
pub use kafka::{KafkaSecurity, KafkaSettings, SaslSettings, TokenEndpoint, TokenSettings};
pub use postgres::PostgresSettings;

use super::section::Section;
use super::suggestion::suggest;
use crate::record::TimeSpan;
use crate::retention::Retention;
use crate::telemetry::LogFormat;

/// How the daemon runs.
#[derive(Debug)]
pub struct DaemonSettings {
    /// What this daemon is called in `driftd status` and Kafka's tools.
    pub name: String,
    pub kafka: KafkaSettings,
    pub postgres: PostgresSettings,
    /// The listener for health and metrics.
    pub http: HttpSettings,
    pub log: LogSettings,
    /// Checkpoints and judging.
    pub checkpoint: CheckpointSettings,
    pub limits: LimitSettings,
    /// How long what is stored is kept.
    pub retention: Retention,
}

/// Logs.
#[derive(Debug)]
pub struct LogSettings {
    /// How they look.
    pub format: LogFormat,
    /// A level, or directives of tracing's `EnvFilter`.
    pub level: String,
}

/// Checkpoints and judging.
#[derive(Debug)]
pub struct CheckpointSettings {
    /// Between checkpoints.
    pub interval: TimeSpan,
    /// Between looks for windows to close.
    pub judge_interval: TimeSpan,
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

pub(super) fn read(root: &Section<'_>, warnings: &mut Vec<String>) -> Option<DaemonSettings> {
    let section = root.section("daemon");
    let name = section.string("name").unwrap_or_else(default_name);
    section.finish();
    let kafka = kafka::read(&root.section("kafka"), warnings);
    let postgres = postgres::read(&root.section("postgres"), warnings);
    let http = http::read(&root.section("http"), warnings);
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
    for wrong in wrong_levels(&log.level) {
        let message =
            format!("`{wrong}` is not a log level; write `info`, or a filter as `info,driftd::kafka=debug`");
        section.add(suggest(section.mistake("level", message), wrong, &LEVELS));
    }
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
    let retention = super::retention::read(&root.section("retention"));
    Some(DaemonSettings {
        name,
        kafka: kafka?,
        postgres: postgres?,
        http: http?,
        log,
        checkpoint,
        limits,
        retention,
    })
}

/// The levels of logs.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// The parts of a filter that are no level. A part without a level would be a module's name, of which everything is logged, and
/// of nothing else: what is misspelt would make the daemon silent.
fn wrong_levels(filter: &str) -> impl Iterator<Item = &str> {
    let known = |level: &str| LEVELS.iter().any(|known| level.eq_ignore_ascii_case(known));
    let parts = filter.split(',').map(str::trim).filter(|part| !part.contains(['[', '{']));
    parts.filter_map(move |part| match part.rsplit_once('=') {
        Some((_, level)) => (!known(level)).then_some(level),
        None => (!known(part)).then_some(part),
    })
}

fn default_name() -> String {
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    format!("driftd@{}", if host.is_empty() { "localhost" } else { &host })
}

/// Refuses a URL over which a secret would be sent unencrypted to another machine, unless the file says that it may.
pub(in crate::config) fn in_the_open(section: &Section<'_>, key: &'static str, url: &str, what: &str) {
    let allowed = section.flag("allow_plain_http", false);
    if let Some(host) = crate::notify::reached_in_the_open(url).filter(|_| !allowed) {
        section.add(
            section
                .mistake(key, format!("{what} would travel unencrypted to {host}"))
                .hint("write https://, or set `allow_plain_http = true` on a trusted network"),
        );
    }
}
