//! Whether a retraining is asked for: pure.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::alert::{AlertState, derived_id};
use crate::record::EventTime;

/// When a monitor asks for a retraining.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrainPolicy {
    /// Firing windows in a row before it asks; at least 1.
    pub after_windows: u32,
    /// Event time, in microseconds, that passes between two requests of a monitor.
    pub cool_down: i64,
}

/// What was decided. A closed set: recorded with the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetrainDecision {
    /// Ask.
    Request,
    /// No alert fires.
    NotFiring,
    /// Not firing for long enough.
    NotYet,
    /// This episode has asked already.
    AlreadyRequested,
    /// The last request is too recent.
    CoolingDown,
    /// The window is incomplete: partitions were missing.
    IncompleteWindow,
}

impl RetrainDecision {
    /// The name used in logs and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::NotFiring => "not_firing",
            Self::NotYet => "not_yet",
            Self::AlreadyRequested => "already_requested",
            Self::CoolingDown => "cooling_down",
            Self::IncompleteWindow => "incomplete_window",
        }
    }
}

/// What is known when a window has been judged.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The series' alert after this window.
    pub alert: &'a AlertState,
    /// Whether the window was complete.
    pub complete: bool,
    /// End of the window.
    pub window_end: EventTime,
    /// Whether this window drifted.
    pub drifting: bool,
    /// Whether this episode has asked already.
    pub requested_for_episode: bool,
    /// End of the window behind the monitor's last request.
    pub last_request: Option<EventTime>,
}

/// Decides whether to ask.
#[must_use]
pub fn decide(policy: &RetrainPolicy, situation: Situation<'_>) -> RetrainDecision {
    let AlertState::Firing { windows, .. } = situation.alert else { return RetrainDecision::NotFiring };
    if !situation.drifting || *windows < policy.after_windows {
        return RetrainDecision::NotYet;
    }
    if situation.requested_for_episode {
        return RetrainDecision::AlreadyRequested;
    }
    if !situation.complete {
        return RetrainDecision::IncompleteWindow;
    }
    match situation.last_request {
        Some(last) if situation.window_end < last.shifted(policy.cool_down) => RetrainDecision::CoolingDown,
        _ => RetrainDecision::Request,
    }
}

/// The id of the one request of an episode.
#[must_use]
pub fn request_id(monitor: &str, episode: Uuid) -> Uuid {
    derived_id(&["retraining", monitor, &episode.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Severity;

    fn firing(windows: u32) -> AlertState {
        AlertState::Firing {
            id: Uuid::nil(),
            since: EventTime::default(),
            windows,
            quiet: 0,
            severity: Severity::Critical,
        }
    }

    fn situation(alert: &AlertState) -> Situation<'_> {
        Situation {
            alert,
            complete: true,
            window_end: EventTime::from_micros(1_000).unwrap(),
            drifting: true,
            requested_for_episode: false,
            last_request: None,
        }
    }

    #[test]
    fn asks_once_an_episode_after_enough_complete_windows_and_a_cool_down() {
        let policy = RetrainPolicy { after_windows: 2, cool_down: 500 };
        let (short, long) = (firing(1), firing(2));
        let at = |micros| EventTime::from_micros(micros);
        let cases = [
            (situation(&AlertState::Inactive), RetrainDecision::NotFiring),
            (situation(&short), RetrainDecision::NotYet),
            (situation(&long), RetrainDecision::Request),
            (Situation { drifting: false, ..situation(&long) }, RetrainDecision::NotYet),
            (Situation { requested_for_episode: true, ..situation(&long) }, RetrainDecision::AlreadyRequested),
            (Situation { complete: false, ..situation(&long) }, RetrainDecision::IncompleteWindow),
            (Situation { last_request: at(501), ..situation(&long) }, RetrainDecision::CoolingDown),
            (Situation { last_request: at(500), ..situation(&long) }, RetrainDecision::Request),
        ];
        for (situation, expected) in cases {
            assert_eq!(decide(&policy, situation), expected, "{situation:?}");
        }
    }
}
