//! What is stored, written as Parquet files.

mod files;

use std::fs;
use std::path::PathBuf;

use arrow::datatypes::{DataType, TimeUnit};
use bytes::Bytes;
use driftd::store::{Snapshot, StoreError};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::support::{Config, Services, TRAINING_ROWS, World, bike_records, services};
use files::{FILES, assert_all_is_exported, exported, metadata, stored};

/// All there is since 1900.
const ALL: [&str; 2] = ["--from", "1900-01-01T00:00:00Z"];

fn run(world: &World, statements: &str) {
    world.runtime.block_on(sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&world.pool)).unwrap();
}

fn names(rows: &[Value], key: &str) -> Vec<String> {
    rows.iter().map(|row| row[key].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_a_daemon_has_stored_is_exported_row_by_row_and_sensitive_columns_are_not_revealed() {
    let Some(services) = services("export") else { return };
    let world = World::new(&services);
    world.configure_monitor(|monitor| {
        monitor.set("columns.weathersit.sensitive", true).set("columns.hum.sensitive", true)
    });
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);
    let daemon = world.start_daemon("a", None);
    for (number, record) in (0..).zip(&live[..6_000]) {
        world.produce(number % crate::support::TOPIC_PARTITIONS, record.as_bytes());
    }
    world.flush();
    world.wait_until_done(6_000, 90);
    let id = stored(&world, "select id from alert where state in ('firing', 'resolved') limit 1")[0]["id"].clone();
    world.driftd(&["alerts", "resolve", id.as_str().unwrap(), "--judged", "false-alarm"]);
    assert_eq!(daemon.stop(), Some(0));
    run(
        &world,
        "insert into window_late (window_id, rows) select min(id), 7 from model_window where status = 'closed'",
    );

    let folder = world.folder.path().join("history/2012");
    let said = world.driftd(&[&["export", "-o", folder.to_str().unwrap()][..], &ALL].concat());
    let found = assert_all_is_exported(&world, &folder);
    assert!(found.values().all(|rows| !rows.is_empty()), "{said}");
    let count = |name: &str| found[name].len();
    assert!(said.contains(&format!("windows.parquet: {} windows", count("windows"))), "{said}");
    assert!(said.contains("columns.parquet: ") && said.contains(" column summaries"), "{said}");
    assert!(names(&found["alerts"], "judged").contains(&"false_alarm".to_owned()));
    assert!(found["windows"].iter().any(|row| row["late"] == 7));
    assert!(found["windows"].iter().all(|row| row["baseline"] == 1 && row["reference_rule"] == "fixed"));
    // Neither where sensitive numbers lie nor the names of sensitive categories.
    let columns = |name: &str| found["columns"].iter().filter(|row| row["column"] == name).collect::<Vec<_>>();
    assert!(!columns("hum").is_empty() && !columns("weathersit").is_empty());
    assert!(columns("hum").iter().all(|row| row["mean"].is_null() && row["quantiles"].is_null()));
    assert!(columns("temp").iter().all(|row| row["mean"].is_number() && row["quantiles"][2].is_number()));
    let hidden = columns("weathersit");
    let categories: Vec<&Value> = hidden.iter().flat_map(|row| row["categories"].as_array().unwrap()).collect();
    assert!(!categories.is_empty() && categories.iter().all(|name| name.as_str().unwrap().starts_with('#')));
}

/// A database with what is inserted into it.
fn inserted(services: &Services) -> World {
    let world = World::new(services);
    let _migrated = world.store();
    Config::monitor("m", &world.topic).set("source.time", "ts").numeric("x").write(world.monitor_file());
    run(
        &world,
        "insert into binning (id, columns) values ('00000000-0000-0000-0000-000000000001', '[]');
         insert into record_tally (monitor, outcome, reason, shard, count) values ('gone', 'accepted', '', 0, 1)",
    );
    world
}

/// Closed windows of an hour, from the beginning of 2026 on, in three segments.
fn insert_windows(world: &World, monitor: &str, hours: usize) {
    run(
        world,
        &format!(
            "insert into series (monitor, model_version, segment) select '{monitor}', '1', s from unnest(array['*', 'k=a', 'k=b']) s;
             with w as (
                 insert into model_window (monitor, model_version, segment, starts_at, ends_at, binning_id, status, closed_at, rows,
                                           complete, verdict)
                 select '{monitor}', '1', s, t, t + interval '1 hour', '00000000-0000-0000-0000-000000000001', 'closed', now(), 5,
                        true, 'ok'
                 from generate_series(1, {hours}) h, unnest(array['*', 'k=a', 'k=b']) s,
                      lateral (select timestamptz '2026-01-01 00:00Z' + make_interval(hours => h - 1) as t) t
                 returning id),
             f as (
                 insert into finding (window_id, column_name, measure, effect, warn, critical, verdict)
                 select id, 'x', measure, id / 7.0, 0.1, 0.2, 'ok' from w, unnest(array['psi', 'ks']) measure)
             insert into column_summary (window_id, column_name, present, nulls, invalid, below, above, unseen, quantiles)
             select id, 'x', id, 1, 2, 3, 4, 5, array[1, null, 3, 4, 5.5] from w"
        ),
    );
}

#[test]
fn many_windows_are_read_in_pages_without_one_left_out_or_written_twice() {
    let Some(services) = services("export in pages") else { return };
    let world = inserted(&services);
    // More than three pages; those of a start lie on both sides of the end of a page.
    insert_windows(&world, "m", 2_100);
    insert_windows(&world, "gone", 3);
    // Open windows are not exported.
    run(
        &world,
        "insert into model_window (monitor, model_version, segment, starts_at, ends_at, binning_id)
         values ('m', '1', '*', '2027-01-01 00:00Z', '2027-01-01 01:00Z', '00000000-0000-0000-0000-000000000001')",
    );
    let folder = world.folder.path().join("all");
    let arguments = [&["--json", "export", "-o", folder.to_str().unwrap()][..], &ALL].concat();
    let said: Value = serde_json::from_str(&world.driftd(&arguments)).unwrap();
    assert_all_is_exported(&world, &folder);
    let rows: Vec<u64> =
        said["files"].as_array().unwrap().iter().map(|file| file["rows"].as_u64().unwrap()).collect();
    assert_eq!(rows, [6_309, 2 * 6_309, 6_309, 0], "{said}");
    for (file, name) in said["files"].as_array().unwrap().iter().zip(FILES) {
        let path = folder.join(format!("{name}.parquet"));
        assert_eq!(file["file"].as_str(), path.to_str());
        assert_eq!(file["bytes"].as_u64(), Some(path.metadata().unwrap().len()));
        let metadata = metadata(&path);
        assert_eq!(metadata["driftd.version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(metadata["driftd.from"], "1900-01-01T00:00:00Z");
        assert_eq!(metadata["driftd.monitors"], r#"["gone","m"]"#);
        assert!(!metadata.contains_key("driftd.to"));
    }
}

#[test]
fn what_is_closed_or_deleted_during_an_export_does_not_change_it() {
    let Some(services) = services("export of one moment") else { return };
    let world = inserted(&services);
    insert_windows(&world, "m", 2);
    let store = world.store();
    let period = ("2026-01-01T00:00:00Z".parse().unwrap(), "2027-01-01T00:00:00Z".parse().unwrap());
    let read = |snapshot: &mut Snapshot| {
        world.runtime.block_on(async {
            let windows = snapshot.windows("m", period, None, 100).await.unwrap();
            let mut findings = 0;
            let counted = snapshot.findings(&windows, |_| {
                findings += 1;
                Ok::<(), StoreError>(())
            });
            counted.await.unwrap();
            (windows.len(), findings)
        })
    };
    let mut snapshot = world.runtime.block_on(store.snapshot()).unwrap();
    let names = world.runtime.block_on(snapshot.monitors()).unwrap();
    assert_eq!(names, ["m"]);
    run(&world, "delete from model_window where starts_at = '2026-01-01 00:00Z'");
    insert_windows(&world, "gone", 2);
    run(
        &world,
        "update model_window set monitor = 'm', segment = 'k=a' where monitor = 'gone' and segment = '*' and starts_at = '2026-01-01 00:00Z'",
    );
    assert_eq!(read(&mut snapshot), (6, 12));
    world.runtime.block_on(snapshot.finish()).unwrap();
    let mut later = world.runtime.block_on(store.snapshot()).unwrap();
    assert_eq!(read(&mut later), (4, 8));
}

/// An alert, from an hour of 2026 on.
fn insert_alert(world: &World, name: &str, monitor: &str, since: i64, until: Option<i64>) {
    let state = if until.is_some() { "resolved" } else { "firing" };
    let id = uuid::Uuid::new_v4();
    run(
        world,
        &format!(
            "insert into alert (id, monitor, model_version, segment, state, severity, since, fired_at, resolved_at, rule)
             values ('{id}', '{monitor}', '1', '*', '{state}', 'critical', timestamptz '2026-01-01 00:00Z' + interval '{since} hours',
                     now(), case when '{state}' = 'resolved' then now() end, '{name}')"
        ),
    );
    if let Some(until) = until {
        run(
            world,
            &format!(
                "insert into alert_change (alert_id, kind, severity, window_start)
                 values ('{id}', 'resolved', 'critical', timestamptz '2026-01-01 00:00Z' + interval '{until} hours')"
            ),
        );
    }
}

#[test]
fn a_period_has_the_windows_that_start_in_it_and_the_alerts_that_overlap_it() {
    let Some(services) = services("export of a period") else { return };
    let world = inserted(&services);
    insert_windows(&world, "m", 10);
    insert_windows(&world, "gone", 10);
    for (name, monitor, since, until) in [
        ("over before", "m", 0, Some(3)),
        ("over within", "m", 1, Some(4)),
        ("around", "m", 2, Some(9)),
        ("firing", "m", 3, None),
        ("within", "m", 4, Some(4)),
        ("after", "m", 6, None),
        ("of another", "gone", 4, None),
    ] {
        insert_alert(&world, name, monitor, since, until);
    }
    run(
        &world,
        "update model_window set findings_deleted = true where monitor = 'gone' and starts_at = '2026-01-01 04:00Z';
         delete from finding f using model_window w where w.id = f.window_id and w.findings_deleted",
    );
    let period = ["--from", "2026-01-01T03:00:00Z", "--to", "2026-01-01T06:00:00Z"];
    let export = |folder: &str, more: &[&str]| -> (PathBuf, String) {
        let folder = world.folder.path().join(folder);
        let said = world.driftd(&[&["export", "-o", folder.to_str().unwrap()][..], &period, more].concat());
        (folder, said)
    };
    let (folder, said) = export("m", &["--monitor", "m", "--monitor", "m"]);
    let found = exported(&folder);
    let starts: Vec<i64> = found["windows"].iter().map(|row| row["start"].as_i64().unwrap()).collect();
    let hour = |hour: i64| 1_767_225_600_000_000 + hour * 3_600_000_000;
    assert_eq!(starts, [3, 3, 3, 4, 4, 4, 5, 5, 5].map(hour));
    assert!(found["windows"].iter().all(|row| row["monitor"] == "m"));
    assert_eq!((found["findings"].len(), found["columns"].len()), (18, 9));
    assert_eq!(names(&found["alerts"], "rule"), ["over within", "around", "firing", "within"]);
    assert!(!said.contains("note"), "{said}");
    let about = metadata(&folder.join("alerts.parquet"));
    assert_eq!((about["driftd.to"].as_str(), about["driftd.monitors"].as_str()), (period[3], r#"["m"]"#));
    // A monitor that is no longer configured, and all of them.
    let (folder, said) = export("gone", &["--monitor", "gone"]);
    assert_eq!(names(&exported(&folder)["alerts"], "rule"), ["of another"]);
    assert!(said.contains("findings and column summaries of 3 windows were deleted before"), "{said}");
    let (folder, _) = export("both", &[]);
    assert_eq!(exported(&folder).values().map(Vec::len).collect::<Vec<_>>(), [5, 18, 30, 18]);
}

#[test]
fn an_empty_period_has_files_with_their_columns_and_what_cannot_be_exported_is_refused() {
    let Some(services) = services("export of nothing") else { return };
    let world = inserted(&services);
    let folder = world.folder.path().join("empty");
    let to = folder.to_str().unwrap();
    let export = |more: &[&str]| world.attempt("a", &[&["export", "-o", to][..], &ALL, more].concat());
    // Before anything is written.
    let (code, text) = export(&["--monitor", "n"]);
    assert!(
        code == Some(1) && text.contains("monitor `n` not found") && text.contains("hint: monitors: gone, m"),
        "{text}"
    );
    let (code, text) = export(&["--to", "1900-01-01T00:00:00Z"]);
    assert!(code == Some(2) && text.contains("--to must be later than --from"), "{text}");
    let (code, text) = export(&["--server", "http://127.0.0.1:1"]);
    assert!(code == Some(2) && text.contains("hint: run it where the configuration is"), "{text}");
    assert!(!folder.exists() || fs::read_dir(&folder).unwrap().next().is_none());

    let (code, text) = export(&[]);
    assert!(code == Some(0) && text.contains("windows.parquet: 0 windows"), "{text}");
    let found = assert_all_is_exported(&world, &folder);
    assert!(found.values().all(Vec::is_empty));
    let file = Bytes::from(fs::read(folder.join("columns.parquet")).unwrap());
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let field = |name: &str| reader.schema().field_with_name(name).unwrap().data_type().clone();
    assert_eq!(field("start"), DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    assert!(matches!(field("quantiles"), DataType::List(item) if *item.data_type() == DataType::Float64));
    assert!(matches!(field("categories"), DataType::List(item) if *item.data_type() == DataType::Utf8));
    assert!(matches!(field("shares"), DataType::List(item) if *item.data_type() == DataType::Float32));

    // Files that are there are kept, unless they are to be replaced.
    insert_windows(&world, "m", 1);
    let before = fs::read(folder.join("windows.parquet")).unwrap();
    fs::remove_file(folder.join("alerts.parquet")).unwrap();
    let (code, text) = export(&[]);
    assert!(code == Some(1) && text.contains("columns.parquet exist;") && text.contains("--force"), "{text}");
    assert_eq!(fs::read(folder.join("windows.parquet")).unwrap(), before);
    assert!(!folder.join("alerts.parquet").exists());
    let (code, text) = export(&["--force"]);
    assert!(code == Some(0) && text.contains("windows.parquet: 3 windows"), "{text}");
    assert_all_is_exported(&world, &folder);
    // A database that is away leaves no file either.
    world.configure("b", |daemon| daemon.set("postgres.url", "postgres://127.0.0.1:1/driftd"));
    let away = world.folder.path().join("away");
    let (code, text) = world.attempt("b", &[&["export", "-o", away.to_str().unwrap()][..], &ALL].concat());
    assert_eq!(code, Some(69), "{text}");
    assert!(fs::read_dir(&away).unwrap().next().is_none());
}
