//! The lengths that a monitor's windows have had: a new one begins where the windows of the old one end, so that windows
//! never overlap.

use super::WindowLength;
use crate::record::{EventTime, TimeSpan};

/// What holds where there is no length; constructors see to it that there is one.
const SHORTEST: WindowLength = WindowLength::Fixed(1);

/// The length in force from each time on. Before the first, its length holds, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lengths(Vec<(EventTime, WindowLength)>);

impl Lengths {
    /// One length for all times.
    #[must_use]
    pub fn fixed(length: WindowLength) -> Self {
        Self(vec![(EventTime::MAX.shifted(-TimeSpan::MAX), length)])
    }

    /// Lengths by the time from which they hold; `None` without any.
    #[must_use]
    pub fn from_changes(mut changes: Vec<(EventTime, WindowLength)>) -> Option<Self> {
        changes.sort_by_key(|(from, _)| *from);
        (!changes.is_empty()).then_some(Self(changes))
    }

    /// The start of the window that holds a time.
    #[must_use]
    pub fn start_of(&self, time: EventTime) -> EventTime {
        let (from, length, _) = self.at(time);
        let start = length.start_of(time);
        // The first length holds before its beginning as well.
        if time < from { start } else { start.max(from) }
    }

    /// The end of the window that starts here: one that reaches into the next length is cut off there.
    #[must_use]
    pub fn end_of(&self, start: EventTime) -> EventTime {
        let (_, length, until) = self.at(start);
        let end = length.end_of(length.start_of(start));
        until.map_or(end, |until| end.min(until))
    }

    /// The length of windows at a time.
    #[must_use]
    pub fn length_at(&self, time: EventTime) -> &WindowLength {
        self.at(time).1
    }

    /// From when on a length holds that is to come into force after `taken`, the end of the last window there is.
    #[must_use]
    pub fn begin_after(taken: EventTime, length: &WindowLength) -> EventTime {
        let start = length.start_of(taken);
        if start == taken { taken } else { length.end_of(start) }
    }

    fn at(&self, time: EventTime) -> (EventTime, &WindowLength, Option<EventTime>) {
        let place = self.0.partition_point(|(from, _)| *from <= time).saturating_sub(1);
        let until = self.0.get(place + 1).map(|(from, _)| *from);
        self.0.get(place).map_or((time, &SHORTEST, until), |(from, length)| (*from, length, until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> EventTime {
        EventTime::from_micros(seconds * 1_000_000).unwrap()
    }

    fn length(seconds: i64) -> WindowLength {
        WindowLength::from_micros(seconds * 1_000_000).unwrap()
    }

    #[test]
    fn a_longer_length_begins_where_the_last_window_of_the_old_one_ends() {
        // Windows of a minute up to 12:03; five minutes from then on begin at 12:05.
        let from = Lengths::begin_after(at(180), &length(300));
        assert_eq!(from, at(300));
        let lengths = Lengths::from_changes(vec![(at(-1_000_000), length(60)), (from, length(300))]).unwrap();
        assert_eq!((lengths.start_of(at(299)), lengths.end_of(at(240))), (at(240), at(300)));
        assert_eq!((lengths.start_of(at(301)), lengths.end_of(at(300))), (at(300), at(600)));
        assert_eq!(Lengths::begin_after(at(300), &length(300)), at(300));
    }

    proptest! {
        #[test]
        fn windows_never_overlap_and_leave_no_gap(
            changes in prop::collection::vec((0i64..2_000, 1i64..400), 1..5),
            times in prop::collection::vec(-500i64..3_000, 1..60),
        ) {
            let mut taken = at(0);
            let mut list = Vec::new();
            for (later, seconds) in changes {
                let from = if list.is_empty() { at(-10_000) } else { Lengths::begin_after(taken, &length(seconds)) };
                list.push((from, length(seconds)));
                taken = from.max(taken).shifted(TimeSpan::seconds(later));
            }
            let lengths = Lengths::from_changes(list).unwrap();
            let mut windows: Vec<(EventTime, EventTime)> = times.iter().map(|time| {
                let start = lengths.start_of(at(*time));
                let end = lengths.end_of(start);
                assert!(start <= at(*time) && at(*time) < end, "{time} is in {start} to {end}");
                assert_eq!(lengths.start_of(start), start);
                (start, end)
            }).collect();
            windows.sort();
            windows.dedup();
            for pair in windows.windows(2) {
                prop_assert!(pair[0].1 <= pair[1].0, "{:?}", pair);
            }
        }
    }
}
