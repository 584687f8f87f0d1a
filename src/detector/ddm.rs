//! DDM: the rate of errors against its least value so far (Gama, Medas, Castillo, Rodrigues: Learning with drift detection,
//! 2004).

use serde::{Deserialize, Serialize};

use super::mean::RunningMean;
use super::{Found, Step};

/// Parameters of DDM. The defaults are river's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DdmParameters {
    /// Nothing is detected before more values; 30.
    pub warm_start: u32,
    /// The limit of warnings, in standard errors; above 0; 2.
    pub warning_threshold: f64,
    /// The limit of drifts, in standard errors; above 0; 3.
    pub drift_threshold: f64,
}

impl Default for DdmParameters {
    fn default() -> Self {
        Self { warm_start: 30, warning_threshold: 2.0, drift_threshold: 3.0 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ddm {
    pub(super) parameters: DdmParameters,
    rate: RunningMean,
    /// The rate and its standard error when their sum was least.
    least: Option<(f64, f64)>,
}

impl Ddm {
    pub(super) fn new(parameters: DdmParameters) -> Self {
        Self { parameters, rate: RunningMean::default(), least: None }
    }

    pub(super) fn update(&mut self, value: f64) -> Step {
        let DdmParameters { warm_start, warning_threshold, drift_threshold } = self.parameters;
        self.rate.update(value);
        let RunningMean { n, mean: rate } = self.rate;
        let error = (rate * (1.0 - rate) / n).sqrt();
        if n <= f64::from(warm_start) {
            return Step::None;
        }
        let now = rate + error;
        let (least, least_error) = match self.least {
            Some(least) if now > least.0 + least.1 => least,
            _ => (rate, error),
        };
        self.least = Some((least, least_error));
        let limit = least + drift_threshold * least_error;
        if now > limit {
            Step::Drift(Found { before: least, after: rate, statistic: now, limit })
        } else if now > least + warning_threshold * least_error {
            Step::Warning
        } else {
            Step::None
        }
    }
}
