//! JSON records: a plan compiled once from the schema, one pass over each message, no tree in between.
//!
//! The plan is a trie of the configured paths. While serde_json streams through a message every value is
//! either dropped in the cell of the path it belongs to or skipped. A message touches the batch only after
//! all of it was read, so a broken one leaves nothing behind. Values nobody asked for are skipped without
//! recursion, so nesting costs no stack.

mod explain;

pub use explain::paths_of;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::cell::Cell;
use super::lenient::{Quoted, quoted, repaired, with_digits};
use super::value::{Value, canonical};
use super::{
    BatchBuilder, Decoded, DecodedBatch, EventTime, FieldPath, ModelSchema, RawMessage, RecordLayout, RejectReason,
};

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

const ROOT: usize = 0;

/// No integer of 64 bits reads as a float of this size or more.
const BEYOND_64_BITS: f64 = 9_223_372_036_854_775_808.0;

/// The trie of configured paths.
#[derive(Debug)]
struct Plan {
    nodes: Vec<Node>,
    /// The number of the record being read.
    record: u64,
    /// Whether the record has a whole number beyond 64 bits, of which a float may not have all digits.
    wide: bool,
}

#[derive(Debug, Default)]
struct Node {
    /// Cells that take the value found here.
    cells: Vec<usize>,
    /// Cells of nested paths of which this flat key is the whole path, as tools write it that flatten objects: they take
    /// the value where there is none at the path itself.
    flat: Vec<usize>,
    /// Keys in the order of declaration; producers usually write them in one order, so the next key is
    /// guessed before the map is asked.
    children: Vec<(String, usize)>,
    by_key: HashMap<String, usize>,
    expected: usize,
    /// Cells of the paths that lead through here.
    below: Vec<usize>,
    /// The record in which a value was last found here.
    record: u64,
}

impl Plan {
    fn new() -> Self {
        Self { nodes: vec![Node::default()], record: 0, wide: false }
    }

    fn begin(&mut self) {
        self.record += 1;
        self.wide = false;
    }

    fn add(&mut self, path: &FieldPath, cell: usize) {
        let mut current = ROOT;
        for step in path.steps() {
            if let Some(node) = self.nodes.get_mut(current) {
                node.below.push(cell);
            }
            current = self.child_or_new(current, step);
        }
        if let Some(node) = self.nodes.get_mut(current) {
            node.cells.push(cell);
        }
    }

    fn add_flat(&mut self, path: &FieldPath, cell: usize) {
        if path.steps().len() > 1 {
            let node = self.child_or_new(ROOT, &path.steps().join("."));
            if let Some(node) = self.nodes.get_mut(node) {
                node.flat.push(cell);
            }
        }
    }

    fn child_or_new(&mut self, parent: usize, key: &str) -> usize {
        let next = self.nodes.len();
        let Some(node) = self.nodes.get_mut(parent) else { return ROOT };
        if let Some(position) = node.by_key.get(key) {
            return node.children.get(*position).map_or(ROOT, |(_, child)| *child);
        }
        node.by_key.insert(key.to_owned(), node.children.len());
        node.children.push((key.to_owned(), next));
        self.nodes.push(Node::default());
        next
    }

    fn child(&mut self, node: usize, key: &str) -> Option<usize> {
        let node = self.nodes.get_mut(node)?;
        let guess = node.expected;
        let position = match node.children.get(guess) {
            Some((name, _)) if name == key => guess,
            _ => *node.by_key.get(key)?,
        };
        node.expected = if position + 1 < node.children.len() { position + 1 } else { 0 };
        node.children.get(position).map(|(_, child)| *child)
    }
}

/// Reads the value at one node; yields whether it was an object.
struct NodeSeed<'a> {
    plan: &'a mut Plan,
    node: usize,
    cells: &'a mut [Cell],
}

