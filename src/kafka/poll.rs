//! What the polling thread does: it polls, does what it is asked between two polls, gathers messages into batches and notices
//! logs that are not what they were.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, TopicPartitionList};
use tokio::sync::mpsc::UnboundedSender;

use super::commands::{ASK_TIMEOUT, Command, PollingState};
use super::context::CallbackContext;
use super::subscription::Subscription;
use super::{Beginning, COMPLAIN_EVERY, KafkaError, MessageBatch, SourceEvent, TopicNames};
use crate::record::{EventTime, Offset};
use crate::telemetry::Complaints;
use crate::window::{Anchor, Partition};

/// Messages of a partition handed over at once, at most.
const BATCH_MESSAGES: usize = 1_000;
/// How long a poll waits for a message.
const POLL_WAIT: Duration = Duration::from_millis(50);
/// A message waits no longer than this for others of its partition.
const FLUSH_AFTER: Duration = Duration::from_millis(100);
/// Statistics taken sooner than this after a start or a pause may still tell of what was before.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// Between two looks at positions because a topic was unknown.
const DOUBT_EVERY: Duration = Duration::from_secs(10);

pub(super) struct Poller<'a> {
    consumer: &'a BaseConsumer<CallbackContext>,
    events: UnboundedSender<SourceEvent>,
    shared: Arc<PollingState>,
    topics: TopicNames,
    subscription: Subscription,
    open: HashMap<Partition, MessageBatch>,
    last_flush: Instant,
    generations: HashMap<Partition, u64>,
    positions: HashMap<Partition, Offset>,
    /// Partitions whose first message is still to come: where handing out begins, and what lies before that.
    expected: HashMap<Partition, (Offset, Anchor)>,
    last_doubt: Option<Instant>,
    complaints: Complaints,
    last_search: Option<Instant>,
    /// When partitions were last started, paused or resumed.
    disturbed_at: Instant,
    /// The statistics that were looked at for the ends of logs.
    ends_seen: u64,
}

impl<'a> Poller<'a> {
    pub(super) fn new(
        consumer: &'a BaseConsumer<CallbackContext>,
        events: UnboundedSender<SourceEvent>,
        shared: Arc<PollingState>,
    ) -> Self {
        Self {
            consumer,
            events,
            shared,
            topics: TopicNames::default(),
            subscription: Subscription::default(),
            open: HashMap::new(),
            last_flush: Instant::now(),
            generations: HashMap::new(),
            positions: HashMap::new(),
            expected: HashMap::new(),
            last_doubt: None,
            complaints: Complaints::every(COMPLAIN_EVERY),
            last_search: None,
            disturbed_at: Instant::now(),
            ends_seen: 0,
        }
    }

    /// Polls until it is told to stop, or the client cannot go on.
    pub(super) fn run(&mut self, commands: &mpsc::Receiver<Command>) {
        while !self.shared.stop.load(Ordering::SeqCst) {
            self.shared.turns.fetch_add(1, Ordering::Relaxed);
            while let Ok(command) = commands.try_recv() {
                self.obey(command);
            }
            self.subscribe();
            self.balance_pressure();
            match self.consumer.poll(POLL_WAIT) {
                None => self.flush(),
                Some(Ok(message)) => {
                    self.take(&message);
                    // While one partition never pauses, the quiet ones must not wait for it to.
                    if self.last_flush.elapsed() > FLUSH_AFTER {
                        self.flush();
                    }
                }
                Some(Err(error)) => {
                    self.flush();
                    if !self.handle(error) {
                        return;
                    }
                }
            }
            self.report_ends();
        }
        self.flush();
    }

    /// Moves past what lies at the end of a log and is handed to no consumer. A position that is moved too far loses
    /// messages, so nothing is concluded from statistics that may be older than the last start or pause.
    fn report_ends(&mut self) {
        let delivered = self.consumer.context().delivered(&mut self.ends_seen, self.disturbed_at + SETTLED_AFTER);
        if delivered.is_empty() || self.shared.paused.load(Ordering::SeqCst) {
            return;
        }
        self.flush();
        for (partition, end) in delivered {
            let Some(generation) = self.generations.get(&partition).copied() else { continue };
            let Some(position) = self.positions.get_mut(&partition).filter(|at| **at < end.readable) else {
                continue;
            };
            *position = end.readable;
            tracing::debug!(%partition, next = %end.readable, "end of the log reached; the remaining offsets hold no messages for consumers");
            // The receiver is gone only when everything stops anyway.
            let _stopping = self.events.send(SourceEvent::AtEnd { partition, generation, next: end.readable });
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Subscribe(topics) => {
                if self.subscription.want(topics) {
                    tracing::debug!("subscription changes when the assignment of the group is stable");
                }
            }
            Command::Start(positions, generation) => self.start(positions, generation),
            // The receiver is gone only when everything stops anyway.
            Command::ReadAnew => drop(self.events.send(SourceEvent::Doubtful)),
            Command::Commit(positions) => {
                let mut list = TopicPartitionList::new();
                for (partition, offset) in positions {
                    if self.is_started(&partition) {
                        // Only an offset out of range fails, and this one comes from the log.
                        let _valid = list.add_partition_offset(
                            &partition.topic,
                            partition.partition,
                            rdkafka::Offset::Offset(offset.number()),
                        );
                        let element = list.find_partition(&partition.topic, partition.partition);
                        if let (Some(mut element), Some(mark)) = (element, self.shared.mark.get()) {
                            element.set_metadata(mark);
                        }
                    }
                }
                if list.count() > 0
                    && let Err(error) = self.consumer.commit(&list, CommitMode::Async)
                {
                    tracing::debug!(%error, "cannot commit offsets to Kafka; positions in the database are not affected");
                }
            }
        }
    }

