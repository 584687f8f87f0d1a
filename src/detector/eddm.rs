//! EDDM: the distance between errors against its largest value so far (Baena-Garcia et al.: Early drift detection method,
//! 2006).

use serde::{Deserialize, Serialize};

use super::mean::RunningVariance;
use super::{Found, Step};

/// Parameters of EDDM. The defaults are river's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EddmParameters {
    /// Nothing is detected before more errors; 30.
    pub warm_start: u32,
    /// A distance below this share of its maximum is a warning; at least `beta`, at most 1; 0.95.
    pub alpha: f64,
    /// A distance below this share of its maximum is a drift; above 0; 0.9.
    pub beta: f64,
}

impl Default for EddmParameters {
    fn default() -> Self {
        Self { warm_start: 30, alpha: 0.95, beta: 0.9 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Eddm {
    pub(super) parameters: EddmParameters,
    n: f64,
    last_error: f64,
    distances: RunningVariance,
    /// The mean distance plus two standard deviations at its largest; none before.
    most: Option<f64>,
    /// The mean distance then.
    mean_at_most: f64,
    /// Warnings last until the next error.
    is_warning: bool,
}

impl Eddm {
    pub(super) fn new(parameters: EddmParameters) -> Self {
        Self {
            parameters,
            n: 0.0,
            last_error: 0.0,
            distances: RunningVariance::default(),
            most: None,
            mean_at_most: 0.0,
            is_warning: false,
        }
    }

    pub(super) fn update(&mut self, value: f64) -> Step {
        self.n += 1.0;
        let drift = if value == 1.0 { self.error() } else { None };
        match drift {
            Some(found) => Step::Drift(found),
            None if self.is_warning => Step::Warning,
            None => Step::None,
        }
    }

    fn error(&mut self) -> Option<Found> {
        let EddmParameters { warm_start, alpha, beta } = self.parameters;
        self.distances.update(self.n - self.last_error);
        self.last_error = self.n;
        if self.n <= f64::from(warm_start) {
            return None;
        }
        let mean = self.distances.mean.mean;
        let now = mean + 2.0 * self.distances.deviation();
        let Some(most) = self.most.filter(|most| now <= *most) else {
            self.most = Some(now);
            self.mean_at_most = mean;
            return None;
        };
        if self.distances.mean.n <= f64::from(warm_start) {
            return None;
        }
        let level = now / most;
        if level < beta {
            return Some(Found { before: self.mean_at_most, after: mean, statistic: level, limit: beta });
        }
        self.is_warning = level < alpha;
        None
    }
}
