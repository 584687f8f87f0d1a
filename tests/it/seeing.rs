//! What people and programs see: the API as it is described, tables in Arrow, metrics, pages in a browser; who may do what;
//! and what hostile requests and hostile records get.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::{Client, Method, StatusCode, redirect};
use serde_json::{Value, json};

use crate::support::{
    Authority, Options, TOPIC_PARTITIONS, TRAINING_ROWS, World, bike_records, file, private, python, services,
    skipped,
};

/// Names that break out of whatever does not expect them.
const HTML: &str = "<script>alert('x')</script>";
const FORMULA: &str = "=cmd|' /C calc'!A0";

/// What would be a line of its own in a log or on a terminal, and what a terminal obeys, as JSON writes it.
const FORGED: &str = "1\\r\\n2026 INFO driftd: forged\\u001b[2J\\u009b31m\\u202e\\u2066\\u2028\\u200b\\u061c";

/// Runs a program to its end; what it said when it failed is the failure.
fn run(mut command: Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{text}");
    text
}

/// A daemon that has counted real records, some of them hostile, and the way to it.
struct Seen<'a> {
    world: &'a World,
    client: Client,
    base: String,
}

impl Seen<'_> {
    fn get(&self, path: &str) -> (StatusCode, String) {
        self.ask(Method::GET, path, &[], None)
    }

    fn json(&self, path: &str) -> Value {
        let (status, text) = self.get(path);
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    fn json_with(&self, path: &str, cookie: &str) -> Value {
        let (status, text) = self.ask(Method::GET, path, &[("cookie", cookie)], None);
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (StatusCode, String) {
        let (status, _, text) = self.answer(method, path, headers, body);
        (status, text)
    }

    fn answer(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (StatusCode, reqwest::header::HeaderMap, String) {
        self.world.runtime.block_on(async {
            let mut request = self.client.request(method, format!("{}{path}", self.base));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some(body) = body {
                request = request.header("content-type", "application/json").body(body.to_string());
            }
            let answer = request.send().await.unwrap();
            let (status, headers) = (answer.status(), answer.headers().clone());
            (status, headers, String::from_utf8_lossy(&answer.bytes().await.unwrap()).into_owned())
        })
    }
}

fn seen(world: &World) -> Seen<'_> {
    let base = format!("http://127.0.0.1:{}", world.ports["a"]);
    // Requests need a provider of cryptography even without TLS; another test may have set it.
    let _set_already = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
    Seen { world, client, base }
}

/// Real drift, with a few records whose values are attacks, and columns whose names are.
fn prepared(world: &World) -> u64 {
    let monitor = fs::read_to_string(world.monitor_file()).unwrap();
    let columns: String = [HTML, FORMULA]
        .map(|name| {
            format!(
                "[[columns]]\nname = \"{name}\"\npath = \"hostile\"\ntype = \"categorical\"\nrole = \"latency\"\n"
            )
        })
        .concat();
    fs::write(world.monitor_file(), monitor.replacen("[[columns]]", &format!("{columns}[[columns]]"), 1)).unwrap();
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);
    let live = &live[..8_200];
    for (index, record) in live.iter().enumerate() {
        world.produce(index as i32 % TOPIC_PARTITIONS, record.as_bytes());
    }
    let attacks = [
        "<img src=x onerror=alert(1)>",
        "=1+1",
        "\\u0000\\u0007\\u202e",
        "';drop table alert;--",
        "%00%0d%0a",
        FORGED,
    ];
    for (index, attack) in attacks.iter().enumerate() {
        let last: Value = serde_json::from_str(&live[live.len() - 1]).unwrap();
        let text = format!(
            "{{\"ts\":{},\"workingday\":\"{attack}\",\"weathersit\":\"{attack}\",\"hostile\":\"{attack}\",\"temp\":0.5}}",
            last["ts"]
        );
        world.produce(index as i32, text.as_bytes());
    }
    world.produce(0, b"{\"ts\":");
    // One that is not counted: what is wrong with it is logged.
    world.produce(0, format!("{{\"ts\":\"{FORGED}\",\"workingday\":\"1\",\"temp\":0.5}}").as_bytes());
    world.flush();
    (live.len() + attacks.len() + 2) as u64
}

