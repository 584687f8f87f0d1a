//! The registry: every measure with its name, what it is for, and its limits. The enumeration and the rows of the table are
//! checked against one another.

mod table;

use serde::{Deserialize, Serialize};

use self::Reads::{Change, Counters, Groups, Rows, Sequence, TwoValues, Values, Vectors};
use self::table::{Entry, NUMBER, REGISTRY};
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
    /// Shift of the location of numbers, by normal scores.
    LocationChange,
    /// Change of the spread of numbers, by squared normal scores.
    SpreadChange,
    /// Largest change of the share of a tenth or a tail of numbers.
    GroupChange,
    /// Rise of the share of a single value among its neighbours.
    StuckChange,
    /// Rise of the share of values outside the reference's range.
    OutOfRangeChange,
    /// Largest change of the share of a category.
    CategoryChange,
    /// Change of the mix of categories, many small changes together.
    MixChange,
    /// Rise of the share of categories that the reference does not have.
    UnseenChange,
    /// Change of the share of null and missing values.
    NullChange,
    /// Rise of the share of NaN, infinite and wrongly typed values.
    InvalidChange,
    /// Lasting change that many windows show together.
    SlowDrift,
}

/// The limits of a measure's effect.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// At or above it: `warn`.
    pub warn: f64,
    /// At or above it: `critical`.
    pub critical: f64,
}

impl Thresholds {
    /// The wider of both, each limit by itself.
    #[must_use]
    pub fn or_wider(self, other: Self) -> Self {
        Self { warn: self.warn.max(other.warn), critical: self.critical.max(other.critical) }
    }
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
    /// How counts differ from those of the reference, held against how its own windows differ: see [`crate::variation`].
    Change,
    /// All windows since the reference: see [`crate::trend`].
    Sequence,
}

impl Measure {
    /// Every measure, in the order of documentation.
    #[expect(clippy::indexing_slicing, reason = "computed while compiling, where it would not compile")]
    pub const ALL: [Self; NUMBER] = {
        let mut all = [Self::Psi; NUMBER];
        let mut index = 0;
        while index < NUMBER {
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
    pub fn range(self) -> String {
        let (least, largest) = self.entry().range;
        if largest.is_finite() { format!("{least} to {largest}") } else { format!("{least} to infinity") }
    }

    /// The largest effect that it can have; none where there is none.
    #[must_use]
    pub fn largest_effect(self) -> Option<f64> {
        Some(self.entry().range.1).filter(|largest| largest.is_finite())
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
            Self::NullChange | Self::InvalidChange => true,
            Self::CategoryChange => !matches!(column_type, ColumnType::Numeric | ColumnType::Embedding),
            Self::UnseenChange | Self::MixChange => {
                matches!(column_type, ColumnType::Categorical | ColumnType::Text)
            }
            _ => match self.reads() {
                Counters | Sequence => true,
                Groups => column_type != ColumnType::Embedding,
                Change | Values => column_type == ColumnType::Numeric,
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
            ColumnType::Numeric => &[
                Self::LocationChange,
                Self::SpreadChange,
                Self::GroupChange,
                Self::StuckChange,
                Self::OutOfRangeChange,
                Self::NullChange,
                Self::InvalidChange,
                Self::SlowDrift,
            ],
            ColumnType::Categorical | ColumnType::Text => &[
                Self::CategoryChange,
                Self::MixChange,
                Self::UnseenChange,
                Self::NullChange,
                Self::InvalidChange,
                Self::SlowDrift,
            ],
            ColumnType::Embedding => {
                &[Self::MeanDistance, Self::Mmd, Self::NullChange, Self::InvalidChange, Self::SlowDrift]
            }
            ColumnType::Boolean => &[Self::CategoryChange, Self::NullChange, Self::InvalidChange, Self::SlowDrift],
        }
    }

    /// What is shown beside the defaults because people know it, where it is defined, and decides nothing.
    pub const SHOWN: [Self; 4] = [Self::Psi, Self::WassersteinNormed, Self::JensenShannon, Self::UnseenShare];

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
        match self {
            Self::OutOfRangeChange | Self::UnseenChange | Self::NullChange | Self::InvalidChange => false,
            _ => !matches!(self.reads(), Rows | Counters | Sequence),
        }
    }

    /// Whether it is a change measure: one that is held against how the reference's own windows differ, with an effect on the
    /// scale that all changes share.
    #[must_use]
    pub fn is_change(self) -> bool {
        self.reads() == Change
    }

    /// Whether it spends the column's own part of the budget of false alarms, so that it counts as no hypothesis of a window.
    #[must_use]
    pub fn has_own_budget(self) -> bool {
        self.reads() == Sequence
    }

    /// Whether it is about values that are missing or broken, rather than about those that are there.
    #[must_use]
    pub fn is_about_quality(self) -> bool {
        matches!(self, Self::NullShare | Self::InvalidShare | Self::NullChange | Self::InvalidChange)
    }

    /// Whether it asks which values there are; shares of null and invalid ones are known without any bin.
    #[must_use]
    pub fn needs_bins(self) -> bool {
        !(self.is_about_quality() || self == Self::RowCount)
    }
}
