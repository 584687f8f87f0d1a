//! The value of one path in the record being read, owned, so that its buffers serve record after record.

use super::value::Value;

/// A place for a value; its text and vector are reused from record to record.
#[derive(Debug, Default)]
pub(super) struct Cell {
    kind: Kind,
    text: String,
    vector: Vec<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Kind {
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
        self.kind = Kind::Missing;
    }

    pub(super) fn set(&mut self, value: Value<'_>) {
        self.kind = match value {
            Value::Missing => Kind::Missing,
            Value::Null => Kind::Null,
            Value::Boolean(value) => Kind::Boolean(value),
            Value::Integer(value) => Kind::Integer(value),
            Value::Unsigned(value) => Kind::Unsigned(value),
            Value::Number(value) => Kind::Number(value),
            Value::Text(text) | Value::Digits(text) => {
                self.text.clear();
                self.text.push_str(text);
                if matches!(value, Value::Digits(_)) { Kind::Digits } else { Kind::Text }
            }
            Value::Vector(vector) => {
                self.vector.clear();
                self.vector.extend_from_slice(vector);
                Kind::Vector
            }
            Value::Array => Kind::Array,
            Value::Object => Kind::Object,
        };
    }

    pub(super) fn value(&self) -> Value<'_> {
        match self.kind {
            Kind::Missing => Value::Missing,
            Kind::Null => Value::Null,
            Kind::Boolean(value) => Value::Boolean(value),
            Kind::Integer(value) => Value::Integer(value),
            Kind::Unsigned(value) => Value::Unsigned(value),
            Kind::Number(value) => Value::Number(value),
            Kind::Digits => Value::Digits(&self.text),
            Kind::Text => Value::Text(&self.text),
            Kind::Vector => Value::Vector(&self.vector),
            Kind::Array => Value::Array,
            Kind::Object => Value::Object,
        }
    }
}