    fn subscribe(&mut self) {
        let steady = || self.consumer.context().steady();
        let again = self.subscription.has_begun();
        let Some(topics) = self.subscription.due(steady, Instant::now()) else { return };
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        if again {
            tracing::debug!(topics = ?names, "leaving the consumer group to join it with other topics");
            self.consumer.unsubscribe();
        }
        if let Err(error) = self.consumer.subscribe(&names) {
            tracing::error!(%error, topics = ?names, "cannot subscribe to topics");
        }
    }

    fn is_started(&self, partition: &Partition) -> bool {
        self.consumer.context().started.lock().unwrap_or_else(PoisonError::into_inner).contains(partition)
    }

    /// Starts partitions, those that are being read already from another position.
    fn start(&mut self, positions: Vec<Beginning>, generation: u64) {
        // What is started begins unpaused, so nothing may stay paused beside it; if need be everything is paused
        // again at the next turn.
        if self.shared.paused.load(Ordering::SeqCst) {
            self.pause_all(false);
        }
        self.disturbed_at = Instant::now();
        let mut stop = TopicPartitionList::new();
        let mut start = TopicPartitionList::new();
        let mut started = self.consumer.context().started.lock().unwrap_or_else(PoisonError::into_inner);
        for Beginning { partition, offset, anchor } in positions {
            // The group may have taken it back while its position was looked up.
            if !self.consumer.context().owns(&partition) {
                continue;
            }
            if !started.insert(partition.clone()) {
                stop.add_partition(&partition.topic, partition.partition);
            }
            // With an anchor reading begins at it, to see whether it is the same message.
            let first = anchor.map_or(offset, |anchor| anchor.offset);
            let _valid = start.add_partition_offset(
                &partition.topic,
                partition.partition,
                rdkafka::Offset::Offset(first.number()),
            );
            match anchor {
                Some(anchor) => self.expected.insert(partition.clone(), (offset, anchor)),
                None => self.expected.remove(&partition),
            };
            self.open.remove(&partition);
            self.generations.insert(partition.clone(), generation);
            self.positions.insert(partition, first);
        }
        drop(started);
        let stopped = if stop.count() > 0 { self.consumer.incremental_unassign(&stop) } else { Ok(()) };
        if let Err(error) = stopped.and_then(|()| self.consumer.incremental_assign(&start)) {
            tracing::error!(%error, "cannot start reading partitions");
        }
        self.disturbed_at = Instant::now();
    }

    /// Pauses when too much is in flight, resumes at half of it. Polling goes on, so the group stays.
    fn balance_pressure(&mut self) {
        let in_flight = self.shared.in_flight.load(Ordering::SeqCst);
        let hold = self.shared.hold.load(Ordering::SeqCst);
        let paused = self.shared.paused.load(Ordering::SeqCst);
        let pause = hold || in_flight > self.shared.limit;
        // A partition that is not paused must never be resumed: librdkafka would read it again.
        if pause == paused || (paused && in_flight > self.shared.limit / 2) {
            return;
        }
        tracing::debug!(pause, in_flight, hold, "back-pressure changed");
        self.pause_all(pause);
    }

