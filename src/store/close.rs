//! Closing a window: merge, judge, tell, in one transaction. Any daemon may do it; no leader is needed.
//!
//! The row of the series is locked first (`skip locked`: somebody else at it is as good), so the windows of a
//! series are judged one after the other, in order. Then the window itself: that waits for checkpoints which
//! are adding to it, and makes later ones see it closed.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::{Store, StoreError, bigint, count, event_time, failed, timestamp};
use crate::alert::{AlertChange, AlertState, ChangeKind, WindowEvidence};
use crate::binning::BinningSet;
use crate::decision::{ClosingWindow, Decision, RetrainingRequest};
use crate::distribution::{RecordSample, WindowCounts};
use crate::record::EventTime;
use crate::window::{OffsetRanges, Partition, WindowKey};

/// Drifting windows of an episode that evidence names at most.
const EVIDENCE_WINDOWS: i64 = 48;

/// A window that may be due.
#[derive(Clone, Debug)]
pub struct OpenWindow {
    /// Its row.
    pub id: i64,
    /// Version, segment, start.
    pub key: WindowKey,
    /// Its end.
    pub end: EventTime,
    /// For how long it has been due, in microseconds; none when not marked yet.
    pub due_for: Option<i64>,
}

impl Store {
    /// The oldest open windows of a monitor that end by a time, oldest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn open_windows(
        &self,
        monitor: &str,
        up_to: EventTime,
        limit: i64,
    ) -> Result<Vec<OpenWindow>, StoreError> {
        let rows = sqlx::query(
            "select id, model_version, segment, starts_at, ends_at,
                    (extract(epoch from now() - due_since) * 1e6)::bigint as due_for
             from model_window
             where monitor = $1 and status = 'open' and ends_at <= $2
             order by ends_at, model_version, segment limit $3",
        )
        .bind(monitor)
        .bind(timestamp(up_to))
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("list open windows"))?;
        rows.iter()
            .map(|row| {
                let key = WindowKey {
                    version: row.try_get("model_version")?,
                    segment: row.try_get("segment")?,
                    start: event_time(row.try_get("starts_at")?),
                };
                let end = event_time(row.try_get("ends_at")?);
                Ok(OpenWindow { id: row.try_get("id")?, key, end, due_for: row.try_get("due_for")? })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(failed("list open windows"))
    }

    /// Starts the patience of windows some partition has passed.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn mark_due(&self, windows: &[i64]) -> Result<(), StoreError> {
        sqlx::query("update model_window set due_since = now() where id = any($1) and due_since is null and status = 'open'")
            .bind(windows)
            .execute(&self.pool)
            .await
            .map_err(failed("mark due windows"))?;
        Ok(())
    }

    /// Closes a window: `decide` is called with everything counted in it and the clock of the database. `None`
    /// when another daemon is at this series, or has closed the window, or an older one is still open.
    ///
    /// # Errors
    /// When the database is away or stored counts are damaged; nothing changed then.
    pub async fn close_window(
        &self,
        monitor: &str,
        window: &OpenWindow,
        missing: &[Partition],
        sample_size: usize,
        decide: impl FnOnce(&ClosingWindow, EventTime) -> Decision,
    ) -> Result<Option<Decision>, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin closing a window"))?;
        let Some(alert) = lock_series(&mut transaction, monitor, &window.key).await? else {
            return Ok(None);
        };
        let Some(pinned) = lock_window(&mut transaction, monitor, window).await? else {
            return Ok(None);
        };
        let merged = merge_deltas(&mut transaction, window.id, &pinned.binnings, sample_size).await?;
        let evidence = WindowEvidence {
            start: window.key.start.to_string(),
            end: window.end.to_string(),
            records: merged.counts.rows(),
            late_records: 0,
            complete: missing.is_empty(),
            offsets: merged.ranges.clone(),
        };
        let baseline = baseline_of(&mut transaction, pinned.baseline, &window.key.segment, &pinned.binnings).await?;
        let (requested, last_request) = requests_of(&mut transaction, monitor).await?;
        let earlier = evidence_since(&mut transaction, monitor, &window.key, &alert).await?;
        let closing = ClosingWindow {
            key: window.key.clone(),
            end: window.end,
            counts: merged.counts,
            evidence,
            baseline,
            alert,
            requested,
            last_request,
            earlier,
        };
        let now: DateTime<Utc> =
            sqlx::query_scalar("select now()").fetch_one(&mut *transaction).await.map_err(failed("read the clock"))?;
        let decision = decide(&closing, event_time(now));
        write_window(&mut transaction, window, &closing, merged.sample, missing, &decision).await?;
        write_findings(&mut transaction, window.id, &decision).await?;
        write_alert(&mut transaction, monitor, window, &decision).await?;
        write_outbox(&mut transaction, &decision).await?;
        #[cfg(debug_assertions)]
        crate::faults::hit("close.before_commit");
        transaction.commit().await.map_err(failed("commit a closed window"))?;
        #[cfg(debug_assertions)]
        crate::faults::hit("close.after_commit");
        Ok(Some(decision))
    }

    /// Replaces the deltas of open windows that have gathered more than `many` by their sum. How many
    /// windows were tidied.
    ///
    /// # Errors
    /// When the database is away or stored counts are damaged.
    pub async fn merge_many_deltas(&self, monitor: &str, many: i64, sample_size: usize) -> Result<u64, StoreError> {
        let ids: Vec<i64> = sqlx::query_scalar(
            "select w.id from model_window w join window_delta d on d.window_id = w.id
             where w.monitor = $2 and w.status = 'open' group by w.id having count(*) > $1 limit 100",
        )
        .bind(many)
        .bind(monitor)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("find windows to tidy"))?;
        let mut tidied = 0;
        for id in ids {
            let mut transaction = self.pool.begin().await.map_err(failed("begin tidying"))?;
            let row = sqlx::query("select binning_id from model_window where id = $1 and status = 'open' for update skip locked")
                .bind(id)
                .fetch_optional(&mut *transaction)
                .await
                .map_err(failed("lock a window"))?;
            let Some(row) = row else { continue };
            let binnings = binning(&mut transaction, row.try_get("binning_id").map_err(failed("lock a window"))?).await?;
            let mut merged = merge_deltas(&mut transaction, id, &binnings, sample_size).await?;
            sqlx::query("delete from window_delta where window_id = $1")
                .bind(id)
                .execute(&mut *transaction)
                .await
                .map_err(failed("tidy deltas"))?;
            sqlx::query("insert into window_delta (window_id, rows, counts, sample, ranges) values ($1, $2, $3, $4, $5)")
                .bind(id)
                .bind(bigint(merged.counts.rows()))
                .bind(damaged("counts", merged.counts.to_ipc())?)
                .bind(damaged("sample", merged.sample.to_ipc())?)
                .bind(serde_json::to_value(&merged.ranges).unwrap_or(Value::Null))
                .execute(&mut *transaction)
                .await
                .map_err(failed("tidy deltas"))?;
            transaction.commit().await.map_err(failed("commit tidied deltas"))?;
            tidied += 1;
        }
        Ok(tidied)
    }
}

