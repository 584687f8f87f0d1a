//! The application: builds everything that can fail, then runs. Edges do not know each other; what passes
//! between them passes here.

mod accounts;
mod backend;
mod backfill;
mod callbacks;
mod challenges;
mod clock;
mod close_windows;
mod counter;
mod dispatch;
mod false_alarms;
mod housekeeping;
mod ingest;
mod learn;
mod monitors;
mod notify_groups;
mod overview;
mod readers;
mod retention;
mod self_checks;
mod stalls;
mod start;
mod state;
mod status;
mod topics;
mod wiring;
mod workers;

pub use backfill::{BackfillEnd, BackfillError, BackfillNews, BackfillRequest, InputFile, backfill};
pub use clock::clock_now;
pub use false_alarms::{change_limits, false_alarms};
pub use monitors::TopicMatcher;
pub use retention::{DeletedRows, RetentionPlan, delete_old};
pub use status::{status, vocabulary};
pub use wiring::{ReceiverError, build_receiver, build_receivers, source_options, store_options};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use crate::config::{ConfigError, Settings, UnreadError};
use crate::http::{Listener, ListenerError, ListenerOptions};
use crate::kafka::{Producer, Source};
use crate::record::{TimeSpan, listed, number_of};
use crate::store::{Store, StoreError};
use crate::supervisor::{Supervisor, SupervisorError, TaskError};
use state::{InForce, Shared};

/// How long stopping may take.
const STOP_GRACE: Duration = Duration::from_secs(25);

