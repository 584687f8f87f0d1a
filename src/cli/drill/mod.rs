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

/// What to try.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The monitor whose alerts are tried: its name in the configuration, or its file; needed when there is more than one.
    #[arg(long, value_name = "MONITOR")]
    monitor: Option<String>,
    /// How bad the made-up alert is: warn or critical.
    #[arg(long, default_value = "critical", value_parser = ["warn", "critical"])]
    severity: String,
    /// How long to wait for a message once it is due, in seconds. The waits of the routes (`group_wait` before the first
    /// message, `group_interval` before the one about the end) come on top.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Wait for the messages that say that it fires, and not for those that say that it is over, which come
    /// `group_interval` later (5 minutes by default).
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
            "alerts of monitor `{}` go to nobody\nhint: name receivers at `alert.receivers` or in a route",
            monitor.name
        )));
    }
    let groups = fired.groups.clone();
    let who = actor();
    let words = format!("a made-up alert of monitor `{}` fires: {id}", monitor.name);
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
    step(&serde_json::json!({ "alert": id, "state": "resolved" }), "the alert is over");
    let told = told(&groups, &first);
    if fired_only {
        step(
            &serde_json::json!({ "alert": id, "state": "over", "outcome": "not waited for" }),
            "  messages about the end are not waited for (--fired-only)",
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
        "interrupted: the made-up alert is over; what still comes about it says that it is a drill".to_owned(),
    )
}

/// What is expected of each receiver: nothing where the outcome is known before.
fn expected(settings: &Settings, groups: &[GroupKey]) -> BTreeMap<String, Option<ReceiverOutcome>> {
    let mut expected: BTreeMap<String, Option<ReceiverOutcome>> = BTreeMap::new();
    for group in groups {
        let receiver = settings.receivers.get(&group.receiver);
        let known = if receiver.is_some_and(crate::config::Receiver::is_training) {
            Some(ReceiverOutcome::not_told("a training system: it takes no alerts"))
        } else if receiver.is_some_and(crate::config::Receiver::takes_state) {
            Some(ReceiverOutcome::not_told(
                "an Alertmanager is posted the state of all alerts: look there, within a minute",
            ))
        } else if group.timing.unacknowledged_for.is_some() {
            Some(ReceiverOutcome::not_told("an escalation: told only when nobody acknowledges in time"))
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
                silent.then(|| ReceiverOutcome::not_told("ends are not told: `send_resolved = false`")),
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
            &format!("{} arrived, none is missing", number_of(arrived, "message")),
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
            summary: format!("drill: a made-up drift of {}; nothing is wrong", monitor.name),
            advice: "Nothing has to be done: somebody tries whether alerts arrive.".to_owned(),
            ..Evidence::default()
        }),
    }
}
