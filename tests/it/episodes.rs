//! A long episode through the real program: what it counts, what it asks for, what it shows, and how it ends.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Config, Dice, World, number, services};

/// Windows that drift, and the one in which a column exceeds its limit by far.
const DRIFTING: i64 = 100;
const PEAK: i64 = 5;
/// Records of each of the segments in a window of a minute.
const EACH: u64 = 30;
const SEGMENTS: [&str; 5] = ["a", "b", "c", "d", "e"];
const AFTER: i64 = 60;

fn time(minute: i64, second: u64) -> String {
    let start: jiff::Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
    let at = start + jiff::SignedDuration::from_secs(minute * 60 + second as i64);
    at.to_string()
}

/// The records of a minute; x is moved by a shift, y multiplied.
fn minute(dice: &mut Dice, minute: i64, version: &str, shift: f64, factor: f64) -> Vec<String> {
    let mut records = Vec::new();
    for index in 0..EACH * SEGMENTS.len() as u64 {
        let value = |dice: &mut Dice| (0..12).map(|_| dice.below(1_000) as f64 / 1_000.0).sum::<f64>();
        let (x, y) = (value(dice) + shift, value(dice) * factor);
        let at = time(minute, index * 60 / (EACH * SEGMENTS.len() as u64));
        let segment = SEGMENTS[index as usize % SEGMENTS.len()];
        records
            .push(json!({ "ts": at, "v": version, "c": segment, "x": x, "y": y, "z": value(dice) }).to_string());
    }
    records
}

/// The log: version 1 drifts, version 2 takes its place.
fn log() -> Vec<String> {
    let mut dice = Dice(7);
    let mut records = Vec::new();
    for at in 0..DRIFTING {
        let factor = if at == PEAK { 1_000.0 } else { 1.0 };
        records.extend(minute(&mut dice, at, "1", 2.5, factor));
    }
    for at in DRIFTING..DRIFTING + 15 {
        records.extend(minute(&mut dice, at, "2", 0.0, 1.0));
    }
    records
}

fn world() -> Option<World> {
    let world = World::new(&services("episodes")?);
    Config::monitor("m", &world.topic)
        .set("source.time", "ts")
        .set("source.version", "v")
        .set("window.length", "1m")
        .set("window.out_of_orderness", "0s")
        .set("window.idle_after", "4s")
        .push("segments", json!({ "name": "c" }))
        .numeric("x")
        .numeric("y")
        .numeric("z")
        .set("judge.min_records", 20)
        .set("alert", json!({ "receivers": ["owner", "webhook"], "gone_after": "10m" }))
        .set("retrain", json!({ "after": AFTER, "receivers": ["training"] }))
        .write(world.monitor_file());
    world.configure("a", |daemon| daemon.set("http.external_url", "https://driftd.example"));
    let mut dice = Dice(1);
    let training: Vec<String> = (0..60).flat_map(|at| minute(&mut dice, at, "0", 0.0, 1.0)).collect();
    world.build_baseline(&training);
    Some(world)
}

impl World {
    fn text(&self, query: &'static str) -> String {
        self.runtime.block_on(sqlx::query_scalar(query).fetch_one(&self.pool)).unwrap()
    }

    fn page(&self, path: &str) -> String {
        let (status, text) = self.get("a", path);
        assert_eq!(status, 200, "{path}: {text}");
        text
    }

    fn answer(&self, path: &str) -> Value {
        self.http("a").json(path)
    }
}

