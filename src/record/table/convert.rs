//! Arrow batches of any file, brought into the shape of decoded records.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, ListBuilder, RecordBatch, RecordBatchOptions,
    StringArray, StringBuilder, new_null_array,
};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, TimeUnit as ArrowUnit};

use super::TableRows;
use super::read::{ReadBatch, number};
use crate::record::derive::{norm, of_text, words};
use crate::record::sensitive::hidden;
use crate::record::{
    Absence, Column, ColumnType, DecodedBatch, Derivation, EventTime, FieldPath, Labels, arrow_schema,
    push_category,
};

/// Why a file does not fit what is declared.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// A declared column is not in the file.
    #[error(
        "column `{column}` is not in the file, which has: {available}\nhint: name the column as in the file, or set its `path`"
    )]
    MissingColumn {
        /// The declared column.
        column: String,
        /// The columns of the file.
        available: String,
    },
    /// A column of another type than declared.
    #[error("column `{column}` is {found} in the file and cannot be read as {declared}")]
    WrongType {
        /// The declared column.
        column: String,
        /// The file's Arrow type.
        found: DataType,
        /// The declared type.
        declared: &'static str,
    },
    /// Arrow could not build the batch.
    #[error("column cannot be converted: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
}

/// Whether text stands for other types, as it does in CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextIs {
    /// Text is text.
    Itself,
    /// Text is read as the declared type; the empty text is null.
    Anything,
}

/// What pandas reads as null in text files.
pub(super) const NULL_WORDS: [&str; 8] = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"];

/// Values of a column and why some are absent; no reasons at all where every absent value is a null.
type Values = (ArrayRef, Vec<Absence>);

/// Turns the batches of one file into decoded rows.
pub(super) struct Converter {
    rows: TableRows,
    text: TextIs,
    next: i64,
}

impl TableRows {
    /// The names under which the file may have what is needed.
    pub(super) fn wanted(&self) -> HashSet<String> {
        let columns =
            self.schema.columns().iter().flat_map(|column| [column.name.clone(), column.path.to_string()]);
        let segments = self.layout.segments.iter().flat_map(|(name, path)| [name.clone(), path.to_string()]);
        let timed = self
            .layout
            .time
            .iter()
            .chain(&self.layout.version)
            .chain(self.layout.filters.iter().map(|(path, _)| path));
        let timed = timed.filter(|_| self.timed).map(FieldPath::to_string);
        columns.chain(segments).chain(timed).collect()
    }
}

impl Converter {
    pub(super) fn new(rows: TableRows, text: TextIs) -> Self {
        Self { rows, text, next: 0 }
    }

    pub(super) fn convert(&mut self, batch: &RecordBatch) -> Result<ReadBatch, ConvertError> {
        let all = batch.num_rows() as u64;
        if !self.rows.timed {
            let batch = self.decoded(batch, vec![EventTime::default(); batch.num_rows()])?;
            return Ok(ReadBatch { batch, rejected: 0, filtered: 0, cheap: self.text == TextIs::Itself });
        }
        let kept = self.filter(batch)?;
        let batch = filter_record_batch(batch, &kept)?;
        let filtered = all - batch.num_rows() as u64;
        let times = self.times(&batch)?;
        let readable: BooleanArray = times.iter().map(|time| Some(time.is_some())).collect();
        let batch = filter_record_batch(&batch, &readable)?;
        let rejected = all - filtered - batch.num_rows() as u64;
        let batch = self.decoded(&batch, times.into_iter().flatten().collect())?;
        Ok(ReadBatch { batch, rejected, filtered, cheap: self.text == TextIs::Itself })
    }

    fn decoded(&mut self, batch: &RecordBatch, times: Vec<EventTime>) -> Result<DecodedBatch, ConvertError> {
        let rows = batch.num_rows();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        let mut absences = Vec::new();
        let schema = arrow_schema(&self.rows.schema);
        for (column, field) in self.rows.schema.columns().iter().zip(schema.fields()) {
            let (array, absence) = match find(batch, &column.name, &column.path.to_string()) {
                Ok(array) => match typed(column, array, self.text) {
                    Err(ConvertError::WrongType { .. }) if !self.rows.strict => {
                        let absence = |row| if array.is_null(row) { Absence::Null } else { Absence::WrongType };
                        (new_null_array(field.data_type(), rows), (0..rows).map(absence).collect())
                    }
                    other => other?,
                },
                Err(_) if !self.rows.strict => {
                    (new_null_array(field.data_type(), rows), vec![Absence::Missing; rows])
                }
                Err(error) => return Err(error),
            };
            arrays.push(array);
            absences.push(absence);
        }
        let mut segments = Vec::new();
        for (name, path) in &self.rows.layout.segments {
            let values = categories(find(batch, name, &path.to_string())?)?;
            let mut column = Labels::default();
            for value in &values {
                column.push(value.filter(|value| !value.is_empty()).unwrap_or("(none)"));
            }
            segments.push(column);
        }
        let mut versions = Labels::default();
        match self.rows.layout.version.as_ref().filter(|_| self.rows.timed) {
            Some(path) => {
                let path = path.to_string();
                for value in &categories(find(batch, &path, &path)?)? {
                    versions.push(value.unwrap_or(""));
                }
            }
            None => (0..rows).for_each(|_| versions.push("")),
        }
        let arrays = hidden(&schema, arrays);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let mut decoded = DecodedBatch {
            batch: RecordBatch::try_new_with_options(schema, arrays, &options)?,
            absences,
            times,
            offsets: vec![0; rows],
            versions,
            segments,
        };
        number(&mut decoded, &mut self.next);
        Ok(decoded)
    }

