//! The counting threads: each owns the decoders and counting machines of all monitors for its share of the
//! partitions. What they counted is added up at a checkpoint; sums do not care who counted.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::sync::{Notify, oneshot};

use super::counter::MonitorCounter;
use super::monitors::RunningMonitor;
use crate::kafka::{MessageBatch, SourceCommands};
use crate::record::EventTime;
use crate::store::PartitionDetectors;
use crate::window::{BinningPins, MonitorDelta, Partition};

/// Pins by monitor.
pub(super) type Pins = HashMap<String, Arc<BinningPins>>;
/// Deltas by monitor.
pub(super) type Deltas = HashMap<String, MonitorDelta>;

/// What is stored of a partition that was assigned.
#[derive(Debug, Default)]
pub(super) struct AssignedState {
    /// The newest event time of each monitor.
    pub(super) newest: HashMap<String, EventTime>,
    /// The states of detectors, by monitor.
    pub(super) detectors: PartitionDetectors,
}

/// Batches that wait for a counting thread at most, a thread each: what is not handed over cannot grow what is counted.
const WAITING: usize = 2;

enum Work {
    Batch(MessageBatch),
    Assign(Partition, AssignedState),
    Repin(Arc<Pins>),
    Reset(Arc<Vec<Arc<RunningMonitor>>>, Arc<Pins>),
    Flush(oneshot::Sender<Deltas>),
}

/// The threads.
pub(super) struct Workers {
    senders: Vec<mpsc::Sender<Work>>,
    threads: Vec<JoinHandle<()>>,
    load: Arc<Load>,
}

/// What the threads have to do and hold.
#[derive(Default)]
struct Load {
    /// Some thread holds as much as it may between two checkpoints.
    crowded: AtomicBool,
    /// Batches that were handed over and not counted yet.
    waiting: AtomicUsize,
    /// Bytes of what each thread counted since the last checkpoint, roughly.
    counted: Vec<AtomicUsize>,
    /// A batch was counted.
    progress: Notify,
}

impl Workers {
    /// `budget` is for what all threads have counted and not handed over; about as much is being stored at the same time.
    pub(super) fn start(number: usize, budget: usize, source: &SourceCommands) -> std::io::Result<Self> {
        let number = number.max(1);
        let load =
            Arc::new(Load { counted: (0..number).map(|_| AtomicUsize::new(0)).collect(), ..Load::default() });
        let mut senders = Vec::new();
        let mut threads = Vec::new();
        for index in 0..number {
            let (sender, work) = mpsc::channel();
            let mut worker = Worker {
                monitors: Vec::new(),
                source: source.clone(),
                load: Arc::clone(&load),
                index,
                budget: budget / number,
            };
            let name = format!("count-{index}");
            threads.push(std::thread::Builder::new().name(name).spawn(move || {
                while let Ok(item) = work.recv() {
                    worker.work(item);
                }
            })?);
            senders.push(sender);
        }
        Ok(Self { senders, threads, load })
    }

    /// A thread that panicked took its counts with it: the process must not go on.
    pub(super) fn all_alive(&self) -> bool {
        self.threads.iter().all(|thread| !thread.is_finished())
    }

    fn send(&self, index: usize, work: Work) {
        if let Some(sender) = self.senders.get(index) {
            // A dead thread is found by `all_alive`.
            let _dead = sender.send(work);
        }
    }

    fn of(&self, partition: &Partition) -> usize {
        let mut hasher = DefaultHasher::new();
        partition.hash(&mut hasher);
        usize::try_from(hasher.finish() % self.senders.len().max(1) as u64).unwrap_or(0)
    }

    pub(super) fn count(&self, batch: MessageBatch) {
        self.load.waiting.fetch_add(1, Ordering::SeqCst);
        self.send(self.of(&batch.partition), Work::Batch(batch));
    }

    pub(super) fn assign(&self, partition: &Partition, stored: AssignedState) {
        self.send(self.of(partition), Work::Assign(partition.clone(), stored));
    }

