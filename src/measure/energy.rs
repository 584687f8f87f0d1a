//! Energy distance.

use super::{Points, Side};

/// The energy distance `sqrt(2 integral (F - G)^2)` of Székely and Rizzo (2013), in the square root of the column's
/// unit, as scipy has it; 0 for equal distributions. Beside Wasserstein's distance it weighs one large gap more than many
/// small ones. `None` when one side has no value.
#[must_use]
pub fn energy(points: &Points) -> Option<f64> {
    energy_parts(points).map(|(inside, outside)| (inside + outside).sqrt())
}

/// The square of the distance, within the baseline's range and beyond it.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn energy_parts(points: &Points) -> Option<(f64, f64)> {
    let (n, m) = points.sizes()?;
    let whole = points.size(Side::Baseline);
    let (mut inside, mut outside) = (0.0, 0.0);
    let (mut left, mut right) = (0u64, 0u64);
    for (width, more, further) in points.gaps() {
        left += more;
        right += further;
        let gap = left as f64 / n - right as f64 / m;
        let part = if left == 0 || left == whole { &mut outside } else { &mut inside };
        *part += 2.0 * gap * gap * width;
    }
    Some((inside, outside))
}
