//! Distribution functions, with their digits far out in the tails.

use std::f64::consts::SQRT_2;

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::erf::{erfc, erfc_inv};
use statrs::function::gamma::{checked_gamma_lr, checked_gamma_ur, ln_gamma};

/// The chance that a standard normal variable exceeds a value.
pub(super) fn normal_tail(value: f64) -> f64 {
    erfc(value / SQRT_2) / 2.0
}

/// The value that a standard normal variable lies below with this chance.
pub(super) fn normal_quantile(chance: f64) -> f64 {
    -SQRT_2 * erfc_inv(2.0 * chance)
}

/// The value that a standard normal variable exceeds, on both sides together, with this chance.
pub(super) fn normal_quantile_two_sided(chance: f64) -> f64 {
    SQRT_2 * erfc_inv(chance.clamp(1e-300, 1.0))
}

/// The chance that Student's t exceeds a value.
pub(super) fn student_tail(value: f64, degrees: f64) -> f64 {
    StudentsT::new(0.0, 1.0, degrees).map_or(0.5, |law| law.sf(value))
}

/// The value that Student's t exceeds with this chance.
pub(super) fn student_upper(chance: f64, degrees: f64) -> f64 {
    StudentsT::new(0.0, 1.0, degrees).map_or(0.0, |law| -law.inverse_cdf(chance))
}

/// The chance that a gamma variable of this shape and scale 1 exceeds a value.
pub(super) fn gamma_above(value: f64, shape: f64) -> f64 {
    if value <= 0.0 { 1.0 } else { checked_gamma_ur(shape, value).unwrap_or(1.0) }
}

/// The chance that a gamma variable of this shape and scale 1 stays below a value.
pub(super) fn gamma_below(value: f64, shape: f64) -> f64 {
    if value <= 0.0 { 0.0 } else { checked_gamma_lr(shape, value).unwrap_or(1.0) }
}

/// The chance that a variable with mean 1, whose inverse has a gamma law, exceeds a value, by its squared coefficient of variation.
pub(super) fn inverse_gamma_above(value: f64, variation: f64) -> f64 {
    let shape = 2.0 + 1.0 / variation;
    if value <= 0.0 { 1.0 } else { gamma_below((shape - 1.0) / value, shape) }
}

/// The value that a chi-square variable lies below with a chance, which is below 1.
///
/// Newton's method for the logarithms of both: the logarithm of the distribution function is concave in that of the value, so that the
/// method converges from the left, down to quantiles of 1e-40 (few degrees of freedom, chance 1e-9). A relative accuracy of
/// 1e-12; the library's own search stops at an absolute 1e-9.
pub(super) fn chi_square_quantile(chance: f64, degrees: f64) -> f64 {
    let shape = degrees / 2.0;
    // Wilson and Hilferty (1931); near 0 the distribution function is a power.
    let ninth = 2.0 / (9.0 * degrees);
    let cube = 1.0 - ninth + normal_quantile(chance) * ninth.sqrt();
    let power = (chance.ln() + ln_gamma(shape + 1.0)) / shape + std::f64::consts::LN_2;
    let mut log = if cube > 0.2 { degrees.ln() + 3.0 * cube.ln() } else { power };
    for _ in 0..100 {
        let half = log.exp() / 2.0;
        let below = gamma_below(half, shape);
        if below <= 0.0 {
            log = power.max(log + 1.0);
            continue;
        }
        let density = (shape * half.ln() - half - ln_gamma(shape)).exp();
        let step = (below.ln() - chance.ln()) * below / density;
        // From the far right the first step may lead beyond all bounds.
        log -= step.clamp(-4.0, 4.0);
        if step.abs() < 1e-13 || !step.is_finite() {
            break;
        }
    }
    log.exp()
}

/// Where a rising function that is nearly a line through 0 reaches a value, to four digits: the secant method, from 0 and a guess.
/// What it reaches at most where it stays below.
pub(super) fn crossing(value: f64, guess: f64, of: impl Fn(f64) -> f64) -> f64 {
    let (mut before, mut at) = ((0.0, 0.0), guess);
    for _ in 0..20 {
        let found = of(at);
        let slope = (found - before.1) / (at - before.0);
        if (found - value).abs() <= 1e-4 * value || slope.is_nan() || slope <= 0.0 {
            break;
        }
        before = (at, found);
        at = (at + (value - found) / slope).clamp(at / 3.0, at * 3.0);
    }
    at
}

