//! Kullback-Leibler divergence.

use super::Smoothing;

/// The divergence of the window from the baseline, `sum p ln(p/q)` with baseline shares p and window shares q,
/// natural logarithm; 0 for equal shares, without upper limit, not symmetric (Kullback and Leibler 1951). What is done
/// about empty bins is the smoothing's matter, and decides the value where the window has empty bins; shares are made to
/// sum to 1 after it. `None` when one side has no value.
#[must_use]
pub fn kl(baseline: &[u64], window: &[u64], smoothing: Smoothing) -> Option<f64> {
    let (p, q) = smoothing.both(baseline, window)?;
    let (all_p, all_q): (f64, f64) = (p.iter().sum(), q.iter().sum());
    let terms = p.iter().zip(&q).map(|(p, q)| (p / all_p, q / all_q)).filter(|(p, _)| *p > 0.0);
    Some(terms.map(|(p, q)| p * (p / q).ln()).sum::<f64>().max(0.0))
}
