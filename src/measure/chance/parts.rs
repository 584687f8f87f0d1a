//! What a bin adds to the sum of a measure.

use super::bin_law::{Large, Sizes, Sum};
use crate::measure::Measure;

/// Added to each count where a logarithm needs it: as in [`crate::measure::Smoothing::HALF`].
const HALF: f64 = 0.5;

type Part = fn(&Sizes, f64, f64) -> f64;
type LargePart = fn(&Sizes, f64) -> Large;

/// The sum of a measure, and what is added to each count.
pub(super) fn sum_of(measure: Measure) -> Option<(Sum, f64)> {
    let sum = |part: Part, large: LargePart, half: f64| Some((Sum { part, large, is_distance: false }, half));
    match measure {
        // To the second order psi is the squared difference over the share; the others are parts of that.
        Measure::Psi => sum(psi, |sizes, _| Large::Square(sizes.spread()), HALF),
        Measure::Kl => sum(kl, |sizes, _| Large::Square(sizes.spread() / 2.0), HALF),
        Measure::JensenShannon => sum(jensen_shannon, |sizes, _| Large::Square(sizes.spread() / 8.0), 0.0),
        Measure::Hellinger => sum(hellinger, |sizes, _| Large::Square(sizes.spread() / 8.0), 0.0),
        Measure::TotalVariation => {
            let large = |sizes: &Sizes, count: f64| Large::Absolute((count / (sizes.n * sizes.m)).sqrt() / 2.0);
            Some((Sum { part: total_variation, large, is_distance: true }, 0.0))
        }
        Measure::ChiSquare | Measure::CramersV => sum(pearson, |_, _| Large::Square(1.0), 0.0),
        Measure::GTest => sum(likelihood_ratio, |_, _| Large::Square(1.0), 0.0),
        _ => None,
    }
}

/// The measure whose p-value a measure has. KL and Hellinger's distance jump where a bin is empty by chance, and of few values total
/// variation is little more than the number of bins that have any, which no law of three moments follows; Jensen-Shannon's
/// distance asks the same.
pub(super) fn tested_by(measure: Measure) -> Measure {
    match measure {
        Measure::Kl | Measure::Hellinger | Measure::TotalVariation => Measure::JensenShannon,
        other => other,
    }
}

impl Sum {
    /// By how much the sum is larger where each value counts as one of so many that go together.
    pub(super) fn spread_by(&self, design_effect: f64) -> f64 {
        if self.is_distance { design_effect.sqrt() } else { design_effect }
    }
}

/// `p ln(p/q)`, 0 for no share.
fn relative(share: f64, other: f64) -> f64 {
    if share > 0.0 { share * (share / other).ln() } else { 0.0 }
}

fn psi(sizes: &Sizes, before: f64, after: f64) -> f64 {
    let (p, q) = sizes.shares(before, after);
    (p - q) * (p / q).ln()
}

/// With what sums to zero over all bins, so that no part is negative.
fn kl(sizes: &Sizes, before: f64, after: f64) -> f64 {
    let (p, q) = sizes.shares(before, after);
    relative(p, q) - p + q
}

fn jensen_shannon(sizes: &Sizes, before: f64, after: f64) -> f64 {
    let (p, q) = sizes.shares(before, after);
    let middle = f64::midpoint(p, q);
    f64::midpoint(relative(p, middle), relative(q, middle))
}

fn hellinger(sizes: &Sizes, before: f64, after: f64) -> f64 {
    let (p, q) = sizes.shares(before, after);
    (p.sqrt() - q.sqrt()).powi(2) / 2.0
}

fn total_variation(sizes: &Sizes, before: f64, after: f64) -> f64 {
    let (p, q) = sizes.shares(before, after);
    (p - q).abs() / 2.0
}

fn pearson(sizes: &Sizes, before: f64, after: f64) -> f64 {
    let (count, mine) = (before + after, sizes.mine());
    (before - count * mine).powi(2) / (count * mine * (1.0 - mine))
}

fn likelihood_ratio(sizes: &Sizes, before: f64, after: f64) -> f64 {
    let (count, mine) = (before + after, sizes.mine());
    2.0 * (relative(before, count * mine) + relative(after, count * (1.0 - mine)))
}
