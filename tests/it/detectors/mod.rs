//! Sequential detectors, through the real program: what they find equals what they find without a daemon, whatever dies when,
//! and people see it.

mod mistakes;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use driftd::detector::{
    AdwinParameters, CusumParameters, Detector, Direction, HddmAParameters, KswinParameters, Outcome,
    PageHinkleyParameters, Parameters, Standard,
};
use serde_json::{Value, json};
use sqlx::Row as _;

use crate::challenger::page_is_good;
use crate::documentation::assert_documented;
use crate::support::{Config, Dice, TOPIC_PARTITIONS, World, number, services};

/// Records of the log, over all partitions.
const RECORDS: usize = 9_000;
/// The mean rises behind this record.
const SHIFT: usize = 4_500;

/// A record of the log: its text, and the values that detectors read of it.
struct Logged {
    text: String,
    x: Option<f64>,
    flag: Option<f64>,
}

fn time(second: usize) -> String {
    let start: jiff::Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
    (start + jiff::SignedDuration::from_secs(second as i64)).to_string()
}

/// Values around 0, and around 1 behind the shift. Some records have no value, come hours late, or are unreadable.
fn log() -> Vec<Logged> {
    let mut dice = Dice(11);
    (0..RECORDS)
        .map(|index| {
            let shift = f64::from(u8::from(index >= SHIFT));
            let noise = (0..12).map(|_| dice.below(1_000) as f64 / 1_000.0).sum::<f64>() - 6.0;
            let flag = dice.below(100) < if index < SHIFT { 20 } else { 60 };
            // A hundred records an hour.
            let second = index * 36;
            match index % 97 {
                13 => Logged { text: "{no record".to_owned(), x: None, flag: None },
                29 => {
                    let text = json!({ "ts": time(second), "x": null, "flag": flag }).to_string();
                    Logged { text, x: None, flag: Some(f64::from(u8::from(flag))) }
                }
                late => {
                    let x = noise + shift;
                    let second = if late == 41 { second.saturating_sub(6 * 3_600) } else { second };
                    let text = json!({ "ts": time(second), "x": x, "flag": flag }).to_string();
                    Logged { text, x: Some(x), flag: Some(f64::from(u8::from(flag))) }
                }
            }
        })
        .collect()
}

/// The detectors of the test: as they are configured, and as they are.
fn detectors() -> Vec<(Value, Parameters)> {
    let of = |name: &str, kind: &str, column: &str, more: Value| {
        let mut detector = json!({ "name": name, "kind": kind, "column": column });
        detector.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        detector
    };
    vec![
        (
            of("adwin", "adwin", "x", json!({ "delta": 0.01 })),
            Parameters::Adwin(AdwinParameters { delta: 0.01, ..Default::default() }),
        ),
        (
            of("page", "page_hinkley", "x", json!({ "threshold": 8.0, "direction": "up" })),
            Parameters::PageHinkley(PageHinkleyParameters {
                threshold: 8.0,
                direction: Direction::Up,
                ..Default::default()
            }),
        ),
        (of("kswin", "kswin", "x", json!({})), Parameters::Kswin(KswinParameters::default())),
        (
            of("cusum", "cusum", "x", json!({ "threshold": 8.0 })),
            Parameters::Cusum(CusumParameters { threshold: 8.0, ..Default::default() }),
        ),
        (of("hddm", "hddm_a", "flag", json!({})), Parameters::HddmA(HddmAParameters::default())),
    ]
}

fn monitor(world: &World) -> Config {
    let monitor = Config::hourly(&world.topic)
        .push("columns", json!({ "name": "flag", "type": "boolean" }))
        .set("alert.receivers", json!(["webhook", "owner"]));
    detectors().into_iter().fold(monitor, |monitor, (detector, _)| monitor.push("detectors", detector))
}

/// A detection: detector, partition, offset, values since the reset, and the numbers as they are.
type Found = (String, i32, i64, i64, [u64; 4]);

/// What detectors find without a daemon.
fn truth(log: &[Logged]) -> BTreeSet<Found> {
    let mut found = BTreeSet::new();
    for (configured, parameters) in detectors() {
        let name = configured["name"].as_str().unwrap();
        for partition in 0..TOPIC_PARTITIONS {
            let mut detector = Detector::new(parameters);
            let records = log.iter().skip(partition as usize).step_by(TOPIC_PARTITIONS as usize);
            for (offset, record) in (0..).zip(records) {
                let value = if configured["column"] == "flag" { record.flag } else { record.x };
                let Some(Outcome::Drift(drift)) = value.map(|value| detector.update(value)) else { continue };
                let numbers = [drift.before, drift.after, drift.statistic, drift.limit].map(f64::to_bits);
                found.insert((name.to_owned(), partition, offset, drift.values as i64, numbers));
            }
        }
    }
    found
}

