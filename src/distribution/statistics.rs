//! Mean, standard deviation and quantiles of a numeric column: what is known of them, and nothing that is not.

use super::bins::{Bins, NumericCounts, UniversalCounts};
use super::column::Distribution;
use super::detail::{Stretch, Zone, ZoneLayout};
use super::moments::{ValueGroup, bucket_ruler, together};
use super::total;
use crate::binning::{Binning, NumericBinning};

/// The levels of the quantiles that are looked at and shown.
pub const LEVELS: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// Where a quantile lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Located {
    /// Here, to four digits.
    At(f64),
    /// About here, to half a standard deviation of the values: interpolated between these bounds or estimated from a
    /// sample. A bound is open where nothing is known.
    Near {
        /// The estimate.
        value: f64,
        /// Where it lies.
        bounds: (Option<f64>, Option<f64>),
    },
    /// Between these; open where nothing is known.
    Between(Option<f64>, Option<f64>),
}

impl Located {
    /// The value, where it is known or estimated.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        match self {
            Self::At(value) | Self::Near { value, .. } => Some(value),
            Self::Between(..) => None,
        }
    }

    /// From where to where it may lie; open where nothing is known.
    #[must_use]
    pub fn bounds(self) -> (Option<f64>, Option<f64>) {
        match self {
            Self::At(value) => (Some(value), Some(value)),
            Self::Near { bounds, .. } => bounds,
            Self::Between(low, high) => (low, high),
        }
    }

    /// With the quantile of a sample where the counts tell no value; as it was when the sample contradicts the counts.
    #[must_use]
    pub fn or_estimate(self, value: f64) -> Self {
        let (low, high) = self.bounds();
        let fits = low.is_none_or(|low| low <= value) && high.is_none_or(|high| value <= high);
        if self.value().is_none() && fits { Self::Near { value, bounds: (low, high) } } else { self }
    }
}

/// Values at one place, as far as they can be told apart.
#[derive(Clone, Copy, Debug)]
struct Spot {
    low: Option<f64>,
    high: Option<f64>,
    mean: f64,
    count: u64,
}

impl From<Stretch> for Spot {
    fn from(stretch: Stretch) -> Self {
        Self {
            low: Some(stretch.low),
            high: Some(stretch.high),
            mean: stretch.group.mean,
            count: stretch.group.count,
        }
    }
}

/// One in so many values at each end is not looked at where a few must not decide.
const ENDS: u64 = 100;

/// A difference of this share of a value is not seen in the four digits it is written with.
const UNSEEN: f64 = 5e-4;

