//! A message as decoders see it, and the outcomes of its records.

use super::{EventTime, Offset, RejectReason};

/// One Kafka message.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawMessage<'a> {
    /// The value; `None` is a tombstone.
    pub payload: Option<&'a [u8]>,
    pub key: Option<&'a [u8]>,
    pub headers: Headers<'a>,
    /// Its offset in the partition.
    pub offset: Offset,
    /// The timestamp of the message, which its broker or its producer has set.
    pub broker_time: Option<EventTime>,
    /// The clock of the reader; none where the log is read long after it was written and no clock matters.
    pub clock: Option<EventTime>,
}

/// The headers of a message, in their order; names may repeat. Packed into bytes, so that a batch of messages is one
/// buffer: for each header the lengths of its name and value as four bytes each, then both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers<'a>(&'a [u8]);

/// The length of a value that there is not.
const NULL: u32 = u32::MAX;

impl<'a> Headers<'a> {
    /// Adds a header to packed ones. One that is longer than four bytes can say is left out: no broker takes it.
    pub fn pack(packed: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).ok().filter(|length| *length != NULL);
        let Some(name_length) = length(name.as_bytes()) else { return };
        let Some(value_length) = value.map_or(Some(NULL), length) else { return };
        packed.extend_from_slice(&name_length.to_le_bytes());
        packed.extend_from_slice(&value_length.to_le_bytes());
        packed.extend_from_slice(name.as_bytes());
        packed.extend_from_slice(value.unwrap_or_default());
    }

    /// What [`Self::pack`] made.
    #[must_use]
    pub fn of(packed: &'a [u8]) -> Self {
        Self(packed)
    }

    /// Names and values.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (name_length, after) = rest.split_first_chunk::<4>()?;
            let (value_length, after) = after.split_first_chunk::<4>()?;
            let value_length = u32::from_le_bytes(*value_length);
            let (name, after) = after.split_at_checked(u32::from_le_bytes(*name_length) as usize)?;
            let is_null = value_length == NULL;
            let (value, after) = after.split_at_checked(if is_null { 0 } else { value_length as usize })?;
            rest = after;
            Some((std::str::from_utf8(name).unwrap_or_default(), (!is_null).then_some(value)))
        })
    }

    /// The value of the last header of a name, as Kafka's own clients read it.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'a [u8]> {
        self.iter().filter(|(known, _)| *known == name).last().and_then(|(_, value)| value)
    }
}

/// What one record of a message became for one monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A row was added to the batch.
    Row,
    /// The record belongs to something this monitor does not watch.
    Filtered,
    /// The record, or the message, cannot be used.
    Rejected(RejectReason),
}

/// What the records of one message became, in their order. There is always one: a message without a record is filtered or
/// rejected as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcomes {
    /// Of a format with one record per message, or of a message that could not be read.
    One(Decoded),
    /// Of a batch of records.
    Many(Vec<Decoded>),
}

impl Outcomes {
    /// The outcome of each record.
    pub fn iter(&self) -> impl Iterator<Item = Decoded> + '_ {
        let (one, many) = match self {
            Self::One(outcome) => (Some(*outcome), None),
            Self::Many(outcomes) => (None, Some(outcomes.iter().copied())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_what_was_packed() {
        let mut packed = Vec::new();
        let headers =
            [("ce_id", Some(&b"7"[..])), ("", Some(&[0xff, 0, 7][..])), ("ce_id", None), ("empty", Some(&[][..]))];
        for (name, value) in headers {
            Headers::pack(&mut packed, name, value);
        }
        assert_eq!(Headers::of(&packed).iter().collect::<Vec<_>>(), headers);
        assert_eq!(Headers::of(&packed).get("empty"), Some(&[][..]));
        assert_eq!(Headers::of(&packed).get("ce_id"), None, "the last one of a name counts");
        assert_eq!(Headers::default().iter().count(), 0);
        for cut in 0..packed.len() {
            assert!(Headers::of(&packed[..cut]).iter().count() < headers.len(), "{cut}");
        }
    }

    #[test]
    fn every_record_of_a_message_has_an_outcome() {
        let one = Outcomes::One(Decoded::Row);
        assert_eq!(one.iter().collect::<Vec<_>>(), [Decoded::Row]);
        let many = vec![Decoded::Row, Decoded::Filtered, Decoded::Rejected(RejectReason::Syntax)];
        assert_eq!(Outcomes::Many(many.clone()).iter().collect::<Vec<_>>(), many);
    }
}
