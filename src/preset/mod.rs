//! Presets: what other tools would say of the same two sets of values, by their own bins, smoothing, logarithms,
//! default measures, limits and rules, faults included, so that people can move without their numbers changing.
//!
//! A preset works on all distinct values with their counts, nulls and infinities left out, as these tools do. Each score
//! says how it was computed. Sources: the tools' own code at the versions named in each file.

mod azure;
mod deequ;
mod evidently;
mod histogram;
mod mlrun;
mod nannyml;
mod scouter;
mod tfdv;
mod whylabs;

pub use histogram::{counts_between, equal_edges, numpy_doane, numpy_sturges};
pub use nannyml::threshold as nannyml_threshold;

use crate::measure::{Measure, Values};

/// A tool whose numbers are reproduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    Evidently,
    /// NannyML 0.13.
    NannyMl,
    /// TensorFlow Data Validation 1.2x, also Vertex AI.
    Tfdv,
    /// Deequ 2, also SageMaker Model Monitor.
    Deequ,
    /// Azure Machine Learning model monitoring.
    Azure,
    /// MLRun 1.7.
    MlRun,
    /// The WhyLabs platform.
    WhyLabs,
    Scouter,
}

/// What a tool says of one measure of one column.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolScore {
    /// The measure, by our name.
    pub measure: Measure,
    /// The tool's number; none where the tool raises an error or has no value.
    pub statistic: Option<f64>,
    /// The tool's p-value, where the measure is a test.
    pub p_value: Option<f64>,
    /// The limit it is held against: of the p-value where there is one, else of the statistic.
    pub threshold: Option<f64>,
    /// Whether the tool calls it drift; none when it has no verdict.
    pub drift: Option<bool>,
    /// How it was computed, or why not.
    pub detail: String,
}

impl ToolScore {
    /// A number held against a limit from above; `inclusive` when the limit itself is drift.
    fn above(measure: Measure, statistic: f64, threshold: f64, inclusive: bool, detail: String) -> Self {
        let drift = statistic > threshold || (inclusive && statistic == threshold);
        Self {
            measure,
            statistic: Some(statistic),
            p_value: None,
            threshold: Some(threshold),
            drift: Some(drift),
            detail,
        }
    }

    /// A test, drift below a level.
    fn test(measure: Measure, statistic: f64, p_value: f64, level: f64, detail: impl Into<String>) -> Self {
        Self {
            measure,
            statistic: Some(statistic),
            p_value: Some(p_value),
            threshold: Some(level),
            drift: Some(p_value < level),
            detail: detail.into(),
        }
    }

    /// A number without a verdict.
    fn shown(measure: Measure, statistic: f64, detail: String) -> Self {
        Self { measure, statistic: Some(statistic), p_value: None, threshold: None, drift: None, detail }
    }

    /// Nothing: the tool does not have it or raises an error.
    fn none(measure: Measure, detail: impl Into<String>) -> Self {
        Self { measure, statistic: None, p_value: None, threshold: None, drift: None, detail: detail.into() }
    }
}

/// When a tool says that a data set drifts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DatasetRule {
    /// When at least this share of the columns drifts.
    Share(f64),
    /// When any column does.
    AnyColumn,
    /// When the mean over columns of (total variation + Hellinger) / 2 reaches this.
    MeanAtLeast(f64),
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 8] = [
        Self::Evidently,
        Self::NannyMl,
        Self::Tfdv,
        Self::Deequ,
        Self::Azure,
        Self::MlRun,
        Self::WhyLabs,
        Self::Scouter,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Evidently => "evidently",
            Self::NannyMl => "nannyml",
            Self::Tfdv => "tfdv",
            Self::Deequ => "deequ",
            Self::Azure => "azure",
            Self::MlRun => "mlrun",
            Self::WhyLabs => "whylabs",
            Self::Scouter => "scouter",
        }
    }

    /// The preset of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == name)
    }

    /// The measures the tool takes of itself for these values.
    #[must_use]
    pub fn defaults(self, values: &Values) -> Vec<Measure> {
        match self {
            Self::Evidently => vec![evidently::default_measure(values)],
            Self::Deequ if values.is_numeric() => vec![Measure::Ks],
            Self::Tfdv | Self::Deequ if !values.is_numeric() => vec![Measure::LInfinity],
            Self::Azure if values.is_numeric() => vec![Measure::WassersteinNormed],
            Self::NannyMl | Self::Tfdv | Self::Deequ | Self::Azure => vec![Measure::JensenShannon],
            Self::MlRun => vec![Measure::TotalVariation, Measure::Hellinger, Measure::Kl],
            Self::WhyLabs => vec![Measure::Hellinger],
            Self::Scouter => vec![Measure::Psi],
        }
    }

    /// Computes a measure the tool's way.
    #[must_use]
    pub fn score(self, measure: Measure, values: &Values) -> ToolScore {
        let Some((n, m)) = values.sizes() else {
            let reason = match self {
                Self::Evidently => "a side has no value: Evidently raises ValueError for the whole report",
                Self::NannyMl => "a side has no value: NannyML gives no number and no alert",
                _ => "a side has no value",
            };
            return ToolScore::none(measure, reason);
        };
        match self {
            Self::Evidently => evidently::score(measure, values, n, m),
            Self::NannyMl => nannyml::score(measure, values, n, m),
            Self::Tfdv => tfdv::score(measure, values),
            Self::Deequ => deequ::score(measure, values, n, m),
            Self::Azure => azure::score(measure, values, n, m),
            Self::MlRun => mlrun::score(measure, values, n, m),
            Self::WhyLabs => whylabs::score(measure, values),
            Self::Scouter => scouter::score(measure, values, m),
        }
    }

    /// Whether limits come from chunks of the baseline (see [`nannyml_threshold`]).
    #[must_use]
    pub fn learns_limits(self) -> bool {
        self == Self::NannyMl
    }

    /// When a data set drifts.
    #[must_use]
    pub fn dataset_rule(self) -> DatasetRule {
        match self {
            Self::Evidently => DatasetRule::Share(0.5),
            Self::MlRun => DatasetRule::MeanAtLeast(0.7),
            _ => DatasetRule::AnyColumn,
        }
    }
}

/// The answer to a measure a tool does not have.
fn unknown(tool: &str, measure: Measure, known: &str) -> ToolScore {
    ToolScore::none(measure, format!("{tool} has no {} for this column; it has: {known}", measure.as_str()))
}

#[cfg(test)]
mod tests;
