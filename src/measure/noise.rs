//! How large an effect chance alone produces, given both sizes.

use statrs::distribution::{ChiSquared, ContinuousCDF, Normal};

use super::{Measure, Pair, Score, wasserstein::standard_deviation};

/// The effect that two samples of one distribution exceed with a chance of about `significance`: below it an
/// effect is noise, whatever the material thresholds say.
///
/// * PSI: the chi-square quantile times `1/n + 1/m` (Yurdakul 2018).
/// * Jensen-Shannon distance: its square in nats is a chi-square variable times `(1/n + 1/m)/8` (second-order
///   expansion), here in bits.
/// * Chi-square: the chi-square quantile, as Cramér's V.
/// * Kolmogorov-Smirnov: `sqrt(-ln(significance/2)/2) * sqrt(1/n + 1/m)` (Smirnov 1948).
/// * Wasserstein: the normal quantile times `sqrt(1/n + 1/m)` times the integral of `sqrt(F (1 - F))`, an upper
///   bound of the standard error (Bobkov and Ledoux 2019), in baseline deviations.
/// * Shares: the pooled two-proportion normal quantile, with one event added to each side so that a baseline
///   without any does not make the first one significant.
///
/// Infinite when a size is 0.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn noise_floor(measure: Measure, pair: &Pair<'_>, score: &Score, significance: f64) -> f64 {
    let (n, m) = (score.n_baseline as f64, score.n_window as f64);
    if n == 0.0 || m == 0.0 {
        return f64::INFINITY;
    }
    let spread = 1.0 / n + 1.0 / m;
    match measure {
        Measure::Psi => chi_square_quantile(pair, significance) * spread,
        Measure::JensenShannon => {
            (chi_square_quantile(pair, significance) * spread / (8.0 * std::f64::consts::LN_2)).sqrt()
        }
        Measure::ChiSquare => (chi_square_quantile(pair, significance) / (n + m)).sqrt(),
        Measure::Ks => (-(significance / 2.0).ln() / 2.0).sqrt() * spread.sqrt(),
        Measure::WassersteinNormed => {
            let deviation = standard_deviation(pair.baseline()).unwrap_or(0.0).max(0.001);
            normal_quantile(significance) * spread.sqrt() * root_integral(pair) / deviation
        }
        Measure::NullShare | Measure::InvalidShare | Measure::UnseenShare | Measure::OutOfRangeShare => {
            let before = score.statistic - score.effect;
            let pooled = ((before * n).abs() + score.statistic * m + 2.0) / (n + m + 4.0);
            normal_quantile(significance) * (pooled * (1.0 - pooled) * spread).max(0.0).sqrt()
        }
    }
}

fn chi_square_quantile(pair: &Pair<'_>, significance: f64) -> f64 {
    let (baseline, window) = pair.grouped();
    let bins = baseline.iter().zip(&window).filter(|(left, right)| **left + **right > 0).count();
    let degrees = u32::try_from(bins.saturating_sub(1)).unwrap_or(u32::MAX).max(1);
    ChiSquared::new(f64::from(degrees)).map_or(f64::INFINITY, |law| law.inverse_cdf(1.0 - significance))
}

fn normal_quantile(significance: f64) -> f64 {
    Normal::new(0.0, 1.0).map_or(f64::INFINITY, |law| law.inverse_cdf(1.0 - significance / 2.0))
}

/// The integral of sqrt(F (1 - F)) over the baseline's range.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn root_integral(pair: &Pair<'_>) -> f64 {
    let Some(binning) = pair.numeric_binning() else { return 0.0 };
    let total = pair.baseline().present() as f64;
    let mut below = 0.0;
    let mut integral = 0.0;
    for (bin, count) in pair.baseline().counts().iter().enumerate() {
        let middle = (below + *count as f64 / 2.0) / total;
        below += *count as f64;
        if let (Some(low), Some(high)) = binning.ends(bin) {
            integral += (middle * (1.0 - middle)).max(0.0).sqrt() * (high - low);
        }
    }
    integral
}
