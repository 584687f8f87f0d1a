//! The windows that are rehearsed, in order of time and on one set of bins.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::binning::BinningSet;
use crate::distribution::{RecordSample, WindowCounts};
use crate::record::{DecodedBatch, EventTime, TimeSpan};
use crate::reference::ReferencePlan;
use crate::replay::CountedWindow;
use crate::variation::Bins;
use crate::window::{
    BinningPins, CountingMachine, CountingSpec, Lengths, Membership, Partition, Tally, WHOLE, WindowKey,
};

/// Windows that are rehearsed, times their columns, at most; of more the latest ones. They are in memory together.
pub const MOST_COUNTS: usize = 50_000;
/// Records of files are counted whatever their order.
const NEVER_LATE: TimeSpan = TimeSpan::days(36_500);

/// Windows of a reference, in order of time, of which each is judged.
#[derive(Clone, Debug)]
pub struct ReferenceWindows {
    pub(super) windows: Vec<CountedWindow>,
    pub(super) bins: Bins,
    /// Starts of earlier windows that were left out, because there are too many.
    pub(super) earlier: usize,
    /// Windows that are in no reference, because they overlap a calendar.
    pub(super) excluded: usize,
    pub(super) chosen: Chosen,
}

/// The series that are reported. The others are judged as well: they share the budget, and may be references.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// This model version; all without one.
    pub version: Option<String>,
    /// This segment; all without one.
    pub segment: Option<String>,
}

impl Chosen {
    pub(super) fn takes(&self, version: &str, segment: &str) -> bool {
        let is_wanted = |wanted: &Option<String>, own: &str| wanted.as_ref().is_none_or(|wanted| wanted == own);
        is_wanted(&self.version, version) && is_wanted(&self.segment, segment)
    }
}

impl ReferenceWindows {
    /// Windows on the same bins, in any order. `bins` says whether these were built from them.
    #[must_use]
    pub fn new(mut windows: Vec<CountedWindow>, bins: Bins, plan: &ReferencePlan) -> Self {
        windows.retain(|window| window.counts.rows() > 0);
        let all = windows.len();
        windows.retain(|window| plan.admits(window.key.start, window.end));
        let excluded = all - windows.len();
        windows.sort_by(|left, right| order(&left.key).cmp(&order(&right.key)));
        Self { windows, bins, earlier: 0, excluded, chosen: Chosen::default() }
    }

    /// Reports some series only.
    #[must_use]
    pub fn only(self, chosen: Chosen) -> Self {
        Self { chosen, ..self }
    }

    /// Whether there is no window of the series that are reported.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.windows.iter().any(|window| self.chosen.takes(&window.key.version, &window.key.segment))
    }

    /// Takes note of starts of windows that were left out before.
    #[must_use]
    pub fn without_earlier(self, starts: usize) -> Self {
        Self { earlier: self.earlier + starts, ..self }
    }
}

fn order(key: &WindowKey) -> (EventTime, &str, &str) {
    (key.start, &key.version, &key.segment)
}

/// Counts the records of files into windows, whatever the order of the records.
pub struct Collecting {
    machine: CountingMachine,
    spec: CountingSpec,
    columns: usize,
    windows: BTreeMap<EventTime, VecDeque<CountedWindow>>,
    number: usize,
    /// Windows before it were left out.
    from: Option<EventTime>,
    left_out: usize,
    tally: Tally,
}

impl Collecting {
    /// Nothing counted yet, on the bins of these files.
    #[must_use]
    pub fn new(spec: &CountingSpec, binnings: Arc<BinningSet>) -> Self {
        let spec = CountingSpec { amend: NEVER_LATE, sample_size: 0, ..spec.clone() };
        let columns = WindowCounts::empty(Arc::clone(&binnings)).columns().len().max(1);
        let pins = BinningPins {
            active: binnings,
            open: std::collections::HashMap::new(),
            series: Membership::up_to(spec.max_series),
            lengths: Lengths::fixed(spec.length.clone()),
        };
        Self {
            machine: CountingMachine::new(spec.clone(), Arc::new(pins)),
            spec,
            columns,
            windows: BTreeMap::new(),
            number: 0,
            from: None,
            left_out: 0,
            tally: Tally::default(),
        }
    }

    /// Counts a batch of a file.
    pub fn count(&mut self, partition: &Partition, batch: &DecodedBatch) {
        self.machine.count(batch, partition);
        let delta = self.machine.take_delta();
        self.tally.merge(&delta.tally);
        for window in delta.windows {
            if self.from.is_some_and(|from| window.key.start < from) {
                continue;
            }
            let of_start = self.windows.entry(window.key.start).or_default();
            // One window has one set of bins, so its counts add up.
            match of_start.iter_mut().find(|known| known.key == window.key) {
                Some(known) => known.counts.merge(&window.counts).unwrap_or_default(),
                None => {
                    self.number += 1;
                    of_start.push_back(CountedWindow {
                        id: None,
                        key: window.key,
                        end: window.end,
                        counts: window.counts,
                        sample: RecordSample::new(0),
                        offsets: window.ranges,
                        complete: true,
                        is_whole: true,
                    });
                }
            }
        }
        while self.number * self.columns > MOST_COUNTS && self.windows.len() > 1 {
            let Some((start, dropped)) = self.windows.pop_first() else { break };
            self.number -= dropped.len();
            self.left_out += 1;
            self.from = Some(self.spec.length.end_of(start));
        }
    }

    /// Record counts by outcome.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The windows, and how many starts of earlier ones were left out. The first and the last window may have been cut, so that their
    /// number of records is not compared.
    #[must_use]
    pub fn finish(self) -> (Vec<CountedWindow>, usize) {
        let ends = [self.windows.keys().next().copied(), self.windows.keys().next_back().copied()];
        let mut windows: Vec<CountedWindow> = self.windows.into_values().flatten().collect();
        for window in windows.iter_mut().filter(|window| ends.contains(&Some(window.key.start))) {
            window.is_whole = false;
        }
        (windows, self.left_out)
    }
}

/// The series of windows, the whole of a version before its segments.
pub(super) fn series_of(windows: &[CountedWindow]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> =
        windows.iter().map(|window| (window.key.version.clone(), window.key.segment.clone())).collect();
    found.sort_by(|left, right| (&left.0, left.1 != WHOLE, &left.1).cmp(&(&right.0, right.1 != WHOLE, &right.1)));
    found.dedup();
    found
}
