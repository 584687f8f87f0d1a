//! The checkpoint: positions and counts in one transaction.
//!
//! Every position moves from the value its reader started at, or the whole transaction is undone: a reader
//! that lost a partition without noticing, or counts what another has counted, cannot write. Windows are
//! locked `for share`, against the `for update` of closing: a delta is either part of the result or sees the
//! window closed and is counted as late.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Instant;

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::types::Json;
use uuid::Uuid;

use super::notes::add_notes;
use super::session::Session;
use super::{Store, StoreError, bigint, damaged, failed, timestamp};
use crate::distribution::IpcError;
use crate::record::{EventTime, Offset, TimeSpan};
use crate::window::{
    Anchor, ColumnReading, Example, MonitorDelta, OffsetRanges, Partition, Tally, WHOLE, WindowDelta, WindowKey,
};

/// How far one partition was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionMove {
    /// Which partition.
    pub partition: Partition,
    /// The stored position reading began at.
    pub base: Offset,
    /// The next offset to read.
    pub next: Offset,
    /// The last message before it that was counted; none when none was since the partition was assigned.
    pub anchor: Option<Anchor>,
    /// How often the position was reset by hand, as far as the reader knows.
    pub resets: i32,
    /// Whether that is the end of the log, known lately.
    pub caught_up: bool,
}

/// What is stored together.
#[derive(Debug)]
pub struct Checkpoint {
    /// Every assigned partition, moved or not.
    pub positions: Vec<PositionMove>,
    /// The additions of each monitor.
    pub monitors: Vec<MonitorCounts>,
    /// Who writes, for people.
    pub owner: String,
    /// Which shard of the tallies to add to.
    pub shard: i16,
    /// When the positions were taken. What they say of the ends of logs held then, however long it takes to store them: while
    /// the database was away, records may have come that are not among them.
    pub taken_at: Instant,
}

/// What is stored of one monitor.
#[derive(Debug)]
pub struct MonitorCounts {
    /// The monitor.
    pub monitor: String,
    /// How it is counted: windows of other ways of counting are not added to.
    pub counted_as: String,
    /// How far ahead of the clock event times may lie.
    pub max_future_skew: TimeSpan,
    /// The additions.
    pub delta: MonitorDelta,
    /// How each of its columns was read.
    pub readings: Vec<ColumnReading>,
}

/// A stored position that is not where a reader had begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// Which partition.
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

/// How it went.
#[derive(Debug, PartialEq, Eq)]
pub enum CheckpointOutcome {
    /// Stored.
    Stored {
        /// What became of each monitor's messages, those for windows that were closed already among the late ones.
        tallies: BTreeMap<String, Tally>,
    },
    /// A position was not where this reader had begun: nothing was stored, its counts are void.
    Fenced(Fence),
    /// Some window was opened by another daemon on other bins: nothing was stored, count again.
    StaleBinning,
}

impl Store {
    /// Stores a checkpoint.
    ///
    /// # Errors
    /// When the database is away; nothing was stored, unless [`StoreError::is_disconnect`], when it is unknown.
    pub async fn checkpoint(&self, checkpoint: &mut Checkpoint) -> Result<CheckpointOutcome, StoreError> {
        // Everything is serialised before the transaction begins: it holds locks.
        let mut prepared = Vec::new();
        for MonitorCounts { monitor, delta, .. } in &mut checkpoint.monitors {
            let mut windows = Vec::with_capacity(delta.windows.len());
            for window in &mut delta.windows {
                windows.push(damaged(&format!("a delta of monitor `{monitor}`"), prepare(window))?);
            }
            prepared.push((windows, delta.tally.clone()));
        }
        #[cfg(debug_assertions)]
        crate::faults::hit("checkpoint.before_begin");
        let mut transaction = self.pool.begin().await.map_err(failed("begin a checkpoint"))?;
        if !move_positions(&mut transaction, checkpoint).await? {
            transaction.rollback().await.map_err(failed("undo a checkpoint"))?;
            return Ok(CheckpointOutcome::Fenced(self.fence(checkpoint).await?));
        }
        let mut tallies = BTreeMap::new();
        for (counted, (windows, mut tally)) in checkpoint.monitors.iter().zip(prepared) {
            let MonitorCounts { monitor, counted_as, delta, readings, .. } = counted;
            advance_watermarks(&mut transaction, counted).await?;
            let Some(Late { rows: late, example }) =
                add_windows(&mut transaction, monitor, counted_as, windows).await?
            else {
                transaction.rollback().await.map_err(failed("undo a checkpoint"))?;
                return Ok(CheckpointOutcome::StaleBinning);
            };
            tally.accepted = tally.accepted.saturating_sub(late);
            tally.late = tally.late.saturating_add(late);
            add_notes(&mut transaction, monitor, delta, example, readings).await?;
            add_tally(&mut transaction, monitor, checkpoint.shard, &tally).await?;
            tallies.insert(monitor.clone(), tally);
        }
        #[cfg(debug_assertions)]
        crate::faults::hit("checkpoint.before_commit");
        transaction.commit().await.map_err(failed("commit a checkpoint"))?;
        #[cfg(debug_assertions)]
        crate::faults::hit("checkpoint.after_commit");
        Ok(CheckpointOutcome::Stored { tallies })
    }
}