fn damaged<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) -> Result<T, StoreError> {
    result.map_err(|error| StoreError::Damaged { what: what.to_owned(), why: error.to_string() })
}

async fn lock_series(
    connection: &mut PgConnection,
    monitor: &str,
    key: &WindowKey,
) -> Result<Option<AlertState>, StoreError> {
    let state: Option<Value> = sqlx::query_scalar(
        "select alert_state from series where monitor = $1 and model_version = $2 and segment = $3
         for no key update skip locked",
    )
    .bind(monitor)
    .bind(&key.version)
    .bind(&key.segment)
    .fetch_optional(connection)
    .await
    .map_err(failed("lock a series"))?;
    state.map(|state| damaged("the state of an alert", serde_json::from_value(state))).transpose()
}

struct Pinned {
    binnings: Arc<BinningSet>,
    baseline: Option<Uuid>,
}

async fn lock_window(
    connection: &mut PgConnection,
    monitor: &str,
    window: &OpenWindow,
) -> Result<Option<Pinned>, StoreError> {
    let row = sqlx::query(
        "select binning_id, baseline_id from model_window w where id = $1 and status = 'open'
         and not exists (select from model_window older
                         where older.monitor = $2 and older.model_version = $3 and older.segment = $4
                           and older.status = 'open' and older.starts_at < $5)
         for update",
    )
    .bind(window.id)
    .bind(monitor)
    .bind(&window.key.version)
    .bind(&window.key.segment)
    .bind(timestamp(window.key.start))
    .fetch_optional(&mut *connection)
    .await
    .map_err(failed("lock a window"))?;
    let Some(row) = row else { return Ok(None) };
    let id = row.try_get("binning_id").map_err(failed("lock a window"))?;
    let baseline = row.try_get("baseline_id").map_err(failed("lock a window"))?;
    Ok(Some(Pinned { binnings: binning(connection, id).await?, baseline }))
}

