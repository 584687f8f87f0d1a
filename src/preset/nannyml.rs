//! NannyML 0.13 (`drift/univariate/methods.py`, `thresholds.py`).

use super::histogram::{both_between, counts_between, equal_edges, numpy_doane, range};
use super::{ToolScore, unknown};
use crate::measure::{
    LogBase, Measure, Points, Side, Values, chi_square, hellinger, jensen_shannon_distance, ks_statistic,
    l_infinity, wasserstein_of_points,
};
use crate::record::number_of;

/// From this many reference values on, Kolmogorov-Smirnov and Wasserstein are read off a grid of as many bins.
const GRID: u64 = 10_000;

/// The limit learned from a method's values on chunks of the reference, each compared with the whole reference: mean plus
/// three population standard deviations. `None` without a value.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a few thousand chunks")]
pub fn threshold(chunks: &[f64]) -> Option<f64> {
    if chunks.is_empty() {
        return None;
    }
    let size = chunks.len() as f64;
    let mean = chunks.iter().sum::<f64>() / size;
    let variance = chunks.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / size;
    Some(mean + 3.0 * variance.sqrt())
}

pub(super) fn score(measure: Measure, values: &Values, n: u64, m: u64) -> ToolScore {
    let shown = |statistic: Option<f64>, detail: String| match statistic {
        Some(statistic) => ToolScore::shown(measure, statistic, detail),
        None => ToolScore::none(measure, detail),
    };
    match (measure, values) {
        (Measure::JensenShannon | Measure::Hellinger, _) => {
            let (baseline, window, detail) = binned(values, m);
            if measure == Measure::Hellinger {
                shown(hellinger(&baseline, &window), format!("{detail}, no smoothing"))
            } else {
                let statistic = jensen_shannon_distance(&baseline, &window, LogBase::Two);
                shown(statistic, format!("{detail}, no smoothing, {}", LogBase::Two.describe()))
            }
        }
        (Measure::Ks, Values::Numeric { points, .. }) if n < GRID => {
            let statistic = ks_statistic(points.counts(Side::Baseline), points.counts(Side::Window));
            shown(statistic, "every distinct value".to_owned())
        }
        (Measure::Ks, Values::Numeric { points, .. }) => {
            shown(grid_ks(points, n, m), format!("read off {GRID} equal bins over the reference"))
        }
        (Measure::Wasserstein, Values::Numeric { points, .. }) if n < GRID => {
            shown(wasserstein_of_points(points), "every distinct value, in the unit of the column".to_owned())
        }
        (Measure::Wasserstein, Values::Numeric { points, .. }) => shown(
            grid_wasserstein(points, n, m),
            format!("read off {GRID} equal bins over the reference, in the unit of the column"),
        ),
        (Measure::LInfinity, Values::Categorical(categories)) => shown(
            l_infinity(&categories.baseline, &categories.window),
            number_of(categories.names.len(), "category"),
        ),
        (Measure::ChiSquare, Values::Categorical(categories)) => {
            match chi_square(&categories.baseline, &categories.window, true) {
                Some(test) => ToolScore::test(
                    measure,
                    test.statistic,
                    test.p_value,
                    0.05,
                    format!(
                        "{}, two-sample, Yates' correction for two",
                        number_of(categories.names.len(), "category")
                    ),
                ),
                None => ToolScore::none(measure, "no value"),
            }
        }
        (_, Values::Numeric { .. }) => unknown("NannyML", measure, "jensen_shannon, hellinger, ks, wasserstein"),
        (_, Values::Categorical(_)) => {
            unknown("NannyML", measure, "jensen_shannon, hellinger, l_infinity, chi_square")
        }
    }
}

