//! A sequential test, which may be evaluated after every pair: which side is further from the reference.
//!
//! When both sides are alike, the challenger is the further one of a pair with chance 1/2, whatever the windows hold: the larger
//! side is [thinned](super::thinned) to the size of the smaller one, so that both are parts of the same size from the same records. The
//! evidence that it is further more often is the average, over all chances p from 1/2 to 1, of how much likelier the signs
//! are under p than under 1/2:
//!
//! `E = 2 * integral from 1/2 to 1 of (2p)^k (2(1-p))^(n-k) dp`, with `k` of `n` pairs in which the challenger is further.
//!
//! Under chance its expectation is 1 at every moment, and the chance that it ever exceeds `1/a` is at most `a` (Ville 1939; H. Robbins,
//! "Statistical methods related to the law of the iterated logarithm", Annals of Mathematical Statistics 41, 1970). So the
//! false-alarm rate holds over all pairs together; that of a sign test with a p-value would grow with each evaluation.

use statrs::function::beta::beta_reg;
use statrs::function::factorial::ln_binomial;

/// The natural logarithm of the evidence that the challenger is the further side more often than not: `further` of `trials` pairs.
/// 0 without a pair; negative where chance explains the pairs better.
#[must_use]
pub fn log_evidence(further: u32, trials: u32) -> f64 {
    let further = further.min(trials);
    let (hits, misses) = (f64::from(further), f64::from(trials - further));
    let all = f64::from(trials);
    // The integral is an incomplete beta function; its share above 1/2 is that of the mirrored one below 1/2.
    let share = beta_reg(misses + 1.0, hits + 1.0, 0.5);
    if share < f64::MIN_POSITIVE {
        // Far too few hits: about what there is without any.
        return -(all + 1.0).ln();
    }
    (all + 1.0) * std::f64::consts::LN_2 - (all + 1.0).ln() - ln_binomial(u64::from(trials), u64::from(further))
        + share.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_evidence_is_the_integral() {
        for (further, trials) in [(0, 0), (1, 1), (13, 24), (24, 24), (3, 20), (180, 300)] {
            let steps = 200_000;
            let integral: f64 = (0..steps)
                .map(|step| {
                    let p = 0.5 + (f64::from(step) + 0.5) / f64::from(steps) / 2.0;
                    (2.0 * p).powi(further) * (2.0 * (1.0 - p)).powi(trials - further)
                })
                .sum::<f64>()
                / f64::from(steps);
            let found = log_evidence(further.unsigned_abs(), trials.unsigned_abs());
            assert!((found - integral.ln()).abs() < 1e-3, "{further} of {trials}: {found} {}", integral.ln());
        }
    }

    #[test]
    fn nothing_overflows_and_more_pairs_are_more_evidence() {
        assert!(log_evidence(u32::MAX, 5) > log_evidence(3, 5));
        assert!(log_evidence(100_000, 100_000).is_finite() && log_evidence(0, 100_000) < 0.0);
        assert!(log_evidence(10, 10) > log_evidence(9, 10));
    }
}
