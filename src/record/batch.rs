//! Rows under construction and the finished Arrow batch.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, ListBuilder, RecordBatch, RecordBatchOptions, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use xxhash_rust::xxh3::xxh3_64;

use super::derive::{norm, of_text, words};
use super::sensitive::{hidden, marked};
use super::{Absence, Column, ColumnType, Derivation, EventTime, MAX_CATEGORY_BYTES, ModelSchema, TimeFormat};

/// A value as the parser hands it over.
#[derive(Clone, Copy, Debug)]
pub(super) enum CellValue<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Number(f64),
    Text(&'a str),
    /// An array or object where a single value is expected.
    Composite,
}

/// The value of one path in the row being read; its text buffer is reused from row to row.
#[derive(Debug, Default)]
pub(super) struct Cell {
    kind: CellKind,
    number: f64,
    integer: i64,
    text: String,
    vector: Vec<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum CellKind {
    #[default]
    Missing,
    Null,
    Boolean,
    Integer,
    Number,
    Text,
    Vector,
    Composite,
}

impl Cell {
    pub(super) fn clear(&mut self) {
        self.kind = CellKind::Missing;
    }

    pub(super) fn set(&mut self, value: CellValue<'_>) {
        self.kind = match value {
            CellValue::Null => CellKind::Null,
            CellValue::Boolean(value) => {
                self.integer = i64::from(value);
                CellKind::Boolean
            }
            CellValue::Integer(value) => {
                self.integer = value;
                CellKind::Integer
            }
            CellValue::Number(value) => {
                self.number = value;
                CellKind::Number
            }
            CellValue::Text(value) => {
                self.text.clear();
                self.text.push_str(value);
                CellKind::Text
            }
            CellValue::Composite => CellKind::Composite,
        };
    }

    /// An array of numbers; the cell's own buffer is filled by the decoder.
    pub(super) fn set_vector(&mut self, vector: &[f64]) {
        self.vector.clear();
        self.vector.extend_from_slice(vector);
        self.kind = CellKind::Vector;
    }

    /// What a derived column takes of the value.
    fn derived(&self, derivation: Derivation) -> Result<f64, Absence> {
        match (derivation, self.kind) {
            (Derivation::Value, _) => self.numeric(),
            (_, CellKind::Missing) => Err(Absence::Missing),
            (_, CellKind::Null) => Err(Absence::Null),
            (Derivation::Norm, CellKind::Vector) => {
                Some(norm(&self.vector)).filter(|norm| norm.is_finite()).ok_or(Absence::Infinite)
            }
            (_, CellKind::Text) => of_text(derivation, &self.text).ok_or(Absence::WrongType),
            _ => Err(Absence::WrongType),
        }
    }

    /// The text itself, for its tokens.
    fn text(&self) -> Result<&str, Absence> {
        match self.kind {
            CellKind::Text => Ok(&self.text),
            CellKind::Missing => Err(Absence::Missing),
            CellKind::Null => Err(Absence::Null),
            _ => Err(Absence::WrongType),
        }
    }

    fn vector(&self) -> Result<&[f64], Absence> {
        match self.kind {
            CellKind::Vector => Ok(&self.vector),
            CellKind::Missing => Err(Absence::Missing),
            CellKind::Null => Err(Absence::Null),
            _ => Err(Absence::WrongType),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "numeric columns are 64-bit floats by definition")]
    fn numeric(&self) -> Result<f64, Absence> {
        let value = match self.kind {
            CellKind::Missing => return Err(Absence::Missing),
            CellKind::Null => return Err(Absence::Null),
            CellKind::Integer => self.integer as f64,
            CellKind::Number => self.number,
            CellKind::Text => return Err(non_finite_word(&self.text)),
            CellKind::Boolean | CellKind::Vector | CellKind::Composite => return Err(Absence::WrongType),
        };
        if value.is_nan() {
            Err(Absence::Nan)
        } else if value.is_infinite() {
            Err(Absence::Infinite)
        } else {
            Ok(value)
        }
    }

