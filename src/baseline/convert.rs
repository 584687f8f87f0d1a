//! Arrow batches of any file, brought into the shape of decoded records.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

use crate::record::{
    Absence, Column, ColumnType, DecodedBatch, EventTime, Labels, ModelSchema, arrow_schema, push_category,
};

/// Why a file does not fit a monitor.
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
    #[error("column `{column}` is {found} in the file, the monitor declares it {declared}")]
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

pub(super) fn decoded(
    schema: &ModelSchema,
    segments: &[(String, String)],
    batch: &RecordBatch,
    text: TextIs,
) -> Result<DecodedBatch, ConvertError> {
    let mut arrays: Vec<ArrayRef> = Vec::new();
    let mut absences = Vec::new();
    for column in schema.columns() {
        let array = find(batch, &column.name, &column.path.to_string())?;
        let (array, absence) = typed(column, array, text)?;
        arrays.push(array);
        absences.push(absence);
    }
    let mut labels = Vec::new();
    for (name, path) in segments {
        let values = categories(find(batch, name, path)?)?;
        let mut column = Labels::default();
        for value in &values {
            column.push(value.filter(|value| !value.is_empty()).unwrap_or("(none)"));
        }
        labels.push(column);
    }
    let rows = batch.num_rows();
    let mut versions = Labels::default();
    for _ in 0..rows {
        versions.push("");
    }
    Ok(DecodedBatch {
        batch: RecordBatch::try_new(arrow_schema(schema), arrays)?,
        absences,
        times: vec![EventTime::default(); rows],
        offsets: vec![0; rows],
        versions,
        segments: labels,
    })
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

fn typed(column: &Column, array: &ArrayRef, text: TextIs) -> Result<(ArrayRef, Vec<Absence>), ConvertError> {
    let wrong = || ConvertError::WrongType {
        column: column.name.clone(),
        found: array.data_type().clone(),
        declared: column.column_type.as_str(),
    };
    let is_text =
        matches!(array.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null);
    match column.column_type {
        ColumnType::Numeric if is_text && text == TextIs::Anything => Ok(parsed(array, parse_number)?),
        ColumnType::Numeric if array.data_type().is_numeric() => {
            let values = cast(array, &DataType::Float64)?;
            let absences = nulls(&values);
            Ok((values, absences))
        }
        ColumnType::Boolean if is_text && text == TextIs::Anything => Ok(parsed_booleans(array)?),
        ColumnType::Boolean if array.data_type() == &DataType::Boolean => Ok((Arc::clone(array), nulls(array))),
        ColumnType::Boolean if array.data_type().is_integer() => {
            let values = cast(array, &DataType::Boolean)?;
            let absences = nulls(&values);
            Ok((values, absences))
        }
        ColumnType::Categorical if !array.data_type().is_nested() => {
            let values = categories(array)?;
            let mut absences = nulls(&values);
            if text == TextIs::Anything {
                let emptied: StringArray =
                    values.iter().map(|value| value.filter(|text| !text.is_empty())).collect();
                absences = nulls(&emptied);
                return Ok((Arc::new(emptied), absences));
            }
            absences.truncate(values.len());
            Ok((Arc::new(values), absences))
        }
        _ => Err(wrong()),
    }
}

/// Any plain array as categories: whole floats are written as integers, overlong texts shortened, as in
/// decoded records.
fn categories(array: &ArrayRef) -> Result<StringArray, ConvertError> {
    let mut buffer = String::new();
    if let Some(values) = array.as_primitive_opt::<Float64Type>() {
        return Ok(values.iter().map(|value| value.map(|value| value.to_string())).collect());
    }
    let texts = cast(array, &DataType::Utf8)?;
    Ok(texts
        .as_string::<i32>()
        .iter()
        .map(|value| {
            value.map(|value| {
                buffer.clear();
                push_category(&mut buffer, value);
                buffer.clone()
            })
        })
        .collect())
}

fn nulls(array: &dyn Array) -> Vec<Absence> {
    (0..array.len()).map(|row| if array.is_null(row) { Absence::Null } else { Absence::Present }).collect()
}

fn parse_number(text: &str) -> Result<f64, Absence> {
    text.trim().parse::<f64>().map_err(|_| Absence::WrongType)
}

fn parsed(
    array: &ArrayRef,
    parse: impl Fn(&str) -> Result<f64, Absence>,
) -> Result<(ArrayRef, Vec<Absence>), ConvertError> {
    let texts = cast(array, &DataType::Utf8)?;
    let read: Vec<Result<f64, Absence>> = texts
        .as_string::<i32>()
        .iter()
        .map(|value| match value {
            None | Some("") => Err(Absence::Null),
            Some(text) => parse(text),
        })
        .collect();
    let values: Float64Array = read.iter().map(|value| value.as_ref().ok().copied()).collect();
    Ok((Arc::new(values), read.into_iter().map(|value| value.err().unwrap_or(Absence::Present)).collect()))
}

fn parsed_booleans(array: &ArrayRef) -> Result<(ArrayRef, Vec<Absence>), ConvertError> {
    let texts = cast(array, &DataType::Utf8)?;
    let read: Vec<Result<bool, Absence>> = texts
        .as_string::<i32>()
        .iter()
        .map(|value| match value.map(str::to_ascii_lowercase).as_deref() {
            None | Some("") => Err(Absence::Null),
            Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(_) => Err(Absence::WrongType),
        })
        .collect();
    let values: BooleanArray = read.iter().map(|value| value.as_ref().ok().copied()).collect();
    Ok((Arc::new(values), read.into_iter().map(|value| value.err().unwrap_or(Absence::Present)).collect()))
}
