//! The ledger of partitions: which are assigned to this daemon, how far each was counted, and how far that is stored. It
//! decides; [`super::Ingest`] does what it says.
//!
//! # Words
//!
//! The *position* of a partition is the offset of its next message. The stored position is in the database; the *base* is
//! the stored position that this daemon began at, or moved to last; *next* is the position behind the last message that was
//! handed to the counting threads. What lies between base and next is counted in memory and stored nowhere.
//!
//! # Protocol
//!
//! ```text
//!            assigned                 found                 received, at_end
//!   (none) ------------> looked up ------------> reading <-----------------+
//!      ^                     ^                    |  |  |                   |
//!      |       void          +--------------------+  |  +-------------------+
//!      +---------------------------------------------+   checkpoint, stored
//!                          revoked
//! ```
//!
//! 1. The consumer group *assigns* a partition. Its stored position is looked up; what is *found* becomes base and next, and
//!    reading starts there.
//! 2. Messages that are *received* move next.
//! 3. A *checkpoint* stores all counts and moves every base to its next, in one transaction. The database refuses it (it is
//!    *fenced*) when one stored position is not the base: then somebody else has counted these messages. At most one
//!    checkpoint is under way.
//! 4. The group *revokes* a partition. What was counted of it is stored first, if there is time.
//!
//! # Generations
//!
//! The counts of all partitions are added up, so those of one cannot be taken out again. When a checkpoint was refused, or a
//! partition went away before one could be stored, the counts of *all* partitions are *void*: they are dropped, every
//! position is looked up again, and reading goes on under the next generation. Messages and look-ups of earlier generations
//! are ignored. So is the outcome of an earlier checkpoint, which may still be stored after it was aborted: the positions
//! that are looked up say whether it was, and if it is stored after that, the next checkpoint is fenced.
//!
//! That is why every message is counted exactly once: its count is stored together with the move of the position over it,
//! and a position is moved over an offset once.
//!
//! # Stopped partitions
//!
//! A partition whose log is not the one that its position belongs to stays assigned and is not read. It is tried again every
//! few seconds, since somebody may have reset its position.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::kafka::Beginning;
use crate::record::Offset;
use crate::store::PositionMove;
use crate::window::{Anchor, Partition};

/// Between two attempts to read a partition that is stopped.
const RETRY: Duration = Duration::from_secs(5);

/// A stored position, as it was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FoundPosition {
    /// The offset of the next message.
    pub(super) offset: Offset,
    /// The message before it, by which the log is recognised.
    pub(super) anchor: Option<Anchor>,
    /// How often the position was reset by hand.
    pub(super) resets: i32,
}

/// Messages of one partition, as far as positions are concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReceivedMessages {
    /// The generation in which the partition was started.
    pub(super) generation: u64,
    /// The offset of the first message; none when there is no message.
    pub(super) first: Option<Offset>,
    /// The position behind the last one.
    pub(super) next: Option<Offset>,
    /// The last message.
    pub(super) anchor: Option<Anchor>,
}

/// What is to be done with messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handling {
    /// They are counted.
    Count,
    /// They are dropped: they were read before everything became void, or of a partition that is no longer read.
    Drop,
    /// They were counted before. Everything is void then.
    Repeated,
}

/// Partitions to start reading.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Started {
    /// Where each begins.
    pub(super) beginnings: Vec<Beginning>,
    /// Whether there are others than stopped ones that are tried again.
    pub(super) is_news: bool,
}

/// A checkpoint that is to be stored now.
#[derive(Debug)]
pub(super) struct DueCheckpoint {
    /// Every partition that is read, moved or not.
    pub(super) moves: Vec<PositionMove>,
    /// Of each topic with messages since the last checkpoint, a message that was counted before: a topic is replaced as a
    /// whole, so one of its partitions tells.
    pub(super) anchors: Vec<(Partition, Anchor)>,
}

/// An assigned partition.
#[derive(Clone, Copy, Debug, Default)]
struct AssignedPartition {
    /// None while it is looked up, and while it is stopped.
    position: Option<Position>,
    /// When a stopped partition was last tried.
    stopped: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Position {
    base: Offset,
    next: Offset,
    /// The last message that was counted; none before the first.
    last: Option<Anchor>,
    /// The message before the base.
    stored: Option<Anchor>,
    resets: i32,
}

impl Position {
    fn at(stored: FoundPosition) -> Self {
        let FoundPosition { offset, anchor, resets } = stored;
        Self { base: offset, next: offset, last: None, stored: anchor, resets }
    }

    fn is_stored(&self) -> bool {
        self.base == self.next
    }
}

/// See the description of the module.
#[derive(Debug)]
pub(super) struct Ledger {
    generation: u64,
    partitions: BTreeMap<Partition, AssignedPartition>,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self { generation: 1, partitions: BTreeMap::new() }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The group assigned partitions: their positions are to be looked up.
    pub(super) fn assigned(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            self.partitions.entry(partition.clone()).or_default();
        }
    }

    /// All assigned partitions.
    pub(super) fn partitions(&self) -> Vec<Partition> {
        self.partitions.keys().cloned().collect()
    }

    /// Positions were looked up for a generation: what to start; `None` when that generation is over. A partition that was
    /// revoked meanwhile is not started, nor one that is being read: it was looked up twice, and reading it again would
    /// count its messages twice.
    pub(super) fn found(
        &mut self,
        generation: u64,
        found: impl IntoIterator<Item = (Partition, FoundPosition)>,
    ) -> Option<Started> {
        if generation != self.generation {
            return None;
        }
        let mut started = Started { beginnings: Vec::new(), is_news: false };
        for (partition, stored) in found {
            let waiting = self.partitions.get_mut(&partition).filter(|assigned| assigned.position.is_none());
            let Some(assigned) = waiting else { continue };
            assigned.position = Some(Position::at(stored));
            started.is_news |= assigned.stopped.is_none();
            started.beginnings.push(Beginning { partition, offset: stored.offset, anchor: stored.anchor });
        }
        started.beginnings.sort_by(|left, right| left.partition.cmp(&right.partition));
        Some(started)
    }