async fn binning(connection: &mut PgConnection, id: Uuid) -> Result<Arc<BinningSet>, StoreError> {
    let columns: Value = sqlx::query_scalar("select columns from binning where id = $1")
        .bind(id)
        .fetch_one(connection)
        .await
        .map_err(failed("read a binning"))?;
    damaged("a binning", serde_json::from_value(columns)).map(Arc::new)
}

struct Merged {
    counts: WindowCounts,
    sample: RecordSample,
    ranges: OffsetRanges,
}

async fn merge_deltas(
    connection: &mut PgConnection,
    window: i64,
    binnings: &Arc<BinningSet>,
    sample_size: usize,
) -> Result<Merged, StoreError> {
    let rows = sqlx::query("select counts, sample, ranges from window_delta where window_id = $1 order by id")
        .bind(window)
        .fetch_all(connection)
        .await
        .map_err(failed("read deltas"))?;
    let mut merged = Merged {
        counts: WindowCounts::empty(Arc::clone(binnings)),
        sample: RecordSample::new(sample_size),
        ranges: OffsetRanges::default(),
    };
    for row in rows {
        let counts: &[u8] = row.try_get("counts").map_err(failed("read deltas"))?;
        let delta = damaged("a delta", WindowCounts::from_ipc(counts, Arc::clone(binnings)))?;
        damaged("a delta", merged.counts.merge(&delta))?;
        let ranges: Value = row.try_get("ranges").map_err(failed("read deltas"))?;
        merged.ranges.merge(&damaged("the offsets of a delta", serde_json::from_value(ranges))?);
        let sample: Option<&[u8]> = row.try_get("sample").map_err(failed("read deltas"))?;
        if let Some(bytes) = sample {
            merged.sample.merge(&damaged("a sample", RecordSample::from_ipc(bytes, sample_size))?);
        }
    }
    Ok(merged)
}

async fn baseline_of(
    connection: &mut PgConnection,
    id: Option<Uuid>,
    segment: &str,
    binnings: &Arc<BinningSet>,
) -> Result<Option<(String, Option<WindowCounts>)>, StoreError> {
    let Some(id) = id else { return Ok(None) };
    let row = sqlx::query(
        "select b.version, b.origin, b.rows, s.counts from baseline b
         left join baseline_segment s on s.baseline_id = b.id and s.segment = $2 where b.id = $1",
    )
    .bind(id)
    .bind(segment)
    .fetch_one(connection)
    .await
    .map_err(failed("read a baseline"))?;
    let version: i32 = row.try_get("version").map_err(failed("read a baseline"))?;
    let origin: String = row.try_get("origin").map_err(failed("read a baseline"))?;
    let counts: Option<&[u8]> = row.try_get("counts").map_err(failed("read a baseline"))?;
    let counts = counts
        .map(|bytes| damaged("a baseline", WindowCounts::from_ipc(bytes, Arc::clone(binnings))))
        .transpose()?;
    Ok(Some((format!("version {version} ({origin})"), counts)))
}

async fn requests_of(
    connection: &mut PgConnection,
    monitor: &str,
) -> Result<(Vec<Uuid>, Option<EventTime>), StoreError> {
    let rows = sqlx::query("select alert_id, window_end from retraining_request where monitor = $1")
        .bind(monitor)
        .fetch_all(connection)
        .await
        .map_err(failed("read retraining requests"))?;
    let mut alerts = Vec::new();
    let mut last = None;
    for row in rows {
        alerts.push(row.try_get("alert_id").map_err(failed("read retraining requests"))?);
        let end: DateTime<Utc> = row.try_get("window_end").map_err(failed("read retraining requests"))?;
        last = last.max(Some(event_time(end)));
    }
    Ok((alerts, last))
}