#[test]
fn what_is_seen_is_described_safe_and_true() {
    let Some(services) = services("seeing") else { return };
    let world = World::new(&services, &Options::default());
    let messages = prepared(&world);
    let daemon = world.start_daemon("a", None);
    world.wait_until_done(messages, 90);
    let seen = seen(&world);

    pages_are_good(&seen);
    lists_are_complete(&seen);
    tables_are_arrow(&seen);
    hostile_requests_are_answered_safely(&seen);
    hostile_names_are_text(&seen);
    commands_show_and_explain(&seen);
    people_change_things(&seen);
    metrics_are_as_prometheus_wants_them(&seen);
    a_wide_monitor_stays_light(&seen);
    // Last: it makes silences and baselines of its own.
    the_api_is_as_described(&seen);
    assert_eq!(daemon.stop(), Some(0));
}

fn the_api_is_as_described(seen: &Seen<'_>) {
    let Some(mut schemathesis) = python("schemathesis") else { return };
    // It leaves a cache behind where it runs.
    schemathesis
        .current_dir(seen.world.folder.path())
        .args(["--config-file", &file("tests/services/schemathesis.toml"), "run"])
        .arg(format!("{}/api/v1/openapi.json", seen.base))
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--seed", "7", "--no-color"]);
    let text = run(schemathesis);
    let operations = seen.json("/api/v1/openapi.json")["paths"]
        .as_object()
        .unwrap()
        .values()
        .map(|path| path.as_object().unwrap().len())
        .sum::<usize>();
    assert!(operations > 30 && text.contains(&format!("Tested: {operations}")), "{text}");
}

/// Every entry once, in parts of any size; and a tag that saves sending what did not change.
fn lists_are_complete(seen: &Seen<'_>) {
    for list in [
        "/api/v1/monitors/bike-demand/windows",
        "/api/v1/monitors/bike-demand/findings?column=temp",
        "/api/v1/alerts",
        "/api/v1/deliveries",
        "/api/v1/audit",
    ] {
        let join = if list.contains('?') { '&' } else { '?' };
        let whole = seen.json(&format!("{list}{join}limit=1000"))["items"].as_array().unwrap().clone();
        assert!(whole.len() > 1, "{list}");
        let mut parts = Vec::new();
        let mut cursor = String::new();
        loop {
            let part = seen.json(&format!("{list}{join}limit=3{cursor}"));
            parts.extend(part["items"].as_array().unwrap().clone());
            let Some(next) = part["next"].as_str() else { break };
            cursor = format!("&cursor={}", next.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>());
        }
        assert_eq!(parts, whole, "{list}");
    }
    let path = "/api/v1/monitors/bike-demand/windows";
    let (_, headers, _) = seen.answer(Method::GET, path, &[], None);
    let tag = headers["etag"].to_str().unwrap();
    let (status, _, body) = seen.answer(Method::GET, path, &[("if-none-match", tag)], None);
    assert_eq!((status.as_u16(), body.as_str()), (304, ""));
    assert_eq!(seen.ask(Method::GET, path, &[("if-none-match", "\"other\"")], None).0, 200);
}

fn tables_are_arrow(seen: &Seen<'_>) {
    let Some(mut python) = python("python") else { return };
    let last = seen.json("/api/v1/monitors/bike-demand/windows?segment=*&limit=1")["items"][0]["id"].clone();
    python.arg(file("tests/services/tables.py")).arg(&seen.base).args([
        "/api/v1/monitors/bike-demand/windows?limit=5".to_owned(),
        "/api/v1/monitors/bike-demand/findings?limit=1000".to_owned(),
        format!("/api/v1/monitors/bike-demand/windows/{last}/distributions"),
    ]);
    eprint!("{}", run(python));
}

