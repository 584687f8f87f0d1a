//! From Kafka to checkpoints. [`ledger`] decides what is counted, stored and dropped, and explains why every message is
//! counted once; this task asks it about every event and does what it says: it hands messages to the counting threads, has
//! checkpoints stored and positions looked up in the background, and tells the client where to read.

mod ledger;
mod log_faults;
mod lookup;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::monitors::{RunningMonitor, is_read, subscription};
use super::state::Shared;
use super::workers::{AssignedState, Pins, Workers};
use crate::kafka::{Beginning, KafkaError, Source, SourceCommands, SourceEvent};
use crate::record::Offset;
use crate::store::{FaultKind, Store};
use crate::supervisor::TaskError;
use crate::window::Partition;
use ledger::{DueCheckpoint, Handling, Ledger, ReceivedMessages, Started};
use lookup::{PositionLookup, Positions, Start};
use writer::{Stored, Writer};

/// How long the task waits for a checkpoint when it has to have one before it goes on; well below the patience of
/// the watchdog.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why nothing more is read or counted.
#[derive(Debug, thiserror::Error)]
enum IngestError {
    /// There are no threads to count with.
    #[error("cannot start counting threads: {0}")]
    Start(#[source] std::io::Error),
    /// One of them panicked.
    #[error("a counting thread died")]
    Died,
    /// Nothing comes from Kafka any more.
    #[error("the polling thread ended")]
    NoEvents,
}

/// What the task is asked from outside.
pub(super) enum Command {
    /// Monitors were replaced; answered when the new ones count.
    MonitorsChanged(oneshot::Sender<()>),
}

/// How it works.
pub(super) struct Options {
    /// Who writes, for people.
    pub owner: String,
    /// Between checkpoints.
    pub interval: Duration,
    /// Counting threads.
    pub workers: usize,
    /// Bytes of what is counted and not being stored yet.
    pub counted_bytes: usize,
    /// How long a revocation may be held up.
    pub revoke_budget: Duration,
}

/// What was looked up for assigned partitions.
struct LookedUp {
    generation: u64,
    pins: Arc<Pins>,
    positions: Positions,
}

pub(super) struct Ingest {
    source: Source,
    commands: SourceCommands,
    store: Store,
    shared: Arc<Shared>,
    options: Options,
    shard: i16,
    monitors: Arc<Vec<Arc<RunningMonitor>>>,
    ledger: Ledger,
    /// Whether the counting threads know their monitors.
    counting: bool,
    /// The checkpoint that is under way.
    checkpoint: Option<JoinHandle<Stored>>,
    look_ups: (mpsc::UnboundedSender<LookedUp>, mpsc::UnboundedReceiver<LookedUp>),
}

impl Ingest {
    pub(super) fn new(source: Source, store: Store, shared: Arc<Shared>, options: Options) -> Self {
        let commands = source.commands();
        let hash = xxhash_rust::xxh3::xxh3_64(options.owner.as_bytes());
        Self {
            source,
            commands,
            store,
            monitors: Arc::new(shared.monitors()),
            shared,
            shard: i16::try_from(hash % 16).unwrap_or(0),
            options,
            ledger: Ledger::new(),
            counting: false,
            checkpoint: None,
            look_ups: mpsc::unbounded_channel(),
        }
    }

    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Command>,
        stop: CancellationToken,
    ) -> Result<(), TaskError> {
        let workers = Workers::start(self.options.workers, self.options.counted_bytes, &self.commands)
            .map_err(IngestError::Start)?;
        self.subscribe();
        let mut ticks = tokio::time::interval(self.options.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Turns even when nothing happens, as a sign of life.
        let mut heartbeat = tokio::time::interval(Duration::from_secs(1));
        loop {
            self.shared.ingest_turned();
            if !workers.all_alive() {
                return Err(IngestError::Died.into());
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    self.stop(&workers).await;
                    return Ok(());
                }
                stored = finished(&mut self.checkpoint) => self.settle(stored, &workers),
                Some(found) = self.look_ups.1.recv() => self.start(found, &workers),
                Some(command) = inbox.recv() => self.obey(command, &workers).await,
                _ = ticks.tick() => self.start_checkpoint(&workers),
                _ = heartbeat.tick() => self.retry_stopped(),
                () = workers.progress() => {}
                // Last: there may always be another message, and checkpoints must not wait for that to end. While the threads
                // hold as much as they may, messages stay where they are, and fetching pauses by their bytes.
                event = self.source.next(), if workers.takes_more() => match event {
                    Some(event) => self.handle(event, &workers).await?,
                    None => return Err(IngestError::NoEvents.into()),
                },
            }
            if workers.crowded() {
                self.start_checkpoint(&workers);
            }
            self.shared.metrics.counted_bytes(workers.counted_bytes());
        }
    }

