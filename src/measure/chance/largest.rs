//! The chance of a largest change.

use std::collections::BTreeMap;

use super::selection::Selection;
use super::to_float;
use crate::measure::law::normal_two_sided;
use crate::measure::proportions::Table;
use crate::measure::{Groups, Pair};

/// From this variance a count is normal.
const MANY: f64 = 10_000.0;

/// The chance that the share of some bin changes by at least this much when nothing changed: the sum over bins, which is near
/// to it where it is small. 1 without values on one side.
pub(in crate::measure) fn largest_change(pair: &Pair<'_>, groups: &Groups, change: f64) -> f64 {
    let Some((n, m)) = groups.totals() else { return 1.0 };
    if change <= 0.0 {
        return 1.0;
    }
    let selection = Selection::of(pair, groups);
    let mut times: BTreeMap<u64, f64> = BTreeMap::new();
    let mut seen_left_out = 0.0f64;
    for (bin, (before, after)) in groups.pairs().enumerate() {
        if selection.leaves_out(bin) {
            seen_left_out =
                seen_left_out.max((to_float(before) / to_float(n) - to_float(after) / to_float(m)).abs());
        } else if before + after > 0 {
            *times.entry(before + after).or_default() += 1.0;
        }
    }
    let left_out = selection.left_out(groups, |_, _| 0.0);
    let effect = pair.design_effect();
    let own: f64 = times.iter().map(|(count, times)| times * of_bin(*count, (n, m), change / effect.sqrt())).sum();
    // What was left out has a test of its own.
    let left_out = left_out.filter(|_| seen_left_out >= change).map_or(0.0, |left_out| left_out.p_value(effect));
    (own + left_out).min(1.0)
}

/// The chance that the shares of a bin of both sides, which together have `count` of its values, differ by as much.
fn of_bin(count: u64, (n, m): (u64, u64), change: f64) -> f64 {
    let (all, n, m) = (to_float(count), to_float(n), to_float(m));
    // The count of the baseline with a change of that much, either way.
    let (middle, reach) = (all * n / (n + m), change * n * m / (n + m));
    let varies = all * n * m / (n + m).powi(2) * (1.0 - all / (n + m));
    if varies > MANY {
        return normal_two_sided(reach / varies.sqrt());
    }
    let table = Table::new(all, (n, m));
    // A little slack, so that the change that was seen is one of them.
    let slack = 1e-9 * (1.0 + middle);
    (table.at_least((middle + reach - slack).ceil()) + table.at_most((middle - reach + slack).floor())).min(1.0)
}
