//! Tables as Arrow IPC streams, for those who read them with pyarrow or polars.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::problem::Problem;
use crate::record::Timestamp;
use crate::view::{DistributionRow, FindingRow, Page, WindowRow};

/// The media type of Arrow IPC streams.
pub(super) const ARROW: &str = "application/vnd.apache.arrow.stream";

/// In which form an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerFormat {
    Json,
    Arrow,
}

impl AnswerFormat {
    /// What the request accepts; the first of both that it names.
    pub(super) fn wanted(headers: &HeaderMap) -> Result<Self, Problem> {
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
        let forms = accept.split(',').filter_map(|one| {
            match one.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
                ARROW => Some(Self::Arrow),
                "application/json" | "application/*" | "*/*" | "" => Some(Self::Json),
                _ => None,
            }
        });
        let mut forms = forms;
        forms.next().ok_or_else(|| {
            Problem::new(
                StatusCode::NOT_ACCEPTABLE,
                format!("this comes as application/json or {ARROW}, not as `{accept}`"),
            )
        })
    }
}

/// Rows that are a table.
pub(super) trait Table: Serialize + Sized {
    /// The columns with their values.
    fn columns(rows: &[Self]) -> Vec<(&'static str, ArrayRef)>;
}

/// A part of a list in the form that is wanted; where it goes on is in the header `Link`, too.
pub(super) fn page_as<T: Table>(
    form: AnswerFormat,
    page: &Page<T>,
    path_and_query: &str,
) -> Result<Response, Problem> {
    let mut response = match form {
        AnswerFormat::Json => Json(page).into_response(),
        AnswerFormat::Arrow => stream(&page.items)?,
    };
    if let Some(next) = &page.next {
        let link = format!("<{}>; rel=\"next\"", with_cursor(path_and_query, next));
        if let Ok(value) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(header::LINK, value);
        }
    }
    Ok(response)
}

fn with_cursor(path_and_query: &str, cursor: &str) -> String {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let kept = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let cursor = format!("cursor={}", super::pages::encoded(cursor));
    let query: Vec<&str> = kept.chain([cursor.as_str()]).collect();
    format!("{path}?{}", query.join("&"))
}

/// Rows as an Arrow IPC stream of one batch.
pub(super) fn stream<T: Table>(rows: &[T]) -> Result<Response, Problem> {
    let bytes = written(rows).map_err(|error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("cannot write Arrow: {error}"))
    })?;
    Ok(([(header::CONTENT_TYPE, ARROW)], bytes).into_response())
}

fn written<T: Table>(rows: &[T]) -> Result<Vec<u8>, ArrowError> {
    let columns = T::columns(rows);
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    writer.write(&batch)?;
    writer.into_inner()
}

fn texts<'a, T: 'a>(rows: &'a [T], of: impl Fn(&'a T) -> Option<&'a str>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<StringArray>())
}

fn numbers<T>(rows: &[T], of: impl Fn(&T) -> Option<f64>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<Float64Array>())
}

fn counts<T>(rows: &[T], of: impl Fn(&T) -> Option<u64>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<UInt64Array>())
}

fn times<T>(rows: &[T], of: impl Fn(&T) -> Timestamp) -> ArrayRef {
    let micros = rows.iter().map(|row| Some(of(row).micros()));
    Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

impl Table for WindowRow {
    fn columns(rows: &[Self]) -> Vec<(&'static str, ArrayRef)> {
        vec![
            ("id", Arc::new(rows.iter().map(|row| Some(row.id)).collect::<Int64Array>())),
            ("version", texts(rows, |row| Some(&row.version))),
            ("segment", texts(rows, |row| Some(&row.segment))),
            ("start", times(rows, |row| row.start)),
            ("end", times(rows, |row| row.end)),
            ("status", texts(rows, |row| Some(row.status.as_str()))),
            ("rows", counts(rows, |row| Some(row.rows))),
            ("late", counts(rows, |row| Some(row.late))),
            ("verdict", texts(rows, |row| row.verdict.map(crate::judge::Verdict::as_str))),
            ("complete", Arc::new(rows.iter().map(|row| row.complete).collect::<BooleanArray>())),
            ("baseline", Arc::new(rows.iter().map(|row| row.baseline).collect::<Int32Array>())),
            ("configuration", texts(rows, |row| row.configuration.as_deref())),
            ("retraining", texts(rows, |row| row.retraining.as_deref())),
        ]
    }
}

impl Table for FindingRow {
    fn columns(rows: &[Self]) -> Vec<(&'static str, ArrayRef)> {
        vec![
            ("window", Arc::new(rows.iter().map(|row| Some(row.window)).collect::<Int64Array>())),
            ("version", texts(rows, |row| Some(&row.version))),
            ("segment", texts(rows, |row| Some(&row.segment))),
            ("start", times(rows, |row| row.start)),
            ("end", times(rows, |row| row.end)),
            ("column", texts(rows, |row| Some(&row.column))),
            ("measure", texts(rows, |row| Some(&row.measure))),
            ("statistic", numbers(rows, |row| row.statistic)),
            ("p_value", numbers(rows, |row| row.p_value)),
            ("effect", numbers(rows, |row| row.effect)),
            ("bound", numbers(rows, |row| row.bound)),
            ("noise_floor", numbers(rows, |row| row.noise_floor)),
            ("warn", numbers(rows, |row| Some(row.warn))),
            ("critical", numbers(rows, |row| Some(row.critical))),
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
