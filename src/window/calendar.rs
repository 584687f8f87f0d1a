//! Calendars: times of the week in a time zone, days such as holidays, and maintenance windows. Pure: the zone is given.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::length::first_instant;
use crate::record::EventTime;

/// A part of certain days of the week. One that ends before it begins reaches into the next day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeeklyTime {
    /// Days, 1 (Monday) to 7 (Sunday).
    pub days: Vec<i8>,
    /// From this time of the day ...
    pub from: Time,
    /// ... to this one, which does not belong to it; the same as `from` is a whole day.
    pub to: Time,
}

/// Once, from one point in time to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Once {
    /// From here ...
    pub from: EventTime,
    /// ... to here, which does not belong to it.
    pub to: EventTime,
}

/// A day, every year or once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    /// This month and day of every year.
    Yearly { month: i8, day: i8 },
    /// This date.
    Date(Date),
}

impl Day {
    /// Whether it is this date.
    #[must_use]
    pub fn is(self, date: Date) -> bool {
        match self {
            Self::Yearly { month, day } => (date.month(), date.day()) == (month, day),
            Self::Date(this) => this == date,
        }
    }
}

/// A named set of times.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// Where the days and hours are meant.
    pub zone: TimeZone,
    /// Every week.
    pub weekly: Vec<WeeklyTime>,
    /// Whole days.
    pub days: Vec<Day>,
    pub once: Vec<Once>,
}

impl Calendar {
    /// Whether a time lies in it. Local time decides, so an hour that a clock change skips or repeats is what the clock on
    /// the wall says.
    #[must_use]
    pub fn contains(&self, now: EventTime) -> bool {
        if self.once.iter().any(|once| once.from <= now && now < once.to) {
            return true;
        }
        let Ok(timestamp) = Timestamp::from_microsecond(now.micros()) else { return false };
        let local = self.zone.to_datetime(timestamp);
        if self.days.iter().any(|day| day.is(local.date())) {
            return true;
        }
        let day = local.weekday().to_monday_one_offset();
        let before = if day == 1 { 7 } else { day - 1 };
        let time = local.time();
        self.weekly.iter().any(|weekly| {
            let (today, yesterday) = (weekly.days.contains(&day), weekly.days.contains(&before));
            if weekly.from < weekly.to {
                today && weekly.from <= time && time < weekly.to
            } else {
                (today && weekly.from <= time) || (yesterday && time < weekly.to)
            }
        })
    }

    /// Whether some of a half-open range of time lies in it.
    #[must_use]
    pub fn overlaps(&self, from: EventTime, to: EventTime) -> bool {
        let overlaps = |(begins, ends): (EventTime, EventTime)| begins < to && from < ends;
        if self.once.iter().any(|once| overlaps((once.from, once.to))) {
            return true;
        }
        if self.weekly.is_empty() && self.days.is_empty() {
            return false;
        }
        // From the day before, whose evening may reach into the first one.
        let first = self.date(from).and_then(|date| date.yesterday().ok());
        let (Some(first), Some(last)) = (first, self.date(to)) else { return false };
        first.series(Span::new().days(1)).take_while(|date| *date <= last).any(|date| {
            let is_named = self.days.iter().any(|day| day.is(date));
            let day = date.weekday().to_monday_one_offset();
            let weekly = self.weekly.iter().filter(|weekly| weekly.days.contains(&day));
            (is_named && self.range(date, Time::midnight(), Time::midnight()).is_some_and(overlaps))
                || weekly.into_iter().any(|weekly| self.range(date, weekly.from, weekly.to).is_some_and(overlaps))
        })
    }

    fn date(&self, time: EventTime) -> Option<Date> {
        Some(self.zone.to_datetime(Timestamp::from_microsecond(time.micros()).ok()?).date())
    }

