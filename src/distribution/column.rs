//! The counts of one column.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::Array;

use super::bins::{Bins, Misses, NumericCounts};
use super::derived::Derived;
use super::total;
use super::unseen::UnseenCategories;
use crate::binning::{Binning, BinningSet, Level};
use crate::record::Absence;

/// The counts of one column on its binning, and a counter for each way a value can be absent.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    binnings: Arc<BinningSet>,
    column: usize,
    pub(super) bins: Bins,
    pub(super) absent: [u64; Absence::ALL.len()],
    pub(super) derived: Derived,
}

impl Distribution {
    /// Nothing counted yet. `column` is the position of the column in the set.
    #[must_use]
    pub fn empty(binnings: Arc<BinningSet>, column: usize) -> Self {
        let own = binnings.columns().get(column);
        let is_sensitive = own.is_some_and(|(name, _)| binnings.is_sensitive(name));
        let bins = Bins::empty(own.map(|(_, binning)| binning), is_sensitive);
        Self { binnings, column, bins, absent: [0; Absence::ALL.len()], derived: Derived::default() }
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
        self.bins.counts()
    }

    /// Counts of the universal buckets and how fine these are, when that is what the column is counted on.
    #[must_use]
    pub fn universal_counts(&self) -> Option<(Level, &BTreeMap<i64, u64>)> {
        match &self.bins {
            Bins::Universal(universal) => Some((universal.level, &universal.counts)),
            _ => None,
        }
    }

    /// What is known of the unseen categories of a categorical column.
    #[must_use]
    pub fn unseen(&self) -> Option<&UnseenCategories> {
        match &self.bins {
            Bins::Categories(categories) => Some(&categories.unseen),
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

    /// Whether more than a tenth of the numbers lie below the lowest or above the highest bin: what happens among them cannot be
    /// seen. Never so for other types, and without values.
    #[must_use]
    pub fn lies_beyond_bins(&self) -> bool {
        let (Binning::Numeric(_), [lowest, .., highest]) = (self.binning(), self.counts()) else { return false };
        (lowest.saturating_add(*highest)).saturating_mul(10) > self.present()
    }

    /// Values that are there.
    #[must_use]
    pub fn present(&self) -> u64 {
        *self.derived.present.get_or_init(|| self.bins.present())
    }

    /// The bins, to be changed.
    pub(super) fn bins_mut(&mut self) -> &mut Bins {
        self.derived = Derived::default();
        &mut self.bins
    }

    /// Bytes in memory, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.bins.bytes()
    }

    /// How many vectors were counted and the sums of them, on an embedding.
    #[must_use]
    pub fn vector_sums(&self) -> Option<(u64, &[i64])> {
        match &self.bins {
            Bins::Vectors(vectors) => Some((vectors.count, &vectors.sums)),
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
        self.rows().max(self.bins.largest_beside())
    }

    /// The sum of the values in one numeric bin, exact to 2^-24 of the bin's width a value; `None` on other binnings. Beyond
    /// the range it is exact as well, unless the counts are of an earlier version, which cut offsets off at 4,096 ranges.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn bin_sum(&self, bin: usize) -> Option<f64> {
        match (&self.bins, self.binning()) {
            (Bins::Numeric(NumericCounts { counts, offsets, .. }), Binning::Numeric(binning)) => {
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

    /// The sums of all bins, in their order, as [`Self::bin_sum`] has them; empty on other binnings.
    pub(crate) fn bin_sums(&self) -> impl Iterator<Item = f64> + '_ {
        let numeric = match (&self.bins, self.binning()) {
            (Bins::Numeric(numeric), Binning::Numeric(binning)) => Some((numeric, binning)),
            _ => None,
        };
        numeric.into_iter().flat_map(move |(NumericCounts { counts, offsets, .. }, binning)| {
            let last = counts.len().saturating_sub(1);
            let sums = counts.as_slice().iter().zip(offsets.as_slice()).enumerate();
            sums.map(move |(bin, (count, offset))| {
                let open = (bin == 0 || bin == last).then(|| self.bin_sum(bin)).flatten();
                open.unwrap_or_else(|| binning.sum(bin, *count, *offset))
            })
        })
    }

    /// Counts the given rows of an array of the column's type.
    pub(super) fn count(&mut self, array: &dyn Array, absences: &[Absence], rows: &[u32]) {
        let Self { binnings, column, bins, absent, derived } = self;
        *derived = Derived::default();
        let binning = binnings.columns().get(*column).map(|(_, binning)| binning);
        let rows = rows.iter().map(|row| *row as usize).filter(|row| *row < array.len());
        bins.count(binning, array, rows, &mut Misses { absent, absences });
    }

    /// Counts rows without a value.
    pub(super) fn count_absent(&mut self, absence: Absence, rows: u64) {
        let place = (absence as usize).checked_sub(1);
        if let Some(counter) = place.and_then(|place| self.absent.get_mut(place)) {
            *counter = counter.saturating_add(rows);
        }
    }

    /// Adds the counts of an aligned distribution; callers go through [`super::WindowCounts::merge`].
    pub(super) fn add(&mut self, other: &Self) {
        debug_assert!(self.is_aligned_with(other), "merging is checked by the window");
        self.bins_mut().add(&other.bins);
        add_all(&mut self.absent, &other.absent);
    }

    /// Whether nothing is known of the column: no bins were ever placed for it, and no value was counted. A baseline like that
    /// has nothing that a window could be compared with; that all of its rows lack the column says nothing of it.
    #[must_use]
    pub fn is_left_out(&self) -> bool {
        self.binning().is_universal() && self.absent(Absence::Missing) == self.rows()
    }

    /// Whether it has values that no bins were ever placed for: those of a window and those of a baseline cannot be compared,
    /// though how many there are can.
    #[must_use]
    pub fn has_values_without_bins(&self) -> bool {
        self.binning().is_universal() && self.present() > 0
    }

    /// Moves counts made on universal buckets (or unseen categories) to a binning built from such counts.
    /// Every bucket lies in one bin, so nothing is split, unless there are more different values in these counts than in those
    /// that the binning was built from: then buckets are divided by their width. The mean and the deviation of all values stay
    /// what they are, where counts of an earlier version know them.
    #[must_use]
    pub fn rebinned(&self, binnings: &Arc<BinningSet>, column: usize) -> Self {
        let binning = binnings.columns().get(column).map(|(_, binning)| binning);
        let bins = self.bins.rebinned(self.binning(), binning);
        let derived = Derived::default();
        Self { binnings: Arc::clone(binnings), column, bins, absent: self.absent, derived }
    }
}

fn add_all(counts: &mut [u64], more: &[u64]) {
    for (mine, theirs) in counts.iter_mut().zip(more) {
        *mine = mine.saturating_add(*theirs);
    }
}
