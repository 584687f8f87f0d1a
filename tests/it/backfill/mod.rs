//! The past of a monitor, read beside live counting: every record is counted once, and no message is sent.

mod interrupted;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    Config, Dice, TOPIC_PARTITIONS, TRAINING_ROWS, World, assert_windows_are_true, bike_records, number, program,
    services,
};

/// Records that were there before live counting began.
const PAST: usize = 6_000;
/// Records that are counted live in the window that the past ends in.
const BESIDE: usize = 60;

/// A world whose daemon begins at the end of the topics.
fn world(test: &str) -> Option<World> {
    let world = World::new(&services(test)?);
    world.configure("a", |daemon| daemon.set("kafka.start", "latest"));
    Some(world)
}

fn ask(world: &World, query: &'static str) -> i64 {
    world.runtime.block_on(number(&world.pool, query)).unwrap()
}

/// Waits until live counting has begun everywhere, and knows that it is at the ends of the logs.
fn wait_for_begin(world: &World) {
    world.wait_for("live counting to begin in all partitions", 60, async |pool| {
        let begun = number(
            pool,
            "select count(*) from monitor_begin join source_partition using (topic, partition)
             where first_offset is not null and quiet_since is not null",
        );
        let begun = begun.await?;
        if begun == i64::from(TOPIC_PARTITIONS) { Ok(()) } else { Err(format!("{begun} begun")) }
    });
}