fn metrics_are_as_prometheus_wants_them(seen: &Seen<'_>) {
    if Command::new("promtool").arg("--version").output().is_err() {
        skipped("promtool: prometheus is not installed");
        return;
    }
    // Gauges are refreshed every few seconds.
    let deadline = Instant::now() + Duration::from_secs(30);
    let scrape = loop {
        let (_, text) = seen.get("/metrics");
        if text.contains("driftd_drift_score{") && text.contains("driftd_false_alarm_ratio{") {
            break text;
        }
        assert!(Instant::now() < deadline, "{text}");
        std::thread::sleep(Duration::from_millis(200));
    };
    let saved = seen.world.folder.path().join("scrape.prom");
    fs::write(&saved, &scrape).unwrap();
    let mut check = Command::new("promtool");
    check.args(["check", "metrics"]).stdin(fs::File::open(&saved).unwrap());
    run(check);
    for arguments in [["check", "rules", "rules.yml"], ["test", "rules", "rules.test.yml"]] {
        let mut promtool = Command::new("promtool");
        promtool.args(arguments).current_dir(file("docs/prometheus"));
        run(promtool);
    }
    let open = seen.ask(Method::GET, "/metrics", &[("accept", "application/openmetrics-text")], None).1;
    assert!(open.ends_with("# EOF\n"), "OpenMetrics for who asks for it");
    // Whatever rules, dashboard and documents name is there.
    let known: BTreeSet<&str> =
        scrape.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for document in ["docs/prometheus/rules.yml", "docs/grafana/driftd.json", "docs/metrics.md"] {
        let text = fs::read_to_string(file(document)).unwrap();
        for name in metrics_in(&text) {
            let family =
                ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
            assert!(
                known.contains(name) || known.contains(family),
                "{document} names `{name}`, which is not scraped"
            );
        }
    }
    let documented = fs::read_to_string(file("docs/metrics.md")).unwrap();
    let documented: BTreeSet<&str> = metrics_in(&documented).collect();
    for name in known {
        assert!(documented.contains(name), "docs/metrics.md lacks `{name}`");
    }
}

fn metrics_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("driftd_") && *word != "driftd_")
}

/// Every page, light and dark, on a phone and on a desktop: no error, no violation, nothing from elsewhere, not too heavy.
fn pages_are_good(seen: &Seen<'_>) {
    let Ok(axe) = std::env::var("DRIFTD_TEST_AXE") else {
        skipped("pages in a browser: DRIFTD_TEST_AXE is not set; `make test` sets it");
        return;
    };
    let mut browser = Command::new("python3");
    browser.arg(file("tests/services/browser.py")).args([&seen.base, &axe]);
    if let Ok(folder) = std::env::var("DRIFTD_TEST_SHOTS") {
        browser.args(["--shots", &folder]);
    }
    browser.args(pages(seen));
    eprint!("{}", run(browser));
}

/// The addresses of all pages.
fn pages(seen: &Seen<'_>) -> Vec<String> {
    let first = |path: &str, key: &str| seen.json(path)["items"][0][key].as_str().unwrap().to_owned();
    let request = seen.json("/api/v1/retraining?all=true")[0]["id"].as_str().unwrap().to_owned();
    let attack = "workingday%3D%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E";
    let mut pages: Vec<String> = [
        "/",
        "/monitors/bike-demand",
        "/monitors/bike-demand?segment=workingday%3D1",
        "/monitors/bike-demand/columns/temp",
        "/monitors/bike-demand/columns/weathersit",
        "/monitors/bike-demand/columns/%3Cscript%3Ealert%28%27x%27%29%3C%2Fscript%3E",
        "/monitors/bike-demand/baselines",
        "/alerts",
        "/alerts?all=1",
        "/retraining",
        "/deliveries",
        "/deliveries?status=dead",
        "/status",
    ]
    .map(str::to_owned)
    .to_vec();
    pages.push(format!("/monitors/bike-demand?segment={attack}"));
    pages.push(format!("/monitors/bike-demand/columns/temp?segment={attack}"));
    pages.push(format!("/alerts/{}", first("/api/v1/alerts?state=open", "id")));
    pages.push(format!("/deliveries/{}", first("/api/v1/deliveries", "id")));
    pages.push(format!("/retraining/{request}"));
    pages
}

/// A request, and what it must get.
type Case<'a> = (&'a str, Method, &'a str, &'a [(&'a str, &'a str)], Option<Value>, u16);

