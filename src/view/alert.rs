//! Alerts with their history and messages.

use std::collections::BTreeMap;

use super::DeliveryStatus;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::alert::{AlertView, Judged, RowState, Severity};
use crate::record::Timestamp;

/// Which alerts to list.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    /// Of this monitor.
    pub monitor: Option<String>,
    /// Those that are over, too.
    pub all: bool,
}

/// An alert with the state of its row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AlertRow {
    /// Where it stands.
    pub state: RowState,
    /// What people found out about it.
    pub judged: Option<Judged>,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Who is not told of it now, and why: `owner: silenced by 1a2b3c4d`.
    #[serde(default)]
    pub not_told: Vec<String>,
    /// The column, or receiver, of a rule that has an alert for each.
    #[serde(skip)]
    pub column: Option<String>,
    /// As it is told.
    #[serde(flatten)]
    pub view: AlertView,
}

impl HistoryEntry {
    /// What happened and why, in words: the names that are stored are made for programs.
    #[must_use]
    pub fn words(&self) -> String {
        let why = match self.reason.as_str() {
            "bar_exceeded" => "over the limit",
            "persisted" => "its rule is met",
            "fired_again" => "again, soon after it was resolved",
            "higher_severity" => "a window is more severe",
            "lower_severity" => "the newest windows are less severe",
            "quiet" => "enough windows without drift",
            "did_not_persist" => "too few drifting windows",
            "window_amended" => "a window was judged again with late records",
            "by_person" => "",
            "rule_removed" => "it is no longer configured",
            "no_more_records" => "no more records",
            other => &other.replace('_', " "),
        };
        match (self.kind.as_str(), self.reason.as_str()) {
            ("told", reason) => match reason {
                "repeated" => "notification repeated".to_owned(),
                "digest" => "notification sent in a digest".to_owned(),
                "new_alerts" => "notification sent: an alert of its group fires".to_owned(),
                "worsened" => "notification sent: more severe, or another column drifts".to_owned(),
                "resolved" => "notification sent: an alert of its group is resolved".to_owned(),
                "acknowledged" => "notification sent: an alert of its group was acknowledged".to_owned(),
                "escalated" => "notification sent: nobody acknowledged it in time".to_owned(),
                _ => "notification sent".to_owned(),
            },
            ("judged", "real") => "recorded as a real problem".to_owned(),
            ("judged", _) => "recorded as a false alarm".to_owned(),
            ("held", "released") => "no longer suppressed".to_owned(),
            ("held", _) => format!("suppressed: {why}"),
            ("firing", "window_amended") => "raised late: late records changed a window".to_owned(),
            ("resolved" | "cleared", "window_amended") => {
                "withdrawn: with late records too few of its windows drift".to_owned()
            }
            (kind, _) if why.is_empty() => kind.replace('_', " "),
            (kind, _) => format!("{}: {why}", kind.replace('_', " ")),
        }
    }
}

impl AlertRow {
    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state.is_over()
    }
}

/// A row of an alert's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HistoryEntry {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// How bad the alert was.
    pub severity: Severity,
    /// Who.
    pub actor: String,
    /// In words.
    pub detail: String,
    /// Start of the window that made the change.
    pub window: Option<Timestamp>,
    /// Its id; none when no window made the change, or it was deleted.
    pub window_id: Option<i64>,
}

/// A message about an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeliveryEntry {
    /// The message.
    pub id: Uuid,
    /// To whom.
    pub receiver: String,
    /// The event's `type`.
    pub event_type: String,
    /// Where its delivery stands.
    pub status: DeliveryStatus,
    /// How often it was tried.
    pub attempts: i32,
    /// How the last attempt ended.
    pub outcome: Option<String>,
    /// In words.
    pub detail: Option<String>,
    /// When it was decided.
    pub at: Timestamp,
}

/// An alert with everything about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AlertDetail {
    /// The alert.
    pub alert: AlertRow,
    /// From beginning to end.
    pub history: Vec<HistoryEntry>,
    /// The messages about it.
    pub deliveries: Vec<DeliveryEntry>,
    /// While it fires: the firing alerts of the same rule and model version about segments, for an alert of the whole; that
    /// of the whole, for one of a segment.
    pub segments: Vec<AlertRow>,
}

/// The part of event time in which an alert of a series fired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Episode {
    /// The alert.
    pub id: Uuid,
    /// The rule.
    pub rule: String,
    /// The column, for a rule that has an alert for each.
    pub column: Option<String>,
    /// Where it stands.
    pub state: RowState,
    /// How bad it is.
    pub severity: Severity,
    /// Start of the first drifting window.
    pub since: Timestamp,
    /// Start of the window that ended it; none while it is not over.
    pub until: Option<Timestamp>,
    /// When its columns began to drift, by their names, as far as that was found.
    pub onsets: BTreeMap<String, Timestamp>,
}

impl Episode {
    /// Whether the window that starts at this time is one of the episode.
    #[must_use]
    pub fn covers(&self, start: Timestamp) -> bool {
        self.since <= start && self.until.is_none_or(|until| start < until)
    }
}