impl Distribution {
    /// The mean of a numeric column; `None` without a value, on other columns, and where counts of an earlier version of
    /// driftd do not say it.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        self.known_place().map(|(mean, _)| mean)
    }

    /// The population standard deviation of a numeric column; `None` as for [`Self::mean`]. It is that of the values, not
    /// of their bins; only counts of an earlier version, which have no squares, give that of the bins' means, and none when
    /// values lie beyond the range.
    #[must_use]
    pub fn deviation(&self) -> Option<f64> {
        self.known_place().and_then(|(_, deviation)| deviation)
    }

    fn known_place(&self) -> Option<(f64, Option<f64>)> {
        *self.derived.place.get_or_init(|| self.computed_place())
    }

    fn computed_place(&self) -> Option<(f64, Option<f64>)> {
        let found = if let Some(groups) = self.groups() {
            together(&groups).map(|(mean, deviation)| (mean, Some(deviation)))
        } else {
            self.place_of_bins()
        };
        found.filter(|(mean, deviation)| mean.is_finite() && deviation.is_none_or(f64::is_finite))
    }

    /// All values in groups of known moments; `None` when some are not known, as in counts of an earlier version.
    fn groups(&self) -> Option<Vec<ValueGroup>> {
        match (&self.bins, self.binning()) {
            (Bins::Numeric(NumericCounts { detail, .. }), Binning::Numeric(binning)) => {
                (detail.count() == self.present()).then(|| detail.groups(&ZoneLayout::of(binning)))
            }
            (Bins::Universal(UniversalCounts { moments, .. }), _) => {
                let groups: Vec<ValueGroup> =
                    moments.iter().filter_map(|(bucket, moments)| moments.group(bucket_ruler(*bucket))).collect();
                (total(groups.iter().map(|group| group.count)) == self.present()).then_some(groups)
            }
            _ => None,
        }
    }

    /// Mean and deviation of the means of bins, for counts that have no more.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    fn place_of_bins(&self) -> Option<(f64, Option<f64>)> {
        let means: Vec<ValueGroup> = match (&self.bins, self.binning()) {
            (Bins::Numeric(NumericCounts { counts, offsets, .. }), _) => {
                // A sum of this size may hide a value so far away that it was cut off.
                let open = [0, counts.len().saturating_sub(1)];
                if open.iter().any(|bin| offsets.get(*bin).is_some_and(|sum| NumericBinning::may_be_cut(*sum))) {
                    return None;
                }
                let group = |(bin, count): (usize, u64)| {
                    Some(ValueGroup { count, mean: self.bin_sum(bin)? / count as f64, deviation: 0.0 })
                };
                counts.touched().filter_map(group).collect()
            }
            (Bins::Universal(universal), _) => {
                universal.stretches().into_iter().map(|stretch| stretch.group).collect()
            }
            _ => return None,
        };
        let (mean, deviation) = together(&means)?;
        let beyond = |(bin, count): (usize, &u64)| *count > 0 && (bin == 0 || bin + 1 == self.counts().len());
        let known = !self.counts().iter().enumerate().any(beyond);
        Some((mean, known.then_some(deviation)))
    }

    /// The part of the variance of the values that lies within the universal buckets they were counted in, from 0 (each bucket
    /// holds one value) to 1 (one bucket holds all): how much of the differences between values was not seen. A hundredth of
    /// the values at each end is left out, since a single outlier may have any variance. `None` on other bins, without a
    /// value, and where counts of an earlier version do not say it.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn variance_within(&self) -> Option<f64> {
        let Bins::Universal(universal) = &self.bins else { return None };
        if universal.with_moments() != self.present() {
            return None;
        }
        let groups = universal.stretches().into_iter().map(|stretch| stretch.group);
        let (all, mut before) = (self.present(), 0u64);
        let is_inner = |group: &ValueGroup| {
            let (first, end) = (before, before.saturating_add(group.count));
            before = end;
            end.saturating_mul(ENDS) > all && first.saturating_mul(ENDS) < all.saturating_mul(ENDS - 1)
        };
        let inner: Vec<ValueGroup> = groups.filter(is_inner).collect();
        let (_, deviation) = together(&inner)?;
        if deviation == 0.0 {
            return Some(0.0);
        }
        let number = total(inner.iter().map(|group| group.count)) as f64;
        let within = inner.iter().map(|group| (group.deviation / deviation).powi(2) * group.count as f64 / number);
        Some(within.sum::<f64>().min(1.0))
    }

    /// Where a quantile of a numeric column lies (linear interpolation of the order statistics, numpy's default); `None`
    /// without a value and on other columns. `level` is from 0 to 1.
    #[must_use]
    pub fn quantile(&self, level: f64) -> Option<Located> {
        let spots = self.spots()?;
        let [found] = quantiles_of(&spots, [level], self.deviation())?;
        Some(found)
    }

    /// The 5, 25, 50, 75 and 95 % quantiles; `None` as for [`Self::quantile`].
    #[must_use]
    pub fn quantiles(&self) -> Option<[Located; 5]> {
        quantiles_of(&self.spots()?, LEVELS, self.deviation())
    }

    /// Values beyond an end of the baseline's range, by increasing value: the mean of each place and how many lie there.
    /// `None` on other columns and where that is not known.
    pub(crate) fn beyond(&self, above: bool) -> Option<Vec<(f64, f64, f64, u64)>> {
        let (Bins::Numeric(NumericCounts { counts, detail, .. }), Binning::Numeric(binning)) =
            (&self.bins, self.binning())
        else {
            return None;
        };
        let (zone, count) = if above {
            (Zone::Above, counts.get(counts.len().checked_sub(1)?)?)
        } else {
            (Zone::Below, counts.get(0)?)
        };
        (detail.count_in(zone) == *count).then(|| {
            let stretches = detail.stretches(&ZoneLayout::of(binning), zone);
            stretches.into_iter().map(|it| (it.low, it.high, it.group.mean, it.group.count)).collect()
        })
    }

    fn spots(&self) -> Option<Vec<Spot>> {
        match (&self.bins, self.binning()) {
            (Bins::Numeric(NumericCounts { counts, detail, .. }), Binning::Numeric(binning)) => {
                let layout = ZoneLayout::of(binning);
                let (core, last) = (layout.core_bins(), counts.len().saturating_sub(1));
                let filled = |bin: &usize| counts.get(*bin).is_some_and(|count| *count > 0);
                let parts = [
                    (Some(Zone::Below), 0..1),
                    (Some(Zone::Low), 1..core.start),
                    (None, core.clone()),
                    (Some(Zone::High), core.end..last),
                    (Some(Zone::Above), last..counts.len()),
                ];
                let mut spots = Vec::new();
                for (zone, bins) in parts {
                    let bins: Vec<usize> = bins.filter(filled).collect();
                    let all = total(bins.iter().filter_map(|bin| counts.get(*bin)).copied());
                    // A bin of one value tells more than any bucket.
                    let finer = zone.filter(|zone| {
                        detail.count_in(*zone) == all && !bins.iter().all(|bin| binning.is_atom(*bin))
                    });
                    match finer {
                        Some(zone) => spots.extend(detail.stretches(&layout, zone).into_iter().map(Spot::from)),
                        None => spots.extend(bins.into_iter().filter_map(|bin| self.spot(binning, bin))),
                    }
                }
                Some(spots)
            }
            (Bins::Universal(universal), _) => Some(universal.stretches().into_iter().map(Spot::from).collect()),
            _ => None,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    fn spot(&self, binning: &NumericBinning, bin: usize) -> Option<Spot> {
        let count = *self.counts().get(bin)?;
        let (low, high) = binning.ends(bin);
        if let Some(value) = binning.atom(bin) {
            return Some(Spot { low: Some(value), high: Some(value), mean: value, count });
        }
        Some(Spot { low, high, mean: self.bin_sum(bin)? / count as f64, count })
    }
}

/// Quantiles of places in increasing order, as far as the places are narrow enough beside the spread of all values.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts stay far below 2^53"
)]
fn quantiles_of<const N: usize>(spots: &[Spot], levels: [f64; N], deviation: Option<f64>) -> Option<[Located; N]> {
    let last = total(spots.iter().map(|spot| spot.count)).checked_sub(1)?;
    let holding = |rank: u64| {
        let mut before = 0u64;
        spots.iter().find(|spot| {
            before = before.saturating_add(spot.count);
            before > rank
        })
    };
    // Halves: the width may be larger than any float.
    let within =
        |spot: &Spot, half: f64| spot.low.zip(spot.high).is_some_and(|(low, high)| high / 2.0 - low / 2.0 <= half);
    let exact = |spot: &Spot| within(spot, spot.mean.abs() * UNSEEN / 2.0);
    let known = |spot: &Spot| exact(spot) || within(spot, deviation.unwrap_or(0.0) / 4.0);
    let mut found = [Located::Between(None, None); N];
    for (place, level) in found.iter_mut().zip(levels) {
        let position = last as f64 * level;
        let rank = position.floor() as u64;
        let part = position - rank as f64;
        let low = holding(rank)?;
        let high = if part > 0.0 { holding(rank.saturating_add(1).min(last))? } else { low };
        let (value, bounds) = ((1.0 - part) * low.mean + part * high.mean, (low.low, high.high));
        *place = if exact(low) && exact(high) {
            Located::At(value)
        } else if known(low) && known(high) {
            Located::Near { value, bounds }
        } else {
            Located::Between(bounds.0, bounds.1)
        };
    }
    Some(found)
}
