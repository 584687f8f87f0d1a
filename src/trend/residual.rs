//! Windows as a sequence of independent normal scores, if nothing changes.
//!
//! The reference knows its own level with an error that all later windows share: compared with it, they seem to have drifted in the end
//! although nothing changed. So each window is compared with the mean of the reference *and all windows since* (recursive
//! residuals: Brown, Durbin and Evans, "Techniques for testing the constancy of regression relationships over time", Journal of the
//! Royal Statistical Society B 37, 1975), in units of a variance that learns from each window. For windows of one size with normal
//! effects these residuals are independent, each with a t distribution of known degrees of freedom.

use super::level::{Reading, ReferenceLevel};

/// Scores are cut here: one odd window counts as one of a thousand.
const LARGEST_SCORE: f64 = 3.0;

/// Least degrees of freedom by which values are cut: with fewer the cut would be too far out to be one.
const LEAST_FREEDOM: f64 = 5.0;

/// Variance and correlation remember about as many windows, so that they follow a variation that changes.
const MEMORY: f64 = 1_000.0;

/// Most skewness of windows that are scored. With more, one record more or less is the whole difference, and the correction of a score
/// for skewness would not be monotonous up to [`LARGEST_SCORE`]. A share has this where a window expects one record.
const LARGEST_SKEWNESS: f64 = 1.0;

/// Correlation is allowed for up to here: beyond, hardly a window says anything new.
const LARGEST_CORRELATION: f64 = 0.9;

/// Numbers of [`Residuals`] in stored form.
pub(super) const NUMBERS: usize = 6;

/// The mean, variance and correlation of the reference and all windows since.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Residuals {
    /// Mean of the reference and all windows since, less the mean of the reference.
    mean: f64,
    /// How many usual windows are behind `mean`.
    weight: f64,
    /// As [`ReferenceLevel::dispersion`], learnt on.
    dispersion: f64,
    /// As [`ReferenceLevel::freedom`], learnt on.
    freedom: f64,
    /// As [`ReferenceLevel::autocorrelation`], learnt on; may be negative.
    autocorrelation: f64,
    /// As [`ReferenceLevel::pairs`], learnt on.
    pairs: f64,
}

/// What a window says.
pub(super) struct Scored {
    /// Between -3 and 3; standard normal if nothing changes.
    pub(super) score: f64,
    /// The value less the mean of the reference, without what is odd about it: what the next window is compared with.
    pub(super) value: f64,
}

impl Residuals {
    pub(super) fn new(level: &ReferenceLevel) -> Self {
        Self {
            mean: 0.0,
            weight: level.weight(),
            dispersion: level.dispersion,
            freedom: level.freedom.clamp(1.0, MEMORY),
            autocorrelation: level.autocorrelation,
            pairs: level.pairs.clamp(1.0, MEMORY),
        }
    }

    /// The stored form.
    pub(super) fn numbers(&self) -> [f64; NUMBERS] {
        [self.mean, self.weight, self.dispersion, self.freedom, self.autocorrelation, self.pairs]
    }

    /// Back from the stored form; None where the numbers are not possible.
    pub(super) fn of([mean, weight, dispersion, freedom, autocorrelation, pairs]: [f64; NUMBERS]) -> Option<Self> {
        let possible = mean.is_finite()
            && weight.is_finite()
            && weight > 0.0
            && dispersion.is_finite()
            && dispersion >= 0.0
            && (1.0..=MEMORY).contains(&freedom)
            && autocorrelation.is_finite()
            && (1.0..=MEMORY).contains(&pairs);
        possible.then_some(Self { mean, weight, dispersion, freedom, autocorrelation, pairs })
    }

    /// The mean of the reference and all windows since, less that of the reference, and how many usual windows are behind it.
    pub(super) fn mean(&self) -> (f64, f64) {
        (self.mean, self.weight)
    }

