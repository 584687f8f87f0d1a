//! Detections: drifts that sequential detectors found at a record or in a window, and whom they are sent to. Pure: the store keeps
//! the states of detectors, and writes detections with the notifications about them.

mod event;
mod value;

pub use event::{DetectionEvent, detection_labels, detections_page};
pub use value::window_value;

use std::sync::Arc;

use uuid::Uuid;

use crate::alert::{EventKind, Labels, Routing, Severity, derived_id, event_body};
use crate::closing::Notification;
use crate::detector::{DetectorSpec, Evidence, Kind, Reads};
use crate::record::{EventTime, Offset, TimeSpan};
use crate::window::{Partition, RecordDetection, WindowKey};

/// A detector of a monitor, and whom its detections are sent to.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfiguredDetector {
    /// What it reads.
    pub spec: DetectorSpec,
    /// How bad a drift is.
    pub severity: Severity,
    /// Between two notifications about the detector at least, over all partitions and series.
    pub cool_down: TimeSpan,
    /// Whom to notify; those of the monitor's alerts when empty.
    pub receivers: Vec<String>,
}

/// Where a drift was detected.
#[derive(Clone, Debug, PartialEq)]
pub enum DetectionPlace {
    /// At a record.
    Record {
        partition: Partition,
        offset: Offset,
        /// Which record of its message, from 0.
        record: u32,
    },
    /// In a window of a series.
    Window {
        /// Its id; the window may have been deleted since.
        id: i64,
        key: WindowKey,
        /// Where it ends.
        end: EventTime,
    },
}

/// A drift that a detector found.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// The detector's name.
    pub detector: String,
    /// Which detector.
    pub kind: Kind,
    /// The column it reads.
    pub column: String,
    /// What it reads, in words.
    pub input: String,
    pub place: DetectionPlace,
    /// The event time of the record, or the start of the window.
    pub at: EventTime,
    /// The numbers of the detector.
    pub evidence: Evidence,
}

impl Detection {
    /// Of a record.
    #[must_use]
    pub fn of_record(found: &RecordDetection, spec: &DetectorSpec) -> Self {
        Self {
            detector: found.detector.clone(),
            kind: found.kind,
            column: found.column.clone(),
            input: spec.input(),
            place: DetectionPlace::Record {
                partition: found.partition.clone(),
                offset: found.offset,
                record: found.record,
            },
            at: found.time,
            evidence: found.evidence,
        }
    }

    /// Its id, which follows from where it was found.
    #[must_use]
    pub fn id(&self, monitor: &str) -> Uuid {
        let place = match &self.place {
            DetectionPlace::Record { partition, offset, record } => format!("{partition} {offset} {record}"),
            DetectionPlace::Window { id, .. } => format!("window {id}"),
        };
        derived_id(&["detection", monitor, &self.detector, &place])
    }
}

/// The detectors of a monitor with all that notifications need.
#[derive(Clone, Debug, Default)]
pub struct DetectionRules {
    /// The monitor's name.
    pub monitor: String,
    /// Its labels.
    pub labels: Labels,
    /// The receivers that it names for its alerts.
    pub receivers: Vec<String>,
    pub detectors: Vec<ConfiguredDetector>,
    /// Selects the receivers where nothing names any.
    pub routing: Arc<Routing>,
    /// What the addresses of pages begin with.
    pub external_url: Option<String>,
}

impl DetectionRules {
    /// The detector of this name.
    #[must_use]
    pub fn detector(&self, name: &str) -> Option<&ConfiguredDetector> {
        self.detectors.iter().find(|detector| detector.spec.name == name)
    }

    /// The detectors that read windows.
    pub fn of_windows(&self) -> impl Iterator<Item = &ConfiguredDetector> {
        self.detectors.iter().filter(|detector| detector.spec.reads != Reads::Records)
    }

    /// The notifications of a detection, one a receiver; their ids follow from it. `others` is the number of detections of this
    /// detector since its last notification, this one left out; `now` is the time that the event carries.
    #[must_use]
    pub fn notifications(&self, detection: &Detection, others: u64, now: EventTime) -> Vec<Notification> {
        let Some(detector) = self.detector(&detection.detector) else { return Vec::new() };
        let event = DetectionEvent::new(self, detector, detection, others);
        let mut receivers = detector.receivers.clone();
        if receivers.is_empty() {
            let groups = self.routing.groups_of(&event.labels(&self.labels), &self.receivers);
            receivers = groups.into_iter().map(|group| group.receiver).collect();
        }
        receivers.sort();
        receivers.dedup();
        let body = event_body(EventKind::DriftDetected, now, &event);
        let id = event.detection_id.to_string();
        let to = |receiver: String| Notification {
            id: derived_id(&["detection", &id, &receiver]),
            subject: event.detector_id,
            receiver,
            kind: EventKind::DriftDetected,
            body: body.clone(),
        };
        receivers.into_iter().map(to).collect()
    }
}

#[cfg(test)]
mod tests;
