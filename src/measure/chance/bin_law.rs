//! The law of one bin when nothing changed: which counts it may have on both sides, and what each adds to a sum.

use super::to_float;
use crate::measure::law::binomial_mass;

/// Both sizes, baseline first, and what smoothing adds to each count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub n: f64,
    pub m: f64,
    /// Added to every count, and to the sizes as often as there are bins.
    pub half: f64,
    pub bins: f64,
}

impl Sizes {
    pub(super) fn of((n, m): (u64, u64), half: f64, bins: usize) -> Self {
        Self { n: to_float(n), m: to_float(m), half, bins: to_float(bins as u64) }
    }

    /// The share of the values of both sides that are the baseline's.
    pub(super) fn mine(&self) -> f64 {
        self.n / (self.n + self.m)
    }

    /// `1/n + 1/m`.
    pub(super) fn spread(&self) -> f64 {
        1.0 / self.n + 1.0 / self.m
    }

    /// Whether what smoothing takes off the shares of well filled bins is not small against this relative deviation of them.
    fn smoothing_shows(&self, deviation: f64) -> bool {
        let taken = self.half * self.bins * (1.0 / self.n - 1.0 / self.m).abs();
        taken > deviation * SMALL
    }

    /// The shares of a bin on both sides.
    pub(super) fn shares(&self, before: f64, after: f64) -> (f64, f64) {
        let more = self.half * self.bins;
        ((before + self.half) / (self.n + more), (after + self.half) / (self.m + more))
    }
}

/// A sum over bins: what a bin adds, and what that becomes where both counts are large.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    /// Of the sizes and the counts of both sides.
    pub part: fn(&Sizes, f64, f64) -> f64,
    /// Of the sizes and the count of both sides together.
    pub large: fn(&Sizes, f64) -> Large,
    /// Whether it grows as the differences of shares do, not as their squares.
    pub is_distance: bool,
}

/// What a bin of many values adds, by the standardised deviation z of its count.
#[derive(Clone, Copy, Debug)]
pub(super) enum Large {
    /// This times z squared.
    Square(f64),
    /// This times the absolute value of z.
    Absolute(f64),
}

/// From this many expected values on the smaller side a bin's count is normal.
const MANY: f64 = 40.0;
/// What is small against a standard deviation.
const SMALL: f64 = 0.1;
/// Steps to a standard deviation where there are so many counts, without a selection and with one: a smooth law is summed up to
/// 3e-9 by steps of a standard deviation, a cut one is not.
const FINE: [f64; 2] = [1.0, 2.0];
/// From this many counts to a step on the chance of the next is computed by itself.
const FAR: f64 = 16.0;

/// Counts that are so many times less likely than the likeliest do not count.
const NEGLIGIBLE: f64 = 1e-10;

/// The law of a bin that both sides together have `count` times.
#[derive(Clone, Debug)]
pub(super) enum BinLaw {
    /// Count by count.
    Listed(Vec<Outcome>),
    /// Of a normal count with this standard deviation.
    Normal(Large, f64),
}

/// What may come of a bin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// The baseline's count less what it has on average without a selection.
    pub offset: f64,
    /// What it adds to the sum.
    pub part: f64,
    pub chance: f64,
}

/// Chances of the counts of a selected bin: no bin has fewer values of the baseline than `least`, and this share of those
/// that have as many got one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Selected {
    pub least: u64,
    pub share_of_least: f64,
}

impl BinLaw {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub(super) fn new(sum: &Sum, sizes: &Sizes, count: u64, selected: Selected) -> Self {
        let (all, mine) = (count as f64, sizes.mine());
        let expected = all * mine;
        let deviation = (all * mine * (1.0 - mine)).sqrt();
        let is_cut = selected.least as f64 > expected - 8.0 * deviation;
        if expected.min(all - expected) >= MANY
            && !is_cut
            && !sizes.smoothing_shows(deviation / expected.min(all - expected))
        {
            return Self::Normal((sum.large)(sizes, all), deviation);
        }
        let mut outcomes = Vec::new();
        let mut list = |before: f64, chance: f64| {
            let kept = match before.total_cmp(&(selected.least as f64)) {
                std::cmp::Ordering::Less => return,
                std::cmp::Ordering::Equal => selected.share_of_least,
                std::cmp::Ordering::Greater => 1.0,
            };
            let part = (sum.part)(sizes, before, all - before);
            outcomes.push(Outcome { offset: before - expected, part, chance: chance * kept });
        };
        // From the likeliest count towards both ends; of many counts some are enough.
        let mode = ((all + 1.0) * mine).floor().min(all);
        let [smooth, cut] = FINE;
        let step = (deviation / if is_cut { cut } else { smooth }).floor().max(1.0);
        let (first, odds) = (binomial_mass(mode, all, mine), mine / (1.0 - mine));
        for direction in [1.0, -1.0] {
            let (mut before, mut chance) = (mode, 1.0);
            while (0.0..=all).contains(&before) && chance > NEGLIGIBLE {
                if direction > 0.0 || before < mode {
                    list(before, chance);
                }
                let next = before + direction * step;
                if step >= FAR {
                    chance = binomial_mass(next, all, mine) / first;
                    before = next;
                }
                while before != next {
                    chance *= if direction > 0.0 {
                        (all - before) / (before + 1.0) * odds
                    } else {
                        before / (all - before + 1.0) / odds
                    };
                    before += direction;
                }
            }
        }
        let whole: f64 = outcomes.iter().map(|outcome| outcome.chance).sum();
        if whole <= 0.0 {
            // Selected as it is: the count that it has at least.
            let before = (selected.least as f64).min(all);
            let part = (sum.part)(sizes, before, all - before);
            return Self::Listed(vec![Outcome { offset: before - expected, part, chance: 1.0 }]);
        }
        for outcome in &mut outcomes {
            outcome.chance /= whole;
        }
        Self::Listed(outcomes)
    }
}