    /// The score of a window. `before` is the last window: how many windows ago, and its [`Scored::value`]. None for windows with too few
    /// records to say anything, and where numbers are too large or small to be compared.
    pub(super) fn score(
        &mut self,
        level: &ReferenceLevel,
        reading: Reading,
        before: Option<(i32, f64)>,
    ) -> Option<Scored> {
        let dispersion = self.dispersion.max(1.0);
        let judged = level.judged(dispersion, reading.records);
        let skewness = level.skewness(judged);
        let of_mean = dispersion / self.weight;
        // What the window before explains is taken away, on the scale of the mean. The rest is divided by less, so it varies more.
        let correlation = before.map_or(0.0, |(distance, _)| self.largest_correlation().powi(distance));
        let stretch = (1.0 + correlation) / (1.0 - correlation);
        let value = reading.value - level.mean;
        let alone = before.map_or(value, |(_, before)| (value - correlation * before) / (1.0 - correlation));
        let unit = (level.sampling() * (judged * stretch + of_mean)).sqrt();
        let residual = (alone - self.mean) / unit;
        if !(unit.is_normal() && residual.is_finite() && skewness.abs() <= LARGEST_SKEWNESS) {
            return None;
        }

        let modelled = level.modelled(dispersion, reading.records) * stretch + of_mean;
        // How much more of the variance between windows this window shows than a usual one does.
        let leverage = dispersion * (stretch + 1.0 / self.weight) / modelled;
        let freedom = self.freedom / leverage.max(1.0).powi(2);
        let largest = value_of(LARGEST_SCORE, freedom.max(LEAST_FREEDOM));
        let residual = residual.clamp(-largest, largest);

        let own_unit = (level.sampling() * judged).sqrt();
        let own = ((value - self.mean) / own_unit).clamp(-largest, largest);
        let value = self.mean + own * own_unit;
        if let Some((1, before)) = before {
            self.learn_correlation(own, ((before - self.mean) / own_unit).clamp(-largest, largest));
        }
        let square = (residual.powi(2) * (judged * stretch + of_mean) / modelled).min(largest.powi(2));
        self.freedom = (self.freedom + leverage.powi(2)).min(MEMORY);
        self.dispersion += leverage / self.freedom * (dispersion * square - self.dispersion);
        self.dispersion = self.dispersion.max(0.0);
        let weight = dispersion / (judged * stretch);
        self.weight += weight;
        self.mean += residual * unit * weight / self.weight;
        let score = symmetric(score_of(residual, freedom).clamp(-LARGEST_SCORE, LARGEST_SCORE), skewness);
        Some(Scored { score: score.clamp(-LARGEST_SCORE, LARGEST_SCORE), value })
    }

    /// The correlation that is allowed for. What is not allowed for counts as drift, so the estimate is raised twice: sampling noise hides
    /// how long the effects of windows last, and two standard errors are added.
    fn largest_correlation(&self) -> f64 {
        let estimate = self.autocorrelation.clamp(0.0, LARGEST_CORRELATION);
        // Of the variance of windows the part of their effects, which alone are correlated.
        let effects = 1.0 - 1.0 / self.dispersion.max(1.0);
        let of_effects =
            if estimate < LARGEST_CORRELATION * effects { estimate / effects } else { LARGEST_CORRELATION };
        // The sum of all correlations of a window, now and later, and the correlation that alone has this sum.
        let lasting = effects * of_effects / (1.0 - of_effects);
        let raised = (lasting / (1.0 + lasting)).max(estimate);
        (raised + 2.0 * (1.0 - raised.powi(2)) / self.pairs.sqrt()).min(LARGEST_CORRELATION)
    }

    fn learn_correlation(&mut self, now: f64, before: f64) {
        self.pairs = (self.pairs + 1.0).min(MEMORY);
        self.autocorrelation += (now * before - self.autocorrelation) / self.pairs;
    }
}

/// The normal score of a value with a t distribution, by D. L. Wallace, "Bounds on normal approximations to Student's and the
/// chi-square distributions", Annals of Mathematical Statistics 30, 1959. Errors: below 0.02 from 5 degrees of freedom on.
fn score_of(value: f64, freedom: f64) -> f64 {
    (shrinkage(freedom) * (freedom * (value.powi(2) / freedom).ln_1p()).sqrt()).copysign(value)
}

/// A score without its skewness (the first term of Cornish and Fisher, 1937). Its mean stays 0.
fn symmetric(score: f64, skewness: f64) -> f64 {
    score - skewness * (score.powi(2) - 1.0) / 6.0
}

/// The inverse of [`score_of`], for scores above 0.
fn value_of(score: f64, freedom: f64) -> f64 {
    (freedom * ((score / shrinkage(freedom)).powi(2) / freedom).exp_m1()).sqrt()
}

