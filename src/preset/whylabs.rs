//! The WhyLabs platform (`calculations/math/Distance.java`), exact distributions in place of its KLL sketch.

use super::histogram::range;
use super::{ToolScore, unknown};
use crate::measure::{LogBase, Measure, Points, Side, Smoothing, Values, hellinger, jensen_shannon_distance, psi};
use crate::record::number_of;

const EDGES: usize = 30;
/// Shares are held within this and 1.
const FLOOR: f64 = 1e-7;
/// Of the Hellinger distance, its default algorithm.
const THRESHOLD: f64 = 0.7;

pub(super) fn score(measure: Measure, values: &Values) -> ToolScore {
    let (baseline, window, bins) = match values {
        Values::Categorical(categories) => {
            (categories.baseline.clone(), categories.window.clone(), number_of(categories.names.len(), "category"))
        }
        Values::Numeric { points, .. } => {
            let (baseline, window) = masses(points);
            (baseline, window, format!("{} bins between {EDGES} equal edges over both sides", EDGES + 1))
        }
    };
    let floor = Smoothing::FloorShare(FLOOR);
    let (statistic, detail) = match measure {
        Measure::Hellinger => (hellinger(&baseline, &window), format!("{bins}, no smoothing")),
        Measure::JensenShannon => (
            jensen_shannon_distance(&baseline, &window, LogBase::Natural),
            format!("{bins}, no smoothing, natural log"),
        ),
        Measure::Psi => (psi(&baseline, &window, floor), format!("{bins}, {}, natural log", floor.describe())),
        Measure::Kl => {
            // Not made to sum to 1 again.
            let sum =
                floor.both(&baseline, &window).map(|(p, q)| p.iter().zip(&q).map(|(p, q)| p * (p / q).ln()).sum());
            (sum, format!("{bins}, {}, natural log", floor.describe()))
        }
        _ => return unknown("WhyLabs", measure, "hellinger, jensen_shannon, psi, kl"),
    };
    match statistic {
        Some(statistic) => ToolScore::above(measure, statistic, THRESHOLD, false, detail),
        None => ToolScore::none(measure, detail),
    }
}

/// Below the first edge, between neighbouring ones, above the last.
#[expect(clippy::cast_precision_loss, reason = "thirty edges")]
fn masses(points: &Points) -> (Vec<u64>, Vec<u64>) {
    let (low, high) = range(points, &[Side::Baseline, Side::Window]).unwrap_or_default();
    let step = (high - low) / EDGES as f64;
    let edges: Vec<f64> = (0..EDGES).map(|index| low + index as f64 * step).collect();
    let count = |side| {
        let mut masses = vec![0u64; EDGES + 1];
        for (value, count) in points.of(side) {
            if let Some(mass) = masses.get_mut(edges.partition_point(|edge| *edge <= value)) {
                *mass += count;
            }
        }
        masses
    };
    (count(Side::Baseline), count(Side::Window))
}
