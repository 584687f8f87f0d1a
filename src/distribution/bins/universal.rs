//! Counts of numbers before there is a baseline: on buckets that fit any number, as fine as there is room for.

use std::collections::BTreeMap;

use arrow::array::{Array as _, Float64Array};

use super::{Misses, NumericCounts, TREE_ENTRY};
use crate::binning::{Level, NumericBinning};
use crate::distribution::detail::{Stretch, ZoneLayout};
use crate::distribution::ipc::{IpcError, damaged};
use crate::distribution::moments::{Cells, Moments, ValueGroup, add_to, bucket_ruler, merge_cells, together};
use crate::distribution::stored::{ColumnRows, RowKind, StoredRow};
use crate::distribution::total;

/// Buckets of a column at most, unless they are the coarsest: 24 bytes each, so 48 KB a column and open window. Its moments
/// take 80 bytes for each bucket of the coarsest level, of which a column far from zero has a few, and a normal one around
/// zero some hundred for a thousand values, and two thousand for a million.
const MOST: usize = 2_048;

/// Counts of the buckets met so far, and moments of the coarsest buckets; counts of an earlier version have none, or of a part
/// of their values.
///
/// The level of the counts is the finest at which at most [`MOST`] buckets are filled, the coarsest otherwise. It only depends
/// on the values, so whatever order they came in and however they were added up, the counts are the same.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::distribution) struct UniversalCounts {
    pub(in crate::distribution) level: Level,
    pub(in crate::distribution) counts: BTreeMap<i64, u64>,
    pub(in crate::distribution) moments: Cells,
}

impl UniversalCounts {
    /// Nothing counted yet. Buckets of a sensitive column are the coarsest from the beginning: finer ones are values.
    pub(super) fn empty(is_sensitive: bool) -> Self {
        let level = if is_sensitive { Level::COARSEST } else { Level::FINEST };
        Self { level, counts: BTreeMap::new(), moments: Cells::new() }
    }

    pub(super) fn present(&self) -> u64 {
        total(self.counts.values().copied())
    }

    /// Values of which the moments are known.
    pub(in crate::distribution) fn with_moments(&self) -> u64 {
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
            self.add_count(self.level.bucket(value), 1);
            self.make_room();
            add_to(&mut self.moments, value);
        }
    }

    fn add_count(&mut self, bucket: i64, more: u64) {
        let count = self.counts.entry(bucket).or_insert(0);
        *count = count.saturating_add(more);
    }

    /// Makes buckets so coarse that they are few enough.
    fn make_room(&mut self) {
        if self.counts.len() > MOST && self.level < Level::COARSEST {
            self.coarsen(self.level.coarser_by(bits_to_fit(&self.counts)));
        }
    }

    /// Adds buckets up to those of a level that is not finer.
    fn coarsen(&mut self, level: Level) {
        if level > self.level {
            let (finer, counts) = (self.level, std::mem::take(&mut self.counts));
            self.level = level;
            for (bucket, count) in counts {
                self.add_count(level.holding(bucket, finer), count);
            }
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.coarsen(other.level);
        for (bucket, count) in &other.counts {
            self.add_count(self.level.holding(*bucket, other.level), *count);
        }
        self.make_room();
        merge_cells(&mut self.moments, &other.moments);
    }

    /// Every bucket with its values, by increasing value. Where moments are known, those of all buckets of a cell together
    /// have them: each bucket stands at its middle, moved by what is missing to the mean, with what is missing to the deviation.
    pub(in crate::distribution) fn stretches(&self) -> Vec<Stretch> {
        let stretch = |(bucket, count): (&i64, &u64)| {
            let (low, high) = self.level.ends(*bucket);
            let mean = if *bucket == 0 { 0.0 } else { low + (high - low) / 2.0 };
            let group = ValueGroup { count: *count, mean, deviation: 0.0 };
            (Level::COARSEST.holding(*bucket, self.level), Stretch { low, high, group })
        };
        let mut found: Vec<(i64, Stretch)> =
            self.counts.iter().filter(|(_, count)| **count > 0).map(stretch).collect();
        for cell in found.chunk_by_mut(|left, right| left.0 == right.0) {
            let bucket = cell.first().and_then(|(bucket, _)| i32::try_from(*bucket).ok());
            let known = bucket.and_then(|bucket| self.moments.get(&bucket)?.group(bucket_ruler(bucket)));
            if let Some(group) = known {
                fit_to(cell, group);
            }
        }
        found.into_iter().map(|(_, stretch)| stretch).collect()
    }

    /// On bins built from such counts: a bucket that is no coarser than those lies in one bin, so nothing is split. One that is
    /// coarser, of a window with more different values than all those that were learned from, is divided among its bins as
    /// if its values lay evenly in it: no more than what it holds is on the wrong side of any cut.
    pub(super) fn rebinned(&self, binning: &NumericBinning) -> NumericCounts {
        let mut target = NumericCounts::empty(binning);
        let layout = ZoneLayout::of(binning);
        let are_known = self.with_moments() == self.present();
        for stretch in self.stretches() {
            for (bin, part) in parts(&stretch, binning) {
                let (value, count) = (part.group.mean, part.group.count);
                target.add_group(binning, &layout, (bin, value, count), are_known.then_some(part.group));
            }
        }
        target
    }

    /// The coarsest buckets are written as the first version did.
    pub(super) fn write(&self, rows: &mut ColumnRows<'_>) {
        for (bucket, count) in &self.counts {
            match i32::try_from(*bucket) {
                Ok(bucket) if self.level == Level::COARSEST => rows.push(RowKind::BIN, bucket, *count, 0, None),
                _ => rows.push(RowKind::FINE_BUCKET, self.level.bits().into(), *count, *bucket, None),
            }
        }
        for (bucket, moments) in &self.moments {
            rows.push_moments(RowKind::UNIVERSAL_MOMENTS, *bucket, moments);
        }
    }

    pub(super) fn read(&mut self, row: &StoredRow<'_>) -> Result<(), IpcError> {
        let (level, bucket) = match row.kind {
            RowKind::BIN => (Level::COARSEST, row.bucket()?.into()),
            RowKind::FINE_BUCKET => row.fine_bucket()?,
            RowKind::UNIVERSAL_MOMENTS => {
                self.moments.entry(row.bucket()?).or_default().merge(&row.moments()?);
                return Ok(());
            }
            _ => return Err(damaged("an unknown kind of count")),
        };
        self.coarsen(level);
        let bucket = self.level.holding(bucket, level);
        row.add_to(Some(self.counts.entry(bucket).or_insert(0)))?;
        self.make_room();
        Ok(())
    }
}

