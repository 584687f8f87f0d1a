//! Backfills: records of the past become stored windows, beside live counting.
//!
//! While a backfill reads, its counts are deltas of their own (`backfill_delta`), which nothing else reads. When all is read,
//! windows are made of them start by start, each start in one transaction: a window that does not exist is made and closed at
//! once; one that live counting has opened meanwhile takes the counts as any other delta; one that is closed takes nothing, and
//! its records are late. So no daemon ever sees a half-filled window.
//!
//! Positions move in the transaction that stores the counts of the records before them, and only from the value that the writer
//! started at. The row of the backfill names the process that may write: another one that takes over fences it.

mod begin;
mod close;
mod list;
mod origin;
mod stage;

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

pub use begin::NewBackfill;
pub use close::{BackfilledStart, ClosedStart};
pub use origin::LiveBegin;
pub use stage::{SourceMove, StagedCounts};

use super::StoreError;
use super::session::Session;
use crate::record::{EventTime, Offset, Timestamp};
use crate::window::Partition;

/// How far a backfill is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BackfillState {
    /// It reads records.
    Reading,
    /// All is read; it makes windows of the counts.
    Closing,
    /// All windows are made.
    Done,
}

impl BackfillState {
    /// The name in tables and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Closing => "closing",
            Self::Done => "done",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Reading, Self::Closing, Self::Done].into_iter().find(|state| state.as_str() == name)
    }
}

/// By what a file is known again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    /// In bytes.
    pub size: u64,
    /// SHA-256 of its bytes, in base64.
    pub hash: String,
}

/// A partition that a backfill reads, or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillSource {
    /// Of a file: the topic `file:NAME`, which no topic of Kafka can be called.
    pub partition: Partition,
    /// The first offset to read; of a file 0.
    pub first: Offset,
    /// The next offset to read; of a file the number of records read.
    pub next: Offset,
    /// The offset to read up to; of a file about how many records it has.
    pub end: Offset,
    /// The newest event time seen, also outside the range.
    pub newest: Option<EventTime>,
    /// Whether it is read.
    pub complete: bool,
    /// Set for a file.
    pub file: Option<FileIdentity>,
}

/// Records by outcome: `accepted`, `late`, `filtered`, `outside` the range of event time, `rejected:REASON`.
pub type Outcomes = BTreeMap<String, u64>;

/// A stored backfill.
#[derive(Clone, Debug)]
pub struct Backfill {
    pub id: i64,
    pub monitor: String,
    /// How its records are counted: as the monitor was configured when it began.
    pub counted_as: String,
    /// What its windows are counted on.
    pub binning: Uuid,
    /// Whether it reads files.
    pub from_files: bool,
    /// The first event time that it reads; none: all.
    pub from: Option<EventTime>,
    /// The first event time that it no longer reads; none: all.
    pub to: Option<EventTime>,
    pub state: BackfillState,
    /// Windows that end after this are left to live counting; none while it reads.
    pub live_from: Option<EventTime>,
    pub outcomes: Outcomes,
    /// How many windows it has closed.
    pub closed: u64,
    /// Who reads, for people.
    pub owner: String,
    pub started_at: Timestamp,
    /// When it last stored anything.
    pub active_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// What it reads, in order.
    pub sources: Vec<BackfillSource>,
}

/// The process that writes a backfill.
#[derive(Clone, Copy, Debug)]
pub struct BackfillWriter {
    pub id: i64,
    /// Made anew by every process.
    pub runner: Uuid,
}

/// Another process has taken the backfill over.
pub(super) fn taken_over(writer: BackfillWriter) -> StoreError {
    StoreError::Refused(format!(
        "another process has continued backfill {} or discarded it: this one stops, nothing is counted twice\nhint: `driftd backfill --list` \
         shows who reads",
        writer.id
    ))
}

/// Locks the row of a backfill for its writer, in a state. Until the end of the transaction nobody takes it over.
async fn lock(
    connection: &mut Session,
    writer: BackfillWriter,
    state: BackfillState,
    attempted: &'static str,
) -> Result<(), StoreError> {
    let locked = sqlx::query("update backfill set active_at = now() where id = $1 and runner = $2 and state = $3")
        .bind(writer.id)
        .bind(writer.runner)
        .bind(state.as_str())
        .execute(connection)
        .await
        .map_err(super::failed(attempted))?;
    if locked.rows_affected() == 0 { Err(taken_over(writer)) } else { Ok(()) }
}
