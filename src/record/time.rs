//! Event time: when a prediction was made, as the record says.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::TimeSpan;
use super::value::Value;

/// A point in event time: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct EventTime(i64);

/// Microseconds since the epoch that are no event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no time between the years 1900 and 9999")]
pub struct TimeError(i64);

impl TryFrom<i64> for EventTime {
    type Error = TimeError;

    /// As stored: validated on the way in, since the database is input too.
    fn try_from(micros: i64) -> Result<Self, TimeError> {
        Self::from_micros(micros).ok_or(TimeError(micros))
    }
}

impl From<EventTime> for i64 {
    fn from(time: EventTime) -> Self {
        time.0
    }
}

/// Years 1900 to 9999, roughly: what PostgreSQL, Arrow and jiff all represent.
const MIN_MICROS: i64 = -2_208_988_800_000_000;
const MAX_MICROS: i64 = 253_402_300_799_999_999;

impl EventTime {
    /// The end of the year 9999.
    pub const MAX: Self = Self(MAX_MICROS);

    /// From microseconds since the epoch; `None` outside the years 1900 to 9999.
    #[must_use]
    pub fn from_micros(micros: i64) -> Option<Self> {
        (MIN_MICROS..=MAX_MICROS).contains(&micros).then_some(Self(micros))
    }

    /// From milliseconds since the epoch, as Kafka stamps messages.
    #[must_use]
    pub fn from_millis(millis: i64) -> Option<Self> {
        Self::from_micros(millis.checked_mul(1_000)?)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub fn micros(self) -> i64 {
        self.0
    }

    /// So much later (or earlier), kept within the representable years.
    #[must_use]
    pub fn shifted(self, span: TimeSpan) -> Self {
        Self(self.0.saturating_add(span.micros()).clamp(MIN_MICROS, MAX_MICROS))
    }

    /// How long after another time it is; negative when it is before.
    #[must_use]
    pub fn since(self, earlier: Self) -> TimeSpan {
        TimeSpan::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl std::str::FromStr for EventTime {
    type Err = String;

    /// RFC 3339, as it is displayed.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        TimeFormat { unit: TimeUnit::Seconds }
            .text(text)
            .ok_or_else(|| format!("`{text}` is not a time; write it as 2026-01-31T00:00:00Z"))
    }
}

impl EventTime {
    /// The time without the fraction of its second.
    #[must_use]
    pub fn to_the_second(self) -> Self {
        Self(self.0 - self.0.rem_euclid(1_000_000))
    }
}

impl fmt::Display for EventTime {
    /// RFC 3339 in UTC, without a fraction when there is none.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_microsecond(self.0) {
            Ok(timestamp) => write!(formatter, "{timestamp}"),
            Err(_) => write!(formatter, "{} us", self.0),
        }
    }
}

/// The unit of a numeric event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeUnit {
    /// Seconds, fractions allowed.
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "us")]
    Microseconds,
    #[serde(rename = "ns")]
    Nanoseconds,
}

impl TimeUnit {
    /// Every unit.
    pub const ALL: [Self; 4] = [Self::Seconds, Self::Milliseconds, Self::Microseconds, Self::Nanoseconds];

    /// The name used in configuration: `s`, `ms`, `us` or `ns`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Nanoseconds => "ns",
        }
    }

    /// How many there are in a second.
    fn per_second(self) -> f64 {
        match self {
            Self::Seconds => 1.0,
            Self::Milliseconds => 1e3,
            Self::Microseconds => 1e6,
            Self::Nanoseconds => 1e9,
        }
    }
}

/// Years in which predictions are logged: 1990 to 2100. A time outside of them is more likely in another unit.
const PLAUSIBLE: std::ops::Range<i64> = 631_152_000_000_000..4_102_444_800_000_000;

impl EventTime {
    /// Whether it lies in the years 1990 to 2100.
    #[must_use]
    pub fn is_plausible(self) -> bool {
        PLAUSIBLE.contains(&self.0)
    }
}

/// How event times are written in records. Text is always read as RFC 3339; without an offset it is taken as UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeFormat {
    /// What a number means.
    pub unit: TimeUnit,
}

