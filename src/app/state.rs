//! What tasks share: the monitors and receivers in force, signs of life, metrics.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::monitors::RunningMonitor;
use crate::alert::{OperationalLimits, Routing};
use crate::config::Settings;
use crate::http::{Access, Probe};
use crate::kafka::SourceCommands;
use crate::notify::{Circuit, Receiver};
use crate::record::number_of;
use crate::retention::Retention;
use crate::store::StoreError;
use crate::supervisor::TaskError;
use crate::telemetry::{Complaints, Metrics};
use crate::view::ConfiguredValue;
use crate::window::WindowLength;

/// A receiver with its limits.
pub struct RunningReceiver {
    /// How it is told.
    pub receiver: Receiver,
    /// Messages about alerts in an hour at most.
    pub max_per_hour: Option<u32>,
    /// Messages under way at the same time.
    pub concurrency: u32,
}

/// Receivers by name.
pub type Receivers = BTreeMap<String, Arc<RunningReceiver>>;

/// The configuration in force: replaced as a whole, so that a task that takes it once sees one configuration.
pub struct InForce {
    /// What is watched.
    pub monitors: Vec<Arc<RunningMonitor>>,
    /// Who can be told.
    pub receivers: Receivers,
    /// How alerts are told.
    pub routing: Arc<Routing>,
    /// From where on the daemon's own work is a problem.
    pub operations: OperationalLimits,
    /// How long what is stored is kept.
    pub retention: Retention,
    /// What the pages of alerts begin with.
    pub external_url: Option<String>,
    /// What training systems sign their reports with.
    pub callback_secret: Option<SecretString>,
    /// What MLflow signs its webhooks with.
    pub mlflow_secret: Option<SecretString>,
    /// Who may look and change.
    pub access: Arc<Access>,
    /// Every key with its value and where it was set.
    pub configuration: Vec<ConfiguredValue>,
}

impl InForce {
    /// As configured, with these receivers, in a daemon that started with the settings `started`.
    #[must_use]
    pub fn new(settings: &Settings, started: &Settings, receivers: Receivers) -> Self {
        let http = &settings.daemon.http;
        Self {
            monitors: super::monitors::runtime(settings),
            receivers,
            routing: Arc::clone(&settings.routing),
            operations: settings.operations,
            retention: settings.daemon.retention,
            external_url: http.external_url.clone(),
            callback_secret: http.callback_secret.clone(),
            mlflow_secret: http.mlflow_secret.clone(),
            access: Arc::new(Access {
                tokens: http.tokens.clone(),
                external_url: http.external_url.clone(),
                secure: http.tls.is_some()
                    || http.external_url.as_deref().is_some_and(|url| url.starts_with("https://")),
            }),
            configuration: settings.in_force(started),
        }
    }
}

/// Counts that could not be stored for this long make the daemon unready, and for as long as [`UNSTORED_STUCK`] unhealthy, when
/// nothing tells why.
const UNSTORED_UNREADY: Duration = Duration::from_mins(1);
/// See [`UNSTORED_UNREADY`].
const UNSTORED_STUCK: Duration = Duration::from_mins(5);

/// A loop that has not turned for this long is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// Between two complaints about the same.
const COMPLAIN_EVERY: Duration = Duration::from_mins(10);

/// Shared by all tasks.
pub struct Shared {
    in_force: RwLock<Arc<InForce>>,
    private: bool,
    /// Hosts that are left alone for a while.
    pub circuit: Mutex<Circuit>,
    /// Counts up with every reload.
    pub version: AtomicU64,
    /// Something was stored that may make windows due.
    pub stored: Notify,
    /// Something was put into the outbox, or receivers changed.
    pub outbox: Notify,
    /// An alert changed: its groups are due.
    pub alerts: Notify,
    /// Windows were closed: a challenger may have one that its champion has, too.
    pub windows_closed: Notify,
    /// Exported numbers.
    pub metrics: Metrics,
    /// What was logged lately.
    pub complaints: Complaints,
    /// Lengths of windows that this configuration has brought into force.
    lengths: Mutex<HashMap<String, WindowLength>>,
    life: Mutex<Life>,
    ingest_turns: AtomicU64,
}

struct Life {
    /// Why the database could not be asked.
    database_error: Option<String>,
    /// Topics of the configuration that do not exist, in words.
    missing_topics: Vec<String>,
    /// Since when there has been something counted and not stored.
    unstored_since: Option<Instant>,
    /// Why the last checkpoint could not be stored: reading may go on well while nothing can be written.
    write_error: Option<String>,
    kafka_ready: bool,
    ingest_seen: (u64, Instant),
    poll_seen: (u64, Instant),
}

