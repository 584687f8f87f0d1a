//! What chance gives sums over bins when nothing changed: divergences, distances and tests of homogeneity.
//!
//! Of the c values of a bin that both sides have together, the baseline has a binomial number when nothing changed. So the mean
//! of the sum and the chance of one as large are computed bin by bin, from counts alone ([`moments`]): the chi-square
//! approximation needs some values in each bin, and with thousands of categories most have one or two (Cochran 1954; Koehler
//! and Larntz 1980). Where all bins are well filled it is the chi-square distribution.
//!
//! Which categories have bins was decided by the baseline, so its counts are a selection, see [`selection`].

mod bin_law;
mod largest;
mod moments;
mod parts;
mod selection;

pub(super) use largest::largest_change;
pub(super) use selection::Foreseen;

use std::collections::BTreeMap;

use super::law::chi_square_tail;
use super::{Groups, Measure, Pair, Proportions};
use bin_law::{BinLaw, Selected, Sizes, Sum};
use moments::{Laws, Moments};
use parts::{sum_of, tested_by};
use selection::{LeftOut, Selection};

/// What chance gives the sum that a measure of few bins is computed from: PSI and KL as they are; the squares of Jensen-Shannon's
/// (in nats) and Hellinger's distance; total variation as it is; the statistics of Pearson's and of the likelihood-ratio test.
pub(super) struct Chance {
    measure: Measure,
    sum: Sum,
    sizes: Sizes,
    own: Vec<OwnBin>,
    laws: Laws,
    moments: Moments,
    left_out: Option<LeftOut>,
    design_effect: f64,
}

impl Chance {
    /// `None` for other measures and without values on one side.
    pub(super) fn of(measure: Measure, pair: &Pair<'_>, groups: &Groups) -> Option<Self> {
        let selection = Selection::of(pair, groups);
        let own: Vec<OwnBin> = groups
            .pairs()
            .enumerate()
            .filter(|(bin, (before, after))| before + after > 0 && !selection.leaves_out(*bin))
            .map(|(bin, (before, after))| OwnBin { before, after, selected: selection.of_bin(bin) })
            .collect();
        let (sum, half) = sum_of(measure)?;
        let filled = groups.pairs().filter(|(before, after)| before + after > 0).count();
        let sizes = Sizes::of(groups.totals()?, half, filled);
        let left_out = selection.left_out(groups, |before, after| (sum.part)(&sizes, before, after));
        let laws = laws(&sum, &sizes, &own);
        let moments = laws.moments();
        Some(Self { measure, sum, sizes, own, laws, moments, left_out, design_effect: pair.design_effect() })
    }

    /// The sum that two samples of one distribution have on average.
    pub(super) fn mean(&self) -> f64 {
        let left_out = self.left_out.as_ref().map_or(0.0, |left_out| left_out.mean);
        self.moments.mean * self.sum.spread_by(self.design_effect) + left_out
    }

    /// The chance of a sum at least as large as the one that was seen.
    pub(super) fn p_value(&self) -> f64 {
        let Self { measure, sum, sizes, own, laws, moments, left_out, design_effect } = self;
        // Whether own bins keep their shares among each other, and whether all of them together keep theirs.
        let p_own = if left_out.is_none() && tested_by(*measure) == *measure && own.len() > 2 {
            let seen = sum_over(sum, sizes, own) / sum.spread_by(*design_effect);
            tail(laws, own.len(), seen, || *moments)
        } else {
            p_value_of(tested_by(*measure), own, *design_effect)
        };
        let both = |left_out: &LeftOut| (2.0 * p_own.min(left_out.p_value(*design_effect))).min(1.0);
        left_out.as_ref().map_or(p_own, both)
    }
}

/// A bin that is not left out, with both counts.
struct OwnBin {
    before: u64,
    after: u64,
    selected: Selected,
}

fn laws(sum: &Sum, sizes: &Sizes, own: &[OwnBin]) -> Laws {
    // Bins with as many values have the same law.
    let mut times: BTreeMap<(u64, u64), (f64, Selected)> = BTreeMap::new();
    for OwnBin { before, after, selected } in own {
        times.entry((before + after, selected.least)).or_insert((0.0, *selected)).0 += 1.0;
    }
    let law = |((count, _), (times, selected))| (times, BinLaw::new(sum, sizes, count, selected));
    Laws(times.into_iter().map(law).collect())
}

/// The chance that the shares of these bins among each other differ as much, by the sum of a measure.
fn p_value_of(measure: Measure, own: &[OwnBin], design_effect: f64) -> f64 {
    let (n, m) = own.iter().fold((0, 0), |(n, m), bin| (n + bin.before, m + bin.after));
    if n == 0 || m == 0 || own.len() < 2 {
        return 1.0;
    }
    if let [first, _] = own {
        let table = Proportions { baseline: (first.before, n), window: (first.after, m) };
        return table.thinned(design_effect).p_value().unwrap_or(1.0);
    }
    let Some((sum, half)) = sum_of(measure) else { return 1.0 };
    let sizes = Sizes::of((n, m), half, own.len());
    let laws = laws(&sum, &sizes, own);
    let seen = sum_over(&sum, &sizes, own) / sum.spread_by(design_effect);
    tail(&laws, own.len(), seen, || laws.moments_in_balance())
}

fn sum_over(sum: &Sum, sizes: &Sizes, own: &[OwnBin]) -> f64 {
    own.iter().map(|bin| (sum.part)(sizes, to_float(bin.before), to_float(bin.after))).sum()
}

fn tail(laws: &Laws, bins: usize, seen: f64, moments: impl FnOnce() -> Moments) -> f64 {
    match laws.common_square() {
        Some(scale) => chi_square_tail(seen / scale, to_float(bins as u64) - 1.0),
        None => moments().tail(seen),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn to_float(count: u64) -> f64 {
    count as f64
}
