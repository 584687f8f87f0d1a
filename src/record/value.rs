//! One canonical form for values of every type, whatever format and width they arrive in.
//!
//! Every reader (JSON from Kafka or files, CSV, Parquet, Arrow) hands over [`Value`]s, and this module alone says what a
//! value means to a column of each type. So the same rows give the same counts in every format:
//!
//! * Whole numbers are written as integers: `12`, `12.0` and the text `12.0`, as CSV has it, are one category. Integers
//!   keep all of their digits, beyond 64 bits, too: of an identifier every digit counts.
//! * Other numbers are written with the digits that single precision has, so that 0.1 is one category in float32 and
//!   float64. Text that is written as a program writes a number is that number: `1.10` and `007` stay text.
//! * `true` and `false` in any case are booleans; a time is RFC 3339 in UTC, and a date when it is midnight.
//! * Text is in the composed form of Unicode (NFC). Empty text is null, since CSV cannot tell them apart.
//! * A NaN or an infinite number is absent as such in every type of column.
//! * A time in a numeric column is seconds since 1970, a time of day or a duration is seconds.

use std::borrow::Cow;
use std::fmt::Write as _;

use icu_normalizer::ComposingNormalizerBorrowed;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use xxhash_rust::xxh3::xxh3_64;

use super::{Absence, EventTime, MAX_CATEGORY_BYTES, TimeFormat};
use crate::escape::plain;

