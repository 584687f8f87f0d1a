//! Windows that reach back over several panes. Records are counted in panes, which never overlap; when a pane closes, a
//! window is judged that ends with it. Tumbling windows are one pane each. Sliding windows are the sum of the last panes.

use super::WindowKey;
use crate::record::{EventTime, TimeSpan};

/// How far the window that is judged when a pane closes reaches back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WindowReach {
    /// Over this pane alone: tumbling windows.
    #[default]
    Pane,
    /// So long before the end of the pane.
    Time(TimeSpan),
    /// Over as many panes as hold so many records, but at most [`MOST_PANES`].
    Records(u64),
}

/// Panes of a window at most.
pub const MOST_PANES: usize = 1_000;

impl WindowReach {
    /// Whether every window is one pane.
    #[must_use]
    pub fn is_pane(self) -> bool {
        self == Self::Pane
    }

    /// Whether a window that ends at `end` takes an earlier pane, when its later panes are `panes` and have `records`.
    #[must_use]
    pub fn takes(self, start: EventTime, end: EventTime, (panes, records): (usize, u64)) -> bool {
        panes < MOST_PANES
            && match self {
                Self::Pane => false,
                Self::Time(length) => start >= end.shifted(-length),
                Self::Records(wanted) => records < wanted,
            }
    }

    /// For how long before a pane, one of so many micros, its window may reach back.
    #[must_use]
    pub fn longest(self, pane: TimeSpan) -> TimeSpan {
        match self {
            Self::Pane => TimeSpan::ZERO,
            Self::Time(length) => length,
            Self::Records(_) => pane.times(i64::try_from(MOST_PANES).unwrap_or(i64::MAX)),
        }
    }
}

/// A window as it is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowSpan {
    /// The key of its last pane, by which it is known.
    pub key: WindowKey,
    /// Its start: that of its first pane.
    pub from: EventTime,
    /// Its end (exclusive).
    pub end: EventTime,
    /// The starts of its panes, the last one first.
    pub panes: Vec<EventTime>,
}

impl WindowSpan {
    /// A window of one pane.
    #[must_use]
    pub fn of_pane(key: WindowKey, end: EventTime) -> Self {
        Self { from: key.start, end, panes: vec![key.start], key }
    }

    /// Takes in the pane before.
    pub fn extend(&mut self, start: EventTime) {
        self.from = self.from.min(start);
        self.panes.push(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> EventTime {
        EventTime::from_micros(seconds * 1_000_000).unwrap()
    }

    /// How many of the panes of ten seconds before the one that ends at 100 a window takes, each with seven records.
    fn taken(reach: WindowReach) -> usize {
        let mut panes = 1;
        for start in (0..9).rev().map(|pane| at(pane * 10)) {
            if !reach.takes(start, at(100), (panes, 7 * panes as u64)) {
                break;
            }
            panes += 1;
        }
        panes
    }

    #[test]
    fn windows_take_panes_by_time_or_by_records() {
        assert_eq!(taken(WindowReach::Pane), 1);
        assert_eq!(taken(WindowReach::Time(TimeSpan::seconds(40))), 4);
        assert_eq!(taken(WindowReach::Time(TimeSpan::seconds(3_600))), 10);
        assert_eq!(taken(WindowReach::Records(7)), 1);
        assert_eq!(taken(WindowReach::Records(8)), 2);
        assert_eq!(taken(WindowReach::Records(u64::MAX)), 10);
    }

    #[test]
    fn a_window_has_no_more_panes_than_can_be_summed() {
        assert!(WindowReach::Records(10).takes(at(0), at(10), (MOST_PANES - 1, 0)));
        assert!(!WindowReach::Records(10).takes(at(0), at(10), (MOST_PANES, 0)));
    }
}
