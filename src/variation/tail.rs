//! How heavy the tails of windows' own effects are, pooled over a monitor: a single column has too few windows to show it.

use std::sync::LazyLock;

use super::law::{normal_quantile_two_sided, student_tail, student_upper};
use super::size;

/// With fewer residuals nothing is said.
const LEAST_RESIDUALS: usize = 200;
/// The quantile of 98 % over the median of a normal variable's absolute value.
const NORMAL_RATIO: f64 = 3.45;
/// Degrees of freedom between which is interpolated.
const DEGREES: [f64; 11] = [2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 60.0];
/// With as many a law is as good as normal.
pub(super) const NORMAL_DEGREES: f64 = 50.0;

/// The ratio of the same quantiles of Student's t.
static RATIOS: LazyLock<[f64; 11]> =
    LazyLock::new(|| DEGREES.map(|degrees| student_upper(0.01, degrees) / student_upper(0.25, degrees)));

/// What one window says: its value and its variance, in any unit.
#[derive(Clone, Copy)]
pub(super) struct Effect {
    pub value: f64,
    pub variance: f64,
}

/// Externally studentised residuals of one statistic's windows, as absolute values of normal variables.
pub(super) fn residuals(effects: &[Effect]) -> Vec<f64> {
    let count = size(effects.len());
    if effects.len() < 4 {
        return Vec::new();
    }
    let mean = effects.iter().map(|effect| effect.value).sum::<f64>() / count;
    let scaled: Vec<f64> = effects.iter().map(|effect| (effect.value - mean) / effect.variance.sqrt()).collect();
    let squares = scaled.iter().map(|value| value * value).sum::<f64>();
    if squares <= 0.0 {
        return Vec::new();
    }
    let deviation = (squares / (count - 1.0)).sqrt();
    let inner = scaled.iter().map(|value| value / deviation / (1.0 - 1.0 / count).sqrt());
    inner
        .map(|inner| {
            let outer = inner.abs() * ((count - 2.0) / (count - 1.0 - inner * inner).max(1e-9)).sqrt();
            normal_quantile_two_sided(2.0 * student_tail(outer, count - 2.0).clamp(1e-300, 0.5))
        })
        .collect()
}

/// The degrees of freedom of the law of window effects; `None` when it is as good as normal, or when there are too few residuals.
pub(super) fn pooled(mut residuals: Vec<f64>) -> Option<f64> {
    if residuals.len() < LEAST_RESIDUALS {
        return None;
    }
    residuals.sort_by(f64::total_cmp);
    let ratio = quantile(&residuals, 0.98) / quantile(&residuals, 0.5);
    let error = NORMAL_RATIO * 1.3 * 0.35 / (0.02 * size(residuals.len())).sqrt();
    if ratio.is_nan() || ratio < NORMAL_RATIO + 2.0 * error {
        return None;
    }
    // The ratio falls with the degrees.
    let pairs = || RATIOS.iter().zip(DEGREES);
    let found = pairs().zip(pairs().skip(1)).find(|((_, _), (lower, _))| ratio >= **lower);
    let degrees = match found {
        Some(((upper, fewer), (lower, more))) => {
            let part = ((upper - ratio) / (upper - lower)).clamp(0.0, 1.0);
            fewer + part * (more - fewer)
        }
        None => NORMAL_DEGREES,
    };
    (degrees < NORMAL_DEGREES).then_some(degrees)
}

/// The law of window effects with heavy tails.
#[derive(Clone, Copy)]
pub(super) struct Heavy {
    degrees: f64,
    /// Of a value of Student's t to that of a normal variable: both laws have the same quartiles.
    scale: f64,
}

impl Heavy {
    pub(super) fn new(degrees: f64) -> Self {
        Self { degrees, scale: student_upper(0.25, degrees) / QUARTILE }
    }

    /// A p-value of normal window effects as one of these, never smaller.
    pub(super) fn heavier(self, p_value: f64) -> f64 {
        let normal = normal_quantile_two_sided(p_value);
        p_value.max(2.0 * student_tail(normal * self.scale, self.degrees)).min(1.0)
    }
}

/// The upper quartile of a normal variable.
const QUARTILE: f64 = 0.6745;

/// The linearly interpolated quantile of sorted values.
fn quantile(sorted: &[f64], chance: f64) -> f64 {
    let place = chance * (size(sorted.len()) - 1.0);
    let mut places = (0u32..).zip(sorted).skip_while(|(index, _)| f64::from(*index) + 1.0 <= place);
    let Some((index, low)) = places.next() else { return f64::NAN };
    let high = places.next().map_or(*low, |(_, high)| *high);
    low + (place - f64::from(index)) * (high - low)
}
