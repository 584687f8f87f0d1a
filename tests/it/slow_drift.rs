//! Slow drift through the real program: a change that no window shows by itself, what is said of it, and that quiet windows,
//! restarts and replays say the same.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use sqlx::Row as _;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::support::{Config, Dice, World, number, services};

/// Records of a window of an hour.
const EACH: u64 = 120;
/// Windows without a change, and all windows.
const QUIET: i64 = 100;
/// Windows before, of which the baseline is learned.
const LEARNED: i64 = 48;
const ALL: i64 = 150;

fn time(hour: i64, second: u64) -> String {
    let start: jiff::Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
    (start + jiff::SignedDuration::from_secs(hour * 3_600 + second as i64)).to_string()
}

/// The records of an hour: normal values, moved by an effect of the window with a standard deviation of 0.1, and by a shift.
fn hour(dice: &mut Dice, hour: i64, shift: f64) -> Vec<String> {
    let effect = (dice.below(1_000) as f64 / 1_000.0 - 0.5) * 0.35;
    let normal = Normal::standard();
    (0..EACH)
        .map(|index| {
            let value = normal.inverse_cdf((index as f64 + 0.5) / EACH as f64) + effect + shift;
            json!({ "ts": time(hour, index * 3_600 / EACH), "x": value }).to_string()
        })
        .collect()
}

/// After the quiet windows a rise of 0.01 standard deviations per window, up to 0.15.
fn log() -> Vec<Vec<String>> {
    let mut dice = Dice(7);
    (0..ALL).map(|at| hour(&mut dice, at, ((at - QUIET + 1).clamp(0, 15) as f64) * 0.01)).collect()
}

/// The findings of every window: verdict and effect by measure.
type Findings = BTreeMap<i64, BTreeMap<String, (String, Option<f64>)>>;

fn findings(world: &World) -> Findings {
    let query = sqlx::query(
        "select (extract(epoch from starts_at - timestamptz '2026-01-05T00:00:00Z') / 3600)::bigint as hour,
                f.measure, f.verdict, f.effect
         from finding f join model_window w on w.id = f.window_id where f.column_name = 'x'",
    );
    let mut findings = Findings::new();
    for row in world.runtime.block_on(query.fetch_all(&world.pool)).unwrap() {
        let of_hour = findings.entry(row.get("hour")).or_default();
        of_hour.insert(row.get("measure"), (row.get("verdict"), row.get("effect")));
    }
    findings
}

#[test]
fn a_rise_that_no_window_shows_alarms_says_since_when_and_survives_restarts() {
    let Some(services) = services("slow_drift") else { return };
    let world = World::new(&services);
    Config::hourly(&world.topic)
        .set("judge.min_records", 50)
        .set("columns.x.thresholds.slow_drift", json!({ "warn": 0.05, "critical": 0.08 }))
        .set("baseline.learn", LEARNED)
        .set("alert", json!({ "receivers": ["webhook"] }))
        .write(world.monitor_file());
    let mut dice = Dice(3);
    let training: Vec<String> = (-LEARNED..0).flat_map(|at| hour(&mut dice, at, 0.0)).collect();
    let log = log();

    // Stopped in the middle, and started again.
    let half = usize::try_from(QUIET + 8).unwrap();
    let daemon = world.start_daemon("a", None);
    world.produce_in_order(&training);
    world.wait_for("the baseline is learned", 60, async |pool| {
        let baselines = number(pool, "select count(*) from baseline where active").await?;
        if baselines == 1 { Ok(()) } else { Err("there is none".to_owned()) }
    });
    world.produce_in_order(&log[..half].concat());
    world.wait_until_closed(LEARNED + QUIET + 8);
    assert_eq!(daemon.stop(), Some(0));
    let daemon = world.start_daemon("a", None);
    world.produce_in_order(&log[half..].concat());
    world.wait_until_closed(LEARNED + ALL);

    let stored = findings(&world);
    let drifts =
        |at: i64, measure: &str| stored[&at].get(measure).is_some_and(|(verdict, _)| verdict == "critical");
    assert!(
        (0..QUIET).all(|at| !drifts(at, "slow_drift") && stored[&at].contains_key("slow_drift")),
        "{stored:?}"
    );
    let first =
        (QUIET..ALL).find(|at| drifts(*at, "slow_drift")).unwrap_or_else(|| panic!("never found: {stored:?}"));
    assert!((first..ALL).all(|at| drifts(at, "slow_drift")), "it is kept while it lasts: {stored:?}");
    let others: Vec<(i64, &String)> = stored
        .iter()
        .flat_map(|(at, measures)| measures.iter().map(move |(measure, found)| (*at, measure, found)))
        .filter(|(_, measure, (verdict, _))| *measure != "slow_drift" && verdict == "critical")
        .map(|(at, measure, _)| (at, measure))
        .collect();
    assert!(others.is_empty(), "no window shows it: {others:?}");

    // One alert, which says since when.
    let alerts: Vec<Value> =
        world.runtime.block_on(sqlx::query_scalar("select evidence from alert").fetch_all(&world.pool)).unwrap();
    let [evidence] = alerts.as_slice() else { panic!("{alerts:?}") };
    let column = &evidence["drifted"][0];
    assert_eq!((&column["column"], &column["measure"]), (&json!("x"), &json!("slow_drift")), "{evidence}");
    let hour_of = |time: &Value| {
        let time: jiff::Timestamp = time.as_str().unwrap_or_else(|| panic!("{evidence}")).parse().unwrap();
        (time.as_second() - time_zero()) / 3_600
    };
    let (likely, latest) = (hour_of(&column["onset"]["likely"]), hour_of(&column["onset"]["latest"]));
    let earliest = hour_of(&column["onset"]["earliest"]);
    assert!(earliest <= QUIET + 2 && QUIET <= latest, "{earliest} to {latest}");
    assert!((QUIET - 5..=QUIET + 14).contains(&likely), "{likely}");
    let why = column["why"][0].as_str().unwrap();
    assert!(why.starts_with("slow drift: location +0.") && why.contains(" sd (±"), "{why}");
    let page = world.get("a", &format!("/alerts/{}", alert_id(&world))).1;
    assert!(page.contains("began about ") && page.contains("slow drift: location"), "{page}");
    assert_eq!(daemon.stop(), Some(0));

    // A replay decides the same.
    let file = world.folder.path().join("log.jsonl");
    fs::write(&file, [training, log.concat()].concat().join("\n")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_driftd"))
        .args(["--config".as_ref(), world.daemon_file("a").as_os_str()])
        .args(["replay", "--format", "json", "--monitor", "m"].map(OsStr::new))
        .arg(file.as_os_str())
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let replayed = report["monitors"][0]["windows"].as_array().unwrap();
    assert_eq!(replayed.len() as i64, LEARNED + ALL);
    for (at, window) in (-LEARNED..).zip(replayed).skip(LEARNED as usize) {
        assert_eq!(window["verdict"] == "drift", drifts(at, "slow_drift"), "hour {at}: {window}");
    }
}

fn time_zero() -> i64 {
    time(0, 0).parse::<jiff::Timestamp>().unwrap().as_second()
}

fn alert_id(world: &World) -> uuid::Uuid {
    world.runtime.block_on(sqlx::query_scalar("select id from alert").fetch_one(&world.pool)).unwrap()
}
