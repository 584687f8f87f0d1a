//! When a window may close. Time is event time; the clock of the database is an argument.

use super::Partition;
use crate::record::{EventTime, TimeSpan};

/// How patient a monitor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How far records may lie behind the newest one of their partition.
    pub out_of_orderness: TimeSpan,
    /// A partition that is read to its end and silent for this long no longer holds windows open.
    pub idle_after: TimeSpan,
    /// A stuck partition holds a window open no longer than this.
    pub max_close_delay: TimeSpan,
    /// How far ahead of the clock event times may lie.
    pub max_future_skew: TimeSpan,
    /// How often a closed window is judged again with late records at most.
    pub amend_every: TimeSpan,
}

/// What is known of a partition, as stored by the checkpoint of its reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionView {
    pub partition: Partition,
    /// The newest event time counted; none before the first record.
    pub newest: Option<EventTime>,
    /// For how long its reader has been at the end of it without a new record, as it last confirmed, which
    /// was lately; `None` when it lags, is unassigned or its reader is silent.
    pub quiet_for: Option<TimeSpan>,
    /// For how long nothing was read from it by its present reader.
    pub stalled_for: TimeSpan,
    /// For how long nothing of the monitor had come in it when its reader last confirmed: records of other models may have.
    /// What came since is not known, so the time since then does not count.
    pub inactive_for: TimeSpan,
    /// For how long its newest event time has been the same while somebody reads it.
    pub unchanged_for: TimeSpan,
}

/// How far event time has come, over all partitions of a monitor's topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTimeProgress {
    watermark: Option<EventTime>,
    leading: Option<EventTime>,
    partitions: Vec<PartitionView>,
    timing: Timing,
    wall_clock: EventTime,
}

/// Whether a window closes now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseDecision {
    /// Every partition has passed its end.
    Complete,
    /// These partitions have not, and are waited for no longer.
    Incomplete(Vec<Partition>),
    /// It stays open. `due` says whether some partition has passed its end. When none has, because all stand still, the
    /// clock tells how long it has been over.
    Wait {
        /// Some partition has passed the end: the patience runs.
        due: bool,
    },
}

impl EventTimeProgress {
    /// From the views of *all* partitions known from metadata and the database's clock.
    ///
    /// The watermark is the smallest of the partitions' newest times, less the out-of-orderness. Idle
    /// partitions (caught up *and* quiet) are left out. When all are idle it follows the wall clock, or the
    /// last window of the night would never close. An event time ahead of the wall clock counts as the wall clock's:
    /// whatever clock it is from, no window closes before it is over.
    #[must_use]
    pub fn new(partitions: Vec<PartitionView>, timing: Timing, wall_clock: EventTime) -> Self {
        let mut partitions = partitions;
        for view in &mut partitions {
            // Further ahead than is allowed it was counted before that was checked, and tells nothing.
            let believed = view.newest.filter(|newest| *newest <= wall_clock.shifted(timing.max_future_skew));
            view.newest = believed.map(|newest| newest.min(wall_clock));
        }
        let passed = |view: &PartitionView| view.newest.map(|newest| newest.shifted(-timing.out_of_orderness));
        let leading = partitions.iter().filter_map(passed).max();
        let active: Vec<&PartitionView> = partitions.iter().filter(|view| !is_idle(view, timing)).collect();
        let watermark = if partitions.is_empty() {
            None
        } else if active.is_empty() {
            let wall = wall_clock.shifted(-timing.out_of_orderness.plus(timing.idle_after));
            leading.map(|leading| leading.max(wall))
        } else if active.iter().any(|view| view.newest.is_none()) {
            None
        } else {
            active.into_iter().filter_map(passed).min()
        };
        Self { watermark, leading: leading.max(watermark), partitions, timing, wall_clock }
    }

    /// Every record before it has been seen, as far as one can tell; none before that can be said.
    #[must_use]
    pub fn watermark(&self) -> Option<EventTime> {
        self.watermark
    }

    /// Windows that end after this stay open, whatever their age: the furthest any partition has come, or what the
    /// clock allows when all partitions stand still. None before the first record.
    #[must_use]
    pub fn horizon(&self) -> Option<EventTime> {
        let leading = self.leading?;
        let overdue = self.wall_clock.shifted(-self.patience_by_clock());
        let behind: Vec<&PartitionView> =
            self.partitions.iter().filter(|view| !is_idle(view, self.timing)).collect();
        Some(if self.all_stand_still(&behind) { leading.max(overdue) } else { leading })
    }

    /// How long after its end a window is waited for when event times have stopped moving.
    fn patience_by_clock(&self) -> TimeSpan {
        let Timing { out_of_orderness, idle_after, max_close_delay, .. } = self.timing;
        out_of_orderness.plus(idle_after).plus(max_close_delay)
    }

    /// Whether for as long as a window is waited for nothing was read from any of these, or nothing with a newer event
    /// time although everything was read: what comes cannot be used, or belongs to other models.
    fn all_stand_still(&self, behind: &[&PartitionView]) -> bool {
        let patience = self.timing.max_close_delay;
        let stands_still = |view: &&PartitionView| {
            view.stalled_for >= patience || (view.quiet_for.is_some() && view.unchanged_for >= patience)
        };
        behind.iter().all(stands_still)
    }

    /// Whether a window with this end closes. `due_for` is how long it has been due (see
    /// [`CloseDecision::Wait`]).
    #[must_use]
    pub fn decide(&self, end: EventTime, due_for: TimeSpan) -> CloseDecision {
        if self.watermark.is_some_and(|watermark| watermark >= end) {
            return CloseDecision::Complete;
        }
        let behind: Vec<&PartitionView> = self
            .partitions
            .iter()
            .filter(|view| {
                !is_idle(view, self.timing)
                    && view.newest.is_none_or(|newest| newest.shifted(-self.timing.out_of_orderness) < end)
            })
            .collect();
        let incomplete = || CloseDecision::Incomplete(behind.iter().map(|view| view.partition.clone()).collect());
        if self.leading.is_none_or(|leading| leading < end) {
            let overdue = self.wall_clock.shifted(-self.patience_by_clock()) >= end;
            return if overdue && self.all_stand_still(&behind) {
                incomplete()
            } else {
                CloseDecision::Wait { due: false }
            };
        }
        // One that lags but moves is waited for; one that does not move, or whose events are old although
        // it is read to its end (a wrong clock), is not.
        let patience = self.timing.max_close_delay;
        let given_up = |view: &&PartitionView| {
            view.stalled_for >= patience || (view.quiet_for.is_some() && due_for >= patience)
        };
        if due_for >= patience && behind.iter().all(given_up) {
            incomplete()
        } else {
            CloseDecision::Wait { due: true }
        }
    }
}

/// At the end of the log, and quiet: nothing was read, or nothing of this monitor.
fn is_idle(view: &PartitionView, timing: Timing) -> bool {
    view.quiet_for.is_some_and(|quiet| quiet.max(view.inactive_for) >= timing.idle_after)
}
