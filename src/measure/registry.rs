//! The registry: every measure with its name, what it is for, and its limits. The file is long because it is one table, and
//! the enumeration, its rows and what is read from them are checked against one another.

use serde::{Deserialize, Serialize};

use crate::record::ColumnType;

/// A number saying how far two distributions are apart, or the statistic of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Population stability index.
    Psi,
    /// Kullback-Leibler divergence of the window from the baseline.
    Kl,
    /// Jensen-Shannon distance, log base 2.
    JensenShannon,
    /// Hellinger distance.
    Hellinger,
    /// Total variation distance.
    TotalVariation,
    /// Largest change of one bin's share.
    LInfinity,
    /// Chi-square test of homogeneity; the effect is Cramér's V.
    ChiSquare,
    /// Likelihood-ratio test of homogeneity.
    GTest,
    /// Cramér's V, with the p-value of the chi-square test.
    CramersV,
    /// Kolmogorov-Smirnov statistic.
    Ks,
    /// Wasserstein-1 distance in the unit of the column; thresholds hold it in standard deviations.
    Wasserstein,
    /// Wasserstein-1 distance in standard deviations of the baseline.
    WassersteinNormed,
    /// Cramér-von Mises test.
    CramerVonMises,
    /// Anderson-Darling test.
    AndersonDarling,
    /// Energy distance.
    Energy,
    /// Mann-Whitney U test; the effect is the rank-biserial correlation.
    MannWhitney,
    /// Student's t test; the effect is Cohen's d.
    StudentT,
    /// Welch's t test; the effect is Cohen's d.
    WelchT,
    /// Levene's test of spreads about the median; the effect is the logarithm of their ratio.
    Levene,
    /// Pooled two-proportion z test, for columns of two values.
    ZProportions,
    /// Fisher's exact test, for columns of two values.
    FisherExact,
    /// Epps-Singleton test of characteristic functions.
    EppsSingleton,
    /// Movement of the mean in standard deviations of the baseline.
    MeanShift,
    /// Largest movement of five quantiles in standard deviations of the baseline.
    QuantileShift,
    /// Change of the share of null and missing values.
    NullShare,
    /// Rise of the share of NaN, infinite and wrongly typed values.
    InvalidShare,
    /// Rise of the share of categories the baseline does not know.
    UnseenShare,
    /// Rise of the share of values below the baseline's minimum or above its maximum.
    OutOfRangeShare,
    /// Distance of the mean vectors of embeddings, in spreads of the baseline.
    MeanDistance,
    /// Maximum mean discrepancy of embeddings by random Fourier features.
    Mmd,
    /// Number of records of the window.
    RowCount,
}

/// The limits of a measure's effect.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// At or above it: `warn`.
    pub warn: f64,
    /// At or above it: `critical`.
    pub critical: f64,
}

/// What a measure reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Shares of few bins: categories, or about ten groups of equal baseline mass.
    Groups,
    /// The order and the distances of values.
    Values,
    /// Columns of exactly two values.
    TwoValues,
    /// Counters of what is not a known value.
    Counters,
    /// Means of vectors.
    Vectors,
    /// The number of records, of no column.
    Rows,
}

/// A row of the registry.
struct Entry {
    measure: Measure,
    name: &'static str,
    reads: Reads,
    warn: f64,
    critical: f64,
    symmetric: bool,
    /// Of the effect.
    range: &'static str,
    about: &'static str,
}

const fn entry(
    measure: Measure,
    name: &'static str,
    reads: Reads,
    (warn, critical): (f64, f64),
    symmetric: bool,
    range: &'static str,
    about: &'static str,
) -> Entry {
    Entry { measure, name, reads, warn, critical, symmetric, range, about }
}

use Reads::{Counters, Groups, Rows, TwoValues, Values, Vectors};

