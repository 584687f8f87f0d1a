//! Windows of event time: which window a record belongs to, what was counted since the last checkpoint
//! (the counting machine), and when a window may close (the watermark).

mod calendar;
mod counting;
mod delta;
mod detecting;
mod length;
mod lengths;
mod membership;
mod notes;
mod reach;
mod watermark;

pub use calendar::{Calendar, Day, Once, WeeklyTime};
pub use counting::{BinningPins, CountingMachine, CountingSpec};
pub use delta::{MonitorDelta, OffsetRanges, Tally, WindowDelta};
pub use detecting::{DetectorDelta, DetectorState, PartitionState, RecordDetection};
pub(crate) use length::first_instant;
pub use length::{CalendarUnit, WindowLength};
pub use lengths::Lengths;
pub use membership::{Membership, OTHER, Series, takes_others};
pub use notes::{ColumnHint, ColumnReading, Example, LATE, Notes, is_unreadable, readings};
pub use reach::{MOST_PANES, WindowReach, WindowSpan};
pub use watermark::{CloseDecision, EventTimeProgress, PartitionView, Timing};

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::record::{EventTime, Offset, TimeSpan, number_of};

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Partition {
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: i32,
}

impl fmt::Display for Partition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.topic, self.partition)
    }
}

/// The last message of a partition that was counted. A log that was deleted and created again has another message at its
/// offset, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub offset: Offset,
    /// A hash of its timestamp and payload, as it is stored.
    pub hash: i64,
}

impl Anchor {
    /// Of a message; one without a payload has that of an empty one.
    #[must_use]
    pub fn of(offset: Offset, time: Option<EventTime>, payload: Option<&[u8]>) -> Self {
        let seed = time.map_or(0, EventTime::micros);
        let hash = xxhash_rust::xxh3::xxh3_64_with_seed(payload.unwrap_or_default(), seed.cast_unsigned());
        Self { offset, hash: hash.cast_signed() }
    }
}

/// The segment that holds all records.
pub const WHOLE: &str = "*";

/// Which window of a monitor: model version, segment and start.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WindowKey {
    /// The model version; empty when records name none.
    pub version: String,
    /// `*` for the whole, `column=value` for a slice.
    pub segment: String,
    /// Where the window starts.
    pub start: EventTime,
}

/// A length of time as people say it.
#[must_use]
pub fn span_in_words(span: TimeSpan) -> String {
    let seconds = span.micros() / 1_000_000;
    match seconds {
        s if s >= 172_800 => format!("{} days", s / 86_400),
        s if s >= 7_200 => format!("{} hours", s / 3_600),
        s if s >= 120 => format!("{} minutes", s / 60),
        s => number_of(s, "second"),
    }
}

#[cfg(test)]
mod tests;
