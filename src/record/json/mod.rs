//! JSON records: a plan compiled once from the schema, one pass over each message, no tree in between.
//!
//! The plan is a trie of the configured paths. While serde_json streams through a message every value is
//! either dropped in the cell of the path it belongs to or skipped. A message touches the batch only after
//! all of it was read, so a broken one leaves nothing behind. Values nobody asked for are skipped without
//! recursion, so nesting costs no stack.

mod explain;
mod pass;
mod plan;

pub use explain::paths_of;

use std::borrow::Cow;

use serde::de::DeserializeSeed as _;

use super::cell::Cell;
use super::lenient::{repaired, with_digits};
use super::value::{Value, canonical};
use super::{
    BatchBuilder, Decoded, DecodedBatch, EventTime, FieldPath, ModelSchema, RawMessage, RecordLayout, RejectReason,
};
use pass::NodeSeed;
use plan::{Plan, ROOT};

/// Decodes JSON messages of one monitor into record batches.
#[derive(Debug)]
pub struct JsonDecoder {
    plan: Plan,
    cells: Vec<Cell>,
    slots: Slots,
    layout: RecordLayout,
    builder: BatchBuilder,
    /// The filter that the last filtered record failed.
    failed: Option<usize>,
    /// Paths of sensitive columns, whose values are in no message.
    sensitive: Vec<FieldPath>,
    /// The category of a filter's field, reused from record to record.
    scratch: String,
}

/// Which cell holds what: columns come first, then these.
#[derive(Clone, Debug)]
struct Slots {
    columns: usize,
    time: Option<usize>,
    version: Option<usize>,
    segments: Vec<usize>,
    filters: Vec<(usize, String)>,
}

impl JsonDecoder {
    /// Compiles the plan for a schema and layout.
    #[must_use]
    pub fn new(schema: &ModelSchema, layout: RecordLayout) -> Self {
        let mut plan = Plan::new();
        let mut cells = 0;
        let mut place = |path: &FieldPath| {
            plan.add(path, cells);
            plan.add_flat(path, cells);
            cells += 1;
            cells - 1
        };
        for column in schema.columns() {
            place(&column.path);
        }
        let slots = Slots {
            columns: schema.columns().len(),
            time: layout.time.as_ref().map(&mut place),
            version: layout.version.as_ref().map(&mut place),
            segments: layout.segments.iter().map(|(_, path)| place(path)).collect(),
            filters: layout.filters.iter().map(|(path, value)| (place(path), canonical(value))).collect(),
        };
        let builder = BatchBuilder::new(schema, layout.segments.len());
        let sensitive = schema.columns().iter().filter(|column| column.sensitive);
        let sensitive = sensitive.map(|column| column.path.clone()).collect();
        Self {
            plan,
            cells: (0..cells).map(|_| Cell::default()).collect(),
            slots,
            layout,
            builder,
            failed: None,
            sensitive,
            scratch: String::new(),
        }
    }

    /// Reads one message into the batch under construction.
    pub fn decode(&mut self, message: RawMessage<'_>) -> Decoded {
        let Some(payload) = message.payload else {
            return Decoded::Rejected(RejectReason::Tombstone);
        };
        if payload.len() > self.layout.max_message_bytes {
            return Decoded::Rejected(RejectReason::TooBig);
        }
        if let Err(reason) = self.read_cells(payload) {
            return Decoded::Rejected(reason);
        }
        let Self { slots, cells, scratch, .. } = self;
        let mut is = |slot: usize, expected: &str| {
            let value = cells.get(slot).map_or(Value::Missing, Cell::value);
            value.category(scratch).is_ok() && scratch == expected
        };
        self.failed = slots.filters.iter().position(|(slot, expected)| !is(*slot, expected));
        if self.failed.is_some() {
            return Decoded::Filtered;
        }
        let time = match self.event_time(message) {
            Ok(time) => time,
            Err(reason) => return Decoded::Rejected(reason),
        };
        let value = |slot: &usize| self.cells.get(*slot).map_or(Value::Missing, Cell::value);
        let columns = self.cells.iter().take(self.slots.columns).map(Cell::value);
        let version = self.slots.version.as_ref().map_or(Value::Missing, value);
        let segments = self.slots.segments.iter().map(value);
        self.builder.append(columns, time, (message.offset, 0), version, segments);
        Decoded::Row
    }

    /// Which filter the last filtered record failed, by its path, and the value that the record has there.
    #[must_use]
    pub fn filtered_by(&self) -> Option<(&FieldPath, String)> {
        let place = self.failed?;
        let (path, _) = self.layout.filters.get(place)?;
        let (slot, _) = self.slots.filters.get(place)?;
        if self.sensitive.contains(path) {
            return Some((path, "another value".to_owned()));
        }
        Some((path, self.cells.get(*slot).map_or(Value::Missing, Cell::value).shown()))
    }

    /// Rows decoded since the last [`Self::finish`].
    #[must_use]
    pub fn rows(&self) -> usize {
        self.builder.rows()
    }

    /// Takes the decoded rows as a batch and starts the next one.
    pub fn finish(&mut self) -> DecodedBatch {
        self.builder.finish()
    }

    /// The event time, unless it lies ahead. The producer may have set the timestamp of the message by the same wrong clock,
    /// so the earlier of that and the reader's clock counts.
    fn event_time(&self, message: RawMessage<'_>) -> Result<EventTime, RejectReason> {
        let time = match self.slots.time.and_then(|slot| self.cells.get(slot)) {
            Some(cell) => cell.value().event_time(self.layout.time_format),
            None => message.broker_time,
        };
        let time = time.ok_or(RejectReason::BadTimestamp)?;
        match message.broker_time.into_iter().chain(message.clock).min() {
            Some(now) if time > now.shifted(self.layout.max_future_skew) => Err(RejectReason::FutureTimestamp),
            _ => Ok(time),
        }
    }

    fn read_cells(&mut self, payload: &[u8]) -> Result<(), RejectReason> {
        let mut payload = Cow::Borrowed(without_mark(payload));
        match self.parse(&payload) {
            Err(RejectReason::Syntax) => {
                payload = repaired(&payload).ok_or(RejectReason::Syntax)?.into();
                self.parse(&payload)?;
            }
            other => other?,
        }
        match self.plan.wide.then(|| with_digits(&payload)).flatten() {
            Some(rewritten) => self.parse(&rewritten),
            None => Ok(()),
        }
    }

    fn parse(&mut self, payload: &[u8]) -> Result<(), RejectReason> {
        for cell in &mut self.cells {
            cell.clear();
        }
        self.plan.begin();
        let mut deserializer = serde_json::Deserializer::from_slice(payload);
        let seed = NodeSeed { plan: &mut self.plan, node: ROOT, cells: &mut self.cells };
        let is_object = seed.deserialize(&mut deserializer).map_err(|_| RejectReason::Syntax)?;
        deserializer.end().map_err(|_| RejectReason::Syntax)?;
        if is_object { Ok(()) } else { Err(RejectReason::NotAnObject) }
    }
}

/// The object that a payload is, read as leniently as records; `None` when it is none.
pub(super) fn document_of(payload: &[u8]) -> Option<serde_json::Map<String, serde_json::Value>> {
    let payload = without_mark(payload);
    let read = serde_json::from_slice(payload).ok();
    read.or_else(|| serde_json::from_slice(&repaired(payload)?).ok())
}

/// The text without a byte order mark, which some libraries write in front of each document.
fn without_mark(payload: &[u8]) -> &[u8] {
    payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload)
}

#[cfg(test)]
mod tests;
