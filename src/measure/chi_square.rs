//! Chi-square test of homogeneity.

use statrs::distribution::{ChiSquared, ContinuousCDF};

/// The outcome of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChiSquare {
    /// Pearson's statistic of the 2 x k table.
    pub statistic: f64,
    /// Degrees of freedom: bins that are not empty on both sides, less one.
    pub degrees: u32,
    /// The chance of at least this statistic when both sides have one distribution.
    pub p_value: f64,
    /// The size of the effect, from 0 to 1: the square root of statistic over total.
    pub cramers_v: f64,
}

/// Pearson's test of the 2 x k table, without continuity correction: the baseline's own noise counts, unlike
/// in a test of the window against the baseline's shares.
///
/// One common bin gives a statistic of 0 and a p-value of 1. `None` when one side has no value.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn chi_square(baseline: &[u64], window: &[u64]) -> Option<ChiSquare> {
    let n = baseline.iter().sum::<u64>() as f64;
    let m = window.iter().sum::<u64>() as f64;
    if n == 0.0 || m == 0.0 {
        return None;
    }
    let total = n + m;
    let mut statistic = 0.0;
    let mut bins = 0u32;
    for (left, right) in baseline.iter().zip(window) {
        let column = (*left + *right) as f64;
        if column > 0.0 {
            bins += 1;
            for (observed, side) in [(*left as f64, n), (*right as f64, m)] {
                let expected = column * side / total;
                statistic += (observed - expected).powi(2) / expected;
            }
        }
    }
    let degrees = bins.saturating_sub(1);
    let p_value = if degrees == 0 { 1.0 } else { ChiSquared::new(f64::from(degrees)).ok()?.sf(statistic) };
    Some(ChiSquare { statistic, degrees, p_value, cramers_v: (statistic / total).sqrt() })
}
