//! What a monitor holds its windows against.

use super::{ColumnJudgement, FalseAlarms, Verdict};
use crate::measure::{Measure, Thresholds};
use crate::record::ColumnType;

/// A measure with its limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeasureRule {
    /// What is measured.
    pub measure: Measure,
    /// The material limits; none where it is only shown, and decides nothing.
    pub limits: Option<Thresholds>,
}

/// The measures of one column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnRules {
    pub name: String,
    /// What is measured.
    pub measures: Vec<MeasureRule>,
}

impl ColumnRules {
    /// The rules of a column. Chosen measures decide, by the limits that are set for them or their own; those that are not for the type
    /// are left out. Without a choice the defaults of the type decide, and every measure that limits are set for. Measures `shown`
    /// decide nothing; without a list of them they are [`Measure::SHOWN`] where nothing was chosen.
    #[must_use]
    pub fn new(
        name: String,
        column_type: ColumnType,
        chosen: Option<&[Measure]>,
        shown: Option<&[Measure]>,
        set: impl Fn(Measure) -> Option<Thresholds>,
    ) -> Self {
        let applies = |measure: &Measure| measure.applies_to(column_type);
        let deciding: Vec<Measure> = match chosen {
            Some(chosen) => chosen.iter().copied().filter(applies).collect(),
            None => {
                let mut deciding = Measure::defaults_for(column_type).to_vec();
                let of_limits = Measure::ALL.into_iter().filter(applies).filter(|measure| set(*measure).is_some());
                deciding.extend(of_limits.filter(|measure| !Measure::defaults_for(column_type).contains(measure)));
                deciding
            }
        };
        let default: &[Measure] = if chosen.is_none() { &Measure::SHOWN } else { &[] };
        let shown = shown.unwrap_or(default).iter().copied().filter(applies);
        let shown: Vec<Measure> = shown.filter(|measure| !deciding.contains(measure)).collect();
        let decides = |measure: Measure| MeasureRule {
            measure,
            limits: Some(set(measure).unwrap_or_else(|| measure.default_thresholds())),
        };
        let shows = |measure: Measure| MeasureRule { measure, limits: None };
        Self { name, measures: deciding.into_iter().map(decides).chain(shown.into_iter().map(shows)).collect() }
    }

    /// The rules of a column that nothing was chosen for.
    #[must_use]
    pub fn of_type(name: &str, column_type: ColumnType) -> Self {
        Self::new(name.to_owned(), column_type, None, None, |_| None)
    }
}

/// How many columns make a window drift.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WindowRule {
    /// At least this many.
    Columns(usize),
    /// At least this share of them, from 0 to 1.
    Share(f64),
}

impl WindowRule {
    /// Critical when enough columns drift, warn when enough drift or warn, otherwise ok; undefined when no column could be
    /// judged.
    #[must_use]
    pub fn verdict(self, columns: &[ColumnJudgement]) -> Verdict {
        let of = |wanted: fn(Verdict) -> bool| columns.iter().filter(|column| wanted(column.verdict)).count();
        if self.is_met(of(Verdict::drifts), columns.len()) {
            Verdict::Critical
        } else if self.is_met(of(Verdict::moved), columns.len()) {
            Verdict::Warn
        } else if of(Verdict::is_judged) == 0 {
            Verdict::Undefined
        } else {
            Verdict::Ok
        }
    }

    /// Whether so many of all columns are enough.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a few thousand columns at most")]
    pub fn is_met(self, count: usize, all: usize) -> bool {
        match self {
            _ if count == 0 => false,
            Self::Columns(needed) => count >= needed,
            Self::Share(share) => count as f64 >= share * all as f64,
        }
    }
}

/// All rules of a monitor.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgeSpec {
    /// The measures of each column.
    pub columns: Vec<ColumnRules>,
    /// A window with fewer records is not judged.
    pub min_records: u64,
    /// How many false alarms are accepted.
    pub false_alarms: FalseAlarms,
    /// Leaves null, invalid and unseen values out of the scores of values; by default they are bins that count.
    pub values_only: bool,
    /// How many columns make a window drift.
    pub rule: WindowRule,
    /// The limits of the number of records; none when it is not judged.
    pub rows: Option<MeasureRule>,
}

impl JudgeSpec {
    /// Rules of columns alone: absent values count, one column that drifts makes the window drift, and the number of records is not judged.
    #[must_use]
    pub fn new(columns: Vec<ColumnRules>, min_records: u64, false_alarms: FalseAlarms) -> Self {
        let rule = WindowRule::Columns(1);
        Self { columns, min_records, false_alarms, values_only: false, rule, rows: None }
    }
}
