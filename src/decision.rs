//! Everything that follows from a closed window: findings, changes of alerts and whom they concern, whether to ask for a
//! retraining. Pure, so that the daemon, replays and tests decide alike; the store writes the result in the transaction
//! that closes the window.

use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use crate::alert::{
    AlertRule, ChangeKind, DriftedColumn, EventKind, Evidence, GroupKey, Labels, MAX_COLUMNS, Observation,
    Routing, RuleKind, SeriesAlerts, SeriesKey, Sign, Transition, WindowEvidence, derived_id, event_body,
};
use crate::distribution::WindowCounts;
use crate::judge::why::{Reason, explain_columns};
use crate::judge::{JudgeSpec, Judgement, judge};
use crate::record::EventTime;
use crate::retrain::{
    RetrainDecision, RetrainPolicy, RetrainingEvent, Situation, decide, evidence_pack, request_id,
};
use crate::window::{WHOLE, WindowKey};

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
    /// Earlier drifting windows since the first of the running episodes began, oldest first, with their starts.
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
    /// How long the training system may take, in microseconds.
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
            && state.history.last().is_some_and(|seen| seen.1.severity().is_some())
            && transitions.iter().all(|transition| transition.change.id != episode.id)
        {
            refreshed.push((episode.id, evidence(rule, column)));
        }
    }
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
    Decision { judgement, alerts, changes, refreshed, retrain, request, notifications }
}

/// What is looked at when no window closes: a monitor's input, or the daemon's deliveries.
#[derive(Clone, Copy, Debug)]
pub struct LookScope<'a> {
    /// The monitor; empty for the daemon.
    pub monitor: &'a str,
    /// Labels of all alerts.
    pub labels: &'a Labels,
    /// Names of the receivers that are told whatever the routes say.
    pub receivers: &'a [String],
    /// The daemon's routes.
    pub routing: &'a Routing,
}

/// Decides what signs mean: each about the monitor as a whole, or about one receiver. Rules without a sign stay as they
/// are.
#[must_use]
pub fn decide_look(
    alerts: &SeriesAlerts,
    scope: LookScope<'_>,
    signs: &[(Option<String>, Sign)],
    now: EventTime,
) -> (SeriesAlerts, Vec<ChangedAlert>) {
    let mut next = alerts.clone();
    let series = SeriesKey { monitor: scope.monitor, version: "", segment: WHOLE };
    let mut changes = Vec::new();
    for (receiver, sign) in signs {
        let rule = sign.rule;
        let observation = Observation { column: receiver.clone(), level: sign.level };
        let Some(transition) = next.observe(series, now, rule.as_str(), rule.policy(), observation) else {
            continue;
        };
        let mut labels = scope.labels.clone();
        let own = [
            ("alertname", rule.as_str()),
            ("kind", RuleKind::Operational.as_str()),
            ("monitor", scope.monitor),
            ("severity", transition.change.severity.as_str()),
            ("receiver", receiver.as_deref().unwrap_or_default()),
        ];
        let own = own.into_iter().filter(|(_, value)| !value.is_empty());
        labels.extend(own.map(|(label, value)| (label.to_owned(), value.to_owned())));
        let over = matches!(transition.change.kind, ChangeKind::Resolved | ChangeKind::Cleared);
        let whose = if scope.monitor.is_empty() { String::new() } else { format!("{}: ", scope.monitor) };
        let evidence = (!over).then(|| Evidence {
            summary: format!("{whose}{}", sign.summary),
            advice: rule.advice().to_owned(),
            ..Evidence::default()
        });
        let groups = groups_of(&transition, scope.routing, &labels, scope.receivers);
        changes.push(ChangedAlert { transition, kind: RuleKind::Operational, labels, evidence, groups });
    }
    (next, changes)
}

/// The messages that ask training systems: one each, with an id that follows from the request's.
#[must_use]
pub fn request_notifications(request: Uuid, receivers: &[String], body: &Value) -> Vec<Notification> {
    let to = |receiver: &String| Notification {
        id: derived_id(&["notification", &request.to_string(), receiver]),
        subject: request,
        receiver: receiver.clone(),
        kind: EventKind::RetrainingRequested,
        body: body.clone(),
    };
    receivers.iter().map(to).collect()
}

/// The groups an alert joins with a change. What follows later concerns the groups that it is in.
fn groups_of(transition: &Transition, routing: &Routing, labels: &Labels, own: &[String]) -> Vec<GroupKey> {
    match transition.change.kind {
        ChangeKind::Firing | ChangeKind::Worsened => routing.groups_of(labels, own),
        _ => Vec::new(),
    }
}

fn labels_of(
    rules: &DecisionRules,
    window: &ClosingWindow,
    rule: Option<&AlertRule>,
    transition: &Transition,
) -> Labels {
    let mut labels = rules.labels.clone();
    labels.extend(rule.map(|rule| rule.labels.clone()).unwrap_or_default());
    let kind = rule.map_or(RuleKind::Drift, |rule| rule.kind).as_str();
    let own = [
        ("alertname", transition.rule.as_str()),
        ("kind", kind),
        ("monitor", &rules.monitor),
        ("version", &window.key.version),
        ("segment", &window.key.segment),
        ("severity", transition.change.severity.as_str()),
        ("column", transition.column.as_deref().unwrap_or_default()),
    ];
    let own = own.into_iter().filter(|(_, value)| !value.is_empty());
    labels.extend(own.map(|(label, value)| (label.to_owned(), value.to_owned())));
    labels
}

