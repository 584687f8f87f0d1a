//! Jensen-Shannon distance.

use super::pair::shares;

/// The base of the logarithm, which sets the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogBase {
    /// Distances from 0 to 1; as `NannyML` has it, and driftd by default.
    Two,
    /// Distances from 0 to 0.8326, the square root of ln 2; as Evidently and scipy have it.
    Natural,
}

impl LogBase {
    /// How it is said beside a score.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Two => "log base 2",
            Self::Natural => "natural log",
        }
    }
}

/// The Jensen-Shannon *divergence* of two sets of counts; it needs no smoothing: empty bins add nothing.
/// `None` when one side has no value.
#[must_use]
pub fn jensen_shannon_divergence(baseline: &[u64], window: &[u64], base: LogBase) -> Option<f64> {
    Some(divergence_of_shares(&shares(baseline)?, &shares(window)?, base))
}

/// The Jensen-Shannon divergence of shares that sum to 1.
#[must_use]
pub fn divergence_of_shares(baseline: &[f64], window: &[f64], base: LogBase) -> f64 {
    let half_kl = |share: f64, middle: f64| if share > 0.0 { share * (share / middle).ln() / 2.0 } else { 0.0 };
    let divergence: f64 = baseline
        .iter()
        .zip(window)
        .map(|(p, q)| {
            let middle = f64::midpoint(*p, *q);
            half_kl(*p, middle) + half_kl(*q, middle)
        })
        .sum();
    let scale = match base {
        LogBase::Two => std::f64::consts::LN_2,
        LogBase::Natural => 1.0,
    };
    // Rounding can leave a tiny negative number for equal shares.
    (divergence / scale).max(0.0)
}

/// The Jensen-Shannon *distance*, the square root of the divergence (Endres and Schindelin 2003), from 0 to 1
/// with log base 2; symmetric, a metric. `None` when one side has no value.
#[must_use]
pub fn jensen_shannon_distance(baseline: &[u64], window: &[u64], base: LogBase) -> Option<f64> {
    Some(jensen_shannon_divergence(baseline, window, base)?.sqrt())
}
