//! How large an effect chance alone produces, given both sizes.

use super::law::normal_quantile_two_sided;
use super::{Measure, Score};

/// The effect that two samples of one distribution exceed with a chance of about `significance`, where that is known without
/// their values: `sqrt(-ln(significance/2)/2) * sqrt(1/n + 1/m)` for Kolmogorov-Smirnov (Smirnov 1948), and the normal quantile
/// times the same root for distances of means of vectors of spread 1. It says the same as the p-value. 0 for all others,
/// whose p-value alone says it; infinite when a size is 0.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn noise_floor(measure: Measure, score: &Score, significance: f64) -> f64 {
    let (n, m) = (score.n_baseline as f64, score.n_window as f64);
    if n == 0.0 || m == 0.0 {
        return f64::INFINITY;
    }
    let root = (1.0 / n + 1.0 / m).sqrt();
    match measure {
        Measure::Ks => (-(significance / 2.0).ln() / 2.0).sqrt() * root,
        Measure::MeanDistance | Measure::Mmd => normal_quantile_two_sided(significance) * root,
        _ => 0.0,
    }
}
