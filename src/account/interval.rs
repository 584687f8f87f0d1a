//! How far an expected number, or a share, can be from what was counted.

use statrs::distribution::{Beta, ContinuousCDF, Gamma};

/// Bounds of what can be expected, both finite and not negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub lower: f64,
    pub upper: f64,
}

/// The probability that the interval is too high, and that it is too low.
const EACH_SIDE: f64 = 0.025;

impl Interval {
    /// The exact 95 % interval of the mean of a Poisson variable of which a number was counted (Garwood 1936). Where it is not known
    /// which number, from the lower bound of the least to the upper bound of the most.
    #[must_use]
    pub fn of_count(least: u64, most: u64) -> Self {
        Self {
            lower: if least == 0 { 0.0 } else { quantile(least, EACH_SIDE) },
            upper: quantile(most.max(least).saturating_add(1), 1.0 - EACH_SIDE),
        }
    }

    /// The exact 95 % interval of a share of which `some` of `all` were seen (Clopper and Pearson 1934); neither has to be whole. From 0 to 1
    /// without any.
    #[must_use]
    pub fn of_share(some: f64, all: f64) -> Self {
        let quantile = |first: f64, second: f64, probability: f64, otherwise: f64| {
            Beta::new(first, second).map_or(otherwise, |law| law.inverse_cdf(probability))
        };
        let others = (all - some).max(0.0);
        Self {
            lower: if some > 0.0 { quantile(some, others + 1.0, EACH_SIDE, 0.0) } else { 0.0 },
            upper: if others > 0.0 { quantile(some + 1.0, others, 1.0 - EACH_SIDE, 1.0) } else { 1.0 },
        }
    }

    /// Both bounds multiplied by a factor.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self { lower: self.lower * factor, upper: self.upper * factor }
    }
}

/// The quantile of a gamma variable of scale 1.
fn quantile(shape: u64, probability: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    let shape = shape as f64;
    // A shape of at least 1 is always allowed.
    Gamma::new(shape, 1.0).map_or(shape, |law| law.inverse_cdf(probability))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_published_tables() {
        // Garwood (1936), table of 95 % limits of the mean of a Poisson variable.
        for (count, lower, upper) in [
            (0, 0.0, 3.6889),
            (1, 0.0253, 5.5716),
            (2, 0.2422, 7.2247),
            (3, 0.6187, 8.7673),
            (5, 1.6235, 11.6683),
            (10, 4.7954, 18.3904),
            (50, 37.1110, 65.9188),
        ] {
            let interval = Interval::of_count(count, count);
            assert!((interval.lower - lower).abs() < 1e-4, "{count}: {interval:?}");
            assert!((interval.upper - upper).abs() < 1e-4, "{count}: {interval:?}");
        }
    }

    #[test]
    fn what_is_not_known_widens_it_on_its_side() {
        let (least, most) = (Interval::of_count(1, 1), Interval::of_count(3, 3));
        assert_eq!(Interval::of_count(1, 3), Interval { lower: least.lower, upper: most.upper });
        assert_eq!(Interval::of_count(0, 0).scaled(2.0).lower, 0.0);
        let many = Interval::of_count(1_000_000, 1_000_000);
        assert!(many.lower < 1e6 && many.upper > 1e6 && many.upper < 1.01e6, "{many:?}");
    }
}
