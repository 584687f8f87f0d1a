//! What people do: commands that show and explain, forms that change things, log-ins.

use std::fs;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::Case;
use crate::support::{Answer, Authority, Http, private};

pub(super) fn commands_show_and_explain(seen: &Http<'_>) {
    let world = seen.world;
    let explained = world.driftd(&["explain", "bike-demand/last/temp"]);
    for wanted in ["temp of bike-demand, window", "why", "psi", "limit 0.2", "bars"] {
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
    assert_eq!((&first["outcome"], &first["columns"][0]["type"]), (&json!("accepted"), &json!("numeric")));
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
pub(super) fn people_change_things(seen: &Http<'_>) {
    let world = seen.world;
    let folder = world.folder.path();
    let authority = Authority::new(folder);
    let (certificate, key) = authority.sign("localhost");
    private(&key);
    let mut tokens = Vec::new();
    for (name, role) in [("grafana", "viewer"), ("on-call", "operator"), ("platform", "admin")] {
        let path = folder.join(format!("{name}.token"));
        fs::write(&path, format!("{name}-0123456789abcdef")).unwrap();
        private(&path);
        tokens.push(json!({ "name": name, "role": role, "token": { "file": path } }));
    }
    let port = world.ports["b"];
    world.configure("b", |daemon| {
        daemon
            .set("http.listen", format!("0.0.0.0:{port}"))
            .set("http.tls", json!({ "cert_file": certificate, "key_file": key }))
            .set("http.tokens", tokens)
    });
    let b = world.start_daemon("b", None);
    let guarded = world.https("b", &authority.certificate());
    let deadline = Instant::now() + Duration::from_secs(30);
    while guarded.get("/healthz").0 == 0 {
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
        let Answer { status, text, .. } = guarded.ask(method.clone(), path, headers, body.as_ref());
        assert_eq!(status, expected, "{who} {method} {path}: {text}");
        assert!(!text.contains("0123456789abcdef"), "{who} {method} {path} shows a token");
    }
    let state = seen.json(&format!("/api/v1/alerts/{alert}"));
    assert_eq!((&state["alert"]["state"], &state["alert"]["judged"]), (&json!("resolved"), &json!("false_alarm")));
    // What is found out later is in the history, with its comment.
    let (bearer, body) = (token("on-call"), json!({ "judged": "real", "comment": "a second look" }));
    let path = format!("/api/v1/alerts/{alert}/resolve");
    let answer = guarded.ask(Method::POST, &path, &[("authorization", &bearer)], Some(&body));
    assert_eq!(answer.status, 200, "{}", answer.text);
    let history = seen.json(&format!("/api/v1/alerts/{alert}"))["history"].clone();
    let last = history.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["kind"], &last["reason"], &last["detail"]),
        (&json!("judged"), &json!("real"), &json!("a second look"))
    );
    let page = seen.get(&format!("/alerts/{alert}")).1;
    assert!(page.contains("recorded as a real problem") && page.contains("a second look"), "{page}");
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
    assert_eq!(
        entry("alert.judge")["detail"],
        json!({ "before": "false_alarm", "after": "real", "comment": "a second look" })
    );
    assert_eq!(entry("baseline.add")["actor"], "platform");
    assert_eq!(entry("baseline.activate")["detail"], json!({ "before": 2, "after": 1 }));
    assert_eq!(entry("silence.add")["actor"], "on-call");

    people_log_in(&guarded);
    // A reload does not open what others reach, even when the file says now that they do not.
    world.configure("b", |daemon| daemon.set("http.listen", format!("127.0.0.1:{port}")).remove("http.tokens"));
    b.signal("HUP");
    b.wait_for_log("all tokens were removed", 20);
    assert_eq!(guarded.get("/api/v1/monitors").0, 401);
    assert_eq!(b.stop(), Some(0));
}

/// With a browser: the first page leads to the form, the form to the page that was wanted, and changes need our own pages.
fn people_log_in(guarded: &Http<'_>) {
    let page = guarded.ask(Method::GET, "/alerts?all=1", &[], None);
    assert_eq!((page.status, page.header("location")), (303, "/login?next=%2Falerts%3Fall%3D1"));
    let origin = guarded.base.as_str();
    let login = |token: &str, origin: &str| {
        let request = guarded.request(Method::POST, "/login").header("origin", origin);
        guarded.send(request.form(&[("token", token), ("next", "/alerts?all=1")]))
    };
    assert_eq!(login("on-call-wrong-wrong-wrong", origin).status, 401);
    assert_eq!(login("on-call-0123456789abcdef", "https://evil.example").status, 403);
    let inside = login("on-call-0123456789abcdef", origin);
    assert_eq!((inside.status, inside.header("location")), (303, "/alerts?all=1"));
    let cookie = inside.header("set-cookie");
    for wanted in ["__Host-driftd_session=", "HttpOnly", "SameSite=Lax", "Path=/;", "Secure"] {
        assert!(cookie.contains(wanted), "{cookie}");
    }
    assert_eq!(inside.header("strict-transport-security"), "max-age=31536000");
    assert!(!cookie.contains("0123456789abcdef"), "a cookie is not the token");
    let session = cookie.split(';').next().unwrap();
    let page = guarded.ask(Method::GET, "/alerts?all=1", &[("cookie", session)], None);
    assert!(page.status == 200 && page.text.contains("on-call · operator"), "{}", page.text);
    let silence =
        guarded.json_with("/api/v1/silences", &[("cookie", session)])[0]["id"].as_str().unwrap().to_owned();
    let end = format!("/silences/{silence}/end");
    let evil = [("cookie", session), ("origin", "https://evil.example")];
    assert_eq!(guarded.ask(Method::POST, &end, &evil, None).status, 403);
    assert_eq!(guarded.ask(Method::POST, &end, &[("cookie", session)], None).status, 403, "no origin");
    assert_eq!(guarded.ask(Method::POST, &end, &[("cookie", session), ("origin", origin)], None).status, 303);
    assert_eq!(guarded.json_with("/api/v1/silences", &[("cookie", session)]), json!([]));
    let forged = session.replacen('.', ".9", 1);
    assert_eq!(guarded.ask(Method::GET, "/alerts", &[("cookie", &forged)], None).status, 303);
}
