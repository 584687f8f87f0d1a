//! From a reference's windows to its natural variation.

use std::collections::BTreeMap;

use super::autocorrelation::{VARIES, degrees, pooled};
use super::dispersion::{BURSTY, Centre, Dispersion, Series, Sizes};
use super::mix::{Cells, StoredMix};
use super::outlying::{outlying, says_something};
use super::prior::{Family, Own, Prior, priors};
use super::scores::{Observed, Score, Scored, Scores, moments};
use super::stored::{StoredColumn, StoredStatistic, VERSION, short};
use super::surge::StoredSurge;
use super::tail::{self, Effect};
use super::theta::{Quantiles, Theta};
use super::{ColumnCounts, Foreign, Kind, LEAST_WINDOWS, ReferenceColumn, Statistic, Variation, number, size};

/// An incident: windows that are left out in as many columns, and in this part of them.
const INCIDENT_COLUMNS: f64 = 3.0;
const INCIDENT_PART: f64 = 0.2;

impl Variation {
    /// Learns the natural variation of a reference from all columns of a monitor: what a single column does not show is pooled.
    ///
    /// The order of the windows matters for the autocorrelation alone. Of two columns with the same name the last one counts.
    #[must_use]
    pub fn fit(columns: &[ReferenceColumn<'_>]) -> Self {
        let windows = columns.iter().map(|column| column.windows.len()).max().unwrap_or(0);
        let fits: Vec<ColumnFit<'_>> = columns.iter().map(ColumnFit::new).collect();
        let autocorrelation = pooled(windows, fits.iter().flat_map(|fit| fit.own.iter()));
        let tail = tail::pooled(residuals(&fits, windows, autocorrelation));
        let priors = priors(fits.iter().map(|fit| fit.families(autocorrelation)));
        let columns =
            fits.iter().map(|fit| (fit.column.name.to_owned(), fit.stored(autocorrelation, &priors))).collect();
        Self { version: VERSION, windows, autocorrelation, tail, columns }
    }
}

/// Residuals of all statistics that vary, from all windows but those of an incident: heavy tails must not be cut off before they
/// are measured.
fn residuals(fits: &[ColumnFit<'_>], windows: usize, autocorrelation: f64) -> Vec<f64> {
    let columns = size(fits.len());
    let incident: Vec<bool> = (0..windows)
        .map(|window| {
            let hit = fits.iter().filter(|fit| fit.left_out.get(window) == Some(&true)).count();
            size(hit) >= INCIDENT_COLUMNS.max(INCIDENT_PART * columns)
        })
        .collect();
    let mut quantiles = Quantiles::default();
    let mut residuals = Vec::new();
    for fit in fits.iter().filter(|fit| fit.learns) {
        for (scored, series) in fit.scores.statistics.iter().zip(&fit.all) {
            let dispersion = series.dispersion();
            if dispersion.ratio() <= VARIES || !says_something(scored, series) {
                continue;
            }
            let sizes = Sizes::of(series.points.iter().map(|point| point.records));
            let degrees = degrees(dispersion.windows, autocorrelation);
            let theta = Theta::new(dispersion.ratio() * degrees, degrees, sizes, autocorrelation, &mut quantiles);
            let effects: Vec<Effect> = series
                .points
                .iter()
                .filter(|point| incident.get(point.window) != Some(&true))
                .map(|point| Effect { value: point.value, variance: 1.0 / point.records + theta.shown() })
                .collect();
            residuals.extend(tail::residuals(&effects));
        }
    }
    residuals
}

/// One column on its own.
struct ColumnFit<'a> {
    column: &'a ReferenceColumn<'a>,
    scores: Scores,
    /// Whether it has windows enough.
    learns: bool,
    left_out: Vec<bool>,
    values: Sizes,
    rows: Sizes,
    centres: Vec<Centre>,
    /// Each statistic in all windows.
    all: Vec<Series>,
    /// Its dispersion in the windows that are kept; empty when the column does not learn.
    own: Vec<Dispersion>,
    mix: Option<StoredMix>,
}

impl<'a> ColumnFit<'a> {
    fn new(column: &'a ReferenceColumn<'a>) -> Self {
        let scores = Scores::of(column.kind, column.total.bins);
        let observed = observed(column, &scores);
        let filled = column.windows.iter().filter(|window| window.rows() > 0.0).count();
        let mut fit = Self {
            column,
            learns: filled >= LEAST_WINDOWS,
            left_out: vec![false; column.windows.len()],
            values: Sizes::whole(column.total.values()),
            rows: Sizes::whole(column.total.rows()),
            centres: Vec::new(),
            all: Vec::new(),
            own: Vec::new(),
            mix: None,
            scores,
        };
        if fit.learns {
            fit.settle(&observed);
            fit.all = fit.series(&observed);
            fit.left_out = outlying(filled, column.windows.len(), fit.scores.statistics.iter().zip(&fit.all));
            fit.settle(&observed);
            fit.own = fit.series(&observed).iter().map(Series::dispersion).collect();
        } else {
            fit.centres = fit.centres_of(column.total.bins, &column.total, &observed);
        }
        fit.mix = fit.mix();
        fit
    }

