//! The value of one path in the record being read, owned, so that its buffers serve record after record.

use super::value::Value;

/// A place for a value; its text and vector are reused from record to record.
#[derive(Debug, Default)]
pub(super) struct Cell {
    kind: CellKind,
    text: String,
    vector: Vec<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum CellKind {
    #[default]
    Missing,
    Null,
    Boolean(bool),
    Integer(i64),
    Unsigned(u64),
    Number(f64),
    Digits,
    Text,
    Vector,
    Array,
    Object,
}

impl Cell {
    pub(super) fn clear(&mut self) {
        self.kind = CellKind::Missing;
    }

    pub(super) fn set(&mut self, value: Value<'_>) {
        self.kind = match value {
            Value::Missing => CellKind::Missing,
            Value::Null => CellKind::Null,
            Value::Boolean(value) => CellKind::Boolean(value),
            Value::Integer(value) => CellKind::Integer(value),
            Value::Unsigned(value) => CellKind::Unsigned(value),
            Value::Number(value) => CellKind::Number(value),
            Value::Text(text) | Value::Digits(text) => {
                self.text.clear();
                self.text.push_str(text);
                if matches!(value, Value::Digits(_)) { CellKind::Digits } else { CellKind::Text }
            }
            Value::Vector(vector) => {
                self.vector.clear();
                self.vector.extend_from_slice(vector);
                CellKind::Vector
            }
            Value::Array => CellKind::Array,
            Value::Object => CellKind::Object,
        };
    }

    pub(super) fn value(&self) -> Value<'_> {
        match self.kind {
            CellKind::Missing => Value::Missing,
            CellKind::Null => Value::Null,
            CellKind::Boolean(value) => Value::Boolean(value),
            CellKind::Integer(value) => Value::Integer(value),
            CellKind::Unsigned(value) => Value::Unsigned(value),
            CellKind::Number(value) => Value::Number(value),
            CellKind::Digits => Value::Digits(&self.text),
            CellKind::Text => Value::Text(&self.text),
            CellKind::Vector => Value::Vector(&self.vector),
            CellKind::Array => Value::Array,
            CellKind::Object => Value::Object,
        }
    }
}
