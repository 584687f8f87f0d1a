//! Champion and challenger, through the real program: which pairs are compared, what is sent, and where it is shown.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::documentation::assert_documented;
use crate::support::{Config, Dice, World, check, file, number, services, skipped};

/// Records of a side in an hour.
const EACH: u64 = 120;

fn time(hour: u64, second: u64) -> String {
    let start: jiff::Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
    (start + jiff::SignedDuration::from_secs((hour * 3_600 + second) as i64)).to_string()
}

/// The records of a side in an hour; its scores are shifted by so many standard deviations.
fn hour(dice: &mut Dice, hour: u64, side: &Value, shift: f64) -> Vec<String> {
    (0..EACH)
        .map(|index| {
            let mut noise = || (0..12).map(|_| dice.below(1_000) as f64 / 1_000.0).sum::<f64>() - 6.0;
            let mut record =
                json!({ "ts": time(hour, index * 3_600 / EACH), "x": noise(), "score": noise() + shift });
            record.as_object_mut().unwrap().extend(side.as_object().unwrap().clone());
            record.to_string()
        })
        .collect()
}

fn monitor(world: &World, challenger: &Value) -> Config {
    Config::hourly(&world.topic)
        .push("columns", json!({ "name": "score", "type": "numeric", "role": "output" }))
        .set("judge.min_records", 50)
        .set("alert", json!({ "receivers": ["webhook", "owner"] }))
        .set("challenger", challenger)
}

fn wait_for_pairs(world: &World, pairs: i64) {
    world.wait_for("all pairs compared and all messages sent", 120, async |pool| {
        let compared = number(pool, "select count(*) from challenge_pair").await?;
        let pending = number(pool, "select count(*) from notification where status = 'pending'").await?;
        if (compared, pending) == (pairs, 0) {
            Ok(())
        } else {
            Err(format!("{compared} of {pairs} pairs compared, {pending} messages pending"))
        }
    });
}

