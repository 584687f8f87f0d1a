//! Windows as they are shown: listed, one by one, and with their counts.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::close::{self, binning};
use super::session::Session;
use super::{Store, StoreError, count, damaged, event_time, failed, instant, named, named_if_any};
use crate::binning::BinningSet;
use crate::distribution::{MAX_SAMPLE, RecordSample, WindowCounts};
use crate::judge::Verdict;
use crate::record::TimeSpan;
use crate::reference::{Reference, ReferenceChoice, RuleName};
use crate::view::{Page, WindowFilter, WindowRow, WindowState};
use crate::window::{OffsetRanges, Partition, WHOLE};

/// The counts of a window and of what it was compared with.
#[derive(Clone, Debug)]
pub struct WindowCountsPair {
    pub row: WindowRow,
    /// Its counts, so far when it is open.
    pub window: WindowCounts,
    /// What it was compared with, or will be for all that is known now. The counts of windows that were deleted since are
    /// missing in it.
    pub reference: Option<Reference>,
    /// What the window is made of.
    pub offsets: OffsetRanges,
    /// Since it was closed, by the clock of the database; none while it is open.
    pub closed_for: Option<TimeSpan>,
}

/// A window without its counts.
#[derive(Clone, Debug)]
pub struct StoredWindow {
    pub row: WindowRow,
    /// What it is made of.
    pub offsets: OffsetRanges,
    /// Whether its counts are older than they are kept.
    pub counts_deleted: bool,
}

/// A query for windows, with the columns that [`window_row`] reads.
macro_rules! select_windows {
    ($rest:literal) => {
        concat!(
            "select w.id, w.model_version, w.segment, w.starts_at, coalesce(w.judged_from, w.starts_at) as begins_at, w.ends_at, w.status, w.verdict, w.complete, w.missing,
                    w.backfill_id, w.configuration, w.retrain_decision, w.reference - 'ids' as reference, w.findings_deleted, w.revision, w.rows as pane_rows,
                    b.version as baseline, v.n_baseline as usual_rows, v.verdict as volume,
                    least(coalesce(w.judged_rows, w.rows, (select sum(d.rows) from window_delta d where d.window_id = w.id), 0), 9223372036854775807)::bigint as rows,
                    least(coalesce((select sum(l.rows) from window_late l where l.window_id = w.id), 0), 9223372036854775807)::bigint as late
             from model_window w left join baseline b on b.id = w.baseline_id
             left join finding v on v.window_id = w.id and v.column_name = '' and v.measure = 'row_count' ",
            $rest
        )
    };
}
pub(super) use select_windows;

/// The verdict in a row.
pub(super) fn verdict(row: &PgRow) -> Result<Verdict, sqlx::Error> {
    named(row, "verdict", Verdict::from_name)
}

pub(super) fn window_row(row: &PgRow) -> Result<WindowRow, sqlx::Error> {
    let missing: Option<Json<Vec<Partition>>> = row.try_get("missing")?;
    Ok(WindowRow {
        id: row.try_get("id")?,
        version: row.try_get("model_version")?,
        segment: row.try_get("segment")?,
        start: event_time(row.try_get("begins_at")?).into(),
        pane_start: event_time(row.try_get("starts_at")?).into(),
        end: event_time(row.try_get("ends_at")?).into(),
        status: named(row, "status", WindowState::from_name)?,
        rows: count(row.try_get("rows")?),
        pane_rows: row.try_get::<Option<i64>, _>("pane_rows")?.map_or(0, count),
        revision: row.try_get::<i32, _>("revision")?.unsigned_abs(),
        usual_rows: row.try_get::<Option<i64>, _>("usual_rows")?.map(count),
        volume: named_if_any(row, "volume", Verdict::from_name)?,
        late: count(row.try_get("late")?),
        verdict: named_if_any(row, "verdict", Verdict::from_name)?,
        complete: row.try_get("complete")?,
        missing: missing.map_or(Vec::new(), |Json(missing)| missing),
        baseline: row.try_get("baseline")?,
        reference: reference_choice(row)?,
        backfill: row.try_get("backfill_id")?,
        configuration: row.try_get("configuration")?,
        retraining: row.try_get("retrain_decision")?,
    })
}

/// How the reference was chosen; none also where a later version has stored it in another form.
pub(super) fn reference_choice(row: &PgRow) -> Result<Option<ReferenceChoice>, sqlx::Error> {
    let stored: Option<Value> = row.try_get("reference")?;
    Ok(stored.and_then(|stored| serde_json::from_value(stored).ok()))
}

fn no_window(monitor: &str, id: i64) -> StoreError {
    StoreError::NotFound(format!(
        "monitor `{monitor}` has no window {id}\nhint: windows are deleted at the age of `retention.alerts`; histories of alerts stay \
         as long as their alerts"
    ))
}

