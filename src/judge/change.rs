//! Findings of change measures: how the counts of a column differ from those of the reference, held against how the reference's own
//! windows differ from each other.
//!
//! All statistics of a column share its level by their weights (Bonferroni), the columns of a window are stepped down (Holm): the
//! column that stands out most is held against the level of all columns, the next one against that of one column less.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::why::{number, numbers_apart};
use super::{ColumnRules, Finding, MeasureRule, Subject, Verdict};
use crate::binning::{Binning, NumericBinning};
use crate::distribution::Distribution;
use crate::measure::{Measure, Score};
use crate::record::{Timestamp, grouped, number_of};
use crate::variation::{Change, ChangeTest, Statistic};

/// What a change measure says beside its score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ChangeDetail {
    /// What changed most, such as a category or a range of values; none for the column as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Share in the reference; 0 for shifts of location and spread.
    pub before: f64,
    /// Share in the window; for shifts of location and spread the shift in standard deviations.
    pub after: f64,
    /// Half the width of the 95 % interval of the difference, natural variation included.
    pub margin: f64,
    /// What the records of the window are worth: independent records that would be as uncertain.
    pub effective_size: f64,
    /// The level that the p-value is held against.
    pub level: f64,
    /// The smallest effect that such a window shows with a probability of 80 %.
    pub detectable: Option<f64>,
    /// Of slow drift: since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasting: Option<LastingDetail>,
}

/// Since when a column has drifted slowly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LastingDetail {
    /// About the start of the window in which it began.
    pub since: Timestamp,
    /// Windows since then.
    pub windows: u32,
    /// Whether it is a rise.
    pub rises: bool,
    /// Whether it is the change of a share; otherwise it is a shift in standard deviations.
    pub is_share: bool,
    /// How often it was found: 0 as long as there is not enough evidence, more than 1 when the column moved further since.
    pub times: u32,
}

impl ChangeDetail {
    /// The change in words: "`DE` 12.3 % to 15.6 % (±0.9 points)", "+0.31 sd (±0.05)".
    #[must_use]
    pub fn in_words(&self, measure: Measure) -> String {
        let what = self.of.as_ref().map_or(String::new(), |of| format!("{of} "));
        let is_shift = match &self.lasting {
            Some(lasting) => !lasting.is_share,
            None => matches!(measure, Measure::LocationChange | Measure::SpreadChange),
        };
        let change = match measure {
            Measure::MixChange => return String::new(),
            _ if is_shift => format!("{:+.2} sd (±{})", self.after - self.before, number(self.margin)),
            _ => {
                let percent = |share: f64| format!("{} %", number(share * 100.0));
                let margin = number(self.margin * 100.0);
                format!("{} to {} (±{margin} points)", percent(self.before), percent(self.after))
            }
        };
        match &self.lasting {
            Some(lasting) => format!("{what}{change}{}", lasting.in_words()),
            None => format!("{what}{change}"),
        }
    }

    /// What the window could have shown at all, in words.
    #[must_use]
    pub fn power_in_words(&self, records: u64) -> String {
        if self.lasting.is_some() {
            return String::new();
        }
        let worth = if self.effective_size < 0.95 * as_number(records) {
            format!(", worth {} of {} records", grouped(self.effective_size.round()), grouped(records))
        } else {
            String::new()
        };
        let smallest = self.detectable.map_or_else(|| "not known".to_owned(), number);
        format!("smallest change found with 80 %: {smallest}{worth}")
    }
}

