//! Calendars: times of the week in a time zone, and maintenance windows. Pure: the zone is given.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

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

/// A named set of times.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// Where the days and hours are meant.
    pub zone: TimeZone,
    /// Every week.
    pub weekly: Vec<WeeklyTime>,
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
}
