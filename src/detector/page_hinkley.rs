//! Page-Hinkley: sums of distances from the running mean, against their extremes (Page: Continuous inspection schemes, 1954;
//! Hinkley 1971), with sums that forget as river has them.

use serde::{Deserialize, Serialize};

use super::mean::{Recent, RunningMean};
use super::{Direction, Found, Step};

/// Parameters of Page-Hinkley. The defaults are river's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageHinkleyParameters {
    /// No drift before so many values; 30.
    pub min_instances: u32,
    /// Changes of the mean below it are not summed, in the unit of the values; at least 0; 0.005.
    pub delta: f64,
    /// The limit of the sums (lambda), in the unit of the values; above 0; 50.
    pub threshold: f64,
    /// By which factor the sums shrink with each value; above 0 and at most 1; 0.9999.
    pub alpha: f64,
    /// Which changes count; both.
    pub direction: Direction,
}

impl Default for PageHinkleyParameters {
    fn default() -> Self {
        Self { min_instances: 30, delta: 0.005, threshold: 50.0, alpha: 0.9999, direction: Direction::Both }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PageHinkley {
    pub(super) parameters: PageHinkleyParameters,
    mean: RunningMean,
    up: Sum,
    down: Sum,
}

/// A sum, its extreme, and the values since that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sum {
    total: f64,
    /// None before the first value.
    extreme: Option<f64>,
    recent: Recent,
}

impl Sum {
    /// Adds a term; `is_beyond` says whether a sum lies beyond the extreme.
    fn add(&mut self, (alpha, term): (f64, f64), value: f64, is_beyond: impl Fn(f64, f64) -> bool) {
        self.total = alpha * self.total + term;
        if self.extreme.is_none_or(|extreme| is_beyond(self.total, extreme)) {
            self.extreme = Some(self.total);
            self.recent = Recent::default();
        } else {
            self.recent.update(value);
        }
    }

    /// How far the sum is from its extreme.
    fn distance(&self) -> f64 {
        self.extreme.map_or(0.0, |extreme| (self.total - extreme).abs())
    }
}

impl PageHinkley {
    pub(super) fn new(parameters: PageHinkleyParameters) -> Self {
        Self { parameters, mean: RunningMean::default(), up: Sum::default(), down: Sum::default() }
    }

    pub(super) fn update(&mut self, value: f64) -> Step {
        let PageHinkleyParameters { min_instances, delta, threshold, alpha, direction } = self.parameters;
        self.mean.update(value);
        let distance = value - self.mean.mean;
        self.up.add((alpha, distance - delta), value, |sum, least| sum < least);
        self.down.add((alpha, distance + delta), value, |sum, most| sum > most);
        if self.mean.n < f64::from(min_instances) {
            return Step::None;
        }
        let sums = [(direction.takes_up(), self.up), (direction.takes_down(), self.down)];
        let beyond = sums.into_iter().find(|(counts, sum)| *counts && sum.distance() > threshold);
        let Some((_, sum)) = beyond else { return Step::None };
        let earlier = self.mean.n - sum.recent.n;
        Step::Drift(Found {
            before: (self.mean.n * self.mean.mean - sum.recent.sum) / earlier,
            after: sum.recent.sum / sum.recent.n,
            statistic: sum.distance(),
            limit: threshold,
        })
    }
}
