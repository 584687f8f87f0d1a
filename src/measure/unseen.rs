//! Categories that the baseline does not know.

use super::Pair;
use super::chance::Foreseen;

/// How many values of categories that the baseline does not know another sample of its size has: as many as the baseline has
/// categories of one value (Good 1953). What the baseline itself has in the bin of unseen categories was left without a bin for
/// another reason, and another sample has as many. `None` without categories.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn foreseen(pair: &Pair<'_>) -> Option<Foreseen> {
    let binning = pair.categorical_binning()?;
    let counts = pair.baseline().counts();
    let before = counts.get(binning.unseen_bin()).copied().unwrap_or(0);
    if before > 0 {
        return Some(Foreseen { count: before as f64, excess: 0.0 });
    }
    let own = counts.get(..binning.categories().len()).unwrap_or_default();
    let with = |count: u64| own.iter().filter(|own| **own == count).count() as f64;
    let rare = counts.get(binning.rare_bin()).copied().unwrap_or(0);
    // Of rare categories only the sum is counted. What the bins were placed by knew more; without it all are taken for categories
    // of one value.
    let (once, twice) = match binning.rare_counts() {
        Some(known) if known.values > 0 => {
            let share = rare as f64 / known.values as f64;
            (known.once as f64 * share, known.twice as f64 * share)
        }
        _ => ((binning.rare() as u64).min(rare) as f64, 0.0),
    };
    Some(Foreseen { count: with(1) + once, excess: 2.0 * (with(2) + twice) })
}

/// Values of the window in bins that the baseline has nothing in: the unseen bin, and with one bin a distinct category of
/// both sides all bins that are the window's alone. `None` without categories.
pub(super) fn in_window(pair: &Pair<'_>) -> Option<u64> {
    let last = pair.categorical_binning()?.unseen_bin();
    let counts = pair.baseline().counts().iter().zip(pair.window().counts()).enumerate();
    Some(counts.filter(|(bin, (before, _))| *bin == last || **before == 0).map(|(_, (_, after))| after).sum())
}
