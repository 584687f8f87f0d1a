//! Receivers against servers that misbehave on purpose, and what each of them is told.

mod detections;
mod dialects;
mod http;
mod smtp;
mod titles;

use secrecy::SecretString;
use serde_json::Value;
use uuid::Uuid;

use super::*;
use crate::alert::AlertStatus;
use crate::record::TimeSpan;

/// A secret that must be seen nowhere.
const SECRET: &str = "hunter2-correct-horse";

fn secret() -> SecretString {
    SECRET.to_owned().into()
}

/// Signing secrets are base64.
fn signing_secret() -> SecretString {
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, SECRET);
    format!("whsec_{encoded}").into()
}

/// No secret, in any of the forms it has on the way, in anything that people or logs get to see.
fn assert_leaks_no_secret(attempt: &AttemptResult, conversation: &Conversation) {
    let shown = format!("{attempt:?}\n{}", conversation.lines().join("\n"));
    let base64 = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    for form in [
        SECRET.to_owned(),
        base64(SECRET),
        base64(&format!("driftd:{SECRET}")),
        base64(&format!("\0driftd\0{SECRET}")),
    ] {
        assert!(!shown.contains(&form), "a secret is shown: {shown}");
    }
}

/// An event whose names try to be headers, markup, mentions, formulas and template code.
fn hostile() -> Value {
    let name = "evil\r\nBcc: x@example.org\r\n\r\n<script>alert(1)</script>*<!channel>|`=cmd()`{{ data }}\u{1b}[31m\u{9b}1m\u{85}\u{7f}\u{0}\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}\u{2029}\u{200b}";
    let mut event = examples().remove(0);
    let alert = &mut event["data"]["alerts"][0];
    alert["monitor"] = name.into();
    alert["evidence"]["summary"] = format!("{name} drifted").into();
    alert["evidence"]["drifted"][0]["column"] = name.into();
    alert["evidence"]["drifted"][0]["why"][0] = name.into();
    alert["acknowledged_by"] = name.into();
    event
}

fn outgoing(body: Value) -> Outgoing {
    Outgoing { id: Uuid::from_u128(7), subject: Uuid::from_u128(1), body }
}

#[test]
fn retries_go_on_for_three_days_and_then_end() {
    let mut total = TimeSpan::ZERO;
    let mut failures = 0;
    while let AfterFailure::Retry(after) = next_step(failures, total, None, 0.0) {
        total = total.plus(after);
        failures += 1;
    }
    assert_eq!(failures, 10);
    assert!((TimeSpan::days(3)..TimeSpan::days(4)).contains(&total), "{total:?}");
    assert_eq!(
        next_step(0, TimeSpan::ZERO, Some(TimeSpan::minutes(1)), 0.0),
        AfterFailure::Retry(TimeSpan::minutes(1))
    );
    assert_eq!(next_step(0, TimeSpan::ZERO, None, 1.0), AfterFailure::Retry(TimeSpan::from_micros(5_500_000)));
    // A receiver that asks for a day each time is tried for four days, not for ten.
    let day = TimeSpan::days(1);
    let tried = (0..20)
        .take_while(|days| next_step(*days, day.times(i64::from(*days)), Some(day), 0.0) != AfterFailure::Fail);
    assert_eq!(tried.count(), 4);
}

#[test]
fn a_mail_says_what_drifted_how_much_since_when_why_and_what_to_do() {
    let mail = render_mail(&examples()[0]).unwrap();
    insta::assert_snapshot!(mail.subject, @"[critical] credit-score version 3: 1 of 12 columns drifted, income 2.4x limit");
    insta::assert_snapshot!(mail.text);
    for part in ["income", "What to do", "psi", "limit 0.25", "50,000 in the reference"] {
        assert!(mail.html.contains(part), "{part}");
    }
    let over = render_mail(&examples()[1]).unwrap();
    insta::assert_snapshot!(over.subject, @"[resolved] credit-score version 3: drift ended");
}

#[test]
fn twelve_drifted_columns_of_a_model_are_one_table_ranked() {
    use crate::alert::{AlertsEvent, Labels, SendReason, event_body};
    let alerts = (1..=12u32).map(|number| {
        let mut alert = example_alert(AlertStatus::Firing);
        alert.id = Uuid::from_u128(u128::from(number));
        alert.rule = "each".to_owned();
        let name = format!("c{number}");
        alert.labels.insert("column".to_owned(), name.clone());
        alert.evidence.warned.clear();
        alert.evidence.drifted[0].column = name;
        alert.evidence.drifted[0].strength = f64::from(number);
        alert
    });
    let event = AlertsEvent::new(Uuid::nil(), Labels::new(), SendReason::NewAlerts, alerts.collect());
    let body = event_body(event.kind(), "2026-11-21T15:00:11Z".parse().unwrap(), &event);
    let mail = render_mail(&body).unwrap();
    assert_eq!(mail.subject, "[critical] credit-score version 3: 12 columns drifted, c12 12x limit");
    let places: Vec<usize> =
        (1..=12).rev().map(|number| mail.text.find(&format!("\nc{number} ")).unwrap()).collect();
    assert!(places.is_sorted(), "{}", mail.text);
    assert_eq!(mail.text.matches("Why ").count(), 3);
    assert_eq!(mail.html.matches("What to do").count(), 1, "one card");
    // Pagers keep an incident for each.
    let pager = Dialect::PagerDuty { routing_key: secret() };
    assert_eq!(pager.requests(&outgoing(body), 0).unwrap().len(), 12);
}

