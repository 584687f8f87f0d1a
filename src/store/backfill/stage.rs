//! The checkpoint of a backfill: positions and counts in one transaction, as that of live counting.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use super::{BackfillState, BackfillWriter, Outcomes, lock, taken_over};
use crate::record::{EventTime, Offset};
use crate::store::checkpoint::{Prepared, prepare};
use crate::store::{Store, StoreError, bigint, damaged, failed, timestamp};
use crate::window::{OffsetRanges, Partition, WindowDelta};

/// How far a source was read.
#[derive(Clone, Debug)]
pub struct SourceMove {
    pub partition: Partition,
    /// The stored position that reading began at.
    pub base: Offset,
    /// The position behind what was counted.
    pub next: Offset,
    /// The newest event time seen, also outside the range.
    pub newest: Option<EventTime>,
    /// Whether it is read to its end.
    pub complete: bool,
}

/// What is stored together.
#[derive(Debug)]
pub struct StagedCounts<'a> {
    /// The source that was read.
    pub source: &'a SourceMove,
    /// Additions to windows.
    pub windows: &'a mut [WindowDelta],
    /// All records of the backfill by outcome, these among them.
    pub outcomes: &'a Outcomes,
}

impl Store {
    /// Stores what a backfill has counted.
    ///
    /// # Errors
    /// When another process has taken the backfill over, or the database is unavailable; nothing was stored, unless
    /// [`StoreError::is_disconnect`], when that is unknown.
    pub async fn stage(&self, writer: BackfillWriter, staged: StagedCounts<'_>) -> Result<(), StoreError> {
        let attempted = "store the counts of a backfill";
        let StagedCounts { source, windows, outcomes } = staged;
        // Everything is serialised before the transaction begins: it holds locks.
        let columns = Columns::of(windows)?;
        #[cfg(debug_assertions)]
        crate::faults::hit("backfill.before_begin");
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        lock(&mut transaction, writer, BackfillState::Reading, attempted).await?;
        let moved = sqlx::query(
            "update backfill_source set next_offset = $5, newest = greatest(newest, $6), complete = $7,
                    end_offset = case when $7 and file_hash is not null then $5 else end_offset end
             where backfill_id = $1 and topic = $2 and partition = $3 and next_offset = $4",
        )
        .bind(writer.id)
        .bind(source.partition.topic.as_ref())
        .bind(source.partition.partition)
        .bind(source.base)
        .bind(source.next)
        .bind(source.newest.map(timestamp))
        .bind(source.complete)
        .execute(&mut transaction)
        .await
        .map_err(failed(attempted))?;
        if moved.rows_affected() == 0 {
            return Err(taken_over(writer));
        }
        sqlx::query("update backfill set outcomes = $2 where id = $1")
            .bind(writer.id)
            .bind(Json(outcomes))
            .execute(&mut transaction)
            .await
            .map_err(failed(attempted))?;
        sqlx::query(
            "insert into backfill_delta (backfill_id, model_version, segment, starts_at, ends_at, binning_id, rows, counts, sample, ranges)
             select $1, * from unnest($2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::uuid[], $7::bigint[],
                                      $8::bytea[], $9::bytea[], $10::jsonb[])",
        )
        .bind(writer.id)
        .bind(columns.versions)
        .bind(columns.segments)
        .bind(columns.starts)
        .bind(columns.ends)
        .bind(columns.binnings)
        .bind(columns.rows)
        .bind(columns.counts)
        .bind(columns.samples)
        .bind(columns.ranges)
        .execute(&mut transaction)
        .await
        .map_err(failed(attempted))?;
        #[cfg(debug_assertions)]
        crate::faults::hit("backfill.before_commit");
        transaction.commit().await.map_err(failed(attempted))?;
        #[cfg(debug_assertions)]
        crate::faults::hit("backfill.after_commit");
        Ok(())
    }
}

/// Additions to windows, column by column.
#[derive(Default)]
struct Columns {
    versions: Vec<String>,
    segments: Vec<String>,
    starts: Vec<DateTime<Utc>>,
    ends: Vec<DateTime<Utc>>,
    binnings: Vec<Uuid>,
    rows: Vec<i64>,
    counts: Vec<Vec<u8>>,
    samples: Vec<Option<Vec<u8>>>,
    ranges: Vec<Json<OffsetRanges>>,
}

impl Columns {
    fn of(windows: &mut [WindowDelta]) -> Result<Self, StoreError> {
        let mut columns = Self::default();
        for window in windows {
            let Prepared { key, end, binning, rows, counts, sample, ranges, .. } =
                damaged("the counts of a backfill", prepare(window))?;
            columns.versions.push(key.version);
            columns.segments.push(key.segment);
            columns.starts.push(timestamp(key.start));
            columns.ends.push(timestamp(end));
            columns.binnings.push(binning);
            columns.rows.push(bigint(rows));
            columns.counts.push(counts);
            columns.samples.push(sample);
            columns.ranges.push(ranges);
        }
        Ok(columns)
    }
}