fn hostile_requests_are_answered_safely(seen: &Seen<'_>) {
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
        let (status, got, text) = seen.answer(method.clone(), path, headers, body);
        assert_eq!(status.as_u16(), expected, "{what}: {text}");
        assert!(got["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"), "{what}");
        assert_eq!(got["x-content-type-options"], "nosniff", "{what}");
        if path.starts_with("/api/") {
            assert_eq!(got["content-type"], "application/problem+json", "{what}: {text}");
            let problem: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(problem["status"], expected, "{what}");
            assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{what}");
        }
        assert!(!text.contains("select ") && !text.contains("panicked"), "{what}: {text}");
    }
    // What no client library would send.
    for (what, request, expected) in [
        ("no host", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 421"),
        ("no HTTP", "hello\r\n\r\n", "HTTP/1.1 400"),
        (
            "two lengths",
            "POST /api/v1/silences HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\nabcde",
            "HTTP/1.1 400",
        ),
        (
            "an endless head",
            &format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(200_000)),
            "HTTP/1.1 431",
        ),
        ("a NUL in the head", "GET / HTTP/1.1\r\nhost: local\0host\r\n\r\n", "HTTP/1.1 400"),
    ] {
        let answer = raw(seen, request.as_bytes());
        assert!(answer.starts_with(expected), "{what}: {answer:?}");
    }
    // Whoever begins and does not go on is let go.
    let started = Instant::now();
    let mut slow = std::net::TcpStream::connect(("127.0.0.1", seen.world.ports["a"])).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost: local").unwrap();
    let mut rest = Vec::new();
    let _closed_or_reset = slow.read_to_end(&mut rest);
    assert!(started.elapsed() < Duration::from_secs(25), "a slow client is not waited for");
    assert_eq!(seen.get("/healthz").0, 200);
}

