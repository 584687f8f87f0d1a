//! Whether a closed window asks for a retraining, and with what evidence.

use std::collections::HashMap;

use serde_json::Value;
use uuid::Uuid;

use super::{ClosingWindow, DecisionRules, Notification};
use crate::alert::{
    AlertRule, EventKind, Evidence, MAX_COLUMNS, RuleKind, SeriesAlerts, WindowEvidence, derived_id, event_body,
};
use crate::judge::{Finding, Judgement};
use crate::record::{EventTime, TimeSpan, number_of};
use crate::retrain::{
    LISTED_WINDOWS, RetrainDecision, RetrainPolicy, RetrainingEvent, Situation, decide, evidence_pack, request_id,
};

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

/// A request to retrain, complete.
#[derive(Clone, Debug, PartialEq)]
pub struct RetrainingRequest {
    pub id: Uuid,
    /// The alert behind it.
    pub alert: Uuid,
    /// Whether it is sent, waits for a person, or is a dry run.
    pub decision: RetrainDecision,
    /// How long the training system may take; 0 when no answer can come.
    pub answer_within: TimeSpan,
    /// Who is asked.
    pub receivers: Vec<String>,
    /// The event.
    pub body: Value,
}

/// A request to retrain, but for the earlier windows that it rests on: there may be thousands, and they are read only when
/// a request is made.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestDraft {
    decision: RetrainDecision,
    answer_within: TimeSpan,
    receivers: Vec<String>,
    event: RetrainingEvent,
    columns: usize,
    now: EventTime,
}

impl RequestDraft {
    /// The alert behind it.
    #[must_use]
    pub fn alert(&self) -> Uuid {
        self.event.alert_id
    }

    /// The request with its earlier windows, oldest first: drifting ones of the episode that a model could learn from; and
    /// the messages that ask training systems.
    #[must_use]
    pub fn complete(mut self, earlier: Vec<WindowEvidence>) -> (RetrainingRequest, Vec<Notification>) {
        let event = &mut self.event;
        event.windows.splice(0..0, earlier);
        if let Some(training) = evidence_pack(&event.windows) {
            event.training = training;
        }
        event.drifting_windows = u32::try_from(event.windows.len()).unwrap_or(u32::MAX);
        let extra = event.windows.len().saturating_sub(LISTED_WINDOWS);
        event.windows.drain(..extra);
        let windows = event.drifting_windows;
        let columns = number_of(self.columns, "column");
        let moved = match (event.drifted.len(), event.warned.len()) {
            (0, warned) => format!("{warned} of {columns} warned"),
            (drifted, _) => format!("{drifted} of {columns} drifted"),
        };
        event.reason =
            format!("{moved} since the alert began; training data: {}", number_of(windows, "drifting window"));
        event.drifted.truncate(MAX_COLUMNS);
        event.warned.truncate(MAX_COLUMNS - event.drifted.len());
        let body = event_body(EventKind::RetrainingRequested, self.now, event);
        let notifications = if self.decision == RetrainDecision::Request {
            request_notifications(event.request_id, &self.receivers, &body)
        } else {
            Vec::new()
        };
        let request = RetrainingRequest {
            id: event.request_id,
            alert: event.alert_id,
            decision: self.decision,
            answer_within: self.answer_within,
            receivers: self.receivers,
            body,
        };
        (request, notifications)
    }
}

/// Whether a window asks for a retraining, and the draft of the request. Counts are those of the episodes themselves.
pub(super) fn retraining(
    window: &ClosingWindow,
    rules: &DecisionRules,
    policy: &RetrainPolicy,
    alerts: &SeriesAlerts,
    judgement: &Judgement,
    rested_on: &HashMap<Uuid, Evidence>,
    now: EventTime,
) -> (RetrainDecision, Option<RequestDraft>) {
    let asks = |rule: &&AlertRule| match policy.rules.as_slice() {
        [] => rule.kind == RuleKind::Drift,
        named => named.contains(&rule.name),
    };
    let broken_data = is_explained(window, rules, alerts, judgement);
    let mut outcome = RetrainDecision::NotFiring;
    for rule in rules.alerts.iter().filter(asks) {
        for (_, _, state) in alerts.states().filter(|(name, ..)| *name == rule.name) {
            let Some(episode) = state.episode.as_ref().filter(|_| state.is_open()) else { continue };
            let decision = decide(
                policy,
                Situation {
                    alert: state,
                    complete: window.evidence.complete,
                    window_end: window.span.end,
                    drifting: state.said(window.span.key.start).is_some_and(|level| level.severity().is_some()),
                    windows: episode.lessons.windows,
                    records: episode.lessons.records,
                    broken_data,
                    requested_for_episode: window.requested.contains(&episode.id),
                    requests: &window.requests,
                },
            );
            outcome = decision;
            if !decision.makes_request() {
                continue;
            }
            let Some(training) = evidence_pack(std::slice::from_ref(&window.evidence)) else { continue };
            let id = request_id(&rules.monitor, episode.id);
            let evidence = rested_on.get(&episode.id).cloned().unwrap_or_default();
            let event = RetrainingEvent {
                request_id: id,
                alert_id: episode.id,
                monitor: rules.monitor.clone(),
                version: window.span.key.version.clone(),
                segment: window.span.key.segment.clone(),
                reason: String::new(),
                baseline: window
                    .reference
                    .as_ref()
                    .and_then(|reference| reference.choice.in_words())
                    .unwrap_or_default(),
                training,
                drifting_windows: 1,
                windows: vec![window.evidence.clone()],
                drifted: evidence.drifted,
                warned: evidence.warned,
                callback_url: rules.callback_url.as_ref().map(|base| format!("{base}{id}")),
                test: false,
            };
            let draft = RequestDraft {
                decision,
                answer_within: policy.answer_within,
                receivers: rules.retrain_receivers.clone(),
                event,
                columns: evidence.columns.unwrap_or(judgement.columns.len()),
                now,
            };
            return (decision, Some(draft));
        }
    }
    (outcome, None)
}

/// Whether missing or broken values, or a broken feed, explain all drift of a window: a model has nothing to learn from it.
pub(super) fn is_explained(
    window: &ClosingWindow,
    rules: &DecisionRules,
    alerts: &SeriesAlerts,
    judgement: &Judgement,
) -> bool {
    let broken = broken_columns(rules, alerts, judgement);
    let moved = |finding: &&Finding| {
        finding.verdict.moved()
            && rules.alerts.iter().any(|rule| rule.kind == RuleKind::Drift && rule.covers(finding))
    };
    let mut moving = judgement.findings.iter().filter(moved).peekable();
    window.feed_broken
        || (moving.peek().is_some()
            && moving.all(|finding| finding.subject.column().is_some_and(|column| broken.contains(&column))))
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
        .filter(|finding| finding.verdict.moved())
        .filter_map(|finding| finding.subject.column())
        .collect()
}
