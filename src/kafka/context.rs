//! The callbacks of librdkafka. They run inside `poll`, on the polling thread.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use secrecy::ExposeSecret;
use tokio::sync::mpsc::UnboundedSender;

use super::client::TokenProvider;
use super::trouble::Trouble;
use super::{COMPLAIN_EVERY, KafkaError, LogEnd, SourceEvent};
use crate::record::Offset;
use crate::telemetry::Complaints;
use crate::window::Partition;

/// What callbacks and the poll loop share.
pub(super) struct CallbackContext {
    events: UnboundedSender<SourceEvent>,
    /// Partitions that are being fetched: assigned *and* started.
    pub(super) started: Mutex<HashSet<Partition>>,
    /// Partitions the group has assigned, started or not.
    owned: Mutex<HashSet<Partition>>,
    /// Whether the group has answered with an assignment, be it an empty one.
    joined: AtomicBool,
    ends: Mutex<Ends>,
    /// Counts the statistics that came.
    ends_serial: AtomicU64,
    /// A moment before the client was created, from which statistics count their age.
    born: Instant,
    revoke_budget: Duration,
    closing: AtomicBool,
    token: Option<TokenProvider>,
    /// Whether the last token that was asked for came; none when none was asked for yet.
    token_came: Mutex<Option<Result<(), Arc<dyn Error + Send + Sync>>>>,
    /// What was wrong with connections last.
    pub(super) trouble: Trouble,
    complaints: Complaints,
}

/// The ends of all partitions and the place in the group, as the latest statistics have them.
#[derive(Default)]
struct Ends {
    /// Whether the place in the group is steady.
    steady: bool,
    came_at: Option<Instant>,
    taken_at: Option<Instant>,
    partitions: HashMap<Partition, LogEnd>,
}

impl CallbackContext {
    pub(super) fn new(
        events: UnboundedSender<SourceEvent>,
        revoke_budget: Duration,
        token: Option<TokenProvider>,
    ) -> Self {
        Self {
            events,
            started: Mutex::default(),
            owned: Mutex::default(),
            joined: AtomicBool::new(false),
            ends: Mutex::default(),
            ends_serial: AtomicU64::new(0),
            born: Instant::now(),
            revoke_budget,
            closing: AtomicBool::new(false),
            token,
            token_came: Mutex::default(),
            trouble: Trouble::default(),
            complaints: Complaints::every(COMPLAIN_EVERY),
        }
    }

    /// Of a client that joins no group: there are no events, and nobody listens for them.
    pub(super) fn unheard(token: Option<TokenProvider>) -> Self {
        let (events, _) = tokio::sync::mpsc::unbounded_channel();
        Self::new(events, Duration::ZERO, token)
    }

    /// Whether a token is needed and none was asked for yet.
    ///
    /// # Errors
    /// When the last one that was asked for could not be had.
    pub(super) fn waits_for_token(&self) -> Result<bool, KafkaError> {
        match &*self.token_came.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(self.token.is_some()),
            Some(Ok(())) => Ok(false),
            Some(Err(why)) => Err(KafkaError::Token(Arc::clone(why))),
        }
    }

    /// From here on revocations are not reported: the listener has stored all there is.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Whether the group has assigned a partition to this member.
    pub(super) fn owns(&self, partition: &Partition) -> bool {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner).contains(partition)
    }

    /// Whether this member is in the group and has no partition.
    pub(super) fn stands_by(&self) -> bool {
        self.joined.load(Ordering::SeqCst) && self.owned.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// When the place in the group was seen to be steady, as the latest statistics have it.
    pub(super) fn steady(&self) -> Option<Instant> {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.taken_at.filter(|_| ends.steady)
    }

    /// What the statistics of the last seconds say about the end of a partition.
    pub(super) fn log_end(&self, partition: &Partition) -> Option<LogEnd> {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        // Statistics come every second; old ones mean that nobody polls.
        let fresh = ends.came_at.is_some_and(|at| at.elapsed() < Duration::from_secs(5));
        let end = ends.partitions.get(partition).copied()?;
        Some(LogEnd { reached: end.reached && fresh, ..end })
    }

    /// The partitions of which everything was handed out, when statistics came since `seen` that were taken after
    /// `undisturbed`.
    pub(super) fn delivered(&self, seen: &mut u64, undisturbed: Instant) -> Vec<(Partition, LogEnd)> {
        let serial = self.ends_serial.load(Ordering::Acquire);
        if serial == *seen {
            return Vec::new();
        }
        *seen = serial;
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.taken_at.is_none_or(|taken| taken < undisturbed) {
            return Vec::new();
        }
        let delivered = ends.partitions.iter().filter(|(_, end)| end.delivered);
        delivered.map(|(partition, end)| (partition.clone(), *end)).collect()
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, partitions: Vec<Partition>) {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner).retain(|owned| !partitions.contains(owned));
        if !self.closing.load(Ordering::SeqCst) && !partitions.is_empty() {
            let (done, finished) = mpsc::channel();
            let lost = consumer.assignment_lost();
            let event = SourceEvent::Revoked { partitions: partitions.clone(), lost, done };
            if self.events.send(event).is_ok() {
                // The sender is dropped when what was counted is stored. Heartbeats go on meanwhile.
                let _timeout_or_done = finished.recv_timeout(self.revoke_budget);
            }
        }
        // Only what was started can be unassigned.
        let mut list = TopicPartitionList::new();
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        for partition in partitions {
            if started.remove(&partition) {
                list.add_partition(&partition.topic, partition.partition);
            }
        }
        drop(started);
        // A pause outlives the assignment in the client: what is paused when it goes would stand still for ever when it
        // comes back. What is read again by resuming belongs to nobody now, and is dropped.
        if list.count() > 0
            && let Err(error) = consumer.resume(&list)
        {
            tracing::warn!(%error, "cannot resume revoked partitions");
        }
        if let Err(error) = consumer.incremental_unassign(&list) {
            tracing::warn!(%error, "cannot unassign revoked partitions");
        }
    }
}

