//! What the tests with services share: a world of its own for each (database, topics, folder, receivers), the
//! real program as child processes, and the truth computed from the records themselves.

mod authority;
mod cluster;
mod config;
mod http;
mod kafka;
mod observed;
mod records;
mod servers;
mod services;

pub use authority::Authority;
pub use cluster::Cluster;
pub use config::{Config, edit};
pub use http::{Answer, Http};
pub use kafka::{SecuredKafka, USER};
pub use records::{
    Dice, assert_everything_was_told, assert_told_under_one_id, assert_windows_are_true, bike_records,
};
pub use servers::{Daemon, Smtp, Webhooks};
pub use services::{Services, file, program, python, services, skipped};

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use driftd::binning::BinningSet;
use driftd::distribution::WindowCounts;
use driftd::store::{Store, StoreOptions, TlsMode};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, Row as _};
use tokio::runtime::Runtime;
use uuid::Uuid;

pub const TOPIC_PARTITIONS: i32 = 6;
pub const TRAINING_ROWS: usize = 4_250;
pub const WINDOW_DAYS: i64 = 30;
/// The daemons that a world has configurations for.
pub const DAEMONS: [&str; 3] = ["a", "b", "c"];

/// A database, topics and a folder for one test.
pub struct World {
    pub runtime: Runtime,
    pub folder: tempfile::TempDir,
    pub pool: PgPool,
    pub topic: String,
    pub retraining_topic: String,
    pub webhooks: Webhooks,
    /// The port of each daemon's listener.
    pub ports: BTreeMap<&'static str, u16>,
    pub kafka: String,
    pub database_url: String,
    client: reqwest::Client,
    admin_url: String,
    database: String,
    producer: BaseProducer,
}

