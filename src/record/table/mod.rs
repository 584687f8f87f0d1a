//! Records in files: Parquet, Arrow IPC, CSV and JSON lines, read batch by batch into the same shape as decoded messages.
//! The caller opens the file; files are hostile input.

mod convert;
mod infer;
mod read;

pub use convert::ConvertError;
pub use infer::{FileColumn, SAMPLE_ROWS, infer_fields, infer_json_lines, infer_rows};
pub use read::{
    FileFormat, ReadBatch, ReadError, ReadItem, arrow_batches, csv_batches, csv_header, json_lines_batches,
    parquet_batches,
};

use super::{ModelSchema, RecordLayout};

/// What is read of a file, and how.
#[derive(Clone, Debug)]
pub struct TableRows {
    /// The columns.
    pub schema: ModelSchema,
    /// Paths beside the columns. Segments are read always, filters, version and event time only when
    /// `timed`.
    pub layout: RecordLayout,
    /// Whether event times are read; otherwise all rows are of the epoch.
    pub timed: bool,
    /// Whether a column that the file lacks, or has with another type, is an error; otherwise its values are
    /// missing or of the wrong type, and counted as such.
    pub strict: bool,
}
