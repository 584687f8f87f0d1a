//! How long tumbling windows are: a fixed time, or a unit of the calendar in a time zone.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::record::{EventTime, TimeSpan};

/// A unit of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalendarUnit {
    /// From one full hour of local time to the next; an hour that is repeated is two windows.
    Hour,
    /// From midnight to midnight: 23, 24 or 25 hours.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first of a month to that of the next.
    Month,
}

impl CalendarUnit {
    /// All units.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// The name in configuration files and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// How long it usually is.
    fn usual(self) -> TimeSpan {
        match self {
            Self::Hour => TimeSpan::hours(1),
            Self::Day => TimeSpan::days(1),
            Self::Week => TimeSpan::days(7),
            Self::Month => TimeSpan::days(30),
        }
    }

    fn span(self) -> Span {
        match self {
            Self::Hour => Span::new().hours(1),
            Self::Day => Span::new().days(1),
            Self::Week => Span::new().weeks(1),
            Self::Month => Span::new().months(1),
        }
    }

    /// The beginning of the unit that holds a local time.
    fn begin(self, local: DateTime) -> Option<DateTime> {
        let date = local.date();
        Some(match self {
            Self::Hour => date.at(local.hour(), 0, 0, 0),
            Self::Day => date.at(0, 0, 0, 0),
            Self::Week => {
                let since_monday = i64::from(date.weekday().to_monday_zero_offset());
                date.checked_sub(Span::new().days(since_monday)).ok()?.at(0, 0, 0, 0)
            }
            Self::Month => date.first_of_month().at(0, 0, 0, 0),
        })
    }
}

/// The length of tumbling windows: half-open intervals side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowLength {
    /// Microseconds, more than 0, counted from 1970-01-01T00:00:00Z.
    Fixed(i64),
    /// A unit of the calendar in a time zone.
    Calendar(CalendarUnit, TimeZone),
}

impl WindowLength {
    /// From microseconds; `None` unless positive.
    #[must_use]
    pub fn from_micros(micros: i64) -> Option<Self> {
        (micros > 0).then_some(Self::Fixed(micros))
    }

    /// As a length of time; of a unit of the calendar how long it usually is.
    #[must_use]
    pub fn span(&self) -> TimeSpan {
        match self {
            Self::Fixed(micros) => TimeSpan::from_micros(*micros),
            Self::Calendar(unit, _) => unit.usual(),
        }
    }

    /// The unit of the calendar and the name of its zone; none for a fixed length.
    #[must_use]
    pub fn calendar(&self) -> Option<(CalendarUnit, &str)> {
        match self {
            Self::Fixed(_) => None,
            Self::Calendar(unit, zone) => Some((*unit, zone.iana_name().unwrap_or("UTC"))),
        }
    }

    /// The start of the window that holds a time. Times before 1970 belong to the window below them, too.
    #[must_use]
    pub fn start_of(&self, time: EventTime) -> EventTime {
        match self {
            Self::Fixed(micros) => time.shifted(TimeSpan::from_micros(-time.micros().rem_euclid(*micros))),
            Self::Calendar(unit, zone) => unit_around(*unit, zone, time).map_or(time, |(start, _)| start),
        }
    }

    /// The end of the window that starts here.
    #[must_use]
    pub fn end_of(&self, start: EventTime) -> EventTime {
        match self {
            Self::Fixed(micros) => start.shifted(TimeSpan::from_micros(*micros)),
            Self::Calendar(unit, zone) => {
                unit_around(*unit, zone, start).map_or_else(|| start.shifted(unit.usual()), |(_, end)| end)
            }
        }
    }
}

/// Start and end of the unit of local time that holds a time; none beyond the years of the calendar.
fn unit_around(unit: CalendarUnit, zone: &TimeZone, time: EventTime) -> Option<(EventTime, EventTime)> {
    let instant = Timestamp::from_microsecond(time.micros()).ok()?;
    let local = zone.to_datetime(instant);
    let begin = unit.begin(local)?;
    let end = begin.checked_add(unit.span()).ok()?;
    let (mut start, mut end) = (first_instant(zone, begin)?, first_instant(zone, end)?);
    // An hour that is repeated: each time is a window of its own, and so is what a change of half an hour cuts off.
    if unit == CalendarUnit::Hour {
        let change = zone.preceding(instant.checked_add(Span::new().nanoseconds(1)).ok()?).next();
        start = change.and_then(|change| event_time(change.timestamp())).map_or(start, |change| start.max(change));
        let next = zone.following(instant).next();
        end = next.and_then(|next| event_time(next.timestamp())).map_or(end, |next| end.min(next));
    }
    Some((start, end))
}

