//! Histograms by numpy's rules: bins left-closed, the last one closed on both sides.

use crate::measure::{Points, Side};

/// Edges of `bins` equal bins from `low` to `high`, as `numpy.linspace` computes them; one value gives the bin from
/// half below it to half above.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a few thousand bins")]
pub fn equal_edges(low: f64, high: f64, bins: usize) -> Vec<f64> {
    let (low, high) = if low == high { (low - 0.5, high + 0.5) } else { (low, high) };
    let step = (high - low) / bins as f64;
    let mut edges: Vec<f64> = (0..bins).map(|index| index as f64 * step + low).collect();
    edges.push(high);
    edges
}

/// The edges numpy chooses when bins are to be about this wide. `integers`: they are at least 1 wide.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded just before")]
fn edges_of_width(low: f64, high: f64, width: f64, integers: bool) -> Vec<f64> {
    if low == high || width <= 0.0 {
        return equal_edges(low, high, 1);
    }
    let width = if integers { width.max(1.0) } else { width };
    let bins = ((high - low) / width).ceil().clamp(1.0, 1e6);
    equal_edges(low, high, bins as usize)
}

/// numpy's `sturges` for `size` values from `low` to `high`: width = range / (log2(size) + 1).
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn numpy_sturges(low: f64, high: f64, size: u64, integers: bool) -> Vec<f64> {
    edges_of_width(low, high, (high - low) / ((size as f64).log2() + 1.0), integers)
}

/// numpy's `doane` over one side: as `sturges` with more bins the more skewed the values are.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn numpy_doane(points: &Points, side: Side) -> Option<Vec<f64>> {
    let size = points.size(side) as f64;
    let (low, high) = range(points, &[side])?;
    let deviation = points.deviation(side, 0)?;
    if size <= 2.0 || deviation <= 0.0 {
        return Some(edges_of_width(low, high, 0.0, false));
    }
    let mean = points.mean(side)?;
    let skewness =
        points.of(side).map(|(value, count)| ((value - mean) / deviation).powi(3) * count as f64).sum::<f64>()
            / size;
    let scale = (6.0 * (size - 2.0) / ((size + 1.0) * (size + 3.0))).sqrt();
    let width = (high - low) / (1.0 + size.log2() + (1.0 + skewness.abs() / scale).log2());
    Some(edges_of_width(low, high, width, false))
}

/// The smallest and largest value of the given sides.
pub(super) fn range(points: &Points, sides: &[Side]) -> Option<(f64, f64)> {
    let ends = sides.iter().map(|side| {
        let (low, _) = points.of(*side).next()?;
        let (high, _) = points.of(*side).next_back()?;
        Some((low, high))
    });
    ends.flatten().reduce(|left, right| (left.0.min(right.0), left.1.max(right.1)))
}

/// The counts of a side between edges: bins left-closed, the last closed on both sides; values outside are in none.
#[must_use]
pub fn counts_between(points: &Points, side: Side, edges: &[f64]) -> Vec<u64> {
    let mut counts = vec![0; edges.len().saturating_sub(1)];
    let last = edges.last().copied();
    for (value, count) in points.of(side) {
        let above = edges.partition_point(|edge| *edge <= value);
        let bin = if Some(value) == last { edges.len().checked_sub(2) } else { above.checked_sub(1) };
        if let Some(total) = bin.and_then(|bin| counts.get_mut(bin)) {
            *total += count;
        }
    }
    counts
}

/// Both sides between the same edges.
pub(super) fn both_between(points: &Points, edges: &[f64]) -> (Vec<u64>, Vec<u64>) {
    (counts_between(points, Side::Baseline, edges), counts_between(points, Side::Window, edges))
}
