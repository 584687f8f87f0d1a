//! A value that got stuck: one bin rises above its neighbours. A shift or a change of spread moves neighbours together, so the test does
//! not see them and needs no theta.

use super::law::normal_tail;
use super::shares::{signed_root, squared_root_limit};
use super::{ColumnCounts, number, size};

/// How many bins on either side are neighbours.
const REACH: usize = 4;
/// A bin with more of the values may be large by nature.
const LARGEST_BIN: f64 = 0.02;
/// So may one in a neighbourhood with more.
const LARGEST_NEIGHBOURHOOD: f64 = 0.10;
/// A rise by less than half does not count.
const TOLERATED: f64 = 1.5;
/// With a root below this the p-value over some bins is 1.
const QUIET: f64 = 2.0;

/// The share of a column's level that the test has.
pub(super) const WEIGHT: f64 = 0.10;

/// The bins of a reference that are tested.
pub(super) struct Stuck {
    bins: Vec<Tested>,
    total: f64,
}

#[derive(Clone, Copy)]
struct Tested {
    bin: usize,
    count: f64,
    /// The bin and its neighbours.
    around: f64,
}

/// The bin that stands out the most.
pub(super) struct Outstanding {
    pub bin: usize,
    pub p_value: f64,
    /// The reference's values in it.
    pub before: f64,
    /// The window's.
    pub after: f64,
}

impl Stuck {
    /// `None` when no bin can be tested.
    pub(super) fn of(total: &[u64]) -> Option<Self> {
        let values: f64 = total.iter().map(|count| number(*count)).sum();
        // The outermost bins are open.
        let bins: Vec<Tested> = neighbourhoods(total)
            .filter(|tested| {
                tested.count <= LARGEST_BIN * values && tested.around <= LARGEST_NEIGHBOURHOOD * values
            })
            .collect();
        (values > 0.0 && !bins.is_empty()).then_some(Self { bins, total: values })
    }

    /// The reference's values.
    pub(super) const fn total(&self) -> f64 {
        self.total
    }

    /// A window with a value, on the reference's bins.
    pub(super) fn judge(&self, counts: &ColumnCounts<'_>) -> Option<Outstanding> {
        let mut highest: Option<(f64, Tested, Tested)> = None;
        let mut seen = neighbourhoods(counts.bins);
        for tested in &self.bins {
            let Some(found) = seen.by_ref().find(|found| found.bin == tested.bin) else { break };
            let root = tested.root(found);
            if highest.as_ref().is_none_or(|(before, _, _)| root > *before) {
                highest = Some((root, *tested, found));
            }
        }
        highest.map(|(root, tested, found)| Outstanding {
            bin: tested.bin,
            p_value: if root > QUIET { (normal_tail(root) * size(self.bins.len())).min(1.0) } else { 1.0 },
            before: tested.count,
            after: found.count,
        })
    }

    /// The smallest rise of a bin's share that is found with 80 % in a window of so many values, at a p-value.
    pub(super) fn detectable(&self, values: f64, p_value: f64) -> (f64, f64) {
        let bins = size(self.bins.len());
        let count = self.bins.iter().map(|tested| tested.count).sum::<f64>() / bins;
        let around = self.bins.iter().map(|tested| tested.around).sum::<f64>() / bins;
        let typical = Tested { bin: 0, count, around };
        let needed = -super::law::normal_quantile((p_value / bins).clamp(1e-300, 0.5));
        let rises = |rise: f64| {
            let expected = values * (count / self.total * (1.0 - rise) + rise);
            let least = expected - 0.84 * expected.sqrt();
            let around = values * (around / self.total * (1.0 - rise) + rise);
            least > 0.0 && typical.root(Tested { bin: 0, count: least, around: around.max(least) }) >= needed
        };
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..50 {
            let middle = f64::midpoint(low, high);
            if rises(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        (count / self.total, high)
    }
}

impl Tested {
    /// The signed root of the likelihood ratio of the window's bin in its neighbourhood; without its digits where it says nothing.
    fn root(&self, found: Self) -> f64 {
        let reference = (TOLERATED * self.count + 1.0).min(0.9 * (self.around + 1.0));
        let total = self.around + 1.0;
        if found.around <= 0.0 {
            return 0.0;
        }
        let rise = found.count * total - reference * found.around;
        let limit = squared_root_limit(found.count, found.around, reference, total);
        if rise <= 0.0 || limit < QUIET * QUIET {
            return limit.sqrt().copysign(rise).min(QUIET);
        }
        signed_root(found.count, found.around, reference, total)
    }
}

/// The bins that have neighbours on both sides, without the open ones.
fn neighbourhoods(bins: &[u64]) -> impl Iterator<Item = Tested> {
    let closed = bins.get(1..bins.len().saturating_sub(1)).unwrap_or_default();
    closed.windows(2 * REACH + 1).zip(REACH + 1..).filter_map(|(around, bin)| {
        let count = around.get(REACH).copied().map(number)?;
        Some(Tested { bin, count, around: around.iter().map(|count| number(*count)).sum() })
    })
}