/// In the order of the enumeration, which a test checks.
const REGISTRY: [Entry; 31] = [
    entry(
        Measure::Psi,
        "psi",
        Groups,
        (0.1, 0.25),
        true,
        "0 to infinity",
        "Population stability index, natural log.",
    ),
    entry(
        Measure::Kl,
        "kl",
        Groups,
        (0.05, 0.125),
        false,
        "0 to infinity",
        "Kullback-Leibler divergence of the window from the baseline, natural log.",
    ),
    entry(
        Measure::JensenShannon,
        "jensen_shannon",
        Groups,
        (0.1, 0.2),
        true,
        "0 to 1",
        "Jensen-Shannon distance, log base 2.",
    ),
    entry(Measure::Hellinger, "hellinger", Groups, (0.1, 0.2), true, "0 to 1", "Hellinger distance."),
    entry(
        Measure::TotalVariation,
        "total_variation",
        Groups,
        (0.1, 0.2),
        true,
        "0 to 1",
        "Total variation distance: the share of values that changed bins.",
    ),
    entry(
        Measure::LInfinity,
        "l_infinity",
        Groups,
        (0.1, 0.2),
        true,
        "0 to 1",
        "Largest change of one bin's share.",
    ),
    entry(
        Measure::ChiSquare,
        "chi_square",
        Groups,
        (0.1, 0.2),
        true,
        "0 to 1",
        "Chi-square test of homogeneity; the effect is Cramér's V.",
    ),
    entry(
        Measure::GTest,
        "g_test",
        Groups,
        (0.1, 0.2),
        true,
        "0 to 1.18",
        "Likelihood-ratio test of homogeneity; the effect is the root of statistic over records.",
    ),
    entry(
        Measure::CramersV,
        "cramers_v",
        Groups,
        (0.1, 0.2),
        true,
        "0 to 1",
        "Cramér's V, with the p-value of the chi-square test.",
    ),
    entry(Measure::Ks, "ks", Values, (0.1, 0.2), true, "0 to 1", "Kolmogorov-Smirnov statistic."),
    entry(
        Measure::Wasserstein,
        "wasserstein",
        Values,
        (0.1, 0.25),
        true,
        "0 to infinity",
        "Wasserstein-1 distance in the unit of the column; the effect in standard deviations of the baseline.",
    ),
    entry(
        Measure::WassersteinNormed,
        "wasserstein_normed",
        Values,
        (0.1, 0.25),
        false,
        "0 to infinity",
        "Wasserstein-1 distance in standard deviations of the baseline.",
    ),
    entry(
        Measure::CramerVonMises,
        "cramer_von_mises",
        Values,
        (0.05, 0.1),
        true,
        "0 to 0.58",
        "Cramér-von Mises test; the effect is the root of the mean squared gap of the cumulative distributions.",
    ),
    entry(
        Measure::AndersonDarling,
        "anderson_darling",
        Values,
        (0.1, 0.25),
        true,
        "0 to 1",
        "Anderson-Darling test; as Cramér-von Mises, with more weight on the tails.",
    ),
    entry(
        Measure::Energy,
        "energy",
        Values,
        (0.1, 0.2),
        true,
        "0 to infinity",
        "Energy distance; the effect in roots of the baseline's standard deviation.",
    ),
    entry(
        Measure::MannWhitney,
        "mann_whitney",
        Values,
        (0.1, 0.2),
        true,
        "0 to 1",
        "Mann-Whitney U test; the effect is the rank-biserial correlation.",
    ),
    entry(
        Measure::StudentT,
        "student_t",
        Values,
        (0.1, 0.25),
        true,
        "0 to infinity",
        "Student's t test; the effect is Cohen's d.",
    ),
    entry(
        Measure::WelchT,
        "welch_t",
        Values,
        (0.1, 0.25),
        true,
        "0 to infinity",
        "Welch's t test; the effect is Cohen's d.",
    ),
    entry(
        Measure::Levene,
        "levene",
        Values,
        (0.1, 0.25),
        true,
        "0 to infinity",
        "Levene's test of spreads about the median; the effect is the logarithm of their ratio.",
    ),
    entry(
        Measure::ZProportions,
        "z_proportions",
        TwoValues,
        (0.05, 0.2),
        true,
        "0 to 1",
        "Two-proportion z test, pooled; the effect is the change of the share.",
    ),
    entry(
        Measure::FisherExact,
        "fisher_exact",
        TwoValues,
        (0.05, 0.2),
        true,
        "0 to 1",
        "Fisher's exact test; the statistic is the odds ratio, the effect the change of the share.",
    ),
    entry(
        Measure::EppsSingleton,
        "epps_singleton",
        Values,
        (0.1, 0.2),
        true,
        "0 to infinity",
        "Epps-Singleton test of characteristic functions; the effect is the root of statistic over records.",
    ),
    entry(
        Measure::MeanShift,
        "mean_shift",
        Values,
        (0.1, 0.25),
        false,
        "0 to infinity",
        "Movement of the mean in standard deviations of the baseline.",
    ),
    entry(
        Measure::QuantileShift,
        "quantile_shift",
        Values,
        (0.25, 0.5),
        false,
        "0 to infinity",
        "Largest movement of the 5, 25, 50, 75 and 95 % quantiles in standard deviations of the baseline.",
    ),
    entry(
        Measure::NullShare,
        "null_share",
        Counters,
        (0.05, 0.2),
        true,
        "0 to 1",
        "Change of the share of null and missing values.",
    ),
    entry(
        Measure::InvalidShare,
        "invalid_share",
        Counters,
        (0.01, 0.05),
        false,
        "0 to 1",
        "Rise of the share of NaN, infinite and wrongly typed values.",
    ),
    entry(
        Measure::UnseenShare,
        "unseen_share",
        Counters,
        (0.01, 0.05),
        false,
        "0 to 1",
        "Rise of the share of categories the baseline does not know.",
    ),
    entry(
        Measure::OutOfRangeShare,
        "out_of_range_share",
        Counters,
        (0.01, 0.05),
        false,
        "0 to 1",
        "Rise of the share of values outside the baseline's range.",
    ),
    entry(
        Measure::MeanDistance,
        "mean_distance",
        Vectors,
        (0.1, 0.25),
        false,
        "0 to infinity",
        "Distance of the mean vectors of embeddings, in spreads of the baseline.",
    ),
    entry(
        Measure::Mmd,
        "mmd",
        Vectors,
        (0.1, 0.2),
        false,
        "0 to 1.41",
        "Maximum mean discrepancy of embeddings, Gaussian kernel by random Fourier features.",
    ),
    entry(
        Measure::RowCount,
        "row_count",
        Rows,
        (2.0, 4.0),
        true,
        "1 to infinity",
        "Records of the window: the factor by which they differ from those of earlier windows.",
    ),
];

