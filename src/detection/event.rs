//! The event that says that a detector found a drift.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ConfiguredDetector, Detection, DetectionPlace, DetectionRules};
use crate::alert::{Labels, Severity, derived_id, encoded, is_default};
use crate::detector::Kind;
use crate::record::Timestamp;

/// The `data` of `drift.detected`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectionEvent {
    /// The detection; it follows from where it was found.
    pub detection_id: Uuid,
    /// The detector: the same for all of its detections.
    pub detector_id: Uuid,
    pub monitor: String,
    /// The detector's name.
    pub detector: String,
    /// Which detector: `adwin`, `cusum`, ...
    pub kind: Kind,
    pub column: String,
    /// What it reads, in words.
    pub input: String,
    pub severity: Severity,
    /// The event time of the record, or the start of the window.
    pub at: Timestamp,
    /// The topic of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The partition of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// The offset of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// The id of the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<i64>,
    /// The model version of the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The segment of the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// The end of the window (exclusive).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// Values since the detector began or was reset.
    pub values: u64,
    /// The level before the drift.
    pub before: f64,
    /// The level after it.
    pub after: f64,
    /// What was compared with the limit.
    pub statistic: f64,
    pub limit: f64,
    /// Other detections of the detector since its last notification.
    #[serde(default, skip_serializing_if = "is_default")]
    pub others: u64,
    /// The page that shows the detections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Whether it is a test message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
}

impl DetectionEvent {
    pub(super) fn new(
        rules: &DetectionRules,
        detector: &ConfiguredDetector,
        detection: &Detection,
        others: u64,
    ) -> Self {
        let base = rules.external_url.as_deref().map(|base| base.trim_end_matches('/'));
        let evidence = detection.evidence;
        let event = Self {
            detection_id: detection.id(&rules.monitor),
            detector_id: derived_id(&["detector", &rules.monitor, &detection.detector]),
            monitor: rules.monitor.clone(),
            detector: detection.detector.clone(),
            kind: detection.kind,
            column: detection.column.clone(),
            input: detection.input.clone(),
            severity: detector.severity,
            at: detection.at.into(),
            topic: None,
            partition: None,
            offset: None,
            window: None,
            version: None,
            segment: None,
            end: None,
            values: evidence.values,
            before: evidence.before,
            after: evidence.after,
            statistic: evidence.statistic,
            limit: evidence.limit,
            others,
            url: base.map(|base| format!("{base}{}", detections_page(&rules.monitor))),
            test: false,
        };
        match &detection.place {
            DetectionPlace::Record { partition, offset, .. } => Self {
                topic: Some(partition.topic.to_string()),
                partition: Some(partition.partition),
                offset: Some(offset.number()),
                ..event
            },
            DetectionPlace::Window { id, key, end } => Self {
                window: Some(*id),
                version: Some(key.version.clone()),
                segment: Some(key.segment.clone()),
                end: Some((*end).into()),
                ..event
            },
        }
    }

    /// What it is routed by.
    #[must_use]
    pub fn labels(&self, own: &Labels) -> Labels {
        let mut labels = own.clone();
        labels.extend(detection_labels(&self.detector));
        let set = [
            ("monitor", self.monitor.as_str()),
            ("version", self.version.as_deref().unwrap_or_default()),
            ("segment", self.segment.as_deref().unwrap_or_default()),
            ("severity", self.severity.as_str()),
        ];
        let set = set.iter().filter(|(_, value)| !value.is_empty());
        labels.extend(set.map(|(label, value)| ((*label).to_owned(), (*value).to_owned())));
        labels
    }
}

/// The labels of all detections of a detector, by which routes select them.
#[must_use]
pub fn detection_labels(detector: &str) -> Labels {
    [("alertname", "detection"), ("kind", "detection"), ("detector", detector)]
        .map(|(label, value)| (label.to_owned(), value.to_owned()))
        .into()
}

/// The path of the part of a page that shows the detections of a monitor.
#[must_use]
pub fn detections_page(monitor: &str) -> String {
    format!("/monitors/{}#detections", encoded(monitor))
}