    /// Which rows have the values that records must have.
    fn filter(&self, batch: &RecordBatch) -> Result<BooleanArray, ConvertError> {
        let mut kept = vec![true; batch.num_rows()];
        for (path, expected) in &self.rows.layout.filters {
            let path = path.to_string();
            let values = categories(find(batch, &path, &path)?)?;
            for (kept, value) in kept.iter_mut().zip(&values) {
                *kept &= value == Some(expected.as_str());
            }
        }
        Ok(kept.into())
    }

    fn times(&self, batch: &RecordBatch) -> Result<Vec<Option<EventTime>>, ConvertError> {
        let path = self.rows.layout.time.as_ref().map(FieldPath::to_string).unwrap_or_default();
        let array = find(batch, &path, &path)?;
        let format = self.rows.layout.time_format;
        Ok(match array.data_type() {
            DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64 => {
                let micros = cast(array, &DataType::Timestamp(ArrowUnit::Microsecond, None))?;
                let micros = cast(&micros, &DataType::Int64)?;
                micros
                    .as_primitive::<Int64Type>()
                    .iter()
                    .map(|time| time.and_then(EventTime::from_micros))
                    .collect()
            }
            kind if kind.is_integer() => {
                let values = cast(array, &DataType::Int64)?;
                let values = values.as_primitive::<Int64Type>();
                values.iter().map(|value| value.and_then(|value| format.integer(value))).collect()
            }
            kind if kind.is_floating() => {
                let values = cast(array, &DataType::Float64)?;
                let values = values.as_primitive::<Float64Type>();
                values.iter().map(|value| value.and_then(|value| format.number(value))).collect()
            }
            kind if is_text(kind) => {
                let texts = cast(array, &DataType::Utf8)?;
                let read = |text: &str| match text.parse::<i64>() {
                    Ok(number) if self.text == TextIs::Anything => format.integer(number),
                    _ => format.text(text),
                };
                texts.as_string::<i32>().iter().map(|text| text.and_then(read)).collect()
            }
            found => {
                return Err(ConvertError::WrongType {
                    column: path,
                    found: found.clone(),
                    declared: "an event time",
                });
            }
        })
    }
}

fn find<'a>(batch: &'a RecordBatch, name: &str, path: &str) -> Result<&'a ArrayRef, ConvertError> {
    batch.column_by_name(name).or_else(|| batch.column_by_name(path)).ok_or_else(|| ConvertError::MissingColumn {
        column: name.to_owned(),
        available: batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect::<Vec<_>>()
            .join(", "),
    })
}

pub(super) fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

fn typed(column: &Column, array: &ArrayRef, text: TextIs) -> Result<Values, ConvertError> {
    let kind = array.data_type();
    let text_is_anything = is_text(kind) && text == TextIs::Anything;
    if let Some(derived) = derived(column, array)? {
        return Ok(derived);
    }
    match column.column_type {
        ColumnType::Numeric if text_is_anything => Ok(parsed::<Float64Array, _>(array, parse_number)?),
        ColumnType::Numeric if kind.is_numeric() => Ok((cast(array, &DataType::Float64)?, Vec::new())),
        ColumnType::Numeric if kind.is_temporal() => {
            let whole = match kind {
                DataType::Date32 | DataType::Time32(_) => cast(array, &DataType::Int32)?,
                _ => cast(array, &DataType::Int64)?,
            };
            Ok((cast(&whole, &DataType::Float64)?, Vec::new()))
        }
        ColumnType::Numeric if kind == &DataType::Null => Ok((cast(array, &DataType::Float64)?, Vec::new())),
        ColumnType::Boolean if text_is_anything => Ok(parsed::<BooleanArray, _>(array, parse_boolean)?),
        ColumnType::Boolean if matches!(kind, DataType::Boolean | DataType::Null) || kind.is_integer() => {
            Ok((cast(array, &DataType::Boolean)?, Vec::new()))
        }
        ColumnType::Categorical if !kind.is_nested() => {
            let values = categories(array)?;
            if text == TextIs::Anything {
                let emptied: StringArray =
                    values.iter().map(|value| value.filter(|text| !text.is_empty())).collect();
                return Ok((Arc::new(emptied), Vec::new()));
            }
            Ok((Arc::new(values), Vec::new()))
        }
        _ => Err(ConvertError::WrongType {
            column: column.name.clone(),
            found: kind.clone(),
            declared: column.column_type.as_str(),
        }),
    }
}

