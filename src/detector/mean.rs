//! Running means and variances, in the order of operations that gives river's digits.

use serde::{Deserialize, Serialize};

/// The mean of the values so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct RunningMean {
    /// Number of values; a float, as the formulas need it.
    pub(super) n: f64,
    pub(super) mean: f64,
}

impl RunningMean {
    pub(super) fn update(&mut self, value: f64) {
        self.n += 1.0;
        self.mean += (1.0 / self.n) * (value - self.mean);
    }

    /// The mean of the values that came after an earlier state of this mean.
    pub(super) fn since(&self, earlier: &Self) -> f64 {
        (self.n * self.mean - earlier.n * earlier.mean) / (self.n - earlier.n)
    }
}

/// Mean and variance (Welford 1962).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct RunningVariance {
    pub(super) mean: RunningMean,
    squares: f64,
}

impl RunningVariance {
    pub(super) fn update(&mut self, value: f64) {
        let before = self.mean.mean;
        self.mean.update(value);
        self.squares += (value - before) * (value - self.mean.mean);
    }

    /// The standard deviation of the population that the values are a sample of; 0 below two values.
    pub(super) fn deviation(&self) -> f64 {
        if self.mean.n > 1.0 { (self.squares / (self.mean.n - 1.0)).sqrt() } else { 0.0 }
    }
}

/// The number and the sum of values since some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Recent {
    pub(super) n: f64,
    pub(super) sum: f64,
}

impl Recent {
    pub(super) fn update(&mut self, value: f64) {
        self.n += 1.0;
        self.sum += value;
    }
}
