//! Postgres: the only authority. All SQL is here, one file an aggregate; `checkpoint` and `close` hold the
//! two transactions everything hangs on.

mod alerts;
mod audit;
mod backfill;
mod baselines;
mod challenges;
mod checkpoint;
mod close;
mod configurations;
mod connect;
mod decoded;
mod deliveries;
mod detections;
mod episodes;
mod export;
mod false_alarms;
mod findings;
mod groups;
mod hint;
mod learning;
mod lengths;
mod limits;
mod listener;
mod membership;
mod notes;
mod offset;
mod outbox;
mod positions;
mod promotion;
mod proposals;
mod readers;
mod resets;
mod retention;
mod retraining;
mod selection;
mod self_checks;
mod series;
mod session;
mod silences;
mod span;
mod status;
mod stored_windows;
mod windows;

pub use alerts::AlertAction;
pub use backfill::{
    Backfill, BackfillSource, BackfillState, BackfillWriter, BackfilledStart, ClosedStart, FileIdentity,
    LiveBegin, NewBackfill, Outcomes, SourceMove, StagedCounts,
};
pub use challenges::{DuePair, OpenChallenge};
pub use checkpoint::{Checkpoint, CheckpointOutcome, Fence, MonitorCounts, PositionMove};
pub use close::{Closing, DueWindow, OpenWindow};
pub use connect::{StoreOptions, TlsMode, remote_host};
pub use detections::PartitionDetectors;
pub use episodes::JUDGED_DAYS;
pub use export::Snapshot;
pub use false_alarms::AccountScope;
pub use findings::FindingPlace;
pub use groups::{Decided, Telling, WaitingGroup};
pub use membership::SeriesLimit;
pub use outbox::{AttemptOutcome, Claimed, Resend};
pub use positions::{Claim, Fault, FaultKind, PartitionViews};
pub use proposals::NewBaseline;
pub use resets::StoredPosition;
pub use retention::{DeletedBatch, Deletion, RETENTION_TABLES};
pub use retraining::Moved;
pub use self_checks::{InputCheck, NotedEnd};
pub use stored_windows::{ClosedWindowCounts, StoredPeriod};
pub use windows::{StoredWindow, WindowCountsPair};

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::record::EventTime;

/// A database operation that failed: what was attempted, and why it failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database or the way to it.
    #[error("database: cannot {attempted}: {}{}", hint::said(source), hint::of(source))]
    Database {
        /// What was attempted.
        attempted: &'static str,
        /// What sqlx says; it names no credentials.
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("database: cannot migrate the schema: {0}")]
    Migrate(sqlx::migrate::MigrateError),
    /// The schema is one that this program does not know.
    #[error(
        "database: its schema is of version {found}, and this driftd knows versions up to {known}\nhint: a newer driftd has migrated \
         it. Install that version or a later one, or restore the backup that was made before the upgrade"
    )]
    NewerSchema {
        /// The version of the database.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// What is stored cannot be read.
    #[error("database: {what} cannot be read: {why}")]
    Damaged {
        /// Which stored thing.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The counts of a closed window are older than they are kept.
    #[error(
        "the counts of window {window} were deleted (`retention.counts`)\nhint: its verdict and its scores are kept longer"
    )]
    CountsDeleted {
        /// The window.
        window: i64,
    },
    /// Something asked for that is not there.
    #[error("{0}")]
    NotFound(String),
    /// Something that cannot be done as things stand.
    #[error("{0}")]
    Refused(String),
    /// The connection settings cannot be used.
    #[error("database: {0}")]
    Settings(String),
}

impl StoreError {
    /// Whether trying again later may help: connections, locks, restarts, a read-only replica.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Database { source, .. } if is_away(source))
    }

    /// Whether the server refuses this user, its password or this database, however often it is asked.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Database { source: sqlx::Error::Database(error), .. }
            if error.code().is_some_and(|code| code.starts_with("28") || code == "3D000"))
    }

    /// Whether a text was sent that no column can hold: PostgreSQL knows no NUL.
    #[must_use]
    pub fn is_about_text(&self) -> bool {
        // character_not_in_repertoire, untranslatable_character: of text, and of text in JSON.
        let is_text = |code: &str| matches!(code, "22021" | "22P05");
        matches!(self, Self::Database { source: sqlx::Error::Database(error), .. }
            if error.code().is_some_and(|code| is_text(&code)))
    }

    /// Whether the outcome of a commit is unknown: the connection broke.
    #[must_use]
    pub fn is_disconnect(&self) -> bool {
        matches!(self, Self::Database { source: sqlx::Error::Io(_) | sqlx::Error::Protocol(_), .. })
            || matches!(self, Self::Database { source: sqlx::Error::Database(error), .. }
                if error.code().is_some_and(|code| code.starts_with("57") || code.starts_with("08")))
    }
}

fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // Connection, transaction rollback (serialization, deadlock), resources, operator
            // intervention, lock and statement timeouts; a transaction that was ended because this process stood still; a
            // server that became read-only; a table that is not there yet, while the schema is brought up to date.
            ["08", "40", "53", "57", "55"].iter().any(|class| code.starts_with(class))
                || ["25006", "25P03", "25P04", "42P01"].contains(&code.as_ref())
        }),
        _ => false,
    }
}

/// Turns an sqlx error into ours, saying what was attempted.
pub(super) fn failed(attempted: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |source| StoreError::Database { attempted, source }
}

/// Turns a failure to read something stored into ours.
pub(super) fn damaged<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) -> Result<T, StoreError> {
    result.map_err(|error| {
        let mut why = error.to_string();
        if !why.contains("hint:") {
            why.push_str(
                "\nhint: its row was changed outside of driftd, or the disk is damaged: restore the database from a backup",
            );
        }
        StoreError::Damaged { what: what.to_owned(), why }
    })
}

/// How long connections may take to close.
const CLOSE: Duration = Duration::from_secs(3);

/// The pool, with everything that can be asked of the database.
#[derive(Clone, Debug)]
pub struct Store {
    pool: session::Pool,
    decoded: decoded::Decoded,
}

/// The schema's history, part of the program.
fn migrations() -> Migrator {
    let files = [
        (1, "spine", include_str!("../../migrations/0001_spine.sql")),
        (2, "alerts", include_str!("../../migrations/0002_alerts.sql")),
        (3, "seeing", include_str!("../../migrations/0003_seeing.sql")),
        (4, "episodes", include_str!("../../migrations/0004_episodes.sql")),
        (5, "segments", include_str!("../../migrations/0005_segments.sql")),
        (6, "ends", include_str!("../../migrations/0006_ends.sql")),
        (7, "notes", include_str!("../../migrations/0007_notes.sql")),
        (8, "positions", include_str!("../../migrations/0008_positions.sql")),
        (9, "series", include_str!("../../migrations/0009_series.sql")),
        (10, "delivery", include_str!("../../migrations/0010_delivery.sql")),
        (11, "listener", include_str!("../../migrations/0011_listener.sql")),
        (12, "configurations", include_str!("../../migrations/0012_configurations.sql")),
        (13, "daemons", include_str!("../../migrations/0013_daemons.sql")),
        (14, "history", include_str!("../../migrations/0014_history.sql")),
        (15, "references", include_str!("../../migrations/0015_references.sql")),
        (16, "calendar", include_str!("../../migrations/0016_calendar.sql")),
        (17, "retention", include_str!("../../migrations/0017_retention.sql")),
        (18, "volume", include_str!("../../migrations/0018_volume.sql")),
        (19, "challenger", include_str!("../../migrations/0019_challenger.sql")),
        (20, "backfill", include_str!("../../migrations/0020_backfill.sql")),
        (21, "panes", include_str!("../../migrations/0021_panes.sql")),
        (22, "revisions", include_str!("../../migrations/0022_revisions.sql")),
        (23, "calibrated", include_str!("../../migrations/0023_calibrated.sql")),
        (24, "detectors", include_str!("../../migrations/0024_detectors.sql")),
        (25, "slow_drift", include_str!("../../migrations/0025_slow_drift.sql")),
        (26, "accepted_limits", include_str!("../../migrations/0026_accepted_limits.sql")),
    ];
    let migration = |(version, name, text): (i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(files.map(migration).to_vec())
}

impl Store {
    /// Brings the schema up to date, under a lock so that daemons starting together do it once.
    ///
    /// # Errors
    /// When the database is away, or its schema is newer than this program.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.check_schema().await?;
        migrations().run(self.pool.pool()).await.map_err(|error| match error {
            sqlx::migrate::MigrateError::Execute(source)
            | sqlx::migrate::MigrateError::ExecuteMigration(source, _) => {
                StoreError::Database { attempted: "migrate the schema", source }
            }
            other => StoreError::Migrate(other),
        })
    }

    /// Refuses a database that a newer driftd has migrated: what this one would write there is not what that one reads.
    /// Otherwise the versions as [`Self::schema_version`] has them.
    ///
    /// # Errors
    /// When the schema is newer than this program, or the database is away.
    pub async fn check_schema(&self) -> Result<(i64, i64), StoreError> {
        let (known, found) = self.schema_version().await?;
        if found > known { Err(StoreError::NewerSchema { found, known }) } else { Ok((known, found)) }
    }

    /// The version of the schema that this program has, and that of the database; 0 before the first migration.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn schema_version(&self) -> Result<(i64, i64), StoreError> {
        let own = migrations().iter().map(|migration| migration.version).max().unwrap_or(0);
        let exists: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null")
            .fetch_one(&self.pool)
            .await
            .map_err(failed("read the version of the schema"))?;
        if !exists {
            return Ok((own, 0));
        }
        let applied: Option<i64> = sqlx::query_scalar("select max(version) from _sqlx_migrations where success")
            .fetch_one(&self.pool)
            .await
            .map_err(failed("read the version of the schema"))?;
        Ok((own, applied.unwrap_or(0)))
    }

    /// Asks the database for its time: whether it is there.
    ///
    /// # Errors
    /// When it is not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("select 1").execute(&self.pool).await.map_err(failed("reach the database")).map(|_| ())
    }

    /// The database's clock.
    ///
    /// # Errors
    /// When it is away.
    pub async fn clock(&self) -> Result<EventTime, StoreError> {
        let now: DateTime<Utc> =
            sqlx::query_scalar("select now()").fetch_one(&self.pool).await.map_err(failed("read the clock"))?;
        Ok(event_time(now))
    }

    /// Connections to the database: all, and those that nobody uses.
    #[must_use]
    pub fn connections(&self) -> (u32, usize) {
        (self.pool.pool().size(), self.pool.pool().num_idle())
    }

    /// Closes all connections; one that does not answer is not waited for.
    pub async fn close(&self) {
        let _closed_or_silent = tokio::time::timeout(CLOSE, self.pool.pool().close()).await;
    }
}

