//! The stored form: one Arrow IPC stream for the counts of a window, one for its record sample.
//!
//! Counts are rows of (column, kind, key, count, offsets, payload), only what is not zero, in a fixed order,
//! so that equal counts give equal bytes. The schema's metadata names the format version, the binning set
//! and the number of records. Version 2 added the moments of numeric values: of the core in one row, of universal buckets in
//! one row each, with a payload of sum and sum of squares (16 bytes each, little-endian). A checksum follows the stream (readers of Arrow stop before it): what is read back
//! is checked, a database is input too.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, Int32Array, Int64Array, RecordBatch, UInt8Array,
    UInt16Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema, UInt8Type, UInt16Type, UInt64Type};
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};

use xxhash_rust::xxh3::xxh3_64;

use super::column::Bins;
use super::moments::Moments;
use super::unseen::{UnseenCategories, UnseenState};
use super::{MAX_COUNT, RecordSample, WindowCounts};
use crate::binning::{BinningSet, universal};
use crate::record::arrow_check::{Unpacking, Unsound, check_stream};
use crate::record::isolate::isolated;
use crate::record::{Absence, MAX_COLUMNS};

/// Version of the stored form; readers refuse newer ones.
pub const FORMAT_VERSION: u32 = 2;

/// Why stored counts could not be read (or, hardly ever, written).
#[derive(Debug, thiserror::Error)]
pub enum IpcError {
    /// The bytes are not what Arrow IPC looks like.
    #[error("stored counts are not readable as Arrow IPC: {0}")]
    Arrow(#[from] ArrowError),
    /// Written by a newer driftd.
    #[error(
        "stored counts have format version {found}, this driftd reads up to {FORMAT_VERSION}\nhint: update driftd"
    )]
    Version {
        /// The version found; empty when there is none.
        found: String,
    },
    /// Counted on other bins than expected.
    #[error("stored counts are on binning {found}, expected {expected}")]
    Binning {
        /// The binning set the counts name.
        found: String,
        /// The binning set given.
        expected: uuid::Uuid,
    },
    /// Readable, but not what was ever written.
    #[error("stored counts are damaged: {0}")]
    Damaged(Cow<'static, str>),
}

fn damaged(why: impl Into<Cow<'static, str>>) -> IpcError {
    IpcError::Damaged(why.into())
}

/// What stored counts may unpack to: those of the most columns on the finest bins fit, and what is packed a hundred times.
const UNPACKING: Unpacking = Unpacking { at_least: 64 << 20, times: 100 };

const KIND_BIN: u8 = 0;
const KIND_VECTORS: u8 = 50;
const KIND_MOMENTS: u8 = 60;
/// Cells of the first zone; those of the others follow.
const KIND_CELL: u8 = 61;
const KIND_UNIVERSAL_MOMENTS: u8 = 70;
const KIND_UNSEEN_CATEGORY: u8 = 100;
const KIND_UNSEEN_HEAVY: u8 = 101;
const KIND_UNSEEN_DISTINCT: u8 = 102;

#[derive(Default)]
struct Rows {
    column: Vec<u16>,
    kind: Vec<u8>,
    key: Vec<i32>,
    count: Vec<u64>,
    offsets: Vec<i64>,
    payload: BinaryBuilder,
}

impl Rows {
    fn push(&mut self, column: u16, kind: u8, key: i32, count: u64, offsets: i64, payload: Option<&[u8]>) {
        self.column.push(column);
        self.kind.push(kind);
        self.key.push(key);
        self.count.push(count);
        self.offsets.push(offsets);
        self.payload.append_option(payload);
    }

    fn push_moments(&mut self, column: u16, kind: u8, key: i32, moments: &Moments) {
        if moments.count > 0 {
            let mut payload = [0; 32];
            let (sum, squares) = payload.split_at_mut(16);
            sum.copy_from_slice(&moments.sum.to_le_bytes());
            squares.copy_from_slice(&moments.squares.to_le_bytes());
            self.push(column, kind, key, moments.count, 0, Some(&payload));
        }
    }
}

