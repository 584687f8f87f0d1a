//! When a window may close. Time is event time; the clock of the database is an argument.

use super::Partition;
use crate::record::EventTime;

/// How patient a monitor is, all in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How far records may lie behind the newest one of their partition.
    pub out_of_orderness: i64,
    /// A partition that is read to its end and silent for this long no longer holds windows open.
    pub idle_after: i64,
    /// A stuck partition holds a window open no longer than this.
    pub max_close_delay: i64,
}

/// What is known of a partition, as stored by the checkpoint of whoever reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionView {
    /// Which partition.
    pub partition: Partition,
    /// The newest event time counted; none before the first record.
    pub newest: Option<EventTime>,
    /// For how long its reader has been at the end of it without a new record, as it last confirmed, which
    /// was lately; `None` when it lags, is unassigned or its reader is silent.
    pub quiet_for: Option<i64>,
    /// For how long nothing was read from it.
    pub stalled_for: i64,
}

/// How far event time has come, over all partitions of a monitor's topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    watermark: Option<EventTime>,
    leading: Option<EventTime>,
    partitions: Vec<PartitionView>,
    timing: Timing,
}

/// Whether a window closes now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseDecision {
    /// Every partition has passed its end.
    Complete,
    /// These partitions have not, and are waited for no longer.
    Incomplete(Vec<Partition>),
    /// It stays open. `due` says whether some partition has passed its end.
    Wait {
        /// Some partition has passed the end: the patience runs.
        due: bool,
    },
}

impl Progress {
    /// From the views of *all* partitions known from metadata and the database's clock.
    ///
    /// The watermark is the smallest of the partitions' newest times, less the out-of-orderness. Idle
    /// partitions (caught up *and* quiet) are left out. When all are idle it follows the wall clock, or the
    /// last window of the night would never close.
    #[must_use]
    pub fn new(partitions: Vec<PartitionView>, timing: Timing, wall_clock: EventTime) -> Self {
        let passed = |view: &PartitionView| view.newest.map(|newest| newest.shifted(-timing.out_of_orderness));
        let leading = partitions.iter().filter_map(passed).max();
        let active: Vec<&PartitionView> = partitions.iter().filter(|view| !is_idle(view, timing)).collect();
        let watermark = if partitions.is_empty() {
            None
        } else if active.is_empty() {
            let wall = wall_clock.shifted(-timing.out_of_orderness.saturating_add(timing.idle_after));
            leading.map(|leading| leading.max(wall))
        } else if active.iter().any(|view| view.newest.is_none()) {
            None
        } else {
            active.into_iter().filter_map(passed).min()
        };
        Self { watermark, leading: leading.max(watermark), partitions, timing }
    }

    /// Every record before it has been seen, as far as one can tell; none before that can be said.
    #[must_use]
    pub fn watermark(&self) -> Option<EventTime> {
        self.watermark
    }

    /// The furthest any partition has come.
    #[must_use]
    pub fn leading(&self) -> Option<EventTime> {
        self.leading
    }

    /// Whether a window with this end closes. `due_for` is how long it has been due (see
    /// [`CloseDecision::Wait`]), in microseconds.
    #[must_use]
    pub fn decide(&self, end: EventTime, due_for: i64) -> CloseDecision {
        if self.watermark.is_some_and(|watermark| watermark >= end) {
            return CloseDecision::Complete;
        }
        if self.leading.is_none_or(|leading| leading < end) {
            return CloseDecision::Wait { due: false };
        }
        let behind: Vec<&PartitionView> = self
            .partitions
            .iter()
            .filter(|view| {
                !is_idle(view, self.timing)
                    && view.newest.is_none_or(|newest| newest.shifted(-self.timing.out_of_orderness) < end)
            })
            .collect();
        // One that lags but moves is waited for; one that does not move, or whose events are old although
        // it is read to its end (a wrong clock), is not.
        let patience = self.timing.max_close_delay;
        let given_up = |view: &&PartitionView| {
            view.stalled_for >= patience || (view.quiet_for.is_some() && due_for >= patience)
        };
        if due_for >= patience && behind.iter().all(given_up) {
            CloseDecision::Incomplete(behind.into_iter().map(|view| view.partition.clone()).collect())
        } else {
            CloseDecision::Wait { due: true }
        }
    }
}

fn is_idle(view: &PartitionView, timing: Timing) -> bool {
    view.quiet_for.is_some_and(|quiet| quiet >= timing.idle_after)
}
