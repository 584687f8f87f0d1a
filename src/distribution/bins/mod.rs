//! The counts of one column by kind of binning: a file per kind, which counts values, adds up, moves to other bins, and
//! writes and reads its rows of the stored form. This file only dispatches.

mod categories;
mod numeric;
mod universal;
mod vectors;

pub(super) use categories::CategoryCounts;
pub(super) use numeric::NumericCounts;
pub(super) use universal::UniversalCounts;
pub(super) use vectors::VectorSums;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;

use super::ipc::IpcError;
use super::sparse::Sparse;
use super::stored::{ColumnRows, StoredRow};
use crate::binning::Binning;
use crate::record::Absence;

/// What a small entry of a tree map takes, roughly: nodes are half full.
pub(super) const TREE_ENTRY: usize = 24;

/// The counts, by kind of binning.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Bins {
    /// On quantile bins of a baseline.
    Numeric(NumericCounts),
    /// Of numbers before there is a baseline.
    Universal(UniversalCounts),
    /// Of categories, flags and tokens.
    Categories(CategoryCounts),
    /// Of embeddings.
    Vectors(VectorSums),
}

impl Bins {
    /// Nothing counted yet. A column outside of the set is counted on universal buckets.
    pub(super) fn empty(binning: Option<&Binning>, is_sensitive: bool) -> Self {
        match binning {
            Some(Binning::Numeric(binning)) => Self::Numeric(NumericCounts::empty(binning)),
            Some(Binning::Categorical(binning)) => Self::Categories(CategoryCounts::empty(binning)),
            Some(Binning::Embedding(binning)) => Self::Vectors(VectorSums::empty(binning)),
            Some(Binning::UniversalNumeric) | None => Self::Universal(UniversalCounts::empty(is_sensitive)),
        }
    }

    /// A count for each bin of a numeric or categorical binning; empty on the other kinds.
    pub(super) fn counts(&self) -> &[u64] {
        match self {
            Self::Numeric(numeric) => numeric.counts.as_slice(),
            Self::Categories(categories) => categories.counts.as_slice(),
            Self::Universal(_) | Self::Vectors(_) => &[],
        }
    }

    /// Values that are there.
    pub(super) fn present(&self) -> u64 {
        match self {
            Self::Numeric(numeric) => numeric.present(),
            Self::Universal(universal) => universal.present(),
            Self::Categories(categories) => categories.present(),
            Self::Vectors(vectors) => vectors.count,
        }
    }

    /// The largest sum that is kept beside the counts; 0 where there is none.
    pub(super) fn largest_beside(&self) -> u64 {
        match self {
            Self::Numeric(numeric) => numeric.detail.count(),
            Self::Universal(universal) => universal.with_moments(),
            Self::Categories(categories) => categories.unseen.total(),
            Self::Vectors(_) => 0,
        }
    }

