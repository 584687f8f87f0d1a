//! Two distributions of one column on one binning, ready to be compared.

use super::{Points, Score};
use crate::binning::{Binning, CategoricalBinning, NumericBinning};
use crate::distribution::Distribution;

/// Groups of equal baseline mass that a numeric column is compared on by measures of few bins.
const GROUPS: u64 = 10;

/// Distributions that are of different columns or on different bins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column `{column}` of window and baseline is counted on different binnings")]
pub struct NotAligned {
    column: String,
}

/// A baseline and a window of one column, on the same bins.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    baseline: &'a Distribution,
    window: &'a Distribution,
    values_only: bool,
    /// Of both sides; `None` where each record has one value at most.
    records: Option<(u64, u64)>,
}

/// Counts of both sides on the few bins that divergences are computed on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups {
    /// Counts of the baseline.
    pub baseline: Vec<u64>,
    /// Counts of the window.
    pub window: Vec<u64>,
    /// What each group holds.
    pub spans: Vec<Span>,
}

/// What a group of bins holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// The bins from the first to the last, both included.
    Bins(usize, usize),
    /// Values that are null, missing, invalid or infinite.
    Absent,
}

impl<'a> Pair<'a> {
    /// Pairs them up.
    ///
    /// # Errors
    /// When they are of different columns or on different bins.
    pub fn new(baseline: &'a Distribution, window: &'a Distribution) -> Result<Self, NotAligned> {
        if baseline.is_aligned_with(window) {
            Ok(Self { baseline, window, values_only: false, records: None })
        } else {
            Err(NotAligned { column: window.name().to_owned() })
        }
    }

    /// Leaves missing, invalid and unseen values out of the scores of values; the shares of them stay what they are.
    #[must_use]
    pub fn values_only(self, values_only: bool) -> Self {
        Self { values_only, ..self }
    }

    /// Of so many records of the baseline and of the window: where a record may have many values, as words of a text, these are not
    /// independent of each other, and their number says less than it seems to. Without it values are independent.
    #[must_use]
    pub fn of_records(self, baseline: u64, window: u64) -> Self {
        Self { records: Some((baseline, window)), ..self }
    }