    /// Sizes and centres of the windows that are kept.
    fn settle(&mut self, observed: &[Vec<Observed>]) {
        let kept: Vec<&ColumnCounts<'_>> = self.kept().collect();
        self.values = Sizes::of(kept.iter().map(|window| window.values()));
        self.rows = Sizes::of(kept.iter().map(|window| window.rows()));
        let bins = summed(self.column.total.bins.len(), &kept);
        let sum = |of: &dyn Fn(&ColumnCounts<'_>) -> u64| {
            kept.iter().fold(0u64, |sum, window| sum.saturating_add(of(window)))
        };
        let pooled = ColumnCounts {
            bins: &bins,
            nulls: sum(&|window| window.nulls),
            invalid: sum(&|window| window.invalid),
        };
        self.centres = self.centres_of(&bins, &pooled, observed);
    }

    fn kept(&self) -> impl Iterator<Item = &'a ColumnCounts<'a>> {
        let bins = self.column.total.bins.len();
        self.column
            .windows
            .iter()
            .zip(&self.left_out)
            .filter(move |(window, left_out)| !**left_out && window.bins.len() == bins)
            .map(|(window, _)| window)
    }

    fn centres_of(&self, bins: &[u64], pooled: &ColumnCounts<'_>, observed: &[Vec<Observed>]) -> Vec<Centre> {
        let counts = self.scores.observe(pooled).unwrap_or_default();
        self.scores
            .statistics
            .iter()
            .zip(counts)
            .zip(observed)
            .map(|((scored, count), windows)| match (&scored.score, &self.column.foreign) {
                (Score::Bins(scores), _) => Centre::of_moments(moments(scores, bins)),
                (Score::Unseen, Foreign::Singletons(once)) if !self.learns => {
                    Centre::Share { count: (count.sum + number(*once)).min(count.of) }
                }
                (Score::Unseen, Foreign::Independent) if !self.learns => {
                    Centre::Share { count: (count.sum + once(self.column.total.bins)).min(count.of) }
                }
                (Score::Unseen, _) => {
                    let kept = windows.iter().zip(&self.left_out).filter(|(_, left_out)| !**left_out);
                    let sum = kept.map(|(window, _)| window.sum).sum::<f64>();
                    Centre::Share { count: sum.max(count.sum).min(count.of) }
                }
                _ => Centre::Share { count: count.sum },
            })
            .collect()
    }

    fn series(&self, observed: &[Vec<Observed>]) -> Vec<Series> {
        self.scores
            .statistics
            .iter()
            .zip(&self.centres)
            .zip(observed)
            .map(|((scored, centre), windows)| {
                Series::of(centre, self.sizes(scored.statistic).total, windows, &self.left_out)
            })
            .collect()
    }

    const fn sizes(&self, statistic: Statistic) -> Sizes {
        if statistic.is_of_rows() { self.rows } else { self.values }
    }

    fn mix(&self) -> Option<StoredMix> {
        if self.column.kind != Kind::Categorical {
            return None;
        }
        let total = self.column.total.bins;
        let cells = Cells::of(total)?;
        if !self.learns {
            return Some(StoredMix::fit(&cells, total, total, &[]));
        }
        let kept: Vec<&ColumnCounts<'_>> = self.kept().collect();
        let bins = summed(total.len(), &kept);
        let windows: Vec<&[u64]> = kept.iter().map(|window| window.bins).collect();
        Some(StoredMix::fit(&cells, total, &bins, &windows))
    }

    fn small(&self) -> Option<StoredSurge> {
        if self.column.kind != Kind::Categorical {
            return None;
        }
        let (total, rare) =
            (self.column.total.bins, (self.column.rare, self.column.foreign != Foreign::Independent));
        if !self.learns {
            return Some(StoredSurge::fit(total, &[], rare));
        }
        let kept: Vec<&ColumnCounts<'_>> = self.kept().collect();
        let windows: Vec<&[u64]> = kept.iter().map(|window| window.bins).collect();
        Some(StoredSurge::fit(&summed(total.len(), &kept), &windows, rare))
    }

    /// The statistics with what others may borrow from them.
    fn families(&self, autocorrelation: f64) -> Vec<(Family, Own)> {
        self.learned()
            .filter_map(|(scored, centre, own)| {
                let share = centre.mean(self.sizes(scored.statistic).total);
                let family = Family::of(scored.statistic, share)?;
                let degrees = degrees(own.windows, autocorrelation);
                Some((family, Own { share, dispersion: own.ratio(), degrees }))
            })
            .collect()
    }

    fn learned(&self) -> impl Iterator<Item = (&Scored, &Centre, &Dispersion)> {
        self.scores
            .statistics
            .iter()
            .zip(&self.centres)
            .zip(&self.own)
            .map(|((scored, centre), own)| (scored, centre, own))
    }

