//! Windows that overlap, through the real program: sums of panes by time and by number of records.

use std::fs;

use serde_json::{Value, json};
use sqlx::Row as _;

use crate::support::{Config, Daemon, Dice, World, number, services};

/// Records of a pane of ten minutes.
const EACH: u64 = 60;

fn time(pane: u64, second: u64) -> String {
    let start: jiff::Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
    (start + jiff::SignedDuration::from_secs((pane * 600 + second) as i64)).to_string()
}

fn records(dice: &mut Dice, pane: u64, shift: u64) -> Vec<String> {
    let record =
        |index: u64| json!({ "ts": time(pane, index * 600 / EACH), "x": dice.below(1_000) + shift }).to_string();
    (0..EACH).map(record).collect()
}

fn monitor(world: &World) -> Config {
    Config::hourly(&world.topic).set("judge.min_records", 50).set("alert", json!({ "receivers": ["webhook"] }))
}

/// Panes of the log: 24, of which four in a row are shifted.
fn log() -> Vec<String> {
    let mut dice = Dice(7);
    (0..24).flat_map(|pane| records(&mut dice, pane, if (12..16).contains(&pane) { 400 } else { 0 })).collect()
}

fn run(world: &World, log: &[String]) -> Daemon {
    let mut dice = Dice(1);
    world.build_baseline(&(0..20).flat_map(|_| records(&mut dice, 0, 0)).collect::<Vec<String>>());
    let daemon = world.start_daemon("a", None);
    world.produce_in_order(log);
    world.wait_until_closed(24);
    world.wait_until_done(log.len() as u64, 60);
    daemon
}

/// Start in minutes, records and verdict of each window, in the order of time, as the API has them; and of how many its
/// distributions are.
fn windows(world: &World) -> Vec<(i64, u64, String)> {
    let rows = world
        .runtime
        .block_on(
            sqlx::query(
                "select (extract(epoch from coalesce(judged_from, starts_at) - timestamptz '2026-03-02T00:00:00Z') / 60)::bigint as start,
                        coalesce(judged_rows, rows) as records, verdict from model_window order by starts_at",
            )
            .fetch_all(&world.pool),
        )
        .unwrap();
    rows.iter()
        .map(|row| (row.get("start"), row.get::<i64, _>("records").cast_unsigned(), row.get("verdict")))
        .collect()
}

/// What a replay of the log says of each window: start, records, verdict.
fn replayed(world: &World, log: &[String]) -> Vec<(String, u64, bool)> {
    let file = world.folder.path().join("log.jsonl");
    fs::write(&file, log.join("\n")).unwrap();
    let training = world.folder.path().join("training.jsonl");
    let arguments = ["replay", "--format", "json", "--monitor", "m", "--baseline"];
    let files = [training.to_str().unwrap(), file.to_str().unwrap()];
    let (_, text) = world.attempt("a", &[&arguments[..], &files[..]].concat());
    judged(&text)
}

fn judged(text: &str) -> Vec<(String, u64, bool)> {
    let report: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"));
    let of = |window: &Value| {
        let start = window["start"].as_str().unwrap().to_owned();
        (start, window["rows"].as_u64().unwrap(), window["verdict"] == "drift")
    };
    report["monitors"][0]["windows"].as_array().unwrap().iter().map(of).collect()
}

fn as_replayed(windows: &[(i64, u64, String)]) -> Vec<(String, u64, bool)> {
    let start = |minutes: i64| time(0, minutes as u64 * 60);
    windows.iter().map(|(minutes, records, verdict)| (start(*minutes), *records, verdict == "critical")).collect()
}

#[test]
fn an_hour_is_judged_every_ten_minutes_and_each_record_is_counted_once() {
    let Some(services) = services("sliding windows") else { return };
    let world = World::new(&services);
    monitor(&world).set("window.length", "1h").set("window.every", "10m").write(world.monitor_file());
    let log = log();
    let daemon = run(&world, &log);
    let windows = windows(&world);
    for (pane, (start, records, verdict)) in (0i64..).zip(&windows) {
        let panes = (pane + 1).min(6);
        assert_eq!((*start, *records), ((pane + 1 - panes) * 10, panes as u64 * EACH), "pane {pane}: {windows:?}");
        // From one to four of six panes are shifted by 0.4 of the range.
        let drifts = (13..=19).contains(&pane);
        if drifts || !(12..=20).contains(&pane) {
            assert_eq!(verdict == "critical", drifts, "pane {pane}: {windows:?}");
        }
    }
    let once = world.runtime.block_on(number(&world.pool, "select sum(rows)::bigint from model_window"));
    assert_eq!(once, Ok(log.len() as i64), "panes do not overlap");

    // Distributions are those of the whole window, on the page and in the API.
    let id: i64 = world
        .runtime
        .block_on(
            sqlx::query_scalar("select id from model_window order by starts_at limit 1 offset 15")
                .fetch_one(&world.pool),
        )
        .unwrap();
    let window = world.http("a").json(&format!("/api/v1/monitors/m/windows/{id}"));
    assert_eq!(
        (&window["window"]["start"], &window["window"]["rows"]),
        (&json!(time(10, 0)), &json!(360)),
        "{window}"
    );
    let said = world.driftd(&["explain", &format!("m/{id}/x")]);
    assert!(
        said.contains(&format!("window {} to {}", time(10, 0), time(16, 0))) && said.contains("360 records"),
        "{said}"
    );
    let (status, page) = world.get("a", &format!("/monitors/m/columns/x?window={id}"));
    assert!(status == 200 && page.contains("360 records"), "{page}");
    assert_eq!(daemon.stop(), Some(0));

    // The alert names the window, and a replay and stored windows judged again decide alike.
    let events: Vec<Value> = world.webhooks.received().into_iter().map(|(_, event)| event).collect();
    let first = &events[0]["data"]["alerts"][0];
    assert_eq!(first["evidence"]["first"]["records"], 360, "{first}");
    assert_eq!(replayed(&world, &log), as_replayed(&windows));
    let (_, text) = world.attempt("a", &["rejudge", "--format", "json", "--monitor", "m", "--from", &time(10, 0)]);
    assert_eq!(judged(&text), as_replayed(&windows[10..]));
}

#[test]
fn the_last_records_are_judged_whatever_time_they_took() {
    let Some(services) = services("windows of records") else { return };
    let world = World::new(&services);
    monitor(&world)
        .set("window.length", "150 records")
        .set("window.every", "10m")
        .set("baseline.reference", ["rolling", "fixed"])
        .set("baseline.rolling", json!({ "windows": 3, "at_least": 3 }))
        .write(world.monitor_file());
    let log = log();
    let daemon = run(&world, &log);
    let windows = windows(&world);
    for (pane, (start, records, _)) in (0i64..).zip(&windows) {
        let panes = (pane + 1).min(3);
        assert_eq!((*start, *records), ((pane + 1 - panes) * 10, panes as u64 * EACH), "pane {pane}: {windows:?}");
    }
    // A reference is made of panes before the window: none of its own.
    let overlapping = world.runtime.block_on(number(
        &world.pool,
        "select count(*) from model_window w, jsonb_array_elements_text(w.reference->'ids') r join model_window p on p.id = r::bigint
         where p.ends_at > w.judged_from",
    ));
    assert_eq!(overlapping, Ok(0));
    let rolling = world
        .runtime
        .block_on(number(&world.pool, "select count(*) from model_window where reference->>'rule' = 'rolling'"));
    assert_eq!(rolling, Ok(24 - 5), "three panes of the window, and three before it");
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(replayed(&world, &log), as_replayed(&windows));
}
