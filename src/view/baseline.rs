//! Baselines, and how two of them differ.

use crate::record::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::baseline::{Baseline, why_not_learned};
use crate::binning::Binning;
use crate::distribution::{Distribution, WindowCounts};
use crate::judge::why::number;
use crate::record::{Absence, EventTime, number_of};
use crate::report::ColumnDiff;
use crate::window::WHOLE;

/// A baseline without its counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BaselineSummary {
    /// Baseline ID.
    pub id: Uuid,
    /// Monitor name.
    pub monitor: String,
    /// Version, from 1 per monitor.
    pub version: i32,
    /// Origin: training data, windows or model version.
    pub origin: String,
    /// Number of records.
    pub rows: u64,
    /// Whether it is the active baseline.
    pub active: bool,
    /// Creation time, RFC 3339.
    pub created_at: Timestamp,
}

/// A baseline with its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BaselineDetail {
    /// The baseline.
    pub baseline: BaselineSummary,
    /// Segments with their number of records.
    #[schema(value_type = Vec<serde_json::Value>)]
    pub segments: Vec<(String, u64)>,
    /// Number of windows compared with it.
    pub windows: u64,
    /// Columns.
    #[serde(default)]
    pub columns: Vec<BaselineColumn>,
}

/// A column of a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BaselineColumn {
    /// Column name.
    pub column: String,
    /// Text: type, bins or categories, range.
    pub values: String,
    /// Rows without a valid value.
    pub absent: u64,
}

/// The columns of a baseline, of the whole.
#[must_use]
pub fn baseline_columns(baseline: &Baseline) -> Vec<BaselineColumn> {
    let whole = baseline.segments.get(WHOLE).into_iter().flat_map(WindowCounts::columns);
    whole
        .map(|column| BaselineColumn {
            column: column.name().to_owned(),
            values: match why_not_learned(column) {
                _ if column.is_left_out() => "no value: not compared".to_owned(),
                Some(why) => format!("not compared: {}", why.shortly()),
                None => in_words(column),
            },
            absent: Absence::ALL.iter().map(|absence| column.absent(*absence)).sum(),
        })
        .collect()
}

fn in_words(column: &Distribution) -> String {
    match column.binning() {
        Binning::Numeric(binning) => {
            let bins = number_of(binning.bins(), "bin");
            if column.is_sensitive() {
                return format!("numeric, {bins}");
            }
            let (lowest, highest) = binning.range();
            let mean = column.mean().map_or(String::new(), |mean| format!(", mean {}", number(mean)));
            // The ends of the bins, not the values.
            format!("numeric, {bins} from {} to about {}{mean}", number(lowest), number(highest))
        }
        Binning::UniversalNumeric => "numeric".to_owned(),
        Binning::Embedding(binning) => format!("embedding of {}", number_of(binning.dimensions(), "dimension")),
        Binning::Categorical(binning) => number_of(binning.categories().len(), "category"),
    }
}

/// An interval of event time, half-open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Period {
    /// Start (inclusive), RFC 3339.
    pub from: String,
    /// End (exclusive), RFC 3339.
    pub to: String,
}

/// Differences between two baselines of a monitor.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct BaselineDiff {
    /// First baseline.
    pub before: BaselineSummary,
    /// Second baseline.
    pub after: BaselineSummary,
    /// Whether both have the same bins; measures are computed only then.
    pub same_bins: bool,
    /// Columns, largest difference first.
    pub columns: Vec<ColumnDiff>,
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