/// The types of the events about the challenger that the webhook received, in order, each id once.
fn received(world: &World) -> Vec<Value> {
    let mut events: Vec<(String, Value)> = Vec::new();
    for (id, event) in world.webhooks.received() {
        let is_known = events.iter().any(|(known, _)| *known == id);
        if event["type"].as_str().unwrap().starts_with("drift.challenger") && !is_known {
            assert_documented(&event);
            events.push((id, event));
        }
    }
    events.into_iter().map(|(_, event)| event).collect()
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

/// The mails about the challenger.
fn mails(world: &World) -> Vec<String> {
    let Ok(folder) = fs::read_dir(world.folder.path().join("mails")) else { return Vec::new() };
    let texts = folder.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    texts.filter(|text| text.contains("[challenger ")).collect()
}

/// The states after each pair, by hour.
fn states(world: &World) -> Vec<String> {
    world
        .runtime
        .block_on(sqlx::query_scalar("select state from challenge_pair order by starts_at").fetch_all(&world.pool))
        .unwrap()
}

/// A page of the monitor in a browser, where there is one, and the page of the monitor.
pub fn page_is_good(world: &World, path: &str) {
    let Ok(axe) = std::env::var("DRIFTD_TEST_AXE") else {
        skipped("pages in a browser: DRIFTD_TEST_AXE is not set; `make test` sets it");
        return;
    };
    let mut browser = Command::new("python3");
    browser.arg(file("tests/services/browser.py")).args([&world.http("a").base, &axe]);
    if let Ok(folder) = std::env::var("DRIFTD_TEST_SHOTS") {
        browser.args(["--shots", &folder]);
    }
    let output = browser.args([path, "/monitors/m"]).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn a_broken_challenger_is_told_once_whatever_dies_when() {
    let Some(services) = services("a broken challenger") else { return };
    let world = World::new(&services);
    let challenger = json!({ "champion": "3", "challenger": "4", "for": 2, "windows": 4 });
    monitor(&world, &challenger).set("source.version", "v").write(world.monitor_file());
    let mut dice = Dice(1);
    let training: Vec<String> = (0..10).flat_map(|at| hour(&mut dice, at, &json!({ "v": "3" }), 0.0)).collect();
    world.build_baseline(&training);
    let mut log = Vec::new();
    for at in 0..7 {
        log.extend(hour(&mut dice, at, &json!({ "v": "3" }), 0.0));
        // It has no records in the third hour, and its output is broken from the fifth on.
        if at != 2 {
            log.extend(hour(&mut dice, at, &json!({ "v": "4" }), if at < 4 { 0.0 } else { 2.5 }));
        }
    }
    world.produce_in_order(&log);
    // The fifth of the six pairs is the second one that is worse: it dies with that in its hands, and right after it is stored.
    for point in ["challenge.before_commit:5", "challenge.after_commit:1"] {
        let mut daemon = world.start_daemon("a", Some(point));
        let status = daemon.wait(60);
        assert!(!status.success() && status.code().is_none(), "{point}: it died of the fault: {status}");
    }
    let daemon = world.start_daemon("a", None);
    wait_for_pairs(&world, 6);
    assert_eq!(states(&world), ["collecting", "collecting", "collecting", "collecting", "worse", "worse"]);
    let events = received(&world);
    assert_eq!(types(&events), ["drift.challenger.worse"]);
    let data = &events[0]["data"];
    assert_eq!((&data["champion"], &data["challenger"]), (&json!("3"), &json!("4")));
    assert_eq!((&data["start"], &data["compared"]), (&json!("2026-01-05T05:00:00Z"), &json!(5)));
    assert_eq!(data["columns"][0]["column"], "score");
    assert_eq!(data["columns"][0]["verdict"], "challenger_worse");
    assert_eq!(data["columns"][1]["verdict"], "same");
    let mails = mails(&world);
    assert!(mails.len() == 1 && mails[0].contains("Roll the challenger back"), "{mails:?}");
    shown(&world);
    // Another challenger is another challenge: version 5 is as good as version 3, from its first window on.
    let mut log = Vec::new();
    for at in 7..14 {
        for version in ["3", "5"] {
            log.extend(hour(&mut dice, at, &json!({ "v": version }), 0.0));
        }
    }
    world.configure_monitor(|monitor| monitor.set("challenger.challenger", "5"));
    daemon.signal("HUP");
    daemon.wait_for_log("reloaded: ", 20);
    // Two daemons compare each pair once.
    let other = world.start_daemon("b", None);
    other.wait_for_log("driftd is running", 20);
    world.produce_in_order(&log);
    wait_for_pairs(&world, 13);
    let events = received(&world);
    assert_eq!(types(&events), ["drift.challenger.worse", "drift.challenger.ready"]);
    assert_eq!((&events[1]["data"]["challenger"], &events[1]["data"]["compared"]), (&json!("5"), &json!(4)));
    assert_eq!(other.stop(), Some(0));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn mistakes_in_the_section_are_all_reported_with_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("monitors.d")).unwrap();
    let daemon = "[kafka]\nbrokers = \"b\"\n[postgres]\nurl = \"postgres://h/d\"\n";
    let said = |more: &str| {
        fs::write(folder.path().join("driftd.toml"), daemon).unwrap();
        let monitor = format!(
            "name = \"m\"\n[source]\ntopics = [\"t\"]\n[[columns]]\nname = \"score\"\ntype = \"numeric\"\n{more}"
        );
        fs::write(folder.path().join("monitors.d/m.toml"), monitor).unwrap();
        check(folder.path())
    };
    let section = "[challenger]\nchampion = \"3\"\nchallenger = \"3\"\nwindows = 2\nfor = 5\ncolumns = [\"scor\"]\n\
                   receivers = [\"nobody\"]\nshadwo = true\n";
    let (text, code) = said(section);
    assert_eq!(code, Some(78), "{text}");
    for part in [
        "`challenger.champion`: compares model versions, and records have none",
        "`by` to the name of a segment column",
        "`challenger.challenger`: is the same as `champion`",
        "`challenger.for`: must not be above `windows`: 5 > 2",
        "`challenger.columns`: `scor` is not a column of this monitor",
        "did you mean `score`?",
        "`nobody` is not a receiver of driftd.toml",
        "did you mean `shadow`?",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    let (text, code) = said("[challenger]\nby = \"arn\"\n[[segments]]\nname = \"arm\"\n");
    assert_eq!(code, Some(78), "{text}");
    for part in [
        "`challenger.by`: `arn` is not a segment column of this monitor",
        "did you mean `arm`?",
        "`challenger.champion`: is missing: the version or arm that is in use",
        "`challenger.challenger`: is missing",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    let (text, code) =
        said("[challenger]\nby = \"arm\"\nchampion = \"a\"\nchallenger = \"b\"\n[[segments]]\nname = \"arm\"\n");
    assert_eq!(code, Some(0), "{text}");
}

/// Where people look: the page, the command, the API, the metrics.
fn shown(world: &World) {
    let (status, page) = world.get("a", "/monitors/m/challenger");
    assert_eq!(status, 200, "{page}");
    for part in [
        "version 4 is worse than version 3",
        "<code>score</code> of version 4 drifted in 2 pairs in a row, of version 3 in none of them",
        "challenger worse",
        "score: distance of champion and challenger from the reference",
    ] {
        assert!(page.contains(part), "no `{part}` in\n{page}");
    }
    let (_, page) = world.get("a", "/monitors/m");
    assert!(page.contains("href=\"/monitors/m/challenger\">version 4 against version 3</a>"), "{page}");
    page_is_good(world, "/monitors/m/challenger");
    let view = world.http("a").json("/api/v1/monitors/m/challenger");
    assert_eq!((&view["state"], &view["pairs"], &view["for"]), (&json!("worse"), &json!(6), &json!(2)));
    assert_eq!(view["history"].as_array().map(Vec::len), Some(6));
    let (text, json) = (
        world.driftd(&["challenger", "--monitor", "m"]),
        world.driftd(&["--json", "challenger", "--monitor", "m"]),
    );
    assert!(text.contains("\nscore *  challenger worse  ") && text.contains("\nx        same  "), "{text}");
    assert!(text.contains("because     `score` of version 4 drifted in 2 pairs in a row"), "{text}");
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), view, "the database and the API answer alike");
    let server = world.http("a").base;
    let over = Command::new(env!("CARGO_BIN_EXE_driftd"))
        .args(["--server", &server, "challenger", "--monitor", "m"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&over.stdout), text);
    let (_, metrics) = world.get("a", "/metrics");
    assert!(metrics.contains("driftd_challenger_state{monitor=\"m\",state=\"worse\"} 1"), "{metrics}");
}

#[test]
fn a_shadow_arm_becomes_ready_and_its_own_alerts_are_recorded_and_send_nothing() {
    let Some(services) = services("a shadow challenger") else { return };
    let world = World::new(&services);
    let challenger = json!({
        "by": "arm", "champion": "a", "challenger": "b", "shadow": true, "for": 2, "windows": 4, "receivers": ["webhook"],
    });
    monitor(&world, &challenger).push("segments", json!({ "name": "arm" })).write(world.monitor_file());
    let mut dice = Dice(2);
    let training: Vec<String> = (0..10)
        .flat_map(|at| ["a", "b"].map(|arm| (at, arm)))
        .flat_map(|(at, arm)| hour(&mut dice, at, &json!({ "arm": arm }), 0.0))
        .collect();
    world.build_baseline(&training);
    let daemon = world.start_daemon("a", None);
    // Nothing yet: the page says what is waited for.
    world.wait_for("the listener", 30, async |_| match world.get("a", "/monitors/m/challenger") {
        (200, page) if page.contains("no window of arm=b has closed yet that arm=a has") => Ok(()),
        (status, page) => Err(format!("{status}: {page}")),
    });
    let mut log = Vec::new();
    for at in 0..9 {
        for (arm, shift) in [("a", 0.0), ("b", if at < 5 { 0.0 } else { 2.5 })] {
            log.extend(hour(&mut dice, at, &json!({ "arm": arm }), shift));
        }
    }
    world.produce_in_order(&log);
    wait_for_pairs(&world, 9);
    assert_eq!(states(&world)[2..7], ["collecting", "ready", "ready", "ready", "worse"]);
    let events = received(&world);
    assert_eq!(types(&events), ["drift.challenger.ready", "drift.challenger.worse"]);
    assert_eq!((&events[0]["data"]["by"], &events[0]["data"]["shadow"]), (&json!("arm"), &json!(true)));
    assert!(mails(&world).is_empty(), "the challenger names its receivers");
    // The alert of the arm fired, and nobody was sent it; that of all records is another matter.
    world.wait_until_done(log.len() as u64, 60);
    let fired: Vec<(String, bool)> = world
        .runtime
        .block_on(
            sqlx::query_as(
                "select segment, exists (select from alert_route r where r.alert_id = a.id) from alert a
                 where fired_at is not null order by segment",
            )
            .fetch_all(&world.pool),
        )
        .unwrap();
    let fired: BTreeMap<String, bool> = fired.into_iter().collect();
    assert_eq!(fired.get("arm=b"), Some(&false), "{fired:?}");
    assert_eq!(fired.get("*"), Some(&true), "{fired:?}");
    let told = world.webhooks.received();
    let segments: Vec<&Value> = told
        .iter()
        .flat_map(|(_, event)| event["data"]["alerts"].as_array().into_iter().flatten())
        .map(|alert| &alert["segment"])
        .collect();
    assert!(!segments.is_empty() && segments.iter().all(|segment| **segment == "*"), "{segments:?}");
    let id: String = world
        .runtime
        .block_on(
            sqlx::query_scalar("select id::text from alert where segment = 'arm=b' limit 1")
                .fetch_one(&world.pool),
        )
        .unwrap();
    let alert = format!("/alerts/{id}");
    for path in ["/monitors/m/challenger", "/monitors/m?segment=arm%3Db", &alert] {
        let (_, page) = world.get("a", path);
        assert!(page.contains("they send no message and request no retraining"), "{path}: {page}");
    }
    let (_, page) = world.get("a", "/monitors/m?segment=arm%3Da");
    assert!(!page.contains("they send no message"), "{page}");
    page_is_good(&world, "/monitors/m/challenger");
    assert_eq!(daemon.stop(), Some(0));
    // A monitor without a challenger says how to have one.
    world.configure_monitor(|monitor| monitor.remove("challenger"));
    let (code, text) = world.attempt("a", &["challenger", "--monitor", "m"]);
    assert!(
        code == Some(1) && text.contains("has no challenger") && text.contains("hint: add [challenger]"),
        "{text}"
    );
    let daemon = world.start_daemon("a", None);
    world.wait_for("the listener", 30, async |_| match world.get("a", "/monitors/m/challenger") {
        (200, page) if page.contains("This monitor has no challenger.") => Ok(()),
        (status, page) => Err(format!("{status}: {page}")),
    });
    assert_eq!(world.get("a", "/api/v1/monitors/m/challenger").0, 404);
    page_is_good(&world, "/monitors/m/challenger");
    assert_eq!(daemon.stop(), Some(0));
}