fn raw(seen: &Seen<'_>, request: &[u8]) -> String {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", seen.world.ports["a"])).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    // A server that has heard enough may close before all is written.
    let _closed_early = stream.write_all(request);
    let mut answer = [0; 200];
    let length = stream.read(&mut answer).unwrap_or(0);
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

/// Names and values that are attacks come back as text: escaped in pages, as they are in JSON, without control characters
/// in terminals.
fn hostile_names_are_text(seen: &Seen<'_>) {
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

fn commands_show_and_explain(seen: &Seen<'_>) {
    let world = seen.world;
    let explained = world.driftd(&["explain", "bike-demand/last/temp"]);
    for wanted in ["temp of bike-demand, window", "why", "psi", "limit 0.25", "bars"] {
        assert!(explained.contains(wanted), "{wanted} in {explained}");
    }
    let alert = seen.json("/api/v1/alerts?state=firing")["items"][0]["id"].as_str().unwrap().to_owned();
    let explained = world.driftd(&["explain", &alert[..8]]);
    assert!(explained.contains("history") && explained.contains("driftd explain bike-demand/"), "{explained}");
    let tail = world.driftd(&["tail", "--beginning", "--rejected", "--idle", "2"]);
    assert!(
        tail.contains("rejected (syntax)") && tail.contains("the message is not JSON: EOF while parsing"),
        "{tail}"
    );
    let tail = world.driftd(&["--json", "tail", "--beginning", "-n", "3", "--idle", "2"]);
    let first: Value = serde_json::from_str(tail.lines().next().unwrap()).unwrap();
    assert_eq!((&first["outcome"], &first["columns"][0]["type"]), (&json!("accepted"), &json!("categorical")));
    // Looking moves nothing.
    assert_eq!(world.tally()["rejected syntax"], 1);
    for arguments in [
        &["status"][..],
        &["alerts", "list"],
        &["silences", "list"],
        &["retraining", "list", "--all"],
        &["baseline", "list", "bike-demand"],
        &["baseline", "show", "bike-demand"],
        &["measures"],
        &["check"],
        &["migrate"],
        &["config", "show"],
        &["explain", "bike-demand/last/temp"],
    ] {
        let text = world.driftd(&[&["--json"], arguments].concat());
        assert!(serde_json::from_str::<Value>(&text).is_ok(), "{arguments:?}: {text}");
    }
    let origin = world.driftd(&["config", "show", "--origin"]);
    assert!(origin.contains("# line ") && origin.contains("# default"), "{origin}");
    let bundle = world.folder.path().join("bundle.json");
    world.driftd(&["doctor", "--output", bundle.to_str().unwrap()]);
    let bundle = fs::read_to_string(bundle).unwrap();
    let parsed: Value = serde_json::from_str(&bundle).unwrap();
    assert!(parsed["checks"].as_array().unwrap().iter().all(|check| check["ok"] == true), "{}", parsed["checks"]);
    for (what, text) in [("doctor", &bundle), ("config show", &origin), ("pages", &seen.get("/status").1)] {
        assert!(!text.contains(&world.webhooks.secret), "{what} shows a secret");
    }
    let folder = world.folder.path().join("man");
    world.driftd(&["man", "--output", folder.to_str().unwrap()]);
    assert!(fs::read_to_string(folder.join("driftd-tail.1")).unwrap().contains(".TH"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(world.driftd(&["completions", shell]).contains("driftd"));
    }
}

/// A second daemon, over TLS, with tokens: who may do what, and what the audit log says of it.
fn people_change_things(seen: &Seen<'_>) {
    let world = seen.world;
    let folder = world.folder.path();
    let authority = Authority::new(folder);
    let (certificate, key) = authority.sign("localhost");
    private(&key);
    let mut tokens = String::new();
    for (name, role) in [("grafana", "viewer"), ("on-call", "operator"), ("platform", "admin")] {
        let path = folder.join(format!("{name}.token"));
        fs::write(&path, format!("{name}-0123456789abcdef")).unwrap();
        private(&path);
        let text = format!(
            "[[http.tokens]]\nname = \"{name}\"\nrole = \"{role}\"\ntoken = {{ file = \"{}\" }}\n",
            path.display()
        );
        tokens.push_str(&text);
    }
    let tls = format!("[http.tls]\ncert_file = \"{}\"\nkey_file = \"{}\"\n", certificate.display(), key.display());
    world.edit("b.toml", "[log]", &format!("{tls}{tokens}[log]"));
    world.edit("b.toml", "listen = \"127.0.0.1:", "listen = \"0.0.0.0:");
    let b = world.start_daemon("b", None);
    let authority = reqwest::Certificate::from_pem(&fs::read(authority.certificate()).unwrap()).unwrap();
    let client = Client::builder().redirect(redirect::Policy::none()).tls_certs_only([authority]).build().unwrap();
    let guarded = Seen { base: format!("https://localhost:{}", world.ports["b"]), client, world };
    let deadline = Instant::now() + Duration::from_secs(30);
    let health = format!("{}/healthz", guarded.base);
    while world.runtime.block_on(guarded.client.get(&health).send()).is_err() {
        assert!(Instant::now() < deadline, "{}", b.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    let alert = seen.json("/api/v1/alerts?state=firing")["items"][0]["id"].as_str().unwrap().to_owned();
    let windows = seen.json("/api/v1/monitors/bike-demand/windows?segment=*&limit=1000")["items"].clone();
    let starts: Vec<&str> =
        windows.as_array().unwrap().iter().map(|window| window["start"].as_str().unwrap()).collect();
    let (to, from) = (starts[0], starts[2]);
    let token = |name: &str| format!("Bearer {name}-0123456789abcdef");
    let silence = json!({ "matchers": ["monitor=bike-demand"], "duration": "1h", "comment": "looking at it" });
    let promote = json!({ "from": from, "to": to, "activate": true });
    let acknowledge = format!("/api/v1/alerts/{alert}/acknowledge");
    let resolve = format!("/api/v1/alerts/{alert}/resolve");
    // In this order: each change is made once.
    let cases: Vec<Case<'_>> = vec![
        ("nobody", Method::GET, "/api/v1/monitors", &[], None, 401),
        ("nobody", Method::GET, "/metrics", &[], None, 401),
        ("nobody", Method::POST, &acknowledge, &[], Some(json!({})), 401),
        ("grafana", Method::GET, "/api/v1/monitors", &[], None, 200),
        ("grafana", Method::GET, "/metrics", &[], None, 200),
        ("grafana", Method::POST, &acknowledge, &[], Some(json!({})), 403),
        ("grafana", Method::POST, "/api/v1/silences", &[], Some(silence.clone()), 403),
        ("on-call", Method::POST, &acknowledge, &[], Some(json!({ "comment": "mine" })), 200),
        ("on-call", Method::POST, &acknowledge, &[], Some(json!({})), 409),
        ("on-call", Method::POST, "/api/v1/silences", &[], Some(silence), 201),
        ("on-call", Method::POST, &resolve, &[], Some(json!({ "judged": "false_alarm" })), 200),
        ("on-call", Method::POST, "/api/v1/monitors/bike-demand/baselines", &[], Some(promote.clone()), 403),
        ("platform", Method::POST, "/api/v1/monitors/bike-demand/baselines", &[], Some(promote), 201),
        ("platform", Method::POST, "/api/v1/monitors/bike-demand/baselines/1/activate", &[], None, 200),
        ("platform", Method::POST, "/api/v1/monitors/bike-demand/baselines/9/activate", &[], None, 404),
    ];
    for (who, method, path, _, body, expected) in cases {
        let bearer = token(who);
        let headers: &[(&str, &str)] = if who == "nobody" { &[] } else { &[("authorization", &bearer)] };
        let (status, text) = guarded.ask(method.clone(), path, headers, body);
        assert_eq!(status.as_u16(), expected, "{who} {method} {path}: {text}");
        assert!(!text.contains("0123456789abcdef"), "{who} {method} {path} shows a token");
    }
    let state = seen.json(&format!("/api/v1/alerts/{alert}"));
    assert_eq!((&state["alert"]["state"], &state["alert"]["judged"]), (&json!("resolved"), &json!("false_alarm")));
    let baselines = seen.json("/api/v1/monitors/bike-demand/baselines")["items"].clone();
    assert_eq!(baselines[0]["version"], 2, "{baselines}");
    assert!(baselines[0]["origin"].as_str().unwrap().starts_with("2 windows from "), "{baselines}");
    assert_eq!(baselines[1]["active"], true, "the older one was activated again");
    // The windows of a promotion are those of a baseline built from the same counts.
    let diff = seen.json("/api/v1/monitors/bike-demand/baselines/diff?before=1&after=2");
    assert_eq!(diff["same_bins"], true, "{diff}");
    assert!(diff["columns"][0]["measures"][0]["effect"].as_f64().is_some(), "{diff}");
    assert_eq!(seen.get("/monitors/bike-demand/baselines/diff?before=1&after=2").0, 200);
    let audit = seen.json("/api/v1/audit?limit=100")["items"].clone();
    let entry = |action: &str| {
        let found = audit.as_array().unwrap().iter().find(|entry| entry["action"] == action);
        found.unwrap_or_else(|| panic!("{action} in {audit}")).clone()
    };
    assert_eq!(entry("alert.acknowledge")["actor"], "on-call");
    assert_eq!(
        entry("alert.acknowledge")["detail"],
        json!({ "before": "firing", "after": "acknowledged", "comment": "mine" })
    );
    assert_eq!(entry("alert.judge")["detail"], json!({ "before": null, "after": "false_alarm" }));
    assert_eq!(entry("baseline.add")["actor"], "platform");
    assert_eq!(entry("baseline.activate")["detail"], json!({ "before": 2, "after": 1 }));
    assert_eq!(entry("silence.add")["actor"], "on-call");

    people_log_in(&guarded);
    // A reload does not open what others reach, even when the file says now that they do not.
    world.edit("b.toml", "listen = \"0.0.0.0:", "listen = \"127.0.0.1:");
    world.edit("b.toml", &tokens, "");
    b.signal("HUP");
    b.wait_for_log("there are no tokens any more", 20);
    assert_eq!(guarded.get("/api/v1/monitors").0, 401);
    assert_eq!(b.stop(), Some(0));
}

/// With a browser: the first page leads to the form, the form to the page that was wanted, and changes need our own pages.
fn people_log_in(guarded: &Seen<'_>) {
    let (status, headers, _) = guarded.answer(Method::GET, "/alerts?all=1", &[], None);
    assert_eq!((status.as_u16(), headers["location"].to_str().unwrap()), (303, "/login?next=%2Falerts%3Fall%3D1"));
    let origin = guarded.base.as_str();
    let login = |token: &str, origin: &str| {
        guarded.world.runtime.block_on(async {
            let answer = guarded
                .client
                .post(format!("{}/login", guarded.base))
                .header("origin", origin)
                .form(&[("token", token), ("next", "/alerts?all=1")])
                .send()
                .await
                .unwrap();
            (answer.status().as_u16(), answer.headers().clone())
        })
    };
    assert_eq!(login("on-call-wrong-wrong-wrong", origin).0, 401);
    assert_eq!(login("on-call-0123456789abcdef", "https://evil.example").0, 403);
    let (status, headers) = login("on-call-0123456789abcdef", origin);
    assert_eq!((status, headers["location"].to_str().unwrap()), (303, "/alerts?all=1"));
    let cookie = headers["set-cookie"].to_str().unwrap();
    for wanted in ["__Host-driftd_session=", "HttpOnly", "SameSite=Lax", "Path=/;", "Secure"] {
        assert!(cookie.contains(wanted), "{cookie}");
    }
    assert_eq!(headers["strict-transport-security"], "max-age=31536000");
    assert!(!cookie.contains("0123456789abcdef"), "a cookie is not the token");
    let session = cookie.split(';').next().unwrap();
    let (status, page) = guarded.ask(Method::GET, "/alerts?all=1", &[("cookie", session)], None);
    assert!(status == 200 && page.contains("on-call · operator"), "{page}");
    let silence = guarded.json_with("/api/v1/silences", session)[0]["id"].as_str().unwrap().to_owned();
    let end = format!("/silences/{silence}/end");
    let evil = [("cookie", session), ("origin", "https://evil.example")];
    assert_eq!(guarded.ask(Method::POST, &end, &evil, None).0, 403);
    assert_eq!(guarded.ask(Method::POST, &end, &[("cookie", session)], None).0, 403, "no origin");
    assert_eq!(guarded.ask(Method::POST, &end, &[("cookie", session), ("origin", origin)], None).0, 303);
    assert_eq!(guarded.json_with("/api/v1/silences", session), json!([]));
    let forged = session.replacen('.', ".9", 1);
    assert_eq!(guarded.ask(Method::GET, "/alerts", &[("cookie", &forged)], None).0, 303);
}

/// 200 columns over 500 windows: how heavy and how fast the pages are.
fn a_wide_monitor_stays_light(seen: &Seen<'_>) {
    let fill = "with one as (select id from binning limit 1),
                     names as (select array_agg('feature_' || lpad(c::text, 3, '0') order by c) as columns from generate_series(1, 200) c)
                insert into model_window (monitor, model_version, segment, starts_at, ends_at, binning_id, status, closed_at, rows,
                                          complete, verdict, columns, scores, verdicts, configuration)
                select 'wide', '', '*', timestamptz '2026-01-01' + w * interval '1 hour', timestamptz '2026-01-01' + (w + 1) * interval '1 hour',
                       one.id, 'closed', now(), 10000, true, case when w % 7 = 0 then 'critical' else 'ok' end, names.columns,
                       (select array_agg((abs(sin(w * 0.37 + c * 1.7)) * case when c < 20 then 3 else 0.6 end)::real order by c) from generate_series(1, 200) c),
                       (select string_agg(case when abs(sin(w * 0.37 + c * 1.7)) * case when c < 20 then 3 else 0.6 end > 1 then 'c' else 'o' end, '' order by c) from generate_series(1, 200) c),
                       'f'
                from generate_series(1, 500) w, one, names";
    let series = "insert into series (monitor, model_version, segment) values ('wide', '', '*')";
    let records = "insert into record_tally values ('wide', 'accepted', '', 0, 5000000)";
    for statement in [series, fill, records] {
        seen.world.runtime.block_on(sqlx::query(statement).execute(&seen.world.pool)).unwrap();
    }
    for path in ["/", "/monitors/wide?windows=500", "/monitors/wide"] {
        let mut took = Vec::new();
        let mut bytes = 0;
        for _ in 0..11 {
            let started = Instant::now();
            let (status, text) = seen.get(path);
            took.push(started.elapsed());
            assert_eq!(status, 200, "{text}");
            bytes = text.len();
        }
        took.sort_unstable();
        eprintln!(
            "{path}: {bytes} bytes, median {:.0} ms (200 columns x 500 windows, debug build)",
            took[5].as_secs_f64() * 1e3
        );
        assert!(
            bytes < 130_000,
            "{path} has {bytes} bytes; with style sheet and script it has to stay below 150,000"
        );
    }
}
