//! Everything that follows from a closed window: findings, changes of alerts and whom they concern, whether to ask for a
//! retraining. Pure, so that the daemon, replays and tests decide alike; the store writes the result in the transaction
//! that closes the window.

mod evidence;
mod look;
mod retraining;

pub use look::{LookScope, decide_look};
pub use retraining::request_notifications;

use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use crate::alert::{
    AlertRule, ChangeKind, EventKind, Evidence, GroupKey, Labels, Routing, RuleKind, SeriesAlerts, SeriesKey,
    Transition, WindowEvidence, event_body,
};
use crate::distribution::{RecordSample, WindowCounts};
use crate::judge::{JudgeSpec, Judgement, judge};
use crate::record::EventTime;
use crate::retrain::{RetrainDecision, RetrainPolicy};
use crate::window::WindowKey;
use evidence::{evidence_of, labels_of};
use retraining::{is_explained, retraining};

/// How a monitor decides and whom it tells.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionRules {
    /// The monitor's name.
    pub monitor: String,
    /// Labels of all its alerts.
    pub labels: Labels,
    /// Measures, thresholds, the rule over columns.
    pub judge: JudgeSpec,
    /// What alerts.
    pub alerts: Vec<AlertRule>,
    /// Names of the receivers it tells whatever the routes say.
    pub receivers: Vec<String>,
    /// The daemon's routes.
    pub routing: Arc<Routing>,
    /// When it asks for a retraining.
    pub retrain: Option<RetrainPolicy>,
    /// Names of the receivers that take retraining requests.
    pub retrain_receivers: Vec<String>,
    /// What training systems put a request's id behind to say how it goes.
    pub callback_url: Option<String>,
}

/// A window that closes, with all that is needed to decide.
#[derive(Clone, Debug)]
pub struct ClosingWindow {
    /// Version, segment, start.
    pub key: WindowKey,
    /// Its end.
    pub end: EventTime,
    /// What was counted.
    pub counts: WindowCounts,
    /// A sample of its records, empty when none is kept: what tells faults apart that counts do not.
    pub sample: RecordSample,
    /// What to tell about it.
    pub evidence: WindowEvidence,
    /// The baseline: what it is called, and its counts for this segment if it has any.
    pub baseline: Option<(String, Option<WindowCounts>)>,
    /// The states of the series' alerts before.
    pub alerts: SeriesAlerts,
    /// Whether an alert says that the monitor's input is broken.
    pub feed_broken: bool,
    /// Episodes that asked for a retraining already.
    pub requested: Vec<Uuid>,
    /// Ends of the windows behind the monitor's requests.
    pub requests: Vec<EventTime>,
    /// Earlier drifting windows since the first of the running episodes began, oldest first, with their starts; those alone
    /// that a model could learn from.
    pub earlier: Vec<(EventTime, WindowEvidence)>,
}

/// A message to one receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The receiver's idempotency key.
    pub id: Uuid,
    /// The group or request it is about; messages about one subject are delivered in order.
    pub subject: Uuid,
    /// The receiver's name.
    pub receiver: String,
    /// The event's `type`.
    pub kind: EventKind,
    /// The event: `type`, `timestamp`, `data`.
    pub body: Value,
}

/// An alert that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedAlert {
    /// What happened.
    pub transition: Transition,
    /// What kind of problem it is.
    pub kind: RuleKind,
    /// What it is routed and silenced by.
    pub labels: Labels,
    /// What it rests on; none when it is over, and what it rested on stays.
    pub evidence: Option<Evidence>,
    /// Whom it concerns; empty for changes that are not told.
    pub groups: Vec<GroupKey>,
}

