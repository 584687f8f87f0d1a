//! From the counts of a backfill to windows, once all is read.

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::types::Json;

use super::{BackfillState, BackfillWriter, Outcomes, lock};
use crate::closing::{ClosingWindow, Decision};
use crate::record::{EventTime, TimeSpan};
use crate::store::checkpoint::{Late, Prepared, add_windows};
use crate::store::close::{SharedReads, close_quietly};
use crate::store::session::Session;
use crate::store::{Closing, OpenWindow, Store, StoreError, bigint, count, event_time, failed, timestamp};
use crate::window::{OffsetRanges, WHOLE, WindowKey};

/// Deltas that are given to windows of live counting in one go.
const TOGETHER: i64 = 100;

/// Counts that lie ready for the windows of one start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackfilledStart {
    pub start: EventTime,
    /// Whether live counting goes on in these windows: they are left open.
    pub is_live: bool,
}

/// The result of closing one start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClosedStart {
    /// Windows that were made and closed.
    pub closed: u64,
    /// Those of them that drift.
    pub drifting: u64,
    /// Records whose windows were closed before.
    pub late: u64,
}

impl Store {
    /// Notes that all is read: from now on windows are made. Those that end after `live_from` are left to live counting; event
    /// time has come as far as the records of the backfill where it takes over some of them.
    ///
    /// # Errors
    /// When another process has taken the backfill over, or the database is unavailable.
    pub async fn end_reading(&self, writer: BackfillWriter, live_from: EventTime) -> Result<(), StoreError> {
        let attempted = "end the reading of a backfill";
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        lock(&mut transaction, writer, BackfillState::Reading, attempted).await?;
        sqlx::query("update backfill set state = 'closing', live_from = $2 where id = $1")
            .bind(writer.id)
            .bind(timestamp(live_from))
            .execute(&mut transaction)
            .await
            .map_err(failed(attempted))?;
        sqlx::query(
            "insert into monitor_partition (monitor, topic, partition, newest, counted_at)
             select b.monitor, s.topic, s.partition, s.newest, now()
             from backfill b join backfill_source s on s.backfill_id = b.id
             where b.id = $1 and not b.from_files and s.newest is not null
               and exists (select from backfill_delta d where d.backfill_id = b.id and d.ends_at > b.live_from)
             order by s.topic, s.partition
             on conflict (monitor, topic, partition)
             do update set newest = greatest(monitor_partition.newest, excluded.newest)",
        )
        .bind(writer.id)
        .execute(&mut transaction)
        .await
        .map_err(failed(attempted))?;
        transaction.commit().await.map_err(failed(attempted))
    }

    /// The starts of the windows that are still to be made: those of live counting first, which close soon, then the oldest.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn backfilled_starts(&self, id: i64) -> Result<Vec<BackfilledStart>, StoreError> {
        let attempted = failed("list the windows of a backfill");
        let rows: Vec<(DateTime<Utc>, bool)> = sqlx::query_as(
            "select d.starts_at, bool_or(d.ends_at > b.live_from) as live
             from backfill b join backfill_delta d on d.backfill_id = b.id
             where b.id = $1 and b.state = 'closing' group by d.starts_at order by 2 desc, 1",
        )
        .bind(id)
        .fetch_all(&self.pool)
        .await
        .map_err(attempted)?;
        let start = |(start, is_live)| BackfilledStart { start: event_time(start), is_live };
        Ok(rows.into_iter().map(start).collect())
    }

    /// Makes and closes the windows of one start, in one transaction.
    ///
    /// # Errors
    /// When another process has taken the backfill over, stored counts are damaged, or the database is unavailable; nothing
    /// changed then, unless [`StoreError::is_disconnect`], when that is unknown.
    pub async fn close_backfilled(
        &self,
        writer: BackfillWriter,
        with: Closing<'_>,
        start: BackfilledStart,
        decide: impl Fn(&ClosingWindow, EventTime) -> Decision,
    ) -> Result<ClosedStart, StoreError> {
        let attempted = "make the windows of a backfill";
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        lock(&mut transaction, writer, BackfillState::Closing, attempted).await?;
        let mut outcome = ClosedStart::default();
        let made = if start.is_live { Vec::new() } else { make_windows(&mut transaction, writer, start).await? };
        outcome.late = refuse_other_bins(&mut transaction, writer, start).await?;
        while let Some(late) = give_to_live(&mut transaction, writer, with.monitor, start).await? {
            outcome.late = outcome.late.saturating_add(late);
        }
        let mut shared = SharedReads::default();
        for window in made {
            let verdict =
                close_quietly(&mut transaction, (&mut shared, &self.decoded), with, window, &decide).await?;
            outcome.closed += 1;
            outcome.drifting += u64::from(verdict.drifts());
        }
        note_outcome(&mut transaction, writer, outcome).await.map_err(failed(attempted))?;
        #[cfg(debug_assertions)]
        crate::faults::hit("backfill.before_close_commit");
        transaction.commit().await.map_err(failed(attempted))?;
        #[cfg(debug_assertions)]
        crate::faults::hit("backfill.after_close_commit");
        Ok(outcome)
    }

    /// Notes that all windows are made.
    ///
    /// # Errors
    /// When another process has taken the backfill over, or the database is unavailable.
    pub async fn finish_backfill(&self, writer: BackfillWriter) -> Result<(), StoreError> {
        let attempted = "finish a backfill";
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        lock(&mut transaction, writer, BackfillState::Closing, attempted).await?;
        sqlx::query("update backfill set state = 'done', finished_at = now() where id = $1")
            .bind(writer.id)
            .execute(&mut transaction)
            .await
            .map_err(failed(attempted))?;
        transaction.commit().await.map_err(failed(attempted))
    }
}