fn evidence_of(
    window: &ClosingWindow,
    rules: &DecisionRules,
    judgement: &Judgement,
    rule: &AlertRule,
    column: Option<&str>,
) -> Evidence {
    let drifted = DriftedColumn::of(judgement, rule, column, |name| why(window, name));
    let mut model = rules.monitor.clone();
    if !window.key.version.is_empty() {
        model = format!("{model} version {}", window.key.version);
    }
    if window.key.segment != WHOLE {
        model = format!("{model}, segment {}", window.key.segment);
    }
    let names: Vec<&str> = drifted.iter().take(3).map(|column| column.column.as_str()).collect();
    let more = drifted.len().saturating_sub(names.len());
    let list = names.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() };
    let judged = judgement.columns.len();
    let summary = match (rule.kind, column) {
        (RuleKind::DataQuality, None) => format!("values of {model} are missing or broken: {list}"),
        (RuleKind::DataQuality, Some(column)) => format!("values of {column} of {model} are missing or broken"),
        (_, Some(column)) => format!("{column} of {model} drifted"),
        (_, None) => format!("{model} drifted in {} of {judged} columns: {list}", drifted.len()),
    };
    let advice = match rule.kind {
        RuleKind::DataQuality => {
            "Look at the pipeline that fills these columns. Retraining on broken values would teach them to the model."
        }
        _ => {
            "Look at the first columns: did a pipeline change, or did the world? If the new data is right, retrain the \
             model and build a baseline from its training data (driftd baseline build)."
        }
    };
    Evidence {
        summary,
        advice: advice.to_owned(),
        window: Some(window.evidence.clone()),
        baseline: window.baseline.as_ref().map(|(name, _)| name.clone()),
        baseline_records: Some(judgement.n_baseline),
        columns: Some(judged),
        drifted,
        more: 0,
    }
}

fn why(window: &ClosingWindow, column: &str) -> Vec<Reason> {
    let Some((_, Some(baseline))) = &window.baseline else { return Vec::new() };
    explain_columns(baseline, &window.counts, [column], |_, _| None).remove(column).unwrap_or_default()
}

fn retraining(
    window: &ClosingWindow,
    rules: &DecisionRules,
    policy: &RetrainPolicy,
    alerts: &SeriesAlerts,
    judgement: &Judgement,
) -> (RetrainDecision, Option<RetrainingEvent>) {
    let asks = |rule: &&AlertRule| match policy.rules.as_slice() {
        [] => rule.kind == RuleKind::Drift,
        named => named.contains(&rule.name),
    };
    let broken: Vec<&str> = broken_columns(rules, alerts, judgement);
    let mut outcome = RetrainDecision::NotFiring;
    for rule in rules.alerts.iter().filter(asks) {
        for (_, column, state) in alerts.states().filter(|(name, ..)| *name == rule.name) {
            let Some(episode) = state.episode.as_ref().filter(|_| state.is_open()) else { continue };
            let drifted = DriftedColumn::of(judgement, rule, column, |name| why(window, name));
            let windows: Vec<WindowEvidence> = window
                .earlier
                .iter()
                .filter(|(start, _)| *start >= episode.since)
                .map(|(_, evidence)| evidence.clone())
                .chain([window.evidence.clone()])
                .collect();
            let explained =
                !drifted.is_empty() && drifted.iter().all(|column| broken.contains(&column.column.as_str()));
            let decision = decide(
                policy,
                Situation {
                    alert: state,
                    complete: window.evidence.complete && windows.iter().all(|window| window.complete),
                    window_end: window.end,
                    drifting: state.history.last().is_some_and(|seen| seen.1.severity().is_some()),
                    windows: u32::try_from(windows.len()).unwrap_or(u32::MAX),
                    records: windows.iter().map(|window| window.records).sum(),
                    broken_data: window.feed_broken || explained,
                    requested_for_episode: window.requested.contains(&episode.id),
                    requests: &window.requests,
                },
            );
            outcome = decision;
            if !decision.makes_request() {
                continue;
            }
            let Some(training) = evidence_pack(&windows) else { continue };
            let id = request_id(&rules.monitor, episode.id);
            let event = RetrainingEvent {
                request_id: id,
                alert_id: episode.id,
                monitor: rules.monitor.clone(),
                version: window.key.version.clone(),
                segment: window.key.segment.clone(),
                reason: format!(
                    "{} of {} columns drifted in {} windows",
                    drifted.len(),
                    judgement.columns.len(),
                    windows.len(),
                ),
                baseline: window.baseline.as_ref().map(|(name, _)| name.clone()).unwrap_or_default(),
                training,
                windows,
                drifted: drifted.into_iter().take(MAX_COLUMNS).collect(),
                callback_url: rules.callback_url.as_ref().map(|base| format!("{base}{id}")),
                test: false,
            };
            return (decision, Some(event));
        }
    }
    (outcome, None)
}

/// Columns whose values an active alert says are missing or broken.
fn broken_columns<'a>(rules: &DecisionRules, alerts: &SeriesAlerts, judgement: &'a Judgement) -> Vec<&'a str> {
    let quality = rules.alerts.iter().filter(|rule| rule.kind == RuleKind::DataQuality);
    let active =
        |rule: &&AlertRule| alerts.states().any(|(name, _, state)| name == rule.name && state.is_active());
    let rules: Vec<&AlertRule> = quality.filter(active).collect();
    judgement
        .findings
        .iter()
        .filter(|finding| rules.iter().any(|rule| rule.covers(finding)))
        .filter(|finding| matches!(finding.verdict, crate::judge::Verdict::Warn | crate::judge::Verdict::Critical))
        .map(|finding| finding.column.as_str())
        .collect()
}
