//! References that move with the data, through the real program: the windows they are made of, what is left out, what pages,
//! commands and replays say of them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use sqlx::Row as _;

use crate::support::{Config, Dice, World, number, services};

/// Records of a window of an hour.
const EACH: u64 = 120;

fn time(hour: i64, second: u64) -> String {
    // A Monday in Berlin, in winter.
    let start: jiff::Timestamp = "2026-01-04T23:00:00Z".parse().unwrap();
    (start + jiff::SignedDuration::from_secs(hour * 3_600 + second as i64)).to_string()
}

/// The records of an hour: `x` goes up and down with the hour of the day, by two standard deviations.
fn hour(dice: &mut Dice, hour: i64, more: &Value, shift: f64) -> Vec<String> {
    let phase = (hour % 24) as f64 / 24.0 * std::f64::consts::TAU;
    (0..EACH)
        .map(|index| {
            let noise = (0..12).map(|_| dice.below(1_000) as f64 / 1_000.0).sum::<f64>() - 6.0;
            let mut record =
                json!({ "ts": time(hour, index * 3_600 / EACH), "x": noise + 2.0 * phase.sin() + shift });
            record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            record.to_string()
        })
        .collect()
}

fn monitor(world: &World) -> Config {
    Config::hourly(&world.topic).set("judge.min_records", 50).set("alert", json!({ "receivers": ["webhook"] }))
}

/// The reference of every closed window, by version, segment and hour.
fn references(world: &World) -> BTreeMap<(String, String, i64), (Value, String)> {
    let rows = world
        .runtime
        .block_on(
            sqlx::query(
                "select model_version, segment, verdict, reference,
                        (extract(epoch from starts_at - timestamptz '2026-01-04T23:00:00Z') / 3600)::bigint as hour
                 from model_window where status = 'closed'",
            )
            .fetch_all(&world.pool),
        )
        .unwrap();
    rows.iter()
        .map(|row| ((row.get(0), row.get(1), row.get("hour")), (row.get("reference"), row.get("verdict"))))
        .collect()
}

fn starts(world: &World, ids: &Value) -> Vec<i64> {
    let ids: Vec<i64> = ids.as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
    let hours = sqlx::query_scalar(
        "select (extract(epoch from starts_at - timestamptz '2026-01-04T23:00:00Z') / 3600)::bigint
         from model_window where id = any($1) order by starts_at",
    );
    world.runtime.block_on(hours.bind(ids).fetch_all(&world.pool)).unwrap()
}