/// Everything in one world: it takes a minute to count.
#[test]
fn a_long_episode_is_counted_asked_for_shown_and_ended_as_it_was() {
    let Some(world) = world() else { return };
    let log = log();
    let daemon = world.start_daemon("a", None);
    // One partition, in order: the others are quiet.
    world.produce_in_order(&log);
    let windows = (DRIFTING + 15) * (1 + SEGMENTS.len() as i64);
    world.wait_until_closed(windows);
    world.wait_for("the alerts of version 1 to end", 60, async |pool| {
        let open =
            number(pool, "select count(*) from alert where model_version = '1' and state <> 'resolved'").await?;
        if open == 0 { Ok(()) } else { Err(format!("{open} alerts of version 1 are open")) }
    });
    world.wait_for("everything to be told", 60, async |pool| {
        let pending = number(pool, "select count(*) from notification where status = 'pending'").await?;
        let due =
            number(pool, "select count(*) from alert_group where due_at < now() + interval '2 seconds'").await?;
        if pending + due == 0 { Ok(()) } else { Err(format!("{pending} messages, {due} groups")) }
    });

    // What it counts.
    let id =
        world.text("select id::text from alert where segment = '*' and rule = 'drift' and model_version = '1'");
    let alert = world.answer(&format!("/api/v1/alerts/{id}"))["alert"].clone();
    assert_eq!((alert["windows"].as_i64(), alert["judged_windows"].as_i64()), (Some(DRIFTING), Some(DRIFTING)));
    assert_eq!((alert["state"].as_str(), alert["reason"].as_str()), (Some("resolved"), Some("no_more_records")));

    // What it rests on: the worst window, after its end too.
    let evidence = &alert["evidence"];
    let first = &evidence["drifted"][0];
    let peak = time(PEAK, 0);
    assert_eq!((first["column"].as_str(), first["window"]["start"].as_str()), (Some("y"), Some(peak.as_str())));
    assert!(first["strength"].as_f64() > Some(5.0) && first["last"]["verdict"] == "ok", "{first}");
    assert_eq!(evidence["worst"]["start"], peak);
    assert_eq!(evidence["first"]["start"], time(0, 0));
    assert_eq!(evidence["last"]["start"], time(DRIFTING - 1, 0));
    let named: Vec<&str> =
        evidence["drifted"].as_array().unwrap().iter().filter_map(|c| c["column"].as_str()).collect();
    assert_eq!(named, ["y", "x"], "{evidence}");

    asked_for(&world);
    shown(&world, &id, first);
    told(&world, &id);
    without_its_windows(&world, &id);
    assert_eq!(daemon.stop(), Some(0));
    replayed(&world, &log);
}

#[test]
fn a_further_column_of_an_acknowledged_alert_is_told() {
    let Some(world) = world() else { return };
    let daemon = world.start_daemon("a", None);
    let mut dice = Dice(7);
    let mut produce = |minutes: std::ops::Range<i64>, factor: f64| {
        let records: Vec<String> = minutes.flat_map(|at| minute(&mut dice, at, "1", 2.5, factor)).collect();
        for record in &records {
            world.produce(0, record.as_bytes());
        }
        world.flush();
    };
    produce(0..4, 1.0);
    let whole = "select id::text from alert where segment = '*' and rule = 'drift' and model_version = '1'";
    let told = |reason: &'static str| {
        world.wait_for(reason, 60, async |pool| {
            let query =
                "select coalesce(string_agg(body->'data'->>'reason', ' ' order by sequence), '') from notification
                         where receiver = 'webhook'";
            let reasons: String =
                sqlx::query_scalar(query).fetch_one(pool).await.map_err(|error| error.to_string())?;
            if reasons.ends_with(reason) { Ok(()) } else { Err(reasons) }
        });
    };
    told("new_alerts");
    let id = world.text(whole);
    let json = [("content-type", "application/json".to_owned())];
    let (status, answer) = world.post("a", &format!("/api/v1/alerts/{id}/acknowledge"), &json, "{}");
    assert_eq!(status, 200, "{answer}");
    told("acknowledged");
    // y breaks, too: who acknowledged x does not know of it.
    produce(4..8, 50.0);
    told("worsened");
    let alert = world.answer(&format!("/api/v1/alerts/{id}"))["alert"].clone();
    assert_eq!(alert["state"], "acknowledged", "it stays with the one who has it");
    let title = world.text(
        "select max(body->'data'->'alerts'->0->'evidence'->>'summary') from notification
         where body->'data'->>'reason' = 'worsened'",
    );
    assert!(title.contains("2 of 3 columns") && title.contains('y'), "{title}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn alerts_of_a_monitor_that_is_not_configured_any_more_end_and_their_end_is_told() {
    let Some(world) = world() else { return };
    let daemon = world.start_daemon("a", None);
    let mut dice = Dice(7);
    let records: Vec<String> = (0..6).flat_map(|at| minute(&mut dice, at, "1", 2.5, 1.0)).collect();
    world.produce_in_turns(0, &records);
    let open = "select count(*) from alert where state in ('pending', 'firing', 'acknowledged') and monitor = 'm'";
    world.wait_for("alerts to fire and to be told", 60, async |pool| {
        let told =
            number(pool, "select count(*) from notification where event_type = 'drift.alerts.firing'").await?;
        if told > 0 { Ok(()) } else { Err(format!("{told} messages")) }
    });
    fs::remove_file(world.monitor_file()).unwrap();
    daemon.signal("HUP");
    daemon.wait_for_log("reloaded: 0 monitors", 10);
    world.wait_for("its alerts to end", 120, async |pool| match number(pool, open).await? {
        0 => Ok(()),
        open => Err(format!("{open} are open")),
    });
    daemon.wait_for_log("resolved the alerts of a monitor that is no longer configured", 5);
    let ends = "select string_agg(distinct reason, ' ') from alert where monitor = 'm' and state = 'resolved'";
    assert_eq!(world.text(ends), "rule_removed");
    world.wait_for("their end to be told", 20, async |pool| {
        let told =
            number(pool, "select count(*) from notification where event_type = 'drift.alerts.resolved'").await?;
        if told > 0 { Ok(()) } else { Err(format!("{told} messages")) }
    });
    assert_eq!(daemon.stop(), Some(0));
}

