//! The unit in which movements of numbers are stated: standard deviations of the baseline.

use super::{Pair, Points, Side};
use crate::distribution::Distribution;

/// Relative to its mean, the deviation at and below which a side is constant: what rounding leaves of equal values.
const ROUNDING: f64 = 1e-12;

/// The population standard deviation of the baseline; of both sides together, with equal weights, when the baseline is
/// constant, because a movement is no multiple of 0. Either way it has the unit of the column, so that nothing divided
/// by it depends on that unit. 0 when both sides are constant and equal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale(f64);

impl Scale {
    /// `None` when a side has no value or a deviation is not known.
    pub(super) fn of_points(points: &Points) -> Option<Self> {
        let side = |side: Side| Some((points.mean(side)?, points.deviation(side, 0)?));
        Self::between(side(Side::Baseline)?, || side(Side::Window))
    }

    /// `None` when a side has no value, or means and deviations are not known.
    pub(super) fn of_pair(pair: &Pair<'_>) -> Option<Self> {
        let side = |side: &Distribution| Some((side.mean()?, side.deviation()?));
        Self::between(side(pair.baseline())?, || side(pair.window()))
    }

    /// From (mean, deviation) of the baseline, and of the window, which is only asked for when the baseline is constant.
    fn between(baseline: (f64, f64), window: impl FnOnce() -> Option<(f64, f64)>) -> Option<Self> {
        if !is_constant(baseline) {
            return Some(Self(baseline.1));
        }
        let window = window()?;
        let within = baseline.1.hypot(window.1) / std::f64::consts::SQRT_2;
        Some(Self(within.hypot(window.0 / 2.0 - baseline.0 / 2.0)))
    }

    /// A distance in this unit; 0 for no distance.
    pub(super) fn normed(self, distance: f64) -> f64 {
        if distance == 0.0 || self.0 == 0.0 { 0.0 } else { distance / self.0 }
    }
}

/// Whether the baseline of a pair has one value only, so that movements are stated in the deviation of both sides.
pub(super) fn baseline_is_constant(pair: &Pair<'_>) -> bool {
    pair.baseline().mean().zip(pair.baseline().deviation()).is_some_and(is_constant)
}

fn is_constant((mean, deviation): (f64, f64)) -> bool {
    deviation <= ROUNDING * mean.abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{mean_shift, quantile_shift};

    fn shifts(factor: f64, window: &[f64]) -> (f64, f64) {
        let scaled: Vec<f64> = window.iter().map(|value| value * factor).collect();
        let points = Points::from_samples(&[7.0 * factor; 100], &scaled);
        (mean_shift(&points).unwrap(), quantile_shift(&points).unwrap().0)
    }

    #[test]
    fn movements_from_a_constant_baseline_do_not_depend_on_the_unit() {
        let mut window = vec![7.0; 100];
        window[..3].fill(9.0);
        let (mean, quantile) = shifts(1.0, &window);
        for factor in [1e-9, 1e-3, 60.0, 1e12] {
            let (other_mean, other_quantile) = shifts(factor, &window);
            assert!((mean - other_mean).abs() < 1e-9 && (quantile - other_quantile).abs() < 1e-9, "{factor}");
        }
        assert!((0.2..0.3).contains(&mean), "3 % of the values moved: {mean}");
        assert!((shifts(1.0, &[8.0; 100]).0 - 2.0).abs() < 1e-12, "all values moved");
        assert_eq!(shifts(1.0, &[7.0; 100]), (0.0, 0.0));
    }

    #[test]
    fn a_small_deviation_is_a_unit_as_any_other() {
        let baseline: Vec<f64> = (0..100).map(|value| 1e-6 * f64::from(value)).collect();
        let window: Vec<f64> = baseline.iter().map(|value| value + 1e-4).collect();
        let moved = mean_shift(&Points::from_samples(&baseline, &window)).unwrap();
        assert!((moved - 3.464).abs() < 0.01, "{moved}");
    }
}
