//! Where false windows lie in time, when that says where they come from.

use std::fmt;

use super::interval::number;
use crate::record::{EventTime, TimeSpan};

/// Fewer false windows show no pattern.
const LEAST: usize = 5;
/// The part of false windows that a pattern holds.
const MOST: f64 = 0.8;
/// Hours of the day that are still a pattern together.
const HOURS: usize = 8;
/// Days of the week that are still a pattern together.
const DAYS: usize = 2;

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Where most false windows lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// In the last third of the time: a trend, or a change that is real.
    AtTheEnd,
    /// In the first third of the time.
    AtTheBeginning,
    /// In these hours of the day, UTC: from, to (exclusive).
    Hours(usize, usize),
    /// On this day of the week, or on this one and the next, UTC; Monday is 0.
    Weekdays(usize, usize),
}

impl Pattern {
    /// That of false windows with these starts, among windows of a time that end every so often; none where they lie everywhere.
    pub(super) fn of(starts: &[EventTime], (from, to): (EventTime, EventTime), every: TimeSpan) -> Option<Self> {
        if starts.len() < LEAST {
            return None;
        }
        let third = to.since(from).as_seconds() / 3.0;
        let place = |start: &EventTime| start.since(from).as_seconds();
        let part = |count: usize| number(count) / number(starts.len());
        if part(starts.iter().filter(|start| place(start) >= 2.0 * third).count()) >= MOST {
            return Some(Self::AtTheEnd);
        }
        if part(starts.iter().filter(|start| place(start) < third).count()) >= MOST {
            return Some(Self::AtTheBeginning);
        }
        let hours = (every <= TimeSpan::hours(1)).then(|| {
            let narrow = narrowest(starts.iter().map(|start| unit(*start, TimeSpan::hours(1), 24)), 24);
            (narrow.1 <= HOURS).then_some(Self::Hours(narrow.0, (narrow.0 + narrow.1) % 24))
        });
        let days = || {
            let is_long_enough = every <= TimeSpan::days(1) && to.since(from) >= TimeSpan::days(14);
            let narrow = narrowest(starts.iter().map(|start| (unit(*start, TimeSpan::days(1), 7) + 3) % 7), 7);
            (is_long_enough && narrow.1 <= DAYS).then_some(Self::Weekdays(narrow.0, narrow.1))
        };
        hours.flatten().or_else(days)
    }
}

/// Which of so many units in a circle a time lies in; that of 1970-01-01T00:00:00Z is 0.
fn unit(time: EventTime, of: TimeSpan, circle: usize) -> usize {
    let units = time.micros().div_euclid(of.micros().max(1));
    usize::try_from(units.rem_euclid(i64::try_from(circle).unwrap_or(1))).unwrap_or(0)
}

/// The shortest stretch of a circle that holds most of some places: where it begins, and how long it is.
fn narrowest(places: impl Iterator<Item = usize>, circle: usize) -> (usize, usize) {
    let mut counts = vec![0usize; circle];
    for place in places {
        if let Some(count) = counts.get_mut(place) {
            *count += 1;
        }
    }
    let all = number(counts.iter().sum());
    let held = |from: usize, length: usize| {
        let inside = counts.iter().cycle().skip(from).take(length).sum::<usize>();
        number(inside)
    };
    let stretches = (1..=circle).flat_map(|length| (0..circle).map(move |from| (from, length)));
    // Of stretches of one length the one that holds most.
    let enough = stretches.filter(|(from, length)| held(*from, *length) >= MOST * all);
    let shortest: Vec<(usize, usize)> = enough.collect();
    let length = shortest.first().map_or(circle, |(_, length)| *length);
    let of_length = shortest.into_iter().filter(|(_, own)| *own == length);
    of_length.max_by(|left, right| held(left.0, length).total_cmp(&held(right.0, length))).unwrap_or((0, circle))
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |place: &usize| WEEKDAYS.get(place % 7).copied().unwrap_or_default();
        match self {
            Self::AtTheEnd => formatter.write_str("in the last third of the time"),
            Self::AtTheBeginning => formatter.write_str("in the first third of the time"),
            Self::Hours(from, to) => write!(formatter, "from {from:02}:00 to {to:02}:00 UTC"),
            Self::Weekdays(first, 1) => write!(formatter, "on {}", day(first)),
            Self::Weekdays(first, _) => write!(formatter, "on {} and {}", day(first), day(&(first + 1))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(hours: &[i64]) -> Vec<EventTime> {
        hours.iter().map(|hour| EventTime::default().shifted(TimeSpan::hours(*hour))).collect()
    }

    #[test]
    fn false_windows_of_one_time_of_day_or_week_and_of_one_end_are_a_pattern() {
        let whole = (EventTime::default(), EventTime::default().shifted(TimeSpan::days(30)));
        let of = |starts: &[i64]| Pattern::of(&hours(starts), whole, TimeSpan::hours(1));
        assert_eq!(of(&[2, 27, 50, 171, 218, 554, 620]), Some(Pattern::Hours(2, 4)));
        assert_eq!(of(&[640, 650, 660, 670, 680]), Some(Pattern::AtTheEnd));
        assert_eq!(of(&[1, 9, 17, 60, 90]), Some(Pattern::AtTheBeginning));
        assert_eq!(of(&[1, 2, 3]), None, "too few");
        // 1970-01-03 was a Saturday.
        let saturdays = of(&[48, 60, 48 + 175, 48 + 336 + 20, 48 + 504 + 9, 48 + 504 + 15]).unwrap();
        assert_eq!((saturdays, saturdays.to_string().as_str()), (Pattern::Weekdays(5, 1), "on Saturday"));
        let scattered: Vec<i64> = (0..60).map(|place| place * 11 + place / 3).collect();
        assert_eq!(of(&scattered), None);
    }
}
