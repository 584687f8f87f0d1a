//! Requests and names that are meant to do harm.

use std::fs;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::pages::pages;
use super::{Case, HTML};
use crate::support::{Answer, Http};

pub(super) fn hostile_requests_are_answered_safely(seen: &Http<'_>) {
    let long = format!("/api/v1/monitors/{}", "x".repeat(4_000));
    let big = json!({ "comment": "x".repeat(100_000) });
    let silence = json!({ "matchers": ["monitor=nobody"], "duration": "1h", "comment": "x" });
    let alert = "/api/v1/alerts/00000000-0000-0000-0000-000000000000";
    let acknowledge = format!("{alert}/acknowledge");
    let cases: Vec<Case<'_>> = vec![
        ("an address that is not there", Method::GET, "/api/v1/nothing", &[], None, 404),
        ("a page that is not there", Method::GET, "/nothing", &[], None, 404),
        ("a way up", Method::GET, "/assets/..%2f..%2fetc%2fpasswd", &[], None, 404),
        ("a monitor that is not there", Method::GET, "/api/v1/monitors/nobody", &[], None, 404),
        ("a name with a NUL", Method::GET, "/api/v1/monitors/a%00b", &[], None, 400),
        ("a name that is no text", Method::GET, "/api/v1/monitors/%ff%fe", &[], None, 400),
        ("SQL in a name", Method::GET, "/api/v1/monitors/'%20or%20'1'='1", &[], None, 404),
        ("a very long name", Method::GET, &long, &[], None, 404),
        ("a method that is not there", Method::PUT, "/api/v1/alerts", &[], None, 405),
        ("a parameter that is not known", Method::GET, "/api/v1/alerts?sort=x", &[], None, 400),
        ("nothing at a time", Method::GET, "/api/v1/alerts?limit=0", &[], None, 400),
        ("too much at a time", Method::GET, "/api/v1/alerts?limit=100000", &[], None, 400),
        ("a cursor made up", Method::GET, "/api/v1/alerts?cursor=';--", &[], None, 400),
        ("a cursor out of range", Method::GET, "/api/v1/deliveries?cursor=99999999999999999999", &[], None, 400),
        (
            "a time that is none",
            Method::GET,
            "/api/v1/monitors/bike-demand/windows?from=yesterday",
            &[],
            None,
            400,
        ),
        ("a NUL in a filter", Method::GET, "/api/v1/monitors/bike-demand/findings?column=%00", &[], None, 400),
        ("a window that is no number", Method::GET, "/api/v1/monitors/bike-demand/windows/1e9", &[], None, 400),
        ("an id that is none", Method::GET, "/api/v1/alerts/1%20or%201", &[], None, 400),
        (
            "a form that is not offered",
            Method::GET,
            "/api/v1/monitors/bike-demand/windows",
            &[("accept", "image/png")],
            None,
            406,
        ),
        ("another host's name", Method::GET, "/", &[("host", "evil.example")], None, 421),
        (
            "another site behind a change",
            Method::POST,
            "/api/v1/silences",
            &[("origin", "https://evil.example")],
            Some(silence.clone()),
            403,
        ),
        (
            "a form of another site",
            Method::POST,
            &acknowledge,
            &[("sec-fetch-site", "cross-site")],
            Some(json!({})),
            403,
        ),
        ("too large a body", Method::POST, &acknowledge, &[], Some(big), 413),
        ("a body of another shape", Method::POST, "/api/v1/silences", &[], Some(json!({ "matchers": 3 })), 422),
        ("a field too many", Method::POST, &acknowledge, &[], Some(json!({ "role": "admin" })), 422),
        (
            "no matchers",
            Method::POST,
            "/api/v1/silences",
            &[],
            Some(json!({ "matchers": [], "duration": "1h", "comment": "x" })),
            400,
        ),
        (
            "a silence for ever",
            Method::POST,
            "/api/v1/silences",
            &[],
            Some(json!({ "matchers": ["a=b"], "duration": "9999999h", "comment": "x" })),
            400,
        ),
        ("an alert that is not there", Method::POST, &acknowledge, &[], Some(json!({})), 404),
        (
            "a baseline of no window",
            Method::POST,
            "/api/v1/monitors/bike-demand/baselines",
            &[],
            Some(json!({ "from": "1990-01-01T00:00:00Z", "to": "1991-01-01T00:00:00Z" })),
            409,
        ),
        ("a report without a signature", Method::POST, "/api/v1/retraining/1", &[], Some(json!({})), 403),
    ];
    for (what, method, path, headers, body, expected) in cases {
        let answer = seen.ask(method, path, headers, body.as_ref());
        let Answer { status, text, .. } = &answer;
        assert_eq!(*status, expected, "{what}: {text}");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"), "{what}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
        if path.starts_with("/api/") {
            assert_eq!(answer.header("content-type"), "application/problem+json", "{what}: {text}");
            let problem: Value = serde_json::from_str(text).unwrap();
            assert_eq!(problem["status"], expected, "{what}");
            assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{what}");
        }
        assert!(!text.contains("select ") && !text.contains("panicked"), "{what}: {text}");
    }
    // What no client library would send.
    for (what, request, expected) in [
        ("no host", "GET / HTTP/1.1\r\n\r\n", 421),
        ("no HTTP", "hello\r\n\r\n", 400),
        (
            "two lengths",
            "POST /api/v1/silences HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\nabcde",
            400,
        ),
        (
            "an endless head",
            &format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(200_000)),
            431,
        ),
        ("a NUL in the head", "GET / HTTP/1.1\r\nhost: local\0host\r\n\r\n", 400),
    ] {
        let (status, answer) = seen.world.raw("a", request.as_bytes());
        assert_eq!(status, expected, "{what}: {answer:?}");
    }
    // A client that begins a request and stops is disconnected.
    let started = Instant::now();
    let mut slow = std::net::TcpStream::connect(("127.0.0.1", seen.world.ports["a"])).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost: local").unwrap();
    let mut rest = Vec::new();
    let _closed_or_reset = slow.read_to_end(&mut rest);
    assert!(started.elapsed() < Duration::from_secs(25), "a slow client is not waited for");
    assert_eq!(seen.get("/healthz").0, 200);
}

