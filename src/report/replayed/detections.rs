//! The drifts that sequential detectors would have found.

use serde::Serialize;

use crate::detector::Kind;
use crate::window::RecordDetection;

/// A drift that a detector found at a record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DetectionReport {
    /// The detector's name.
    pub detector: String,
    /// Which detector.
    pub kind: Kind,
    pub column: String,
    /// The file of the record.
    pub file: String,
    /// The number of the record in its file, from 0.
    pub offset: i64,
    /// Its event time.
    pub at: String,
    /// Values since the detector began or was reset.
    pub values: u64,
    /// The level before the drift.
    pub before: f64,
    /// The level after it.
    pub after: f64,
    /// What was compared with the limit.
    pub statistic: f64,
    pub limit: f64,
}

/// The detections of a replay, in the order in which they were found. Each file was read as one partition.
pub(super) fn detections(found: &[RecordDetection], inputs: &[String]) -> Vec<DetectionReport> {
    let report = |found: &RecordDetection| {
        let file = usize::try_from(found.partition.partition).ok().and_then(|number| inputs.get(number));
        DetectionReport {
            detector: found.detector.clone(),
            kind: found.kind,
            column: found.column.clone(),
            file: file.cloned().unwrap_or_else(|| found.partition.to_string()),
            offset: found.offset.number(),
            at: found.time.to_string(),
            values: found.evidence.values,
            before: found.evidence.before,
            after: found.evidence.after,
            statistic: found.evidence.statistic,
            limit: found.evidence.limit,
        }
    };
    found.iter().map(report).collect()
}
