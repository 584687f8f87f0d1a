//! Values in standard deviations from a mean: both are given, or estimated from the first values.

use serde::{Deserialize, Serialize};

use super::mean::RunningVariance;

/// What values are measured against.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standard {
    /// This mean and standard deviation (above 0).
    Known {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        deviation: f64,
    },
    /// Mean and standard deviation of the first values, so many of them: at least 2. Values that are all equal have no
    /// deviation: the next value that differs ends the estimate then.
    Estimated {
        /// How many values.
        values: u32,
    },
}

/// A standard in use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Scale {
    standard: Standard,
    estimate: RunningVariance,
    is_ready: bool,
}

/// A value on the scale.
pub(super) struct Scaled {
    /// Standard deviations from the mean.
    pub(super) distance: f64,
    pub(super) mean: f64,
}

impl Scale {
    pub(super) fn new(standard: Standard) -> Self {
        Self { standard, estimate: RunningVariance::default(), is_ready: false }
    }

    /// A value in standard deviations from the mean; none while it belongs to the estimate.
    pub(super) fn scale(&mut self, value: f64) -> Option<Scaled> {
        let (mean, deviation) = match self.standard {
            Standard::Known { mean, deviation } => (mean, deviation),
            Standard::Estimated { .. } if self.is_ready => (self.estimate.mean.mean, self.estimate.deviation()),
            Standard::Estimated { values } => {
                self.estimate.update(value);
                self.is_ready = self.estimate.mean.n >= f64::from(values) && self.estimate.deviation() > 0.0;
                return None;
            }
        };
        Some(Scaled { distance: (value - mean) / deviation, mean })
    }
}
