//! Rows from files, batch by batch.

use std::io::{Cursor, Read, Seek};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::csv::ReaderBuilder;
use arrow::datatypes::{DataType, FieldRef, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::reader::ChunkReader;

use super::TableRows;
use super::convert::{ConvertError, Converter, is_text};
use super::dialect::{Dialect, header};
use super::documents::{Documents, HEAD};
use crate::record::{
    Decoded, DecodedBatch, EventTime, Filtered, JsonDecoder, RawMessage, RecordLayout, Rejections,
};

/// Rows of a batch when reading files.
pub(super) const BATCH_ROWS: usize = 8_192;

/// A batch of rows, and what became of the rows around it.
#[derive(Clone, Debug)]
pub struct ReadBatch {
    /// The rows.
    pub batch: DecodedBatch,
    /// Rows that could not be read, and why.
    pub rejected: Rejections,
    /// Rows of something else.
    pub filtered: Filtered,
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
        /// Its name.
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

/// The formats files may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Parquet.
    Parquet,
    /// The Arrow IPC file format, also known as Feather 2.
    Arrow,
    /// CSV with a header line, or with other separators.
    Csv,
    /// JSON objects: one a line, in an array, or one after the other.
    JsonLines,
}

impl FileFormat {
    /// The extensions known, for messages.
    pub const EXTENSIONS: &'static str =
        ".parquet, .csv, .tsv, .jsonl, .json or .arrow (text also compressed: .gz, .zst)";

    /// The format of a file's extension.
    #[must_use]
    pub fn from_extension(extension: &str) -> Option<Self> {
        Some(match extension.to_ascii_lowercase().as_str() {
            "parquet" | "pq" => Self::Parquet,
            "arrow" | "arrows" | "feather" | "ipc" => Self::Arrow,
            "csv" | "tsv" | "txt" => Self::Csv,
            "jsonl" | "ndjson" | "json" => Self::JsonLines,
            _ => return None,
        })
    }
}

/// The beginning of a file, and the whole of it again.
pub(super) fn peeked<R: Read>(mut reader: R) -> std::io::Result<(Vec<u8>, impl Read)> {
    let mut head = Vec::with_capacity(HEAD);
    reader.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(reader)))
}

/// Refuses a file that is no table of any kind, by how it begins.
///
/// # Errors
/// With what it is, and what to do.
pub fn refuse_others(head: &[u8]) -> Result<(), ReadError> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let known: [(&[u8], &str, &str); 6] = [
        (b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "fetch it with: git lfs pull"),
        (b"<", "HTML or XML", "was it downloaded without logging in?"),
        (b"SQLite format 3", "a SQLite database", "export the table as CSV or Parquet"),
        (b"%PDF", "a PDF", "name a file of records"),
        (b"PK\x03\x04", "a zip file or a spreadsheet", "unpack it, or export it as CSV"),
        (b"\xd0\xcf\x11\xe0", "a spreadsheet or document of an old office suite", "export it as CSV"),
    ];
    match known.iter().find(|(magic, ..)| text.starts_with(magic)) {
        Some((_, found, hint)) => Err(ReadError::Layout { found: (*found).to_owned(), hint }),
        None => Ok(()),
    }
}

/// The beginning of a text file as text; the last character may be cut.
pub(super) fn text_of(head: &[u8]) -> Result<&str, ReadError> {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Err(ReadError::Encoding { found: "UTF-16", encoding: "UTF-16" });
    }
    match std::str::from_utf8(head) {
        Ok(text) => Ok(text),
        Err(error) if error.error_len().is_none() => {
            Ok(std::str::from_utf8(head.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default())
        }
        Err(_) => Err(OTHER_ENCODING),
    }
}

/// Most text that is not UTF-8 is in the encoding of Western European Windows.
pub(super) const OTHER_ENCODING: ReadError =
    ReadError::Encoding { found: "another encoding, such as Windows-1252 or Latin-1", encoding: "WINDOWS-1252" };

