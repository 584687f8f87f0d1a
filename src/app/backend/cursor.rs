//! Where a page of a list begins: after the entry that the page before ended with, as its cursor says.

use std::str::FromStr;

use crate::http::{BackendError, BackendResult, PageRequest};

pub(super) fn bad_cursor() -> BackendError {
    BackendError::Invalid("invalid `cursor`: pass `next` of the previous response".to_owned())
}

/// A cursor of two parts.
pub(super) fn place<A: FromStr, B: FromStr>(request: &PageRequest) -> BackendResult<Option<(A, B)>> {
    let Some(cursor) = &request.cursor else { return Ok(None) };
    let (left, right) = cursor.split_once('.').ok_or_else(bad_cursor)?;
    Ok(Some((left.parse().map_err(|_| bad_cursor())?, right.parse().map_err(|_| bad_cursor())?)))
}

/// A cursor of one number.
pub(super) fn number(request: &PageRequest) -> BackendResult<Option<i64>> {
    request.cursor.as_deref().map(str::parse).transpose().map_err(|_| bad_cursor())
}
