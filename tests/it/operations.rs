//! What operators do and what happens to them: outages, reloads, restarts, retention, learning.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::support::{
    Config, TRAINING_ROWS, World, assert_everything_was_told, assert_windows_are_true, bike_records, number,
    services,
};

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A proxy in front of the database that can cut every connection and refuse new ones, or let connections go silent: they
/// stay open, and nothing passes in either direction.
pub(super) struct Proxy {
    pub(super) address: std::net::SocketAddr,
    up: Arc<AtomicBool>,
    /// Connections that were opened before go silent when it counts up.
    silences: Arc<AtomicU64>,
}

impl Proxy {
    /// Between a daemon and its database: the daemon's configuration leads to it.
    pub(super) fn before_database(world: &World, daemon: &str) -> Self {
        let proxy = Self::start(world);
        let database = world.database_url.rsplit_once('/').unwrap().1;
        let url = format!("postgres://driftd@{}/{database}", proxy.address);
        world.configure(daemon, |daemon| daemon.set("postgres.url", url));
        proxy
    }

    fn start(world: &World) -> Self {
        let options: PgConnectOptions = world.database_url.parse().unwrap();
        let up = Arc::new(AtomicBool::new(true));
        let listener = world.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::clone(&up);
        let silences = Arc::new(AtomicU64::new(0));
        let silenced = Arc::clone(&silences);
        world.runtime.spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let (options, state, silenced) = (options.clone(), Arc::clone(&state), Arc::clone(&silenced));
                tokio::spawn(async move {
                    let connect = async {
                        let server: Box<dyn Stream> = match options.get_socket() {
                            Some(folder) => Box::new(UnixStream::connect(folder.join(".s.PGSQL.5432")).await?),
                            None if options.get_host().starts_with('/') => {
                                let path = std::path::Path::new(options.get_host()).join(".s.PGSQL.5432");
                                Box::new(UnixStream::connect(path).await?)
                            }
                            None => Box::new(TcpStream::connect((options.get_host(), options.get_port())).await?),
                        };
                        Ok::<_, std::io::Error>(server)
                    };
                    let Ok(mut server) = connect.await else { return };
                    let cut = async {
                        while state.load(Ordering::SeqCst) {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    };
                    let opened = silenced.load(Ordering::SeqCst);
                    let silent = async {
                        while silenced.load(Ordering::SeqCst) == opened {
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        () = cut => {}
                        // Both ends stay open, and nobody reads them.
                        () = silent => std::future::pending().await,
                    }
                });
            }
        });
        Self { address, up, silences }
    }

    /// All connections go silent; new ones work.
    fn silence(&self) {
        self.silences.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn set(&self, up: bool) {
        self.up.store(up, Ordering::SeqCst);
    }
}

