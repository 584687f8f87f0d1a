//! Sequential detectors: one value after the other, and a drift is detected with the value that shows it.
//!
//! Each file has one detector with its parameters, its state and its source. The detectors that river has agree with river
//! 0.23.0 value by value; KSWIN draws its sample by the position of the value instead of by a generator, so it agrees in law.
//! [`Detector`] holds what they have in common: which values are read, the reset after a drift, and the stored form.
//! It reads no clock and no generator: the same values give the same drifts, on every machine and after every restart.

mod adwin;
mod cusum;
mod ddm;
mod eddm;
mod ewma;
mod hddm_a;
mod hddm_w;
mod kswin;
mod mean;
mod page_hinkley;
mod parameters;
mod spec;
mod standard;
mod stored;

use serde::{Deserialize, Serialize};

use adwin::Adwin;
use cusum::Cusum;
use ddm::Ddm;
use eddm::Eddm;
use ewma::Ewma;
use hddm_a::HddmA;
use hddm_w::HddmW;
use kswin::Kswin;
use page_hinkley::PageHinkley;

pub use adwin::AdwinParameters;
pub use cusum::CusumParameters;
pub use ddm::DdmParameters;
pub use eddm::EddmParameters;
pub use ewma::EwmaParameters;
pub use hddm_a::HddmAParameters;
pub use hddm_w::HddmWParameters;
pub use kswin::KswinParameters;
pub use page_hinkley::PageHinkleyParameters;
pub use parameters::{Direction, Domain, Kind, Parameters};
pub use spec::{DetectorSpec, Reads, WindowValue};
pub use standard::Standard;
pub use stored::StateError;

/// Values further from 0 are skipped: sums of their squares are not finite.
const LARGEST: f64 = 1e100;

/// What a value shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// Nothing.
    None,
    /// The values may be drifting. Detectors without a limit for warnings never say so.
    Warning,
    /// The values drifted. The detector begins anew with the next value.
    Drift(Evidence),
}

/// The numbers of a detector at the value with which it detected a drift.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Values since the detector began or was reset, this one included.
    pub values: u64,
    /// The level before the drift: a mean of values, or for EDDM of the distances between errors.
    pub before: f64,
    /// The level after it, in the same unit.
    pub after: f64,
    /// What was compared with the limit; [`Kind::statistic`] names it.
    pub statistic: f64,
    /// The limit. KSWIN and EDDM detect a drift below it, the others above it.
    pub limit: f64,
}

/// The numbers of one algorithm; [`Detector`] adds the number of values.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Found {
    before: f64,
    after: f64,
    statistic: f64,
    limit: f64,
}

/// What an algorithm says of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    None,
    Warning,
    Drift(Found),
}

/// A detector and all that it knows of the values so far: a few numbers, or for KSWIN a window of values.
#[derive(Clone, Debug, PartialEq)]
pub struct Detector {
    algorithm: Algorithm,
    /// Values read since it began, over all resets.
    values: u64,
    /// Values since the last reset.
    since_reset: u64,
    /// Values that were not read.
    skipped: u64,
    /// The last value showed a drift: the next one resets the algorithm.
    drifted: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Algorithm {
    Adwin(Adwin),
    PageHinkley(PageHinkley),
    Cusum(Cusum),
    Ewma(Ewma),
    Kswin(Kswin),
    Ddm(Ddm),
    Eddm(Eddm),
    HddmA(HddmA),
    HddmW(HddmW),
}

impl Algorithm {
    fn new(parameters: Parameters) -> Self {
        match parameters {
            Parameters::Adwin(parameters) => Self::Adwin(Adwin::new(parameters)),
            Parameters::PageHinkley(parameters) => Self::PageHinkley(PageHinkley::new(parameters)),
            Parameters::Cusum(parameters) => Self::Cusum(Cusum::new(parameters)),
            Parameters::Ewma(parameters) => Self::Ewma(Ewma::new(parameters)),
            Parameters::Kswin(parameters) => Self::Kswin(Kswin::new(parameters)),
            Parameters::Ddm(parameters) => Self::Ddm(Ddm::new(parameters)),
            Parameters::Eddm(parameters) => Self::Eddm(Eddm::new(parameters)),
            Parameters::HddmA(parameters) => Self::HddmA(HddmA::new(parameters)),
            Parameters::HddmW(parameters) => Self::HddmW(HddmW::new(parameters)),
        }
    }

