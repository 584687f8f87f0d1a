//! Deequ 2 (`analyzers/Distance.scala`), the engine of SageMaker Model Monitor; exact distributions in place of its
//! KLL sketch.

use super::{ToolScore, unknown};
use crate::measure::law::chi_square_tail;
use crate::measure::{Measure, Side, Values, ks_statistic, l_infinity};

/// `comparison_threshold` of a baseline that SageMaker suggests.
const THRESHOLD: f64 = 0.1;
/// What chance is taken to produce, times the root of the inverse sizes.
const CORRECTION: f64 = 1.8;

pub(super) fn score(measure: Measure, values: &Values, n: u64, m: u64) -> ToolScore {
    match (measure, values) {
        (Measure::Ks, Values::Numeric { points, .. }) => {
            robust(measure, ks_statistic(points.counts(Side::Baseline), points.counts(Side::Window)), n, m)
        }
        (Measure::LInfinity, Values::Categorical(categories)) => {
            robust(measure, l_infinity(&categories.baseline, &categories.window), n, m)
        }
        (Measure::ChiSquare, Values::Categorical(categories)) => {
            chi_square(&categories.baseline, &categories.window)
        }
        (_, Values::Numeric { .. }) => unknown("Deequ", measure, "ks"),
        (_, Values::Categorical(_)) => unknown("Deequ", measure, "l_infinity, chi_square"),
    }
}

/// The distance less what chance may give ("robust"), which is what a suggested baseline compares.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn robust(measure: Measure, distance: Option<f64>, n: u64, m: u64) -> ToolScore {
    let Some(simple) = distance else { return ToolScore::none(measure, "no value") };
    let (n, m) = (n as f64, m as f64);
    let statistic = (simple - CORRECTION * ((n + m) / (n * m)).sqrt()).max(0.0);
    let detail = format!("robust: the largest gap {simple:.6} less {CORRECTION} sqrt((n+m)/(nm))");
    ToolScore::above(measure, statistic, THRESHOLD, false, detail)
}

/// One-sample on known categories, rare ones merged until the test is thought to hold.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn chi_square(baseline: &[u64], window: &[u64]) -> ToolScore {
    let known: Vec<(u64, u64)> =
        baseline.iter().copied().zip(window.iter().copied()).filter(|(before, _)| *before > 0).collect();
    let n: u64 = known.iter().map(|(before, _)| before).sum();
    let m: u64 = known.iter().map(|(_, after)| after).sum();
    let scale = m as f64 / n as f64;
    let mut cells: Vec<(f64, f64)> =
        known.into_iter().map(|(before, after)| (before as f64 * scale, after as f64)).collect();
    cells.sort_by(|left, right| right.0.total_cmp(&left.0));
    let holds = |cells: &[(f64, f64)]| {
        let few = cells.iter().filter(|(expected, _)| *expected < 5.0).count();
        if cells.len() == 2 {
            cells.iter().all(|(expected, _)| *expected >= 10.0)
        } else {
            few as f64 <= 0.2 * cells.len() as f64
        }
    };
    while cells.len() > 1 && !holds(&cells) {
        if let (Some(smallest), Some(next)) = (cells.pop(), cells.last_mut()) {
            next.0 += smallest.0;
            next.1 += smallest.1;
        }
        cells.sort_by(|left, right| right.0.total_cmp(&left.0));
    }
    if cells.len() < 2 {
        return ToolScore::none(Measure::ChiSquare, "fewer than two categories are large enough: Deequ gives NaN");
    }
    let statistic: f64 = cells.iter().map(|(expected, seen)| (seen - expected).powi(2) / expected).sum();
    let p_value = chi_square_tail(statistic, cells.len() as f64 - 1.0);
    let detail = format!("one-sample on {} categories of the baseline, rare ones merged", cells.len());
    let score = ToolScore::test(Measure::ChiSquare, statistic, p_value, THRESHOLD, detail);
    // A test here is still held against the limit of a distance, as the tool does.
    ToolScore { drift: Some(p_value < THRESHOLD), ..score }
}