    /// Messages were received.
    pub(super) fn received(&mut self, partition: &Partition, received: ReceivedMessages) -> Handling {
        let Some(position) = self.current(partition, received.generation) else { return Handling::Drop };
        if received.first.is_some_and(|first| first < position.next) {
            return Handling::Repeated;
        }
        position.next = received.next.unwrap_or(position.next);
        position.last = received.anchor.or(position.last);
        Handling::Count
    }

    /// No consumer is handed what lies before `next`: markers of transactions, aborted and compacted messages.
    pub(super) fn at_end(&mut self, partition: &Partition, generation: u64, next: Offset) {
        if let Some(position) = self.current(partition, generation) {
            position.next = position.next.max(next);
        }
    }

    /// Whether all that was counted is stored.
    pub(super) fn is_stored(&self) -> bool {
        self.positions().all(|(_, position)| position.is_stored())
    }

    /// The checkpoint to store now; `None` when nothing is read. `is_at_end` says whether a position is known to be the end
    /// of the partition's log.
    pub(super) fn checkpoint(&self, is_at_end: impl Fn(&Partition, Offset) -> bool) -> Option<DueCheckpoint> {
        let moves: Vec<PositionMove> = self
            .positions()
            .map(|(partition, position)| PositionMove {
                partition: partition.clone(),
                base: position.base,
                next: position.next,
                anchor: position.last,
                resets: position.resets,
                caught_up: is_at_end(partition, position.next),
            })
            .collect();
        let mut anchors: BTreeMap<&str, (Partition, Anchor)> = BTreeMap::new();
        for (partition, position) in self.positions().filter(|(_, position)| !position.is_stored()) {
            if let Some(anchor) = position.stored {
                anchors.entry(&partition.topic).or_insert_with(|| (partition.clone(), anchor));
            }
        }
        (!moves.is_empty()).then(|| DueCheckpoint { moves, anchors: anchors.into_values().collect() })
    }

    /// The checkpoint under way was stored. The partitions that moved, with their new positions.
    pub(super) fn stored(&mut self, moves: Vec<PositionMove>) -> Vec<(Partition, Offset)> {
        let mut moved = Vec::new();
        for PositionMove { partition, base, next, anchor, .. } in moves {
            let assigned = self.partitions.get_mut(&partition);
            if let Some(position) = assigned.and_then(|assigned| {
                // What is read again is no longer stopped.
                assigned.stopped = assigned.stopped.filter(|_| next == base);
                assigned.position.as_mut()
            }) {
                position.base = next;
                position.stored = anchor.or(position.stored);
            }
            if next != base {
                moved.push((partition, next));
            }
        }
        moved
    }

    /// What was counted since the last checkpoint is dropped: the positions of all partitions are to be looked up again.
    pub(super) fn void(&mut self) {
        self.generation += 1;
        for assigned in self.partitions.values_mut() {
            assigned.position = None;
        }
    }

    /// The group revoked partitions. Unless all that was counted is stored, it is to be made [`void`](Self::void).
    pub(super) fn revoked(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            self.partitions.remove(partition);
        }
    }

    /// A partition must not be read any further: whether it was not stopped before. It is still among the moves of a
    /// checkpoint until [`put_aside`](Self::put_aside): what was counted of it is true.
    pub(super) fn stop(&mut self, partition: &Partition, now: Instant) -> bool {
        let assigned = self.partitions.get_mut(partition);
        assigned.is_some_and(|assigned| assigned.stopped.replace(now).is_none())
    }

    /// What was counted of a stopped partition is stored.
    pub(super) fn put_aside(&mut self, partition: &Partition) {
        if let Some(assigned) = self.partitions.get_mut(partition) {
            assigned.position = None;
        }
    }

    /// The stopped partitions whose positions are to be looked up again now.
    pub(super) fn due_retries(&mut self, now: Instant) -> Vec<Partition> {
        let is_due = |assigned: &AssignedPartition| {
            assigned.stopped.is_some_and(|tried| now.duration_since(tried) >= RETRY)
        };
        let due = self.partitions.iter_mut().filter(|(_, assigned)| is_due(assigned));
        due.map(|(partition, assigned)| {
            assigned.stopped = Some(now);
            partition.clone()
        })
        .collect()
    }

    /// The base of a partition that is read.
    pub(super) fn base(&self, partition: &Partition) -> Option<Offset> {
        Some(self.partitions.get(partition)?.position?.base)
    }

    /// Messages before `low` are gone and noted in the database, which moved the stored position there. Only when all that
    /// was counted is stored.
    pub(super) fn crossed_gap(&mut self, partition: &Partition, low: Offset) {
        let position = self.partitions.get_mut(partition).and_then(|assigned| assigned.position.as_mut());
        if let Some(position) = position {
            *position = Position::at(FoundPosition { offset: low, anchor: None, resets: position.resets });
        }
    }

    fn positions(&self) -> impl Iterator<Item = (&Partition, Position)> {
        self.partitions.iter().filter_map(|(partition, assigned)| Some((partition, assigned.position?)))
    }

    /// The position of a partition that is read in this generation.
    fn current(&mut self, partition: &Partition, generation: u64) -> Option<&mut Position> {
        if generation != self.generation {
            return None;
        }
        self.partitions.get_mut(partition)?.position.as_mut()
    }
}

#[cfg(test)]
mod tests;