fn converted(
    rows: TableRows,
    untyped: Option<Dialect>,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
) -> impl Iterator<Item = ReadItem> {
    let mut converter = Converter::new(rows, untyped);
    // Files may have batches of millions of rows.
    let parts = batches.flat_map(|batch| {
        let (batch, error) = match batch {
            Ok(batch) => (Some(batch), None),
            Err(error) => (None, Some(Err(error))),
        };
        let parts = batch.into_iter().flat_map(|batch| {
            let rows = batch.num_rows();
            (0..rows).step_by(BATCH_ROWS).map(move |start| Ok(batch.slice(start, BATCH_ROWS.min(rows - start))))
        });
        parts.chain(error)
    });
    parts.map(move |batch| Ok(converter.convert(&batch.map_err(read_error)?)?))
}

fn read_error(error: ArrowError) -> ReadError {
    if error.to_string().contains("UTF-8") { OTHER_ENCODING } else { error.into() }
}

/// The first name that stands twice in a schema.
fn refuse_twice(schema: &SchemaRef, rows: &TableRows) -> Result<(), ReadError> {
    let roots: Vec<&String> = rows.paths().filter_map(|path| path.steps().first()).collect();
    let mut names = std::collections::HashSet::new();
    let twice = schema
        .fields()
        .iter()
        .map(|field| field.name())
        .find(|name| !names.insert(name.as_str()) && roots.contains(name));
    twice.map_or(Ok(()), |name| Err(ReadError::Twice(name.clone())))
}

/// Opens a Parquet file. Writers note which columns were dictionaries in memory, which the reader can only make of text:
/// others are read as what they are in the file.
///
/// # Errors
/// When the file is not Parquet.
pub fn parquet_builder<R: ChunkReader + 'static>(
    reader: R,
) -> Result<ParquetRecordBatchReaderBuilder<R>, ReadError> {
    let metadata = ArrowReaderMetadata::load(&reader, ArrowReaderOptions::new())?;
    let schema = metadata.schema();
    if schema.fields().iter().all(|field| plain(field) == *field) {
        return Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(reader, metadata));
    }
    let fields: Fields = schema.fields().iter().map(plain).collect();
    let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
    let options = ArrowReaderOptions::new().with_schema(schema);
    let metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)?;
    Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(reader, metadata))
}

/// The field without dictionaries of anything but text.
fn plain(field: &FieldRef) -> FieldRef {
    let of = |kind: DataType| Arc::new(field.as_ref().clone().with_data_type(kind));
    match field.data_type() {
        DataType::Dictionary(_, values) if !is_text(values) => of(values.as_ref().clone()),
        DataType::Struct(fields) => of(DataType::Struct(fields.iter().map(plain).collect())),
        DataType::List(item) => of(DataType::List(plain(item))),
        _ => Arc::clone(field),
    }
}

/// The rows of a Parquet file; columns that are not asked for are not read.
///
/// # Errors
/// When the file is not Parquet. Later failures come as items.
pub fn parquet_batches<R: ChunkReader + 'static>(
    reader: R,
    rows: TableRows,
) -> Result<impl Iterator<Item = ReadItem>, ReadError> {
    let builder = parquet_builder(reader)?.with_batch_size(BATCH_ROWS);
    refuse_twice(builder.schema(), &rows)?;
    let wanted = rows.roots(builder.schema().fields());
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let batches = builder.with_projection(mask).build()?;
    Ok(converted(rows, None, batches))
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
    refuse_twice(&reader.schema(), &rows)?;
    Ok(converted(rows, None, reader))
}

/// The rows of an Arrow IPC stream.
///
/// # Errors
/// As [`arrow_batches`].
pub fn arrow_stream_batches<R: Read>(
    reader: R,
    rows: TableRows,
) -> Result<impl Iterator<Item = ReadItem>, ReadError> {
    let reader = StreamReader::try_new(reader, None)?;
    refuse_twice(&reader.schema(), &rows)?;
    Ok(converted(rows, None, reader))
}

