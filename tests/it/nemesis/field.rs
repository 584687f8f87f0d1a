//! What the faults act on: a world whose daemons reach PostgreSQL, Kafka and the receiver through proxies.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::json;

use super::proxy::{Proxy, Upstream, Wire};
use super::wire::KafkaAddress;
use crate::support::{Cluster, Config, DAEMONS, Daemon, Dice, Services, World, skipped};

/// How long stopping may take: `TimeoutStopSec` of the unit.
const STOP_WITHIN: Duration = Duration::from_secs(40);
/// What a daemon that cannot start without a service ends with.
const UNAVAILABLE: i32 = 69;

/// How one daemon reaches the others.
pub struct Lines {
    pub postgres: Proxy,
    pub kafka: Proxy,
}

pub struct Field<'a> {
    pub world: &'a World,
    pub cluster: &'a Cluster,
    pub lines: &'a BTreeMap<&'static str, Lines>,
    pub receiver: &'a Proxy,
    /// Whether the daemons reach Kafka through the proxies alone.
    pub kafka_is_proxied: bool,
    pub partitions: AtomicI32,
    /// Time is up; lanes end with their decks.
    pub over: AtomicBool,
    /// Never killed, so that its memory can be watched.
    pub spared: Option<&'static str>,
    daemons: Mutex<BTreeMap<&'static str, Daemon>>,
    violations: Mutex<Vec<String>>,
    tolerated: Mutex<BTreeMap<String, u64>>,
}

/// The two monitors: both take the same records, into windows of different lengths.
pub const MONITORS: [(&str, i64, bool); 2] = [("nemesis", 5_000, true), ("wide", 20_000, false)];

fn monitor(topic: &str, name: &str, length: i64, series: bool) -> Config {
    let monitor = Config::monitor(name, topic)
        .set("source.time", "ts")
        .set("source.where", json!({ "model.name": "nemesis" }))
        .set("window.length", format!("{}s", length / 1_000))
        .set("window.out_of_orderness", "5s")
        .set("window.idle_after", "6s")
        .set("window.max_close_delay", "10m")
        .numeric("x")
        .numeric("y")
        .categorical("c")
        .set("sample.size", 100_000)
        .set("baseline.resolution", 50)
        .set("judge.min_records", 50)
        .set("alert.receivers", ["owner", "webhook"])
        .set("retrain.after", 2)
        .set("retrain.cool_down", "1s")
        .set("retrain.receivers", ["webhook", "training"]);
    if series {
        monitor.set("source.version", "model.version").push("segments", json!({ "name": "country" }))
    } else {
        monitor
    }
}

/// A world on a cluster, with the proxies of its daemons and of the receiver.
pub fn world(cluster: &Cluster, kafka: &str, start: &str) -> (World, BTreeMap<&'static str, Lines>, Proxy) {
    let services = Services { database_url: cluster.url(), kafka: kafka.to_owned() };
    let world = World::new(&services);
    fs::remove_file(world.monitor_file()).unwrap();
    for (name, length, series) in MONITORS {
        let file = world.folder.path().join(format!("monitors.d/{name}.toml"));
        monitor(&world.topic, name, length, series).write(file);
    }
    let receiver =
        Proxy::start(&world.runtime, Upstream::Address(world.webhooks.address.to_string()), |_| Wire::Http);
    let mut lines = BTreeMap::new();
    for name in DAEMONS {
        let postgres = Proxy::start(&world.runtime, Upstream::Socket(cluster.socket()), |_| Wire::Postgres);
        let upstream = Upstream::Address(kafka.to_owned());
        let kafka_line =
            Proxy::start(&world.runtime, upstream, |port| Wire::Kafka(KafkaAddress::new(kafka, port)));
        let database = world.database_url.rsplit_once('/').unwrap().1;
        // Quicker than by default: a broker that swallows is given up sooner than a partition counts as idle, and
        // partitions that are added are found within a second.
        let properties = json!({ "socket.timeout.ms": "3000", "topic.metadata.refresh.interval.ms": "1000" });
        world.configure(name, |daemon| {
            daemon
                .set("postgres.url", format!("postgres://driftd@127.0.0.1:{}/{database}", postgres.port))
                .set("kafka.brokers", format!("127.0.0.1:{}", kafka_line.port))
                .set("kafka.start", start)
                .set("kafka.session_timeout", "3s")
                .set("kafka.properties", properties)
                .set("receivers.webhook.url", format!("http://127.0.0.1:{}/", receiver.port))
        });
        lines.insert(name, Lines { postgres, kafka: kafka_line });
    }
    (world, lines, receiver)
}

/// Whether a client that goes through a proxy stays on it.
fn stays_on(line: &Proxy) -> bool {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", format!("127.0.0.1:{}", line.port)).create().unwrap();
    let metadata = consumer.fetch_metadata(None, Duration::from_secs(10)).unwrap();
    metadata.brokers().iter().all(|broker| broker.port() == i32::from(line.port))
}

