//! Arrow batches of any file, brought into the shape of decoded records.

use std::ops::Range;

use arrow::array::{Array as _, AsArray as _, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{cast, filter_record_batch, take_record_batch};
use arrow::datatypes::{DataType, Fields, SchemaRef};

use super::TableRows;
use super::dialect::TableDialect;
use super::locate::{LocatedValues, locate, root};
use super::read::{BATCH_ROWS, ReadBatch, number};
use super::text::batch_rows;
use super::values::{Wanted, for_each};
use crate::record::batch::{BuiltColumn, ColumnBuilder, RowsBeside};
use crate::record::value::{Value, canonical};
use crate::record::{
    DecodedBatch, Derivation, Dictionary, EventTime, FieldPath, Filtered, Offset, RejectReason, Rejections,
    arrow_schema, listed, nearest,
};

/// Why a file does not fit what is declared.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// What is needed beside the columns is not in the file.
    #[error("{what} `{path}` is not in the file, which has: {available}{}", hint(path, .near.as_deref()))]
    MissingPath {
        /// What lies there, such as "the event time".
        what: &'static str,
        path: String,
        /// The columns of the file.
        available: String,
        /// The column that was probably meant.
        near: Option<String>,
    },
    /// Arrow could not build the batch.
    #[error("column cannot be converted: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
}

fn hint(path: &str, near: Option<&str>) -> String {
    let Some(near) = near else { return String::new() };
    // A flat file: the path is right for records from Kafka.
    let flat = path.rsplit_once('.').is_some_and(|(_, name)| name == near);
    let flat = if flat { " `--by-name` reads flat training data by the names in the monitor" } else { "" };
    format!("\nhint: did you mean `{near}`?{flat}")
}

/// Names of columns in a message, at most.
const NAMES: usize = 30;

/// Turns the batches of one file into decoded rows.
pub(super) struct Converter {
    rows: TableRows,
    schema: SchemaRef,
    /// How text stands for other types, where the format has text only.
    untyped: Option<TableDialect>,
    /// What each filter wants, as a category.
    wanted: Vec<String>,
    next: Offset,
    row: u64,
}

impl TableRows {
    /// Every path that is read.
    pub(super) fn paths(&self) -> impl Iterator<Item = &FieldPath> {
        self.schema.columns().iter().map(|column| &column.path).chain(self.needed())
    }

    /// The paths without which a file is refused.
    fn needed(&self) -> impl Iterator<Item = &FieldPath> {
        let layout = &self.layout;
        let beside = layout.time.iter().chain(&layout.version).chain(layout.filters.iter().map(|(path, _)| path));
        layout.segments.iter().map(|(_, path)| path).chain(beside.filter(|_| self.timed))
    }

    /// The fields of a file in which these paths begin. All of them when one that is needed is not there: the refusal lists
    /// what is.
    pub(super) fn roots(&self, fields: &Fields) -> Vec<usize> {
        if self.needed().any(|path| root(fields, path).is_none()) {
            return (0..fields.len()).collect();
        }
        self.paths().filter_map(|path| root(fields, path)).map(|(index, _)| index).collect()
    }
}

impl Converter {
    pub(super) fn new(rows: TableRows, untyped: Option<TableDialect>) -> Self {
        let wanted = rows.layout.filters.iter().map(|(_, expected)| canonical(expected)).collect();
        Self { schema: arrow_schema(&rows.schema), rows, untyped, wanted, next: Offset::default(), row: 0 }
    }

    pub(super) fn convert(&mut self, batch: &RecordBatch) -> Result<ReadBatch, ConvertError> {
        let cheap = self.untyped.is_none();
        let (mut filtered, mut rejected) = (Filtered::default(), Rejections::default());
        if !self.rows.timed {
            let batch = self.decoded(batch, vec![EventTime::default(); batch.num_rows()])?;
            return Ok(ReadBatch { batch, rejected, filtered, cheap });
        }
        let read = batch.num_rows() as u64;
        let numbers = UInt32Array::from_iter_values((0u32..).take(batch.num_rows()));
        let (batch, numbers) = self.filter(batch, numbers, &mut filtered)?;
        let times = self.times(&batch, &numbers, &mut rejected)?;
        self.row += read;
        let readable: BooleanArray = times.iter().map(|time| Some(time.is_some())).collect();
        let batch = filter_record_batch(&batch, &readable)?;
        let batch = self.decoded(&batch, times.into_iter().flatten().collect())?;
        Ok(ReadBatch { batch, rejected, filtered, cheap })
    }

    fn decoded(&mut self, batch: &RecordBatch, times: Vec<EventTime>) -> Result<DecodedBatch, ConvertError> {
        let rows = times.len();
        let columns = self
            .rows
            .schema
            .columns()
            .iter()
            .map(|column| {
                let mut builder = ColumnBuilder::new(column);
                match locate(batch, &column.path)? {
                    Some(found) => each(&found, Wanted::of(column), self.untyped, |value| builder.push(value))?,
                    None => (0..rows).for_each(|_| builder.push(Value::Missing)),
                }
                Ok(builder.finish())
            })
            .collect::<Result<Vec<BuiltColumn>, ConvertError>>()?;
        let mut scratch = String::new();
        let mut segments = Vec::new();
        for (_, path) in &self.rows.layout.segments {
            let mut labels = Dictionary::default();
            let values = Self::needed(batch, "the segment", path)?;
            each(&values, Wanted::Category, self.untyped, |value| labels.push_segment(value, &mut scratch))?;
            segments.push(labels);
        }
        let mut versions = Dictionary::default();
        match self.rows.layout.version.as_ref().filter(|_| self.rows.timed) {
            Some(path) => {
                let values = Self::needed(batch, "the model version", path)?;
                each(&values, Wanted::Category, self.untyped, |value| versions.push_version(value, &mut scratch))?;
            }
            None => (0..rows).for_each(|_| versions.push("")),
        }
        let beside = RowsBeside {
            times,
            offsets: vec![Offset::default(); rows],
            records: vec![0; rows],
            versions,
            segments,
        };
        let mut decoded = DecodedBatch::of(&self.schema, columns, beside);
        number(&mut decoded, &mut self.next);
        Ok(decoded)
    }

