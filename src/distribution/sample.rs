//! A uniform sample of whole records that merges exactly: the k records with the smallest hash.
//!
//! The hash of (topic, partition, offset) is fixed, so which records are kept does not depend on order,
//! daemons or restarts. While a window has at most k records the sample is the window.

use arrow::array::{Array as _, ArrayRef, Int32Array, Int64Array, RecordBatch, UInt32Array, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::record::{DecodedBatch, Offset, is_sensitive};

/// Records in the sample of a window at most.
pub const MAX_SAMPLE: usize = 100_000;

/// Where rows come from.
#[derive(Clone, Copy, Debug)]
pub struct RowOrigin<'a> {
    /// The topic of the batch.
    pub topic: &'a str,
    /// The partition of the batch.
    pub partition: i32,
}

/// The sampling hash of each row of a batch: of topic, partition, offset, and which record of the message it is.
#[must_use]
pub fn sample_hashes(origin: RowOrigin<'_>, batch: &DecodedBatch) -> Vec<u64> {
    let topic = xxh3_64(origin.topic.as_bytes());
    let seed = xxh3_64_with_seed(&origin.partition.to_le_bytes(), topic);
    let of_message = |offset: &Offset| xxh3_64_with_seed(&offset.number().to_le_bytes(), seed);
    let rows = batch.offsets.iter().map(of_message).zip(&batch.records);
    // The first record has the hash of its message, as when messages had one record.
    let of_record = |(message, record): (u64, &u32)| match record {
        0 => message,
        record => xxh3_64_with_seed(&record.to_le_bytes(), message),
    };
    rows.map(of_record).collect()
}

/// The k records with the smallest hash, with their partition and offset.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordSample {
    size: usize,
    /// Hashes at or above it can no longer belong to the sample.
    threshold: u64,
    rows: Option<RecordBatch>,
}

const HASH: &str = "__hash";
const PARTITION: &str = "__partition";
const OFFSET: &str = "__offset";
const TIME: &str = "__time";

/// The columns that a sample has: those that are not sensitive.
fn kept(columns: &SchemaRef) -> impl Iterator<Item = usize> {
    columns.fields().iter().enumerate().filter(|(_, field)| !is_sensitive(field)).map(|(index, _)| index)
}

fn sample_schema(columns: &SchemaRef) -> SchemaRef {
    let mut fields = vec![
        Field::new(HASH, DataType::UInt64, false),
        Field::new(PARTITION, DataType::Int32, false),
        Field::new(OFFSET, DataType::Int64, false),
        Field::new(TIME, DataType::Int64, false),
    ];
    fields
        .extend(kept(columns).filter_map(|index| columns.fields().get(index)).map(|field| field.as_ref().clone()));
    Arc::new(Schema::new(fields))
}

impl RecordSample {
    /// Columns in front of the monitored ones: hash, partition, offset, event time.
    pub const LEADING: usize = 4;

