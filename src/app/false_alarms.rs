//! The account of false alarms of a monitor, and what people decide about proposals of wider limits.

use uuid::Uuid;

use crate::account::{Alarm, LimitChoice, LimitDecision, LimitsStep, Proposal, ProposalBasis, proposals};
use crate::config::Monitor;
use crate::judge::FalseAlarms;
use crate::record::{EventTime, TimeSpan};
use crate::store::{AccountScope, Store, StoreError};
use crate::telemetry::AccountGauges;
use crate::view::{AccountView, FalseAlarmFacts, FalseAlarmsView, ProposalView};

/// The time that the account is kept of, where the period of the budget is not longer.
const RECENT: TimeSpan = TimeSpan::days(30);
/// Alerts that proposals are computed from at most.
const ALARMS: i64 = 200;

/// The account of a monitor by its name, with its configuration if there is one.
///
/// # Errors
/// When the database is unavailable.
pub async fn false_alarms(
    store: &Store,
    name: &str,
    monitor: Option<&Monitor>,
) -> Result<FalseAlarmsView, StoreError> {
    let decided = store.decided_limits(name).await?;
    let alarms = alarms(store, name, monitor).await?;
    let proposals = monitor.map_or_else(Vec::new, |monitor| proposed(monitor, &alarms, &decided));
    let budget = monitor.map(|monitor| monitor.rules.judge.false_alarms);
    let recent = recent(store, (name, monitor), budget).await?;
    let (observed, first) = store.observed(scope(name, monitor, None)).await?;
    let stored = AccountView::new(observed, (first, recent.until.map(|until| *until)), budget);
    let facts = FalseAlarmFacts {
        monitor: name,
        period: period_of(budget),
        judge: monitor.map(|monitor| &monitor.rules.judge),
        alarms: &alarms,
        proposals: &proposals,
        decided: &decided,
    };
    Ok(FalseAlarmsView::new(facts, recent, stored))
}

/// What metrics have of the account: nothing that all of the history is read for.
pub(super) async fn gauges(store: &Store, monitor: &Monitor) -> Result<AccountGauges, StoreError> {
    let name = &monitor.name;
    let decided = store.decided_limits(name).await?;
    let alarms = alarms(store, name, Some(monitor)).await?;
    let proposals = proposed(monitor, &alarms, &decided);
    let open = proposals.iter().filter(|proposal| ProposalView::new(proposal, &decided).is_open());
    let accepted = decided.iter().filter(|decision| decision.choice == LimitChoice::Accepted);
    let budget = monitor.rules.judge.false_alarms;
    let recent = recent(store, (name, Some(monitor)), Some(budget)).await?;
    let counts = recent.alerts;
    Ok(AccountGauges {
        windows: recent.windows,
        alerts: [counts.real, counts.false_alarm, counts.not_judged],
        allowed: recent.allowed.unwrap_or_default(),
        rate: recent.rate.map(|rate| (rate.lower, rate.upper)),
        proposed: open.count() as u64,
        accepted: accepted.count() as u64,
    })
}

/// The time before the end of the last judged window that the account is kept of.
fn period_of(budget: Option<FalseAlarms>) -> TimeSpan {
    budget.and_then(FalseAlarms::period).unwrap_or(RECENT).max(RECENT)
}

/// The account of that time.
async fn recent(
    store: &Store,
    (name, monitor): (&str, Option<&Monitor>),
    budget: Option<FalseAlarms>,
) -> Result<AccountView, StoreError> {
    let until = store.newest_judged(scope(name, monitor, None)).await?;
    // Before the first judged window there is nothing to count from.
    let since = until.map(|until| until.shifted(-period_of(budget)));
    let (observed, first) = store.observed(scope(name, monitor, since)).await?;
    Ok(AccountView::new(observed, (first, until), budget))
}

/// Does what a person decided.
///
/// # Errors
/// When there is no such proposal or decision, no wider limits can be proposed, or the database is unavailable.
pub async fn change_limits(
    store: &Store,
    monitor: &Monitor,
    (id, step): (Uuid, LimitsStep),
    by: (&str, &str),
) -> Result<(), StoreError> {
    let name = &monitor.name;
    let choice = match step {
        LimitsStep::Accept => LimitChoice::Accepted,
        LimitsStep::Dismiss => LimitChoice::Dismissed,
        LimitsStep::Withdraw => {
            store.withdraw_limits(name, id, by).await?;
            return Ok(());
        }
    };
    let decided = store.decided_limits(name).await?;
    let alarms = alarms(store, name, Some(monitor)).await?;
    let proposal = proposed(monitor, &alarms, &decided).into_iter().find(|proposal| proposal.id == id);
    let proposal = proposal.ok_or_else(|| {
        StoreError::NotFound(format!(
            "monitor `{name}` has no proposal `{id}`\nhint: proposals change with what people say about alerts, and with limits: \
             `driftd limits list --monitor {name}` lists them"
        ))
    })?;
    store.decide_limits(name, choice, &proposal, by).await
}

fn scope<'a>(name: &'a str, monitor: Option<&'a Monitor>, since: Option<EventTime>) -> AccountScope<'a> {
    AccountScope { monitor: name, shadow: monitor.and_then(|monitor| monitor.rules.shadow.as_ref()), since }
}

async fn alarms(store: &Store, name: &str, monitor: Option<&Monitor>) -> Result<Vec<Alarm>, StoreError> {
    let rules = monitor.map_or(&[][..], |monitor| &monitor.rules.alerts);
    store.alarms(scope(name, monitor, None), rules, ALARMS).await
}

fn proposed(monitor: &Monitor, alarms: &[Alarm], decided: &[LimitDecision]) -> Vec<Proposal> {
    let accepted = decided.iter().filter(|decision| decision.choice == LimitChoice::Accepted);
    let accepted: Vec<_> = accepted.map(|decision| decision.limits.clone()).collect();
    let judge = monitor.rules.judge.with_accepted(&accepted);
    proposals(ProposalBasis { monitor: &monitor.name, judge: &judge, rules: &monitor.rules.alerts }, alarms)
}