#[test]
fn names_from_data_are_inert_in_mails() {
    let mail = render_mail(&hostile()).unwrap();
    let acts = |letter: char| letter != '\n' && crate::escape::is_hidden(letter);
    assert!(!mail.subject.chars().any(crate::escape::is_hidden), "{:?}", mail.subject);
    assert!(!mail.text.contains(acts) && !mail.html.contains(acts), "{:?}", mail.text);
    assert!(!mail.text.lines().any(|line| line.starts_with("Bcc")), "{}", mail.text);
    assert!(mail.text.contains("evil\\r\\nBcc: x@example.org"), "{}", mail.text);
    assert!(mail.text.contains("\\u{1b}[31m\\u{9b}1m\\u{85}\\u{7f}\\u{0}\\u{202e}"), "{}", mail.text);
    assert!(!mail.html.contains("<script>") && mail.html.contains("&lt;script&gt;"));
    assert!(!mail.text.contains('\u{1b}') && !mail.text.contains("\r\nBcc"));
}

#[tokio::test]
async fn a_mail_in_a_folder_has_a_stable_id_and_no_injected_header() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = EmailReceiver::new(&EmailOptions {
        from: "driftd <driftd@example.org>".into(),
        to: vec!["owner@example.org".into()],
        transport: EmailTransport::Directory(directory.path().to_owned()),
    })
    .unwrap();
    let outgoing = outgoing(hostile());
    for _ in 0..2 {
        assert_eq!(receiver.deliver(&outgoing, &mut Conversation::off()).await, AttemptResult::delivered());
    }
    let files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "a repetition has the same name");
    let text = std::fs::read_to_string(directory.path().join(format!("{}.eml", outgoing.id))).unwrap();
    assert!(text.contains("Message-ID: <00000000-0000-0000-0000-000000000007@example.org>"), "{text}");
    assert!(text.contains("In-Reply-To: <00000000-0000-0000-0000-000000000001@example.org>"), "{text}");
    assert!(text.contains("Auto-Submitted: auto-generated"));
    assert!(!text.lines().any(|line| line.starts_with("Bcc:")), "{text}");
}

#[test]
fn signatures_satisfy_the_reference_implementation_and_theirs_satisfy_us() {
    let secret = signing_secret();
    let now = unix_seconds();
    let signature = sign(&secret, "msg_1", now, r#"{"a":1}"#).unwrap();
    let reference = standardwebhooks::Webhook::new(secrecy::ExposeSecret::expose_secret(&secret)).unwrap();
    let expected = reference.sign("msg_1", i64::try_from(now).unwrap(), br#"{"a":1}"#).unwrap();
    assert_eq!(signature, expected);
    let time = now.to_string();
    assert_eq!(verify(&secret, ("msg_1", &time, &format!("v1,AAAA {expected}")), r#"{"a":1}"#, now), Ok(()));
    for (signed, body, at) in [
        (("msg_2", time.as_str(), expected.as_str()), r#"{"a":1}"#, now),
        (("msg_1", &time, &expected), r#"{"a":2}"#, now),
        (("msg_1", &time, &expected), r#"{"a":1}"#, now + 301),
        (("msg_1", &time, ""), r#"{"a":1}"#, now),
        (("msg_1", "", &expected), r#"{"a":1}"#, now),
    ] {
        assert!(verify(&secret, signed, body, at).is_err(), "{signed:?} {body} {at}");
    }
    assert!(sign(&"whsec_c2hvcnQ=".to_owned().into(), "a", 0, "").is_err());
}

#[test]
fn while_secrets_are_rotated_a_message_verifies_with_either() {
    let old: SecretString = "whsec_b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xk".to_owned().into();
    let keys = Keys(vec![signing_secret(), old.clone()]);
    let message = outgoing(examples().remove(0));
    let request = Dialect::Webhook(keys).requests(&message, unix_seconds()).unwrap().remove(0);
    let mut headers = axum::http::HeaderMap::new();
    for (name, value) in &request.headers {
        headers.insert(*name, value.parse().unwrap());
    }
    for secret in [signing_secret(), old] {
        let reference = standardwebhooks::Webhook::new(secrecy::ExposeSecret::expose_secret(&secret)).unwrap();
        reference.verify(request.body.as_deref().unwrap().as_bytes(), &headers).unwrap();
    }
    let other = standardwebhooks::Webhook::new("whsec_bm90LXRoaXMtbm90LXRoaXMtbm90LXRoaXM=").unwrap();
    assert!(other.verify(request.body.as_deref().unwrap().as_bytes(), &headers).is_err());
}

#[test]
fn a_test_says_that_it_is_one() {
    for training in [false, true] {
        let event = test_event(training, "2026-11-21T15:00:00Z".parse().unwrap(), Uuid::from_u128(5));
        let mail = render_mail(&event).unwrap();
        assert!(mail.subject.starts_with("[test] "), "{}", mail.subject);
    }
    assert_eq!(example_alert(AlertStatus::Resolved).status, AlertStatus::Resolved);
}
