//! What requests say, or a problem that says what is wrong with it.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::access::Caller;
use super::backend::Part;
use super::problem::Problem;

/// The query of a request.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => Err(Problem::bad(rejection.body_text())),
        }
    }
}

/// The parts of the path.
pub(super) struct Named<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(named)) => Ok(Self(named)),
            Err(rejection) => Err(Problem::bad(rejection.body_text())),
        }
    }
}

/// The body of a request, JSON.
pub(super) struct Given<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Given<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = Bytes::from_request(Request::from_parts(parts.clone(), body), state)
            .await
            .map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
        if serde_json::from_slice::<Value>(&body).is_ok_and(|given| has_nul(&given)) {
            return Err(Problem::bad("a text has a NUL in it, which cannot be stored"));
        }
        match Json::<T>::from_request(Request::from_parts(parts, Body::from(body)), state).await {
            Ok(Json(given)) => Ok(Self(given)),
            Err(rejection) => Err(Problem::new(rejection.status(), rejection.body_text())),
        }
    }
}

/// Whether a text in JSON has a NUL: PostgreSQL cannot store it.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(values) => values.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        _ => false,
    }
}

/// The body of a request, as it came: what is signed.
pub(super) struct Raw(pub(super) String);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match String::from_request(request, state).await {
            Ok(body) => Ok(Self(body)),
            Err(rejection) => Err(Problem::new(rejection.status(), rejection.body_text())),
        }
    }
}

/// Who asks; everybody who gets as far as a handler that asks for it was let through.
pub(super) struct By(pub(super) Caller);

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.map(Self).ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "a token is needed"))
    }
}

/// Entries in a part of a list when nobody says how many.
const LIMIT: usize = 100;

/// Where a list goes on.
pub(super) fn part(cursor: Option<String>, limit: Option<usize>, most: usize) -> Result<Part, Problem> {
    let limit = limit.unwrap_or(LIMIT);
    if (1..=most).contains(&limit) {
        Ok(Part { cursor: cursor.filter(|cursor| !cursor.is_empty()), limit })
    } else {
        Err(Problem::bad(format!("`limit` must lie between 1 and {most}")))
    }
}
