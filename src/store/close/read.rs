//! What closing needs to know: the merged deltas, the bins, the history.

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
use crate::record::EventTime;
use crate::store::decoded::Decoded;
use crate::store::session::Session;
use crate::store::{StoreError, count, damaged, event_time, failed, timestamp};
use crate::window::{OffsetRanges, WindowSpan};

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
    let mut sum: Option<WindowCounts> = None;
    let mut sample = RecordSample::new(sample_size);
    let mut ranges = OffsetRanges::default();
    let of = |what: &str| format!("{what} of the open window {window}");
    for row in rows {
        let counts: &[u8] = row.try_get("counts").map_err(failed("read deltas"))?;
        let delta = damaged(&of("a delta"), WindowCounts::from_ipc(counts, Arc::clone(binnings)))?;
        match &mut sum {
            None => sum = Some(delta),
            Some(sum) => damaged(&of("a delta"), sum.merge(&delta))?,
        }
        let read: Value = row.try_get("ranges").map_err(failed("read deltas"))?;
        ranges.merge(&damaged(&of("the offsets of a delta"), serde_json::from_value(read))?);
        let read: Option<&[u8]> = row.try_get("sample").map_err(failed("read deltas"))?;
        if let Some(bytes) = read {
            sample.merge(&damaged(&of("a sample"), RecordSample::from_ipc(bytes, sample_size))?);
        }
    }
    let counts = sum.unwrap_or_else(|| WindowCounts::empty(Arc::clone(binnings)));
    Ok(Merged { counts, sample, ranges })
}

/// What windows of a monitor are decided by beside what was counted.
#[derive(Clone, Debug)]
pub(super) struct Circumstances {
    /// The clock of the database, when the transaction began.
    pub(super) now: EventTime,
    /// Whether an open alert says that the input of the monitor is broken.
    pub(super) feed_broken: bool,
    /// The episodes that asked for a retraining.
    pub(super) requested: Vec<Uuid>,
    /// The ends of the windows behind the requests. One that a person called off counts neither against cool-down nor against
    /// budgets.
    pub(super) requests: Vec<EventTime>,
}

pub(super) async fn circumstances_of(
    connection: &mut Session,
    monitor: &str,
) -> Result<Circumstances, StoreError> {
    let attempted = "read the circumstances of a window";
    let (now, feed_broken, requested, requests): (DateTime<Utc>, bool, Vec<Uuid>, Vec<DateTime<Utc>>) =
        sqlx::query_as(
            "select now(),
                    exists (select from alert where monitor = $1 and kind = 'operational'
                            and state in ('firing', 'acknowledged') and rule = any($2)),
                    array(select alert_id from retraining_request where monitor = $1),
                    array(select window_end from retraining_request where monitor = $1 and state <> 'cancelled')",
        )
        .bind(monitor)
        .bind(crate::alert::BROKEN_FEED.to_vec())
        .fetch_one(connection)
        .await
        .map_err(failed(attempted))?;
    let requests = requests.into_iter().map(event_time).collect();
    Ok(Circumstances { now: event_time(now), feed_broken, requested, requests })
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