/// The closed drifting windows of the running episode.
async fn evidence_since(
    connection: &mut PgConnection,
    monitor: &str,
    key: &WindowKey,
    alert: &AlertState,
) -> Result<Vec<WindowEvidence>, StoreError> {
    let (AlertState::Pending { since, .. } | AlertState::Firing { since, .. }) = alert else {
        return Ok(Vec::new());
    };
    let rows = sqlx::query(
        "select * from (
             select starts_at, ends_at, rows, complete, ranges,
                    coalesce((select sum(l.rows) from window_late l where l.window_id = w.id), 0)::bigint as late
             from model_window w
             where monitor = $1 and model_version = $2 and segment = $3 and status = 'closed'
               and verdict in ('warn', 'critical') and starts_at >= $4 and starts_at < $5
             order by starts_at desc limit $6) newest
         order by starts_at",
    )
    .bind(monitor)
    .bind(&key.version)
    .bind(&key.segment)
    .bind(timestamp(*since))
    .bind(timestamp(key.start))
    .bind(EVIDENCE_WINDOWS)
    .fetch_all(connection)
    .await
    .map_err(failed("read earlier windows"))?;
    rows.iter()
        .map(|row| {
            let ranges: Value = row.try_get("ranges")?;
            Ok(WindowEvidence {
                start: event_time(row.try_get("starts_at")?).to_string(),
                end: event_time(row.try_get("ends_at")?).to_string(),
                records: count(row.try_get("rows")?),
                late_records: count(row.try_get("late")?),
                complete: row.try_get("complete")?,
                offsets: serde_json::from_value(ranges).unwrap_or_default(),
            })
        })
        .collect::<Result<_, sqlx::Error>>()
        .map_err(failed("read earlier windows"))
}

async fn write_window(
    connection: &mut PgConnection,
    window: &OpenWindow,
    closing: &ClosingWindow,
    mut sample: RecordSample,
    missing: &[Partition],
    decision: &Decision,
) -> Result<(), StoreError> {
    sqlx::query(
        "update model_window set status = 'closed', closed_at = now(), rows = $2, counts = $3, sample = $4,
                ranges = $5, complete = $6, missing = $7, verdict = $8, retrain_decision = $9 where id = $1",
    )
    .bind(window.id)
    .bind(bigint(closing.counts.rows()))
    .bind(damaged("counts", closing.counts.to_ipc())?)
    .bind(damaged("sample", sample.to_ipc())?)
    .bind(serde_json::to_value(&closing.evidence.offsets).unwrap_or(Value::Null))
    .bind(missing.is_empty())
    .bind(serde_json::to_value(missing).unwrap_or(Value::Null))
    .bind(decision.judgement.verdict.as_str())
    .bind(decision.retrain.map(crate::retrain::RetrainDecision::as_str))
    .execute(&mut *connection)
    .await
    .map_err(failed("close a window"))?;
    sqlx::query("delete from window_delta where window_id = $1")
        .bind(window.id)
        .execute(connection)
        .await
        .map_err(failed("close a window"))?;
    Ok(())
}

