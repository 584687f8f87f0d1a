//! This machine's clock.

use crate::record::EventTime;

/// The time now; `None` when the clock is set outside the years 1900 to 9999.
#[must_use]
pub fn clock_now() -> Option<EventTime> {
    EventTime::from_micros(jiff::Timestamp::now().as_microsecond())
}