/// Text that is no table, or one that would be misread.
fn refuse_other_text(text: &str) -> Result<(), ReadError> {
    let start = text.trim_start_matches('\u{feff}').trim_start();
    if start.starts_with(['{', '[']) {
        return Err(ReadError::Layout {
            found: "JSON, though its name says CSV".to_owned(),
            hint: "name it .jsonl or .json",
        });
    }
    if text.contains('\r') && !text.contains('\n') {
        return Err(ReadError::Layout {
            found: "text whose lines end in a carriage return alone, as old Macs wrote it".to_owned(),
            hint: "convert it, such as with: tr '\\r' '\\n' < in.csv > out.csv",
        });
    }
    Ok(())
}

/// The batches of a CSV file as text, and how it is written.
///
/// # Errors
/// When there is no readable header, or the file is in another encoding.
pub(super) fn csv_texts<R: Read>(
    reader: R,
    batch_rows: usize,
) -> Result<(SchemaRef, Dialect, impl Iterator<Item = Result<RecordBatch, ArrowError>>), ReadError> {
    let (head, mut reader) = peeked(reader)?;
    refuse_others(&head)?;
    let text = text_of(&head)?;
    refuse_other_text(text)?;
    let dialect = Dialect::of(text);
    if dialect.named {
        // The line that names the separator is no header.
        let mut byte = [0u8];
        while reader.read(&mut byte)? == 1 && byte != *b"\n" {}
    }
    let names = header(&mut reader, dialect)?;
    let batches = ReaderBuilder::new(names.clone())
        .with_delimiter(dialect.separator)
        .with_batch_size(batch_rows)
        .build(reader)?;
    Ok((names, dialect, batches))
}

/// The rows of a CSV file with a header line; empty fields are null.
///
/// # Errors
/// When there is no readable header, or the file is in another encoding. Later failures come as items.
pub fn csv_batches<R: Read>(reader: R, rows: TableRows) -> Result<impl Iterator<Item = ReadItem>, ReadError> {
    let (names, dialect, batches) = csv_texts(reader, BATCH_ROWS)?;
    refuse_twice(&names, &rows)?;
    Ok(converted(rows, Some(dialect), batches))
}

/// The records of a JSON file, read exactly as from Kafka. What cannot be read is counted.
///
/// # Errors
/// When the file is in another encoding, or one document of columns. Later failures come as items.
pub fn json_batches<R: Read>(
    reader: R,
    rows: &TableRows,
) -> Result<impl Iterator<Item = ReadItem> + use<R>, ReadError> {
    let layout = if rows.timed {
        rows.layout.clone()
    } else {
        RecordLayout { time: None, filters: Vec::new(), ..rows.layout.clone() }
    };
    let mut decoder = JsonDecoder::new(&rows.schema, layout);
    let mut documents = Documents::of(reader)?;
    let mut document = Vec::new();
    let mut done = false;
    let mut offset = 0;
    let mut numbered = 0i64;
    // Without a clock of a broker beside it no event time lies in the future.
    let broker_time = if rows.timed { None } else { Some(EventTime::default()) };
    Ok(std::iter::from_fn(move || {
        if done {
            return None;
        }
        let (mut rejected, mut filtered) = (Rejections::default(), Filtered::default());
        while decoder.rows() < BATCH_ROWS {
            match documents.next(&mut document) {
                Ok(false) => {
                    done = true;
                    break;
                }
                Err(error) => {
                    done = true;
                    return Some(Err(error.into()));
                }
                Ok(true) => {
                    let message = RawMessage { payload: Some(&document), offset, broker_time, clock: None };
                    offset += 1;
                    match decoder.decode(message) {
                        Decoded::Row => {}
                        Decoded::Filtered => filtered.add(decoder.filtered_by()),
                        Decoded::Rejected(reason) => rejected
                            .add(reason, || format!("record {offset}: {}", decoder.explain(message, reason))),
                    }
                }
            }
        }
        let mut batch = decoder.finish();
        number(&mut batch, &mut numbered);
        Some(Ok(ReadBatch { batch, rejected, filtered, cheap: false }))
    }))
}

/// Rows are numbered as they are kept, so that the same rows have the same numbers in every format.
pub(super) fn number(batch: &mut DecodedBatch, next: &mut i64) {
    for offset in &mut batch.offsets {
        *offset = *next;
        *next += 1;
    }
}
