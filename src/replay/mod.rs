//! Replaying logs: the daemon's own counting and judging over files instead of Kafka, window by window, without any
//! service. What other thresholds would have done last month is a second monitor over the same files.
//!
//! Each file is read as one partition, and windows close as they do in the daemon: when every file that is not at its end
//! has passed them. So files that follow one another and files that run side by side both work.

mod inputs;
mod judging;
mod reading;

pub use inputs::{Inputs, NextInput};
pub use judging::{CountedWindow, Judging, JudgingSpec};
pub use reading::LogReading;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use crate::alert::{Evidence, Phase, Transition};
use crate::baseline::{Baseline, BaselineError, UnusableColumn, learn, unlearned_columns, without_columns};
use crate::binning::{BinningSet, BuildOptions};
use crate::closing::DecisionRules;
use crate::detector::DetectorSpec;
use crate::distribution::{RecordSample, WindowCounts};
use crate::judge::Judgement;
use crate::record::{DecodedBatch, EventTime, ModelSchema, TimeSpan};
use crate::reference::{ReferenceChoice, ReferencePlan};
use crate::retrain::RetrainDecision;
use crate::window::{
    BinningPins, CloseDecision, CountingMachine, CountingSpec, EventTimeProgress, Lengths, Membership,
    OffsetRanges, Partition, PartitionView, RecordDetection, Tally, Timing, WHOLE, WindowKey, WindowLength,
};

/// A monitor, as far as a replay needs it.
#[derive(Clone, Debug)]
pub struct ReplaySpec {
    /// The columns.
    pub schema: ModelSchema,
    /// How records are counted.
    pub counting: CountingSpec,
    /// When windows close.
    pub timing: Timing,
    /// How windows are judged.
    pub rules: DecisionRules,
    /// How many windows a baseline is learned from, when none is given.
    pub learn: Option<u32>,
    /// How fine a learned baseline is.
    pub build: BuildOptions,
    /// What windows are compared with.
    pub references: ReferencePlan,
    /// For how long others have records, when the alerts of a version or segment without any end.
    pub silence: TimeSpan,
}

/// A closed window and what was decided about it.
#[derive(Clone, Debug)]
pub struct ReplayedWindow {
    /// Its id, when it is stored.
    pub id: Option<i64>,
    /// Version, segment, start.
    pub key: WindowKey,
    /// Its start: that of its first pane.
    pub from: EventTime,
    pub end: EventTime,
    /// What it was compared with.
    pub reference: ReferenceChoice,
    /// Findings and verdict.
    pub judgement: Judgement,
    /// The loudest state of the series' alerts after it.
    pub phase: Phase,
    /// What happened to them.
    pub changes: Vec<Transition>,
    /// Whether a retraining was asked for.
    pub retraining: Option<RetrainDecision>,
    /// The alert behind the request, when there is one.
    pub requested_by: Option<Uuid>,
    /// Alerts of other series that ended by then because these had no more records.
    pub gone: Vec<Uuid>,
}

/// An alert over its whole episode.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplayedAlert {
    /// What it rests on.
    pub evidence: Evidence,
    /// Windows since it began that drift by its rule.
    pub windows: u32,
    /// Windows since it began that were judged.
    pub judged: u32,
}

/// A window that is still open.
struct WindowInProgress {
    counts: WindowCounts,
    sample: RecordSample,
    ranges: OffsetRanges,
}

/// The machine: batches in, closed windows out.
pub struct Replay {
    spec: ReplaySpec,
    machine: CountingMachine,
    judging: Judging,
    /// Whole windows counted before there was a baseline, with their segments.
    learning: BTreeMap<EventTime, Vec<(String, WindowCounts)>>,
    open: BTreeMap<(EventTime, String, String), WindowInProgress>,
    closed_until: Option<EventTime>,
    /// The latest event time of all files.
    latest: Option<EventTime>,
    newest: BTreeMap<Partition, Option<EventTime>>,
    tally: Tally,
    detections: Vec<RecordDetection>,
}

/// Records in the sample of a window that reasons are found in, unless the monitor keeps more.
const SAMPLE: usize = 2_000;

