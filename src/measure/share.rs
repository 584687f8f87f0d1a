//! Shares of rows that have no value, or one the baseline does not know.

use super::{Pair, Score};
use crate::binning::Binning;
use crate::distribution::Distribution;

/// The window's share as statistic, its change against the baseline as effect. `None` when one side has
/// no row or the share is not defined for the column.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn score(pair: &Pair<'_>, count: impl Fn(&Distribution) -> Option<u64>) -> Option<Score> {
    let (n, m) = (pair.baseline().rows(), pair.window().rows());
    if n == 0 || m == 0 {
        return None;
    }
    let before = count(pair.baseline())? as f64 / n as f64;
    let after = count(pair.window())? as f64 / m as f64;
    Some(Score { effect: after - before, ..pair.score_of_rows(after) })
}

/// Only a rise counts.
pub(super) fn rise(score: Score) -> Score {
    Score { effect: score.effect.max(0.0), ..score }
}

pub(super) fn unseen(column: &Distribution) -> Option<u64> {
    match column.binning() {
        Binning::Categorical(binning) => column.counts().get(binning.unseen_bin()).copied(),
        _ => None,
    }
}

pub(super) fn out_of_range(column: &Distribution) -> Option<u64> {
    Some(column.counts().first()? + column.counts().last()?)
}
