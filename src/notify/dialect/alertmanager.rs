//! Alertmanager: its webhook payload (version 4), which many receivers understand, and its API v2, to which alerts are
//! posted as a state.

use serde_json::{Map, Value, json};

use super::super::words::{column_line, sentence};
use super::Request;
use crate::alert::{AlertStatus, AlertView, AlertsEvent, Labels};

/// Alertmanager knows warning and critical. The labels are an alert's identity there: one whose severity changes is another
/// alert to it, and the former ends by itself, posted no more.
fn labels(alert: &AlertView) -> Labels {
    let mut labels = alert.labels.clone();
    labels.insert(
        "severity".to_owned(),
        match labels.get("severity").map(String::as_str) {
            Some("warn") => "warning".to_owned(),
            _ => "critical".to_owned(),
        },
    );
    labels.insert("alert_id".to_owned(), alert.id.to_string());
    labels
}

fn annotations(alert: &AlertView) -> Map<String, Value> {
    let columns: Vec<String> = alert.evidence.moved().take(10).map(column_line).collect();
    let mut annotations = Map::new();
    annotations.insert("summary".to_owned(), sentence(alert).into());
    if !columns.is_empty() {
        annotations.insert("description".to_owned(), columns.join("\n").into());
    }
    if !alert.evidence.advice.is_empty() {
        annotations.insert("advice".to_owned(), alert.evidence.advice.clone().into());
    }
    annotations
}

/// What a time that has not come is in Go.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

pub(super) fn webhook(event: &AlertsEvent) -> Request {
    let alerts: Vec<Value> = event
        .alerts
        .iter()
        .map(|alert| {
            let over = alert.status == AlertStatus::Resolved;
            json!({
                "status": if over { "resolved" } else { "firing" },
                "labels": labels(alert),
                "annotations": annotations(alert),
                "startsAt": alert.fired_at,
                "endsAt": alert.resolved_at.map_or_else(|| ZERO_TIME.to_owned(), |at| at.to_string()),
                "generatorURL": alert.url.as_deref().unwrap_or_default(),
                "fingerprint": alert.id.simple().to_string().chars().take(16).collect::<String>(),
            })
        })
        .collect();
    let all: Vec<Labels> = event.alerts.iter().map(labels).collect();
    let common: Labels = all.first().map_or_else(Labels::new, |first| {
        let shared = first.iter().filter(|(name, value)| all.iter().all(|other| other.get(*name) == Some(value)));
        shared.map(|(name, value)| (name.clone(), value.clone())).collect()
    });
    let firing = event.alerts.iter().any(|alert| alert.status != AlertStatus::Resolved);
    Request::json(
        None,
        &json!({
            "version": "4",
            "groupKey": event.group_id,
            "truncatedAlerts": event.more,
            "status": if firing { "firing" } else { "resolved" },
            "receiver": "driftd",
            "groupLabels": event.group,
            "commonLabels": common,
            "commonAnnotations": {},
            "externalURL": "",
            "alerts": alerts,
        }),
    )
}

/// The state of alerts for `POST /api/v2/alerts`. An alert that fires ends when it is not posted again for its resolve
/// timeout; one that is over says when it ended.
pub(super) fn state(alerts: &[AlertView]) -> Request {
    let alerts: Vec<Value> = alerts
        .iter()
        .map(|alert| {
            let mut posted = json!({
                "labels": labels(alert),
                "annotations": annotations(alert),
                "startsAt": alert.fired_at,
            });
            if let Value::Object(posted) = &mut posted {
                if let Some(at) = alert.resolved_at {
                    posted.insert("endsAt".to_owned(), at.to_string().into());
                }
                if let Some(url) = &alert.url {
                    posted.insert("generatorURL".to_owned(), url.clone().into());
                }
            }
            posted
        })
        .collect();
    Request::json(Some("/api/v2/alerts".to_owned()), &alerts.into())
}
