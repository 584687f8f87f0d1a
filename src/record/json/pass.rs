//! The pass over one message: while serde_json streams through it, values go to the cells that the plan names, and everything
//! else is skipped.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::plan::Plan;
use crate::record::cell::Cell;
use crate::record::lenient::{Quoted, quoted};
use crate::record::value::Value;

/// No integer of 64 bits reads as a float of this size or more.
const BEYOND_64_BITS: f64 = 9_223_372_036_854_775_808.0;

/// Reads the value at one node; yields whether it was an object.
pub(super) struct NodeSeed<'a> {
    pub(super) plan: &'a mut Plan,
    pub(super) node: usize,
    pub(super) cells: &'a mut [Cell],
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
