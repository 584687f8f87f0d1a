//! Whether a group is told now: pure. The group's own clock drives it: `wait` before the first message, `interval` between
//! messages with news, `repeat` before telling again what still fires. Every message says how all alerts of the group
//! stand, so a later one stands for an earlier one that never went out.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AlertStatus, GroupTiming, Severity, Suppression, derived_id};
use crate::record::EventTime;

/// Why a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendReason {
    /// An alert fires that was not told yet.
    NewAlerts,
    /// A told alert became worse.
    Worsened,
    /// Nobody acknowledged it in time.
    Escalated,
    /// A told alert is over.
    Resolved,
    /// Somebody is at a told alert.
    Acknowledged,
    /// It still fires.
    Repeated,
    /// A rate cap had held it back.
    Digest,
    /// Somebody tries whether messages arrive.
    Test,
}

impl SendReason {
    /// The name used in tables, events and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NewAlerts => "new_alerts",
            Self::Worsened => "worsened",
            Self::Escalated => "escalated",
            Self::Resolved => "resolved",
            Self::Acknowledged => "acknowledged",
            Self::Repeated => "repeated",
            Self::Digest => "digest",
            Self::Test => "test",
        }
    }
}

/// What was last told of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// How it stood.
    pub status: AlertStatus,
    /// How bad it was.
    pub severity: Severity,
    /// How often the group has told of it.
    #[serde(default)]
    pub times: u32,
}

/// The id of a message to a receiver: of what it tells, so that whoever decides the same news, also after the database was
/// set back in time, sends them under the same id. `news` are the alerts with their groups. A message that tells more,
/// less or something else than another has another id: a receiver that remembers ids must not take it for known.
#[must_use]
pub fn message_id(receiver: &str, news: &[(Uuid, Uuid, Told)]) -> Uuid {
    let mut told: Vec<String> = news
        .iter()
        .map(|(group, alert, told)| {
            format!("{group} {alert} {} {} {}", told.status.as_str(), told.severity.as_str(), told.times)
        })
        .collect();
    // The order in which groups are looked at says nothing.
    told.sort();
    let parts: Vec<&str> = ["message", receiver].into_iter().chain(told.iter().map(String::as_str)).collect();
    derived_id(&parts)
}

/// An alert in a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The alert.
    pub id: Uuid,
    /// How it stands.
    pub status: AlertStatus,
    /// How bad it is.
    pub severity: Severity,
    /// When it fired.
    pub fired: EventTime,
    /// What was last told of it; none when nothing was.
    pub told: Option<Told>,
    /// What keeps it from being told now.
    pub suppression: Option<Suppression>,
}

/// A group with its clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// How its messages are spaced.
    pub timing: GroupTiming,
    /// When its first alert joined.
    pub opened: EventTime,
    /// When the last message was decided.
    pub sent: Option<EventTime>,
    /// Its alerts.
    pub members: Vec<Member>,
}

/// What is to be done about a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupStep {
    /// Why a message is sent; none when none is.
    pub send: Option<SendReason>,
    /// The alerts it is about.
    pub about: Vec<Uuid>,
    /// Alerts that are over for this group.
    pub done: Vec<Uuid>,
    /// When to look again; none when only a change of an alert can bring news.
    pub due: Option<EventTime>,
}

/// How soon to look again at what is suppressed, in microseconds: silences and calendars end by themselves.
const LOOK_AGAIN: i64 = 30_000_000;

/// Decides. `now` is the one time of the whole step.
#[must_use]
pub fn decide_group(group: &Group, now: EventTime) -> GroupStep {
    let timing = group.timing;
    let mut step = GroupStep::default();
    let mut due: Vec<EventTime> = Vec::new();
    let mut news: Option<SendReason> = None;
    let mut still_firing = false;
    for member in &group.members {
        let over = member.status == AlertStatus::Resolved;
        if member.suppression.is_some() {
            // What was never told and is over need not be told; what was told is, once nothing is in the way.
            if over && member.told.is_none() {
                step.done.push(member.id);
            } else {
                due.push(now.shifted(LOOK_AGAIN));
            }
            continue;
        }
        let escalation = timing.unacknowledged_for;
        if let (Some(patience), None) = (escalation, member.told) {
            match member.status {
                // Somebody was at it in time, or it went away.
                AlertStatus::Resolved => {
                    step.done.push(member.id);
                    continue;
                }
                AlertStatus::Acknowledged => continue,
                AlertStatus::Firing if now < member.fired.shifted(patience) => {
                    due.push(member.fired.shifted(patience));
                    continue;
                }
                AlertStatus::Firing => {}
            }
        }
        let reason = news_of(member, timing);
        if over && reason.is_none() {
            step.done.push(member.id);
            continue;
        }
        if member.status == AlertStatus::Acknowledged && member.told.is_none() {
            // Whoever is at it knows.
            continue;
        }
        let reason = match reason {
            Some(SendReason::NewAlerts) if escalation.is_some() => Some(SendReason::Escalated),
            other => other,
        };
        still_firing |= member.status == AlertStatus::Firing;
        news = match (news, reason) {
            (Some(known), Some(new)) => Some(if urgency(new) > urgency(known) { new } else { known }),
            (known, new) => new.or(known),
        };
        step.about.push(member.id);
    }
    let earliest = match group.sent {
        None => group.opened.shifted(timing.wait),
        Some(sent) => sent.shifted(timing.interval),
    };
    let repeat_at =
        group.sent.filter(|_| timing.repeat > 0 && still_firing).map(|sent| sent.shifted(timing.repeat));
    step.send = match news {
        Some(reason) if now >= earliest => Some(reason),
        Some(_) => {
            due.push(earliest);
            None
        }
        None if repeat_at.is_some_and(|at| now >= at) => Some(SendReason::Repeated),
        None => None,
    };
    if step.send.is_some() {
        let over = |id: &&Uuid| {
            group.members.iter().any(|member| member.id == **id && member.status == AlertStatus::Resolved)
        };
        step.done.extend(step.about.iter().filter(over).copied().collect::<Vec<_>>());
        due.extend((timing.repeat > 0 && still_firing).then(|| now.shifted(timing.repeat)));
    } else {
        step.about.clear();
        due.extend(repeat_at);
    }
    step.due = due.into_iter().min();
    step
}

/// What is new about an alert, compared with what was told.
fn news_of(member: &Member, timing: GroupTiming) -> Option<SendReason> {
    match (member.status, member.told) {
        (AlertStatus::Firing, None) => Some(SendReason::NewAlerts),
        (AlertStatus::Firing, Some(told)) if member.severity > told.severity => Some(SendReason::Worsened),
        (AlertStatus::Acknowledged, Some(told)) if told.status == AlertStatus::Firing => {
            Some(SendReason::Acknowledged)
        }
        // It fired and went before anything was said: one message says both.
        (AlertStatus::Resolved, None) => Some(SendReason::Resolved),
        (AlertStatus::Resolved, Some(told)) if told.status != AlertStatus::Resolved && timing.send_resolved => {
            Some(SendReason::Resolved)
        }
        _ => None,
    }
}

fn urgency(reason: SendReason) -> u8 {
    match reason {
        SendReason::NewAlerts | SendReason::Escalated => 5,
        SendReason::Worsened => 4,
        SendReason::Resolved => 3,
        SendReason::Acknowledged => 2,
        SendReason::Repeated | SendReason::Digest | SendReason::Test => 1,
    }
}
