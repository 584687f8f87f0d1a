//! A share in a window beside that in the reference.

/// The signed root of the likelihood ratio of `x` of `n` against `reference` of `total`, half a record moved towards equality. Nearly
/// exact for the smallest counts: 8 of 10,000 against 0 of 24,000 gives 5.4e-5, where the geometric law has 5.6e-5.
pub(super) fn signed_root(x: f64, n: f64, reference: f64, total: f64) -> f64 {
    let share = (x + reference) / (n + total);
    let difference = x - share * n;
    let half = difference.signum() * difference.abs().min(0.5);
    let (after, before) = (x - half, reference + half);
    let term = |observed: f64, expected: f64| {
        if observed > 0.0 && expected > 0.0 { observed * (observed / expected).ln() } else { 0.0 }
    };
    let ratio = term(after, n * share)
        + term(before, total * share)
        + term(n - after, n * (1.0 - share))
        + term(total - before, total * (1.0 - share));
    difference.signum() * (2.0 * ratio).max(0.0).sqrt()
}

/// An upper limit of the [`signed_root`] that needs no logarithm, in square: a likelihood ratio is at most twice Pearson's statistic.
pub(super) fn squared_root_limit(x: f64, n: f64, reference: f64, total: f64) -> f64 {
    let share = (x + reference) / (n + total);
    let difference = ((x - share * n).abs() - 0.5).max(0.0);
    let variance = share * (1.0 - share);
    if variance > 0.0 { 2.0 * difference * difference / variance * (1.0 / n + 1.0 / total) } else { 0.0 }
}

/// On this scale a share has the variance 1/4 per record, whatever it is.
pub(super) fn arcsine(share: f64) -> f64 {
    share.clamp(0.0, 1.0).sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_nearly_exact_for_small_counts() {
        assert!((signed_root(8.0, 10_000.0, 0.0, 24_000.0) - 3.87).abs() < 0.02);
        assert_eq!(signed_root(0.0, 10.0, 0.0, 10.0), 0.0);
        assert_eq!(signed_root(10.0, 10.0, 20.0, 20.0), 0.0);
        assert!(signed_root(0.0, 100.0, 50.0, 100.0) < -5.0);
    }

    #[test]
    fn the_limit_without_logarithms_is_one() {
        for (x, n, reference, total) in
            [(3.0, 40.0, 2.0, 90.0), (30.0, 40.0, 2.0, 90.0), (0.0, 7.0, 50.0, 60.0), (9.0, 9.0, 1.0, 1e6)]
        {
            let root: f64 = signed_root(x, n, reference, total);
            assert!(root * root <= squared_root_limit(x, n, reference, total) + 1e-12);
        }
    }
}
