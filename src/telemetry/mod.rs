//! Logs, metrics and, as a feature, traces.

mod complaints;
mod escaped;
mod metrics;
mod traces;

pub use complaints::Complaints;
pub use metrics::{AccountGauges, Gauges, Metrics, MonitorGauges, PartitionGauges};
pub use traces::finish_traces;

use std::io::IsTerminal as _;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use escaped::Escaped;

/// How logs look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// The journal under systemd, otherwise text.
    Auto,
    /// For people.
    Text,
    /// one JSON object per line.
    Json,
    /// The systemd journal.
    Journald,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// What is to be logged.
    #[error("`{level}` is not a level or filter: {source}\nhint: write `info`, or `info,driftd::kafka=debug`")]
    Filter {
        /// As it is written.
        level: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    #[error("cannot reach the journal: {0}")]
    Journal(#[source] std::io::Error),
    /// The exporter of traces.
    #[cfg(feature = "otel")]
    #[error("cannot export traces: {0}")]
    Traces(#[source] opentelemetry_otlp::ExporterBuildError),
}

/// Starts logging to standard error or the journal. Later calls have no effect. An entry is one line in every format: what in it
/// comes from data is written out.
///
/// # Errors
/// When the filter cannot be read or there is no journal.
pub fn start_logging(format: LogFormat, level: &str) -> Result<(), LoggingError> {
    let filter =
        EnvFilter::try_new(level).map_err(|source| LoggingError::Filter { level: level.to_owned(), source })?;
    let under_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
    let registry = tracing_subscriber::registry().with(traces::layer()?);
    let outcome = match format {
        LogFormat::Journald => {
            let journal = tracing_journald::layer().map_err(LoggingError::Journal)?;
            registry.with(Escaped(journal).with_filter(filter)).try_init()
        }
        LogFormat::Auto if under_systemd => match tracing_journald::layer() {
            Ok(journal) => registry.with(Escaped(journal).with_filter(filter)).try_init(),
            Err(_) => registry.with(Escaped(text_layer()).with_filter(filter)).try_init(),
        },
        LogFormat::Json => {
            let json = tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr);
            registry.with(Escaped(json).with_filter(filter)).try_init()
        }
        LogFormat::Auto | LogFormat::Text => registry.with(Escaped(text_layer()).with_filter(filter)).try_init(),
    };
    // Already started: tests run several daemons in one process.
    let _already_started = outcome;
    Ok(())
}

fn text_layer<S>() -> tracing_subscriber::fmt::Layer<
    S,
    tracing_subscriber::fmt::format::DefaultFields,
    tracing_subscriber::fmt::format::Format,
    fn() -> std::io::Stderr,
>
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(std::io::stderr as fn() -> std::io::Stderr)
}
