//! What requests say, or a problem that says what is wrong with it: in JSON for programs, as a page for people. The extractors
//! are called as axum's are, which they wrap.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::backend::PageRequest;
use super::problem::Problem;
use super::problem_response;

/// The query of a request.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(problem_response(Problem::bad(rejection.body_text()), parts.uri.path())),
        }
    }
}

/// The parts of the path.
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(names)) => Ok(Self(names)),
            Err(rejection) => Err(problem_response(Problem::bad(rejection.body_text()), parts.uri.path())),
        }
    }
}

/// The body of a request or of an answer, JSON.
pub(super) struct Json<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let in_json = |body: &[u8]| serde_json::from_slice::<Value>(body).is_ok_and(|value| has_nul(&value));
        let request = without_nul(request, state, in_json).await?;
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(Problem::new(rejection.status(), rejection.body_text())),
        }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// A request whose body was read and has no NUL.
async fn without_nul<S: Send + Sync>(
    request: Request,
    state: &S,
    has_nul: impl Fn(&[u8]) -> bool,
) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    let body = Bytes::from_request(Request::from_parts(parts.clone(), body), state)
        .await
        .map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    if has_nul(&body) { Err(nul()) } else { Ok(Request::from_parts(parts, Body::from(body))) }
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

/// A text has a NUL in it.
pub(super) fn nul() -> Problem {
    Problem::bad("text contains a NUL character, which cannot be stored")
}

/// The fields of a form.
pub(super) struct Form<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let path = request.uri().path().to_owned();
        let refused = |problem: Problem| problem_response(problem, &path);
        let encoded = |body: &[u8]| body.windows(3).any(|letters| letters == b"%00");
        let request = without_nul(request, state, encoded).await.map_err(refused)?;
        match axum::Form::<T>::from_request(request, state).await {
            Ok(axum::Form(fields)) => Ok(Self(fields)),
            Err(rejection) => Err(refused(Problem::new(rejection.status(), rejection.body_text()))),
        }
    }
}

/// The body of a request, as it came: what is signed.
pub(super) struct Text(pub(super) String);

impl<S: Send + Sync> FromRequest<S> for Text {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match String::from_request(request, state).await {
            Ok(body) => Ok(Self(body)),
            Err(rejection) => Err(Problem::new(rejection.status(), rejection.body_text())),
        }
    }
}

/// Entries in a part of a list when nobody says how many.
const LIMIT: usize = 100;

/// Where a list goes on.
pub(super) fn page_request(
    cursor: Option<String>,
    limit: Option<usize>,
    most: usize,
) -> Result<PageRequest, Problem> {
    let limit = limit.unwrap_or(LIMIT);
    if (1..=most).contains(&limit) {
        Ok(PageRequest { cursor: cursor.filter(|cursor| !cursor.is_empty()), limit })
    } else {
        Err(Problem::bad(format!("`limit` must lie between 1 and {most}")))
    }
}
