//! Distances between shares.

use super::pair::shares;

/// Total variation distance `sum |p - q| / 2`, from 0 to 1: the share of values that would have to move to another
/// bin. `None` when one side has no value.
#[must_use]
pub fn total_variation(baseline: &[u64], window: &[u64]) -> Option<f64> {
    let (p, q) = (shares(baseline)?, shares(window)?);
    Some(p.iter().zip(&q).map(|(p, q)| (p - q).abs()).sum::<f64>() / 2.0)
}

/// L-infinity distance `max |p - q|`, from 0 to 1: the largest change of one bin's share. `None` when one side has no
/// value.
#[must_use]
pub fn l_infinity(baseline: &[u64], window: &[u64]) -> Option<f64> {
    let (p, q) = (shares(baseline)?, shares(window)?);
    Some(p.iter().zip(&q).map(|(p, q)| (p - q).abs()).fold(0.0, f64::max))
}
