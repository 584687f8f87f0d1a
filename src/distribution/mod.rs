//! Distributions: the counts of one column on a binning, and the counts of all columns of a window.
//!
//! Counts are integers, so adding them is exact, commutative and associative: the order of records, the
//! number of daemons and restarts in between leave no trace in the sum.

mod bins;
mod column;
mod derived;
mod detail;
mod ipc;
mod moments;
mod sample;
mod sparse;
mod statistics;
mod stored;
mod unseen;

pub use column::Distribution;
pub use ipc::{FORMAT_VERSION, IpcError};
pub use sample::{MAX_SAMPLE, RecordSample, RowOrigin, sample_hashes};
pub use statistics::{LEVELS, Located};
pub use unseen::UnseenCategories;

use std::sync::Arc;

use crate::binning::BinningSet;
use crate::record::{Absence, DecodedBatch};

/// Fewer values than this place no bins and get no verdict, however many records there are.
pub const MIN_VALUES: u64 = 30;

/// Counts are exact in every formula up to here, and no topic has as many records: a larger one was never counted.
pub const MAX_COUNT: u64 = 1 << 53;

/// Counts that do not add up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// They were counted on different binnings.
    #[error("counts on binning {left} cannot be added to counts on binning {right}")]
    Binning {
        /// The binning of the counts to add to.
        left: uuid::Uuid,
        /// The binning of the counts to add.
        right: uuid::Uuid,
    },
    /// Their sum is larger than [`MAX_COUNT`].
    #[error("the sum of the counts is larger than any number of records: some of them are damaged")]
    TooLarge,
}

/// A sum that stays at the largest number instead of beginning again.
fn total(counts: impl IntoIterator<Item = u64>) -> u64 {
    counts.into_iter().fold(0, u64::saturating_add)
}

/// The distributions of all columns of one window (or baseline), on one binning set.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowCounts {
    binnings: Arc<BinningSet>,
    rows: u64,
    columns: Vec<Distribution>,
}

impl WindowCounts {
    /// Nothing counted yet.
    #[must_use]
    pub fn empty(binnings: Arc<BinningSet>) -> Self {
        let columns = (0..binnings.columns().len())
            .map(|column| Distribution::empty(Arc::clone(&binnings), column))
            .collect();
        Self { binnings, rows: 0, columns }
    }

    /// Counts of which nothing is known but these, such as simulated ones: of each column the count of each bin, and how many
    /// records have no value. A column has as many records as the one that has most.
    #[must_use]
    pub fn of_bins(binnings: Arc<BinningSet>, columns: &[(Vec<u64>, u64)]) -> Self {
        let mut counts = Self::empty(binnings);
        for (distribution, (bins, nulls)) in counts.columns.iter_mut().zip(columns) {
            distribution.bins_mut().add_counts(bins);
            distribution.count_absent(Absence::Null, *nulls);
        }
        counts.rows = counts.columns.iter().map(Distribution::rows).max().unwrap_or(0);
        counts
    }

    /// The binnings everything is counted on.
    #[must_use]
    pub fn binnings(&self) -> &Arc<BinningSet> {
        &self.binnings
    }

    /// Records counted.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// One distribution a column, in schema order.
    #[must_use]
    pub fn columns(&self) -> &[Distribution] {
        &self.columns
    }

    /// The distribution of a named column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Distribution> {
        self.columns.iter().find(|distribution| distribution.name() == name)
    }

    /// Counts the given rows of a batch. Columns are matched by name: a window that was opened before the
    /// monitor's columns changed keeps its own, and what records no longer have is missing in it.
    pub fn count(&mut self, batch: &DecodedBatch, rows: &[u32]) {
        self.rows = self.rows.saturating_add(rows.len() as u64);
        let fields = batch.batch.schema_ref().fields();
        for (position, distribution) in self.columns.iter_mut().enumerate() {
            let is_here = |field: &arrow::datatypes::FieldRef| field.name() == distribution.name();
            let index = match fields.get(position) {
                Some(field) if is_here(field) => Some(position),
                _ => fields.iter().position(is_here),
            };
            match index.and_then(|index| Some((batch.batch.columns().get(index)?, batch.absences.get(index)?))) {
                Some((array, absences)) => distribution.count(array.as_ref(), absences, rows),
                None => distribution.count_absent(Absence::Missing, rows.len() as u64),
            }
        }
    }

    /// Bytes in memory, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(Distribution::bytes).sum()
    }

    /// Moves counts made on universal bins to a binning set built from such counts.
    #[must_use]
    pub fn rebinned(&self, binnings: &Arc<BinningSet>) -> Self {
        let columns = self
            .columns
            .iter()
            .enumerate()
            .map(|(column, distribution)| distribution.rebinned(binnings, column))
            .collect();
        Self { binnings: Arc::clone(binnings), rows: self.rows, columns }
    }

    /// The largest sum in it.
    fn largest(&self) -> u64 {
        self.columns.iter().map(Distribution::largest).max().unwrap_or(0).max(self.rows)
    }

    /// The sum of counts; none of no counts.
    ///
    /// # Errors
    /// As [`Self::merge`].
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Result<Option<Self>, MergeError> {
        let mut all = all.into_iter();
        let Some(first) = all.next() else { return Ok(None) };
        let mut sum = first.clone();
        for counts in all {
            sum.merge(counts)?;
        }
        Ok(Some(sum))
    }

    /// Adds other counts to these.
    ///
    /// # Errors
    /// When they were counted on another binning set, or are damaged; nothing is added then.
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        if self.binnings.id() != other.binnings.id() {
            return Err(MergeError::Binning { left: self.binnings.id(), right: other.binnings.id() });
        }
        if self.largest().saturating_add(other.largest()) > MAX_COUNT {
            return Err(MergeError::TooLarge);
        }
        self.rows = self.rows.saturating_add(other.rows);
        for (mine, theirs) in self.columns.iter_mut().zip(&other.columns) {
            mine.add(theirs);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
