//! A window beside a reference.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::change::{Change, share_size};
use super::dispersion::{Centre, Sizes};
use super::law::{gamma_above, gamma_below, normal_tail};
use super::mix::{self, Cells, Mix};
use super::scores::{Observed, Scores};
use super::shares::{arcsine, signed_root, squared_root_limit};
use super::stored::{StoredColumn, StoredStatistic};
use super::stuck::{self, Stuck};
use super::surge::{self, Risen, Surge};
use super::tail::Heavy;
use super::theta::{Quantiles, Theta};
use super::{ColumnCounts, Kind, Statistic, Variation};

/// Closer to the reference than this a change's p-value is 1.
pub(super) const QUIET: f64 = 2.0;
/// A margin that is not known, because the numbers of a reference are beyond all bounds.
const LARGEST_MARGIN: f64 = 1e9;
/// At most this part of a standardised mean is explained by the skewness of the scores.
const LARGEST_SKEW: f64 = 0.3;

/// A [`Variation`] with the score functions of the reference's bins, ready to judge windows. Made once for a reference; it costs
/// some milliseconds.
pub struct Judge {
    variation: Arc<Variation>,
    columns: HashMap<String, JudgedColumn>,
}

/// One column.
pub(super) struct JudgedColumn {
    pub(super) scores: Scores,
    pub(super) statistics: Vec<Judged>,
    pub(super) stuck: Option<Stuck>,
    pub(super) mix: Option<Mix>,
    surge: Option<Surge>,
    values: Sizes,
    rows: Sizes,
}

/// One statistic that is a sum.
pub(super) struct Judged {
    pub(super) statistic: Statistic,
    pub(super) weight: f64,
    pub(super) centre: Centre,
    pub(super) theta: Theta,
    bursty: bool,
    /// The law of window effects, where it has heavy tails.
    tail: Option<Heavy>,
}

impl Judge {
    /// Puts a variation beside the bins of the reference's total counts, by column. A column is left out whose counts are not there, or
    /// whose variation does not fit them.
    #[must_use]
    pub fn new<'a>(variation: Arc<Variation>, totals: impl Fn(&str) -> Option<Cow<'a, [u64]>>) -> Self {
        let mut quantiles = Quantiles::default();
        let columns = if variation.is_sound() {
            let ready = |(name, stored): (&String, &StoredColumn)| {
                let column = JudgedColumn::new(&variation, stored, &totals(name)?, &mut quantiles)?;
                Some((name.clone(), column))
            };
            variation.columns.iter().filter_map(ready).collect()
        } else {
            HashMap::new()
        };
        Self { variation, columns }
    }

    /// What it was made of.
    #[must_use]
    pub fn variation(&self) -> &Variation {
        &self.variation
    }

    /// Every statistic of a column in a window; those of values are missing when the window or the reference has none. `None` for a
    /// column that the reference has not, and for a window on other bins.
    #[must_use]
    pub fn changes(&self, column: &str, window: &ColumnCounts<'_>) -> Option<Vec<Change>> {
        self.columns.get(column)?.changes(window)
    }

    /// The bins that a statistic of a column is about: a tail, a group, a category, the bin that stands out, what lies beyond the
    /// range. `None` of one that is about the column as a whole, and of what the reference has not.
    #[must_use]
    pub fn bins(&self, column: &str, statistic: Statistic) -> Option<Range<usize>> {
        match statistic {
            Statistic::Stuck(bin) => Some(bin..bin + 1),
            _ => self.columns.get(column)?.scores.bins_of(statistic),
        }
    }

    pub(super) fn column(&self, column: &str) -> Option<&JudgedColumn> {
        self.columns.get(column)
    }
}

impl JudgedColumn {
    fn new(
        variation: &Variation,
        stored: &StoredColumn,
        total: &[u64],
        quantiles: &mut Quantiles,
    ) -> Option<Self> {
        let scores = Scores::of(stored.kind, total);
        let fits = scores.statistics.len() == stored.statistics.len()
            && scores.statistics.iter().zip(&stored.statistics).all(|(scored, stored)| {
                scored.statistic == stored.statistic
                    && scored.is_share() == matches!(stored.centre, Centre::Share { .. })
            });
        if !fits || !stored.is_sound() {
            return None;
        }
        let heavy = variation.tail.map(Heavy::new);
        let mut judged = |stored_statistic: &StoredStatistic, weight| {
            let StoredStatistic { statistic, centre, q, degrees, bursty } = *stored_statistic;
            let sizes = if statistic.is_of_rows() { stored.rows } else { stored.values };
            let theta = Theta::new(q, degrees, sizes, variation.autocorrelation, quantiles);
            let tail = heavy.filter(|_| theta.varies());
            Judged { statistic, weight, centre, theta, bursty, tail }
        };
        let statistics = scores
            .statistics
            .iter()
            .zip(&stored.statistics)
            .map(|(scored, stored)| judged(stored, scored.weight))
            .collect();
        let (stuck, mix) = match stored.kind {
            Kind::Numeric => (Stuck::of(total), None),
            Kind::Categorical => (None, Cells::of(total).zip(stored.mix.as_ref())),
        };
        let mix = match mix {
            Some((cells, stored_mix)) if cells.len() == stored_mix.cells.len() => {
                Some(Mix::new(cells, stored_mix, stored.values, quantiles))
            }
            Some(_) => return None,
            None => None,
        };
        let surge = stored.small.as_ref().and_then(|small| Surge::new(total, small, stored.values, quantiles));
        Some(Self { scores, statistics, stuck, mix, surge, values: stored.values, rows: stored.rows })
    }

