//! What can be asked of the polling thread, and of the brokers through its client.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, Weak, mpsc};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::metadata::MetadataTopic;

use super::client::StartAt;
use super::context::CallbackContext;
use super::verify::Verifier;
use super::{Beginning, KafkaError, LogEnd, TopicNames, failed};
use crate::record::Offset;
use crate::window::{Anchor, Partition};

/// How long metadata and watermarks may take.
pub(super) const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// What the polling thread does between two polls.
pub(super) enum Command {
    Subscribe(Vec<String>),
    /// (Re)start partitions at offsets, under a generation.
    Start(Vec<Beginning>, u64),
    Commit(Vec<(Partition, Offset)>),
    ReadAnew,
}

/// Talks to the polling thread; cheap to clone.
#[derive(Clone)]
pub struct SourceCommands {
    pub(super) consumer: Weak<BaseConsumer<CallbackContext>>,
    pub(super) sender: mpsc::Sender<Command>,
    pub(super) shared: Arc<PollingState>,
    pub(super) verifier: Arc<Verifier>,
    pub(super) start: StartAt,
}

/// What the polling thread and those who talk to it share.
#[derive(Default)]
pub(super) struct PollingState {
    pub(super) in_flight: AtomicUsize,
    pub(super) limit: usize,
    pub(super) hold: AtomicBool,
    pub(super) paused: AtomicBool,
    pub(super) stop: AtomicBool,
    /// What offsets are committed with.
    pub(super) mark: OnceLock<String>,
    /// Turns of the poll loop: the sign of life the watchdog looks at.
    pub(super) turns: AtomicU64,
}

impl SourceCommands {
    /// Subscribes to topics; names that begin with `^` are patterns.
    pub fn subscribe(&self, topics: Vec<String>) {
        self.send(Command::Subscribe(topics));
    }

    /// Starts (or restarts) reading partitions at these offsets. Messages read before carry another generation.
    pub fn start(&self, positions: Vec<Beginning>, generation: u64) {
        self.send(Command::Start(positions, generation));
    }

    /// Has positions looked up and logs checked again, as after [`super::SourceEvent::Doubtful`].
    pub fn read_anew(&self) {
        self.send(Command::ReadAnew);
    }

    /// The partitions that are being read here.
    #[must_use]
    pub fn read_partitions(&self) -> Vec<Partition> {
        let Some(consumer) = self.consumer.upgrade() else { return Vec::new() };
        consumer.context().started.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Commits offsets to Kafka, for lag tools only.
    pub fn commit(&self, positions: Vec<(Partition, Offset)>) {
        self.send(Command::Commit(positions));
    }

    fn send(&self, command: Command) {
        if self.sender.send(command).is_err() {
            tracing::debug!("command ignored: the Kafka source is closed");
        }
    }

    /// Messages of this many bytes have been dealt with.
    pub fn done(&self, bytes: usize) {
        self.shared.in_flight.fetch_sub(bytes, Ordering::SeqCst);
    }

    /// Bytes handed out and not dealt with yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::SeqCst)
    }

    /// Pauses all partitions (polling goes on) until called again with `false`.
    pub fn hold(&self, hold: bool) {
        self.shared.hold.store(hold, Ordering::SeqCst);
    }

