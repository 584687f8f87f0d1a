//! Binomial and hypergeometric masses to full precision, also where factorials have left the range of floats.
//!
//! C. Loader (2000), *Fast and accurate computation of binomial probabilities*: the logarithm of the mass is a
//! sum of small terms, the errors of Stirling's formula and two deviances, in which nothing cancels.

use std::f64::consts::TAU;

/// The chance of `hits` in `trials` that succeed with chance `chance` each.
#[must_use]
pub fn binomial_mass(hits: f64, trials: f64, chance: f64) -> f64 {
    if chance <= 0.0 {
        return f64::from(u8::from(hits == 0.0));
    }
    if chance >= 1.0 {
        return f64::from(u8::from(hits == trials));
    }
    let misses = trials - hits;
    if hits < 0.0 || misses < 0.0 {
        return 0.0;
    }
    if hits == 0.0 {
        return (trials * (-chance).ln_1p()).exp();
    }
    if misses == 0.0 {
        return (trials * chance.ln()).exp();
    }
    let logarithm = stirling_error(trials)
        - stirling_error(hits)
        - stirling_error(misses)
        - deviance(hits, trials * chance)
        - deviance(misses, trials * (1.0 - chance));
    logarithm.exp() * (trials / (TAU * hits * misses)).sqrt()
}

/// The chance of `hits` marked ones among `drawn`, from `marked` and `unmarked`.
#[must_use]
pub fn hypergeometric_mass(hits: f64, drawn: f64, marked: f64, unmarked: f64) -> f64 {
    let all = marked + unmarked;
    if hits < 0.0 || hits > marked || drawn - hits < 0.0 || drawn - hits > unmarked {
        return 0.0;
    }
    let chance = drawn / all;
    if chance <= 0.0 || chance >= 1.0 {
        return 1.0;
    }
    binomial_mass(hits, marked, chance) * binomial_mass(drawn - hits, unmarked, chance)
        / binomial_mass(drawn, all, chance)
}

/// ln n! less Stirling's formula for it.
fn stirling_error(n: f64) -> f64 {
    if n <= 15.0 {
        // Few enough to add up; the formula's own error would show here.
        let mut logarithm = 0.0;
        let mut factor = 2.0;
        while factor <= n {
            logarithm += f64::ln(factor);
            factor += 1.0;
        }
        return logarithm - ((n + 0.5) * n.ln() - n + TAU.ln() / 2.0);
    }
    let square = n * n;
    (1.0 / 12.0
        - (1.0 / 360.0
            - (1.0 / 1260.0 - (1.0 / 1680.0 - (1.0 / 1188.0 - 691.0 / 360_360.0 / square) / square) / square)
                / square)
            / square)
        / n
}

/// x ln(x/m) + m - x, without cancellation when x is near m.
fn deviance(x: f64, mean: f64) -> f64 {
    let difference = x - mean;
    if difference.abs() < 0.1 * (x + mean) {
        let ratio = difference / (x + mean);
        let mut sum = difference * ratio;
        let mut power = 2.0 * x * ratio;
        for step in 1..1000 {
            power *= ratio * ratio;
            let next = sum + power / f64::from(2 * step + 1);
            if next == sum {
                break;
            }
            sum = next;
        }
        return sum;
    }
    x * (x / mean).ln() + mean - x
}