impl World {
    pub fn new(services: &Services) -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let id = Uuid::new_v4().simple().to_string();
        let database = format!("driftd_{id}");
        let (topic, retraining_topic) = (format!("predictions-{id}"), format!("retraining-{id}"));
        let url =
            services.database_url.rsplit_once('/').map(|(server, _)| format!("{server}/{database}")).unwrap();
        let pool = runtime.block_on(async {
            let mut admin = PgConnection::connect(&services.database_url).await.unwrap();
            sqlx::query(AssertSqlSafe(format!("create database {database}"))).execute(&mut admin).await.unwrap();
            create_topics(&services.kafka, &[(&topic, TOPIC_PARTITIONS), (&retraining_topic, 1)]).await;
            PgPool::connect(&url).await.unwrap()
        });
        let webhooks = Webhooks::start(&runtime);
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &services.kafka)
            .set("queue.buffering.max.messages", "200000")
            // Otherwise a busy broker makes it send again what it has sent, in another order.
            .set("enable.idempotence", "true")
            .create()
            .unwrap();
        let world = Self {
            runtime,
            folder,
            pool,
            topic,
            retraining_topic,
            webhooks,
            ports: DAEMONS.map(|name| (name, free_port())).into(),
            kafka: services.kafka.clone(),
            database_url: url.clone(),
            client: http::client([]),
            admin_url: services.database_url.clone(),
            database,
            producer,
        };
        world.write_configuration();
        world
    }

    /// Configurations of the daemons, which have the same services and receivers, and of the one monitor.
    fn write_configuration(&self) {
        let folder = self.folder.path();
        fs::create_dir_all(folder.join("monitors.d")).unwrap();
        let secret = folder.join("webhook.secret");
        fs::write(&secret, &self.webhooks.secret).unwrap();
        private(&secret);
        let daemon = Config::daemon()
            .set("kafka.brokers", &self.kafka)
            .set("kafka.group", &self.topic)
            .set("kafka.start", "earliest")
            .set("kafka.session_timeout", "6s")
            .set("postgres.url", &self.database_url)
            .set("log.level", "info")
            .set("checkpoint", json!({ "interval": "200ms", "judge_interval": "200ms" }))
            .set("alerting", json!({ "group_wait": "0s", "group_interval": "0s", "repeat_interval": "0s" }))
            .mail("owner")
            .set("receivers.owner.directory", folder.join("mails"))
            .set("receivers.webhook.type", "webhook")
            .set("receivers.webhook.url", format!("http://{}/", self.webhooks.address))
            .set("receivers.webhook.secret", json!({ "file": secret }))
            .set("receivers.webhook.timeout", "2s")
            .set("receivers.training", json!({ "type": "kafka", "topic": self.retraining_topic }));
        for name in DAEMONS {
            let listen = format!("127.0.0.1:{}", self.ports[name]);
            daemon.clone().set("daemon.name", name).set("http.listen", listen).write(self.daemon_file(name));
        }
        Config::monitor("bike-demand", &self.topic)
            .set("source.time", "ts")
            .set("window.length", format!("{WINDOW_DAYS}d"))
            .set("window.out_of_orderness", "2d")
            .set("window.idle_after", "8s")
            .push("segments", json!({ "name": "workingday" }))
            .numeric("temp")
            .numeric("hum")
            .numeric("windspeed")
            .numeric("cnt")
            .categorical("hr")
            .categorical("weathersit")
            .set("judge", json!({ "min_records": 300, "drifted_columns": 2 }))
            .set("alert", json!({ "for": 2, "receivers": ["owner", "webhook"] }))
            .set("retrain.after", 3)
            .set("retrain.cool_down", "180d")
            .set("retrain.receivers", ["webhook", "training"])
            .write(self.monitor_file());
    }

    /// Changes the configuration of a daemon.
    pub fn configure(&self, daemon: &str, change: impl FnOnce(Config) -> Config) {
        edit(self.daemon_file(daemon), change);
    }

    /// Changes the monitor.
    pub fn configure_monitor(&self, change: impl FnOnce(Config) -> Config) {
        edit(self.monitor_file(), change);
    }

    /// The database, brought up to date.
    pub fn store(&self) -> Store {
        let _runtime = self.runtime.enter();
        let options = StoreOptions {
            url: self.database_url.clone(),
            password: None,
            tls: TlsMode::Auto,
            ca_file: None,
            max_connections: 5,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            application_name: "test".to_owned(),
            statement_cache: 100,
        };
        let store = Store::connect_lazily(&options).unwrap();
        self.runtime.block_on(async {
            store.migrate().await.unwrap();
            store.migrate().await.unwrap();
        });
        store
    }

    /// Keeps a copy of the database as it is now.
    pub fn back_up(&mut self) {
        let (backup, database) = (format!("{}_backup", self.database), self.database.clone());
        self.without_connections(&[format!("create database {backup} template {database}")]);
    }

    /// Sets the database back to the copy, as when a backup is restored.
    pub fn restore(&mut self) {
        let (backup, database) = (format!("{}_backup", self.database), self.database.clone());
        self.without_connections(&[
            format!("drop database {database} with (force)"),
            format!("create database {database} template {backup}"),
        ]);
    }

    fn without_connections(&mut self, statements: &[String]) {
        let (admin, url) = (self.admin_url.clone(), self.database_url.clone());
        let pool = self.pool.clone();
        self.pool = self.runtime.block_on(async {
            pool.close().await;
            let mut admin = PgConnection::connect(&admin).await.unwrap();
            for statement in statements {
                // The server notices only after a moment that those who were connected have gone.
                let mut outcome = Ok(sqlx::postgres::PgQueryResult::default());
                for _ in 0..50 {
                    outcome = sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut admin).await;
                    if outcome.is_ok() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                outcome.unwrap();
            }
            PgPool::connect(&url).await.unwrap()
        });
    }

    /// With connections to the database that took the place of the old one.
    pub fn reconnected(mut self) -> Self {
        self.pool = self.runtime.block_on(PgPool::connect(&self.database_url)).unwrap();
        self
    }

    pub fn daemon_file(&self, daemon: &str) -> PathBuf {
        self.folder.path().join(format!("{daemon}.toml"))
    }

    pub fn monitor_file(&self) -> PathBuf {
        self.folder.path().join("monitors.d/bike-demand.toml")
    }

    /// Runs a command of the program to its end.
    pub fn driftd(&self, arguments: &[&str]) -> String {
        let output =
            Command::new(program()).arg("--config").arg(self.daemon_file("a")).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let log = fs::read_to_string(self.folder.path().join("a.log")).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(15).collect();
        assert!(
            output.status.success(),
            "{arguments:?}: {text}{}\n--- the daemon's last words, newest first\n{}",
            String::from_utf8_lossy(&output.stderr),
            tail.join("\n")
        );
        text
    }

    /// Runs a command of the program, with a daemon's configuration, that may fail: exit code and what it said.
    pub fn attempt(&self, daemon: &str, arguments: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(program())
            .arg("--config")
            .arg(self.daemon_file(daemon))
            .args(arguments)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    }

    /// Builds the baseline from the training rows.
    pub fn build_baseline(&self, training: &[String]) {
        let file = self.folder.path().join("training.jsonl");
        fs::write(&file, training.join("\n")).unwrap();
        let (monitor, file) = (self.monitor_file(), file.display().to_string());
        self.driftd(&["baseline", "build", "--monitor", monitor.to_str().unwrap(), "--from", &file]);
    }

    pub fn start_daemon(&self, name: &str, fault: Option<&str>) -> Daemon {
        self.start_program(&program(), name, fault)
    }

    /// Starts a daemon of another program.
    pub fn start_program(&self, program: &Path, name: &str, fault: Option<&str>) -> Daemon {
        let log = self.folder.path().join(format!("{name}.log"));
        let mut command = Command::new(program);
        command.arg("--config").arg(self.daemon_file(name)).arg("run");
        if let Some(fault) = fault {
            command.env("DRIFTD_FAULT", fault);
        }
        let file = File::options().create(true).append(true).open(&log).unwrap();
        command.stdout(Stdio::null()).stderr(file);
        Daemon { child: command.spawn().unwrap(), log }
    }

    pub fn produce(&self, partition: i32, payload: &[u8]) {
        self.send(partition, Some(payload));
    }

    /// Writes records to the partitions in turns, beginning with one of them, and waits until the broker has them.
    pub fn produce_in_turns(&self, first: usize, records: &[String]) {
        for (index, record) in records.iter().enumerate() {
            self.produce(((first + index) % TOPIC_PARTITIONS as usize) as i32, record.as_bytes());
        }
        self.flush();
    }

    /// A message, without a value when there is no payload.
    pub fn send(&self, partition: i32, payload: Option<&[u8]>) {
        let mut record = BaseRecord::<(), [u8]>::to(&self.topic).partition(partition);
        record.payload = payload;
        while let Err((_, again)) = self.producer.send(record) {
            self.producer.poll(Duration::from_millis(20));
            record = again;
        }
        self.producer.poll(Duration::ZERO);
    }

    pub fn flush(&self) {
        // On a busy machine a broker may take its time.
        self.producer.flush(Duration::from_mins(2)).unwrap();
    }

    /// Gives the topic more partitions, and waits until the producer knows them.
    pub fn grow_topic(&self, partitions: i32) {
        self.runtime.block_on(async {
            let admin: AdminClient<DefaultClientContext> =
                ClientConfig::new().set("bootstrap.servers", &self.kafka).create().unwrap();
            let wanted = NewPartitions::new(&self.topic, partitions as usize);
            for outcome in admin.create_partitions(&[wanted], &AdminOptions::new()).await.unwrap() {
                outcome.unwrap();
            }
        });
        // On a busy machine a broker may take its time.
        let deadline = Instant::now() + Duration::from_mins(5);
        let known = || {
            let metadata = self.producer.client().fetch_metadata(Some(&self.topic), Duration::from_secs(5));
            let grown = |topic: &rdkafka::metadata::MetadataTopic| topic.partitions().len() == partitions as usize;
            metadata.is_ok_and(|metadata| metadata.topics().iter().any(grown))
        };
        while !known() {
            assert!(Instant::now() < deadline, "the topic did not grow to {partitions} partitions");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let (admin, database) = (self.admin_url.clone(), self.database.clone());
        self.runtime.block_on(async {
            self.pool.close().await;
            if let Ok(mut connection) = PgConnection::connect(&admin).await {
                for name in [format!("{database}_backup"), database] {
                    let text = format!("drop database if exists {name} with (force)");
                    let _cluster_goes_anyway = sqlx::query(AssertSqlSafe(text)).execute(&mut connection).await;
                }
            }
        });
    }
}

