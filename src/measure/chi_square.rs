//! Tests of homogeneity on the table of two sides and k bins.

use super::law::chi_square_tail;

/// The outcome of a test of homogeneity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Homogeneity {
    /// The statistic of the 2 x k table.
    pub statistic: f64,
    /// Degrees of freedom: bins that are not empty on both sides, less one.
    pub degrees: u32,
    /// The chance of at least this statistic when both sides have one distribution.
    pub p_value: f64,
    /// The size of the effect, from 0 to 1: the square root of statistic over total, which for Pearson's is
    /// Cramér's V.
    pub effect: f64,
}

/// Pearson's chi-square test of the 2 x k table: the baseline's own noise counts, unlike in a test of the window
/// against the baseline's shares. `yates` applies the continuity correction when there are two bins, as scipy does
/// by default.
///
/// One common bin gives a statistic of 0 and a p-value of 1. `None` when one side has no value.
#[must_use]
pub fn chi_square(baseline: &[u64], window: &[u64], yates: bool) -> Option<Homogeneity> {
    homogeneity(baseline, window, |observed, expected, two| {
        let difference = (observed - expected).abs();
        let less = if yates && two { difference.min(0.5) } else { 0.0 };
        (difference - less).powi(2) / expected
    })
}

/// The likelihood-ratio (G) test of the same table, `2 sum o ln(o/e)` (Wilks 1938); where Pearson's test has a square,
/// this has a logarithm. `None` when one side has no value.
#[must_use]
pub fn g_test(baseline: &[u64], window: &[u64]) -> Option<Homogeneity> {
    homogeneity(
        baseline,
        window,
        |observed, expected, _| {
            if observed > 0.0 { 2.0 * observed * (observed / expected).ln() } else { 0.0 }
        },
    )
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn homogeneity(baseline: &[u64], window: &[u64], term: impl Fn(f64, f64, bool) -> f64) -> Option<Homogeneity> {
    let n = baseline.iter().sum::<u64>() as f64;
    let m = window.iter().sum::<u64>() as f64;
    if n == 0.0 || m == 0.0 {
        return None;
    }
    let total = n + m;
    let bins = baseline.iter().zip(window).filter(|(left, right)| **left + **right > 0);
    let degrees = u32::try_from(bins.clone().count().saturating_sub(1)).unwrap_or(u32::MAX);
    let mut statistic = 0.0;
    for (left, right) in bins {
        let column = (*left + *right) as f64;
        for (observed, side) in [(*left as f64, n), (*right as f64, m)] {
            statistic += term(observed, column * side / total, degrees == 1);
        }
    }
    // Rounding can leave a tiny negative sum of logarithms.
    let statistic = statistic.max(0.0);
    let p_value = if degrees == 0 { 1.0 } else { chi_square_tail(statistic, f64::from(degrees)) };
    Some(Homogeneity { statistic, degrees, p_value, effect: (statistic / total).sqrt() })
}