    pub(super) fn repin(&self, pins: &Arc<Pins>) {
        for index in 0..self.senders.len() {
            self.send(index, Work::Repin(Arc::clone(pins)));
        }
    }

    /// Forgets everything counted since the last flush.
    pub(super) fn reset(&self, monitors: &Arc<Vec<Arc<RunningMonitor>>>, pins: &Arc<Pins>) {
        for index in 0..self.senders.len() {
            self.send(index, Work::Reset(Arc::clone(monitors), Arc::clone(pins)));
        }
    }

    /// Asks every thread for what it counted of the batches sent so far.
    pub(super) fn flush(&self) -> Vec<oneshot::Receiver<Deltas>> {
        self.load.crowded.store(false, Ordering::SeqCst);
        (0..self.senders.len())
            .map(|index| {
                let (reply, deltas) = oneshot::channel();
                self.send(index, Work::Flush(reply));
                deltas
            })
            .collect()
    }

    /// Whether some thread holds so much that a checkpoint is due.
    pub(super) fn crowded(&self) -> bool {
        self.load.crowded.load(Ordering::SeqCst)
    }

    /// Whether more may be handed over now.
    pub(super) fn takes_more(&self) -> bool {
        !self.crowded() && self.load.waiting.load(Ordering::SeqCst) < WAITING * self.senders.len()
    }

    /// Waits until a batch was counted.
    pub(super) async fn progress(&self) {
        self.load.progress.notified().await;
    }

    /// Bytes of what was counted since the last checkpoint, roughly.
    pub(super) fn counted_bytes(&self) -> usize {
        self.load.counted.iter().map(|bytes| bytes.load(Ordering::Relaxed)).sum()
    }
}

struct Worker {
    monitors: Vec<MonitorCounter>,
    source: SourceCommands,
    load: Arc<Load>,
    index: usize,
    /// Bytes that it may hold between two checkpoints.
    budget: usize,
}

impl Worker {
    fn work(&mut self, work: Work) {
        match work {
            Work::Batch(batch) => {
                let bytes = batch.bytes();
                self.count(&batch);
                drop(batch);
                self.source.done(bytes);
                self.load.waiting.fetch_sub(1, Ordering::SeqCst);
                self.load.progress.notify_one();
            }
            Work::Assign(partition, stored) => {
                for worker in &mut self.monitors {
                    worker.assign(&partition, &stored);
                }
            }
            Work::Repin(pins) => {
                for worker in &mut self.monitors {
                    if let Some(pins) = pins.get(&worker.running.monitor.name) {
                        worker.machine.repin(Arc::clone(pins));
                    }
                }
            }
            Work::Reset(monitors, pins) => {
                self.monitors = monitors
                    .iter()
                    .filter_map(|running| {
                        let pins = pins.get(&running.monitor.name)?;
                        let counting = running.monitor.counting.clone();
                        let mut counter = MonitorCounter::new(running, counting, Arc::clone(pins));
                        counter.machine.detect(running.monitor.record_detectors());
                        Some(counter)
                    })
                    .collect();
            }
            Work::Flush(reply) => {
                let deltas = self
                    .monitors
                    .iter_mut()
                    .map(|worker| (worker.running.monitor.name.clone(), worker.take_delta()))
                    .collect();
                self.weigh();
                // The caller may have been stopped; then everything is read again anyway.
                let _asker_gone = reply.send(deltas);
            }
        }
    }

    fn count(&mut self, batch: &MessageBatch) {
        for worker in &mut self.monitors {
            if !worker.running.topics.matches(&batch.partition.topic) {
                continue;
            }
            worker.count(batch);
        }
        self.weigh();
    }

    /// Tells how much is held.
    fn weigh(&self) {
        let bytes: usize = self.monitors.iter().map(|worker| worker.machine.bytes()).sum();
        if let Some(counted) = self.load.counted.get(self.index) {
            counted.store(bytes, Ordering::Relaxed);
        }
        if bytes > self.budget {
            self.load.crowded.store(true, Ordering::SeqCst);
        }
    }
}
