//! Which columns a file has, and of which type: by what its first rows hold, read as they are read for counting.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Fields, Schema};
use parquet::file::reader::ChunkReader;
use serde_json::Value as Document;

use super::convert::is_text;
use super::documents::{Documents, NextDocument};
use super::error::ReadError;
use super::kinds::{FEW, Kinds};
use super::locate::{DEEPEST, leaves, locate};
use super::read::{MAX_FILE_COLUMNS, arrow_parts, csv_texts, guard, parquet_parts, refuse_too_wide};
use super::values::{Wanted, for_each};
use crate::record::json::document_of;
use crate::record::{ColumnType, FieldPath};

/// How many rows are looked at where types must be guessed.
const SAMPLE_ROWS: usize = 10_000;
/// How many values are looked at: of a file of many columns fewer rows.
const SAMPLE_CELLS: usize = 4_000_000;

/// A column as found in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileColumn {
    /// Its name; for nested ones the path.
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

/// What a file has, by its first rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileProfile {
    /// Its columns, in its order.
    pub columns: Vec<FileColumn>,
    /// How many rows were looked at.
    pub rows: usize,
    /// Whether these are all rows.
    pub complete: bool,
    /// What is worth saying about how the file is written.
    pub remarks: Vec<String>,
    /// Whether the file has text alone, so that what looks like a number is one.
    pub untyped: bool,
}

/// How many rows of so many columns are looked at.
fn sample_rows(columns: usize) -> usize {
    (SAMPLE_CELLS / columns.max(1)).clamp(FEW, SAMPLE_ROWS)
}

/// Hands over the first rows of a file, `most` at most, batch by batch: how many there were.
fn for_first_rows(
    batches: impl Iterator<Item = Result<RecordBatch, ReadError>>,
    most: usize,
    mut look: impl FnMut(&RecordBatch) -> Result<(), ReadError>,
) -> Result<usize, ReadError> {
    let mut rows = 0;
    for batch in batches {
        let batch = batch?;
        let batch = batch.slice(0, batch.num_rows().min(most - rows));
        rows += batch.num_rows();
        look(&batch)?;
        if rows >= most {
            break;
        }
    }
    Ok(rows)
}

/// What a Parquet file has.
///
/// # Errors
/// When it is not Parquet, or damaged.
pub fn profile_parquet<R: ChunkReader + Clone + 'static>(reader: &R) -> Result<FileProfile, ReadError> {
    let (schema, all, batches) = parquet_parts(reader, None, Some(SAMPLE_ROWS))?;
    guard("Parquet", || profile_batches(&schema, batches, all))
}

/// What an Arrow file or stream has.
///
/// # Errors
/// When it is neither, or damaged.
pub fn profile_arrow<R: Read + Seek + 'static>(reader: R) -> Result<FileProfile, ReadError> {
    let (schema, batches) = arrow_parts(reader)?;
    guard("Arrow", || profile_batches(&schema, batches, None))
}

/// What Arrow batches have. `schema` may say, as pandas writes it, which columns are the index of a data frame.
fn profile_batches(
    schema: &Schema,
    batches: impl Iterator<Item = Result<RecordBatch, ReadError>>,
    all: Option<u64>,
) -> Result<FileProfile, ReadError> {
    let paths = leaves(schema.fields());
    refuse_too_wide(paths.len())?;
    let most = sample_rows(paths.len());
    let mut kinds: Vec<Kinds> = paths.iter().map(|_| Kinds::default()).collect();
    let rows = for_first_rows(batches, most, |batch| {
        for ((path, kind), kinds) in paths.iter().zip(&mut kinds) {
            // Times need not be written out to be known as such.
            if let Some(found) = locate(batch, path)?.filter(|_| !is_time(kind)) {
                let wanted = if is_text(kind) { Wanted::Text } else { Wanted::Category };
                for_each(&found.array, wanted, None, &mut |value| kinds.add(value))?;
            }
        }
        Ok(())
    })?;
    let index = pandas_index(schema);
    let twice = names_twice(schema.fields());
    let columns = paths.into_iter().zip(kinds).map(|((path, kind), kinds)| {
        let (column_type, found) = match &kind {
            kind if is_time(kind) => (None, "a time".to_owned()),
            DataType::Boolean => (Some(ColumnType::Boolean), "boolean".to_owned()),
            DataType::Duration(_) => (Some(ColumnType::Numeric), "durations, in seconds".to_owned()),
            DataType::Map(..) | DataType::Union(..) => (None, kind.to_string()),
            _ => kinds.column_type(),
        };
        let integers = kind.is_integer();
        FileColumn { name: name_of(&path), path, column_type, found, integers }
    });
    let columns = columns.map(|column| refuse(column, &index, &twice)).collect();
    let complete = all.map_or(rows < most, |all| rows as u64 >= all);
    Ok(FileProfile { columns, rows, complete, remarks: Vec::new(), untyped: false })
}

