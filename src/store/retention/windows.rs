//! Windows, which lose what is largest first.

use chrono::{DateTime, Utc};

use crate::record::{EventTime, TimeSpan};
use crate::store::session::Session;
use crate::store::{Store, StoreError, count, event_time, failed, timestamp};

/// Rows of late records that a window may have.
const LATE_ROWS: i64 = 32;

/// A condition: nothing needs the counts of a window `w` any more. A proposed baseline needs those of its version, or of versions
/// that it is the first proposal for; an open retraining request those that it asks to learn from.
macro_rules! unneeded {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " not exists (
                 select from baseline_proposal p
                 where p.monitor = w.monitor and w.starts_at >= p.since
                   and (p.model_version = w.model_version
                        or p.model_version is null and (w.model_version = '' or not exists (
                               select from model_window o
                               where o.monitor = w.monitor and o.model_version = w.model_version and o.starts_at < p.since))))
               and not exists (
                 select from retraining_request r
                 where r.monitor = w.monitor and r.state in ('proposed', 'requested', 'accepted', 'running') and not r.dry_run
                   and (r.window_id = w.id or r.alert_id = any(w.drifts_for) and w.starts_at < r.window_end)) ",
            $after
        )
    };
}

pub(super) async fn samples(
    connection: &mut Session,
    monitor: &str,
    age: TimeSpan,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "update model_window set sample = null where id = any(array(
             select id from model_window
             where monitor = $1 and sample is not null and closed_at < now() - make_interval(secs => $2)
             order by closed_at limit $3 for update skip locked))",
    )
    .bind(monitor)
    .bind(age.as_seconds())
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

pub(super) async fn counts(
    connection: &mut Session,
    monitor: &str,
    (age, learns_from): (TimeSpan, Option<EventTime>),
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(unneeded!(
        "update model_window set counts = null where id = any(array(
             select w.id from model_window w
             where w.monitor = $1 and w.counts is not null and w.closed_at < now() - make_interval(secs => $2)
               and ($4::timestamptz is null or w.starts_at < $4) and",
        "order by w.closed_at limit $3 for update of w skip locked))"
    ))
    .bind(monitor)
    .bind(age.as_seconds())
    .bind(limit)
    .bind(learns_from.map(timestamp))
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

/// How many windows lost their findings, and how many findings those were.
pub(super) async fn findings(
    connection: &mut Session,
    monitor: &str,
    age: TimeSpan,
    limit: i64,
) -> Result<(u64, u64), sqlx::Error> {
    let (windows, findings): (i64, i64) = sqlx::query_as(unneeded!(
        "with old as materialized (
             select w.id from model_window w
             where w.monitor = $1 and w.counts is null and not w.findings_deleted
               and w.closed_at < now() - make_interval(secs => $2) and",
        "order by w.closed_at limit $3 for update of w skip locked),
         gone as (delete from finding where window_id in (select id from old) returning 1),
         unsummed as (delete from column_summary where window_id in (select id from old)),
         marked as (update model_window set findings_deleted = true where id in (select id from old))
         select (select count(*) from old), (select count(*) from gone)"
    ))
    .bind(monitor)
    .bind(age.as_seconds())
    .bind(limit)
    .fetch_one(connection)
    .await?;
    Ok((count(windows), count(findings)))
}

pub(super) async fn windows(connection: &mut Session, age: TimeSpan, limit: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(unneeded!(
        "delete from model_window where id = any(array(
             select w.id from model_window w
             where w.counts is null and w.findings_deleted and w.closed_at < now() - make_interval(secs => $1) and",
        "order by w.closed_at limit $2 for update of w skip locked))"
    ))
    .bind(age.as_seconds())
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

/// Rows of late records, the newest ones, by which windows with many of them are looked for: a pass costs the same however many
/// there are.
const NEWEST_LATE: i64 = 100_000;

/// How many windows had more rows of late records than they may have, and how many rows are fewer now.
pub(super) async fn late_rows(connection: &mut Session, limit: i64) -> Result<(u64, u64), sqlx::Error> {
    let (windows, rows): (i64, i64) = sqlx::query_as(
        "with newest as (select window_id from window_late order by id desc limit $3),
         many as materialized (
             select window_id from window_late where window_id in (select window_id from newest)
             group by window_id having count(*) > $1 limit $2),
         gone as (delete from window_late where window_id in (select window_id from many) returning window_id, rows),
         summed as (
             insert into window_late (window_id, rows)
             select window_id, least(sum(rows), 9223372036854775807)::bigint from gone group by window_id returning 1)
         select (select count(*) from summed), (select count(*) from gone)",
    )
    .bind(LATE_ROWS)
    .bind(limit)
    .bind(NEWEST_LATE)
    .fetch_one(connection)
    .await?;
    Ok((count(windows), count(rows.saturating_sub(windows))))
}

impl Store {
    /// From which start on the windows of a monitor are needed for the baseline that is learned from `windows` of them: the latest
    /// ones. `None` when it has a baseline, or no window.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn learns_from(&self, monitor: &str, windows: u32) -> Result<Option<EventTime>, StoreError> {
        let start: Option<DateTime<Utc>> = sqlx::query_scalar(
            "select min(starts_at) from (
                 select distinct starts_at from model_window
                 where monitor = $1 and segment = '*' and status = 'closed' and rows > 0 and counts is not null
                   and not exists (select from baseline where monitor = $1)
                 order by starts_at desc limit $2) latest",
        )
        .bind(monitor)
        .bind(i64::from(windows))
        .fetch_one(&self.pool)
        .await
        .map_err(failed("look for windows that a baseline is learned from"))?;
        Ok(start.map(event_time))
    }
}
