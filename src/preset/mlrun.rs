//! MLRun 1.7 (`model_monitoring/metrics/histogram_distance.py`).

use super::histogram::{counts_between, equal_edges, range};
use super::{ToolScore, unknown};
use crate::measure::{Measure, Points, Side, Values};

const BINS: usize = 20;
/// `detected`; from 0.5 on it is a potential detection.
const DETECTED: f64 = 0.7;

pub(super) fn score(measure: Measure, values: &Values, n: u64, m: u64) -> ToolScore {
    let Values::Numeric { points, .. } = values else {
        return unknown("MLRun", measure, "nothing: it looks at numeric columns only");
    };
    let Some((p, q)) = shares(points, n, m) else { return ToolScore::none(measure, "no value") };
    let variation = p.iter().zip(&q).map(|(p, q)| (p - q).abs()).sum::<f64>() / 2.0;
    let overlap: f64 = p.iter().zip(&q).map(|(p, q)| (p * q).sqrt()).sum();
    let hellinger = (1.0 - overlap).max(0.0).sqrt();
    let mean = f64::midpoint(variation, hellinger);
    let bins = format!("{BINS} equal bins over the baseline and two open ones");
    let decided = |statistic: f64| ToolScore {
        measure,
        statistic: Some(statistic),
        p_value: None,
        threshold: Some(DETECTED),
        drift: Some(mean >= DETECTED),
        detail: format!("{bins}; the limit holds (total variation + Hellinger)/2 = {mean:.6}"),
    };
    match measure {
        Measure::TotalVariation => decided(variation),
        Measure::Hellinger => decided(hellinger),
        Measure::Kl => {
            let detail = format!(
                "{bins}, both directions added, empty bins 1e-4 in the denominator, natural log; not used in the verdict"
            );
            ToolScore::shown(measure, divergence(&q, &p) + divergence(&p, &q), detail)
        }
        _ => unknown("MLRun", measure, "total_variation, hellinger, kl"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn shares(points: &Points, n: u64, m: u64) -> Option<(Vec<f64>, Vec<f64>)> {
    let (low, high) = range(points, &[Side::Baseline])?;
    let edges = equal_edges(low, high, BINS);
    let mut baseline = counts_between(points, Side::Baseline, &edges);
    baseline.insert(0, 0);
    baseline.push(0);
    // With an open bin after it, the last one is no longer closed above.
    let mut window = vec![0u64; edges.len() + 1];
    for (value, count) in points.of(Side::Window) {
        if let Some(total) = window.get_mut(edges.partition_point(|edge| *edge <= value)) {
            *total += count;
        }
    }
    let of = |counts: Vec<u64>, size: u64| counts.into_iter().map(|count| count as f64 / size as f64).collect();
    Some((of(baseline, n), of(window, m)))
}

fn divergence(from: &[f64], to: &[f64]) -> f64 {
    let terms = from.iter().zip(to).filter(|(from, _)| **from > 0.0);
    terms.map(|(from, to)| from * (from / if *to == 0.0 { 1e-4 } else { *to }).ln()).sum()
}
