//! Counts of numbers before there is a baseline: on buckets that fit any number.

use std::collections::BTreeMap;

use arrow::array::{Array as _, Float64Array};

use super::{Misses, NumericCounts, TREE_ENTRY};
use crate::binning::{NumericBinning, universal};
use crate::distribution::detail::ZoneLayout;
use crate::distribution::ipc::{IpcError, damaged};
use crate::distribution::moments::{Cells, Moments, add_to, bucket_ruler, merge_cells};
use crate::distribution::stored::{ColumnRows, RowKind, StoredRow};
use crate::distribution::total;

/// Counts of the buckets met so far, and their moments; counts of an earlier version have none, or of a part of their values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::distribution) struct UniversalCounts {
    pub(in crate::distribution) counts: BTreeMap<i32, u64>,
    pub(in crate::distribution) moments: Cells,
}

impl UniversalCounts {
    pub(super) fn present(&self) -> u64 {
        total(self.counts.values().copied())
    }

    /// Values of which the moments are known.
    pub(super) fn with_moments(&self) -> u64 {
        total(self.moments.values().map(|moments| moments.count))
    }

    pub(super) fn bytes(&self) -> usize {
        self.counts.len() * TREE_ENTRY + self.moments.len() * (TREE_ENTRY + size_of::<Moments>())
    }

    pub(super) fn count(
        &mut self,
        values: &Float64Array,
        rows: impl Iterator<Item = usize>,
        misses: &mut Misses<'_>,
    ) {
        for row in rows {
            let value = values.is_valid(row).then(|| values.value(row));
            let Some(value) = misses.finite(row, value) else { continue };
            self.add_count(universal::bucket(value), 1);
            add_to(&mut self.moments, value);
        }
    }

    fn add_count(&mut self, bucket: i32, more: u64) {
        let count = self.counts.entry(bucket).or_insert(0);
        *count = count.saturating_add(more);
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (bucket, count) in &other.counts {
            self.add_count(*bucket, *count);
        }
        merge_cells(&mut self.moments, &other.moments);
    }

    /// On bins built from such counts: every bucket lies in one bin, so nothing is split. Values stand at the mean of their
    /// bucket, or in its middle where counts of an earlier version do not know it.
    pub(super) fn rebinned(&self, binning: &NumericBinning) -> NumericCounts {
        let mut target = NumericCounts::empty(binning);
        let layout = ZoneLayout::of(binning);
        for (bucket, count) in &self.counts {
            let known = self.moments.get(bucket).filter(|moments| moments.count == *count);
            let group = known.and_then(|moments| moments.group(bucket_ruler(*bucket)));
            let bin = binning.bin(universal::lower_end(*bucket));
            let value = group.map_or_else(|| universal::middle(*bucket), |group| group.mean);
            target.add_group(binning, &layout, (bin, value, *count), group);
        }
        target
    }

    pub(super) fn write(&self, rows: &mut ColumnRows<'_>) {
        for (bucket, count) in &self.counts {
            rows.push(RowKind::BIN, *bucket, *count, 0, None);
        }
        for (bucket, moments) in &self.moments {
            rows.push_moments(RowKind::UNIVERSAL_MOMENTS, *bucket, moments);
        }
    }

    pub(super) fn read(&mut self, row: &StoredRow<'_>) -> Result<(), IpcError> {
        match row.kind {
            RowKind::BIN => row.add_to(Some(self.counts.entry(row.bucket()?).or_insert(0))),
            RowKind::UNIVERSAL_MOMENTS => {
                self.moments.entry(row.bucket()?).or_default().merge(&row.moments()?);
                Ok(())
            }
            _ => Err(damaged("an unknown kind of count")),
        }
    }
}
