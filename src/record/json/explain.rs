//! Why a message was rejected, in words: the field, its value and what is allowed. Only asked for when somebody is told,
//! so it may read the message again.

use serde_json::Value as Document;

use super::{JsonDecoder, document_of, without_mark};
use crate::record::frame::frame_of;
use crate::record::nearest::{listed, nearest};
use crate::record::value::{Value, shortened};
use crate::record::{RawMessage, RejectReason, TimeSpan};

/// Keys of a document named in a message, at most.
const KEYS: usize = 12;

impl JsonDecoder {
    /// Why [`Self::decode`] rejected this message, right after it did.
    #[must_use]
    pub fn explain(&self, message: RawMessage<'_>, reason: RejectReason) -> String {
        let payload = message.payload.unwrap_or_default();
        match reason {
            RejectReason::Tombstone => {
                "the message has no value; tombstones of compacted topics have none".to_owned()
            }
            RejectReason::TooBig => format!(
                "the message has {} bytes; allowed are {} (max_message_bytes)",
                payload.len(),
                self.layout.max_message_bytes
            ),
            // What begins a payload may be the value of somebody.
            RejectReason::Syntax => syntax(payload, self.sensitive.is_empty()),
            RejectReason::NotAnObject => not_an_object(payload),
            RejectReason::BadTimestamp => self.bad_time(payload),
            RejectReason::FutureTimestamp => self.future_time(message),
        }
    }

    fn time_value(&self) -> Value<'_> {
        self.slots.time.and_then(|slot| self.cells.get(slot)).map_or(Value::Missing, |cell| cell.value())
    }

    /// Whether the event time is the value of a sensitive column.
    fn hides_time(&self) -> bool {
        self.layout.time.as_ref().is_some_and(|path| self.sensitive.contains(path))
    }

    fn bad_time(&self, payload: &[u8]) -> String {
        let Some(path) = &self.layout.time else {
            return "the message has no timestamp\nhint: name the field of the event time as `time` in [source]"
                .to_owned();
        };
        match self.time_value() {
            Value::Missing => {
                let paths = paths_of(payload);
                let hint = nearest(&path.to_string(), paths.iter().map(String::as_str))
                    .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                format!("the record has no event time `{path}`; it has {}{hint}", fields(&paths))
            }
            value => self.layout.time_format.refusal(&path.to_string(), value, self.hides_time()),
        }
    }

    fn future_time(&self, message: RawMessage<'_>) -> String {
        let (name, time) = match &self.layout.time {
            Some(path) => (format!("`{path}`"), self.time_value().event_time(self.layout.time_format)),
            None => ("the timestamp of the message".to_owned(), message.broker_time),
        };
        if self.hides_time() {
            return format!(
                "{name} lies more than {} after the clocks (max_future_skew); its value is not shown: the column is sensitive\n\
                 hint: is the clock of the producer right, have local times their offset, and is `time_unit` that of the numbers?",
                duration(self.layout.max_future_skew)
            );
        }
        let own = message.clock.map(|clock| (clock, "this daemon's clock"));
        let clocks = message.broker_time.map(|time| (time, "the timestamp of the message")).into_iter().chain(own);
        let earlier = clocks.min_by_key(|(time, _)| *time);
        let Some((time, (now, clock))) = time.zip(earlier) else {
            return format!("{name} lies in the future");
        };
        let ahead = time.since(now);
        let text = format!(
            "{name} is {time}, {} after {clock}, {now}; allowed are {} (max_future_skew)",
            duration(ahead),
            duration(self.layout.max_future_skew)
        );
        let unit = self.layout.time_format.plausible_unit(time).map(|(unit, _)| unit.as_str());
        text + &match unit {
            Some(unit) if !matches!(self.time_value(), Value::Text(_)) => {
                format!("\nhint: is the number in another unit, time_unit = \"{unit}\"?")
            }
            _ if whole_hours(ahead) => {
                "\nhint: a difference of whole hours is that of a time zone: local times need their offset, such as +09:00".to_owned()
            }
            _ => "\nhint: is the clock of the producer right?".to_owned(),
        }
    }
}

/// Whether a difference may be that of a time zone: up to 14 hours, a quarter of an hour below a whole number of hours (what
/// is logged reaches the broker later) or two minutes around half of one.
fn whole_hours(span: TimeSpan) -> bool {
    const HOUR: i64 = 3_600_000_000;
    const MINUTE: i64 = 60_000_000;
    let micros = span.micros();
    let over = micros.rem_euclid(HOUR);
    let near = over >= HOUR - 15 * MINUTE || over <= 2 * MINUTE || (over - HOUR / 2).abs() <= 2 * MINUTE;
    near && (HOUR / 2 - 2 * MINUTE..=14 * HOUR + 2 * MINUTE).contains(&micros)
}

/// A duration in the largest units that say enough: `9 h 0 min`, `42 s`, `3.5 days`.
fn duration(span: TimeSpan) -> String {
    let seconds = span.micros() / 1_000_000;
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min {} s", seconds / 60, seconds % 60),
        7_200..172_800 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn syntax(payload: &[u8], with_text: bool) -> String {
    if payload.is_empty() {
        return "the message is empty".to_owned();
    }
    if let Some(frame) = frame_of(payload) {
        return frame;
    }
    let payload = without_mark(payload);
    let text = match std::str::from_utf8(payload) {
        Ok(text) => text,
        Err(error) => return format!("the message is not UTF-8 from byte {} on", error.valid_up_to()),
    };
    let begins = |what: &str, text: &str| {
        if with_text { format!("; {what} begins \"{}\"", shortened(text)) } else { String::new() }
    };
    let mut documents = serde_json::Deserializer::from_str(text).into_iter::<Document>();
    let first = documents.next();
    match (first, documents.byte_offset()) {
        (Some(Ok(_)), end) => format!(
            "the message holds more than one JSON document, the second from byte {end} on{}; one record a message is read",
            begins("it", text.get(end..).unwrap_or_default().trim_start())
        ),
        (Some(Err(error)), _) => format!("the message is not JSON: {error}{}", begins("it", text)),
        (None, _) => "the message holds white space only".to_owned(),
    }
}

fn not_an_object(payload: &[u8]) -> String {
    let document = serde_json::from_slice(without_mark(payload)).unwrap_or(Document::Null);
    let what = match &document {
        Document::Array(items) => format!("an array of {}; one record a message is read", items.len()),
        Document::String(text) if text.trim_start().starts_with(['{', '[']) => {
            "a text that holds JSON: it was encoded twice".to_owned()
        }
        Document::String(_) => "a text".to_owned(),
        Document::Number(_) => "a number".to_owned(),
        Document::Bool(_) => "a boolean".to_owned(),
        _ => "null".to_owned(),
    };
    format!("the message is not a JSON object but {what}")
}

/// The paths of the leaves of a document.
#[must_use]
pub fn paths_of(payload: &[u8]) -> Vec<String> {
    let Some(object) = document_of(payload) else { return Vec::new() };
    let mut leaves = Vec::new();
    crate::record::table::flatten(&object, &mut Vec::new(), &mut leaves);
    leaves.into_iter().map(|(steps, _)| crate::record::FieldPath::of_steps(steps).to_string()).collect()
}

fn fields(names: &[String]) -> String {
    if names.is_empty() {
        return "no field".to_owned();
    }
    let shown: Vec<String> = names.iter().map(|name| shortened(name)).collect();
    listed(&shown, KEYS)
}