/// A window of a monitor as it is listed.
async fn shown(connection: &mut Session, monitor: &str, id: i64) -> Result<WindowRow, StoreError> {
    let attempted = "read a window";
    let row = sqlx::query(select_windows!("where w.monitor = $1 and w.id = $2"))
        .bind(monitor)
        .bind(id)
        .fetch_optional(connection)
        .await
        .map_err(failed(attempted))?
        .ok_or_else(|| no_window(monitor, id))?;
    window_row(&row).map_err(failed(attempted))
}

impl Store {
    /// The newest closed window of the whole, of whatever version.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn last_window(&self, monitor: &str) -> Result<Option<WindowRow>, StoreError> {
        let filter = WindowFilter {
            segment: Some(WHOLE.to_owned()),
            status: Some(WindowState::Closed),
            ..WindowFilter::default()
        };
        Ok(self.windows(monitor, &filter, None, 1).await?.items.into_iter().next())
    }

    /// Windows of a monitor, the newest first. `after` is start (microseconds) and id of the last one seen.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn windows(
        &self,
        monitor: &str,
        filter: &WindowFilter,
        after: Option<(i64, i64)>,
        limit: usize,
    ) -> Result<Page<WindowRow>, StoreError> {
        let (start, id) = after.unzip();
        let rows = sqlx::query(select_windows!(
            "where w.monitor = $1 and ($2::text is null or w.model_version = $2)
               and ($3::text is null or w.segment = $3)
               and ($4::timestamptz is null or w.starts_at >= $4) and ($5::timestamptz is null or w.starts_at < $5)
               and ($6::text is null or w.status = $6) and ($7::text is null or w.verdict = $7)
               and ($8::timestamptz is null or (w.starts_at, w.id) < ($8, $9))
             order by w.starts_at desc, w.id desc limit $10"
        ))
        .bind(monitor)
        .bind(&filter.version)
        .bind(&filter.segment)
        .bind(filter.from.map(instant))
        .bind(filter.to.map(instant))
        .bind(filter.status.map(WindowState::as_str))
        .bind(filter.verdict.map(Verdict::as_str))
        .bind(start.map(instant))
        .bind(id)
        .bind(super::bigint(limit as u64 + 1))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("list windows"))?;
        let items: Vec<(i64, WindowRow)> = rows
            .iter()
            .map(|row| Ok((row.try_get::<DateTime<Utc>, _>("starts_at")?.timestamp_micros(), window_row(row)?)))
            .collect::<Result<_, sqlx::Error>>()
            .map_err(failed("list windows"))?;
        let page = Page::cut(items, limit, |(start, window)| format!("{start}.{}", window.id));
        Ok(Page { items: page.items.into_iter().map(|(_, window)| window).collect(), next: page.next })
    }

    /// The sample of a window's records, of the records so far when it is open; empty when none is kept.
    ///
    /// # Errors
    /// When there is no such window, its sample is damaged, or the database is away.
    pub async fn window_sample(&self, monitor: &str, id: i64) -> Result<RecordSample, StoreError> {
        let attempted = "read the sample of a window";
        let row = sqlx::query(
            "select w.sample, array(select d.sample from window_delta d where d.window_id = w.id
                                     and d.sample is not null order by d.id) as parts
             from model_window w where w.monitor = $1 and w.id = $2",
        )
        .bind(monitor)
        .bind(id)
        .fetch_optional(&self.pool)
        .await
        .map_err(failed(attempted))?
        .ok_or_else(|| no_window(monitor, id))?;
        let closed: Option<Vec<u8>> = row.try_get("sample").map_err(failed(attempted))?;
        let parts: Vec<Vec<u8>> = row.try_get("parts").map_err(failed(attempted))?;
        let mut sample = RecordSample::new(MAX_SAMPLE);
        for bytes in closed.iter().chain(&parts) {
            sample.merge(&damaged(
                &format!("the sample of window {id}"),
                RecordSample::from_ipc(bytes, MAX_SAMPLE),
            )?);
        }
        Ok(sample)
    }

    /// A window, and what it is made of; also when its counts were deleted.
    ///
    /// # Errors
    /// When there is no such window, its offsets are damaged, or the database is away.
    pub async fn window(&self, monitor: &str, id: i64) -> Result<StoredWindow, StoreError> {
        let attempted = "read a window";
        let mut connection = self.pool.acquire().await.map_err(failed(attempted))?;
        let mut shown = shown(&mut connection, monitor, id).await?;
        if shown.status == WindowState::Open {
            drop(connection);
            let WindowCountsPair { row, offsets, .. } = self.window_counts(monitor, id).await?;
            return Ok(StoredWindow { row, offsets, counts_deleted: false });
        }
        let stored =
            sqlx::query("select ranges, reference, counts is null as deleted from model_window where id = $1")
                .bind(id)
                .fetch_one(&mut connection)
                .await
                .map_err(failed(attempted))?;
        shown.reference = reference_choice(&stored).map_err(failed(attempted))?;
        let ranges: Option<Value> = stored.try_get("ranges").map_err(failed(attempted))?;
        let ranges = ranges.unwrap_or_else(|| Value::Array(Vec::new()));
        Ok(StoredWindow {
            row: shown,
            offsets: damaged(&format!("the offsets of window {id}"), serde_json::from_value(ranges))?,
            counts_deleted: stored.try_get("deleted").map_err(failed(attempted))?,
        })
    }

    /// A window with its counts, and those of its baseline.
    ///
    /// # Errors
    /// When there is no such window, its counts were deleted or are damaged, or the database is away.
    pub async fn window_counts(&self, monitor: &str, id: i64) -> Result<WindowCountsPair, StoreError> {
        let attempted = "read a window";
        let mut connection = self.pool.acquire().await.map_err(failed(attempted))?;
        let mut shown = shown(&mut connection, monitor, id).await?;
        let stored = sqlx::query(
            "select binning_id, baseline_id, counts, ranges, reference, judged_panes,
                    (extract(epoch from now() - closed_at) * 1e6)::bigint as closed_for
             from model_window where id = $1",
        )
        .bind(id)
        .fetch_one(&mut connection)
        .await
        .map_err(failed(attempted))?;
        let counts: Option<&[u8]> = stored.try_get("counts").map_err(failed(attempted))?;
        let closed_for: Option<TimeSpan> = stored.try_get("closed_for").map_err(failed(attempted))?;
        if counts.is_none() && closed_for.is_some() {
            return Err(StoreError::CountsDeleted { window: id });
        }
        let binnings = binning(&mut connection, stored.try_get("binning_id").map_err(failed(attempted))?).await?;
        let baseline_id: Option<Uuid> = stored.try_get("baseline_id").map_err(failed(attempted))?;
        let reference = match baseline_id {
            Some(id) => Some(close::stored_baseline(&mut connection, id, &shown.segment, &binnings).await?),
            None => {
                let choice = reference_choice(&stored).map_err(failed(attempted))?;
                self.selected_reference(&mut connection, monitor, choice, &binnings).await?
            }
        };
        if let Some(reference) = &reference {
            shown.reference = Some(reference.choice.clone());
        }
        let ranges: Option<Value> = stored.try_get("ranges").map_err(failed(attempted))?;
        let (window, offsets) = match counts {
            Some(bytes) => {
                let mut counts =
                    damaged(&format!("window {id}"), WindowCounts::from_ipc(bytes, Arc::clone(&binnings)))?;
                let panes: Option<Vec<i64>> = stored.try_get("judged_panes").map_err(failed(attempted))?;
                let panes = panes.unwrap_or_default();
                let parts =
                    close::parts_again(&mut connection, (&self.decoded, monitor), &panes, &binnings).await?;
                if parts.len() < panes.len() {
                    return Err(StoreError::CountsDeleted { window: id });
                }
                for part in parts {
                    damaged(&format!("a pane of window {id}"), counts.merge(&part.counts))?;
                }
                let ranges = ranges.unwrap_or_else(|| Value::Array(Vec::new()));
                (counts, damaged(&format!("the offsets of window {id}"), serde_json::from_value(ranges))?)
            }
            None => {
                let merged = super::close::merge_deltas(&mut connection, id, &binnings, 0).await?;
                (merged.counts, merged.ranges)
            }
        };
        Ok(WindowCountsPair { row: shown, window, reference, offsets, closed_for })
    }

    /// The reference of a closed window again, from the windows that it was made of; its name says when some were deleted.
    async fn selected_reference(
        &self,
        connection: &mut Session,
        monitor: &str,
        choice: Option<ReferenceChoice>,
        binnings: &Arc<BinningSet>,
    ) -> Result<Option<Reference>, StoreError> {
        let is_selected = |choice: &ReferenceChoice| choice.rule.is_some_and(|rule| rule != RuleName::Fixed);
        let Some(mut choice) = choice.filter(is_selected) else { return Ok(None) };
        let parts = close::parts_again(connection, (&self.decoded, monitor), &choice.ids, binnings).await?;
        if parts.len() < choice.ids.len() {
            let deleted = choice.ids.len() - parts.len();
            choice.name = format!("{}; the counts of {deleted} of them were deleted since", choice.name);
        }
        Ok(Some(Reference::of_parts(choice, parts)))
    }
}
