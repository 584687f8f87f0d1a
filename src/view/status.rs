//! The summary of everything stored: `driftd status`, gauges, the status page.

use serde::{Deserialize, Serialize};

use super::{Learning, Reading, SegmentWithoutBaseline};
use crate::alert::{RowState, Severity};
use crate::judge::Verdict;
use crate::record::Timestamp;
use crate::reference::ReferenceChoice;

/// A summary of everything stored.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Status {
    /// All configured or stored monitors.
    pub monitors: Vec<MonitorStatus>,
    /// All known partitions.
    pub partitions: Vec<PartitionStatus>,
    /// Open alerts, newest first.
    pub alerts: Vec<OpenAlert>,
    /// The outbox, by receiver.
    pub outbox: Vec<OutboxDepth>,
    /// Daemons with a heartbeat in the last 30 s.
    #[serde(default)]
    pub daemons: Vec<RunningDaemon>,
    /// Differences between their configurations, as text.
    #[serde(default)]
    pub differences: Vec<String>,
}

/// A daemon of this database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunningDaemon {
    /// `daemon.name`.
    pub name: String,
    /// Version of driftd.
    pub version: String,
}

impl Status {
    /// Which daemons run, in words.
    #[must_use]
    pub fn daemons_in_words(&self) -> String {
        let named = |daemon: &RunningDaemon| format!("{} ({})", daemon.name, daemon.version);
        match self.daemons.as_slice() {
            [] => "none running: nothing is read, the data below may be outdated".to_owned(),
            daemons => daemons.iter().map(named).collect::<Vec<_>>().join(", "),
        }
    }
}

/// Number of records of one outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RecordCount {
    /// Outcome: accepted, late, filtered or rejected.
    pub outcome: String,
    /// Reason of a rejection; otherwise empty.
    pub reason: String,
    /// Number of records.
    pub count: u64,
}

/// Status of a monitor.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MonitorStatus {
    /// Monitor name.
    pub monitor: String,
    /// Whether it is configured on this daemon; otherwise only stored data is available.
    #[serde(default)]
    pub configured: bool,
    /// Record counts by outcome.
    pub records: Vec<RecordCount>,
    /// Open windows.
    pub open_windows: u64,
    /// Last closed window (segment `*`).
    pub last_window: Option<WindowStatus>,
    /// The active baseline.
    pub baseline: Option<String>,
    /// Number of baseline versions.
    #[serde(default)]
    pub baselines: u64,
    /// Progress of learning the baseline; null if not learning.
    #[serde(default)]
    pub learning: Option<Learning>,
    /// Segments not in the active baseline.
    #[serde(default)]
    pub segments_without_baseline: Vec<SegmentWithoutBaseline>,
    /// Messages and columns that could not be read.
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
    /// Model version.
    pub version: String,
    /// Start, RFC 3339.
    pub start: Timestamp,
    /// End, RFC 3339.
    pub end: Timestamp,
    /// Number of records.
    pub rows: u64,
    /// Verdict.
    pub verdict: Verdict,
    /// Whether all partitions had passed the end of the window.
    pub complete: bool,
    /// How its reference was chosen, without the IDs of windows; null for windows closed before it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<ReferenceChoice>,
}

impl WindowStatus {
    /// Why it was not compared with anything although there may be a baseline; none where it was.
    #[must_use]
    pub fn why_no_reference(&self) -> Option<String> {
        let choice = self.reference.as_ref().filter(|choice| choice.rule.is_none())?;
        Some(choice.reasons()).filter(|reasons| !reasons.is_empty())
    }
}

/// Position of a partition.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PartitionStatus {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset to read.
    pub next_offset: Option<i64>,
    /// End of the readable log at the last check.
    pub log_end: Option<i64>,
    /// Lag in messages.
    pub lag: Option<u64>,
    /// Daemon that read it last.
    pub owner: Option<String>,
    /// Whether it was read to the end at the last check.
    pub caught_up: bool,
    /// Time of the last check, RFC 3339; null before the first check.
    #[serde(default)]
    pub checked_at: Option<Timestamp>,
    /// Time of the last change of the position, RFC 3339.
    pub progressed_at: Timestamp,
    /// Newest counted event time, RFC 3339.
    pub newest: Option<Timestamp>,
    /// Messages held back by an open transaction of a producer.
    pub held_back: u64,
    /// Offsets never read: deleted by retention, or skipped by `driftd positions reset`.
    pub lost: u64,
    /// Reason why it is not read until its position is reset; null if it is read.
    #[serde(default)]
    pub fault: Option<String>,
}

/// An open alert.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OpenAlert {
    /// Alert ID.
    pub id: String,
    /// Monitor name.
    pub monitor: String,
    /// Model version.
    pub version: String,
    /// The segment.
    pub segment: String,
    /// The rule.
    pub rule: String,
    /// Alert state.
    pub state: RowState,
    /// Severity.
    pub severity: Severity,
    /// Start of its first window with drift, RFC 3339.
    pub since: Timestamp,
    /// Whether a silence suppresses messages about it.
    #[serde(default)]
    pub silenced: bool,
}

/// Pending and failed messages of one receiver.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OutboxDepth {
    /// The receiver.
    pub receiver: String,
    /// Pending.
    pub pending: u64,
    /// Failed.
    pub dead: u64,
    /// Age of the oldest pending message in seconds.
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