    /// From a time of a day to another one, of the next day when it is not later.
    fn range(&self, date: Date, from: Time, to: Time) -> Option<(EventTime, EventTime)> {
        let end = if from < to { date } else { date.tomorrow().ok()? };
        Some((first_instant(&self.zone, date.to_datetime(from))?, first_instant(&self.zone, end.to_datetime(to))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{TimeFormat, TimeUnit};

    fn at(text: &str) -> EventTime {
        TimeFormat { unit: TimeUnit::Seconds }.text(text).unwrap()
    }

    #[test]
    fn nights_reach_into_the_next_day_and_follow_the_clock_on_the_wall() {
        let calendar = Calendar {
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            weekly: vec![WeeklyTime {
                days: vec![1, 2, 3, 4, 5],
                from: jiff::civil::time(22, 0, 0, 0),
                to: jiff::civil::time(6, 0, 0, 0),
            }],
            days: Vec::new(),
            once: vec![Once { from: at("2026-12-24T00:00:00Z"), to: at("2026-12-27T00:00:00Z") }],
        };
        for (text, contained) in [
            // Friday evening and Saturday morning, winter time (UTC+1).
            ("2026-11-20T20:59:59Z", false),
            ("2026-11-20T21:00:00Z", true),
            ("2026-11-21T04:59:59Z", true),
            ("2026-11-21T05:00:00Z", false),
            // Saturday evening is no working day, Monday early belongs to Sunday.
            ("2026-11-21T21:30:00Z", false),
            ("2026-11-23T03:00:00Z", false),
            // Summer time (UTC+2).
            ("2026-07-01T20:00:00Z", true),
            ("2026-07-01T19:59:59Z", false),
            // The holidays.
            ("2026-12-25T12:00:00Z", true),
        ] {
            assert_eq!(calendar.contains(at(text)), contained, "{text}");
        }
    }

    #[test]
    fn a_window_that_touches_a_holiday_or_an_incident_overlaps_with_it() {
        let calendar = Calendar {
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            weekly: Vec::new(),
            days: vec![Day::Yearly { month: 12, day: 25 }, Day::Date(jiff::civil::date(2026, 4, 3))],
            once: vec![Once { from: at("2026-06-01T10:20:00Z"), to: at("2026-06-01T10:30:00Z") }],
        };
        for (from, to, overlaps) in [
            // 25 December in Berlin is from 23:00 to 23:00 UTC.
            ("2026-12-24T22:00:00Z", "2026-12-24T23:00:00Z", false),
            ("2026-12-24T23:00:00Z", "2026-12-25T00:00:00Z", true),
            ("2027-12-25T22:00:00Z", "2027-12-25T23:00:00Z", true),
            ("2026-12-25T23:00:00Z", "2026-12-26T00:00:00Z", false),
            ("2026-12-20T00:00:00Z", "2026-12-27T00:00:00Z", true),
            ("2026-04-03T10:00:00Z", "2026-04-03T11:00:00Z", true),
            ("2027-04-03T10:00:00Z", "2027-04-03T11:00:00Z", false),
            ("2026-06-01T10:00:00Z", "2026-06-01T11:00:00Z", true),
            ("2026-06-01T10:30:00Z", "2026-06-01T11:00:00Z", false),
        ] {
            assert_eq!(calendar.overlaps(at(from), at(to)), overlaps, "{from} to {to}");
        }
        let nights = Calendar {
            zone: TimeZone::UTC,
            weekly: vec![WeeklyTime {
                days: vec![6],
                from: jiff::civil::time(2, 0, 0, 0),
                to: jiff::civil::time(2, 10, 0, 0),
            }],
            days: Vec::new(),
            once: Vec::new(),
        };
        // A weekly time that a clock change skips begins with the change, as `contains` has it.
        let skipped = Calendar {
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            weekly: vec![WeeklyTime {
                days: vec![7],
                from: jiff::civil::time(2, 30, 0, 0),
                to: jiff::civil::time(4, 0, 0, 0),
            }],
            days: Vec::new(),
            once: Vec::new(),
        };
        assert!(skipped.contains(at("2026-03-29T01:10:00Z")));
        assert!(skipped.overlaps(at("2026-03-29T01:00:00Z"), at("2026-03-29T01:20:00Z")));
        assert!(!skipped.overlaps(at("2026-03-29T00:40:00Z"), at("2026-03-29T01:00:00Z")));
        // Saturday, 21 November 2026.
        assert!(nights.overlaps(at("2026-11-21T00:00:00Z"), at("2026-11-21T06:00:00Z")));
        assert!(!nights.overlaps(at("2026-11-21T03:00:00Z"), at("2026-11-22T00:00:00Z")));
        assert!(nights.overlaps(at("2026-11-22T00:00:00Z"), at("2026-11-29T00:00:00Z")));
    }
}
