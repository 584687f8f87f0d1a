//! What happens to alerts, as closed sets: the rows of an alert's history.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AlertStatus, Severity};
use crate::record::EventTime;

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The first drifting window of an episode that needs more.
    Pending,
    /// Enough drifting windows.
    Firing,
    /// Firing, and now worse.
    Worsened,
    /// Firing, and now less bad.
    Eased,
    /// Somebody acknowledged it.
    Acknowledged,
    /// Over.
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
            Self::Eased => "eased",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
            Self::Cleared => "cleared",
        }
    }

    /// Whether the alert is over after it.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.state().is_over()
    }

    /// The state of the alert's row after it.
    #[must_use]
    pub fn state(self) -> RowState {
        match self {
            Self::Pending => RowState::Pending,
            // Easing keeps an acknowledgement; the store keeps `acknowledged` there.
            Self::Firing | Self::Worsened | Self::Eased => RowState::Firing,
            Self::Acknowledged => RowState::Acknowledged,
            Self::Resolved => RowState::Resolved,
            Self::Cleared => RowState::Cleared,
        }
    }
}

/// The state of an alert's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowState {
    /// Drifting for fewer windows than its rule needs.
    Pending,
    /// Firing, acknowledged by nobody.
    Firing,
    /// Firing, acknowledged by a person.
    Acknowledged,
    /// Over after it fired.
    Resolved,
    /// Over before it fired.
    Cleared,
}

impl RowState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Firing, Self::Acknowledged, Self::Resolved, Self::Cleared];

    /// Those that are not over.
    pub const OPEN: [Self; 3] = [Self::Pending, Self::Firing, Self::Acknowledged];

    /// The name in tables, answers and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
            Self::Cleared => "cleared",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether the alert is over.
    #[must_use]
    pub fn is_over(self) -> bool {
        !Self::OPEN.contains(&self)
    }

    /// What is told of an alert in this state.
    #[must_use]
    pub fn status(self) -> AlertStatus {
        match self {
            Self::Resolved | Self::Cleared => AlertStatus::Resolved,
            Self::Acknowledged => AlertStatus::Acknowledged,
            Self::Pending | Self::Firing => AlertStatus::Firing,
        }
    }
}

/// Why it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeReason {
    /// A window exceeded the bar, and the rule waits for more.
    BarExceeded,
    /// As many windows drifted as the rule asks for.
    Persisted,
    /// It fires again soon after it had resolved.
    FiredAgain,
    /// A window is worse than all before.
    HigherSeverity,
    /// The newest windows are less bad.
    LowerSeverity,
    /// Enough quiet windows in a row.
    Quiet,
    /// Too few windows drifted, and no recent one does.
    DidNotPersist,
    /// A window that had been judged was judged again.
    WindowAmended,
    /// Somebody said so.
    ByPerson,
    /// The monitor, rule or column is no longer configured.
    RuleRemoved,
    /// The version or segment has no more records, while others of the monitor have some.
    NoMoreRecords,
}

impl ChangeReason {
    /// The name used in tables, events and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BarExceeded => "bar_exceeded",
            Self::Persisted => "persisted",
            Self::FiredAgain => "fired_again",
            Self::HigherSeverity => "higher_severity",
            Self::LowerSeverity => "lower_severity",
            Self::Quiet => "quiet",
            Self::DidNotPersist => "did_not_persist",
            Self::WindowAmended => "window_amended",
            Self::ByPerson => "by_person",
            Self::RuleRemoved => "rule_removed",
            Self::NoMoreRecords => "no_more_records",
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
    /// Why.
    pub reason: ChangeReason,
    pub severity: Severity,
    /// Start of the episode's first drifting window.
    pub since: EventTime,
    /// Windows since then that drift by the rule.
    pub windows: u32,
    /// Windows since then that say anything about drift, these included.
    pub judged: u32,
}

/// Namespace of the ids derived here.
const NAMESPACE: Uuid = Uuid::from_u128(0x6472_6966_7464_416c_6572_7445_7069_736f);

/// The id of the episode of a rule of a series that starts with a window: the same on every daemon, however often it is derived.
#[must_use]
pub fn episode_id(monitor: &str, version: &str, segment: &str, rule: &str, since: EventTime) -> Uuid {
    derived_id(&["episode", monitor, version, segment, rule, &since.micros().to_string()])
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
