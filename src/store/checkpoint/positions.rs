//! How far partitions were read, and how far event time has come in them: each position moves from the value that its reader
//! began at, or the checkpoint is fenced.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::{Checkpoint, MonitorCounts, PositionMove};
use crate::record::Offset;
use crate::store::session::Session;
use crate::store::{Store, StoreError, failed, timestamp};
use crate::window::Partition;

/// A stored position that is not where a reader had begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    pub partition: Partition,
    /// Where the reader had begun.
    pub base: Offset,
    /// The stored position; `None` when the partition is no longer known.
    pub stored: Option<Offset>,
    /// Whether somebody reset it by hand.
    pub is_reset: bool,
}

impl fmt::Display for Fence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, base, stored, is_reset } = self;
        match (stored, is_reset) {
            (Some(stored), true) => {
                write!(formatter, "the position of {partition} was reset from {base} to {stored}")
            }
            (Some(stored), false) => {
                write!(formatter, "another daemon moved the position of {partition} from {base} to {stored}")
            }
            (None, _) => write!(formatter, "the position {base} of {partition} was forgotten"),
        }
    }
}

impl Store {
    /// A position that is not where the reader of a checkpoint had begun; when all are by now, any.
    pub(super) async fn fence(&self, checkpoint: &Checkpoint) -> Result<Fence, StoreError> {
        let of = |position: &PositionMove| (position.partition.topic.to_string(), position.partition.partition);
        let (topics, numbers): (Vec<String>, Vec<i32>) = checkpoint.positions.iter().map(of).unzip();
        let bases: Vec<Offset> = checkpoint.positions.iter().map(|position| position.base).collect();
        let resets: Vec<i32> = checkpoint.positions.iter().map(|position| position.resets).collect();
        let row = sqlx::query(
            "select m.topic, m.partition, m.base, p.next_offset, coalesce(p.resets <> m.resets, false) as is_reset
             from unnest($1::text[], $2::int[], $3::bigint[], $4::int[]) as m (topic, partition, base, resets)
             left join source_partition p on p.topic = m.topic and p.partition = m.partition
             order by p.next_offset is distinct from m.base or p.resets is distinct from m.resets desc,
                      m.topic, m.partition
             limit 1",
        )
        .bind(topics)
        .bind(numbers)
        .bind(bases)
        .bind(resets)
        .fetch_one(&self.pool)
        .await
        .map_err(failed("look for the position that was moved"))?;
        let read = || -> Result<Fence, sqlx::Error> {
            let topic: String = row.try_get("topic")?;
            Ok(Fence {
                partition: Partition { topic: topic.as_str().into(), partition: row.try_get("partition")? },
                base: row.try_get("base")?,
                stored: row.try_get("next_offset")?,
                is_reset: row.try_get("is_reset")?,
            })
        };
        read().map_err(failed("look for the position that was moved"))
    }
}

/// Moves all positions; `false` when one is not where its reader had begun.
pub(super) async fn move_positions(connection: &mut Session, checkpoint: &Checkpoint) -> Result<bool, StoreError> {
    let mut positions: Vec<&PositionMove> = checkpoint.positions.iter().collect();
    positions.sort_by(|left, right| left.partition.cmp(&right.partition));
    let topics: Vec<&str> = positions.iter().map(|position| position.partition.topic.as_ref()).collect();
    let numbers: Vec<i32> = positions.iter().map(|position| position.partition.partition).collect();
    let bases: Vec<Offset> = positions.iter().map(|position| position.base).collect();
    let nexts: Vec<Offset> = positions.iter().map(|position| position.next).collect();
    let anchors: Vec<Option<Offset>> =
        positions.iter().map(|position| position.anchor.map(|anchor| anchor.offset)).collect();
    let hashes: Vec<Option<i64>> =
        positions.iter().map(|position| position.anchor.map(|anchor| anchor.hash)).collect();
    let resets: Vec<i32> = positions.iter().map(|position| position.resets).collect();
    let caught_up: Vec<bool> = positions.iter().map(|position| position.caught_up).collect();
    let moved = sqlx::query(
        "update source_partition p set
             next_offset = m.next,
             progressed_at = case when m.next <> m.base then now() else p.progressed_at end,
             quiet_since = case when not m.caught_up then null
                                when m.next <> m.base then now() - make_interval(secs => $10)
                                else coalesce(p.quiet_since, now() - make_interval(secs => $10)) end,
             checked_at = now() - make_interval(secs => $10),
             anchor_offset = coalesce(m.anchor_offset, p.anchor_offset),
             anchor_hash = coalesce(m.anchor_hash, p.anchor_hash),
             fault = case when m.next = m.base then p.fault end,
             fault_detail = case when m.next = m.base then p.fault_detail end,
             fault_since = case when m.next = m.base then p.fault_since end,
             owner = $6
         from unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bool[], $7::bigint[], $8::bigint[], $9::int[])
              as m (topic, partition, base, next, caught_up, anchor_offset, anchor_hash, resets)
         where p.topic = m.topic and p.partition = m.partition and p.next_offset = m.base and p.resets = m.resets",
    )
    .bind(topics)
    .bind(numbers)
    .bind(bases)
    .bind(nexts)
    .bind(caught_up)
    .bind(&checkpoint.owner)
    .bind(anchors)
    .bind(hashes)
    .bind(resets)
    .bind(checkpoint.taken_at.elapsed().as_secs_f64())
    .execute(connection)
    .await
    .map_err(failed("move positions"))?;
    Ok(moved.rows_affected() == positions.len() as u64)
}

