//! Judging closed windows again, with the late records that were kept for them.

use std::sync::Arc;

use serde_json::Value;
use sqlx::Row as _;
use sqlx::types::Json;
use uuid::Uuid;

use super::locked::lock_series_of;
use super::read::{Merged, binning, merge_deltas};
use super::{Closed, Closing, DueWindow, JudgedPane, OpenWindow, SharedReads, judge_pane, listed};
use crate::closing::{Amends, ClosingWindow, Decision};
use crate::distribution::{RecordSample, WindowCounts};
use crate::judge::{Judgement, Verdict};
use crate::record::{EventTime, TimeSpan};
use crate::store::alerts::{Owner, store_states};
use crate::store::decoded::Decoded;
use crate::store::findings::judged;
use crate::store::session::Session;
use crate::store::{Store, StoreError, bigint, count, damaged, failed, named, timestamp};
use crate::window::{OffsetRanges, Partition};

impl Store {
    /// The closed windows of a monitor that are to be judged again, oldest first: those with a late record that was counted
    /// `every` ago, and those that reach back over such a window.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn windows_to_revise(
        &self,
        monitor: &str,
        every: TimeSpan,
        limit: i64,
    ) -> Result<Vec<OpenWindow>, StoreError> {
        let rows = sqlx::query(
            "select id, model_version, segment, starts_at, ends_at, null::bigint as due_for from model_window
             where monitor = $1 and status = 'closed' and counts is not null and id in (
                 select id from model_window where monitor = $1 and amend_due <= now()
                 union
                 select window_id from window_delta where late and created_at <= now() - make_interval(secs => $2))
             order by ends_at, model_version, segment limit $3",
        )
        .bind(monitor)
        .bind(every.as_seconds())
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("list windows to judge again"))?;
        rows.iter().map(listed).collect::<Result<_, sqlx::Error>>().map_err(failed("list windows to judge again"))
    }

    /// Judges a closed window again, in one transaction; `None` when its series is locked, or nothing is left to do.
    ///
    /// # Errors
    /// When something stored is damaged, or the database is unavailable; nothing changed then.
    pub async fn revise_window(
        &self,
        with: Closing<'_>,
        window: &OpenWindow,
        decide: impl Fn(&ClosingWindow, EventTime) -> Decision,
    ) -> Closed {
        let mut transaction = self.pool.begin().await.map_err(failed("begin judging a window again"))?;
        let mut shared = SharedReads::default();
        let decision = revise(&mut transaction, (&mut shared, &self.decoded), with, window, decide).await?;
        #[cfg(debug_assertions)]
        crate::faults::hit("revise.before_commit");
        transaction.commit().await.map_err(failed("commit a window that was judged again"))?;
        #[cfg(debug_assertions)]
        crate::faults::hit("revise.after_commit");
        Ok(decision)
    }
}

async fn revise(
    connection: &mut Session,
    (shared, cache): (&mut SharedReads, &Decoded),
    with: Closing<'_>,
    window: &OpenWindow,
    decide: impl Fn(&ClosingWindow, EventTime) -> Decision,
) -> Closed {
    let attempted = "judge a window again";
    let Some(series) = lock_series_of(connection, with.monitor, &window.key).await? else { return Ok(None) };
    let row = sqlx::query(
        "select binning_id, counts, sample, ranges, missing, rows, verdict, revision, teaches, drifts_for, closed_at, revised_at
         from model_window where id = $1 and status = 'closed' and counts is not null for update",
    )
    .bind(window.id)
    .fetch_optional(&mut *connection)
    .await
    .map_err(failed(attempted))?;
    let Some(row) = row else { return Ok(None) };
    let bins: Uuid = row.try_get("binning_id").map_err(failed(attempted))?;
    let bins = binning(connection, bins).await?;
    let late = merge_deltas(connection, window.id, &bins, with.sample_size).await?;
    let has_late = late.counts.rows() > 0;
    let of = |what: &str| format!("{what} of window {}", window.id);
    let counts: &[u8] = row.try_get("counts").map_err(failed(attempted))?;
    let sample: Option<&[u8]> = row.try_get("sample").map_err(failed(attempted))?;
    let ranges: Option<Value> = row.try_get("ranges").map_err(failed(attempted))?;
    let missing: Option<Json<Vec<Partition>>> = row.try_get("missing").map_err(failed(attempted))?;
    let ranges = ranges.unwrap_or_else(|| Value::Array(Vec::new()));
    let mut merged = Merged {
        counts: damaged(&of("the counts"), WindowCounts::from_ipc(counts, Arc::clone(&bins)))?,
        sample: match sample {
            Some(bytes) => damaged(&of("the sample"), RecordSample::from_ipc(bytes, with.sample_size))?,
            None => RecordSample::new(with.sample_size),
        },
        ranges: damaged(&of("the offsets"), serde_json::from_value::<OffsetRanges>(ranges))?,
    };
    let pane_rows = merged.counts.rows();
    damaged(&of("late records"), merged.counts.merge(&late.counts))?;
    // A sample that was deleted at its age is not replaced by one of late records alone.
    if sample.is_some() || pane_rows == 0 {
        merged.sample.merge(&late.sample);
    }
    merged.ranges.merge(&late.ranges);
    let verdict: Verdict = named(&row, "verdict", Verdict::from_name).map_err(failed(attempted))?;
    let amends = Amends {
        before: Judgement {
            verdict,
            n_window: pane_rows,
            n_baseline: 0,
            findings: judged(connection, window.id).await?,
            columns: Vec::new(),
        },
        pane_rows,
        drifted_for: row.try_get("drifts_for").map_err(failed(attempted))?,
        taught: row.try_get("teaches").map_err(failed(attempted))?,
    };
    let drifted_for = amends.drifted_for.clone();
    let revision: i32 = row.try_get("revision").map_err(failed(attempted))?;
    remember(connection, window.id, count(row.try_get("rows").map_err(failed(attempted))?), verdict).await?;
    let pane = JudgedPane {
        due: DueWindow { window: window.clone(), missing: missing.map_or(Vec::new(), |Json(missing)| missing) },
        series,
        merged,
        binnings: bins,
        revision: revision.saturating_add(1),
        amends: Some(amends),
    };
    let decision = judge_pane(connection, (shared, cache), with, pane, decide).await?;
    let owner = Owner { monitor: with.monitor, version: &window.key.version, segment: &window.key.segment };
    store_states(connection, owner, &decision.alerts, decision.trend.as_ref()).await?;
    amend_ended(connection, window, &drifted_for, &decision).await?;
    if has_late {
        // Windows that reach back over this pane have its late records, too.
        sqlx::query(
            "update model_window set amend_due = now()
             where monitor = $1 and model_version = $2 and segment = $3 and judged_panes @> array[$4]",
        )
        .bind(with.monitor)
        .bind(&window.key.version)
        .bind(&window.key.segment)
        .bind(window.id)
        .execute(connection)
        .await
        .map_err(failed(attempted))?;
    }
    Ok(Some(decision))
}