/// What daemons decide together about a monitor is decided by one at a time, until the end of the transaction.
async fn lock_monitor(connection: &mut session::Session, monitor: &str) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('driftd monitor ' || $1, 0))")
        .bind(monitor)
        .execute(connection)
        .await?;
    Ok(())
}

/// The one thing whose id begins as somebody wrote it.
pub(super) fn the_one(
    found: &[uuid::Uuid],
    what: &str,
    prefix: &str,
    list: &str,
) -> Result<uuid::Uuid, StoreError> {
    match found {
        [id] => Ok(*id),
        [] => Err(StoreError::NotFound(format!("{what} `{prefix}` not found\nhint: `{list}` lists them"))),
        _ => Err(StoreError::NotFound(format!(
            "more than one {what} matches prefix `{prefix}`\nhint: give more of the ID"
        ))),
    }
}

/// An event time as a column of type timestamptz.
pub(super) fn timestamp(time: EventTime) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time.micros()).unwrap_or_default()
}

/// Microseconds since 1970 as a column of type timestamptz; times out of range become the nearest that is in it.
pub(super) fn instant(micros: i64) -> DateTime<Utc> {
    timestamp(EventTime::from_micros(micros).unwrap_or_default())
}

/// A timestamptz as an event time.
pub(super) fn event_time(timestamp: DateTime<Utc>) -> EventTime {
    EventTime::from_micros(timestamp.timestamp_micros()).unwrap_or_default()
}

/// A member of a closed set, stored by its name.
pub(super) fn named<T>(
    row: &sqlx::postgres::PgRow,
    column: &str,
    from_name: impl Fn(&str) -> Option<T>,
) -> Result<T, sqlx::Error> {
    let name: String = sqlx::Row::try_get(row, column)?;
    member(column, &name, from_name)
}

fn member<T>(column: &str, name: &str, from_name: impl Fn(&str) -> Option<T>) -> Result<T, sqlx::Error> {
    from_name(name).ok_or_else(|| sqlx::Error::Decode(format!("unknown {column} `{name}`").into()))
}

/// A member of a closed set, stored by its name, or null.
pub(super) fn named_if_any<T>(
    row: &sqlx::postgres::PgRow,
    column: &str,
    from_name: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, sqlx::Error> {
    let name: Option<String> = sqlx::Row::try_get(row, column)?;
    name.map(|name| member(column, &name, from_name)).transpose()
}

/// A count as a bigint.
pub(super) fn bigint(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A bigint that counts something.
pub(super) fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
