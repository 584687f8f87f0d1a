//! Whether logs are still the ones that were read. A client goes on at its offset in a log that was deleted and created
//! again, as long as that is long enough, and says nothing; a message that was counted before is another one then.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Message as _, TopicPartitionList};

use super::client::SourceOptions;
use super::context::CallbackContext;
use super::{KafkaError, beside, failed};
use crate::record::{EventTime, Offset};
use crate::window::{Anchor, Partition};

/// How long the brokers may take to hand out the messages.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes that are fetched of a partition: one batch, whatever its size.
const FETCH: &str = "1024";

/// Reads single messages beside the group.
pub(super) struct Verifier(Mutex<BaseConsumer<CallbackContext>>);

impl Verifier {
    /// Connects when it is first used.
    pub(super) fn new(options: &SourceOptions) -> Result<Self, KafkaError> {
        let consumer = beside::consumer(options, |config| {
            config
                .set("statistics.interval.ms", "0")
                .set("fetch.message.max.bytes", FETCH)
                .set("queued.min.messages", "1")
                .set("queued.max.messages.kbytes", "1");
        })?;
        Ok(Self(Mutex::new(consumer)))
    }

    /// The partitions of which another message lies at the offset of one that was counted. One whose message is gone, or
    /// that no broker hands out in time, is not among them. Blocks for up to 2 s.
    pub(super) fn replaced(&self, anchors: &[(Partition, Anchor)]) -> Result<Vec<Partition>, KafkaError> {
        let consumer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list = TopicPartitionList::new();
        let mut waiting: HashMap<Partition, Anchor> = HashMap::new();
        for (partition, anchor) in anchors {
            list.add_partition_offset(
                &partition.topic,
                partition.partition,
                rdkafka::Offset::Offset(anchor.offset.number()),
            )
            .map_err(failed("choose messages to compare"))?;
            waiting.insert(partition.clone(), *anchor);
        }
        consumer.assign(&list).map_err(failed("read messages to compare"))?;
        let mut replaced = Vec::new();
        let until = Instant::now() + PATIENCE;
        while !waiting.is_empty() && Instant::now() < until {
            // Ends of logs and offsets that are gone come as errors; both tell nothing.
            let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) else { continue };
            let partition = Partition { topic: message.topic().into(), partition: message.partition() };
            let Some(anchor) = waiting.remove(&partition) else { continue };
            let time = message.timestamp().to_millis().and_then(EventTime::from_millis);
            let offset = Offset::new(message.offset());
            if offset == anchor.offset && Anchor::of(offset, time, message.payload()) != anchor {
                replaced.push(partition);
            }
        }
        consumer.unassign().map_err(failed("stop reading"))?;
        Ok(replaced)
    }
}