    fn parameters(&self) -> Parameters {
        match self {
            Self::Adwin(adwin) => Parameters::Adwin(adwin.parameters),
            Self::PageHinkley(page_hinkley) => Parameters::PageHinkley(page_hinkley.parameters),
            Self::Cusum(cusum) => Parameters::Cusum(cusum.parameters),
            Self::Ewma(ewma) => Parameters::Ewma(ewma.parameters),
            Self::Kswin(kswin) => Parameters::Kswin(kswin.parameters),
            Self::Ddm(ddm) => Parameters::Ddm(ddm.parameters),
            Self::Eddm(eddm) => Parameters::Eddm(eddm.parameters),
            Self::HddmA(hddm) => Parameters::HddmA(hddm.parameters),
            Self::HddmW(hddm) => Parameters::HddmW(hddm.parameters),
        }
    }

    fn update(&mut self, value: f64, position: u64) -> Step {
        match self {
            Self::Adwin(adwin) => adwin.update(value),
            Self::PageHinkley(page_hinkley) => page_hinkley.update(value),
            Self::Cusum(cusum) => cusum.update(value),
            Self::Ewma(ewma) => ewma.update(value),
            Self::Kswin(kswin) => kswin.update(value, position),
            Self::Ddm(ddm) => ddm.update(value),
            Self::Eddm(eddm) => eddm.update(value),
            Self::HddmA(hddm) => hddm.update(value),
            Self::HddmW(hddm) => hddm.update(value),
        }
    }

    /// Whether its parts fit each other: a stored state may be damaged.
    fn is_sound(&self) -> bool {
        match self {
            Self::Adwin(adwin) => adwin.is_sound(),
            Self::Kswin(kswin) => kswin.is_sound(),
            // Numbers, of which none can do harm.
            _ => true,
        }
    }
}

impl Detector {
    /// A detector that has read nothing.
    #[must_use]
    pub fn new(parameters: Parameters) -> Self {
        Self { algorithm: Algorithm::new(parameters), values: 0, since_reset: 0, skipped: 0, drifted: false }
    }

    /// Reads a value. NaN, infinite values, values further from 0 than 1e100 and values outside of the detector's
    /// [`Domain`] are skipped: they change nothing but the number of skipped values.
    pub fn update(&mut self, value: f64) -> Outcome {
        let in_domain = match self.parameters().kind().domain() {
            Domain::Number => value.abs() <= LARGEST,
            Domain::Share => (0.0..=1.0).contains(&value),
            Domain::Error => value == 0.0 || value == 1.0,
        };
        if !in_domain {
            self.skipped = self.skipped.saturating_add(1);
            return Outcome::None;
        }
        if self.drifted {
            self.algorithm = Algorithm::new(self.parameters());
            self.since_reset = 0;
            self.drifted = false;
        }
        self.values = self.values.saturating_add(1);
        self.since_reset = self.since_reset.saturating_add(1);
        match self.algorithm.update(value, self.values) {
            Step::None => Outcome::None,
            Step::Warning => Outcome::Warning,
            Step::Drift(Found { before, after, statistic, limit }) => {
                self.drifted = true;
                Outcome::Drift(Evidence { values: self.since_reset, before, after, statistic, limit })
            }
        }
    }

    /// What it was made with.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        self.algorithm.parameters()
    }

    /// Values read since it began, over all resets.
    #[must_use]
    pub fn values(&self) -> u64 {
        self.values
    }

    /// Values that were skipped since it began.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Bytes in memory, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let inside = match &self.algorithm {
            Algorithm::Adwin(adwin) => adwin.bytes(),
            Algorithm::Kswin(kswin) => kswin.bytes(),
            _ => 0,
        };
        size_of::<Self>() + inside
    }
}

#[cfg(test)]
mod tests;
