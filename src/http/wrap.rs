//! What holds for every answer: who may ask, how long it may take, what browsers may do with it, whether it changed.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use super::access::Caller;
use super::attempts::{Attempts, Way, forwarded};
use super::places::Peer;
use super::problem::Problem;
use super::serve::Came;
use super::{Shared, said, too_slow};

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
pub(super) async fn limit_and_protect(State(backend): State<Shared>, request: Request, next: Next) -> Response {
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
    if backend.access().secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(STRICT));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    response
}

/// What every request has to be, whoever makes it.
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

/// What is answered when all ordinary places are taken.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// How long whoever comes with a token that is not known is kept waiting.
const WRONG_TOKEN: Duration = Duration::from_secs(1);

/// Lets through who may ask. Browsers without a session are sent to log in.
pub(super) async fn guard(State(backend): State<Shared>, mut request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    if let Err(problem) = sound(&request) {
        return said(problem, &path);
    }
    let came = request.extensions().get::<Came>().copied();
    if came.is_some_and(|came| came.kept) && !PROBES.contains(&path.as_str()) {
        return crowded(&path);
    }
    match who(&backend, &method, &path, request.headers()).await {
        Ok(caller) => {
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            next.run(request).await
        }
        Err(problem)
            if problem.code() == StatusCode::UNAUTHORIZED
                && request.headers().contains_key(header::AUTHORIZATION) =>
        {
            note_wrong_token(&request, came);
            tokio::time::sleep(WRONG_TOKEN).await;
            said(problem, &path)
        }
        Err(problem) if problem.code() == StatusCode::UNAUTHORIZED && is_page(&method, &path) => {
            let wanted = request.uri().path_and_query().map_or("/", |wanted| wanted.as_str());
            Redirect::to(&format!("/login?next={}", super::pages::encoded(wanted))).into_response()
        }
        Err(problem) => said(problem, &path),
    }
}

/// Requests that are worked on at the same time; others wait for their turn, but for probes and metrics. Many at once would not be
/// answered sooner, and keep everything else that the daemon does from its turn.
pub(super) const AT_WORK: usize = 32;

/// Lets some requests be worked on at a time.
pub(super) async fn take_turns(State(turns): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    // Whoever guesses waits there, and is not waited for.
    if PROBES.contains(&path) || path == "/login" {
        return next.run(request).await;
    }
    // Never closed.
    let _turn = turns.acquire().await;
    next.run(request).await
}

/// Who makes a request. A session that was ended is none.
async fn who(
    backend: &Shared,
    method: &Method,
    path: &str,
    headers: &axum::http::HeaderMap,
) -> Result<Option<Caller>, Problem> {
    let access = backend.access();
    let Some(caller) = access.decide(method, path, headers)? else { return Ok(None) };
    let Some(session) = &caller.session else { return Ok(Some(caller)) };
    let is_public = access.is_public(method, path);
    if is_public && !PROBES.contains(&path) {
        // Style sheets and the form to log in are the same for everybody.
        return Ok(None);
    }
    match backend.session_ended(&session.id).await {
        Ok(false) => Ok(Some(caller)),
        // Whoever may ask as a stranger is one.
        Ok(true) | Err(_) if is_public => Ok(None),
        Ok(true) => Err(Problem::new(StatusCode::UNAUTHORIZED, "this session was ended\nhint: log in at /login")),
        Err(failure) => Err(failure.into()),
    }
}

/// Notes a token that is not known.
fn note_wrong_token(request: &Request, came: Option<Came>) {
    let Some(address) = came.map(|came| came.address) else { return };
    let forwarded = forwarded(request.headers(), address);
    let count = request
        .extensions()
        .get::<Arc<Attempts>>()
        .and_then(|attempts| attempts.failed(Way::Token, Peer::of(address)));
    if let Some(failures) = count {
        tracing::warn!(peer = %address, forwarded, failures, "a request has a token that is not known");
    }
}

/// All places are taken: the probes are answered, everybody else comes again.
fn crowded(path: &str) -> Response {
    let problem = Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many connections: probes and metrics alone are answered\nhint: come again in a moment; `http.max_connections` and \
         `http.max_connections_per_peer` are the limits",
    );
    let mut response = said(problem, path);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
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
