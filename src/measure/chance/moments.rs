//! Moments of a sum over bins, given both sizes, and the chance that they give it.
//!
//! Without the sizes the bins' counts are independent of each other, so cumulants of their sum are sums. That the baseline's
//! counts add up to its size is a condition, which takes the regression on them off. The law of the sum is that of Pearson's type
//! III, a gamma distribution with the same mean, variance and skewness: sums over few values are much more skewed than
//! a chi-square or gamma distribution of their mean and variance.

use std::f64::consts::FRAC_2_PI;

use super::bin_law::{BinLaw, Large, Outcome};
use crate::measure::law::pearson_tail;

/// Of a sum whose variance is this small a part of what it is without the condition nothing is known beside its counts.
const DETERMINED: f64 = 0.01;
/// Nor where the counts vary by so few values: three moments are no law of a handful of events.
const FEW: f64 = 10.0;
/// Steps to the tilt with which the counts add up.
const STEPS: usize = 40;

/// Cumulants of a bin's count, of what it adds to the sum, and of both together.
#[derive(Clone, Copy, Debug, Default)]
struct Cumulants {
    count: f64,
    part: f64,
    count_count: f64,
    count_part: f64,
    part_part: f64,
    count_count_count: f64,
    count_count_part: f64,
    count_part_part: f64,
    part_part_part: f64,
}

impl Cumulants {
    fn add(&mut self, other: &Self, times: f64) {
        self.count += times * other.count;
        self.part += times * other.part;
        self.count_count += times * other.count_count;
        self.count_part += times * other.count_part;
        self.part_part += times * other.part_part;
        self.count_count_count += times * other.count_count_count;
        self.count_count_part += times * other.count_count_part;
        self.count_part_part += times * other.count_part_part;
        self.part_part_part += times * other.part_part_part;
    }
}

impl BinLaw {
    /// With the chance of each count times the exponential of `tilt` times the count.
    fn cumulants(&self, tilt: f64) -> Cumulants {
        match self {
            Self::Listed(outcomes) => listed(outcomes, tilt),
            Self::Normal(large, deviation) => normal(*large, *deviation, tilt * deviation),
        }
    }
}

fn listed(outcomes: &[Outcome], tilt: f64) -> Cumulants {
    let largest = outcomes.iter().map(|one| tilt * one.offset).fold(f64::NEG_INFINITY, f64::max);
    let chance =
        |one: &Outcome| if tilt == 0.0 { one.chance } else { one.chance * (tilt * one.offset - largest).exp() };
    let (mut whole, mut count, mut part) = (0.0, 0.0, 0.0);
    for one in outcomes {
        let chance = chance(one);
        whole += chance;
        count += chance * one.offset;
        part += chance * one.part;
    }
    let mut sums = Cumulants { count: count / whole, part: part / whole, ..Cumulants::default() };
    for one in outcomes {
        let chance = chance(one) / whole;
        let (apart, more) = (one.offset - sums.count, one.part - sums.part);
        sums.count_count += chance * apart * apart;
        sums.count_part += chance * apart * more;
        sums.part_part += chance * more * more;
        sums.count_count_count += chance * apart * apart * apart;
        sums.count_count_part += chance * apart * apart * more;
        sums.count_part_part += chance * apart * more * more;
        sums.part_part_part += chance * more * more * more;
    }
    sums
}

/// Of a count that lies `shift` standard deviations from its mean on average.
fn normal(large: Large, deviation: f64, shift: f64) -> Cumulants {
    let counts =
        Cumulants { count: shift * deviation, count_count: deviation * deviation, ..Cumulants::default() };
    match large {
        Large::Square(scale) => Cumulants {
            part: scale * (1.0 + shift * shift),
            count_part: 2.0 * scale * shift * deviation,
            part_part: scale * scale * (2.0 + 4.0 * shift * shift),
            count_count_part: 2.0 * scale * deviation * deviation,
            count_part_part: 8.0 * scale * scale * shift * deviation,
            part_part_part: scale.powi(3) * (8.0 + 24.0 * shift * shift),
            ..counts
        },
        // Shifts are small, and of them the absolute value knows squares alone.
        Large::Absolute(scale) => {
            let mean = FRAC_2_PI.sqrt();
            Cumulants {
                part: scale * mean * (1.0 + shift * shift / 2.0),
                part_part: scale * scale * (1.0 - FRAC_2_PI),
                count_count_part: scale * deviation * deviation * mean,
                part_part_part: scale.powi(3) * mean * (2.0 * FRAC_2_PI - 1.0),
                ..counts
            }
        }
    }
}

