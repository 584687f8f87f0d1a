//! The values of a column on both sides, as far as they are at hand.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::Float64Type;

use crate::binning::NumericBinning;
use crate::measure::{Categories, Pair, Points, Side, Values};

/// The values that reasons are looked for in.
#[derive(Clone, Debug, PartialEq)]
pub enum Sides {
    /// Of a numeric column.
    Numbers {
        /// The finite values.
        points: Points,
        /// Whether the window's values are a sample and the baseline's the means of its bins: what a daemon has. Otherwise
        /// both sides are all values.
        sampled: bool,
    },
    /// Of a categorical or boolean column.
    Categories(Categories),
}

impl From<Values> for Sides {
    fn from(values: Values) -> Self {
        match values {
            Values::Numeric { points, .. } => Self::Numbers { points: float32_equal(&points), sampled: false },
            Values::Categorical(categories) => Self::Categories(categories),
        }
    }
}

impl Sides {
    /// What is known of a window that was counted on the bins of its baseline. `sample` is the column in the window's sample of
    /// records, which numbers need; categories are known by their counts and the names of unseen ones. `None` without
    /// anything to look at.
    #[must_use]
    pub fn of_window(pair: &Pair<'_>, sample: Option<&ArrayRef>) -> Option<Self> {
        if let Some(binning) = pair.categorical_binning() {
            return categories(pair, binning).map(Self::Categories);
        }
        let binning = pair.numeric_binning().filter(|_| !pair.window().is_sensitive())?;
        let baseline = Pair::new(pair.baseline(), pair.baseline()).ok()?.points()?;
        let mut all: Vec<(f64, u64, u64)> =
            baseline.of(Side::Baseline).map(|(value, count)| (value, count, 0)).collect();
        let mut sampled = 0;
        let values = sample?.as_primitive_opt::<Float64Type>()?;
        for value in values.iter().flatten().filter(|value| value.is_finite()) {
            // What is as near to a value with a bin of its own as 32-bit floats are is that value.
            let value = binning.atom(near_atom(binning, value)).unwrap_or(value);
            all.push((value, 0, 1));
            sampled += 1;
        }
        (sampled > 0).then(|| Self::Numbers { points: Points::summed(all), sampled: true })
    }

    /// The values of a numeric column's side, where they are values and not means of bins.
    #[must_use]
    pub fn of(&self, side: Side) -> Option<(&Points, Side)> {
        match self {
            Self::Numbers { points, sampled } if !sampled || side == Side::Window => Some((points, side)),
            _ => None,
        }
    }
}

/// Half the distance of two neighbouring 32-bit floats, as a share of them.
pub(super) const SINGLE: f64 = 6e-8;

/// The bin of a value that may have lost its last digits on the way: an atom that is as near as 32-bit floats are, or the bin
/// that begins just above it.
pub(super) fn near_atom(binning: &NumericBinning, value: f64) -> usize {
    let slack = value.abs() * SINGLE;
    let (low, high) = (binning.bin(value - slack), binning.bin(value + slack));
    (low..=high).find(|bin| binning.is_atom(*bin)).unwrap_or(high)
}

/// Values that are equal as 32-bit floats are one: they were served by a model of that precision.
fn float32_equal(points: &Points) -> Points {
    #[expect(clippy::cast_possible_truncation, reason = "on purpose")]
    let single = |value: f64| value as f32;
    let mut merged: Vec<(f64, u64, u64)> = Vec::new();
    for (value, before, after) in points.iter() {
        match merged.last_mut() {
            Some(last) if single(last.0).is_finite() && single(last.0) == single(value) => {
                // As the baseline has it, which has more digits if one of them has.
                let kept = if last.1 == 0 && before > 0 { value } else { last.0 };
                *last = (kept, last.1 + before, last.2 + after);
            }
            _ => merged.push((value, before, after)),
        }
    }
    Points::from_counts(merged)
}

fn categories(pair: &Pair<'_>, binning: &crate::binning::CategoricalBinning) -> Option<Categories> {
    let sides = [pair.baseline(), pair.window()];
    // Texts have several words a row: what happened to a column of names does not happen to words.
    if sides.iter().any(|column| column.present() > column.rows()) {
        return None;
    }
    let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut unnamed = (0, 0);
    for (side, column) in sides.into_iter().enumerate() {
        let mut add = |name: &str, count: u64| {
            let both = counts.entry(name.to_owned()).or_default();
            *(if side == 0 { &mut both.0 } else { &mut both.1 }) += count;
        };
        for (bin, count) in column.counts().iter().enumerate().filter(|(bin, _)| *bin != binning.unseen_bin()) {
            add(binning.label(bin), *count);
        }
        let mut left = column.counts().get(binning.unseen_bin()).copied().unwrap_or(0);
        for (name, count) in column.unseen().into_iter().flat_map(crate::distribution::UnseenCategories::heaviest)
        {
            add(&name, count);
            left = left.saturating_sub(count);
        }
        // Unseen ones that are too many to be known by name.
        *(if side == 0 { &mut unnamed.0 } else { &mut unnamed.1 }) += left;
    }
    if unnamed != (0, 0) {
        counts.insert(binning.label(binning.unseen_bin()).to_owned(), unnamed);
    }
    Some(Categories::from_counts(counts))
}
