//! Shares of rows that have no value, or one the baseline does not know.

use super::proportions::Proportions;
use super::{Pair, Score};
use crate::distribution::Distribution;

/// Which rows are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    Null,
    Invalid,
    Unseen,
    OutOfRange,
}

/// The window's share as statistic, its change against the baseline as effect, with a test of the change. `None` when
/// one side has no row or the share is not defined for the column.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn score(pair: &Pair<'_>, share: Share) -> Option<Score> {
    let (n, m) = (pair.baseline().rows(), pair.window().rows());
    let Hits { before, after, foreseen } = hits(pair, share)?;
    let change = Proportions { baseline: (before, n), window: (after, m) }.change()?;
    let proportions = Proportions { baseline: (foreseen.min(n), n), window: (after, m) };
    // A null share that falls is a change of the pipeline, too; the others are only bad news when they rise.
    let effect = if share == Share::Null { change.abs() } else { change.max(0.0) };
    let p_value = if effect > 0.0 { proportions.p_value() } else { Some(1.0) };
    Some(Score { p_value, effect, ..pair.score_of_rows(after as f64 / m as f64) })
}

/// How many rows of each side are concerned.
struct Hits {
    before: u64,
    after: u64,
    /// What the test takes for the baseline's: no baseline holds values outside of itself, yet its like would.
    foreseen: u64,
}

fn hits(pair: &Pair<'_>, share: Share) -> Option<Hits> {
    let plain = |count: fn(&Distribution) -> u64| {
        let (before, after) = (count(pair.baseline()), count(pair.window()));
        Some(Hits { before, after, foreseen: before })
    };
    match share {
        Share::Null => plain(Distribution::nulls),
        Share::Invalid => plain(Distribution::invalid),
        Share::Unseen => unseen(pair),
        Share::OutOfRange => out_of_range(pair),
    }
}

/// Values in bins that the baseline has nothing in: the unseen bin, and with one bin a distinct category of both sides
/// all bins that are the window's alone. As many are foreseen as the baseline has categories of one record (Good 1953).
fn unseen(pair: &Pair<'_>) -> Option<Hits> {
    let binning = pair.categorical_binning()?;
    let last = binning.unseen_bin();
    let own = pair.baseline().counts().get(last).copied().unwrap_or(0);
    let counts = pair.baseline().counts().iter().zip(pair.window().counts()).enumerate();
    let window =
        counts.filter(|(bin, (before, _))| *bin == last || **before == 0).map(|(_, (_, after))| after).sum();
    let once = pair.baseline().counts().iter().take(last).filter(|count| **count == 1).count() as u64;
    Some(Hits { before: own, after: window, foreseen: own + once + binning.rare() as u64 })
}

/// Values below the lowest and above the highest bin that the baseline has something in. Two are foreseen: another
/// sample of the same size would have one below and one above, on average.
fn out_of_range(pair: &Pair<'_>) -> Option<Hits> {
    pair.numeric_binning()?;
    let (before, after) = (pair.baseline().counts(), pair.window().counts());
    let ends = |counts: &[u64]| counts.first().copied().unwrap_or(0) + counts.last().copied().unwrap_or(0);
    let inner = before.get(1..before.len().saturating_sub(1))?;
    let first = inner.iter().position(|count| *count > 0)? + 1;
    let last = inner.iter().rposition(|count| *count > 0)? + 1;
    let outside = after.iter().enumerate().filter(|(bin, _)| *bin < first || *bin > last).map(|(_, count)| count);
    let before = ends(before);
    Some(Hits { before, after: outside.sum(), foreseen: before + 2 })
}
