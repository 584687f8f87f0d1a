//! Where reading stands in each partition, and what watermarks are made of.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::{Store, StoreError, event_time, failed};
use crate::record::{EventTime, Offset, TimeSpan};
use crate::window::{Anchor, Partition, PartitionView};

/// What is stored of a partition that was just assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The next offset to read; none before the first assignment ever.
    pub next_offset: Option<Offset>,
    /// The last message that was counted, as far as it is known.
    pub anchor: Option<Anchor>,
    /// How often the position was reset by hand.
    pub resets: i32,
    /// The newest event time of each monitor.
    pub newest: HashMap<String, EventTime>,
}

/// Why a partition is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Another message lies where the last counted one was.
    Replaced,
    /// The position lies beyond the end of the log.
    BeyondEnd,
}

impl FaultKind {
    /// As it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::BeyondEnd => "beyond_end",
        }
    }
}

/// What keeps a partition from being read until somebody resets its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub partition: Partition,
    /// What is wrong.
    pub kind: FaultKind,
    /// The same in words, with offsets.
    pub detail: String,
}

/// All partitions of a monitor's topics, seen at one moment of the database's clock.
#[derive(Clone, Debug)]
pub struct PartitionViews {
    pub partitions: Vec<PartitionView>,
    /// The database's clock.
    pub now: EventTime,
}

