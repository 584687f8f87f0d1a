//! How far a statistic moves between the reference's windows, beside what sampling alone gives.

use serde::{Deserialize, Serialize};

use super::scores::{Moments, Observed};
use super::shares::arcsine;
use super::size;
use super::stored::short;

/// Shares below this are rare: when they vary, they come in bursts.
const RARE: f64 = 0.05;
/// From this dispersion on a rare share is bursty.
pub(super) const BURSTY: f64 = 3.0;

/// The sizes of a reference's windows, summed up. Only windows with a record count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sizes {
    pub windows: usize,
    pub total: f64,
    /// The size that makes the moment estimate of theta unbiased with unequal windows; about the mean.
    pub mean: f64,
    /// The variance of the reference's mean in units of theta: one over the number of windows when they are equal.
    pub concentration: f64,
}

impl Sizes {
    pub(super) fn of(windows: impl Iterator<Item = f64>) -> Self {
        let (mut count, mut total, mut squares) = (0, 0.0, 0.0);
        for records in windows.filter(|records| *records > 0.0) {
            count += 1;
            total += records;
            squares += records * records;
        }
        let total_or_one = if total > 0.0 { total } else { 1.0 };
        let mean = (total - squares / total_or_one).max(0.0) / (size(count) - 1.0).max(1.0);
        let concentration = short(squares / (total_or_one * total_or_one));
        Self { windows: count, total, mean: short(mean), concentration }
    }

    /// A reference whose windows say nothing.
    pub(super) const fn whole(total: f64) -> Self {
        Self { windows: 0, total, mean: 0.0, concentration: 1.0 }
    }
}

/// Where a statistic lies in the whole reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Centre {
    /// A mean of scores, with variance and skewness of the scores.
    Mean { mean: f64, variance: f64, skewness: f64 },
    /// A share: the records that have it.
    Share { count: f64 },
}

impl Centre {
    pub(super) fn of_moments(moments: Moments) -> Self {
        Self::Mean {
            mean: short(moments.mean),
            variance: short(moments.variance),
            skewness: short(moments.skewness),
        }
    }

    /// The mean, of a reference with so many records.
    pub(super) fn mean(&self, total: f64) -> f64 {
        match self {
            Self::Mean { mean, .. } => *mean,
            Self::Share { count } if total > 0.0 => (count / total).min(1.0),
            Self::Share { .. } => 0.0,
        }
    }
}

/// A statistic in the reference's windows, on a scale on which its sampling variance is `unit` per record: shares by their arcsine.
pub(super) struct Series {
    /// Value and number of records, of windows with a record.
    pub points: Vec<Point>,
    centre: f64,
    pub unit: f64,
    /// The share in the whole reference; `None` of a mean of scores.
    pub share: Option<f64>,
}

#[derive(Clone, Copy)]
pub(super) struct Point {
    /// The window's place.
    pub window: usize,
    pub value: f64,
    pub records: f64,
    /// Before it was put on that scale.
    raw: f64,
}

impl Series {
    /// Of the windows that are not left out.
    pub(super) fn of(centre: &Centre, total: f64, windows: &[Observed], left_out: &[bool]) -> Self {
        let share = matches!(centre, Centre::Share { .. }).then(|| centre.mean(total));
        let points = (0..)
            .zip(windows)
            .filter(|(window, observed)| observed.of > 0.0 && left_out.get(*window) != Some(&true))
            .map(|(window, observed)| {
                let raw = observed.mean();
                let value = if share.is_some() { arcsine(raw) } else { raw };
                Point { window, value, records: observed.of, raw }
            })
            .collect();
        match (share, centre) {
            (None, Centre::Mean { mean, variance, .. }) => Self { points, centre: *mean, unit: *variance, share },
            (share, _) => Self { points, centre: arcsine(share.unwrap_or(0.0)), unit: 0.25, share },
        }
    }

    /// A sum over the windows, weighted by their records.
    fn sum(&self, of: impl Fn(&Point) -> f64) -> f64 {
        self.points.iter().map(|point| point.records * of(point)).sum()
    }

    /// Cochran's Q.
    pub(super) fn q(&self) -> f64 {
        self.sum(|point| (point.value - self.centre).powi(2)) / self.unit
    }

    pub(super) fn dispersion(&self) -> Dispersion {
        let windows = size(self.points.len());
        let mut q = self.q();
        let mut bursty = false;
        if let Some(share) = self.share.filter(|share| *share > 0.0 && *share < RARE) {
            let pearson = self.sum(|point| (point.raw - share).powi(2)) / (share * (1.0 - share));
            bursty = q.max(pearson) > BURSTY * (windows - 1.0);
            if bursty {
                // The arcsine of a rare share hardly sees bursts, which lie above the centre.
                let above = 2.0 * self.sum(|point| (point.value - self.centre).max(0.0).powi(2)) / self.unit;
                q = q.max(pearson).max(above);
            }
        }
        Dispersion { q, windows, bursty, lag: self.lag_correlation() }
    }

    /// The correlation of successive windows; `None` when all are equal.
    fn lag_correlation(&self) -> Option<f64> {
        let residuals: Vec<f64> =
            self.points.iter().map(|point| (point.value - self.centre) * point.records.sqrt()).collect();
        let mean = residuals.iter().sum::<f64>() / size(residuals.len()).max(1.0);
        let squares: f64 = residuals.iter().map(|residual| (residual - mean).powi(2)).sum();
        let products: f64 = residuals
            .iter()
            .zip(residuals.iter().skip(1))
            .map(|(before, after)| (before - mean) * (after - mean))
            .sum();
        (squares > 0.0).then(|| products / squares)
    }
}

/// Cochran's Q of a statistic's windows: about chi-square, times the ratio of the variance between windows to that of sampling.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dispersion {
    pub q: f64,
    pub windows: f64,
    /// A rare share whose windows vary far more than sampling does: its law is skewed.
    pub bursty: bool,
    /// The correlation of successive windows.
    pub lag: Option<f64>,
}

impl Dispersion {
    /// 1 when sampling alone moves the windows.
    pub(super) fn ratio(&self) -> f64 {
        if self.windows > 1.0 { self.q / (self.windows - 1.0) } else { 0.0 }
    }
}