/// One request after as many windows as the policy says; its list is cut and its range is not.
fn asked_for(world: &World) {
    let requests = world.retraining_messages();
    let whole: Vec<&Value> =
        requests.iter().map(|(_, event)| &event["data"]).filter(|data| data["segment"] == "*").collect();
    assert_eq!(whole.len(), 1, "{requests:?}");
    crate::documentation::assert_documented(&requests[0].1);
    let request = whole[0];
    assert_eq!(request["drifting_windows"], AFTER);
    assert_eq!(request["windows"].as_array().unwrap().len(), 48);
    assert_eq!(request["training"]["from"], time(0, 0));
    assert_eq!(request["training"]["to"], time(AFTER, 0));
    let records = AFTER as u64 * EACH * SEGMENTS.len() as u64;
    assert_eq!(request["training"]["records"], records);
    let offsets = &request["training"]["offsets"][0];
    assert_eq!((&offsets[1], &offsets[2]), (&json!(0), &json!(records)));
    assert_eq!(
        request["reason"],
        format!("2 of 3 columns drifted since the alert began; training data: {AFTER} drifting windows")
    );
}

/// Links on pages, in events and in commands lead to the window that is talked about.
fn shown(world: &World, id: &str, first: &Value) {
    let window = first["window"]["id"].as_i64().unwrap();
    let page = world.page(&format!("/alerts/{id}"));
    let link = format!("/monitors/m/columns/y?version=1&amp;segment=%2A&amp;window={window}");
    assert!(page.contains(&link), "{link}\n{page}");
    assert!(page.contains("in 100 windows") && page.contains("no records came"), "{page}");
    assert!(page.contains("href=\"/monitors/m?version=1&amp;segment=%2A\""), "{page}");
    // Every link to a column names its window.
    for part in page.split("href=\"/monitors/m/columns/").skip(1) {
        let address = part.split('"').next().unwrap();
        assert!(address.contains("&amp;window=") && address.contains("version=1&amp;segment="), "{address}");
    }
    let column = world.page(&link.replace("&amp;", "&"));
    assert!(column.contains("version 1") && column.contains("2026-01-05T00:05:00Z"), "{column}");
    let shown = column.split("<h2>Window").nth(1).unwrap().split("</h2>").next().unwrap().to_owned();
    assert!(shown.contains("2026-01-05T00:05:00Z"), "{shown}");
    // A window shows its own series, whatever else the address says.
    let misled = world.page(&format!("/monitors/m/columns/y?version=2&segment=c%3Da&window={window}"));
    assert!(misled.contains("version 1 of"), "{misled}");
    // The monitor's page ranks by the worst window of version 1, of which there are more than the last one.
    let monitor = world.page("/monitors/m?version=1&segment=%2A");
    assert!(monitor.contains("Shown: <strong>"), "{monitor}");
    let (y, x) = (monitor.find("/columns/y?").unwrap(), monitor.find("/columns/x?").unwrap());
    assert!(y < x, "y moved most: {monitor}");
    let explained = world.driftd(&["explain", id]);
    assert!(explained.contains(&format!("driftd explain m/{window}/y")), "{explained}");
    assert!(explained.contains("in 100 windows"), "{explained}");
    let finding = world.driftd(&["explain", &format!("m/{window}/y")]);
    assert!(finding.contains("m version 1, window 2026-01-05T00:05:00Z"), "{finding}");
}