    fn subscribe(&self) {
        let topics = subscription(&self.monitors);
        if topics.is_empty() {
            tracing::warn!("no monitor is configured; no topic is read");
            self.shared.kafka_ready();
            return;
        }
        tracing::info!(?topics, "subscribing");
        self.commands.subscribe(topics);
    }

    async fn handle(&mut self, event: SourceEvent, workers: &Workers) -> Result<(), KafkaError> {
        match event {
            SourceEvent::Messages(batch) => {
                let received = ReceivedMessages {
                    generation: batch.generation,
                    first: batch.first_offset(),
                    next: batch.next_offset(),
                    anchor: batch.anchor(),
                };
                match self.ledger.received(&batch.partition, received) {
                    Handling::Count => {
                        self.shared.counted();
                        workers.count(batch);
                    }
                    Handling::Drop => self.commands.done(batch.bytes()),
                    // The client must not hand them out twice.
                    Handling::Repeated => {
                        self.commands.done(batch.bytes());
                        self.void("the Kafka client delivered messages twice");
                    }
                }
            }
            SourceEvent::Assigned(partitions) => {
                tracing::info!(partitions = %list(&partitions), "partitions assigned");
                self.ledger.assigned(&partitions);
                self.look_up(partitions);
            }
            SourceEvent::Revoked { partitions, lost, done } => {
                tracing::info!(partitions = %list(&partitions), lost, "partitions revoked");
                self.give_up(&partitions, lost, workers).await;
                drop(done);
            }
            SourceEvent::Gone { partition, position, low, high } => {
                self.cross_gap(partition, position, low, high, workers).await;
            }
            SourceEvent::Replaced { partition, offset } => {
                let detail = format!(
                    "the message at offset {offset} is not the one that was counted last: the topic was deleted and created again, or \
                     restored from elsewhere"
                );
                self.stop_reading(partition, FaultKind::Replaced, detail, workers).await;
            }
            SourceEvent::Doubtful => {
                let _void_or_stored = tokio::time::timeout(PATIENCE, self.checkpoint_now(workers)).await;
                self.void("a topic may have been deleted and created again");
            }
            SourceEvent::AtEnd { partition, generation, next } => {
                self.ledger.at_end(&partition, generation, next);
            }
            SourceEvent::Fatal(error) => return Err(error),
        }
        Ok(())
    }

    /// Looks positions and pins up in the background; the answer comes as [`LookedUp`]. Partitions of topics that no monitor
    /// reads now are left alone until the group takes them back: reading them would move their positions past records
    /// that nobody counted.
    fn look_up(&self, mut partitions: Vec<Partition>) {
        partitions.retain(|partition| is_read(&self.monitors, &partition.topic));
        let lookup = PositionLookup {
            store: self.store.clone(),
            commands: self.commands.clone(),
            shared: Arc::clone(&self.shared),
            monitors: Arc::clone(&self.monitors),
        };
        let (answer, generation) = (self.look_ups.0.clone(), self.ledger.generation());
        tokio::spawn(async move {
            let (pins, positions) = lookup.until_it_works(&partitions).await;
            // The receiver lives as long as the task.
            let _stopping = answer.send(LookedUp { generation, pins: Arc::new(pins), positions });
        });
    }

    /// Starts reading partitions whose positions were looked up.
    fn start(&mut self, found: LookedUp, workers: &Workers) {
        let LookedUp { generation, pins, mut positions } = found;
        let stored = positions.iter().map(|(partition, start)| (partition.clone(), start.position));
        let Some(Started { beginnings, is_news }) = self.ledger.found(generation, stored) else { return };
        if self.counting {
            workers.repin(&pins);
        } else {
            workers.reset(&self.monitors, &pins);
            self.counting = true;
        }
        for Beginning { partition, .. } in &beginnings {
            let stored = positions
                .remove(partition)
                .map(|Start { newest, detectors, .. }| AssignedState { newest, detectors });
            workers.assign(partition, stored.unwrap_or_default());
        }
        if is_news {
            let at = |begin: &Beginning| format!("{}@{}", begin.partition, begin.offset);
            let positions: Vec<String> = beginnings.iter().map(at).collect();
            tracing::info!(?positions, "reading started");
        }
        // The database answers: a checkpoint that was aborted may have left everything on hold.
        self.commands.hold(false);
        self.commands.start(beginnings, generation);
        self.shared.kafka_ready();
    }

    /// Drops what was counted since the last checkpoint, if anything was, and looks all positions up again.
    fn void(&mut self, reason: &str) {
        self.void_and_leave(reason, &[]);
    }