    /// Bytes on the heap, roughly.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Numeric(numeric) => numeric.bytes(),
            Self::Universal(universal) => universal.bytes(),
            Self::Categories(categories) => categories.bytes(),
            Self::Vectors(vectors) => vectors.bytes(),
        }
    }

    /// Counts rows of an array. An array of another type than declared has values of the wrong type.
    pub(super) fn count(
        &mut self,
        binning: Option<&Binning>,
        array: &dyn Array,
        rows: impl Iterator<Item = usize>,
        misses: &mut Misses<'_>,
    ) {
        match (self, binning, array.data_type()) {
            (Self::Numeric(numeric), Some(Binning::Numeric(binning)), DataType::Float64) => {
                numeric.count(binning, array.as_primitive(), rows, misses);
            }
            (Self::Universal(universal), _, DataType::Float64) => {
                universal.count(array.as_primitive(), rows, misses);
            }
            (Self::Categories(categories), Some(Binning::Categorical(binning)), DataType::Utf8) => {
                categories.count_texts(binning, array.as_string(), rows, misses);
            }
            (Self::Categories(categories), Some(Binning::Categorical(binning)), DataType::Boolean) => {
                categories.count_flags(binning, array.as_boolean(), rows, misses);
            }
            (Self::Categories(categories), Some(Binning::Categorical(binning)), DataType::List(_)) => {
                categories.count_tokens(binning, array.as_list(), rows, misses);
            }
            (Self::Vectors(vectors), Some(Binning::Embedding(binning)), DataType::List(_)) => {
                vectors.count(binning, array.as_list(), rows, misses);
            }
            _ => rows.for_each(|_| misses.note(Absence::WrongType)),
        }
    }

    /// Adds counts by bin of which nothing more is known; nothing on bins that are not numbered.
    pub(super) fn add_counts(&mut self, counts: &[u64]) {
        let sums = match self {
            Self::Numeric(numeric) => &mut numeric.counts,
            Self::Categories(categories) => &mut categories.counts,
            Self::Universal(_) | Self::Vectors(_) => return,
        };
        for (bin, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            add_count(sums, bin, *count);
        }
    }

    /// Adds counts of the same binning.
    pub(super) fn add(&mut self, other: &Self) {
        match (self, other) {
            (Self::Numeric(mine), Self::Numeric(theirs)) => mine.add(theirs),
            (Self::Universal(mine), Self::Universal(theirs)) => mine.add(theirs),
            (Self::Categories(mine), Self::Categories(theirs)) => mine.add(theirs),
            (Self::Vectors(mine), Self::Vectors(theirs)) => mine.add(theirs),
            _ => debug_assert!(false, "one binning gives one kind of counts"),
        }
    }

    /// The same counts on a binning that was built from such counts; as they are where there is nothing to move.
    pub(super) fn rebinned(&self, from: &Binning, to: Option<&Binning>) -> Self {
        match (self, from, to) {
            (Self::Universal(universal), _, Some(Binning::Numeric(binning))) => {
                Self::Numeric(universal.rebinned(binning))
            }
            (Self::Categories(categories), Binning::Categorical(old), Some(Binning::Categorical(binning))) => {
                Self::Categories(categories.rebinned(old, binning))
            }
            (other, ..) => other.clone(),
        }
    }

    /// Writes its rows of the stored form, in a fixed order.
    pub(super) fn write(&self, rows: &mut ColumnRows<'_>) {
        match self {
            Self::Numeric(numeric) => numeric.write(rows),
            Self::Universal(universal) => universal.write(rows),
            Self::Categories(categories) => categories.write(rows),
            Self::Vectors(vectors) => vectors.write(rows),
        }
    }

    /// Adds a row of the stored form. `heavy` keeps what belongs to the next row.
    pub(super) fn read<'a>(&mut self, row: &StoredRow<'a>, heavy: &mut Option<&'a [u8]>) -> Result<(), IpcError> {
        match self {
            Self::Numeric(numeric) => numeric.read(row),
            Self::Universal(universal) => universal.read(row),
            Self::Categories(categories) => categories.read(row, heavy),
            Self::Vectors(vectors) => vectors.read(row),
        }
    }
}

/// Counters of values that are not there, and why each row has none.
pub(super) struct Misses<'a> {
    pub(super) absent: &'a mut [u64; Absence::ALL.len()],
    pub(super) absences: &'a [Absence],
}

impl Misses<'_> {
    fn note(&mut self, absence: Absence) {
        if let Some(counter) = (absence as usize).checked_sub(1).and_then(|index| self.absent.get_mut(index)) {
            *counter = counter.saturating_add(1);
        }
    }

    /// Of a row without a value.
    fn note_row(&mut self, row: usize) {
        self.note(match self.absences.get(row) {
            Some(Absence::Present) | None => Absence::Null,
            Some(absence) => *absence,
        });
    }

    /// The value of a row when it is a finite number; notes it otherwise.
    fn finite(&mut self, row: usize, value: Option<f64>) -> Option<f64> {
        match value {
            None => self.note_row(row),
            Some(value) if value.is_nan() => self.note(Absence::Nan),
            Some(value) if value.is_infinite() => self.note(Absence::Infinite),
            Some(value) => return Some(value),
        }
        None
    }
}

/// Adds to the count of a bin.
fn add_count(counts: &mut Sparse<u64>, bin: usize, more: u64) {
    if let Some(count) = counts.get_mut(bin) {
        *count = count.saturating_add(more);
    }
}

fn add_touched<T: Copy + Default + PartialEq>(mine: &mut Sparse<T>, theirs: &Sparse<T>, add: fn(T, T) -> T) {
    for (bin, number) in theirs.touched() {
        if let Some(place) = mine.get_mut(bin) {
            *place = add(*place, number);
        }
    }
}
