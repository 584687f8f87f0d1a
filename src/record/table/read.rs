//! Rows from files, batch by batch.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::{DataType, FieldRef, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::reader::ChunkReader;

use super::TableRows;
use super::convert::{Converter, is_text, parts};
use super::dialect::{TableDialect, header};
use super::documents::{Documents, NextDocument};
use super::error::ReadError;
use super::format::{OTHER_ENCODING, peeked, refuse_others, text_of};
use super::parquet_check::check_parquet;
use super::text::{BATCH_BYTES, Texts, batch_rows};
use crate::record::arrow_check::{Unpacking, Unsound, check_file, check_stream};
use crate::record::isolate::isolated;
use crate::record::{
    Decoded, DecodedBatch, EventTime, Filtered, JsonDecoder, Offset, RawMessage, RecordLayout, RejectReason,
    Rejections,
};

/// Columns of a file, fields of its records, that are read at most.
pub const MAX_FILE_COLUMNS: usize = 10_000;
/// What a batch of an Arrow file may unpack to: as much as fits a small machine, and a hundred times what it takes packed.
const UNPACKING: Unpacking = Unpacking { at_least: 1 << 30, times: 100 };

/// Rows of a batch when reading files.
pub(super) const BATCH_ROWS: usize = 8_192;

/// A batch of rows, and the rows around it that are not in it.
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

/// Items of a decoder that may panic on damaged bytes; it is not asked again after an error.
fn guarded<T>(
    format: &'static str,
    items: impl Iterator<Item = Result<T, ReadError>>,
) -> impl Iterator<Item = Result<T, ReadError>> {
    let mut items = Some(items);
    std::iter::from_fn(move || {
        let item = guard(format, || items.as_mut().and_then(Iterator::next).transpose()).transpose();
        if !matches!(item, Some(Ok(_))) {
            items = None;
        }
        item
    })
}

/// Runs a decoder that may panic on damaged bytes.
pub(super) fn guard<T>(format: &'static str, work: impl FnOnce() -> Result<T, ReadError>) -> Result<T, ReadError> {
    isolated(work).unwrap_or_else(|panic| Err(ReadError::Damaged { format, why: panic.to_string() }))
}

fn converted(
    format: &'static str,
    rows: TableRows,
    untyped: Option<TableDialect>,
    batches: impl Iterator<Item = Result<RecordBatch, ReadError>>,
) -> impl Iterator<Item = ReadItem> {
    let mut converter = Converter::new(rows.clone(), untyped);
    let parts = batches.flat_map(move |batch| {
        let cut = batch.and_then(|batch| Ok((parts(&batch, &rows)?, batch)));
        let (whole, error) = match cut {
            Ok(whole) => (Some(whole), None),
            Err(error) => (None, Some(Err(error))),
        };
        let slice = |(parts, batch): (Vec<Range<usize>>, RecordBatch)| {
            parts.into_iter().map(move |part| Ok(batch.slice(part.start, part.len())))
        };
        whole.into_iter().flat_map(slice).chain(error)
    });
    guarded(format, parts.map(move |batch| Ok(converter.convert(&batch?)?)))
}

fn text_error(error: ArrowError) -> ReadError {
    let text = error.to_string();
    if text.contains("UTF-8") {
        return OTHER_ENCODING;
    }
    // The reader counts lines from the part of the file that it was given: no line is better than a wrong one.
    match text.split_once("incorrect number of fields for line ").and_then(|(_, rest)| rest.split_once(", ")) {
        Some((_, fields)) => ReadError::Damaged {
            format: CSV,
            why: format!("a row has another number of fields than the header: {fields}"),
        },
        None => error.into(),
    }
}

const ARROW: &str = "Arrow";
const CSV: &str = "CSV";
const JSON: &str = "JSON";
const PARQUET: &str = "Parquet";

/// An error of a decoder after all sizes were found to be right: what is there is not what was written. That of Parquet wraps its
/// own errors in those of Arrow.
fn decoding(format: &'static str) -> impl Fn(ArrowError) -> ReadError {
    move |error| match error {
        ArrowError::NotYetImplemented(_) => ReadError::Arrow(error),
        ArrowError::IoError(_, error) => ReadError::Io(error),
        error => ReadError::Damaged { format, why: error.to_string() },
    }
}

fn unsound(format: &'static str) -> impl Fn(Unsound) -> ReadError {
    move |error| match error {
        Unsound::Io(error) => ReadError::Io(error),
        Unsound::Damaged(why) => ReadError::Damaged { format, why },
    }
}

