//! What `driftd status` and the gauges show.

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::learning::segments_without_baseline;
use super::windows::{reference_choice, verdict};
use super::{Store, StoreError, count, event_time, failed, named};
use crate::alert::{RowState, Severity};
use crate::judge::Subject;
use crate::record::Timestamp;
use crate::reference::ReferenceChoice;
use crate::view::{
    ClosedWindow, MonitorStatus, OpenAlert, OutboxDepth, PartitionStatus, RecordCount, Status, WindowStatus,
};

impl Store {
    /// The closed windows of the whole of a monitor, in the order of their start.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn closed_windows(&self, monitor: &str) -> Result<Vec<ClosedWindow>, StoreError> {
        self.windows_with_drift(monitor).await.map_err(failed("list closed windows"))
    }

    async fn windows_with_drift(&self, monitor: &str) -> Result<Vec<ClosedWindow>, sqlx::Error> {
        let rows = sqlx::query(
            "select id, model_version, coalesce(judged_from, starts_at) as begins_at, ends_at, coalesce(judged_rows, rows) as rows, verdict,
                    complete, reference from model_window
             where monitor = $1 and segment = '*' and status = 'closed' order by starts_at, id",
        )
        .bind(monitor)
        .fetch_all(&self.pool)
        .await?;
        let mut windows = Vec::new();
        for row in rows {
            let id: i64 = row.try_get("id")?;
            let findings = sqlx::query(
                "select distinct on (column_name) column_name, verdict, measure, effect from finding
                 where window_id = $1 and verdict in ('warn', 'critical')
                 order by column_name, verdict, effect / nullif(critical, 0) desc",
            )
            .bind(id)
            .fetch_all(&self.pool)
            .await?;
            let mut moved = Vec::new();
            for finding in findings {
                moved.push((
                    Subject::from_stored(finding.try_get("column_name")?).name().to_owned(),
                    finding.try_get("verdict")?,
                    finding.try_get("measure")?,
                    finding.try_get("effect")?,
                ));
            }
            moved.sort_by(|left: &(String, String, String, f64), right| {
                left.1.cmp(&right.1).then_with(|| right.3.total_cmp(&left.3))
            });
            windows.push(ClosedWindow { id, window: window_status(&row)?, moved });
        }
        Ok(windows)
    }

    /// Additions to open windows, not merged yet.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn pending_deltas(&self) -> Result<u64, StoreError> {
        let deltas: i64 = sqlx::query_scalar("select count(*) from window_delta")
            .fetch_one(&self.pool)
            .await
            .map_err(failed("count deltas"))?;
        Ok(count(deltas))
    }

    /// Gathers the summary.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn status(&self) -> Result<Status, StoreError> {
        let attempted = "gather the status";
        let (daemons, differences) = self.running().await.map_err(failed(attempted))?;
        Ok(Status {
            monitors: self.monitor_statuses().await.map_err(failed(attempted))?,
            partitions: self.partition_statuses().await.map_err(failed(attempted))?,
            alerts: self.open_alerts().await.map_err(failed(attempted))?,
            outbox: self.outbox_depths().await.map_err(failed(attempted))?,
            daemons,
            differences,
        })
    }

    /// Whether anything is stored of a monitor.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn has_monitor(&self, name: &str) -> Result<bool, StoreError> {
        sqlx::query_scalar(
            "select exists (select from record_tally where monitor = $1) or exists (select from baseline where monitor = $1)",
        )
        .bind(name)
        .fetch_one(&self.pool)
        .await
        .map_err(failed("look a monitor up"))
    }

    async fn monitor_statuses(&self) -> Result<Vec<MonitorStatus>, sqlx::Error> {
        let names: Vec<String> = sqlx::query_scalar(
            "select distinct monitor from record_tally union select monitor from baseline order by 1",
        )
        .fetch_all(&self.pool)
        .await?;
        let mut monitors = Vec::new();
        for monitor in names {
            let tally = sqlx::query(
                "select outcome, reason, least(sum(count), 9223372036854775807)::bigint as count from record_tally
                 where monitor = $1 group by outcome, reason order by outcome, reason",
            )
            .bind(&monitor)
            .fetch_all(&self.pool)
            .await?;
            let mut records = Vec::new();
            for row in tally {
                records.push(RecordCount {
                    outcome: row.try_get("outcome")?,
                    reason: row.try_get("reason")?,
                    count: count(row.try_get("count")?),
                });
            }
            let open: i64 =
                sqlx::query_scalar("select count(*) from model_window where monitor = $1 and status = 'open'")
                    .bind(&monitor)
                    .fetch_one(&self.pool)
                    .await?;
            let last = sqlx::query(
                "select model_version, coalesce(judged_from, starts_at) as begins_at, ends_at, coalesce(judged_rows, rows) as rows,
                        verdict, complete, reference from model_window
                 where monitor = $1 and segment = '*' and status = 'closed' order by ends_at desc, id desc limit 1",
            )
            .bind(&monitor)
            .fetch_optional(&self.pool)
            .await?;
            let last_window = last.as_ref().map(window_status).transpose()?;
            let baseline: Option<String> = sqlx::query_scalar(
                "select 'version ' || version || ' (' || origin || ')' from baseline where monitor = $1 and active",
            )
            .bind(&monitor)
            .fetch_optional(&self.pool)
            .await?;
            let baselines: i64 = sqlx::query_scalar("select count(*) from baseline where monitor = $1")
                .bind(&monitor)
                .fetch_one(&self.pool)
                .await?;
            let mut connection = self.pool.acquire().await?;
            let segments_without_baseline = segments_without_baseline(&mut connection, &monitor).await?;
            let reading = super::notes::reading(&mut connection, &monitor).await?;
            monitors.push(MonitorStatus {
                monitor,
                configured: false,
                records,
                open_windows: count(open),
                last_window,
                baseline,
                baselines: count(baselines),
                learning: None,
                segments_without_baseline,
                reading,
            });
        }
        Ok(monitors)
    }

    async fn partition_statuses(&self) -> Result<Vec<PartitionStatus>, sqlx::Error> {
        let rows = sqlx::query(
            "select topic, partition, next_offset, owner, quiet_since is not null as caught_up, checked_at, log_end, progressed_at, fault_detail,
                    coalesce(held_back, 0) as held_back,
                    (select max(m.newest) from monitor_partition m
                     where m.topic = p.topic and m.partition = p.partition) as newest,
                    least(coalesce((select sum(g.to_offset - g.from_offset) from retention_gap g
                              where g.topic = p.topic and g.partition = p.partition), 0), 9223372036854775807)::bigint as lost
             from source_partition p order by topic, partition",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let (next, end): (Option<i64>, Option<i64>) =
                    (row.try_get("next_offset")?, row.try_get("log_end")?);
                let time = |name| -> Result<Option<Timestamp>, sqlx::Error> {
                    let time: Option<DateTime<Utc>> = row.try_get(name)?;
                    Ok(time.map(|time| event_time(time).into()))
                };
                Ok(PartitionStatus {
                    topic: row.try_get("topic")?,
                    partition: row.try_get("partition")?,
                    next_offset: next,
                    log_end: end,
                    lag: end.zip(next).map(|(end, next)| count(end.saturating_sub(next))),
                    progressed_at: event_time(row.try_get("progressed_at")?).into(),
                    newest: time("newest")?,
                    owner: row.try_get("owner")?,
                    caught_up: row.try_get("caught_up")?,
                    checked_at: time("checked_at")?,
                    held_back: count(row.try_get("held_back")?),
                    lost: count(row.try_get("lost")?),
                    fault: row.try_get("fault_detail")?,
                })
            })
            .collect()
    }

    async fn open_alerts(&self) -> Result<Vec<OpenAlert>, sqlx::Error> {
        let rows = sqlx::query(
            "select id::text, monitor, model_version, segment, rule, state, severity, since,
                    exists (select from alert_group_member m
                            where m.alert_id = alert.id and m.suppression->>'by' = 'silenced') as silenced
             from alert where state in ('pending', 'firing', 'acknowledged')
             order by segment <> '*', created_at desc, id desc limit 200",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(OpenAlert {
                    id: row.try_get("id")?,
                    monitor: row.try_get("monitor")?,
                    version: row.try_get("model_version")?,
                    segment: row.try_get("segment")?,
                    rule: row.try_get("rule")?,
                    state: named(row, "state", RowState::from_name)?,
                    severity: named(row, "severity", Severity::from_name)?,
                    since: event_time(row.try_get::<DateTime<Utc>, _>("since")?).into(),
                    silenced: row.try_get("silenced")?,
                })
            })
            .collect()
    }

    /// How many notifications are pending or failed, by receiver.
    async fn outbox_depths(&self) -> Result<Vec<OutboxDepth>, sqlx::Error> {
        let rows = sqlx::query(
            "select receiver, count(*) filter (where status = 'pending') as pending,
                    count(*) filter (where status = 'dead') as dead,
                    coalesce(extract(epoch from now() - min(created_at) filter (where status = 'pending')), 0)::float8
                        as oldest
             from notification group by receiver order by receiver",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(OutboxDepth {
                    receiver: row.try_get("receiver")?,
                    pending: count(row.try_get("pending")?),
                    dead: count(row.try_get("dead")?),
                    oldest_seconds: row.try_get("oldest")?,
                })
            })
            .collect()
    }
}

fn window_status(row: &sqlx::postgres::PgRow) -> Result<WindowStatus, sqlx::Error> {
    let reference = reference_choice(row)?.map(|choice| ReferenceChoice { ids: Vec::new(), ..choice });
    Ok(WindowStatus {
        reference,
        version: row.try_get("model_version")?,
        start: event_time(row.try_get::<DateTime<Utc>, _>("begins_at")?).into(),
        end: event_time(row.try_get::<DateTime<Utc>, _>("ends_at")?).into(),
        rows: count(row.try_get("rows")?),
        verdict: verdict(row)?,
        complete: row.try_get("complete")?,
    })
}
