//! Rows as Arrow tables: what the API answers to those who read them with pyarrow or polars, and what is exported.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;

use super::{DistributionRow, FindingRow, WindowRow};
use crate::judge::Verdict;
use crate::record::Timestamp;

/// Rows that are a table.
pub trait Table: Sized {
    /// The columns with their values. Without rows their types are the same.
    fn columns(rows: &[Self]) -> Vec<(&'static str, ArrayRef)>;
}

/// The rows as one batch.
///
/// # Errors
/// When the columns do not make a batch; those of a table do.
pub fn batch<T: Table>(rows: &[T]) -> Result<RecordBatch, ArrowError> {
    let columns = T::columns(rows);
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}

pub(super) fn ids<T>(rows: &[T], of: impl Fn(&T) -> i64) -> ArrayRef {
    Arc::new(rows.iter().map(|row| Some(of(row))).collect::<Int64Array>())
}

pub(super) fn ids_if_any<T>(rows: &[T], of: impl Fn(&T) -> Option<i64>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<Int64Array>())
}

pub(super) fn versions<T>(rows: &[T], of: impl Fn(&T) -> Option<i32>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<Int32Array>())
}

pub(super) fn flags<T>(rows: &[T], of: impl Fn(&T) -> Option<bool>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<BooleanArray>())
}

pub(super) fn texts<'a, T: 'a>(rows: &'a [T], of: impl Fn(&'a T) -> Option<&'a str>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<StringArray>())
}

pub(super) fn numbers<T>(rows: &[T], of: impl Fn(&T) -> Option<f64>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<Float64Array>())
}

pub(super) fn counts<T>(rows: &[T], of: impl Fn(&T) -> Option<u64>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<UInt64Array>())
}

pub(super) fn times<T>(rows: &[T], of: impl Fn(&T) -> Option<Timestamp>) -> ArrayRef {
    let micros = rows.iter().map(|row| of(row).map(|time| time.micros()));
    Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

impl Table for WindowRow {
    fn columns(rows: &[Self]) -> Vec<(&'static str, ArrayRef)> {
        vec![
            ("id", ids(rows, |row| row.id)),
            ("version", texts(rows, |row| Some(&row.version))),
            ("segment", texts(rows, |row| Some(&row.segment))),
            ("start", times(rows, |row| Some(row.start))),
            ("pane_start", times(rows, |row| Some(row.pane_start))),
            ("end", times(rows, |row| Some(row.end))),
            ("status", texts(rows, |row| Some(row.status.as_str()))),
            ("rows", counts(rows, |row| Some(row.rows))),
            ("pane_rows", counts(rows, |row| Some(row.pane_rows))),
            ("revision", counts(rows, |row| Some(u64::from(row.revision)))),
            ("usual_rows", counts(rows, |row| row.usual_rows)),
            ("volume", texts(rows, |row| row.volume.map(Verdict::as_str))),
            ("late", counts(rows, |row| Some(row.late))),
            ("verdict", texts(rows, |row| row.verdict.map(Verdict::as_str))),
            ("complete", flags(rows, |row| row.complete)),
            ("baseline", versions(rows, |row| row.baseline)),
            ("backfill", ids_if_any(rows, |row| row.backfill)),
            ("configuration", texts(rows, |row| row.configuration.as_deref())),
            ("retraining", texts(rows, |row| row.retraining.as_deref())),
        ]
    }
}

impl Table for FindingRow {
    fn columns(rows: &[Self]) -> Vec<(&'static str, ArrayRef)> {
        vec![
            ("window", ids(rows, |row| row.window)),
            ("version", texts(rows, |row| Some(&row.version))),
            ("segment", texts(rows, |row| Some(&row.segment))),
            ("start", times(rows, |row| Some(row.start))),
            ("end", times(rows, |row| Some(row.end))),
            ("column", texts(rows, |row| Some(&row.column))),
            ("measure", texts(rows, |row| Some(&row.measure))),
            ("statistic", numbers(rows, |row| row.statistic)),
            ("p_value", numbers(rows, |row| row.p_value)),
            ("effect", numbers(rows, |row| row.effect)),
            ("bound", numbers(rows, |row| row.bound)),
            ("noise_floor", numbers(rows, |row| row.noise_floor)),
            ("warn", numbers(rows, |row| row.warn)),
            ("critical", numbers(rows, |row| row.critical)),
            ("n_baseline", counts(rows, |row| row.n_baseline)),
            ("n_window", counts(rows, |row| row.n_window)),
            ("verdict", texts(rows, |row| Some(row.verdict.as_str()))),
        ]
    }
}

impl Table for DistributionRow {
    fn columns(rows: &[Self]) -> Vec<(&'static str, ArrayRef)> {
        vec![
            ("column", texts(rows, |row| Some(&row.column))),
            ("kind", texts(rows, |row| Some(row.kind.as_str()))),
            ("category", texts(rows, |row| row.category.as_deref())),
            ("low", numbers(rows, |row| row.low)),
            ("high", numbers(rows, |row| row.high)),
            ("baseline", counts(rows, |row| row.baseline)),
            ("window", counts(rows, |row| Some(row.window))),
        ]
    }
}
