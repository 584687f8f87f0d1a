//! Who is told of which alert, with which others, and how soon: routes, and what keeps an alert from being told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AlertStatus, Labels, Matcher, RuleKind, all_match, derived_id};
use crate::record::{EventTime, TimeSpan};
use crate::window::Calendar;

/// How messages about a group are spaced; the words are Alertmanager's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupTiming {
    /// Before the first message: others may join.
    pub wait: TimeSpan,
    /// Between messages about news of the group.
    pub interval: TimeSpan,
    /// Before telling again what is still firing; 0 is never.
    pub repeat: TimeSpan,
    /// Whether the end is told.
    pub send_resolved: bool,
    /// Only alerts that nobody acknowledged for this long: an escalation.
    pub unacknowledged_for: Option<TimeSpan>,
}

impl Default for GroupTiming {
    fn default() -> Self {
        Self {
            wait: TimeSpan::seconds(10),
            interval: TimeSpan::minutes(5),
            repeat: TimeSpan::hours(4),
            send_resolved: true,
            unacknowledged_for: None,
        }
    }
}

/// A route: alerts that match go to receivers, grouped.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// What it is called, in the history of alerts.
    pub name: String,
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// Who is told.
    pub receivers: Vec<String>,
    /// Labels by which alerts are put together.
    pub group_by: Vec<String>,
    /// How messages are spaced.
    pub timing: GroupTiming,
    /// Calendars during which it is silent.
    pub mute: Vec<String>,
    /// Whether later routes are looked at, too, when it matches.
    pub goes_on: bool,
}

/// Alerts that keep others from being told.
#[derive(Clone, Debug, PartialEq)]
pub struct InhibitRule {
    /// Which alerts inhibit.
    pub source: Vec<Matcher>,
    /// Which are inhibited.
    pub target: Vec<Matcher>,
    /// Labels that must be the same.
    pub equal: Vec<String>,
}

/// Everything about telling.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Routing {
    /// In order; alerts go to the first that matches, and on if it says so.
    pub routes: Vec<Route>,
    /// Beside those that are built in.
    pub inhibit: Vec<InhibitRule>,
    /// By name.
    pub calendars: BTreeMap<String, Calendar>,
    /// Labels by which the receivers a monitor names itself put alerts together.
    pub group_by: Vec<String>,
    /// How their messages are spaced.
    pub timing: GroupTiming,
    /// Calendars during which they are not told.
    pub mute: Vec<String>,
    /// Who takes operational alerts that no route takes.
    pub operators: Vec<String>,
}

/// A group that an alert belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupKey {
    /// The route's name.
    pub route: String,
    pub receiver: String,
    /// The labels by which it is grouped.
    pub labels: Labels,
    /// How messages are spaced.
    pub timing: GroupTiming,
    /// Calendars during which it is silent.
    pub mute: Vec<String>,
}

impl GroupKey {
    /// The same for the same route, receiver and labels.
    #[must_use]
    pub fn id(&self) -> Uuid {
        let mut parts = vec!["group", &self.route, &self.receiver];
        for (label, value) in &self.labels {
            parts.extend([label.as_str(), value.as_str()]);
        }
        derived_id(&parts)
    }
}

/// The route of the receivers that a monitor names itself.
pub const OWN_ROUTE: &str = "monitor";

impl Routing {
    /// The groups an alert belongs to: of the receivers its monitor names, then of the routes that match, then, for an
    /// operational alert that nobody takes, of the operators. A receiver is told once.
    #[must_use]
    pub fn groups_of(&self, labels: &Labels, own: &[String]) -> Vec<GroupKey> {
        let mut groups: Vec<GroupKey> = Vec::new();
        let direct = |receivers: &[String]| Route {
            name: OWN_ROUTE.to_owned(),
            matchers: Vec::new(),
            receivers: receivers.to_vec(),
            group_by: self.group_by.clone(),
            timing: self.timing,
            mute: self.mute.clone(),
            goes_on: true,
        };
        join(&mut groups, &direct(own), labels);
        for route in self.routes.iter().filter(|route| all_match(&route.matchers, labels)) {
            join(&mut groups, route, labels);
            if !route.goes_on {
                break;
            }
        }
        if groups.is_empty() && labels.get("kind").is_some_and(|kind| kind == RuleKind::Operational.as_str()) {
            join(&mut groups, &Route { name: "operators".to_owned(), ..direct(&self.operators) }, labels);
        }
        groups
    }
}

fn join(groups: &mut Vec<GroupKey>, route: &Route, labels: &Labels) {
    // A receiver that is the trouble is not told of it.
    let troubled = labels.get("receiver");
    for receiver in route.receivers.iter().filter(|receiver| troubled != Some(receiver)) {
        // An escalation goes to its receiver even when another route tells it at once.
        let told = |group: &GroupKey| {
            group.receiver == *receiver
                && group.timing.unacknowledged_for.is_some() == route.timing.unacknowledged_for.is_some()
        };
        if groups.iter().any(told) {
            continue;
        }
        let of = |label: &String| Some((label.clone(), labels.get(label)?.clone()));
        groups.push(GroupKey {
            route: route.name.clone(),
            receiver: receiver.clone(),
            labels: route.group_by.iter().filter_map(of).collect(),
            timing: route.timing,
            mute: route.mute.clone(),
        });
    }
}

/// What inhibition and silences need to know of an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertFacts {
    pub id: Uuid,
    pub labels: Labels,
    /// Where it stands.
    pub status: AlertStatus,
    /// The columns it is about.
    pub columns: Vec<String>,
}

