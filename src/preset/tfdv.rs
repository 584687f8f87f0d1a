//! TensorFlow Data Validation 1.2x (`anomalies/metrics.cc`), exact histograms in place of its approximate quantiles.

use super::histogram::{counts_between, equal_edges, range};
use super::{ToolScore, unknown};
use crate::measure::{
    LogBase, Measure, Points, Side, Values, divergence_of_shares, jensen_shannon_divergence, l_infinity,
};
use crate::record::number_of;

const BUCKETS: usize = 10;

const NO_LIMIT: &str = "TFDV has no default limit (its guide uses 0.01 for l_infinity)";

pub(super) fn score(measure: Measure, values: &Values) -> ToolScore {
    let shown = |statistic: Option<f64>, detail: String| match statistic {
        Some(statistic) => ToolScore::shown(measure, statistic, format!("{detail}; {NO_LIMIT}")),
        None => ToolScore::none(measure, detail),
    };
    match (measure, values) {
        (Measure::LInfinity, Values::Categorical(categories)) => shown(
            l_infinity(&categories.baseline, &categories.window),
            number_of(categories.names.len(), "category"),
        ),
        (Measure::JensenShannon, Values::Categorical(categories)) => shown(
            jensen_shannon_divergence(&categories.baseline, &categories.window, LogBase::Two),
            format!("divergence, not distance; {}, log base 2", number_of(categories.names.len(), "category")),
        ),
        (Measure::JensenShannon, Values::Numeric { points, .. }) => {
            let detail = format!(
                "divergence, not distance; {BUCKETS} equal buckets a side, cut at each other's edges, log base 2"
            );
            shown(numeric(points), detail)
        }
        (_, Values::Numeric { .. }) => unknown("TFDV", measure, "jensen_shannon"),
        (_, Values::Categorical(_)) => unknown("TFDV", measure, "l_infinity, jensen_shannon"),
    }
}

/// Both histograms cut at all edges of both, values spread evenly inside a bucket.
fn numeric(points: &Points) -> Option<f64> {
    let sides = [Side::Baseline, Side::Window].map(|side| {
        let (low, high) = range(points, &[side])?;
        // A constant is a bucket without width, a mass on one point.
        let edges = if low == high { vec![low, high] } else { equal_edges(low, high, BUCKETS) };
        let counts = counts_between(points, side, &edges);
        Some((edges, counts))
    });
    let [Some((left, left_counts)), Some((right, right_counts))] = sides else { return None };
    let mut cuts: Vec<f64> = left.iter().chain(&right).copied().collect();
    cuts.sort_by(f64::total_cmp);
    cuts.dedup();
    let p = spread(&left, &left_counts, &cuts);
    let q = spread(&right, &right_counts, &cuts);
    Some(divergence_of_shares(&p, &q, LogBase::Two).min(1.0))
}

/// The shares between neighbouring cuts, then those on single cuts.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn spread(edges: &[f64], counts: &[u64], cuts: &[f64]) -> Vec<f64> {
    let total = counts.iter().sum::<u64>() as f64;
    let buckets = || {
        edges.windows(2).zip(counts).filter_map(|(ends, count)| match ends {
            [low, high] => Some((*low, *high, *count as f64 / total)),
            _ => None,
        })
    };
    let between = cuts.windows(2).map(|ends| match ends {
        [from, to] => buckets()
            .filter(|(low, high, _)| low < high)
            .map(|(low, high, share)| share * (to.min(high) - from.max(low)).max(0.0) / (high - low))
            .sum(),
        _ => 0.0,
    });
    let on = cuts.iter().map(|cut| {
        buckets().filter(|(low, high, _)| low == high && low == cut).map(|(_, _, share)| share).sum::<f64>()
    });
    between.chain(on).collect()
}
