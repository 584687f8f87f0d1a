//! Reading a range of a partition's log, beside everybody else: no group is joined, nothing is committed.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::client::SourceOptions;
use super::context::CallbackContext;
use super::{KafkaError, MessageBatch, beside, failed};
use crate::record::{EventTime, Offset};
use crate::window::Partition;

/// Messages of a batch at most.
const MESSAGES: usize = 1_000;
/// Bytes of a batch from which on it takes no further message.
const BYTES: usize = 1 << 20;

/// Part of the log of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRange {
    pub partition: Partition,
    /// The offset of the first message.
    pub from: Offset,
    /// The offset behind the last message.
    pub to: Offset,
}

/// What comes next of a range.
#[derive(Debug)]
pub enum RangeStep {
    /// Messages. Those before [`RangeReader::position`] were handed out.
    Messages(MessageBatch),
    /// Nothing came for now.
    Nothing,
    /// All of the range was handed out.
    End,
    /// The log begins later by now: retention took messages that were to be read.
    Gone,
}

/// Reads ranges one after the other.
pub struct RangeReader {
    consumer: BaseConsumer<CallbackContext>,
    patience: Duration,
    range: Option<LogRange>,
}

impl RangeReader {
    /// A client that reads nothing yet. `patience` is how long questions to the brokers may take.
    ///
    /// # Errors
    /// When the settings cannot be used, or there is no token to log in with.
    pub fn new(options: &SourceOptions, patience: Duration) -> Result<Self, KafkaError> {
        let consumer = beside::consumer(options, |config| {
            // A position that is not in the log any more is said, not skipped.
            config.set("auto.offset.reset", "error").set("enable.partition.eof", "true");
        })?;
        beside::log_in(&consumer, patience)?;
        Ok(Self { consumer, patience, range: None })
    }

    /// All partitions of the topics that are wanted, in order.
    ///
    /// # Errors
    /// When the brokers cannot be asked.
    pub fn partitions(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<Partition>, KafkaError> {
        beside::partitions(&self.consumer, self.patience, wanted)
    }

    /// Where the log of a partition begins and ends.
    ///
    /// # Errors
    /// When the brokers cannot be asked.
    pub fn ends(&self, partition: &Partition) -> Result<(Offset, Offset), KafkaError> {
        let ask = || self.consumer.fetch_watermarks(&partition.topic, partition.partition, self.patience);
        let (low, high) = beside::ask(&self.consumer, "find the ends of a log", ask)?;
        Ok((Offset::new(low), Offset::new(high)))
    }

    /// The first message of a partition with this time or a later one, as the brokers know times; none when all are older.
    ///
    /// # Errors
    /// When the brokers cannot be asked.
    pub fn first_at(&self, partition: &Partition, time: EventTime) -> Result<Option<Offset>, KafkaError> {
        let attempted = "find the offset of a time";
        let mut wanted = TopicPartitionList::new();
        let time = KafkaOffset::Offset((time.micros() / 1_000).max(0));
        wanted.add_partition_offset(&partition.topic, partition.partition, time).map_err(failed(attempted))?;
        let found = beside::ask(&self.consumer, attempted, || {
            self.consumer.offsets_for_times(wanted.clone(), self.patience)
        })?;
        let place = found.elements().first().map(|place| place.error().map(|()| place.offset()));
        match place.transpose().map_err(failed(attempted))? {
            Some(KafkaOffset::Offset(offset)) => Ok(Some(Offset::new(offset))),
            _ => Ok(None),
        }
    }

    /// Begins to read a range.
    ///
    /// # Errors
    /// When the client refuses.
    pub fn start(&mut self, range: LogRange) -> Result<(), KafkaError> {
        let attempted = "begin reading";
        let mut places = TopicPartitionList::new();
        let from = KafkaOffset::Offset(range.from.number());
        places
            .add_partition_offset(&range.partition.topic, range.partition.partition, from)
            .map_err(failed(attempted))?;
        self.consumer.assign(&places).map_err(failed(attempted))?;
        self.range = Some(range);
        Ok(())
    }

    /// What comes next of the range that was started, after waiting for it for so long at most.
    ///
    /// # Errors
    /// When the client cannot go on.
    pub fn next(&mut self, wait: Duration) -> Result<RangeStep, KafkaError> {
        let Some(range) = self.range.as_mut().filter(|range| range.from < range.to) else {
            return Ok(RangeStep::End);
        };
        let mut batch = MessageBatch::new(range.partition.clone(), 0);
        let until = Instant::now() + wait;
        while batch.len() < MESSAGES && batch.bytes() < BYTES && range.from < range.to {
            // Messages that have come are taken; others are waited for only when there are none.
            let left =
                if batch.is_empty() { until.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
            match self.consumer.poll(left) {
                None => break,
                // What is left holds nothing that is handed out: markers of transactions, aborted and compacted messages.
                Some(Err(ClientError::PartitionEOF(_))) => range.from = range.to,
                Some(Err(error)) if is_out_of_range(&error) => {
                    return Ok(if batch.is_empty() { RangeStep::Gone } else { RangeStep::Messages(batch) });
                }
                Some(Err(source)) if is_final(&source) => return Err(failed("read a message")(source)),
                // Connections break and come back; who waits in vain finds out by the time.
                Some(Err(error)) => {
                    tracing::debug!(%error, "the Kafka client reports an error; polling continues");
                    break;
                }
                Some(Ok(message)) => {
                    let offset = Offset::new(message.offset());
                    if offset >= range.to {
                        range.from = range.to;
                    } else {
                        let time = message.timestamp().to_millis().and_then(EventTime::from_millis);
                        batch.push(&message, offset, time);
                        range.from = offset.after();
                    }
                }
            }
        }
        Ok(match (batch.is_empty(), range.from < range.to) {
            (false, _) => RangeStep::Messages(batch),
            (true, true) => RangeStep::Nothing,
            (true, false) => RangeStep::End,
        })
    }

    /// The offset to go on at; none before a range was started.
    #[must_use]
    pub fn position(&self) -> Option<Offset> {
        self.range.as_ref().map(|range| range.from)
    }
}

fn is_out_of_range(error: &ClientError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset)
    )
}

/// Whether trying again does not help.
fn is_final(error: &ClientError) -> bool {
    matches!(error, ClientError::MessageConsumptionFatal(_))
        || matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::UnknownTopicOrPartition
                    | RDKafkaErrorCode::UnknownTopic
                    | RDKafkaErrorCode::UnknownPartition
                    | RDKafkaErrorCode::TopicAuthorizationFailed
            )
        )
}