/// A silence, for as long as it lasts.
#[derive(Clone, Debug, PartialEq)]
pub struct Silence {
    pub id: Uuid,
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// When it begins.
    pub starts: EventTime,
    /// When it ends.
    pub ends: EventTime,
}

impl Silence {
    /// Whether it keeps an alert quiet now.
    #[must_use]
    pub fn covers(&self, labels: &Labels, now: EventTime) -> bool {
        self.starts <= now && now < self.ends && all_match(&self.matchers, labels)
    }
}

/// Why an alert is not told now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Suppression {
    /// Somebody silenced it.
    Silenced {
        /// The silence.
        id: Uuid,
    },
    /// Another alert explains it.
    Inhibited {
        /// That alert.
        id: Uuid,
    },
    /// The route is silent at this time.
    Muted {
        /// The calendar's name.
        calendar: String,
    },
    /// The receiver has had as many messages as it may.
    RateCapped,
}

impl Suppression {
    /// The reason as the history of alerts has it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Silenced { .. } => "silenced",
            Self::Inhibited { .. } => "inhibited",
            Self::Muted { .. } => "muted",
            Self::RateCapped => "rate_capped",
        }
    }

    /// `silenced by 1a2b3c4d`, as the reason for which an alert is not told.
    #[must_use]
    pub fn words(&self) -> String {
        let short = |id: &Uuid| id.to_string().chars().take(8).collect::<String>();
        match self {
            Self::Silenced { id } => format!("silenced by {}", short(id)),
            Self::Inhibited { id } => format!("explained by alert {}", short(id)),
            Self::Muted { calendar } => format!("muted by calendar {calendar}"),
            Self::RateCapped => "rate cap reached".to_owned(),
        }
    }

    /// Which silence, alert or calendar.
    #[must_use]
    pub fn by(&self) -> String {
        match self {
            Self::Silenced { id } | Self::Inhibited { id } => id.to_string(),
            Self::Muted { calendar } => calendar.clone(),
            Self::RateCapped => String::new(),
        }
    }
}

/// Whatever may keep alerts from being told.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    pub silences: &'a [Silence],
    /// All alerts that are not over.
    pub open: &'a [AlertFacts],
    /// The rules, and the calendars.
    pub routing: &'a Routing,
    /// The time.
    pub now: EventTime,
}

impl Surroundings<'_> {
    /// What keeps an alert of a route with these mute calendars from being told, if anything does.
    #[must_use]
    pub fn suppression(&self, alert: &AlertFacts, mute: &[String]) -> Option<Suppression> {
        if let Some(silence) = self.silences.iter().find(|silence| silence.covers(&alert.labels, self.now)) {
            return Some(Suppression::Silenced { id: silence.id });
        }
        if let Some(source) = self.inhibitor(alert) {
            return Some(Suppression::Inhibited { id: source.id });
        }
        let muting =
            |name: &&String| self.routing.calendars.get(*name).is_some_and(|calendar| calendar.contains(self.now));
        mute.iter().find(muting).map(|calendar| Suppression::Muted { calendar: calendar.clone() })
    }

    fn inhibitor(&self, target: &AlertFacts) -> Option<&AlertFacts> {
        self.open.iter().find(|source| {
            source.id != target.id
                && source.status != AlertStatus::Resolved
                && (explains(source, target)
                    || self.routing.inhibit.iter().any(|rule| rule_inhibits(rule, source, target)))
        })
    }
}

fn rule_inhibits(rule: &InhibitRule, source: &AlertFacts, target: &AlertFacts) -> bool {
    // As Alertmanager: an alert that is on both sides does not inhibit its like.
    all_match(&rule.source, &source.labels)
        && all_match(&rule.target, &target.labels)
        && !(all_match(&rule.target, &source.labels) && all_match(&rule.source, &target.labels))
        && rule.equal.iter().all(|label| source.labels.get(label) == target.labels.get(label))
}

/// Rules of operational alerts that mean that the input of a monitor is broken: no retraining is asked for.
pub const BROKEN_FEED: [&str; 6] =
    ["no_data", "rejected_share", "retention_gap", "stuck_partition", "clock_skew", "log_replaced"];

/// Those of them that explain drift. Rejected records do not: the rest was counted, and what drifts there drifts; nor does
/// what is late, filtered or not readable.
const EXPLAINS_DRIFT: [&str; 4] = ["no_data", "retention_gap", "stuck_partition", "log_replaced"];

/// Whether one alert explains another, as is built in: missing or broken values explain the drift of the same columns of
/// the same series; the model's alert explains those of its columns; a broken feed explains all drift of its monitor.
#[must_use]
pub fn explains(source: &AlertFacts, target: &AlertFacts) -> bool {
    let of = |facts: &AlertFacts, label: &str| facts.labels.get(label).cloned().unwrap_or_default();
    let same = |labels: &[&str]| labels.iter().all(|label| of(source, label) == of(target, label));
    let (source_kind, target_kind) = (of(source, "kind"), of(target, "kind"));
    let operational = RuleKind::Operational.as_str();
    if target_kind == operational || !same(&["monitor"]) {
        return false;
    }
    if source_kind == operational {
        return EXPLAINS_DRIFT.contains(&of(source, "alertname").as_str());
    }
    let covered = !target.columns.is_empty() && target.columns.iter().all(|name| source.columns.contains(name));
    if !covered || !same(&["version", "segment"]) {
        return false;
    }
    let quality = source_kind == RuleKind::DataQuality.as_str() && target_kind == RuleKind::Drift.as_str();
    // A model's alert has no column of its own.
    let whole = source_kind == target_kind && of(source, "column").is_empty() && !of(target, "column").is_empty();
    quality || whole
}
