//! The counter of one monitor: messages in, additions to its windows out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::clock::clock_now;
use super::monitors::RunningMonitor;
use super::workers::AssignedState;
use crate::detector::StateError;
use crate::kafka::MessageBatch;
use crate::record::{Decoded, DecodedBatch, Decoder, RawMessage, nearest};
use crate::window::{BinningPins, CountingMachine, CountingSpec, MonitorDelta, Partition};

/// The decoder and the counting machine of one monitor.
pub(super) struct MonitorCounter {
    pub(super) running: Arc<RunningMonitor>,
    decoder: Decoder,
    pub(super) machine: CountingMachine,
    /// A message since the last checkpoint that could be read: one that was counted, or else one that was filtered.
    specimen: Option<Specimen>,
    /// Records filtered since the last checkpoint.
    filtered: u64,
}

/// A message to look for paths in.
struct Specimen {
    counted: bool,
    payload: Vec<u8>,
}

/// Of the records that are filtered, the first so many show what they have in the fields of the filters, then every so
/// many-th: on a topic of many models they are most of all records.
const FILTERED_SHOWN: u64 = 100;

impl MonitorCounter {
    /// A counter that has counted nothing. `counting` is how the monitor counts, or a variation of it.
    pub(super) fn new(running: &Arc<RunningMonitor>, counting: CountingSpec, pins: Arc<BinningPins>) -> Self {
        Self {
            decoder: Decoder::new(&running.monitor.schema, running.monitor.layout.clone()),
            machine: CountingMachine::new(counting, pins),
            running: Arc::clone(running),
            specimen: None,
            filtered: 0,
        }
    }

    /// Goes on where a partition that was just assigned stands.
    pub(super) fn assign(&mut self, partition: &Partition, stored: &AssignedState) {
        let monitor = &self.running.monitor.name;
        self.machine.assign(partition.clone(), stored.newest.get(monitor).copied());
        let none = BTreeMap::new();
        let states = stored.detectors.get(monitor).unwrap_or(&none);
        for (detector, error) in self.machine.restore_detectors(partition, states) {
            match error {
                StateError::Reconfigured => {
                    tracing::info!(%monitor, %detector, %partition, "a detector was configured otherwise; it begins anew");
                }
                error => {
                    tracing::warn!(%monitor, %detector, %partition, %error, "cannot read the state of a detector; it begins anew");
                }
            }
        }
    }

    /// Counts the messages of a batch.
    pub(super) fn count(&mut self, batch: &MessageBatch) {
        if let Some(rows) = self.decode(batch) {
            self.machine.count(&rows, &batch.partition);
        }
    }

    /// Decodes the messages of a batch and counts those that are no row; the rows, if there are any, are still to be counted.
    pub(super) fn decode(&mut self, batch: &MessageBatch) -> Option<DecodedBatch> {
        let clock = clock_now();
        for message in batch.messages() {
            let message = RawMessage { clock, ..message };
            for outcome in self.decoder.decode(message).iter() {
                self.note(outcome, message, &batch.partition);
            }
        }
        if self.decoder.rows() == 0 {
            return None;
        }
        let rows = self.decoder.finish();
        let columns = self.running.monitor.schema.columns();
        for (column, wrong) in columns.iter().zip(&rows.wrong) {
            if let Some(value) = wrong {
                self.machine.notes().wrong(&column.name, value);
            }
        }
        Some(rows)
    }

    /// Counts what is no row, and keeps what explains it.
    fn note(&mut self, outcome: Decoded, message: RawMessage<'_>, partition: &Partition) {
        match outcome {
            Decoded::Row => self.keep(message.payload, true),
            Decoded::Filtered => {
                self.machine.filter();
                self.filtered += 1;
                if self.filtered <= FILTERED_SHOWN || self.filtered.is_multiple_of(FILTERED_SHOWN) {
                    if let Some((path, value)) = self.decoder.filtered_by() {
                        self.machine.notes().filtered(&path.to_string(), &value);
                    }
                    self.keep(message.payload, false);
                }
            }
            Decoded::Rejected(reason) => {
                self.machine.reject(reason, partition);
                let decoder = &self.decoder;
                let why = || decoder.explain(message, reason);
                self.machine.notes().example(reason.as_str(), partition, message.offset, why);
            }
        }
    }

    fn keep(&mut self, payload: Option<&[u8]>, counted: bool) {
        if self.specimen.as_ref().is_none_or(|kept| counted && !kept.counted) {
            let payload = payload.unwrap_or_default().to_vec();
            self.specimen = Some(Specimen { counted, payload });
        }
    }

    /// What was counted, with the nearest path that exists for each column that was never found.
    pub(super) fn take_delta(&mut self) -> MonitorDelta {
        self.filtered = 0;
        let specimen = self.specimen.take();
        let lost = self.machine.never_found();
        let layout = &self.running.monitor.layout;
        if let Some(specimen) = specimen.filter(|_| !lost.is_empty() || !layout.filters.is_empty()) {
            let paths = self.decoder.paths_of(&specimen.payload);
            let columns = self.running.monitor.schema.columns();
            // What another column reads was not meant.
            let own: BTreeSet<String> = columns.iter().map(|column| column.path.to_string()).collect();
            let free = || paths.iter().filter(|path| !own.contains(*path)).map(String::as_str);
            let near = |path: &str| nearest(path, free()).map(str::to_owned);
            for column in columns.iter().filter(|column| lost.contains(&column.name)) {
                self.machine.notes().hint(&column.name).nearest = near(&column.path.to_string());
            }
            for path in layout.filters.iter().map(|(path, _)| path.to_string()) {
                if !paths.contains(&path)
                    && let Some(near) = near(&path)
                {
                    self.machine.notes().filtered(&path, &format!("(similar path: `{near}`)"));
                }
            }
        }
        self.machine.take_delta()
    }
}
