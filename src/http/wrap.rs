//! What holds for every answer: what may be asked, how long it may take, what browsers may do with it, whether it changed.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::Instrument as _;

use super::problem::Problem;
use super::{SharedBackend, problem_response, too_slow};

/// An answer has to come within this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Answers up to this size are tagged; larger ones are sent as they are.
const MAX_TAGGED: usize = 16 << 20;

/// Pages may use our own style sheet and script, may be framed by nobody and send forms to nobody else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A year: browsers that came over TLS once come over TLS.
const STRICT: &str = "max-age=31536000";

/// Limits how long an answer takes, and adds what protects browsers.
pub(super) async fn limit_and_protect(
    State(backend): State<SharedBackend>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let span = tracing::debug_span!("request", method = %request.method(), path);
    let mut response = match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).instrument(span).await {
        Ok(response) => response,
        Err(_) => problem_response(too_slow(), &path),
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
    if backend.access().secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(STRICT));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    response
}

/// What every request has to be.
fn sound(request: &Request) -> Result<(), Problem> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    if another.is_some() {
        // What is in front of us may have looked at the other one.
        return Err(Problem::bad("a request names one `Host`"));
    }
    let named = request.uri().authority().map(axum::http::uri::Authority::as_str);
    if named.is_some_and(|named| host.and_then(|host| host.to_str().ok()) != Some(named)) {
        return Err(Problem::bad("the request's address and its `Host` differ"));
    }
    if request.uri().path_and_query().is_some_and(|asked| asked.as_str().contains("%00")) {
        return Err(Problem::bad("a text has a NUL in it, and no name has"));
    }
    Ok(())
}

/// Lets through requests that are what they have to be, and go to a host that is ours.
pub(super) async fn check_request(State(backend): State<SharedBackend>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    match sound(&request).and_then(|()| backend.access().check_host(request.headers())) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem_response(problem, path),
    }
}

/// Gives answers a tag of their content, and answers "not modified" to a request that has it already.
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
    problem_response(Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address"), &path)
}

pub(super) async fn not_allowed(request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let detail = format!("{} is not possible here", request.method());
    problem_response(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail), &path)
}
