//! Which statistics a column has, with their score functions: each is a sum over the bins, of scores that the reference's total counts
//! fix. So they can be built again wherever those counts are.

use std::ops::Range;

use super::law::normal_quantile;
use super::{ColumnCounts, Kind, Statistic, number, size};

/// Normal scores are cut here, so that a single far tail does not rule a mean.
const SCORE_LIMIT: f64 = 2.5;
/// Squares of normal scores are cut here.
const SQUARE_LIMIT: f64 = SCORE_LIMIT * SCORE_LIMIT;
/// The share of the values in either tail.
const TAIL: f64 = 0.025;
/// With more of its values in one bin a column is a constant with exceptions; its location and spread mean nothing.
const CONSTANT: f64 = 0.95;
/// A category has a statistic of its own from this share on.
pub(super) const OWN_SHARE: f64 = 0.005;
/// And from as many records on.
const OWN_COUNT: f64 = 20.0;

/// The score of a record by the bin it is in.
pub(super) enum Score {
    /// A number for each bin.
    Bins(Vec<f64>),
    /// 1 in these bins, 0 elsewhere.
    Range(Range<usize>),
    /// 1 in bins that the reference has nothing in.
    Unseen,
    /// 1 for records without a value.
    Nulls,
    /// 1 for records with an invalid value.
    Invalid,
}

/// A statistic with its share of the column's level.
pub(super) struct Scored {
    pub statistic: Statistic,
    pub weight: f64,
    pub score: Score,
}

impl Scored {
    pub(super) const fn is_share(&self) -> bool {
        !matches!(self.score, Score::Bins(_))
    }
}

/// The sum of a statistic's scores over the records of a window, of so many records.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Observed {
    pub sum: f64,
    pub of: f64,
}

impl Observed {
    pub(super) fn mean(self) -> f64 {
        if self.of > 0.0 { self.sum / self.of } else { 0.0 }
    }
}

/// Mean, variance and skewness of a score over records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moments {
    pub mean: f64,
    pub variance: f64,
    pub skewness: f64,
}

/// The statistics of a column that are sums.
pub(super) struct Scores {
    pub statistics: Vec<Scored>,
    /// Bins that the reference has nothing in.
    empty: Vec<usize>,
    bins: usize,
}

impl Scores {
    pub(super) fn of(kind: Kind, total: &[u64]) -> Self {
        let mut scores = Self { statistics: Vec::new(), empty: Vec::new(), bins: total.len() };
        let counts: Vec<f64> = total.iter().map(|count| number(*count)).collect();
        let values: f64 = counts.iter().sum();
        match kind {
            Kind::Numeric if counts.len() > 2 && values > 0.0 => scores.add_numeric(&counts, values),
            Kind::Categorical if counts.len() > 1 && values > 0.0 => scores.add_categorical(&counts, values),
            Kind::Numeric | Kind::Categorical => {}
        }
        scores.add(Statistic::Null, 0.10, Score::Nulls);
        scores.add(Statistic::Invalid, 0.05, Score::Invalid);
        scores
    }

    fn add(&mut self, statistic: Statistic, weight: f64, score: Score) {
        self.statistics.push(Scored { statistic, weight, score });
    }

    fn add_numeric(&mut self, counts: &[f64], values: f64) {
        let bins = counts.len();
        let mut below = 0.0;
        // For each bin: the values before it, and the middle of its ranks, as shares.
        let (before, ranks): (Vec<f64>, Vec<f64>) = counts
            .iter()
            .map(|count| {
                let before = below / values;
                let rank = (below + count / 2.0) / values;
                below += count;
                (before, rank.clamp(0.5 / values, 1.0 - 0.5 / values))
            })
            .unzip();
        let constant = counts.iter().any(|count| *count > CONSTANT * values);
        if !constant {
            let normal: Vec<f64> = ranks.iter().map(|rank| normal_quantile(*rank)).collect();
            let location = normal.iter().map(|score| score.clamp(-SCORE_LIMIT, SCORE_LIMIT)).collect();
            let spread = normal.iter().map(|score| (score * score).min(SQUARE_LIMIT)).collect();
            self.add(Statistic::Location, 0.25, Score::Bins(standardised(location, counts)));
            self.add(Statistic::Spread, 0.15, Score::Bins(standardised(spread, counts)));
        }
        // What lies in the open bins is within the range of the reference for all that is known, and may be beyond it.
        let filled = |count: &f64| *count > 0.0;
        let lowest = counts.iter().position(filled).unwrap_or(0).max(1);
        let highest = counts.iter().rposition(filled).unwrap_or(bins).min(bins - 2);
        self.add(Statistic::Below, 0.05, Score::Range(0..lowest));
        self.add(Statistic::Above, 0.05, Score::Range(highest + 1..bins));
        // A tail that is no more than what lies beyond the range is the share out of range already.
        let low = before
            .iter()
            .zip(counts)
            .take_while(|(before, count)| *before + *count / values <= TAIL + 1e-9)
            .count();
        if low > lowest {
            self.add(Statistic::LowTail, 0.05, Score::Range(0..low));
        }
        let high = before.partition_point(|before| *before < 1.0 - TAIL - 1e-9);
        if high <= highest {
            self.add(Statistic::HighTail, 0.05, Score::Range(high..bins));
        }
        let groups: Vec<(u8, Range<usize>)> = (0..10u8)
            .map(|tenth| {
                let start = ranks.partition_point(|rank| rank * 10.0 < f64::from(tenth));
                let end = ranks.partition_point(|rank| tenth == 9 || rank * 10.0 < f64::from(tenth + 1));
                (tenth, start..end)
            })
            .filter(|(_, range)| !range.is_empty())
            .collect();
        let weight = if constant { 0.55 } else { 0.15 } / size(groups.len());
        for (tenth, range) in groups {
            self.add(Statistic::Group(tenth), weight, Score::Range(range));
        }
    }