/// What derived columns and embeddings take of an array; `None` for other columns, and for arrays they cannot take
/// anything of.
fn derived(column: &Column, array: &ArrayRef) -> Result<Option<Values>, ConvertError> {
    let kind = array.data_type();
    let numbers = || -> Result<Option<ArrayRef>, ConvertError> {
        let is_list = matches!(kind, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _));
        let list = DataType::List(Arc::new(Field::new_list_field(DataType::Float64, true)));
        // A list of anything but numbers is of the wrong type.
        Ok(if is_list { cast(array, &list).ok() } else { None })
    };
    let array: Option<ArrayRef> = match (column.column_type, column.derivation) {
        (ColumnType::Embedding, _) => numbers()?,
        (_, Derivation::Norm) => numbers()?.map(|lists| -> ArrayRef {
            let of = |vector: ArrayRef| norm(vector.as_primitive::<Float64Type>().values());
            Arc::new(lists.as_list::<i32>().iter().map(|vector| vector.map(of)).collect::<Float64Array>())
        }),
        (_, Derivation::Length | Derivation::Words) if is_text(kind) => {
            let texts = cast(array, &DataType::Utf8)?;
            let texts = texts.as_string::<i32>().iter();
            let of = |text: Option<&str>| text.and_then(|text| of_text(column.derivation, text));
            Some(Arc::new(texts.map(of).collect::<Float64Array>()))
        }
        (_, Derivation::Tokens) if is_text(kind) => {
            let texts = cast(array, &DataType::Utf8)?;
            let mut builder = ListBuilder::new(StringBuilder::new());
            for text in texts.as_string::<i32>() {
                for word in text.into_iter().flat_map(words) {
                    let mut token = String::new();
                    push_category(&mut token, &word.to_lowercase());
                    builder.values().append_value(token);
                }
                builder.append(text.is_some());
            }
            Some(Arc::new(builder.finish()))
        }
        _ => None,
    };
    match (array, column.derivation, column.column_type) {
        (Some(array), ..) => Ok(Some((array, Vec::new()))),
        (
            None,
            Derivation::Value,
            ColumnType::Numeric | ColumnType::Categorical | ColumnType::Boolean | ColumnType::Text,
        ) => Ok(None),
        (None, ..) => Err(ConvertError::WrongType {
            column: column.name.clone(),
            found: kind.clone(),
            declared: if column.column_type == ColumnType::Embedding { "embedding" } else { "text" },
        }),
    }
}

/// Any plain array as categories: whole floats are written as integers, overlong texts shortened, as in
/// decoded records.
fn categories(array: &ArrayRef) -> Result<StringArray, ConvertError> {
    if let Some(values) = array.as_primitive_opt::<Float64Type>() {
        return Ok(values.iter().map(|value| value.map(|value| value.to_string())).collect());
    }
    let texts = cast(array, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    let longest = texts.offsets().lengths().max().unwrap_or(0);
    if longest <= crate::record::MAX_CATEGORY_BYTES {
        return Ok(texts.clone());
    }
    let shortened = |value: &str| {
        let mut buffer = String::new();
        push_category(&mut buffer, value);
        buffer
    };
    Ok(texts.iter().map(|value| value.map(shortened)).collect())
}

fn parse_number(text: &str) -> Result<f64, Absence> {
    let text = text.trim();
    if NULL_WORDS.contains(&text) {
        return Err(Absence::Null);
    }
    text.parse::<f64>().map_err(|_| Absence::WrongType)
}

fn parse_boolean(text: &str) -> Result<bool, Absence> {
    let text = text.trim();
    match text {
        _ if text.eq_ignore_ascii_case("true") || text == "1" => Ok(true),
        _ if text.eq_ignore_ascii_case("false") || text == "0" => Ok(false),
        _ if NULL_WORDS.contains(&text) => Err(Absence::Null),
        _ => Err(Absence::WrongType),
    }
}

fn parsed<A: Array + FromIterator<Option<T>> + 'static, T>(
    array: &ArrayRef,
    parse: impl Fn(&str) -> Result<T, Absence>,
) -> Result<Values, ConvertError> {
    let texts = cast(array, &DataType::Utf8)?;
    let mut absences = Vec::with_capacity(array.len());
    let values: A = texts
        .as_string::<i32>()
        .iter()
        .map(|value| {
            let read = value.map_or(Err(Absence::Null), &parse);
            absences.push(read.as_ref().err().copied().unwrap_or(Absence::Present));
            read.ok()
        })
        .collect();
    Ok((Arc::new(values), absences))
}
