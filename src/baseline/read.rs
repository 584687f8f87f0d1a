//! Rows from files, batch by batch. The caller opens the file; files are hostile input.

use std::io::{BufRead, Read};
use std::sync::Arc;

use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;

use super::convert::{ConvertError, TextIs, decoded};
use crate::record::{Decoded, DecodedBatch, EventTime, JsonDecoder, ModelSchema, RawMessage, RecordLayout};

/// Rows of a batch when reading files.
const BATCH_ROWS: usize = 8_192;

/// A batch of rows, and how many rows before it could not be read.
pub type ReadItem = Result<(DecodedBatch, u64), ReadError>;

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system says so.
    #[error("cannot read the file: {0}")]
    Io(#[from] std::io::Error),
    /// Not a Parquet file, or a damaged one.
    #[error("cannot read the file as Parquet: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Not readable as Arrow or CSV.
    #[error("cannot read the file: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// Readable, but not what the monitor declares.
    #[error(transparent)]
    Convert(#[from] ConvertError),
}

/// The rows of a Parquet file. `segments` are the names and paths of the segment columns.
///
/// # Errors
/// When the file is not Parquet. Later failures come as items.
pub fn parquet_batches<R: ChunkReader + 'static>(
    reader: R,
    schema: ModelSchema,
    segments: Vec<(String, String)>,
) -> Result<impl Iterator<Item = ReadItem>, ReadError> {
    let batches = ParquetRecordBatchReaderBuilder::try_new(reader)?.with_batch_size(BATCH_ROWS).build()?;
    Ok(batches.map(move |batch| Ok((decoded(&schema, &segments, &batch?, TextIs::Itself)?, 0))))
}

/// The rows of a CSV file with a header line; empty fields are null.
///
/// # Errors
/// When there is no readable header. Later failures come as items.
pub fn csv_batches<R: Read>(
    mut reader: R,
    schema: ModelSchema,
    segments: Vec<(String, String)>,
) -> Result<impl Iterator<Item = ReadItem>, ReadError> {
    // The header is read byte by byte, so that no row is swallowed with it.
    let mut header = Vec::new();
    let mut byte = [0u8];
    while reader.read(&mut byte)? == 1 {
        header.extend_from_slice(&byte);
        if byte == *b"\n" {
            break;
        }
    }
    let (names, _) = Format::default().with_header(true).infer_schema(header.as_slice(), Some(0))?;
    let texts: Vec<Field> =
        names.fields().iter().map(|field| Field::new(field.name(), DataType::Utf8, true)).collect();
    let batches = ReaderBuilder::new(Arc::new(Schema::new(texts))).with_batch_size(BATCH_ROWS).build(reader)?;
    Ok(batches.map(move |batch| Ok((decoded(&schema, &segments, &batch?, TextIs::Anything)?, 0))))
}

/// The rows of a file with one JSON record a line, read exactly as from Kafka except that no event time is
/// needed. Lines that cannot be read are counted.
pub fn json_lines_batches<R: BufRead>(
    reader: R,
    schema: &ModelSchema,
    layout: &RecordLayout,
) -> impl Iterator<Item = ReadItem> + use<R> {
    let layout = RecordLayout { time: None, ..layout.clone() };
    let mut decoder = JsonDecoder::new(schema, layout);
    let mut lines = reader.split(b'\n');
    let mut done = false;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let mut rejected = 0;
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
                    let message =
                        RawMessage { payload: Some(&line), offset: 0, broker_time: Some(EventTime::default()) };
                    if let Decoded::Rejected(_) = decoder.decode(message) {
                        rejected += 1;
                    }
                }
            }
        }
        Some(Ok((decoder.finish(), rejected)))
    })
}
