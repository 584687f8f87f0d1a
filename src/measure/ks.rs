//! The two-sample Kolmogorov-Smirnov test.

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

/// The asymptotic p-value with Stephens' correction for finite sizes (Press et al., Numerical Recipes, 14.3).
/// 1 for a statistic of 0; conservative when there are ties.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn kolmogorov_p_value(statistic: f64, n: u64, m: u64) -> f64 {
    let (n, m) = (n as f64, m as f64);
    let root = (n * m / (n + m)).sqrt();
    let scaled = (root + 0.12 + 0.11 / root) * statistic;
    if scaled.is_nan() || scaled < 0.2 {
        // The series does not converge there, and its sum is 1 to sixteen digits.
        return 1.0;
    }
    let mut sum = 0.0;
    let mut sign = 1.0;
    for term in 1..=100 {
        let index = f64::from(term);
        let value = (-2.0 * index * index * scaled * scaled).exp();
        sum += sign * value;
        if value < 1e-16 {
            break;
        }
        sign = -sign;
    }
    (2.0 * sum).clamp(0.0, 1.0)
}
