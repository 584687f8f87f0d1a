//! Baselines, and how two of them differ.

use serde::Serialize;
use uuid::Uuid;

use crate::record::EventTime;
use crate::report::Summary;

/// A baseline without its counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct BaselineSummary {
    /// Its id.
    pub id: Uuid,
    /// Its monitor.
    pub monitor: String,
    /// Counts up from 1 for each monitor.
    pub version: i32,
    /// Where it came from.
    pub origin: String,
    /// Records in it.
    pub rows: u64,
    /// Whether new windows are compared with it.
    pub active: bool,
    /// When it was stored, RFC 3339.
    pub created_at: String,
}

/// A baseline with what is in it.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct BaselineDetail {
    /// The baseline.
    pub baseline: BaselineSummary,
    /// Its segments with their records.
    #[schema(value_type = Vec<serde_json::Value>)]
    pub segments: Vec<(String, u64)>,
    /// Windows that were judged with it.
    pub windows: u64,
}

/// A part of event time, half open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Period {
    /// From, RFC 3339.
    pub from: String,
    /// To (exclusive), RFC 3339.
    pub to: String,
}

/// How two baselines of a monitor differ.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct BaselineDiff {
    /// The one.
    pub before: BaselineSummary,
    /// The other.
    pub after: BaselineSummary,
    /// Whether both are counted on the same bins: only then there are measures.
    pub same_bins: bool,
    /// The columns, most different first.
    pub columns: Vec<ColumnDiff>,
}

/// How a column differs between two baselines.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ColumnDiff {
    /// The column.
    pub column: String,
    /// In the one; none when it does not have the column.
    pub before: Option<Summary>,
    /// In the other.
    pub after: Option<Summary>,
    /// The monitor's measures, where both are counted on the same bins.
    pub measures: Vec<MeasuredDiff>,
}

/// A measure between two baselines.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct MeasuredDiff {
    /// The measure.
    pub measure: String,
    /// Its effect; none where it is undefined.
    pub effect: Option<f64>,
    /// The limit at which windows drift.
    pub critical: f64,
}

/// Which windows become a baseline.
#[derive(Clone, Debug)]
pub struct Promotion {
    /// Windows that start at or after this.
    pub from: EventTime,
    /// Windows that start before this.
    pub to: EventTime,
    /// Of this model version; of all versions when absent.
    pub version: Option<String>,
    /// Windows that overlap one of these are left out.
    pub exclude: Vec<(EventTime, EventTime)>,
    /// So are those in which an alert of the monitor fired.
    pub exclude_alerts: bool,
    /// Whether new windows are compared with it at once.
    pub activate: bool,
}