    /// An empty sample of at most `size` records; 0 switches sampling off.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { size, threshold: if size == 0 { 0 } else { u64::MAX }, rows: None }
    }

    /// Like [`Self::new`] for a window of which part was sampled before: only hashes below that part's
    /// threshold can still matter.
    #[must_use]
    pub fn below(size: usize, threshold: u64) -> Self {
        Self { size, threshold: if size == 0 { 0 } else { threshold }, rows: None }
    }

    /// Hashes at or above it can no longer belong to the sample.
    #[must_use]
    pub fn threshold(&self) -> u64 {
        self.threshold
    }

    /// Records in the sample.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.as_ref().map_or(0, RecordBatch::num_rows).min(self.size)
    }

    /// Whether the sample holds no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes in memory, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.rows.as_ref().map_or(0, RecordBatch::get_array_memory_size)
    }

    /// Offers rows of a batch.
    pub fn offer(&mut self, batch: &DecodedBatch, origin: RowOrigin<'_>, hashes: &[u64], rows: &[u32]) {
        let candidates: Vec<u32> = rows
            .iter()
            .copied()
            .filter(|row| hashes.get(*row as usize).is_some_and(|hash| *hash < self.threshold))
            .collect();
        if candidates.is_empty() {
            return;
        }
        let pick = |row: &u32| *row as usize;
        let hash = candidates.iter().filter_map(|row| hashes.get(pick(row))).copied();
        let offsets =
            candidates.iter().filter_map(|row| batch.offsets.get(pick(row))).map(|offset| offset.number());
        let times = candidates.iter().filter_map(|row| batch.times.get(pick(row))).map(|time| time.micros());
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from_iter_values(hash)),
            Arc::new(Int32Array::from(vec![origin.partition; candidates.len()])),
            Arc::new(Int64Array::from_iter_values(offsets)),
            Arc::new(Int64Array::from_iter_values(times)),
        ];
        let indices = UInt32Array::from(candidates);
        let schema = batch.batch.schema();
        let visible: Vec<usize> = kept(&schema).collect();
        let Ok(visible) = batch.batch.project(&visible) else { return };
        let Ok(taken) = take_record_batch(&visible, &indices) else { return };
        columns.extend(taken.columns().iter().cloned());
        if let Ok(rows) = RecordBatch::try_new(sample_schema(&schema), columns) {
            self.append(&rows);
            // Pruning at twice the size costs a constant share of the appends.
            if self.rows.as_ref().is_some_and(|rows| rows.num_rows() > self.size.saturating_mul(2)) {
                self.prune();
            }
        }
    }

    /// Adds another sample of the same window.
    pub fn merge(&mut self, other: &Self) {
        self.size = self.size.min(other.size);
        self.threshold = self.threshold.min(other.threshold);
        if let Some(rows) = &other.rows {
            self.append(rows);
        }
        self.prune();
    }

    /// A monitored column of the sampled records; `None` when the sample is empty or does not have it.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<ArrayRef> {
        self.rows.as_ref().and_then(|rows| rows.column_by_name(name)).cloned()
    }

    /// The sampled records, smallest hash first: `__hash`, `__partition`, `__offset`, `__time`
    /// (microseconds) and the monitored columns.
    #[must_use]
    pub fn rows(&mut self) -> Option<&RecordBatch> {
        self.prune();
        self.rows.as_ref()
    }

    /// A sample read back from storage.
    pub(super) fn from_rows(size: usize, rows: &RecordBatch) -> Option<Self> {
        let leading = [
            (HASH, DataType::UInt64),
            (PARTITION, DataType::Int32),
            (OFFSET, DataType::Int64),
            (TIME, DataType::Int64),
        ];
        let mut columns = rows.schema_ref().fields().iter().zip(rows.columns());
        let written = leading.into_iter().all(|(name, kind)| {
            columns.next().is_some_and(|(field, column)| {
                field.name() == name && *field.data_type() == kind && column.null_count() == 0
            })
        });
        // A sample is pruned at twice its size while it is counted, and to its size before it is stored.
        if !written || rows.num_rows() > MAX_SAMPLE {
            return None;
        }
        let mut sample = Self::new(size);
        sample.append(rows);
        sample.prune();
        Some(sample)
    }

    fn append(&mut self, rows: &RecordBatch) {
        self.rows = match self.rows.take() {
            None => Some(rows.clone()),
            Some(mine) => match concat_batches(&rows.schema(), [&mine, rows]) {
                Ok(all) => Some(all),
                // Only possible when the schema changed in between: the older rows stay.
                Err(_) => Some(mine),
            },
        };
    }

    /// Sorts by hash, drops repetitions and keeps the smallest.
    fn prune(&mut self) {
        let Some(rows) = &self.rows else { return };
        let hashes = hashes_of(rows);
        let mut order: Vec<u32> = (0u32..).take(rows.num_rows()).collect();
        let key = |index: &u32| hashes.get(*index as usize).copied().unwrap_or(u64::MAX);
        order.sort_by_key(key);
        order.dedup_by_key(|index| key(index));
        order.truncate(self.size);
        if order.len() == self.size
            && let Some(last) = order.last()
        {
            self.threshold = self.threshold.min(key(last).saturating_add(1));
        }
        let unchanged =
            order.len() == rows.num_rows() && order.iter().zip(0u32..).all(|(index, place)| *index == place);
        if !unchanged && let Ok(kept) = take_record_batch(rows, &UInt32Array::from(order)) {
            self.rows = Some(kept);
        }
    }
}

fn hashes_of(rows: &RecordBatch) -> Vec<u64> {
    rows.column_by_name(HASH)
        .and_then(|column| column.as_any().downcast_ref::<UInt64Array>().map(|hashes| hashes.values().to_vec()))
        .unwrap_or_default()
}
