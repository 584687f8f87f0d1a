//! Distances between cumulative distributions when nothing changed: areas under a Brownian bridge.
//!
//! The difference of two empirical distributions, over the root of `1/n + 1/m`, is a Brownian bridge at the cumulative
//! distribution F of both (del Barrio, Giné and Matrán 1999). The area under its absolute value and under its square have no closed
//! law. Of both the tail is that of one squared variable, the largest of the independent ones that they are made of, and all
//! others move it by what they add on average: [`shifted_square_tail`]. For the area that variable is the difference of the means,
//! which is skewed when there are few values.

use std::f64::consts::FRAC_2_PI;

use super::Pair;
use super::law::{pearson_tail, shifted_square_tail};

/// Neighbouring bins are one stretch while they hold at most one part in so many of the values and of the area.
const STRETCHES: f64 = 16.0;
/// Steps to the largest eigenvalue.
const STEPS: usize = 30;

/// A stretch of the line with the cumulative share of both sides on it.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    width: f64,
    below: f64,
}

impl Stretch {
    fn deviation(self) -> f64 {
        (self.below * (1.0 - self.below)).max(0.0).sqrt()
    }
}

/// The bridge on the range of the baseline.
pub(super) struct Bridge {
    stretches: Vec<Stretch>,
    /// What widths are in units of.
    unit: f64,
    /// `1/n + 1/m`.
    spread: f64,
    /// Of the difference of the means, at its heavier end and at the other.
    skewness: [f64; 2],
}

impl Bridge {
    /// `None` without cuts, without values on one side, and where the range is too wide for a float.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub(super) fn of(pair: &Pair<'_>) -> Option<Self> {
        let binning = pair.numeric_binning()?;
        let (baseline, window) = (pair.baseline(), pair.window());
        let (n, m) = (baseline.present(), window.present());
        if n == 0 || m == 0 {
            return None;
        }
        let total = (n + m) as f64;
        // In units of the range, so that no square is too large for a float.
        let cuts = binning.cuts();
        let (first, last) = (*cuts.first()?, *cuts.last()?);
        let unit = Some(last - first).filter(|range| range.is_finite() && *range > 0.0)?;
        let mut before = 0u64;
        let mut bins = Vec::with_capacity(2 * binning.bins());
        let mut values = Vec::with_capacity(binning.bins());
        for (bin, (left, right)) in baseline.counts().iter().zip(window.counts()).enumerate() {
            let count = left + right;
            let lower = before as f64 / total;
            before += count;
            let upper = before as f64 / total;
            let Some((low, high)) = binning.ends(bin).0.zip(binning.ends(bin).1) else { continue };
            // As the distance has it: the values of a bin lie evenly around their mean.
            let sum = baseline.bin_sum(bin).unwrap_or(0.0) + window.bin_sum(bin).unwrap_or(0.0);
            let mean = if count == 0 { low } else { (sum / count as f64).clamp(low, high) };
            let reach = (mean - low).min(high - mean);
            let mut stretch = |width: f64, below: f64| bins.push(Stretch { width: width / unit, below });
            stretch(mean - reach - low, lower);
            stretch(2.0 * reach, f64::midpoint(lower, upper));
            stretch(high - mean - reach, upper);
            values.push(((mean - first) / unit, count as f64));
        }
        let (n, m) = (n as f64, m as f64);
        let spread = 1.0 / n + 1.0 / m;
        let stretches = joined(&bins);
        let (skewness, excess) = shape(&values);
        // Of the mean of the window less that of the baseline.
        let skewness = skewness * (m.powi(-2) - n.powi(-2)) / spread.powf(1.5);
        let excess = excess * (m.powi(-3) + n.powi(-3)) / (spread * spread);
        Some(Self { stretches, unit, spread, skewness: of_both_ends(skewness, excess) })
    }

    /// The chance that the area between the cumulative distributions is at least this large.
    pub(super) fn area_tail(&self, area: f64) -> f64 {
        let area = area / self.unit;
        // The mean of the absolute values of two normal variables with a covariance, over both.
        let absolute = |left: &Stretch, right: &Stretch| {
            let (low, high) = (left.deviation(), right.deviation());
            let product = low * high;
            if product <= 0.0 {
                return 0.0;
            }
            let correlation = (left.below * (1.0 - right.below) / product).clamp(0.0, 1.0);
            FRAC_2_PI * product * (correlation * correlation.asin() + (1.0 - correlation * correlation).sqrt())
        };
        let square = self.pairs(absolute) * self.spread;
        // In the direction in which it varies most, the bridge has one sign: what is left is the difference of the means.
        let largest = self.pairs(|left, right| left.below * (1.0 - right.below)) * self.spread;
        if largest.is_nan() || largest <= 0.0 {
            return f64::from(u8::from(area <= 0.0));
        }
        let z = ((area * area - (square - largest).max(0.0)) / largest).max(0.0).sqrt();
        let either = self.skewness.map(|skewness| pearson_tail(z, 0.0, 1.0, skewness));
        either.iter().sum::<f64>().min(1.0)
    }

    /// The chance that the area under the squared difference is at least this large.
    pub(super) fn square_tail(&self, area: f64) -> f64 {
        let mean: f64 = self.stretches.iter().map(|one| one.width * one.deviation().powi(2)).sum();
        shifted_square_tail(area / self.unit, self.largest_eigenvalue() * self.spread, mean * self.spread)
    }

    /// The sum over all pairs of stretches, of the lower one and the higher one.
    fn pairs(&self, of: impl Fn(&Stretch, &Stretch) -> f64) -> f64 {
        let mut sum = 0.0;
        for (place, left) in self.stretches.iter().enumerate() {
            let own = left.width * of(left, left);
            let right = self.stretches.iter().skip(place + 1);
            sum += left.width * (own + 2.0 * right.map(|right| right.width * of(left, right)).sum::<f64>());
        }
        sum
    }

    /// Of the covariance of the bridge, by powers.
    fn largest_eigenvalue(&self) -> f64 {
        let mut vector: Vec<f64> = self.stretches.iter().map(|one| one.deviation()).collect();
        let mut largest = 0.0;
        for _ in 0..STEPS {
            let product: Vec<f64> = self
                .stretches
                .iter()
                .map(|one| {
                    let covariance =
                        |other: &Stretch| one.below.min(other.below) * (1.0 - one.below.max(other.below));
                    self.stretches
                        .iter()
                        .zip(&vector)
                        .map(|(other, of)| other.width * covariance(other) * of)
                        .sum()
                })
                .collect();
            let norm = |vector: &[f64]| -> f64 {
                self.stretches.iter().zip(vector).map(|(one, of)| one.width * of * of).sum::<f64>().sqrt()
            };
            let (old, new) = (norm(&vector), norm(&product));
            if !(old > 0.0 && new > 0.0) {
                return largest;
            }
            largest = new / old;
            vector = product.into_iter().map(|of| of / new).collect();
        }
        largest
    }
}

