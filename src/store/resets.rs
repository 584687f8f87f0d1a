//! Positions that people reset: every change says in the audit log what it was before.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::Row as _;

use super::session::Session;
use super::{Store, StoreError, audit, event_time, failed, timestamp};
use crate::record::{EventTime, Offset};
use crate::window::Partition;

/// Where a partition stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPosition {
    pub partition: Partition,
    /// The next offset to read; none before it was ever read.
    pub next_offset: Option<Offset>,
    /// Why it is not read, in words.
    pub fault: Option<String>,
    /// The newest event time of each monitor.
    pub newest: Vec<(String, EventTime)>,
}

impl Store {
    /// Where the partitions of a topic stand, in order; all of them, or one.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn positions(&self, topic: &str, partition: Option<i32>) -> Result<Vec<StoredPosition>, StoreError> {
        let attempted = "read positions";
        let rows = sqlx::query(
            "select p.topic, p.partition, p.next_offset, p.fault_detail, m.monitor, m.newest
             from source_partition p left join monitor_partition m using (topic, partition)
             where p.topic = $1 and ($2::int is null or p.partition = $2) order by p.partition, m.monitor",
        )
        .bind(topic)
        .bind(partition)
        .fetch_all(&self.pool)
        .await
        .map_err(failed(attempted))?;
        let mut positions: Vec<StoredPosition> = Vec::new();
        for row in rows {
            let read = || -> Result<_, sqlx::Error> {
                let partition = Partition { topic: topic.into(), partition: row.try_get("partition")? };
                let newest: Option<DateTime<Utc>> = row.try_get("newest")?;
                let newest = row.try_get::<Option<String>, _>("monitor")?.zip(newest.map(event_time));
                Ok((partition, row.try_get("next_offset")?, row.try_get("fault_detail")?, newest))
            };
            let (partition, next_offset, fault, newest) = read().map_err(failed(attempted))?;
            if positions.last().is_none_or(|last| last.partition != partition) {
                positions.push(StoredPosition { partition, next_offset, fault, newest: Vec::new() });
            }
            if let Some(position) = positions.last_mut() {
                position.newest.extend(newest);
            }
        }
        Ok(positions)
    }

    /// Moves the position of a partition. Its reader throws away what was counted since the last checkpoint, and goes on
    /// from there. Offsets that are skipped by it are remembered as never read.
    ///
    /// # Errors
    /// When the database is away, or the position is no longer `from`.
    pub async fn reset_position(
        &self,
        partition: &Partition,
        from: Option<Offset>,
        to: Offset,
        actor: &str,
    ) -> Result<(), StoreError> {
        let attempted = "reset a position";
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        let row = sqlx::query(
            "update source_partition p set next_offset = $4, resets = p.resets + 1, anchor_offset = null, anchor_hash = null,
                    fault = null, fault_detail = null, fault_since = null, quiet_since = null, progressed_at = now()
             from source_partition old
             where p.topic = $1 and p.partition = $2 and p.next_offset is not distinct from $3
               and old.topic = p.topic and old.partition = p.partition
             returning old.fault, old.fault_detail",
        )
        .bind(partition.topic.as_ref())
        .bind(partition.partition)
        .bind(from)
        .bind(to)
        .fetch_optional(&mut transaction)
        .await
        .map_err(failed(attempted))?;
        let Some(row) = row else { return Err(moved(partition)) };
        let fault: Option<String> = row.try_get("fault").map_err(failed(attempted))?;
        let detail: Option<String> = row.try_get("fault_detail").map_err(failed(attempted))?;
        // In another log the same offsets are other messages: nothing of it was skipped.
        if let Some(from) = from.filter(|from| *from < to && fault.is_none()) {
            sqlx::query(
                "insert into retention_gap (topic, partition, from_offset, to_offset, reason) values ($1, $2, $3, $4, 'reset')",
            )
            .bind(partition.topic.as_ref())
            .bind(partition.partition)
            .bind(from)
            .bind(to)
            .execute(&mut transaction)
            .await
            .map_err(failed(attempted))?;
        }
        // Detectors begin anew: what they know does not end where the log is read from now.
        sqlx::query("delete from detector_state where topic = $1 and partition = $2")
            .bind(partition.topic.as_ref())
            .bind(partition.partition)
            .execute(&mut transaction)
            .await
            .map_err(failed(attempted))?;
        let change = json!({ "from": from, "to": to, "because": detail });
        audit::record(&mut transaction, actor, "position.reset", &partition.to_string(), change).await?;
        transaction.commit().await.map_err(failed(attempted))
    }

    /// Sets the newest event time of a partition back, for every monitor: windows close by it, and records far behind it are
    /// late. Those that lie before `to` stay.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn reset_newest(&self, partition: &Partition, to: EventTime, actor: &str) -> Result<(), StoreError> {
        let attempted = "reset the newest event time of a partition";
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        let before: Vec<(String, DateTime<Utc>)> = sqlx::query_as(
            "update monitor_partition m set newest = $3, counted_at = now() from monitor_partition old
             where m.topic = $1 and m.partition = $2 and m.newest > $3
               and old.monitor = m.monitor and old.topic = m.topic and old.partition = m.partition
             returning old.monitor, old.newest",
        )
        .bind(partition.topic.as_ref())
        .bind(partition.partition)
        .bind(timestamp(to))
        .fetch_all(&mut transaction)
        .await
        .map_err(failed(attempted))?;
        restart(&mut transaction, partition).await.map_err(failed(attempted))?;
        let before: serde_json::Map<String, serde_json::Value> =
            before.into_iter().map(|(monitor, newest)| (monitor, event_time(newest).to_string().into())).collect();
        let change = json!({ "from": before, "to": to.to_string() });
        audit::record(&mut transaction, actor, "position.newest", &partition.to_string(), change).await?;
        transaction.commit().await.map_err(failed(attempted))
    }

    /// Forgets a topic that nobody will write again: its positions, and what windows wait for. What was counted stays.
    ///
    /// # Errors
    /// When the database is away, or the topic exists.
    pub async fn forget_topic(&self, topic: &str, actor: &str) -> Result<(), StoreError> {
        let attempted = "forget a topic";
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        // A topic that exists would be read again from its beginning.
        let gone: Option<bool> = sqlx::query_scalar(
            "select bool_and(fault is not distinct from 'deleted') from source_partition where topic = $1",
        )
        .bind(topic)
        .fetch_one(&mut transaction)
        .await
        .map_err(failed(attempted))?;
        match gone {
            Some(true) => {}
            Some(false) => {
                return Err(StoreError::Refused(format!(
                    "topic `{topic}` exists, as far as the daemons know: forgetting it would count its records again\nhint: delete the topic, \
                     or take it out of `source.topics`"
                )));
            }
            None => return Err(StoreError::NotFound(format!("no position of topic `{topic}` is stored"))),
        }
        for statement in [
            "delete from monitor_partition where topic = $1",
            "delete from monitor_begin where topic = $1",
            "delete from detector_state where topic = $1",
            "delete from source_partition where topic = $1",
        ] {
            sqlx::query(statement).bind(topic).execute(&mut transaction).await.map_err(failed(attempted))?;
        }
        audit::record(&mut transaction, actor, "position.forget", topic, json!({})).await?;
        transaction.commit().await.map_err(failed(attempted))
    }
}

fn moved(partition: &Partition) -> StoreError {
    StoreError::Refused(format!(
        "the position of {partition} has moved in the meantime: nothing was changed\nhint: look again, and stop the daemon that reads it if \
         it reads what it should not"
    ))
}

/// Makes the reader of a partition start anew.
async fn restart(connection: &mut Session, partition: &Partition) -> Result<(), sqlx::Error> {
    sqlx::query("update source_partition set resets = resets + 1 where topic = $1 and partition = $2")
        .bind(partition.topic.as_ref())
        .bind(partition.partition)
        .execute(connection)
        .await?;
    Ok(())
}
