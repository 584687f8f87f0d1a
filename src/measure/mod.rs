//! Measures: how far two distributions of one column are apart. Pure functions of counts; a registry by
//! name drives configuration, findings and messages.
//!
//! Three kinds of kernels: of counts on few bins (`psi`, `jensen_shannon`, `chi_square`, ...), of [`Points`], which are
//! increasing values with their counts (`ks`, `wasserstein`, the tests), and of counters (shares). With one bin a
//! distinct value the kernels give the statistics of the samples, ties included.

mod anderson_darling;
mod bridge;
mod chance;
mod chi_square;
mod cramer_von_mises;
mod embedding;
mod energy;
mod epps_singleton;
mod hellinger;
mod jensen_shannon;
mod kl;
mod ks;
pub mod law;
mod levene;
mod mann_whitney;
mod noise;
mod pair;
mod points;
mod proportions;
mod psi;
mod registry;
mod row_count;
mod scale;
mod score;
mod share;
mod shift;
mod t_test;
mod total_variation;
mod unseen;
mod values;
mod wasserstein;

pub use anderson_darling::{AndersonDarling, anderson_darling};
pub use chi_square::{Homogeneity, chi_square, g_test};
pub use cramer_von_mises::{cramer_von_mises, cramer_von_mises_by_ranks};
pub use embedding::{fourier_mmd, mean_distance};
pub use energy::energy;
pub use epps_singleton::epps_singleton;
pub use hellinger::hellinger;
pub use jensen_shannon::{LogBase, divergence_of_shares, jensen_shannon_distance, jensen_shannon_divergence};
pub use kl::kl;
pub use ks::{ks_p_value, ks_p_value_fast, ks_p_value_large, ks_statistic};
pub use levene::levene;
pub use mann_whitney::{MannWhitney, mann_whitney};
pub use noise::noise_floor;
pub use pair::{Groups, NotAligned, Pair, Span};
pub use points::{Points, Side};
pub use proportions::Proportions;
pub use psi::{Smoothing, psi};
pub use registry::{Measure, Reads, Thresholds};
pub use row_count::{LEAST_WINDOWS, row_count};
pub use shift::{mean_shift, quantile_shift};
pub use t_test::{TTest, student_t, welch_t};
pub use total_variation::{l_infinity, total_variation};
pub use values::{Categories, Values};
pub use wasserstein::{wasserstein, wasserstein_of_points};

use serde::{Deserialize, Serialize};

/// What stands for an infinite effect, such as that of two constant sides that differ: a number that can be stored and
/// compared with limits, and is said in words.
pub const WITHOUT_BOUND: f64 = 1e9;

/// The outcome of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The measure's own number.
    pub statistic: f64,
    /// The p-value, where the measure is a test.
    pub p_value: Option<f64>,
    /// The size that is compared with thresholds, without unit; the statistic itself unless said otherwise. At most
    /// [`WITHOUT_BOUND`] where it can be infinite.
    pub effect: f64,
    /// Values of the baseline that entered.
    pub n_baseline: u64,
    /// Values of the window that entered.
    pub n_window: u64,
    /// How far the statistic may be off because values are binned (Kolmogorov-Smirnov).
    pub bound: Option<f64>,
}

#[cfg(test)]
mod tests;
