//! Test of spreads.

use super::law::f_tail;
use super::{Points, Side};

/// Levene's test (1960) in the form of Brown and Forsythe (1974), with distances from the medians: (statistic, p-value,
/// natural logarithm of window's over baseline's mean distance). Two constant sides do not differ: (0, 1, 0).
/// `None` when both together have fewer than three values.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn levene(points: &Points) -> Option<(f64, f64, f64)> {
    let (n, m) = points.sizes()?;
    if n + m < 3.0 {
        return None;
    }
    let distances = |side: Side| -> Option<(f64, f64)> {
        let median = points.quantile(side, 0.5)?;
        let size = points.size(side) as f64;
        let mean = points.of(side).map(|(value, count)| (value - median).abs() * count as f64).sum::<f64>() / size;
        let within =
            points.of(side).map(|(value, count)| ((value - median).abs() - mean).powi(2) * count as f64).sum();
        Some((mean, within))
    };
    let (left, left_within) = distances(Side::Baseline)?;
    let (right, right_within) = distances(Side::Window)?;
    let grand = (n * left + m * right) / (n + m);
    let between = n * (left - grand).powi(2) + m * (right - grand).powi(2);
    let within: f64 = left_within + right_within;
    if between == 0.0 && within == 0.0 {
        return Some((0.0, 1.0, 0.0));
    }
    let statistic = (n + m - 2.0) * between / within;
    Some((statistic, f_tail(statistic, 1.0, n + m - 2.0), (right / left).ln()))
}
