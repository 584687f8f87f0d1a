//! Which columns a file has, and of which type: from the types of the file, or from its first rows where the format has
//! none.

use std::collections::HashSet;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Fields};
use serde_json::Value;

use super::convert::{NULL_WORDS, is_text};
use crate::record::{ColumnType, FieldPath};

/// How many rows are looked at where types must be guessed.
pub const SAMPLE_ROWS: usize = 10_000;

/// A column as found in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileColumn {
    /// Its name; for nested JSON the path.
    pub name: String,
    /// Where it lies.
    pub path: FieldPath,
    /// The type it is read as; none when it is not for comparing.
    pub column_type: Option<ColumnType>,
    /// What it is in the file, in words.
    pub found: String,
    /// Whether the file stores integers.
    pub integers: bool,
}

/// The share of values that must be of a type for the column to be of it; the others are of the wrong type then.
const MOST: f64 = 0.5;
/// Text with more distinct values than this share names rows, not kinds of rows.
const NAMES_ROWS: f64 = 0.5;
/// Texts of at least this many words on average are read as such.
const WORDS_OF_TEXT: usize = 3;
/// With fewer values nothing is said about that.
const FEW: usize = 100;

/// The columns of an Arrow schema. Text is looked at in `sample`, the first rows.
#[must_use]
pub fn infer_fields(fields: &Fields, sample: Option<&RecordBatch>) -> Vec<FileColumn> {
    fields
        .iter()
        .map(|field| {
            let kind = field.data_type();
            let numbers = || {
                let array = sample.and_then(|rows| rows.column_by_name(field.name()))?;
                let values = cast(array, &DataType::Int64).ok()?;
                Some(only_grow(values.as_primitive::<arrow::datatypes::Int64Type>().iter().flatten()))
            };
            let (column_type, found) = match kind {
                _ if kind.is_integer() && numbers().unwrap_or(false) => (None, ROW_NUMBERS.to_owned()),
                DataType::Boolean => (Some(ColumnType::Boolean), "boolean".to_owned()),
                _ if kind.is_numeric() => (Some(ColumnType::Numeric), kind.to_string()),
                _ if is_text(kind) => {
                    let texts = sample.and_then(|rows| rows.column_by_name(field.name()));
                    let texts = texts.and_then(|array| cast(array, &DataType::Utf8).ok());
                    match texts {
                        Some(texts) => text_type(texts.as_string::<i32>().iter().flatten()),
                        None => (Some(ColumnType::Categorical), "text".to_owned()),
                    }
                }
                _ if kind.is_temporal() => (None, "a time".to_owned()),
                DataType::List(of) | DataType::LargeList(of) | DataType::FixedSizeList(of, _)
                    if of.data_type().is_numeric() =>
                {
                    (Some(ColumnType::Embedding), "vectors".to_owned())
                }
                _ => (None, kind.to_string()),
            };
            column(
                field.name(),
                FieldPath::of_steps([field.name().clone()]),
                column_type,
                found,
                kind.is_integer(),
            )
        })
        .collect()
}

/// The columns of a file of text values, as CSV has them.
#[must_use]
pub fn infer_rows(sample: &RecordBatch) -> Vec<FileColumn> {
    let fields = sample.schema();
    let columns = fields.fields().iter().zip(sample.columns());
    columns
        .map(|(field, array)| {
            let texts = array.as_string_opt::<i32>();
            let values: Vec<&str> = texts
                .into_iter()
                .flat_map(|texts| texts.iter().flatten())
                .map(str::trim)
                .filter(|text| !NULL_WORDS.contains(text))
                .collect();
            let path = FieldPath::of_steps([field.name().clone()]);
            let share =
                |test: fn(&str) -> bool| share_of(values.iter().filter(|text| test(text)).count(), values.len());
            let is_boolean = |text: &str| text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false");
            let whole: Vec<i64> = values.iter().map_while(|text| text.parse().ok()).collect();
            let (column_type, found, integers) = if values.is_empty() {
                (Some(ColumnType::Numeric), "empty".to_owned(), false)
            } else if whole.len() == values.len() && only_grow(whole.iter().copied()) {
                (None, ROW_NUMBERS.to_owned(), true)
            } else if share(|text| text.parse::<f64>().is_ok()) >= MOST {
                (Some(ColumnType::Numeric), "numbers".to_owned(), share(|text| text.parse::<i64>().is_ok()) >= 1.0)
            } else if share(is_boolean) >= MOST {
                (Some(ColumnType::Boolean), "booleans".to_owned(), false)
            } else {
                let (column_type, found) = text_type(values.iter().copied());
                (column_type, found, false)
            };
            column(field.name(), path, column_type, found, integers)
        })
        .collect()
}