#[test]
fn seasons_do_not_alarm_a_shift_in_one_hour_does_and_a_replay_says_the_same() {
    let Some(services) = services("references") else { return };
    let world = World::new(&services);
    monitor(&world)
        .set("baseline.reference", ["seasonal", "rolling", "fixed"])
        .set("baseline.seasonal", json!({ "same": "hour_of_day", "time_zone": "Europe/Berlin", "cycles": 4 }))
        .set("baseline.rolling", json!({ "windows": 6, "at_least": 3 }))
        .set("baseline.exclude", ["incidents"])
        .write(world.monitor_file());
    let incident = json!([{ "from": time(26, 0), "to": time(28, 0) }]);
    world.configure("a", |daemon| daemon.set("calendars.incidents.once", &incident));
    let mut dice = Dice(1);
    let nothing = json!({});
    let training: Vec<String> = (-24..0).flat_map(|at| hour(&mut dice, at + 24, &nothing, 0.0)).collect();
    world.build_baseline(&training);
    // Five days; in the 100th hour everything is shifted by one and a half standard deviations.
    let mut dice = Dice(2);
    let log: Vec<String> =
        (0..120).flat_map(|at| hour(&mut dice, at, &nothing, if at == 100 { 1.5 } else { 0.0 })).collect();
    let daemon = world.start_daemon("a", None);
    world.produce_in_order(&log);
    world.wait_until_closed(120);

    let stored = references(&world);
    let of = |at: i64| &stored[&(String::new(), "*".to_owned(), at)];
    let rule = |at: i64| of(at).0["rule"].as_str().unwrap_or_default();
    assert_eq!((rule(0), rule(2), rule(3), rule(47)), ("fixed", "fixed", "rolling", "rolling"));
    assert!((72..120).all(|at| rule(at) == "seasonal"), "{stored:?}");
    // The windows of the incident are in no reference, the latest ones that are not excluded are.
    assert_eq!(starts(&world, &of(30).0["ids"]), [22, 23, 24, 25, 28, 29]);
    assert_eq!(starts(&world, &of(110).0["ids"]), [14, 38, 62, 86]);
    assert_eq!(starts(&world, &of(99).0["ids"]), [3, 51, 75], "the 27th hour is part of the incident");
    assert_eq!((of(110).0["windows"].as_u64(), of(110).0["records"].as_u64()), (Some(4), Some(4 * EACH)));
    let passed = of(30).0["passed_over"].to_string();
    assert!(
        passed.contains("1 of the last 4 cycles with a usable window of the same hour of the day, 2 are needed")
    );
    // Nothing alarms for being another hour of the day, and the shift of one hour is found.
    let drifting: Vec<i64> = (72..120).filter(|at| of(*at).1 == "critical").collect();
    assert_eq!(drifting, [100]);

    // Where people look: the page of the column, the list of windows, the command, the API.
    let id: i64 = world
        .runtime
        .block_on(
            sqlx::query_scalar("select id from model_window where starts_at = timestamptz '2026-01-04T23:00:00Z' + interval '100 hours'")
                .fetch_one(&world.pool),
        )
        .unwrap();
    let (status, page) = world.get("a", &format!("/monitors/m/columns/x?window={id}"));
    assert_eq!(status, 200, "{page}");
    assert!(
        page.contains("compared with 4 windows of the same hour of the day in Europe/Berlin, 2026-01-05T"),
        "{page}"
    );
    let (_, page) = world.get("a", "/monitors/m");
    assert!(page.contains("seasonal, else rolling, else fixed") && page.contains("seasonal, 4 windows"), "{page}");
    let said = world.driftd(&["explain", &format!("m/{id}/x")]);
    assert!(said.contains("4 windows of the same hour of the day in Europe/Berlin"), "{said}");
    let window = world.http("a").json(&format!("/api/v1/monitors/m/windows/{id}"));
    assert!(window.to_string().contains("\"rule\":\"seasonal\""), "{window}");
    assert_eq!(daemon.stop(), Some(0));

    // A replay of the same log decides the same, window by window.
    let file = world.folder.path().join("log.jsonl");
    fs::write(&file, log.join("\n")).unwrap();
    let training = world.folder.path().join("training.jsonl");
    let arguments = ["replay", "--format", "json", "--monitor", "m", "--baseline"].map(OsStr::new);
    let report = answer(&world, &[&arguments[..], &[training.as_os_str(), file.as_os_str()]].concat());
    let replayed = report["monitors"][0]["windows"].as_array().unwrap();
    assert_eq!(replayed.len(), 120);
    for (at, window) in (0i64..).zip(replayed) {
        let mut expected = of(at).0.clone();
        expected.as_object_mut().unwrap().remove("ids");
        // What a baseline is called depends on where it comes from.
        if rule(at) == "fixed" {
            expected["name"] = window["reference"]["name"].clone();
        }
        assert_eq!(window["reference"], expected, "hour {at}");
        assert_eq!(window["verdict"] == "drift", of(at).1 == "critical", "hour {at}");
    }
    judged_again(&world);
}

/// What a command writes as JSON.
fn answer(world: &World, arguments: &[&OsStr]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_driftd"))
        .args(["--config".as_ref(), world.daemon_file("a").as_os_str()])
        .args(arguments)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    })
}

