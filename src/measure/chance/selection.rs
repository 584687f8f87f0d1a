//! Categories whose bins the baseline chose by its own counts.
//!
//! The count of a category that got a bin is at least as large as the smallest that got one: chance that made it so in the baseline
//! is not there in the window. What the selection left out, rare and unseen categories, is foreseen by Good's
//! estimate (1953): categories that the baseline has r times have in another sample the values of those it has r + 1 times.

use super::bin_law::Selected;
use super::to_float;
use crate::binning::{CategoricalBinning, NumericBinning};
use crate::measure::{Groups, Pair, Proportions, Span, unseen};

/// How many values of the baseline's size another sample has of categories that were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::measure) struct Foreseen {
    /// On average.
    pub count: f64,
    /// By how much the variance of its difference from what another sample has is larger than that of a count (Good 1953;
    /// McAllester and Schapire 2000).
    pub excess: f64,
}

impl Foreseen {
    /// The excess where categories that the baseline has at most `least` times are left out: `with` is how many it has
    /// so many times.
    pub(in crate::measure) fn excess(least: u64, with: impl Fn(u64) -> u64) -> f64 {
        (to_float(least) + 1.0) * (to_float(least) + 2.0) * to_float(with(least.saturating_add(2)))
    }

    /// The table of as many independent values of the baseline as know it as well, and the window. Of a window that is larger than
    /// the baseline the values of one category go together: it is as if it had as many times fewer.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
    pub(in crate::measure) fn table(self, n: u64, (after, m): (u64, u64)) -> Proportions {
        let all = to_float(n).max(1.0);
        let hits = self.count.clamp(0.0, all);
        let variance = hits * (1.0 - hits / all) + 1.0;
        let kept = variance / (variance + self.excess);
        let together = self.excess / variance * to_float(m) / all;
        let kept_after = 1.0 / (1.0 + together);
        let side = |hits: f64, size: f64, kept: f64| {
            let size = (size * kept).round().max(1.0);
            ((hits * kept).round().min(size) as u64, size as u64)
        };
        Proportions { baseline: side(hits, all, kept), window: side(to_float(after), to_float(m), kept_after) }
    }
}

/// How the bins of a pair were chosen.
pub(super) struct Selection<'a> {
    binning: Option<&'a CategoricalBinning>,
    own: Selected,
    /// Bins of what was left out; none of a numeric column.
    left_out: Vec<usize>,
    /// Of what was left out: the least and the most, where it is not known whether the baseline itself chose the bins.
    foreseen: [Foreseen; 2],
    /// Of categories that the baseline does not know.
    unseen: f64,
}

/// Bins without a choice.
const FREE: Selected = Selected { least: 0, share_of_least: 1.0 };

impl<'a> Selection<'a> {
    pub(super) fn of(pair: &Pair<'a>, groups: &Groups) -> Self {
        let Some(binning) = pair.categorical_binning() else { return Self::of_numbers(pair, groups) };
        let own = groups.baseline.get(..binning.categories().len()).unwrap_or_default();
        let with = |count: u64| own.iter().filter(|own| **own == count).count() as u64;
        let fewest = own.iter().copied().min().unwrap_or(0);
        let rare = groups.baseline.get(binning.rare_bin()).copied().unwrap_or(0);
        let mut selection = Self {
            binning: Some(binning),
            own: FREE,
            left_out: Vec::new(),
            foreseen: [Foreseen::default(); 2],
            unseen: unseen::foreseen(pair).map_or(0.0, |foreseen| foreseen.count),
        };
        // What the baseline has in the bin of unseen categories was left out of all bins on purpose, because there are too many of
        // them, or it is not the sample that the bins were placed by: all bins are like others then.
        if pair.baseline().counts().get(binning.unseen_bin()).is_some_and(|unseen| *unseen > 0) {
            return selection;
        }
        selection.left_out = [binning.rare_bin(), binning.unseen_bin()]
            .into_iter()
            .filter(|bin| *bin < groups.baseline.len())
            .collect();
        if binning.rare() == 0 {
            // With a bin that the baseline has nothing in, it did not decide: bins are those of both sides, or of the whole of
            // which this is a segment.
            selection.own.least = fewest.min(1);
            selection.foreseen = [Foreseen { count: to_float(with(1)), excess: Foreseen::excess(0, with) }; 2];
            return selection;
        }
        let kept = to_float(with(fewest));
        match binning.rare_counts() {
            Some(known) if known.values == rare => {
                let share_of_least = kept / (kept + to_float(known.tied)).max(1.0);
                selection.own = Selected { least: fewest, share_of_least };
                let [less, more] = [fewest.saturating_sub(1), fewest].map(|least| Foreseen::excess(least, with));
                let excess = share_of_least.mul_add(less - more, more);
                selection.foreseen = [Foreseen { count: to_float(known.foreseen), excess }; 2];
            }
            // A segment of the sample that chose, or another sample.
            Some(known) => {
                let factor = to_float(known.foreseen) / to_float(known.values).max(1.0);
                selection.foreseen = [1.0, factor].map(|factor| {
                    let count = to_float(rare) * factor;
                    Foreseen { count, excess: count }
                });
            }
            // Of bins of an earlier version it is not known how many of the rarest were left out.
            None => {
                let next = fewest.saturating_add(1);
                let most = to_float(rare) + kept * to_float(fewest) + to_float(with(next)) * to_float(next);
                selection.own =
                    Selected { least: fewest, share_of_least: kept / (kept + to_float(binning.rare() as u64)) };
                selection.foreseen =
                    [to_float(rare), most].map(|count| Foreseen { count, excess: Foreseen::excess(fewest, with) });
            }
        }
        selection
    }