/// Makes the windows of one start that do not exist yet, with their deltas. Nobody else sees them before they are closed.
async fn make_windows(
    connection: &mut Session,
    writer: BackfillWriter,
    start: BackfilledStart,
) -> Result<Vec<OpenWindow>, StoreError> {
    let attempted = failed("make the windows of a backfill");
    // Series that are counted apart were admitted before; what is new here takes the others.
    sqlx::query(
        "insert into series (monitor, model_version, segment, member)
         select distinct b.monitor, d.model_version, d.segment, false
         from backfill b join backfill_delta d on d.backfill_id = b.id
         where b.id = $1 and d.starts_at = $2 order by 2, 3
         on conflict do nothing",
    )
    .bind(writer.id)
    .bind(timestamp(start.start))
    .execute(&mut *connection)
    .await
    .map_err(&attempted)?;
    let rows = sqlx::query(
        "insert into model_window (monitor, counted_as, model_version, segment, starts_at, ends_at, binning_id, backfill_id)
         select distinct on (d.model_version, d.segment)
                b.monitor, b.counted_as, d.model_version, d.segment, d.starts_at, d.ends_at, d.binning_id, b.id
         from backfill b join backfill_delta d on d.backfill_id = b.id
         where b.id = $1 and d.starts_at = $2 order by d.model_version, d.segment, d.id
         on conflict do nothing returning id, model_version, segment, ends_at",
    )
    .bind(writer.id)
    .bind(timestamp(start.start))
    .fetch_all(&mut *connection)
    .await
    .map_err(&attempted)?;
    let mut made = Vec::with_capacity(rows.len());
    for row in rows {
        let read = || -> Result<OpenWindow, sqlx::Error> {
            Ok(OpenWindow {
                id: row.try_get("id")?,
                key: WindowKey {
                    version: row.try_get("model_version")?,
                    segment: row.try_get("segment")?,
                    start: start.start,
                },
                end: event_time(row.try_get("ends_at")?),
                due_for: None,
            })
        };
        made.push(read().map_err(&attempted)?);
    }
    // The whole before its segments.
    made.sort_by(|left, right| {
        (&left.key.version, left.key.segment != WHOLE, &left.key.segment).cmp(&(
            &right.key.version,
            right.key.segment != WHOLE,
            &right.key.segment,
        ))
    });
    let ids: Vec<i64> = made.iter().map(|window| window.id).collect();
    sqlx::query(
        "with taken as (
             delete from backfill_delta d using model_window w
             where d.backfill_id = $1 and d.starts_at = $2 and w.id = any($3) and w.model_version = d.model_version
               and w.segment = d.segment and w.binning_id = d.binning_id
             returning w.id as window_id, d.id as delta, d.rows, d.counts, d.sample, d.ranges)
         insert into window_delta (window_id, rows, counts, sample, ranges)
         select window_id, rows, counts, sample, ranges from taken order by delta",
    )
    .bind(writer.id)
    .bind(timestamp(start.start))
    .bind(ids)
    .execute(connection)
    .await
    .map_err(&attempted)?;
    Ok(made)
}