/// Reads what `push_moments` wrote.
fn moments_of(count: u64, payload: &[u8]) -> Result<Moments, IpcError> {
    let halves = payload.split_first_chunk::<16>().and_then(|(sum, rest)| Some((sum, rest.first_chunk::<16>()?)));
    let (sum, squares) = halves.ok_or(damaged("moments that are too short"))?;
    let moments = Moments { count, sum: i128::from_le_bytes(*sum), squares: u128::from_le_bytes(*squares) };
    if moments.is_plausible() { Ok(moments) } else { Err(damaged("moments that no values have")) }
}

/// The key of a universal bucket.
fn bucket_of(key: i32) -> Result<i32, IpcError> {
    if universal::is_bucket(key) { Ok(key) } else { Err(damaged("a bucket that no value has")) }
}

/// Adds a stored count; a sum that does not fit was never counted.
fn add(total: &mut u64, count: u64) -> Result<(), IpcError> {
    *total = total.checked_add(count).ok_or(damaged("counts that are too large"))?;
    Ok(())
}

fn key_of(bin: usize) -> i32 {
    i32::try_from(bin).unwrap_or(i32::MAX)
}

impl WindowCounts {
    /// Writes the counts down.
    ///
    /// # Errors
    /// When Arrow cannot write them.
    pub fn to_ipc(&self) -> Result<Vec<u8>, IpcError> {
        let mut rows = Rows::default();
        debug_assert!(self.columns.len() <= MAX_COLUMNS, "the schema bounds the number of columns");
        for (column, distribution) in (0u16..).zip(&self.columns) {
            match &distribution.bins {
                Bins::Numeric { counts, offsets, detail } => {
                    for (bin, count) in counts.touched() {
                        let offset = offsets.get(bin).copied().unwrap_or(0);
                        rows.push(column, KIND_BIN, key_of(bin), count, offset, None);
                    }
                    rows.push_moments(column, KIND_MOMENTS, 0, &detail.core);
                    for (kind, cells) in (KIND_CELL..).zip(&detail.cells) {
                        for (bucket, moments) in cells {
                            rows.push_moments(column, kind, *bucket, moments);
                        }
                    }
                }
                Bins::Vectors { count, sums } => {
                    rows.push(column, KIND_VECTORS, 0, *count, 0, None);
                    for (place, sum) in sums.iter().enumerate().filter(|(_, sum)| **sum != 0) {
                        rows.push(column, KIND_BIN, key_of(place), 0, *sum, None);
                    }
                }
                Bins::Universal { counts, moments } => {
                    for (bucket, count) in counts {
                        rows.push(column, KIND_BIN, *bucket, *count, 0, None);
                    }
                    for (bucket, moments) in moments {
                        rows.push_moments(column, KIND_UNIVERSAL_MOMENTS, *bucket, moments);
                    }
                }
                Bins::Categorical { counts, unseen } => {
                    for (bin, count) in counts.touched() {
                        rows.push(column, KIND_BIN, key_of(bin), count, 0, None);
                    }
                    match unseen.state() {
                        UnseenState::Exact(categories) => {
                            for (category, count) in categories {
                                rows.push(column, KIND_UNSEEN_CATEGORY, 0, count, 0, Some(category.as_bytes()));
                            }
                        }
                        UnseenState::Sketched(heavy, distinct) => {
                            rows.push(column, KIND_UNSEEN_HEAVY, 0, 0, 0, Some(&heavy));
                            rows.push(column, KIND_UNSEEN_DISTINCT, 0, 0, 0, Some(&distinct));
                        }
                    }
                }
            }
            for (code, count) in (1u8..).zip(&distribution.absent) {
                if *count > 0 {
                    rows.push(column, code, 0, *count, 0, None);
                }
            }
        }
        let schema = Schema::new_with_metadata(
            vec![
                Field::new("column", DataType::UInt16, false),
                Field::new("kind", DataType::UInt8, false),
                Field::new("key", DataType::Int32, false),
                Field::new("count", DataType::UInt64, false),
                Field::new("offsets", DataType::Int64, false),
                Field::new("payload", DataType::Binary, true),
            ],
            HashMap::from([
                ("driftd.format".to_owned(), FORMAT_VERSION.to_string()),
                ("driftd.binning".to_owned(), self.binnings.id().to_string()),
                ("driftd.rows".to_owned(), self.rows.to_string()),
            ]),
        );
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(UInt16Array::from(rows.column)),
            Arc::new(UInt8Array::from(rows.kind)),
            Arc::new(Int32Array::from(rows.key)),
            Arc::new(UInt64Array::from(rows.count)),
            Arc::new(Int64Array::from(rows.offsets)),
            Arc::new(rows.payload.finish()),
        ];
        write(&RecordBatch::try_new(Arc::new(schema), arrays)?)
    }

    /// Reads counts back, onto the binning set they were counted on.
    ///
    /// # Errors
    /// When the bytes are damaged, of a newer version, or on other bins.
    pub fn from_ipc(bytes: &[u8], binnings: Arc<BinningSet>) -> Result<Self, IpcError> {
        isolated(|| Self::decoded(bytes, binnings)).unwrap_or_else(|why| Err(damaged(why)))
    }

    fn decoded(bytes: &[u8], binnings: Arc<BinningSet>) -> Result<Self, IpcError> {
        let batch = read(bytes)?;
        let schema = batch.schema();
        let metadata = |key: &str| schema.metadata().get(key).cloned().unwrap_or_default();
        let version = metadata("driftd.format");
        if version.parse::<u32>().map_or(true, |version| version == 0 || version > FORMAT_VERSION) {
            return Err(IpcError::Version { found: version });
        }
        let binning = metadata("driftd.binning");
        if binning != binnings.id().to_string() {
            return Err(IpcError::Binning { found: binning, expected: binnings.id() });
        }
        let rows = metadata("driftd.rows").parse().map_err(|_| damaged("no number of records"))?;
        let mut counts = Self::empty(binnings);
        counts.rows = rows;
        let missing = || damaged("a column of the stored form is missing");
        let columns =
            batch.column_by_name("column").and_then(|c| c.as_primitive_opt::<UInt16Type>()).ok_or_else(missing)?;
        let kinds =
            batch.column_by_name("kind").and_then(|c| c.as_primitive_opt::<UInt8Type>()).ok_or_else(missing)?;
        let keys =
            batch.column_by_name("key").and_then(|c| c.as_primitive_opt::<Int32Type>()).ok_or_else(missing)?;
        let values =
            batch.column_by_name("count").and_then(|c| c.as_primitive_opt::<UInt64Type>()).ok_or_else(missing)?;
        let offsets =
            batch.column_by_name("offsets").and_then(|c| c.as_primitive_opt::<Int64Type>()).ok_or_else(missing)?;
        let payloads =
            batch.column_by_name("payload").and_then(|c| c.as_binary_opt::<i32>()).ok_or_else(missing)?;
        let mut heavy: Option<&[u8]> = None;
        for row in 0..batch.num_rows() {
            let distribution = counts
                .columns
                .get_mut(usize::from(columns.value(row)))
                .ok_or(damaged("a column outside the binning set"))?;
            let (kind, key, count) = (kinds.value(row), keys.value(row), values.value(row));
            match (kind, &mut distribution.bins) {
                (KIND_BIN, Bins::Universal { counts, .. }) => {
                    add(counts.entry(bucket_of(key)?).or_insert(0), count)?;
                }
                (KIND_UNIVERSAL_MOMENTS, Bins::Universal { moments, .. }) => {
                    let moments = moments.entry(bucket_of(key)?).or_default();
                    moments.merge(&moments_of(count, payload(payloads, row)?)?);
                }
                (KIND_MOMENTS, Bins::Numeric { detail, .. }) => {
                    detail.core.merge(&moments_of(count, payload(payloads, row)?)?);
                }
                (kind, Bins::Numeric { detail, .. })
                    if (KIND_CELL..).zip(0..detail.cells.len()).any(|(code, _)| code == kind) =>
                {
                    if let Some(cells) = detail.cells.get_mut(usize::from(kind - KIND_CELL)) {
                        let moments = cells.entry(bucket_of(key)?).or_default();
                        moments.merge(&moments_of(count, payload(payloads, row)?)?);
                    }
                }
                (KIND_BIN, Bins::Numeric { counts, offsets: sums, .. }) => {
                    let bin = usize::try_from(key).unwrap_or(usize::MAX);
                    add(counts.get_mut(bin).ok_or(damaged("a bin outside the binning"))?, count)?;
                    let sum = sums.get_mut(bin).ok_or(damaged("a bin outside the binning"))?;
                    *sum = sum.saturating_add(offsets.value(row));
                }
                (KIND_BIN, Bins::Categorical { counts, .. }) => {
                    let bin = usize::try_from(key).unwrap_or(usize::MAX);
                    add(counts.get_mut(bin).ok_or(damaged("a bin outside the binning"))?, count)?;
                }
                (KIND_VECTORS, Bins::Vectors { count: vectors, .. }) => add(vectors, count)?,
                (KIND_BIN, Bins::Vectors { sums, .. }) => {
                    let place = usize::try_from(key).unwrap_or(usize::MAX);
                    let sum = sums.get_mut(place).ok_or(damaged("a sum outside the binning"))?;
                    *sum = sum.saturating_add(offsets.value(row));
                }
                (KIND_UNSEEN_CATEGORY, Bins::Categorical { unseen, .. }) => {
                    let text = std::str::from_utf8(payload(payloads, row)?)
                        .map_err(|_| damaged("a category that is not text"))?;
                    unseen.add(text, count);
                }
                (KIND_UNSEEN_HEAVY, Bins::Categorical { .. }) => heavy = Some(payload(payloads, row)?),
                (KIND_UNSEEN_DISTINCT, Bins::Categorical { unseen, .. }) => {
                    let heavy = heavy.take().ok_or(damaged("half of the unseen categories"))?;
                    **unseen = UnseenCategories::from_sketches(heavy, payload(payloads, row)?)
                        .ok_or(damaged("unreadable sketches of unseen categories"))?;
                }
                (code, _) if (1..=Absence::ALL.len()).contains(&usize::from(code)) => {
                    if let Some(counter) = distribution.absent.get_mut(usize::from(code) - 1) {
                        add(counter, count)?;
                    }
                }
                _ => return Err(damaged("an unknown kind of count")),
            }
        }
        if counts.largest() > MAX_COUNT {
            return Err(damaged("counts that are too large"));
        }
        Ok(counts)
    }
}

