//! Wasserstein-1 distance (earth mover's distance).

use super::{Pair, Points};
use crate::binning::Binning;
use crate::distribution::Distribution;

/// The area between the two cumulative distributions of samples, in the unit of the column. `None` when one side has
/// no value.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn wasserstein_of_points(points: &Points) -> Option<f64> {
    let (n, m) = points.sizes()?;
    let (mut left, mut right) = (0u64, 0u64);
    let area = points.gaps().map(|(width, more, further)| {
        left += more;
        right += further;
        (left as f64 / n - right as f64 / m).abs() * width
    });
    Some(area.sum())
}

/// The area between the two cumulative distributions of binned values, in the unit of the column.
///
/// Between two cuts both are taken as straight lines; beyond the open ends the sums of the values, which
/// are kept exactly, give the area. With one bin a distinct value the result equals the sample formula. `None`
/// when one side has no value or the column has no cuts.
#[must_use]
pub fn wasserstein(pair: &Pair<'_>) -> Option<f64> {
    wasserstein_parts(pair).map(|(inside, outside)| inside + outside)
}

/// The area within the baseline's range, and the area beyond it: what few values far out contribute.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn wasserstein_parts(pair: &Pair<'_>) -> Option<(f64, f64)> {
    let binning = pair.numeric_binning()?;
    let (baseline, window) = (pair.baseline(), pair.window());
    let (n, m) = (baseline.present() as f64, window.present() as f64);
    if n == 0.0 || m == 0.0 {
        return None;
    }
    let (mut left_sum, mut right_sum) = (0u64, 0u64);
    let filled = |count: &u64| *count > 0;
    let first = baseline.counts().iter().position(filled)?;
    let last = baseline.counts().iter().rposition(filled)?;
    let mut gap = 0.0;
    let (mut inside, mut outside) = (0.0, 0.0);
    for (bin, (left, right)) in baseline.counts().iter().zip(window.counts()).enumerate() {
        let before = gap;
        left_sum += left;
        right_sum += right;
        gap = left_sum as f64 / n - right_sum as f64 / m;
        match binning.ends(bin) {
            (Some(low), Some(high)) if (first..=last).contains(&bin) => inside += between(before, gap, high - low),
            (Some(low), Some(high)) => outside += between(before, gap, high - low),
            (None, Some(end)) | (Some(end), None) => {
                // The mean distance of what lies beyond, each side over its own size.
                let beyond = |column: &Distribution, count: u64, size: f64| {
                    column.bin_sum(bin).map_or(0.0, |sum| (sum - end * count as f64).abs() / size)
                };
                outside += (beyond(baseline, *left, n) - beyond(window, *right, m)).abs();
            }
            (None, None) => {}
        }
    }
    Some((inside, outside))
}

/// The area under |f| where f runs straight from one value to another.
fn between(from: f64, to: f64, width: f64) -> f64 {
    if from * to >= 0.0 {
        width * (from.abs() + to.abs()) / 2.0
    } else {
        width * (from * from + to * to) / (2.0 * (from.abs() + to.abs()))
    }
}

/// The population standard deviation of a column with cuts; `None` without a value or cuts.
#[must_use]
pub fn standard_deviation(column: &Distribution) -> Option<f64> {
    let Binning::Numeric(_) = column.binning() else { return None };
    column.deviation()
}