    /// Whether partitions are paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.shared.paused.load(Ordering::SeqCst)
    }

    /// Turns of the poll loop so far.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.shared.turns.load(Ordering::Relaxed)
    }

    /// What is known of the end of a partition's log.
    #[must_use]
    pub fn log_end(&self, partition: &Partition) -> Option<LogEnd> {
        self.consumer.upgrade()?.context().log_end(partition)
    }

    /// What all offsets are committed with from here on, for others of the group to see; only the first call counts.
    pub fn mark_commits(&self, mark: String) {
        let _first_counts = self.shared.mark.set(mark);
    }

    /// What was last committed for partitions of the group, by whomever: the offset and what it was marked with. Partitions
    /// without a commit are left out.
    ///
    /// # Errors
    /// When no broker answers within 10 s, or somebody marked a commit with what is no UTF-8.
    pub async fn committed(
        &self,
        partitions: Vec<Partition>,
    ) -> Result<Vec<(Partition, Offset, String)>, KafkaError> {
        self.ask(move |consumer| {
            let mut list = TopicPartitionList::new();
            for partition in &partitions {
                list.add_partition(&partition.topic, partition.partition);
            }
            let committed =
                consumer.committed_offsets(list, ASK_TIMEOUT).map_err(failed("read the committed offsets"))?;
            let found = committed.elements().into_iter().filter_map(|element| {
                let rdkafka::Offset::Offset(offset) = element.offset() else { return None };
                let partition = Partition { topic: element.topic().into(), partition: element.partition() };
                Some((partition, Offset::new(offset), element.metadata().to_owned()))
            });
            Ok(found.collect())
        })
        .await
    }

    /// Whether the group has let this member in and given it no partition.
    #[must_use]
    pub fn stands_by(&self) -> bool {
        self.consumer.upgrade().is_some_and(|consumer| consumer.context().stands_by())
    }

    /// What was wrong with the connections to the brokers in the last minute.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.consumer.upgrade()?.context().trouble.within(Duration::from_mins(1))
    }

    /// All partitions of the topics a filter accepts, as the brokers know them.
    ///
    /// # Errors
    /// When no broker answers within 10 s.
    pub async fn partitions(
        &self,
        wanted: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<Vec<Partition>, KafkaError> {
        self.ask(move |consumer| {
            let metadata =
                consumer.fetch_metadata(None, ASK_TIMEOUT).map_err(failed("read the metadata of topics"))?;
            let mut names = TopicNames::default();
            let mut partitions = Vec::new();
            let is_wanted = |topic: &&MetadataTopic| topic.error().is_none() && wanted(topic.name());
            for topic in metadata.topics().iter().filter(is_wanted) {
                let name = names.get(topic.name());
                partitions.extend(
                    topic
                        .partitions()
                        .iter()
                        .map(|partition| Partition { topic: Arc::clone(&name), partition: partition.id() }),
                );
            }
            Ok(partitions)
        })
        .await
    }

    /// The partitions of which another message lies at the offset of one that was counted: their logs were replaced. What no
    /// broker says within 2 s counts as the same.
    ///
    /// # Errors
    /// When the client refuses to read.
    pub async fn replaced(&self, anchors: Vec<(Partition, Anchor)>) -> Result<Vec<Partition>, KafkaError> {
        let verifier = Arc::clone(&self.verifier);
        blocking(move || verifier.replaced(&anchors)).await
    }

    /// Where a partition begins and ends.
    ///
    /// # Errors
    /// When no broker answers within 10 s.
    pub async fn ends(&self, partition: &Partition) -> Result<(Offset, Offset), KafkaError> {
        let partition = partition.clone();
        self.ask(move |consumer| {
            consumer
                .fetch_watermarks(&partition.topic, partition.partition, ASK_TIMEOUT)
                .map(|(low, high)| (Offset::new(low), Offset::new(high)))
                .map_err(failed(format!("read the watermarks of {partition}")))
        })
        .await
    }

    /// Asks the brokers through the client, which waits for the answer on a thread for that.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&BaseConsumer<CallbackContext>) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, KafkaError> {
        let consumer = self.consumer.upgrade().ok_or(KafkaError::Closed)?;
        let began = Instant::now();
        let context = Arc::clone(consumer.context());
        let answer = blocking(move || question(&consumer)).await;
        answer.map_err(|error| context.trouble.explain(error, began.elapsed()))
    }

    /// Where a monitor begins that was never started before.
    #[must_use]
    pub fn start_at(&self) -> StartAt {
        self.start
    }
}

/// Runs what waits for brokers on a thread for that. A panic of the client becomes an error.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, KafkaError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(KafkaError::BrokeOff(error.to_string())))
}