    fn boolean(&self) -> Result<bool, Absence> {
        match (self.kind, self.integer) {
            (CellKind::Boolean, value) => Ok(value == 1),
            (CellKind::Integer, 0) => Ok(false),
            (CellKind::Integer, 1) => Ok(true),
            (CellKind::Missing, _) => Err(Absence::Missing),
            (CellKind::Null, _) => Err(Absence::Null),
            _ => Err(Absence::WrongType),
        }
    }

    /// Writes the category into `buffer`: integers and whole numbers alike as integers, so that `3` and
    /// `3.0` are one category.
    fn category(&self, buffer: &mut String) -> Result<(), Absence> {
        buffer.clear();
        // Writing to a String cannot fail.
        let _infallible = match self.kind {
            CellKind::Missing => return Err(Absence::Missing),
            CellKind::Null => return Err(Absence::Null),
            CellKind::Vector | CellKind::Composite => return Err(Absence::WrongType),
            CellKind::Boolean => write!(buffer, "{}", self.integer == 1),
            CellKind::Integer => write!(buffer, "{}", self.integer),
            CellKind::Number => write!(buffer, "{}", self.number),
            CellKind::Text => {
                push_category(buffer, &self.text);
                Ok(())
            }
        };
        Ok(())
    }

    pub(super) fn category_is(&self, expected: &str) -> bool {
        if self.kind == CellKind::Text {
            self.text == expected
        } else {
            let mut text = String::new();
            self.category(&mut text).is_ok() && text == expected
        }
    }

    pub(super) fn event_time(&self, format: TimeFormat) -> Option<EventTime> {
        match self.kind {
            CellKind::Integer => format.integer(self.integer),
            CellKind::Number => format.number(self.number),
            CellKind::Text => format.text(&self.text),
            _ => None,
        }
    }
}

fn non_finite_word(text: &str) -> Absence {
    let word = text.trim().trim_start_matches(['+', '-']);
    if word.eq_ignore_ascii_case("nan") {
        Absence::Nan
    } else if word.eq_ignore_ascii_case("infinity") || word.eq_ignore_ascii_case("inf") {
        Absence::Infinite
    } else {
        // A number in quotes is a change of type upstream; hiding it would hide the drift.
        Absence::WrongType
    }
}

/// Appends a category, shortened to a prefix and a hash when longer than [`MAX_CATEGORY_BYTES`]. A NUL becomes a replacement
/// character: PostgreSQL's texts and JSON cannot hold one, and a record must not keep its window from being stored.
pub(crate) fn push_category(buffer: &mut String, text: &str) {
    if text.as_bytes().contains(&0) {
        return push_category(buffer, &text.replace('\0', "\u{fffd}"));
    }
    if text.len() <= MAX_CATEGORY_BYTES {
        buffer.push_str(text);
        return;
    }
    let prefix: String = text.chars().take(48).collect();
    // Writing to a String cannot fail.
    let _infallible = write!(buffer, "{prefix}…#{:016x}", xxh3_64(text.as_bytes()));
}

/// A dictionary of short labels (versions, segment values) and one code a row.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    names: Vec<String>,
    codes: Vec<u32>,
    by_name: HashMap<String, u32>,
}

impl Labels {
    /// Adds one row's label.
    pub fn push(&mut self, name: &str) {
        let last = self.codes.last().copied();
        let same = last.filter(|code| self.name(*code) == name);
        let code = same.or_else(|| self.by_name.get(name).copied()).unwrap_or_else(|| {
            #[expect(clippy::cast_possible_truncation, reason = "a batch holds far fewer than 2^32 rows")]
            let code = self.names.len() as u32;
            self.names.push(name.to_owned());
            self.by_name.insert(name.to_owned(), code);
            code
        });
        self.codes.push(code);
    }

    /// The label behind a code.
    #[must_use]
    pub fn name(&self, code: u32) -> &str {
        self.names.get(code as usize).map_or("", String::as_str)
    }

