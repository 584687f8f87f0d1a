//! The counting machine: (binnings, record batches) -> deltas. It reads no clock and no store.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::detecting::{DetectorState, RecordDetectors};
use super::membership::{Membership, SeriesAssignment};
use super::notes::{LATE, Notes};
use super::{
    Lengths, MonitorDelta, OffsetRanges, Partition, Tally, WHOLE, WindowDelta, WindowKey, WindowLength,
    span_in_words,
};
use crate::binning::BinningSet;
use crate::detector::{DetectorSpec, StateError};
use crate::distribution::{RecordSample, RowOrigin, WindowCounts, sample_hashes};
use crate::record::{Absence, DecodedBatch, EventTime, RejectReason, TimeSpan};

/// How one monitor counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountingSpec {
    /// The length of its windows.
    pub length: WindowLength,
    /// Names of the declared segment columns.
    pub segments: Vec<String>,
    /// Records in the sample of a window.
    pub sample_size: usize,
    /// Records this many windows behind the newest of their partition are late.
    pub max_open_windows: u32,
    /// For how long after a window closed its late records amend it; not at all when 0.
    pub amend: TimeSpan,
    /// Versions times segments that are counted apart; those beyond it are counted together as `(other)`.
    pub max_series: usize,
}

/// Which bins each window is counted on: those of the moment it was opened, until it closes.
#[derive(Clone, Debug)]
pub struct BinningPins {
    /// For windows not opened yet.
    pub active: Arc<BinningSet>,
    /// Of the open windows.
    pub open: HashMap<WindowKey, Arc<BinningSet>>,
    /// Which series are counted apart.
    pub series: Membership,
    /// How long windows are.
    pub lengths: Lengths,
}

impl BinningPins {
    fn of(&self, key: &WindowKey) -> &Arc<BinningSet> {
        self.open.get(key).unwrap_or(&self.active)
    }
}

/// Counts the records of one monitor into windows.
#[derive(Debug)]
pub struct CountingMachine {
    spec: CountingSpec,
    pins: Arc<BinningPins>,
    windows: HashMap<WindowKey, WindowDelta>,
    /// Bytes of them, roughly.
    bytes: usize,
    /// Sample thresholds of windows whose earlier parts went out with a delta.
    thresholds: HashMap<WindowKey, u64>,
    series: SeriesAssignment,
    newest: HashMap<Partition, EventTime>,
    tally: Tally,
    active: BTreeSet<Partition>,
    notes: Notes,
    detectors: RecordDetectors,
}

impl CountingMachine {
    /// A machine that has counted nothing.
    #[must_use]
    pub fn new(spec: CountingSpec, pins: Arc<BinningPins>) -> Self {
        Self {
            spec,
            pins,
            windows: HashMap::new(),
            bytes: 0,
            thresholds: HashMap::new(),
            series: SeriesAssignment::default(),
            newest: HashMap::new(),
            tally: Tally::default(),
            active: BTreeSet::new(),
            notes: Notes::default(),
            detectors: RecordDetectors::default(),
        }
    }

    /// Has detectors read the records that are counted.
    pub fn detect(&mut self, detectors: Vec<DetectorSpec>) {
        self.detectors = RecordDetectors::new(detectors);
    }

    /// Puts the detectors of a partition that was just assigned into their stored states; those without one begin anew. The
    /// names of detectors whose state cannot be used, with the reason.
    pub fn restore_detectors(
        &mut self,
        partition: &Partition,
        stored: &BTreeMap<String, DetectorState>,
    ) -> Vec<(String, StateError)> {
        self.detectors.restore(partition, stored)
    }

    /// Forgets everything counted since the last delta and starts from stored positions: after a lost
    /// assignment or a checkpoint that was fenced.
    pub fn reset(&mut self, pins: Arc<BinningPins>, newest: HashMap<Partition, EventTime>) {
        self.pins = pins;
        self.newest = newest;
        self.windows.clear();
        self.bytes = 0;
        self.thresholds.clear();
        self.tally = Tally::default();
        self.active.clear();
        self.notes = Notes::default();
        self.detectors.clear();
    }

    /// Examples and hints that go with the next delta.
    pub fn notes(&mut self) -> &mut Notes {
        &mut self.notes
    }

    /// Columns that have no value in any record counted since the last delta, by name.
    #[must_use]
    pub fn never_found(&self) -> Vec<String> {
        let mut whole = self.windows.values().filter(|window| window.key.segment == WHOLE).peekable();
        let Some(first) = whole.peek() else { return Vec::new() };
        let names: Vec<String> = first.counts.columns().iter().map(|column| column.name().to_owned()).collect();
        let whole: Vec<&WindowDelta> = whole.collect();
        let missing = |name: &String| {
            whole.iter().all(|window| {
                let found = window.counts.column(name);
                found.is_some_and(|column| column.absent(Absence::Missing) == window.counts.rows())
            })
        };
        names.into_iter().filter(missing).collect()
    }

    /// Uses other pins for windows not touched since the last delta.
    pub fn repin(&mut self, pins: Arc<BinningPins>) {
        self.series.settle(&pins.series);
        self.pins = pins;
    }

    /// The stored newest event time of a partition that was just assigned.
    pub fn assign(&mut self, partition: Partition, newest: Option<EventTime>) {
        match newest {
            Some(newest) => self.newest.insert(partition, newest),
            None => self.newest.remove(&partition),
        };
    }

    /// Counts a message that did not become a row.
    pub fn reject(&mut self, reason: RejectReason, partition: &Partition) {
        self.touch(partition);
        let rejected = self.tally.rejected.entry(reason).or_insert(0);
        *rejected = rejected.saturating_add(1);
    }

    fn touch(&mut self, partition: &Partition) {
        if !self.active.contains(partition) {
            self.active.insert(partition.clone());
        }
    }