fn shrinkage(freedom: f64) -> f64 {
    (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0)
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

    use super::super::tests::{LEVEL, reading};
    use super::*;

    #[test]
    fn scores_are_those_of_the_t_distribution() {
        for (freedom, error) in [(1.0, 0.3), (5.0, 0.02), (11.0, 0.01), (23.0, 0.003), (500.0, 0.001)] {
            let law = StudentsT::new(0.0, 1.0, freedom).unwrap();
            for score in [-3.0, -1.5, -0.3, 0.2, 1.0, 2.0, 2.9f64] {
                let value = law.inverse_cdf(Normal::standard().cdf(score));
                let found = score_of(value, freedom);
                assert!((found - score).abs() < error, "{value} with {freedom}: {found} instead of {score}");
                assert!((value_of(found.abs(), freedom) - value.abs()).abs() < 1e-9 * value.abs());
            }
        }
    }

    /// With one size of windows, mean and variance are those of a sample.
    #[test]
    fn windows_of_one_size_teach_mean_and_variance_exactly() {
        let level = ReferenceLevel { pairs: 1e9, ..LEVEL };
        let values = [0.06, -0.02, 0.04, 0.01, -0.05];
        let mut residuals = Residuals::new(&level);
        for value in values {
            residuals.score(&level, reading(value), None).unwrap();
        }
        let mean = values.iter().sum::<f64>() / 29.0;
        assert!((residuals.mean - mean).abs() < 1e-12);
        assert!((residuals.weight - 29.0).abs() < 1e-9);
        // About the common mean: 23 degrees from the reference at 0, one from each window.
        let squares =
            LEVEL.dispersion * 23.0 + 1_000.0 * (values.iter().map(|v| v * v).sum::<f64>() - 29.0 * mean * mean);
        assert!(
            (residuals.dispersion - squares / 28.0).abs() < 1e-9,
            "{} {}",
            residuals.dispersion,
            squares / 28.0
        );
        assert!((residuals.freedom - 28.0).abs() < 1e-9);
    }

    #[test]
    fn one_odd_window_is_cut_in_score_mean_and_variance() {
        let mut residuals = Residuals::new(&LEVEL);
        let scored = residuals.score(&LEVEL, reading(1e300), None).unwrap();
        assert_eq!(scored.score, 3.0);
        assert!(residuals.mean < 0.03 && residuals.dispersion < 2.0 * LEVEL.dispersion, "{residuals:?}");
        assert!(scored.value < 1.0);
    }

    #[test]
    fn what_the_window_before_explains_is_no_news() {
        let correlated = ReferenceLevel { autocorrelation: 0.5, pairs: 1_000.0, ..LEVEL };
        let score = |level: &ReferenceLevel, before| {
            Residuals::new(level).score(level, reading(0.1), before).unwrap().score
        };
        // 0.66 with what the estimate is raised by.
        assert!(score(&correlated, Some((1, 0.15))).abs() < 0.2);
        assert!(score(&correlated, Some((1, -0.2))) > score(&correlated, None));
        // Longer ago, less is explained.
        assert!(score(&correlated, Some((3, 0.2))) > score(&correlated, Some((1, 0.2))));
    }

    #[test]
    fn skewness_is_taken_from_scores_and_with_too_much_nothing_is_said() {
        // A share of 1 %: its windows expect 10 records.
        let rare = ReferenceLevel {
            mean: 0.01,
            record_variance: 0.0099,
            record_skewness: 9.85,
            dispersion: 1.0,
            freedom: 500.0,
            ..LEVEL
        };
        let score = |value, records| {
            let scored = Residuals::new(&rare).score(&rare, Reading { value, records }, None);
            scored.map(|scored| scored.score)
        };
        let (rise, fall) = (score(0.018, 1_000.0).unwrap(), score(0.002, 1_000.0).unwrap());
        assert!(rise > 0.0 && rise < -fall - 0.3, "{rise} {fall}");
        // 1.1 records are expected, then 0.9.
        assert!(score(0.0, 110.0).is_some());
        assert_eq!(score(0.0, 90.0), None);
        let scores: Vec<f64> =
            (-30..=30).map(|score| symmetric(f64::from(score) / 10.0, LARGEST_SKEWNESS)).collect();
        assert!(scores.windows(2).all(|pair| pair[0] < pair[1]), "{scores:?}");
    }

    #[test]
    fn correlation_is_learnt() {
        let mut residuals = Residuals::new(&ReferenceLevel { pairs: 10.0, ..LEVEL });
        let mut before = None;
        for window in 0..400 {
            let value = if window / 10 % 2 == 0 { 0.05 } else { -0.05 };
            before = residuals.score(&LEVEL, reading(value), before).map(|scored| (1, scored.value));
        }
        assert!(residuals.largest_correlation() > 0.6, "{residuals:?}");
    }
}