    /// The rows that have the values that records must have, with their numbers in the batch.
    fn filter(
        &self,
        batch: &RecordBatch,
        mut numbers: UInt32Array,
        filtered: &mut Filtered,
    ) -> Result<(RecordBatch, UInt32Array), ConvertError> {
        let mut batch = batch.clone();
        for ((path, _), expected) in self.rows.layout.filters.iter().zip(&self.wanted) {
            let values = Self::needed(&batch, "the field of the filter", path)?;
            let hides = self.hides(path);
            let mut kept: Vec<u32> = Vec::with_capacity(batch.num_rows());
            let (mut text, mut row) = (String::new(), 0u32);
            each(&values, Wanted::Category, self.untyped, |value| {
                if value.category(&mut text).is_ok() && text == *expected {
                    kept.push(row);
                } else {
                    let shown = if hides { "another value".to_owned() } else { value.shown() };
                    filtered.add(Some((path, shown)));
                }
                row += 1;
            })?;
            if kept.len() < batch.num_rows() {
                let kept = UInt32Array::from(kept);
                batch = take_record_batch(&batch, &kept)?;
                numbers =
                    kept.values().iter().filter_map(|row| numbers.values().get(*row as usize)).copied().collect();
            }
        }
        Ok((batch, numbers))
    }

    fn times(
        &self,
        batch: &RecordBatch,
        numbers: &UInt32Array,
        rejected: &mut Rejections,
    ) -> Result<Vec<Option<EventTime>>, ConvertError> {
        let Some(path) = &self.rows.layout.time else { return Ok(vec![None; batch.num_rows()]) };
        let values = Self::needed(batch, "the event time", path)?;
        let format = self.rows.layout.time_format;
        let mut times = Vec::with_capacity(batch.num_rows());
        each(&values, Wanted::Time, self.untyped, |value| {
            let time = value.event_time(format);
            if time.is_none() {
                rejected.add(RejectReason::BadTimestamp, || {
                    let row = numbers.values().get(times.len()).map_or(0, |row| self.row + u64::from(*row) + 1);
                    format!("record {row}: {}", format.refusal(&path.to_string(), value, self.hides(path)))
                });
            }
            times.push(time);
        })?;
        Ok(times)
    }

    /// Whether the values at a path are those of a sensitive column.
    fn hides(&self, path: &FieldPath) -> bool {
        self.rows.schema.columns().iter().any(|column| column.sensitive && column.path == *path)
    }

    fn needed(batch: &RecordBatch, what: &'static str, path: &FieldPath) -> Result<LocatedValues, ConvertError> {
        locate(batch, path)?.ok_or_else(|| {
            let leaves = super::locate::leaves(batch.schema_ref().fields());
            let names: Vec<String> = leaves.iter().map(|(path, _)| path.to_string()).collect();
            ConvertError::MissingPath {
                what,
                path: path.to_string(),
                near: nearest(&path.to_string(), names.iter().map(String::as_str)).map(str::to_owned),
                available: listed(&names, NAMES),
            }
        })
    }
}

/// Text of which words are taken, of the rows that are converted at once: about this many bytes.
const PART_BYTES: usize = 64 << 20;

/// The rows of a batch that are converted at once: files may have batches of millions of rows, and one long text may stand
/// in all of them.
pub(super) fn parts(batch: &RecordBatch, rows: &TableRows) -> Result<Vec<Range<usize>>, ConvertError> {
    let columns = rows.schema.columns();
    let most = batch_rows(columns.len(), BATCH_ROWS);
    let mut lengths = vec![0usize; 0];
    for column in columns.iter().filter(|column| column.derivation == Derivation::Tokens) {
        if let Some(found) = locate(batch, &column.path)?.filter(|found| is_text(found.array.data_type())) {
            lengths.resize(batch.num_rows(), 0);
            let texts = cast(&found.array, &DataType::Utf8View)?;
            for (length, text) in lengths.iter_mut().zip(texts.as_string_view()) {
                *length = length.saturating_add(text.map_or(0, str::len));
            }
        }
    }
    let mut parts = Vec::new();
    let (mut start, mut bytes) = (0, 0usize);
    for row in 0..batch.num_rows() {
        let length = lengths.get(row).copied().unwrap_or(0);
        if row > start && (row - start >= most || bytes.saturating_add(length) > PART_BYTES) {
            parts.push(start..row);
            (start, bytes) = (row, 0);
        }
        bytes = bytes.saturating_add(length);
    }
    if start < batch.num_rows() {
        parts.push(start..batch.num_rows());
    }
    Ok(parts)
}

/// Calls `take` with the value of each row: missing where the object around it is not there.
fn each(
    located: &LocatedValues,
    wanted: Wanted,
    untyped: Option<TableDialect>,
    mut take: impl FnMut(Value<'_>),
) -> Result<(), ConvertError> {
    let mut row = 0;
    for_each(&located.array, wanted, untyped, &mut |value| {
        let here = located.within.as_ref().is_none_or(|within| within.is_valid(row));
        take(if here { value } else { Value::Missing });
        row += 1;
    })?;
    Ok(())
}

/// Whether arrays of a type hold text.
pub(super) fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        DataType::RunEndEncoded(_, values) => is_text(values.data_type()),
        _ => false,
    }
}
