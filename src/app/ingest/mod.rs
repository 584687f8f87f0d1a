//! From Kafka to checkpoints: the one owner of positions.
//!
//! Every assigned partition has a *base*, the stored position reading began at, and a *next*, up to which
//! messages were handed to the counting threads. A checkpoint moves all bases to nexts and stores the counts in
//! between, in one transaction. Whenever that cannot be done as thought (fenced, other bins, a lost
//! assignment) everything counted since is dropped, positions are read again, and reading goes on from
//! there under a new generation; messages of older generations are void.

mod lookup;
mod writer;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::monitors::{RunningMonitor, is_read, subscription};
use super::state::Shared;
use super::workers::{Pins, Workers};
use crate::kafka::{Beginning, Source, SourceCommands, SourceEvent};
use crate::store::{Fault, FaultKind, PositionMove, Store};
use crate::window::{Anchor, Partition};
use lookup::{Lookup, Positions, Start};
use writer::{Stored, Writer};

/// How long the task waits for a checkpoint when it has to have one before it goes on; well below the patience of
/// the watchdog.
const PATIENCE: Duration = Duration::from_secs(15);

/// Between two looks at a partition that is not read because of its position.
const LOOK_AT_STOPPED: Duration = Duration::from_secs(5);

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

#[derive(Clone, Copy, Debug)]
struct Position {
    base: i64,
    next: i64,
    anchor: Option<Anchor>,
    /// The anchor at the base, by which the log is to be the one that was read.
    stored: Option<Anchor>,
    resets: i32,
}

