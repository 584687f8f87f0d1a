//! Counts of numbers on the quantile bins of a baseline.

use arrow::array::{Array as _, Float64Array};

use super::{Misses, add_count, add_touched};
use crate::binning::NumericBinning;
use crate::distribution::detail::{Detail, ZoneLayout};
use crate::distribution::ipc::{IpcError, damaged};
use crate::distribution::moments::ValueGroup;
use crate::distribution::sparse::Sparse;
use crate::distribution::stored::{ColumnRows, RowKind, StoredRow};
use crate::distribution::total;

/// A count per bin, and the sum of the values' offsets in it. Counts of an earlier version have no detail, or detail of a
/// part of their values.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::distribution) struct NumericCounts {
    pub(in crate::distribution) counts: Sparse<u64>,
    pub(in crate::distribution) offsets: Sparse<i64>,
    pub(in crate::distribution) detail: Box<Detail>,
}

impl NumericCounts {
    pub(super) fn empty(binning: &NumericBinning) -> Self {
        Self {
            counts: Sparse::zeros(binning.bins()),
            offsets: Sparse::zeros(binning.bins()),
            detail: Box::default(),
        }
    }

    pub(super) fn present(&self) -> u64 {
        total(self.counts.touched().map(|(_, count)| count))
    }

    pub(super) fn bytes(&self) -> usize {
        self.counts.bytes() + self.offsets.bytes() + self.detail.bytes()
    }

    pub(super) fn count(
        &mut self,
        binning: &NumericBinning,
        values: &Float64Array,
        rows: impl Iterator<Item = usize>,
        misses: &mut Misses<'_>,
    ) {
        let layout = ZoneLayout::of(binning);
        for row in rows {
            let value = values.is_valid(row).then(|| values.value(row));
            let Some(value) = misses.finite(row, value) else { continue };
            let bin = binning.bin(value);
            if let (Some(count), Some(offset)) = (self.counts.get_mut(bin), self.offsets.get_mut(bin)) {
                *count = count.saturating_add(1);
                *offset = offset.saturating_add(binning.offset(bin, value));
                self.detail.add(&layout, bin, value);
            }
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        add_touched(&mut self.counts, &other.counts, u64::saturating_add);
        add_touched(&mut self.offsets, &other.offsets, i64::saturating_add);
        self.detail.merge(&other.detail);
    }

    /// Adds values of which the group is known, or only that they are `count` and lie about `value`.
    pub(super) fn add_group(
        &mut self,
        binning: &NumericBinning,
        layout: &ZoneLayout,
        (bin, value, count): (usize, f64, u64),
        group: Option<ValueGroup>,
    ) {
        add_count(&mut self.counts, bin, count);
        if let Some(offset) = self.offsets.get_mut(bin) {
            let steps = binning.offset(bin, value).saturating_mul(i64::try_from(count).unwrap_or(i64::MAX));
            *offset = offset.saturating_add(steps);
            if let Some(group) = group {
                self.detail.add_group(layout, bin, ValueGroup { count, ..group });
            }
        }
    }

    pub(super) fn write(&self, rows: &mut ColumnRows<'_>) {
        for (bin, count) in self.counts.touched() {
            let offset = self.offsets.get(bin).copied().unwrap_or(0);
            rows.push_bin(bin, count, offset);
        }
        rows.push_moments(RowKind::MOMENTS, 0, &self.detail.core);
        for (zone, cells) in self.detail.cells.iter().enumerate() {
            for (bucket, moments) in cells {
                rows.push_moments(RowKind::cell(zone), *bucket, moments);
            }
        }
    }

    pub(super) fn read(&mut self, row: &StoredRow<'_>) -> Result<(), IpcError> {
        match row.kind {
            RowKind::BIN => {
                row.add_to(self.counts.get_mut(row.bin()))?;
                let sum = self.offsets.get_mut(row.bin()).ok_or(damaged("a bin outside the binning"))?;
                *sum = sum.saturating_add(row.offset);
            }
            RowKind::MOMENTS => self.detail.core.merge(&row.moments()?),
            kind => {
                let cells = kind.zone().and_then(|zone| self.detail.cells.get_mut(zone));
                let cells = cells.ok_or(damaged("an unknown kind of count"))?;
                cells.entry(row.bucket()?).or_default().merge(&row.moments()?);
            }
        }
        Ok(())
    }
}
