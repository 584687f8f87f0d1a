//! Many small changes of categories together: Pearson's statistic with its exact moments, and its own dispersion between windows.

use serde::{Deserialize, Serialize};

use super::detectable::POWER;
use super::law::{crossing, gamma_above, inverse_gamma_above, normal_quantile_two_sided, normal_tail};
use super::scores::own_cells;
use super::stored::short;
use super::theta::{Quantiles, Ratios, Theta};
use super::{dispersion::Sizes, number, size};

/// Categories with at most as many records are in one cell together with unseen ones.
const FEW: f64 = 10.0;
/// Between those and categories with a cell of their own, so many cells by a hash.
const HASHED: usize = 30;
/// With fewer cells the single shares say all.
const LEAST_CELLS: usize = 4;
/// Beyond the mean by less than so many standard deviations the p-value is 1.
const QUIET: f64 = 1.6;

/// The share of a column's level that the statistic has.
pub(super) const WEIGHT: f64 = 0.10;

/// Which cell each bin of a column is in.
pub(super) struct Cells {
    cell_of: Vec<usize>,
    number: usize,
    /// The largest count in the cell of rare and unseen categories.
    few: f64,
}

impl Cells {
    /// `None` for a column with three values or fewer, or with too few cells.
    pub(super) fn of(total: &[u64]) -> Option<Self> {
        let counts: Vec<f64> = total.iter().map(|count| number(*count)).collect();
        let (known, rare) = (counts.len().checked_sub(2)?, *total.get(total.len().checked_sub(2)?)?);
        if counts.iter().take(known + 1).filter(|count| **count > 0.0).count() <= 3 {
            return None;
        }
        // Which categories have bins was decided by their counts: those that are as rare as the smallest belong to the rare ones.
        let smallest =
            counts.iter().take(known).copied().filter(|count| *count > 0.0).fold(f64::INFINITY, f64::min);
        let few = if rare > 0 && smallest.is_finite() { smallest.max(FEW) } else { FEW };
        let mut own =
            own_cells(&counts, counts.iter().sum()).filter(|bin| counts.get(*bin) > Some(&few)).peekable();
        let mut cell_of = vec![usize::MAX; counts.len()];
        let mut cells = 0;
        let mut hashed = Vec::new();
        for (bin, count) in (0..known).zip(&counts) {
            if own.next_if_eq(&bin).is_some() {
                if let Some(cell) = cell_of.get_mut(bin) {
                    *cell = cells;
                }
                cells += 1;
            } else if *count > few {
                hashed.push(bin);
            }
        }
        let buckets = hashed.len().min(HASHED);
        for bin in hashed {
            if let Some(cell) = cell_of.get_mut(bin) {
                *cell = cells + bucket(bin, buckets);
            }
        }
        let last = cells + buckets;
        for cell in cell_of.iter_mut().filter(|cell| **cell == usize::MAX) {
            *cell = last;
        }
        (last + 1 >= LEAST_CELLS).then_some(Self { cell_of, number: last + 1, few })
    }

    pub(super) const fn len(&self) -> usize {
        self.number
    }

    /// The values by cell.
    pub(super) fn tally(&self, bins: &[u64]) -> Vec<f64> {
        let mut tally = vec![0.0; self.number];
        for (cell, count) in self.cell_of.iter().zip(bins) {
            if let Some(sum) = tally.get_mut(*cell) {
                *sum += number(*count);
            }
        }
        tally
    }

    /// What the cells have in the reference, whose `total` decided about the cells and whose `kept` windows count.
    ///
    /// Categories that a sample has at most `few` times have in another sample the records of those it has once to one more
    /// time (Good and Turing). Their own counts are too low for the unseen ones among them. Windows that vary say it as well, and more
    /// where categories come in bursts: what each has of the categories that the others together have at most `few` times.
    fn reference(&self, total: &[u64], kept: &[u64], windows: &[&[u64]]) -> Vec<f64> {
        let mut tally = self.tally(kept);
        if let Some(last) = tally.last_mut() {
            let few = self.few;
            let known = total.len().saturating_sub(2);
            *last += total
                .iter()
                .zip(kept)
                .take(known)
                .filter(|(total, _)| number(**total) == few + 1.0)
                .map(|(_, kept)| number(*kept))
                .sum::<f64>();
            let others = few * (1.0 - 1.0 / size(windows.len()).max(1.0));
            let of = |window: &&[u64]| -> f64 {
                let bins = window.iter().zip(kept).zip(0..);
                let few =
                    bins.filter(|((here, all), bin)| *bin >= known || number(**all) - number(**here) <= others);
                few.map(|((here, _), _)| number(*here)).sum()
            };
            *last = last.max(windows.iter().map(of).sum());
        }
        tally
    }
}

