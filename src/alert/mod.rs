//! The life of an alert, as a pure machine: (state, verdict of the next window) -> state and change.
//!
//! There is one alert at most for a *series* (monitor, version, segment) at a time. It goes from inactive
//! through pending to firing and back; what it passes on the way is an [`AlertChange`] with a reason.

mod event;

pub use event::{AlertEvent, DriftedColumn, EventKind, RetrainingEvent, WindowEvidence};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::judge::Verdict;
use crate::record::EventTime;

/// How bad an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look.
    Warn,
    /// Worth waking someone.
    Critical,
}

impl Severity {
    /// The name used in tables, events and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Critical => "critical",
        }
    }
}

/// When a series alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertPolicy {
    /// The least severity that counts.
    pub severity: Severity,
    /// Consecutive drifting windows before it fires; at least 1.
    pub for_windows: u32,
    /// Consecutive quiet windows before it resolves; at least 1.
    pub resolve_after: u32,
}

/// Where a series stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum AlertState {
    /// Nothing wrong.
    #[default]
    Inactive,
    /// Drifting, but not for long enough.
    Pending {
        /// The episode's id.
        id: Uuid,
        /// Start of its first drifting window.
        since: EventTime,
        /// Consecutive drifting windows.
        windows: u32,
        /// The worst so far.
        severity: Severity,
    },
    /// People know.
    Firing {
        /// The episode's id.
        id: Uuid,
        /// Start of its first drifting window.
        since: EventTime,
        /// Drifting windows in a row, up to the last one.
        windows: u32,
        /// Quiet windows in a row, up to the last one.
        quiet: u32,
        /// The worst that was told.
        severity: Severity,
    },
}

/// What happened to an alert. A closed set: the `kind` column of its history and of notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The first drifting window of an episode that needs more.
    Pending,
    /// Enough drifting windows in a row.
    Firing,
    /// Firing, and now worse.
    Worsened,
    /// Enough quiet windows in a row.
    Resolved,
    /// A pending episode that went away by itself.
    Cleared,
}

impl ChangeKind {
    /// The name used in tables, events and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Worsened => "worsened",
            Self::Resolved => "resolved",
            Self::Cleared => "cleared",
        }
    }
}

/// One change of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertChange {
    /// The episode.
    pub id: Uuid,
    /// What happened.
    pub kind: ChangeKind,
    /// Its severity.
    pub severity: Severity,
    /// Start of the episode's first drifting window.
    pub since: EventTime,
    /// Drifting windows in a row.
    pub windows: u32,
}

/// Namespace of the ids derived here.
const NAMESPACE: Uuid = Uuid::from_u128(0x6472_6966_7464_416c_6572_7445_7069_736f);

/// The id of the episode of a series that starts with a window: the same whoever derives it, however often.
#[must_use]
pub fn episode_id(monitor: &str, version: &str, segment: &str, since: EventTime) -> Uuid {
    derived_id(&["episode", monitor, version, segment, &since.micros().to_string()])
}

/// The id of the notification of one change to one receiver.
#[must_use]
pub fn notification_id(alert: Uuid, change: ChangeKind, severity: Severity, receiver: &str) -> Uuid {
    derived_id(&["notification", &alert.to_string(), change.as_str(), severity.as_str(), receiver])
}

/// An id from parts; parts cannot run into one another.
#[must_use]
pub fn derived_id(parts: &[&str]) -> Uuid {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    Uuid::new_v5(&NAMESPACE, &bytes)
}

/// The next window of a series.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// The monitor's name.
    pub monitor: &'a str,
    /// The model version.
    pub version: &'a str,
    /// The segment.
    pub segment: &'a str,
    /// Start of the window.
    pub start: EventTime,
    /// What was decided about it.
    pub verdict: Verdict,
}

