//! Rows under construction and the finished Arrow batch.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, ListBuilder, RecordBatch, RecordBatchOptions, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::derive::{norm, of_text, words};
use super::sensitive::{hidden, is_sensitive, marked};
use super::value::{Value, push_category};
use super::{Absence, Column, ColumnType, Derivation, EventTime, ModelSchema, Offset};

/// The value of a segment where records have none.
const NO_SEGMENT: &str = "(none)";

/// A dictionary of short labels (versions, segment values) and one code a row.
#[derive(Clone, Debug, Default)]
pub struct Dictionary {
    names: Vec<String>,
    codes: Vec<u32>,
    by_name: HashMap<String, u32>,
}

impl Dictionary {
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

    /// Adds one row's model version; records without one share the empty version.
    pub(super) fn push_version(&mut self, version: Value<'_>, scratch: &mut String) {
        let known = version.name(scratch);
        self.push(if known { scratch } else { "" });
    }

    /// Adds one row's value of a segment; records without one are the segment `(none)`.
    pub(super) fn push_segment(&mut self, value: Value<'_>, scratch: &mut String) {
        let known = value.category(scratch).is_ok();
        self.push(if known { scratch } else { NO_SEGMENT });
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
    pub offsets: Vec<Offset>,
    /// Which record of its message each row is, from 0.
    pub records: Vec<u32>,
    /// Model version of each row.
    pub versions: Dictionary,
    /// Segment value of each row, for each declared segment column.
    pub segments: Vec<Dictionary>,
    /// For each column the first value of another type than declared, for messages.
    pub wrong: Vec<Option<String>>,
}

impl DecodedBatch {
    /// From columns and what stands beside them, all of the same number of rows.
    pub(super) fn of(schema: &SchemaRef, columns: Vec<BuiltColumn>, beside: RowsBeside) -> Self {
        let RowsBeside { times, offsets, records, versions, segments } = beside;
        let (mut arrays, mut absences, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
        for (column, field) in columns.into_iter().zip(schema.fields()) {
            arrays.push(column.array);
            absences.push(column.absences);
            // What nobody is to read is not in messages either.
            wrong.push(column.wrong.filter(|_| !is_sensitive(field)));
        }
        let arrays = hidden(schema, arrays);
        let options = RecordBatchOptions::new().with_row_count(Some(times.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
            .unwrap_or_else(|_| RecordBatch::new_empty(Arc::clone(schema)));
        debug_assert_eq!(batch.num_rows(), times.len(), "builders are appended to in step");
        Self { batch, absences, times, offsets, records, versions, segments, wrong }
    }

    /// Adds its examples of wrongly typed values, by column, to those of batches before, of which the first are kept.
    pub fn note_wrong(&self, known: &mut Vec<Option<String>>) {
        known.resize(self.wrong.len(), None);
        for (known, wrong) in known.iter_mut().zip(&self.wrong) {
            if known.is_none() {
                known.clone_from(wrong);
            }
        }
    }

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
            records: part(&self.records, first, rows),
            versions: self.versions.slice(first, rows),
            segments: self.segments.iter().map(|labels| labels.slice(first, rows)).collect(),
            wrong: self.wrong.clone(),
        }
    }
}

/// The values of one column under construction: the one place where a value becomes that of a column.
#[derive(Debug)]
pub(super) struct ColumnBuilder {
    array: ArrayBuilder,
    absences: Vec<Absence>,
    /// The first value of another type than declared, for messages.
    wrong: Option<String>,
    scratch: String,
}

#[derive(Debug)]
enum ArrayBuilder {
    Numeric(Float64Builder, Derivation),
    Tokens(ListBuilder<StringBuilder>),
    Vector(ListBuilder<Float64Builder>),
    Categorical(StringBuilder),
    Boolean(BooleanBuilder),
}

impl ColumnBuilder {
    pub(super) fn new(column: &Column) -> Self {
        let array = match (column.column_type, column.derivation) {
            (_, Derivation::Tokens) => ArrayBuilder::Tokens(ListBuilder::new(StringBuilder::new())),
            (ColumnType::Embedding, _) => ArrayBuilder::Vector(ListBuilder::new(Float64Builder::new())),
            (ColumnType::Numeric, derivation) => ArrayBuilder::Numeric(Float64Builder::new(), derivation),
            (ColumnType::Categorical | ColumnType::Text, _) => ArrayBuilder::Categorical(StringBuilder::new()),
            (ColumnType::Boolean, _) => ArrayBuilder::Boolean(BooleanBuilder::new()),
        };
        Self { array, absences: Vec::new(), wrong: None, scratch: String::new() }
    }

