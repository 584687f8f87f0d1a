//! What closing needs to know: locks, the merged deltas, the baseline, the history.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::Row as _;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Closing, OpenWindow};
use crate::alert::{Evidence, SeriesAlerts, WindowEvidence};
use crate::binning::BinningSet;
use crate::distribution::{RecordSample, WindowCounts};
use crate::judge::SeriesTrend;
use crate::record::EventTime;
use crate::store::decoded::Decoded;
use crate::store::session::Session;
use crate::store::{StoreError, count, damaged, event_time, failed, timestamp};
use crate::window::{OffsetRanges, WindowKey, WindowSpan};

pub(super) async fn lock_series(
    connection: &mut Session,
    monitor: &str,
    key: &WindowKey,
) -> Result<Option<(SeriesAlerts, SeriesTrend)>, StoreError> {
    let state: Option<(Value, Option<Value>)> = sqlx::query_as(
        "select alerts, slow_drift from series where monitor = $1 and model_version = $2 and segment = $3
         for no key update skip locked",
    )
    .bind(monitor)
    .bind(&key.version)
    .bind(&key.segment)
    .fetch_optional(connection)
    .await
    .map_err(failed("lock a series"))?;
    let Some((alerts, trend)) = state else { return Ok(None) };
    let alerts = damaged("the state of an alert", serde_json::from_value(alerts))?;
    let trend = trend.map(serde_json::from_value::<SeriesTrend>).transpose().unwrap_or_else(|error| {
        let WindowKey { version, segment, .. } = key;
        tracing::warn!(monitor, version, segment, %error, "the state of slow drift is damaged: it begins anew");
        None
    });
    Ok(Some((alerts, trend.unwrap_or_default())))
}

/// How many series share the budget of false alarms: those of the monitor with a window that starts within its period before the
/// end of this one.
pub(super) async fn series_of(
    connection: &mut Session,
    with: Closing<'_>,
    window: &OpenWindow,
) -> Result<usize, StoreError> {
    let Some(period) = with.budget_period else { return Ok(1) };
    let number: i64 = sqlx::query_scalar(
        "select count(*) from series s where s.monitor = $1
         and exists (select from model_window w
                     where w.monitor = $1 and w.model_version = s.model_version and w.segment = s.segment
                       and w.starts_at >= $2 and w.starts_at <= $3)",
    )
    .bind(with.monitor)
    .bind(timestamp(window.end.shifted(-period)))
    .bind(timestamp(window.key.start))
    .fetch_one(connection)
    .await
    .map_err(failed("count versions and segments"))?;
    Ok(usize::try_from(number).unwrap_or(1).max(1))
}

/// Locks an open window that is the oldest of its series: the bins it was counted on.
pub(super) async fn lock_window(
    connection: &mut Session,
    monitor: &str,
    window: &OpenWindow,
    kept: &Decoded,
) -> Result<Option<Arc<BinningSet>>, StoreError> {
    let row = sqlx::query(
        "select binning_id from model_window w where id = $1 and status = 'open'
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
    let id: Uuid = row.try_get("binning_id").map_err(failed("lock a window"))?;
    known_binning(connection, id, kept).await.map(Some)
}

/// Bins, which are read and decoded once.
pub(super) async fn known_binning(
    connection: &mut Session,
    id: Uuid,
    kept: &Decoded,
) -> Result<Arc<BinningSet>, StoreError> {
    if let Some(known) = kept.bins(id) {
        return Ok(known);
    }
    let read = binning(connection, id).await?;
    kept.keep_bins(&read);
    Ok(read)
}

pub(in crate::store) async fn binning(connection: &mut Session, id: Uuid) -> Result<Arc<BinningSet>, StoreError> {
    let columns: Value = sqlx::query_scalar("select columns from binning where id = $1")
        .bind(id)
        .fetch_one(connection)
        .await
        .map_err(failed("read a binning"))?;
    damaged(&format!("binning {id}"), serde_json::from_value(columns)).map(Arc::new)
}

pub(in crate::store) struct Merged {
    pub(in crate::store) counts: WindowCounts,
    pub(super) sample: RecordSample,
    pub(in crate::store) ranges: OffsetRanges,
}

pub(in crate::store) async fn merge_deltas(
    connection: &mut Session,
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
    let of = |what: &str| format!("{what} of the open window {window}");
    for row in rows {
        let counts: &[u8] = row.try_get("counts").map_err(failed("read deltas"))?;
        let delta = damaged(&of("a delta"), WindowCounts::from_ipc(counts, Arc::clone(binnings)))?;
        damaged(&of("a delta"), merged.counts.merge(&delta))?;
        let ranges: Value = row.try_get("ranges").map_err(failed("read deltas"))?;
        merged.ranges.merge(&damaged(&of("the offsets of a delta"), serde_json::from_value(ranges))?);
        let sample: Option<&[u8]> = row.try_get("sample").map_err(failed("read deltas"))?;
        if let Some(bytes) = sample {
            merged.sample.merge(&damaged(&of("a sample"), RecordSample::from_ipc(bytes, sample_size))?);
        }
    }
    Ok(merged)
}

/// The episodes of a monitor that asked for a retraining, and the ends of the windows behind the requests. One that a
/// person called off counts neither against cool-down nor against budgets.
pub(super) async fn requests_of(
    connection: &mut Session,
    monitor: &str,
) -> Result<(Vec<Uuid>, Vec<EventTime>), StoreError> {
    let rows = sqlx::query("select alert_id, window_end, state from retraining_request where monitor = $1")
        .bind(monitor)
        .fetch_all(connection)
        .await
        .map_err(failed("read retraining requests"))?;
    let mut alerts = Vec::new();
    let mut ends = Vec::new();
    for row in rows {
        let read = || -> Result<(Uuid, DateTime<Utc>, String), sqlx::Error> {
            Ok((row.try_get("alert_id")?, row.try_get("window_end")?, row.try_get("state")?))
        };
        let (alert, end, state) = read().map_err(failed("read retraining requests"))?;
        alerts.push(alert);
        if state != "cancelled" {
            ends.push(event_time(end));
        }
    }
    Ok((alerts, ends))
}

/// Whether an open alert says that the input of a monitor is broken.
pub(super) async fn feed_is_broken(connection: &mut Session, monitor: &str) -> Result<bool, StoreError> {
    sqlx::query_scalar(
        "select exists (select from alert where monitor = $1 and kind = 'operational'
                        and state in ('firing', 'acknowledged') and rule = any($2))",
    )
    .bind(monitor)
    .bind(crate::alert::BROKEN_FEED.to_vec())
    .fetch_one(connection)
    .await
    .map_err(failed("read operational alerts"))
}

