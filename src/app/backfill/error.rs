//! Why a backfill cannot begin or go on.

use crate::app::AppError;
use crate::kafka::KafkaError;
use crate::record::table::ReadError;
use crate::store::StoreError;

/// Why a backfill cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The settings of Kafka.
    #[error(transparent)]
    App(#[from] AppError),
    /// A file.
    #[error("{file}: {source}")]
    File {
        /// Its name.
        file: String,
        /// What is wrong with it.
        source: ReadError,
    },
    /// Something that it needs does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// Something that cannot be done as things stand.
    #[error("{0}")]
    Refused(String),
}