/// Records where monitors begin to count partitions, before their first counts are stored. Where a monitor has counts already
/// and no record, it began before that was recorded: its beginning is unknown.
pub(super) async fn note_begins(connection: &mut Session, checkpoint: &Checkpoint) -> Result<(), StoreError> {
    let bases: BTreeMap<&Partition, Offset> =
        checkpoint.positions.iter().map(|position| (&position.partition, position.base)).collect();
    let (mut monitors, mut topics, mut numbers, mut offsets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (monitor, partition) in &checkpoint.reads {
        let Some(base) = bases.get(partition) else { continue };
        monitors.push(monitor.as_str());
        topics.push(partition.topic.as_ref());
        numbers.push(partition.partition);
        offsets.push(*base);
    }
    sqlx::query(
        "insert into monitor_begin (monitor, topic, partition, first_offset)
         select r.monitor, r.topic, r.partition, case when b.monitor is not null or m.monitor is null then r.base end
         from unnest($1::text[], $2::text[], $3::int[], $4::bigint[]) as r (monitor, topic, partition, base)
         left join monitor_begin b using (monitor, topic, partition)
         left join monitor_partition m using (monitor, topic, partition)
         where b.monitor is null or b.first_offset > r.base
         order by 1, 2, 3
         on conflict (monitor, topic, partition)
         do update set first_offset = least(monitor_begin.first_offset, excluded.first_offset)",
    )
    .bind(monitors)
    .bind(topics)
    .bind(numbers)
    .bind(offsets)
    .execute(connection)
    .await
    .map_err(failed("record where monitors begin"))?;
    Ok(())
}

/// Moves the newest event times of a monitor forward.
pub(super) async fn advance_watermarks(
    connection: &mut Session,
    counted: &MonitorCounts,
) -> Result<(), StoreError> {
    let MonitorCounts { monitor, delta, max_future_skew, .. } = counted;
    let topics: Vec<&str> = delta.newest.keys().map(|partition| partition.topic.as_ref()).collect();
    let numbers: Vec<i32> = delta.newest.keys().map(|partition| partition.partition).collect();
    let newest: Vec<DateTime<Utc>> = delta.newest.values().map(|time| timestamp(*time)).collect();
    let active: Vec<bool> = delta.newest.keys().map(|partition| delta.active.contains(partition)).collect();
    // A stored time further ahead of the clock than is allowed comes from a wrong clock, or from before that was checked.
    sqlx::query(
        "insert into monitor_partition (monitor, topic, partition, newest, counted_at, active_at)
         select $1, topic, partition, newest, now(), case when active then now() end
         from unnest($2::text[], $3::int[], $4::timestamptz[], $5::bool[]) as seen (topic, partition, newest, active)
         on conflict (monitor, topic, partition)
         do update set newest = greatest(
                           case when monitor_partition.newest <= now() + make_interval(secs => $6)
                                then monitor_partition.newest end,
                           excluded.newest),
                       counted_at = case when excluded.newest > monitor_partition.newest then now()
                                         else monitor_partition.counted_at end,
                       active_at = coalesce(excluded.active_at, monitor_partition.active_at)",
    )
    .bind(monitor)
    .bind(topics)
    .bind(numbers)
    .bind(newest)
    .bind(active)
    .bind(max_future_skew.as_seconds())
    .execute(connection)
    .await
    .map_err(failed("advance watermarks"))?;
    Ok(())
}