    /// The labels of some rows.
    #[must_use]
    fn slice(&self, first: usize, rows: usize) -> Self {
        let codes = self.codes.iter().skip(first).take(rows).copied().collect();
        Self { codes, ..self.clone() }
    }

    /// One code a row.
    #[must_use]
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }
}

/// Decoded rows: values as an Arrow batch in schema order, and beside each column why a value is absent.
#[derive(Clone, Debug)]
pub struct DecodedBatch {
    /// One nullable array a column: Float64, Utf8 or Boolean; lists of Utf8 (tokens) or Float64 (embeddings).
    pub batch: RecordBatch,
    /// For each column one [`Absence`] code a row.
    pub absences: Vec<Vec<Absence>>,
    /// Event time of each row.
    pub times: Vec<EventTime>,
    /// Kafka offset of each row.
    pub offsets: Vec<i64>,
    /// Model version of each row.
    pub versions: Labels,
    /// Segment value of each row, for each declared segment column.
    pub segments: Vec<Labels>,
}

impl DecodedBatch {
    /// Some of its rows, from one on; `first` and `rows` must lie inside of it.
    #[must_use]
    pub fn slice(&self, first: usize, rows: usize) -> Self {
        fn part<T: Clone>(values: &[T], first: usize, rows: usize) -> Vec<T> {
            values.iter().skip(first).take(rows).cloned().collect()
        }
        Self {
            batch: self.batch.slice(first, rows),
            absences: self.absences.iter().map(|codes| part(codes, first, rows)).collect(),
            times: part(&self.times, first, rows),
            offsets: part(&self.offsets, first, rows),
            versions: self.versions.slice(first, rows),
            segments: self.segments.iter().map(|labels| labels.slice(first, rows)).collect(),
        }
    }
}

#[derive(Debug)]
enum ColumnBuilder {
    Numeric(Float64Builder, Derivation),
    Tokens(ListBuilder<StringBuilder>),
    Vector(ListBuilder<Float64Builder>),
    Categorical(StringBuilder),
    Boolean(BooleanBuilder),
}

/// Collects rows column by column.
#[derive(Debug)]
pub struct BatchBuilder {
    schema: SchemaRef,
    columns: Vec<ColumnBuilder>,
    absences: Vec<Vec<Absence>>,
    times: Vec<EventTime>,
    offsets: Vec<i64>,
    versions: Labels,
    segments: Vec<Labels>,
    scratch: String,
}

fn arrow_type(column: &Column) -> DataType {
    let list = |of: DataType| DataType::List(Arc::new(Field::new_list_field(of, true)));
    match (column.column_type, column.derivation) {
        (_, Derivation::Tokens) => list(DataType::Utf8),
        (ColumnType::Embedding, _) => list(DataType::Float64),
        (ColumnType::Numeric, _) => DataType::Float64,
        (ColumnType::Boolean, _) => DataType::Boolean,
        (ColumnType::Categorical | ColumnType::Text, _) => DataType::Utf8,
    }
}

/// The Arrow schema of a model's record batches: every column nullable.
#[must_use]
pub fn arrow_schema(schema: &ModelSchema) -> SchemaRef {
    let field = |column: &Column| {
        let field = Field::new(&column.name, arrow_type(column), true);
        if column.sensitive { marked(field) } else { field }
    };
    let fields: Vec<Field> = schema.columns().iter().map(field).collect();
    Arc::new(Schema::new(fields))
}