    /// What the window is compared with.
    #[must_use]
    pub fn baseline(&self) -> &'a Distribution {
        self.baseline
    }

    /// What is compared.
    #[must_use]
    pub fn window(&self) -> &'a Distribution {
        self.window
    }

    /// The binning, if it is one with cuts.
    #[must_use]
    pub fn numeric_binning(&self) -> Option<&'a NumericBinning> {
        match self.baseline.binning() {
            Binning::Numeric(binning) => Some(binning),
            _ => None,
        }
    }

    /// The binning, if it is one of categories.
    #[must_use]
    pub fn categorical_binning(&self) -> Option<&'a CategoricalBinning> {
        match self.baseline.binning() {
            Binning::Categorical(binning) => Some(binning),
            _ => None,
        }
    }

    /// By how much chance varies shares of values more than as many independent ones: the values of a record that has any, as if
    /// they were all one. At least 1.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub(super) fn design_effect(&self) -> f64 {
        let Some((before, after)) = self.records else { return 1.0 };
        let side = |column: &Distribution, records: u64| {
            let values = column.present();
            let with_values = records.saturating_sub(column.rows().saturating_sub(values));
            (values as f64, (with_values.clamp(1, values.max(1))) as f64)
        };
        let ((n, n_records), (m, m_records)) = (side(self.baseline, before), side(self.window, after));
        if n == 0.0 || m == 0.0 {
            return 1.0;
        }
        (1.0 / n_records + 1.0 / m_records) / (1.0 / n + 1.0 / m)
    }

    pub(super) fn score_of_rows(&self, statistic: f64) -> Score {
        sized(statistic, self.baseline.rows(), self.window.rows())
    }

    pub(super) fn score_of_values(&self, statistic: f64) -> Score {
        sized(statistic, self.baseline.present(), self.window.present())
    }

    /// Counts on few bins: categories as they are; numeric columns on about ten groups of equal baseline
    /// mass, large atoms and the two open ends apart. Absent values are a bin of their own when there are
    /// any, so a jump of the null share moves the score, unless only values count.
    #[must_use]
    pub fn grouped(&self) -> Groups {
        let mut groups = match self.categorical_binning() {
            None => self.numeric_groups(),
            Some(binning) => {
                let kept = if self.values_only { binning.unseen_bin() } else { binning.bins() };
                let take = |column: &Distribution| column.counts().iter().copied().take(kept).collect();
                let spans = (0..kept).map(|bin| Span::Bins(bin, bin)).collect();
                Groups { baseline: take(self.baseline), window: take(self.window), spans }
            }
        };
        let absent = |column: &Distribution| column.rows() - column.present();
        if !self.values_only && absent(self.baseline) + absent(self.window) > 0 {
            groups.push(absent(self.baseline), absent(self.window), Span::Absent);
        }
        groups
    }

    /// The column as increasing values: each bin stands at the mean of what both sides have in it, which is the value
    /// itself when bins hold one value each; what lies beyond the range in places of its own. `None` without cuts.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn points(&self) -> Option<Points> {
        let binning = self.numeric_binning()?;
        let last = binning.bins().saturating_sub(1);
        let counts = self.baseline.counts().iter().zip(self.window.counts()).enumerate();
        let mut all = Vec::new();
        for (bin, (before, after)) in counts.filter(|(_, (before, after))| **before + **after > 0) {
            let beyond = (bin == 0 || bin == last).then(|| self.beyond(bin == last)).flatten();
            match (beyond, binning.atom(bin)) {
                (Some(places), _) => all.extend(places),
                (None, Some(value)) => all.push((value, *before, *after)),
                (None, None) => {
                    let sum = self.baseline.bin_sum(bin).unwrap_or(0.0) + self.window.bin_sum(bin).unwrap_or(0.0);
                    all.push((sum / (before + after) as f64, *before, *after));
                }
            }
        }
        Some(Points::from_counts(all))
    }

    /// What both sides have beyond an end of the range, by increasing value, each place at the mean of both; `None` where
    /// that is not known.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    fn beyond(&self, above: bool) -> Option<Vec<(f64, u64, u64)>> {
        let (mine, theirs) = (self.baseline.beyond(above)?, self.window.beyond(above)?);
        let mut places: Vec<(f64, f64, u64, u64)> =
            mine.iter().map(|(low, _, mean, count)| (*low, *mean, *count, 0)).collect();
        places.extend(theirs.iter().map(|(low, _, mean, count)| (*low, *mean, 0, *count)));
        // The same place has the same lower end on both sides.
        places.sort_by(|left, right| left.0.total_cmp(&right.0));
        places.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                let (old, new) = ((kept.2 + kept.3) as f64, (next.2 + next.3) as f64);
                let share = new / (old + new);
                *kept = (kept.0, kept.1 * (1.0 - share) + next.1 * share, kept.2 + next.2, kept.3 + next.3);
            }
            same
        });
        Some(places.into_iter().map(|(_, mean, before, after)| (mean, before, after)).collect())
    }

    /// Whether every bin holds one value, so that statistics are those of the samples.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        let Some(binning) = self.numeric_binning() else { return true };
        let filled = |bin: &usize| {
            let count = |column: &Distribution| column.counts().get(*bin).copied().unwrap_or(0);
            count(self.baseline) + count(self.window) > 0
        };
        (0..binning.bins()).filter(filled).all(|bin| binning.is_atom(bin))
    }

    fn numeric_groups(&self) -> Groups {
        let counts = self.baseline.counts();
        let total = self.baseline.present();
        let mut groups = Groups::default();
        let last = counts.len().saturating_sub(1);
        let mut before: u64 = 0;
        let mut current: Option<u64> = None;
        // A decile, and from how many values on the next one begins.
        let (mut decile, mut next) = (0, total.div_ceil(GROUPS));
        for (bin, (count, other)) in counts.iter().zip(self.window.counts()).enumerate() {
            let open = bin == 0 || bin == last;
            let large = count.saturating_mul(GROUPS) > total;
            // The decile in which the bin's mass begins, as the builder cuts them; what lies below all of the
            // baseline is not of the first.
            while before >= next && decile < GROUPS {
                decile += 1;
                next = (total * (decile + 1)).div_ceil(GROUPS);
            }
            let decile = if before == 0 && *count == 0 { u64::MAX } else { decile };
            let alone = open || large;
            if alone || current != Some(decile) || !groups.extend(*count, *other, bin) {
                groups.push(*count, *other, Span::Bins(bin, bin));
            }
            current = if alone { None } else { Some(decile) };
            before += count;
        }
        groups
    }
}

impl Groups {
    fn push(&mut self, baseline: u64, window: u64, span: Span) {
        self.baseline.push(baseline);
        self.window.push(window);
        self.spans.push(span);
    }

    /// Adds a bin to the last group; false when there is none to add to.
    fn extend(&mut self, baseline: u64, window: u64, bin: usize) -> bool {
        match (self.baseline.last_mut(), self.window.last_mut(), self.spans.last_mut()) {
            (Some(before), Some(after), Some(Span::Bins(_, last))) => {
                *before += baseline;
                *after += window;
                *last = bin;
                true
            }
            _ => false,
        }
    }

    /// The counts of both sides, baseline first, group by group.
    pub fn pairs(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.baseline.iter().copied().zip(self.window.iter().copied())
    }

    /// Both sizes, baseline first; `None` unless both sides have a value.
    pub(super) fn totals(&self) -> Option<(u64, u64)> {
        let totals = (self.baseline.iter().sum(), self.window.iter().sum());
        (totals.0 > 0 && totals.1 > 0).then_some(totals)
    }

    /// A score of what is counted here.
    pub(super) fn score(&self, statistic: f64) -> Score {
        sized(statistic, self.baseline.iter().sum(), self.window.iter().sum())
    }

    /// How many groups are not empty on both sides.
    #[must_use]
    pub fn filled(&self) -> usize {
        self.baseline.iter().zip(&self.window).filter(|(before, after)| **before + **after > 0).count()
    }
}

fn sized(statistic: f64, n_baseline: u64, n_window: u64) -> Score {
    Score { statistic, p_value: None, effect: statistic, n_baseline, n_window, bound: None }
}

/// Counts as shares; `None` when there is no count.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn shares(counts: &[u64]) -> Option<Vec<f64>> {
    let total: u64 = counts.iter().sum();
    (total > 0).then(|| counts.iter().map(|count| *count as f64 / total as f64).collect())
}
