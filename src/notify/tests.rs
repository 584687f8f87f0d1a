use serde_json::json;

use super::*;

fn firing() -> Value {
    json!({
        "type": "drift.alert.firing",
        "timestamp": "2026-11-21T15:00:00Z",
        "data": {
            "alert_id": "00000000-0000-0000-0000-000000000001",
            "monitor": "bike-demand", "version": "3", "segment": "*",
            "change": "firing", "severity": "critical",
            "since": "2026-11-21T13:00:00Z", "windows": 2,
            "window": {
                "start": "2026-11-21T14:00:00Z", "end": "2026-11-21T15:00:00Z", "records": 4321, "late_records": 0,
                "complete": true, "offsets": [[{ "topic": "predictions", "partition": 0 }, 10, 4400]]
            },
            "baseline": "version 1 (train.parquet)", "baseline_records": 50000, "columns": 12,
            "drifted": [
                { "column": "temp", "verdict": "critical", "measure": "psi", "effect": 1.2345, "threshold": 0.25,
                  "movement": { "mean": [0.5123, 0.2], "null_share": [0.0, 0.0], "category": null } },
                { "column": "<b>evil\r\nBcc: x@example.org</b>", "verdict": "warn", "measure": "unseen_share", "effect": 0.02, "threshold": 0.01,
                  "movement": { "mean": null, "null_share": null, "category": ["(unseen)", 0.0, 0.02] } }
            ]
        }
    })
}

#[test]
fn a_mail_says_what_drifted_how_much_since_when_and_what_to_do() {
    let mail = render_mail(&firing()).unwrap();
    insta::assert_snapshot!(mail.subject, @"[critical] bike-demand version 3 drifted: temp, <b>evil  Bcc: x@example.org</b>");
    insta::assert_snapshot!(mail.text, @r"
    bike-demand version 3 has drifted from its baseline since 2026-11-21 13:00:00 UTC: 2 of 12 columns, first temp, <b>evil  Bcc: x@example.org</b>.

    column                   verdict   measure                 effect  threshold  moved
    temp                     critical  psi                      1.234     0.2500  mean 0.5123 to 0.2000
    <b>evil  Bcc: x@example.org</b> warn      unseen_share            0.0200     0.0100  `(unseen)` 0.0 % to 2.0 %

    Window: 2026-11-21 14:00:00 UTC to 2026-11-21 15:00:00 UTC
    Records: 4321 in the window, 50000 in the baseline
    Baseline: version 1 (train.parquet)
    Drifting since: 2026-11-21 13:00:00 UTC (2 windows in a row)
    Alert: 00000000-0000-0000-0000-000000000001

    Look at the first columns: did an upstream pipeline change, or did the world? If the new data is right, retrain the model and build a baseline from the new training data (driftd baseline build).
    ");
    assert!(mail.html.contains("&lt;b&gt;evil"), "names from data are escaped");
    assert!(!mail.html.contains("<b>evil"));
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
    let outgoing = Outgoing { id: Uuid::from_u128(7), subject: Uuid::from_u128(1), body: firing() };
    assert_eq!(receiver.deliver(&outgoing).await, Attempt::Delivered);
    assert_eq!(receiver.deliver(&outgoing).await, Attempt::Delivered);
    let files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "a repetition has the same name");
    let text = std::fs::read_to_string(directory.path().join(format!("{}.eml", outgoing.id))).unwrap();
    assert!(text.contains("Message-ID: <00000000-0000-0000-0000-000000000007@example.org>"), "{text}");
    assert!(text.contains("Auto-Submitted: auto-generated"));
    assert!(!text.lines().any(|line| line.starts_with("Bcc:")), "{text}");
}

#[test]
fn retries_go_on_for_three_days_and_then_end() {
    let mut total = 0;
    let mut attempt = 1;
    while let Step::Retry(after) = next_step(attempt, None, 0.0) {
        total += after;
        attempt += 1;
    }
    assert_eq!(attempt, 11);
    assert!((3 * 86_400..4 * 86_400).contains(&(total / 1_000_000)), "{total}");
    assert_eq!(next_step(1, Some(60_000_000), 0.0), Step::Retry(60_000_000));
    assert_eq!(next_step(1, None, 1.0), Step::Retry(5_500_000));
}

#[test]
fn signatures_satisfy_the_reference_implementation() {
    let secret =
        format!("whsec_{}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, [7u8; 24]));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let signature = sign(&secret.clone().into(), "msg_1", now, r#"{"a":1}"#).unwrap();
    let reference = standardwebhooks::Webhook::new(&secret).unwrap();
    let expected = reference.sign("msg_1", i64::try_from(now).unwrap(), br#"{"a":1}"#).unwrap();
    assert_eq!(signature, expected);
    assert!(sign(&"whsec_c2hvcnQ=".to_owned().into(), "a", 0, "").is_err());
}

#[test]
fn forbidden_addresses_and_credentials_in_urls_are_refused_before_anything_is_sent() {
    for url in [
        "http://169.254.169.254/latest",
        "http://2852039166/",
        "http://0251.0376.0251.0376/",
        "http://[::ffff:169.254.169.254]/",
        "http://user:secret@example.org/",
    ] {
        let error = HttpClient::new(url, std::time::Duration::from_secs(1), None).unwrap_err();
        assert!(!error.contains("secret@"), "{error}");
    }
    assert!(HttpClient::new("http://127.0.0.1:1/", std::time::Duration::from_secs(1), None).is_ok());
}
