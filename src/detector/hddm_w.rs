//! HDDM-W: the weighted mean against an earlier one by McDiarmid's inequality (Frias-Blanco et al.: Online and non-parametric
//! drift detection methods based on Hoeffding's bounds, 2015).

use serde::{Deserialize, Serialize};

use super::{Found, Step};

/// Parameters of HDDM-W. The defaults are river's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HddmWParameters {
    /// Confidence of drifts: smaller values detect fewer; above 0 and below 1; 0.001.
    pub drift_confidence: f64,
    /// Confidence of warnings; 0.005.
    pub warning_confidence: f64,
    /// The weight of the newest value; above 0 and below 1; 0.05.
    pub lambda: f64,
    /// Whether a decrease is a drift as well; no.
    pub two_sided: bool,
}

impl Default for HddmWParameters {
    fn default() -> Self {
        Self { drift_confidence: 0.001, warning_confidence: 0.005, lambda: 0.05, two_sided: false }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct HddmW {
    pub(super) parameters: HddmWParameters,
    all: Weighted,
    rise: Sides,
    fall: Sides,
}

/// A weighted mean; none before the first value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Weighted {
    mean: Option<f64>,
    /// The sum of squared weights.
    weights: f64,
}

impl Default for Weighted {
    fn default() -> Self {
        Self { mean: None, weights: 1.0 }
    }
}

impl Weighted {
    fn update(&mut self, value: f64, lambda: f64) {
        // As river has it: a mean of exactly 0 is taken for none, and the next value replaces it.
        let mean = self.mean.filter(|mean| *mean != 0.0);
        self.mean = Some(mean.map_or(value, |mean| lambda * value + (1.0 - lambda) * mean));
        self.weights = lambda * lambda + (1.0 - lambda) * (1.0 - lambda) * self.weights;
    }
}

/// The values up to the best cut, and those after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sides {
    /// The bound at the cut; none before the first value.
    cut: Option<f64>,
    earlier: Weighted,
    later: Weighted,
}

impl Sides {
    fn update(
        &mut self,
        all: &Weighted,
        bound: f64,
        is_better: impl Fn(f64, f64) -> bool,
        add: impl Fn(&mut Weighted),
    ) {
        if self.cut.is_none_or(|cut| is_better(bound, cut)) {
            *self = Self { cut: Some(bound), earlier: *all, later: Weighted::default() };
        } else {
            add(&mut self.later);
        }
    }
}

fn bound(weights: f64, confidence: f64) -> f64 {
    (weights * (1.0 / confidence).ln() / 2.0).sqrt()
}

impl HddmW {
    pub(super) fn new(parameters: HddmWParameters) -> Self {
        Self { parameters, all: Weighted::default(), rise: Sides::default(), fall: Sides::default() }
    }

    pub(super) fn update(&mut self, value: f64) -> Step {
        let HddmWParameters { drift_confidence, warning_confidence, lambda, two_sided } = self.parameters;
        self.all.update(value, lambda);
        let mean = self.all.mean.unwrap_or(value);
        let now = bound(self.all.weights, drift_confidence);
        let add = |later: &mut Weighted| later.update(value, lambda);
        self.rise.update(&self.all, mean + now, |bound, cut| bound < cut, add);
        self.fall.update(&self.all, mean - now, |bound, cut| bound > cut, add);
        let sides = [Some((self.rise, 1.0)), two_sided.then_some((self.fall, -1.0))];
        let mut step = Step::None;
        for (Sides { earlier, later, .. }, sign) in sides.into_iter().flatten() {
            let (Some(before), Some(after)) = (earlier.mean, later.mean) else { continue };
            let difference = sign * (after - before);
            let weights = earlier.weights + later.weights;
            let limit = bound(weights, drift_confidence);
            if difference > limit {
                return Step::Drift(Found { before, after, statistic: difference, limit });
            }
            if difference > bound(weights, warning_confidence) {
                step = Step::Warning;
            }
        }
        step
    }
}
