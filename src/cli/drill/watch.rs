//! Waits for the messages of a drill: for each receiver until its group is due, and then for the message to arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::super::CliError;
use super::step;
use crate::escape::plain;
use crate::record::{TimeSpan, number_of};
use crate::store::{Store, WaitingGroup};
use crate::view::{AlertDetail, DeliveryEntry, DeliveryStatus};

/// What the messages are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DrillPhase {
    /// The alert fires.
    Fired,
    /// It is over.
    Over,
}

impl DrillPhase {
    fn as_str(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Over => "over",
        }
    }

    /// The state of the alert, for people.
    fn words(self) -> &'static str {
        match self {
            Self::Fired => "firing",
            Self::Over => "resolved",
        }
    }
}

/// How it ended for a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReceiverOutcome {
    /// The receiver took the message.
    Arrived(String),
    /// There is to be no message.
    NotTold(String),
    /// Something keeps the alert from being told now: a silence, a calendar, a cap, another alert.
    Held(String),
    /// The delivery failed, or there was no message in time.
    Failed(String),
}

impl ReceiverOutcome {
    pub(super) fn not_told(why: &str) -> Self {
        Self::NotTold(why.to_owned())
    }

    pub(super) fn arrived(&self) -> bool {
        matches!(self, Self::Arrived(_))
    }

    /// Whether a message is missing; one that is suppressed did not arrive, either.
    pub(super) fn failed(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Held(_))
    }

    fn words(&self) -> &str {
        match self {
            Self::Arrived(words) | Self::NotTold(words) | Self::Held(words) | Self::Failed(words) => words,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Arrived(_) => "arrived",
            Self::NotTold(_) => "not_told",
            Self::Held(_) => "held",
            Self::Failed(_) => "failed",
        }
    }
}

/// After this long beyond its time, a group that nobody looked at is worth a word.
const OVERDUE: TimeSpan = TimeSpan::seconds(5);

/// Waits until it is known for each receiver, and says it as it becomes known.
pub(super) async fn watch(
    store: &Store,
    id: Uuid,
    phase: DrillPhase,
    expected: &BTreeMap<String, Option<ReceiverOutcome>>,
    patience: Duration,
) -> Result<BTreeMap<String, ReceiverOutcome>, CliError> {
    let started = Instant::now();
    let mut found: BTreeMap<String, ReceiverOutcome> = BTreeMap::new();
    // Until when a message of each receiver is waited for: from when its group is due.
    let mut until: BTreeMap<&String, Instant> =
        expected.keys().map(|receiver| (receiver, started + patience)).collect();
    let mut said: BTreeSet<String> = BTreeSet::new();
    for (receiver, known) in expected {
        if let Some(outcome) = known {
            conclude(&mut found, receiver, phase, outcome.clone());
        }
    }
    while found.len() < expected.len() {
        let detail = store.alert(&id.to_string()).await?;
        let groups = store.waiting_groups(id).await?;
        for receiver in expected.keys() {
            if found.contains_key(receiver) {
                continue;
            }
            let message = message_to(&detail, receiver, phase);
            let group = groups
                .iter()
                .find(|group| group.receiver == *receiver && group.timing.unacknowledged_for.is_none());
            if let Some(outcome) = outcome(message, group, started.elapsed()) {
                conclude(&mut found, receiver, phase, outcome);
                continue;
            }
            let due_in = group.and_then(|group| group.due_in).unwrap_or_default();
            if message.is_none() && due_in > TimeSpan::ZERO {
                until.insert(receiver, Instant::now() + due_in.to_std() + patience);
                if let Some(group) = group.filter(|_| said.insert(receiver.clone())) {
                    say_wait(receiver, phase, due_in, group);
                }
            } else if message.is_none() && due_in < -OVERDUE && said.insert("overdue".to_owned()) {
                let event = serde_json::json!({ "waiting_for": "a daemon" });
                step(&event, "  no daemon has processed it yet: is one running?");
            }
            if until.get(receiver).is_some_and(|until| Instant::now() > *until) {
                let why = match message {
                    Some(message) => format!(
                        "not delivered within {} s of being due: {}{}",
                        patience.as_secs(),
                        number_of(message.attempts, "attempt"),
                        attempt_words(message)
                    ),
                    None => {
                        format!("no message within {} s of being due: no daemon created one", patience.as_secs())
                    }
                };
                conclude(&mut found, receiver, phase, ReceiverOutcome::Failed(why));
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(found)
}

fn message_to<'a>(detail: &'a AlertDetail, receiver: &str, phase: DrillPhase) -> Option<&'a DeliveryEntry> {
    let about = |entry: &&DeliveryEntry| {
        entry.receiver == receiver && (entry.event_type == "drift.alerts.resolved") == (phase == DrillPhase::Over)
    };
    detail.deliveries.iter().rfind(about)
}

fn outcome(
    message: Option<&DeliveryEntry>,
    group: Option<&WaitingGroup>,
    elapsed: Duration,
) -> Option<ReceiverOutcome> {
    match message {
        Some(entry) if entry.status == DeliveryStatus::Sent => Some(ReceiverOutcome::Arrived(format!(
            "arrived after {:.1} s, attempt {}",
            elapsed.as_secs_f64(),
            entry.attempts
        ))),
        Some(entry) if entry.status == DeliveryStatus::Dead => {
            Some(ReceiverOutcome::Failed(format!("delivery failed{}", attempt_words(entry))))
        }
        Some(entry) if entry.status == DeliveryStatus::Superseded => {
            Some(ReceiverOutcome::not_told("superseded by a later message"))
        }
        Some(_) => None,
        None => group.and_then(|group| group.suppression.as_ref()).map(|suppression| {
            ReceiverOutcome::Held(format!(
                "suppressed, {}: {}",
                suppression.as_str().replace('_', " "),
                plain(&suppression.by())
            ))
        }),
    }
}

fn attempt_words(entry: &DeliveryEntry) -> String {
    match (&entry.outcome, &entry.detail) {
        (Some(outcome), Some(detail)) if !detail.is_empty() => format!(", {outcome}: {}", plain(detail)),
        (Some(outcome), _) => format!(", {outcome}"),
        _ => String::new(),
    }
}

fn say_wait(receiver: &str, phase: DrillPhase, due_in: TimeSpan, group: &WaitingGroup) {
    let seconds = due_in.to_std().as_micros().div_ceil(1_000_000);
    let (key, span) = match phase {
        DrillPhase::Fired if group.timing.wait >= due_in => ("group_wait", group.timing.wait),
        _ => ("group_interval", group.timing.interval),
    };
    let event = serde_json::json!({
        "receiver": receiver, "state": phase.as_str(), "waiting_for": key, "seconds": seconds,
    });
    let words = format!(
        "  {receiver:<20} {:<8} due in {seconds} s: `{key}` is {} s",
        phase.as_str(),
        span.micros() / 1_000_000
    );
    step(&event, &words);
}

fn conclude(
    found: &mut BTreeMap<String, ReceiverOutcome>,
    receiver: &str,
    phase: DrillPhase,
    outcome: ReceiverOutcome,
) {
    let event = serde_json::json!({
        "receiver": receiver, "state": phase.as_str(), "result": outcome.kind(), "outcome": outcome.words(),
    });
    step(&event, &format!("  {receiver:<20} {:<8} {}", phase.words(), outcome.words()));
    found.insert(receiver.to_owned(), outcome);
}