/// Bins of the reference alone; what lies in none of them is one more, empty in the reference.
fn binned(values: &Values, m: u64) -> (Vec<u64>, Vec<u64>, String) {
    let (mut baseline, mut window, mut detail) = match values {
        Values::Categorical(categories) => {
            let known = categories.pairs().filter(|(before, _)| *before > 0);
            let (baseline, window): (Vec<u64>, Vec<u64>) = known.unzip();
            let detail = format!("{} of the reference", number_of(baseline.len(), "category"));
            (baseline, window, detail)
        }
        Values::Numeric { points, .. } => {
            let edges = numpy_doane(points, Side::Baseline).unwrap_or_default();
            let (baseline, window) = both_between(points, &edges);
            let detail = format!("{} over the reference (doane)", number_of(baseline.len(), "equal bin"));
            (baseline, window, detail)
        }
    };
    let left = m.saturating_sub(window.iter().sum());
    if left > 0 {
        baseline.push(0);
        window.push(left);
        detail.push_str(" and one for the rest");
    }
    (baseline, window, detail)
}

/// (edges of the grid, cumulative shares of the reference at the right ends of its bins)
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "counts stay far below 2^53")]
fn grid(points: &Points, n: u64) -> Option<(Vec<f64>, Vec<f64>)> {
    let (low, high) = range(points, &[Side::Baseline])?;
    let edges = equal_edges(low, high, GRID as usize);
    Some((edges.clone(), cumulated(&counts_between(points, Side::Baseline, &edges), n as f64)))
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn cumulated(counts: &[u64], size: f64) -> Vec<f64> {
    let mut sum = 0;
    counts
        .iter()
        .map(|count| {
            sum += count;
            sum as f64 / size
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn grid_ks(points: &Points, n: u64, m: u64) -> Option<f64> {
    let (low, high) = range(points, &[Side::Baseline])?;
    if low == high {
        // All edges are the one value.
        let share = |keep: &dyn Fn(f64) -> bool| {
            points.of(Side::Window).filter(|(value, _)| keep(*value)).map(|(_, count)| count).sum::<u64>() as f64
                / m as f64
        };
        return Some(share(&|value| value < low).max(share(&|value| value > low)));
    }
    let (edges, reference) = grid(points, n)?;
    let first = edges.first().copied()?;
    let below: u64 = points.of(Side::Window).filter(|(value, _)| *value < first).map(|(_, count)| count).sum();
    let below = below as f64 / m as f64;
    let window = cumulated(&counts_between(points, Side::Window, &edges), m as f64);
    let gaps = reference.iter().zip(&window).map(|(reference, window)| (reference - (below + window)).abs());
    Some(gaps.fold(0.0, f64::max))
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn grid_wasserstein(points: &Points, n: u64, m: u64) -> Option<f64> {
    let (edges, reference) = grid(points, n)?;
    let (first, last) = (edges.first().copied()?, edges.last().copied()?);
    let width = edges.get(1)? - first;
    let size = m as f64;
    let below: Vec<(f64, u64)> = points.of(Side::Window).filter(|(value, _)| *value < first).collect();
    let above: Vec<(f64, u64)> = points.of(Side::Window).filter(|(value, _)| *value > last).collect();
    let (few, many) =
        (below.iter().map(|(_, count)| count).sum::<u64>(), above.iter().map(|(_, count)| count).sum::<u64>());
    // The library counts the end of the reference's range as one more value of each tail.
    let mut total = 0.0;
    let mut start = 0.0;
    if few > 0 {
        let all = few as f64 + 1.0;
        start = all / size;
        let ends = below.iter().map(|(value, _)| *value).skip(1).chain([first]);
        let mut seen = 0;
        for ((value, count), next) in below.iter().zip(ends) {
            seen += count;
            total += seen as f64 / all * (next - value) * start;
        }
    }
    if many > 0 {
        let all = many as f64 + 1.0;
        let mut seen = 1.0;
        let mut at = last;
        for (value, count) in &above {
            total += (1.0 - seen / all) * (value - at) * all / size;
            seen += *count as f64;
            at = *value;
        }
    }
    let window = cumulated(&counts_between(points, Side::Window, &edges), size);
    let inner =
        reference.iter().zip(&window).map(|(reference, window)| (reference - (window + start)).abs() * width);
    Some(total + inner.sum::<f64>())
}