/// The derivative of the digamma function: by its recurrence up to 20, then by its asymptotic series.
pub(super) fn trigamma(value: f64) -> f64 {
    let mut value = value;
    let mut sum = 0.0;
    while value < 20.0 {
        sum += 1.0 / (value * value);
        value += 1.0;
    }
    let inverse = 1.0 / value;
    let square = inverse * inverse;
    sum + inverse
        * (1.0
            + inverse / 2.0
            + square * (1.0 / 6.0 - square * (1.0 / 30.0 - square * (1.0 / 42.0 - square / 30.0))))
}

/// The positive number that has this trigamma; bisection, as the function falls.
pub(super) fn trigamma_inverse(value: f64) -> f64 {
    let (mut low, mut high) = (-40.0_f64, 40.0_f64);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if trigamma(middle.exp()) > value {
            low = middle;
        } else {
            high = middle;
        }
    }
    low.exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 1e-9, "{found} instead of {expected}");
    }

    #[test]
    #[expect(clippy::unreadable_literal, reason = "as scipy prints them")]
    fn quantiles_of_chi_square_are_those_of_scipy() {
        // scipy 1.17.1: stats.chi2.ppf(chance, degrees)
        close(chi_square_quantile(1e-09, 0.5), 1.3499395786223584e-36);
        close(chi_square_quantile(0.0001, 0.5), 1.3499395786223448e-16);
        close(chi_square_quantile(0.35, 0.5), 0.020423397146562564);
        close(chi_square_quantile(0.97, 0.5), 3.1596197771876464);
        close(chi_square_quantile(1e-09, 1.0), 1.5707963267948974e-18);
        close(chi_square_quantile(0.0001, 1.0), 1.5707963350195693e-08);
        close(chi_square_quantile(0.35, 1.0), 0.20590012522776568);
        close(chi_square_quantile(0.97, 1.0), 4.709292246885103);
        close(chi_square_quantile(1e-09, 5.0), 0.0008122895656656541);
        close(chi_square_quantile(0.0001, 5.0), 0.08217737582841543);
        close(chi_square_quantile(0.35, 5.0), 3.3251073967592135);
        close(chi_square_quantile(0.97, 5.0), 12.374618480559814);
        close(chi_square_quantile(1e-09, 23.0), 1.8081866351404943);
        close(chi_square_quantile(0.0001, 23.0), 5.749409676736187);
        close(chi_square_quantile(0.35, 23.0), 19.86568752886657);
        close(chi_square_quantile(0.97, 23.0), 37.332312100043325);
        close(chi_square_quantile(1e-09, 83.0), 27.275046565087415);
        close(chi_square_quantile(0.0001, 83.0), 43.37627400574814);
        close(chi_square_quantile(0.35, 83.0), 77.4914978887359);
        close(chi_square_quantile(0.97, 83.0), 108.8651923844964);
        close(chi_square_quantile(1e-09, 5000.0), 4423.337886506965);
        close(chi_square_quantile(0.0001, 5000.0), 4636.62352545753);
        close(chi_square_quantile(0.35, 5000.0), 4960.903216080292);
        close(chi_square_quantile(0.97, 5000.0), 5189.763669190897);
    }

    #[test]
    fn the_quantile_is_the_inverse_everywhere() {
        for degrees in [0.5, 1.0, 1.7, 3.0, 8.0, 23.0, 167.0, 3000.0, 1e6] {
            for chance in [1e-9, 1e-7, 1e-4, 0.06, 0.5, 0.97] {
                let quantile = chi_square_quantile(chance, degrees);
                close(gamma_below(quantile / 2.0, degrees / 2.0), chance);
            }
        }
    }

    #[test]
    #[expect(clippy::unreadable_literal, reason = "as scipy prints them")]
    fn trigamma_is_that_of_scipy_and_is_inverted() {
        // scipy 1.17.1: special.polygamma(1, value)
        close(trigamma(0.1), 101.43329915079275);
        close(trigamma(1.0), 1.6449340668482266);
        close(trigamma(4.5), 0.24872510303901035);
        close(trigamma(30.0), 0.033895060357739946);
        close(trigamma(1000.0), 0.001000500166666633);
        for value in [1e-3, 0.05, 1.0, 30.0] {
            close(trigamma(trigamma_inverse(value)), value);
        }
    }
}
