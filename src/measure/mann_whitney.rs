//! The Mann-Whitney U test.

use super::law::{normal_tail, normal_two_sided, rank_sum_tail};
use super::{Points, Side};

/// The outcome of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitney {
    /// U of the baseline: pairs in which the baseline's value is larger, ties counting a half.
    pub statistic: f64,
    /// Two-sided.
    pub p_value: f64,
    /// The chance of a U this small or smaller: the baseline lies below the window.
    pub p_less: f64,
    /// The rank-biserial correlation, from -1 to 1: positive when the window's values tend to be larger.
    pub effect: f64,
}

/// Mann and Whitney (1947): whether one side tends to have larger values. Counted when a side has at most 8 values
/// and there are no ties (as scipy does), otherwise the normal law with corrections for ties and continuity.
/// `None` when one side has no value.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn mann_whitney(points: &Points) -> Option<MannWhitney> {
    let (n, m) = points.sizes()?;
    let mut below = 0.0;
    let mut statistic = 0.0;
    let mut tie_term = 0.0;
    let mut has_ties = false;
    for (_, more, further) in points.iter() {
        let (more, further) = (more as f64, further as f64);
        statistic += more * (below + further / 2.0);
        below += further;
        let ties = more + further;
        has_ties |= ties > 1.0;
        tie_term += ties.powi(3) - ties;
    }
    let effect = 1.0 - 2.0 * statistic / (n * m);
    let larger = statistic.max(n * m - statistic);
    let few = points.size(Side::Baseline).min(points.size(Side::Window));
    let counted = if few <= 8 && !has_ties {
        let tail = |u: f64| rank_sum_tail(u, points.size(Side::Baseline), points.size(Side::Window));
        tail(larger).zip(tail(n * m - statistic))
    } else {
        None
    };
    let (p_value, p_less) = match counted {
        Some((two, less)) => ((2.0 * two).min(1.0), less),
        None => {
            let total = n + m;
            let variance = n * m / 12.0 * (total + 1.0 - tie_term / (total * (total - 1.0)));
            if variance <= 0.0 {
                (1.0, 1.0)
            } else {
                let score = |u: f64| (u - n * m / 2.0 - 0.5) / variance.sqrt();
                let two = if larger > n * m / 2.0 { normal_two_sided(score(larger)) } else { 1.0 };
                // The continuity correction can carry a score of almost nothing to the other side.
                let two = if score(larger) < 0.0 { 1.0 } else { two };
                (two, normal_tail(score(n * m - statistic)))
            }
        }
    };
    Some(MannWhitney { statistic, p_value, p_less, effect })
}