/// Why the daemon could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Secrets that cannot be read here.
    #[error(transparent)]
    Unread(#[from] UnreadError),
    /// Receivers that cannot be used as configured.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Receivers(Vec<ReceiverError>),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Kafka(#[from] crate::kafka::KafkaError),
    #[error(transparent)]
    Listener(#[from] ListenerError),
    /// Something needed at start is taken or away.
    #[error("{0}")]
    Unavailable(String),
    /// It ran and then could not go on.
    #[error(transparent)]
    Stopped(#[from] SupervisorError),
}

/// Why the configuration in force stays.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The new one cannot be used.
    #[error(transparent)]
    Unusable(#[from] AppError),
    /// Reading it broke off.
    #[error(transparent)]
    BrokeOff(#[from] JoinError),
    /// It would open everything to everybody.
    #[error(
        "the listener is not on a loopback address, and all tokens were removed: every client that can connect would have full access\nhint: keep \
         `[[http.tokens]]`, or restart with `http.listen` on 127.0.0.1"
    )]
    Open,
    /// The daemon has not begun.
    #[error("driftd is still waiting for its database; restart it to load another configuration")]
    NotBegun,
}

/// Asks a running daemon to reload; answered with what is in force then, in words.
pub type ReloadRequest = oneshot::Sender<Result<String, ReloadError>>;

/// A daemon, built and not yet running.
pub struct App {
    settings: Settings,
    store: Store,
    listener: Listener,
    shared: Arc<Shared>,
    source: Source,
}

impl App {
    /// Builds everything that can be wrong without asking anybody: receivers, Kafka's clients, the listener. Kafka and the
    /// database may be away.
    ///
    /// # Errors
    /// When something is misconfigured, or the listener's address is taken.
    pub async fn build(settings: Settings) -> Result<Self, AppError> {
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        let producer = Producer::new(&source_options(&settings)?)?;
        let receivers = build_receivers(&settings, Some(&producer)).map_err(AppError::Receivers)?;
        let store = Store::connect_lazily(&store_options(&settings)?)?;
        let http = &settings.daemon.http;
        check_listener(&settings)?;
        let listening = ListenerOptions {
            address: http.listen,
            tls: http.tls.clone(),
            connections: http.max_connections,
            connections_per_peer: http.max_connections_per_peer,
        };
        let listener = Listener::bind(&listening).await?;
        let source = Source::start(&source_options(&settings)?)?;
        let private = settings.daemon.http.listen.ip().is_loopback();
        let in_force = InForce::new(&settings, &settings, receivers);
        let shared = Arc::new(Shared::new(in_force, private));
        Ok(Self { settings, store, listener, shared, source })
    }

    /// Where the listener is bound.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.listener.address()
    }

    /// Waits for the database, then runs until the token is cancelled; stores what was counted, leaves the group and ends.
    /// The listener answers from the beginning.
    ///
    /// # Errors
    /// When a task ends before it is told to, or the database refuses what this daemon needs of it.
    pub async fn run(
        self,
        stop: CancellationToken,
        mut reloads: mpsc::Receiver<ReloadRequest>,
    ) -> Result<(), AppError> {
        let Self { settings, store, listener, shared, source } = self;
        let commands = source.commands();
        let listen = listener.address().unwrap_or(settings.daemon.http.listen);
        let (name, group, path) =
            (settings.daemon.name.clone(), settings.daemon.kafka.group.clone(), settings.path.clone());
        let mut supervisor = Supervisor::default();
        let token = supervisor.token();
        let relay = token.clone();
        // Not a task of the supervisor: it ends when told to, and that is no failure.
        tokio::spawn(async move {
            stop.cancelled().await;
            relay.cancel();
        });
        let interval = settings.daemon.checkpoint.interval.to_std();
        let judge_interval = settings.daemon.checkpoint.judge_interval.to_std();
        // A reader that missed several checkpoints is taken to say nothing about its partitions.
        let reader_timeout = reader_timeout(&settings);
        let shown = backend::StoreBackend {
            store: store.clone(),
            shared: Arc::clone(&shared),
            commands: commands.clone(),
            reader_timeout,
        };
        let told = token.clone();
        supervisor.start("http", async move {
            listener.serve(Arc::new(shown), told).await;
            Ok(())
        });
        supervisor.start("watchdog", state::watchdog(Arc::clone(&shared), commands.clone(), token.clone()));
        let database = match start::wait_for_database(&store, &shared, &mut reloads, &token).await {
            Ok(Some(database)) => database,
            // Told to stop, or refused: nothing was read yet.
            ended => {
                token.cancel();
                let outcome = supervisor.run(STOP_GRACE).await;
                let _left_in_time = source.close(Duration::from_secs(5)).await;
                ended?;
                return Ok(outcome?);
            }
        };
        let (ingest_commands, ingest_inbox) = mpsc::channel(8);
        let ingest = ingest::Ingest::new(
            source,
            store.clone(),
            Arc::clone(&shared),
            ingest::Options {
                owner: settings.daemon.name.clone(),
                interval,
                counted_bytes: settings.daemon.limits.counted_bytes / 2,
                workers: worker_count(settings.daemon.limits.workers),
                revoke_budget: (settings.daemon.kafka.session_timeout.to_std() / 2)
                    .min(Duration::from_secs(20))
                    .mul_f64(0.9),
            },
        );
        supervisor.start("ingest", ingest.run(ingest_inbox, token.clone()));
        supervisor.start(
            "close windows",
            close_windows::run(
                store.clone(),
                commands.clone(),
                Arc::clone(&shared),
                judge_interval,
                reader_timeout,
                token.clone(),
            ),
        );
        supervisor.start("challenges", challenges::run(store.clone(), Arc::clone(&shared), token.clone()));
        supervisor.start("notify groups", notify_groups::run(store.clone(), Arc::clone(&shared), token.clone()));
        supervisor.start("dispatch", dispatch::run(store.clone(), Arc::clone(&shared), token.clone()));
        supervisor.start("retention", retention::run(store.clone(), Arc::clone(&shared), token.clone()));
        supervisor.start("self-checks", self_checks::run(store.clone(), Arc::clone(&shared), token.clone()));
        supervisor.start(
            "housekeeping",
            housekeeping::run(
                store.clone(),
                commands.clone(),
                Arc::clone(&shared),
                interval,
                reader_timeout,
                token.clone(),
            ),
        );
        let readers = readers::Readers::new(
            store.clone(),
            commands,
            Arc::clone(&shared),
            settings.daemon.kafka.group.clone(),
            settings.daemon.name.clone(),
            database,
        );
        supervisor.start("readers", readers.run(token.clone()));
        supervisor.start("reload", reload_loop(settings, Arc::clone(&shared), ingest_commands, reloads, token));
        let monitors = shared.monitors().len();
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(version, daemon = %name, %group, %listen, configuration = %path.display(), monitors, "driftd is running");
        let outcome = supervisor.run(STOP_GRACE).await;
        store.close().await;
        if outcome.is_ok() {
            tracing::info!("driftd has stopped");
        }
        Ok(outcome?)
    }
}

