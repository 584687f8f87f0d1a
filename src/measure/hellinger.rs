//! Hellinger distance.

use super::pair::shares;

/// The distance `sqrt(sum (sqrt p - sqrt q)^2 / 2)`, from 0 to 1 (no common bin); a metric, needs no smoothing
/// (Hellinger 1909). `None` when one side has no value.
#[must_use]
pub fn hellinger(baseline: &[u64], window: &[u64]) -> Option<f64> {
    let (p, q) = (shares(baseline)?, shares(window)?);
    let sum: f64 = p.iter().zip(&q).map(|(p, q)| (p.sqrt() - q.sqrt()).powi(2)).sum();
    Some((sum / 2.0).sqrt())
}
