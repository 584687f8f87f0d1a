//! HDDM-A: the mean against an earlier mean by Hoeffding's inequality (Frias-Blanco et al.: Online and non-parametric drift
//! detection methods based on Hoeffding's bounds, 2015).

use serde::{Deserialize, Serialize};

use super::mean::RunningMean;
use super::{Found, Step};

/// Parameters of HDDM-A. The defaults are river's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HddmAParameters {
    /// Confidence of drifts: smaller values detect fewer; above 0 and below 1; 0.001.
    pub drift_confidence: f64,
    /// Confidence of warnings; 0.005.
    pub warning_confidence: f64,
    /// Whether a decrease is a drift as well; no.
    pub two_sided: bool,
}

impl Default for HddmAParameters {
    fn default() -> Self {
        Self { drift_confidence: 0.001, warning_confidence: 0.005, two_sided: false }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct HddmA {
    pub(super) parameters: HddmAParameters,
    all: RunningMean,
    /// The mean when its upper bound was least.
    least: RunningMean,
    /// The mean when its lower bound was largest.
    most: RunningMean,
}

impl HddmA {
    pub(super) fn new(parameters: HddmAParameters) -> Self {
        let none = RunningMean::default();
        Self { parameters, all: none, least: none, most: none }
    }

    pub(super) fn update(&mut self, value: f64) -> Step {
        let HddmAParameters { drift_confidence, warning_confidence, two_sided } = self.parameters;
        self.all.update(value);
        if self.all.n <= 1.0 {
            self.least = self.all;
            self.most = self.all;
        }
        let bound = |mean: &RunningMean| (1.0 / (2.0 * mean.n) * (1.0 / drift_confidence).ln()).sqrt();
        let now = bound(&self.all);
        if self.least.mean + bound(&self.least) >= self.all.mean + now {
            self.least = self.all;
        }
        if self.most.mean - bound(&self.most) <= self.all.mean - now {
            self.most = self.all;
        }
        let rise = (self.least, self.all.mean - self.least.mean);
        let fall = (self.most, self.most.mean - self.all.mean);
        let sides = [Some(rise), two_sided.then_some(fall)];
        let mut step = Step::None;
        for (earlier, difference) in sides.into_iter().flatten().filter(|(earlier, _)| earlier.n != self.all.n) {
            let sizes = (self.all.n - earlier.n) / earlier.n * (1.0 / self.all.n);
            let limit = |confidence: f64| (sizes / 2.0 * (2.0 / confidence).ln()).sqrt();
            if difference >= limit(drift_confidence) {
                return Step::Drift(Found {
                    before: earlier.mean,
                    after: self.all.since(&earlier),
                    statistic: difference,
                    limit: limit(drift_confidence),
                });
            }
            if difference >= limit(warning_confidence) {
                step = Step::Warning;
            }
        }
        step
    }
}