impl Measure {
    /// Every measure, in the order of documentation.
    #[expect(clippy::indexing_slicing, reason = "computed while compiling, where it would not compile")]
    pub const ALL: [Self; 31] = {
        let mut all = [Self::Psi; 31];
        let mut index = 0;
        while index < 31 {
            all[index] = REGISTRY[index].measure;
            index += 1;
        }
        all
    };

    fn entry(self) -> &'static Entry {
        #[expect(
            clippy::indexing_slicing,
            reason = "an entry for each, in the order of the enumeration: a test checks it"
        )]
        &REGISTRY[self as usize]
    }

    /// The name used in configuration, tables and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.entry().name
    }

    /// The measure of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.as_str() == name)
    }

    /// What it is, in one sentence.
    #[must_use]
    pub fn about(self) -> &'static str {
        self.entry().about
    }

    /// What it reads.
    #[must_use]
    pub fn reads(self) -> Reads {
        self.entry().reads
    }

    /// The range of its effect, in words.
    #[must_use]
    pub fn range(self) -> &'static str {
        self.entry().range
    }

    /// Whether exchanging baseline and window leaves the effect as it is.
    #[must_use]
    pub fn is_symmetric(self) -> bool {
        self.entry().symmetric
    }

    /// Whether it is defined for columns of a type.
    #[must_use]
    pub fn applies_to(self, column_type: ColumnType) -> bool {
        match self {
            Self::UnseenShare => matches!(column_type, ColumnType::Categorical | ColumnType::Text),
            Self::OutOfRangeShare => column_type == ColumnType::Numeric,
            _ => match self.reads() {
                Counters => true,
                Groups => column_type != ColumnType::Embedding,
                Values => column_type == ColumnType::Numeric,
                TwoValues => !matches!(column_type, ColumnType::Numeric | ColumnType::Embedding),
                Vectors => column_type == ColumnType::Embedding,
                Rows => false,
            },
        }
    }

    /// What is measured when the configuration does not say.
    #[must_use]
    pub fn defaults_for(column_type: ColumnType) -> &'static [Self] {
        match column_type {
            ColumnType::Numeric => {
                &[Self::Psi, Self::WassersteinNormed, Self::NullShare, Self::InvalidShare, Self::OutOfRangeShare]
            }
            ColumnType::Categorical | ColumnType::Text => {
                &[Self::JensenShannon, Self::NullShare, Self::InvalidShare, Self::UnseenShare]
            }
            ColumnType::Embedding => &[Self::MeanDistance, Self::Mmd, Self::NullShare, Self::InvalidShare],
            ColumnType::Boolean => &[Self::JensenShannon, Self::NullShare, Self::InvalidShare],
        }
    }

    /// The *material* limits when the configuration does not say: the smallest effects worth a look and
    /// worth an alert. Whether an effect is also *significant* for the sizes at hand is a matter of p-values and of
    /// [`super::noise_floor`]. PSI: the 0.1 and 0.25 of credit scoring; the rest in the same spirit.
    #[must_use]
    pub fn default_thresholds(self) -> Thresholds {
        Thresholds { warn: self.entry().warn, critical: self.entry().critical }
    }

    /// Whether it is about values, rather than about how many rows have one, or one that is known.
    #[must_use]
    pub fn reads_values(self) -> bool {
        !matches!(self.reads(), Rows | Counters)
    }

    /// Whether it asks which values there are; shares of null and invalid ones are known without any bin.
    #[must_use]
    pub fn needs_bins(self) -> bool {
        !matches!(self, Self::NullShare | Self::InvalidShare | Self::RowCount)
    }
}
