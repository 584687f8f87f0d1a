//! What the reference says about one statistic: its level, and how far windows lie from it when nothing changes.

/// The level of one statistic in the reference, and the natural variation of windows about it.
///
/// The model: a window of `n` records has the value `mean + b + e`. `e` is sampling noise of variance `record_variance / n`; `b` is an
/// effect of the window. In a usual window both together have `dispersion` times the variance of sampling alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReferenceLevel {
    /// The mean over all records of the reference; for a share `p` itself, so that windows of every size are right on average.
    pub mean: f64,
    /// The variance of one record: `p (1 - p)` for a share.
    pub record_variance: f64,
    /// The skewness of one record: `(1 - 2 p) / sqrt(p (1 - p))` for a share.
    pub record_skewness: f64,
    /// Records of the reference.
    pub records: f64,
    /// Records of a usual window of the reference; without windows the same as `records`.
    pub window_records: f64,
    /// Sum of the squared shares of the windows in the records: 1/k for k windows of one size; larger where windows are correlated.
    pub concentration: f64,
    /// The variance of usual windows, in units of sampling alone. Values below 1 count as 1.
    pub dispersion: f64,
    /// Degrees of freedom of `dispersion`: k - 1 for k windows without correlation.
    pub freedom: f64,
    /// Correlation of successive windows, from 0 up to 1.
    pub autocorrelation: f64,
    /// Pairs of successive windows behind `autocorrelation`, over all statistics that it was estimated from together.
    pub pairs: f64,
}

/// A statistic as one window has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// The mean over the records of the window.
    pub value: f64,
    /// Records behind it.
    pub records: f64,
}

impl Reading {
    /// Whether the value is a number and there is a record behind it.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.value.is_finite() && self.records.is_finite() && self.records >= 1.0
    }
}

impl ReferenceLevel {
    /// Whether all numbers are possible ones. A level that is not sound, such as that of a statistic that never varies, can be
    /// compared with nothing.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let positive = [
            self.record_variance,
            self.records,
            self.window_records,
            self.concentration,
            self.dispersion,
            self.freedom,
            self.pairs,
            self.sampling(),
            self.weight(),
        ];
        self.mean.is_finite()
            && self.record_skewness.is_finite()
            && positive.iter().all(|number| number.is_finite() && *number > 0.0)
            && (0.0..1.0).contains(&self.autocorrelation)
    }

    /// The level of these windows instead, with the natural variation of the reference: what a further change is compared with while
    /// an alert of an earlier one lasts. None without a known reading.
    #[must_use]
    pub fn moved_to(&self, windows: &[Reading]) -> Option<Self> {
        let known = || windows.iter().filter(|reading| reading.is_known());
        let records: f64 = known().map(|reading| reading.records).sum();
        let mean = known().map(|reading| reading.value * (reading.records / records)).sum::<f64>();
        let concentration: f64 = known().map(|reading| (reading.records / records).powi(2)).sum();
        let moved = Self { mean, records, concentration, ..*self };
        (records > 0.0 && moved.is_sound()).then_some(moved)
    }

    /// The standard error of the difference between the means of so many usual windows.
    #[must_use]
    pub fn error(&self, after: f64, before: f64) -> f64 {
        let stretch = (1.0 + self.autocorrelation) / (1.0 - self.autocorrelation);
        let window = self.sampling() * self.dispersion.max(1.0) * stretch;
        (window * (1.0 / after + 1.0 / before)).sqrt()
    }

    /// The level that so many usual windows had instead, with the natural variation of the reference.
    #[must_use]
    pub fn at(&self, mean: f64, windows: f64) -> Self {
        let records = windows * self.window_records;
        let at = Self { mean, records, concentration: 1.0 / windows, ..*self };
        if !self.is_share() {
            return at;
        }
        let share = mean.clamp(1.0 / records, 1.0 - 1.0 / records);
        let variance = share * (1.0 - share);
        let at_share =
            Self { record_variance: variance, record_skewness: (1.0 - 2.0 * share) / variance.sqrt(), ..at };
        if at_share.is_sound() { at_share } else { at }
    }

    /// Whether it is of ones and zeros, whose variance follows from their mean.
    fn is_share(&self) -> bool {
        let variance = self.mean * (1.0 - self.mean);
        (0.0..=1.0).contains(&self.mean) && (self.record_variance - variance).abs() <= 1e-9 * variance
    }

    /// The variance of sampling alone in a usual window.
    pub(super) fn sampling(&self) -> f64 {
        self.record_variance / self.window_records
    }

    /// How many usual windows know a mean as well as the reference does.
    #[must_use]
    pub fn weight(&self) -> f64 {
        let dispersion = self.dispersion.max(1.0);
        let sampling = self.window_records / self.records;
        dispersion / (sampling + (dispersion - 1.0) * self.concentration)
    }

    /// The variance of a window of `records` records by the model, in units of [`Self::sampling`].
    pub(super) fn modelled(&self, dispersion: f64, records: f64) -> f64 {
        self.window_records / records + dispersion - 1.0
    }

    /// The skewness of a value with this variance, in the same units: as if there were so many fewer records.
    pub(super) fn skewness(&self, variance: f64) -> f64 {
        self.record_skewness * (variance / self.window_records).sqrt()
    }

    /// The variance with which windows are judged, in the same units. In a window smaller than usual the excess over sampling may also come from correlation among
    /// its records, and grow with the sampling noise: the larger of both.
    pub(super) fn judged(&self, dispersion: f64, records: f64) -> f64 {
        self.modelled(dispersion, records).max(dispersion * self.window_records / records)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{LEVEL, reading};
    use super::*;

    #[test]
    fn a_reference_of_equal_windows_weighs_as_many() {
        assert!((LEVEL.weight() - 24.0).abs() < 1e-9);
        let one_file = ReferenceLevel { window_records: 24_000.0, concentration: 1.0, dispersion: 1.0, ..LEVEL };
        assert!((one_file.weight() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_excess_of_small_windows_is_the_larger_of_both_models() {
        assert_eq!(LEVEL.judged(3.0, 1_000.0), 3.0);
        assert_eq!(LEVEL.judged(3.0, 100.0), 30.0);
        assert_eq!(LEVEL.modelled(3.0, 100.0), 12.0);
        assert!((LEVEL.judged(3.0, 10_000.0) - 2.1).abs() < 1e-9);
    }

    #[test]
    fn impossible_numbers_are_no_level() {
        assert!(LEVEL.is_sound());
        for unsound in [
            ReferenceLevel { mean: f64::NAN, ..LEVEL },
            ReferenceLevel { record_variance: 0.0, ..LEVEL },
            ReferenceLevel { records: -1.0, ..LEVEL },
            ReferenceLevel { freedom: f64::INFINITY, ..LEVEL },
            ReferenceLevel { autocorrelation: 1.0, ..LEVEL },
            ReferenceLevel { record_variance: 1e300, window_records: 1e-300, ..LEVEL },
        ] {
            assert!(!unsound.is_sound(), "{unsound:?}");
        }
    }

    #[test]
    fn a_moved_level_is_that_of_its_windows() {
        let windows = [reading(1.0), Reading { value: 4.0, records: 2_000.0 }, reading(f64::NAN)];
        let moved = LEVEL.moved_to(&windows).unwrap();
        assert!((moved.mean - 3.0).abs() < 1e-12);
        assert_eq!(moved.records, 3_000.0);
        assert!((moved.concentration - 5.0 / 9.0).abs() < 1e-12);
        assert_eq!(moved.dispersion, LEVEL.dispersion);
        assert_eq!(LEVEL.moved_to(&[]), None);
    }
}