/// A value as a reader hands it over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// The field is not there.
    Missing,
    /// An explicit null.
    Null,
    Boolean(bool),
    Integer(i64),
    /// Beyond `i64`.
    Unsigned(u64),
    Number(f64),
    /// An integer beyond 64 bits in its digits, as JSON writes it.
    Digits(&'a str),
    Text(&'a str),
    /// An array of numbers.
    Vector(&'a [f64]),
    /// An array of anything else.
    Array,
    /// An object, struct or map.
    Object,
}

/// A whole number below this is exact in 64-bit floats and integers.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// A number written longer than this is no number that a program wrote.
const LONGEST_NUMBER: usize = 40;
/// Values are cut to this many characters in messages.
const SHOWN: usize = 60;

impl<'a> Value<'a> {
    /// As a finite number.
    #[expect(clippy::cast_precision_loss, reason = "numeric columns are 64-bit floats by definition")]
    pub(crate) fn numeric(self) -> Result<f64, Absence> {
        let value = match self {
            Self::Missing => return Err(Absence::Missing),
            Self::Null | Self::Text("") => return Err(Absence::Null),
            Self::Integer(value) => value as f64,
            Self::Unsigned(value) => value as f64,
            Self::Number(value) => value,
            Self::Digits(digits) => digits.parse().map_err(|_| Absence::WrongType)?,
            Self::Text(text) => return seconds_of(text).ok_or_else(|| non_finite_word(text)),
            Self::Boolean(_) | Self::Vector(_) | Self::Array | Self::Object => return Err(Absence::WrongType),
        };
        finite(value)
    }

    /// As a boolean; `1` and `0` are booleans, too.
    pub(crate) fn boolean(self) -> Result<bool, Absence> {
        match self {
            Self::Boolean(value) => Ok(value),
            Self::Integer(0) | Self::Number(0.0) => Ok(false),
            Self::Integer(1) | Self::Number(1.0) => Ok(true),
            Self::Number(value) => finite(value).and(Err(Absence::WrongType)),
            Self::Missing => Err(Absence::Missing),
            Self::Null | Self::Text("") => Err(Absence::Null),
            _ => Err(Absence::WrongType),
        }
    }

    /// Writes the category into `buffer`, which is emptied first.
    pub(crate) fn category(self, buffer: &mut String) -> Result<(), Absence> {
        buffer.clear();
        // Writing to a String cannot fail.
        let _infallible = match self {
            Self::Missing => return Err(Absence::Missing),
            Self::Null | Self::Text("") => return Err(Absence::Null),
            Self::Vector(_) | Self::Array | Self::Object => return Err(Absence::WrongType),
            Self::Boolean(value) => write!(buffer, "{value}"),
            Self::Integer(value) => write!(buffer, "{value}"),
            Self::Unsigned(value) => write!(buffer, "{value}"),
            Self::Number(value) => {
                push_number(buffer, finite(value)?);
                Ok(())
            }
            Self::Digits(digits) => {
                match float_of(digits) {
                    Some(value) => push_number(buffer, value),
                    None => push_category(buffer, digits),
                }
                Ok(())
            }
            Self::Text(text) => {
                push_text(buffer, text);
                Ok(())
            }
        };
        Ok(())
    }

    /// Writes a name, such as a model version, into `buffer`: text as it is, so that version `1.0` is not called `1`;
    /// everything else as a category. False where there is none.
    pub(crate) fn name(self, buffer: &mut String) -> bool {
        match self {
            Self::Text(text) if !text.is_empty() => {
                buffer.clear();
                push_category(buffer, text);
                true
            }
            other => other.category(buffer).is_ok(),
        }
    }

    /// As free text.
    pub(crate) fn text(self) -> Result<&'a str, Absence> {
        match self {
            Self::Text("") | Self::Null => Err(Absence::Null),
            Self::Text(text) => Ok(text),
            Self::Missing => Err(Absence::Missing),
            _ => Err(Absence::WrongType),
        }
    }

    /// As a vector.
    pub(crate) fn vector(self) -> Result<&'a [f64], Absence> {
        match self {
            Self::Vector(vector) => Ok(vector),
            Self::Missing => Err(Absence::Missing),
            Self::Null | Self::Text("") => Err(Absence::Null),
            _ => Err(Absence::WrongType),
        }
    }

    /// As an event time.
    pub(crate) fn event_time(self, format: TimeFormat) -> Option<EventTime> {
        match self {
            Self::Integer(value) => format.integer(value),
            Self::Number(value) => format.number(value),
            Self::Text(text) => format.text(text),
            _ => None,
        }
    }

    /// For messages: text in quotes, everything shortened.
    pub(crate) fn shown(self) -> String {
        match self {
            Self::Missing => "missing".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Unsigned(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Digits(digits) => shortened(digits),
            Self::Text(text) => format!("\"{}\"", shortened(text)),
            Self::Vector(_) => "an array of numbers".to_owned(),
            Self::Array => "an array".to_owned(),
            Self::Object => "an object".to_owned(),
        }
    }
}

/// The first characters of hostile text, on one line, for messages.
pub(crate) fn shortened(text: &str) -> String {
    let mut shown = plain(&text.chars().take(SHOWN).collect::<String>());
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

fn finite(value: f64) -> Result<f64, Absence> {
    if value.is_nan() {
        Err(Absence::Nan)
    } else if value.is_infinite() {
        Err(Absence::Infinite)
    } else {
        Ok(value)
    }
}

fn non_finite_word(text: &str) -> Absence {
    let word = text.trim().trim_start_matches(['+', '-']);
    if word.eq_ignore_ascii_case("nan") {
        Absence::Nan
    } else if word.eq_ignore_ascii_case("infinity") || word.eq_ignore_ascii_case("inf") {
        Absence::Infinite
    } else {
        // A number in quotes is a change of type upstream; hiding it would hide the drift.
        Absence::WrongType
    }
}

/// Appends a finite number as a category: in the digits that single precision has, unless it is whole; with an exponent
/// where it is very small or very large.
fn push_number(buffer: &mut String, value: f64) {
    #[expect(clippy::cast_possible_truncation, reason = "whole and within i64, or meant to lose digits")]
    let (whole, single) = (value as i64, value as f32);
    let plain = (1e-7..1e21).contains(&value.abs());
    // Single precision has no digits for what lies below or above its range.
    // Writing to a String cannot fail.
    let _infallible = match (value == value.trunc(), single.is_normal()) {
        (true, _) if value.abs() < EXACT => write!(buffer, "{whole}"),
        (true, _) if plain => write!(buffer, "{value}"),
        (false, true) if plain => write!(buffer, "{single}"),
        (false, true) => write!(buffer, "{single:e}"),
        _ => write!(buffer, "{value:e}"),
    };
}

/// Appends a text as a category.
fn push_text(buffer: &mut String, text: &str) {
    match text.as_bytes().first() {
        Some(b'0'..=b'9' | b'-') => match number_of(text) {
            Some(number) => push_number(buffer, number),
            None => match time_of(text) {
                Some(time) => push_time(buffer, time),
                None => push_category(buffer, text),
            },
        },
        Some(b't' | b'T') if text.eq_ignore_ascii_case("true") => buffer.push_str("true"),
        Some(b'f' | b'F') if text.eq_ignore_ascii_case("false") => buffer.push_str("false"),
        _ => push_category(buffer, text),
    }
}

/// The number that a text is when a program wrote it: none for `007`, `1.10`, `1,5`, and none for integers that stand
/// for themselves as they are.
fn number_of(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if text.len() > LONGEST_NUMBER
        || !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
    {
        return None;
    }
    let leading_zero = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    if leading_zero {
        return None;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        // An integer is written as it is, with all of its digits.
        return if digits == "0" { Some(0.0) } else { float_of(text).filter(|_| digits.len() > MOST_DIGITS) };
    }
    let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
    let written = match digits.split_once(['e', 'E']) {
        None => text.strip_suffix(".0").unwrap_or(text) == value.to_string().as_str(),
        Some((mantissa, exponent)) => {
            // `1e5` may be a code; programs write exponents of numbers that are small, or with a sign.
            let signed = exponent.starts_with(['+', '-']);
            let scientific = format!("{:e}", value.abs());
            let mantissa = mantissa.strip_suffix(".0").unwrap_or(mantissa);
            signed && scientific.split_once('e').is_some_and(|(digits, _)| digits == mantissa)
        }
    };
    written.then_some(value)
}

/// Digits of integers that 64 bits hold.
const MOST_DIGITS: usize = 19;

/// The float that an integer beyond 64 bits is when it has no digits but those of the float: 1e21, written out. An
/// identifier of as many digits has more.
fn float_of(digits: &str) -> Option<f64> {
    let value: f64 = digits.parse().ok().filter(|value: &f64| value.is_finite())?;
    (value.to_string() == digits).then_some(value)
}

/// A date with a time of day, or a date alone; local times without an offset are taken as UTC.
fn time_of(text: &str) -> Option<Timestamp> {
    if !looks_like_time(text) {
        return None;
    }
    if text.len() == 10 {
        return text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp());
    }
    match text.parse::<Timestamp>() {
        Ok(timestamp) => Some(timestamp),
        Err(_) => Some(text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp()),
    }
}

/// `2024-05-01`, with or without a time of day.
pub(crate) fn looks_like_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 10
        && bytes.iter().take(10).enumerate().all(|(place, byte)| match place {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
        && bytes.get(10).is_none_or(|byte| matches!(byte, b'T' | b't' | b' '))
}

/// Appends a time as a category: midnight in UTC as the date alone, which is how text formats write columns of dates.
fn push_time(buffer: &mut String, time: Timestamp) {
    let written = time.to_string();
    buffer.push_str(written.strip_suffix("T00:00:00Z").unwrap_or(&written));
}

/// Seconds since 1970 of a text that is a time.
fn seconds_of(text: &str) -> Option<f64> {
    time_of(text).map(|time| time.as_duration().as_secs_f64())
}

/// Appends a category: in the composed form of Unicode, and shortened to a prefix and a hash when longer than
/// [`MAX_CATEGORY_BYTES`]. A NUL becomes a replacement character: PostgreSQL's texts and JSON cannot hold one, and a
/// record must not keep its window from being stored.
pub(crate) fn push_category(buffer: &mut String, text: &str) {
    let composed: Cow<'_, str> =
        if text.is_ascii() { text.into() } else { ComposingNormalizerBorrowed::new_nfc().normalize(text) };
    if composed.as_bytes().contains(&0) {
        return push_category(buffer, &composed.replace('\0', "\u{fffd}"));
    }
    if composed.len() <= MAX_CATEGORY_BYTES {
        buffer.push_str(&composed);
        return;
    }
    let prefix: String = composed.chars().take(48).collect();
    // Writing to a String cannot fail.
    let _infallible = write!(buffer, "{prefix}…#{:016x}", xxh3_64(composed.as_bytes()));
}

/// A configured value, such as that of a filter, in the canonical form.
pub(crate) fn canonical(text: &str) -> String {
    let mut buffer = String::new();
    push_text(&mut buffer, text);
    buffer
}

#[cfg(test)]
mod tests;
