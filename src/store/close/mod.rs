//! Closing windows: merge, judge, tell, in one transaction. Any daemon may do it; no leader is needed.
//!
//! The row of the series is locked first (`skip locked`: somebody else at it is as good), so the windows of a
//! series are judged one after the other, in order. Then the window itself: that waits for checkpoints which
//! are adding to it, and makes later ones see it closed.

mod panes;
mod quiet;
mod read;
mod reference;
mod revise;
mod write;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::decoded::Decoded;
use super::detections::{ReadWindow, detect_in_window};
use super::limits::accepted_limits;
use super::session::Session;
use super::{Store, StoreError, bigint, damaged, event_time, failed, timestamp};
use crate::alert::{SeriesAlerts, WindowEvidence};
use crate::binning::BinningSet;
use crate::closing::{Amends, ClosingWindow, Decision, Gathered};
use crate::detection::DetectionRules;
use crate::judge::{AcceptedLimits, SeriesTrend};
use crate::record::{EventTime, TimeSpan};
use crate::reference::{ReferenceChoice, ReferencePlan, RuleName};
use crate::window::{Partition, WindowKey, WindowReach};
use panes::{earlier_parts, reach_back};
pub(super) use quiet::close_quietly;
use read::{Merged, earlier_windows, feed_is_broken, lock_series, lock_window, requests_of, rested_on, series_of};
pub(super) use read::{binning, merge_deltas};
use reference::{ChosenBaselines, resolve, usual_rows};
pub(super) use reference::{parts_again, stored_baseline, test_of};
use write::{Pane, write_alerts, write_findings, write_request, write_summaries, write_trend, write_window};

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
    /// of the database. Returns the outcome of each, in the order given; one whose stored counts are damaged does not keep the others
    /// from being closed.
    ///
    /// # Errors
    /// When the database is away or refuses something; nothing changed then.
    pub async fn close_windows(
        &self,
        with: Closing<'_>,
        due: &[DueWindow],
        decide: impl Fn(&ClosingWindow, EventTime) -> Decision,
    ) -> Result<Vec<Closed>, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin closing windows"))?;
        let mut shared = SharedReads::default();
        let mut closed = Vec::with_capacity(due.len());
        for window in due {
            match close_one(&mut transaction, (&mut shared, &self.decoded), with, window, &decide).await {
                // The transaction cannot go on after an error of the database.
                Err(error @ StoreError::Database { .. }) => return Err(error),
                outcome => closed.push(outcome),
            }
        }
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

/// What windows that are closed together have in common.
#[derive(Default)]
pub(super) struct SharedReads {
    baselines: ChosenBaselines,
    /// How many series share the budget of false alarms of windows of one time.
    series: HashMap<(EventTime, EventTime), usize>,
    /// Wider limits that people accepted for the monitor.
    accepted: Option<Vec<AcceptedLimits>>,
}

/// Closes one window. An error that is not the database's comes before anything was written.
async fn close_one(
    connection: &mut Session,
    (shared, cache): (&mut SharedReads, &Decoded),
    with: Closing<'_>,
    due: &DueWindow,
    decide: impl Fn(&ClosingWindow, EventTime) -> Decision,
) -> Result<Option<Decision>, StoreError> {
    let Closing { monitor, sample_size, .. } = with;
    let window = &due.window;
    let Some((alerts, trend)) = lock_series(connection, monitor, &window.key).await? else { return Ok(None) };
    let Some(binnings) = lock_window(connection, monitor, window, cache).await? else {
        return Ok(None);
    };
    let merged = merge_deltas(connection, window.id, &binnings, sample_size).await?;
    let pane = JudgedPane { due: due.clone(), alerts, trend, merged, binnings, revision: 0, amends: None };
    judge_pane(connection, (shared, cache), with, pane, decide).await.map(Some)
}

/// A pane with all that was counted in it; its row and that of its series are locked.
struct JudgedPane {
    due: DueWindow,
    /// The states of the series' alerts before.
    alerts: SeriesAlerts,
    /// Where the series stands after the windows before.
    trend: SeriesTrend,
    merged: Merged,
    /// The bins that it was counted on.
    binnings: Arc<BinningSet>,
    revision: i32,
    amends: Option<Amends>,
}

