//! What a receiver is told when groups are due: pure. A message is about one group; after a rate cap held messages back, one
//! *digest* is about all groups of the receiver. The store loads what is asked for here and writes down what is decided.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::group::{Group, GroupStep, LOOK_AGAIN, LastTold, Member, SendReason, decide_group};
use super::{
    AlertFacts, AlertStatus, AlertView, AlertsEvent, Labels, Severity, Suppression, Surroundings, derived_id,
};
use crate::record::EventTime;

/// The label of alerts that are a drill.
pub const DRILL: &str = "drill";

/// A group that is looked at, with its alerts.
#[derive(Clone, Debug)]
pub struct DueGroup {
    /// Its id, of route, receiver and labels.
    pub id: Uuid,
    /// Its life: what its messages are about.
    pub thread: Uuid,
    /// The route that made it.
    pub route: String,
    /// Whom it tells.
    pub receiver: String,
    /// What its alerts have in common.
    pub labels: Labels,
    /// Calendars at which its route is silent.
    pub mute: Vec<String>,
    /// Whether a rate cap holds its news back.
    pub capped: bool,
    /// How its messages are spaced.
    pub timing: super::GroupTiming,
    /// When its first alert joined.
    pub opened: EventTime,
    /// When its last message was decided.
    pub sent: Option<EventTime>,
    pub alerts: Vec<DueAlert>,
}

/// An alert of a group that is looked at.
#[derive(Clone, Debug)]
pub struct DueAlert {
    /// As it is told.
    pub view: AlertView,
    /// When it fired.
    pub fired: EventTime,
    /// What was last told of it; none when nothing was.
    pub told: Option<LastTold>,
    /// What kept it from being told at the last look.
    pub suppression: Option<Suppression>,
}

/// The receiver of the groups.
#[derive(Clone, Copy, Debug)]
pub struct Recipient {
    /// Whether it is posted the state of all alerts instead of messages.
    pub takes_states: bool,
    /// When it may have another message, if it has had as many as it may.
    pub room_at: Option<EventTime>,
}

/// What is decided about due groups.
#[derive(Debug, Default)]
pub struct MessageDecision {
    /// About each group, in the order of the groups.
    pub groups: Vec<GroupDecision>,
    /// The message; none when there is nothing to tell.
    pub message: Option<Message>,
}

/// What is decided about one group.
#[derive(Debug, Default)]
pub struct GroupDecision {
    /// What keeps an alert from being told, where that changed; none when nothing does now.
    pub suppressions: Vec<(Uuid, Severity, Option<Suppression>)>,
    /// What is told of alerts.
    pub told: Vec<(Uuid, LastTold)>,
    /// What becomes of the group; its `send` is the group's own reason.
    pub step: GroupStep,
    /// Whether a rate cap holds its news back.
    pub capped: bool,
}

/// A message to a receiver.
#[derive(Debug)]
pub struct Message {
    /// Its id, of what it tells.
    pub id: Uuid,
    /// What it says.
    pub event: AlertsEvent,
    /// The threads whose unsent messages it stands for.
    pub threads: Vec<Uuid>,
}

impl AlertView {
    /// What inhibition and silences look at.
    #[must_use]
    pub fn facts(&self) -> AlertFacts {
        AlertFacts {
            id: self.id,
            labels: self.labels.clone(),
            status: self.status,
            columns: self.evidence.moving_columns(),
        }
    }
}

/// Whether what a rate cap held back is told together now.
#[must_use]
pub fn is_digest(first: &DueGroup, recipient: Recipient) -> bool {
    first.capped && recipient.room_at.is_none()
}