/// What a CSV file has.
///
/// # Errors
/// When there is no readable header, or the file is in another encoding.
pub fn profile_csv(reader: impl Read) -> Result<FileProfile, ReadError> {
    let (names, dialect, batches) = csv_texts(reader, SAMPLE_ROWS)?;
    let twice = names_twice(names.fields());
    let most = sample_rows(names.fields().len());
    let mut kinds: Vec<Kinds> = names.fields().iter().map(|_| Kinds::default()).collect();
    let rows = for_first_rows(batches, most, |batch| {
        for (array, kinds) in batch.columns().iter().zip(&mut kinds) {
            for_each(array, Wanted::Text, None, &mut |value| kinds.add_untyped(value, dialect))?;
        }
        Ok(())
    })?;
    let (mut columns, mut remarks) = (Vec::new(), Vec::new());
    for ((place, field), kinds) in names.fields().iter().enumerate().zip(kinds) {
        let (column_type, found) = kinds.column_type();
        if let (Some(ColumnType::Numeric), Some(example)) = (column_type, &kinds.padded) {
            remarks.push(format!(
                "`{0}` has numbers with leading zeros, such as {example}: they are read as numbers, without the zeros; --column {0}:categorical compares the texts",
                field.name()
            ));
        }
        let column = FileColumn {
            name: field.name().clone(),
            path: FieldPath::of_steps([field.name().clone()]),
            integers: kinds.numbers > 0 && kinds.integers == kinds.numbers && kinds.texts == 0,
            column_type,
            found,
        };
        let index: &[String] = if place == 0 { &[String::new(), "Unnamed: 0".to_owned()] } else { &[] };
        columns.push(refuse(column, index, &twice));
    }
    if dialect.separator != b',' {
        let decimals = if dialect.decimal_comma() { ", and decimal commas" } else { "" };
        remarks.push(format!("read with {} between the columns{decimals}", dialect.separator_name()));
    }
    Ok(FileProfile { columns, rows, complete: rows < most, remarks, untyped: true })
}

/// What a JSON file has: objects inside of objects as paths, in the order of their first appearance. Documents that are
/// not objects are passed over.
///
/// # Errors
/// When the file cannot be read, or is one document of columns.
pub fn profile_json(reader: impl Read) -> Result<FileProfile, ReadError> {
    let mut documents = Documents::of(reader)?;
    let mut found: Vec<(Vec<String>, Kinds)> = Vec::new();
    let mut places = HashMap::new();
    let (mut rows, mut document) = (0, Vec::new());
    let mut complete = true;
    loop {
        let next = documents.next(&mut document)?;
        if next == NextDocument::End {
            break;
        }
        if rows >= sample_rows(found.len()) || found.len() > MAX_FILE_COLUMNS {
            complete = false;
            break;
        }
        rows += 1;
        let Some(object) = document_of(&document).filter(|_| next == NextDocument::Document) else { continue };
        let mut leaves = Vec::new();
        flatten(&object, &mut Vec::new(), &mut leaves);
        for (path, value) in leaves {
            if found.len() > MAX_FILE_COLUMNS && !places.contains_key(&path) {
                continue;
            }
            let place = *places.entry(path.clone()).or_insert_with(|| {
                found.push((path, Kinds::default()));
                found.len() - 1
            });
            if let Some((_, kinds)) = found.get_mut(place) {
                kinds.add_document(value);
            }
        }
    }
    let maps = maps_of(&found, rows);
    let mut columns: Vec<FileColumn> = found
        .into_iter()
        .filter(|(steps, _)| !maps.iter().any(|(map, _)| steps.starts_with(map)))
        .map(|(steps, kinds)| {
            let path = FieldPath::of_steps(steps);
            let (column_type, found) = kinds.column_type();
            FileColumn {
                name: name_of(&path),
                path,
                column_type,
                found,
                integers: kinds.integers == kinds.numbers,
            }
        })
        .collect();
    if columns.len() > MAX_FILE_COLUMNS {
        return Err(ReadError::TooManyFields);
    }
    columns.extend(maps.into_iter().map(|(steps, keys)| {
        let path = FieldPath::of_steps(steps);
        let found = format!("an object with {keys} different keys, of which a record has few");
        FileColumn { name: name_of(&path), path, column_type: None, found, integers: false }
    }));
    Ok(FileProfile { columns, rows, complete, remarks: Vec::new(), untyped: false })
}