async fn write_findings(connection: &mut PgConnection, window: i64, decision: &Decision) -> Result<(), StoreError> {
    let findings = &decision.judgement.findings;
    let score = |field: fn(&crate::measure::Score) -> Option<f64>| -> Vec<Option<f64>> {
        findings.iter().map(|finding| finding.score.as_ref().and_then(field)).collect()
    };
    let size = |field: fn(&crate::measure::Score) -> u64| -> Vec<Option<i64>> {
        findings.iter().map(|finding| finding.score.as_ref().map(|score| bigint(field(score)))).collect()
    };
    sqlx::query(
        "insert into finding (window_id, column_name, measure, verdict, warn, critical, noise_floor, statistic,
                              p_value, effect, bound, n_baseline, n_window)
         select $1, * from unnest($2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::float8[],
                                  $8::float8[], $9::float8[], $10::float8[], $11::float8[], $12::bigint[], $13::bigint[])",
    )
    .bind(window)
    .bind(findings.iter().map(|finding| finding.column.as_str()).collect::<Vec<_>>())
    .bind(findings.iter().map(|finding| finding.measure.as_str()).collect::<Vec<_>>())
    .bind(findings.iter().map(|finding| finding.verdict.as_str()).collect::<Vec<_>>())
    .bind(findings.iter().map(|finding| finding.warn).collect::<Vec<_>>())
    .bind(findings.iter().map(|finding| finding.critical).collect::<Vec<_>>())
    .bind(findings.iter().map(|finding| finding.noise_floor).collect::<Vec<_>>())
    .bind(score(|score| Some(score.statistic)))
    .bind(score(|score| score.p_value))
    .bind(score(|score| Some(score.effect)))
    .bind(score(|score| score.bound))
    .bind(size(|score| score.n_baseline))
    .bind(size(|score| score.n_window))
    .execute(connection)
    .await
    .map_err(failed("store findings"))?;
    Ok(())
}

async fn write_alert(
    connection: &mut PgConnection,
    monitor: &str,
    window: &OpenWindow,
    decision: &Decision,
) -> Result<(), StoreError> {
    sqlx::query("update series set alert_state = $4 where monitor = $1 and model_version = $2 and segment = $3")
        .bind(monitor)
        .bind(&window.key.version)
        .bind(&window.key.segment)
        .bind(damaged("the state of an alert", serde_json::to_value(&decision.alert))?)
        .execute(&mut *connection)
        .await
        .map_err(failed("store the state of an alert"))?;
    if let Some(change) = &decision.change {
        write_change(connection, monitor, window, change).await?;
    }
    if let Some(request) = &decision.request {
        write_request(connection, monitor, window, request).await?;
    }
    Ok(())
}

async fn write_change(
    connection: &mut PgConnection,
    monitor: &str,
    window: &OpenWindow,
    change: &AlertChange,
) -> Result<(), StoreError> {
    let state = match change.kind {
        ChangeKind::Firing | ChangeKind::Worsened => "firing",
        other => other.as_str(),
    };
    sqlx::query(
        "insert into alert (id, monitor, model_version, segment, state, severity, since)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (id) do update set state = excluded.state, severity = excluded.severity, updated_at = now()",
    )
    .bind(change.id)
    .bind(monitor)
    .bind(&window.key.version)
    .bind(&window.key.segment)
    .bind(state)
    .bind(change.severity.as_str())
    .bind(timestamp(change.since))
    .execute(&mut *connection)
    .await
    .map_err(failed("store an alert"))?;
    sqlx::query("insert into alert_change (alert_id, window_id, kind, severity) values ($1, $2, $3, $4)")
        .bind(change.id)
        .bind(window.id)
        .bind(change.kind.as_str())
        .bind(change.severity.as_str())
        .execute(&mut *connection)
        .await
        .map_err(failed("store the change of an alert"))?;
    Ok(())
}

async fn write_request(
    connection: &mut PgConnection,
    monitor: &str,
    window: &OpenWindow,
    request: &RetrainingRequest,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into retraining_request (id, monitor, model_version, segment, alert_id, window_id, window_end, body)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing",
    )
    .bind(request.id)
    .bind(monitor)
    .bind(&window.key.version)
    .bind(&window.key.segment)
    .bind(request.alert)
    .bind(window.id)
    .bind(timestamp(window.end))
    .bind(&request.body)
    .execute(connection)
    .await
    .map_err(failed("store a retraining request"))?;
    Ok(())
}

async fn write_outbox(connection: &mut PgConnection, decision: &Decision) -> Result<(), StoreError> {
    for notification in &decision.notifications {
        sqlx::query(
            "insert into notification (id, subject_id, receiver, event_type, body)
             values ($1, $2, $3, $4, $5) on conflict (id) do nothing",
        )
        .bind(notification.id)
        .bind(notification.subject)
        .bind(&notification.receiver)
        .bind(&notification.event_type)
        .bind(&notification.body)
        .execute(&mut *connection)
        .await
        .map_err(failed("fill the outbox"))?;
    }
    Ok(())
}
