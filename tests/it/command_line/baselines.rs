//! Baselines from files and learned ones: what may be missing, what is not judged, what progress is shown.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::driftd;
use crate::support::{Config, TRAINING_ROWS, World, bike_records, number, services};

#[test]
fn the_backlog_after_the_learned_windows_is_judged_and_learning_shows_its_progress() {
    let Some(services) = services("learning from a backlog") else { return };
    let world = World::new(&services);
    world.configure_monitor(|monitor| monitor.set("baseline.learn", 6));
    let (_, text) = driftd(&world.daemon_file("a"), &["migrate"], &[]);
    assert!(text.contains("up to date"), "{text}");
    let status = world.driftd(&["status"]);
    assert!(status.contains("learning: 0 of 6 windows, about 180d of event time to go"), "{status}");
    assert!(status.contains("none yet"), "{status}");

    // Three windows, to their ends, are there before the daemon starts.
    let live = &bike_records()[TRAINING_ROWS..];
    for (number, record) in (0..).zip(&live[..2_000]) {
        world.produce(number % crate::support::TOPIC_PARTITIONS, record.as_bytes());
    }
    world.flush();
    let daemon = world.start_daemon("a", None);
    world.wait_until_done(2_000, 60);
    let closed = world.runtime.block_on(number(
        &world.pool,
        "select count(*) from model_window where status = 'closed' and segment = '*'",
    ));
    let closed = closed.unwrap();
    let words = format!("learning: {closed} of 6 windows");
    let status = world.driftd(&["status"]);
    assert_eq!(closed, 3);
    assert!(status.contains(&words), "{status}");
    let page = world.get("a", "/monitors/bike-demand").1;
    assert!(page.contains(&words), "{page}");
    assert!(world.get("a", "/").1.contains("learning"), "the fleet says it, too");
    world.wait_for("the gauges", 20, async |_| {
        let metrics = world.get("a", "/metrics").1;
        let there = metrics.contains(&format!("driftd_learning_windows{{monitor=\"bike-demand\"}} {closed}"))
            && metrics.contains("driftd_learning_windows_wanted{monitor=\"bike-demand\"} 6");
        if there { Ok(()) } else { Err(metrics) }
    });
    assert_eq!(daemon.stop(), Some(0));

    // The rest of the backlog is read at once, by a daemon that finds it all.
    for (number, record) in (0..).zip(&live[2_000..]) {
        world.produce(number % crate::support::TOPIC_PARTITIONS, record.as_bytes());
    }
    world.flush();
    let daemon = world.start_daemon("a", None);
    world.wait_until_done(live.len() as u64, 90);
    let windows = world.windows();
    let mut whole: Vec<(i64, &str)> = windows
        .iter()
        .filter(|((segment, _), _)| segment == "*")
        .map(|((_, start), (_, verdict))| (*start, verdict.as_str()))
        .collect();
    whole.sort_unstable();
    let (learned, after) = whole.split_at(6);
    assert!(learned.iter().all(|(_, verdict)| *verdict == "no_baseline"), "{whole:?}");
    assert!(after.len() >= 8, "{whole:?}");
    assert!(
        after.iter().all(|(_, verdict)| *verdict != "no_baseline"),
        "every window after them is judged: {whole:?}"
    );
    crate::support::assert_windows_are_true(&world, live);
    let transactions = world.runtime.block_on(number(
        &world.pool,
        "select count(distinct closed_at) from (
             select closed_at from model_window where segment = '*' order by starts_at limit 6) learned",
    ));
    assert_eq!(transactions, Ok(6), "a baseline is looked for between the windows that it is learned from");
    let status = world.driftd(&["status"]);
    assert!(status.contains("learned from the first 6 windows") && !status.contains("learning:"), "{status}");
    world.wait_for("the gauges", 20, async |_| {
        let metrics = world.get("a", "/metrics").1;
        let over = metrics.contains("driftd_learning_windows_wanted{monitor=\"bike-demand\"} 0");
        if over { Ok(()) } else { Err(metrics) }
    });
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn segments_that_the_baseline_does_not_have_are_named_with_what_to_do() {
    let Some(services) = services("new segments") else { return };
    let world = World::new(&services);
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    // Half of the training data is not there: nothing of days without work.
    world.configure_monitor(|monitor| monitor.set("judge.min_records", 100));
    let worked: Vec<String> =
        training.iter().filter(|record| record.contains("\"workingday\":\"1\"")).cloned().collect();
    assert!(worked.len() > 1_000 && worked.len() < training.len());
    world.build_baseline(&worked);
    let daemon = world.start_daemon("a", None);
    for (number, record) in (0..).zip(&live[..4_000]) {
        world.produce(number % crate::support::TOPIC_PARTITIONS, record.as_bytes());
    }
    world.flush();
    world.wait_until_done(4_000, 60);
    let status = world.driftd(&["status"]);
    assert!(status.contains("segment workingday=0: no baseline since 20"), "{status}");
    assert!(
        status.contains("hint: build a baseline from windows") && !status.contains("segment workingday=1"),
        "{status}"
    );
    let page = world.get("a", "/monitors/bike-demand").1;
    assert!(page.contains("segment workingday=0: no baseline since") && page.contains("What to do"), "{page}");
    let server = format!("http://127.0.0.1:{}", world.ports["a"]);
    let (_, text) = driftd(Path::new("/nonexistent"), &["--server", &server, "status"], &[]);
    assert!(text.contains("segment workingday=0: no baseline since"), "{text}");
    // One alert, once three looks have shown it.
    world.wait_for("an alert about it", 150, async |pool| {
        let alerts: Vec<String> = sqlx::query_scalar(
            "select evidence->>'summary' from alert where rule = 'segment_without_baseline' and state = 'firing'",
        )
        .fetch_all(pool)
        .await
        .map_err(|error| error.to_string())?;
        match alerts.as_slice() {
            [one] if one.contains("segment workingday=0: no baseline since") => Ok(()),
            others => Err(format!("{others:?}")),
        }
    });
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn training_data_without_a_latency_makes_a_baseline_and_nothing_else_may_be_missing() {
    let Some(services) = services("a baseline without a latency") else { return };
    let world = World::new(&services);
    world.configure_monitor(|monitor| {
        let more = monitor.numeric("took");
        more.set("columns.took.path", "meta.took_ms").set("columns.took.role", "latency")
    });
    let config = world.daemon_file("a");
    let training: Vec<String> = bike_records()[..TRAINING_ROWS].to_vec();
    let parquet = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo/bike_hour.parquet");
    let lines = world.folder.path().join("training.jsonl");
    fs::write(&lines, training.join("\n")).unwrap();
    let csv = world.folder.path().join("training.csv");
    let names = ["temp", "hum", "windspeed", "cnt", "hr", "weathersit", "workingday"];
    let row = |record: &String| {
        let record: serde_json::Value = serde_json::from_str(record).unwrap();
        let text = |name: &str| record[name].as_str().map_or_else(|| record[name].to_string(), str::to_owned);
        names.map(text).join(",")
    };
    let rows: Vec<String> = training.iter().map(row).collect();
    fs::write(&csv, format!("{}\n{}\n", names.join(","), rows.join("\n"))).unwrap();
    for file in [&parquet, &lines, &csv] {
        let (code, text) = driftd(
            &config,
            &["baseline", "build", "--monitor", "bike-demand", "--from", file.to_str().unwrap()],
            &[],
        );
        assert_eq!(code, Some(0), "{}: {text}", file.display());
        assert!(text.contains("column `took` has no value in this data: it is left out"), "{text}");
    }
    let shown = world.driftd(&["baseline", "show", "bike-demand"]);
    assert!(shown.contains("no value: not compared"), "{shown}");
    // It is counted in windows, and no drift is seen in it.
    let daemon = world.start_daemon("a", None);
    let with_latency = |record: &String| record.replacen('{', "{\"meta\":{\"took_ms\":12},", 1);
    for (number, record) in (0..).zip(training.iter().map(with_latency)) {
        world.produce(number % crate::support::TOPIC_PARTITIONS, record.as_bytes());
    }
    world.flush();
    world.wait_until_done(training.len() as u64, 60);
    let verdicts: Vec<String> = world
        .runtime
        .block_on(
            sqlx::query_scalar("select distinct verdict from finding where column_name = 'took'")
                .fetch_all(&world.pool),
        )
        .unwrap();
    assert!(verdicts.iter().any(|verdict| verdict == "no_baseline"), "{verdicts:?}");
    let judged = verdicts.iter().any(|verdict| ["ok", "warn", "critical"].contains(&verdict.as_str()));
    assert!(!judged, "not compared, which is not drift: {verdicts:?}");
    assert_eq!(daemon.stop(), Some(0));
    // A feature that is missing is a mistake, with what there is.
    world.configure_monitor(|monitor| monitor.set("columns.temp.name", "tempp"));
    let (code, text) =
        driftd(&config, &["baseline", "build", "--monitor", "bike-demand", "--from", csv.to_str().unwrap()], &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("`tempp`") && text.contains("temp, hum"), "{text}");
}

#[test]
fn flat_training_data_has_segments_by_name_too() {
    let folder = tempfile::tempdir().unwrap();
    let monitor = folder.path().join("m.toml");
    Config::monitor("m", "t")
        .set("source.time", "ts")
        .set("judge.min_records", 10)
        .push("segments", json!({ "name": "land", "path": "features.country" }))
        .categorical("country")
        .set("columns.country.path", "features.country")
        .numeric("income")
        .set("columns.income.path", "features.income")
        .write(&monitor);
    let rows: String = (0..200).map(|row| format!("{},{}\n", ["de", "fr"][row % 2], row)).collect();
    let data = folder.path().join("train.csv");
    fs::write(&data, format!("country,income\n{rows}")).unwrap();
    let log: String = (0..200)
        .map(|row| {
            format!(
                "{{\"ts\":{row},\"features\":{{\"country\":\"{}\",\"income\":{row}}}}}\n",
                ["de", "fr"][row % 2]
            )
        })
        .collect();
    let lines = folder.path().join("log.jsonl");
    fs::write(&lines, log).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_driftd"))
        .args(["replay", "--by-name", "--monitor"])
        .arg(&monitor)
        .arg("--baseline")
        .arg(&data)
        .arg(&lines)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).to_string() + &String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("is not in the file"), "{text}");
    assert!(text.contains("200 records counted"), "{text}");
}
