//! False alarms of a monitor: the account, proposals of wider limits, accepted limits.

use serde::{Deserialize, Serialize};

use super::account::{AccountView, ColumnAlarms};
use super::limits::{AcceptedLimitsView, ProposalView, toml};
use crate::account::{Alarm, LimitChoice, LimitDecision, Proposal};
use crate::judge::JudgeSpec;
use crate::record::TimeSpan;
use crate::retention::Kept;

/// False alarms of a monitor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FalseAlarmsView {
    /// Monitor name.
    pub monitor: String,
    /// Budget of false alarms, such as `1 per 30 days`; null if the monitor is not configured on this daemon.
    pub budget: Option<String>,
    /// Time that `recent` is about: 30 days, or the period of the budget if it is longer.
    pub period: String,
    /// The last time of this length before the end of the last judged window, in event time.
    pub recent: AccountView,
    /// All that is stored.
    pub stored: AccountView,
    /// Columns that carried alerts, those with most false alarms first: of at most 200 stored alerts, judged ones before others.
    pub columns: Vec<ColumnAlarms>,
    /// Proposals, by column and measure, dismissed ones included.
    pub proposals: Vec<ProposalView>,
    /// Accepted limits, by column and measure.
    pub accepted: Vec<AcceptedLimitsView>,
    /// Accepted limits that hold, as TOML for the file of the monitor; null without any.
    pub toml: Option<String>,
}

/// What is shown of the false alarms of a monitor.
#[derive(Clone, Copy, Debug)]
pub struct FalseAlarmFacts<'a> {
    /// Name of the monitor.
    pub monitor: &'a str,
    /// The time that the recent account is about.
    pub period: TimeSpan,
    /// Its limits as configured; none if it is not configured here.
    pub judge: Option<&'a JudgeSpec>,
    /// Alerts with what carried them.
    pub alarms: &'a [Alarm],
    pub proposals: &'a [Proposal],
    /// What people decided.
    pub decided: &'a [LimitDecision],
}

impl FalseAlarmsView {
    /// From what is stored.
    #[must_use]
    pub fn new(facts: FalseAlarmFacts<'_>, recent: AccountView, stored: AccountView) -> Self {
        let FalseAlarmFacts { monitor, period, judge, alarms, proposals, decided } = facts;
        let is_accepted = |decision: &&LimitDecision| decision.choice == LimitChoice::Accepted;
        let accepted = decided.iter().filter(is_accepted);
        Self {
            monitor: monitor.to_owned(),
            budget: judge.map(|judge| judge.false_alarms.to_string()),
            period: Kept::For(period).to_string(),
            recent,
            stored,
            columns: ColumnAlarms::all(alarms),
            proposals: proposals.iter().map(|proposal| ProposalView::new(proposal, decided)).collect(),
            accepted: accepted.clone().map(|decision| AcceptedLimitsView::new(decision, judge)).collect(),
            toml: judge.and_then(|judge| toml(accepted, judge)),
        }
    }

    /// Proposals that a person is to decide about.
    #[must_use]
    pub fn open_proposals(&self) -> usize {
        self.proposals.iter().filter(|proposal| proposal.is_open()).count()
    }
}
