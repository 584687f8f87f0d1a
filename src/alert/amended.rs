//! A window that was judged again, with late records: the alert is amended, withdrawn or raised late.

use uuid::Uuid;

use super::change::{AlertChange, ChangeKind, ChangeReason};
use super::lifecycle::{AlertPolicy, AlertState, Episode, Lessons, Level, Phase, Severity, WindowLevel};
use crate::record::EventTime;

/// What a window said to a rule before it was judged again, and what it says now; none where it says nothing about drift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AmendedLevel {
    /// Before.
    pub before: Option<Level>,
    /// Now.
    pub now: Option<Level>,
}

impl AmendedLevel {
    /// How bad it is, when the window drifts now and did not before.
    fn newly(self) -> Option<Severity> {
        let drifted = self.before.and_then(Level::severity).is_some();
        self.now.and_then(Level::severity).filter(|_| !drifted)
    }
}

impl AlertState {
    /// Takes an amended window into account. A running alert is withdrawn when fewer windows drift than make it fire, and one is
    /// raised late when the window would have made it fire. Of an alert that is over nothing changes here. `new_id` derives the
    /// id of an episode from the start of its first window.
    #[must_use]
    pub fn amend(
        &self,
        start: EventTime,
        level: AmendedLevel,
        policy: AlertPolicy,
        new_id: impl Fn(EventTime) -> Uuid,
    ) -> (Self, Option<AlertChange>) {
        let mut next = self.clone();
        let is_over = self.ended.is_some_and(|ended| start <= ended);
        let remembered = next.history.iter().position(|seen| seen.start == start).filter(|_| !is_over);
        next.recount(start, level, remembered, policy);
        if let Some(episode) = next.episode.as_ref().filter(|episode| episode.drifting < policy.windows)
            && (next.is_open() || episode.drifting == 0)
        {
            let ended = next.end(ChangeReason::WindowAmended);
            return ended.map_or((next, None), |(next, change)| (next, Some(change)));
        }
        if remembered.is_some() && (next.is_active() || level.newly().is_some()) {
            // The newest windows decide as if it had always been so.
            if let Some(change) = next.settle(policy, &new_id, true) {
                return (next, Some(change));
            }
        }
        let Some(severity) = level.newly().filter(|_| !next.is_active()) else { return (next, None) };
        if remembered.is_none() {
            // What is not remembered was in order.
            let at = next.history.partition_point(|seen| seen.start < start);
            next.history.insert(at, WindowLevel { start, level: Level::drifting(severity) });
        }
        let Some((since, drifting)) = next.run_around(start, policy) else { return (next, None) };
        next.episode = Some(Episode {
            id: new_id(since),
            since,
            severity,
            drifting,
            judged: drifting,
            lessons: Lessons::default(),
        });
        next.phase = Phase::Firing;
        let change = next.change(ChangeKind::Firing, ChangeReason::WindowAmended);
        (next, change)
    }

    /// Counts an amended window again, and remembers what it says now.
    fn recount(&mut self, start: EventTime, level: AmendedLevel, remembered: Option<usize>, policy: AlertPolicy) {
        // What says nothing neither drifts nor is quiet.
        let (before, now) = (level.before.unwrap_or(Level::Between), level.now.unwrap_or(Level::Between));
        if let Some(seen) = remembered.and_then(|place| self.history.get_mut(place)) {
            seen.level = now;
            self.count(WindowLevel { start, level: now }, Some(before), policy);
        } else if let Some(episode) = self.episode.as_mut().filter(|episode| episode.since <= start) {
            let drifts = |level: Level| u32::from(level.severity().is_some());
            episode.drifting = episode.drifting.saturating_add(drifts(now)).saturating_sub(drifts(before));
        }
    }

    /// Of as many windows as the rule looks at, this one among them: the first that drifts, and how many do, when they are enough
    /// to fire.
    fn run_around(&self, start: EventTime, policy: AlertPolicy) -> Option<(EventTime, u32)> {
        let place = self.history.iter().position(|seen| seen.start == start)?;
        let of = policy.of.max(1) as usize;
        let around = self.history.get(place.saturating_sub(of - 1)..(place + of).min(self.history.len()))?;
        around.windows(of.min(around.len())).find_map(|windows| {
            let mut drifting = windows.iter().filter(|seen| seen.level.severity().is_some());
            let first = drifting.next()?.start;
            let number = u32::try_from(drifting.count() + 1).unwrap_or(u32::MAX);
            (number >= policy.windows).then_some((first, number))
        })
    }
}
