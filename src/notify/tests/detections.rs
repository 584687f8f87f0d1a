//! A detection in all dialects.

use serde_json::json;

use super::dialects::bodies;
use super::*;
use crate::notify::dialect::{Dialect, DialectError, Training};

#[test]
fn a_detection_is_told_to_people_and_programs_and_opens_an_incident() {
    let event = examples().remove(6);
    assert_eq!(event["type"], "drift.detected");
    let pagerduty = Dialect::PagerDuty { routing_key: "key".to_owned().into() };
    let fired = bodies(&pagerduty, event.clone()).remove(0);
    assert_eq!((&fired["event_action"], &fired["dedup_key"]), (&json!("trigger"), &event["data"]["detector_id"]));
    assert_eq!(fired["payload"]["severity"], "warning");
    let webhook = bodies(&Dialect::AlertmanagerWebhook, event.clone()).remove(0);
    let labels = &webhook["commonLabels"];
    assert_eq!((&labels["alertname"], &labels["detector"]), (&json!("detection"), &json!("score-adwin")));
    let airflow = Dialect::Training(Training::Airflow { version: 3, dag: "d".to_owned() });
    for dialect in [Dialect::Alertmanager, airflow] {
        let sent = dialect.requests(&outgoing(event.clone()), 0);
        assert!(matches!(sent, Err(DialectError::NotForThis)), "{}", dialect.name());
    }
    for dialect in [Dialect::Slack, Dialect::Teams] {
        let text = bodies(&dialect, event.clone()).remove(0).to_string();
        for part in ["score-adwin", "rose from 0.412 to 0.633", "monitors/credit-score#detections"] {
            assert!(text.contains(part), "{}: no `{part}` in {text}", dialect.name());
        }
    }
    let mail = render_mail(&event).unwrap();
    insta::assert_snapshot!(mail.subject, @"[drift detected] credit-score: score rose from 0.412 to 0.633");
    insta::assert_snapshot!("detection_mail", mail.text);
    assert!(mail.html.contains("at offset 48815 of predictions/0") && mail.html.contains("2 more detections"));
}

#[test]
fn hostile_names_of_a_detection_stay_text() {
    let mut hostile = example_detection();
    hostile.monitor = "m".repeat(200);
    hostile.column = "<!channel>\u{202e}".repeat(20);
    hostile.topic = Some("\u{1b}[31m<script>\n".to_owned());
    let now = "2026-11-21T15:00:11Z".parse().unwrap();
    let body = crate::alert::event_body(crate::alert::EventKind::DriftDetected, now, &hostile);
    let mail = render_mail(&body).unwrap();
    assert!(mail.subject.chars().count() < 80 && !mail.subject.contains('\u{202e}'), "{}", mail.subject);
    assert!(!mail.html.contains("<script>") && !mail.text.contains('\u{1b}'));
    let slack = bodies(&Dialect::Slack, body).remove(0).to_string();
    assert!(!slack.contains("<!channel>") && slack.contains("&lt;!channel&gt;"), "{slack}");
}
