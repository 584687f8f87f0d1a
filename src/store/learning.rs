//! How far a baseline has been learned, and which segments the active one does not have.

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::session::Session;
use super::{Store, StoreError, count, event_time, failed};
use crate::binning::BinningSet;
use crate::record::ModelSchema;
use crate::view::SegmentWithoutBaseline;

/// Windows of others after which a segment sends no more records.
const SILENT_WINDOWS: i32 = 20;
/// Segments that are named at most.
const MOST: i64 = 100;

impl Store {
    /// How many closed windows of the whole a baseline could be learned from so far, `most` at most.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn windows_learned(
        &self,
        monitor: &str,
        schema: &ModelSchema,
        most: u32,
    ) -> Result<u32, StoreError> {
        let windows: i64 = sqlx::query_scalar(
            "select count(*) from (
                 select distinct starts_at from model_window
                 where monitor = $1 and binning_id = $2 and status = 'closed' and segment = '*' and rows > 0
                   and counts is not null
                 limit $3) first",
        )
        .bind(monitor)
        .bind(BinningSet::universal(schema).id())
        .bind(i64::from(most))
        .fetch_one(&self.pool)
        .await
        .map_err(failed("count the windows that a baseline is learned from"))?;
        Ok(u32::try_from(windows).unwrap_or(most))
    }

    /// Names of all monitors that anything is stored of.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn monitor_names(&self) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar("select monitor from record_tally union select monitor from baseline order by 1")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("list monitors"))
    }
}

/// Segments that still send records and that the active baseline of a monitor does not have, those with most records first.
pub(super) async fn segments_without_baseline(
    connection: &mut Session,
    monitor: &str,
) -> Result<Vec<SegmentWithoutBaseline>, sqlx::Error> {
    let rows = sqlx::query(
        "with active as (select id from baseline where monitor = $1 and active),
         newest as (select ends_at from model_window
                    where monitor = $1 and segment = '*' and status = 'closed' order by starts_at desc limit 1)
         select s.segment, min(first.starts_at) as since, max(last.rows) as rows
         from active, newest, series s
         cross join lateral (
             select starts_at, ends_at, rows from model_window w
             where w.monitor = s.monitor and w.model_version = s.model_version and w.segment = s.segment
               and w.status = 'closed' order by w.starts_at desc limit 1) last
         cross join lateral (
             select starts_at from model_window w
             where w.baseline_id = active.id and w.model_version = s.model_version and w.segment = s.segment
               and w.segment <> '*' and w.verdict = 'no_baseline' order by w.starts_at limit 1) first
         where s.monitor = $1 and s.segment <> '*'
           and not exists (select from baseline_segment b where b.baseline_id = active.id and b.segment = s.segment)
           and last.ends_at + (last.ends_at - last.starts_at) * $2 >= newest.ends_at
         group by s.segment order by rows desc, s.segment limit $3",
    )
    .bind(monitor)
    .bind(SILENT_WINDOWS)
    .bind(MOST)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(SegmentWithoutBaseline {
                segment: row.try_get("segment")?,
                since: event_time(row.try_get::<DateTime<Utc>, _>("since")?).into(),
                last_rows: count(row.try_get::<Option<i64>, _>("rows")?.unwrap_or(0)),
            })
        })
        .collect()
}