/// What `driftd check` can find wrong with the listener without binding it.
///
/// # Errors
/// When its certificate or key cannot be used.
pub fn check_listener(settings: &Settings) -> Result<(), AppError> {
    if let Some(files) = &settings.daemon.http.tls {
        crate::http::acceptor(files).map_err(ListenerError::from)?;
    }
    Ok(())
}

fn worker_count(configured: usize) -> usize {
    match configured {
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1)).max(1),
        workers => workers,
    }
}

/// Keys that are named at most after a reload.
const CHANGED_KEYS: usize = 20;

/// Takes reload requests: thresholds, receivers and monitors change at once or not at all.
async fn reload_loop(
    started: Settings,
    shared: Arc<Shared>,
    ingest: mpsc::Sender<ingest::Command>,
    mut requests: mpsc::Receiver<ReloadRequest>,
    stop: CancellationToken,
) -> Result<(), TaskError> {
    loop {
        let request = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            request = requests.recv() => request,
        };
        let Some(reply) = request else {
            // Nobody can ask now; that is no reason to end.
            stop.cancelled().await;
            return Ok(());
        };
        let outcome = reload(&started, &shared, &ingest).await;
        shared.metrics.reload(outcome.is_ok());
        match &outcome {
            Ok(Reloaded { summary, needs_restart }) => {
                tracing::info!("{summary}");
                if !needs_restart.is_empty() {
                    let keys = listed(needs_restart, CHANGED_KEYS);
                    tracing::warn!("settings changed that take effect only after a restart: {keys}");
                }
            }
            Err(error) => {
                tracing::error!("reload failed; the old configuration stays in force:");
                // As `check` shows it, a line each: a log has no lines within an entry.
                error.to_string().lines().for_each(|line| tracing::error!("{line}"));
            }
        }
        // The caller may have gone.
        let _asker_gone = reply.send(outcome.map(|reloaded| reloaded.summary));
    }
}

async fn reload(
    started: &Settings,
    shared: &Arc<Shared>,
    ingest: &mpsc::Sender<ingest::Command>,
) -> Result<Reloaded, ReloadError> {
    let (path, overrides) = (started.path.clone(), started.overrides.clone());
    let settings = tokio::task::spawn_blocking(move || crate::config::load_with(&path, &overrides))
        .await?
        .map_err(AppError::from)?;
    // The listener stays where it was bound, whatever the file says now.
    if !shared.is_private() && settings.daemon.http.tokens.is_empty() {
        return Err(ReloadError::Open);
    }
    let producer = Producer::new(&source_options(&settings)?).map_err(AppError::from)?;
    let receivers = build_receivers(&settings, Some(&producer)).map_err(AppError::Receivers)?;
    // Nothing below may fail.
    let needs_restart = settings.needs_restart(started);
    let in_force = InForce::new(&settings, started, receivers);
    let summary = format!(
        "reloaded: {}, {}",
        number_of(in_force.monitors.len(), "monitor"),
        number_of(in_force.receivers.len(), "receiver")
    );
    shared.replace(in_force);
    let (done, finished) = oneshot::channel();
    if ingest.send(ingest::Command::MonitorsChanged(done)).await.is_ok() {
        // An ingest that is stopping drops the sender.
        let _stopping = finished.await;
    }
    Ok(Reloaded { summary, needs_restart })
}

/// What a reload brought.
struct Reloaded {
    summary: String,
    /// Keys that were changed and are not in force.
    needs_restart: Vec<String>,
}

/// For how long the reader of a partition may be silent before it counts as gone.
fn reader_timeout(settings: &Settings) -> TimeSpan {
    settings.daemon.checkpoint.interval.times(2).plus(TimeSpan::seconds(2))
}
