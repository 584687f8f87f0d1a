//! Rows from files, batch by batch.

use std::io::{BufRead, Read, Seek};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::FileReader;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;

use super::TableRows;
use super::convert::{ConvertError, Converter, TextIs};
use crate::record::{Decoded, DecodedBatch, EventTime, JsonDecoder, RawMessage, RecordLayout};

/// Rows of a batch when reading files.
const BATCH_ROWS: usize = 8_192;

/// A batch of rows, and what became of the rows around it.
#[derive(Clone, Debug)]
pub struct ReadBatch {
    /// The rows.
    pub batch: DecodedBatch,
    /// Rows that could not be read.
    pub rejected: u64,
    /// Rows of something else.
    pub filtered: u64,
    /// Whether reading them again costs little, as it does where nothing is parsed.
    pub cheap: bool,
}

/// A batch, or why the file ends here.
pub type ReadItem = Result<ReadBatch, ReadError>;

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system says so.
    #[error("cannot read the file: {0}")]
    Io(#[from] std::io::Error),
    /// Not a Parquet file, or a damaged one.
    #[error("cannot read the file as Parquet: {0}\nhint: is it complete, and named after what it is?")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Not readable as Arrow or CSV.
    #[error("cannot read the file: {0}\nhint: is it complete, and named after what it is?")]
    Arrow(#[from] ArrowError),
    /// Readable, but not what is declared.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// A text file without a first line.
    #[error("the file is empty\nhint: a CSV file begins with a line of column names")]
    NoHeader,
}

/// The formats files may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Parquet.
    Parquet,
    /// The Arrow IPC file format, also known as Feather 2.
    Arrow,
    /// CSV with a header line.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

impl FileFormat {
    /// The extensions known, for messages.
    pub const EXTENSIONS: &'static str = ".parquet, .csv, .jsonl or .arrow";

    /// The format of a file's extension.
    #[must_use]
    pub fn from_extension(extension: &str) -> Option<Self> {
        Some(match extension.to_ascii_lowercase().as_str() {
            "parquet" | "pq" => Self::Parquet,
            "arrow" | "feather" | "ipc" => Self::Arrow,
            "csv" => Self::Csv,
            "jsonl" | "ndjson" | "json" => Self::JsonLines,
            _ => return None,
        })
    }
}

fn converted(
    rows: TableRows,
    text: TextIs,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
) -> impl Iterator<Item = ReadItem> {
    let mut converter = Converter::new(rows, text);
    batches.map(move |batch| Ok(converter.convert(&batch?)?))
}

/// The rows of a Parquet file; columns that are not asked for are not read.
///
/// # Errors
/// When the file is not Parquet. Later failures come as items.
pub fn parquet_batches<R: ChunkReader + 'static>(
    reader: R,
    rows: TableRows,
) -> Result<impl Iterator<Item = ReadItem>, ReadError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(reader)?.with_batch_size(BATCH_ROWS);
    let wanted = rows.wanted();
    let roots = builder.schema().fields().iter().enumerate().filter(|(_, field)| wanted.contains(field.name()));
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots.map(|(index, _)| index));
    let batches = builder.with_projection(mask).build()?;
    Ok(converted(rows, TextIs::Itself, batches))
}

/// The rows of an Arrow IPC file.
///
/// # Errors
/// When the file is not one. Later failures come as items.
pub fn arrow_batches<R: Read + Seek>(
    reader: R,
    rows: TableRows,
) -> Result<impl Iterator<Item = ReadItem>, ReadError> {
    let reader = FileReader::try_new(reader, None)?;
    Ok(converted(rows, TextIs::Itself, reader))
}

/// The column names of a CSV file, read byte by byte, so that no row is swallowed with them.
///
/// # Errors
/// When there is no readable header.
pub fn csv_header(reader: &mut impl Read) -> Result<SchemaRef, ReadError> {
    let mut header = Vec::new();
    let mut byte = [0u8];
    let mut quoted = false;
    while reader.read(&mut byte)? == 1 {
        header.extend_from_slice(&byte);
        quoted ^= byte == *b"\"";
        if byte == *b"\n" && !quoted {
            break;
        }
    }
    // A byte order mark, as spreadsheets write it, is no part of the first name.
    let header = header.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&header);
    if header.iter().all(u8::is_ascii_whitespace) {
        return Err(ReadError::NoHeader);
    }
    let (names, _) = Format::default().with_header(true).infer_schema(header, Some(0))?;
    let texts: Vec<Field> =
        names.fields().iter().map(|field| Field::new(field.name(), DataType::Utf8, true)).collect();
    Ok(Arc::new(Schema::new(texts)))
}

/// The rows of a CSV file with a header line; empty fields are null.
///
/// # Errors
/// When there is no readable header. Later failures come as items.
pub fn csv_batches<R: Read>(mut reader: R, rows: TableRows) -> Result<impl Iterator<Item = ReadItem>, ReadError> {
    let names = csv_header(&mut reader)?;
    let batches = ReaderBuilder::new(names).with_batch_size(BATCH_ROWS).build(reader)?;
    Ok(converted(rows, TextIs::Anything, batches))
}

/// The rows of a file with one JSON record a line, read exactly as from Kafka. Lines that cannot be read are counted.
pub fn json_lines_batches<R: BufRead>(reader: R, rows: &TableRows) -> impl Iterator<Item = ReadItem> + use<R> {
    let layout = if rows.timed {
        rows.layout.clone()
    } else {
        RecordLayout { time: None, filters: Vec::new(), ..rows.layout.clone() }
    };
    let mut decoder = JsonDecoder::new(&rows.schema, layout);
    let mut lines = reader.split(b'\n');
    let mut done = false;
    let mut offset = 0;
    let mut numbered = 0i64;
    // Without a clock of a broker beside it no event time lies in the future.
    let broker_time = if rows.timed { None } else { Some(EventTime::default()) };
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let (mut rejected, mut filtered) = (0, 0);
        while decoder.rows() < BATCH_ROWS {
            match lines.next() {
                None => {
                    done = true;
                    break;
                }
                Some(Err(error)) => {
                    done = true;
                    return Some(Err(error.into()));
                }
                Some(Ok(line)) => {
                    if line.iter().all(u8::is_ascii_whitespace) {
                        continue;
                    }
                    let message = RawMessage { payload: Some(&line), offset, broker_time };
                    offset += 1;
                    match decoder.decode(message) {
                        Decoded::Row => {}
                        Decoded::Filtered => filtered += 1,
                        Decoded::Rejected(_) => rejected += 1,
                    }
                }
            }
        }
        let mut batch = decoder.finish();
        number(&mut batch, &mut numbered);
        Some(Ok(ReadBatch { batch, rejected, filtered, cheap: false }))
    })
}

/// Rows are numbered as they are kept, so that the same rows have the same numbers in every format.
pub(super) fn number(batch: &mut DecodedBatch, next: &mut i64) {
    for offset in &mut batch.offsets {
        *offset = *next;
        *next += 1;
    }
}
