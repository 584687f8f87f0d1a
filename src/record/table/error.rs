//! Why a file could not be read.

use arrow::error::ArrowError;
use parquet::errors::ParquetError;

use super::convert::ConvertError;
use super::read::MAX_FILE_COLUMNS;

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system says so.
    #[error("cannot read the file: {0}")]
    Io(#[from] std::io::Error),
    /// A Parquet file that uses what is not read.
    #[error(
        "cannot read the file as Parquet: {0}\nhint: write it again, with other encodings or an older format version"
    )]
    Parquet(ParquetError),
    /// Not readable as Arrow or CSV.
    #[error("cannot read the file: {0}\nhint: is it complete, and named after what it is?")]
    Arrow(#[from] ArrowError),
    /// Not what a program wrote that writes this format.
    #[error(
        "cannot read the file as {format}: it is damaged: {why}\nhint: is it complete, and named after what it is? Write or copy it again"
    )]
    Damaged {
        format: &'static str,
        /// What is wrong in it.
        why: String,
    },
    /// More columns than are read.
    #[error(
        "the file has {columns} columns, and at most {MAX_FILE_COLUMNS} are read\nhint: write those that are to be compared into a file of their own"
    )]
    TooWide {
        /// How many.
        columns: usize,
    },
    /// Records with more different fields than are read.
    #[error(
        "the records have more than {MAX_FILE_COLUMNS} different fields\nhint: are the names of fields values, such as ids? Name the columns that are to be compared"
    )]
    TooManyFields,
    /// Text in another encoding.
    #[error(
        "the file is not UTF-8 but {found}\nhint: convert it, such as with: iconv -f {encoding} -t UTF-8 in.csv > out.csv"
    )]
    Encoding {
        /// What was found.
        found: &'static str,
        /// The name of the encoding for iconv.
        encoding: &'static str,
    },
    /// Records are expected, and something else is there.
    #[error("the file is {found}; records are expected\nhint: {hint}")]
    Layout {
        /// What was found.
        found: String,
        /// What to do.
        hint: &'static str,
    },
    /// A file of a folder.
    #[error("{name}: {source}")]
    Part {
        name: String,
        /// Why it cannot be read.
        source: Box<ReadError>,
    },
    /// Two columns of one name.
    #[error(
        "the file has more than one column `{0}`: which of them is meant cannot be known\nhint: rename or drop one of them"
    )]
    Twice(String),
    /// Readable, but not what is declared.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// A text file without a first line.
    #[error("the file is empty\nhint: a CSV file begins with a line of column names")]
    NoHeader,
}

impl From<ParquetError> for ReadError {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::NYI(_) => Self::Parquet(error),
            error => Self::Damaged { format: "Parquet", why: error.to_string() },
        }
    }
}