/// Refuses a file of more columns than are read.
pub(super) fn refuse_too_wide(columns: usize) -> Result<(), ReadError> {
    if columns > MAX_FILE_COLUMNS { Err(ReadError::TooWide { columns }) } else { Ok(()) }
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

/// How many rows a Parquet file says that it has; `None` when it is none.
pub fn parquet_rows<R: ChunkReader + 'static>(reader: R) -> Option<u64> {
    u64::try_from(parquet_builder(reader).ok()?.metadata().file_metadata().num_rows()).ok()
}

/// Opens a Parquet file. Writers note which columns were dictionaries in memory, which the reader can only make of text:
/// others are read as what they are in the file. Text is read as views of the pages it is in.
pub(super) fn parquet_builder<R: ChunkReader + 'static>(
    reader: R,
) -> Result<ParquetRecordBatchReaderBuilder<R>, ReadError> {
    guard(PARQUET, || {
        let metadata = ArrowReaderMetadata::load(&reader, ArrowReaderOptions::new())?;
        let schema = metadata.schema();
        refuse_too_wide(schema.fields().len())?;
        if schema.fields().iter().all(|field| plain(field) == *field) {
            return Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(reader, metadata));
        }
        let fields: Fields = schema.fields().iter().map(plain).collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        let options = ArrowReaderOptions::new().with_schema(schema);
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)?;
        Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(reader, metadata))
    })
}

/// The field as it is read: text as views, and no dictionaries.
fn plain(field: &FieldRef) -> FieldRef {
    let of = |kind: DataType| Arc::new(field.as_ref().clone().with_data_type(kind));
    match field.data_type() {
        kind if is_text(kind) => of(DataType::Utf8View),
        DataType::Dictionary(_, values) => of(values.as_ref().clone()),
        DataType::Struct(fields) => of(DataType::Struct(fields.iter().map(plain).collect())),
        DataType::List(item) => of(DataType::List(plain(item))),
        _ => Arc::clone(field),
    }
}

/// Batches of a file as they are read.
pub(super) type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ReadError>>>;

/// The batches of a Parquet file, of its columns `roots` alone, after what they are made of was checked.
pub(super) fn parquet_parts<R: ChunkReader + Clone + 'static>(
    reader: &R,
    roots: Option<&TableRows>,
    limit: Option<usize>,
) -> Result<(SchemaRef, Option<u64>, Batches), ReadError> {
    guard(PARQUET, || {
        let builder = parquet_builder(reader.clone())?;
        let schema = builder.schema().clone();
        let mask = match roots {
            Some(rows) => {
                refuse_twice(&schema, rows)?;
                ProjectionMask::roots(builder.parquet_schema(), rows.roots(schema.fields()))
            }
            None => ProjectionMask::all(),
        };
        let metadata = builder.metadata();
        check_parquet(reader, metadata, |leaf| mask.leaf_included(leaf)).map_err(unsound(PARQUET))?;
        let all = u64::try_from(metadata.file_metadata().num_rows()).ok();
        let leaves = (0..builder.parquet_schema().num_columns()).filter(|leaf| mask.leaf_included(*leaf)).count();
        let rows = batch_rows(leaves, limit.unwrap_or(BATCH_ROWS));
        let builder = builder.with_batch_size(rows).with_projection(mask);
        let builder = match limit {
            Some(limit) => builder.with_limit(limit),
            None => builder,
        };
        let batches = builder.build()?.map(|batch| batch.map_err(decoding(PARQUET)));
        Ok((schema, all, Box::new(guarded(PARQUET, batches)) as Batches))
    })
}

/// The rows of a Parquet file; columns that are not asked for are not read.
///
/// # Errors
/// When the file is not Parquet. Later failures come as items.
pub fn parquet_batches<R: ChunkReader + Clone + 'static>(
    reader: &R,
    rows: TableRows,
) -> Result<impl Iterator<Item = ReadItem> + use<R>, ReadError> {
    let (_, _, batches) = parquet_parts(reader, Some(&rows), None)?;
    Ok(converted(PARQUET, rows, None, batches))
}

