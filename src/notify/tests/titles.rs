//! Titles: less than 80 characters whatever the names, and the whole before its segments.

use serde_json::Value;
use uuid::Uuid;

use super::{outgoing, secret};
use crate::alert::{
    AlertStatus, AlertView, AlertsEvent, Labels, RuleKind, SEGMENT_NAMES, SendReason, Severity, event_body,
};
use crate::notify::{Dialect, example_alert, example_request, render_mail};
use crate::record::EventTime;

fn body(reason: SendReason, test: bool, alerts: Vec<AlertView>) -> Value {
    let mut event = AlertsEvent::new(Uuid::nil(), Labels::new(), reason, alerts);
    event.test = test;
    event_body(event.kind(), "2026-11-21T15:00:11Z".parse().unwrap(), &event)
}

fn title(body: &Value) -> String {
    render_mail(body).unwrap().subject
}

const REASONS: [SendReason; 8] = [
    SendReason::NewAlerts,
    SendReason::Worsened,
    SendReason::Escalated,
    SendReason::Resolved,
    SendReason::Acknowledged,
    SendReason::Repeated,
    SendReason::Digest,
    SendReason::Test,
];

/// What chats and pagers show as the title of a message.
fn shown(body: &Value) -> Vec<String> {
    let text = |request: &crate::notify::Request| -> Value {
        serde_json::from_str(request.body.as_deref().unwrap()).unwrap()
    };
    let mut titles = vec![title(body)];
    for dialect in
        [Dialect::Slack, Dialect::Teams, Dialect::Opsgenie, Dialect::PagerDuty { routing_key: secret() }]
    {
        for request in dialect.requests(&outgoing(body.clone()), 0).unwrap() {
            let json = text(&request);
            let found = [
                &json["text"],
                &json["attachments"][0]["fallback"],
                &json["attachments"][0]["content"]["body"][0]["text"],
                &json["message"],
                &json["payload"]["summary"],
            ];
            titles.extend(found.into_iter().filter_map(|text| text.as_str().map(str::to_owned)));
        }
    }
    titles
}

#[test]
fn titles_have_less_than_80_characters_whatever_the_names() {
    let long = |length: usize| "näme-".repeat(length / 5 + 1).chars().take(length).collect::<String>();
    for length in [1, 9, 30, 79, 300] {
        for reason in REASONS {
            for status in [AlertStatus::Firing, AlertStatus::Acknowledged, AlertStatus::Resolved] {
                for kind in [RuleKind::Drift, RuleKind::DataQuality, RuleKind::Operational] {
                    let mut alert = example_alert(status);
                    alert.kind = kind;
                    alert.monitor = long(length);
                    alert.version = long(length);
                    alert.segment = format!("{}={}", long(length), long(length));
                    alert.evidence.summary = long(length * 3);
                    alert.evidence.drifted[0].column = long(length);
                    alert.evidence.drifted[0].strength = 1e300;
                    let mut other = alert.clone();
                    other.id = Uuid::from_u128(9);
                    for alerts in [vec![alert.clone()], vec![alert, other]] {
                        for title in shown(&body(reason, length == 9, alerts)) {
                            // Cards escape what would be markup.
                            let length = title.replace('\\', "").chars().count();
                            assert!(length < 80, "{length}: {title}");
                        }
                    }
                }
            }
        }
    }
    let mut request = example_request();
    request.monitor = long(200);
    request.version = long(200);
    request.test = true;
    let kind = crate::alert::EventKind::RetrainingRequested;
    let subject = title(&event_body(kind, "2026-11-21T15:00:11Z".parse().unwrap(), &request));
    assert!(subject.chars().count() < 80 && subject.starts_with("[test] [retraining] "), "{subject}");
}

