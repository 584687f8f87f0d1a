//! Closed windows, their findings and alerts, page by page from one snapshot of the database.

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::findings::{finding_row, select_findings};
use super::series::summary_row;
use super::session::Session;
use super::windows::{select_windows, window_row};
use super::{Store, StoreError, bigint, count, event_time, failed, named, named_if_any, timestamp};
use crate::alert::{RowState, RuleKind, Severity};
use crate::record::EventTime;
use crate::view::{ExportedAlert, ExportedColumn, ExportedFinding, ExportedWindow, Judged};

/// The database as it was at one moment, whatever is closed, decided and deleted meanwhile.
#[derive(Debug)]
pub struct Snapshot {
    session: Session,
}

/// Windows whose findings are read by one statement; they are passed on as they come.
const TOGETHER: usize = 50;

impl Store {
    /// Begins to read the database as it is now.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let attempted = "begin to read everything";
        let mut session = self.pool.begin().await.map_err(failed(attempted))?;
        // What is read is written to a disk between two statements, which may be a slow one.
        for statement in [
            "set transaction isolation level repeatable read, read only",
            "set local idle_in_transaction_session_timeout = '5min'",
        ] {
            sqlx::query(statement).execute(&mut session).await.map_err(failed(attempted))?;
        }
        Ok(Snapshot { session })
    }
}

impl Snapshot {
    /// The monitors that have windows, by name.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn monitors(&mut self) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar("select distinct monitor from series order by monitor")
            .fetch_all(&mut self.session)
            .await
            .map_err(failed("list monitors"))
    }

    /// Closed windows of a monitor that start in a period, oldest first; `after` is start and id of the last one seen.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn windows(
        &mut self,
        monitor: &str,
        (from, to): (EventTime, EventTime),
        after: Option<(EventTime, i64)>,
        limit: usize,
    ) -> Result<Vec<ExportedWindow>, StoreError> {
        let attempted = "read closed windows";
        let (start, id) = after.unwrap_or((from, i64::MIN));
        let rows = sqlx::query(select_windows!(
            "where w.monitor = $1 and w.status = 'closed' and w.starts_at >= $2 and w.starts_at < $3
               and (w.starts_at, w.id) > ($2, $4)
             order by w.starts_at, w.id limit $5"
        ))
        .bind(monitor)
        .bind(timestamp(start))
        .bind(timestamp(to))
        .bind(id)
        .bind(bigint(limit as u64))
        .fetch_all(&mut self.session)
        .await
        .map_err(failed(attempted))?;
        let window = |row: &PgRow| {
            Ok(ExportedWindow {
                monitor: monitor.to_owned(),
                row: window_row(row)?,
                findings_deleted: row.try_get("findings_deleted")?,
            })
        };
        rows.iter().map(window).collect::<Result<_, sqlx::Error>>().map_err(failed(attempted))
    }

    /// The findings of these windows, in the order of their windows; each is passed on as it comes.
    ///
    /// # Errors
    /// When the database is away, or what takes them fails.
    pub async fn findings<E: From<StoreError>>(
        &mut self,
        windows: &[ExportedWindow],
        mut take: impl FnMut(ExportedFinding) -> Result<(), E>,
    ) -> Result<(), E> {
        let attempted = "read findings";
        for part in windows.chunks(TOGETHER) {
            let query = sqlx::query(select_findings!(
                "where f.window_id = any($1) order by w.starts_at, w.id, f.column_name, f.measure"
            ));
            let mut rows = query.bind(ids(part)).fetch(&mut self.session);
            while let Some(row) = rows.try_next().await.map_err(failed(attempted))? {
                take(finding(&row).map_err(failed(attempted))?)?;
            }
        }
        Ok(())
    }

    /// The summaries of the columns of these windows, in the order of their windows; each is passed on as it comes.
    ///
    /// # Errors
    /// When the database is away, or what takes them fails.
    pub async fn columns<E: From<StoreError>>(
        &mut self,
        windows: &[ExportedWindow],
        mut take: impl FnMut(ExportedColumn) -> Result<(), E>,
    ) -> Result<(), E> {
        let attempted = "read the summaries of columns";
        for part in windows.chunks(TOGETHER) {
            let query = sqlx::query(
                "select w.id, w.monitor, w.model_version, w.segment, coalesce(w.judged_from, w.starts_at) as begins_at, s.column_name, s.present, s.nulls,
                        s.invalid, s.below, s.above, s.unseen, s.mean, s.quantiles, s.categories, s.shares
                 from column_summary s join model_window w on w.id = s.window_id
                 where s.window_id = any($1) order by w.starts_at, w.id, s.column_name",
            );
            let mut rows = query.bind(ids(part)).fetch(&mut self.session);
            while let Some(row) = rows.try_next().await.map_err(failed(attempted))? {
                take(column(&row).map_err(failed(attempted))?)?;
            }
        }
        Ok(())
    }

    /// Alerts whose episode overlaps a period, by its begin, of these monitors or of all; `after` is begin and id of the last
    /// one seen.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn alerts(
        &mut self,
        monitors: Option<&[String]>,
        (from, to): (EventTime, EventTime),
        after: Option<(EventTime, Uuid)>,
        limit: usize,
    ) -> Result<Vec<ExportedAlert>, StoreError> {
        let (since, id) = after.unzip();
        let rows = sqlx::query(
            "select a.id, a.monitor, a.model_version, a.segment, a.rule, a.column_name, a.kind, a.state, a.severity, a.since,
                    a.fired_at, a.resolved_at, a.acknowledged_by, a.judged, a.windows, a.judged_windows, a.reason,
                    a.evidence->>'summary' as summary
             from alert a
             where ($1::text[] is null or a.monitor = any($1)) and a.since < $3
               and (a.since >= $2 or a.state not in ('resolved', 'cleared')
                    or coalesce((select max(coalesce(c.window_start, w.starts_at))
                                 from alert_change c left join model_window w on w.id = c.window_id
                                 where c.alert_id = a.id and c.kind in ('resolved', 'cleared')),
                                a.resolved_at, a.updated_at) > $2)
               and ($4::timestamptz is null or (a.since, a.id) > ($4, $5))
             order by a.since, a.id limit $6",
        )
        .bind(monitors)
        .bind(timestamp(from))
        .bind(timestamp(to))
        .bind(since.map(timestamp))
        .bind(id)
        .bind(bigint(limit as u64))
        .fetch_all(&mut self.session)
        .await
        .map_err(failed("read alerts"))?;
        rows.iter().map(alert).collect::<Result<_, sqlx::Error>>().map_err(failed("read alerts"))
    }

    /// Ends reading.
    ///
    /// # Errors
    /// When the database is away: what was read holds.
    pub async fn finish(self) -> Result<(), StoreError> {
        self.session.commit().await.map_err(failed("end reading everything"))
    }
}

