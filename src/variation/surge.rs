//! A category that is too small for a statistic of its own and rises: half of the records on one of thousands of postcodes.

use serde::{Deserialize, Serialize};

use super::bursts::Bursts;
use super::dispersion::{Centre, Series, Sizes};
use super::law::{gamma_above, normal_tail};
use super::scores::{Observed, own_cells};
use super::shares::signed_root;
use super::stored::short;
use super::theta::{Quantiles, Theta};
use super::{ColumnCounts, number, size};

/// Fewer records of a window than this are no rise.
const LEAST: f64 = 10.0;
/// A rise of a single category by less than half does not count.
const TOLERATED: f64 = 1.5;

/// With as many values or fewer no category is small.
const FEW: usize = 3;

/// The share of a column's level that the test has.
pub(super) const WEIGHT: f64 = 0.05;

/// A category, or the rare and unseen ones together.
#[derive(Clone, Copy)]
struct Small {
    bin: usize,
    /// A second bin that belongs to it.
    with: Option<usize>,
    /// What another sample of the reference's size is expected to have.
    count: f64,
}

/// The categories of a reference that are tested.
pub(super) struct Surge {
    small: Vec<Small>,
    total: f64,
    theta: Theta,
    /// That of rare and unseen categories together.
    theta_together: Theta,
}

/// The category that rises the most beyond chance.
pub(super) struct Risen {
    pub bin: usize,
    pub p_value: f64,
    /// The shares in the reference and in the window.
    pub before: f64,
    pub after: f64,
}

/// What is stored: how small categories vary between the windows of a reference, and what rare ones are to be expected to have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredSurge {
    /// How many records of a window come together, on average: the variance of small shares over that of sampling; 0 without windows.
    pub dispersion: f64,
    pub degrees: f64,
    /// See [`ReferenceColumn::rare`](super::ReferenceColumn).
    pub rare: Option<f64>,
    /// Q of the share that rare and unseen categories have together; 0 without windows, and of references of earlier versions.
    #[serde(default)]
    pub together: f64,
}

impl StoredSurge {
    /// `windows` are those that are kept, with a value; empty where there are too few. `chosen` says whether the counts of the reference
    /// decided which categories are rare.
    pub(super) fn fit(kept: &[u64], windows: &[&[u64]], (rare, chosen): (Option<f64>, bool)) -> Self {
        let Bursts { dispersion, degrees } = Bursts::of(kept, windows);
        let together = Together::of(kept, windows, chosen);
        let rare = rare.map(|rare| if chosen { rare.max(short(together.records)) } else { rare });
        Self { dispersion, degrees, rare, together: together.q }
    }
}

/// What rare and unseen categories have together in windows that did not decide which these are.
struct Together {
    /// In all windows.
    records: f64,
    /// Q of their share, by its arcsine: the weighted sum of squares over the sampling variance.
    q: f64,
}

impl Together {
    /// In each window the categories that are rare in the others: what is common in one window alone is rare in the next one.
    fn of(kept: &[u64], windows: &[&[u64]], chosen: bool) -> Self {
        let known = kept.len().saturating_sub(2);
        let smallest = kept.iter().take(known).filter(|count| **count > 0).min().copied().unwrap_or(0);
        let least = if chosen { number(smallest) * (1.0 - 1.0 / size(windows.len()).max(1.0)) } else { 0.0 };
        let of = |window: &&[u64]| {
            let foreign: f64 = window.iter().skip(known).map(|count| number(*count)).sum();
            let others = window.iter().zip(kept).take(known).map(|(here, all)| (number(*here), number(*all)));
            let here: f64 = others.filter(|(here, all)| all - here < least).map(|(here, _)| here).sum();
            Observed { sum: foreign + here, of: window.iter().map(|count| number(*count)).sum() }
        };
        let windows: Vec<Observed> = windows.iter().map(of).collect();
        let total = |of: fn(&Observed) -> f64| windows.iter().map(of).sum::<f64>();
        let (records, values) = (total(|window| window.sum), total(|window| window.of));
        let q = Series::of(&Centre::Share { count: records }, values, &windows, &[]).q();
        Self { records, q: short(q) }
    }
}

/// The small categories of the counts of a reference, of which `burst` records come together; empty when there is none.
fn small(total: &[u64], rare_expected: Option<f64>, burst: f64) -> Vec<Small> {
    let counts: Vec<f64> = total.iter().map(|count| number(*count)).collect();
    let known = counts.len().saturating_sub(2);
    // Of few values each has a statistic, or the others say what it does.
    if counts.iter().take(known + 1).filter(|count| **count > 0.0).count() <= FEW {
        return Vec::new();
    }
    let own: Vec<usize> = own_cells(&counts, counts.iter().sum()).collect();
    let is_small = |(bin, count): &(usize, &f64)| **count > 0.0 && own.binary_search(bin).is_err();
    // One burst of records more than the reference has: a category is seen before it is known.
    let mut found: Vec<Small> = (0..)
        .zip(&counts)
        .take(known)
        .filter(is_small)
        .map(|(bin, count)| Small { bin, with: None, count: count + burst.max(1.0) })
        .collect();
    let rare = counts.get(known).copied().unwrap_or(0.0);
    if rare > 0.0 {
        // Which categories are rare was decided by their counts. Where it is not known what another sample has of them: in that it is those
        // that are about as rare, too.
        let at_most = || {
            let positive = || counts.iter().take(known).copied().filter(|count| *count > 0.0);
            let smallest = positive().fold(f64::INFINITY, f64::min);
            let ties: f64 = positive().filter(|count| *count <= smallest + 1.0).sum();
            rare + counts.get(known + 1).copied().unwrap_or(0.0) + ties
        };
        found.push(Small { bin: known, with: Some(known + 1), count: rare_expected.unwrap_or_else(at_most) });
    }
    found
}