/// Names and values that are attacks come back as text: escaped in pages, as they are in JSON, without control characters
/// in terminals.
pub(super) fn hostile_names_are_text(seen: &Http<'_>) {
    for page in pages(seen) {
        let (status, text) = seen.get(&page);
        assert_eq!(status, 200, "{page}");
        for attack in [HTML, "<img src=x", "onerror=alert(1)>", "\u{0}", "\u{202e}"] {
            assert!(!text.contains(attack), "{page} has {attack:?}");
        }
    }
    let (_, page) = seen.get("/monitors/bike-demand");
    assert!(page.contains("&lt;script&gt;alert('x')&lt;/script&gt;") && page.contains("=cmd|"), "{page}");
    let series = seen.json("/api/v1/monitors/bike-demand")["series"].clone();
    let segments: Vec<&str> =
        series.as_array().unwrap().iter().map(|one| one["segment"].as_str().unwrap()).collect();
    assert!(segments.contains(&"workingday=<img src=x onerror=alert(1)>"), "{segments:?}");
    assert!(segments.contains(&"workingday=';drop table alert;--"), "{segments:?}");
    // In the log of the daemon, and in whatever a command prints, for people and for programs.
    let log = fs::read_to_string(seen.world.folder.path().join("a.log")).unwrap();
    assert_shows_all("the log", &log);
    assert!(log.contains("\\r\\n2026 INFO driftd: forged\\u{1b}[2J"), "{log}");
    let bundle = seen.world.folder.path().join("hostile.json");
    let alert = seen.json("/api/v1/alerts?state=firing")["items"][0]["id"].as_str().unwrap().to_owned();
    let commands: &[&[&str]] = &[
        &["status"],
        &["tail", "--beginning", "--idle", "2"],
        &["alerts", "list", "--all"],
        &["alerts", "show", &alert],
        &["explain", &alert],
        &["explain", "bike-demand/last/weathersit"],
        &["retraining", "list", "--all"],
        &["baseline", "list", "bike-demand"],
        &["baseline", "show", "bike-demand"],
        &["config", "show", "--origin"],
        &["doctor", "--output", bundle.to_str().unwrap()],
    ];
    let mut named = 0;
    for arguments in commands {
        let text = seen.world.driftd(arguments);
        assert_shows_all(&format!("{arguments:?}"), &text);
        named += usize::from(text.contains("2026 INFO driftd: forged\\u{1b}"));
        let text = seen.world.driftd(&[&["--json"], *arguments].concat());
        assert_shows_all(&format!("{arguments:?} as JSON"), &text);
    }
    assert!(named >= 2, "the hostile record is shown by status and tail");
}

/// A text in which nothing acts, and no line is one that data forged.
fn assert_shows_all(what: &str, text: &str) {
    let hidden = |letter: char| letter != '\n' && driftd::escape::is_hidden(letter);
    assert!(!text.contains(hidden), "{what}: {text:?}");
    assert!(!text.lines().any(|line| line.trim_start().starts_with("2026 INFO driftd: forged")), "{what}: {text}");
}
