//! Answers that say what went wrong, as RFC 9457 has them.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use super::backend::BackendError;

/// An error: RFC 9457, `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Reason phrase of the status.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
    /// The error, and the allowed values.
    pub detail: String,
    /// How to fix it.
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
            BackendError::Deleted(detail) => (StatusCode::GONE, detail),
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
    /// Invalid request.
    #[response(status = 400, content_type = "application/problem+json")]
    Bad(Problem),
    /// Token required.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// The role of the token does not allow it, or cross-site request.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// Not found.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// Not acceptable: no requested media type is available.
    #[response(status = 406, content_type = "application/problem+json")]
    NotAcceptable(Problem),
    /// Database unavailable, or timeout.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// What operations may answer that need what is kept for a limited time.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the description is used")]
pub enum DeletedProblems {
    /// Deleted because of its age: `[retention]` in the configuration.
    #[response(status = 410, content_type = "application/problem+json")]
    Gone(Problem),
}

/// What operations that change something may answer, too.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the description is used")]
pub enum ChangeProblems {
    /// Invalid request.
    #[response(status = 400, content_type = "application/problem+json")]
    Bad(Problem),
    /// Token required.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// The role of the token does not allow it, or cross-site request.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// Not found.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// Conflict with the current state.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// Body too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// Body is not JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(Problem),
    /// Body does not match the schema.
    #[response(status = 422, content_type = "application/problem+json")]
    Shape(Problem),
    /// Database unavailable, or timeout.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}