    fn changes(&self, window: &ColumnCounts<'_>) -> Option<Vec<Change>> {
        let observed = self.scores.observe(window)?;
        let values = window.values();
        let mut changes = Vec::with_capacity(observed.len() + 1);
        for (judged, observed) in self.statistics.iter().zip(observed) {
            if observed.of > 0.0 && judged.theta.total() > 0.0 {
                changes.push(judged.change(observed));
            }
        }
        if values > 0.0 && self.values.total > 0.0 {
            changes.extend(self.stuck.as_ref().and_then(|stuck| stuck_change(stuck, window, values)));
            changes.extend(self.surge.as_ref().and_then(|surge| surge_change(surge, window, values)));
            changes.extend(self.mix.as_ref().and_then(|mix| self.mix_change(mix, window, values)));
        }
        Some(changes)
    }

    fn mix_change(&self, mix: &Mix, window: &ColumnCounts<'_>, values: f64) -> Option<Change> {
        let mixed = mix.judge(window.bins, values)?;
        Some(Change {
            statistic: Statistic::Mix,
            weight: mix::WEIGHT,
            p_value: mixed.p_value,
            size: mixed.size,
            before: 0.0,
            after: mixed.size,
            margin: mixed.margin.min(LARGEST_MARGIN),
            n_window: whole(values),
            n_reference: whole(self.values.total),
            effective_size: mixed.effective_size,
        })
    }

    /// The statistics that are no sums, with their weights.
    pub(super) fn others(&self) -> Vec<(Statistic, f64)> {
        let stuck = self.stuck.as_ref().map(|_| (Statistic::Stuck(0), stuck::WEIGHT));
        let surge = self.surge.as_ref().map(|_| (Statistic::Surge(0), surge::WEIGHT));
        let mix = self.mix.as_ref().map(|_| (Statistic::Mix, mix::WEIGHT));
        [stuck, surge, mix].into_iter().flatten().collect()
    }

    /// How many of a window's records a statistic is about, as far as the reference tells.
    pub(super) fn records(&self, statistic: Statistic, rows: f64) -> f64 {
        if statistic.is_of_rows() || self.rows.total <= 0.0 {
            rows
        } else {
            rows * self.values.total / self.rows.total
        }
    }
}

fn stuck_change(stuck: &Stuck, window: &ColumnCounts<'_>, values: f64) -> Option<Change> {
    let found = stuck.judge(window)?;
    let (before, after) = (found.before / stuck.total(), found.after / values);
    let sampling = 1.0 / values + 1.0 / stuck.total();
    let both = (found.before + found.after) / (stuck.total() + values);
    Some(Change {
        statistic: Statistic::Stuck(found.bin),
        weight: stuck::WEIGHT,
        p_value: found.p_value,
        size: if after > before { share_size(before, after) } else { 0.0 },
        before,
        after,
        margin: 1.96 * (both * (1.0 - both) * sampling).max(0.0).sqrt(),
        n_window: whole(values),
        n_reference: whole(stuck.total()),
        effective_size: values,
    })
}

fn surge_change(surge: &Surge, window: &ColumnCounts<'_>, values: f64) -> Option<Change> {
    let Risen { bin, p_value, before, after } = surge.judge(window, values)?;
    let sampling = 1.0 / values + 1.0 / surge.total();
    Some(Change {
        statistic: Statistic::Surge(bin),
        weight: surge::WEIGHT,
        p_value,
        size: if after > before { share_size(before, after) } else { 0.0 },
        before,
        after,
        margin: 1.96 * (after * (1.0 - after) * sampling).sqrt(),
        n_window: whole(values),
        n_reference: whole(surge.total()),
        effective_size: surge.effective_size(values),
    })
}

