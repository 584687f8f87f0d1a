//! Answers that say what went wrong, as RFC 9457 has them.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use super::backend::BackendError;

/// What went wrong: RFC 9457, `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the status says which kind it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong here, and what is allowed.
    pub detail: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// With a status and words; a line `hint: ...` becomes the hint.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let (detail, hint) = match detail.split_once("\nhint: ") {
            Some((detail, hint)) => (detail.to_owned(), Some(hint.to_owned())),
            None => (detail, None),
        };
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            detail,
            hint,
        }
    }

    /// Something asked for that cannot be understood.
    #[must_use]
    pub fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// The status.
    #[must_use]
    pub fn code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<BackendError> for Problem {
    fn from(failure: BackendError) -> Self {
        let (status, detail) = match failure {
            BackendError::NotFound(detail) => (StatusCode::NOT_FOUND, detail),
            BackendError::Refused(detail) => (StatusCode::CONFLICT, detail),
            BackendError::Invalid(detail) => (StatusCode::BAD_REQUEST, detail),
            BackendError::Unavailable(detail) => (StatusCode::SERVICE_UNAVAILABLE, detail),
            BackendError::Broken(detail) => (StatusCode::INTERNAL_SERVER_ERROR, detail),
        };
        Self::new(status, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let code = self.code();
        let mut response = (code, Json(self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if code == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"driftd\""));
        }
        response
    }
}

/// What every operation may answer beside what it is there for.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the description is used")]
pub enum Problems {
    /// What was asked cannot be understood.
    #[response(status = 400, content_type = "application/problem+json")]
    Bad(Problem),
    /// A token is needed.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// The token's role does not allow it, or the request comes from another site.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// There is no such thing.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// The answer is not there in a form that was asked for.
    #[response(status = 406, content_type = "application/problem+json")]
    NotAcceptable(Problem),
    /// The database is away, or the answer took too long.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// What operations that change something may answer, too.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the description is used")]
pub enum ChangeProblems {
    /// What was asked cannot be understood.
    #[response(status = 400, content_type = "application/problem+json")]
    Bad(Problem),
    /// A token is needed.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// The token's role does not allow it, or the request comes from another site.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// There is no such thing.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// It cannot be, as things stand.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The body is not JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(Problem),
    /// The body is JSON of another shape.
    #[response(status = 422, content_type = "application/problem+json")]
    Shape(Problem),
    /// The database is away, or the answer took too long.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}
