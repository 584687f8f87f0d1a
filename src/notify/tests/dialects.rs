use serde_json::json;

use super::*;
use crate::notify::dialect::Dialect;
use crate::retrain::RequestState as State;

pub(super) fn bodies(dialect: &Dialect, event: Value) -> Vec<Value> {
    let requests = dialect.requests(&outgoing(event), 1_700_000_000).unwrap();
    requests.iter().map(|request| serde_json::from_str(request.body.as_deref().unwrap()).unwrap()).collect()
}

fn paths(dialect: &Dialect, event: Value) -> Vec<String> {
    let requests = dialect.requests(&outgoing(event), 0).unwrap();
    requests.into_iter().map(|request| request.path.unwrap_or_default()).collect()
}

#[test]
fn pagers_recognise_an_alert_by_its_id_over_its_whole_life() {
    let pagerduty = Dialect::PagerDuty { routing_key: "key".to_owned().into() };
    let fired = &bodies(&pagerduty, examples().remove(0))[0];
    let over = &bodies(&pagerduty, examples().remove(1))[0];
    assert_eq!(
        (fired["event_action"].as_str(), over["event_action"].as_str()),
        (Some("trigger"), Some("resolve"))
    );
    assert_eq!(fired["dedup_key"], over["dedup_key"]);
    assert_eq!(fired["payload"]["severity"], "critical");
    assert!(
        fired["payload"]["custom_details"]["Columns"][0].as_str().unwrap().starts_with("income: psi effect 0.61")
    );
    let opsgenie = paths(&Dialect::Opsgenie, examples().remove(1));
    assert!(
        opsgenie[0].starts_with("/v2/alerts/5a1e7a11") && opsgenie[0].ends_with("/close?identifierType=alias")
    );
    let told = pagerduty.requests(&outgoing(examples().remove(3)), 0);
    assert!(matches!(told, Err(DialectError::NotForThis)), "a retraining wakes nobody");
}

#[test]
fn a_challenger_is_told_to_people_and_programs_and_opens_and_closes_an_incident() {
    let (worse, ready) = (examples().remove(4), examples().remove(5));
    assert_eq!(
        (&worse["type"], &ready["type"]),
        (&json!("drift.challenger.worse"), &json!("drift.challenger.ready"))
    );
    let pagerduty = Dialect::PagerDuty { routing_key: "key".to_owned().into() };
    let (fired, over) = (&bodies(&pagerduty, worse.clone())[0], &bodies(&pagerduty, ready.clone())[0]);
    assert_eq!((&fired["event_action"], &over["event_action"]), (&json!("trigger"), &json!("resolve")));
    assert_eq!(fired["dedup_key"], over["dedup_key"]);
    let summary = fired["payload"]["summary"].as_str().unwrap();
    assert!(summary.starts_with("credit-score: version 4 is worse than version 3"), "{summary}");
    assert!(paths(&Dialect::Opsgenie, ready.clone())[0].ends_with("/close?identifierType=alias"));
    let webhook = bodies(&Dialect::AlertmanagerWebhook, worse.clone()).remove(0);
    assert_eq!(
        (&webhook["status"], &webhook["commonLabels"]["alertname"]),
        (&json!("firing"), &json!("challenger"))
    );
    let airflow = Dialect::Training(Training::Airflow { version: 3, dag: "d".to_owned() });
    for dialect in [Dialect::Alertmanager, airflow] {
        let sent = dialect.requests(&outgoing(worse.clone()), 0);
        assert!(matches!(sent, Err(DialectError::NotForThis)), "{}", dialect.name());
    }
    for dialect in [Dialect::Slack, Dialect::Teams] {
        let text = bodies(&dialect, worse.clone()).remove(0).to_string();
        for part in
            ["version 4 is worse than version 3", "score", "challenger worse", "monitors/credit-score/challenger"]
        {
            assert!(text.contains(part), "{}: no `{part}` in {text}", dialect.name());
        }
    }
    let mail = render_mail(&worse).unwrap();
    insta::assert_snapshot!(mail.subject, @"[challenger worse] credit-score: version 4 is worse than version 3");
    insta::assert_snapshot!("challenger_mail", mail.text);
    assert!(mail.html.contains("Roll the challenger back") && mail.html.contains("Champion and challenger"));
    let mail = render_mail(&ready).unwrap();
    insta::assert_snapshot!(mail.subject, @"[challenger ready] credit-score: version 4 is as good as version 3");
    // Names from data are text, and titles stay short.
    let mut hostile = example_challenger(true);
    hostile.monitor = "m".repeat(200);
    hostile.challenger = "\u{1b}[31m<script>\n".repeat(20);
    hostile.columns[0].last.column = "<!channel>\u{202e}".to_owned();
    let body = crate::alert::event_body(hostile.kind(), "2026-11-21T15:00:11Z".parse().unwrap(), &hostile);
    let mail = render_mail(&body).unwrap();
    assert!(mail.subject.chars().count() < 80 && !mail.subject.contains('\u{1b}'), "{}", mail.subject);
    assert!(!mail.html.contains("<script>") && !mail.text.contains('\u{202e}'));
    let slack = bodies(&Dialect::Slack, body).remove(0).to_string();
    assert!(!slack.contains("<!channel>") && slack.contains("&lt;!channel&gt;"), "{slack}");
}

