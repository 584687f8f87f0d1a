//! Everything that follows from a closed window: findings, the alert's change, whom to tell, whether to ask
//! for a retraining. Pure, so that the daemon, replays and tests decide alike; the store writes the result in
//! the transaction that closes the window.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::alert::{
    AlertChange, AlertEvent, AlertPolicy, AlertState, DriftedColumn, EventKind, Observation, RetrainingEvent,
    WindowEvidence, advance, derived_id, notification_id,
};
use crate::distribution::WindowCounts;
use crate::judge::{JudgeSpec, Judgement, Verdict, judge};
use crate::record::EventTime;
use crate::retrain::{RetrainDecision, RetrainPolicy, Situation, decide, request_id};
use crate::window::WindowKey;

/// How a monitor decides and whom it tells.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionRules {
    /// The monitor's name.
    pub monitor: String,
    /// Measures, thresholds, the rule over columns.
    pub judge: JudgeSpec,
    /// When it alerts.
    pub alert: AlertPolicy,
    /// Names of the receivers that are told.
    pub receivers: Vec<String>,
    /// When it asks for a retraining.
    pub retrain: Option<RetrainPolicy>,
    /// Names of the receivers that take retraining requests.
    pub retrain_receivers: Vec<String>,
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
    /// The alert's state before.
    pub alert: AlertState,
    /// Episodes that asked for a retraining already.
    pub requested: Vec<Uuid>,
    /// End of the window behind the monitor's last request.
    pub last_request: Option<EventTime>,
    /// Earlier drifting windows of the running episode, oldest first.
    pub earlier: Vec<WindowEvidence>,
}

/// A message to one receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The receiver's idempotency key.
    pub id: Uuid,
    /// The alert or request it is about; messages about one subject are delivered in order.
    pub subject: Uuid,
    /// The receiver's name.
    pub receiver: String,
    /// The event's `type`.
    pub event_type: String,
    /// The event: `type`, `timestamp`, `data`.
    pub body: Value,
}

/// A request to retrain.
#[derive(Clone, Debug, PartialEq)]
pub struct RetrainingRequest {
    /// Its id.
    pub id: Uuid,
    /// The alert behind it.
    pub alert: Uuid,
    /// The event.
    pub body: Value,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Findings and verdict.
    pub judgement: Judgement,
    /// The alert's state after.
    pub alert: AlertState,
    /// What happened to the alert.
    pub change: Option<AlertChange>,
    /// Whether a retraining is asked for, or why not; none when the monitor has no policy.
    pub retrain: Option<RetrainDecision>,
    /// The request, when there is one.
    pub request: Option<RetrainingRequest>,
    /// Whom to tell what.
    pub notifications: Vec<Notification>,
}

/// Decides. `now` is the time events carry; it decides nothing.
#[must_use]
pub fn decide_window(window: &ClosingWindow, rules: &DecisionRules, now: EventTime) -> Decision {
    let (baseline_name, baseline) = match &window.baseline {
        Some((name, counts)) => (name.as_str(), counts.as_ref()),
        None => ("", None),
    };
    let judgement = judge(&window.counts, baseline, &rules.judge);
    let observation = Observation {
        monitor: &rules.monitor,
        version: &window.key.version,
        segment: &window.key.segment,
        start: window.key.start,
        verdict: judgement.verdict,
    };
    let (alert, change) = advance(&window.alert, observation, rules.alert);
    let drifted = DriftedColumn::of(&judgement);
    let mut notifications = Vec::new();
    if let Some(change) = &change
        && let Some(kind) = EventKind::of(change.kind)
    {
        let data = AlertEvent {
            alert_id: change.id,
            monitor: rules.monitor.clone(),
            version: window.key.version.clone(),
            segment: window.key.segment.clone(),
            change: change.kind,
            severity: change.severity,
            since: change.since.to_string(),
            windows: change.windows,
            window: window.evidence.clone(),
            baseline: baseline_name.to_owned(),
            baseline_records: judgement.n_baseline,
            columns: judgement.columns.len(),
            drifted: drifted.clone(),
        };
        for receiver in &rules.receivers {
            let id = notification_id(change.id, change.kind, change.severity, receiver);
            notifications.push(notification(id, change.id, receiver, kind, now, &data));
        }
    }
    let (retrain, request) = match &rules.retrain {
        None => (None, None),
        Some(policy) => retraining(window, rules, policy, &alert, &judgement, drifted, baseline_name),
    };
    let request = request.map(|data| {
        for receiver in &rules.retrain_receivers {
            let id = derived_id(&["notification", &data.request_id.to_string(), receiver]);
            notifications.push(notification(
                id,
                data.request_id,
                receiver,
                EventKind::RetrainingRequested,
                now,
                &data,
            ));
        }
        RetrainingRequest {
            id: data.request_id,
            alert: data.alert_id,
            body: event(EventKind::RetrainingRequested, now, &data),
        }
    });
    Decision { judgement, alert, change, retrain, request, notifications }
}

fn retraining(
    window: &ClosingWindow,
    rules: &DecisionRules,
    policy: &RetrainPolicy,
    alert: &AlertState,
    judgement: &Judgement,
    drifted: Vec<DriftedColumn>,
    baseline: &str,
) -> (Option<RetrainDecision>, Option<RetrainingEvent>) {
    let AlertState::Firing { id, windows, .. } = alert else { return (Some(RetrainDecision::NotFiring), None) };
    let decision = decide(
        policy,
        Situation {
            alert,
            complete: window.evidence.complete,
            window_end: window.end,
            drifting: matches!(judgement.verdict, Verdict::Warn | Verdict::Critical),
            requested_for_episode: window.requested.contains(id),
            last_request: window.last_request,
        },
    );
    let event = (decision == RetrainDecision::Request).then(|| RetrainingEvent {
        request_id: request_id(&rules.monitor, *id),
        alert_id: *id,
        monitor: rules.monitor.clone(),
        version: window.key.version.clone(),
        segment: window.key.segment.clone(),
        reason: format!(
            "{} of {} columns drifted in the last {windows} of its windows",
            drifted.len(),
            judgement.columns.len(),
        ),
        baseline: baseline.to_owned(),
        windows: window.earlier.iter().cloned().chain([window.evidence.clone()]).collect(),
        drifted,
    });
    (Some(decision), event)
}

fn event(kind: EventKind, now: EventTime, data: &impl serde::Serialize) -> Value {
    json!({ "type": kind, "timestamp": now.to_string(), "data": data })
}

fn notification(
    id: Uuid,
    subject: Uuid,
    receiver: &str,
    kind: EventKind,
    now: EventTime,
    data: &impl serde::Serialize,
) -> Notification {
    let body = event(kind, now, data);
    let event_type = body.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    Notification { id, subject, receiver: receiver.to_owned(), event_type, body }
}