    fn add_categorical(&mut self, counts: &[f64], values: f64) {
        let known = counts.len() - 2;
        let filled = counts.iter().take(known + 1).filter(|count| **count > 0.0).count();
        let mut own: Vec<usize> = own_cells(counts, values).collect();
        if filled <= 2 {
            // The shares of two values say the same.
            own = own.pop().into_iter().collect();
        }
        let weight = if filled <= 3 { 0.80 } else { 0.65 } / size(own.len().max(1));
        for bin in own {
            self.add(Statistic::Category(bin), weight, Score::Range(bin..bin + 1));
        }
        self.empty =
            (0..).zip(counts).take(known + 1).filter(|(_, count)| **count == 0.0).map(|(bin, _)| bin).collect();
        self.empty.push(known + 1);
        self.add(Statistic::Unseen, 0.05, Score::Unseen);
    }

    /// The bins that a statistic is the share of; `None` of one that is no share of bins side by side.
    pub(super) fn bins_of(&self, statistic: Statistic) -> Option<Range<usize>> {
        match &self.statistics.iter().find(|scored| scored.statistic == statistic)?.score {
            Score::Range(bins) => Some(bins.clone()),
            Score::Bins(_) | Score::Unseen | Score::Nulls | Score::Invalid => None,
        }
    }

    /// What a window has of each statistic, in their order. `None` when its bins are others.
    pub(super) fn observe(&self, counts: &ColumnCounts<'_>) -> Option<Vec<Observed>> {
        if counts.bins.len() != self.bins {
            return None;
        }
        let mut values = 0.0;
        let mut cumulative = Vec::with_capacity(self.bins + 1);
        cumulative.push(0.0);
        for count in counts.bins {
            values += number(*count);
            cumulative.push(values);
        }
        let (nulls, invalid) = (number(counts.nulls), number(counts.invalid));
        let rows = values + nulls + invalid;
        let up_to = |bin: usize| cumulative.get(bin).copied().unwrap_or(values);
        let observe = |scored: &Scored| match &scored.score {
            Score::Bins(scores) => Observed {
                sum: scores.iter().zip(counts.bins).map(|(score, count)| score * number(*count)).sum(),
                of: values,
            },
            Score::Range(bins) => Observed { sum: up_to(bins.end) - up_to(bins.start), of: values },
            Score::Unseen => {
                Observed { sum: self.empty.iter().map(|bin| up_to(bin + 1) - up_to(*bin)).sum(), of: values }
            }
            Score::Nulls => Observed { sum: nulls, of: rows },
            Score::Invalid => Observed { sum: invalid, of: rows },
        };
        Some(self.statistics.iter().map(observe).collect())
    }
}

/// The bins of categories that are large enough for a statistic of their own. The last two bins, rare and unseen ones, are none.
pub(super) fn own_cells(counts: &[f64], values: f64) -> impl Iterator<Item = usize> {
    let least = least_of_own(values);
    let known = counts.len().saturating_sub(2);
    (0..).zip(counts).take(known).filter(move |(_, count)| **count >= least).map(|(bin, _)| bin)
}

/// The records of the smallest category with a statistic of its own, of so many.
pub(super) const fn least_of_own(values: f64) -> f64 {
    (OWN_SHARE * values).max(OWN_COUNT)
}

/// Moments of scores over counted records.
pub(super) fn moments(scores: &[f64], counts: &[u64]) -> Moments {
    let values: f64 = counts.iter().map(|count| number(*count)).sum();
    let average = |of: &dyn Fn(f64) -> f64| -> f64 {
        scores.iter().zip(counts).map(|(score, count)| number(*count) * of(*score)).sum::<f64>() / values.max(1.0)
    };
    let mean = average(&|score| score);
    let variance = average(&|score| (score - mean).powi(2)).max(1e-12);
    let skewness = average(&|score| (score - mean).powi(3)) / variance.powf(1.5);
    Moments { mean, variance, skewness }
}

/// Scores with mean 0 and variance 1 over the counted records.
fn standardised(scores: Vec<f64>, counts: &[f64]) -> Vec<f64> {
    let values: f64 = counts.iter().sum();
    let mean = scores.iter().zip(counts).map(|(score, count)| score * count).sum::<f64>() / values;
    let variance =
        scores.iter().zip(counts).map(|(score, count)| (score - mean).powi(2) * count).sum::<f64>() / values;
    let deviation = variance.max(1e-12).sqrt();
    scores.into_iter().map(|score| (score - mean) / deviation).collect()
}
