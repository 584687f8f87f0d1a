//! The stored form: one Arrow IPC stream for the counts of a window, one for its record sample.
//!
//! Counts are rows of (column, kind, key, count, offsets, payload), only what is not zero, in a fixed order,
//! so that equal counts give equal bytes. The schema's metadata names the format version, the binning set
//! and the number of records. Version 2 added the moments of numeric values: of the core in one row, of universal buckets in
//! one row each, with a payload of sum and sum of squares (16 bytes each, little-endian). Version 3 has more of the categories
//! that are counted before there is a baseline, and finer buckets of numbers. A checksum follows the stream (readers of Arrow stop before it): what is read back
//! is checked, a database is input too.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Cursor;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};

use xxhash_rust::xxh3::xxh3_64;

use super::stored::{CountRows, StoredRow};
use super::{MAX_COUNT, RecordSample, WindowCounts};
use crate::binning::BinningSet;
use crate::record::MAX_COLUMNS;
use crate::record::arrow_check::{Unpacking, Unsound, check_stream};
use crate::record::isolate::isolated;

/// Version of the stored form; readers refuse newer ones.
pub const FORMAT_VERSION: u32 = 3;

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

pub(super) fn damaged(why: impl Into<Cow<'static, str>>) -> IpcError {
    IpcError::Damaged(why.into())
}

/// What stored counts may unpack to: those of the most columns on the finest bins fit, and what is packed a hundred times.
const UNPACKING: Unpacking = Unpacking { at_least: 64 << 20, times: 100 };

impl WindowCounts {
    /// Writes the counts down.
    ///
    /// # Errors
    /// When Arrow cannot write them.
    pub fn to_ipc(&self) -> Result<Vec<u8>, IpcError> {
        let mut rows = CountRows::default();
        debug_assert!(self.columns.len() <= MAX_COLUMNS, "the schema bounds the number of columns");
        for (column, distribution) in (0u16..).zip(&self.columns) {
            let mut rows = rows.of_column(column);
            distribution.bins.write(&mut rows);
            rows.push_absent(&distribution.absent);
        }
        let (fields, arrays) = rows.into_arrays();
        let schema = Schema::new_with_metadata(
            fields,
            HashMap::from([
                ("driftd.format".to_owned(), self.format().to_string()),
                ("driftd.binning".to_owned(), self.binnings.id().to_string()),
                ("driftd.rows".to_owned(), self.rows.to_string()),
            ]),
        );
        write(&RecordBatch::try_new(Arc::new(schema), arrays)?)
    }

    /// The version that is needed to read the counts: what no column needs is not asked for, so that daemons of the version before
    /// go on reading counts on the bins of a baseline while they are replaced one by one.
    fn format(&self) -> u32 {
        let is_learning = self.columns.iter().any(|column| column.binning().is_universal());
        if is_learning { FORMAT_VERSION } else { FORMAT_VERSION - 1 }
    }

    /// Reads counts back, onto the binning set they were counted on.
    ///
    /// # Errors
    /// When the bytes are damaged, of a newer version, or on other bins.
    pub fn from_ipc(bytes: &[u8], binnings: Arc<BinningSet>) -> Result<Self, IpcError> {
        isolated(|| Self::decoded(bytes, binnings)).unwrap_or_else(|panic| Err(damaged(panic.to_string())))
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
        let mut heavy: Option<&[u8]> = None;
        for row in StoredRow::all(&batch)? {
            let distribution =
                counts.columns.get_mut(row.column).ok_or(damaged("a column outside the binning set"))?;
            match row.kind.absence() {
                Some(place) => row.add_to(distribution.absent.get_mut(place))?,
                None => distribution.bins_mut().read(&row, &mut heavy)?,
            }
        }
        if counts.largest() > MAX_COUNT {
            return Err(damaged("counts that are too large"));
        }
        Ok(counts)
    }
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
        isolated(decoded).unwrap_or_else(|panic| Err(damaged(panic.to_string())))
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