impl Judged {
    fn change(&self, observed: Observed) -> Change {
        let records = observed.of;
        let total = self.theta.total();
        let before = self.centre.mean(total);
        let (p_value, size, before, after) = match self.centre {
            Centre::Mean { mean, variance, skewness } => {
                let shift = (observed.mean() - mean) / variance.sqrt();
                let quiet = self.deviations_of_mean(shift, skewness, records) < QUIET;
                let p_value = if quiet { 1.0 } else { self.chance_of_mean(shift, skewness, records) };
                (p_value, shift.abs(), 0.0, shift)
            }
            Centre::Share { count } => {
                let after = observed.mean();
                let unchanged = self.statistic.is_one_sided() && after <= before;
                let size = if unchanged { 0.0 } else { share_size(before, after) };
                let quiet = unchanged || self.is_quiet_share(observed, count);
                let p_value = if quiet { 1.0 } else { self.chance_of_share(observed, count) };
                (p_value, size, before, after)
            }
        };
        Change {
            statistic: self.statistic,
            weight: self.weight,
            p_value,
            size,
            before,
            after,
            margin: (1.96 * self.deviation(records)).min(LARGEST_MARGIN),
            n_window: whole(records),
            n_reference: whole(total),
            effective_size: self.theta.effective_size(records),
        }
    }

    /// The standard deviation of a window's share, or of its standardised mean, less the reference's.
    pub(super) fn deviation(&self, records: f64) -> f64 {
        let variance = match self.centre {
            Centre::Mean { .. } => 1.0,
            Centre::Share { count } => {
                // Half a record more, so that a share of 0 has a deviation.
                let share = ((count + 0.5) / (self.theta.total() + 1.0)).min(1.0);
                share * (1.0 - share)
            }
        };
        (variance * self.theta.sampling(records) * self.theta.ratio(records)).sqrt()
    }

    /// The reference's share; `None` of a mean of scores.
    pub(super) fn share(&self) -> Option<f64> {
        matches!(self.centre, Centre::Share { .. }).then(|| self.centre.mean(self.theta.total()))
    }

    /// How many standard deviations of sampling a standardised mean lies off.
    fn deviations_of_mean(&self, shift: f64, skewness: f64, records: f64) -> f64 {
        let z = (shift / self.theta.sampling(records).sqrt()).abs();
        let skewed = shift.signum() * skewness / records.sqrt() * (z * z - 1.0) / 6.0;
        z - skewed.max(0.0).min(LARGEST_SKEW * z)
    }

    /// The chance of a standardised mean that lies as far off.
    pub(super) fn chance_of_mean(&self, shift: f64, skewness: f64, records: f64) -> f64 {
        let z = self.deviations_of_mean(shift, skewness, records);
        self.with_tail(self.theta.ratios(records).average(|ratio| 2.0 * normal_tail(z / ratio.sqrt())))
    }

    /// How many standard deviations of sampling a share lies off, by the root of the likelihood ratio.
    fn root(&self, observed: Observed, count: f64) -> f64 {
        signed_root(observed.sum, observed.of, count, self.theta.total()).abs()
    }

    /// Likewise, by the arcsine.
    fn angle(&self, observed: Observed) -> f64 {
        let before = self.centre.mean(self.theta.total());
        2.0 * (arcsine(observed.mean()) - arcsine(before)).abs() / self.theta.sampling(observed.of).sqrt()
    }

    fn is_quiet_share(&self, observed: Observed, count: f64) -> bool {
        let limit = squared_root_limit(observed.sum, observed.of, count, self.theta.total());
        self.angle(observed) < QUIET && (limit < QUIET * QUIET || self.root(observed, count) < QUIET)
    }

    /// The chance of a share that lies as far off. Where sampling rules, by the root of the likelihood ratio; where the variance
    /// between windows rules, by the arcsine.
    pub(super) fn chance_of_share(&self, observed: Observed, count: f64) -> f64 {
        let (root, angle) = (self.root(observed, count), self.angle(observed));
        let chance = |ratio: f64| 2.0 * normal_tail((angle / ratio.sqrt() + (root - angle) / ratio).max(0.0));
        let p_value = self.with_tail(self.theta.ratios(observed.of).average(chance).min(1.0));
        if self.bursty { p_value.max(self.bursty_chance(observed)) } else { p_value }
    }

    fn with_tail(&self, p_value: f64) -> f64 {
        self.tail.map_or(p_value, |tail| tail.heavier(p_value))
    }

    /// A rare share that comes in bursts has about a gamma law, with its mean and variance.
    fn bursty_chance(&self, observed: Observed) -> f64 {
        let before = self.centre.mean(self.theta.total());
        let sampling = self.theta.sampling(observed.of);
        let relative = observed.mean() / before;
        let tail = |ratio: f64| {
            let shape = before / ((1.0 - before) * sampling * ratio);
            if relative > 1.0 {
                gamma_above(relative * shape, shape)
            } else {
                gamma_below(relative * shape, shape)
            }
        };
        (2.0 * self.theta.ratios(observed.of).average(tail)).min(1.0)
    }
}

/// A number of records that was added up as a float.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates, as it should"
)]
pub(super) const fn whole(records: f64) -> u64 {
    records as u64
}
