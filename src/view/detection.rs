//! Sequential detectors of a monitor, and what they found.

use serde::{Deserialize, Serialize};

use crate::detection::ConfiguredDetector;
use crate::detector::{Kind, Reads};
use crate::record::Timestamp;

/// Detections of an answer at most.
pub const SHOWN_DETECTIONS: i64 = 200;

/// A drift that a detector found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DetectionRow {
    /// Id: later detections have larger ones.
    pub id: i64,
    /// Name of the detector.
    pub detector: String,
    /// Kind of the detector.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// Column.
    pub column: String,
    /// What the detector reads, in words.
    pub input: String,
    /// Event time of the record, or start of the window, RFC 3339.
    pub at: Timestamp,
    /// Topic of the record; null for windows.
    pub topic: Option<String>,
    /// Partition of the record; null for windows.
    pub partition: Option<i32>,
    /// Offset of the record; null for windows.
    pub offset: Option<i64>,
    /// Which record of its message, from 0; null for windows.
    pub record: Option<i32>,
    /// Id of the window, which may have been deleted since; null for records.
    pub window: Option<i64>,
    /// Model version of the window; null for records.
    pub version: Option<String>,
    /// Segment of the window; null for records.
    pub segment: Option<String>,
    /// End of the window (exclusive), RFC 3339; null for records.
    pub end: Option<Timestamp>,
    /// Values since the detector began or was reset, the last one included.
    pub values: u64,
    /// Level before the drift.
    pub before: f64,
    /// Level after the drift.
    pub after: f64,
    /// What was compared with the limit.
    pub statistic: f64,
    /// Limit.
    pub limit: f64,
    /// When it was stored, RFC 3339.
    pub detected_at: Timestamp,
}

impl DetectionRow {
    /// Where it was found, in words: a record, or a window of a series.
    #[must_use]
    pub fn place(&self) -> String {
        match (&self.topic, self.partition, self.offset) {
            (Some(topic), Some(partition), Some(offset)) => format!("{topic}/{partition} at offset {offset}"),
            _ => {
                let version = self.version.as_deref().filter(|version| !version.is_empty());
                let version = version.map_or(String::new(), |version| format!(" of version {version}"));
                let segment = self.segment.as_deref().filter(|segment| *segment != crate::window::WHOLE);
                let segment = segment.map_or(String::new(), |segment| format!(", {segment}"));
                format!("window from {}{version}{segment}", self.at.to_the_second())
            }
        }
    }
}

/// How far the states of a detector have come, over all partitions or series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectorProgress {
    /// Name of the detector.
    pub detector: String,
    /// What it read.
    pub input: String,
    /// Partitions or series.
    pub states: u64,
    /// Values read.
    pub values: u64,
    /// Values skipped.
    pub skipped: u64,
}

/// A detector of a monitor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DetectorView {
    /// Name.
    pub name: String,
    /// Kind.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// Column.
    pub column: String,
    /// `records` or `windows`.
    pub on: String,
    /// What it reads, in words.
    pub input: String,
    /// Partitions or series that it has read values of; each has a state of its own.
    pub states: u64,
    /// Values read, over all states.
    pub values: u64,
    /// Values skipped, over all states: not finite, or outside of what the detector reads.
    pub skipped: u64,
}

/// The detectors of a monitor and the newest detections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DetectionsView {
    /// Monitor name.
    pub monitor: String,
    /// Detectors, as they are configured.
    pub detectors: Vec<DetectorView>,
    /// Newest detections first, those of detectors that are no longer configured among them; at most 200.
    pub detections: Vec<DetectionRow>,
}

impl DetectionsView {
    /// What is configured, with what is stored of it.
    #[must_use]
    pub fn new(
        monitor: &str,
        configured: &[ConfiguredDetector],
        progress: &[DetectorProgress],
        detections: Vec<DetectionRow>,
    ) -> Self {
        let view = |ConfiguredDetector { spec, .. }: &ConfiguredDetector| {
            let input = spec.input();
            let found = progress.iter().find(|known| known.detector == spec.name && known.input == input);
            DetectorView {
                name: spec.name.clone(),
                kind: spec.parameters.kind(),
                column: spec.column.clone(),
                on: if spec.reads == Reads::Records { "records" } else { "windows" }.to_owned(),
                input,
                states: found.map_or(0, |found| found.states),
                values: found.map_or(0, |found| found.values),
                skipped: found.map_or(0, |found| found.skipped),
            }
        };
        Self { monitor: monitor.to_owned(), detectors: configured.iter().map(view).collect(), detections }
    }
}
