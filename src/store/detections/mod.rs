//! States of detectors, and what they found. A state is moved in the transaction that moves what the detector reads: the position
//! of a partition, or the status of a window. The notifications are stored in it as well.

mod read;
mod states;
mod write;

pub use states::PartitionDetectors;

use super::StoreError;
use super::session::Session;
use crate::detection::{ConfiguredDetector, Detection, DetectionPlace, DetectionRules, window_value};
use crate::detector::{Detector, Outcome, Reads};
use crate::distribution::WindowCounts;
use crate::record::EventTime;
use crate::window::{DetectorDelta, DetectorState, WindowKey};
use states::{series_state, write_series_state, write_states};
use write::write_detections;

/// Stores what the detectors of a monitor found in records, and where they stand.
pub(in crate::store) async fn write_record_detections(
    connection: &mut Session,
    rules: &DetectionRules,
    delta: &DetectorDelta,
) -> Result<(), StoreError> {
    if !delta.states.is_empty() {
        write_states(connection, &rules.monitor, &delta.states).await?;
    }
    let mut found = Vec::with_capacity(delta.detections.len());
    for detection in &delta.detections {
        if let Some(detector) = rules.detector(&detection.detector) {
            found.push(Detection::of_record(detection, &detector.spec));
        }
    }
    write_detections(connection, rules, &found).await
}

/// A window that closes, as detectors read it.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct ReadWindow<'a> {
    pub(in crate::store) id: i64,
    pub(in crate::store) key: &'a WindowKey,
    pub(in crate::store) end: EventTime,
    pub(in crate::store) counts: &'a WindowCounts,
}

/// Has the detectors of a monitor read a window; its row and that of its series are locked. What they found. A state that cannot be
/// used is dropped, and the detector begins anew.
pub(in crate::store) async fn detect_in_window(
    connection: &mut Session,
    rules: &DetectionRules,
    window: ReadWindow<'_>,
) -> Result<Vec<Detection>, StoreError> {
    let mut found = Vec::new();
    for ConfiguredDetector { spec, .. } in rules.of_windows() {
        let Reads::Windows(value) = &spec.reads else { continue };
        let Some(value) = window_value(window.counts, &spec.column, value) else { continue };
        let stored = series_state(connection, (&rules.monitor, &spec.name), window.key).await?;
        let restored = stored.and_then(|stored| stored.read(spec).ok());
        let mut detector = restored.unwrap_or_else(|| Detector::new(spec.parameters));
        if let Outcome::Drift(evidence) = detector.update(value) {
            found.push(Detection {
                detector: spec.name.clone(),
                kind: spec.parameters.kind(),
                column: spec.column.clone(),
                input: spec.input(),
                place: DetectionPlace::Window { id: window.id, key: window.key.clone(), end: window.end },
                at: window.key.start,
                evidence,
            });
        }
        let state = DetectorState::of(spec, &detector);
        write_series_state(connection, (&rules.monitor, &spec.name), window.key, &state).await?;
    }
    write_detections(connection, rules, &found).await?;
    Ok(found)
}