    /// As [`Self::void`], for a daemon that has these partitions no more.
    fn void_and_leave(&mut self, reason: &str, revoked: &[Partition]) {
        if self.ledger.is_stored() {
            tracing::info!(reason, "looking up all positions again");
        } else {
            tracing::warn!(reason, "counts since the last checkpoint are dropped; their records are read again");
        }
        if let Some(running) = self.checkpoint.take() {
            // The positions that are looked up say whether it was stored.
            running.abort();
        }
        self.ledger.revoked(revoked);
        self.ledger.void();
        self.counting = false;
        let partitions = self.ledger.partitions();
        if partitions.is_empty() {
            self.shared.stored(false);
        }
        self.look_up(partitions);
    }

    /// Stores what was counted of partitions that go elsewhere, if there is time.
    async fn give_up(&mut self, partitions: &[Partition], lost: bool, workers: &Workers) {
        let budget = self.options.revoke_budget;
        let stored = !lost && matches!(tokio::time::timeout(budget, self.checkpoint_now(workers)).await, Ok(true));
        if stored {
            self.ledger.revoked(partitions);
        } else {
            let why = if lost { "partitions were lost" } else { "partitions were revoked before a checkpoint" };
            self.void_and_leave(why, partitions);
        }
    }

    /// Stores a checkpoint and waits for it; `false` when what was counted is void.
    async fn checkpoint_now(&mut self, workers: &Workers) -> bool {
        let generation = self.ledger.generation();
        // First the one that is under way, if any, then one for what was counted since; no event is handled
        // in between, so there is nothing left after that.
        loop {
            if self.checkpoint.is_some() {
                let stored = finished(&mut self.checkpoint).await;
                self.settle(stored, workers);
            }
            if self.ledger.generation() != generation {
                return false;
            }
            if self.ledger.is_stored() {
                return true;
            }
            self.start_checkpoint(workers);
        }
    }

    fn start_checkpoint(&mut self, workers: &Workers) {
        if self.checkpoint.is_some() {
            return;
        }
        // Everything the client handed out has reached the counting threads: what is at the end now is at the end.
        let is_at_end = |partition: &Partition, next: Offset| {
            self.commands.log_end(partition).is_some_and(|end| end.reached && next >= end.readable)
        };
        let Some(DueCheckpoint { moves, anchors }) = self.ledger.checkpoint(is_at_end) else { return };
        let writer = Writer {
            store: self.store.clone(),
            shared: Arc::clone(&self.shared),
            commands: self.commands.clone(),
            monitors: Arc::clone(&self.monitors),
            owner: self.options.owner.clone(),
            shard: self.shard,
        };
        let deltas = workers.flush();
        self.checkpoint = Some(tokio::spawn(async move { writer.write(moves, anchors, deltas).await }));
    }

    /// Takes note of how a checkpoint went.
    fn settle(&mut self, stored: Stored, workers: &Workers) {
        self.checkpoint = None;
        match stored {
            Stored::Done { moved, pins } => {
                let moved = self.ledger.stored(moved);
                self.shared.stored(!self.ledger.is_stored());
                if let Some(pins) = pins {
                    workers.repin(&pins);
                }
                // A courtesy to those who look at the group's lag.
                self.commands.commit(moved);
                self.shared.stored.notify_one();
            }
            Stored::Void(reason) => self.void(&reason),
        }
    }

    async fn obey(&mut self, command: Command, workers: &Workers) {
        let Command::MonitorsChanged(done) = command;
        // Without a checkpoint in time its records are read again, for the new monitors.
        let _void_or_stored = tokio::time::timeout(PATIENCE, self.checkpoint_now(workers)).await;
        self.monitors = Arc::new(self.shared.monitors());
        self.subscribe();
        self.void("monitors changed");
        // The caller may have gone.
        let _asker_gone = done.send(());
    }

    async fn stop(mut self, workers: &Workers) {
        let stored = tokio::time::timeout(PATIENCE, self.checkpoint_now(workers)).await;
        if !matches!(stored, Ok(true)) {
            tracing::warn!(
                "shutdown without a final checkpoint; the records counted since the last one will be read again"
            );
        }
        if !self.source.close(Duration::from_secs(8)).await {
            tracing::warn!(
                "the consumer did not close in time; its group will remove it after the session timeout"
            );
        }
    }
}

/// Waits for a running checkpoint; for ever when there is none.
async fn finished(checkpoint: &mut Option<JoinHandle<Stored>>) -> Stored {
    match checkpoint {
        Some(running) => running.await.unwrap_or_else(|_| Stored::Void("a checkpoint was aborted".to_owned())),
        None => std::future::pending().await,
    }
}

fn list(partitions: &[Partition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
