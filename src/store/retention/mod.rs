//! Deletes what is older than `[retention]` keeps it, a batch at a time. A batch is one transaction; one daemon deletes at a
//! time, and rows that somebody else has locked are left for the next pass.

mod history;
mod windows;

use sqlx::Row as _;

use super::selection::SelectedWindow;
use super::session::Session;
use super::{Store, StoreError, count, failed};
use crate::record::{EventTime, TimeSpan, number_of};

/// Rows that one batch takes at most.
const ROWS: i64 = 500;
/// Samples are large, and a window has many findings.
const WINDOWS: i64 = 50;

/// Something that is deleted at an age. Ages are of the wall clock, since it was over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Deletion<'a> {
    /// The samples of closed windows.
    Samples { monitor: &'a str, age: TimeSpan },
    /// The counts of closed windows that nothing needs: no proposed baseline, no open retraining request. Windows that start at or
    /// after `learns_from` are kept for the baseline that is being learned.
    Counts { monitor: &'a str, age: TimeSpan, learns_from: Option<EventTime> },
    /// Findings and summaries of columns, of windows without counts.
    Findings { monitor: &'a str, age: TimeSpan },
    /// Proposed baselines for which the windows never came.
    Proposals { age: TimeSpan },
    /// Windows without counts and findings. Histories of alerts and requests keep their start.
    Windows { age: TimeSpan },
    /// Retraining requests that are over, of alerts that are over; dry runs are over at once.
    Requests { age: TimeSpan },
    /// Alerts that are over, with their histories.
    Alerts { age: TimeSpan },
    /// Messages that wait for nothing, with their attempts.
    Messages { age: TimeSpan },
    /// Entries of the audit log.
    Audit { age: TimeSpan },
    /// Silences that have ended.
    Silences { age: TimeSpan },
    /// Offsets that were never read.
    Gaps { age: TimeSpan },
    /// Backfills that are done: their windows are deleted by then.
    Backfills { age: TimeSpan },
    /// Series without windows and open alerts.
    Series { age: TimeSpan },
    /// Pairs of champion and challenger.
    Pairs { age: TimeSpan },
    /// Challenges without pairs.
    Challenges { age: TimeSpan },
    /// Drifts that detectors found.
    Detections { age: TimeSpan },
    /// States of detectors that have read nothing since.
    DetectorStates { age: TimeSpan },
    /// When people were last notified of a detector.
    DetectorNotices { age: TimeSpan },
    /// Counts of late records, a row of each checkpoint: those of one window are added up.
    LateRows,
}

/// What a batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeletedBatch {
    /// Rows that were deleted from the table of [`Deletion::table`], or emptied in it; not those that went with them.
    pub rows: u64,
    /// Whether there may be more.
    pub more: bool,
}

/// The tables that retention deletes from; with a column where the row stays.
pub const RETENTION_TABLES: [&str; 19] = [
    "model_window.sample",
    "model_window.counts",
    "finding",
    "baseline_proposal",
    "model_window",
    "retraining_request",
    "alert",
    "notification",
    "audit",
    "silence",
    "retention_gap",
    "backfill",
    "series",
    "challenge_pair",
    "challenge",
    "detection",
    "detector_state",
    "detector_notice",
    "window_late",
];

impl Deletion<'_> {
    /// Where it deletes: one of [`RETENTION_TABLES`].
    #[must_use]
    pub const fn table(&self) -> &'static str {
        match self {
            Self::Samples { .. } => "model_window.sample",
            Self::Counts { .. } => "model_window.counts",
            Self::Findings { .. } => "finding",
            Self::Proposals { .. } => "baseline_proposal",
            Self::Windows { .. } => "model_window",
            Self::Requests { .. } => "retraining_request",
            Self::Alerts { .. } => "alert",
            Self::Messages { .. } => "notification",
            Self::Audit { .. } => "audit",
            Self::Silences { .. } => "silence",
            Self::Gaps { .. } => "retention_gap",
            Self::Backfills { .. } => "backfill",
            Self::Series { .. } => "series",
            Self::Pairs { .. } => "challenge_pair",
            Self::Challenges { .. } => "challenge",
            Self::Detections { .. } => "detection",
            Self::DetectorStates { .. } => "detector_state",
            Self::DetectorNotices { .. } => "detector_notice",
            Self::LateRows => "window_late",
        }
    }

    const fn limit(&self) -> i64 {
        match self {
            Self::Samples { .. } | Self::Findings { .. } | Self::LateRows => WINDOWS,
            _ => ROWS,
        }
    }
}