impl Replay {
    /// A replay with a baseline and what it is called, or one that learns it.
    #[must_use]
    pub fn new(mut spec: ReplaySpec, baseline: Option<(String, Baseline)>) -> Self {
        // Nothing is stored here, so a sample costs nothing, and reasons are as good as those of two files compared.
        spec.counting.sample_size = spec.counting.sample_size.max(SAMPLE);
        let pins = Arc::new(pins(
            &spec.schema,
            baseline.as_ref(),
            Membership::up_to(spec.counting.max_series),
            spec.counting.length.clone(),
        ));
        let judging =
            JudgingSpec { rules: spec.rules.clone(), references: spec.references.clone(), silence: spec.silence };
        Self {
            machine: CountingMachine::new(spec.counting.clone(), pins),
            spec,
            judging: Judging::new(judging, baseline.into_iter().collect()),
            learning: BTreeMap::new(),
            open: BTreeMap::new(),
            closed_until: None,
            latest: None,
            newest: BTreeMap::new(),
            tally: Tally::default(),
            detections: Vec::new(),
        }
    }

    /// Has detectors read the records that are counted, each file by itself.
    pub fn detect(&mut self, detectors: Vec<DetectorSpec>) {
        self.machine.detect(detectors);
    }

    /// Announces the files that there are: windows wait for all of them.
    pub fn announce(&mut self, partitions: impl IntoIterator<Item = Partition>) {
        self.newest.extend(partitions.into_iter().map(|partition| (partition, None)));
    }

    /// Counts a batch of one file, in the order of its rows, and closes what is due.
    ///
    /// # Errors
    /// When no baseline can be learned from the first windows.
    pub fn feed(&mut self, partition: &Partition, batch: &DecodedBatch) -> Result<(), BaselineError> {
        // A batch of a file can span many windows, and what follows from one window, such as a baseline, is for the next
        // ones: so it is counted up to each row that begins a new one.
        let length = self.spec.counting.length.clone();
        let mut latest = self.newest.get(partition).copied().flatten().map(|newest| length.start_of(newest));
        let mut first = 0;
        for (row, time) in batch.times.iter().enumerate() {
            let start = length.start_of(*time);
            if latest.is_none_or(|latest| start > latest) {
                if row > first {
                    self.feed_part(partition, &batch.slice(first, row - first))?;
                    first = row;
                }
                latest = Some(start);
            }
        }
        self.feed_part(partition, &batch.slice(first, batch.times.len() - first))
    }

    fn feed_part(&mut self, partition: &Partition, batch: &DecodedBatch) -> Result<(), BaselineError> {
        self.machine.count(batch, partition);
        if let Some(newest) = batch.times.iter().max() {
            self.latest = self.latest.max(Some(*newest));
            let known = self.newest.entry(partition.clone()).or_default();
            *known = Some(known.map_or(*newest, |known| known.max(*newest)));
        }
        self.take();
        self.close(false)
    }

    /// Says that a file is at its end: nothing waits for it now.
    ///
    /// # Errors
    /// As [`Self::feed`].
    pub fn end_of(&mut self, partition: &Partition) -> Result<(), BaselineError> {
        self.newest.remove(partition);
        self.close(false)
    }

    /// Closes all that is left, in the order of time.
    ///
    /// # Errors
    /// As [`Self::feed`].
    pub fn finish(mut self) -> Result<Replayed, BaselineError> {
        self.close(true)?;
        let baseline = self.judging.baseline();
        let unlearned = baseline.map(|(_, baseline)| unlearned_columns(&self.spec.schema, baseline));
        let baseline = baseline.map(|(name, _)| name.clone());
        let (windows, alerts) = self.judging.finish();
        Ok(Replayed {
            monitor: self.spec.rules.monitor.clone(),
            unlearned: unlearned.unwrap_or_default(),
            learning: self.spec.learn.is_some() && baseline.is_none(),
            baseline,
            windows,
            alerts,
            tally: self.tally,
            detections: self.detections,
        })
    }

    /// Moves what was counted into the open windows; rows of closed ones are late.
    fn take(&mut self) {
        let delta = self.machine.take_delta();
        self.tally.merge(&delta.tally);
        self.detections.extend(delta.detectors.detections);
        for window in delta.windows {
            if self.closed_until.is_some_and(|until| window.key.start < until) {
                if window.key.segment == WHOLE {
                    let rows = window.counts.rows();
                    self.tally.late += rows;
                    self.tally.accepted = self.tally.accepted.saturating_sub(rows);
                }
                continue;
            }
            let key = (window.key.start, window.key.version, window.key.segment);
            match self.open.get_mut(&key) {
                // One window has one pin, so the counts add up; a window that was opened on other bins keeps its own.
                Some(open) => {
                    if open.counts.merge(&window.counts).is_ok() {
                        open.sample.merge(&window.sample);
                        open.ranges.merge(&window.ranges);
                    }
                }
                None => {
                    self.open.insert(
                        key,
                        WindowInProgress { counts: window.counts, sample: window.sample, ranges: window.ranges },
                    );
                }
            }
        }
    }