/// Counts for a window that live counting has opened on other bins cannot be added to it: its records are late. How many of the
/// whole there are.
async fn refuse_other_bins(
    connection: &mut Session,
    writer: BackfillWriter,
    start: BackfilledStart,
) -> Result<u64, StoreError> {
    let late: i64 = sqlx::query_scalar(
        "with refused as (
             delete from backfill_delta d using backfill b, model_window w
             where d.backfill_id = $1 and d.starts_at = $2 and b.id = d.backfill_id
               and w.monitor = b.monitor and w.counted_as = b.counted_as and w.model_version = d.model_version
               and w.segment = d.segment and w.starts_at = d.starts_at and w.status = 'open'
               and w.backfill_id is distinct from b.id and w.binning_id <> d.binning_id
             returning w.id as window_id, d.rows, d.segment),
         noted as (insert into window_late (window_id, rows) select window_id, rows from refused)
         select coalesce(sum(rows) filter (where segment = '*'), 0)::bigint from refused",
    )
    .bind(writer.id)
    .bind(timestamp(start.start))
    .fetch_one(connection)
    .await
    .map_err(failed("compare the bins of windows"))?;
    Ok(count(late))
}

/// Gives some of the counts of one start to windows of live counting: open ones take them, in closed ones they are late. How
/// many records of the whole are late; none when nothing is left.
async fn give_to_live(
    connection: &mut Session,
    writer: BackfillWriter,
    monitor: &str,
    start: BackfilledStart,
) -> Result<Option<u64>, StoreError> {
    let attempted = failed("read the counts of a backfill");
    let rows = sqlx::query(
        "with taken as (
             delete from backfill_delta where id = any(array(
                 select id from backfill_delta where backfill_id = $1 and starts_at = $2
                 order by model_version, segment, id limit $3))
             returning *)
         select t.model_version, t.segment, t.ends_at, t.binning_id, t.rows, t.counts, t.sample, t.ranges, b.counted_as
         from taken t join backfill b on b.id = t.backfill_id order by t.model_version, t.segment, t.id",
    )
    .bind(writer.id)
    .bind(timestamp(start.start))
    .bind(TOGETHER)
    .fetch_all(&mut *connection)
    .await
    .map_err(&attempted)?;
    let Some(first) = rows.first() else { return Ok(None) };
    let counted_as: String = first.try_get("counted_as").map_err(&attempted)?;
    let mut prepared = Vec::with_capacity(rows.len());
    for row in &rows {
        let read = || -> Result<Prepared, sqlx::Error> {
            let ranges: Json<OffsetRanges> = row.try_get("ranges")?;
            let first = ranges.as_slice().first().map(|(partition, offset, _)| (partition.clone(), *offset));
            Ok(Prepared {
                key: WindowKey {
                    version: row.try_get("model_version")?,
                    segment: row.try_get("segment")?,
                    start: start.start,
                },
                end: event_time(row.try_get("ends_at")?),
                binning: row.try_get("binning_id")?,
                rows: count(row.try_get("rows")?),
                counts: row.try_get("counts")?,
                sample: row.try_get("sample")?,
                first,
                ranges,
            })
        };
        prepared.push(read().map_err(&attempted)?);
    }
    // Windows that are closed do not change: amending them could alarm about the past.
    match add_windows(connection, monitor, (&counted_as, TimeSpan::ZERO), prepared).await? {
        Some(Late { rows, .. }) => Ok(Some(rows)),
        None => Err(StoreError::Damaged {
            what: format!("the counts of backfill {}", writer.id),
            why: format!("they are on different bins for one window from {}", start.start),
        }),
    }
}

/// Adds the result of one start to the row of the backfill.
async fn note_outcome(
    connection: &mut Session,
    writer: BackfillWriter,
    outcome: ClosedStart,
) -> Result<(), sqlx::Error> {
    let Json(mut outcomes): Json<Outcomes> = sqlx::query_scalar("select outcomes from backfill where id = $1")
        .bind(writer.id)
        .fetch_one(&mut *connection)
        .await?;
    if outcome.late > 0 {
        let accepted = outcomes.entry("accepted".to_owned()).or_default();
        *accepted = accepted.saturating_sub(outcome.late);
        let late = outcomes.entry("late".to_owned()).or_default();
        *late = late.saturating_add(outcome.late);
    }
    sqlx::query("update backfill set outcomes = $2, closed = closed + $3 where id = $1")
        .bind(writer.id)
        .bind(Json(outcomes))
        .bind(bigint(outcome.closed))
        .execute(connection)
        .await?;
    Ok(())
}