impl Shared {
    pub(super) fn new(in_force: InForce, private: bool) -> Self {
        let now = Instant::now();
        Self {
            in_force: RwLock::new(Arc::new(in_force)),
            private,
            circuit: Mutex::default(),
            version: AtomicU64::new(0),
            stored: Notify::new(),
            outbox: Notify::new(),
            alerts: Notify::new(),
            windows_closed: Notify::new(),
            metrics: Metrics::default(),
            complaints: Complaints::every(COMPLAIN_EVERY),
            lengths: Mutex::default(),
            life: Mutex::new(Life {
                database_error: None,
                unstored_since: None,
                missing_topics: Vec::new(),
                write_error: None,
                kafka_ready: false,
                ingest_seen: (0, now),
                poll_seen: (0, now),
            }),
            ingest_turns: AtomicU64::new(0),
        }
    }

    /// The configuration in force. A decision takes it once.
    pub fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The monitors in force.
    pub fn monitors(&self) -> Vec<Arc<RunningMonitor>> {
        self.in_force().monitors.clone()
    }

    /// Whether only this machine reaches the listener.
    pub fn is_private(&self) -> bool {
        self.private
    }

    pub(super) fn replace(&self, in_force: InForce) {
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(in_force);
        self.version.fetch_add(1, Ordering::SeqCst);
        self.outbox.notify_waiters();
    }

    fn life(&self) -> std::sync::MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The database answered a question, or did not. Logged when that changes. Says nothing about whether it can be
    /// written to.
    pub fn database(&self, outcome: Result<(), &StoreError>) {
        let mut life = self.life();
        match (&outcome, &life.database_error) {
            (Err(error), None) => {
                tracing::error!(%error, "the database is unavailable; reading pauses until it is available again");
            }
            (Ok(()), Some(_)) => tracing::info!("the database is available again"),
            _ => {}
        }
        self.metrics.database(outcome.is_ok() && life.write_error.is_none());
        life.database_error = outcome.err().map(ToString::to_string);
    }

    /// Which topics of the configuration do not exist, in words. Logged when that changes.
    pub(super) fn topics_missing(&self, missing: Vec<String>) {
        let mut life = self.life();
        if life.missing_topics != missing {
            for topic in &missing {
                tracing::warn!(
                    "{topic}; nothing is read from it\nhint: `driftd check --online` lists existing topics"
                );
            }
            life.missing_topics = missing;
        }
    }

    /// Whether the length of a monitor's windows has not been brought into force yet.
    pub(super) fn length_is_new(&self, monitor: &str, length: &WindowLength) -> bool {
        self.lengths.lock().unwrap_or_else(PoisonError::into_inner).get(monitor) != Some(length)
    }

    /// It has been now.
    pub(super) fn length_is_proposed(&self, monitor: &str, length: &WindowLength) {
        self.lengths.lock().unwrap_or_else(PoisonError::into_inner).insert(monitor.to_owned(), length.clone());
    }

    /// Something was counted that is to be stored.
    pub(super) fn counted(&self) {
        self.life().unstored_since.get_or_insert_with(Instant::now);
    }

    /// A checkpoint was stored; whether more was counted in the meantime.
    pub(super) fn stored(&self, more: bool) {
        self.life().unstored_since = more.then(Instant::now);
    }

    /// A checkpoint was stored, or could not be. Logged when that changes.
    pub fn written(&self, outcome: Result<(), &StoreError>) {
        let mut life = self.life();
        match (&outcome, &life.write_error) {
            (Err(error), None) => {
                tracing::error!(%error, "cannot store a checkpoint; reading pauses until checkpoints can be stored again");
            }
            (Ok(()), Some(_)) => tracing::info!("checkpoints can be stored again"),
            _ => {}
        }
        self.metrics.database(outcome.is_ok());
        if outcome.is_ok() {
            life.database_error = None;
        }
        life.write_error = outcome.err().map(ToString::to_string);
    }

    /// The daemon waits for the database that it has never reached; set by the task that waits.
    pub(super) fn waits_for_database(&self, error: &StoreError) {
        self.metrics.database(false);
        self.life().database_error = Some(error.to_string());
    }

    /// Partitions are assigned and being read (or there are none to read).
    pub fn kafka_ready(&self) {
        self.life().kafka_ready = true;
    }