    /// Q and its degrees of freedom, each with what is borrowed from other columns, of a statistic in the windows that are kept.
    fn dispersion(
        &self,
        place: usize,
        autocorrelation: f64,
        priors: &BTreeMap<Family, Prior>,
    ) -> Option<(f64, f64)> {
        let (scored, centre) = (self.scores.statistics.get(place)?, self.centres.get(place)?);
        let own = self.own.get(place)?;
        let family = Family::of(scored.statistic, centre.mean(self.sizes(scored.statistic).total));
        let prior = family.filter(|_| !own.bursty).and_then(|family| priors.get(&family)).copied();
        let (prior, degrees) = (prior.unwrap_or_default(), degrees(own.windows, autocorrelation));
        Some((own.ratio() * degrees + prior.degrees * prior.dispersion, degrees + prior.degrees))
    }

    fn stored(&self, autocorrelation: f64, priors: &BTreeMap<Family, Prior>) -> StoredColumn {
        let place_of =
            |statistic: Statistic| self.scores.statistics.iter().position(|scored| scored.statistic == statistic);
        let dispersion = |place: usize| self.dispersion(place, autocorrelation, priors);
        let small = self.small();
        let statistics =
            self.scores.statistics.iter().zip(&self.centres).enumerate().map(|(place, (scored, centre))| {
                let (statistic, centre) = (scored.statistic, *centre);
                let Some(own) = dispersion(place) else {
                    return StoredStatistic { statistic, centre, q: 0.0, degrees: 1.0, bursty: false };
                };
                // Of what the reference has next to nothing of, it cannot say how it varies between windows: at least as what is next to it does.
                let beside = match statistic {
                    Statistic::Below => place_of(Statistic::LowTail).and_then(dispersion),
                    Statistic::Above => place_of(Statistic::HighTail).and_then(dispersion),
                    Statistic::Unseen => {
                        small.as_ref().map(|small| (small.dispersion * small.degrees, small.degrees))
                    }
                    _ => None,
                };
                let beside = beside.filter(|(q, degrees)| q / degrees > own.0 / own.1);
                let (q, degrees) = beside.unwrap_or(own);
                let bursty = self.own.get(place).is_some_and(|own| own.bursty)
                    || (statistic == Statistic::Unseen
                        && q > BURSTY * degrees
                        && centre.mean(self.values.total) > 0.0);
                StoredStatistic { statistic, centre, q: short(q), degrees: short(degrees), bursty }
            });
        StoredColumn {
            kind: self.column.kind,
            left_out: self.left_out.iter().filter(|left_out| **left_out).count(),
            values: self.values,
            rows: self.rows,
            statistics: statistics.collect(),
            mix: self.mix.clone(),
            small,
        }
    }
}

/// Each statistic in each window; nothing of windows on other bins.
fn observed(column: &ReferenceColumn<'_>, scores: &Scores) -> Vec<Vec<Observed>> {
    let only_here = only_here(column);
    let mut statistics = vec![Vec::with_capacity(column.windows.len()); scores.statistics.len()];
    for (window, only_here) in column.windows.iter().zip(only_here) {
        let counts = scores.observe(window).unwrap_or_else(|| vec![Observed::default(); scores.statistics.len()]);
        for ((statistic, scored), mut count) in statistics.iter_mut().zip(&scores.statistics).zip(counts) {
            if matches!(scored.score, Score::Unseen) {
                count.sum = (count.sum + only_here).min(count.of);
            }
            statistic.push(count);
        }
    }
    statistics
}

/// For each window the records of categories that are in no other one: what a further window has of categories that are in none.
fn only_here(column: &ReferenceColumn<'_>) -> Vec<f64> {
    let (windows, total) = (&column.windows, column.total.bins);
    let rare_of =
        |bins: &[u64]| bins.len().checked_sub(2).and_then(|bin| bins.get(bin)).map_or(0.0, |count| number(*count));
    // Of rare categories, which share a bin, those that the reference has once are in one window.
    let rare_once = match &column.foreign {
        Foreign::OnlyHere(records) if records.len() == windows.len() => {
            return records.iter().map(|records| number(*records)).collect();
        }
        Foreign::Singletons(all) => (number(*all) - once(total)).max(0.0) / rare_of(total).max(1.0),
        Foreign::OnlyHere(_) | Foreign::Independent => 0.0,
    };
    windows
        .iter()
        .map(|window| {
            let known = window.bins.len().saturating_sub(2);
            let alone = window.bins.iter().zip(total).take(known).filter(|(here, all)| here == all);
            alone.map(|(here, _)| number(*here)).sum::<f64>() + rare_once * rare_of(window.bins)
        })
        .collect()
}

/// How many categories with a bin of their own are there once.
fn once(total: &[u64]) -> f64 {
    let known = total.len().saturating_sub(2);
    size(total.iter().take(known).filter(|count| **count == 1).count())
}

fn summed(bins: usize, windows: &[&ColumnCounts<'_>]) -> Vec<u64> {
    let mut sum = vec![0u64; bins];
    for window in windows {
        for (sum, count) in sum.iter_mut().zip(window.bins) {
            *sum = sum.saturating_add(*count);
        }
    }
    sum
}
