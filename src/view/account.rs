//! The account of false alarms against the budget.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::account::{Account, Alarm, Alarms, Observed, Standing, carrying_columns};
use crate::judge::FalseAlarms;
use crate::record::{EventTime, Timestamp};

/// Alerts by what people judged them to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AlarmCounts {
    /// Judged real.
    pub real: u64,
    /// Judged a false alarm.
    pub false_alarm: u64,
    /// Not judged.
    pub not_judged: u64,
}

impl From<Alarms> for AlarmCounts {
    fn from(Alarms { real, wrong, not_judged }: Alarms) -> Self {
        Self { real, false_alarm: wrong, not_judged }
    }
}

/// Whether the budget of false alarms was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetState {
    /// Kept, even if all alerts that are not judged were false.
    Kept,
    /// Exceeded by more than chance explains, by the alerts that were judged false alarms alone.
    Exceeded,
    /// Cannot be told; `sentence` has the reason.
    Unknown,
}

impl BudgetState {
    /// The name in answers and style sheets.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Exceeded => "exceeded",
            Self::Unknown => "unknown",
        }
    }
}

/// A 95 % interval of the rate of false alarms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RateView {
    /// Lower bound: of the alerts that were judged false alarms.
    pub lower: f64,
    /// Upper bound: of these and all that are not judged.
    pub upper: f64,
    /// What the rate is per, as in the budget: `30 days`, `window`.
    pub per: String,
}

/// The account of a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AccountView {
    /// Event time from which windows and alerts are counted, RFC 3339; null before the first judged window.
    pub from: Option<Timestamp>,
    /// End of the last judged window, RFC 3339; null before the first.
    pub until: Option<Timestamp>,
    /// Windows with a verdict, of all versions and segments.
    pub windows: u64,
    /// Event time that they cover, in seconds; of windows with the same start it counts once.
    pub observed_seconds: f64,
    /// Alerts about drift that fired.
    pub alerts: AlarmCounts,
    /// False alarms that the budget allows in the same time; null if the monitor is not configured on this daemon.
    pub allowed: Option<f64>,
    /// Rate of false alarms; null without a judged window.
    pub rate: Option<RateView>,
    /// Whether the budget was kept.
    pub budget: BudgetState,
    /// The same in words.
    pub sentence: String,
}

impl AccountView {
    /// What was counted, from a time on, held against the budget if it is known.
    #[must_use]
    pub fn new(
        observed: Observed,
        (from, until): (Option<EventTime>, Option<EventTime>),
        budget: Option<FalseAlarms>,
    ) -> Self {
        let account = budget.map(|budget| (Account::new(observed, budget), budget));
        let rate = account.and_then(|(account, budget)| {
            let text = budget.to_string();
            let per = text.split_once(" per ").map_or("window", |(_, per)| per).to_owned();
            account.rate.map(|rate| RateView { lower: rate.lower, upper: rate.upper, per })
        });
        let state = account.map_or(BudgetState::Unknown, |(account, _)| match account.standing {
            Standing::Kept => BudgetState::Kept,
            Standing::Exceeded => BudgetState::Exceeded,
            _ => BudgetState::Unknown,
        });
        let unknown = "Whether the budget is kept cannot be told: the monitor is not configured here.";
        Self {
            from: from.map(Timestamp::from),
            until: until.map(Timestamp::from),
            windows: observed.windows,
            observed_seconds: observed.time.as_seconds(),
            alerts: observed.alarms.into(),
            allowed: account.map(|(account, _)| account.allowed),
            rate,
            budget: state,
            sentence: account.map_or_else(|| unknown.to_owned(), |(account, _)| account.sentence()),
        }
    }
}

/// Alerts that a column carried: its measures drifted in their windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ColumnAlarms {
    /// Column name; `(records)` for the number of records.
    pub column: String,
    /// Its alerts.
    pub alerts: AlarmCounts,
}

impl ColumnAlarms {
    /// The columns that carried alerts, those with most false alarms first.
    pub(super) fn all(alarms: &[Alarm]) -> Vec<Self> {
        let mut by_column: BTreeMap<&str, Alarms> = BTreeMap::new();
        for alarm in alarms {
            for column in carrying_columns(alarm) {
                by_column.entry(column).or_default().add(alarm.judged);
            }
        }
        let mut columns: Vec<ColumnAlarms> = by_column
            .into_iter()
            .map(|(column, alarms)| ColumnAlarms { column: column.to_owned(), alerts: alarms.into() })
            .collect();
        let rank = |counts: AlarmCounts| (counts.false_alarm, counts.not_judged, counts.real);
        columns.sort_by(|left, right| {
            rank(right.alerts).cmp(&rank(left.alerts)).then(left.column.cmp(&right.column))
        });
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_configuration_nothing_is_claimed() {
        let account = AccountView::new(Observed::default(), (None, None), None);
        assert_eq!((account.budget, account.allowed, account.rate), (BudgetState::Unknown, None, None));
    }
}
