//! How alike successive windows of a reference are: then they are worth fewer independent ones.

use super::dispersion::Dispersion;
use super::{LEAST_WINDOWS, size};

/// Only statistics whose windows vary this much beyond sampling show it.
pub(super) const VARIES: f64 = 2.0;
/// With fewer of them nothing is said.
const LEAST_STATISTICS: usize = 3;
/// More is no autocorrelation but a trend.
const LARGEST: f64 = 0.9;

/// The correlation of successive windows, from all statistics of a monitor; 0 when it is within chance.
///
/// The estimate of a short series is too low by about `(1 + 3r) / k` (Kendall, 1954). Statistics of one monitor depend on each other, so
/// that more than ten count as ten.
pub(super) fn pooled<'a>(windows: usize, statistics: impl Iterator<Item = &'a Dispersion>) -> f64 {
    let lags: Vec<f64> = statistics
        .filter(|dispersion| dispersion.ratio() > VARIES)
        .filter_map(|dispersion| dispersion.lag)
        .collect();
    if windows < LEAST_WINDOWS || lags.len() < LEAST_STATISTICS {
        return 0.0;
    }
    let (windows, count) = (size(windows), size(lags.len()));
    let mean = lags.iter().sum::<f64>() / count;
    let unbiased = (mean + (1.0 + 3.0 * mean) / windows).clamp(0.0, LARGEST);
    if unbiased > 2.0 / (windows * count.min(10.0)).sqrt() { unbiased } else { 0.0 }
}

/// The degrees of freedom of so many windows at an autocorrelation (Bayley and Hammersley, 1946).
pub(super) fn degrees(windows: f64, autocorrelation: f64) -> f64 {
    let square = autocorrelation * autocorrelation;
    ((windows - 1.0) * (1.0 - square) / (1.0 + square)).max(1.0)
}