#[test]
fn names_are_cut_in_the_middle_and_what_is_said_of_them_stays() {
    let mut alert = example_alert(AlertStatus::Firing);
    alert.monitor = "fraud-detection-gradient-boosting-europe-west-production".to_owned();
    alert.version = "2026-11-20T18-03-55Z-a81f".to_owned();
    alert.segment = "country=DE".to_owned();
    let cut = title(&body(SendReason::NewAlerts, false, vec![alert.clone()]));
    assert_eq!(cut, "[critical] fraud-detect…uction v2026-1…1f, country=DE: 1 of 12 columns drifted");
    alert.monitor = "m".to_owned();
    alert.version = String::new();
    alert.evidence.drifted[0].column = "customer.account.average_balance_of_the_last_twelve_months".to_owned();
    let room = title(&body(SendReason::NewAlerts, false, vec![alert.clone()]));
    assert!(room.starts_with("[critical] m, segment country=DE: 1 of 12 columns drifted, cust"), "{room}");
    // With more room the number comes, never without what it is a multiple of.
    alert.segment = "*".to_owned();
    let room = title(&body(SendReason::NewAlerts, false, vec![alert]));
    assert_eq!(room, "[critical] m: 1 of 12 columns drifted, customer.account.a…ve_months 2.4x limit");
    // What drifted and what warned are not added up, also where a message names only some.
    let mut wide = example_alert(AlertStatus::Firing);
    wide.evidence.drifted = vec![wide.evidence.drifted[0].clone(); 30];
    wide.evidence.warned = vec![wide.evidence.warned[0].clone(); 40];
    wide.evidence.columns = Some(100);
    let said = title(&body(SendReason::Repeated, false, vec![wide.clone()]));
    assert_eq!(said, "[critical] still: credit-score version 3: 30 of 100 columns drifted, income");
    wide.evidence.drifted.clear();
    wide.severity = Severity::Warn;
    let said = title(&body(SendReason::NewAlerts, false, vec![wide]));
    assert_eq!(said, "[warn] credit-score version 3: 40 of 100 columns warned, country");
}

#[test]
fn how_many_still_drift_gives_way_to_whose_columns_they_are() {
    let mut alert = example_alert(AlertStatus::Firing);
    alert.evidence.drifted = vec![alert.evidence.drifted[0].clone(); 2];
    let calm = alert.evidence.drifted[0].clone();
    alert.evidence.drifted[1].last = Some(crate::alert::ColumnScore {
        column: calm.column,
        verdict: crate::judge::Verdict::Ok,
        measure: calm.measure,
        effect: Some(0.0),
        strength: 0.0,
    });
    let said = title(&body(SendReason::NewAlerts, false, vec![alert.clone()]));
    assert_eq!(said, "[critical] credit-score version 3: 2 of 12 columns drifted (1 now), income");
    alert.segment = "country=DE".to_owned();
    let said = title(&body(SendReason::NewAlerts, false, vec![alert]));
    assert!(!said.contains("now)") && said.contains("country=DE: 2 of 12 columns drifted"), "{said}");
}

#[test]
fn segments_that_follow_the_whole_are_one_line_and_those_that_do_not_are_apart() {
    let segment = |number: u128, strength: f64| {
        let mut alert = example_alert(AlertStatus::Firing);
        alert.id = Uuid::from_u128(number);
        alert.segment = format!("country=c{number}");
        alert.evidence.summary = format!("credit-score version 3, segment country=c{number} drifted");
        alert.evidence.drifted[0].strength = strength;
        alert
    };
    let mut whole = example_alert(AlertStatus::Firing);
    whole.segments = Some(crate::alert::Segments { judged: Some(6), ..crate::alert::Segments::default() });
    let mut alerts: Vec<AlertView> = (1..=5).map(|number| segment(number, 2.2)).collect();
    alerts.push(whole);
    let follow = body(SendReason::NewAlerts, false, alerts.clone());
    let mail = render_mail(&follow).unwrap();
    assert_eq!(mail.subject, "[critical] credit-score version 3: 1 of 12 columns drifted, income 2.4x limit");
    let line = "Also in 5 of 6 judged segments (country=c1, country=c2, country=c3, country=c4, country=c5).";
    assert!(mail.text.contains(line), "{}", mail.text);
    assert_eq!(mail.text.matches("What to do").count() + mail.text.matches("\n----\n").count(), 0, "one alert");
    assert_eq!(mail.html.matches("What to do").count(), 1, "one card");
    for dialect in [Dialect::Slack, Dialect::Teams] {
        let requests = dialect.requests(&outgoing(follow.clone()), 0).unwrap();
        let text = requests[0].body.clone().unwrap();
        assert!(text.contains("Also in 5 of 6 judged segments"), "{text}");
        assert!(!text.contains("segment country=c1 drifted"), "{text}");
    }
    let pager = Dialect::PagerDuty { routing_key: secret() };
    let incidents = pager.requests(&outgoing(follow.clone()), 0).unwrap();
    assert_eq!(incidents.len(), 1, "one incident");
    assert!(incidents[0].body.as_deref().unwrap().contains("Also in 5 of 6 judged segments"));
    assert_eq!(Dialect::Opsgenie.requests(&outgoing(follow.clone()), 0).unwrap().len(), 1);
    // Programs have the full list.
    assert_eq!(follow["data"]["alerts"].as_array().unwrap().len(), 6);
    assert_eq!(follow["data"]["alerts"][0]["segments"]["following"], 5);
    assert_eq!(follow["data"]["alerts"][1]["follows"], follow["data"]["alerts"][0]["id"]);
    let posted = Dialect::Alertmanager.requests(&outgoing(follow), 0).unwrap().remove(0);
    let posted: Value = serde_json::from_str(posted.body.as_deref().unwrap()).unwrap();
    assert_eq!(posted.as_array().unwrap().len(), 6);

    // One that drifts more strongly is told apart, after the whole.
    alerts.push(segment(99, 30.0));
    let apart = body(SendReason::NewAlerts, false, alerts.clone());
    let mail = render_mail(&apart).unwrap();
    assert_eq!(mail.html.matches("What to do").count(), 2);
    let (first, second) = mail.text.split_once("\n----\n").unwrap();
    assert!(first.contains("Also in 5 of 6 judged segments") && second.contains("country=c99"), "{}", mail.text);
    assert!(mail.subject.ends_with(" and 1 more"), "{}", mail.subject);
    assert_eq!(pager.requests(&outgoing(apart), 0).unwrap().len(), 2);

    // What is over is said to pagers of every alert: an incident may have been opened before it followed the whole.
    for alert in &mut alerts {
        alert.status = AlertStatus::Resolved;
    }
    let over = body(SendReason::Resolved, false, alerts);
    assert_eq!(pager.requests(&outgoing(over), 0).unwrap().len(), 7);
    const { assert!(SEGMENT_NAMES >= 6) };
}

