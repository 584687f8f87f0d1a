//! What was counted since the last checkpoint: additions to windows, to be stored in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{DetectorDelta, Notes, Partition, Series, WindowKey};
use crate::distribution::{RecordSample, WindowCounts};
use crate::record::{EventTime, Offset, RejectReason};

/// Outcomes of records: every message of a monitor's topics adds one to exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Counted in a window.
    pub accepted: u64,
    /// For a window that is closed or too far behind.
    pub late: u64,
    /// Of something this monitor does not watch.
    pub filtered: u64,
    /// Unusable, by reason.
    pub rejected: BTreeMap<RejectReason, u64>,
}

impl Tally {
    /// All messages seen.
    #[must_use]
    pub fn total(&self) -> u64 {
        let counted = [self.accepted, self.late, self.filtered];
        counted.into_iter().chain(self.rejected.values().copied()).fold(0, u64::saturating_add)
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: &Self) {
        self.accepted = self.accepted.saturating_add(other.accepted);
        self.late = self.late.saturating_add(other.late);
        self.filtered = self.filtered.saturating_add(other.filtered);
        for (reason, count) in &other.rejected {
            let known = self.rejected.entry(*reason).or_insert(0);
            *known = known.saturating_add(*count);
        }
    }

    /// Outcome names and counts, as stored and exported.
    pub fn outcomes(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        [("accepted", "", self.accepted), ("late", "", self.late), ("filtered", "", self.filtered)]
            .into_iter()
            .chain(self.rejected.iter().map(|(reason, count)| ("rejected", reason.as_str(), *count)))
            .filter(|(_, _, count)| *count > 0)
    }
}

/// Which offsets the counted records lie between, a partition each: from the first to past the last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OffsetRanges(Vec<(Partition, Offset, Offset)>);

impl OffsetRanges {
    /// Takes in one record.
    pub fn include(&mut self, partition: &Partition, offset: Offset) {
        self.extend(partition, offset, offset.after());
    }

    /// Takes in other ranges.
    pub fn merge(&mut self, other: &Self) {
        for (partition, from, to) in &other.0 {
            self.extend(partition, *from, *to);
        }
    }

    /// Takes in the offsets from one to past another.
    pub fn extend(&mut self, partition: &Partition, from: Offset, to: Offset) {
        if let Some((_, first, end)) = self.0.iter_mut().find(|(known, _, _)| known == partition) {
            *first = from.min(*first);
            *end = to.max(*end);
        } else {
            self.0.push((partition.clone(), from, to));
            self.0.sort();
        }
    }

    /// Partition, first offset, offset past the last; ordered by partition.
    #[must_use]
    pub fn as_slice(&self) -> &[(Partition, Offset, Offset)] {
        &self.0
    }
}

/// What is added to one window.
#[derive(Clone, Debug)]
pub struct WindowDelta {
    pub key: WindowKey,
    /// Where it ends.
    pub end: EventTime,
    pub counts: WindowCounts,
    /// The part of the record sample.
    pub sample: RecordSample,
    /// Where the records came from.
    pub ranges: OffsetRanges,
}

impl WindowDelta {
    /// Bytes in memory, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.key.version.len()
            + self.key.segment.len()
            + self.counts.bytes()
            + self.sample.bytes()
    }
}

/// What is added to all windows of one monitor.
#[derive(Clone, Debug, Default)]
pub struct MonitorDelta {
    /// Additions, at most one a window and pin.
    pub windows: Vec<WindowDelta>,
    /// Outcomes of the messages behind them.
    pub tally: Tally,
    /// The newest event time of each partition.
    pub newest: BTreeMap<Partition, EventTime>,
    /// Partitions in which something came beside records that are filtered: counted, late or rejected.
    pub active: BTreeSet<Partition>,
    /// Examples of what was not counted, and hints about columns.
    pub notes: Notes,
    /// Series that were counted under their own names although it is not decided yet that they are.
    pub candidates: Vec<Series>,
    /// Whether there were series that found no room, and were counted with others.
    pub turned_away: bool,
    /// What detectors that read records found, and their states.
    pub detectors: DetectorDelta,
}

impl MonitorDelta {
    /// Whether nothing was seen at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tally.total() == 0
    }

    /// Adds another delta of the same monitor.
    pub fn merge(&mut self, other: Self) {
        self.tally.merge(&other.tally);
        self.notes.merge(other.notes);
        self.active.extend(other.active);
        self.candidates.extend(other.candidates);
        self.turned_away |= other.turned_away;
        // Counting threads have different partitions.
        self.detectors.states.extend(other.detectors.states);
        self.detectors.detections.extend(other.detectors.detections);
        for (partition, time) in other.newest {
            let newest = self.newest.entry(partition).or_insert(time);
            *newest = time.max(*newest);
        }
        let mut places: HashMap<(WindowKey, Uuid), usize> = HashMap::new();
        for (place, mine) in self.windows.iter().enumerate() {
            places.insert((mine.key.clone(), mine.counts.binnings().id()), place);
        }
        for window in other.windows {
            let place = places.get(&(window.key.clone(), window.counts.binnings().id()));
            let known = place.and_then(|place| self.windows.get_mut(*place));
            match known.map(|mine| (mine.counts.merge(&window.counts), mine)) {
                Some((Ok(()), mine)) => {
                    mine.sample.merge(&window.sample);
                    mine.ranges.merge(&window.ranges);
                }
                _ => self.windows.push(window),
            }
        }
    }
}