impl TimeFormat {
    /// Reads a numeric event time; `None` when it is not finite or outside the years 1900 to 9999.
    #[must_use]
    pub fn number(self, value: f64) -> Option<EventTime> {
        let micros = match self.unit {
            TimeUnit::Seconds => value * 1e6,
            TimeUnit::Milliseconds => value * 1e3,
            TimeUnit::Microseconds => value,
            TimeUnit::Nanoseconds => value / 1e3,
        };
        if !micros.is_finite() || micros.abs() > 9e18 {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "checked to lie within i64 above")]
        EventTime::from_micros(micros.round() as i64)
    }

    /// Reads an integer event time exactly.
    #[must_use]
    pub fn integer(self, value: i64) -> Option<EventTime> {
        let micros = match self.unit {
            TimeUnit::Seconds => value.checked_mul(1_000_000)?,
            TimeUnit::Milliseconds => value.checked_mul(1_000)?,
            TimeUnit::Microseconds => value,
            TimeUnit::Nanoseconds => value.div_euclid(1_000),
        };
        EventTime::from_micros(micros)
    }

    /// The unit in which the number behind an implausible time is a plausible one, with that time. `None` when the time
    /// is plausible, or in no unit.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a guess at a unit needs no last digit")]
    pub fn plausible_unit(self, time: EventTime) -> Option<(TimeUnit, EventTime)> {
        self.plausible_unit_of(time.micros() as f64 / 1e6 * self.unit.per_second())
            .filter(|_| !time.is_plausible())
    }

    /// What a time that cannot be meant is in the unit that was probably meant, to be added to a sentence; empty when there
    /// is no such unit.
    pub(crate) fn in_other_unit(self, time: EventTime) -> String {
        self.plausible_unit(time).map_or(String::new(), |(unit, read)| {
            format!("; with `time_unit = \"{}\"` it is {read}", unit.as_str())
        })
    }

    fn plausible_unit_of(self, number: f64) -> Option<(TimeUnit, EventTime)> {
        let others = TimeUnit::ALL.into_iter().filter(|unit| *unit != self.unit);
        let mut read = others.filter_map(|unit| Some((unit, TimeFormat { unit }.number(number)?)));
        read.find(|(_, time)| time.is_plausible())
    }

    /// Why a value is no event time: what it is, unless nobody is to see it, and what is allowed.
    pub(crate) fn refusal(self, field: &str, value: Value<'_>, sensitive: bool) -> String {
        let unit = self.unit.as_str();
        if sensitive {
            return format!(
                "the event time `{field}` cannot be read; its value is not shown: the column is sensitive. Allowed are RFC 3339 text, \
                 such as 2026-01-31T09:30:00Z, and numbers since 1970 (time_unit = \"{unit}\") in the years 1900 to 9999"
            );
        }
        let number = match value {
            #[expect(clippy::cast_precision_loss, reason = "a guess at a unit needs no last digit")]
            Value::Integer(number) => Some(number as f64),
            Value::Number(number) => Some(number),
            _ => None,
        };
        match number {
            Some(number) => {
                let hint = self.plausible_unit_of(number).map_or(String::new(), |(unit, time)| {
                    format!("\nhint: with time_unit = \"{}\" it is {time}", unit.as_str())
                });
                format!(
                    "the event time `{field}` is {}, which lies outside the years 1900 to 9999 in the unit {unit}{hint}",
                    value.shown()
                )
            }
            None => format!(
                "the event time `{field}` cannot be read: it is {}; allowed are RFC 3339 text, such as 2026-01-31T09:30:00Z, and numbers since 1970 (time_unit = \"{unit}\")",
                value.shown()
            ),
        }
    }

    /// Reads RFC 3339 text, `2026-11-21T15:00:00Z` or `2026-11-21 15:00:00`.
    #[must_use]
    pub fn text(self, value: &str) -> Option<EventTime> {
        let timestamp = match value.parse::<Timestamp>() {
            Ok(timestamp) => timestamp,
            Err(_) => value.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
        };
        EventTime::from_micros(timestamp.as_microsecond())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLIS: TimeFormat = TimeFormat { unit: TimeUnit::Milliseconds };

    #[test]
    fn text_with_and_without_offset_is_read_as_utc() {
        let expected = EventTime::from_micros(1_300_000_000_000_000);
        assert_eq!(MILLIS.text("2011-03-13T07:06:40Z"), expected);
        assert_eq!(MILLIS.text("2011-03-13T08:06:40+01:00"), expected);
        assert_eq!(MILLIS.text("2011-03-13 07:06:40"), expected);
        assert_eq!(MILLIS.text("yesterday"), None);
    }

    #[test]
    fn units_agree_and_nonsense_is_refused() {
        let expected = EventTime::from_micros(1_300_000_000_000_000);
        assert_eq!(MILLIS.integer(1_300_000_000_000), expected);
        assert_eq!(TimeFormat { unit: TimeUnit::Seconds }.number(1.3e9), expected);
        assert_eq!(TimeFormat { unit: TimeUnit::Nanoseconds }.integer(1_300_000_000_000_000_000), expected);
        // Nanoseconds read as milliseconds lie beyond the year 9999.
        assert_eq!(MILLIS.integer(1_300_000_000_000_000_000), None);
        assert_eq!(MILLIS.number(f64::NAN), None);
    }

    #[test]
    fn shifting_saturates_instead_of_wrapping() {
        let last = EventTime(MAX_MICROS);
        assert_eq!(last.shifted(TimeSpan::MAX), last);
    }
}
