//! Why a command failed, and the exit code that says so to programs.

use crate::alert::{MatcherError, VocabularyError};
use crate::app::AppError;
use crate::config::{ConfigError, UnreadError};
use crate::http::ListenerError;
use crate::kafka::KafkaError;
use crate::retention::WindowRetention;
use crate::store::StoreError;
use crate::telemetry::LoggingError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The daemon.
    #[error(transparent)]
    App(#[from] AppError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The training data.
    #[error("{path}: {source}")]
    Baseline {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: crate::baseline::BaselineError,
    },
    /// A secret that is needed and cannot be read here.
    #[error(transparent)]
    Unread(#[from] UnreadError),
    /// A secret that is needed and was not given, or is not the right one.
    #[error("{0}")]
    Secret(String),
    /// Arguments that make no sense together.
    #[error("{0}")]
    Usage(String),
    /// Findings of `check --online`.
    #[error("{0}")]
    Findings(String),
    /// Something needed is missing or away.
    #[error("{0}")]
    Unavailable(String),
    /// Logging.
    #[error(transparent)]
    Logging(#[from] LoggingError),
    /// What a silence is to match.
    #[error(transparent)]
    Matcher(#[from] MatcherError),
    /// What a silence is to match, which no alert has.
    #[error(transparent)]
    Vocabulary(#[from] VocabularyError),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    /// Why the counts of a window of a monitor that keeps them so long cannot be read.
    pub(super) fn of_window(error: StoreError, kept: &WindowRetention) -> Self {
        match error {
            StoreError::CountsDeleted { .. } => Self::Failed(kept.counts_deleted()),
            error => Self::Store(error),
        }
    }

    /// 1 failure, 3 findings, 69 unavailable, 78 configuration; 2 is clap's, for usage.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Unread(_)
            | Self::Secret(_)
            | Self::Store(StoreError::NewerSchema { .. } | StoreError::Settings(_))
            | Self::App(
                AppError::Config(_)
                | AppError::Unread(_)
                | AppError::Receivers(_)
                | AppError::Listener(ListenerError::Tls(_))
                | AppError::Kafka(KafkaError::Settings { .. }),
            ) => 78,
            // The daemon waits for a database that is away; one that refuses it does so however often it is started.
            Self::App(AppError::Store(error)) if !error.is_transient() => 78,
            Self::Store(error) if error.is_refusal() => 78,
            Self::Usage(_) => 2,
            Self::App(
                AppError::Listener(ListenerError::Address { .. })
                | AppError::Unavailable(_)
                | AppError::Store(_)
                | AppError::Kafka(_),
            )
            | Self::Store(StoreError::Database { .. })
            | Self::Unavailable(_) => 69,
            Self::Findings(_) => 3,
            _ => 1,
        }
    }
}