/// Skewness and excess of values with their counts; 0 where all are the same.
fn shape(values: &[(f64, f64)]) -> (f64, f64) {
    let count: f64 = values.iter().map(|(_, count)| count).sum();
    let mean = values.iter().map(|(value, times)| value * times).sum::<f64>() / count;
    let moment = |power: i32| -> f64 {
        values.iter().map(|(value, times)| times * (value - mean).powi(power)).sum::<f64>() / count
    };
    let variance = moment(2);
    let (skewness, excess) = (moment(3) / variance.powf(1.5), moment(4) / (variance * variance) - 3.0);
    if skewness.is_finite() && excess.is_finite() { (skewness, excess) } else { (0.0, 0.0) }
}

/// The skewness of the gamma laws that have the tails of a law with this skewness and excess: 1.5 times the square of a gamma
/// law's skewness is its excess, and what is more is at both ends.
fn of_both_ends(skewness: f64, excess: f64) -> [f64; 2] {
    let square = excess / 1.5;
    let rest = square - skewness * skewness;
    if rest > 0.0 { [square.sqrt(), rest.sqrt()] } else { [skewness.abs(), -skewness.abs()] }
}

/// Stretches of neighbouring bins.
fn joined(bins: &[Stretch]) -> Vec<Stretch> {
    let area: f64 = bins.iter().map(|bin| bin.width * bin.deviation()).sum();
    let mut stretches = Vec::new();
    let (mut width, mut weighted, mut own, mut from) = (0.0, 0.0, 0.0, 0.0);
    for bin in bins {
        let parts = bin.below - from > 1.0 / STRETCHES || own + bin.width * bin.deviation() > area / STRETCHES;
        if parts && width > 0.0 {
            stretches.push(Stretch { width, below: weighted / width });
            (width, weighted, own) = (0.0, 0.0, 0.0);
        }
        if width == 0.0 {
            from = bin.below;
        }
        width += bin.width;
        weighted += bin.width * bin.below;
        own += bin.width * bin.deviation();
    }
    if width > 0.0 {
        stretches.push(Stretch { width, below: weighted / width });
    }
    stretches
}
