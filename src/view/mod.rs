//! What is shown: plain data that the store fills in, and the API, the pages and the command line show.

mod account;
mod alert;
mod audit;
mod baseline;
mod challenge;
mod configuration;
mod delivery;
mod detection;
mod distribution;
mod export;
mod false_alarms;
mod learning;
mod limits;
mod monitor;
mod reading;
mod record;
mod retraining;
mod silence;
mod status;
mod summary;
mod table;
mod window;

pub use crate::alert::Judged;
pub use account::{AccountView, AlarmCounts, BudgetState, ColumnAlarms, RateView};
pub use alert::{AlertDetail, AlertFilter, AlertRow, DeliveryEntry, Episode, HistoryEntry};
pub use audit::AuditEntry;
pub use baseline::{
    BaselineColumn, BaselineDetail, BaselineDiff, BaselineSummary, Period, Promotion, baseline_columns,
};
pub use challenge::{ChallengeHistory, ChallengerView, ComparedPair, SHOWN_PAIRS, no_challenger};
pub use configuration::ConfiguredValue;
pub use delivery::{Attempt, DeliveryDetail, DeliveryFilter, DeliveryRow, DeliveryStatus};
pub use detection::{DetectionRow, DetectionsView, DetectorProgress, DetectorView, SHOWN_DETECTIONS};
pub use distribution::{BinKind, DistributionRow, distribution_rows};
pub use export::{ExportedAlert, ExportedColumn, ExportedFinding, ExportedWindow};
pub use false_alarms::{FalseAlarmFacts, FalseAlarmsView};
pub use learning::{Learning, SEGMENT_ADVICE, SegmentWithoutBaseline};
pub use limits::{AcceptedLimitsView, LimitsView, PersonsDecision, ProposalView};
pub use monitor::{ColumnInfo, MonitorDetail, MonitorState, MonitorView, OpenAlerts, SeriesInfo};
pub use reading::{FilterSeen, NotCounted, Reading, UnreadableColumn};
pub use record::{GrownGroup, SampledRecord, SampledRecords, sampled_records};
pub use retraining::{RequestChange, RequestDetail, RequestRow};
pub use silence::SilenceRow;
pub use status::{
    ClosedWindow, MonitorStatus, OpenAlert, OutboxDepth, PartitionStatus, RecordCount, RunningDaemon, Status,
    WindowStatus,
};
pub use summary::{ColumnSummary, summaries};
pub use table::{Table, batch};
pub use window::{
    BoardScore, ColumnPoint, FindingFilter, FindingRow, ScoreBoard, ScoredWindow, WindowFilter, WindowRow,
    WindowState, letter_of, verdict_of,
};

use serde::{Deserialize, Serialize};

/// A page of a list.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// Entries.
    pub items: Vec<T>,
    /// `cursor` of the next page; null on the last page.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Cuts a list that was read one entry longer than asked for; `cursor` names the place of an entry.
    pub fn cut(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(cursor) } else { None };
        Self { items, next }
    }
}