impl NodeSeed<'_> {
    /// Stores the value found at the node. Of a key that stands twice the last one counts, with all that is inside.
    fn put(&mut self, value: Value<'_>) -> bool {
        let Some(node) = self.plan.nodes.get_mut(self.node) else { return false };
        if node.record == self.plan.record {
            for cell in &node.below {
                if let Some(cell) = self.cells.get_mut(*cell) {
                    cell.clear();
                }
            }
        }
        node.record = self.plan.record;
        for cell in &node.cells {
            if let Some(cell) = self.cells.get_mut(*cell) {
                cell.set(value);
            }
        }
        for cell in &node.flat {
            if let Some(cell) = self.cells.get_mut(*cell).filter(|cell| cell.value() == Value::Missing) {
                cell.set(value);
            }
        }
        false
    }
}

impl<'de> DeserializeSeed<'de> for NodeSeed<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeSeed<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_bool<E>(mut self, value: bool) -> Result<bool, E> {
        Ok(self.put(Value::Boolean(value)))
    }

    fn visit_i64<E>(mut self, value: i64) -> Result<bool, E> {
        Ok(self.put(Value::Integer(value)))
    }

    fn visit_u64<E>(mut self, value: u64) -> Result<bool, E> {
        Ok(self.put(i64::try_from(value).map_or(Value::Unsigned(value), Value::Integer)))
    }

    fn visit_f64<E>(mut self, value: f64) -> Result<bool, E> {
        self.plan.wide |= value.abs() >= BEYOND_64_BITS;
        Ok(self.put(Value::Number(value)))
    }

    fn visit_str<E>(mut self, value: &str) -> Result<bool, E> {
        Ok(self.put(match quoted(value) {
            None => Value::Text(value),
            Some(Quoted::NonFinite(number)) => Value::Number(number),
            Some(Quoted::Digits(digits)) => Value::Digits(digits),
        }))
    }

    fn visit_unit<E>(mut self) -> Result<bool, E> {
        Ok(self.put(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<bool, A::Error> {
        let wanted = self.plan.nodes.get(self.node).is_some_and(|node| node.cells.len() + node.flat.len() > 0);
        if !wanted {
            while sequence.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(self.put(Value::Array));
        }
        let mut vector = Vec::new();
        let mut numbers = true;
        while let Some(Component(component)) = sequence.next_element()? {
            match component {
                Some(component) if numbers => vector.push(component),
                _ => numbers = false,
            }
        }
        Ok(self.put(if numbers { Value::Vector(&vector) } else { Value::Array }))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<bool, A::Error> {
        self.put(Value::Object);
        if let Some(node) = self.plan.nodes.get_mut(self.node) {
            node.expected = 0;
        }
        while let Some(child) = map.next_key_seed(KeySeed { plan: self.plan, node: self.node })? {
            match child {
                Some(node) => {
                    map.next_value_seed(NodeSeed { plan: self.plan, node, cells: self.cells })?;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(true)
    }
}

/// A number in an array; anything else is skipped.
struct Component(Option<f64>);

impl<'de> serde::Deserialize<'de> for Component {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ComponentVisitor)
    }
}

struct ComponentVisitor;

impl<'de> Visitor<'de> for ComponentVisitor {
    type Value = Component;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Component, E> {
        Ok(Component(None))
    }

    #[expect(clippy::cast_precision_loss, reason = "components are 64-bit floats by definition")]
    fn visit_i64<E>(self, value: i64) -> Result<Component, E> {
        Ok(Component(Some(value as f64)))
    }

    #[expect(clippy::cast_precision_loss, reason = "components are 64-bit floats by definition")]
    fn visit_u64<E>(self, value: u64) -> Result<Component, E> {
        Ok(Component(Some(value as f64)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Component, E> {
        Ok(Component(Some(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Component, E> {
        Ok(Component(match quoted(value) {
            None => None,
            Some(Quoted::NonFinite(number)) => Some(number),
            Some(Quoted::Digits(digits)) => digits.parse().ok(),
        }))
    }

    fn visit_unit<E>(self) -> Result<Component, E> {
        Ok(Component(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Component, A::Error> {
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Component(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Component, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Component(None))
    }
}

/// Looks a key up without copying it.
struct KeySeed<'a> {
    plan: &'a mut Plan,
    node: usize,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.plan.child(self.node, key))
    }
}

#[cfg(test)]
mod tests;