    /// The ingest task turned once.
    pub fn ingest_turned(&self) {
        self.ingest_turns.fetch_add(1, Ordering::Relaxed);
    }

    /// Is the process making progress? A database or broker that is away does not count against it.
    pub(super) fn health(&self, commands: &SourceCommands) -> Probe {
        let mut life = self.life();
        let mut problems = Vec::new();
        let turns = [("ingest", self.ingest_turns.load(Ordering::Relaxed)), ("poll", commands.turns())];
        for (name, turns) in turns {
            let seen = if name == "poll" { &mut life.poll_seen } else { &mut life.ingest_seen };
            if seen.0 != turns {
                *seen = (turns, Instant::now());
            } else if seen.1.elapsed() > STUCK_AFTER {
                problems.push(format!("the {name} loop has not turned for {} s", seen.1.elapsed().as_secs()));
            }
        }
        // A database that is known to be away is waited for: a restart would not bring it back.
        if let Some(age) = unstored(&life).filter(|age| *age > UNSTORED_STUCK && life.database_error.is_none()) {
            problems.push(format!("nothing was stored for {} s although records were counted", age.as_secs()));
        }
        Probe::new(problems)
    }

    /// Can the daemon do its work now? One that the group has given no partition is there to take over, and has nothing to
    /// write meanwhile.
    pub(super) fn readiness(&self, commands: &SourceCommands) -> Probe {
        let life = self.life();
        // Without its topics a daemon has no partition because there is none.
        let standby = commands.stands_by() && life.missing_topics.is_empty();
        let mut problems = Vec::new();
        if commands.stands_by() || !life.kafka_ready {
            problems.extend(life.missing_topics.iter().cloned());
        }
        problems.extend(life.database_error.clone());
        problems.extend(life.write_error.clone().filter(|_| !standby));
        if let Some(age) = unstored(&life).filter(|age| *age > UNSTORED_UNREADY) {
            problems.push(format!("nothing was stored for {} s although records were counted", age.as_secs()));
        }
        if !life.kafka_ready && !standby {
            let trouble = commands.trouble().map(|trouble| format!(": {trouble}")).unwrap_or_default();
            problems.push(format!("no partition has been assigned yet{trouble}"));
        }
        Probe { standby, ..Probe::new(problems) }
    }
}

/// How long something has been counted and not stored.
fn unstored(life: &Life) -> Option<Duration> {
    life.unstored_since.map(|since| since.elapsed())
}

/// What a daemon does that has no partition.
const STANDBY: &str = "standby: the consumer group has assigned no partition to this daemon";

/// Tells systemd how things are: ready once, a status line, and the watchdog only while loops turn.
pub(super) async fn watchdog(
    shared: Arc<Shared>,
    commands: SourceCommands,
    stop: CancellationToken,
) -> Result<(), TaskError> {
    use sd_notify::NotifyState;
    // Without a socket these do nothing; a socket that does not answer is systemd's problem to show.
    let tell = |states: &[NotifyState<'_>]| {
        if let Err(error) = sd_notify::notify(states) {
            tracing::debug!(%error, "cannot notify the service manager");
        }
    };
    tell(&[NotifyState::Ready]);
    let interval = sd_notify::watchdog_enabled().map_or(Duration::from_secs(10), |limit| limit / 3);
    let mut ticks = tokio::time::interval(interval.clamp(Duration::from_millis(200), Duration::from_secs(10)));
    let mut stood_by = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => {
                tell(&[NotifyState::Stopping]);
                return Ok(());
            }
            _ = ticks.tick() => {
                shared.metrics.checkpoint_age(unstored(&shared.life()).unwrap_or_default().as_secs_f64());
                let health = shared.health(&commands);
                let ready = shared.readiness(&commands);
                let status = match ready.problems.first().or(health.problems.first()) {
                    Some(problem) => format!("degraded: {problem}"),
                    None if ready.standby => STANDBY.to_owned(),
                    None => {
                        let monitors = number_of(shared.monitors().len(), "monitor");
                        format!("{monitors}, {} bytes in flight", commands.in_flight())
                    },
                };
                if ready.standby && !stood_by {
                    tracing::info!("{STANDBY}");
                }
                stood_by = ready.standby;
                // A status is one line.
                tell(&[NotifyState::Status(status.lines().next().unwrap_or_default())]);
                if health.ok {
                    tell(&[NotifyState::Watchdog]);
                }
            }
        }
    }
}
