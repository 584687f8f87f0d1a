//! Arrow arrays of every type as canonical values, row by row.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, TimeUnit, UInt64Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use jiff::Timestamp;

use super::convert::is_text;
use super::dialect::TableDialect;
use crate::record::value::Value;
use crate::record::{Column, ColumnType, Derivation};

/// What the values of an array are wanted for: times and untyped text are read accordingly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Number,
    Boolean,
    Category,
    Text,
    Vector,
    Time,
}

impl Wanted {
    pub(super) fn of(column: &Column) -> Self {
        match (column.column_type, column.derivation) {
            (_, Derivation::Norm) | (ColumnType::Embedding, _) => Self::Vector,
            (_, Derivation::Length | Derivation::Words | Derivation::Tokens) | (ColumnType::Text, _) => Self::Text,
            (ColumnType::Numeric, _) => Self::Number,
            (ColumnType::Boolean, _) => Self::Boolean,
            (ColumnType::Categorical, _) => Self::Category,
        }
    }
}

/// Calls `take` with each value of an array, in order. `untyped` says how text stands for values of all types, where the
/// format has text only.
///
/// # Errors
/// When Arrow cannot bring the array into a plain type.
pub(super) fn for_each(
    array: &ArrayRef,
    wanted: Wanted,
    untyped: Option<TableDialect>,
    take: &mut dyn FnMut(Value<'_>),
) -> Result<(), ArrowError> {
    let as_type = |kind: &DataType| cast(array, kind);
    match array.data_type() {
        DataType::Null => (0..array.len()).for_each(|_| take(Value::Null)),
        DataType::Boolean => {
            for value in array.as_boolean() {
                take(value.map_or(Value::Null, Value::Boolean));
            }
        }
        DataType::UInt64 => {
            for value in array.as_primitive::<UInt64Type>() {
                take(value.map_or(Value::Null, |value| {
                    i64::try_from(value).map_or(Value::Unsigned(value), Value::Integer)
                }));
            }
        }
        kind if kind.is_integer() => {
            for value in as_type(&DataType::Int64)?.as_primitive::<Int64Type>() {
                take(value.map_or(Value::Null, Value::Integer));
            }
        }
        kind if kind.is_floating() => {
            for value in as_type(&DataType::Float64)?.as_primitive::<Float64Type>() {
                take(value.map_or(Value::Null, Value::Number));
            }
        }
        DataType::Utf8 => texts(array, wanted, untyped, take),
        // Views share the text that they show: as plain text one long value that stands in every row would be as many copies.
        DataType::Utf8View => {
            for text in array.as_string_view() {
                take(text.map_or(Value::Null, Value::Text));
            }
        }
        DataType::LargeUtf8 => return for_each(&as_type(&DataType::Utf8View)?, wanted, untyped, take),
        DataType::Binary => bytes(array.as_binary::<i32>(), take),
        DataType::BinaryView => bytes(array.as_binary_view(), take),
        DataType::LargeBinary => bytes(as_type(&DataType::BinaryView)?.as_binary_view(), take),
        DataType::FixedSizeBinary(_) => bytes(as_type(&DataType::Binary)?.as_binary::<i32>(), take),
        DataType::Dictionary(_, values) if matches!(**values, DataType::Binary | DataType::LargeBinary) => {
            bytes(as_type(&DataType::BinaryView)?.as_binary_view(), take);
        }
        kind if is_text(kind) => return for_each(&as_type(&DataType::Utf8View)?, wanted, untyped, take),
        DataType::Dictionary(_, values) if !values.is_nested() => {
            return for_each(&as_type(values)?, wanted, untyped, take);
        }
        DataType::RunEndEncoded(_, values) if !values.data_type().is_nested() => {
            return for_each(&as_type(values.data_type())?, wanted, untyped, take);
        }
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => {
            decimals(&as_type(&DataType::Utf8)?, take);
        }
        DataType::Timestamp(unit, _) => {
            let nanos = nanoseconds_in(*unit);
            let values = as_type(&DataType::Int64)?;
            times(
                values
                    .as_primitive::<Int64Type>()
                    .iter()
                    .map(|value| value.map(|value| i128::from(value) * nanos)),
                wanted,
                take,
            );
        }
        DataType::Date32 | DataType::Date64 => {
            // Date64 is milliseconds, of whole days or not.
            let millis = as_type(&DataType::Date64)?;
            let millis = cast(&millis, &DataType::Int64)?;
            times(
                millis
                    .as_primitive::<Int64Type>()
                    .iter()
                    .map(|value| value.map(|value| i128::from(value) * 1_000_000)),
                wanted,
                take,
            );
        }
        DataType::Time32(_) | DataType::Time64(_) if wanted == Wanted::Number => {
            let nanos = as_type(&DataType::Time64(TimeUnit::Nanosecond))?;
            seconds(&cast(&nanos, &DataType::Int64)?, take);
        }
        DataType::Duration(unit) => {
            let nanos = nanoseconds_in(*unit);
            for value in as_type(&DataType::Int64)?.as_primitive::<Int64Type>() {
                #[expect(clippy::cast_precision_loss, reason = "numeric columns are 64-bit floats by definition")]
                take(value.map_or(Value::Null, |value| Value::Number((i128::from(value) * nanos) as f64 / 1e9)));
            }
        }
        DataType::Time32(_) | DataType::Time64(_) | DataType::Interval(_) => formatted(array, take)?,
        DataType::List(of)
        | DataType::LargeList(of)
        | DataType::FixedSizeList(of, _)
        | DataType::ListView(of)
        | DataType::LargeListView(of)
            if of.data_type().is_numeric() =>
        {
            refuse_overlaps(array)?;
            vectors(&as_type(&DataType::List(Arc::new(Field::new_list_field(DataType::Float64, true))))?, take);
        }
        kind => {
            let value = if matches!(kind, DataType::Struct(_) | DataType::Map(..) | DataType::Union(..)) {
                Value::Object
            } else {
                Value::Array
            };
            for row in 0..array.len() {
                take(if array.is_null(row) { Value::Null } else { value });
            }
        }
    }
    Ok(())
}

fn texts(array: &ArrayRef, wanted: Wanted, untyped: Option<TableDialect>, take: &mut dyn FnMut(Value<'_>)) {
    let mut vector = Vec::new();
    for text in array.as_string::<i32>() {
        match (text, untyped) {
            (None, _) => take(Value::Null),
            (Some(text), None) => take(Value::Text(text)),
            (Some(text), Some(_)) if wanted == Wanted::Vector && read_vector(text, &mut vector) => {
                take(Value::Vector(&vector));
            }
            (Some(text), Some(dialect)) => take(dialect.value(text, wanted)),
        }
    }
}

/// `[0.1, 0.2]`, with commas or blanks between, as data frames write lists into CSV.
fn read_vector(text: &str, vector: &mut Vec<f64>) -> bool {
    vector.clear();
    let inner = text.trim().strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let Some(inner) = inner else { return false };
    let parts = inner.split(|c: char| c == ',' || c.is_whitespace()).filter(|part| !part.is_empty());
    for part in parts {
        match part.parse() {
            Ok(component) => vector.push(component),
            Err(_) => return false,
        }
    }
    true
}

/// Bytes without the mark of text: text where they are UTF-8, otherwise their hexadecimal digits.
fn bytes<'a>(values: impl IntoIterator<Item = Option<&'a [u8]>>, take: &mut dyn FnMut(Value<'_>)) {
    let mut digits = String::new();
    for value in values {
        match value.map(|bytes| (std::str::from_utf8(bytes), bytes)) {
            None => take(Value::Null),
            Some((Ok(text), _)) => take(Value::Text(text)),
            Some((Err(_), bytes)) => {
                digits.clear();
                for byte in bytes {
                    // Writing to a String cannot fail.
                    let _infallible = write!(digits, "{byte:02x}");
                }
                take(Value::Text(&digits));
            }
        }
    }
}

/// Decimals as the numbers that their digits are in JSON.
fn decimals(array: &ArrayRef, take: &mut dyn FnMut(Value<'_>)) {
    for text in array.as_string::<i32>() {
        let Some(text) = text else {
            take(Value::Null);
            continue;
        };
        take(match (text.parse::<i64>(), text.parse::<u64>(), text.parse::<f64>()) {
            (Ok(value), ..) => Value::Integer(value),
            (_, Ok(value), _) => Value::Unsigned(value),
            _ if is_integer(text) => Value::Digits(text),
            (.., Ok(value)) => Value::Number(value),
            _ => Value::Text(text),
        });
    }
}

fn is_integer(text: &str) -> bool {
    text.strip_prefix('-').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit())
}

/// Nanoseconds since 1970: as seconds where numbers are wanted, otherwise as text, as JSON and CSV have times.
fn times(nanos: impl Iterator<Item = Option<i128>>, wanted: Wanted, take: &mut dyn FnMut(Value<'_>)) {
    let mut text = String::new();
    for value in nanos {
        let Some(value) = value else {
            take(Value::Null);
            continue;
        };
        if wanted == Wanted::Number {
            #[expect(clippy::cast_precision_loss, reason = "numeric columns are 64-bit floats by definition")]
            take(Value::Number(value as f64 / 1e9));
            continue;
        }
        text.clear();
        // Writing to a String cannot fail. What lies beyond the years of the calendar is no time, but not lost.
        let _infallible = match Timestamp::from_nanosecond(value) {
            Ok(time) => write!(text, "{time}"),
            Err(_) => write!(text, "{value} ns"),
        };
        take(Value::Text(&text));
    }
}

fn nanoseconds_in(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

fn seconds(nanos: &ArrayRef, take: &mut dyn FnMut(Value<'_>)) {
    for value in nanos.as_primitive::<Int64Type>() {
        #[expect(clippy::cast_precision_loss, reason = "numeric columns are 64-bit floats by definition")]
        take(value.map_or(Value::Null, |value| Value::Number(value as f64 / 1e9)));
    }
}

fn formatted(array: &ArrayRef, take: &mut dyn FnMut(Value<'_>)) -> Result<(), ArrowError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options)?;
    let mut text = String::new();
    for row in 0..array.len() {
        text.clear();
        if array.is_null(row) {
            take(Value::Null);
        } else {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "{}", formatter.value(row));
            take(Value::Text(&text));
        }
    }
    Ok(())
}

/// Views of lists may all show the same values, and taken apart would be many times as large.
fn refuse_overlaps(array: &ArrayRef) -> Result<(), ArrowError> {
    let (all, values) = match array.data_type() {
        DataType::ListView(_) => {
            let lists = array.as_list_view::<i32>();
            (lists.sizes().iter().map(|size| i64::from(*size)).sum::<i64>(), lists.values().len())
        }
        DataType::LargeListView(_) => {
            let lists = array.as_list_view::<i64>();
            (lists.sizes().iter().fold(0i64, |all, size| all.saturating_add(*size)), lists.values().len())
        }
        _ => return Ok(()),
    };
    if usize::try_from(all).is_ok_and(|all| all <= values.saturating_mul(2)) {
        return Ok(());
    }
    Err(ArrowError::InvalidArgumentError("lists lie on one another".to_owned()))
}

/// A vector with a null in it is none.
fn vectors(lists: &ArrayRef, take: &mut dyn FnMut(Value<'_>)) {
    for list in lists.as_list::<i32>() {
        match list {
            None => take(Value::Null),
            Some(list) if list.null_count() > 0 => take(Value::Array),
            Some(list) => take(Value::Vector(list.as_primitive::<Float64Type>().values())),
        }
    }
}