impl LastingDetail {
    /// The rest of a sentence: since when, and whether that is certain.
    fn in_words(&self) -> String {
        let windows = number_of(u64::from(self.windows), "window");
        match self.times {
            0 => format!(" in the latest {windows}, not enough to be sure"),
            _ => format!(" since about {} ({windows})", self.since),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn as_number(count: u64) -> f64 {
    count as f64
}

/// The changes of a column that its rules ask for.
pub(super) struct ColumnChanges<'a> {
    rules: &'a ColumnRules,
    changes: Vec<Change>,
    /// The sum of the weights of what can be false.
    weights: f64,
}

impl<'a> ColumnChanges<'a> {
    pub(super) fn new(rules: &'a ColumnRules, changes: Vec<Change>) -> Self {
        let decides = |change: &&Change| {
            let measure = measure_of(change.statistic);
            rules.measures.iter().any(|rule| rule.measure == measure && rule.limits.is_some())
        };
        let weights: f64 = changes.iter().filter(decides).map(|change| change.weight).sum();
        Self { rules, changes, weights: if weights > 0.0 { weights } else { 1.0 } }
    }

    /// The smallest p-value of the column, adjusted for all of its statistics: at most the level of the column when it stands out.
    pub(super) fn adjusted(&self) -> f64 {
        let decides = |rule: &&MeasureRule| rule.measure.is_change() && rule.limits.is_some();
        let leading = self.rules.measures.iter().filter(decides).filter_map(|rule| self.leading(rule.measure));
        leading.map(|change| change.p_value / self.share(change)).fold(1.0, f64::min)
    }

    /// The part of the column's level that a statistic has.
    fn share(&self, change: &Change) -> f64 {
        part(change.weight, self.weights)
    }

    /// Of the statistics of a measure the one that says most.
    fn leading(&self, measure: Measure) -> Option<&Change> {
        let of_measure = self.changes.iter().filter(|change| measure_of(change.statistic) == measure);
        of_measure.min_by(|left, right| {
            let adjusted = |change: &Change| change.p_value / self.share(change);
            adjusted(left).total_cmp(&adjusted(right)).then_with(|| right.size.total_cmp(&left.size))
        })
    }

    /// The finding of a change measure at the level of the column; none when the column has no such statistic.
    pub(super) fn finding(
        &self,
        rule: &MeasureRule,
        before: &Distribution,
        test: &ChangeTest,
        level: f64,
    ) -> Option<Finding> {
        let change = self.leading(rule.measure).filter(|change| change.size.is_finite())?;
        let level = level * self.share(change);
        let detectable = test.detectable(&self.rules.name, change, level);
        let score = Score {
            statistic: change.after - change.before,
            p_value: Some(change.p_value),
            effect: change.size,
            n_baseline: change.n_reference,
            n_window: change.n_window,
            bound: None,
        };
        let finding = Finding {
            subject: Subject::Column(self.rules.name.clone()),
            measure: rule.measure,
            score: Some(score),
            limits: rule.limits,
            noise_floor: detectable.map(|detectable| detectable.floor),
            significant: change.p_value <= level,
            verdict: Verdict::Ok,
            change: Some(ChangeDetail {
                of: what(change.statistic, test.bins(&self.rules.name, change.statistic), before),
                before: change.before,
                after: change.after,
                margin: change.margin,
                effective_size: change.effective_size,
                level,
                detectable: detectable.map(|detectable| detectable.size),
                lasting: None,
            }),
        };
        Some(Finding { verdict: finding.verdict_with(1.0), ..finding })
    }
}

/// The part of the level of a column that a statistic of some weight has, where all have weights of this sum.
pub(super) fn part(weight: f64, weights: f64) -> f64 {
    (weight / weights.max(f64::MIN_POSITIVE)).clamp(1e-9, 1.0)
}

/// The size of the largest change by a measure; none without one.
#[must_use]
pub fn largest_change(changes: &[Change], measure: Measure) -> Option<f64> {
    let of_measure = changes.iter().filter(|change| measure_of(change.statistic) == measure);
    of_measure.map(|change| change.size).reduce(f64::max)
}

/// The level of each column, by its place; `level` is that of a column by itself, and of those without changes.
pub(super) fn stepped_down(columns: &[Option<ColumnChanges<'_>>], level: f64) -> Vec<f64> {
    let adjusted =
        |(place, column): (usize, &Option<ColumnChanges<'_>>)| Some((place, column.as_ref()?.adjusted()));
    let mut ranked: Vec<(usize, f64)> = columns.iter().enumerate().filter_map(adjusted).collect();
    ranked.sort_by(|left, right| left.1.total_cmp(&right.1).then(left.0.cmp(&right.0)));
    let all = ranked.len();
    let mut stopped: Option<f64> = None;
    let mut levels = vec![level; columns.len()];
    for (rank, (place, adjusted)) in ranked.into_iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "some thousand columns at most")]
        let own = level * all as f64 / (all - rank) as f64;
        if let Some(held_against) = levels.get_mut(place) {
            *held_against = stopped.unwrap_or(own);
        }
        if adjusted > own {
            stopped.get_or_insert(own);
        }
    }
    levels
}

/// The measure that a statistic belongs to.
pub(super) fn measure_of(statistic: Statistic) -> Measure {
    match statistic {
        Statistic::Location => Measure::LocationChange,
        Statistic::Spread => Measure::SpreadChange,
        Statistic::LowTail | Statistic::HighTail | Statistic::Group(_) => Measure::GroupChange,
        Statistic::Below | Statistic::Above => Measure::OutOfRangeChange,
        Statistic::Stuck(_) => Measure::StuckChange,
        Statistic::Category(_) | Statistic::Surge(_) => Measure::CategoryChange,
        Statistic::Unseen => Measure::UnseenChange,
        Statistic::Mix => Measure::MixChange,
        Statistic::Null => Measure::NullChange,
        Statistic::Invalid => Measure::InvalidChange,
    }
}

/// What a statistic is about, for people; none for the column as a whole. Ends of bins are values, which are not said of a
/// sensitive column.
pub(super) fn what(statistic: Statistic, bins: Option<Range<usize>>, reference: &Distribution) -> Option<String> {
    let values = match reference.binning() {
        Binning::Numeric(binning) if !reference.is_sensitive() => bins.map(|bins| values_in(bins, binning)),
        _ => None,
    };
    match (statistic, reference.binning()) {
        (Statistic::LowTail, _) => values.or_else(|| Some("the lowest 2.5 %".to_owned())),
        (Statistic::HighTail, _) => values.or_else(|| Some("the highest 2.5 %".to_owned())),
        (Statistic::Group(tenth), _) => {
            values.or_else(|| Some(format!("tenth {} of 10", tenth.saturating_add(1))))
        }
        (Statistic::Below, _) => Some("below the range".to_owned()),
        (Statistic::Above, _) => Some("above the range".to_owned()),
        (Statistic::Category(bin) | Statistic::Surge(bin), Binning::Categorical(binning)) => {
            Some(format!("`{}`", binning.label(bin)))
        }
        (Statistic::Stuck(_), _) => values,
        _ => None,
    }
}

/// The values in some bins side by side.
fn values_in(bins: Range<usize>, binning: &NumericBinning) -> String {
    let last = bins.end.saturating_sub(1);
    if let Some(value) = binning.atom(last).filter(|_| bins.start == last) {
        return format!("value {}", number(value));
    }
    match (binning.shown_ends(bins.start).0, binning.shown_ends(last).1) {
        (Some(low), Some(high)) => {
            let (low, high) = numbers_apart(low, high);
            format!("values from {low} to {high}")
        }
        (None, Some(high)) => format!("values below {}", number(high)),
        (Some(low), None) => format!("values from {}", number(low)),
        (None, None) => "all values".to_owned(),
    }
}