#[test]
fn a_database_outage_pauses_reading_is_visible_and_loses_nothing() {
    let Some(services) = services("database outage") else { return };
    let world = World::new(&services);
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);
    let proxy = Proxy::before_database(&world, "a");
    let mut daemon = world.start_daemon("a", None);
    let half = live.len() / 2;
    world.produce_in_turns(0, &live[..half]);
    world.wait_for_count((half as i64 / 2).., 60);
    assert_eq!(world.get("a", "/readyz").0, 200);

    proxy.set(false);
    world.produce_in_turns(0, &live[half..]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while world.get("a", "/readyz").0 != 503 {
        assert!(Instant::now() < deadline, "{:?}", world.get("a", "/readyz"));
        std::thread::sleep(Duration::from_millis(100));
    }
    let (status, body) = world.get("a", "/healthz");
    assert_eq!(status, 200, "an outage is not a crash: {body}");
    let metrics = world.get("a", "/metrics").1;
    assert!(metrics.contains("driftd_database_up 0"), "{metrics}");
    assert!(metrics.contains("driftd_paused 1"), "fetching is paused: {metrics}");
    std::thread::sleep(Duration::from_secs(3));
    assert!(daemon.is_running());

    proxy.set(true);
    world.wait_until_done(live.len() as u64, 90);
    assert_windows_are_true(&world, live);
    assert_everything_was_told(&world);
    assert_eq!(world.get("a", "/readyz").0, 200);
    let metrics = world.get("a", "/metrics").1;
    assert!(metrics.contains("driftd_database_up 1") && metrics.contains("outcome=\"accepted\""), "{metrics}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_connection_to_the_database_that_goes_silent_is_dropped_and_nothing_is_lost_or_doubled() {
    let Some(services) = services("silent database connections") else { return };
    let world = World::new(&services);
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);
    let proxy = Proxy::before_database(&world, "a");
    world.configure("a", |daemon| daemon.set("postgres.statement_timeout", "2s"));
    let daemon = world.start_daemon("a", None);
    let mut produced = 0;
    // Checkpoints are under way all the time, so some of these hit a statement and some a commit.
    for part in live.chunks(live.len().div_ceil(6)) {
        world.produce_in_turns(0, part);
        produced += part.len();
        world.wait_for_count((produced as i64 / 2).., 60);
        proxy.silence();
        world.wait_for_count((produced as i64).., 60);
    }
    world.wait_until_done(live.len() as u64, 90);
    assert_windows_are_true(&world, live);
    assert_everything_was_told(&world);
    assert_eq!(world.get("a", "/readyz").0, 200);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_baseline_is_learned_from_the_first_windows_and_used_from_then_on() {
    let Some(services) = services("learned baseline") else { return };
    let world = World::new(&services);
    world.configure_monitor(|monitor| monitor.set("baseline.learn", 4));
    let live = &bike_records()[TRAINING_ROWS..];
    let daemon = world.start_daemon("a", None);
    world.produce_in_turns(0, &live[..4_000]);
    world.wait_for("a learned baseline", 60, async |pool| {
        let baselines = number(pool, "select count(*) from baseline where active").await?;
        if baselines == 1 { Ok(()) } else { Err(format!("{baselines} baselines")) }
    });
    // Daemons take note of it with their next checkpoints.
    world.wait_for("checkpoints after that", 30, async |pool| {
        let before = number(
            pool,
            "select count(*) from source_partition, baseline where checked_at < baseline.created_at + interval '1 second'",
        )
        .await?;
        if before == 0 { Ok(()) } else { Err(format!("{before} partitions without one")) }
    });
    let unjudged = world.windows().values().filter(|(_, verdict)| verdict == "no_baseline").count();
    assert!(unjudged >= 4, "windows without a baseline are counted, not judged");
    world.produce_in_turns(0, &live[4_000..]);
    world.wait_until_done(live.len() as u64, 60);
    let windows = world.windows();
    let whole: u64 =
        windows.iter().filter(|((segment, _), _)| segment == "*").map(|(_, (counts, _))| counts.rows()).sum();
    assert_eq!(whole, live.len() as u64);
    let judged =
        windows.values().filter(|(_, verdict)| ["ok", "warn", "critical"].contains(&verdict.as_str())).count();
    assert!(judged >= 10, "later windows are judged: {:?}", windows.values().map(|(_, v)| v).collect::<Vec<_>>());
    let shown = world.driftd(&["baseline", "show", "bike-demand"]);
    assert!(shown.contains("learned from the first 4 windows") && shown.contains("temp"), "{shown}");
    let listed = world.driftd(&["baseline", "list", "bike-demand"]);
    assert!(listed.contains("version 1 (active)"), "{listed}");
    let status = world.driftd(&["status"]);
    assert!(status.contains("monitor bike-demand") && status.contains("accepted"), "{status}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_reload_takes_all_changes_or_none() {
    let Some(services) = services("reload") else { return };
    let world = World::new(&services);
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);
    let mut daemon = world.start_daemon("a", None);
    world.produce_in_turns(0, &live[..3_000]);
    world.wait_for_count(3_000.., 60);

    // A broken file: the old configuration stays, and the process.
    let second = world.folder.path().join("monitors.d/second.toml");
    Config::monitor("second", &world.topic).set("source.topics", json!([])).write(&second);
    daemon.signal("HUP");
    daemon.wait_for_log("the old configuration stays", 10);
    assert!(daemon.is_running());
    assert!(world.get("a", "/metrics").1.contains("driftd_config_last_reload_successful 0"));

    // A second monitor of the same topic counts from here on; the first goes on where it was.
    Config::read(world.monitor_file()).set("name", "second").write(&second);
    daemon.signal("HUP");
    daemon.wait_for_log("reloaded: 2 monitors", 10);

    // What needs a restart is not in force, and is said to be not.
    world.configure("a", |daemon| daemon.set("checkpoint.judge_interval", "4s"));
    daemon.signal("HUP");
    daemon.wait_for_log("take effect only after a restart: checkpoint.judge_interval", 10);
    let shown = world.http("a").json("/api/v1/configuration");
    let key = |value: &&serde_json::Value| value["key"] == "checkpoint.judge_interval";
    let shown = shown.as_array().unwrap().iter().find(key).unwrap();
    assert_eq!((shown["value"].as_str(), shown["after_restart"].as_str()), (Some("\"200ms\""), Some("\"4s\"")));
    world.produce_in_turns(0, &live[3_000..]);
    world.wait_until_done(live.len() as u64 + (live.len() as u64 - 3_000), 90);
    let counted = world.runtime.block_on(number(
        &world.pool,
        "select sum(rows)::bigint from model_window where monitor = 'second' and segment = '*'",
    ));
    assert_eq!(counted, Ok(live.len() as i64 - 3_000));
    let counted = world.runtime.block_on(number(
        &world.pool,
        "select sum(rows)::bigint from model_window where monitor = 'bike-demand' and segment = '*'",
    ));
    assert_eq!(counted, Ok(live.len() as i64));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn stopping_leaves_the_group_so_that_the_next_daemon_need_not_wait_for_the_session_timeout() {
    let Some(services) = services("leaving the group") else { return };
    let world = World::new(&services);
    for name in ["a", "b"] {
        world.configure(name, |daemon| daemon.set("kafka.session_timeout", "45s"));
    }
    let live = &bike_records()[TRAINING_ROWS..];
    let first = world.start_daemon("a", None);
    world.produce_in_turns(0, &live[..1_000]);
    world.wait_for_count(1_000.., 60);
    assert_eq!(first.stop(), Some(0));
    world.produce_in_turns(0, &live[1_000..2_000]);
    let second = world.start_daemon("b", None);
    world.wait_for_count(2_000.., 20);
    assert_eq!(second.stop(), Some(0));
}

#[test]
fn messages_deleted_before_they_were_read_are_a_gap_that_is_recorded() {
    let Some(services) = services("retention gap") else { return };
    let world = World::new(&services);
    let live = &bike_records()[TRAINING_ROWS..];
    let first = world.start_daemon("a", None);
    world.produce_in_turns(0, &live[..600]);
    world.wait_for_count(600.., 60);
    assert_eq!(first.stop(), Some(0));
    // Each partition has 100 messages that were read; of the next 100, the first 60 are deleted in one partition.
    world.produce_in_turns(0, &live[600..1_200]);
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &world.kafka).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&world.topic, 2, Offset::Offset(160)).unwrap();
    world.runtime.block_on(admin.delete_records(&list, &AdminOptions::new())).unwrap();
    let second = world.start_daemon("a", None);
    world.wait_for_count(1_140.., 60);
    let gap = world.runtime.block_on(
        sqlx::query_as::<_, (i32, i64, i64)>("select partition, from_offset, to_offset from retention_gap")
            .fetch_all(&world.pool),
    );
    assert_eq!(gap.unwrap(), [(2, 100, 160)]);
    let counted = world.tally();
    assert_eq!(counted["accepted"], 1_140, "{counted:?}");
    assert!(world.driftd(&["status"]).contains("60 messages never read"));
    assert_eq!(second.stop(), Some(0));
}

#[test]
fn checking_online_tries_every_connection() {
    let Some(services) = services("check --online") else { return };
    let world = World::new(&services);
    let text = world.driftd(&["check", "--online"]);
    for what in ["postgres", "kafka", "topic", "receiver `owner`", "receiver `webhook`"] {
        assert!(text.lines().any(|line| line.starts_with("ok") && line.contains(what)), "{what}: {text}");
    }
    world.configure("a", |daemon| daemon.set("postgres.url", "postgres://nobody@127.0.0.1:1/none"));
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_driftd"))
        .arg("--config")
        .arg(world.daemon_file("a"))
        .args(["check", "--online"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("failed  postgres: database: cannot reach the database")
    );
}