/// What is stored; each row once.
fn stored(world: &World) -> BTreeSet<Found> {
    let rows = world.runtime.block_on(
        sqlx::query(
            "select detector, partition, record_offset, values_read, level_before, level_after, statistic, limit_value
             from detection where topic is not null",
        )
        .fetch_all(&world.pool),
    );
    let rows = rows.unwrap();
    let numbers = |row: &sqlx::postgres::PgRow| {
        ["level_before", "level_after", "statistic", "limit_value"]
            .map(|column| row.get::<f64, _>(column).to_bits())
    };
    let found: BTreeSet<Found> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), numbers(row))).collect();
    assert_eq!(found.len(), rows.len(), "a detection is stored twice");
    found
}

/// The events about detections that the webhook received, each id once.
fn received(world: &World) -> Vec<Value> {
    let mut events: BTreeMap<String, Value> = BTreeMap::new();
    for (id, event) in world.webhooks.received() {
        if event["type"] == "drift.detected" {
            assert_documented(&event);
            events.insert(id, event);
        }
    }
    events.into_values().collect()
}

fn mails(world: &World) -> Vec<String> {
    let Ok(folder) = fs::read_dir(world.folder.path().join("mails")) else { return Vec::new() };
    let texts = folder.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    texts.filter(|text| text.contains("[drift detected]")).collect()
}

#[test]
fn detections_are_those_of_an_uninterrupted_run_whatever_dies_when_and_whoever_reads() {
    let Some(services) = services("detectors") else { return };
    let world = World::new(&services);
    for name in ["a", "b"] {
        world.configure(name, |daemon| daemon.set("kafka.session_timeout", "2s"));
    }
    monitor(&world).write(world.monitor_file());
    let log = log();
    let texts: Vec<String> = log.iter().map(|record| record.text.clone()).collect();
    let points = [
        "checkpoint.before_commit:1",
        "checkpoint.after_commit:1",
        "checkpoint.before_commit:3",
        "checkpoint.after_commit:2",
    ];
    let share = RECORDS / 2 / points.len() / TOPIC_PARTITIONS as usize * TOPIC_PARTITIONS as usize;
    let mut produced = 0;
    for point in points {
        world.produce_in_turns(produced, &texts[produced..produced + share]);
        produced += share;
        let mut daemon = world.start_daemon("a", Some(point));
        let status = daemon.wait(60);
        assert!(!status.success() && status.code().is_none(), "{point}: it died of the fault: {status}");
    }
    // The partitions move to another daemon in parts, with records in flight, and back when that is killed.
    let daemon = world.start_daemon("a", None);
    let mut produce = |until: usize| {
        world.produce_in_turns(produced, &texts[produced..until]);
        produced = until;
    };
    produce(5_400);
    let other = world.start_daemon("b", None);
    produce(6_600);
    other.wait_for_log("reading started", 60);
    produce(7_800);
    world.wait_for_count(7_200.., 60);
    other.kill();
    produce(RECORDS);
    world.wait_until_done(RECORDS as u64, 120);
    let (truth, stored) = (truth(&log), stored(&world));
    assert_eq!(stored, truth);
    let kinds: BTreeSet<&str> = truth.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(kinds.len(), detectors().len(), "every detector finds the shift: {kinds:?}");
    told(&world, &truth);
    shown(&world, truth.len());
    assert_eq!(daemon.stop(), Some(0));
    damaged_states_begin_anew(&world);
    reset_positions_begin_anew(&world);
}

/// A state that cannot be read keeps nothing from being counted.
fn damaged_states_begin_anew(world: &World) {
    let values = "select values_read from detector_state where detector = 'adwin' and partition = 0";
    let read = || world.runtime.block_on(number(&world.pool, values)).unwrap();
    assert!(read() > 1_000);
    let damage = "update detector_state set state = left(state, 40) where detector = 'adwin' and partition = 0";
    world.runtime.block_on(sqlx::query(damage).execute(&world.pool)).unwrap();
    let daemon = world.start_daemon("a", None);
    daemon.wait_for_log("cannot read the state of a detector; it begins anew", 30);
    let more: Vec<String> = (0..3).map(|second| json!({ "ts": time(second), "x": 0.5 }).to_string()).collect();
    world.produce_in_order(&more);
    world.wait_for_count(RECORDS as i64 + 3.., 60);
    assert_eq!(read(), 3);
    assert_eq!(daemon.stop(), Some(0));
}