/// Windows may go; what people ask about an alert afterwards stays.
fn without_its_windows(world: &World, id: &str) {
    let path = format!("/api/v1/alerts/{id}");
    let history = |alert: &Value| -> Vec<(String, String)> {
        let entries = alert["history"].as_array().unwrap();
        entries.iter().map(|entry| (entry["kind"].to_string(), entry["window"].to_string())).collect()
    };
    let before = world.answer(&path);
    assert!(history(&before).iter().any(|(_, window)| window != "null"), "{before}");
    let asked = world.text("select count(*)::text from retraining_request where window_id is not null");
    assert_ne!(asked, "0");
    world.runtime.block_on(sqlx::query("delete from model_window").execute(&world.pool)).unwrap();
    let after = world.answer(&path);
    assert_eq!(history(&after), history(&before));
    assert!(after["history"].as_array().unwrap().iter().all(|entry| entry["window_id"].is_null()), "{after}");
    assert_eq!(after["alert"]["evidence"], before["alert"]["evidence"]);
    let page = world.page(&format!("/alerts/{id}"));
    assert!(page.contains("in 100 windows") && page.contains("2026-01-05"), "{page}");
    assert_eq!(world.text("select count(*)::text from retraining_request"), asked);
    assert!(world.driftd(&["explain", id]).contains("in 100 windows"));
}

fn told(world: &World, id: &str) {
    let received = world.webhooks.received();
    let of = |event: &Value| -> Option<Value> {
        event["data"]["alerts"].as_array()?.iter().find(|alert| alert["id"] == id).cloned()
    };
    for (_, event) in &received {
        crate::documentation::assert_documented(event);
        let Some(alerts) = event["data"]["alerts"].as_array() else { continue };
        for column in alerts.iter().flat_map(|alert| alert["evidence"]["drifted"].as_array().into_iter().flatten())
        {
            let window = format!("&window={}", column["window"]["id"]);
            let url = column["url"].as_str().unwrap();
            assert!(
                url.starts_with("https://driftd.example/monitors/m/columns/") && url.ends_with(&window),
                "{url}"
            );
            assert_eq!(column["verdict"], "critical", "what only warned is not called drifted");
        }
    }
    let last = received.iter().rev().find_map(|(_, event)| of(event)).unwrap();
    assert_eq!((last["status"].as_str(), last["reason"].as_str()), (Some("resolved"), Some("no_more_records")));
    assert_eq!(last["windows"], DRIFTING);
    let mails: Vec<String> = fs::read_dir(world.folder.path().join("mails"))
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert!(!mails.is_empty());
    for mail in &mails {
        // Long headers are folded.
        let subject = mail.replace("\r\n ", " ");
        let subject = subject.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default();
        assert!((20..80).contains(&subject.chars().count()), "{subject}");
    }
    assert!(mails.iter().any(|mail| mail.contains("Also in")), "segments are one line");
}

/// A replay of the same log decides as the daemon did.
fn replayed(world: &World, log: &[String]) {
    let (file, training) = (world.folder.path().join("log.jsonl"), world.folder.path().join("training.jsonl"));
    fs::write(&file, log.join("\n")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_driftd"))
        .args(["replay", "--format", "json", "--monitor"])
        .arg(world.monitor_file())
        .arg("--baseline")
        .arg(training)
        .arg(file)
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    });
    let alerts = report["monitors"][0]["alerts"].as_array().unwrap();
    let whole = alerts.iter().find(|alert| alert["segment"] == "*" && alert["rule"] == "drift").unwrap();
    assert_eq!((whole["windows"].as_i64(), whole["retraining"].as_bool()), (Some(DRIFTING), Some(true)));
    assert_eq!(whole["columns"], json!(["y", "x"]));
    assert_eq!(whole["worst"]["start"], time(PEAK, 0));
}
