//! The counts of one column.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type};

use super::detail::{Detail, Layout};
use super::moments::{Cells, Group, Moments, add_to, bucket_ruler, merge_cells};
use super::sparse::Sparse;
use super::total;
use super::unseen::UnseenCategories;
use crate::binning::{Binning, BinningSet, universal};
use crate::record::Absence;

/// The counts of one column on its binning, and a counter for each way a value can be absent.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    binnings: Arc<BinningSet>,
    column: usize,
    pub(super) bins: Bins,
    pub(super) absent: [u64; Absence::ALL.len()],
}

/// What a small entry of a tree map takes, roughly: nodes are half full.
pub(super) const TREE_ENTRY: usize = 24;

/// The counts, by kind of binning.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Bins {
    /// A count a bin, and the sum of the values' offsets in it. Counts of an earlier version have no detail, or detail of a
    /// part of their values.
    Numeric { counts: Sparse<u64>, offsets: Sparse<i64>, detail: Box<Detail> },
    /// Counts of the universal buckets met so far, and moments, of which the same holds.
    Universal { counts: BTreeMap<i32, u64>, moments: Cells },
    /// A count a bin, and what is known of the unseen categories.
    Categorical { counts: Sparse<u64>, unseen: Box<UnseenCategories> },
    /// How many vectors, and the sums of their components and waves.
    Vectors { count: u64, sums: Vec<i64> },
}

impl Distribution {
    /// Nothing counted yet. `column` is the position of the column in the set.
    #[must_use]
    pub fn empty(binnings: Arc<BinningSet>, column: usize) -> Self {
        let bins = match binnings.columns().get(column) {
            Some((_, Binning::Numeric(binning))) => Bins::Numeric {
                counts: Sparse::zeros(binning.bins()),
                offsets: Sparse::zeros(binning.bins()),
                detail: Box::default(),
            },
            Some((_, Binning::Categorical(binning))) => {
                Bins::Categorical { counts: Sparse::zeros(binning.bins()), unseen: Box::default() }
            }
            Some((_, Binning::Embedding(binning))) => Bins::Vectors { count: 0, sums: vec![0; binning.sums()] },
            Some((_, Binning::UniversalNumeric)) | None => {
                Bins::Universal { counts: BTreeMap::new(), moments: Cells::new() }
            }
        };
        Self { binnings, column, bins, absent: [0; Absence::ALL.len()] }
    }

