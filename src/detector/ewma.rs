//! EWMA: the exponentially weighted moving average chart for the mean (Roberts 1959; Lucas and Saccucci 1990), with the limits
//! that the average tends to. Values are in standard deviations from a mean.

use serde::{Deserialize, Serialize};

use super::standard::{Scale, Scaled, Standard};
use super::{Direction, Found, Step};

/// Parameters of EWMA. The defaults are of Lucas and Saccucci: with a known mean and deviation a false alarm every 500
/// independent normal values, and 10.3 values until a shift of one standard deviation is detected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EwmaParameters {
    /// The weight of the newest value (lambda); above 0 and at most 1; 0.1.
    pub weight: f64,
    /// The limit in standard errors of the average (L); above 0; 2.814.
    pub threshold: f64,
    /// Mean and deviation; estimated from 100 values.
    pub standard: Standard,
    /// Which changes count; both.
    pub direction: Direction,
}

impl Default for EwmaParameters {
    fn default() -> Self {
        Self {
            weight: 0.1,
            threshold: 2.814,
            standard: Standard::Estimated { values: 100 },
            direction: Direction::Both,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ewma {
    pub(super) parameters: EwmaParameters,
    scale: Scale,
    /// The average of the values in standard deviations.
    average: f64,
    /// The same average in the unit of the values; none before the first value.
    level: Option<f64>,
}

impl Ewma {
    pub(super) fn new(parameters: EwmaParameters) -> Self {
        Self { parameters, scale: Scale::new(parameters.standard), average: 0.0, level: None }
    }

    pub(super) fn update(&mut self, value: f64) -> Step {
        let EwmaParameters { weight, threshold, direction, .. } = self.parameters;
        let Some(Scaled { distance, mean }) = self.scale.scale(value) else { return Step::None };
        self.average += weight * (distance - self.average);
        let level = self.level.unwrap_or(mean);
        let level = level + weight * (value - level);
        self.level = Some(level);
        let errors = self.average / (weight / (2.0 - weight)).sqrt();
        let is_up = direction.takes_up() && errors > threshold;
        let is_down = direction.takes_down() && -errors > threshold;
        if is_up || is_down {
            Step::Drift(Found { before: mean, after: level, statistic: errors.abs(), limit: threshold })
        } else {
            Step::None
        }
    }
}
