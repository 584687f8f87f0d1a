//! Closing windows: merge, judge, tell, in one transaction. Any daemon may do it; no leader is needed.
//!
//! The rows of the series are locked first (`skip locked`: somebody else at it is as good), so the windows of a
//! series are judged one after the other, in order. Then the windows themselves: that waits for checkpoints which
//! are adding to them, and makes later ones see them closed.

mod compared;
mod locked;
mod panes;
mod quiet;
mod read;
mod reference;
mod revise;
mod shared;
mod write;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::types::Json;

use super::decoded::Decoded;
use super::detections::{ReadWindow, detect_in_window};
use super::session::Session;
use super::{Store, StoreError, bigint, damaged, event_time, failed, timestamp};
use crate::binning::BinningSet;
use crate::closing::{Amends, ClosingWindow, Decision};
use crate::detection::DetectionRules;
use crate::record::{EventTime, TimeSpan};
use crate::reference::ReferencePlan;
use crate::window::{Partition, WindowKey, WindowReach};
use compared::{Compared, compared};
use locked::{Locked, SeriesState};
use panes::earlier_parts;
pub(super) use quiet::close_quietly;
use read::{Circumstances, Merged, earlier_windows, known_binning, rested_on};
pub(super) use read::{binning, merge_deltas};
pub(super) use reference::{parts_again, stored_baseline, test_of};
pub(super) use shared::SharedReads;
use write::{Pane, write_alerts, write_findings, write_request, write_summaries, write_window};

/// A window that may be due: to be closed, or to be judged again.
#[derive(Clone, Debug)]
pub struct OpenWindow {
    /// Its row.
    pub id: i64,
    /// Version, segment, start.
    pub key: WindowKey,
    pub end: EventTime,
    /// For how long it has been due; none when not marked yet.
    pub due_for: Option<TimeSpan>,
}

/// A window that is over.
#[derive(Clone, Debug)]
pub struct DueWindow {
    pub window: OpenWindow,
    /// Partitions that are not waited for.
    pub missing: Vec<Partition>,
}

/// Outcome of closing a window: `None` when another daemon has locked its series or has closed it, or an
/// older one is still open.
pub type Closed = Result<Option<Decision>, StoreError>;

/// What windows are closed with.
#[derive(Clone, Copy, Debug)]
pub struct Closing<'a> {
    /// Their monitor.
    pub monitor: &'a str,
    /// Records kept as a sample.
    pub sample_size: usize,
    /// Fingerprint of the monitor's configuration.
    pub configuration: &'a str,
    /// How references are chosen.
    pub references: &'a ReferencePlan,
    /// How far windows reach back.
    pub reach: WindowReach,
    /// The period of the budget of false alarms; none for a chance per window.
    pub budget_period: Option<TimeSpan>,
    /// Their detectors, and whom they notify.
    pub detection: &'a DetectionRules,
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
        rows.iter().map(listed).collect::<Result<_, sqlx::Error>>().map_err(failed("list open windows"))
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

    /// Closes windows of a monitor in one transaction: `decide` is called for each with everything counted in it and the clock
    /// of the database. Returns the outcome of each, in the order given; one whose stored counts are damaged does not keep those of
    /// other series from being closed. Windows of one start close together, for one message about all of them. Windows of the next start do
    /// not join once there is news to send, or after the time of `within`, since checkpoints that add to one of the windows wait for the
    /// transaction: then there are fewer outcomes than windows.
    ///
    /// # Errors
    /// When the database is away or refuses something; nothing changed then.
    pub async fn close_windows(
        &self,
        with: Closing<'_>,
        due: &[DueWindow],
        within: Duration,
        decide: impl Fn(&ClosingWindow, EventTime) -> Decision,
    ) -> Result<Vec<Closed>, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin closing windows"))?;
        let mut locked = Locked::lock(&mut transaction, with.monitor, due).await?;
        let since = Instant::now();
        let mut shared = SharedReads::default();
        let mut closed = Vec::with_capacity(due.len());
        let (mut start, mut has_news) = (None, false);
        for window in due {
            let begins = window.window.key.start;
            if start.replace(begins).is_some_and(|before| before != begins)
                && (has_news || since.elapsed() >= within)
            {
                break;
            }
            let kept = (&mut locked, &mut shared, &self.decoded);
            match close_one(&mut transaction, kept, with, window, &decide).await {
                // The transaction cannot go on after an error of the database.
                Err(error @ StoreError::Database { .. }) => return Err(error),
                outcome => {
                    has_news |=
                        outcome.as_ref().is_ok_and(|closed| closed.as_ref().is_some_and(Decision::has_news));
                    closed.push(outcome);
                }
            }
        }
        locked.store(&mut transaction, with.monitor).await?;
        #[cfg(debug_assertions)]
        crate::faults::hit("close.before_commit");
        transaction.commit().await.map_err(failed("commit closed windows"))?;
        #[cfg(debug_assertions)]
        crate::faults::hit("close.after_commit");
        Ok(closed)
    }

    /// Replaces the deltas of open windows that have gathered more than `many` by their sum. How many
    /// windows were tidied.
    ///
    /// # Errors
    /// When the database is away or stored counts are damaged.
    pub async fn merge_many_deltas(
        &self,
        monitor: &str,
        many: i64,
        sample_size: usize,
    ) -> Result<u64, StoreError> {
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
            let row = sqlx::query(
                "select binning_id from model_window where id = $1 and status = 'open' for update skip locked",
            )
            .bind(id)
            .fetch_optional(&mut transaction)
            .await
            .map_err(failed("lock a window"))?;
            let Some(row) = row else { continue };
            let binnings =
                binning(&mut transaction, row.try_get("binning_id").map_err(failed("lock a window"))?).await?;
            let mut merged = merge_deltas(&mut transaction, id, &binnings, sample_size).await?;
            sqlx::query("delete from window_delta where window_id = $1")
                .bind(id)
                .execute(&mut transaction)
                .await
                .map_err(failed("tidy deltas"))?;
            sqlx::query(
                "insert into window_delta (window_id, rows, counts, sample, ranges) values ($1, $2, $3, $4, $5)",
            )
            .bind(id)
            .bind(bigint(merged.counts.rows()))
            .bind(damaged("counts", merged.counts.to_ipc())?)
            .bind(damaged("sample", merged.sample.to_ipc())?)
            .bind(Json(&merged.ranges))
            .execute(&mut transaction)
            .await
            .map_err(failed("tidy deltas"))?;
            transaction.commit().await.map_err(failed("commit tidied deltas"))?;
            tidied += 1;
        }
        Ok(tidied)
    }
}

