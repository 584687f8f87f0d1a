//! How large an effect chance alone produces, given both sizes.

use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::energy::energy_parts;
use super::law::normal_quantile_two_sided;
use super::scale::Scale;
use super::wasserstein::wasserstein_parts;
use super::{Groups, Measure, Pair, Score, sparse};

/// The effect that two samples of one distribution exceed with a chance of about `significance`: below it an
/// effect is noise, whatever the material thresholds say.
///
/// On categories, chance is summed up category by category (see the module `sparse`). On bins of numbers, with X the
/// chi-square quantile at the bins' degrees of freedom and s = `1/n + 1/m`:
/// * PSI: `X s` (Yurdakul 2018); KL: half of that (second-order expansion).
/// * Jensen-Shannon distance: its square in nats is a chi-square variable times `s/8` (second-order expansion),
///   here in bits; Hellinger: the same in nats.
/// * Total variation: `sqrt(X s)/2`, which bounds it (Cauchy-Schwarz). L-infinity: the normal quantile, corrected for
///   the number of bins, at the fullest bin's standard error.
/// * Kolmogorov-Smirnov: `sqrt(-ln(significance/2)/2) * sqrt(s)` (Smirnov 1948).
/// * Wasserstein: the normal quantile times `sqrt(s)` times the integral of `sqrt(F (1 - F))`, an upper
///   bound of the standard error (Bobkov and Ledoux 2019), in baseline deviations; and what values out of range
///   contribute, unless there are significantly many of them.
/// * Energy: its square is a weighted sum of chi-square variables, whose quantile is at most that of one variable
///   with the same mean (Székely and Bakirov 2003); the tail as for Wasserstein.
/// * Distances of means of vectors: in the same way, with mean s.
/// * The others are tests: their p-value says it, and the floor is 0.
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
    // Sums of parts over bins: chi-square where bins are well filled, category by category where they may not be.
    let divergence = |approximate: fn(f64, f64) -> f64| {
        sparse::chance(measure, pair, significance)
            .unwrap_or_else(|| approximate(chi_square_quantile(&pair.grouped(), significance), spread))
    };
    match measure {
        Measure::Psi => divergence(|quantile, spread| quantile * spread),
        Measure::Kl => divergence(|quantile, spread| quantile * spread / 2.0),
        Measure::JensenShannon => {
            (divergence(|quantile, spread| quantile * spread / 8.0) / std::f64::consts::LN_2).sqrt()
        }
        Measure::Hellinger => divergence(|quantile, spread| quantile * spread / 8.0).sqrt(),
        Measure::TotalVariation => divergence(|quantile, spread| (quantile * spread).sqrt() / 2.0),
        Measure::LInfinity => largest_bin_error(&pair.grouped(), significance, n + m) * spread.sqrt(),
        Measure::Ks => (-(significance / 2.0).ln() / 2.0).sqrt() * spread.sqrt(),
        Measure::Wasserstein | Measure::WassersteinNormed => {
            let chance = normal_quantile_two_sided(significance) * spread.sqrt() * integral(pair, f64::sqrt);
            let distance = chance + insignificant_tail(pair, significance);
            Scale::of_pair(pair).map_or(f64::INFINITY, |scale| scale.normed(distance))
        }
        Measure::Energy => {
            let mean = 2.0 * spread * integral(pair, |product| product);
            let chance = normal_quantile_two_sided(significance).powi(2) * mean;
            let tail =
                || pair.points().and_then(|points| energy_parts(&points)).map_or(0.0, |(_, outside)| outside);
            let tail = if few_out_of_range(pair, significance) { tail() } else { 0.0 };
            Scale::of_pair(pair).map_or(f64::INFINITY, |scale| scale.normed(chance + tail).sqrt())
        }
        // The squared distance of two means of vectors of spread 1 (waves have length 1) is s on average.
        Measure::MeanDistance | Measure::Mmd => normal_quantile_two_sided(significance) * spread.sqrt(),
        _ => 0.0,
    }
}

/// What values beyond the baseline's range contribute to the distance while they are no more than chance may give: one
/// value of 1e12 moves the mean of a thousand, and means nothing.
fn insignificant_tail(pair: &Pair<'_>, significance: f64) -> f64 {
    if !few_out_of_range(pair, significance) {
        return 0.0;
    }
    wasserstein_parts(pair).map_or(0.0, |(_, outside)| outside)
}

fn few_out_of_range(pair: &Pair<'_>, significance: f64) -> bool {
    let share = Measure::OutOfRangeShare.score(pair);
    share.is_none_or(|score| score.p_value.is_none_or(|p_value| p_value > significance))
}

fn chi_square_quantile(groups: &Groups, significance: f64) -> f64 {
    let degrees = u32::try_from(groups.filled().saturating_sub(1)).unwrap_or(u32::MAX).max(1);
    ChiSquared::new(f64::from(degrees)).map_or(f64::INFINITY, |law| law.inverse_cdf(1.0 - significance))
}

/// The normal quantile times the largest standard error of a bin, for one value on each side.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn largest_bin_error(groups: &Groups, significance: f64, total: f64) -> f64 {
    let quantile = normal_quantile_two_sided(significance / groups.filled().max(1) as f64);
    let errors = groups.baseline.iter().zip(&groups.window).map(|(before, after)| {
        let pooled = (before + after) as f64 / total;
        (pooled * (1.0 - pooled)).max(0.0).sqrt()
    });
    quantile * errors.fold(0.0, f64::max)
}

/// The integral of f(F (1 - F)) over the baseline's range.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn integral(pair: &Pair<'_>, of: impl Fn(f64) -> f64) -> f64 {
    let Some(binning) = pair.numeric_binning() else { return 0.0 };
    let total = pair.baseline().present() as f64;
    let mut below = 0.0;
    let mut integral = 0.0;
    for (bin, count) in pair.baseline().counts().iter().enumerate() {
        let middle = (below + *count as f64 / 2.0) / total;
        below += *count as f64;
        if let (Some(low), Some(high)) = binning.ends(bin) {
            integral += of((middle * (1.0 - middle)).max(0.0)) * (high - low);
        }
    }
    integral
}