/// What a message of the client is about: without the thread that it comes from, times and counts, which make each one different
/// while a broker is away.
fn gist(message: &str) -> String {
    let message =
        message.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")).map_or(message, |(_, rest)| rest);
    message.split_once(" (after ").map_or(message, |(before, _)| before).to_owned()
}

impl ClientContext for CallbackContext {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => {
                if self.complaints.is_due("", &gist(message)) {
                    tracing::warn!(target: "driftd::kafka::client", facility, "{message}");
                }
            }
            RDKafkaLogLevel::Warning => tracing::info!(target: "driftd::kafka::client", facility, "{message}"),
            _ => tracing::debug!(target: "driftd::kafka::client", facility, "{message}"),
        }
    }

    fn error(&self, error: ClientError, reason: &str) {
        // Reaching the end of a log is reported as an error; it is none.
        if matches!(error, ClientError::Global(RDKafkaErrorCode::PartitionEOF)) {
            return;
        }
        self.trouble.note(&error, reason);
        if self.complaints.is_due("", &gist(reason)) {
            tracing::warn!(target: "driftd::kafka::client", %error, "{reason}");
        }
    }

    fn stats(&self, statistics: Statistics) {
        let up: HashSet<i32> = statistics
            .brokers
            .values()
            .filter(|broker| broker.state == "UP")
            .map(|broker| broker.nodeid)
            .collect();
        let mut ends = HashMap::new();
        for topic in statistics.topics.values() {
            for (number, partition) in &topic.partitions {
                if *number < 0 || partition.fetch_state != "active" {
                    continue;
                }
                ends.insert(
                    Partition { topic: topic.topic.as_str().into(), partition: *number },
                    log_end(partition, up.contains(&partition.leader)),
                );
            }
        }
        let age = Duration::from_micros(u64::try_from(statistics.age).unwrap_or(0));
        let steady = statistics.cgrp.is_some_and(|group| group.join_state == "steady");
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) =
            Ends { steady, came_at: Some(Instant::now()), taken_at: Some(self.born + age), partitions: ends };
        self.ends_serial.fetch_add(1, Ordering::Release);
    }

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let provider = self.token.as_ref().ok_or("no source of tokens is configured")?;
        let token = provider().map_err(Arc::<dyn Error + Send + Sync>::from);
        let came = token.as_ref().map(|_| ()).map_err(Arc::clone);
        if let Err(why) = &came
            && self.complaints.is_due("token", &why.to_string())
        {
            tracing::warn!(target: "driftd::kafka::client", error = %why, "cannot obtain an OAuth token for Kafka; the client will retry");
        }
        *self.token_came.lock().unwrap_or_else(PoisonError::into_inner) = Some(came);
        let token = token?;
        Ok(OAuthToken {
            token: token.value.expose_secret().to_owned(),
            principal_name: token.principal,
            lifetime_ms: token.expires_at_ms,
        })
    }
}

