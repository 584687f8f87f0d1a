//! The world of a test: what it is made of, how its daemons are configured and started, and its end.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rdkafka::ClientConfig;
use rdkafka::producer::BaseProducer;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::{
    Config, DAEMONS, Daemon, Services, TOPIC_PARTITIONS, WINDOW_DAYS, Webhooks, edit, free_port, http, private,
    program, topic,
};

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
    pub(super) client: reqwest::Client,
    pub(super) admin_url: String,
    pub(super) database: String,
    pub(super) producer: BaseProducer,
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
            topic::create(&services.kafka, &[(&topic, TOPIC_PARTITIONS), (&retraining_topic, 1)]).await;
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

    /// Where the configuration of a daemon is.
    pub fn daemon_file(&self, daemon: &str) -> PathBuf {
        self.folder.path().join(format!("{daemon}.toml"))
    }

    /// Where the monitor is.
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

    /// Builds the baseline from the training rows without their times: how their windows differ is not known then, so that small logs
    /// drift.
    pub fn build_baseline(&self, training: &[String]) {
        let file = self.folder.path().join("training.jsonl");
        let untimed = training.iter().map(|row| {
            let mut row: serde_json::Value = serde_json::from_str(row).unwrap();
            row.as_object_mut().unwrap().remove("ts");
            row.to_string()
        });
        fs::write(&file, untimed.collect::<Vec<_>>().join("\n")).unwrap();
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