#[test]
fn the_end_of_an_alert_says_why_and_how_bad_it_was() {
    let end = |reason: &str| {
        let mut alert = example_alert(AlertStatus::Resolved);
        reason.clone_into(&mut alert.reason);
        let mail = render_mail(&body(SendReason::Resolved, false, vec![alert])).unwrap();
        (mail.subject, mail.text.lines().next().unwrap_or_default().to_owned())
    };
    let worst = "Worst window 2026-11-21 14:00:00 UTC: income at 2.4 times its drift limit.";
    let (subject, text) = end("quiet");
    assert_eq!(subject, "[resolved] credit-score version 3: drift ended");
    assert_eq!(
        text,
        format!("Drift of credit-score version 3 is resolved; it began 2026-11-21 13:00:00 UTC. {worst}")
    );
    // A version that is no longer seen did not stop drifting.
    let (subject, text) = end("no_more_records");
    assert_eq!(subject, "[resolved] credit-score version 3: drift not known: no records");
    assert!(text.contains("ended without a verdict: no records came") && !text.contains("is resolved"), "{text}");
    let (_, text) = end("rule_removed");
    assert!(text.contains("no longer configured") && !text.contains("is resolved"), "{text}");
    let (_, text) = end("by_person");
    assert!(text.contains("resolved by a person"), "{text}");
}

#[test]
fn a_mail_names_first_worst_and_last_window_and_links_columns_to_theirs() {
    let mut alert = example_alert(AlertStatus::Firing);
    (alert.windows, alert.judged_windows) = (99, 120);
    alert.evidence.drifted[0].url =
        Some("https://driftd.example/monitors/m/columns/income?window=4711".to_owned());
    let mut last = alert.evidence.worst.clone().unwrap();
    last.start = "2026-11-21T19:00:00Z".parse::<EventTime>().unwrap().into();
    last.columns[0].strength = 1.1;
    alert.evidence.last = Some(last);
    alert.evidence.drifted[0].last.as_mut().unwrap().strength = 0.4;
    let mail = render_mail(&body(SendReason::Repeated, false, vec![alert])).unwrap();
    for line in [
        "Worst window: 2026-11-21 14:00:00 UTC to 2026-11-21 15:00:00 UTC: income at 2.4 times its drift limit",
        "Last window: 2026-11-21 19:00:00 UTC to 2026-11-21 15:00:00 UTC: income at 1.1 times its drift limit",
        "First window: 2026-11-21 13:00:00 UTC to 2026-11-21 14:00:00 UTC: income at 1.6 times its drift limit",
        "Since: 2026-11-21 13:00:00 UTC, in 99 of 120 judged windows",
    ] {
        assert!(mail.text.contains(line), "{line}\n{}", mail.text);
    }
    assert!(mail.html.contains("href=\"https://driftd.example/monitors/m/columns/income?window=4711\""));
    assert!(mail.html.contains("at worst 2.4 times its drift limit, now 0.40"), "{}", mail.html);
}
