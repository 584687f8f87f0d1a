//! Detectors that read records. Each partition has a state of each detector: the offsets of a partition are the only order that
//! a log has.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::{Array as _, BooleanArray, Float64Array};

use super::Partition;
use crate::detector::{Detector, DetectorSpec, Evidence, Kind, Outcome, StateError};
use crate::record::{DecodedBatch, EventTime, Offset};

/// A drift that a detector found at a record.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordDetection {
    /// The detector's name.
    pub detector: String,
    /// Which detector.
    pub kind: Kind,
    /// The column it reads.
    pub column: String,
    pub partition: Partition,
    pub offset: Offset,
    /// Which record of its message it is, from 0.
    pub record: u32,
    /// Its event time.
    pub time: EventTime,
    /// The numbers of the detector.
    pub evidence: Evidence,
}

/// The state of a detector in a partition, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionState {
    pub detector: String,
    pub partition: Partition,
    pub state: DetectorState,
}

/// The stored state of a detector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectorState {
    /// What it reads, see [`DetectorSpec::input`].
    pub input: String,
    /// Its stored form.
    pub json: String,
    /// Values it has read.
    pub values: u64,
    /// Values it has skipped.
    pub skipped: u64,
}

impl DetectorState {
    /// Of a detector.
    #[must_use]
    pub fn of(spec: &DetectorSpec, detector: &Detector) -> Self {
        Self {
            input: spec.input(),
            json: detector.to_json(),
            values: detector.values(),
            skipped: detector.skipped(),
        }
    }

    /// The detector that it is the state of.
    ///
    /// # Errors
    /// When it is damaged, or belongs to a detector with another input or other parameters.
    pub fn read(&self, spec: &DetectorSpec) -> Result<Detector, StateError> {
        if self.input != spec.input() {
            return Err(StateError::Reconfigured);
        }
        Detector::from_json(&self.json, spec.parameters)
    }
}

/// What detectors found, and where they stand, since the last delta.
#[derive(Clone, Debug, Default)]
pub struct DetectorDelta {
    /// The states of detectors in partitions that had records.
    pub states: Vec<PartitionState>,
    /// Drifts, in the order of offsets within a partition.
    pub detections: Vec<RecordDetection>,
}

/// The detectors of a monitor that read records.
#[derive(Debug, Default)]
pub(super) struct RecordDetectors {
    specs: Vec<DetectorSpec>,
    /// Of each partition the detectors in the order of the specs.
    states: HashMap<Partition, Vec<Detector>>,
    touched: BTreeSet<Partition>,
    detections: Vec<RecordDetection>,
}

impl RecordDetectors {
    pub(super) fn new(specs: Vec<DetectorSpec>) -> Self {
        Self { specs, ..Self::default() }
    }

    /// Puts the detectors of a partition into their stored states; those without one begin anew. The states that cannot be used.
    pub(super) fn restore(
        &mut self,
        partition: &Partition,
        stored: &BTreeMap<String, DetectorState>,
    ) -> Vec<(String, StateError)> {
        let mut refused = Vec::new();
        let restored = self.specs.iter().map(|spec| {
            let state = stored.get(&spec.name).map(|state| state.read(spec));
            match state {
                Some(Ok(detector)) => detector,
                Some(Err(error)) => {
                    refused.push((spec.name.clone(), error));
                    Detector::new(spec.parameters)
                }
                None => Detector::new(spec.parameters),
            }
        });
        let restored = restored.collect();
        self.states.insert(partition.clone(), restored);
        refused
    }

    /// Reads the rows of a batch of one partition, in their order. Late records are read as well: their place in the log is what
    /// counts, not their event time.
    pub(super) fn read(&mut self, batch: &DecodedBatch, partition: &Partition) {
        if self.specs.is_empty() {
            return;
        }
        let Self { specs, states, touched, detections } = self;
        let fresh = || specs.iter().map(|spec| Detector::new(spec.parameters)).collect();
        let states = states.entry(partition.clone()).or_insert_with(fresh);
        for (spec, detector) in specs.iter().zip(states) {
            let Some(values) = Values::of(batch, &spec.column) else { continue };
            for (row, value) in values.iter() {
                let Outcome::Drift(evidence) = detector.update(value) else { continue };
                detections.push(RecordDetection {
                    detector: spec.name.clone(),
                    kind: spec.parameters.kind(),
                    column: spec.column.clone(),
                    partition: partition.clone(),
                    offset: batch.offsets.get(row).copied().unwrap_or_default(),
                    record: batch.records.get(row).copied().unwrap_or_default(),
                    time: batch.times.get(row).copied().unwrap_or_default(),
                    evidence,
                });
            }
        }
        if !touched.contains(partition) {
            touched.insert(partition.clone());
        }
    }

    /// Bytes of what goes with the next delta, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.detections.len() * size_of::<RecordDetection>()
    }

    pub(super) fn take(&mut self) -> DetectorDelta {
        let mut states = Vec::new();
        for partition in std::mem::take(&mut self.touched) {
            let detectors = self.states.get(&partition).map(Vec::as_slice).unwrap_or_default();
            for (spec, detector) in self.specs.iter().zip(detectors) {
                states.push(PartitionState {
                    detector: spec.name.clone(),
                    partition: partition.clone(),
                    state: DetectorState::of(spec, detector),
                });
            }
        }
        DetectorDelta { states, detections: std::mem::take(&mut self.detections) }
    }

    /// Forgets all states and what was found.
    pub(super) fn clear(&mut self) {
        *self = Self::new(std::mem::take(&mut self.specs));
    }
}

/// The values of a numeric or boolean column.
enum Values<'a> {
    Numbers(&'a Float64Array),
    Flags(&'a BooleanArray),
}

impl<'a> Values<'a> {
    fn of(batch: &'a DecodedBatch, column: &str) -> Option<Self> {
        let array = batch.batch.column_by_name(column)?.as_any();
        let numbers = array.downcast_ref::<Float64Array>().map(Self::Numbers);
        numbers.or_else(|| array.downcast_ref::<BooleanArray>().map(Self::Flags))
    }

    /// The rows with a value.
    fn iter(&self) -> Box<dyn Iterator<Item = (usize, f64)> + '_> {
        match self {
            Self::Numbers(numbers) => {
                Box::new(numbers.iter().enumerate().filter_map(|(row, value)| Some((row, value?))))
            }
            Self::Flags(flags) => {
                let flags = flags.iter().enumerate();
                Box::new(flags.filter_map(|(row, flag)| Some((row, f64::from(u8::from(flag?))))))
            }
        }
    }
}

#[cfg(test)]
mod tests;
