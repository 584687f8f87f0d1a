//! Tables as Arrow IPC streams, for those who read them with pyarrow or polars.

use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::problem::Problem;
use crate::view::{Page, Table, batch};

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

/// A part of a list in the form that is wanted; where it goes on is in the header `Link`, too.
pub(super) fn page_as<T: Table + Serialize>(
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
    let batch = batch(rows)?;
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(&batch)?;
    writer.into_inner()
}
