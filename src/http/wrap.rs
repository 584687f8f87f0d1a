//! What holds for every answer: who may ask, how long it may take, what browsers may do with it, whether it changed.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use tracing::Instrument as _;

use super::problem::Problem;
use super::{Shared, said, too_slow};

/// An answer has to come within this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Answers up to this size are tagged; larger ones are sent as they are.
const MAX_TAGGED: usize = 16 << 20;

/// Pages may use our own style sheet and script, may be framed by nobody and send forms to nobody else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Limits how long an answer takes, and adds what protects browsers.
pub(super) async fn limit_and_protect(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let span = tracing::debug_span!("request", method = %request.method(), path);
    let mut response = match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).instrument(span).await {
        Ok(response) => response,
        Err(_) => said(too_slow(), &path),
    };
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    response
}

/// Lets through who may ask. Browsers without a session are sent to log in.
pub(super) async fn guard(State(backend): State<Shared>, mut request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    match backend.access().decide(&method, &path, request.headers()) {
        Ok(caller) => {
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            next.run(request).await
        }
        Err(problem) if problem.code() == StatusCode::UNAUTHORIZED && is_page(&method, &path) => {
            let wanted = request.uri().path_and_query().map_or("/", |wanted| wanted.as_str());
            Redirect::to(&format!("/login?next={}", super::pages::encoded(wanted))).into_response()
        }
        Err(problem) => said(problem, &path),
    }
}

fn is_page(method: &Method, path: &str) -> bool {
    *method == Method::GET && !path.starts_with("/api/") && path != "/metrics"
}

/// Gives answers a tag of their content, and says only that nothing changed to whoever has it already.
pub(super) async fn tag(request: Request, next: Next) -> Response {
    let readable = matches!(*request.method(), Method::GET | Method::HEAD);
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    if !readable || response.status() != StatusCode::OK {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_TAGGED).await else {
        return Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the answer is too large\nhint: ask for less: with `limit`, or of one `column`",
        )
        .into_response();
    };
    let tag = format!("\"{:032x}\"", xxhash_rust::xxh3::xxh3_128(&bytes));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, value);
    }
    let has_it = known.as_ref().and_then(|known| known.to_str().ok()).is_some_and(|known| {
        known.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == tag || one == "*")
    });
    if has_it {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

pub(super) async fn nothing_there(request: Request) -> Response {
    let path = request.uri().path().to_owned();
    said(Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address"), &path)
}

pub(super) async fn not_allowed(request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let detail = format!("{} is not possible here", request.method());
    said(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail), &path)
}
