//! False alarms, through the real program: the account, proposals of wider limits, and what becomes of them when a person accepts them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::challenger::page_is_good;
use crate::support::{Answer, Config, Daemon, Dice, World, number, services};

/// Records of an hour.
const EACH: i64 = 400;

fn time(hour: i64, second: i64) -> String {
    let start: jiff::Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
    (start + jiff::SignedDuration::from_secs(hour * 3_600 + second)).to_string()
}

/// The records of an hour, their values shifted. The same seed and shift are the same values.
fn hour(seed: u64, hour: i64, number: i64, shift: u64) -> Vec<String> {
    let mut dice = Dice(seed);
    let record = |index: i64| {
        json!({ "ts": time(hour, index * 3_600 / number), "x": dice.below(1_000) + shift, "y": dice.below(1_000) })
            .to_string()
    };
    (0..number).map(record).collect()
}

/// A world with a baseline, in which an hour of usual records and one of shifted ones were judged.
struct Stage {
    world: World,
    /// The hour that comes next.
    next: i64,
}

impl Stage {
    fn new(test: &str) -> Option<Self> {
        let world = World::new(&services(test)?);
        Config::hourly(&world.topic)
            .numeric("y")
            .set("alert", json!({ "receivers": ["webhook"] }))
            .write(world.monitor_file());
        world.build_baseline(&hour(1, -1, 4_000, 0));
        Some(Self { world, next: 0 })
    }

    /// Hours with these shifts; waits until they are judged.
    fn hours(&mut self, shifts: &[u64]) {
        for shift in shifts {
            // Usual hours differ; shifted ones have the same values each time.
            let seed = if *shift == 0 { 100 + self.next as u64 } else { 7 };
            self.world.produce_in_order(&hour(seed, self.next, EACH, *shift));
            self.next += 1;
        }
        self.world.wait_until_done((self.next * EACH) as u64, 120);
        self.world.wait_until_closed(self.next);
    }

    /// Alerts that have fired so far.
    fn fired(&self) -> i64 {
        self.world
            .runtime
            .block_on(number(&self.world.pool, "select count(*) from alert where fired_at is not null"))
            .unwrap()
    }

    fn view(&self, daemon: &str, headers: &[(&str, &str)]) -> Value {
        self.world.http(daemon).json_with("/api/v1/monitors/m/false-alarms", headers)
    }

    /// What `driftd rejudge` says about all hours, and its exit code.
    fn rejudged(&self) -> (Option<i32>, String) {
        self.world.attempt("a", &["rejudge", "--monitor", "m", "--from", &time(0, 0)])
    }
}