/// Stored windows judged again: the same under the same rules, something else under others, and nothing is stored.
fn judged_again(world: &World) {
    let rejudge = |monitor: &OsStr, from: &str| {
        let arguments = ["rejudge", "--format", "json", "--from", from, "--monitor"].map(OsStr::new);
        let report = answer(world, &[&arguments[..], &[monitor]].concat());
        report["monitors"][0].clone()
    };
    let all = rejudge("m".as_ref(), &time(0, 0));
    assert_eq!(all["windows"].as_array().map(Vec::len), Some(120));
    let last = |report: &Value| report["notes"].as_array().unwrap().last().unwrap().as_str().unwrap().to_owned();
    assert_eq!(last(&all), "All 120 windows have the verdict that is stored.");
    // References reach back before the period.
    let late = rejudge("m".as_ref(), &time(96, 0));
    assert_eq!(late["windows"].as_array().map(Vec::len), Some(24));
    assert_eq!(last(&late), "All 24 windows have the verdict that is stored.");
    assert_eq!(late["alerts"].as_array().map(Vec::len), Some(1), "{late}");
    // With the fixed baseline alone most hours of the day are drift.
    let other = world.folder.path().join("fixed.toml");
    monitor(world).write(&other);
    let fixed = rejudge(other.as_os_str(), &time(96, 0));
    assert!(last(&fixed).contains("of 24 windows have another verdict than the stored one"), "{fixed}");
    let windows = world.runtime.block_on(number(&world.pool, "select count(*) from model_window"));
    assert_eq!(windows, Ok(120));
    // What cannot be judged is said.
    let (code, text) = world.attempt("a", &["rejudge", "--monitor", "m", "--from", "2030-01-01T00:00:00Z"]);
    assert!(code == Some(1) && text.contains("no closed window with counts"), "{text}");
    let (code, text) = world.attempt("a", &["rejudge", "--monitor", "m", "--from", "yesterday"]);
    assert!(code == Some(2) && text.contains("write it as 2026-01-31T00:00:00Z"), "{text}");
}

