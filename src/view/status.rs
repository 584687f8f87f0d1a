//! The summary of everything stored: `driftd status`, gauges, the status page.

use serde::{Deserialize, Serialize};

use super::{Learning, Reading, SegmentWithoutBaseline, Timestamp};
use crate::alert::{RowState, Severity};
use crate::judge::Verdict;

/// A summary of everything stored.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Status {
    /// Each monitor that is configured or ever counted.
    pub monitors: Vec<MonitorStatus>,
    /// Each partition ever known.
    pub partitions: Vec<PartitionStatus>,
    /// Alerts that fire or are pending, newest first.
    pub alerts: Vec<OpenAlert>,
    /// The outbox, by receiver.
    pub outbox: Vec<OutboxDepth>,
    /// Daemons that said in the last 30 s that they run.
    #[serde(default)]
    pub daemons: Vec<RunningDaemon>,
    /// In what their configurations differ, in words.
    #[serde(default)]
    pub differences: Vec<String>,
}

/// A daemon of this database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunningDaemon {
    /// `daemon.name`.
    pub name: String,
    /// Its version of driftd.
    pub version: String,
}

impl Status {
    /// Which daemons run, in words.
    #[must_use]
    pub fn daemons_in_words(&self) -> String {
        let named = |daemon: &RunningDaemon| format!("{} ({})", daemon.name, daemon.version);
        match self.daemons.as_slice() {
            [] => "none runs: nothing is read, and what is below may be old".to_owned(),
            daemons => daemons.iter().map(named).collect::<Vec<_>>().join(", "),
        }
    }
}

/// How many records ended in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RecordCount {
    /// accepted, late, filtered or rejected.
    pub outcome: String,
    /// Why, for rejected ones; otherwise empty.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// A monitor's numbers.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MonitorStatus {
    /// Its name.
    pub monitor: String,
    /// Whether it is configured where this was asked; otherwise it is known from what is stored alone.
    #[serde(default)]
    pub configured: bool,
    /// What became of its records.
    pub records: Vec<RecordCount>,
    /// Windows not closed yet.
    pub open_windows: u64,
    /// The last window of the whole that was closed.
    pub last_window: Option<WindowStatus>,
    /// The active baseline.
    pub baseline: Option<String>,
    /// Versions of its baseline that there are.
    #[serde(default)]
    pub baselines: u64,
    /// How far the learning of its baseline has come; none when it is not learnt, or was.
    #[serde(default)]
    pub learning: Option<Learning>,
    /// Segments that the active baseline does not have.
    #[serde(default)]
    pub segments_without_baseline: Vec<SegmentWithoutBaseline>,
    /// What could not be counted or read.
    #[serde(default)]
    pub reading: Reading,
}

impl MonitorStatus {
    /// Of a monitor that has counted nothing yet.
    #[must_use]
    pub fn unseen(monitor: &str, learning: Option<Learning>) -> Self {
        Self {
            monitor: monitor.to_owned(),
            configured: true,
            records: Vec::new(),
            open_windows: 0,
            last_window: None,
            baseline: None,
            baselines: 0,
            learning,
            segments_without_baseline: Vec::new(),
            reading: Reading::default(),
        }
    }
}

/// A closed window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WindowStatus {
    /// The model version.
    pub version: String,
    /// Its start, RFC 3339.
    pub start: Timestamp,
    /// Its end, RFC 3339.
    pub end: Timestamp,
    /// Records.
    pub rows: u64,
    /// What was decided.
    pub verdict: Verdict,
    /// Whether every partition had passed its end.
    pub complete: bool,
}

/// A partition's position.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PartitionStatus {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset to read.
    pub next_offset: Option<i64>,
    /// Up to where the log could be read when its reader last looked.
    pub log_end: Option<i64>,
    /// Messages between the two.
    pub lag: Option<u64>,
    /// Who read it last.
    pub owner: Option<String>,
    /// Whether it was read to its end when last checked.
    pub caught_up: bool,
    /// When its reader last checked, RFC 3339; none before the first time.
    #[serde(default)]
    pub checked_at: Option<Timestamp>,
    /// When its position last moved, RFC 3339: the last checkpoint that had something of it.
    pub progressed_at: Timestamp,
    /// The newest event time counted in it, RFC 3339.
    pub newest: Option<Timestamp>,
    /// Messages behind that, which a transaction that is still open keeps from being read.
    pub held_back: u64,
    /// Offsets that were never read: retention took them, or somebody moved the position past them.
    pub lost: u64,
    /// Why it is not read until somebody resets its position; none when it is read.
    #[serde(default)]
    pub fault: Option<String>,
}

/// An alert that is not over.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OpenAlert {
    /// Its id.
    pub id: String,
    /// Its monitor.
    pub monitor: String,
    /// The model version.
    pub version: String,
    /// The segment.
    pub segment: String,
    /// The rule.
    pub rule: String,
    /// Where it stands; never over.
    pub state: RowState,
    /// How bad it is.
    pub severity: Severity,
    /// Start of its first drifting window, RFC 3339.
    pub since: Timestamp,
    /// Whether a silence keeps it from being told to somebody.
    #[serde(default)]
    pub silenced: bool,
}

/// Notifications of one receiver.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OutboxDepth {
    /// The receiver.
    pub receiver: String,
    /// Not sent yet.
    pub pending: u64,
    /// Given up.
    pub dead: u64,
    /// Seconds the oldest one has been waiting.
    pub oldest_seconds: f64,
}

/// A closed window of the whole with the columns that drifted or warned in it.
#[derive(Clone, Debug, Serialize)]
pub struct ClosedWindow {
    /// Its row: counts up.
    pub id: i64,
    /// What was decided.
    pub window: WindowStatus,
    /// Columns at warn or critical, the strongest first: name, verdict, measure, effect.
    pub moved: Vec<(String, String, String, f64)>,
}
