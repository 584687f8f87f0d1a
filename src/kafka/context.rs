//! The callbacks of librdkafka. They run inside `poll`, on the polling thread.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
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
use super::{LogEnd, SourceEvent};
use crate::window::Partition;

/// What callbacks and the poll loop share.
pub(super) struct Context {
    events: UnboundedSender<SourceEvent>,
    /// Partitions that are being fetched: assigned *and* started.
    pub(super) started: Mutex<HashSet<Partition>>,
    /// Partitions the group has assigned, started or not.
    owned: Mutex<HashSet<Partition>>,
    ends: Mutex<(Option<Instant>, HashMap<Partition, LogEnd>)>,
    revoke_budget: Duration,
    closing: AtomicBool,
    token: Option<TokenProvider>,
}

impl Context {
    pub(super) fn new(
        events: UnboundedSender<SourceEvent>,
        revoke_budget: Duration,
        token: Option<TokenProvider>,
    ) -> Self {
        Self {
            events,
            started: Mutex::default(),
            owned: Mutex::default(),
            ends: Mutex::default(),
            revoke_budget,
            closing: AtomicBool::new(false),
            token,
        }
    }

    /// From here on revocations are not reported: whoever listened has stored all there is.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Whether the group has assigned a partition to this member.
    pub(super) fn owns(&self, partition: &Partition) -> bool {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner).contains(partition)
    }

    /// What the statistics of the last seconds say about the end of a partition.
    pub(super) fn log_end(&self, partition: &Partition) -> Option<LogEnd> {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        // Statistics come every second; old ones mean that nobody polls.
        let fresh = ends.0.is_some_and(|at| at.elapsed() < Duration::from_secs(5));
        let end = ends.1.get(partition).copied()?;
        Some(LogEnd { reached: end.reached && fresh, ..end })
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
        if let Err(error) = consumer.incremental_unassign(&list) {
            tracing::warn!(%error, "cannot give partitions back");
        }
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => {
                tracing::warn!(target: "driftd::kafka::client", facility, "{message}");
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
        tracing::warn!(target: "driftd::kafka::client", %error, "{reason}");
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
                let reached = partition.eof_offset >= 0
                    && partition.eof_offset >= partition.hi_offset
                    && up.contains(&partition.leader);
                ends.insert(
                    Partition { topic: topic.topic.as_str().into(), partition: *number },
                    LogEnd { high: partition.hi_offset, reached, position: partition.app_offset },
                );
            }
        }
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = (Some(Instant::now()), ends);
    }

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let provider = self.token.as_ref().ok_or("no source of tokens is configured")?;
        let token = provider()?;
        Ok(OAuthToken {
            token: token.value.expose_secret().to_owned(),
            principal_name: token.principal,
            lifetime_ms: token.expires_at_ms,
        })
    }
}

impl ConsumerContext for Context {
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
                // Fetching starts when the positions are known: a slow database does not block the group.
                if let Err(error) = consumer.incremental_assign(&TopicPartitionList::new()) {
                    tracing::warn!(%error, "cannot accept partitions");
                }
                if !partitions.is_empty() && self.events.send(SourceEvent::Assigned(partitions)).is_err() {
                    tracing::debug!("partitions assigned to a source that is closing");
                }
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => self.revoke(consumer, partitions),
            other => {
                tracing::warn!(error = ?other, "the consumer group reports an error while rebalancing");
                self.revoke(consumer, partitions);
            }
        }
    }
}
