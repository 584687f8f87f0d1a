//! What receivers are told: the body of every webhook, mail and Kafka message.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Evidence, Matcher, RuleKind, Segments, Severity, is_default};
use crate::record::{EventTime, Timestamp};
use crate::window::WHOLE;

/// The `type` of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// Alerts of a group, at least one of which fires.
    #[serde(rename = "drift.alerts.firing")]
    AlertsFiring,
    /// Alerts of a group, all of which are over.
    #[serde(rename = "drift.alerts.resolved")]
    AlertsResolved,
    /// What a rate cap held back.
    #[serde(rename = "drift.alerts.digest")]
    AlertsDigest,
    /// A retraining is asked for.
    #[serde(rename = "drift.retraining.requested")]
    RetrainingRequested,
    /// A challenger is worse than its champion.
    #[serde(rename = "drift.challenger.worse")]
    ChallengerWorse,
    /// A challenger is as good as its champion.
    #[serde(rename = "drift.challenger.ready")]
    ChallengerReady,
    /// A sequential detector found a drift.
    #[serde(rename = "drift.detected")]
    DriftDetected,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::AlertsFiring,
        Self::AlertsResolved,
        Self::AlertsDigest,
        Self::RetrainingRequested,
        Self::ChallengerWorse,
        Self::ChallengerReady,
        Self::DriftDetected,
    ];

    /// The `type` as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AlertsFiring => "drift.alerts.firing",
            Self::AlertsResolved => "drift.alerts.resolved",
            Self::AlertsDigest => "drift.alerts.digest",
            Self::RetrainingRequested => "drift.retraining.requested",
            Self::ChallengerWorse => "drift.challenger.worse",
            Self::ChallengerReady => "drift.challenger.ready",
            Self::DriftDetected => "drift.detected",
        }
    }
}

/// Where an alert stands, as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertStatus {
    /// It fires.
    Firing,
    /// Firing and acknowledged by a person.
    Acknowledged,
    /// It is over.
    Resolved,
}

impl AlertStatus {
    /// The name used in events and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}

/// An alert, as it is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AlertView {
    /// Its id: the same over its whole life.
    pub id: Uuid,
    /// Where it stands.
    pub status: AlertStatus,
    /// How bad it is.
    pub severity: Severity,
    /// The rule.
    pub rule: String,
    /// What kind of problem it is.
    pub kind: RuleKind,
    /// The monitor; empty when it is about the daemon.
    pub monitor: String,
    /// The model version; empty when records name none.
    pub version: String,
    /// `*` or `column=value`.
    pub segment: String,
    /// What it is routed and silenced by.
    pub labels: BTreeMap<String, String>,
    /// Start of the first drifting window.
    pub since: Timestamp,
    /// When it fired.
    pub fired_at: Timestamp,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
    /// Who acknowledged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_by: Option<String>,
    /// Who resolved it, when a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<String>,
    /// The comment of the person who acknowledged or resolved it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Why it is in this state.
    pub reason: String,
    /// Windows since it began that drift by its rule.
    pub windows: u32,
    /// Windows since it began that were judged, these included; 0 when that is not known.
    #[serde(default)]
    pub judged_windows: u32,
    /// For an alert of the whole: how the segments stand that drift, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<Segments>,
    /// For an alert of a segment: the alert of the whole that it only follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Uuid>,
    /// What it rests on.
    pub evidence: Evidence,
    /// Where to look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl AlertView {
    /// What tells this alert from others, whatever its severity and episode.
    #[must_use]
    pub fn matchers(&self) -> Vec<Matcher> {
        ["alertname", "monitor", "version", "segment", "column", "receiver"]
            .into_iter()
            .filter_map(|label| Some(Matcher::equal(label, self.labels.get(label)?)))
            .collect()
    }
}

/// The `data` of an event about alerts: one group of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertsEvent {
    /// The group's id, the same from its first message to the one that says all is over.
    pub group_id: Uuid,
    /// The labels its alerts have in common, by which they are grouped.
    pub group: BTreeMap<String, String>,
    /// Why it is told now.
    pub reason: super::SendReason,
    /// The worst severity of an alert that is not over, or of any when all are.
    pub severity: Severity,
    /// The alerts: what is not over first, the whole before its segments, then the worst.
    pub alerts: Vec<AlertView>,
    /// Alerts left out because there are too many.
    #[serde(default, skip_serializing_if = "is_default")]
    pub more: usize,
    /// Whether somebody only tries whether messages arrive.
    #[serde(default, skip_serializing_if = "is_false")]
    pub test: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Alerts an event names at most.
