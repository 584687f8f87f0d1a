//! Changes of a column against the *natural variation* between the reference's own windows, from counts alone.
//!
//! Each column has a few signed statistics that are sums over its bins ([`Statistic`]): the location and the spread of a numeric
//! column, its tails, its tenths, the shares of categories, of nulls, of values that the reference has not. Each has one nuisance
//! number, *theta*: the variance of the statistic between windows in units of its variance between records. A window of `n`
//! records is never worth more than `1 / (1/n + theta)` independent ones, its *effective size*.
//!
//! Theta is estimated from the dispersion of the reference's windows and is uncertain when there are few. So a p-value is averaged
//! over its confidence distribution (the idea of Nagashima, Noma and Furukawa, 2019) instead of being computed with one
//! estimate: few windows widen the limits by themselves, and the same formula keeps its level with 12 windows and with 168.
//! What a single column does not show is pooled over the columns of a monitor: how alike successive windows are, how heavy the tails
//! of their effects are, and how large dispersions usually are (empirical Bayes; Smyth, 2004).
//!
//! [`Variation::fit`] is what is learned from a reference and stored with it; [`Judge`] puts it beside the reference's counts and
//! gives the [`Change`]s of a window. Both are pure.
//!
//! | references | theta | [`Source`] |
//! | --- | --- | --- |
//! | one file without times, or a single window | 0: sampling alone | [`Source::Sampling`] |
//! | two to five windows | 0: too few to learn from | [`Source::Learning`] |
//! | six windows or more | of the windows | [`Source::Windows`] |

mod autocorrelation;
mod bursts;
mod change;
mod change_test;
mod detectable;
mod dispersion;
mod fit;
mod followed;
mod judge;
mod law;
mod mix;
mod outlying;
mod prior;
mod scores;
mod shares;
mod stored;
mod stuck;
mod surge;
mod tail;
#[cfg(test)]
mod tests;
mod theta;

pub use change::{Change, share_size};
pub use change_test::{Bins, ChangeTest, fit};
pub use detectable::{Detectable, Means};
pub use followed::FollowedColumn;
pub use judge::Judge;
pub use stored::{Source, Variation};

use serde::{Deserialize, Serialize};

/// Below this many windows a reference says nothing about its own variation: three quiet windows of a rare, bursty share look
/// constant.
pub const LEAST_WINDOWS: usize = 6;

/// What the bins of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Ordered: below the reference's range, the bins in order, above the range.
    Numeric,
    /// Known categories with bins of their own, rare known ones together, unseen ones together.
    Categorical,
}

/// The counts of one column in one window.
#[derive(Clone, Copy, Debug)]
pub struct ColumnCounts<'a> {
    /// Values by bin, in the order that [`Kind`] says.
    pub bins: &'a [u64],
    /// Records without a value.
    pub nulls: u64,
    /// Records whose value is none of the column's type.
    pub invalid: u64,
}

/// One column of a reference.
#[derive(Clone, Debug)]
pub struct ReferenceColumn<'a> {
    pub name: &'a str,
    pub kind: Kind,
    /// Of the whole reference. The statistics' score functions come from it, so it has to be there again for [`Judge::new`].
    pub total: ColumnCounts<'a>,
    /// In order of time; empty where the reference has none, as a file without times. The windows of all columns are the same ones. A
    /// window with another number of bins is left out.
    pub windows: Vec<ColumnCounts<'a>>,
    pub foreign: Foreign,
    /// How many values of rare and of unseen categories together another sample of this size has on average, where that is known: which
    /// categories are rare in this one is partly chance.
    pub rare: Option<f64>,
}

/// What a reference says about values that it has not: how many of them to expect when nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// The bins were built from this reference, which has no windows: the number of categories that it has once estimates the records
    /// of further ones (Good, 1953). With windows, categories with a bin that occur in one of them only count instead.
    Singletons(u64),
    /// The bins were built from this reference: for each window, the records of categories that no other window has. Singletons
    /// are too few where successive records are alike.
    OnlyHere(Vec<u64>),
    /// The bins were not built from this reference: what it has outside of them is a share like others.
    Independent,
}

/// What is compared between a window and the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// The mean of normal scores of the values.
    Location,
    /// The mean of their squares.
    Spread,
    /// The share of the reference's lowest 2.5 %.
    LowTail,
    /// The share of the reference's highest 2.5 %.
    HighTail,
    /// The share below the reference's range, which begins with the lowest bin that it has something in; of a reference with values in
    /// the open bin that bin. Only a rise counts.
    Below,
    /// The share above the reference's range, likewise; only a rise counts.
    Above,
    /// The share of a tenth of the reference's values, 0 to 9. With many equal values some tenths are missing.
    Group(u8),
    /// The share of one bin against its neighbours; the bin that stands out the most. Only a rise counts.
    Stuck(usize),
    /// The share of a category that is too small for a statistic of its own, by its bin; the one that rises the most. Only a rise
    /// counts. The bin of rare categories stands for these and unseen ones together.
    Surge(usize),
    /// The share of a category, by its bin: of those with at least 0.5 % and 20 records.
    Category(usize),
    /// The share of categories that the reference has not; only a rise counts.
    Unseen,
    /// All shares of categories together: many small changes.
    Mix,
    /// The share of records without a value.
    Null,
    /// The share of records with a value that is none; only a rise counts.
    Invalid,
}

impl Statistic {
    /// Whether a fall of this statistic is no change.
    #[must_use]
    pub const fn is_one_sided(self) -> bool {
        matches!(self, Self::Below | Self::Above | Self::Stuck(_) | Self::Surge(_) | Self::Unseen | Self::Invalid)
    }

    /// Whether it is a share of all records; otherwise it is one of the records with a value.
    const fn is_of_rows(self) -> bool {
        matches!(self, Self::Null | Self::Invalid)
    }

    /// Whether the reference has next to nothing of it by construction, so that its windows say little about its variation.
    const fn is_foreign(self) -> bool {
        matches!(self, Self::Below | Self::Above | Self::Unseen)
    }
}

impl ColumnCounts<'_> {
    /// Records with a value.
    fn values(&self) -> f64 {
        self.bins.iter().map(|count| number(*count)).sum()
    }

    /// All records.
    fn rows(&self) -> f64 {
        self.values() + number(self.nulls) + number(self.invalid)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count above 2^53 needs no more digits than these")]
const fn number(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "numbers of windows, columns, bins")]
const fn size(count: usize) -> f64 {
    count as f64
}