impl Store {
    /// A position that is not where the reader of a checkpoint had begun; when all are by now, any.
    async fn fence(&self, checkpoint: &Checkpoint) -> Result<Fence, StoreError> {
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

/// A delta as it will be stored.
struct Prepared {
    key: WindowKey,
    end: EventTime,
    binning: Uuid,
    rows: u64,
    counts: Vec<u8>,
    sample: Option<Vec<u8>>,
    ranges: Json<OffsetRanges>,
    /// For the case that it is late: where its first record lies.
    first: Option<(Partition, Offset)>,
}

fn prepare(window: &mut WindowDelta) -> Result<Prepared, IpcError> {
    Ok(Prepared {
        key: window.key.clone(),
        end: window.end,
        binning: window.counts.binnings().id(),
        rows: window.counts.rows(),
        counts: window.counts.to_ipc()?,
        sample: window.sample.to_ipc()?,
        ranges: Json(window.ranges.clone()),
        first: window.ranges.as_slice().first().map(|(partition, offset, _)| (partition.clone(), *offset)),
    })
}

async fn move_positions(connection: &mut Session, checkpoint: &Checkpoint) -> Result<bool, StoreError> {
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

async fn advance_watermarks(connection: &mut Session, counted: &MonitorCounts) -> Result<(), StoreError> {
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

fn late_example(first: Option<(Partition, Offset)>, start: EventTime) -> Option<Example> {
    let (partition, offset) = first?;
    let why = format!(
        "its window from {start} was closed before it came: other records were further ahead than `window.out_of_orderness` allows \
         for, or its partition was silent for longer than `window.idle_after`"
    );
    Some(Example { partition, offset, why })
}

/// Records for windows that were closed already.
#[derive(Default)]
struct Late {
    /// How many, of the whole.
    rows: u64,
    example: Option<Example>,
}

/// Adds deltas to open windows. The records for closed ones, `None` when a window is pinned to other bins.
async fn add_windows(
    connection: &mut Session,
    monitor: &str,
    counted_as: &str,
    windows: Vec<Prepared>,
) -> Result<Option<Late>, StoreError> {
    if windows.is_empty() {
        return Ok(Some(Late::default()));
    }
    let versions: Vec<&str> = windows.iter().map(|window| window.key.version.as_str()).collect();
    let segments: Vec<&str> = windows.iter().map(|window| window.key.segment.as_str()).collect();
    let starts: Vec<DateTime<Utc>> = windows.iter().map(|window| timestamp(window.key.start)).collect();
    let ends: Vec<DateTime<Utc>> = windows.iter().map(|window| timestamp(window.end)).collect();
    let binnings: Vec<Uuid> = windows.iter().map(|window| window.binning).collect();
    // Series that are counted apart were admitted before; what is new here takes the others.
    sqlx::query(
        "insert into series (monitor, model_version, segment, member)
         select distinct $1, v, s, false from unnest($2::text[], $3::text[]) as t (v, s) order by 2, 3
         on conflict do nothing",
    )
    .bind(monitor)
    .bind(&versions)
    .bind(&segments)
    .execute(&mut *connection)
    .await
    .map_err(failed("open series"))?;
    // The baseline is what pages show of open windows, and what daemons of the version before compare them with.
    sqlx::query(
        "insert into model_window (monitor, counted_as, model_version, segment, starts_at, ends_at, binning_id, baseline_id)
         select $1, $7, v, s, starts_at, ends_at, bins,
                (select b.id from baseline b where b.monitor = $1 and b.binning_id = bins
                 order by b.active desc, b.version desc limit 1)
         from unnest($2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::uuid[])
              as t (v, s, starts_at, ends_at, bins)
         order by 3, 4, 5 on conflict do nothing",
    )
    .bind(monitor)
    .bind(&versions)
    .bind(&segments)
    .bind(&starts)
    .bind(ends)
    .bind(binnings)
    .bind(counted_as)
    .execute(&mut *connection)
    .await
    .map_err(failed("open windows"))?;
    let rows = sqlx::query(
        "select w.id, w.status = 'open' as open, w.binning_id, w.model_version, w.segment, w.starts_at
         from model_window w
         join unnest($2::text[], $3::text[], $4::timestamptz[]) as wanted (model_version, segment, starts_at)
              using (model_version, segment, starts_at)
         where w.monitor = $1 and w.counted_as = $5
         order by w.id for share of w",
    )
    .bind(monitor)
    .bind(&versions)
    .bind(&segments)
    .bind(&starts)
    .bind(counted_as)
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("lock windows"))?;
    let mut known = HashMap::new();
    for row in rows {
        let read = || -> Result<_, sqlx::Error> {
            let key = (
                row.try_get::<String, _>("model_version")?,
                row.try_get::<String, _>("segment")?,
                row.try_get::<DateTime<Utc>, _>("starts_at")?,
            );
            let open: bool = row.try_get("open")?;
            Ok((key, (row.try_get::<i64, _>("id")?, open, row.try_get::<Uuid, _>("binning_id")?)))
        };
        let (key, window) = read().map_err(failed("lock windows"))?;
        known.insert(key, window);
    }
    let mut late = Late::default();
    let (mut late_ids, mut late_rows) = (Vec::new(), Vec::new());
    let (mut ids, mut counted, mut counts, mut samples, mut ranges) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for window in windows {
        let key = (window.key.version, window.key.segment, timestamp(window.key.start));
        let Some((id, open, binning)) = known.get(&key) else {
            return Err(StoreError::Damaged {
                what: "a window".to_owned(),
                why: "it vanished while being locked".to_owned(),
            });
        };
        if !open {
            if key.1 == WHOLE {
                late.rows = late.rows.saturating_add(window.rows);
                late.example = late.example.take().or_else(|| late_example(window.first, window.key.start));
            }
            late_ids.push(*id);
            late_rows.push(bigint(window.rows));
        } else if *binning == window.binning {
            ids.push(*id);
            counted.push(bigint(window.rows));
            counts.push(window.counts);
            samples.push(window.sample);
            ranges.push(window.ranges);
        } else {
            return Ok(None);
        }
    }
    sqlx::query(
        "insert into window_delta (window_id, rows, counts, sample, ranges)
         select * from unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::jsonb[])",
    )
    .bind(ids)
    .bind(counted)
    .bind(counts)
    .bind(samples)
    .bind(ranges)
    .execute(&mut *connection)
    .await
    .map_err(failed("add counts"))?;
    if !late_ids.is_empty() {
        sqlx::query("insert into window_late (window_id, rows) select * from unnest($1::bigint[], $2::bigint[])")
            .bind(late_ids)
            .bind(late_rows)
            .execute(&mut *connection)
            .await
            .map_err(failed("count late records"))?;
    }
    Ok(Some(late))
}

async fn add_tally(connection: &mut Session, monitor: &str, shard: i16, tally: &Tally) -> Result<(), StoreError> {
    let (mut outcomes, mut reasons, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    for (outcome, reason, count) in tally.outcomes() {
        outcomes.push(outcome);
        reasons.push(reason);
        counts.push(bigint(count));
    }
    sqlx::query(
        "insert into record_tally (monitor, outcome, reason, shard, count)
         select $1, outcome, reason, $2, count
         from unnest($3::text[], $4::text[], $5::bigint[]) as t (outcome, reason, count) order by 2, 3
         on conflict (monitor, outcome, reason, shard)
         do update set count = least(record_tally.count::numeric + excluded.count, 9223372036854775807)::bigint",
    )
    .bind(monitor)
    .bind(shard)
    .bind(outcomes)
    .bind(reasons)
    .bind(counts)
    .execute(connection)
    .await
    .map_err(failed("count outcomes"))?;
    Ok(())
}
