//! Kafka: one OS thread polls the consumer group and turns everything, rebalances included, into events.
//!
//! What librdkafka does behind one's back is switched off: no automatic commits, no automatic resets, no stored
//! offsets. Partitions are read from the positions the caller names, after it has looked them up; a partition
//! that was assigned but not started is simply not fetched.

mod beside;
mod client;
mod commands;
mod context;
mod local;
mod poll;
mod producer;
mod range;
mod source;
mod subscription;
mod tap;
mod trouble;
mod verify;

pub use client::{
    OauthToken, PropertyError, Sasl, Security, SourceOptions, StartAt, TokenProvider, check_property,
};
pub use commands::SourceCommands;
pub use local::LocalBroker;
pub use producer::Producer;
pub use range::{LogRange, RangeReader, RangeStep};
pub use source::Source;
pub use tap::{Tap, TapFrom, Tapped};

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};

use crate::record::{EventTime, Headers, Offset, RawMessage};
use crate::window::{Anchor, Partition};

/// A Kafka operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// The client could not be built or used; librdkafka's words name no secrets.
    #[error("kafka: cannot {attempted}: {source}{}", trouble.as_deref().map(trouble::in_words).unwrap_or_default())]
    Client {
        /// What was attempted.
        attempted: String,
        /// What librdkafka says.
        source: ClientError,
        /// What was wrong with connections to brokers meanwhile: a question that gets no answer does not say why.
        trouble: Option<Box<str>>,
    },
    /// The settings cannot be used; trying again does not help.
    #[error(
        "kafka: the settings for `{brokers}` cannot be used: {why}\nhint: look at `[kafka]` and `kafka.properties`"
    )]
    Settings {
        /// The brokers that are configured.
        brokers: String,
        /// What librdkafka says, without the value: it may be a secret, also of a property whose name is misspelt.
        why: String,
    },
    /// The polling thread could not be started.
    #[error("kafka: cannot start the polling thread: {0}")]
    Thread(#[from] std::io::Error),
    /// There is nothing to read.
    #[error("kafka: there is no such topic\nhint: `driftd check --online` lists existing topics")]
    NoTopic,
    /// There is no token to log in with.
    #[error("kafka: cannot log in: {0}")]
    Token(#[source] Arc<dyn Error + Send + Sync>),
    /// A question to the brokers broke off: the client panicked, or everything stops.
    #[error("kafka: a question to the brokers broke off: {0}")]
    BrokeOff(String),
    /// The client failed and cannot continue.
    #[error("kafka: {0}")]
    Fatal(#[source] RDKafkaErrorCode),
    /// The source was closed.
    #[error("kafka: the source is closed")]
    Closed,
}

/// Between two complaints of a client about the same.
const COMPLAIN_EVERY: Duration = Duration::from_mins(1);

pub(super) fn refused(brokers: &str) -> impl FnOnce(ClientError) -> KafkaError {
    let brokers = brokers.to_owned();
    move |error| KafkaError::Settings { brokers, why: without_value(&error) }
}

fn without_value(error: &ClientError) -> String {
    match error {
        ClientError::ClientConfig(_, said, _, value) => said.replace(&format!("\"{value}\""), "\"******\""),
        other => other.to_string(),
    }
}

pub(super) fn failed(attempted: impl Into<String>) -> impl FnOnce(ClientError) -> KafkaError {
    let attempted = attempted.into();
    move |source| KafkaError::Client { attempted, source, trouble: None }
}

/// Messages of one partition, in order, in one buffer.
#[derive(Debug)]
pub struct MessageBatch {
    pub partition: Partition,
    /// The start of the partition these were read after; older ones are void.
    pub generation: u64,
    buffer: Vec<u8>,
    entries: Vec<MessageEntry>,
}

#[derive(Clone, Copy, Debug)]
struct MessageEntry {
    /// Lengths of what lies in the buffer, one after the other; `None` is a key that there is not.
    key: Option<usize>,
    headers: usize,
    /// `None` is a tombstone.
    payload: Option<usize>,
    offset: Offset,
    time: Option<EventTime>,
}

/// What a message costs in memory beside its payload, for the budget.
const ENTRY_BYTES: usize = size_of::<MessageEntry>();

impl MessageBatch {
    fn new(partition: Partition, generation: u64) -> Self {
        Self { partition, generation, buffer: Vec::new(), entries: Vec::new() }
    }

    fn push(&mut self, message: &BorrowedMessage<'_>, offset: Offset, time: Option<EventTime>) {
        let mut add = |bytes: &[u8]| {
            self.buffer.extend_from_slice(bytes);
            bytes.len()
        };
        let key = message.key().map(&mut add);
        let payload = message.payload().map(&mut add);
        let before = self.buffer.len();
        pack_headers(message, &mut self.buffer);
        let headers = self.buffer.len() - before;
        self.entries.push(MessageEntry { key, headers, payload, offset, time });
    }

    /// How many messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes held in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buffer.len() + self.entries.len() * ENTRY_BYTES
    }

    /// The offset of the first message.
    #[must_use]
    pub fn first_offset(&self) -> Option<Offset> {
        self.entries.first().map(|entry| entry.offset)
    }

    /// The offset after the last message.
    #[must_use]
    pub fn next_offset(&self) -> Option<Offset> {
        self.entries.last().map(|entry| entry.offset.after())
    }

    /// By what the last message is known again.
    #[must_use]
    pub fn anchor(&self) -> Option<Anchor> {
        self.messages().last().map(|message| Anchor::of(message.offset, message.broker_time, message.payload))
    }

    /// Each message, in order. The clock is left to the reader.
    pub fn messages(&self) -> impl Iterator<Item = RawMessage<'_>> {
        let mut start = 0;
        self.entries.iter().map(move |entry| {
            let mut take = |length: usize| {
                let bytes = self.buffer.get(start..start + length).unwrap_or_default();
                start += length;
                bytes
            };
            RawMessage {
                key: entry.key.map(&mut take),
                payload: entry.payload.map(&mut take),
                headers: Headers::of(take(entry.headers)),
                offset: entry.offset,
                broker_time: entry.time,
                clock: None,
            }
        })
    }
}