/// The end of a log, as the client sees it.
///
/// At the end is what the client says it is, and it says so for the last *stable* offset: what lies between that and
/// the high watermark belongs to transactions that are open. Not every offset before it is handed out: markers,
/// aborted records and what compaction took leave gaps. The client's position moves past markers, so for transactions
/// it equals the end, also while messages keep coming and the client never pauses to report the end; where compaction
/// left the gap it does not, and there the end was reported and nothing may be left in the client's queue.
fn log_end(partition: &rdkafka::statistics::Partition, leader_is_up: bool) -> LogEnd {
    let (readable, high) = (partition.ls_offset, partition.hi_offset);
    let known = leader_is_up && readable >= 0;
    let reported = partition.eof_offset >= readable;
    let handed_out = partition.app_offset == readable;
    let nothing_queued = reported && partition.next_offset == readable && partition.fetchq_cnt == 0;
    LogEnd {
        readable: Offset::new(readable),
        high: Offset::new(high),
        reached: known && readable >= high && (reported || handed_out),
        delivered: known && (handed_out || nothing_queued),
    }
}

impl ConsumerContext for CallbackContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        // The list can be null, which only its capacity tells; an answer is owed all the same.
        let partitions: Vec<Partition> = if list.capacity() == 0 {
            Vec::new()
        } else {
            list.elements()
                .iter()
                .map(|element| Partition { topic: element.topic().into(), partition: element.partition() })
                .collect()
        };
        match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.owned.lock().unwrap_or_else(PoisonError::into_inner).extend(partitions.iter().cloned());
                self.joined.store(true, Ordering::SeqCst);
                // Fetching starts when the positions are known: a slow database does not block the group.
                if let Err(error) = consumer.incremental_assign(&TopicPartitionList::new()) {
                    tracing::warn!(%error, "cannot accept assigned partitions");
                }
                if !partitions.is_empty() && self.events.send(SourceEvent::Assigned(partitions)).is_err() {
                    tracing::debug!("assignment ignored: the Kafka source is closing");
                }
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => self.revoke(consumer, partitions),
            other => {
                tracing::warn!(error = %RDKafkaErrorCode::from(other), "rebalance failed; releasing the partitions");
                self.revoke(consumer, partitions);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::statistics::Partition;

    use super::*;

    fn end(position: i64, fetched: i64, reported: i64, stable: i64, high: i64, queued: i64) -> (bool, bool) {
        let partition = Partition {
            app_offset: position,
            next_offset: fetched,
            eof_offset: reported,
            ls_offset: stable,
            hi_offset: high,
            fetchq_cnt: queued,
            ..Partition::default()
        };
        let end = log_end(&partition, true);
        assert_eq!(log_end(&partition, false), LogEnd { reached: false, delivered: false, ..end });
        (end.reached, end.delivered)
    }

    #[test]
    fn what_a_broker_that_is_away_makes_the_client_say_is_one_complaint() {
        let first = "[thrd:10.0.0.1:9092/1]: 10.0.0.1:9092/1: Connect to ipv4#10.0.0.1:9092 failed: Connection refused (after 0ms in \
                     state CONNECT)";
        let again = "10.0.0.1:9092/1: Connect to ipv4#10.0.0.1:9092 failed: Connection refused (after 2ms in state CONNECT, 30 \
                     identical error(s) suppressed)";
        assert_eq!(gist(first), gist(again));
        assert_ne!(
            gist(first),
            gist(&first.replace("10.0.0.1", "10.0.0.2")),
            "another broker is another complaint"
        );
    }

    #[test]
    fn the_end_of_a_log_is_where_the_client_says_it_is() {
        const NEVER: i64 = -1_001;
        assert_eq!(end(100, 100, 100, 100, 100, 0), (true, true), "plain records");
        // The last offset is a marker or aborted: the client's position is past it.
        assert_eq!(end(102, 102, NEVER, 102, 102, 7), (true, true), "also while messages keep coming");
        assert_eq!(end(90, 102, 102, 102, 102, 3), (true, false), "fetched, not all handed out yet");
        // Compaction took the last records: the position stays before the gap.
        assert_eq!(end(90, 102, 102, 102, 102, 0), (true, true));
        assert_eq!(end(NEVER, 102, 102, 102, 102, 0), (true, true), "read on from within the gap");
        // An open transaction: all that can be read was handed out, and it is not the end.
        assert_eq!(end(100, 100, 100, 100, 140, 0), (false, true));
        assert_eq!(end(50, 60, NEVER, 100, 100, 10), (false, false), "it lags");
        assert_eq!(end(NEVER, NEVER, NEVER, NEVER, NEVER, 0), (false, false), "nothing is known");
    }
}