    /// Counts a record of something this monitor does not watch.
    pub fn filter(&mut self) {
        self.tally.filtered = self.tally.filtered.saturating_add(1);
    }

    /// Bytes of what was counted since the last delta, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes + self.detectors.bytes()
    }

    /// Counts the rows of a batch, all of one partition and in the order of their offsets.
    pub fn count(&mut self, batch: &DecodedBatch, partition: &Partition) {
        self.touch(partition);
        self.detectors.read(batch, partition);
        let groups = self.group(batch, partition);
        let origin = RowOrigin { topic: &partition.topic, partition: partition.partition };
        let hashes = if self.spec.sample_size > 0 { sample_hashes(origin, batch) } else { Vec::new() };
        for (key, rows) in groups {
            let window = self.windows.entry(key).or_insert_with_key(|key| {
                let binnings = Arc::clone(self.pins.of(key));
                let threshold = self.thresholds.get(key).copied().unwrap_or(u64::MAX);
                WindowDelta {
                    key: key.clone(),
                    end: self.pins.lengths.end_of(key.start),
                    counts: WindowCounts::empty(binnings),
                    sample: RecordSample::below(self.spec.sample_size, threshold),
                    ranges: OffsetRanges::default(),
                }
            });
            let before = if window.counts.rows() == 0 { 0 } else { window.bytes() };
            window.counts.count(batch, &rows);
            window.sample.offer(batch, origin, &hashes, &rows);
            self.bytes = self.bytes.saturating_sub(before) + window.bytes();
            let offsets = rows.iter().filter_map(|row| batch.offsets.get(*row as usize));
            if let (Some(first), Some(last)) = (offsets.clone().min(), offsets.max()) {
                window.ranges.include(partition, *first);
                window.ranges.include(partition, *last);
            }
        }
    }

    /// Hands over everything counted since the last call and goes on from there.
    pub fn take_delta(&mut self) -> MonitorDelta {
        self.bytes = 0;
        let mut windows: Vec<WindowDelta> = self.windows.drain().map(|(_, window)| window).collect();
        for window in &mut windows {
            let _pruned = window.sample.rows();
            self.thresholds.insert(window.key.clone(), window.sample.threshold());
        }
        // Thresholds are only a saving; forgetting them costs some bytes, keeping them all would be a leak.
        if self.thresholds.len() > 4 * self.spec.max_series.max(1_000) {
            self.thresholds.clear();
        }
        windows.sort_by(|left, right| left.key.cmp(&right.key));
        MonitorDelta {
            windows,
            tally: std::mem::take(&mut self.tally),
            active: std::mem::take(&mut self.active),
            notes: std::mem::take(&mut self.notes),
            candidates: self.series.candidates(),
            turned_away: self.series.take_turned_away(),
            detectors: self.detectors.take(),
            newest: self.newest.iter().map(|(partition, time)| (partition.clone(), *time)).collect(),
        }
    }

    /// Rows of each window the batch touches, each row once in the whole and once in each of its segments.
    fn group(&mut self, batch: &DecodedBatch, partition: &Partition) -> Vec<(WindowKey, Vec<u32>)> {
        // Codes instead of names while going through the rows.
        type Codes = (u32, Option<(usize, u32)>, EventTime);
        let mut groups: HashMap<Codes, Vec<u32>> = HashMap::new();
        let mut newest = self.newest.get(partition).copied();
        let versions = batch.versions.codes();
        for ((row, time), version) in (0u32..).zip(&batch.times).zip(versions) {
            let lengths = &self.pins.lengths;
            let start = lengths.start_of(*time);
            let latest = newest.map_or(*time, |newest| newest.max(*time));
            newest = Some(latest);
            let length = lengths.length_at(latest).span();
            let amended = TimeSpan::from_micros(self.spec.amend.micros().saturating_add(length.micros()));
            let horizon = length.times(i64::from(self.spec.max_open_windows)).max(amended);
            if start < lengths.start_of(latest).shifted(-horizon) {
                self.tally.late = self.tally.late.saturating_add(1);
                let offset = batch.offsets.get(row as usize).copied().unwrap_or_default();
                self.notes.example(LATE, partition, offset, || {
                    format!(
                        "its event time is {time}, {} before {latest}, the newest of its partition; windows that far back are not \
                         opened again (window.max_open = {})",
                        span_in_words(latest.since(*time)),
                        self.spec.max_open_windows
                    )
                });
                continue;
            }
            self.tally.accepted = self.tally.accepted.saturating_add(1);
            groups.entry((*version, None, start)).or_default().push(row);
            for (segment, labels) in batch.segments.iter().enumerate() {
                let code = labels.codes().get(row as usize).copied().unwrap_or(0);
                groups.entry((*version, Some((segment, code)), start)).or_default().push(row);
            }
        }
        if let Some(newest) = newest {
            self.newest.insert(partition.clone(), newest);
        }
        let mut named: HashMap<WindowKey, Vec<u32>> = HashMap::new();
        for ((version, segment, start), mut rows) in groups {
            let version = batch.versions.name(version);
            let (version, segment) = match segment {
                None => self.series.series_of(&self.pins.series, version, WHOLE),
                Some((column, code)) => {
                    let column_name = self.spec.segments.get(column).map_or("", String::as_str);
                    let value = batch.segments.get(column).map_or("", |labels| labels.name(code));
                    self.series.series_of(&self.pins.series, version, &format!("{column_name}={value}"))
                }
            };
            named.entry(WindowKey { version, segment, start }).or_default().append(&mut rows);
        }
        let mut groups: Vec<_> = named.into_iter().collect();
        groups.sort_by(|left, right| left.0.cmp(&right.0));
        groups
    }
}