/// By how many bits buckets must be coarser to be few enough.
fn bits_to_fit(counts: &BTreeMap<i64, u64>) -> u32 {
    // Neighbours become one where the bits in which they differ are dropped.
    let mut merging = [0usize; 65];
    for (left, right) in counts.keys().zip(counts.keys().skip(1)) {
        if left.signum() == right.signum() {
            let differ = (left.unsigned_abs() - 1) ^ (right.unsigned_abs() - 1);
            let bits = u64::BITS - differ.leading_zeros();
            if let Some(number) = merging.get_mut(bits as usize) {
                *number += 1;
            }
        }
    }
    let mut left = counts.len();
    for (bits, number) in (0u32..).zip(merging) {
        left -= number;
        if left <= MOST {
            return bits;
        }
    }
    u32::MAX
}

/// Moves values that stand at the middles of their buckets, so that all together have the moments of a group.
fn fit_to(cell: &mut [(i64, Stretch)], group: ValueGroup) {
    let middles: Vec<ValueGroup> = cell.iter().map(|(_, stretch)| stretch.group).collect();
    // Counts of an earlier version have moments of a part of their values.
    if total(middles.iter().map(|middle| middle.count)) != group.count {
        return;
    }
    let Some((mean, spread)) = together(&middles) else { return };
    let within = if spread < group.deviation {
        // In units of the larger one: squares of large numbers are larger than any float.
        group.deviation * (1.0 - (spread / group.deviation).powi(2)).sqrt()
    } else {
        0.0
    };
    for (_, stretch) in cell {
        stretch.group.mean = (stretch.group.mean + (group.mean - mean)).clamp(stretch.low, stretch.high);
        stretch.group.deviation = within;
    }
}

/// The parts of a bucket that lie in different bins, with their bins; nearly always one.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts stay far below 2^53, and a part of a count is one"
)]
fn parts(stretch: &Stretch, binning: &NumericBinning) -> Vec<(usize, Stretch)> {
    let Stretch { low, high, group } = *stretch;
    let (first, last) = (binning.bin(low), binning.bin(high.next_down().max(low)));
    if first >= last {
        return vec![(first, *stretch)];
    }
    let mut found = Vec::new();
    let (mut begin, mut before) = (low, 0);
    for bin in first..=last {
        let end = binning.ends(bin).1.map_or(high, |end| end.min(high));
        let share = if bin == last { 1.0 } else { (end / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0) };
        let until = ((group.count as f64 * share).round() as u64).clamp(before, group.count);
        if until > before {
            let mean = begin + (end - begin) / 2.0;
            let deviation = group.deviation.min((end - begin) / 2.0);
            let group = ValueGroup { count: until - before, mean, deviation };
            found.push((bin, Stretch { low: begin, high: end, group }));
        }
        (begin, before) = (end, until);
    }
    found
}

#[cfg(test)]
mod tests;