/// What was looked up for assigned partitions.
struct Claimed {
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
    /// Counts up whenever counts become void; messages of older generations are not counted.
    generation: u64,
    /// Whether the counting threads know their monitors.
    counting: bool,
    wanted: HashSet<Partition>,
    positions: HashMap<Partition, Position>,
    /// Partitions that are assigned and not read until somebody resets their position, with the time of the last look.
    stopped: HashMap<Partition, Instant>,
    checkpoint: Option<JoinHandle<Stored>>,
    claims: (mpsc::UnboundedSender<Claimed>, mpsc::UnboundedReceiver<Claimed>),
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
            generation: 1,
            counting: false,
            wanted: HashSet::new(),
            positions: HashMap::new(),
            stopped: HashMap::new(),
            checkpoint: None,
            claims: mpsc::unbounded_channel(),
        }
    }

    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Command>,
        stop: CancellationToken,
    ) -> Result<(), String> {
        let workers = Workers::start(self.options.workers, self.options.counted_bytes, &self.commands)
            .map_err(|error| format!("cannot start counting threads: {error}"))?;
        self.subscribe();
        let mut ticks = tokio::time::interval(self.options.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Turns even when nothing happens, as a sign of life.
        let mut heartbeat = tokio::time::interval(Duration::from_secs(1));
        loop {
            self.shared.ingest_turned();
            if !workers.all_alive() {
                return Err("a counting thread died".to_owned());
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.stop(&workers).await,
                stored = finished(&mut self.checkpoint) => self.settle(stored, &workers),
                Some(claimed) = self.claims.1.recv() => self.begin(claimed, &workers),
                Some(command) = inbox.recv() => self.obey(command, &workers).await,
                _ = ticks.tick() => self.start_checkpoint(&workers),
                _ = heartbeat.tick() => self.look_at_stopped(),
                () = workers.progress() => {}
                // Last: there may always be another message, and checkpoints must not wait for that to end. While the threads
                // hold as much as they may, messages stay where they are, and fetching pauses by their bytes.
                event = self.source.next(), if workers.takes_more() => match event {
                    Some(event) => self.handle(event, &workers).await?,
                    None => return Err("the polling thread ended".to_owned()),
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
            tracing::warn!("there is no monitor, so no topic to read");
            self.shared.kafka_ready();
            return;
        }
        tracing::info!(?topics, "subscribing");
        self.commands.subscribe(topics);
    }

    async fn handle(&mut self, event: SourceEvent, workers: &Workers) -> Result<(), String> {
        match event {
            SourceEvent::Messages(batch) => match self.positions.get_mut(&batch.partition) {
                Some(position) if batch.generation == self.generation => {
                    if batch.first_offset().is_some_and(|first| first < position.next) {
                        // Must not happen; if it does, these are messages that were counted before.
                        self.commands.done(batch.bytes());
                        self.reset("messages came twice");
                        return Ok(());
                    }
                    position.next = batch.next_offset().unwrap_or(position.next);
                    position.anchor = batch.anchor().or(position.anchor);
                    self.shared.counted();
                    workers.count(batch);
                }
                _ => self.commands.done(batch.bytes()),
            },
            SourceEvent::Assigned(partitions) => {
                tracing::info!(partitions = %list(&partitions), "assigned");
                self.wanted.extend(partitions.iter().cloned());
                self.claim(partitions);
            }
            SourceEvent::Revoked { partitions, lost, done } => {
                tracing::info!(partitions = %list(&partitions), lost, "revoked");
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
                self.reset("the logs are checked to be the ones that were read");
            }
            SourceEvent::AtEnd { partition, generation, next } => {
                if let Some(position) =
                    self.positions.get_mut(&partition).filter(|_| generation == self.generation)
                {
                    position.next = position.next.max(next);
                }
            }
            SourceEvent::Fatal(error) => return Err(error),
        }
        Ok(())
    }

    /// Looks positions and pins up in the background; the answer comes as [`Claimed`]. Partitions of topics that no monitor
    /// reads any more are left alone until the group takes them back: reading them would move their positions past records
    /// that nobody counted.
    fn claim(&self, mut partitions: Vec<Partition>) {
        partitions.retain(|partition| is_read(&self.monitors, &partition.topic));
        let lookup = Lookup {
            store: self.store.clone(),
            commands: self.commands.clone(),
            shared: Arc::clone(&self.shared),
            monitors: Arc::clone(&self.monitors),
        };
        let (answer, generation) = (self.claims.0.clone(), self.generation);
        tokio::spawn(async move {
            let (pins, positions) = lookup.until_it_works(&partitions).await;
            // The receiver lives as long as the task.
            let _stopping = answer.send(Claimed { generation, pins: Arc::new(pins), positions });
        });
    }

    /// Starts reading claimed partitions.
    fn begin(&mut self, claimed: Claimed, workers: &Workers) {
        if claimed.generation != self.generation {
            return;
        }
        if self.counting {
            workers.repin(&claimed.pins);
        } else {
            workers.reset(&self.monitors, &claimed.pins);
            self.counting = true;
        }
        let mut start = Vec::new();
        for (partition, Start { offset, anchor, resets, newest }) in claimed.positions {
            // One that is being read already was claimed twice in a row; reading it again would count it twice.
            if self.wanted.contains(&partition) && !self.positions.contains_key(&partition) {
                workers.assign(&partition, newest);
                self.positions.insert(
                    partition.clone(),
                    Position { base: offset, next: offset, anchor: None, stored: anchor, resets },
                );
                start.push(Beginning { partition, offset, anchor });
            }
        }
        start.sort_by(|left, right| left.partition.cmp(&right.partition));
        // What was stopped is tried every now and then, without a word.
        if start.iter().any(|begin| !self.stopped.contains_key(&begin.partition)) {
            let positions: Vec<String> =
                start.iter().map(|begin| format!("{}@{}", begin.partition, begin.offset)).collect();
            tracing::info!(?positions, "reading");
        }
        // The database answers: an aborted checkpoint may have left everything on hold.
        self.commands.hold(false);
        self.commands.start(start, self.generation);
        self.shared.kafka_ready();
    }

    /// Drops everything counted since the last checkpoint and reads positions again.
    fn reset(&mut self, reason: &str) {
        tracing::warn!(reason, "dropping counts since the last checkpoint and reading positions again");
        if let Some(running) = self.checkpoint.take() {
            // Whatever became of it: the positions that are read again say so.
            running.abort();
        }
        self.generation += 1;
        self.counting = false;
        self.positions.clear();
        if self.wanted.is_empty() {
            self.shared.stored(false);
        }
        let wanted: Vec<Partition> = self.wanted.iter().cloned().collect();
        self.claim(wanted);
    }

    /// Stores what was counted of partitions that go elsewhere, if there is time.
    async fn give_up(&mut self, partitions: &[Partition], lost: bool, workers: &Workers) {
        let budget = self.options.revoke_budget;
        let stored = !lost && matches!(tokio::time::timeout(budget, self.checkpoint_now(workers)).await, Ok(true));
        for partition in partitions {
            self.wanted.remove(partition);
            self.stopped.remove(partition);
        }
        if stored {
            for partition in partitions {
                self.positions.remove(partition);
            }
        } else {
            // Counts of all partitions are added up, so those of the lost ones cannot be taken out.
            self.reset(if lost { "partitions were lost" } else { "partitions were revoked before a checkpoint" });
        }
    }

    /// Stores a checkpoint and waits for it; `false` when what was counted is void.
    async fn checkpoint_now(&mut self, workers: &Workers) -> bool {
        let generation = self.generation;
        // First the one that is under way, if any, then one for what was counted since; no event is handled
        // in between, so there is nothing left after that.
        loop {
            if self.checkpoint.is_some() {
                let stored = finished(&mut self.checkpoint).await;
                self.settle(stored, workers);
            }
            if self.generation != generation {
                return false;
            }
            if self.positions.values().all(|position| position.base == position.next) {
                return true;
            }
            self.start_checkpoint(workers);
        }
    }

    fn start_checkpoint(&mut self, workers: &Workers) {
        if self.checkpoint.is_some() || self.positions.is_empty() {
            return;
        }
        let positions: Vec<PositionMove> = self
            .positions
            .iter()
            .map(|(partition, position)| {
                let end = self.commands.log_end(partition);
                PositionMove {
                    partition: partition.clone(),
                    base: position.base,
                    next: position.next,
                    anchor: position.anchor,
                    resets: position.resets,
                    // Everything the client handed out has reached the counting threads, and it is at the end.
                    caught_up: end.is_some_and(|end| end.reached && position.next >= end.readable),
                }
            })
            .collect();
        let writer = Writer {
            store: self.store.clone(),
            shared: Arc::clone(&self.shared),
            commands: self.commands.clone(),
            monitors: Arc::clone(&self.monitors),
            owner: self.options.owner.clone(),
            shard: self.shard,
        };
        // A topic is replaced as a whole, so one of its partitions tells.
        let mut anchors: HashMap<&str, (Partition, Anchor)> = HashMap::new();
        for (partition, position) in &self.positions {
            if let Some(anchor) = position.stored.filter(|_| position.next != position.base) {
                anchors.entry(&partition.topic).or_insert_with(|| (partition.clone(), anchor));
            }
        }
        let anchors = anchors.into_values().collect();
        let deltas = workers.flush();
        self.checkpoint = Some(tokio::spawn(async move { writer.write(positions, anchors, deltas).await }));
    }

    /// Takes note of how a checkpoint went.
    fn settle(&mut self, stored: Stored, workers: &Workers) {
        self.checkpoint = None;
        match stored {
            Stored::Done { moved, pins } => {
                for position in &moved {
                    if let Some(known) = self.positions.get_mut(&position.partition) {
                        known.base = position.next;
                        known.stored = position.anchor.or(known.stored);
                    }
                    if position.next != position.base {
                        self.stopped.remove(&position.partition);
                    }
                }
                self.shared.stored(self.positions.values().any(|position| position.base != position.next));
                if let Some(pins) = pins {
                    workers.repin(&pins);
                }
                let courtesy = moved.into_iter().filter(|position| position.next != position.base);
                self.commands.commit(courtesy.map(|position| (position.partition, position.next)).collect());
                self.shared.stored.notify_one();
            }
            Stored::Void(reason) => self.reset(reason),
        }
    }

    async fn cross_gap(&mut self, partition: Partition, position: i64, low: i64, high: i64, workers: &Workers) {
        if position > high {
            let detail = format!(
                "the position {position} lies beyond the end of the log, {high}: the topic was deleted and created again, or cut off by \
                 an unclean election of a leader"
            );
            return self.stop_reading(partition, FaultKind::BeyondEnd, detail, workers).await;
        }
        if !matches!(tokio::time::timeout(PATIENCE, self.checkpoint_now(workers)).await, Ok(true)) {
            self.reset("a gap was met before a checkpoint");
            return;
        }
        let Some(known) = self.positions.get(&partition).copied() else { return };
        if low <= known.base {
            // Only the message before the position is gone, by which the log was to be known.
            let begin = Beginning { partition, offset: known.base, anchor: None };
            return self.commands.start(vec![begin], self.generation);
        }
        tracing::error!(%partition, from = known.base, to = low, "messages were deleted before they could be read");
        match self.store.record_gap(&partition, known.base, low).await {
            Ok(true) => {
                self.positions.insert(
                    partition.clone(),
                    Position { base: low, next: low, anchor: None, stored: None, ..known },
                );
                let begin = Beginning { partition, offset: low, anchor: None };
                self.commands.start(vec![begin], self.generation);
            }
            Ok(false) => self.reset("another daemon moved a position"),
            Err(error) => {
                self.shared.database(Err(error.to_string()));
                self.reset("a gap could not be recorded");
            }
        }
    }

    /// Stops reading a partition whose log is not the one that its position belongs to: going on would skip or mix records.
    async fn stop_reading(&mut self, partition: Partition, kind: FaultKind, detail: String, workers: &Workers) {
        if !self.stopped.contains_key(&partition) {
            tracing::error!(
                %partition, %detail,
                "the partition is not read any more\nhint: `driftd positions reset {partition} --to earliest` goes on with what is there now"
            );
        }
        self.stopped.insert(partition.clone(), Instant::now());
        // What was counted of it until now is true.
        let stored = tokio::time::timeout(PATIENCE, self.checkpoint_now(workers)).await;
        let fault = Fault { partition: partition.clone(), kind, detail };
        if let Err(error) = self.store.note_fault(&fault).await {
            self.shared.database(Err(error.to_string()));
        }
        if matches!(stored, Ok(true)) {
            self.positions.remove(&partition);
        } else {
            self.reset("a partition was stopped before a checkpoint");
        }
    }

    /// Looks whether somebody has reset the position of a partition that is not read.
    fn look_at_stopped(&mut self) {
        let due: Vec<Partition> = self
            .stopped
            .iter()
            .filter(|(_, looked)| looked.elapsed() >= LOOK_AT_STOPPED)
            .map(|(partition, _)| partition.clone())
            .collect();
        if due.is_empty() {
            return;
        }
        for looked in self.stopped.values_mut() {
            *looked = Instant::now();
        }
        self.claim(due);
    }

    async fn obey(&mut self, command: Command, workers: &Workers) {
        let Command::MonitorsChanged(done) = command;
        // Without a checkpoint in time its records are read again, for the new monitors.
        let _void_or_stored = tokio::time::timeout(PATIENCE, self.checkpoint_now(workers)).await;
        self.monitors = Arc::new(self.shared.monitors());
        self.subscribe();
        self.reset("monitors changed");
        // Whoever asked may have gone.
        let _asker_gone = done.send(());
    }

    async fn stop(mut self, workers: &Workers) -> Result<(), String> {
        let stored = tokio::time::timeout(PATIENCE, self.checkpoint_now(workers)).await;
        if !matches!(stored, Ok(true)) {
            tracing::warn!("stopping without a last checkpoint: its records will be read again");
        }
        if !self.source.close(Duration::from_secs(8)).await {
            tracing::warn!("the consumer did not close in time; the group notices by its session timeout");
        }
        Ok(())
    }
}

/// Waits for a running checkpoint; for ever when there is none.
async fn finished(checkpoint: &mut Option<JoinHandle<Stored>>) -> Stored {
    match checkpoint {
        Some(running) => running.await.unwrap_or(Stored::Void("a checkpoint was aborted")),
        None => std::future::pending().await,
    }
}

fn list(partitions: &[Partition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