/// Judges the window that ends with a pane, and writes what follows.
async fn judge_pane(
    connection: &mut Session,
    (shared, cache): (&mut SharedReads, &Decoded),
    with: Closing<'_>,
    pane: JudgedPane,
    decide: impl Fn(&ClosingWindow, EventTime) -> Decision,
) -> Result<Decision, StoreError> {
    let JudgedPane { due, alerts, trend, mut merged, binnings, revision, amends } = pane;
    let (monitor, window) = (with.monitor, &due.window);
    let Compared { before, choice, baseline, mut closing } =
        compared(connection, (shared, cache), with, (&due, revision), (&mut merged, &binnings)).await?;
    (closing.requested, closing.requests) = requests_of(connection, monitor).await?;
    closing.rested_on = rested_on(connection, &alerts).await?;
    closing.feed_broken = feed_is_broken(connection, monitor).await?;
    closing.alerts = alerts;
    closing.amends = amends;
    closing.trend = Some(trend);
    let mut decision = decide(&closing, clock(connection).await?);
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
    write_trend(connection, monitor, &window.key, &decision).await?;
    if let Some((request, notifications)) = &request {
        write_request(connection, monitor, window, request, notifications).await?;
    }
    if revision == 0 {
        let read = ReadWindow { id: window.id, key: &window.key, end: window.end, counts: &closing.counts };
        let found = detect_in_window(connection, with.detection, read).await?;
        decision.detected_by = found.into_iter().map(|detection| detection.detector).collect();
    }
    Ok(decision)
}

/// What a window is compared with.
struct Compared {
    /// The ids of the panes before its last one.
    before: Vec<i64>,
    choice: ReferenceChoice,
    /// The baseline, when that is the reference.
    baseline: Option<Uuid>,
    /// The window, as if its series had no alert and no request yet.
    closing: ClosingWindow,
}

/// The clock of the database.
async fn clock(connection: &mut Session) -> Result<EventTime, StoreError> {
    let now: DateTime<Utc> =
        sqlx::query_scalar("select now()").fetch_one(connection).await.map_err(failed("read the clock"))?;
    Ok(event_time(now))
}

/// Adds up the panes of a window, and chooses what it is compared with. What was counted in its last pane is then on the bins of its
/// baseline, where they fit.
async fn compared(
    connection: &mut Session,
    (shared, cache): (&mut SharedReads, &Decoded),
    with: Closing<'_>,
    (DueWindow { window, missing }, revision): (&DueWindow, i32),
    (merged, binnings): (&mut Merged, &Arc<BinningSet>),
) -> Result<Compared, StoreError> {
    let monitor = with.monitor;
    let chosen = shared.baselines.choose(connection, cache, monitor, binnings).await?;
    if let Some(chosen) = &chosen {
        chosen.fit.apply(&mut merged.counts, &chosen.bins);
    }
    let by = (monitor, with.references);
    let mut gathered = Gathered::of_pane(
        (window.key.clone(), window.end),
        merged.counts.clone(),
        merged.ranges.clone(),
        missing.is_empty(),
    );
    reach_back(connection, (cache, monitor), with.reach, &mut gathered).await?;
    let Gathered { span, counts, offsets, complete, ids } = gathered;
    let (reference, choice) = resolve(connection, cache, by, &span, chosen.as_ref()).await?;
    let baseline = chosen.filter(|_| choice.rule == Some(RuleName::Fixed)).map(|chosen| chosen.baseline);
    let usual_rows = usual_rows(connection, by, &span, reference.as_ref()).await?;
    let series = match shared.series.get(&(window.key.start, window.end)) {
        Some(known) => *known,
        None => {
            let read = series_of(connection, with, window).await?;
            shared.series.insert((window.key.start, window.end), read);
            read
        }
    };
    let accepted = match &shared.accepted {
        Some(read) => read.clone(),
        None => shared.accepted.insert(accepted_limits(connection, monitor).await?).clone(),
    };
    let evidence = WindowEvidence {
        id: Some(window.id),
        start: span.from.into(),
        end: window.end.into(),
        records: counts.rows(),
        late_records: 0,
        complete,
        revision: revision.unsigned_abs(),
        offsets,
    };
    let closing = ClosingWindow {
        span,
        counts,
        pane_rows: merged.counts.rows(),
        sample: merged.sample.clone(),
        evidence,
        reference,
        usual_rows,
        series,
        accepted,
        alerts: SeriesAlerts::default(),
        feed_broken: false,
        requested: Vec::new(),
        requests: Vec::new(),
        rested_on: HashMap::new(),
        amends: None,
        trend: None,
    };
    Ok(Compared { before: ids, choice, baseline, closing })
}