/// Of each detector one notification to each receiver: it cools down for an hour.
fn told(world: &World, truth: &BTreeSet<Found>) {
    let events = received(world);
    let names: BTreeSet<&str> = events.iter().map(|event| event["data"]["detector"].as_str().unwrap()).collect();
    assert_eq!((events.len(), names.len()), (detectors().len(), detectors().len()));
    assert_eq!(mails(world).len(), detectors().len());
    for event in &events {
        let data = &event["data"];
        let place = |(name, partition, offset, ..): &&Found| {
            data["detector"] == name.as_str() && data["partition"] == *partition && data["offset"] == *offset
        };
        let found = truth.iter().find(place).expect("the event is about a detection");
        assert_eq!(data["before"].as_f64().unwrap().to_bits(), found.4[0]);
    }
    // What was not told is known.
    let held_back: i64 = world
        .runtime
        .block_on(sqlx::query_scalar("select sum(held_back)::bigint from detector_notice").fetch_one(&world.pool))
        .unwrap();
    let others: u64 = events.iter().map(|event| event["data"]["others"].as_u64().unwrap_or(0)).sum();
    assert_eq!(held_back as u64 + others + events.len() as u64, truth.len() as u64);
}

/// Where people look: the page, the command, the API, the metrics.
fn shown(world: &World, found: usize) {
    let (status, page) = world.get("a", "/monitors/m");
    assert_eq!(status, 200, "{page}");
    for part in ["id=\"detections\"", "Sequential detectors", "Page-Hinkley", "values of flag", "at offset"] {
        assert!(page.contains(part), "no `{part}` in\n{page}");
    }
    page_is_good(world, "/monitors/m");
    let view = world.http("a").json("/api/v1/monitors/m/detections");
    let detections = view["detections"].as_array().unwrap();
    assert_eq!(detections.len(), found.min(200));
    assert_eq!(view["detectors"].as_array().unwrap().len(), detectors().len());
    let adwin = &view["detectors"][0];
    let values = log().iter().filter(|record| record.x.is_some()).count();
    assert_eq!((&adwin["name"], &adwin["states"]), (&json!("adwin"), &json!(TOPIC_PARTITIONS)));
    assert_eq!((&adwin["values"], &adwin["skipped"]), (&json!(values), &json!(0)));
    let (text, json) = (
        world.driftd(&["detections", "--monitor", "m"]),
        world.driftd(&["--json", "detections", "--monitor", "m"]),
    );
    assert!(text.contains("adwin: ADWIN, values of x; ") && text.contains("/0 at offset "), "{text}");
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), view, "the database and the API answer alike");
    let server = world.http("a").base;
    let over = Command::new(env!("CARGO_BIN_EXE_driftd"))
        .args(["--server", &server, "detections", "--monitor", "m"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&over.stdout), text);
    let (_, metrics) = world.get("a", "/metrics");
    assert!(metrics.contains("driftd_detections_total{monitor=\"m\",detector=\"adwin\"}"), "{metrics}");
    assert_eq!(world.get("a", "/api/v1/monitors/nobody/detections").0, 404);
}

/// A position that is reset has no states: what they know does not end where the log is read from.
fn reset_positions_begin_anew(world: &World) {
    let count = "select count(*) from detector_state where partition = 2";
    let states = || world.runtime.block_on(number(&world.pool, count)).unwrap();
    assert_eq!(states(), detectors().len() as i64);
    let partition = format!("{}/2", world.topic);
    world.driftd(&["positions", "reset", &partition, "--to", "10", "--yes"]);
    assert_eq!(states(), 0);
}

