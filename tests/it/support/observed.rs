//! What a world is seen to have done: records counted, windows, messages.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeBounds;
use std::sync::Arc;
use std::time::{Duration, Instant};

use driftd::binning::BinningSet;
use driftd::distribution::WindowCounts;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use serde_json::Value;
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

use super::{DAEMONS, World, number, until};

impl World {
    /// Asks the database until the answer is right; prints the last state when time is up.
    pub fn wait_for<T>(
        &self,
        what: &str,
        seconds: u64,
        mut ask: impl AsyncFnMut(&PgPool) -> Result<T, String>,
    ) -> T {
        let outcome = self.runtime.block_on(until(seconds, async || ask(&self.pool).await));
        outcome.unwrap_or_else(|state| {
            for name in DAEMONS {
                let log = fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(30).collect();
                eprintln!("--- log of {name}\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
            }
            panic!("{what}: not within {seconds} s; last state: {state}")
        })
    }

    /// Waits until the messages that were dealt with, whatever became of them, are as many as this allows.
    pub fn wait_for_count(&self, records: impl RangeBounds<i64> + std::fmt::Debug, seconds: u64) {
        self.wait_for("messages dealt with", seconds, async |pool| {
            let counted = number(pool, "select coalesce(sum(count), 0)::bigint from record_tally").await?;
            if records.contains(&counted) { Ok(()) } else { Err(format!("{counted}, not {records:?}")) }
        });
    }

    /// Waits until exactly this many windows are closed.
    pub fn wait_until_closed(&self, windows: i64) {
        self.wait_for("all windows closed", 120, async |pool| {
            let closed = number(pool, "select count(*) from model_window where status = 'closed'").await?;
            if closed == windows { Ok(()) } else { Err(format!("{closed} of {windows} closed")) }
        });
    }

    /// Waits until this many messages were dealt with, every window is closed and the outbox is empty.
    pub fn wait_until_done(&self, messages: u64, seconds: u64) {
        self.wait_for("everything counted, closed and told", seconds, async |pool| {
            let tally: i64 = number(pool, "select coalesce(sum(count), 0)::bigint from record_tally").await?;
            let open = number(pool, "select count(*) from model_window where status = 'open'").await?;
            let pending = number(pool, "select count(*) from notification where status = 'pending'").await?;
            // What is inhibited is looked at again much later.
            let due =
                number(pool, "select count(*) from alert_group where due_at < now() + interval '2 seconds'").await?;
            if tally as u64 == messages && open == 0 && pending == 0 && due == 0 {
                Ok(())
            } else {
                Err(format!(
                    "{tally} of {messages} messages, {open} windows open, {due} groups due, {pending} notifications pending"
                ))
            }
        });
    }

    /// Outcomes and reasons with their counts.
    pub fn tally(&self) -> BTreeMap<String, u64> {
        let rows = self.runtime.block_on(
            sqlx::query(
                "select outcome, reason, sum(count)::bigint as count from record_tally group by outcome, reason",
            )
            .fetch_all(&self.pool),
        );
        rows.unwrap()
            .iter()
            .map(|row| {
                let (outcome, reason): (String, String) = (row.get("outcome"), row.get("reason"));
                (format!("{outcome} {reason}").trim().to_owned(), row.get::<i64, _>("count") as u64)
            })
            .collect()
    }

    /// The closed windows: (segment, start in micros) to counts and verdict.
    pub fn windows(&self) -> BTreeMap<(String, i64), (WindowCounts, String)> {
        let rows = self.runtime.block_on(
            sqlx::query(
                "select segment, (extract(epoch from starts_at) * 1e6)::bigint as start, counts, verdict, binning.columns
                 from model_window join binning on binning.id = binning_id where status = 'closed'",
            )
            .fetch_all(&self.pool),
        );
        rows.unwrap()
            .iter()
            .map(|row| {
                let binnings: BinningSet = serde_json::from_value(row.get("columns")).unwrap();
                let counts = WindowCounts::from_ipc(row.get("counts"), Arc::new(binnings)).unwrap();
                ((row.get("segment"), row.get("start")), (counts, row.get("verdict")))
            })
            .collect()
    }

    /// Everything in the retraining topic.
    pub fn retraining_messages(&self) -> Vec<(String, Value)> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.kafka)
            .set("group.id", Uuid::new_v4().to_string())
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            .create()
            .unwrap();
        consumer.subscribe(&[&self.retraining_topic]).unwrap();
        let mut messages = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            match consumer.poll(Duration::from_millis(200)) {
                Some(Ok(message)) => {
                    let key = String::from_utf8(message.key().unwrap().to_vec()).unwrap();
                    messages.push((key, serde_json::from_slice(message.payload().unwrap()).unwrap()));
                }
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => break,
                _ => {}
            }
        }
        messages
    }
}
