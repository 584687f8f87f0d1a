//! The two-sample Kolmogorov-Smirnov test.

use super::law::{kolmogorov_limit, kolmogorov_one_sample, kolmogorov_two_sample};

/// The largest gap between the two cumulative distributions, read at the cuts; from 0 to 1.
///
/// Inside a bin only the baseline's own mass can widen the gap seen at its ends, so the exact statistic is
/// at most the largest mass of a bin larger (see `NumericBinning::largest_mass`); with one bin a distinct
/// value it is exact, ties included. `None` when one side has no value.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn ks_statistic(baseline: &[u64], window: &[u64]) -> Option<f64> {
    let n: u64 = baseline.iter().sum();
    let m: u64 = window.iter().sum();
    if n == 0 || m == 0 {
        return None;
    }
    let (mut left, mut right) = (0u64, 0u64);
    let mut largest = 0.0f64;
    for (more, further) in baseline.iter().zip(window) {
        left += more;
        right += further;
        largest = largest.max((left as f64 / n as f64 - right as f64 / m as f64).abs());
    }
    Some(largest)
}

/// Both sides up to this size: the p-value is counted, as scipy has it.
const COUNTED: u64 = 10_000;

/// The p-value of the statistic of two samples: counted over all orders up to 10,000 values a side, beyond that the
/// law of one sample of the effective size `nm/(n+m)`. 1 for a statistic of 0; conservative when there are ties.
#[must_use]
pub fn ks_p_value(statistic: f64, n: u64, m: u64) -> f64 {
    if n <= COUNTED && m <= COUNTED {
        kolmogorov_two_sample(statistic, n, m)
    } else {
        ks_p_value_large(statistic, n, m)
    }
}

/// The law of one sample of the effective size, rounded to an integer.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts stay far below 2^53"
)]
pub fn ks_p_value_large(statistic: f64, n: u64, m: u64) -> f64 {
    let effective = n as f64 * (m as f64 / (n + m) as f64);
    kolmogorov_one_sample(statistic, effective.round_ties_even() as u64)
}

/// The asymptotic p-value with Stephens' correction for finite sizes (Press et al., Numerical Recipes, 14.3), which
/// takes no time: for statistics of binned values, which are not exact themselves.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn ks_p_value_fast(statistic: f64, n: u64, m: u64) -> f64 {
    let (n, m) = (n as f64, m as f64);
    let root = (n * m / (n + m)).sqrt();
    kolmogorov_limit((root + 0.12 + 0.11 / root) * statistic)
}
