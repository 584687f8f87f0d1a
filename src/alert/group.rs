//! Whether a group is told now: pure. The group's own clock drives it: `wait` before the first message, `interval` between
//! messages with news, `repeat` before telling again what still fires. Every message says how all alerts of the group
//! stand, so a later one stands for an earlier one that never went out.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AlertStatus, GroupTiming, Severity, Suppression};
use crate::record::{EventTime, TimeSpan};

/// Why a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendReason {
    /// An alert fires that was not told yet.
    NewAlerts,
    /// A told alert became worse: more severe, or another column drifts.
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
pub struct LastTold {
    /// How it stood.
    pub status: AlertStatus,
    /// How bad it was.
    pub severity: Severity,
    /// How often the group has told of it.
    #[serde(default)]
    pub times: u32,
    /// How many columns had drifted by then; none in what was stored before that was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<u32>,
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
    /// How many columns have drifted since it began.
    pub columns: u32,
    /// Whether something is wrong in its last judged window. An alert that waits for windows in a row without drift is not.
    pub is_moving: bool,
    /// When it fired.
    pub fired: EventTime,
    /// What was last told of it; none when nothing was.
    pub told: Option<LastTold>,
    /// What keeps it from being told now.
    pub suppression: Option<Suppression>,
    /// Whether something has kept it from being told so far.
    pub was_held: bool,
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

/// How soon to look again at what is suppressed: silences and calendars end by themselves.
pub(super) const LOOK_AGAIN: TimeSpan = TimeSpan::seconds(30);

/// What an alert adds to the decision about its group.
enum AlertContribution {
    /// It is over for this group.
    Done,
    /// It is not told now; perhaps at this time.
    NotNow(Option<EventTime>),
    /// A message of the group tells how it stands; with news, if there are any.
    Told(Option<SendReason>),
}

/// Decides. `now` is the one time of the whole step.
#[must_use]
pub fn decide_group(group: &Group, now: EventTime) -> GroupStep {
    let timing = group.timing;
    let mut step = GroupStep::default();
    let mut looks: Vec<EventTime> = Vec::new();
    let mut news: Option<SendReason> = None;
    let mut still_firing = false;
    for member in &group.members {
        match part_of(member, timing, now) {
            AlertContribution::Done => step.done.push(member.id),
            AlertContribution::NotNow(look) => looks.extend(look),
            AlertContribution::Told(reason) => {
                news = news.into_iter().chain(reason).max_by_key(|reason| urgency(*reason));
                still_firing |= member.status == AlertStatus::Firing && member.is_moving;
                step.about.push(member.id);
            }
        }
    }
    // The first message waits for further alerts, later ones keep their distance.
    let earliest = match group.sent {
        None => group.opened.shifted(timing.wait),
        Some(sent) => sent.shifted(timing.interval),
    };
    let repeats = timing.repeat > TimeSpan::ZERO && still_firing;
    let repeat_at = group.sent.filter(|_| repeats).map(|sent| sent.shifted(timing.repeat));
    step.send = match news {
        Some(reason) if now >= earliest => Some(reason),
        None if repeat_at.is_some_and(|at| now >= at) => Some(SendReason::Repeated),
        _ => None,
    };
    if step.send.is_none() {
        step.about.clear();
        looks.extend(news.map(|_| earliest));
        looks.extend(repeat_at);
        step.due = looks.into_iter().min();
        return step;
    }
    // The message says that they are over.
    let is_over = |member: &&Member| member.status == AlertStatus::Resolved && step.about.contains(&member.id);
    let over: Vec<Uuid> = group.members.iter().filter(is_over).map(|member| member.id).collect();
    step.done.extend(over);
    looks.extend(repeats.then(|| now.shifted(timing.repeat)));
    step.due = looks.into_iter().min();
    step
}

/// What an alert adds, by the first of these sentences that holds.
fn part_of(member: &Member, timing: GroupTiming, now: EventTime) -> AlertContribution {
    let over = member.status == AlertStatus::Resolved;
    // What was never told and is over while something keeps it back, or has kept it back, need not be told.
    if (member.suppression.is_some() || member.was_held) && over && member.told.is_none() {
        return AlertContribution::Done;
    }
    // What keeps it back ends by itself.
    if member.suppression.is_some() {
        return AlertContribution::NotNow(Some(now.shifted(LOOK_AGAIN)));
    }
    // What has calmed down before it was told is told when it moves again, if it does.
    if !member.is_moving && !over && member.told.is_none() {
        return AlertContribution::NotNow(None);
    }
    if let (Some(patience), None) = (timing.unacknowledged_for, member.told) {
        let escalates = member.fired.shifted(patience);
        match member.status {
            // Somebody acknowledged it in time, and it went away, or it went away by itself.
            AlertStatus::Resolved => return AlertContribution::Done,
            AlertStatus::Acknowledged => return AlertContribution::NotNow(None),
            AlertStatus::Firing if now < escalates => return AlertContribution::NotNow(Some(escalates)),
            AlertStatus::Firing => return AlertContribution::Told(Some(SendReason::Escalated)),
        }
    }
    let news = news_of(member, timing);
    // Its end was told, or is not to be told.
    if over && news.is_none() {
        return AlertContribution::Done;
    }
    // Who acknowledged it knows of it.
    if member.status == AlertStatus::Acknowledged && member.told.is_none() {
        return AlertContribution::NotNow(None);
    }
    AlertContribution::Told(news)
}

/// What is new about an alert, compared with what was told.
fn news_of(member: &Member, timing: GroupTiming) -> Option<SendReason> {
    match (member.status, member.told) {
        (AlertStatus::Firing, None) => Some(SendReason::NewAlerts),
        (AlertStatus::Firing, Some(told)) if member.severity > told.severity => Some(SendReason::Worsened),
        (AlertStatus::Acknowledged, Some(told)) if told.status == AlertStatus::Firing => {
            Some(SendReason::Acknowledged)
        }
        // Another column drifts: who acknowledged the first ones does not know of it.
        (AlertStatus::Firing | AlertStatus::Acknowledged, Some(told))
            if member.is_moving && told.columns.is_some_and(|columns| member.columns > columns) =>
        {
            Some(SendReason::Worsened)
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