fn listed(row: &PgRow) -> Result<OpenWindow, sqlx::Error> {
    let key = WindowKey {
        version: row.try_get("model_version")?,
        segment: row.try_get("segment")?,
        start: event_time(row.try_get("starts_at")?),
    };
    let end = event_time(row.try_get("ends_at")?);
    Ok(OpenWindow { id: row.try_get("id")?, key, end, due_for: row.try_get("due_for")? })
}

/// Closes one window. An error that is not the database's comes before anything was written.
async fn close_one(
    connection: &mut Session,
    (locked, shared, cache): (&mut Locked, &mut SharedReads, &Decoded),
    with: Closing<'_>,
    due: &DueWindow,
    decide: impl Fn(&ClosingWindow, EventTime) -> Decision,
) -> Result<Option<Decision>, StoreError> {
    let window = &due.window;
    let Some((counted_on, series)) = locked.take(window)? else { return Ok(None) };
    let binnings = known_binning(connection, counted_on, cache).await?;
    let merged = merge_deltas(connection, window.id, &binnings, with.sample_size).await?;
    let pane = JudgedPane { due: due.clone(), series, merged, binnings, revision: 0, amends: None };
    let decision = judge_pane(connection, (shared, cache), with, pane, decide).await?;
    locked.judged(&window.key, &decision);
    Ok(Some(decision))
}

/// A pane with all that was counted in it; its row and that of its series are locked.
struct JudgedPane {
    due: DueWindow,
    /// Where the series stands after the windows before.
    series: SeriesState,
    merged: Merged,
    /// The bins that it was counted on.
    binnings: Arc<BinningSet>,
    revision: i32,
    amends: Option<Amends>,
}

/// Judges the window that ends with a pane, and writes what follows, but for where its series stands then.
async fn judge_pane(
    connection: &mut Session,
    (shared, cache): (&mut SharedReads, &Decoded),
    with: Closing<'_>,
    pane: JudgedPane,
    decide: impl Fn(&ClosingWindow, EventTime) -> Decision,
) -> Result<Decision, StoreError> {
    let JudgedPane { due, series: SeriesState { alerts, trend }, mut merged, binnings, revision, amends } = pane;
    let (monitor, window) = (with.monitor, &due.window);
    let Compared { before, choice, baseline, mut closing } =
        compared(connection, (shared, cache), with, (&due, revision), (&mut merged, &binnings)).await?;
    let Circumstances { now, feed_broken, requested, requests } =
        shared.circumstances(connection, monitor).await?;
    (closing.feed_broken, closing.requested, closing.requests) = (feed_broken, requested, requests);
    closing.rested_on = rested_on(connection, &alerts).await?;
    closing.alerts = alerts;
    closing.amends = amends;
    closing.trend = Some(trend);
    let mut decision = decide(&closing, now);
    let request = match decision.request.take() {
        Some(draft) => {
            let earlier = earlier_windows(connection, monitor, &closing.span, draft.alert()).await?;
            Some(draft.complete(earlier))
        }
        None => None,
    };
    if decision.asks_for_onsets(&closing) {
        let earlier = earlier_parts(connection, (cache, monitor), (window, &merged)).await?;
        decision.date(&closing, &merged.counts, &earlier);
    }
    let judged = (with, baseline, &choice);
    let pane = Pane { merged: &merged, before: &before, revision };
    write_window(connection, &due, &pane, judged, &closing, &decision).await?;
    write_summaries(connection, window.id, &closing).await?;
    write_findings(connection, window.id, &decision).await?;
    write_alerts(connection, monitor, window, (revision, &decision)).await?;
    if let Some((request, notifications)) = &request {
        shared.forget_requests();
        write_request(connection, monitor, window, request, notifications).await?;
    }
    if revision == 0 {
        let read = ReadWindow { id: window.id, key: &window.key, end: window.end, counts: &closing.counts };
        let found = detect_in_window(connection, with.detection, read).await?;
        decision.detected_by = found.into_iter().map(|detection| detection.detector).collect();
    }
    Ok(decision)
}
