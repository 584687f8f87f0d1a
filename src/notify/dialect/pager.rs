//! Pagers: one event an alert, with the alert's id as the key by which they recognise it. So a repetition changes nothing,
//! and an acknowledgement or an end reaches the incident it belongs to.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::super::words::{column_line, facts, headline, segments_line, sentence};
use super::Request;
use crate::alert::{AlertStatus, AlertView, AlertsEvent, Severity};
use crate::escape::plain;

/// Opsgenie cuts descriptions at 15000 characters.
const MAX_DESCRIPTION: usize = 15_000;

/// What pagers show and read out.
const MAX_TITLE: usize = 78;

fn cut(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

fn title(event: &AlertsEvent, alert: &AlertView) -> String {
    let test = if event.test { "[test] " } else { "" };
    format!("{test}{}", headline(alert, MAX_TITLE - test.len()))
}

/// The alerts with an incident of their own: those of segments that only follow the whole are a line of its incident, and
/// open none. Whatever is acknowledged or over is said of all: an incident may have been opened before it followed.
fn incidents(event: &AlertsEvent) -> impl Iterator<Item = &AlertView> {
    let told = |id| event.alerts.iter().any(|alert| alert.id == id);
    event
        .alerts
        .iter()
        .filter(move |alert| alert.status != AlertStatus::Firing || !alert.follows.is_some_and(told))
}

fn details(alert: &AlertView) -> Value {
    let columns: Vec<String> = alert.evidence.moved().take(20).map(column_line).collect();
    let mut details: serde_json::Map<String, Value> =
        facts(alert).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    details.insert("What".to_owned(), sentence(alert).into());
    if let Some(line) = segments_line(alert) {
        details.insert("Segments".to_owned(), line.into());
    }
    details.insert("Columns".to_owned(), columns.into());
    if let Some(first) = alert.evidence.moved().next().filter(|column| !column.why.is_empty()) {
        details.insert("Why".to_owned(), plain(&first.why.join("; ")).into());
    }
    details.insert("What to do".to_owned(), alert.evidence.advice.clone().into());
    details.into()
}

pub(super) fn pagerduty(routing_key: &SecretString, event: &AlertsEvent) -> Vec<Request> {
    let one = |alert: &AlertView| {
        let action = match alert.status {
            AlertStatus::Firing => "trigger",
            AlertStatus::Acknowledged => "acknowledge",
            AlertStatus::Resolved => "resolve",
        };
        let severity = if alert.severity == Severity::Critical { "critical" } else { "warning" };
        let mut body = json!({
            "routing_key": routing_key.expose_secret(),
            "event_action": action,
            "dedup_key": alert.id,
            "client": "driftd",
            "payload": {
                "summary": title(event, alert),
                "source": if alert.monitor.is_empty() { "driftd" } else { &alert.monitor },
                "severity": severity,
                "timestamp": alert.fired_at,
                "component": alert.segment,
                "group": alert.monitor,
                "class": alert.rule,
                "custom_details": details(alert),
            },
        });
        if let (Some(url), Value::Object(body)) = (&alert.url, &mut body) {
            body.insert("links".to_owned(), json!([{ "href": url, "text": "Open this alert" }]));
        }
        Request::json(None, &body)
    };
    incidents(event).map(one).collect()
}

pub(super) fn opsgenie(event: &AlertsEvent) -> Vec<Request> {
    let one = |alert: &AlertView| {
        let by_alias = |action: &str| Some(format!("/v2/alerts/{}/{action}?identifierType=alias", alert.id));
        let note = |text: String| json!({ "source": "driftd", "note": text });
        match alert.status {
            AlertStatus::Acknowledged => Request::json(by_alias("acknowledge"), &note(sentence(alert))),
            AlertStatus::Resolved => Request::json(by_alias("close"), &note(sentence(alert))),
            AlertStatus::Firing => {
                let columns: Vec<String> = alert.evidence.moved().take(20).map(column_line).collect();
                let segments = segments_line(alert).map_or(String::new(), |line| format!("{line}\n\n"));
                let description = format!(
                    "{}\n\n{segments}{}\n\n{}",
                    sentence(alert),
                    columns.join("\n"),
                    alert.evidence.advice
                );
                Request::json(
                    Some("/v2/alerts".to_owned()),
                    &json!({
                        "message": title(event, alert),
                        "alias": alert.id,
                        "description": cut(&description, MAX_DESCRIPTION),
                        "priority": if alert.severity == Severity::Critical { "P1" } else { "P3" },
                        "source": "driftd",
                        "entity": alert.monitor,
                        "tags": [alert.rule, alert.kind.as_str()],
                        "details": alert.labels,
                    }),
                )
            }
        }
    };
    incidents(event).map(one).collect()
}