/// The first instant at which the clock shows a local time; for one that is skipped, the instant of the clock change.
pub(crate) fn first_instant(zone: &TimeZone, local: DateTime) -> Option<EventTime> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let is_skipped = matches!(ambiguous.offset(), jiff::tz::AmbiguousOffset::Gap { .. });
    let found = ambiguous.compatible().ok()?;
    if !is_skipped {
        return event_time(found);
    }
    let just_after = found.checked_add(Span::new().nanoseconds(1)).ok()?;
    event_time(zone.preceding(just_after).next()?.timestamp())
}

fn event_time(timestamp: Timestamp) -> Option<EventTime> {
    EventTime::from_micros(timestamp.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> EventTime {
        text.parse().unwrap()
    }

    fn calendar(unit: CalendarUnit, zone: &str) -> WindowLength {
        WindowLength::Calendar(unit, TimeZone::get(zone).unwrap())
    }

    fn window(length: &WindowLength, time: &str) -> String {
        let start = length.start_of(at(time));
        format!("{start}/{}", length.end_of(start))
    }

    #[test]
    fn days_weeks_and_months_begin_at_local_midnight_and_are_as_long_as_they_are() {
        let day = calendar(CalendarUnit::Day, "Europe/Berlin");
        assert_eq!(window(&day, "2026-03-28T12:00:00Z"), "2026-03-27T23:00:00Z/2026-03-28T23:00:00Z");
        assert_eq!(window(&day, "2026-03-29T12:00:00Z"), "2026-03-28T23:00:00Z/2026-03-29T22:00:00Z", "23 hours");
        assert_eq!(window(&day, "2026-10-25T12:00:00Z"), "2026-10-24T22:00:00Z/2026-10-25T23:00:00Z", "25 hours");
        let week = calendar(CalendarUnit::Week, "America/New_York");
        // Sunday, 8 March 2026 has 23 hours there.
        assert_eq!(window(&week, "2026-03-08T20:00:00Z"), "2026-03-02T05:00:00Z/2026-03-09T04:00:00Z");
        assert_eq!(window(&week, "2026-03-09T04:00:00Z"), "2026-03-09T04:00:00Z/2026-03-16T04:00:00Z");
        let month = calendar(CalendarUnit::Month, "Asia/Kolkata");
        assert_eq!(window(&month, "2028-02-29T18:29:59Z"), "2028-01-31T18:30:00Z/2028-02-29T18:30:00Z");
    }

    #[test]
    fn a_repeated_hour_is_two_windows_and_a_skipped_one_is_none() {
        let berlin = calendar(CalendarUnit::Hour, "Europe/Berlin");
        assert_eq!(window(&berlin, "2026-10-25T00:30:00Z"), "2026-10-25T00:00:00Z/2026-10-25T01:00:00Z");
        assert_eq!(window(&berlin, "2026-10-25T01:30:00Z"), "2026-10-25T01:00:00Z/2026-10-25T02:00:00Z");
        assert_eq!(window(&berlin, "2026-03-29T00:59:59Z"), "2026-03-29T00:00:00Z/2026-03-29T01:00:00Z");
        assert_eq!(window(&berlin, "2026-03-29T01:00:00Z"), "2026-03-29T01:00:00Z/2026-03-29T02:00:00Z");
        // Half an hour is repeated on Lord Howe Island: 01:30 to 02:00.
        let island = calendar(CalendarUnit::Hour, "Australia/Lord_Howe");
        assert_eq!(window(&island, "2026-04-04T14:50:00Z"), "2026-04-04T14:00:00Z/2026-04-04T15:00:00Z");
        assert_eq!(window(&island, "2026-04-04T15:10:00Z"), "2026-04-04T15:00:00Z/2026-04-04T15:30:00Z");
        // A midnight that is skipped: the day begins with the clock change.
        let cairo = calendar(CalendarUnit::Day, "Africa/Cairo");
        assert_eq!(window(&cairo, "2026-04-24T12:00:00Z"), "2026-04-23T22:00:00Z/2026-04-24T21:00:00Z");
    }

    proptest! {
        #[test]
        fn windows_lie_side_by_side_in_every_zone(
            time in 0i64..2_000_000_000, unit in 0usize..4, zone in 0usize..6,
        ) {
            let zones =
                ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"];
            let length = calendar(CalendarUnit::ALL[unit], zones[zone]);
            let time = EventTime::from_micros(time * 1_000_000).unwrap();
            let start = length.start_of(time);
            let end = length.end_of(start);
            prop_assert!(start <= time && time < end, "{time} is in {start} to {end}");
            prop_assert_eq!(length.start_of(start), start);
            prop_assert_eq!(length.start_of(end), end, "the next window begins where this one ends");
            let last = end.shifted(-TimeSpan::from_micros(1));
            prop_assert_eq!(length.start_of(last), start);
        }
    }
}