/// The columns of JSON records, objects inside of objects as paths, in the order of their first appearance. Lines that
/// are not objects are passed over.
#[must_use]
pub fn infer_json_lines<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Vec<FileColumn> {
    let mut found: Vec<(Vec<String>, Kinds)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for line in lines {
        if let Ok(Value::Object(object)) = serde_json::from_slice(line) {
            let mut leaves = Vec::new();
            flatten(&object, &mut Vec::new(), &mut leaves);
            for (path, value) in leaves {
                let place = *places.entry(path.clone()).or_insert_with(|| {
                    found.push((path, Kinds::default()));
                    found.len() - 1
                });
                if let Some((_, kinds)) = found.get_mut(place) {
                    kinds.add(value);
                }
            }
        }
    }
    found
        .into_iter()
        .map(|(steps, kinds)| {
            let name = steps.join(".");
            let (column_type, found) = kinds.column_type();
            column(&name, FieldPath::of_steps(steps), column_type, found, kinds.integers == kinds.numbers)
        })
        .collect()
}

fn column(
    name: &str,
    path: FieldPath,
    column_type: Option<ColumnType>,
    found: String,
    integers: bool,
) -> FileColumn {
    FileColumn { name: name.to_owned(), path, column_type, found, integers }
}

#[expect(clippy::cast_precision_loss, reason = "some thousand rows")]
fn share_of(count: usize, all: usize) -> f64 {
    if all == 0 { 0.0 } else { count as f64 / all as f64 }
}

/// Text is categories, unless it looks like times or nearly every value is another.
fn text_type<'a>(values: impl Iterator<Item = &'a str>) -> (Option<ColumnType>, String) {
    let mut distinct = HashSet::new();
    let (mut all, mut times) = (0, 0);
    for value in values {
        all += 1;
        times += usize::from(looks_like_time(value));
        distinct.insert(value);
    }
    if all > 0 && share_of(times, all) >= 0.9 {
        return (None, "a time".to_owned());
    }
    if all >= FEW && share_of(distinct.len(), all) > NAMES_ROWS {
        let words: usize = distinct.iter().map(|text| text.split_whitespace().count()).sum();
        if words >= WORDS_OF_TEXT * distinct.len() {
            return (Some(ColumnType::Text), "free text".to_owned());
        }
        return (None, "text with nearly as many values as rows".to_owned());
    }
    (Some(ColumnType::Categorical), "text".to_owned())
}

const ROW_NUMBERS: &str = "integers that grow from row to row";

/// Row numbers and timestamps: each value larger than the one before.
fn only_grow(values: impl Iterator<Item = i64>) -> bool {
    let values: Vec<i64> = values.collect();
    values.len() >= FEW && values.windows(2).all(|pair| matches!(pair, [before, after] if before < after))
}

/// `2024-05-01`, with or without a time of day.
fn looks_like_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 10
        && bytes.iter().take(10).enumerate().all(|(place, byte)| match place {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
        && bytes.get(10).is_none_or(|byte| matches!(byte, b'T' | b' '))
}

/// What values a JSON field had.
#[derive(Default)]
struct Kinds {
    numbers: usize,
    integers: usize,
    booleans: usize,
    others: usize,
    vectors: usize,
    texts: Vec<String>,
}

impl Kinds {
    fn add(&mut self, value: &Value) {
        match value {
            Value::Null => {}
            Value::Bool(_) => self.booleans += 1,
            Value::Number(number) => {
                self.numbers += 1;
                self.integers += usize::from(number.is_i64() || number.is_u64());
            }
            Value::String(text) => self.texts.push(text.clone()),
            Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_number) => self.vectors += 1,
            Value::Array(_) | Value::Object(_) => self.others += 1,
        }
    }

    fn column_type(&self) -> (Option<ColumnType>, String) {
        let all = self.numbers + self.booleans + self.others + self.vectors + self.texts.len();
        if all == 0 {
            (Some(ColumnType::Numeric), "empty".to_owned())
        } else if share_of(self.numbers, all) >= MOST {
            (Some(ColumnType::Numeric), "numbers".to_owned())
        } else if share_of(self.booleans, all) >= MOST {
            (Some(ColumnType::Boolean), "booleans".to_owned())
        } else if share_of(self.vectors, all) >= MOST {
            (Some(ColumnType::Embedding), "vectors".to_owned())
        } else if share_of(self.others, all) >= MOST {
            (None, "arrays".to_owned())
        } else {
            text_type(self.texts.iter().map(String::as_str))
        }
    }
}

/// The deepest object that is looked into.
const DEEPEST: usize = 8;

fn flatten<'a>(
    object: &'a serde_json::Map<String, Value>,
    path: &mut Vec<String>,
    leaves: &mut Vec<(Vec<String>, &'a Value)>,
) {
    for (key, value) in object {
        if key.is_empty() {
            continue;
        }
        path.push(key.clone());
        match value {
            Value::Object(inner) if path.len() < DEEPEST => flatten(inner, path, leaves),
            leaf => leaves.push((path.clone(), leaf)),
        }
        path.pop();
    }
}
