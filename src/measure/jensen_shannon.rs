//! Jensen-Shannon distance.

/// The base of the logarithm, which sets the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogBase {
    /// Distances from 0 to 1; as `NannyML` has it, and driftd by default.
    Two,
    /// Distances from 0 to 0.8326, the square root of ln 2; as Evidently and scipy have it.
    Natural,
}

/// The Jensen-Shannon *distance*, the square root of the divergence (Endres and Schindelin 2003), of two
/// sets of counts. It needs no smoothing: empty bins add nothing. `None` when one side has no value.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn jensen_shannon_distance(baseline: &[u64], window: &[u64], base: LogBase) -> Option<f64> {
    let n: u64 = baseline.iter().sum();
    let m: u64 = window.iter().sum();
    if n == 0 || m == 0 {
        return None;
    }
    let half_kl = |share: f64, middle: f64| if share > 0.0 { share * (share / middle).ln() / 2.0 } else { 0.0 };
    let divergence: f64 = baseline
        .iter()
        .zip(window)
        .map(|(left, right)| {
            let (p, q) = (*left as f64 / n as f64, *right as f64 / m as f64);
            let middle = f64::midpoint(p, q);
            half_kl(p, middle) + half_kl(q, middle)
        })
        .sum();
    let scale = match base {
        LogBase::Two => std::f64::consts::LN_2,
        LogBase::Natural => 1.0,
    };
    // Rounding can leave a tiny negative number for equal shares.
    Some((divergence / scale).max(0.0).sqrt())
}