/// Takes the next window into account. Windows that say nothing about drift (too few records, no baseline,
/// undefined) leave everything as it is: they neither raise nor resolve an alert.
#[must_use]
pub fn advance(
    state: &AlertState,
    observation: Observation<'_>,
    policy: AlertPolicy,
) -> (AlertState, Option<AlertChange>) {
    let seen = match observation.verdict {
        Verdict::Critical => Some(Severity::Critical),
        Verdict::Warn => Some(Severity::Warn),
        Verdict::Ok => None,
        Verdict::NotEnoughData | Verdict::NoBaseline | Verdict::Undefined => return (state.clone(), None),
    };
    let drifting = seen.filter(|severity| *severity >= policy.severity);
    match (state, drifting) {
        (AlertState::Inactive, None) => (AlertState::Inactive, None),
        (AlertState::Inactive, Some(severity)) => {
            let Observation { monitor, version, segment, start, .. } = observation;
            begin(episode_id(monitor, version, segment, start), start, 1, severity, policy)
        }
        (AlertState::Pending { id, since, windows, severity }, Some(now)) => {
            begin(*id, *since, windows.saturating_add(1), now.max(*severity), policy)
        }
        (AlertState::Pending { id, since, windows, severity }, None) => {
            let change = AlertChange {
                id: *id,
                kind: ChangeKind::Cleared,
                severity: *severity,
                since: *since,
                windows: *windows,
            };
            (AlertState::Inactive, Some(change))
        }
        (AlertState::Firing { id, since, windows, severity, .. }, Some(now)) => {
            let windows = windows.saturating_add(1);
            let worst = now.max(*severity);
            let next = AlertState::Firing { id: *id, since: *since, windows, quiet: 0, severity: worst };
            let change = (worst > *severity).then_some(AlertChange {
                id: *id,
                kind: ChangeKind::Worsened,
                severity: worst,
                since: *since,
                windows,
            });
            (next, change)
        }
        (AlertState::Firing { id, since, windows, quiet, severity }, None) => {
            let quiet = quiet.saturating_add(1);
            if quiet >= policy.resolve_after {
                let change = AlertChange {
                    id: *id,
                    kind: ChangeKind::Resolved,
                    severity: *severity,
                    since: *since,
                    windows: *windows,
                };
                (AlertState::Inactive, Some(change))
            } else {
                let next = AlertState::Firing { id: *id, since: *since, windows: 0, quiet, severity: *severity };
                (next, None)
            }
        }
    }
}

fn begin(
    id: Uuid,
    since: EventTime,
    windows: u32,
    severity: Severity,
    policy: AlertPolicy,
) -> (AlertState, Option<AlertChange>) {
    let change = |kind| AlertChange { id, kind, severity, since, windows };
    if windows >= policy.for_windows {
        (AlertState::Firing { id, since, windows, quiet: 0, severity }, Some(change(ChangeKind::Firing)))
    } else {
        let first = (windows == 1).then(|| change(ChangeKind::Pending));
        (AlertState::Pending { id, since, windows, severity }, first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(policy: AlertPolicy, verdicts: &[Verdict]) -> Vec<String> {
        let mut state = AlertState::default();
        let mut told = Vec::new();
        for (index, verdict) in (0i64..).zip(verdicts) {
            let start = EventTime::from_micros(index).unwrap();
            let observation = Observation { monitor: "m", version: "1", segment: "*", start, verdict: *verdict };
            let (next, change) = advance(&state, observation, policy);
            state = next;
            if let Some(change) = change {
                told.push(format!(
                    "{index} {} {} since {}",
                    change.kind.as_str(),
                    change.severity.as_str(),
                    change.since.micros()
                ));
            }
        }
        told
    }

    const ONE: AlertPolicy = AlertPolicy { severity: Severity::Critical, for_windows: 1, resolve_after: 1 };

    use Verdict::{Critical as C, NoBaseline as B, NotEnoughData as N, Ok as O, Undefined as U, Warn as W};

    #[test]
    fn fires_once_and_resolves_once_an_episode() {
        assert_eq!(
            run(ONE, &[O, C, C, C, O, O, C]),
            ["1 firing critical since 1", "4 resolved critical since 1", "6 firing critical since 6"]
        );
    }

    #[test]
    fn waits_for_k_windows_in_a_row() {
        let policy = AlertPolicy { for_windows: 3, ..ONE };
        assert_eq!(
            run(policy, &[C, C, O, C, C, C, C]),
            [
                "0 pending critical since 0",
                "2 cleared critical since 0",
                "3 pending critical since 3",
                "5 firing critical since 3"
            ]
        );
    }

    #[test]
    fn windows_that_say_nothing_change_nothing() {
        let policy = AlertPolicy { for_windows: 2, ..ONE };
        assert_eq!(run(policy, &[C, N, B, U, C, N]), ["0 pending critical since 0", "4 firing critical since 0"]);
    }

    #[test]
    fn warnings_count_only_when_asked_for_and_worsening_is_told() {
        assert!(run(ONE, &[W, W]).is_empty());
        let policy = AlertPolicy { severity: Severity::Warn, resolve_after: 2, ..ONE };
        assert_eq!(
            run(policy, &[W, C, O, C, O, O]),
            ["0 firing warn since 0", "1 worsened critical since 0", "5 resolved critical since 0"]
        );
    }

    #[test]
    fn ids_are_the_same_for_the_same_episode_and_parts_cannot_run_together() {
        let start = EventTime::from_micros(5).unwrap();
        assert_eq!(episode_id("m", "1", "*", start), episode_id("m", "1", "*", start));
        assert_ne!(derived_id(&["ab", "c"]), derived_id(&["a", "bc"]));
    }
}
