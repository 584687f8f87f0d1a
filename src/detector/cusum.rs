//! CUSUM: the tabular cumulative sum chart for the mean (Page 1954; Montgomery: Introduction to statistical quality control,
//! chapter 9). Values are in standard deviations from a mean.

use serde::{Deserialize, Serialize};

use super::mean::Recent;
use super::standard::{Scale, Scaled, Standard};
use super::{Direction, Found, Step};

/// Parameters of CUSUM. The defaults are Montgomery's: with a known mean and deviation a false alarm every 465 independent
/// normal values, and 10.4 values until a shift of one standard deviation is detected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CusumParameters {
    /// Distances below it are not summed (k), in standard deviations; half the shift to detect; 0.5.
    pub slack: f64,
    /// The limit of the sums (h), in standard deviations; above 0; 5.
    pub threshold: f64,
    /// Mean and deviation; estimated from 100 values.
    pub standard: Standard,
    /// Which changes count; both.
    pub direction: Direction,
}

impl Default for CusumParameters {
    fn default() -> Self {
        Self {
            slack: 0.5,
            threshold: 5.0,
            standard: Standard::Estimated { values: 100 },
            direction: Direction::Both,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cusum {
    pub(super) parameters: CusumParameters,
    scale: Scale,
    up: Sum,
    down: Sum,
}

/// A sum, and the values since it was last 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sum {
    sum: f64,
    recent: Recent,
}

impl Sum {
    fn add(&mut self, term: f64, value: f64) {
        self.sum = (self.sum + term).max(0.0);
        if self.sum > 0.0 {
            self.recent.update(value);
        } else {
            self.recent = Recent::default();
        }
    }
}

impl Cusum {
    pub(super) fn new(parameters: CusumParameters) -> Self {
        let scale = Scale::new(parameters.standard);
        Self { parameters, scale, up: Sum::default(), down: Sum::default() }
    }

    pub(super) fn update(&mut self, value: f64) -> Step {
        let CusumParameters { slack, threshold, direction, .. } = self.parameters;
        let Some(Scaled { distance, mean }) = self.scale.scale(value) else { return Step::None };
        self.up.add(distance - slack, value);
        self.down.add(-distance - slack, value);
        let sums = [(direction.takes_up(), self.up), (direction.takes_down(), self.down)];
        let beyond = sums.into_iter().find(|(counts, sum)| *counts && sum.sum > threshold);
        let Some((_, Sum { sum, recent })) = beyond else { return Step::None };
        Step::Drift(Found { before: mean, after: recent.sum / recent.n, statistic: sum, limit: threshold })
    }
}