impl<'a> Field<'a> {
    pub fn new(
        world: &'a World,
        cluster: &'a Cluster,
        lines: &'a BTreeMap<&'static str, Lines>,
        receiver: &'a Proxy,
        spared: Option<&'static str>,
    ) -> Self {
        let kafka_is_proxied = lines.values().all(|lines| stays_on(&lines.kafka));
        if !kafka_is_proxied {
            skipped("faults between daemons and Kafka: the broker names an address that the proxy cannot replace");
        }
        Self {
            world,
            cluster,
            lines,
            receiver,
            kafka_is_proxied,
            partitions: AtomicI32::new(crate::support::TOPIC_PARTITIONS),
            over: AtomicBool::new(false),
            spared,
            daemons: Mutex::default(),
            violations: Mutex::default(),
            tolerated: Mutex::default(),
        }
    }

    /// A promise is broken.
    pub fn violated(&self, what: impl Display) {
        self.violations.lock().unwrap().push(what.to_string());
    }

    /// The broken promises so far; from here on they are counted anew.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut *self.violations.lock().unwrap())
    }

    /// Something that is not promised while other faults last; counted, and printed with the round.
    pub fn tolerated(&self, what: impl Display) {
        *self.tolerated.lock().unwrap().entry(what.to_string()).or_insert(0) += 1;
    }

    pub fn all_tolerated(&self) -> BTreeMap<String, u64> {
        self.tolerated.lock().unwrap().clone()
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// A daemon to strike; one that may be killed when it will be.
    pub fn victim(&self, dice: &mut Dice, lethal: bool) -> &'static str {
        loop {
            let name = DAEMONS[dice.below(DAEMONS.len() as u64) as usize];
            if !lethal || self.spared != Some(name) {
                return name;
            }
        }
    }

    /// One daemon's lines, or all.
    pub fn some_lines(&self, dice: &mut Dice) -> Vec<&Lines> {
        match dice.below(2) {
            0 => self.lines.values().collect(),
            _ => vec![&self.lines[self.victim(dice, false)]],
        }
    }

    pub fn start(&self, name: &'static str, fault: Option<&str>) {
        let daemon = self.world.start_daemon(name, fault);
        self.daemons.lock().unwrap().insert(name, daemon);
    }

    /// A daemon that was taken to look at it.
    pub fn put_back(&self, name: &'static str, daemon: Daemon) {
        self.daemons.lock().unwrap().insert(name, daemon);
    }

    pub fn take(&self, name: &str) -> Option<Daemon> {
        self.daemons.lock().unwrap().remove(name)
    }

    pub fn signal(&self, name: &str, signal: &str) {
        if let Some(daemon) = self.daemons.lock().unwrap().get_mut(name)
            && daemon.is_running()
        {
            daemon.signal(signal);
        }
    }

    /// The process of each daemon that runs.
    pub fn processes(&self) -> Vec<(&'static str, u32)> {
        self.daemons.lock().unwrap().iter().map(|(name, daemon)| (*name, daemon.id())).collect()
    }

    /// Daemons that ended by themselves are noted and started again, as a unit with `Restart=on-failure` does.
    pub fn revive(&self) {
        for name in DAEMONS {
            let mut daemons = self.daemons.lock().unwrap();
            let Some(daemon) = daemons.get_mut(name) else { continue };
            let Some(status) = daemon.ended_within(Duration::ZERO) else { continue };
            let log = daemon.log();
            daemons.remove(name);
            drop(daemons);
            if status.code() == Some(UNAVAILABLE) {
                self.tolerated("a start gave up without PostgreSQL (exit code 69)");
            } else {
                let tail: Vec<&str> = log.lines().rev().take(5).collect();
                self.violated(format!("{name} ended by itself: {status}; newest first: {tail:#?}"));
            }
            std::thread::sleep(Duration::from_millis(500));
            self.start(name, None);
        }
    }

    /// SIGTERM: it must end in time, and with code 0 unless other faults keep it from storing what it counted.
    pub fn stop(&self, name: &'static str, undisturbed: bool) {
        let Some(mut daemon) = self.take(name) else { return };
        if !daemon.is_running() {
            return;
        }
        // Before it listens to signals it dies of them, which is harmless.
        let was_up = self.world.get(name, "/healthz").0 == 200;
        let began = Instant::now();
        daemon.signal("TERM");
        let Some(status) = daemon.ended_within(STOP_WITHIN) else {
            self.violated(format!("{name} did not end within {} s of SIGTERM", STOP_WITHIN.as_secs()));
            daemon.kill();
            return;
        };
        let seconds = began.elapsed().as_secs();
        if undisturbed && was_up && (status.code() != Some(0) || seconds > 20) {
            self.violated(format!(
                "{name} ended with {status} after {seconds} s of SIGTERM, without any other fault"
            ));
        } else if was_up && status.code() != Some(0) {
            self.tolerated(format!("SIGTERM while other faults lasted: {status}"));
        }
    }

    /// Waits until a daemon answers, which is when it listens to signals.
    pub fn is_up_within(&self, name: &str, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.world.get(name, "/healthz").0 != 200 {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        true
    }
}
