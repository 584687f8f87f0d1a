//! Tests of means: Student's and Welch's.

use super::law::student_two_sided;
use super::{Points, Side};

/// The outcome of a t test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TTest {
    /// t of baseline minus window.
    pub statistic: f64,
    /// Degrees of freedom.
    pub degrees: f64,
    /// Two-sided.
    pub p_value: f64,
    /// Cohen's d, window minus baseline: the difference of the means in pooled standard deviations.
    pub effect: f64,
}

/// Student's test (1908), which takes both variances for equal. Two constant sides that differ have an infinite
/// statistic and p-value 0, two that do not have 0 and 1. `None` when both together have fewer than three values, or
/// values are so large that their squares are infinite.
#[must_use]
pub fn student_t(points: &Points) -> Option<TTest> {
    let (n, m) = points.sizes()?;
    let degrees = n + m - 2.0;
    let variance = (points.squares(Side::Baseline)? + points.squares(Side::Window)?) / degrees;
    test(points, variance * (1.0 / n + 1.0 / m), degrees)
}

/// Welch's test (1947), which lets the variances differ. Constant sides as in Student's test.
/// `None` when a side has fewer than two values.
#[must_use]
pub fn welch_t(points: &Points) -> Option<TTest> {
    let (n, m) = points.sizes()?;
    if n < 2.0 || m < 2.0 {
        return None;
    }
    let left = points.squares(Side::Baseline)? / (n - 1.0) / n;
    let right = points.squares(Side::Window)? / (m - 1.0) / m;
    let degrees = (left + right).powi(2) / (left * left / (n - 1.0) + right * right / (m - 1.0));
    test(points, left + right, if degrees.is_nan() { 1.0 } else { degrees })
}

fn test(points: &Points, squared_error: f64, degrees: f64) -> Option<TTest> {
    let (n, m) = points.sizes()?;
    if degrees <= 0.0 {
        return None;
    }
    let difference = points.mean(Side::Baseline)? - points.mean(Side::Window)?;
    if squared_error <= 0.0 && difference == 0.0 {
        return Some(TTest { statistic: 0.0, degrees, p_value: 1.0, effect: 0.0 });
    }
    let statistic = difference / squared_error.sqrt();
    let pooled = (points.squares(Side::Baseline)? + points.squares(Side::Window)?) / (n + m - 2.0);
    let effect = -difference / pooled.sqrt();
    // Deviations of values near the end of the range of floats are infinite, and say nothing.
    if statistic.is_nan() || effect.is_nan() {
        return None;
    }
    Some(TTest { statistic, degrees, p_value: student_two_sided(statistic, degrees), effect })
}