/// Asks until the answer is right; the last wrong one when time is up.
pub async fn until<T>(seconds: u64, mut ask: impl AsyncFnMut() -> Result<T, String>) -> Result<T, String> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        match ask().await {
            Err(state) if Instant::now() > deadline => return Err(state),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            answer => return answer,
        }
    }
}

pub async fn number(pool: &PgPool, query: &'static str) -> Result<i64, String> {
    sqlx::query_scalar(query).fetch_one(pool).await.map_err(|error| error.to_string())
}

async fn create_topics(kafka: &str, topics: &[(&str, i32)]) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", kafka).create().unwrap();
    let topics: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|(name, partitions)| NewTopic::new(name, *partitions, TopicReplication::Fixed(1)))
        .collect();
    for outcome in admin.create_topics(&topics, &AdminOptions::new()).await.unwrap() {
        outcome.unwrap();
    }
}

/// A port that nobody listens on and that this function returns once. It lies below the ephemeral ports, which the kernel gives
/// to listeners on port 0 and to outgoing connections.
pub fn free_port() -> u16 {
    const PORTS: std::ops::Range<u32> = 20_000..32_000;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Test programs that run at the same time begin at different places.
    let begin = std::process::id().wrapping_mul(997);
    loop {
        let next = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % (PORTS.end - PORTS.start);
        let port = u16::try_from(PORTS.start + next).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