fn payload(payloads: &BinaryArray, row: usize) -> Result<&[u8], IpcError> {
    if payloads.is_valid(row) { Ok(payloads.value(row)) } else { Err(damaged("a payload is missing")) }
}

impl RecordSample {
    /// Writes the sample down; `None` when it is empty.
    ///
    /// # Errors
    /// When Arrow cannot write it.
    pub fn to_ipc(&mut self) -> Result<Option<Vec<u8>>, IpcError> {
        match self.rows() {
            Some(rows) if rows.num_rows() > 0 => write(rows).map(Some),
            _ => Ok(None),
        }
    }

    /// Reads a sample back.
    ///
    /// # Errors
    /// When the bytes are damaged.
    pub fn from_ipc(bytes: &[u8], size: usize) -> Result<Self, IpcError> {
        let decoded = || Self::from_rows(size, &read(bytes)?).ok_or(damaged("not a record sample"));
        isolated(decoded).unwrap_or_else(|why| Err(damaged(why)))
    }
}

fn write(batch: &RecordBatch) -> Result<Vec<u8>, IpcError> {
    // Counts are small numbers in wide columns: compression takes most of them away.
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD))?;
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options)?;
    writer.write(batch)?;
    writer.finish()?;
    let mut bytes = writer.into_inner()?;
    let checksum = xxh3_64(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

fn read(bytes: &[u8]) -> Result<RecordBatch, IpcError> {
    let (stream, checksum) = bytes.split_last_chunk::<8>().ok_or(damaged("shorter than its checksum"))?;
    if xxh3_64(stream) != u64::from_le_bytes(*checksum) {
        return Err(damaged("the checksum is wrong"));
    }
    // A right checksum says that nobody erred, not that nobody wrote it: what the decoder would trust is checked before.
    check_stream(&mut Cursor::new(stream), UNPACKING).map_err(|error| match error {
        Unsound::Io(error) => IpcError::Arrow(error.into()),
        Unsound::Damaged(why) => damaged(why),
    })?;
    let mut reader = StreamReader::try_new(Cursor::new(stream), None)?;
    reader.next().ok_or(damaged("no batch"))?.map_err(IpcError::from)
}
