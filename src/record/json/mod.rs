//! JSON records: a plan compiled once from the schema, one pass over each message, no tree in between.
//!
//! The plan is a trie of the configured paths. While serde_json streams through a message every value is
//! either dropped in the cell of the path it belongs to or skipped. A message touches the batch only after
//! all of it was read, so a broken one leaves nothing behind. Values nobody asked for are skipped without
//! recursion, so nesting costs no stack.

use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::batch::{Cell, CellValue};
use super::lenient::quote_non_finite;
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
            filters: layout.filters.iter().map(|(path, value)| (place(path), value.clone())).collect(),
        };
        let builder = BatchBuilder::new(schema, layout.segments.len());
        Self { plan, cells: (0..cells).map(|_| Cell::default()).collect(), slots, layout, builder }
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
        let wanted = |(slot, expected): &(usize, String)| {
            self.cells.get(*slot).is_some_and(|cell| cell.category_is(expected))
        };
        if !self.slots.filters.iter().all(wanted) {
            return Decoded::Filtered;
        }
        let time = match self.event_time(message.broker_time) {
            Ok(time) => time,
            Err(reason) => return Decoded::Rejected(reason),
        };
        let (columns, _) = self.cells.split_at(self.slots.columns.min(self.cells.len()));
        let version = self.slots.version.and_then(|slot| self.cells.get(slot));
        let segments = self.slots.segments.iter().filter_map(|slot| self.cells.get(*slot));
        self.builder.append(columns, time, message.offset, version, segments);
        Decoded::Row
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

    fn event_time(&self, broker_time: Option<EventTime>) -> Result<EventTime, RejectReason> {
        let time = match self.slots.time.and_then(|slot| self.cells.get(slot)) {
            Some(cell) => cell.event_time(self.layout.time_format),
            None => broker_time,
        };
        let time = time.ok_or(RejectReason::BadTimestamp)?;
        match broker_time {
            Some(broker) if time > broker.shifted(self.layout.max_future_skew) => {
                Err(RejectReason::FutureTimestamp)
            }
            _ => Ok(time),
        }
    }

    fn read_cells(&mut self, payload: &[u8]) -> Result<(), RejectReason> {
        match self.parse(payload) {
            Err(RejectReason::Syntax) => match quote_non_finite(payload) {
                Some(rewritten) => self.parse(&rewritten),
                None => Err(RejectReason::Syntax),
            },
            other => other,
        }
    }

    fn parse(&mut self, payload: &[u8]) -> Result<(), RejectReason> {
        for cell in &mut self.cells {
            cell.clear();
        }
        let mut deserializer = serde_json::Deserializer::from_slice(payload);
        let seed = NodeSeed { plan: &mut self.plan, node: ROOT, cells: &mut self.cells };
        let is_object = seed.deserialize(&mut deserializer).map_err(|_| RejectReason::Syntax)?;
        deserializer.end().map_err(|_| RejectReason::Syntax)?;
        if is_object { Ok(()) } else { Err(RejectReason::NotAnObject) }
    }
}

const ROOT: usize = 0;

/// The trie of configured paths.
#[derive(Debug)]
struct Plan {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    /// Cells that take the value found here.
    cells: Vec<usize>,
    /// Keys in the order of declaration; producers usually write them in one order, so the next key is
    /// guessed before the map is asked.
    children: Vec<(String, usize)>,
    by_key: HashMap<String, usize>,
    expected: usize,
}

impl Plan {
    fn new() -> Self {
        Self { nodes: vec![Node::default()] }
    }

    fn add(&mut self, path: &FieldPath, cell: usize) {
        let mut current = ROOT;
        for step in path.steps() {
            let next = self.nodes.len();
            let Some(node) = self.nodes.get_mut(current) else { return };
            current = if let Some(position) = node.by_key.get(step) {
                node.children.get(*position).map_or(ROOT, |(_, child)| *child)
            } else {
                node.by_key.insert(step.clone(), node.children.len());
                node.children.push((step.clone(), next));
                self.nodes.push(Node::default());
                next
            };
        }
        if let Some(node) = self.nodes.get_mut(current) {
            node.cells.push(cell);
        }
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
    fn put(self, value: CellValue<'_>) -> bool {
        if let Some(node) = self.plan.nodes.get(self.node) {
            for cell in &node.cells {
                if let Some(cell) = self.cells.get_mut(*cell) {
                    cell.set(value);
                }
            }
        }
        false
    }

    fn put_composite(&mut self) {
        if let Some(node) = self.plan.nodes.get(self.node) {
            for cell in &node.cells {
                if let Some(cell) = self.cells.get_mut(*cell) {
                    cell.set(CellValue::Composite);
                }
            }
        }
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

    fn visit_bool<E>(self, value: bool) -> Result<bool, E> {
        Ok(self.put(CellValue::Boolean(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<bool, E> {
        Ok(self.put(CellValue::Integer(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<bool, E> {
        #[expect(clippy::cast_precision_loss, reason = "numeric columns are 64-bit floats by definition")]
        let cell = i64::try_from(value).map_or(CellValue::Number(value as f64), CellValue::Integer);
        Ok(self.put(cell))
    }

    fn visit_f64<E>(self, value: f64) -> Result<bool, E> {
        Ok(self.put(CellValue::Number(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<bool, E> {
        Ok(self.put(CellValue::Text(value)))
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(self.put(CellValue::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<bool, A::Error> {
        let wanted = self.plan.nodes.get(self.node).is_some_and(|node| !node.cells.is_empty());
        if !wanted {
            while sequence.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(false);
        }
        let mut vector = Vec::new();
        let mut numbers = true;
        while let Some(Component(component)) = sequence.next_element()? {
            match component {
                Some(component) if numbers => vector.push(component),
                _ => numbers = false,
            }
        }
        if numbers {
            for cell in self.plan.nodes.get(self.node).into_iter().flat_map(|node| &node.cells) {
                if let Some(cell) = self.cells.get_mut(*cell) {
                    cell.set_vector(&vector);
                }
            }
        } else {
            self.put_composite();
        }
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<bool, A::Error> {
        self.put_composite();
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

    fn visit_str<E>(self, _: &str) -> Result<Component, E> {
        Ok(Component(None))
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