/// A hash of a bin that does not depend on counts, mixed (splitmix64): bins are in the order of their counts, and cells of neighbours in
/// that order would be chosen by chance.
fn bucket(bin: usize, buckets: usize) -> usize {
    let mut hash = (bin as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    usize::try_from(hash % (buckets.max(1) as u64)).unwrap_or(0)
}

/// What is stored: the cells' counts in the reference, and how Pearson's statistic varies between its windows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredMix {
    pub cells: Vec<f64>,
    /// The mean ratio of the windows' statistic to its expectation; 0 without windows.
    pub dispersion: f64,
    pub degrees: f64,
    /// The squared coefficient of variation of that ratio, with a supplement for the number of windows.
    pub variation: f64,
}

impl StoredMix {
    /// `windows` are those that are kept, with a value.
    pub(super) fn fit(cells: &Cells, total: &[u64], kept: &[u64], windows: &[&[u64]]) -> Self {
        let reference = cells.reference(total, kept, windows);
        let values: f64 = kept.iter().map(|count| number(*count)).sum();
        let mut ratios = Vec::with_capacity(windows.len());
        let mut sampling = 0.0;
        for window in windows {
            let inside = cells.tally(window);
            let n: f64 = inside.iter().sum();
            let others: Vec<f64> = reference.iter().zip(&inside).map(|(all, inside)| all - inside).collect();
            let Some(statistic) = Pearson::of(&inside, n, &others, values - n) else { continue };
            ratios.push(statistic.value / statistic.mean);
            sampling += statistic.variance / (statistic.mean * statistic.mean);
        }
        let count = size(ratios.len());
        if count < 3.0 {
            return Self { cells: reference, dispersion: 0.0, degrees: 1.0, variation: 0.0 };
        }
        let mean = ratios.iter().sum::<f64>() / count;
        let squares: f64 = ratios.iter().map(|ratio| (ratio - mean).powi(2)).sum();
        // The spread of few windows is uncertain, and too small more often than too large.
        let variation = squares / (count - 1.0) / mean.max(1e-9).powi(2) * (1.0 + 3.0 / count.sqrt());
        let degrees = (2.0 * count / (sampling / count).max(variation).max(1e-9)).clamp(0.5, 1e6);
        Self { cells: reference, dispersion: short(mean), degrees: short(degrees), variation: short(variation) }
    }
}

/// Ready to judge windows.
pub(super) struct Mix {
    cells: Cells,
    reference: Vec<f64>,
    variation: f64,
    theta: Theta,
}

/// What it says about a window.
pub(super) struct Mixed {
    pub p_value: f64,
    pub size: f64,
    pub margin: f64,
    pub effective_size: f64,
}

impl Mix {
    /// `sizes` are those of the reference's values.
    pub(super) fn new(cells: Cells, stored: &StoredMix, sizes: Sizes, quantiles: &mut Quantiles) -> Self {
        let theta = Theta::of_ratio(stored.dispersion, stored.degrees, sizes, quantiles);
        Self { cells, reference: stored.cells.clone(), variation: stored.variation, theta }
    }

    pub(super) fn judge(&self, bins: &[u64], values: f64) -> Option<Mixed> {
        let inside = self.cells.tally(bins);
        let statistic = Pearson::of(&inside, values, &self.reference, self.theta.total())?;
        let ratio = self.theta.ratio(values);
        let sampling = self.theta.sampling(values);
        let deviation = statistic.mean * statistic.squared_variation(self.variation).sqrt();
        let p_value = if statistic.value < statistic.mean + QUIET * deviation {
            1.0
        } else {
            self.chance(&statistic, statistic.value, &self.theta.ratios(values))
        };
        Some(Mixed {
            p_value,
            size: ((statistic.value - statistic.mean * ratio).max(0.0) * sampling).sqrt(),
            margin: (1.96 * deviation * ratio * sampling).sqrt(),
            effective_size: self.theta.effective_size(values),
        })
    }