    fn close(&mut self, all: bool) -> Result<(), BaselineError> {
        let views = self.newest.iter().map(|(partition, newest)| PartitionView {
            partition: partition.clone(),
            newest: *newest,
            quiet_for: None,
            stalled_for: TimeSpan::ZERO,
            inactive_for: TimeSpan::ZERO,
            unchanged_for: TimeSpan::ZERO,
        });
        let progress = EventTimeProgress::new(views.collect(), self.spec.timing, EventTime::MAX);
        while let Some((start, ..)) = self.open.keys().next() {
            let start = *start;
            let end = self.spec.counting.length.end_of(start);
            if !all && progress.decide(end, TimeSpan::ZERO) != CloseDecision::Complete {
                break;
            }
            let is_whole = self.latest.is_some_and(|latest| end <= latest);
            self.closed_until = Some(self.closed_until.map_or(end, |until| until.max(end)));
            let mut windows = Vec::new();
            while let Some(entry) = self.open.first_entry().filter(|entry| entry.key().0 == start) {
                let ((_, version, segment), WindowInProgress { counts, sample, ranges }) = entry.remove_entry();
                let key = WindowKey { version, segment, start };
                windows.push(CountedWindow {
                    id: None,
                    key,
                    end,
                    counts,
                    sample,
                    offsets: ranges,
                    complete: true,
                    is_whole,
                });
            }
            for window in &windows {
                self.learn_from(&window.key, &window.counts)?;
            }
            self.judging.judge(windows);
        }
        Ok(())
    }

    /// Takes a window into account for a baseline that is still to be learned.
    fn learn_from(&mut self, key: &WindowKey, counts: &WindowCounts) -> Result<(), BaselineError> {
        let Some(wanted) = self.spec.learn.filter(|_| self.judging.baseline().is_none()) else { return Ok(()) };
        // As the daemon: the first windows that closed, once there are enough, when the next one begins.
        if self.learning.len() >= wanted as usize && !self.learning.contains_key(&key.start) {
            let counted: Vec<(String, WindowCounts)> = self.learning.values().flatten().cloned().collect();
            let baseline = learn(&self.spec.schema, &counted, self.spec.build)?;
            let origin = match wanted {
                1 => "learned from the first window".to_owned(),
                wanted => format!("learned from the first {wanted} windows"),
            };
            let unlearned = unlearned_columns(&self.spec.schema, &baseline);
            let origin = format!("{origin}{}", without_columns(&unlearned));
            self.judging.prefer(origin, baseline);
            self.learning.clear();
            let mut active = pins(
                &self.spec.schema,
                self.judging.baseline(),
                Membership::up_to(self.spec.counting.max_series),
                self.spec.counting.length.clone(),
            );
            // Windows that are open keep their bins.
            let universal = Arc::new(BinningSet::universal(&self.spec.schema));
            for (start, version, segment) in self.open.keys() {
                let key = WindowKey { version: version.clone(), segment: segment.clone(), start: *start };
                active.open.insert(key, Arc::clone(&universal));
            }
            self.machine.repin(Arc::new(active));
        } else if counts.rows() > 0 {
            self.learning.entry(key.start).or_default().push((key.segment.clone(), counts.clone()));
        }
        Ok(())
    }
}

fn pins(
    schema: &ModelSchema,
    baseline: Option<&(String, Baseline)>,
    series: Membership,
    length: WindowLength,
) -> BinningPins {
    let active = match baseline {
        Some((_, baseline)) => Arc::clone(&baseline.binnings),
        None => Arc::new(BinningSet::universal(schema)),
    };
    BinningPins { active, open: HashMap::new(), series, lengths: Lengths::fixed(length) }
}

/// What one monitor would have done.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The monitor's name.
    pub monitor: String,
    /// What windows were compared with; none when there never was a baseline.
    pub baseline: Option<String>,
    /// Whether the log ended while a baseline was still being learned.
    pub learning: bool,
    /// Columns that could not be learned, and are not compared.
    pub unlearned: Vec<UnusableColumn>,
    /// The windows in the order they closed.
    pub windows: Vec<ReplayedWindow>,
    /// The alerts there were, by their ids.
    pub alerts: HashMap<Uuid, ReplayedAlert>,
    /// Record counts by outcome.
    pub tally: Tally,
    /// The drifts that detectors of records found, in the order in which they were found.
    pub detections: Vec<RecordDetection>,
}

#[cfg(test)]
mod tests;
