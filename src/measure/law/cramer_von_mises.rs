//! The limiting law of the Cramér-von Mises statistic.

use std::f64::consts::PI;

/// The chance that the limiting statistic exceeds a value: Csörgő and Faraway (1996), equation 1.3, to about 1e-15
/// *absolute*. Beyond 6, where that is less than a digit, the leading term of the tail (Zolotarev 1961), good to some
/// per cent.
#[must_use]
pub fn cramer_von_mises_limit(value: f64) -> f64 {
    if value < 0.003 {
        return 1.0;
    }
    if value > 6.0 {
        // The statistic is a sum of squared normals over (j pi)^2; the first rules far out.
        return std::f64::consts::SQRT_2 * super::normal_two_sided(PI * value.sqrt());
    }
    let mut ratio = 1.0;
    let mut sum = 0.0;
    for term in 0..200 {
        let k = f64::from(term);
        if term > 0 {
            // Gamma(k + 1/2) / (Gamma(1/2) k!), step by step.
            ratio *= (k - 0.5) / k;
        }
        let odd = 4.0 * k + 1.0;
        let argument = odd * odd / (16.0 * value);
        // Gamma(1/2) / pi^1.5 is 1/pi.
        let part = ratio / (PI * value.sqrt()) * odd.sqrt() * scaled_bessel(argument);
        sum += part;
        if part < 1e-17 {
            break;
        }
    }
    (1.0 - sum).clamp(0.0, 1.0)
}

/// exp(-x) K(1/4, x), the modified Bessel function of the second kind, by the trapezoidal rule on its integral
/// over exp(-x cosh t) cosh(t/4), which converges faster than any power of the step.
fn scaled_bessel(x: f64) -> f64 {
    const STEP: f64 = 1.0 / 16.0;
    let mut sum = (-2.0 * x).exp() / 2.0;
    for index in 1..400 {
        let t = f64::from(index) * STEP;
        let part = (-x - x * t.cosh()).exp() * (t / 4.0).cosh();
        sum += part;
        if part < 1e-20 * sum {
            break;
        }
    }
    sum * STEP
}