fn ids(view: &Value, list: &str) -> Vec<String> {
    view[list].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

const TOKENS: [(&str, &str); 3] = [("grafana", "viewer"), ("on-call", "operator"), ("platform", "admin")];

fn bearer(name: &str) -> String {
    format!("Bearer {name}-0123456789abcdef")
}

/// A second daemon, with tokens.
fn second(world: &World) -> Daemon {
    let folder = world.folder.path();
    let tokens: Vec<Value> = TOKENS
        .iter()
        .map(|(name, role)| {
            let path = folder.join(format!("{name}.token"));
            std::fs::write(&path, format!("{name}-0123456789abcdef")).unwrap();
            crate::support::private(&path);
            json!({ "name": name, "role": role, "token": { "file": path } })
        })
        .collect();
    world.configure("b", |daemon| daemon.set("http.tokens", tokens));
    let daemon = world.start_daemon("b", None);
    daemon.wait_for_log("driftd is running", 30);
    daemon
}

#[test]
fn accepted_limits_prevent_the_same_false_alarm_on_all_daemons_until_they_are_withdrawn() {
    let Some(mut stage) = Stage::new("false alarms") else { return };
    let a = stage.world.start_daemon("a", None);
    a.wait_for_log("driftd is running", 30);
    nothing_is_claimed_before_a_window_was_judged(&stage);
    stage.hours(&[0, 0, 120, 0, 0]);
    assert_eq!(stage.fired(), 1, "the shifted hour alarms");
    let alert = a_person_says_that_it_was_false(&stage);

    let b = second(&stage.world);
    the_account_is_shown(&stage, &alert);
    let proposals = ids(&stage.view("a", &[]), "proposals");
    assert!(proposals.len() > 2, "location, spread and groups of the column");
    only_an_admin_accepts(&stage, &proposals);
    accepted_over_the_api(&stage, &proposals[0]);
    dismissed_and_accepted_by_the_command(&stage, &proposals[1..]);
    accepted_on_the_page(&stage, &proposals[2..]);

    // Two daemons judge, then the one alone that was asked nothing.
    stage.hours(&[120, 0]);
    assert_eq!(b.stop(), Some(0));
    stage.hours(&[120, 0]);
    assert_eq!(stage.fired(), 1, "the same records do not alarm again");
    let (code, said) = stage.rejudged();
    assert!(code == Some(0) && said.contains("Limits that were accepted are used"), "{code:?} {said}");
    accepted_limits_are_shown(&stage);

    let accepted = ids(&stage.view("a", &[]), "accepted");
    let mut withdraw = vec!["limits", "withdraw", "--monitor", "m", "--comment", "it was real after all"];
    withdraw.extend(accepted.iter().map(|id| &id[..8]));
    stage.world.driftd(&withdraw);
    assert_eq!(stage.view("a", &[])["accepted"], json!([]));
    stage.hours(&[120, 0]);
    assert_eq!(stage.fired(), 2, "the configured limits hold again");
    assert_eq!(stage.rejudged().0, Some(3));
    what_was_done_is_in_the_audit_log(&stage, accepted.len());
    alerts_are_remembered_longer_than_findings(&stage, proposals.len());
    assert_eq!(a.stop(), Some(0));
}

fn nothing_is_claimed_before_a_window_was_judged(stage: &Stage) {
    let view = stage.view("a", &[]);
    assert_eq!(
        (&view["budget"], &view["recent"]["budget"], &view["recent"]["rate"], &view["stored"]["from"]),
        (&json!("1 per 30 days"), &json!("unknown"), &Value::Null, &Value::Null),
        "{view}"
    );
    let (status, page) = stage.world.get("a", "/monitors/m");
    assert!(status == 200 && page.contains("no window has been judged"), "{page}");
    let said = stage.world.driftd(&["limits", "list", "--monitor", "m"]);
    assert!(said.contains("no window has been judged") && said.contains("no wider limits are proposed"), "{said}");
    let (code, said) = stage.world.attempt("a", &["limits", "list", "--monitor", "n"]);
    assert!(code == Some(1) && said.contains("monitor `n` not found"), "{said}");
}

fn a_person_says_that_it_was_false(stage: &Stage) -> String {
    let before = stage.view("a", &[]);
    assert_eq!(before["proposals"], json!([]), "nobody said that anything was false");
    assert_eq!(before["recent"]["alerts"], json!({ "real": 0, "false_alarm": 0, "not_judged": 1 }));
    let alert = stage.world.http("a").json("/api/v1/alerts")["items"][0]["id"].as_str().unwrap().to_owned();
    stage.world.driftd(&["alerts", "resolve", &alert, "--judged", "false-alarm", "--comment", "a campaign"]);
    alert
}

fn the_account_is_shown(stage: &Stage, alert: &str) {
    let view = stage.view("a", &[]);
    let recent = &view["recent"];
    assert_eq!(recent["alerts"], json!({ "real": 0, "false_alarm": 1, "not_judged": 0 }), "{view}");
    assert_eq!((&recent["windows"], &recent["observed_seconds"]), (&json!(5), &json!(18_000.0)));
    assert_eq!((&recent["budget"], &view["stored"]["budget"]), (&json!("exceeded"), &json!("exceeded")));
    let allowed = recent["allowed"].as_f64().unwrap();
    assert!((allowed - 5.0 / 720.0).abs() < 1e-9, "{allowed}");
    let rate = |bound: &str| recent["rate"][bound].as_f64().unwrap() * 5.0 / 720.0;
    assert!((rate("lower") - 0.0253).abs() < 1e-4 && (rate("upper") - 5.5716).abs() < 1e-4, "{recent}");
    assert_eq!(
        view["columns"],
        json!([{ "column": "x", "alerts": { "real": 0, "false_alarm": 1, "not_judged": 0 } }])
    );
    for proposal in view["proposals"].as_array().unwrap() {
        assert_eq!((&proposal["column"], &proposal["alerts"]), (&json!("x"), &json!([alert])), "{proposal}");
        let number = |value: &Value| value.as_f64().unwrap();
        let (largest, critical) = (number(&proposal["largest_effect"]), number(&proposal["proposed"]["critical"]));
        assert!(critical > largest && critical < 1.25 * largest, "{proposal}");
        assert_eq!((&proposal["prevents_together"], &proposal["misses"]), (&json!(1), &json!(0)), "{proposal}");
    }
    let (_, page) = stage.world.get("a", "/monitors/m");
    for part in [
        "Budget exceeded: 1 false alarm in 5 hours",
        "Proposed limits",
        "location_change",
        &format!("/alerts/{alert}"),
    ] {
        assert!(page.contains(part), "no `{part}` in {page}");
    }
    // This daemon was started after the person had said it, and reads the account at once.
    stage.world.wait_for("metrics of the account", 60, async |_| {
        let token = bearer("grafana");
        let headers = [("authorization", token.as_str())];
        let text = stage.world.http("b").ask(Method::GET, "/metrics", &headers, None).text;
        let wanted = [
            "driftd_account_alerts{monitor=\"m\",judged=\"false_alarm\"} 1",
            "driftd_account_alerts{monitor=\"m\",judged=\"not_judged\"} 0",
            "driftd_account_windows{monitor=\"m\"} 5",
            "driftd_account_false_alarms_allowed{monitor=\"m\"} 0.0069",
            "driftd_account_false_alarm_rate{monitor=\"m\",bound=\"upper\"} 802.",
            "driftd_limits_accepted{monitor=\"m\"} 0",
        ];
        let lacks: Vec<&&str> = wanted.iter().filter(|wanted| !text.contains(**wanted)).collect();
        if lacks.is_empty() { Ok(()) } else { Err(format!("no {lacks:?} in {text}")) }
    });
}

fn change(stage: &Stage, who: &str, id: &str, step: &str, body: &Value) -> Answer {
    let token = bearer(who);
    let path = format!("/api/v1/monitors/m/limits/{id}/{step}");
    stage.world.http("b").ask(Method::POST, &path, &[("authorization", &token)], Some(body))
}

fn only_an_admin_accepts(stage: &Stage, proposals: &[String]) {
    for (who, expected) in [("nobody", 401), ("grafana", 403), ("on-call", 403)] {
        for step in ["accept", "dismiss", "withdraw"] {
            let Answer { status, text, .. } = change(stage, who, &proposals[0], step, &json!({}));
            assert_eq!(status, expected, "{who} {step}: {text}");
        }
    }
    let token = bearer("grafana");
    let view = stage.view("b", &[("authorization", &token)]);
    assert_eq!(view["accepted"], json!([]), "{view}");
    // What is not there, or not proposed.
    let unknown = "00000000-0000-0000-0000-000000000001";
    for (id, step) in
        [(unknown, "accept"), (unknown, "dismiss"), (unknown, "withdraw"), (&proposals[0], "withdraw")]
    {
        let Answer { status, text, .. } = change(stage, "platform", id, step, &json!({}));
        assert_eq!(status, 404, "{step}: {text}");
        assert!(text.contains("driftd limits list --monitor m"), "{text}");
    }
}

fn accepted_over_the_api(stage: &Stage, proposal: &str) {
    let Answer { status, text, .. } =
        change(stage, "platform", proposal, "accept", &json!({ "comment": "a campaign, harmless" }));
    assert_eq!(status, 200, "{text}");
    let view: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(ids(&view, "accepted"), [proposal]);
    let accepted = &view["accepted"][0];
    assert_eq!(accepted["accepted"]["by"], "platform");
    assert_eq!(accepted["accepted"]["comment"], "a campaign, harmless");
    assert_eq!((&accepted["in_force"], &accepted["note"]), (&accepted["limits"], &Value::Null), "{accepted}");
    // It is no proposal any more.
    assert_eq!(change(stage, "platform", proposal, "accept", &json!({})).status, 404);
}

fn dismissed_and_accepted_by_the_command(stage: &Stage, proposals: &[String]) {
    let command = |step: &str, ids: &[&str]| {
        let mut arguments = vec!["limits", step, "--monitor", "m", "--comment", "seen"];
        arguments.extend(ids);
        stage.world.driftd(&arguments)
    };
    command("dismiss", &[&proposals[0][..8]]);
    let said = stage.world.driftd(&["limits", "list", "--monitor", "m"]);
    assert!(said.contains("dismissed by cli:"), "{said}");
    let view = stage.view("a", &[]);
    assert_eq!(view["proposals"][0]["dismissed"]["comment"], "seen", "{view}");
    command("withdraw", &[&proposals[0][..8]]);
    assert_eq!(stage.view("a", &[])["proposals"][0]["dismissed"], Value::Null, "it is open again");
    command("dismiss", &[&proposals[0][..8]]);
    let said = stage.world.driftd(&["limits", "list", "--monitor", "m"]);
    // A page with everything on it: proposals, one that was dismissed, accepted limits.
    page_is_good(&stage.world, "/monitors/m");
    // The same over the API of the other daemon: everybody may look, only an admin may accept.
    let (base, folder) = (stage.world.http("b").base, stage.world.folder.path());
    let over_the_api = |who: &str, arguments: &[&str]| {
        let token = folder.join(format!("{who}.token")).display().to_string();
        stage.world.attempt("a", &[&["--server", &base, "--token-file", &token, "limits"], arguments].concat())
    };
    assert_eq!(over_the_api("grafana", &["list", "--monitor", "m"]), (Some(0), said));
    let accept = ["accept", "--monitor", "m", &proposals[0]];
    let (code, said) = over_the_api("on-call", &accept);
    assert!(code == Some(1) && said.contains("role"), "{said}");
    let (code, said) = over_the_api("platform", &accept);
    assert!(code == Some(0) && said.contains("accepted, for windows that are judged from now on"), "{said}");
    let (code, said) = stage.world.attempt("a", &["limits", "accept", "--monitor", "m", "ffffffff"]);
    assert!(code == Some(1) && said.contains("has no proposal `ffffffff`"), "{said}");
}

/// The form of the page that accepts all proposals; pages of other sites cannot send it.
fn accepted_on_the_page(stage: &Stage, proposals: &[String]) {
    let http = stage.world.http("a");
    let post = |origin: &str| {
        let request = http.request(Method::POST, "/monitors/m/limits").header("origin", origin);
        http.send(request.form(&[("accept", proposals.join(",").as_str()), ("comment", "all of them")]))
    };
    assert_eq!(post("https://evil.example").status, 403);
    let Answer { status, text, headers } = post(&http.base);
    assert_eq!((status, headers["location"].to_str().unwrap()), (303, "/monitors/m#false-alarms"), "{text}");
    assert_eq!(stage.view("a", &[])["proposals"], json!([]));
}

fn accepted_limits_are_shown(stage: &Stage) {
    let view = stage.view("a", &[]);
    let toml = view["toml"].as_str().unwrap();
    assert!(toml.starts_with("# In the entry of the column `x`:\n[columns.thresholds]\n"), "{toml}");
    let (_, page) = stage.world.get("a", "/monitors/m");
    for part in ["Accepted limits", "a campaign, harmless", "[columns.thresholds]", "Withdraw"] {
        assert!(page.contains(part), "no `{part}` in {page}");
    }
    let said = stage.world.driftd(&["limits", "list", "--monitor", "m"]);
    assert!(
        said.contains("accepted limits, for the file of the monitor:") && said.contains(toml.trim_end()),
        "{said}"
    );
    // Findings carry the limits that they were held against.
    let findings =
        stage.world.http("a").json("/api/v1/monitors/m/findings?column=x&measure=location_change&limit=2");
    let accepted = view["accepted"].as_array().unwrap();
    let limits = accepted.iter().find(|limits| limits["measure"] == "location_change").unwrap();
    assert_eq!(findings["items"][0]["critical"], limits["limits"]["critical"], "{findings}");
    // What the file has wider, holds: both places say so. The daemon knows the file after a reload, the command reads it.
    stage.world.configure_monitor(|monitor| {
        monitor.set("columns.x.thresholds.location_change", json!({ "warn": 2.0, "critical": 3.0 }))
    });
    let said = stage.world.driftd(&["limits", "list", "--monitor", "m"]);
    assert!(said.contains("no effect: the configured limits are at least as wide"), "{said}");
    stage.world.configure_monitor(|monitor| monitor.remove("columns.x.thresholds"));
}

fn what_was_done_is_in_the_audit_log(stage: &Stage, accepted: usize) {
    let audit = stage.world.http("a").json("/api/v1/audit?subject=m&limit=100")["items"].clone();
    let of = |action: &str| -> Vec<&Value> {
        audit.as_array().unwrap().iter().filter(|entry| entry["action"] == action).collect()
    };
    assert_eq!(of("limits.accept").len(), accepted, "{audit}");
    assert_eq!((of("limits.dismiss").len(), of("limits.withdraw").len()), (2, accepted + 1), "{audit}");
    let first = of("limits.accept").pop().unwrap();
    assert_eq!((&first["actor"], &first["detail"]["column"]), (&json!("platform"), &json!("x")), "{first}");
    assert_eq!(first["detail"]["before"], json!({ "warn": 0.1, "critical": 0.2 }), "{first}");
    assert_eq!(first["detail"]["comment"], "a campaign, harmless");
    let withdrawn = of("limits.withdraw")[0];
    assert_eq!(withdrawn["detail"]["comment"], "it was real after all", "{withdrawn}");
}

/// Findings are deleted before alerts: the evidence of an alert names one measure of each column then.
fn alerts_are_remembered_longer_than_findings(stage: &Stage, proposals: usize) {
    let before = stage.view("a", &[])["proposals"].clone();
    assert_eq!(before.as_array().unwrap().len(), proposals, "{before}");
    stage.world.runtime.block_on(sqlx::query("delete from finding").execute(&stage.world.pool)).unwrap();
    let after = stage.view("a", &[])["proposals"].clone();
    let [left] = after.as_array().unwrap().as_slice() else { panic!("{after}") };
    let same = before.as_array().unwrap().iter().find(|proposal| proposal["measure"] == left["measure"]).unwrap();
    assert_eq!((&left["id"], &left["proposed"]), (&same["id"], &same["proposed"]), "{after}");
}