/// Adds the headers of a message to a buffer.
pub(super) fn pack_headers(message: &BorrowedMessage<'_>, buffer: &mut Vec<u8>) {
    for header in message.headers().into_iter().flat_map(rdkafka::message::Headers::iter) {
        Headers::pack(buffer, header.key, header.value);
    }
}

/// Where reading of a partition begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    pub partition: Partition,
    /// The offset of the first message to hand out.
    pub offset: Offset,
    /// The message before it, when the log is to be told from another one of the same name.
    pub anchor: Option<Anchor>,
}

/// What happens to a source.
#[derive(Debug)]
pub enum SourceEvent {
    /// Messages arrived.
    Messages(MessageBatch),
    /// The group assigned partitions; nothing is read until they are started.
    Assigned(Vec<Partition>),
    /// The group takes partitions back. The polling thread waits, within its budget, until the sender is
    /// dropped: the time to store what was counted.
    Revoked {
        partitions: Vec<Partition>,
        /// They are gone already: nothing can be stored for them now.
        lost: bool,
        /// Drop it when done.
        done: std::sync::mpsc::Sender<()>,
    },
    /// The position asked for is no longer in the log, which begins later.
    Gone {
        partition: Partition,
        position: Offset,
        /// Where the log begins.
        low: Offset,
        /// Where it ends.
        high: Offset,
    },
    /// The log holds another message where the last counted one was: it is not the log that was read.
    Replaced {
        partition: Partition,
        /// Where the other message lies.
        offset: Offset,
    },
    /// The topic was unknown to a broker for a moment: it may have been deleted and created again.
    Doubtful,
    /// The client handed out every message of a partition: what is left before this offset is handed to no consumer
    /// (markers of transactions, aborted records, gaps left by compaction). Comes after the messages before it.
    AtEnd {
        partition: Partition,
        /// The start of the partition this was found after.
        generation: u64,
        /// The offset to go on at.
        next: Offset,
    },
    /// The client cannot go on.
    Fatal(KafkaError),
}

/// What is known of the end of a partition's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnd {
    /// The offset up to which messages can be read: where the first transaction that is still open begins, otherwise
    /// the same as `high`.
    pub readable: Offset,
    /// The offset after the last message, as the broker last said.
    pub high: Offset,
    /// The client has fetched everything there is, from a leader it is connected to, and no transaction is open.
    pub reached: bool,
    /// The client has handed out every message before `readable`.
    pub(super) delivered: bool,
}

impl LogEnd {
    /// Offsets that an open transaction keeps from being read.
    #[must_use]
    pub fn held_back(&self) -> u64 {
        self.high.distance_from(self.readable)
    }
}

/// Shares a topic's name between the partitions of it.
#[derive(Debug, Default)]
pub(super) struct TopicNames(Vec<Arc<str>>);

impl TopicNames {
    pub(super) fn get(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.iter().find(|known| known.as_ref() == name) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = name.into();
        self.0.push(Arc::clone(&shared));
        shared
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::consumer::BaseConsumer;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_property_is_said_without_its_value() {
        let refusal = |key: &str, value: &str| {
            let built = ClientConfig::new().set(key, value).create::<BaseConsumer>();
            built.map(|_| ()).map_err(refused("127.0.0.1:9092")).unwrap_err().to_string()
        };
        for key in ["ssl.key.pasword", "security.protocol"] {
            let said = refusal(key, "hunter2");
            assert!(said.contains(&format!("\"{key}\"")) && !said.contains("hunter2"), "{said}");
        }
    }
}