impl Store {
    /// Deletes one batch, in a transaction of its own. `None` when another daemon is deleting just now.
    ///
    /// # Errors
    /// When the database is away; nothing was deleted then.
    pub async fn delete_batch(&self, what: Deletion<'_>) -> Result<Option<DeletedBatch>, StoreError> {
        let attempted = failed("delete what is older than [retention] keeps it");
        let mut transaction = self.pool.begin().await.map_err(&attempted)?;
        let alone: bool =
            sqlx::query_scalar("select pg_try_advisory_xact_lock(hashtextextended('driftd retention', 0))")
                .fetch_one(&mut transaction)
                .await
                .map_err(&attempted)?;
        if !alone {
            return Ok(None);
        }
        let (taken, rows) = delete(&mut transaction, what).await.map_err(&attempted)?;
        transaction.commit().await.map_err(&attempted)?;
        Ok(Some(DeletedBatch { rows, more: taken >= count(what.limit()) }))
    }

    /// The monitors whose windows a daemon looks after that has `configured`: these, and those that no running daemon has and that
    /// have not closed a window for 30 days.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn monitors_to_clean(&self, configured: &[&str]) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar(
            "select distinct monitor from series s
             where monitor = any($1)
                or not exists (select from daemon_configuration d where d.monitor = s.monitor)
                   and not exists (select from model_window w where w.monitor = s.monitor
                                     and w.closed_at > now() - make_interval(days => $2))
             order by monitor",
        )
        .bind(configured)
        .bind(ABANDONED_DAYS)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("list the monitors that have windows"))
    }

    /// The tables that hold most, with their bytes on disk including indexes. PostgreSQL uses the space of deleted rows again and
    /// gives back little of it, so sizes stop growing rather than shrink.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn table_sizes(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let attempted = failed("read the sizes of tables");
        let rows = sqlx::query(
            "select name, pg_total_relation_size(to_regclass(name)) as bytes
             from unnest(array['model_window', 'window_delta', 'window_late', 'backfill_delta', 'finding', 'column_summary', 'baseline_segment',
                               'binning', 'series', 'alert', 'alert_change', 'retraining_request', 'notification',
                               'delivery_attempt', 'audit', 'detection', 'detector_state']) as name
             where to_regclass(name) is not null",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(&attempted)?;
        rows.iter()
            .map(|row| Ok((row.try_get("name")?, count(row.try_get("bytes")?))))
            .collect::<Result<_, sqlx::Error>>()
            .map_err(&attempted)
    }
}

/// Refuses to make a baseline of windows of which some have no counts any more: what is left of a period is another period.
/// Windows are ordered by start.
pub(super) fn refuse_without_counts(windows: &[SelectedWindow]) -> Result<(), StoreError> {
    let Some(last) = windows.iter().rposition(|window| !window.has_counts) else { return Ok(()) };
    let deleted = windows.iter().filter(|window| !window.has_counts).count();
    let hint = windows.get(last + 1).map_or_else(
        || "take later windows, or build a baseline from a file (driftd baseline build)".to_owned(),
        |next| format!("take windows from {} on", next.start),
    );
    Err(StoreError::Refused(format!(
        "the counts of {deleted} of these {} were deleted (`retention.counts`)\nhint: {hint}",
        number_of(windows.len(), "window")
    )))
}

/// Days without a closed window after which a monitor that no running daemon has counts as removed, and not as one whose daemon is
/// stopped: what its own file keeps longer than others must outlive a maintenance.
const ABANDONED_DAYS: i32 = 30;

/// How many things were taken, and how many rows that made.
async fn delete(connection: &mut Session, what: Deletion<'_>) -> Result<(u64, u64), sqlx::Error> {
    let limit = what.limit();
    let taken = match what {
        Deletion::Samples { monitor, age } => windows::samples(connection, monitor, age, limit).await?,
        Deletion::Counts { monitor, age, learns_from } => {
            windows::counts(connection, monitor, (age, learns_from), limit).await?
        }
        Deletion::Findings { monitor, age } => return windows::findings(connection, monitor, age, limit).await,
        Deletion::Windows { age } => windows::windows(connection, age, limit).await?,
        Deletion::LateRows => return windows::late_rows(connection, limit).await,
        Deletion::Proposals { age } => history::proposals(connection, age, limit).await?,
        Deletion::Requests { age } => history::requests(connection, age, limit).await?,
        Deletion::Alerts { age } => history::alerts(connection, age, limit).await?,
        Deletion::Messages { age } => history::messages(connection, age, limit).await?,
        Deletion::Audit { age } => history::audit(connection, age, limit).await?,
        Deletion::Silences { age } => history::silences(connection, age, limit).await?,
        Deletion::Gaps { age } => history::gaps(connection, age, limit).await?,
        Deletion::Backfills { age } => history::backfills(connection, age, limit).await?,
        Deletion::Series { age } => history::series(connection, age, limit).await?,
        Deletion::Pairs { age } => history::pairs(connection, age, limit).await?,
        Deletion::Challenges { age } => history::challenges(connection, age, limit).await?,
        Deletion::Detections { age } => history::detections(connection, age, limit).await?,
        Deletion::DetectorStates { age } => history::detector_states(connection, age, limit).await?,
        Deletion::DetectorNotices { age } => history::detector_notices(connection, age, limit).await?,
    };
    Ok((taken, taken))
}