/// A request to retrain.
#[derive(Clone, Debug, PartialEq)]
pub struct RetrainingRequest {
    /// Its id.
    pub id: Uuid,
    /// The alert behind it.
    pub alert: Uuid,
    /// Whether it is sent, waits for a person, or is a dry run.
    pub decision: RetrainDecision,
    /// How long the training system may take, in microseconds; 0 when no answer can come.
    pub answer_within: i64,
    /// Who is asked.
    pub receivers: Vec<String>,
    /// The event.
    pub body: Value,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Findings and verdict.
    pub judgement: Judgement,
    /// The states of the series' alerts after.
    pub alerts: SeriesAlerts,
    /// What happened to them.
    pub changes: Vec<ChangedAlert>,
    /// What open alerts that drift on without a change rest on now.
    pub refreshed: Vec<(Uuid, Evidence)>,
    /// Whether a model could learn from the window: it is complete, and no broken values explain its drift.
    pub teaches: bool,
    /// Whether a retraining is asked for, or why not; none when the monitor has no policy.
    pub retrain: Option<RetrainDecision>,
    /// The request, when there is one.
    pub request: Option<RetrainingRequest>,
    /// What training systems are asked.
    pub notifications: Vec<Notification>,
}

/// Decides. `now` is the time events carry; it decides nothing.
#[must_use]
pub fn decide_window(window: &ClosingWindow, rules: &DecisionRules, now: EventTime) -> Decision {
    let baseline = window.baseline.as_ref().and_then(|(_, counts)| counts.as_ref());
    let judgement = judge(&window.counts, baseline, &rules.judge);
    let series = SeriesKey { monitor: &rules.monitor, version: &window.key.version, segment: &window.key.segment };
    let (alerts, transitions) = window.alerts.judged(series, window.key.start, &rules.alerts, &judgement);
    let evidence = |rule: &AlertRule, column: Option<&str>| evidence_of(window, rules, &judgement, rule, column);
    let rule_of = |name: &str| rules.alerts.iter().find(|rule| rule.name == name);
    let mut refreshed = Vec::new();
    for (name, column, state) in alerts.states() {
        if let (Some(rule), Some(episode), true) = (rule_of(name), &state.episode, state.is_open())
            // A window that says nothing leaves what the last one said.
            && state.history.last().is_some_and(|seen| seen.0 == window.key.start && seen.1.severity().is_some())
            && transitions.iter().all(|transition| transition.change.id != episode.id)
        {
            refreshed.push((episode.id, evidence(rule, column)));
        }
    }
    let teaches = window.evidence.complete && !is_explained(window, rules, &alerts, &judgement);
    let (retrain, request) = match &rules.retrain {
        None => (None, None),
        Some(policy) => {
            let (decision, event) = retraining(window, rules, policy, &alerts, &judgement);
            (Some(decision), event.map(|event| (decision, policy.answer_within, event)))
        }
    };
    let changes = transitions
        .into_iter()
        .map(|transition| {
            let rule = rule_of(&transition.rule);
            let over = matches!(transition.change.kind, ChangeKind::Resolved | ChangeKind::Cleared);
            let column = transition.column.as_deref();
            let evidence = rule.filter(|_| !over).map(|rule| evidence(rule, column));
            let labels = labels_of(rules, window, rule, &transition);
            let groups = groups_of(&transition, &rules.routing, &labels, &rules.receivers);
            ChangedAlert {
                kind: rule.map_or(RuleKind::Drift, |rule| rule.kind),
                transition,
                labels,
                evidence,
                groups,
            }
        })
        .collect();
    let mut notifications = Vec::new();
    let request = request.map(|(decision, answer_within, event)| {
        let body = event_body(EventKind::RetrainingRequested, &now.to_string(), &event);
        if decision == RetrainDecision::Request {
            notifications.extend(request_notifications(event.request_id, &rules.retrain_receivers, &body));
        }
        RetrainingRequest {
            id: event.request_id,
            alert: event.alert_id,
            decision,
            answer_within,
            receivers: rules.retrain_receivers.clone(),
            body,
        }
    });
    Decision { judgement, alerts, changes, refreshed, teaches, retrain, request, notifications }
}

/// The groups an alert joins with a change. What follows later concerns the groups that it is in.
fn groups_of(transition: &Transition, routing: &Routing, labels: &Labels, own: &[String]) -> Vec<GroupKey> {
    match transition.change.kind {
        ChangeKind::Firing | ChangeKind::Worsened => routing.groups_of(labels, own),
        _ => Vec::new(),
    }
}