/// Decides about the groups of one receiver: the one that is due and, for a [digest](is_digest), all others that its cap holds
/// back. `external_url` is what the pages of alerts begin with.
#[must_use]
pub fn decide_message(
    groups: &[DueGroup],
    recipient: Recipient,
    surroundings: &Surroundings<'_>,
    external_url: Option<&str>,
) -> MessageDecision {
    let now = surroundings.now;
    let digest = groups.first().is_some_and(|first| is_digest(first, recipient));
    let mut decision = MessageDecision::default();
    let (mut about, mut others): (Vec<AlertView>, Vec<AlertView>) = (Vec::new(), Vec::new());
    let mut reason = None;
    for due in groups {
        let mut decided = GroupDecision::default();
        let group = members(due, surroundings, &mut decided.suppressions);
        let step = if recipient.takes_states { state_step(&group, now) } else { decide_group(&group, now) };
        decided.step = match (step.send, recipient.room_at) {
            (Some(_), Some(room_at)) => {
                hold_back(due, &step.about, &mut decided.suppressions);
                decided.capped = true;
                GroupStep { due: Some(room_at), ..GroupStep::default() }
            }
            _ => step,
        };
        if let Some(send) = decided.step.send {
            reason = Some(if digest { SendReason::Digest } else { send });
        }
        for alert in &due.alerts {
            if decided.step.send.is_some() && decided.step.about.contains(&alert.view.id) {
                let times = alert.told.map_or(0, |told| told.times).saturating_add(1);
                let told = LastTold {
                    status: alert.view.status,
                    severity: alert.view.severity,
                    times,
                    columns: Some(drifted_columns(&alert.view)),
                };
                decided.told.push((alert.view.id, told));
                about.push(alert.view.clone());
            } else {
                others.push(alert.view.clone());
            }
        }
        decision.groups.push(decided);
    }
    let (Some(reason), Some(first)) = (reason, groups.first()) else { return decision };
    let told = groups.iter().zip(&decision.groups);
    let news: Vec<(Uuid, Uuid, LastTold)> =
        told.flat_map(|(due, decided)| decided.told.iter().map(|(alert, told)| (due.id, *alert, *told))).collect();
    let id = message_id(&first.receiver, &news);
    for view in &mut about {
        view.link(external_url);
    }
    // A digest is about several groups, and a thread of its own.
    let thread = if digest { derived_id(&["digest", &id.to_string()]) } else { first.thread };
    let labels = if digest { BTreeMap::new() } else { first.labels.clone() };
    let drill = about.iter().all(|view| view.labels.contains_key(DRILL));
    let mut event = AlertsEvent::beside(thread, labels, reason, about, &others);
    event.test = drill;
    let threads = groups.iter().map(|due| due.thread).collect();
    decision.message = Some(Message { id, event, threads });
    decision
}

/// The group with what keeps each alert from being told now. `changed` takes where that is something else than at the last
/// look.
fn members(
    due: &DueGroup,
    surroundings: &Surroundings<'_>,
    changed: &mut Vec<(Uuid, Severity, Option<Suppression>)>,
) -> Group {
    let member = |alert: &DueAlert| {
        let suppression = surroundings.suppression(&alert.view.facts(), &due.mute);
        // That the cap holds it back is over when it is told.
        let was_capped = alert.suppression == Some(Suppression::RateCapped);
        let is_moving = alert.view.evidence.is_moving();
        // What has calmed down since is as good as held back until it moves again.
        let rests = alert.told.is_none() && !is_moving;
        if suppression != alert.suppression && !(suppression.is_none() && (was_capped || rests)) {
            changed.push((alert.view.id, alert.view.severity, suppression.clone()));
        }
        Member {
            id: alert.view.id,
            status: alert.view.status,
            severity: alert.view.severity,
            columns: drifted_columns(&alert.view),
            is_moving,
            fired: alert.fired,
            told: alert.told,
            suppression,
            was_held: alert.suppression.is_some() && !was_capped,
        }
    };
    let members = due.alerts.iter().map(member).collect();
    Group { timing: due.timing, opened: due.opened, sent: due.sent, members }
}

/// How many columns have drifted since an alert began, and how often they drifted further.
fn drifted_columns(alert: &AlertView) -> u32 {
    u32::try_from(alert.evidence.changes()).unwrap_or(u32::MAX)
}

/// The cap of the receiver is reached: said once of each alert.
fn hold_back(due: &DueGroup, about: &[Uuid], changed: &mut Vec<(Uuid, Severity, Option<Suppression>)>) {
    for alert in due.alerts.iter().filter(|alert| about.contains(&alert.view.id)) {
        if alert.suppression != Some(Suppression::RateCapped) {
            changed.push((alert.view.id, alert.view.severity, Some(Suppression::RateCapped)));
        }
    }
}

/// A receiver of states is sent nothing: what is over leaves, and what suppresses the rest is looked at again.
fn state_step(group: &Group, now: EventTime) -> GroupStep {
    let over = |member: &&Member| member.status == AlertStatus::Resolved;
    GroupStep {
        done: group.members.iter().filter(over).map(|member| member.id).collect(),
        due: Some(now.shifted(LOOK_AGAIN)),
        ..GroupStep::default()
    }
}

/// The id of a message to a receiver: of what it tells, so that every daemon that decides the same news, also after the
/// database was set back in time, sends them under the same id. `news` are the alerts with their groups. A message that tells more,
/// less or something else than another has another id: a receiver that remembers ids must not take it for known.
#[must_use]
pub fn message_id(receiver: &str, news: &[(Uuid, Uuid, LastTold)]) -> Uuid {
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
