//! Looking at messages without taking part: no group is joined, nothing is committed.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};

use super::client::SourceOptions;
use super::context::CallbackContext;
use super::{KafkaError, beside, failed, pack_headers};
use crate::record::{EventTime, Headers, RawMessage};
use crate::window::Partition;

/// Where to begin looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapFrom {
    /// At the oldest message there is.
    Beginning,
    /// This many messages before the end of each partition.
    Last(i64),
}

/// A message as it lies in the log.
#[derive(Clone, Debug)]
pub struct Tapped {
    pub partition: Partition,
    pub offset: crate::record::Offset,
    /// When the broker says it came.
    pub time: Option<EventTime>,
    /// What is in it; none for a tombstone.
    pub payload: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
    headers: Vec<u8>,
}

impl Tapped {
    /// The message as decoders see it, at the clock of its reader.
    #[must_use]
    pub fn raw(&self, clock: Option<EventTime>) -> RawMessage<'_> {
        RawMessage {
            payload: self.payload.as_deref(),
            key: self.key.as_deref(),
            headers: Headers::of(&self.headers),
            offset: self.offset,
            broker_time: self.time,
            clock,
        }
    }
}

/// Reads topics beside everybody else.
pub struct Tap {
    consumer: BaseConsumer<CallbackContext>,
    /// Where partitions that have something to read ended when it began.
    unread: BTreeMap<(String, i32), i64>,
    /// How often the client said that a partition of a number is at its end; it does not say of which topic.
    ends: BTreeMap<i32, usize>,
}

impl Tap {
    /// Begins to read all partitions of the topics that are wanted.
    ///
    /// # Errors
    /// When the brokers are away, or no topic is wanted that there is.
    pub fn open(
        options: &SourceOptions,
        wanted: impl Fn(&str) -> bool,
        from: TapFrom,
        patience: Duration,
    ) -> Result<Self, KafkaError> {
        let consumer = beside::consumer(options, |config| {
            config.set("auto.offset.reset", "latest").set("enable.partition.eof", "true");
        })?;
        beside::log_in(&consumer, patience)?;
        let mut places = TopicPartitionList::new();
        let offset = match from {
            TapFrom::Beginning => Offset::Beginning,
            TapFrom::Last(0) => Offset::End,
            TapFrom::Last(messages) => Offset::OffsetTail(messages),
        };
        for partition in beside::partitions(&consumer, patience, wanted)? {
            places
                .add_partition_offset(&partition.topic, partition.partition, offset)
                .map_err(failed("choose where to begin"))?;
        }
        if places.count() == 0 {
            return Err(KafkaError::NoTopic);
        }
        let mut unread = BTreeMap::new();
        for place in places.elements() {
            let (low, high) = consumer
                .fetch_watermarks(place.topic(), place.partition(), patience)
                .map_err(failed("find the ends of the logs"))?;
            let begins = match from {
                TapFrom::Beginning => low,
                TapFrom::Last(messages) => high.saturating_sub(messages).max(low),
            };
            if begins < high {
                unread.insert((place.topic().to_owned(), place.partition()), high);
            }
        }
        consumer.assign(&places).map_err(failed("begin reading"))?;
        Ok(Self { consumer, unread, ends: BTreeMap::new() })
    }

    /// Whether everything was read that was there when it began. What nobody receives, such as the markers of transactions at
    /// the end of a log, counts as read once the client has passed it.
    pub fn is_at_end(&mut self) -> bool {
        if let Ok(position) = self.consumer.position() {
            for place in position.elements() {
                let key = (place.topic().to_owned(), place.partition());
                let end = self.unread.get(&key).copied();
                if end.zip(place.offset().to_raw()).is_some_and(|(end, next)| next >= end) {
                    self.unread.remove(&key);
                }
            }
        }
        let numbers: Vec<i32> = self.unread.keys().map(|(_, number)| *number).collect();
        self.unread.retain(|(_, number), _| {
            let topics = numbers.iter().filter(|other| *other == number).count();
            self.ends.get(number).is_none_or(|ends| *ends < topics)
        });
        self.unread.is_empty()
    }

    /// The next message; none when there is none for this long, or the end of a partition was reached.
    ///
    /// # Errors
    /// When the client cannot go on.
    pub fn next(&mut self, patience: Duration) -> Result<Option<Tapped>, KafkaError> {
        match self.consumer.poll(patience) {
            None => Ok(None),
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(number))) => {
                *self.ends.entry(number).or_default() += 1;
                Ok(None)
            }
            Some(Ok(message)) => {
                let mut headers = Vec::new();
                pack_headers(&message, &mut headers);
                Ok(Some(Tapped {
                    partition: Partition { topic: message.topic().into(), partition: message.partition() },
                    offset: crate::record::Offset::new(message.offset()),
                    time: message.timestamp().to_millis().and_then(EventTime::from_millis),
                    payload: message.payload().map(<[u8]>::to_vec),
                    key: message.key().map(<[u8]>::to_vec),
                    headers,
                }))
            }
            Some(Err(source)) => Err(failed("read a message")(source)),
        }
    }
}