/// Bins with how often each law occurs.
#[derive(Debug, Default)]
pub(super) struct Laws(pub(super) Vec<(f64, BinLaw)>);

/// Mean, variance and third cumulant of a sum.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    pub mean: f64,
    variance: f64,
    third: f64,
    /// Without the condition.
    free_variance: f64,
    /// Of the counts.
    of_counts: f64,
}

impl Moments {
    /// The chance of a sum at least as large; 1 where the counts of all bins together determine it nearly: with a value or two
    /// in each bin, what is left is as small as what the moments neglect.
    pub(super) fn tail(&self, seen: f64) -> f64 {
        if self.variance <= DETERMINED * self.free_variance || self.of_counts < FEW {
            return 1.0;
        }
        pearson_tail(seen, self.mean, self.variance, self.third)
    }
}

impl Laws {
    fn cumulants(&self, tilt: f64) -> Cumulants {
        let mut sum = Cumulants::default();
        for (times, law) in &self.0 {
            sum.add(&law.cumulants(tilt), *times);
        }
        sum
    }

    /// What z squared is multiplied by, where all bins are normal and it is the same for all: the sum is chi-square
    /// distributed then.
    pub(super) fn common_square(&self) -> Option<f64> {
        let mut scales = self.0.iter().map(|(_, law)| match law {
            BinLaw::Normal(Large::Square(scale), _) => Some(*scale),
            _ => None,
        });
        let first = scales.next()??;
        scales.all(|scale| scale == Some(first)).then_some(first)
    }

    /// Of the sum, given what the counts add up to on average.
    pub(super) fn moments(&self) -> Moments {
        given_counts(&self.cumulants(0.0))
    }

    /// Of the sum, given that the counts add up to what they do on average without a selection: a selection has to be
    /// tilted for it (Newton's method, on a function that rises).
    pub(super) fn moments_in_balance(&self) -> Moments {
        let (mut tilt, mut sums) = (0.0, self.cumulants(0.0));
        for _ in 0..STEPS {
            let far = sums.count_count.sqrt();
            if far.is_nan() || far <= 0.0 || sums.count.abs() < 1e-6 * far {
                break;
            }
            // No step is longer than what moves the counts by some deviations.
            tilt -= (sums.count / sums.count_count).clamp(-4.0 / far, 4.0 / far);
            sums = self.cumulants(tilt);
        }
        given_counts(&sums)
    }
}

fn given_counts(sums: &Cumulants) -> Moments {
    if sums.part.is_nan() || sums.part <= 0.0 {
        return Moments::default();
    }
    let (slope, lost) = if sums.count_count > 0.0 {
        let slope = sums.count_part / sums.count_count;
        (slope, (sums.count_count_part - sums.count_count_count * slope) / (2.0 * sums.count_count))
    } else {
        (0.0, 0.0)
    };
    let mean = (sums.part - lost).max(0.0);
    // Variance and third cumulant have as many degrees of freedom fewer as the mean.
    let kept = (mean / sums.part).clamp(0.0, 1.0);
    let third = sums.part_part_part - 3.0 * slope * sums.count_part_part
        + 3.0 * slope * slope * sums.count_count_part
        - slope.powi(3) * sums.count_count_count;
    Moments {
        mean,
        variance: (sums.part_part - sums.count_part * slope).max(0.0) * kept,
        third: third * kept,
        free_variance: sums.part_part,
        of_counts: sums.count_count,
    }
}
