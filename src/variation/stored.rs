//! What is stored with a reference.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::dispersion::{Centre, Sizes};
use super::mix::StoredMix;
use super::surge::StoredSurge;
use super::{Kind, LEAST_WINDOWS, Statistic};

/// Of the stored form.
pub(super) const VERSION: u32 = 1;

/// The natural variation of a reference: for each column and statistic where it lies and how far its windows move, and what is
/// pooled over columns. Small: some numbers for each statistic.
///
/// What is read back may be damaged: columns whose numbers make no sense, or do not fit the reference's counts, are left out when
/// a [`Judge`](super::Judge) is made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variation {
    pub(super) version: u32,
    pub(super) windows: usize,
    /// Of successive windows.
    pub(super) autocorrelation: f64,
    /// Degrees of freedom of the law of window effects, where it has heavier tails than the normal law.
    pub(super) tail: Option<f64>,
    pub(super) columns: BTreeMap<String, StoredColumn>,
}

/// Where a reference's natural variation is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The reference has no windows, or one: sampling noise alone.
    Sampling,
    /// It has too few windows to learn from: sampling noise alone, until there are more.
    Learning,
    /// From its windows.
    Windows,
}

impl Variation {
    /// How many windows of the reference it was learned from, those that were left out included.
    #[must_use]
    pub const fn windows(&self) -> usize {
        self.windows
    }

    /// What this number of windows says.
    #[must_use]
    pub const fn source(&self) -> Source {
        match self.windows {
            0 | 1 => Source::Sampling,
            few if few < LEAST_WINDOWS => Source::Learning,
            _ => Source::Windows,
        }
    }

    /// The correlation of successive windows, 0 to 0.9; 0 when it is within chance.
    #[must_use]
    pub const fn autocorrelation(&self) -> f64 {
        self.autocorrelation
    }

    /// How many windows were left out for a column because they stand out. `None` for a column that the reference has not.
    #[must_use]
    pub fn left_out(&self, column: &str) -> Option<usize> {
        self.columns.get(column).map(|column| column.left_out)
    }

    /// Whether what is pooled over columns makes sense.
    pub(super) fn is_sound(&self) -> bool {
        self.version == VERSION
            && (0.0..=0.9).contains(&self.autocorrelation)
            && self.tail.is_none_or(|degrees| (1.0..=1e6).contains(&degrees))
    }
}

/// One column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredColumn {
    pub kind: Kind,
    pub left_out: usize,
    /// Of records with a value.
    pub values: Sizes,
    /// Of all records.
    pub rows: Sizes,
    pub statistics: Vec<StoredStatistic>,
    pub mix: Option<StoredMix>,
    /// Of small categories together: see [`surge`](super::surge).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub small: Option<StoredSurge>,
}

/// One statistic. It is written as an array: with hundreds of them, names would be most of what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub(super) struct StoredStatistic {
    pub statistic: Statistic,
    pub centre: Centre,
    /// Q, with what is borrowed; 0 when sampling alone is assumed.
    pub q: f64,
    pub degrees: f64,
    pub bursty: bool,
}

/// Statistic, centre, Q, its degrees of freedom, whether it is bursty.
type Written = (Statistic, WrittenCentre, f64, f64, bool);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenCentre {
    Share(f64),
    Mean(f64, f64, f64),
}

impl From<StoredStatistic> for Written {
    fn from(stored: StoredStatistic) -> Self {
        let centre = match stored.centre {
            Centre::Share { count } => WrittenCentre::Share(count),
            Centre::Mean { mean, variance, skewness } => WrittenCentre::Mean(mean, variance, skewness),
        };
        (stored.statistic, centre, stored.q, stored.degrees, stored.bursty)
    }
}

impl From<Written> for StoredStatistic {
    fn from((statistic, centre, q, degrees, bursty): Written) -> Self {
        let centre = match centre {
            WrittenCentre::Share(count) => Centre::Share { count },
            WrittenCentre::Mean(mean, variance, skewness) => Centre::Mean { mean, variance, skewness },
        };
        Self { statistic, centre, q, degrees, bursty }
    }
}

/// To nine significant digits: as many as differences of estimates need, and no more to store.
pub(super) fn short(value: f64) -> f64 {
    format!("{value:.8e}").parse().unwrap_or(value)
}

impl StoredColumn {
    pub(super) fn is_sound(&self) -> bool {
        let statistics = self.statistics.iter().all(|stored| {
            let sizes = if stored.statistic.is_of_rows() { &self.rows } else { &self.values };
            stored.is_sound(sizes.total)
        });
        self.values.is_sound()
            && self.rows.is_sound()
            && statistics
            && self.mix.as_ref().is_none_or(StoredMix::is_sound)
            && self.small.as_ref().is_none_or(StoredSurge::is_sound)
    }
}

impl StoredStatistic {
    fn is_sound(&self, total: f64) -> bool {
        let centre = match self.centre {
            Centre::Mean { mean, variance, skewness } => {
                mean.is_finite() && (1e-12..1e30).contains(&variance) && skewness.is_finite()
            }
            // Sums of floats in another order.
            Centre::Share { count } => (0.0..=total * (1.0 + 1e-9)).contains(&count),
        };
        centre && is_amount(self.q) && (0.5..=1e7).contains(&self.degrees)
    }
}

impl Sizes {
    fn is_sound(&self) -> bool {
        is_amount(self.total) && is_amount(self.mean) && (0.0..=1.0 + 1e-9).contains(&self.concentration)
    }
}

impl StoredSurge {
    fn is_sound(&self) -> bool {
        is_amount(self.dispersion)
            && (0.5..=1e7).contains(&self.degrees)
            && self.rare.is_none_or(|rare| is_amount(rare) && rare > 0.0)
            && is_amount(self.together)
    }
}

impl StoredMix {
    fn is_sound(&self) -> bool {
        self.cells.iter().all(|count| is_amount(*count))
            && is_amount(self.dispersion)
            && (0.5..=1e7).contains(&self.degrees)
            && is_amount(self.variation)
    }
}

/// Neither negative nor beyond all bounds, nor no number.
fn is_amount(value: f64) -> bool {
    (0.0..1e300).contains(&value)
}