    fn pause_all(&mut self, pause: bool) {
        let mut list = TopicPartitionList::new();
        for partition in self.consumer.context().started.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            list.add_partition(&partition.topic, partition.partition);
        }
        let outcome = if pause { self.consumer.pause(&list) } else { self.consumer.resume(&list) };
        self.disturbed_at = Instant::now();
        match outcome {
            Ok(()) => self.shared.paused.store(pause, Ordering::SeqCst),
            Err(error) => tracing::warn!(%error, pause, "cannot pause or resume partitions; retrying"),
        }
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let partition = Partition { topic: self.topics.get(message.topic()), partition: message.partition() };
        let Some(generation) = self.generations.get(&partition).copied() else { return };
        let offset = Offset::new(message.offset());
        let time = message.timestamp().to_millis().and_then(EventTime::from_millis);
        if let Some((begins_at, anchor)) = self.expected.get(&partition).copied() {
            if offset == anchor.offset && Anchor::of(offset, time, message.payload()) != anchor {
                self.stop_reading(&partition);
                let _stopping = self.events.send(SourceEvent::Replaced { partition, offset: anchor.offset });
                return;
            }
            if offset < begins_at {
                return;
            }
            // The anchor may be gone: retention and compaction take messages, too.
            self.expected.remove(&partition);
        }
        let batch = self
            .open
            .entry(partition)
            .or_insert_with_key(|partition| MessageBatch::new(partition.clone(), generation));
        batch.push(message, offset, time);
        if batch.len() >= BATCH_MESSAGES || batch.bytes() > self.shared.limit / 8 {
            let partition = batch.partition.clone();
            if let Some(batch) = self.open.remove(&partition) {
                self.hand_over(batch);
            }
        }
    }

    /// Stops one partition; it stays assigned.
    fn stop_reading(&mut self, partition: &Partition) {
        self.open.remove(partition);
        self.expected.remove(partition);
        self.generations.remove(partition);
        self.positions.remove(partition);
        let mut list = TopicPartitionList::new();
        let mut started = self.consumer.context().started.lock().unwrap_or_else(PoisonError::into_inner);
        if started.remove(partition) {
            list.add_partition(&partition.topic, partition.partition);
        }
        drop(started);
        if let Err(error) = self.consumer.incremental_unassign(&list) {
            tracing::warn!(%error, %partition, "cannot stop reading a partition");
        }
    }

    fn flush(&mut self) {
        self.last_flush = Instant::now();
        let batches: Vec<MessageBatch> = self.open.drain().map(|(_, batch)| batch).collect();
        for batch in batches {
            self.hand_over(batch);
        }
    }

    fn hand_over(&mut self, batch: MessageBatch) {
        if let Some(next) = batch.next_offset() {
            self.positions.insert(batch.partition.clone(), next);
        }
        self.shared.in_flight.fetch_add(batch.bytes(), Ordering::SeqCst);
        if self.events.send(SourceEvent::Messages(batch)).is_err() {
            self.shared.stop.store(true, Ordering::SeqCst);
        }
    }

    /// `false` when the client cannot go on.
    fn handle(&mut self, error: ClientError) -> bool {
        match error {
            // The statistics say more about the end of a log than this, which does not even name the topic.
            ClientError::PartitionEOF(_) => {}
            ClientError::MessageConsumption(
                RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
            ) => {
                // The error comes with every poll until the partition is started elsewhere.
                if self.last_search.is_none_or(|at| at.elapsed() > Duration::from_secs(2)) {
                    self.last_search = Some(Instant::now());
                    self.find_gone();
                }
            }
            ClientError::MessageConsumption(
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopicId
                | RDKafkaErrorCode::FencedLeaderEpoch
                | RDKafkaErrorCode::UnknownLeaderEpoch,
            ) => {
                self.doubt(&error.to_string());
            }
            ClientError::MessageConsumptionFatal(code) => {
                // The receiver is gone only when everything stops anyway.
                let _stopping = self.events.send(SourceEvent::Fatal(KafkaError::Fatal(code)));
                return false;
            }
            other => {
                let text = other.to_string();
                if self.complaints.is_due("", &text) {
                    tracing::warn!(error = %text, "the Kafka client reports an error; polling continues");
                }
            }
        }
        true
    }

    /// Has positions looked up and logs checked again, once in a while; nothing while nothing is read.
    fn doubt(&mut self, why: &str) {
        if self.generations.is_empty() || self.last_doubt.is_some_and(|at| at.elapsed() < DOUBT_EVERY) {
            return;
        }
        self.last_doubt = Some(Instant::now());
        tracing::warn!(
            reason = why,
            "a topic may have been deleted and created again; looking up all positions again"
        );
        let _stopping = self.events.send(SourceEvent::Doubtful);
    }

    /// Some position is outside its log; the error does not say whose.
    fn find_gone(&mut self) {
        let started: Vec<Partition> = self
            .consumer
            .context()
            .started
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect();
        let mut found = false;
        for partition in started {
            let Some(position) = self.positions.get(&partition).copied() else {
                // It was reported before, and stays outside until somebody resets its position.
                found = true;
                continue;
            };
            match self.consumer.fetch_watermarks(&partition.topic, partition.partition, ASK_TIMEOUT) {
                Ok(ends) if position.number() < ends.0 || position.number() > ends.1 => {
                    let (low, high) = (Offset::new(ends.0), Offset::new(ends.1));
                    // One report is enough; a new start brings the position back.
                    self.positions.remove(&partition);
                    found = true;
                    let _stopping = self.events.send(SourceEvent::Gone { partition, position, low, high });
                }
                Ok(_) => {}
                Err(error) => {
                    found = true;
                    tracing::warn!(%error, %partition, "cannot read the watermarks of a partition");
                }
            }
        }
        if !found {
            // It was outside a moment ago: the log was made anew, and has grown past the position since.
            self.doubt("a position was outside its log and is inside it again");
        }
    }
}