#[test]
fn versions_and_segments_are_compared_in_the_same_windows() {
    let Some(services) = services("references by version") else { return };
    let world = World::new(&services);
    monitor(&world)
        .set("source.version", "v")
        .push("segments", json!({ "name": "c" }))
        .set("baseline.reference", ["version", "rest", "previous"])
        .set("baseline.champion", "1")
        .write(world.monitor_file());
    // Neither a file nor `learn`: bins are made of the first window.
    let mut dice = Dice(3);
    let mut log = Vec::new();
    for at in 0..6 {
        for (version, segment, shift) in [("1", "a", 0.0), ("1", "b", 0.0), ("2", "a", 0.0), ("2", "b", 3.0)] {
            log.extend(hour(&mut dice, at, &json!({ "v": version, "c": segment }), shift));
        }
    }
    let daemon = world.start_daemon("a", None);
    world.produce_in_order(&log);
    world.wait_until_closed(6 * 2 * 3);
    let stored = references(&world);
    let of = |version: &str, segment: &str, at: i64| {
        let (reference, verdict) = &stored[&(version.to_owned(), segment.to_owned(), at)];
        (reference["rule"].as_str().unwrap_or("none"), reference["records"].as_u64().unwrap(), verdict.as_str())
    };
    for at in 1..6 {
        // The challenger is compared with the champion: as a whole, and in each segment.
        assert_eq!(of("2", "*", at), ("version", 2 * EACH, "critical"), "{at}");
        assert_eq!(of("2", "c=a", at), ("version", EACH, "ok"), "{at}");
        assert_eq!(of("2", "c=b", at), ("version", EACH, "critical"), "{at}");
        // The champion's segments with each other, and it as a whole with its window before.
        assert_eq!(of("1", "c=a", at), ("rest", EACH, "ok"), "{at}");
        assert_eq!(of("1", "*", at).0, "previous", "{at}");
    }
    let reasons = stored[&("1".to_owned(), "*".to_owned(), 3)].0["passed_over"].to_string();
    assert!(reasons.contains("the window is of version 1 itself"), "{reasons}");
    assert!(reasons.contains("the window is of all records, not of a segment"), "{reasons}");
    // The first window was counted before there were bins of a baseline.
    assert_eq!(of("1", "*", 0).2, "no_baseline");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn windows_of_the_calendar_are_local_days_and_stay_what_they_were_after_a_restart() {
    let Some(services) = services("calendar windows") else { return };
    let world = World::new(&services);
    monitor(&world)
        .set("window.length", "day")
        .set("window.time_zone", "Europe/Berlin")
        .set("baseline.reference", "seasonal")
        .set("baseline.seasonal", json!({ "same": "day_of_week", "time_zone": "Europe/Berlin", "cycles": 1 }))
        .write(world.monitor_file());
    // Three weeks around 29 March 2026, when the clocks are set forward at 01:00 UTC.
    let first: jiff::Timestamp = "2026-03-15T23:00:00Z".parse().unwrap();
    let mut dice = Dice(4);
    let log: Vec<String> = (0..21 * 24 * 4)
        .map(|quarter| {
            let at = first + jiff::SignedDuration::from_mins(quarter * 15);
            json!({ "ts": at.to_string(), "x": dice.below(1_000) }).to_string()
        })
        .collect();
    let (before, after) = log.split_at(log.len() / 2);
    let daemon = world.start_daemon("a", None);
    world.produce_in_order(before);
    world.wait_for_count(before.len() as i64.., 30);
    assert_eq!(daemon.stop(), Some(0));
    let daemon = world.start_daemon("a", None);
    world.produce_in_order(after);
    // The last quarter of an hour of the 21 days is one hour past local midnight: a day that lasts 23 hours is among them.
    world.wait_until_closed(22);
    let days: Vec<(String, String, i64)> = world
        .runtime
        .block_on(
            sqlx::query_as(
                "select to_char(starts_at at time zone 'Europe/Berlin', 'MM-DD HH24:MI'),
                        coalesce(reference->>'rule', 'none'), rows from model_window order by starts_at",
            )
            .fetch_all(&world.pool),
        )
        .unwrap();
    assert!(days.iter().all(|(start, ..)| start.ends_with(" 00:00")), "{days:?}");
    let rows: Vec<i64> = days.iter().map(|(.., rows)| *rows).collect();
    let mut expected = vec![96; 22];
    (expected[13], expected[21]) = (92, 4);
    assert_eq!(rows, expected, "29 March has 23 hours: {days:?}");
    // The first week gives bins; from then on each day is compared with that of the week before.
    assert!(days[8..21].iter().all(|(_, rule, _)| rule == "seasonal"), "{days:?}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_window_with_damaged_counts_is_in_no_reference_and_keeps_no_other_from_being_judged() {
    let Some(services) = services("damaged references") else { return };
    let world = World::new(&services);
    monitor(&world)
        .set("baseline.reference", "rolling")
        .set("baseline.rolling", json!({ "windows": 4, "at_least": 1 }))
        .write(world.monitor_file());
    let mut dice = Dice(5);
    let nothing = json!({});
    let log: Vec<String> = (0..8).flat_map(|at| hour(&mut dice, at, &nothing, 0.0)).collect();
    let (before, after) = log.split_at(4 * EACH as usize);
    let daemon = world.start_daemon("a", None);
    world.produce_in_order(before);
    world.wait_until_closed(4);
    // Decoded counts are kept: a daemon that starts reads them.
    assert_eq!(daemon.stop(), Some(0));
    let damage = "update model_window set counts = '\\x00'
                  where starts_at = timestamptz '2026-01-04T23:00:00Z' + interval '2 hours'";
    world.runtime.block_on(sqlx::query(damage).execute(&world.pool)).unwrap();
    let daemon = world.start_daemon("a", None);
    world.produce_in_order(after);
    world.wait_until_closed(8);
    let stored = references(&world);
    let ids = |at: i64| starts(&world, &stored[&(String::new(), "*".to_owned(), at)].0["ids"]);
    assert_eq!(ids(4), [0, 1, 3]);
    assert_eq!(ids(7), [3, 4, 5, 6]);
    let log = fs::read_to_string(world.folder.path().join("a.log")).unwrap();
    assert!(log.contains("window left out of references"), "{log}");
    assert_eq!(daemon.stop(), Some(0));
}