impl Store {
    /// Makes partitions known, so that windows wait for them even while nobody reads them.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn register_partitions(&self, partitions: &[Partition]) -> Result<(), StoreError> {
        let (topics, numbers) = columns(partitions);
        sqlx::query(
            "insert into source_partition (topic, partition)
             select * from unnest($1::text[], $2::int[]) order by 1, 2
             on conflict do nothing",
        )
        .bind(topics)
        .bind(numbers)
        .execute(&self.pool)
        .await
        .map_err(failed("register partitions"))?;
        Ok(())
    }

    /// Takes partitions that were just assigned: their stored positions.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn claim(&self, partitions: &[Partition]) -> Result<HashMap<Partition, Claim>, StoreError> {
        let (topics, numbers) = columns(partitions);
        // What the last reader knew of the end of the log is no longer known.
        let rows = sqlx::query(
            "with claimed as (
                 update source_partition p set quiet_since = null, checked_at = null, claimed_at = now()
                 from unnest($1::text[], $2::int[]) as wanted (topic, partition)
                 where p.topic = wanted.topic and p.partition = wanted.partition
                 returning p.topic, p.partition, p.next_offset, p.anchor_offset, p.anchor_hash, p.resets)
             select c.topic, c.partition, c.next_offset, c.anchor_offset, c.anchor_hash, c.resets, m.monitor, m.newest
             from claimed c left join monitor_partition m using (topic, partition)",
        )
        .bind(topics)
        .bind(numbers)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read positions"))?;
        let mut claims: HashMap<Partition, Claim> = HashMap::new();
        for row in rows {
            let partition = Partition {
                topic: row.try_get::<String, _>("topic").map_err(failed("read positions"))?.into(),
                partition: row.try_get("partition").map_err(failed("read positions"))?,
            };
            let next_offset = row.try_get("next_offset").map_err(failed("read positions"))?;
            let anchor: Option<Offset> = row.try_get("anchor_offset").map_err(failed("read positions"))?;
            let hash: Option<i64> = row.try_get("anchor_hash").map_err(failed("read positions"))?;
            let anchor = anchor.zip(hash).map(|(offset, hash)| Anchor { offset, hash });
            let resets = row.try_get("resets").map_err(failed("read positions"))?;
            let claim = claims.entry(partition).or_insert_with(|| Claim {
                next_offset,
                anchor,
                resets,
                newest: HashMap::new(),
            });
            let monitor: Option<String> = row.try_get("monitor").map_err(failed("read positions"))?;
            let newest: Option<DateTime<Utc>> = row.try_get("newest").map_err(failed("read positions"))?;
            if let Some((monitor, newest)) = monitor.zip(newest) {
                claim.newest.insert(monitor, event_time(newest));
            }
        }
        Ok(claims)
    }

    /// Stores where a partition that was never read begins. The first to store wins; the stored offset is
    /// returned.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn begin_at(&self, partition: &Partition, offset: Offset) -> Result<Offset, StoreError> {
        sqlx::query_scalar(
            "update source_partition set next_offset = coalesce(next_offset, $3)
             where topic = $1 and partition = $2 returning next_offset",
        )
        .bind(partition.topic.as_ref())
        .bind(partition.partition)
        .bind(offset)
        .fetch_one(&self.pool)
        .await
        .map_err(failed("store the first position"))
    }

    /// The monitors among these that were never started.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn never_started(&self, monitors: &[&str]) -> Result<BTreeSet<String>, StoreError> {
        let new: Vec<String> = sqlx::query_scalar(
            "select name from unnest($1::text[]) as t (name)
             where not exists (select from monitor_start where monitor = t.name)",
        )
        .bind(monitors)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("find new monitors"))?;
        Ok(new.into_iter().collect())
    }

    /// Remembers that a monitor was started, with the positions where its partitions begin that nobody has read yet. Only the
    /// first start counts; daemons that start together agree on the positions of the first of them.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn start_monitor(&self, monitor: &str, begin: &[(Partition, Offset)]) -> Result<(), StoreError> {
        let attempted = "start a monitor";
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        let first = sqlx::query("insert into monitor_start (monitor) values ($1) on conflict do nothing")
            .bind(monitor)
            .execute(&mut transaction)
            .await
            .map_err(failed(attempted))?;
        if first.rows_affected() == 1 {
            let (topics, numbers) = columns(begin.iter().map(|(partition, _)| partition));
            let offsets: Vec<Offset> = begin.iter().map(|(_, offset)| *offset).collect();
            sqlx::query(
                "insert into source_partition (topic, partition, next_offset)
                 select * from unnest($1::text[], $2::int[], $3::bigint[]) order by 1, 2
                 on conflict (topic, partition)
                 do update set next_offset = coalesce(source_partition.next_offset, excluded.next_offset)",
            )
            .bind(topics)
            .bind(numbers)
            .bind(offsets)
            .execute(&mut transaction)
            .await
            .map_err(failed(attempted))?;
        }
        transaction.commit().await.map_err(failed(attempted))
    }

    /// Notes why partitions are not read, so that alerts and pages say so.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn note_fault(&self, fault: &Fault) -> Result<(), StoreError> {
        sqlx::query(
            "update source_partition set fault = $3, fault_detail = $4, fault_since = coalesce(fault_since, now()),
                    quiet_since = null
             where topic = $1 and partition = $2",
        )
        .bind(fault.partition.topic.as_ref())
        .bind(fault.partition.partition)
        .bind(fault.kind.as_str())
        .bind(&fault.detail)
        .execute(&self.pool)
        .await
        .map_err(failed("note why a partition is not read"))?;
        Ok(())
    }

    /// Notes which of these topics no longer exist, and which exist again.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn note_deleted(&self, topics: &[String], deleted: &[String]) -> Result<(), StoreError> {
        sqlx::query(
            "update source_partition set
                    fault = case when topic = any($2) then 'deleted' end,
                    fault_detail = case when topic = any($2) then 'the topic no longer exists' end,
                    fault_since = case when topic = any($2) then now() end
             where topic = any($1) and (fault = 'deleted') is distinct from (topic = any($2))
               and (fault is null or fault = 'deleted') and (topic = any($2) or fault = 'deleted')",
        )
        .bind(topics)
        .bind(deleted)
        .execute(&self.pool)
        .await
        .map_err(failed("note which topics are gone"))?;
        Ok(())
    }

    /// Skips offsets that are gone from the log, and remembers that they were never read. `false` when the
    /// position is not what the caller thinks: somebody else moved it.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn record_gap(&self, partition: &Partition, from: Offset, to: Offset) -> Result<bool, StoreError> {
        let moved = sqlx::query(
            "with moved as (
                 update source_partition set next_offset = $4, progressed_at = now(), quiet_since = null,
                        anchor_offset = null, anchor_hash = null
                 where topic = $1 and partition = $2 and next_offset = $3
                 returning 1
             )
             insert into retention_gap (topic, partition, from_offset, to_offset)
             select $1, $2, $3, $4 from moved",
        )
        .bind(partition.topic.as_ref())
        .bind(partition.partition)
        .bind(from)
        .bind(to)
        .execute(&self.pool)
        .await
        .map_err(failed("record a gap"))?;
        Ok(moved.rows_affected() == 1)
    }

    /// All topics ever seen.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn topics(&self) -> Result<BTreeSet<String>, StoreError> {
        let topics: Vec<String> = sqlx::query_scalar("select distinct topic from source_partition")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("list topics"))?;
        Ok(topics.into_iter().collect())
    }

    /// What the watermark of a monitor is made of. A reader that has been silent for longer than
    /// `reader_timeout` is taken to say nothing about its partition.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn partition_views(
        &self,
        monitor: &str,
        topics: &[String],
        reader_timeout: TimeSpan,
    ) -> Result<PartitionViews, StoreError> {
        let rows = sqlx::query(
            "select p.topic, p.partition, m.newest,
                    case when p.checked_at > now() - make_interval(secs => $3) then
                        (extract(epoch from p.checked_at - p.quiet_since) * 1e6)::bigint end as quiet_for,
                    (extract(epoch from now() - greatest(p.progressed_at, p.claimed_at)) * 1e6)::bigint
                        as stalled_for,
                    (extract(epoch from now() - greatest(m.counted_at, p.claimed_at)) * 1e6)::bigint
                        as unchanged_for,
                    (extract(epoch from p.checked_at - greatest(m.active_at, p.claimed_at)) * 1e6)::bigint as inactive_for
             from source_partition p
             left join monitor_partition m
                    on m.monitor = $1 and m.topic = p.topic and m.partition = p.partition
             where p.topic = any($2)
             order by p.topic, p.partition",
        )
        .bind(monitor)
        .bind(topics)
        .bind(reader_timeout.as_seconds())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read watermarks"))?;
        let now: DateTime<Utc> =
            sqlx::query_scalar("select now()").fetch_one(&self.pool).await.map_err(failed("read the clock"))?;
        let mut partitions = Vec::new();
        for row in rows {
            let read = || -> Result<PartitionView, sqlx::Error> {
                Ok(PartitionView {
                    partition: Partition {
                        topic: row.try_get::<String, _>("topic")?.into(),
                        partition: row.try_get("partition")?,
                    },
                    newest: row.try_get::<Option<DateTime<Utc>>, _>("newest")?.map(event_time),
                    quiet_for: row.try_get("quiet_for")?,
                    stalled_for: row.try_get("stalled_for")?,
                    inactive_for: row.try_get::<Option<TimeSpan>, _>("inactive_for")?.unwrap_or_default(),
                    unchanged_for: row.try_get::<Option<TimeSpan>, _>("unchanged_for")?.unwrap_or(TimeSpan::MAX),
                })
            };
            partitions.push(read().map_err(failed("read watermarks"))?);
        }
        Ok(PartitionViews { partitions, now: event_time(now) })
    }
}

fn columns<'a>(partitions: impl IntoIterator<Item = &'a Partition>) -> (Vec<String>, Vec<i32>) {
    partitions.into_iter().map(|partition| (partition.topic.to_string(), partition.partition)).unzip()
}