fn ids(windows: &[ExportedWindow]) -> Vec<i64> {
    windows.iter().map(|window| window.row.id).collect()
}

fn finding(row: &PgRow) -> Result<ExportedFinding, sqlx::Error> {
    Ok(ExportedFinding {
        monitor: row.try_get("monitor")?,
        row: finding_row(row)?,
        significant: row.try_get("significant")?,
    })
}

fn column(row: &PgRow) -> Result<ExportedColumn, sqlx::Error> {
    Ok(ExportedColumn {
        window: row.try_get("id")?,
        monitor: row.try_get("monitor")?,
        version: row.try_get("model_version")?,
        segment: row.try_get("segment")?,
        start: event_time(row.try_get("begins_at")?).into(),
        summary: summary_row(row, row.try_get("column_name")?)?,
    })
}

fn alert(row: &PgRow) -> Result<ExportedAlert, sqlx::Error> {
    let time = |name: &str| -> Result<Option<EventTime>, sqlx::Error> {
        Ok(row.try_get::<Option<DateTime<Utc>>, _>(name)?.map(event_time))
    };
    let number = |name: &str| -> Result<u64, sqlx::Error> { Ok(count(i64::from(row.try_get::<i32, _>(name)?))) };
    Ok(ExportedAlert {
        id: row.try_get("id")?,
        monitor: row.try_get("monitor")?,
        version: row.try_get("model_version")?,
        segment: row.try_get("segment")?,
        rule: row.try_get("rule")?,
        column: row.try_get("column_name")?,
        kind: named(row, "kind", RuleKind::from_name)?,
        state: named(row, "state", RowState::from_name)?,
        severity: named(row, "severity", Severity::from_name)?,
        since: event_time(row.try_get("since")?).into(),
        fired_at: time("fired_at")?.map(Into::into),
        resolved_at: time("resolved_at")?.map(Into::into),
        acknowledged_by: row.try_get("acknowledged_by")?,
        judged: named_if_any(row, "judged", Judged::from_name)?,
        windows: number("windows")?,
        judged_windows: number("judged_windows")?,
        reason: row.try_get("reason")?,
        summary: row.try_get("summary")?,
    })
}
