//! Shares of rows that have no value, or one the baseline does not know.

use super::proportions::Proportions;
use super::unseen;
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

/// The window's share as statistic, with a test of its change. The effect is the change from what another sample like
/// the baseline has on average; a null share that falls is a change of the pipeline, too, the others are only bad news when they
/// rise. `None` when one side has no row or the share is not defined for the column.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn score(pair: &Pair<'_>, share: Share) -> Option<Score> {
    let (n, m) = (pair.baseline().rows(), pair.window().rows());
    let Hits { expected, after, table } = hits(pair, share, (n, m))?;
    let statistic = (n > 0 && m > 0).then(|| after as f64 / m as f64)?;
    let change = statistic - expected / n as f64;
    let (effect, p_value) = if share == Share::Null {
        (change.abs(), table.p_value())
    } else {
        (change.max(0.0), table.p_value_of_rise())
    };
    let p_value = if effect > 0.0 { p_value } else { Some(1.0) };
    Some(Score { p_value, effect, ..pair.score_of_rows(statistic) })
}

/// How many rows are concerned.
struct Hits {
    /// Of the baseline's size, in another sample like it.
    expected: f64,
    /// Of the window.
    after: u64,
    /// What is tested.
    table: Proportions,
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn hits(pair: &Pair<'_>, share: Share, (n, m): (u64, u64)) -> Option<Hits> {
    let plain = |count: fn(&Distribution) -> u64| {
        let (before, after) = (count(pair.baseline()), count(pair.window()));
        let table = Proportions { baseline: (before, n), window: (after, m) };
        Some(Hits { expected: before as f64, after, table })
    };
    match share {
        Share::Null => plain(Distribution::nulls),
        Share::Invalid => plain(Distribution::invalid),
        Share::Unseen => {
            let (foreseen, after) = (unseen::foreseen(pair)?, unseen::in_window(pair)?);
            let table = foreseen.table(n, (after, m)).thinned(pair.design_effect());
            Some(Hits { expected: foreseen.count, after, table })
        }
        Share::OutOfRange => out_of_range(pair, (n, m)),
    }
}

/// Values below the lowest and above the highest bin that the baseline has something in. Another sample of the same size has
/// one below and one above, on average. As many as the window has come before the second value of the baseline from either end
/// with the chance that of them and one more at most one is the baseline's: that of the table with one.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn out_of_range(pair: &Pair<'_>, (n, m): (u64, u64)) -> Option<Hits> {
    pair.numeric_binning()?;
    let (before, after) = (pair.baseline().counts(), pair.window().counts());
    let ends = |counts: &[u64]| counts.first().copied().unwrap_or(0) + counts.last().copied().unwrap_or(0);
    let inner = before.get(1..before.len().saturating_sub(1))?;
    let first = inner.iter().position(|count| *count > 0)? + 1;
    let last = inner.iter().rposition(|count| *count > 0)? + 1;
    let outside = after.iter().enumerate().filter(|(bin, _)| *bin < first || *bin > last).map(|(_, count)| count);
    let after = outside.sum();
    // A baseline with values there is not the one whose range it is.
    let (expected, counted) = match ends(before) {
        0 => (2, 1),
        before => (before, before),
    };
    let table = Proportions { baseline: (counted.min(n), n), window: (after, m) };
    Some(Hits { expected: expected as f64, after, table })
}
