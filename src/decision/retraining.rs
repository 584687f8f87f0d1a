//! Whether a closed window asks for a retraining, and with what evidence.

use serde_json::Value;
use uuid::Uuid;

use super::evidence::why;
use super::{ClosingWindow, DecisionRules, Notification};
use crate::alert::{
    AlertRule, DriftedColumn, EventKind, MAX_COLUMNS, RuleKind, SeriesAlerts, WindowEvidence, derived_id,
};
use crate::judge::{Finding, Judgement, Verdict};
use crate::retrain::{
    RetrainDecision, RetrainPolicy, RetrainingEvent, Situation, decide, evidence_pack, request_id,
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

pub(super) fn retraining(
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
    let broken_data = is_explained(window, rules, alerts, judgement);
    let mut outcome = RetrainDecision::NotFiring;
    for rule in rules.alerts.iter().filter(asks) {
        for (_, column, state) in alerts.states().filter(|(name, ..)| *name == rule.name) {
            let Some(episode) = state.episode.as_ref().filter(|_| state.is_open()) else { continue };
            let windows: Vec<WindowEvidence> = window
                .earlier
                .iter()
                .filter(|(start, _)| *start >= episode.since)
                .map(|(_, evidence)| evidence.clone())
                .chain([window.evidence.clone()])
                .collect();
            let decision = decide(
                policy,
                Situation {
                    alert: state,
                    complete: window.evidence.complete,
                    window_end: window.end,
                    drifting: state.history.last().is_some_and(|seen| seen.1.severity().is_some()),
                    windows: u32::try_from(windows.len()).unwrap_or(u32::MAX),
                    records: windows.iter().map(|window| window.records).sum(),
                    broken_data,
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
            let drifted = DriftedColumn::of(judgement, rule, column, |name| why(window, name));
            let event = RetrainingEvent {
                request_id: id,
                alert_id: episode.id,
                monitor: rules.monitor.clone(),
                version: window.key.version.clone(),
                segment: window.key.segment.clone(),
                reason: format!(
                    "{} of {} columns drifted in {} {}",
                    drifted.len(),
                    judgement.columns.len(),
                    windows.len(),
                    if windows.len() == 1 { "window" } else { "windows" },
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

/// Whether missing or broken values, or a broken feed, explain all drift of a window: a model has nothing to learn from it.
pub(super) fn is_explained(
    window: &ClosingWindow,
    rules: &DecisionRules,
    alerts: &SeriesAlerts,
    judgement: &Judgement,
) -> bool {
    let broken = broken_columns(rules, alerts, judgement);
    let drift = |finding: &&Finding| {
        drifts(finding) && rules.alerts.iter().any(|rule| rule.kind == RuleKind::Drift && rule.covers(finding))
    };
    let mut drifting = judgement.findings.iter().filter(drift).peekable();
    window.feed_broken
        || (drifting.peek().is_some() && drifting.all(|finding| broken.contains(&finding.column.as_str())))
}

fn drifts(finding: &Finding) -> bool {
    matches!(finding.verdict, Verdict::Warn | Verdict::Critical)
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
        .filter(|finding| drifts(finding))
        .map(|finding| finding.column.as_str())
        .collect()
}