    /// The chance of a value as large, by the exact mean and the larger of both variances. Sampling has a gamma law. What windows add
    /// comes from few categories of one window and has heavier tails, those of an inverse gamma law; of both each has its part of the
    /// variance.
    fn chance(&self, statistic: &Pearson, value: f64, ratios: &Ratios) -> f64 {
        let variation = statistic.squared_variation(self.variation);
        let shape = 1.0 / variation;
        let chance = |ratio: f64| {
            let relative = value / ratio / statistic.mean;
            gamma_above(relative * shape, shape) / ratio
                + inverse_gamma_above(relative, variation) * (1.0 - 1.0 / ratio)
        };
        ratios.average(chance).min(1.0)
    }

    /// The size whose p-value equals a level, and the smallest that is found with 80 %, in a window of so many values.
    ///
    /// By the cube root of a gamma variable, which is about normal (Wilson and Hilferty, 1931): within some percent of the size.
    pub(super) fn detectable(&self, values: f64, level: f64) -> Option<(f64, f64)> {
        let total = self.theta.total();
        let expected: Vec<f64> = self.reference.iter().map(|count| count / total * values).collect();
        let statistic = Pearson::of(&expected, values, &self.reference, total)?;
        let (ratios, ratio) = (self.theta.ratios(values), self.theta.ratio(values));
        let variation = statistic.squared_variation(self.variation);
        let (middle, deviation) = (1.0 - variation / 9.0, (variation / 9.0).sqrt());
        let cube_root = |deviations: f64| (middle + deviations * deviation).max(0.0);
        let wanted = normal_quantile_two_sided(2.0 * level);
        let guess = (cube_root(wanted) * ratio.cbrt() - middle) / deviation;
        let deviations = crossing(wanted, guess, |deviations| {
            let root = cube_root(deviations);
            let chance = ratios.average(|ratio| {
                let relative = root / ratio.cbrt();
                normal_tail((relative - middle) / deviation) / ratio
                    + inverse_gamma_above(relative.powi(3), variation) * (1.0 - 1.0 / ratio)
            });
            normal_quantile_two_sided(2.0 * chance)
        });
        let sampling = self.theta.sampling(values);
        let size = |value: f64| ((value - ratio).max(0.0) * statistic.mean * sampling).sqrt();
        let floor = cube_root(deviations).powi(3);
        Some((size(floor), size(floor + POWER * variation.sqrt() * ratio)))
    }
}

/// Pearson's statistic of two rows of counts, with its mean and variance given the sums of rows and columns (Haldane, 1940; Dawson,
/// 1954): they hold for any counts, however small.
struct Pearson {
    value: f64,
    mean: f64,
    variance: f64,
}

impl Pearson {
    /// `None` when a row is empty.
    fn of(inside: &[f64], n: f64, others: &[f64], total: f64) -> Option<Self> {
        let all = n + total;
        if n < 1.0 || total < 1.0 || all <= 3.0 {
            return None;
        }
        let (mut sum, mut filled, mut harmonic) = (0.0, 0.0, 0.0);
        for (inside, others) in inside.iter().zip(others) {
            let both = inside + others;
            if both > 0.0 {
                let expected = both * n / all;
                sum += (inside - expected).powi(2) / expected;
                filled += 1.0;
                harmonic += all / both;
            }
        }
        let mean = all * (filled - 1.0) / (all - 1.0);
        let columns = (filled - 1.0) * (all - filled) / (all - 1.0);
        let rows = (all - 2.0) / (all - 1.0);
        let uneven_columns = (harmonic - filled * filled) / (all - 2.0);
        let uneven_rows = (all / total + all / n - 4.0) / (all - 2.0);
        let variance = 2.0 * all / (all - 3.0) * (columns - uneven_columns) * (rows - uneven_rows)
            + all * all / (all - 1.0) * uneven_columns * uneven_rows;
        Some(Self { value: sum * all / total, mean: mean.max(1e-9), variance: variance.max(1e-9) })
    }

    /// The squared coefficient of variation, at least that of the reference's windows.
    fn squared_variation(&self, windows: f64) -> f64 {
        (self.variance / (self.mean * self.mean)).max(windows)
    }
}