/// What the running alerts of a series rested on before.
pub(super) async fn rested_on(
    connection: &mut Session,
    alerts: &SeriesAlerts,
) -> Result<HashMap<Uuid, Evidence>, StoreError> {
    let running: Vec<Uuid> =
        alerts.states().filter_map(|(_, _, state)| state.episode.as_ref().map(|episode| episode.id)).collect();
    if running.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(Uuid, Json<Evidence>)> = sqlx::query_as("select id, evidence from alert where id = any($1)")
        .bind(running)
        .fetch_all(connection)
        .await
        .map_err(failed("read what alerts rest on"))?;
    Ok(rows.into_iter().map(|(id, Json(evidence))| (id, evidence)).collect())
}

/// The earlier closed windows of an alert's episode that drifted and that a model could learn from, oldest first. Of windows
/// that reach back over several panes they are panes, each once: from the first of the first drifting window to that before this
/// window begins.
pub(super) async fn earlier_windows(
    connection: &mut Session,
    monitor: &str,
    span: &WindowSpan,
    alert: Uuid,
) -> Result<Vec<WindowEvidence>, StoreError> {
    let rows = sqlx::query(
        "select id, starts_at, ends_at, rows, complete, ranges, revision,
                least(coalesce((select sum(l.rows) from window_late l where l.window_id = w.id), 0), 9223372036854775807)::bigint as late
         from model_window w
         where monitor = $1 and model_version = $2 and segment = $3 and status = 'closed' and complete and teaches
           and case when $6 then starts_at < $5 and starts_at >= coalesce(
                        (select first.judged_from from model_window first
                         where first.monitor = $1 and first.model_version = $2 and first.segment = $3
                           and first.starts_at = (select since from alert where id = $4)),
                        (select since from alert where id = $4))
                    else starts_at >= (select since from alert where id = $4) and starts_at <> $5
                         and $4 = any(drifts_for) end
         order by starts_at",
    )
    .bind(monitor)
    .bind(&span.key.version)
    .bind(&span.key.segment)
    .bind(alert)
    .bind(timestamp(span.from))
    .bind(span.panes.len() > 1)
    .fetch_all(connection)
    .await
    .map_err(failed("read earlier windows"))?;
    rows.iter()
        .map(|row| {
            let ranges: Value = row.try_get("ranges")?;
            Ok(WindowEvidence {
                id: Some(row.try_get("id")?),
                start: event_time(row.try_get("starts_at")?).into(),
                end: event_time(row.try_get("ends_at")?).into(),
                records: count(row.try_get("rows")?),
                late_records: count(row.try_get("late")?),
                complete: row.try_get("complete")?,
                revision: row.try_get::<i32, _>("revision")?.unsigned_abs(),
                offsets: serde_json::from_value(ranges).unwrap_or_default(),
            })
        })
        .collect::<Result<_, sqlx::Error>>()
        .map_err(failed("read earlier windows"))
}
