//! Seasons: which earlier stretches of time a window is like, by the local time of a zone.
//!
//! A slot is an hour or a day of local time. One that a clock change skips does not exist in that cycle; an hour that is
//! repeated is one slot of two hours. Nothing is interpolated: a slot without a window is a cycle less.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::record::{EventTime, TimeSpan};
use crate::window::first_instant;

/// What a window has in common with those it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Same {
    /// The hour of the day.
    HourOfDay,
    /// The hour and the day of the week.
    HourOfWeek,
    /// The day of the week.
    DayOfWeek,
    /// The day of the month; months without it are left out.
    DayOfMonth,
    /// The day and the month; 29 February recurs in leap years only.
    DayOfYear,
}

impl Same {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::HourOfDay, Self::HourOfWeek, Self::DayOfWeek, Self::DayOfMonth, Self::DayOfYear];

    /// The name in configuration files and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HourOfDay => "hour_of_day",
            Self::HourOfWeek => "hour_of_week",
            Self::DayOfWeek => "day_of_week",
            Self::DayOfMonth => "day_of_month",
            Self::DayOfYear => "day_of_year",
        }
    }

    /// As it is said in a sentence: `hour of the week`.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::HourOfDay => "hour of the day",
            Self::HourOfWeek => "hour of the week",
            Self::DayOfWeek => "day of the week",
            Self::DayOfMonth => "day of the month",
            Self::DayOfYear => "day of the year",
        }
    }

    /// The longest windows that have one slot each.
    #[must_use]
    pub fn slot(self) -> TimeSpan {
        if self.is_hour() { TimeSpan::hours(1) } else { TimeSpan::days(1) }
    }

    /// How long a cycle is, at least.
    #[must_use]
    pub fn cycle(self) -> TimeSpan {
        TimeSpan::days(match self {
            Self::HourOfDay => 1,
            Self::HourOfWeek | Self::DayOfWeek => 7,
            Self::DayOfMonth => 28,
            Self::DayOfYear => 365,
        })
    }

    /// Whether its slots are hours; otherwise they are days.
    #[must_use]
    pub fn is_hour(self) -> bool {
        matches!(self, Self::HourOfDay | Self::HourOfWeek)
    }

    /// The day that many cycles earlier; none where the calendar has no such day.
    fn earlier(self, date: Date, cycles: i32) -> Option<Date> {
        match self {
            Self::HourOfDay => date.checked_sub(Span::new().try_days(cycles).ok()?).ok(),
            Self::HourOfWeek | Self::DayOfWeek => date.checked_sub(Span::new().try_weeks(cycles).ok()?).ok(),
            Self::DayOfMonth => {
                let months = i32::from(date.year()) * 12 + i32::from(date.month()) - 1 - cycles;
                let year = i16::try_from(months.div_euclid(12)).ok()?;
                let month = i8::try_from(months.rem_euclid(12) + 1).ok()?;
                Date::new(year, month, date.day()).ok()
            }
            Self::DayOfYear => {
                let year = i16::try_from(i32::from(date.year()) - cycles).ok()?;
                Date::new(year, date.month(), date.day()).ok()
            }
        }
    }
}

/// A season in a time zone, and how far back it is looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Season {
    /// What recurs.
    pub same: Same,
    /// Where hours and days are meant.
    pub zone: TimeZone,
    /// Cycles that are looked at.
    pub cycles: u32,
    /// Cycles that must have a window.
    pub at_least: u32,
}

/// A half-open range of event time.
pub type TimeRange = (EventTime, EventTime);

impl Season {
    /// Where the slot of a window that starts at `start` was in each of the last cycles, the latest first. Cycles without
    /// the slot are left out: skipped hours, days that a month does not have.
    #[must_use]
    pub fn earlier(&self, start: EventTime) -> Vec<TimeRange> {
        let Some(local) = self.local(start) else { return Vec::new() };
        (1..=self.cycles)
            .filter_map(|cycle| {
                let date = self.same.earlier(local.date(), i32::try_from(cycle).ok()?)?;
                let from = if self.same.is_hour() {
                    date.to_datetime(Time::new(local.hour(), 0, 0, 0).ok()?)
                } else {
                    date.to_datetime(Time::midnight())
                };
                let slot = if self.same.is_hour() { Span::new().hours(1) } else { Span::new().days(1) };
                let to = first_instant(&self.zone, from.checked_add(slot).ok()?)?;
                let from = first_instant(&self.zone, from)?;
                (from < to).then_some((from, to))
            })
            .collect()
    }

    fn local(&self, time: EventTime) -> Option<DateTime> {
        Some(self.zone.to_datetime(Timestamp::from_microsecond(time.micros()).ok()?))
    }

    /// How far back the first of the cycles may begin: with room for the longest months, leap years and clock changes.
    #[must_use]
    pub fn reach(&self) -> TimeSpan {
        let cycle = match self.same {
            Same::DayOfMonth => TimeSpan::days(31),
            Same::DayOfYear => TimeSpan::days(366),
            Same::HourOfDay | Same::HourOfWeek | Same::DayOfWeek => self.same.cycle(),
        };
        cycle.times(i64::from(self.cycles)).plus(TimeSpan::days(3))
    }

    /// The zone's name.
    #[must_use]
    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> EventTime {
        text.parse().unwrap()
    }

    fn season(same: Same, zone: &str, cycles: u32) -> Season {
        Season { same, zone: TimeZone::get(zone).unwrap(), cycles, at_least: 1 }
    }

    fn earlier(season: &Season, start: &str) -> Vec<String> {
        season.earlier(at(start)).iter().map(|(from, to)| format!("{from}/{to}")).collect()
    }