fn start(world: &World, arguments: &[&str], fault: Option<&str>) -> Child {
    let mut command = Command::new(program());
    command.arg("--config").arg(world.daemon_file("a")).arg("backfill").args(arguments);
    if let Some(fault) = fault {
        command.env("DRIFTD_FAULT", fault);
    }
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn signal(process: &Child, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(process.id().to_string()).status().unwrap();
    assert!(sent.success());
}

/// Waits until a process has stopped itself at a fault point.
fn wait_until_stopped(process: &Child) {
    let state = || fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap_or_default();
    let deadline = Instant::now() + Duration::from_mins(1);
    while !state().rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')) {
        assert!(Instant::now() < deadline, "it did not stop itself: {}", state());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Nothing was decided, and nobody was told anything.
fn assert_quiet(world: &World) {
    for query in [
        "select count(*) from notification",
        "select count(*) from alert where kind <> 'operational'",
        "select count(*) from retraining_request",
        "select count(*) from series where alerts @? '$.states.* ? (@.phase != \"inactive\")'",
    ] {
        assert_eq!(ask(world, query), 0, "{query}");
    }
    assert!(world.webhooks.received().is_empty());
}

#[test]
fn the_past_is_counted_once_beside_live_counting_and_sends_nothing() {
    let Some(world) = world("backfill") else { return };
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);
    world.produce_in_turns(0, &live[..PAST]);
    let (code, said) = world.attempt("a", &["backfill", "--monitor", "bike-demand"]);
    assert!(
        code == Some(1) && said.contains("is not counted live in") && said.contains("hint: start the daemon"),
        "{said}"
    );

    let daemon = world.start_daemon("a", None);
    wait_for_begin(&world);
    world.produce_in_turns(PAST, &live[PAST..PAST + BESIDE]);
    world.wait_for_count(BESIDE as i64..=BESIDE as i64, 60);
    let said = world.driftd(&["backfill", "--monitor", "bike-demand", "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["state"], &said["records"]), (&json!("done"), &json!({ "accepted": PAST })), "{said}");
    assert_quiet(&world);
    // The window that the past ends in goes on: live counting closes it.
    let open = ask(&world, "select count(*) from model_window where status = 'open'");
    assert_eq!(open, 3, "the whole and both segments");
    let backfilled = ask(&world, "select count(*) from model_window where status = 'closed' and backfill_id = 1");
    assert_eq!(said["windows_closed"], backfilled, "{said}");
    assert!(backfilled >= 20, "{backfilled}");
    assert_eq!(
        ask(&world, "select count(*) from model_window where status = 'closed' and backfill_id is null"),
        0
    );
    assert!(ask(&world, "select count(*) from model_window where verdict = 'critical'") > 0, "the past drifts");
    let windows = world.http("a").json("/api/v1/monitors/bike-demand/windows?status=closed");
    assert_eq!(windows["items"][0]["backfill"], 1, "{windows}");
    let (_, page) = world.get("a", "/monitors/bike-demand");
    assert!(page.contains("(backfill 1)"), "{page}");
    // Live counts do not jump.
    assert_eq!(world.tally(), BTreeMap::from([("accepted".to_owned(), BESIDE as u64)]));
    let (_, again) =
        world.attempt("a", &["rejudge", "--monitor", "bike-demand", "--from", "2000-01-01T00:00:00Z"]);
    assert!(again.contains("have the verdict that is stored"), "{again}");

    world.produce_in_turns(PAST + BESIDE, &live[PAST + BESIDE..]);
    world.wait_until_done((live.len() - PAST) as u64, 120);
    assert_windows_are_true(&world, live);
    assert!(ask(&world, "select count(*) from alert where fired_at is not null") > 0, "live windows alarm");
    let first: i64 = ask(&world, "select count(*) from alert a where exists (select from model_window w
                                  where w.backfill_id is not null and w.starts_at = a.since and w.segment = a.segment)");
    assert_eq!(first, 0, "no alert begins in a window of the past");

    let (code, said) = world.attempt("a", &["backfill", "--monitor", "bike-demand"]);
    assert!(code == Some(1) && said.contains("backfill 1 has read the topics of this monitor already"), "{said}");
    let listed = world.driftd(&["backfill", "--list"]);
    assert!(listed.contains("1 bike-demand (topics): done") && listed.contains("6,000 accepted"), "{listed}");
    assert_eq!(daemon.stop(), Some(0));
}

/// The time of a second of an hour.
fn time(hour: i64, second: i64) -> String {
    let start: jiff::Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
    (start + jiff::SignedDuration::from_secs(hour * 3_600 + second)).to_string()
}

/// Records of hours; the last of them are shifted.
fn hours(from: i64, to: i64, shifted: i64) -> Vec<String> {
    let mut dice = Dice(5);
    let mut records = Vec::new();
    for hour in from..to {
        for index in 0..120 {
            let noise = (0..12).map(|_| dice.below(1_000) as f64 / 1_000.0).sum::<f64>() - 6.0;
            let x = if hour >= shifted { noise + 3.0 } else { noise };
            records.push(json!({ "ts": time(hour, index * 30), "x": x, "v": "7" }).to_string());
        }
    }
    records
}

/// A monitor of windows of an hour that learns its baseline from the first five.
fn learning(world: &World) {
    Config::monitor("m", &world.topic)
        .set("source.time", "ts")
        .set("source.version", "v")
        .set("window.length", "1h")
        .set("window.out_of_orderness", "0s")
        .set("window.idle_after", "4s")
        .numeric("x")
        .set("judge.min_records", 50)
        .set("baseline.learn", 5)
        .set("alert", json!({ "receivers": ["webhook"] }))
        .write(world.monitor_file());
}

/// Verdicts of closed windows by hour.
fn verdicts(world: &World) -> BTreeMap<i64, String> {
    let rows: Vec<(i64, String)> = world
        .runtime
        .block_on(
            sqlx::query_as(
                "select (extract(epoch from starts_at - timestamptz '2026-01-05T00:00:00Z') / 3600)::bigint, verdict
                 from model_window where status = 'closed' and segment = '*'",
            )
            .fetch_all(&world.pool),
        )
        .unwrap();
    rows.into_iter().collect()
}

#[test]
fn files_become_windows_that_a_baseline_is_learned_from_as_in_a_replay() {
    let Some(world) = world("backfill of files") else { return };
    learning(&world);
    let folder = world.folder.path();
    let (file, bad) = (folder.join("past.jsonl"), folder.join("other"));
    let mut log = hours(0, 24, 20);
    log.insert(100, "{".to_owned());
    fs::write(&file, log.join("\n")).unwrap();
    let file = file.to_str().unwrap();
    let (_, replayed) = world.attempt("a", &["replay", "--monitor", "m", "--format", "json", file]);
    let replayed: Value = serde_json::from_str(&replayed).unwrap();
    let said = world.driftd(&[
        "backfill",
        "--monitor",
        "m",
        "--from",
        &time(2, 10),
        "--to",
        &time(24, 0),
        file,
        "--json",
    ]);
    let said: Value = serde_json::from_str(&said).unwrap();
    let records = json!({ "accepted": 22 * 120, "outside": 240, "rejected:syntax": 1 });
    assert_eq!((&said["records"], &said["windows_closed"]), (&records, &json!(22)), "{said}");
    assert_eq!(said["from"], "2026-01-05T02:00:00Z");
    assert_quiet(&world);
    let verdicts = verdicts(&world);
    assert_eq!(verdicts.keys().copied().collect::<Vec<_>>(), (2..24).collect::<Vec<_>>());
    assert!((2..7).all(|hour| verdicts[&hour] == "no_baseline"), "{verdicts:?}");
    assert!((7..20).all(|hour| verdicts[&hour] == "ok"), "{verdicts:?}");
    assert!((20..24).all(|hour| verdicts[&hour] == "critical"), "{verdicts:?}");
    let baselines = world.driftd(&["baseline", "list", "m"]);
    assert!(baselines.contains("learned from the first 5 windows"), "{baselines}");
    let replayed_drift = replayed["monitors"][0]["windows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|window| window["verdict"] == "drift")
        .count();
    assert_eq!(replayed_drift, 4, "{replayed}");

    // Once is enough, and hours before it are still free.
    let (code, said) = world.attempt("a", &["backfill", "--monitor", "m", file]);
    assert!(code == Some(1) && said.contains("has read one of these files already"), "{said}");
    let said = world.driftd(&["backfill", "--monitor", "m", "--to", &time(2, 0), file]);
    assert!(
        said.contains("backfill 2 done: records: 240 accepted, 2,640 outside the range, 1 rejected (syntax)"),
        "{said}"
    );

    // What is closed does not change.
    fs::create_dir(&bad).unwrap();
    let other = bad.join("more.jsonl");
    fs::write(&other, hours(23, 26, 99).join("\n")).unwrap();
    let said = world.driftd(&["backfill", "--monitor", "m", other.to_str().unwrap(), "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["records"], json!({ "accepted": 240, "late": 120 }), "{said}");
    assert_eq!(
        ask(
            &world,
            "select coalesce(sum(l.rows), 0)::bigint from window_late l join model_window w on w.id = l.window_id
                            where w.segment = '*'"
        ),
        120
    );
}

#[test]
fn ranges_of_a_topic_are_read_one_after_the_other_and_none_twice() {
    let Some(world) = world("backfill of ranges") else { return };
    learning(&world);
    world.produce_in_turns(0, &hours(0, 12, 10));
    let daemon = world.start_daemon("a", None);
    wait_for_begin(&world);
    let backfill = |from: Option<i64>, to: Option<i64>| {
        let mut arguments =
            vec!["backfill".to_owned(), "--monitor".to_owned(), "m".to_owned(), "--json".to_owned()];
        arguments.extend(from.into_iter().flat_map(|hour| ["--from".to_owned(), time(hour, 0)]));
        arguments.extend(to.into_iter().flat_map(|hour| ["--to".to_owned(), time(hour, 0)]));
        world.attempt("a", &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let closed = || verdicts(&world).into_keys().collect::<Vec<_>>();
    let (code, said) = backfill(Some(4), Some(8));
    assert_eq!((code, closed()), (Some(0), (4..8).collect()), "{said}");
    // The hours before come later, and are the first that a baseline is learned from.
    let (code, said) = backfill(None, Some(4));
    assert_eq!((code, closed()), (Some(0), (0..8).collect()), "{said}");
    let (code, said) = backfill(Some(7), None);
    assert!(
        code == Some(1) && said.contains("backfill 1 has read the topics") && said.contains("hint: take a range"),
        "{said}"
    );
    let (code, said) = backfill(Some(8), None);
    assert_eq!((code, closed()), (Some(0), (0..12).collect()), "{said}");
    let verdicts = verdicts(&world);
    assert!((8..10).all(|hour| verdicts[&hour] == "ok"), "{verdicts:?}");
    assert!((10..12).all(|hour| verdicts[&hour] == "critical"), "{verdicts:?}");
    assert_eq!(ask(&world, "select sum(rows)::bigint from model_window where segment = '*'"), 12 * 120);
    assert_quiet(&world);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn more_versions_than_are_counted_apart_are_counted_together() {
    let Some(world) = world("backfill of many versions") else { return };
    learning(&world);
    world.configure("a", |daemon| daemon.set("limits.max_series", 10));
    let record = |index: usize| {
        json!({ "ts": time((index / 400) as i64, 9), "x": index % 7, "v": format!("v{}", index % 40) }).to_string()
    };
    let file = world.folder.path().join("versions.jsonl");
    fs::write(&file, (0..20_000).map(record).collect::<Vec<_>>().join("\n")).unwrap();
    let said = world.driftd(&["backfill", "--monitor", "m", file.to_str().unwrap()]);
    assert!(said.contains("records: 20,000 accepted"), "{said}");
    let counted = |query| ask(&world, query);
    assert_eq!(counted("select sum(rows)::bigint from model_window where segment = '*'"), 20_000);
    assert_eq!(
        counted("select count(distinct model_version) from model_window where model_version <> '(other)'"),
        10
    );
    assert_eq!(counted("select sum(rows)::bigint from model_window where model_version = '(other)'"), 15_000);
}

#[test]
fn windows_of_the_past_overlap_as_live_ones_do() {
    let Some(world) = world("backfill of overlapping windows") else { return };
    learning(&world);
    world.configure_monitor(|monitor| monitor.set("window.every", "15m"));
    let file = world.folder.path().join("past.jsonl");
    fs::write(&file, hours(0, 12, 10).join("\n")).unwrap();
    world.driftd(&["backfill", "--monitor", "m", file.to_str().unwrap()]);
    assert_eq!(ask(&world, "select sum(rows)::bigint from model_window where segment = '*'"), 12 * 120);
    // The first four windows reach back to the beginning alone.
    let whole = "select count(*) from model_window where segment = '*' and judged_rows = 120";
    assert_eq!(ask(&world, whole), 12 * 4 - 3);
    let drifting =
        "select count(*) from model_window where verdict = 'critical' and starts_at >= '2026-01-05T10:30:00Z'";
    assert_eq!(ask(&world, drifting), 6);
}

#[test]
fn a_backfill_is_continued_by_the_same_command_alone_and_can_be_discarded() {
    let Some(world) = world("backfill continued") else { return };
    learning(&world);
    let file = world.folder.path().join("past.jsonl");
    fs::write(&file, hours(0, 6, 99).join("\n")).unwrap();
    let name = file.to_str().unwrap();
    let died = start(&world, &["--monitor", "m", name], Some("backfill.before_commit:1")).wait().unwrap();
    assert!(died.code().is_none());
    for (arguments, why) in [
        (vec!["--from", "2026-01-05T01:00:00Z", name], "asks for another range of event time"),
        (vec![], "does not name its files"),
    ] {
        let (code, said) = world.attempt("a", &[vec!["backfill", "--monitor", "m"], arguments].concat());
        assert!(code == Some(1) && said.contains(why) && said.contains("--discard"), "{said}");
    }
    // The file of this name has other records by now.
    fs::write(&file, hours(0, 7, 99).join("\n")).unwrap();
    let (code, said) = world.attempt("a", &["backfill", "--monitor", "m", name]);
    assert!(code == Some(1) && said.contains("names other files, or their content has changed"), "{said}");
    world.driftd(&["backfill", "--monitor", "m", "--discard"]);
    let said = world.driftd(&["backfill", "--monitor", "m", name]);
    assert!(said.contains("840 accepted"), "{said}");
    for (arguments, why) in [
        (vec!["--discard"], "has no unfinished backfill"),
        (vec!["--from", "2026-01-05T01:00:00Z", "--to", "2026-01-05T00:00:00Z"], "--to must be later than --from"),
        (vec!["-"], "standard input cannot be read again"),
    ] {
        let (code, said) = world.attempt("a", &[vec!["backfill", "--monitor", "m"], arguments].concat());
        assert!(code != Some(0) && said.contains(why), "{said}");
    }
}

#[test]
fn a_monitor_of_an_earlier_version_is_read_up_to_its_first_window() {
    let Some(world) = world("backfill after an upgrade") else { return };
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);
    world.produce_in_turns(0, &live[..600]);
    let daemon = world.start_daemon("a", None);
    wait_for_begin(&world);
    world.produce_in_turns(600, &live[600..660]);
    world.wait_for_count(60..=60, 60);
    // Earlier versions did not record where they began.
    let change = |statement| {
        world.runtime.block_on(sqlx::query(statement).execute(&world.pool)).unwrap();
    };
    assert_eq!(daemon.stop(), Some(0));
    change("update monitor_begin set first_offset = null");
    change("create table kept as select * from window_delta");
    change("delete from window_delta");
    let (code, said) = world.attempt("a", &["backfill", "--monitor", "bike-demand"]);
    assert!(code == Some(1) && said.contains("it is not known from which offset"), "{said}");
    change(
        "insert into window_delta (window_id, rows, counts, sample, ranges)
            select window_id, rows, counts, sample, ranges from kept",
    );
    let said = world.driftd(&["backfill", "--monitor", "bike-demand", "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["records"], json!({ "accepted": 600 }), "{said}");
    let counted = ask(
        &world,
        "select sum(coalesce(w.rows, (select sum(d.rows) from window_delta d where d.window_id = w.id)))::bigint
         from model_window w where w.segment = '*'",
    );
    assert_eq!(counted, 660);
    assert_quiet(&world);
}
