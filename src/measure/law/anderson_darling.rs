//! The limiting law of the Anderson-Darling statistic.

use std::f64::consts::PI;

/// Mean and variance of the limiting statistic.
pub const ANDERSON_DARLING_MOMENTS: (f64, f64) = (1.0, 0.579_736_267_392_906_4);

/// Pairs of neighbouring poles that count.
const PAIRS: u32 = 12;
/// Points of the integral between two poles.
const POINTS: u32 = 24;

/// The chance that the limiting statistic exceeds a value (Anderson and Darling 1952; Marsaglia and Marsaglia 2004).
///
/// The statistic is the sum of squared normal variables over `j (j + 1)`. By Smirnov's formula (1937) its tail is an alternating sum of
/// integrals between neighbouring poles of the transform, here `-cos(pi/2 sqrt(1 + 4u)) / (pi u)`, of which the first rules
/// the tail: no digits are lost far out.
#[must_use]
pub fn anderson_darling_limit(value: f64) -> f64 {
    if value < 0.15 {
        // Below it the chance differs from 1 by less than 1e-3, and the sum converges slowly.
        return 1.0;
    }
    let mut sum = 0.0;
    let mut sign = 1.0;
    for pair in 1..=PAIRS {
        let double = 2.0 * f64::from(pair);
        let (low, high) = (double * (double - 1.0), double * (double + 1.0));
        let part = between(low, high, value);
        sum += sign * part;
        if part < 1e-17 * sum {
            break;
        }
        sign = -sign;
    }
    (sum / PI).clamp(0.0, 1.0)
}

/// The integral between two poles, where the transform is 0: over the angle, in which it is smooth (Gauss and Chebyshev).
fn between(low: f64, high: f64, value: f64) -> f64 {
    let (middle, half) = (f64::midpoint(low, high), (high - low) / 2.0);
    let points = (1..=POINTS).map(|point| {
        let angle = PI * (f64::from(point) - 0.5) / f64::from(POINTS);
        let u = half.mul_add(angle.cos(), middle);
        let transform = ((PI / 2.0 * (1.0 + 4.0 * u).sqrt()).cos() / (PI * u)).abs();
        (-u * value / 2.0).exp() / (u * transform.sqrt()) * half * angle.sin()
    });
    points.sum::<f64>() * PI / f64::from(POINTS)
}