#[test]
fn a_detector_of_windows_reads_each_closed_window_of_a_series_once_in_order() {
    let Some(services) = services("detectors of windows") else { return };
    let world = World::new(&services);
    let known = Standard::Known { mean: 0.0, deviation: 1.0 };
    let parameters = Parameters::Cusum(CusumParameters { standard: known, ..Default::default() });
    Config::hourly(&world.topic)
        .set("alert.receivers", json!(["webhook", "owner"]))
        .push("detectors", json!({ "kind": "cusum", "column": "x", "on": "windows", "mean": 0.0, "deviation": 1.0, "severity": "critical" }))
        .push("detectors", json!({ "name": "often", "kind": "cusum", "column": "x", "on": "windows", "mean": 0.0, "deviation": 1.0, "cool_down": "0s", "receivers": ["webhook"] }))
        .write(world.monitor_file());
    // Ten records an hour, whose mean is exactly this.
    let means: Vec<f64> = (0..40).map(|hour| if hour < 15 { f64::from(hour % 2) - 0.5 } else { 1.5 }).collect();
    let records: Vec<String> = (0..400)
        .map(|index| {
            let sign = if index % 2 == 0 { 1.0 } else { -1.0 };
            json!({ "ts": time(index * 360), "x": means[index / 10] + sign }).to_string()
        })
        .collect();
    // Windows that are due together close in one transaction: each daemon finds new ones.
    let mut parts = records.chunks(100);
    for point in ["close.before_commit:1", "close.after_commit:1", "close.before_commit:1"] {
        world.produce_in_order(parts.next().unwrap());
        let mut daemon = world.start_daemon("a", Some(point));
        let status = daemon.wait(60);
        assert!(!status.success() && status.code().is_none(), "{point}: it died of the fault: {status}");
    }
    world.produce_in_order(parts.next().unwrap());
    let daemon = world.start_daemon("a", None);
    let other = world.start_daemon("b", None);
    world.wait_until_done(records.len() as u64, 120);
    let mut detector = Detector::new(parameters);
    let start: jiff::Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
    let mut expected = Vec::new();
    for (hour, mean) in means.iter().enumerate() {
        if let Outcome::Drift(_) = detector.update(*mean) {
            expected.push(start + jiff::SignedDuration::from_hours(hour as i64));
        }
    }
    assert!(expected.len() > 3, "{expected:?}");
    let view = world.http("a").json("/api/v1/monitors/m/detections");
    let all = view["detections"].as_array().unwrap();
    let detections: Vec<&Value> = all.iter().filter(|row| row["detector"] == "x-cusum").collect();
    assert_eq!(all.len(), 2 * detections.len());
    let found: Vec<jiff::Timestamp> =
        detections.iter().rev().map(|row| row["at"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(found, expected);
    assert_eq!(
        (&detections[0]["segment"], &detections[0]["input"]),
        (&json!("*"), &json!("mean of x in windows"))
    );
    let windows = world.runtime.block_on(number(&world.pool, "select count(*) from model_window")).unwrap();
    assert_eq!(
        (&view["detectors"][0]["values"], &view["detectors"][0]["name"]),
        (&json!(windows), &json!("x-cusum"))
    );
    let (events, often): (Vec<Value>, Vec<Value>) =
        received(&world).into_iter().partition(|event| event["data"]["detector"] != "often");
    assert_eq!(events.len(), 1, "the others come within an hour");
    // Without a cool-down each detection is told, once.
    let told: BTreeSet<&str> = often.iter().map(|event| event["data"]["at"].as_str().unwrap()).collect();
    assert_eq!((often.len(), told.len()), (expected.len(), expected.len()));
    assert_eq!((&events[0]["data"]["severity"], &events[0]["data"]["segment"]), (&json!("critical"), &json!("*")));
    assert!(mails(&world).len() == 1 && mails(&world)[0].contains("in the window from"));
    assert_eq!(other.stop(), Some(0));
    assert_eq!(daemon.stop(), Some(0));
}

/// The detectors of the daemon, over a file.
#[test]
fn a_replay_finds_what_detectors_find_in_the_order_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let monitor = folder.path().join("m.toml");
    let (configured, parameters) = detectors().remove(1);
    Config::hourly("t").push("detectors", configured).set("baseline.learn", 3).write(&monitor);
    let records: Vec<(String, f64)> =
        log().into_iter().filter_map(|record| Some((record.text, record.x?))).collect();
    let file = folder.path().join("log.jsonl");
    fs::write(&file, records.iter().map(|(text, _)| format!("{text}\n")).collect::<String>()).unwrap();
    let mut detector = Detector::new(parameters);
    let drifts = records.iter().enumerate().filter(|(_, (_, x))| matches!(detector.update(*x), Outcome::Drift(_)));
    let expected: Vec<usize> = drifts.map(|(index, _)| index).collect();
    assert!(!expected.is_empty());
    let run = |format: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_driftd"))
            .args(["replay", "--format", format, "--monitor"])
            .arg(&monitor)
            .arg(&file)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let report: Value = serde_json::from_str(&run("json")).unwrap();
    let found = report["monitors"][0]["detections"].as_array().unwrap();
    let offsets: Vec<usize> = found.iter().map(|found| found["offset"].as_u64().unwrap() as usize).collect();
    assert_eq!(offsets, expected);
    assert!(run("text").contains(&format!("page at {}", found[0]["at"].as_str().unwrap())), "{}", run("text"));
    assert!(run("html").contains("Drifts that detectors would have found"));
}
