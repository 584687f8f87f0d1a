//! `driftd drill`

mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use super::monitor::configured_one;
use super::{CliError, Context, actor, as_json, say, say_json_line, with_store};
use crate::alert::{
    AlertChange, ChangeKind, ChangeReason, DRILL, Evidence, GroupKey, Labels, RuleKind, Severity, Transition,
};
use crate::closing::ChangedAlert;
use crate::config::{Monitor, Settings};
use crate::record::{EventTime, number_of};
use crate::store::Store;
use watch::{DrillPhase, ReceiverOutcome, watch};

/// What to test.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Monitor whose receivers are tested: its name in the configuration, or its file. Required if there is more than one.
    #[arg(long, value_name = "MONITOR")]
    monitor: Option<String>,
    /// Severity of the test alert: warn or critical.
    #[arg(long, default_value = "critical", value_parser = ["warn", "critical"])]
    severity: String,
    /// Seconds to wait for a message after it is due, in addition to the waits of the routes (`group_wait` before the
    /// first message, `group_interval` before the resolved message).
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Do not wait for the resolved messages, which are sent `group_interval` later (5 minutes by default).
    #[arg(long)]
    fired_only: bool,
}

/// The version that drills are made of: no model has it.
const VERSION: &str = "drill";

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), CliError> {
    with_store(context, async |store, settings| {
        let monitor = configured_one(settings, arguments.monitor.as_deref())?;
        let severity = Severity::from_name(&arguments.severity).unwrap_or(Severity::Critical);
        let patience = Duration::from_secs(arguments.timeout);
        drill(store, settings, monitor, severity, patience, arguments.fired_only).await
    })
}

async fn drill(
    store: &Store,
    settings: &Settings,
    monitor: &Monitor,
    severity: Severity,
    patience: Duration,
    fired_only: bool,
) -> Result<(), CliError> {
    let id = Uuid::new_v4();
    let fired = change(settings, monitor, id, severity, ChangeKind::Firing);
    if fired.groups.is_empty() {
        return Err(CliError::Failed(format!(
            "alerts of monitor `{}` have no receivers\nhint: set `alert.receivers`, or add a route",
            monitor.name
        )));
    }
    let groups = fired.groups.clone();
    let who = actor();
    let words = format!("test alert of monitor `{}` is firing: {id}", monitor.name);
    store.inject_alerts(&monitor.name, VERSION, &[fired], &who).await?;
    step(&serde_json::json!({ "alert": id, "state": "firing" }), &words);
    let expected = expected(settings, &groups);
    let first = tokio::select! {
        outcomes = watch(store, id, DrillPhase::Fired, &expected, patience) => Some(outcomes?),
        _ = tokio::signal::ctrl_c() => None,
    };
    // Whatever became of it: it does not stay open.
    let over = change(settings, monitor, id, severity, ChangeKind::Resolved);
    store.inject_alerts(&monitor.name, VERSION, &[over], &who).await?;
    let Some(first) = first else { return Err(interrupted()) };
    step(&serde_json::json!({ "alert": id, "state": "resolved" }), "test alert resolved");
    let told = told(&groups, &first);
    if fired_only {
        step(
            &serde_json::json!({ "alert": id, "state": "over", "outcome": "not waited for" }),
            "  not waiting for resolved messages (--fired-only)",
        );
        return conclude(id, &first, &BTreeMap::new());
    }
    let second = tokio::select! {
        outcomes = watch(store, id, DrillPhase::Over, &told, patience) => outcomes?,
        _ = tokio::signal::ctrl_c() => return Err(interrupted()),
    };
    conclude(id, &first, &second)
}

fn interrupted() -> CliError {
    CliError::Failed(
        "interrupted: the test alert is resolved; messages that still arrive are marked as a drill".to_owned(),
    )
}