/// Keys of an object that may be those of a map.
const MANY_KEYS: usize = 200;

/// Objects that are maps from ids to something, rather than records: many different keys, each in few records.
fn maps_of(found: &[(Vec<String>, Kinds)], rows: usize) -> Vec<(Vec<String>, usize)> {
    let mut objects: HashMap<&[String], (usize, usize)> = HashMap::new();
    for (steps, kinds) in found {
        if let Some((_, object)) = steps.split_last().filter(|(_, object)| !object.is_empty()) {
            let entry = objects.entry(object).or_default();
            entry.0 += 1;
            entry.1 += kinds.all();
        }
    }
    let is_map = |keys: usize, values: usize| keys >= MANY_KEYS && values * 20 < keys * rows;
    let maps = objects.into_iter().filter(|(_, (keys, values))| is_map(*keys, *values));
    let mut maps: Vec<(Vec<String>, usize)> = maps.map(|(object, (keys, _))| (object.to_vec(), keys)).collect();
    maps.sort();
    maps
}

fn name_of(path: &FieldPath) -> String {
    path.steps().join(".")
}

/// Columns that say which row it is, or which of two columns they are cannot be said, are not for comparing.
fn refuse(column: FileColumn, index: &[String], twice: &HashSet<String>) -> FileColumn {
    if twice.contains(&column.name) {
        return FileColumn { column_type: None, found: TWICE.to_owned(), ..column };
    }
    if index.contains(&column.name) {
        return FileColumn { column_type: None, found: "the index of a data frame".to_owned(), ..column };
    }
    column
}

/// What a column is that shares its name with another one.
pub const TWICE: &str = "in the file twice";

fn names_twice(fields: &Fields) -> HashSet<String> {
    let mut names = HashSet::new();
    fields.iter().map(|field| field.name()).filter(|name| !names.insert(*name)).cloned().collect()
}

/// The columns that pandas says are the index of the data frame.
fn pandas_index(schema: &Schema) -> Vec<String> {
    let metadata = schema.metadata().get("pandas").and_then(|text| serde_json::from_str::<Document>(text).ok());
    let columns = metadata.as_ref().and_then(|pandas| pandas.get("index_columns")).and_then(Document::as_array);
    columns.into_iter().flatten().filter_map(Document::as_str).map(str::to_owned).collect()
}

fn is_time(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, of) => is_time(of),
        DataType::RunEndEncoded(_, of) => is_time(of.data_type()),
        kind => kind.is_temporal() && !matches!(kind, DataType::Duration(_)),
    }
}

/// The leaves of a document with their paths.
pub(crate) fn flatten<'a>(
    object: &'a serde_json::Map<String, Document>,
    path: &mut Vec<String>,
    leaves: &mut Vec<(Vec<String>, &'a Document)>,
) {
    for (key, value) in object {
        if key.is_empty() {
            continue;
        }
        path.push(key.clone());
        match value {
            Document::Object(inner) if path.len() < DEEPEST && !inner.is_empty() => flatten(inner, path, leaves),
            leaf => leaves.push((path.clone(), leaf)),
        }
        path.pop();
    }
}