    /// Adds a row's value, or why there is none.
    pub(super) fn push(&mut self, value: Value<'_>) {
        let outcome = match &mut self.array {
            ArrayBuilder::Numeric(builder, derivation) => derived(value, *derivation)
                .map(|value| builder.append_value(value))
                .inspect_err(|_| builder.append_null()),
            ArrayBuilder::Tokens(builder) => value
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
            ArrayBuilder::Vector(builder) => value
                .vector()
                .map(|vector| {
                    builder.values().append_slice(vector);
                    builder.append(true);
                })
                .inspect_err(|_| builder.append_null()),
            ArrayBuilder::Boolean(builder) => {
                value.boolean().map(|value| builder.append_value(value)).inspect_err(|_| builder.append_null())
            }
            ArrayBuilder::Categorical(builder) => value
                .category(&mut self.scratch)
                .map(|()| builder.append_value(&self.scratch))
                .inspect_err(|_| builder.append_null()),
        };
        let absence = outcome.err().unwrap_or(Absence::Present);
        if absence == Absence::WrongType && self.wrong.is_none() {
            self.wrong = Some(value.shown());
        }
        self.absences.push(absence);
    }

    /// Takes what was built and starts again.
    pub(super) fn finish(&mut self) -> BuiltColumn {
        let array: ArrayRef = match &mut self.array {
            ArrayBuilder::Numeric(builder, _) => Arc::new(builder.finish()),
            ArrayBuilder::Tokens(builder) => Arc::new(builder.finish()),
            ArrayBuilder::Vector(builder) => Arc::new(builder.finish()),
            ArrayBuilder::Categorical(builder) => Arc::new(builder.finish()),
            ArrayBuilder::Boolean(builder) => Arc::new(builder.finish()),
        };
        BuiltColumn { array, absences: std::mem::take(&mut self.absences), wrong: self.wrong.take() }
    }
}

/// A column of finished rows.
pub(super) struct BuiltColumn {
    pub(super) array: ArrayRef,
    pub(super) absences: Vec<Absence>,
    pub(super) wrong: Option<String>,
}

/// What a numeric column takes of a value.
fn derived(value: Value<'_>, derivation: Derivation) -> Result<f64, Absence> {
    match derivation {
        Derivation::Value => value.numeric(),
        Derivation::Norm => value.vector().map(norm).and_then(|norm| Value::Number(norm).numeric()),
        _ => value.text().and_then(|text| of_text(derivation, text).ok_or(Absence::WrongType)),
    }
}

/// Collects rows column by column.
#[derive(Debug)]
pub struct BatchBuilder {
    schema: SchemaRef,
    columns: Vec<ColumnBuilder>,
    times: Vec<EventTime>,
    offsets: Vec<Offset>,
    records: Vec<u32>,
    versions: Dictionary,
    segments: Vec<Dictionary>,
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
        Self {
            schema: arrow_schema(schema),
            columns: schema.columns().iter().map(ColumnBuilder::new).collect(),
            times: Vec::new(),
            offsets: Vec::new(),
            records: Vec::new(),
            versions: Dictionary::default(),
            segments: vec![Dictionary::default(); segments],
            scratch: String::new(),
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.times.len()
    }

    pub(super) fn append<'a>(
        &mut self,
        values: impl Iterator<Item = Value<'a>>,
        time: EventTime,
        (offset, record): (Offset, u32),
        version: Value<'_>,
        segments: impl Iterator<Item = Value<'a>>,
    ) {
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value);
        }
        self.times.push(time);
        self.offsets.push(offset);
        self.records.push(record);
        self.versions.push_version(version, &mut self.scratch);
        for (labels, value) in self.segments.iter_mut().zip(segments) {
            labels.push_segment(value, &mut self.scratch);
        }
    }

    pub(super) fn finish(&mut self) -> DecodedBatch {
        let columns = self.columns.iter_mut().map(ColumnBuilder::finish).collect();
        let rows = RowsBeside {
            times: std::mem::take(&mut self.times),
            offsets: std::mem::take(&mut self.offsets),
            records: std::mem::take(&mut self.records),
            versions: std::mem::take(&mut self.versions),
            segments: self.segments.iter_mut().map(std::mem::take).collect(),
        };
        DecodedBatch::of(&self.schema, columns, rows)
    }
}

/// What rows have beside their columns.
pub(super) struct RowsBeside {
    pub(super) times: Vec<EventTime>,
    pub(super) offsets: Vec<Offset>,
    pub(super) records: Vec<u32>,
    pub(super) versions: Dictionary,
    pub(super) segments: Vec<Dictionary>,
}