/// What is expected of each receiver: nothing where the outcome is known before.
fn expected(settings: &Settings, groups: &[GroupKey]) -> BTreeMap<String, Option<ReceiverOutcome>> {
    let mut expected: BTreeMap<String, Option<ReceiverOutcome>> = BTreeMap::new();
    for group in groups {
        let receiver = settings.receivers.get(&group.receiver);
        let known = if receiver.is_some_and(crate::config::Receiver::is_training) {
            Some(ReceiverOutcome::not_told("training system: receives no alerts"))
        } else if receiver.is_some_and(crate::config::Receiver::takes_state) {
            Some(ReceiverOutcome::not_told(
                "Alertmanager receives the state of all alerts: check there within a minute",
            ))
        } else if group.timing.unacknowledged_for.is_some() {
            Some(ReceiverOutcome::not_told("escalation: sent only if nobody acknowledges in time"))
        } else {
            None
        };
        // One that is told at once counts more than its escalation.
        let before = expected.get(&group.receiver);
        if before.is_none() || known.is_none() {
            expected.insert(group.receiver.clone(), known);
        }
    }
    expected
}

/// Who is told of the end: those that were told of the beginning, where ends are told.
fn told(
    groups: &[GroupKey],
    first: &BTreeMap<String, ReceiverOutcome>,
) -> BTreeMap<String, Option<ReceiverOutcome>> {
    let arrived = first.iter().filter(|(_, outcome)| outcome.arrived());
    arrived
        .map(|(receiver, _)| {
            let mut own = groups
                .iter()
                .filter(|group| group.receiver == *receiver && group.timing.unacknowledged_for.is_none());
            let silent = own.all(|group| !group.timing.send_resolved);
            (
                receiver.clone(),
                silent
                    .then(|| ReceiverOutcome::not_told("resolved messages are not sent: `send_resolved = false`")),
            )
        })
        .collect()
}

fn conclude(
    id: Uuid,
    first: &BTreeMap<String, ReceiverOutcome>,
    second: &BTreeMap<String, ReceiverOutcome>,
) -> Result<(), CliError> {
    let all = || first.values().chain(second.values());
    let missing = all().filter(|outcome| outcome.failed()).count();
    let arrived = all().filter(|outcome| outcome.arrived()).count();
    if missing == 0 {
        step(
            &serde_json::json!({ "alert": id, "arrived": arrived, "missing": 0 }),
            &format!("{} arrived, none missing", number_of(arrived, "message")),
        );
        return Ok(());
    }
    Err(CliError::Findings(format!(
        "{missing} of {} did not arrive\nhint: `driftd alerts show {id}` has the details",
        number_of(missing + arrived, "message")
    )))
}

/// Says what happened: one JSON object per line for programs, otherwise in words.
fn step(event: &serde_json::Value, words: &str) {
    if as_json() {
        say_json_line(event);
    } else {
        say(words);
    }
}

fn change(settings: &Settings, monitor: &Monitor, id: Uuid, severity: Severity, kind: ChangeKind) -> ChangedAlert {
    let now = EventTime::from_micros(jiff::Timestamp::now().as_microsecond()).unwrap_or_default();
    let mut labels: Labels = monitor.rules.labels.clone();
    let own = [
        ("alertname", "drift"),
        ("kind", RuleKind::Drift.as_str()),
        ("monitor", &monitor.name),
        ("version", VERSION),
        ("segment", crate::window::WHOLE),
        ("severity", severity.as_str()),
        (DRILL, "true"),
    ];
    labels.extend(own.into_iter().map(|(label, value)| (label.to_owned(), value.to_owned())));
    let groups = settings.routing.groups_of(&labels, &monitor.rules.receivers);
    ChangedAlert {
        transition: Transition {
            rule: "drift".to_owned(),
            column: None,
            change: AlertChange {
                id,
                kind,
                reason: ChangeReason::ByPerson,
                severity,
                since: now,
                windows: 0,
                judged: 0,
            },
        },
        kind: RuleKind::Drift,
        labels,
        groups: if kind == ChangeKind::Firing { groups } else { Vec::new() },
        evidence: (kind == ChangeKind::Firing).then(|| Evidence {
            summary: format!("drill: test alert of {}; no real drift", monitor.name),
            advice: "No action needed: this is a test of alert delivery.".to_owned(),
            ..Evidence::default()
        }),
    }
}
