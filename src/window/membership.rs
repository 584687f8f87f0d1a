//! Which versions and segments of a monitor are counted apart. All daemons and threads agree on it: it is decided where
//! counts are stored, and what is counted in between under its own name is counted again if there was no room for it.

use std::collections::HashSet;

use super::WHOLE;

/// The label of versions and segment values that are counted together.
pub const OTHER: &str = "(other)";

/// A model version and a segment.
pub type Series = (String, String);

/// The series that are counted apart, and whether there may be more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Those that are known.
    pub known: HashSet<Series>,
    /// How many others may be counted under their own names.
    pub room: usize,
}

impl Membership {
    /// Nobody is known yet, and so many may be.
    #[must_use]
    pub fn up_to(room: usize) -> Self {
        Self { known: HashSet::new(), room }
    }
}

/// Whether a series takes what is beyond the limit: it needs no room itself.
#[must_use]
pub fn takes_others(version: &str, segment: &str) -> bool {
    version == OTHER || segment.strip_suffix(OTHER).is_some_and(|column| column.ends_with('='))
}

/// Gives series to records, from what is known and what came up since.
#[derive(Debug, Default)]
pub(super) struct SeriesAssignment {
    /// Series that are not known and were counted under their own names.
    candidates: HashSet<Series>,
    /// Whether some series found no room since the last delta.
    turned_away: bool,
}

impl SeriesAssignment {
    /// The series of a version and a segment. Of a version that is counted with others its segments are, too, so that their
    /// number stays bounded.
    pub(super) fn series_of(&mut self, membership: &Membership, version: &str, segment: &str) -> Series {
        if !self.admits(membership, version, WHOLE) {
            return (OTHER.to_owned(), other_of(segment));
        }
        if segment == WHOLE || self.admits(membership, version, segment) {
            return (version.to_owned(), segment.to_owned());
        }
        (version.to_owned(), other_of(segment))
    }

    fn admits(&mut self, membership: &Membership, version: &str, segment: &str) -> bool {
        if takes_others(version, segment) {
            return true;
        }
        let series = (version.to_owned(), segment.to_owned());
        if membership.known.contains(&series) || self.candidates.contains(&series) {
            return true;
        }
        let is_room = self.candidates.len() < membership.room;
        if is_room {
            self.candidates.insert(series);
        } else {
            self.turned_away = true;
        }
        is_room
    }

    /// The candidates, in order.
    pub(super) fn candidates(&self) -> Vec<Series> {
        let mut candidates: Vec<Series> = self.candidates.iter().cloned().collect();
        candidates.sort();
        candidates
    }

    /// Whether some series found no room since this was asked.
    pub(super) fn take_turned_away(&mut self) -> bool {
        std::mem::take(&mut self.turned_away)
    }

    /// Forgets candidates that are known by now.
    pub(super) fn settle(&mut self, membership: &Membership) {
        self.candidates.retain(|series| !membership.known.contains(series));
    }
}

/// The segment of the same column that takes what is beyond the limit.
fn other_of(segment: &str) -> String {
    match segment.split_once('=') {
        Some((column, _)) => format!("{column}={OTHER}"),
        None => segment.to_owned(),
    }
}