    /// The column's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.binnings.columns().get(self.column).map_or("", |(name, _)| name)
    }

    /// Whether the column's values are not to be shown: ends of bins, means and quantiles are values, too.
    #[must_use]
    pub fn is_sensitive(&self) -> bool {
        self.binnings.is_sensitive(self.name())
    }

    /// The bins the counts are on.
    #[must_use]
    pub fn binning(&self) -> &Binning {
        // A column outside the set is counted on universal buckets, see `empty`.
        self.binnings.columns().get(self.column).map_or(&Binning::UniversalNumeric, |(_, binning)| binning)
    }

    /// Whether two distributions are of one column on one binning, so that their counts can be compared.
    #[must_use]
    pub fn is_aligned_with(&self, other: &Self) -> bool {
        self.column == other.column && self.binnings.id() == other.binnings.id()
    }

    /// A count for each bin of a numeric or categorical binning; empty on universal buckets.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        match &self.bins {
            Bins::Numeric { counts, .. } | Bins::Categorical { counts, .. } => counts.as_slice(),
            Bins::Universal { .. } | Bins::Vectors { .. } => &[],
        }
    }

    /// Counts of the universal buckets, when that is what the column is counted on.
    #[must_use]
    pub fn universal_counts(&self) -> Option<&BTreeMap<i32, u64>> {
        match &self.bins {
            Bins::Universal { counts, .. } => Some(counts),
            _ => None,
        }
    }

    /// What is known of the unseen categories of a categorical column.
    #[must_use]
    pub fn unseen(&self) -> Option<&UnseenCategories> {
        match &self.bins {
            Bins::Categorical { unseen, .. } => Some(unseen),
            _ => None,
        }
    }

    /// How many values were absent in this way.
    #[must_use]
    pub fn absent(&self, absence: Absence) -> u64 {
        (absence as usize).checked_sub(1).and_then(|index| self.absent.get(index)).copied().unwrap_or(0)
    }

    /// Null and missing values.
    #[must_use]
    pub fn nulls(&self) -> u64 {
        self.absent(Absence::Null).saturating_add(self.absent(Absence::Missing))
    }

    /// NaN, infinite and wrongly typed values.
    #[must_use]
    pub fn invalid(&self) -> u64 {
        total([Absence::Nan, Absence::Infinite, Absence::WrongType].map(|kind| self.absent(kind)))
    }

    /// Values that are there.
    #[must_use]
    pub fn present(&self) -> u64 {
        match &self.bins {
            Bins::Numeric { counts, .. } | Bins::Categorical { counts, .. } => {
                total(counts.touched().map(|(_, count)| count))
            }
            Bins::Universal { counts, .. } => total(counts.values().copied()),
            Bins::Vectors { count, .. } => *count,
        }
    }

    /// Bytes in memory, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let more = match &self.bins {
            Bins::Numeric { counts, offsets, detail } => counts.bytes() + offsets.bytes() + detail.bytes(),
            Bins::Universal { counts, moments } => {
                counts.len() * TREE_ENTRY + moments.len() * (TREE_ENTRY + size_of::<Moments>())
            }
            Bins::Categorical { counts, unseen } => counts.bytes() + unseen.bytes(),
            Bins::Vectors { sums, .. } => sums.capacity() * size_of::<i64>(),
        };
        size_of::<Self>() + more
    }

    /// How many vectors were counted and the sums of them, on an embedding.
    #[must_use]
    pub fn vector_sums(&self) -> Option<(u64, &[i64])> {
        match &self.bins {
            Bins::Vectors { count, sums } => Some((*count, sums)),
            _ => None,
        }
    }

    /// All records counted, with and without a value.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.present().saturating_add(total(self.absent))
    }

    /// The largest of its sums: of its counts, of what moments know of, of unseen categories.
    pub(super) fn largest(&self) -> u64 {
        let beside = match &self.bins {
            Bins::Numeric { detail, .. } => detail.count(),
            Bins::Universal { moments, .. } => total(moments.values().map(|moments| moments.count)),
            Bins::Categorical { unseen, .. } => unseen.total(),
            Bins::Vectors { .. } => 0,
        };
        self.rows().max(beside)
    }

    /// The sum of the values in one numeric bin, exact to 2^-24 of the bin's width a value; `None` on other binnings. Beyond
    /// the range it is exact as well, unless the counts are of an earlier version, which cut offsets off at 4,096 ranges.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn bin_sum(&self, bin: usize) -> Option<f64> {
        match (&self.bins, self.binning()) {
            (Bins::Numeric { counts, offsets, .. }, Binning::Numeric(binning)) => {
                let count = *counts.get(bin)?;
                let open = bin == 0 || bin + 1 == counts.len();
                if open && let Some(beyond) = self.beyond(bin > 0) {
                    let sum: f64 = beyond.iter().map(|(_, _, mean, count)| mean * *count as f64).sum();
                    return Some(sum.clamp(f64::MIN, f64::MAX));
                }
                Some(binning.sum(bin, count, *offsets.get(bin)?))
            }
            _ => None,
        }
    }

    /// Counts the given rows of an array of the column's type.
    pub(super) fn count(&mut self, array: &dyn Array, absences: &[Absence], rows: &[u32]) {
        let Self { binnings, column, bins, absent } = self;
        let binning = binnings.columns().get(*column).map(|(_, binning)| binning);
        let mut miss = |absence: Absence| {
            if let Some(counter) = (absence as usize).checked_sub(1).and_then(|index| absent.get_mut(index)) {
                *counter = counter.saturating_add(1);
            }
        };
        let reason = |row: usize| match absences.get(row) {
            Some(Absence::Present) | None => Absence::Null,
            Some(absence) => *absence,
        };
        let rows = rows.iter().map(|row| *row as usize).filter(|row| *row < array.len());
        match (bins, binning, array.data_type()) {
            (Bins::Numeric { counts, offsets, detail }, Some(Binning::Numeric(binning)), DataType::Float64) => {
                let values = array.as_primitive::<Float64Type>();
                let layout = Layout::of(binning);
                for row in rows {
                    match present(values.is_valid(row).then(|| values.value(row))) {
                        Ok(value) => {
                            let bin = binning.bin(value);
                            if let (Some(count), Some(offset)) = (counts.get_mut(bin), offsets.get_mut(bin)) {
                                *count = count.saturating_add(1);
                                *offset = offset.saturating_add(binning.offset(bin, value));
                                detail.add(&layout, bin, value);
                            }
                        }
                        Err(None) => miss(reason(row)),
                        Err(Some(absence)) => miss(absence),
                    }
                }
            }
            (Bins::Universal { counts, moments }, _, DataType::Float64) => {
                let values = array.as_primitive::<Float64Type>();
                for row in rows {
                    match present(values.is_valid(row).then(|| values.value(row))) {
                        Ok(value) => {
                            let count = counts.entry(universal::bucket(value)).or_insert(0);
                            *count = count.saturating_add(1);
                            add_to(moments, value);
                        }
                        Err(None) => miss(reason(row)),
                        Err(Some(absence)) => miss(absence),
                    }
                }
            }
            (Bins::Categorical { counts, unseen }, Some(Binning::Categorical(binning)), DataType::Utf8) => {
                let values = array.as_string::<i32>();
                for row in rows {
                    if values.is_valid(row) {
                        let category = values.value(row);
                        let bin = binning.bin(category);
                        if let Some(count) = counts.get_mut(bin) {
                            *count = count.saturating_add(1);
                        }
                        if bin == binning.unseen_bin() {
                            unseen.add(category, 1);
                        }
                    } else {
                        miss(reason(row));
                    }
                }
            }
            (Bins::Categorical { counts, .. }, Some(Binning::Categorical(binning)), DataType::Boolean) => {
                let values = array.as_boolean();
                let (no, yes) = (binning.bin("false"), binning.bin("true"));
                for row in rows {
                    if values.is_valid(row) {
                        if let Some(count) = counts.get_mut(if values.value(row) { yes } else { no }) {
                            *count = count.saturating_add(1);
                        }
                    } else {
                        miss(reason(row));
                    }
                }
            }
            (Bins::Categorical { counts, unseen }, Some(Binning::Categorical(binning)), DataType::List(_)) => {
                let lists = array.as_list::<i32>();
                let Some(tokens) = lists.values().as_string_opt::<i32>() else { return };
                let ends = lists.value_offsets();
                for row in rows {
                    let range = ends.get(row).zip(ends.get(row + 1)).filter(|_| lists.is_valid(row));
                    let Some((start, end)) = range else {
                        miss(reason(row));
                        continue;
                    };
                    for place in *start..*end {
                        let token = tokens.value(usize::try_from(place).unwrap_or(0));
                        let bin = binning.bin(token);
                        if let Some(count) = counts.get_mut(bin) {
                            *count = count.saturating_add(1);
                        }
                        if bin == binning.unseen_bin() {
                            unseen.add(token, 1);
                        }
                    }
                }
            }
            (Bins::Vectors { count, sums }, Some(Binning::Embedding(binning)), DataType::List(_)) => {
                let lists = array.as_list::<i32>();
                for row in rows {
                    let vector = lists.is_valid(row).then(|| lists.value(row));
                    let vector = vector.as_ref().and_then(|vector| vector.as_primitive_opt::<Float64Type>());
                    match vector {
                        Some(vector) if binning.add(vector.values(), sums) => *count = count.saturating_add(1),
                        // Of another length, or not finite.
                        Some(_) => miss(Absence::WrongType),
                        None => miss(reason(row)),
                    }
                }
            }
            // An array of another type than declared: every value is of the wrong type.
            _ => rows.for_each(|_| miss(Absence::WrongType)),
        }
    }

    /// Counts rows that do not have this column at all.
    pub(super) fn count_missing(&mut self, rows: u64) {
        if let Some(counter) = self.absent.get_mut(Absence::Missing as usize - 1) {
            *counter = counter.saturating_add(rows);
        }
    }

    /// Adds the counts of an aligned distribution; callers go through [`super::WindowCounts::merge`].
    pub(super) fn add(&mut self, other: &Self) {
        debug_assert!(self.is_aligned_with(other), "merging is checked by the window");
        match (&mut self.bins, &other.bins) {
            (
                Bins::Numeric { counts, offsets, detail },
                Bins::Numeric { counts: more, offsets: further, detail: finer },
            ) => {
                add_touched(counts, more, u64::saturating_add);
                add_touched(offsets, further, i64::saturating_add);
                detail.merge(finer);
            }
            (Bins::Universal { counts, moments }, Bins::Universal { counts: more, moments: further }) => {
                for (bucket, count) in more {
                    let total = counts.entry(*bucket).or_insert(0);
                    *total = total.saturating_add(*count);
                }
                merge_cells(moments, further);
            }
            (Bins::Categorical { counts, unseen }, Bins::Categorical { counts: more, unseen: further }) => {
                add_touched(counts, more, u64::saturating_add);
                unseen.merge(further);
            }
            (Bins::Vectors { count, sums }, Bins::Vectors { count: more, sums: further }) => {
                *count = count.saturating_add(*more);
                for (mine, theirs) in sums.iter_mut().zip(further) {
                    *mine = mine.saturating_add(*theirs);
                }
            }
            _ => debug_assert!(false, "one binning gives one kind of counts"),
        }
        add_all(&mut self.absent, &other.absent);
    }

    /// Whether nothing is known of the column: no bins were ever placed for it, and no value was counted. A baseline like that
    /// has nothing that a window could be compared with; that all of its rows lack the column says nothing of it.
    #[must_use]
    pub fn is_left_out(&self) -> bool {
        self.binning().is_universal() && self.absent(Absence::Missing) == self.rows()
    }

    /// Moves counts made on universal buckets (or unseen categories) to a binning built from such counts.
    /// Every bucket lies in one bin, so nothing is split; values stand at the mean of their bucket, or in its middle where
    /// counts of an earlier version do not know it.
    #[must_use]
    pub fn rebinned(&self, binnings: &Arc<BinningSet>, column: usize) -> Self {
        let mut target = Self::empty(Arc::clone(binnings), column);
        target.absent = self.absent;
        match (&self.bins, binnings.columns().get(column).map(|(_, binning)| binning), &mut target.bins) {
            (
                Bins::Universal { counts: buckets, moments },
                Some(Binning::Numeric(binning)),
                Bins::Numeric { counts, offsets, detail },
            ) => {
                let layout = Layout::of(binning);
                for (bucket, count) in buckets {
                    let known = moments.get(bucket).filter(|moments| moments.count == *count);
                    let group = known.and_then(|moments| moments.group(bucket_ruler(*bucket)));
                    let bin = binning.bin(universal::lower_end(*bucket));
                    let value = group.map_or_else(|| universal::middle(*bucket), |group| group.mean);
                    if let (Some(total), Some(offset)) = (counts.get_mut(bin), offsets.get_mut(bin)) {
                        *total = total.saturating_add(*count);
                        let steps = binning.offset(bin, value);
                        *offset =
                            offset.saturating_add(steps.saturating_mul(i64::try_from(*count).unwrap_or(i64::MAX)));
                        if let Some(group) = group {
                            detail.add_group(&layout, bin, Group { count: *count, ..group });
                        }
                    }
                }
            }
            (
                Bins::Categorical { counts: from, unseen: known },
                Some(Binning::Categorical(binning)),
                Bins::Categorical { counts, unseen },
            ) => {
                if let Binning::Categorical(old) = self.binning() {
                    for (index, category) in old.categories().iter().enumerate() {
                        let count = from.get(index).copied().unwrap_or(0);
                        if let Some(total) = counts.get_mut(binning.bin(category)) {
                            *total = total.saturating_add(count);
                        }
                    }
                    let mut placed = 0;
                    for (category, count) in known.heaviest() {
                        placed = count.saturating_add(placed);
                        let bin = binning.bin(&category);
                        if let Some(total) = counts.get_mut(bin) {
                            *total = total.saturating_add(count);
                        }
                        if bin == binning.unseen_bin() {
                            unseen.add(&category, count);
                        }
                    }
                    // What the sketch no longer knows by name stays unseen.
                    let all = from.get(old.unseen_bin()).copied().unwrap_or(0);
                    if let Some(total) = counts.get_mut(binning.unseen_bin()) {
                        *total = total.saturating_add(all.saturating_sub(placed));
                    }
                }
            }
            (bins, _, target) => *target = (*bins).clone(),
        }
        target
    }
}

/// A finite value, an absence seen in the value itself, or `Err(None)` when the array has no value.
fn present(value: Option<f64>) -> Result<f64, Option<Absence>> {
    match value {
        None => Err(None),
        Some(value) if value.is_nan() => Err(Some(Absence::Nan)),
        Some(value) if value.is_infinite() => Err(Some(Absence::Infinite)),
        Some(value) => Ok(value),
    }
}

fn add_touched<T: Copy + Default + PartialEq>(mine: &mut Sparse<T>, theirs: &Sparse<T>, add: fn(T, T) -> T) {
    for (bin, number) in theirs.touched() {
        if let Some(place) = mine.get_mut(bin) {
            *place = add(*place, number);
        }
    }
}

fn add_all(counts: &mut [u64], more: &[u64]) {
    for (mine, theirs) in counts.iter_mut().zip(more) {
        *mine = mine.saturating_add(*theirs);
    }
}