const MAX_ALERTS: usize = 50;

impl AlertsEvent {
    /// An event of a group, its alerts ordered: what is not over first; the whole before its segments, and those that stand
    /// apart before those that follow it; then by severity, then what moved most.
    #[must_use]
    pub fn new(
        group_id: Uuid,
        group: BTreeMap<String, String>,
        reason: super::SendReason,
        alerts: Vec<AlertView>,
    ) -> Self {
        Self::beside(group_id, group, reason, alerts, &[])
    }

    /// As [`AlertsEvent::new`], with further alerts of the group that are not told, for example silenced ones: a segment
    /// among them is counted where the whole says how its segments stand.
    #[must_use]
    pub fn beside(
        group_id: Uuid,
        group: BTreeMap<String, String>,
        reason: super::SendReason,
        mut alerts: Vec<AlertView>,
        others: &[AlertView],
    ) -> Self {
        let told = alerts.len();
        alerts.extend_from_slice(others);
        super::segments::relate(&mut alerts);
        alerts.truncate(told);
        let over = |alert: &AlertView| alert.status == AlertStatus::Resolved;
        alerts.sort_by(|left, right| {
            over(left)
                .cmp(&over(right))
                .then_with(|| (left.segment != WHOLE).cmp(&(right.segment != WHOLE)))
                .then_with(|| left.follows.is_some().cmp(&right.follows.is_some()))
                .then_with(|| right.severity.cmp(&left.severity))
                .then_with(|| right.evidence.strength().total_cmp(&left.evidence.strength()))
                .then_with(|| left.since.cmp(&right.since))
                .then_with(|| left.id.cmp(&right.id))
        });
        let counted = |alert: &&AlertView| !over(alert) || alerts.iter().all(over);
        let severity = alerts.iter().filter(counted).map(|alert| alert.severity).max().unwrap_or(Severity::Warn);
        let more = alerts.len().saturating_sub(MAX_ALERTS);
        alerts.truncate(MAX_ALERTS);
        for alert in &mut alerts {
            alert.evidence.cut();
        }
        Self { group_id, group, reason, severity, alerts, more, test: false }
    }

    /// The `type` of the event.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        if self.reason == super::SendReason::Digest {
            EventKind::AlertsDigest
        } else if self.alerts.iter().all(|alert| alert.status == AlertStatus::Resolved) {
            EventKind::AlertsResolved
        } else {
            EventKind::AlertsFiring
        }
    }

    /// Takes in the alerts of an earlier event that never went out and that this one does not name.
    pub fn absorb(&mut self, earlier: Self) {
        let news = |alert: &AlertView| self.alerts.iter().all(|own| own.id != alert.id);
        let kept: Vec<AlertView> = earlier.alerts.into_iter().filter(news).collect();
        let (test, more) = (self.test, self.more + earlier.more);
        // The segments that were left out of this event are still counted.
        let known: BTreeMap<Uuid, Segments> =
            self.alerts.iter().filter_map(|alert| Some((alert.id, alert.segments.clone()?))).collect();
        let alerts = std::mem::take(&mut self.alerts).into_iter().chain(kept).collect();
        *self = Self::new(self.group_id, std::mem::take(&mut self.group), self.reason, alerts);
        for alert in &mut self.alerts {
            if let Some(known) = known.get(&alert.id) {
                let segments = alert.segments.get_or_insert_with(Segments::default);
                segments.following = segments.following.max(known.following);
                segments.apart = segments.apart.max(known.apart);
            }
        }
        self.test = test;
        self.more += more;
    }
}

/// The body of an event: `type`, `timestamp`, `data`.
#[must_use]
pub fn event_body(kind: EventKind, at: EventTime, data: &impl Serialize) -> serde_json::Value {
    let timestamp = Timestamp::from(at);
    serde_json::json!({ "type": kind, "timestamp": timestamp, "data": data })
}
