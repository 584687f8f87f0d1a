//! What is not compared yet: a baseline that is still being learned, and segments that it does not have.

use crate::record::Timestamp;
use serde::{Deserialize, Serialize};

use crate::record::{TimeSpan, number_of};

/// Progress of learning a baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Learning {
    /// Closed windows so far (segment `*`).
    pub windows: u32,
    /// Number of windows to learn from.
    pub of: u32,
    /// Seconds of event time until the last of them ends, if no window is empty.
    pub seconds_left: i64,
}

impl Learning {
    /// From the windows closed so far and the length of a window.
    #[must_use]
    pub fn new(windows: u32, of: u32, length: TimeSpan) -> Self {
        let left = length.times(i64::from(of.saturating_sub(windows)));
        Self { windows: windows.min(of), of, seconds_left: left.micros() / 1_000_000 }
    }

    /// In words: "learning: 37 of 168 windows, about 5d 11h of event time to go".
    #[must_use]
    pub fn words(&self) -> String {
        let Self { windows, of, seconds_left } = self;
        let all = number_of(*of, "window");
        if windows >= of {
            return format!("learning: {windows} of {all}, complete");
        }
        format!("learning: {windows} of {all}, about {} of event time to go", span(*seconds_left))
    }
}

/// Seconds in the two largest units that are not zero.
fn span(seconds: i64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut rest = seconds.max(0);
    let mut parts = Vec::new();
    for (size, name) in units {
        let number = rest / size;
        rest %= size;
        if number > 0 {
            parts.push(format!("{number}{name}"));
        }
    }
    parts.truncate(2);
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// A segment that is not in the active baseline: its windows are counted, but not judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SegmentWithoutBaseline {
    /// `column=value`.
    pub segment: String,
    /// Start of its first window without a verdict for that reason, RFC 3339.
    pub since: Timestamp,
    /// Records in its last window.
    pub last_rows: u64,
}

impl SegmentWithoutBaseline {
    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        format!(
            "segment {}: no baseline since {} (last window {})",
            self.segment,
            self.since,
            number_of(self.last_rows, "record")
        )
    }
}

/// What to do about segments without a baseline.
pub const SEGMENT_ADVICE: &str = "build a baseline from windows with these segments (page of baselines, or POST .../baselines), or \
                                  from newer training data (driftd baseline build)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learning_says_how_far_it_is_and_how_much_event_time_is_left() {
        let hour = 3_600_000_000;
        let words = |windows, of, length| Learning::new(windows, of, length).words();
        assert_eq!(
            words(37, 168, TimeSpan::from_micros(hour)),
            "learning: 37 of 168 windows, about 5d 11h of event time to go"
        );
        assert_eq!(
            words(0, 24, TimeSpan::from_micros(hour)),
            "learning: 0 of 24 windows, about 1d of event time to go"
        );
        assert_eq!(
            words(23, 24, TimeSpan::minutes(1)),
            "learning: 23 of 24 windows, about 1m of event time to go"
        );
        assert_eq!(words(24, 24, TimeSpan::from_micros(hour)), "learning: 24 of 24 windows, complete");
        assert_eq!(words(30, 24, TimeSpan::from_micros(hour)), "learning: 24 of 24 windows, complete");
    }
}
