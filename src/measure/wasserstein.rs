//! Wasserstein-1 distance (earth mover's distance).

use super::{Pair, Points};

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
/// Between two cuts the values of a side are spread evenly around their mean, which is known exactly: over the whole bin
/// when it is the middle, close to an end when they lie beside it. Beyond the open ends the sums of the values give the
/// area. With one bin per distinct value the result equals the sample formula. `None`
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
    let counts = baseline.counts().iter().zip(window.counts());
    let sums = baseline.bin_sums().zip(window.bin_sums());
    for (bin, ((left, right), sums)) in counts.zip(sums).enumerate() {
        let before = gap;
        left_sum += left;
        right_sum += right;
        gap = left_sum as f64 / n - right_sum as f64 / m;
        match binning.ends(bin) {
            (Some(low), Some(high)) => {
                let mean = |sum: f64, count: u64| {
                    if count > 0 { (sum / count as f64).clamp(low, high) } else { f64::midpoint(low, high) }
                };
                let sides = [
                    Rise { by: *left as f64 / n, mean: mean(sums.0, *left) },
                    Rise { by: *right as f64 / m, mean: mean(sums.1, *right) },
                ];
                let area = within(before, sides, (low, high));
                *if (first..=last).contains(&bin) { &mut inside } else { &mut outside } += area;
            }
            (None, Some(end)) | (Some(end), None) => {
                // The mean distance of what lies beyond, each side over its own size.
                let beyond = |sum: f64, count: u64, size: f64| (sum - end * count as f64).abs() / size;
                outside += (beyond(sums.0, *left, n) - beyond(sums.1, *right, m)).abs();
            }
            (None, None) => {}
        }
    }
    Some((inside, outside))
}

/// How the cumulative distribution of a side rises within a bin: by how much, and around which value.
#[derive(Clone, Copy)]
struct Rise {
    by: f64,
    mean: f64,
}

impl Rise {
    /// The area under it up to the end of the bin.
    fn area(self, high: f64) -> f64 {
        self.by * (high - self.mean)
    }

    /// The values are spread evenly around their mean, as far as the bin goes.
    fn spread(self, (low, high): (f64, f64)) -> Slope {
        let reach = (self.mean - low).min(high - self.mean);
        Slope { by: self.by, from: self.mean - reach, to: self.mean + reach }
    }
}

/// A rise by so much between two values.
#[derive(Clone, Copy)]
struct Slope {
    by: f64,
    from: f64,
    to: f64,
}

impl Slope {
    /// How much of the rise happens at one value.
    fn jump(self, value: f64) -> f64 {
        if self.from == self.to && value == self.to { self.by } else { 0.0 }
    }

    /// How much of the rise has happened at a value, what happens at it included.
    fn at(self, value: f64) -> f64 {
        if value >= self.to {
            self.by
        } else if value <= self.from {
            0.0
        } else {
            self.by * (value - self.from) / (self.to - self.from)
        }
    }
}

/// The area between two cumulative distributions within a bin, which are apart by `gap` where it begins.
fn within(gap: f64, [left, right]: [Rise; 2], ends: (f64, f64)) -> f64 {
    let (low, high) = ends;
    if gap >= right.by || -gap >= left.by {
        // One of both is above the other in all of the bin: how its values are spread does not matter.
        return (gap.mul_add(high - low, left.area(high)) - right.area(high)).abs();
    }
    let (left, right) = (left.spread(ends), right.spread(ends));
    let mut corners = [low, left.from, left.to, right.from, right.to, high];
    corners.sort_unstable_by(f64::total_cmp);
    let at = |value: f64| gap + left.at(value) - right.at(value);
    corners
        .windows(2)
        .filter_map(|pair| Some((*pair.first()?, *pair.last()?)))
        .filter(|(from, to)| to > from)
        .map(|(from, to)| {
            // A side whose values are all equal jumps at a corner: the line ends before the jump.
            between(at(from), at(to) - left.jump(to) + right.jump(to), to - from)
        })
        .sum()
}

/// The area under |f| where f runs straight from one value to another.
fn between(from: f64, to: f64, width: f64) -> f64 {
    if from * to >= 0.0 {
        width * (from.abs() + to.abs()) / 2.0
    } else {
        width * (from * from + to * to) / (2.0 * (from.abs() + to.abs()))
    }
}