impl BatchBuilder {
    pub(super) fn new(schema: &ModelSchema, segments: usize) -> Self {
        let columns: Vec<ColumnBuilder> = schema
            .columns()
            .iter()
            .map(|column| match (column.column_type, column.derivation) {
                (_, Derivation::Tokens) => ColumnBuilder::Tokens(ListBuilder::new(StringBuilder::new())),
                (ColumnType::Embedding, _) => ColumnBuilder::Vector(ListBuilder::new(Float64Builder::new())),
                (ColumnType::Numeric, derivation) => ColumnBuilder::Numeric(Float64Builder::new(), derivation),
                (ColumnType::Categorical | ColumnType::Text, _) => {
                    ColumnBuilder::Categorical(StringBuilder::new())
                }
                (ColumnType::Boolean, _) => ColumnBuilder::Boolean(BooleanBuilder::new()),
            })
            .collect();
        Self {
            schema: arrow_schema(schema),
            absences: vec![Vec::new(); columns.len()],
            columns,
            times: Vec::new(),
            offsets: Vec::new(),
            versions: Labels::default(),
            segments: vec![Labels::default(); segments],
            scratch: String::new(),
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.times.len()
    }

    pub(super) fn append<'a>(
        &mut self,
        cells: &[Cell],
        time: EventTime,
        offset: i64,
        version: Option<&Cell>,
        segments: impl Iterator<Item = &'a Cell>,
    ) {
        for ((builder, absences), cell) in self.columns.iter_mut().zip(&mut self.absences).zip(cells) {
            let outcome = match builder {
                ColumnBuilder::Numeric(builder, derivation) => cell
                    .derived(*derivation)
                    .map(|value| builder.append_value(value))
                    .inspect_err(|_| builder.append_null()),
                ColumnBuilder::Tokens(builder) => cell
                    .text()
                    .map(|text| {
                        for word in words(text) {
                            self.scratch.clear();
                            push_category(&mut self.scratch, &word.to_lowercase());
                            builder.values().append_value(&self.scratch);
                        }
                        builder.append(true);
                    })
                    .inspect_err(|_| builder.append_null()),
                ColumnBuilder::Vector(builder) => cell
                    .vector()
                    .map(|vector| {
                        builder.values().append_slice(vector);
                        builder.append(true);
                    })
                    .inspect_err(|_| builder.append_null()),
                ColumnBuilder::Boolean(builder) => {
                    cell.boolean().map(|value| builder.append_value(value)).inspect_err(|_| builder.append_null())
                }
                ColumnBuilder::Categorical(builder) => cell
                    .category(&mut self.scratch)
                    .map(|()| builder.append_value(&self.scratch))
                    .inspect_err(|_| builder.append_null()),
            };
            absences.push(outcome.err().unwrap_or(Absence::Present));
        }
        self.times.push(time);
        self.offsets.push(offset);
        let known = version.is_some_and(|cell| cell.category(&mut self.scratch).is_ok());
        self.versions.push(if known { &self.scratch } else { "" });
        for (labels, cell) in self.segments.iter_mut().zip(segments) {
            let known = cell.category(&mut self.scratch).is_ok();
            labels.push(if known { &self.scratch } else { "(none)" });
        }
    }

    pub(super) fn finish(&mut self) -> DecodedBatch {
        let arrays: Vec<ArrayRef> = self
            .columns
            .iter_mut()
            .map(|builder| -> ArrayRef {
                match builder {
                    ColumnBuilder::Numeric(builder, _) => Arc::new(builder.finish()),
                    ColumnBuilder::Tokens(builder) => Arc::new(builder.finish()),
                    ColumnBuilder::Vector(builder) => Arc::new(builder.finish()),
                    ColumnBuilder::Categorical(builder) => Arc::new(builder.finish()),
                    ColumnBuilder::Boolean(builder) => Arc::new(builder.finish()),
                }
            })
            .collect();
        let arrays = hidden(&self.schema, arrays);
        let options = RecordBatchOptions::new().with_row_count(Some(self.times.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .unwrap_or_else(|_| RecordBatch::new_empty(Arc::clone(&self.schema)));
        debug_assert_eq!(batch.num_rows(), self.times.len(), "builders are appended to in step");
        DecodedBatch {
            batch,
            absences: self.absences.iter_mut().map(std::mem::take).collect(),
            times: std::mem::take(&mut self.times),
            offsets: std::mem::take(&mut self.offsets),
            versions: std::mem::take(&mut self.versions),
            segments: self.segments.iter_mut().map(std::mem::take).collect(),
        }
    }
}
