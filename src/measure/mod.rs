//! Measures: how far two distributions of one column are apart. Pure functions of counts; a registry by
//! name drives configuration, findings and messages.

mod chi_square;
mod jensen_shannon;
mod ks;
mod noise;
mod pair;
mod psi;
mod share;
mod wasserstein;

pub use chi_square::{ChiSquare, chi_square};
pub use jensen_shannon::{LogBase, jensen_shannon_distance};
pub use ks::{kolmogorov_p_value, ks_statistic};
pub use noise::noise_floor;
pub use pair::{NotAligned, Pair};
pub use psi::{Smoothing, psi};
pub use wasserstein::{standard_deviation, wasserstein};

use serde::{Deserialize, Serialize};

use crate::record::{Absence, ColumnType};

/// A number saying how far two distributions are apart, or the statistic of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Population stability index on about ten bins of equal baseline mass.
    Psi,
    /// Jensen-Shannon distance, log base 2, on the same bins.
    JensenShannon,
    /// Kolmogorov-Smirnov statistic read at all cuts.
    Ks,
    /// Wasserstein-1 distance in standard deviations of the baseline.
    WassersteinNormed,
    /// Chi-square test of homogeneity; the effect is Cramér's V.
    ChiSquare,
    /// Change of the share of null and missing values.
    NullShare,
    /// Rise of the share of NaN, infinite and wrongly typed values.
    InvalidShare,
    /// Rise of the share of categories the baseline does not know.
    UnseenShare,
    /// Rise of the share of values below the baseline's minimum or above its maximum.
    OutOfRangeShare,
}

/// The limits of a measure's effect.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// At or above it: `warn`.
    pub warn: f64,
    /// At or above it: `critical`.
    pub critical: f64,
}

/// The outcome of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The measure's own number.
    pub statistic: f64,
    /// The p-value, where the measure is a test.
    pub p_value: Option<f64>,
    /// The size that is compared with thresholds; the statistic itself unless said otherwise.
    pub effect: f64,
    /// Values of the baseline that entered.
    pub n_baseline: u64,
    /// Values of the window that entered.
    pub n_window: u64,
    /// How far the statistic may be off because values are binned (Kolmogorov-Smirnov).
    pub bound: Option<f64>,
}

impl Measure {
    /// Every measure.
    pub const ALL: [Self; 9] = [
        Self::Psi,
        Self::JensenShannon,
        Self::Ks,
        Self::WassersteinNormed,
        Self::ChiSquare,
        Self::NullShare,
        Self::InvalidShare,
        Self::UnseenShare,
        Self::OutOfRangeShare,
    ];

    /// The name used in configuration, tables and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Psi => "psi",
            Self::JensenShannon => "jensen_shannon",
            Self::Ks => "ks",
            Self::WassersteinNormed => "wasserstein_normed",
            Self::ChiSquare => "chi_square",
            Self::NullShare => "null_share",
            Self::InvalidShare => "invalid_share",
            Self::UnseenShare => "unseen_share",
            Self::OutOfRangeShare => "out_of_range_share",
        }
    }

    /// The measure of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.as_str() == name)
    }

    /// Whether it is defined for columns of a type.
    #[must_use]
    pub fn applies_to(self, column_type: ColumnType) -> bool {
        match self {
            Self::Psi | Self::JensenShannon | Self::ChiSquare | Self::NullShare | Self::InvalidShare => true,
            Self::Ks | Self::WassersteinNormed | Self::OutOfRangeShare => column_type == ColumnType::Numeric,
            Self::UnseenShare => column_type == ColumnType::Categorical,
        }
    }

    /// What is measured when the configuration does not say.
    #[must_use]
    pub fn defaults_for(column_type: ColumnType) -> &'static [Self] {
        match column_type {
            ColumnType::Numeric => {
                &[Self::Psi, Self::WassersteinNormed, Self::NullShare, Self::InvalidShare, Self::OutOfRangeShare]
            }
            ColumnType::Categorical => {
                &[Self::JensenShannon, Self::NullShare, Self::InvalidShare, Self::UnseenShare]
            }
            ColumnType::Boolean => &[Self::JensenShannon, Self::NullShare, Self::InvalidShare],
        }
    }

    /// The *material* limits when the configuration does not say: the smallest effects worth a look and
    /// worth an alert. Whether an effect is also *significant* for the sizes at hand is a matter of
    /// [`noise_floor`]. PSI: the 0.1 and 0.25 of credit scoring; the rest in the same spirit.
    #[must_use]
    pub fn default_thresholds(self) -> Thresholds {
        let (warn, critical) = match self {
            Self::Psi | Self::WassersteinNormed => (0.1, 0.25),
            Self::JensenShannon | Self::Ks | Self::ChiSquare => (0.1, 0.2),
            Self::NullShare => (0.05, 0.2),
            Self::InvalidShare | Self::UnseenShare | Self::OutOfRangeShare => (0.01, 0.05),
        };
        Thresholds { warn, critical }
    }

    /// Computes it. `None` when it is undefined: not a measure for this kind of column, or no value on one
    /// side.
    #[must_use]
    pub fn score(self, pair: &Pair<'_>) -> Option<Score> {
        match self {
            Self::Psi => {
                let (baseline, window) = pair.grouped();
                let statistic = psi(&baseline, &window, Smoothing::HALF)?;
                Some(pair.score_of_rows(statistic))
            }
            Self::JensenShannon => {
                let (baseline, window) = pair.grouped();
                let statistic = jensen_shannon_distance(&baseline, &window, LogBase::Two)?;
                Some(pair.score_of_rows(statistic))
            }
            Self::ChiSquare => {
                let (baseline, window) = pair.grouped();
                let test = chi_square(&baseline, &window)?;
                let score = pair.score_of_rows(test.statistic);
                Some(Score { p_value: Some(test.p_value), effect: test.cramers_v, ..score })
            }
            Self::Ks => {
                let binning = pair.numeric_binning()?;
                let statistic = ks_statistic(pair.baseline().counts(), pair.window().counts())?;
                let score = pair.score_of_values(statistic);
                let p_value = kolmogorov_p_value(statistic, score.n_baseline, score.n_window);
                Some(Score { p_value: Some(p_value), bound: Some(binning.largest_mass()), ..score })
            }
            Self::WassersteinNormed => {
                let deviation = standard_deviation(pair.baseline())?;
                // The floor of Evidently, so that a constant baseline gives a number.
                let statistic = wasserstein(pair)? / deviation.max(0.001);
                Some(pair.score_of_values(statistic))
            }
            Self::NullShare => {
                share::score(pair, |column| Some(column.absent(Absence::Null) + column.absent(Absence::Missing)))
                    .map(|score| Score { effect: score.effect.abs(), ..score })
            }
            Self::InvalidShare => share::score(pair, |column| {
                Some(
                    [Absence::Nan, Absence::Infinite, Absence::WrongType]
                        .map(|kind| column.absent(kind))
                        .iter()
                        .sum(),
                )
            })
            .map(share::rise),
            Self::UnseenShare => share::score(pair, share::unseen).map(share::rise),
            Self::OutOfRangeShare => {
                pair.numeric_binning()?;
                share::score(pair, share::out_of_range).map(share::rise)
            }
        }
    }
}

#[cfg(test)]
mod tests;
