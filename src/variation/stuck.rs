//! A value that got stuck: one bin rises above its neighbours. A shift or a change of spread moves neighbours together, so the test does
//! not see them and needs no theta.

use super::detectable::POWER;
use super::law::{crossing, normal_quantile, normal_tail};
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
    /// A bin of the usual size.
    usual: Tested,
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
        let mean = |of: &dyn Fn(&Tested) -> f64| bins.iter().map(of).sum::<f64>() / size(bins.len());
        let usual = Tested { bin: 0, count: mean(&|tested| tested.count), around: mean(&|tested| tested.around) };
        (values > 0.0 && !bins.is_empty()).then_some(Self { bins, usual, total: values })
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

    /// The shares of a bin in a window of so many values: as it is in the reference, that whose p-value equals a level, and the
    /// smallest that is found with 80 %. Of a bin that is not tested those of one of the usual size.
    pub(super) fn detectable(&self, bin: usize, values: f64, level: f64) -> (f64, f64, f64) {
        let tested = self.bins.binary_search_by_key(&bin, |tested| tested.bin).ok();
        let tested = *tested.and_then(|place| self.bins.get(place)).unwrap_or(&self.usual);
        let wanted = -normal_quantile((level / size(self.bins.len())).clamp(1e-300, 0.5));
        let (count, around) = (tested.count / self.total * values, tested.around / self.total * values);
        // The root of a count has about the same variance whatever it is.
        let rise = crossing(wanted, wanted, |rise| {
            let found = (count.sqrt() + rise).powi(2);
            tested.root(Tested { count: found, around: around + found - count, ..tested })
        });
        let floor = count.sqrt() + rise;
        // Where a count lies 0.84 of its own deviations above that.
        let found = f64::midpoint(POWER, POWER.hypot(2.0 * floor));
        let share = |root: f64| (root * root / values).min(1.0);
        (tested.count / self.total, share(floor), share(found))
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
