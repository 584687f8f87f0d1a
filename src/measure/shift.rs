//! How far means and quantiles moved, in standard deviations of the baseline.

use super::law::normal_two_sided;
use super::scale::Scale;
use super::{Points, Side};
use crate::distribution::LEVELS;

/// The window's mean less the baseline's, in population standard deviations of the baseline; of both sides together when
/// the baseline is constant. `None` when one side has no value.
#[must_use]
pub fn mean_shift(points: &Points) -> Option<f64> {
    Some(Scale::of_points(points)?.normed(points.mean(Side::Window)? - points.mean(Side::Baseline)?))
}

/// The largest movement of the 5, 25, 50, 75 and 95 % quantiles in the unit of [`mean_shift`], signed, with a
/// p-value: the normal test of the window's share below the baseline's quantile that moved most, corrected for the five
/// looks. `None` when one side has no value.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn quantile_shift(points: &Points) -> Option<(f64, f64)> {
    let (n, m) = points.sizes()?;
    let scale = Scale::of_points(points)?;
    let mut largest = (0.0f64, 1.0);
    for level in LEVELS {
        let before = points.quantile(Side::Baseline, level)?;
        let shift = scale.normed(points.quantile(Side::Window, level)? - before);
        if shift.abs() > largest.0.abs() {
            let below = |side: Side, size: f64| {
                let (mut under, mut at) = (0u64, 0u64);
                for (value, count) in points.of(side) {
                    if value < before {
                        under += count;
                    } else if value == before {
                        at += count;
                    }
                }
                // Ties at the quantile count half.
                (under as f64 + at as f64 / 2.0) / size
            };
            let (p, q) = (below(Side::Baseline, n), below(Side::Window, m));
            let pooled = (p * n + q * m) / (n + m);
            let error = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
            let p_value = if error > 0.0 { normal_two_sided((p - q) / error) } else { 1.0 };
            largest = (shift, (p_value * LEVELS.len() as f64).min(1.0));
        }
    }
    Some(largest)
}