#[test]
fn chats_show_the_findings_and_hostile_names_stay_text() {
    let slack = bodies(&Dialect::Slack, hostile()).remove(0).to_string();
    assert!(!slack.contains("<!channel>") && slack.contains("&lt;!channel&gt;"), "{slack}");
    let teams = bodies(&Dialect::Teams, hostile()).remove(0);
    let blocks = teams["attachments"][0]["content"]["body"].as_array().unwrap();
    let text: String = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
    assert!(text.contains("\\<script\\>") && text.contains("\\`") && !text.contains("<script>"), "{text}");
    assert_eq!(teams["attachments"][0]["contentType"], "application/vnd.microsoft.card.adaptive");
    insta::assert_snapshot!(
        "slack",
        serde_json::to_string_pretty(&bodies(&Dialect::Slack, examples().remove(0))[0]).unwrap()
    );
}

#[test]
fn alertmanagers_know_the_labels_and_the_times() {
    let posted = bodies(&Dialect::Alertmanager, examples().remove(1)).remove(0);
    assert_eq!(paths(&Dialect::Alertmanager, examples().remove(1)), ["/api/v2/alerts"]);
    assert_eq!(posted[0]["labels"]["alertname"], "drift");
    assert_eq!(posted[0]["endsAt"], "2026-11-21T17:00:09Z");
    let webhook = bodies(&Dialect::AlertmanagerWebhook, examples().remove(0)).remove(0);
    assert_eq!((webhook["version"].as_str(), webhook["status"].as_str()), (Some("4"), Some("firing")));
    assert_eq!(webhook["groupLabels"]["monitor"], "credit-score");
    assert_eq!(webhook["commonLabels"]["owner"], "risk-team");
}

#[test]
fn cloud_events_have_the_required_attributes() {
    let event = bodies(&Dialect::CloudEvents, examples().remove(0)).remove(0);
    for (name, value) in [("specversion", "1.0"), ("source", "driftd"), ("type", "drift.alerts.firing")] {
        assert_eq!(event[name], value);
    }
    assert_eq!(event["id"], "00000000-0000-0000-0000-000000000007");
}

#[test]
fn templates_are_escaped_bounded_and_checked_with_every_event() {
    let template = |body: &str| {
        Dialect::Template(Template { body: body.to_owned(), content_type: "application/json".to_owned() })
    };
    let fine = template(
        r#"{"text": {{ title }}, "id": {{ id }}, "first": {{ data.alerts[0].monitor if data.alerts else data.monitor }}}"#,
    );
    fine.check().unwrap();
    let body = &bodies(&fine, hostile())[0];
    assert!(body["first"].as_str().unwrap().contains("{{ data }}"), "names are data, not templates: {body}");
    for (body, wanted) in [
        (r#"{"text": "{{ title }"#, "cannot be rendered"),
        (r#"{"text": {{ title }}"#, "does not give JSON"),
        (r#"{"n": {{ data.no.such }}}"#, "cannot be rendered"),
        (
            "{% for a in range(100000) %}{% for b in range(100000) %}{{ a }}{% endfor %}{% endfor %}",
            "cannot be rendered",
        ),
        (r#"{% include "/etc/passwd" %}"#, "cannot be rendered"),
    ] {
        let error = template(body).check().unwrap_err();
        assert!(error.to_string().contains(wanted), "{body}: {error}");
    }
    let plain =
        Dialect::Template(Template { body: "{{ title }}\n{{ text }}".into(), content_type: "text/plain".into() });
    let text = plain.requests(&outgoing(hostile()), 0).unwrap().remove(0).body.unwrap();
    assert!(!text.contains(|letter: char| letter != '\n' && crate::escape::is_hidden(letter)), "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("Bcc")), "{text}");
}

#[test]
fn training_systems_are_asked_once_and_say_how_it_goes() {
    let request = examples().remove(3);
    let airflow = Dialect::Training(Training::Airflow { version: 3, dag: "retrain".into() });
    let body = bodies(&airflow, request.clone()).remove(0);
    assert_eq!(body["dag_run_id"], "driftd-00000000-0000-0000-0000-000000000001");
    assert!(body.as_object().unwrap().contains_key("logical_date") && body["logical_date"].is_null());
    assert_eq!(body["conf"]["training"]["records"], 4321);
    assert_eq!(paths(&airflow, request.clone()), ["/api/v2/dags/retrain/dagRuns"]);
    assert_eq!(airflow.requests(&outgoing(request.clone()), 0).unwrap()[0].also_success, [409]);
    let two = Dialect::Training(Training::Airflow { version: 2, dag: "retrain".into() });
    assert_eq!(paths(&two, request.clone()), ["/api/v1/dags/retrain/dagRuns"]);
    assert!(!bodies(&two, request.clone())[0].as_object().unwrap().contains_key("logical_date"));

    let github = Dialect::Training(Training::GitHub { repository: "o/r".into(), event_type: "retrain".into() });
    let body = bodies(&github, request.clone()).remove(0);
    assert!(body["client_payload"].as_object().unwrap().len() <= 10);

    let prefect = Dialect::Training(Training::Prefect { deployment: "d".into() });
    assert_eq!(
        bodies(&prefect, request.clone())[0]["idempotency_key"],
        "driftd-00000000-0000-0000-0000-000000000001"
    );

    for (dialect, answer, state) in [
        (&airflow, json!({ "state": "queued" }), None),
        (&airflow, json!({ "state": "running" }), Some(State::Running)),
        (&airflow, json!({ "state": "success" }), Some(State::Succeeded)),
        (&prefect, json!({ "state": { "type": "CRASHED" } }), Some(State::Failed)),
        (&prefect, json!({ "state": { "type": "COMPLETED" } }), Some(State::Succeeded)),
        (&github, json!({ "state": "success" }), None),
    ] {
        assert_eq!(dialect.polled(&answer), state, "{answer}");
    }
    let told = airflow.requests(&outgoing(examples().remove(0)), 0);
    assert!(matches!(told, Err(DialectError::NotForThis)), "an alert trains nothing");
}
