//! `driftd drill`

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{CliError, actor, as_json, say, with_store};
use crate::alert::{AlertChange, ChangeKind, ChangeReason, Evidence, Labels, RuleKind, Severity, Transition};
use crate::config::Monitor;
use crate::decision::ChangedAlert;
use crate::notify::plain;
use crate::record::EventTime;
use crate::store::{DRILL, Store};
use crate::view::{AlertDetail, DeliveryEntry};

/// What to try.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The monitor whose alerts are tried; needed when there is more than one.
    #[arg(long)]
    monitor: Option<String>,
    /// How bad the made-up alert is: warn or critical.
    #[arg(long, default_value = "critical")]
    severity: String,
    /// How long to wait for messages to arrive, in seconds; beside the routes' own waits.
    #[arg(long, default_value_t = 60)]
    timeout: u64,
}

/// The version that drills are made of: no model has it.
const VERSION: &str = "drill";

pub(super) fn run(path: &Path, arguments: &Arguments) -> Result<(), CliError> {
    with_store(path, async |store, settings| {
        let monitor = super::monitor_of(settings, arguments.monitor.as_deref())?;
        let severity = Severity::from_name(&arguments.severity).ok_or_else(|| {
            CliError::Failed(format!("`{}` is not a severity: warn or critical", arguments.severity))
        })?;
        drill(store, monitor, severity, Duration::from_secs(arguments.timeout)).await
    })
}

async fn drill(store: &Store, monitor: &Monitor, severity: Severity, patience: Duration) -> Result<(), CliError> {
    let id = Uuid::new_v4();
    let fired = change(monitor, id, severity, ChangeKind::Firing);
    if fired.groups.is_empty() {
        return Err(CliError::Failed(format!(
            "alerts of monitor `{}` go to nobody\nhint: name receivers at `alert.receivers` or in a route",
            monitor.name
        )));
    }
    let wait = fired.groups.iter().map(|group| group.timing.wait).max().unwrap_or(0);
    let patience = patience + Duration::from_micros(u64::try_from(wait).unwrap_or(0));
    let expected: BTreeMap<String, bool> = fired
        .groups
        .iter()
        .map(|group| (group.receiver.clone(), group.timing.unacknowledged_for.is_some()))
        .collect();
    let words = format!(
        "a made-up alert of monitor `{}` fires; messages wait up to {} s for their group",
        monitor.name,
        wait / 1_000_000
    );
    let who = actor();
    store.inject_alerts(&monitor.name, VERSION, &[fired], &who).await?;
    step(&serde_json::json!({ "alert": id, "state": "firing" }), &words);
    let mut missing = watch(store, id, &expected, "fired", patience).await?;
    let over = change(monitor, id, severity, ChangeKind::Resolved);
    store.inject_alerts(&monitor.name, VERSION, &[over], &who).await?;
    step(&serde_json::json!({ "alert": id, "state": "resolved" }), "and is over");
    missing += watch(store, id, &expected, "over", patience).await?;
    if missing > 0 {
        return Err(CliError::Findings(format!(
            "{missing} messages did not arrive in time\nhint: does a daemon run? `driftd alerts show {id}` has the details"
        )));
    }
    Ok(())
}

/// Says what happened: a JSON object a line for programs, otherwise in words.
fn step(event: &serde_json::Value, words: &str) {
    if as_json() {
        say(event.to_string());
    } else {
        say(words);
    }
}

/// Waits for one message to each receiver, and says when it came. How many did not.
async fn watch(
    store: &Store,
    id: Uuid,
    expected: &BTreeMap<String, bool>,
    what: &str,
    patience: Duration,
) -> Result<usize, CliError> {
    let started = Instant::now();
    let resolved = what == "over";
    let mut arrived: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let AlertDetail { history, deliveries, .. } = store.alert(&id.to_string()).await?;
        let of = |receiver: &str| -> Vec<&DeliveryEntry> {
            let about = |entry: &&DeliveryEntry| {
                entry.receiver == receiver && (entry.event_type == "drift.alerts.resolved") == resolved
            };
            deliveries.iter().filter(about).collect()
        };
        for (receiver, escalation) in expected {
            if arrived.contains_key(receiver) {
                continue;
            }
            let seconds = started.elapsed().as_secs_f64();
            let held = history.iter().rev().find(|entry| {
                entry.kind == "held" && entry.reason != "released" && entry.detail.contains(receiver.as_str())
            });
            let said = match of(receiver).last() {
                Some(entry) if entry.status == "sent" => {
                    Some(format!("arrived in {seconds:.1} s, attempt {}", entry.attempts))
                }
                Some(entry) if entry.status == "dead" => Some(format!(
                    "given up: {} {}",
                    entry.outcome.as_deref().unwrap_or_default(),
                    plain(entry.detail.as_deref().unwrap_or_default())
                )),
                None if *escalation => Some("escalation: told only when nobody acknowledges".to_owned()),
                None => held.map(|entry| format!("held back: {}", plain(&entry.detail))),
                Some(_) => None,
            };
            if let Some(said) = said {
                let event = serde_json::json!({ "receiver": receiver, "state": what, "outcome": said });
                step(&event, &format!("  {receiver:<20} {what:<6} {said}"));
                arrived.insert(receiver.clone(), said);
            }
        }
        if arrived.len() == expected.len() {
            break;
        }
        if started.elapsed() > patience {
            for receiver in expected.keys().filter(|receiver| !arrived.contains_key(*receiver)) {
                let nothing = format!("nothing in {} s", patience.as_secs());
                let event = serde_json::json!({ "receiver": receiver, "state": what, "outcome": nothing });
                step(&event, &format!("  {receiver:<20} {what:<6} {nothing}"));
            }
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let lost = arrived.values().filter(|said| said.starts_with("given up")).count();
    Ok(expected.len() - arrived.len() + lost)
}

fn change(monitor: &Monitor, id: Uuid, severity: Severity, kind: ChangeKind) -> ChangedAlert {
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
    let groups = monitor.rules.routing.groups_of(&labels, &monitor.rules.receivers);
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
