//! How a daemon starts and reloads, when it is ready, and what it says of others that are in its way.

use std::fs::File;
use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use driftd::alert::{Labels, OperationalLimits, Routing};
use driftd::closing::CheckScope;
use driftd::record::{ColumnType, ModelSchema, TimeSpan};
use driftd::store::InputCheck;
use serde_json::json;

use crate::operations::Proxy;
use crate::support::{Config, Daemon, TRAINING_ROWS, World, bike_records, number, private, services};

fn wait_for_status(world: &World, daemon: &str, path: &str, wanted: u16, seconds: u64) -> String {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        let (status, body) = world.get(daemon, path);
        if status == wanted {
            return body;
        }
        assert!(Instant::now() < deadline, "{path} of {daemon} is {status}, not {wanted}: {body}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_database_that_is_away_at_the_start_is_waited_for() {
    let Some(services) = services("a database that is away at the start") else { return };
    let world = World::new(&services);
    let proxy = Proxy::before_database(&world, "a");
    let database = world.database_url.rsplit_once('/').unwrap().1;
    // Nobody listens at the address of the other daemon's database, as before PostgreSQL has begun.
    let nobody = format!("postgres://driftd@127.0.0.1:{}/{database}", crate::support::free_port());
    world.configure("b", |daemon| daemon.set("postgres.url", nobody));
    proxy.set(false);
    let mut waiting = [world.start_daemon("a", None), world.start_daemon("b", None)];
    for (name, daemon) in ["a", "b"].into_iter().zip(&mut waiting) {
        let body = wait_for_status(&world, name, "/readyz", 503, 20);
        assert!(body.contains("\"ok\":false"), "{body}");
        daemon.wait_for_log("waiting for the database", 20);
        assert_eq!(world.get(name, "/healthz").0, 200);
        assert_eq!(world.get(name, "/metrics").0, 200);
        assert!(daemon.is_running());
    }
    // Longer than loops may stand still before the watchdog acts: waiting is no standing still.
    std::thread::sleep(Duration::from_secs(33));
    for (name, daemon) in ["a", "b"].into_iter().zip(&mut waiting) {
        let (status, body) = world.get(name, "/healthz");
        assert_eq!((status, daemon.is_running()), (200, true), "{body}");
        assert!(
            daemon.log().matches("waiting for the database").count() <= 2,
            "once in a while: {}",
            daemon.log()
        );
    }
    let [first, second] = waiting;
    let told = Instant::now();
    assert_eq!(second.stop(), Some(0), "it can be stopped while it waits");
    assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
    // It can be asked to reload, and says that it has not begun.
    let (code, text) = world.attempt("a", &["reload", "--pid", &first.id().to_string()]);
    assert_eq!(code, Some(0), "{text}");
    first.wait_for_log("reload rejected error=driftd is still waiting for its database", 10);
    proxy.set(true);
    wait_for_status(&world, "a", "/readyz", 200, 40);
    world.produce(0, br#"{"ts": 1, "temp": 1}"#);
    world.flush();
    world.wait_for("a record to be counted", 30, async |pool| {
        let counted = number(pool, "select coalesce(sum(count), 0)::bigint from record_tally").await?;
        if counted == 1 { Ok(()) } else { Err(format!("{counted}")) }
    });
    assert_eq!(first.stop(), Some(0));
}

#[test]
fn what_starting_again_does_not_mend_ends_with_78_and_says_why() {
    let Some(services) = services("refusals at the start") else { return };
    let world = World::new(&services);
    world.store();
    let config = |name: &str, key: &str, value: serde_json::Value| {
        Config::read(world.daemon_file("a")).set(key, value).write(world.daemon_file(name));
    };
    let (server, _) = world.database_url.rsplit_once('/').unwrap();
    config("no-database", "postgres.url", json!(format!("{server}/driftd_there_is_none")));
    let role = world.database_url.replace("postgres://driftd@", "postgres://driftd_there_is_none@");
    config("no-role", "postgres.url", json!(role));
    config("kafka", "kafka.properties", json!({ "no.such.property": "x" }));
    let key = world.folder.path().join("broken.pem");
    std::fs::write(&key, "no certificate").unwrap();
    private(&key);
    config("tls", "http.tls", json!({ "cert_file": key, "key_file": key }));
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                 values (4711, 'of the future', true, '\\x00', 0)";
    for (name, checked, wanted) in [
        ("no-database", 0, "hint: create it: sudo -u postgres createdb"),
        ("no-role", 0, "hint: "),
        ("kafka", 78, "no.such.property"),
        ("tls", 78, "certificate of the listener"),
    ] {
        let started = Instant::now();
        let (code, text) = world.attempt(name, &["run"]);
        assert_eq!(code, Some(78), "{name}: {text}");
        assert!(text.contains(wanted), "{name}: {text}");
        assert!(started.elapsed() < Duration::from_secs(30), "{name}: {:?}", started.elapsed());
        let (code, text) = world.attempt(name, &["check"]);
        assert_eq!(code, Some(checked), "`check` finds what needs no service: {name}: {text}");
    }
    let (code, text) = world.attempt("a", &["check", "--online"]);
    assert!(text.contains("ok      postgres: schema version "), "{code:?}: {text}");
    world.runtime.block_on(sqlx::query(newer).execute(&world.pool)).unwrap();
    for (arguments, expected) in [(&["run"][..], 78), (&["migrate"], 78), (&["check", "--online"], 3)] {
        let (code, text) = world.attempt("a", arguments);
        assert_eq!(code, Some(expected), "{arguments:?}: {text}");
        for part in ["its schema is of version 4711", "hint: a newer driftd has migrated it"] {
            assert!(text.contains(part), "{arguments:?}: {text}");
        }
    }
}

#[test]
fn a_daemon_that_cannot_store_is_not_ready_until_it_can() {
    let Some(services) = services("a full disk") else { return };
    let world = World::new(&services);
    world.store();
    let daemon = world.start_daemon("a", None);
    wait_for_status(&world, "a", "/readyz", 200, 30);
    // As when the disk of the server is full: what is there can be read and changed, and nothing new fits.
    for statement in [
        "create function full_disk() returns trigger language plpgsql as
         $$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$",
        "create trigger full_disk before insert on record_tally execute function full_disk()",
    ] {
        world.runtime.block_on(sqlx::query(statement).execute(&world.pool)).unwrap();
    }
    let mut index = 0;
    let mut produce = || {
        world.produce(index % 6, format!(r#"{{"ts": {index}, "temp": 1}}"#).as_bytes());
        index += 1;
    };
    produce();
    world.flush();
    let body = wait_for_status(&world, "a", "/readyz", 503, 30);
    assert!(body.contains("\"ok\":false"), "{body}");
    // Several rounds of what only reads, and works.
    let until = Instant::now() + Duration::from_secs(13);
    while Instant::now() < until {
        produce();
        let (status, body) = world.get("a", "/readyz");
        assert_eq!(status, 503, "{body}");
        std::thread::sleep(Duration::from_millis(100));
    }
    let mend = "drop trigger full_disk on record_tally";
    world.runtime.block_on(sqlx::query(mend).execute(&world.pool)).unwrap();
    wait_for_status(&world, "a", "/readyz", 200, 30);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_daemon_without_a_partition_stands_by_and_is_ready() {
    let Some(services) = services("standing by") else { return };
    let world = World::new(&services);
    // A topic of one partition.
    world.configure_monitor(|monitor| monitor.set("source.topics", [&world.retraining_topic]));
    let first = world.start_daemon("a", None);
    wait_for_status(&world, "a", "/readyz", 200, 30);
    let second = world.start_daemon("b", None);
    wait_for_status(&world, "b", "/readyz", 200, 30);
    let standby = |name: &str| world.get(name, "/readyz").1.contains("\"standby\":true");
    let deadline = Instant::now() + Duration::from_secs(20);
    while standby("a") == standby("b") {
        assert!(Instant::now() < deadline, "one reads and one stands by: {:?}", world.get("b", "/readyz"));
        std::thread::sleep(Duration::from_millis(100));
    }
    let (reader, other, name) = if standby("b") { (first, second, "b") } else { (second, first, "a") };
    other.wait_for_log("standby: ", 15);
    // It takes over, and is ready all the time.
    reader.kill();
    let deadline = Instant::now() + Duration::from_secs(30);
    while standby(name) {
        assert!(Instant::now() < deadline, "{}", other.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    wait_for_status(&world, name, "/readyz", 200, 20);
    assert_eq!(other.stop(), Some(0));
}

/// What operational looks find of a rule; as many looks as it takes to fire, or to resolve.
fn firing(world: &World, rule: &'static str) -> Option<String> {
    firing_with(world, &ModelSchema::of_features(&[("temp", ColumnType::Numeric)]).unwrap(), rule)
}

/// As [`firing`], of a monitor with these columns.
fn firing_with(world: &World, schema: &ModelSchema, rule: &'static str) -> Option<String> {
    let store = world.store();
    let (labels, routing) = (Labels::new(), Routing::default());
    let topics = [world.topic.clone()];
    let watched = InputCheck {
        scope: CheckScope { monitor: "bike-demand", labels: &labels, receivers: &[], routing: &routing },
        topics: &topics,
        schema,
        learns: true,
        max_series: 1_000,
        unknown_topics: &[],
        min_records: 1,
        time_format: None,
        filters: &[],
        limits: &OperationalLimits::default(),
    };
    world.runtime.block_on(async {
        for _ in 0..6 {
            store.check_input(watched, TimeSpan::ZERO).await.unwrap();
        }
        sqlx::query_scalar("select evidence->>'summary' from alert where rule = $1 and state = 'firing'")
            .bind(rule)
            .fetch_optional(&world.pool)
            .await
            .unwrap()
    })
}

#[test]
fn two_groups_that_read_a_topic_into_one_database_are_noticed() {
    let Some(services) = services("two groups") else { return };
    let world = World::new(&services);
    world.configure("b", |daemon| daemon.set("kafka.group", "another-group"));
    let first = world.start_daemon("a", None);
    wait_for_status(&world, "a", "/readyz", 200, 30);
    assert_eq!(firing(&world, "conflicting_readers"), None, "one is in order");
    let second = world.start_daemon("b", None);
    let said = "other consumer groups read the same topics into this database";
    first.wait_for_log(said, 40);
    second.wait_for_log(said, 40);
    let summary = firing(&world, "conflicting_readers").expect("an alert fires");
    for part in [world.topic.as_str(), "another-group and "] {
        assert!(summary.contains(part), "{summary}");
    }
    assert_eq!(first.stop(), Some(0));
    assert_eq!(second.stop(), Some(0));
}

#[test]
fn daemons_with_different_configurations_are_noticed_until_all_have_the_same() {
    let Some(services) = services("daemons that differ") else { return };
    let world = World::new(&services);
    let first = world.start_daemon("a", None);
    let second = world.start_daemon("b", None);
    for name in ["a", "b"] {
        wait_for_status(&world, name, "/readyz", 200, 30);
    }
    let noted = async |pool: &sqlx::PgPool| number(pool, "select count(*) from daemon_configuration").await;
    world.wait_for("both to say what they have", 20, async |pool| {
        let noted = noted(pool).await?;
        if noted == 4 { Ok(()) } else { Err(format!("{noted} said")) }
    });
    assert_eq!(firing(&world, "configurations_differ"), None, "both have the same");
    let version = env!("CARGO_PKG_VERSION");
    let status = world.driftd(&["status"]);
    assert!(status.contains(&format!("daemons  a ({version}), b ({version})\n")), "{status}");

    world.configure_monitor(|monitor| monitor.set("judge.min_records", 200));
    let mut file = File::options().append(true).open(world.monitor_file()).unwrap();
    file.write_all(b"# a comment, which makes no difference\n").unwrap();
    let reload = |daemon: &Daemon| {
        let (code, text) = world.attempt("a", &["reload", "--pid", &daemon.id().to_string()]);
        assert_eq!(code, Some(0), "{text}");
    };
    reload(&second);
    let said = "of monitor bike-demand differ in measures and thresholds between the daemons";
    first.wait_for_log(said, 30);
    second.wait_for_log(said, 30);
    let summary = firing(&world, "configurations_differ").expect("an alert fires");
    assert!(summary.contains(said), "{summary}");

    reload(&first);
    world.wait_for("both to have the same", 20, async |pool| {
        let different = "select count(distinct parts) from daemon_configuration where monitor = 'bike-demand'";
        let different = number(pool, different).await?;
        if different == 1 { Ok(()) } else { Err(format!("{different}")) }
    });
    assert_eq!(firing(&world, "configurations_differ"), None, "it has ended");

    // A monitor that one of them does not have lacks the records of that daemon's partitions.
    let other = world.monitor_file().with_file_name("other.toml");
    Config::read(world.monitor_file()).set("name", "other").write(other);
    reload(&second);
    first.wait_for_log("monitor other is configured for", 30);
    assert_eq!(first.stop(), Some(0));
    assert_eq!(second.stop(), Some(0));
    let left = world.runtime.block_on(noted(&world.pool)).unwrap();
    assert_eq!(left, 0, "daemons that ended say so");
    assert!(world.driftd(&["status"]).contains("daemons  none running"), "it is said that nothing is read");
}

#[test]
fn one_group_that_reads_into_two_databases_is_noticed_on_both_sides() {
    let Some(services) = services("two databases") else { return };
    let mut world = World::new(&services);
    // Before there is a schema: a copy would have the same name.
    world.back_up();
    let other = format!("{}_backup", world.database_url);
    world.configure("b", |daemon| daemon.set("postgres.url", other));
    let daemons = [world.start_daemon("a", None), world.start_daemon("b", None)];
    for name in ["a", "b"] {
        wait_for_status(&world, name, "/readyz", 200, 30);
    }
    // Both commit what they read, every now and then.
    let said = "another database reads with the same consumer group";
    let deadline = Instant::now() + Duration::from_secs(90);
    let mut time = 0;
    while !daemons.iter().all(|daemon| daemon.log().contains(said)) {
        assert!(Instant::now() < deadline, "{}\n---\n{}", daemons[0].log(), daemons[1].log());
        for partition in 0..6 {
            time += 1;
            world.produce(partition, format!(r#"{{"ts": {time}, "temp": 1}}"#).as_bytes());
        }
        world.flush();
        std::thread::sleep(Duration::from_millis(500));
    }
    let summary = firing(&world, "conflicting_readers").expect("an alert fires");
    assert!(summary.contains("into another database, too"), "{summary}");
    for daemon in daemons {
        assert_eq!(daemon.stop(), Some(0));
    }
}

#[test]
fn a_reload_says_what_is_wrong_before_the_daemon_is_asked() {
    let Some(services) = services("reloading") else { return };
    let world = World::new(&services);
    let daemon = world.start_daemon("a", None);
    wait_for_status(&world, "a", "/readyz", 200, 30);
    let process = daemon.id().to_string();
    world.configure_monitor(|monitor| monitor.set("judge.min_records", "many"));
    let (code, text) = world.attempt("a", &["reload", "--pid", &process]);
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("judge.min_records"), "{text}");
    assert!(!daemon.log().contains("the old configuration stays"), "it was not asked: {}", daemon.log());
    world.configure_monitor(|monitor| monitor.set("judge.min_records", 200));
    // As systemd passes it.
    let reload = Command::new(env!("CARGO_BIN_EXE_driftd"))
        .arg("--config")
        .arg(world.daemon_file("a"))
        .arg("reload")
        .env("MAINPID", &process)
        .output()
        .unwrap();
    assert!(reload.status.success(), "{reload:?}");
    daemon.wait_for_log("reloaded: 1 monitor,", 20);
    for (arguments, expected, wanted) in [
        (vec!["reload"], 2, "--pid is missing"),
        (vec!["reload", "--pid", "4194305"], 1, "process 4194305 not found"),
        (vec!["reload", "--pid", "0"], 2, "--pid"),
    ] {
        let (code, text) = world.attempt("a", &arguments);
        assert_eq!(code, Some(expected), "{arguments:?}: {text}");
        assert!(text.contains(wanted), "{arguments:?}: {text}");
    }
    let own = std::process::id().to_string();
    let (code, text) = world.attempt("a", &["reload", "--pid", &own]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("is not driftd"), "{text}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_baseline_that_does_not_fit_the_columns_is_said_whether_or_not_one_is_learned() {
    let Some(services) = services("a baseline of other columns") else { return };
    let world = World::new(&services);
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);
    world.configure_monitor(|monitor| monitor.numeric("fee"));
    let daemon = world.start_daemon("a", None);
    world.produce_in_turns(0, &live[..3_000]);
    world.wait_for("a window without a baseline", 60, async |pool| {
        let closed = "select count(*) from model_window where status = 'closed' and verdict = 'no_baseline'";
        let closed = number(pool, closed).await?;
        if closed > 0 { Ok(()) } else { Err(format!("{closed}")) }
    });
    assert_eq!(daemon.stop(), Some(0));
    let numeric = ["temp", "hum", "windspeed", "cnt"].map(|name| (name, ColumnType::Numeric));
    let categorical = ["hr", "weathersit"].map(|name| (name, ColumnType::Categorical));
    let columns = |more: &[(&str, ColumnType)]| {
        ModelSchema::of_features(&[&numeric[..], &categorical[..], more].concat()).unwrap()
    };
    let summary = firing_with(&world, &columns(&[("fee", ColumnType::Numeric)]), "baseline_missing")
        .expect("an alert fires");
    let said = "baseline version 1 does not fit the monitor's columns: fee";
    assert!(summary.contains(said), "{summary}");
    // The windows to come have the columns of the baseline again.
    assert_eq!(firing_with(&world, &columns(&[]), "baseline_missing"), None);
}
