//! Records in files: Parquet, Arrow IPC, CSV and JSON, read batch by batch into the same shape as decoded messages.
//! The caller opens the file; files are hostile input.
//!
//! A column, segment, version, filter or event time is read where its path says, in every format: in structs and maps as
//! in the objects of JSON. Where a file is flat, a column named as the whole path is the same.

mod convert;
mod dialect;
mod documents;
mod error;
mod format;
mod infer;
mod kinds;
mod locate;
mod parquet_check;
mod read;
mod text;
mod thrift;
mod values;

pub use convert::ConvertError;
pub use dialect::TableDialect;
pub use error::ReadError;
pub use format::{FileFormat, refuse_others};
pub(crate) use infer::flatten;
pub use infer::{FileColumn, FileProfile, TWICE, profile_arrow, profile_csv, profile_json, profile_parquet};
pub use kinds::{OF_NUMBERS, WITH_COMMAS};
pub use read::{
    MAX_FILE_COLUMNS, ReadBatch, ReadItem, arrow_batches, csv_batches, json_batches, parquet_batches, parquet_rows,
};

use super::{ModelSchema, RecordLayout};

/// What is read of a file, and how.
#[derive(Clone, Debug)]
pub struct TableRows {
    /// The columns. What the file lacks is missing in all rows, what it has of another type is of the wrong type; both
    /// are counted as such.
    pub schema: ModelSchema,
    /// Paths beside the columns. Segments are read always, filters, version and event time only when
    /// `timed`.
    pub layout: RecordLayout,
    /// Whether event times are read; otherwise all rows are of the epoch.
    pub timed: bool,
}