/// Keeps what a window was before, without its counts, and takes its findings away.
async fn remember(connection: &mut Session, window: i64, rows: u64, verdict: Verdict) -> Result<(), StoreError> {
    let attempted = "keep an earlier judgement";
    sqlx::query(
        "insert into window_revision (window_id, revision, judged_at, rows, verdict)
         select id, revision, coalesce(revised_at, closed_at), $2, $3 from model_window where id = $1
         on conflict do nothing",
    )
    .bind(window)
    .bind(bigint(rows))
    .bind(verdict.as_str())
    .execute(&mut *connection)
    .await
    .map_err(failed(attempted))?;
    for query in ["delete from finding where window_id = $1", "delete from column_summary where window_id = $1"] {
        sqlx::query(query).bind(window).execute(&mut *connection).await.map_err(failed(attempted))?;
    }
    Ok(())
}

/// Says in the history of alerts that are over, or run on unchanged, that one of their windows was judged again. One that is
/// over and has no drifting window left was withdrawn.
async fn amend_ended(
    connection: &mut Session,
    window: &OpenWindow,
    drifted_for: &[Uuid],
    decision: &Decision,
) -> Result<(), StoreError> {
    let attempted = "note that a window of an alert was judged again";
    let changed: Vec<Uuid> = decision.changes.iter().map(|changed| changed.transition.change.id).collect();
    let no_more: Vec<Uuid> = drifted_for
        .iter()
        .filter(|id| !decision.drifts_for.contains(id) && !changed.contains(id))
        .copied()
        .collect();
    sqlx::query(
        "with amended as (
             update alert set windows = greatest(windows - 1, 0), updated_at = now(),
                    reason = case when windows <= 1 then 'withdrawn' else reason end
             where id = any($1) and state in ('resolved', 'cleared') returning id, severity, windows)
         insert into alert_change (alert_id, window_id, window_start, kind, severity, reason, actor, detail)
         select id, case when not exists (select from alert_change c where c.alert_id = amended.id and c.window_id = $3
                                           and c.kind in ('amended', 'withdrawn')) then $3 end,
                $2, case when windows = 0 then 'withdrawn' else 'amended' end, severity, 'window_amended', 'driftd',
                case when windows = 0 then 'with late records none of its windows drifts'
                     else 'with late records the window does not drift' end
         from amended",
    )
    .bind(&no_more)
    .bind(timestamp(window.key.start))
    .bind(window.id)
    .execute(&mut *connection)
    .await
    .map_err(failed(attempted))?;
    let running: Vec<Uuid> = decision.refreshed.iter().map(|refreshed| refreshed.id).collect();
    sqlx::query(
        "insert into alert_change (alert_id, window_id, window_start, kind, severity, reason, actor, detail)
         select id, case when not exists (select from alert_change c where c.alert_id = alert.id and c.window_id = $3
                                           and c.kind = 'amended') then $3 end,
                $2, 'amended', severity, 'window_amended', 'driftd', coalesce(evidence->>'summary', '')
         from alert where id = any($1) and state in ('pending', 'firing', 'acknowledged')",
    )
    .bind(&running)
    .bind(timestamp(window.key.start))
    .bind(window.id)
    .execute(connection)
    .await
    .map_err(failed(attempted))?;
    Ok(())
}