    /// The open bins lie beyond the range of the baseline, which holds no value there because it is its range.
    fn of_numbers(pair: &Pair<'a>, groups: &Groups) -> Self {
        let last = pair.numeric_binning().map_or(0, NumericBinning::bins).saturating_sub(1);
        let is_open = |span: &Span| *span == Span::Bins(0, 0) || *span == Span::Bins(last, last);
        let spans = groups.spans.iter().zip(&groups.baseline).enumerate();
        let left_out =
            spans.filter(|(_, (span, before))| is_open(span) && **before == 0).map(|(bin, _)| bin).collect();
        Self { binning: None, own: FREE, left_out, foreseen: [Foreseen::default(); 2], unseen: 0.0 }
    }

    pub(super) fn leaves_out(&self, bin: usize) -> bool {
        self.left_out.contains(&bin)
    }

    /// How a bin that is not left out was chosen.
    pub(super) fn of_bin(&self, bin: usize) -> Selected {
        if self.binning.is_some_and(|binning| bin < binning.categories().len()) { self.own } else { FREE }
    }

    /// What was left out, where there is any of it.
    pub(super) fn left_out(&self, groups: &Groups, part: impl Fn(f64, f64) -> f64) -> Option<LeftOut> {
        let (n, m) = groups.totals()?;
        let side = |counts: &[u64]| -> u64 { self.left_out.iter().filter_map(|bin| counts.get(*bin)).sum() };
        let (before, after) = (side(&groups.baseline), side(&groups.window));
        if before + after == 0 {
            return None;
        }
        let per_value = to_float(m) / to_float(n);
        if self.binning.is_none() {
            // One value lies beyond either end of another sample, on average; see `share` for the table.
            let mean = to_float(self.left_out.len() as u64) * part(0.0, per_value);
            return Some(LeftOut {
                mean,
                test: Test::Rise(Proportions { baseline: (1.min(n), n), window: (after, m) }),
            });
        }
        let unseen = self.binning.map_or(0, CategoricalBinning::unseen_bin);
        let foreseen = self.foreseen.iter().map(|foreseen| foreseen.count).fold(0.0, f64::max);
        let unknown = if self.left_out.contains(&unseen) { self.unseen.min(foreseen) } else { 0.0 };
        let mean = self.left_out.iter().map(|bin| {
            let known = groups.baseline.get(*bin).copied().unwrap_or(0);
            let foreseen = if *bin == unseen { unknown } else { foreseen - unknown };
            // A bin that neither side has anything in adds nothing.
            if known == 0 && foreseen == 0.0 { 0.0 } else { part(to_float(known), foreseen * per_value) }
        });
        let tables = self.foreseen.map(|foreseen| foreseen.table(n, (after, m)));
        Some(LeftOut { mean: mean.sum(), test: Test::Change(tables) })
    }
}

/// What was left out of all bins.
pub(super) struct LeftOut {
    /// What it adds to the sum on average.
    pub mean: f64,
    test: Test,
}

/// What is asked of its count.
enum Test {
    /// Whether there are more values than foreseen.
    Rise(Proportions),
    /// Whether there are fewer than the least or more than the most that is foreseen.
    Change([Proportions; 2]),
}

impl LeftOut {
    pub(super) fn p_value(&self, design_effect: f64) -> f64 {
        let [least, most] = match self.test {
            Test::Rise(table) => return table.p_value_of_rise().unwrap_or(1.0),
            Test::Change(tables) => tables.map(|table| table.thinned(design_effect)),
        };
        let change = |table: Proportions| table.change().unwrap_or(0.0);
        if change(least) >= 0.0 && change(most) <= 0.0 {
            return 1.0;
        }
        least.p_value().unwrap_or(1.0).max(most.p_value().unwrap_or(1.0))
    }
}