    #[test]
    fn the_hour_of_the_week_follows_the_clock_on_the_wall() {
        // Berlin: summer time ended on Sunday, 25 October 2026, at 03:00. Monday 09:00 is 08:00 UTC after it, 07:00 before.
        let berlin = season(Same::HourOfWeek, "Europe/Berlin", 2);
        assert_eq!(
            earlier(&berlin, "2026-11-02T08:15:00Z"),
            ["2026-10-26T08:00:00Z/2026-10-26T09:00:00Z", "2026-10-19T07:00:00Z/2026-10-19T08:00:00Z"]
        );
        // New York changes a week later.
        let new_york = season(Same::HourOfWeek, "America/New_York", 2);
        assert_eq!(
            earlier(&new_york, "2026-11-02T14:00:00Z"),
            ["2026-10-26T13:00:00Z/2026-10-26T14:00:00Z", "2026-10-19T13:00:00Z/2026-10-19T14:00:00Z"]
        );
    }

    #[test]
    fn a_skipped_hour_is_no_cycle_and_a_repeated_one_is_two_hours_long() {
        // Berlin skipped 02:00 to 03:00 on 29 March 2026 and repeated it on 25 October.
        let berlin = season(Same::HourOfDay, "Europe/Berlin", 2);
        assert_eq!(earlier(&berlin, "2026-03-30T00:30:00Z"), ["2026-03-28T01:00:00Z/2026-03-28T02:00:00Z"]);
        assert_eq!(
            earlier(&berlin, "2026-10-26T01:00:00Z"),
            ["2026-10-25T00:00:00Z/2026-10-25T02:00:00Z", "2026-10-24T00:00:00Z/2026-10-24T01:00:00Z"]
        );
        // Both of the repeated hours are like the same hours of other days.
        let before = ["2026-10-24T00:00:00Z/2026-10-24T01:00:00Z", "2026-10-23T00:00:00Z/2026-10-23T01:00:00Z"];
        assert_eq!(earlier(&berlin, "2026-10-25T00:00:00Z"), before);
        assert_eq!(earlier(&berlin, "2026-10-25T01:00:00Z"), before);
        // The hour before the gap ends at the gap, the one after it begins there.
        assert_eq!(earlier(&season(Same::HourOfDay, "Europe/Berlin", 1), "2026-03-29T23:00:00Z").len(), 1);
        assert_eq!(
            earlier(&season(Same::HourOfDay, "Europe/Berlin", 1), "2026-03-29T23:30:00Z"),
            ["2026-03-29T00:00:00Z/2026-03-29T01:00:00Z"]
        );
        // New York skips 02:00 to 03:00 on 8 March 2026 and repeats 01:00 to 02:00 on 1 November.
        let new_york = season(Same::HourOfDay, "America/New_York", 1);
        assert_eq!(earlier(&new_york, "2026-03-09T06:00:00Z"), Vec::<String>::new());
        assert_eq!(earlier(&new_york, "2026-11-02T06:00:00Z"), ["2026-11-01T05:00:00Z/2026-11-01T07:00:00Z"]);
        // Lord Howe Island goes from 02:00 back to 01:30 on 5 April 2026, and from 02:00 on to 02:30 on 4 October.
        let lord_howe = season(Same::HourOfDay, "Australia/Lord_Howe", 1);
        assert_eq!(earlier(&lord_howe, "2026-04-05T14:30:00Z"), ["2026-04-04T14:00:00Z/2026-04-04T15:30:00Z"]);
        assert_eq!(earlier(&lord_howe, "2026-10-04T15:00:00Z"), ["2026-10-03T15:30:00Z/2026-10-03T16:00:00Z"]);
    }

    #[test]
    fn days_that_a_month_or_a_year_does_not_have_are_left_out() {
        let utc = |same, cycles| season(same, "UTC", cycles);
        assert_eq!(
            earlier(&utc(Same::DayOfMonth, 3), "2026-05-31T12:00:00Z"),
            ["2026-03-31T00:00:00Z/2026-04-01T00:00:00Z"]
        );
        assert_eq!(
            earlier(&utc(Same::DayOfMonth, 2), "2026-01-15T00:00:00Z"),
            ["2025-12-15T00:00:00Z/2025-12-16T00:00:00Z", "2025-11-15T00:00:00Z/2025-11-16T00:00:00Z"]
        );
        assert_eq!(
            earlier(&utc(Same::DayOfYear, 4), "2028-02-29T06:00:00Z"),
            ["2024-02-29T00:00:00Z/2024-03-01T00:00:00Z"]
        );
        // A day of local time has 23 or 25 hours at a clock change.
        assert_eq!(
            earlier(&season(Same::DayOfWeek, "Europe/Berlin", 1), "2026-04-05T00:00:00Z"),
            ["2026-03-28T23:00:00Z/2026-03-29T22:00:00Z"]
        );
        // Samoa had no 30 December 2011.
        assert!(earlier(&season(Same::DayOfYear, "Pacific/Apia", 1), "2012-12-29T12:00:00Z").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn slots_lie_before_the_window_and_do_not_overlap(
            start in 0i64..2_000_000_000, same in 0usize..5, cycles in 1u32..9, zone in 0usize..4,
        ) {
            let zone = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"][zone];
            let season = season(Same::ALL[same], zone, cycles);
            let start = EventTime::from_micros(start * 1_000_000).unwrap();
            let ranges = season.earlier(start);
            let mut after = start;
            for (from, to) in ranges {
                proptest::prop_assert!(from < to && to <= after, "{from} to {to}, after {after}");
                after = from;
            }
        }
    }
}
