//! All values of a column on both sides, as counts of distinct values.

use std::collections::BTreeMap;

use super::{Pair, Points, Side};

/// The values of a column in baseline and window.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Of a numeric column.
    Numeric {
        /// The finite values.
        points: Points,
        /// Whether both sides are stored as integers without nulls, which numpy bins otherwise.
        integers: bool,
    },
    /// Of a categorical or boolean column.
    Categorical(Categories),
}

/// Categories in alphabetic order, with how often each side has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Categories {
    pub names: Vec<String>,
    /// Counts of the baseline.
    pub baseline: Vec<u64>,
    /// Counts of the window.
    pub window: Vec<u64>,
}

impl Categories {
    /// From counts by category; categories that neither side has are dropped.
    #[must_use]
    pub fn from_counts(counts: BTreeMap<String, (u64, u64)>) -> Self {
        let mut categories = Self::default();
        for (name, (baseline, window)) in counts {
            if baseline + window > 0 {
                categories.names.push(name);
                categories.baseline.push(baseline);
                categories.window.push(window);
            }
        }
        categories
    }

    /// From two samples.
    #[must_use]
    pub fn from_samples<'a>(
        baseline: impl IntoIterator<Item = &'a str>,
        window: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for value in baseline {
            counts.entry(value.to_owned()).or_default().0 += 1;
        }
        for value in window {
            counts.entry(value.to_owned()).or_default().1 += 1;
        }
        Self::from_counts(counts)
    }

    /// (count in the baseline, count in the window) of each category.
    pub fn pairs(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.baseline.iter().copied().zip(self.window.iter().copied())
    }
}

impl Values {
    /// The values behind a pair of distributions: exact when bins hold one value each, otherwise each bin stands at the
    /// mean of what it holds. `integers` as above.
    #[must_use]
    pub fn of_pair(pair: &Pair<'_>, integers: bool) -> Self {
        let Some(binning) = pair.categorical_binning() else {
            return Self::Numeric { points: pair.points().unwrap_or_default(), integers };
        };
        let counts = pair.baseline().counts().iter().zip(pair.window().counts()).enumerate();
        Self::Categorical(Categories::from_counts(
            counts.map(|(bin, (before, after))| (binning.label(bin).to_owned(), (*before, *after))).collect(),
        ))
    }

    /// Whether the column is numeric.
    #[must_use]
    pub fn is_numeric(&self) -> bool {
        matches!(self, Self::Numeric { .. })
    }

    /// Both sizes; `None` unless both sides have a value.
    #[must_use]
    pub fn sizes(&self) -> Option<(u64, u64)> {
        let (n, m) = match self {
            Self::Numeric { points, .. } => (points.size(Side::Baseline), points.size(Side::Window)),
            Self::Categorical(categories) => (categories.baseline.iter().sum(), categories.window.iter().sum()),
        };
        (n > 0 && m > 0).then_some((n, m))
    }

    /// How many distinct values both sides hold together.
    #[must_use]
    pub fn distinct(&self) -> usize {
        match self {
            Self::Numeric { points, .. } => points.distinct(),
            Self::Categorical(categories) => categories.names.len(),
        }
    }
}