/// The batches of an Arrow file or stream, after the sizes in it were checked.
pub(super) fn arrow_parts<R: Read + Seek + 'static>(mut reader: R) -> Result<(SchemaRef, Batches), ReadError> {
    let mut magic = Vec::new();
    reader.by_ref().take(4).read_to_end(&mut magic)?;
    let is_stream = magic == [0xff; 4];
    guard(ARROW, || {
        let check =
            if is_stream { check_stream(&mut reader, UNPACKING) } else { check_file(&mut reader, UNPACKING) };
        check.map_err(unsound(ARROW))?;
        reader.seek(SeekFrom::Start(0))?;
        let reader: Box<dyn RecordBatchReader> = if is_stream {
            Box::new(StreamReader::try_new(reader, None).map_err(decoding(ARROW))?)
        } else {
            Box::new(FileReader::try_new(reader, None).map_err(decoding(ARROW))?)
        };
        let schema = reader.schema();
        refuse_too_wide(schema.fields().len())?;
        let batches = reader.map(|batch| batch.map_err(decoding(ARROW)));
        Ok((schema, Box::new(guarded(ARROW, batches)) as Batches))
    })
}

/// The rows of an Arrow IPC file or stream.
///
/// # Errors
/// When it is neither. Later failures come as items.
pub fn arrow_batches<R: Read + Seek + 'static>(
    reader: R,
    rows: TableRows,
) -> Result<impl Iterator<Item = ReadItem>, ReadError> {
    let (schema, batches) = arrow_parts(reader)?;
    refuse_twice(&schema, &rows)?;
    Ok(converted(ARROW, rows, None, batches))
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
    most: usize,
) -> Result<(SchemaRef, TableDialect, impl Iterator<Item = Result<RecordBatch, ReadError>>), ReadError> {
    let (head, mut reader) = peeked(reader)?;
    refuse_others(&head)?;
    let text = text_of(&head)?;
    refuse_other_text(text)?;
    let dialect = TableDialect::of(text);
    if dialect.named {
        // The line that names the separator is no header.
        let mut byte = [0u8];
        while reader.read(&mut byte)? == 1 && byte != *b"\n" {}
    }
    let names = header(&mut reader, dialect)?;
    let batches = Texts::new(reader, &names, dialect, text, most).map(|batch| batch.map_err(text_error));
    Ok((names, dialect, guarded(CSV, batches)))
}

/// The rows of a CSV file with a header line; empty fields are null.
///
/// # Errors
/// When there is no readable header, or the file is in another encoding. Later failures come as items.
pub fn csv_batches<R: Read>(reader: R, rows: TableRows) -> Result<impl Iterator<Item = ReadItem>, ReadError> {
    let (names, dialect, batches) = csv_texts(reader, BATCH_ROWS)?;
    refuse_twice(&names, &rows)?;
    Ok(converted(CSV, rows, Some(dialect), batches))
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
    let mut documents = Documents::of(reader)?.up_to(layout.max_message_bytes);
    let mut decoder = JsonDecoder::new(&rows.schema, layout);
    let most = batch_rows(rows.schema.columns().len(), BATCH_ROWS);
    let mut document = Vec::new();
    let mut done = false;
    let mut offset = 0;
    let mut numbered = Offset::default();
    // Without a clock of a broker beside it no event time lies in the future.
    let broker_time = if rows.timed { None } else { Some(EventTime::default()) };
    let batches = std::iter::from_fn(move || {
        if done {
            return None;
        }
        let (mut rejected, mut filtered) = (Rejections::default(), Filtered::default());
        let mut bytes = 0usize;
        while decoder.rows() < most && bytes < BATCH_BYTES {
            match documents.next(&mut document) {
                Ok(NextDocument::End) => {
                    done = true;
                    break;
                }
                Err(error) => {
                    done = true;
                    return Some(Err(error.into()));
                }
                Ok(NextDocument::TooLong) => {
                    offset += 1;
                    rejected.add(RejectReason::TooBig, || {
                        format!("record {offset}: it has more than {} bytes", documents.longest())
                    });
                }
                Ok(NextDocument::Document) => {
                    let message = RawMessage {
                        payload: Some(&document),
                        offset: Offset::new(offset),
                        broker_time,
                        clock: None,
                        ..RawMessage::default()
                    };
                    offset += 1;
                    bytes = bytes.saturating_add(document.len());
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
    });
    Ok(guarded(JSON, batches))
}

/// Rows are numbered as they are kept, so that the same rows have the same numbers in every format.
pub(super) fn number(batch: &mut DecodedBatch, next: &mut Offset) {
    for offset in &mut batch.offsets {
        *offset = *next;
        *next = next.after();
    }
}
