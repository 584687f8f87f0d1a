//! Scouter (`scouter_drift/src/psi`): PSI on deciles of the baseline.

use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::{ToolScore, unknown};
use crate::measure::{Measure, Side, Smoothing, Values, psi};

const BINS: u64 = 10;

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn score(measure: Measure, values: &Values, m: u64) -> ToolScore {
    if measure != Measure::Psi {
        return unknown("Scouter", measure, "psi");
    }
    let (baseline, window, kind) = match values {
        Values::Categorical(categories) => {
            // A category the profile does not have has no bin, so it never enters the sum; shares are of all.
            let known = categories.pairs().filter(|(before, _)| *before > 0);
            let (baseline, window): (Vec<u64>, Vec<u64>) = known.unzip();
            (baseline, window, "categories of the baseline; others do not enter")
        }
        Values::Numeric { points, .. } => {
            let mut edges: Vec<f64> = (1..BINS)
                .filter_map(|decile| points.quantile(Side::Baseline, decile as f64 / BINS as f64))
                .collect();
            edges.dedup();
            let count = |side| {
                let mut counts = vec![0u64; edges.len() + 1];
                for (value, count) in points.of(side) {
                    // Closed above.
                    if let Some(total) = counts.get_mut(edges.partition_point(|edge| *edge < value)) {
                        *total += count;
                    }
                }
                counts
            };
            (count(Side::Baseline), count(Side::Window), "deciles of the baseline, closed above")
        }
    };
    let bins = baseline.len();
    let detail = format!("{bins} {kind}, {}, natural log", Smoothing::AddShare(1e-10).describe());
    let statistic = match values {
        Values::Numeric { .. } => psi(&baseline, &window, Smoothing::AddShare(1e-10)),
        Values::Categorical(_) => {
            let total: u64 = baseline.iter().sum();
            let terms = baseline.iter().zip(&window).map(|(before, after)| {
                let (p, q) = (*before as f64 / total as f64 + 1e-10, *after as f64 / m as f64 + 1e-10);
                (p - q) * (p / q).ln()
            });
            Some(terms.sum())
        }
    };
    let Some(statistic) = statistic else { return ToolScore::none(measure, detail) };
    if m <= BINS * bins as u64 {
        return ToolScore::shown(
            measure,
            statistic,
            format!("{detail}; Scouter needs more than {} values", BINS * bins as u64),
        );
    }
    let degrees = (bins as f64 - 1.0).max(1.0);
    let quantile = ChiSquared::new(degrees).map_or(f64::INFINITY, |law| law.inverse_cdf(0.95));
    let detail = format!("{detail}; limit: the chi-square quantile over the window's size");
    ToolScore::above(measure, statistic, quantile / m as f64, false, detail)
}