impl Surge {
    /// `sizes` are those of the reference's values. `None` without a small category.
    pub(super) fn new(
        total: &[u64],
        stored: &StoredSurge,
        sizes: Sizes,
        quantiles: &mut Quantiles,
    ) -> Option<Self> {
        let small = small(total, stored.rare, stored.dispersion);
        let theta = Theta::of_ratio(stored.dispersion, stored.degrees, sizes, quantiles);
        let degrees = (size(sizes.windows) - 1.0).max(1.0);
        let theta_together = Theta::of_ratio(stored.together / degrees, degrees, sizes, quantiles);
        let total = total.iter().map(|count| number(*count)).sum();
        (!small.is_empty()).then_some(Self { small, total, theta, theta_together })
    }

    pub(super) const fn total(&self) -> f64 {
        self.total
    }

    pub(super) fn effective_size(&self, values: f64) -> f64 {
        self.theta.effective_size(values)
    }

    /// With a p-value of 1 when no category rises; `None` without a small category.
    pub(super) fn judge(&self, window: &ColumnCounts<'_>, values: f64) -> Option<Risen> {
        let count = |bin: usize| window.bins.get(bin).map_or(0.0, |count| number(*count));
        let all = self.small.iter().map(|small| {
            let found = count(small.bin) + small.with.map_or(0.0, count);
            let (before, after) = (small.count / self.total, found / values);
            // Single categories come and go; what all rare ones have together does not.
            let tolerated = if small.with.is_none() { TOLERATED } else { 1.0 };
            let rises = found >= LEAST && after > tolerated * before;
            let chance = if rises { size(self.small.len()) * self.chance(small, found, values) } else { 1.0 };
            Risen { bin: small.bin, p_value: chance.min(1.0), before, after }
        });
        all.min_by(|left, right| left.p_value.total_cmp(&right.p_value).then(right.after.total_cmp(&left.after)))
    }

    /// The chance that one category rises as far: by the root of the likelihood ratio, and by a gamma law of the mean and the variance
    /// of a rare share that comes in bursts.
    fn chance(&self, small: &Small, found: f64, values: f64) -> f64 {
        let before = (small.count / self.total).min(1.0 - 1e-9);
        let root = signed_root(found, values, small.count, self.total).max(0.0);
        let theta = if small.with.is_some() { &self.theta_together } else { &self.theta };
        let (relative, sampling) = (found / values / before, theta.sampling(values));
        let bursts = |ratio: f64| {
            let shape = before / ((1.0 - before) * sampling * ratio);
            gamma_above(relative * shape, shape)
        };
        normal_tail(root).max(theta.ratios(values).average(bursts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2,000 equal categories, 10 records of each, nothing rare, nothing unseen.
    fn uniform() -> Vec<u64> {
        let mut counts = vec![10; 2_000];
        counts.extend([0, 0]);
        counts
    }

    fn surge(total: &[u64], dispersion: f64, rare: Option<f64>) -> Surge {
        let stored = StoredSurge { dispersion, degrees: 46.0, rare, together: 0.0 };
        let values = total.iter().sum::<u64>() as f64;
        Surge::new(total, &stored, Sizes::of([values / 24.0; 24].into_iter()), &mut Quantiles::default()).unwrap()
    }

    fn window(bin: usize, found: u64) -> Vec<u64> {
        let mut bins = vec![1; 2_000];
        bins.extend([0, 0]);
        bins[bin] = found;
        bins
    }

    fn judged(surge: &Surge, bins: &[u64]) -> Option<Risen> {
        let counts = ColumnCounts { bins, nulls: 0, invalid: 0 };
        surge.judge(&counts, bins.iter().sum::<u64>() as f64)
    }

    #[test]
    fn one_of_thousands_of_categories_that_rises_is_found() {
        let surge = surge(&uniform(), 0.0, None);
        let risen = judged(&surge, &window(7, 200)).unwrap();
        assert_eq!(risen.bin, 7);
        assert!(risen.p_value < 1e-12 && risen.after > 0.09, "{}", risen.p_value);
        assert_eq!(judged(&surge, &window(7, 9)).unwrap().p_value, 1.0, "nine records are no rise");
    }

    #[test]
    fn what_comes_in_bursts_by_nature_is_no_rise() {
        let calm = judged(&surge(&uniform(), 1.0, None), &window(7, 40)).unwrap();
        let bursty = judged(&surge(&uniform(), 20.0, None), &window(7, 40)).unwrap();
        assert!(calm.p_value < 1e-3 && bursty.p_value > 0.01, "{} {}", calm.p_value, bursty.p_value);
    }

    #[test]
    fn rare_categories_rise_together() {
        let mut total = vec![5; 1_000];
        total.extend([3_000, 0]);
        let surge = self::surge(&total, 0.0, None);
        let mut bins = vec![1; 1_000];
        bins.extend([4_000, 0]);
        assert_eq!(
            judged(&surge, &bins).unwrap().p_value,
            1.0,
            "those that are as rare as the smallest may be rare by chance"
        );
        let foreseen = judged(&self::surge(&total, 0.0, Some(3_200.0)), &bins).unwrap();
        assert!(
            foreseen.bin == 1_000 && foreseen.p_value < 1e-12,
            "unless it is known what another sample has of them"
        );
        let mut total: Vec<u64> = (50..1_050).collect();
        total.extend([3_000, 0]);
        let risen = judged(&self::surge(&total, 0.0, None), &bins).unwrap();
        assert!(risen.bin == 1_000 && risen.p_value < 1e-12);
    }
}
