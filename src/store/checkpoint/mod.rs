//! The checkpoint: positions and counts in one transaction.
//!
//! Every position moves from the value its reader started at, or the whole transaction is undone: a reader
//! that lost a partition without noticing, or counts what another has counted, cannot write. Windows are
//! locked `for share`, against the `for update` of closing: a delta is either part of the result or sees the
//! window closed and is counted as late.

mod positions;
mod windows;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::detections::write_record_detections;
use super::notes::add_notes;
use super::session::Session;
use super::{Store, StoreError, bigint, damaged, failed};
use crate::detection::DetectionRules;
use crate::record::{Offset, TimeSpan};
use crate::window::{Anchor, ColumnReading, MonitorDelta, Partition, Tally};
pub use positions::Fence;
use positions::{advance_watermarks, move_positions, note_begins};
pub(super) use windows::{Late, Prepared, add_windows, prepare};

/// How far one partition was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionMove {
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
    /// Which monitors count which of the partitions, also those that counted nothing.
    pub reads: Vec<(String, Partition)>,
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
    pub monitor: String,
    /// How it is counted: windows of other ways of counting are not added to.
    pub counted_as: String,
    /// How far ahead of the clock event times may lie.
    pub max_future_skew: TimeSpan,
    /// For how long after a window closed its late records are kept, to amend it.
    pub amend: TimeSpan,
    /// The additions.
    pub delta: MonitorDelta,
    /// How each of its columns was read.
    pub readings: Vec<ColumnReading>,
    /// Its detectors, and whom they notify.
    pub detection: Arc<DetectionRules>,
}

/// How it went.
#[derive(Debug, PartialEq, Eq)]
pub enum CheckpointOutcome {
    Stored {
        /// Counts of each monitor's messages by outcome, those for windows that were closed already among the late ones.
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
        note_begins(&mut transaction, checkpoint).await?;
        let mut tallies = BTreeMap::new();
        for (counted, (windows, mut tally)) in checkpoint.monitors.iter().zip(prepared) {
            let MonitorCounts { monitor, counted_as, amend, delta, readings, .. } = counted;
            advance_watermarks(&mut transaction, counted).await?;
            let Some(Late { rows: late, example }) =
                add_windows(&mut transaction, monitor, (counted_as, *amend), windows).await?
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
        // Last: two daemons may notify people of the same detector, and the second one waits until the first has committed.
        for MonitorCounts { delta, detection, .. } in &checkpoint.monitors {
            write_record_detections(&mut transaction, detection, &delta.detectors).await?;
        }
        #[cfg(debug_assertions)]
        crate::faults::hit("checkpoint.before_commit");
        transaction.commit().await.map_err(failed("commit a checkpoint"))?;
        #[cfg(debug_assertions)]
        crate::faults::hit("checkpoint.after_commit");
        Ok(CheckpointOutcome::Stored { tallies })
    }
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
