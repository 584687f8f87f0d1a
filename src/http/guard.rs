//! Every route stands in the group of what it takes: a role, a signature, or nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts, OptionalFromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Redirect, Response};
use tokio::sync::Semaphore;

use super::access::{Caller, Role};
use super::attempts::{Attempts, Way, forwarded};
use super::pages::encoded;
use super::places::Peer;
use super::problem::Problem;
use super::serve::ConnectionInfo;
use super::{SharedBackend, problem_response};

/// Requests that are worked on at the same time; others wait for their turn, but for probes and metrics. Many at once would not be
/// answered sooner, and keep everything else that the daemon does from its turn.
const AT_WORK: usize = 32;

/// How long a request with a token that is not known is kept waiting.
const WRONG_TOKEN: Duration = Duration::from_secs(1);

/// Routes, grouped by what they take.
#[derive(Default)]
pub(super) struct Routes {
    /// Nothing; answered even when all ordinary places are taken.
    pub(super) probes: Router<SharedBackend>,
    /// To look, as the viewer; answered likewise.
    pub(super) metrics: Router<SharedBackend>,
    /// Nothing: the form to log in, style sheets.
    pub(super) public: Router<SharedBackend>,
    /// A signature of the sender's own.
    pub(super) signed: Router<SharedBackend>,
    /// To look.
    pub(super) viewer: Router<SharedBackend>,
    /// To act on alerts, messages and requests; to look at records, which are people's data.
    pub(super) operator: Router<SharedBackend>,
    /// To make and activate baselines.
    pub(super) admin: Router<SharedBackend>,
}

impl Routes {
    /// These and others.
    pub(super) fn merge(self, other: Self) -> Self {
        Self {
            probes: self.probes.merge(other.probes),
            metrics: self.metrics.merge(other.metrics),
            public: self.public.merge(other.public),
            signed: self.signed.merge(other.signed),
            viewer: self.viewer.merge(other.viewer),
            operator: self.operator.merge(other.operator),
            admin: self.admin.merge(other.admin),
        }
    }

    /// All of them, each behind what it takes.
    pub(super) fn guarded(self, backend: &SharedBackend) -> Router<SharedBackend> {
        let turns = Arc::new(Semaphore::new(AT_WORK));
        // The layer that is added last is passed first: a refused caller takes no turn.
        let in_turn = |routes: Router<SharedBackend>| {
            routes.route_layer(middleware::from_fn_with_state(Arc::clone(&turns), take_turn))
        };
        let takes = |role: Role, routes: Router<SharedBackend>| {
            routes.route_layer(middleware::from_fn_with_state((Arc::clone(backend), role), require))
        };
        let ordinary = |routes: Router<SharedBackend>| routes.route_layer(middleware::from_fn(leave_kept_places));
        self.probes
            .merge(takes(Role::Viewer, self.metrics))
            .merge(ordinary(self.public))
            .merge(ordinary(in_turn(self.signed)))
            .merge(ordinary(takes(Role::Viewer, in_turn(self.viewer))))
            .merge(ordinary(takes(Role::Operator, in_turn(self.operator))))
            .merge(ordinary(takes(Role::Admin, in_turn(self.admin))))
    }
}

/// Lets some requests be worked on at a time.
async fn take_turn(State(turns): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    // Never closed.
    let _turn = turns.acquire().await;
    next.run(request).await
}

/// Lets through who has the role. Browsers without a session are sent to log in.
async fn require(
    State((backend, role)): State<(SharedBackend, Role)>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let caller = match authenticate(&backend, request.headers()).await {
        Ok(caller) => caller,
        Err(problem) if problem.code() == StatusCode::UNAUTHORIZED => {
            if request.headers().contains_key(header::AUTHORIZATION) {
                delay_wrong_token(request.headers(), request.extensions()).await;
            } else if *request.method() == Method::GET && is_page(&path) {
                let wanted = request.uri().path_and_query().map_or("/", |wanted| wanted.as_str());
                return Redirect::to(&format!("/login?next={}", encoded(wanted))).into_response();
            }
            return problem_response(problem, &path);
        }
        Err(problem) => return problem_response(problem, &path),
    };
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let own =
        if changes { backend.access().check_origin(request.headers(), caller.session.is_some()) } else { Ok(()) };
    if let Err(problem) = own.and_then(|()| caller.needs(role)) {
        return problem_response(problem, &path);
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

fn is_page(path: &str) -> bool {
    !path.starts_with("/api/") && path != "/metrics"
}

/// Who makes a request. A session that was ended is none.
async fn authenticate(backend: &SharedBackend, headers: &HeaderMap) -> Result<Caller, Problem> {
    let caller = backend.access().caller(headers)?;
    match &caller.session {
        Some(session) if backend.session_ended(&session.id).await? => {
            Err(Problem::new(StatusCode::UNAUTHORIZED, "this session was ended\nhint: log in at /login"))
        }
        _ => Ok(caller),
    }
}

/// Notes a token that is not known, and keeps who sent it waiting.
async fn delay_wrong_token(headers: &HeaderMap, extensions: &Extensions) {
    if let Some(connection) = extensions.get::<ConnectionInfo>() {
        let address = connection.address;
        let attempts = extensions.get::<Arc<Attempts>>();
        if let Some(failures) = attempts.and_then(|attempts| attempts.failed(Way::Token, Peer::of(address))) {
            let forwarded = forwarded(headers, address);
            tracing::warn!(peer = %address, forwarded, failures, "request with an invalid token");
        }
    }
    tokio::time::sleep(WRONG_TOKEN).await;
}

/// Keeps the places that are kept for probes free of everything else.
async fn leave_kept_places(request: Request, next: Next) -> Response {
    if !request.extensions().get::<ConnectionInfo>().is_some_and(|connection| connection.kept) {
        return next.run(request).await;
    }
    let problem = Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many connections: only probes and metrics are answered\nhint: retry later; `http.max_connections` and \
         `http.max_connections_per_peer` are the limits",
    );
    let mut response = problem_response(problem, request.uri().path());
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// The caller that a route with a role was passed by.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| {
            let problem = Problem::new(StatusCode::UNAUTHORIZED, "a token is required");
            problem_response(problem, parts.uri.path())
        })
    }
}

/// On a route that takes nothing: the caller, if one is known; a token that is not is noted.
impl OptionalFromRequestParts<SharedBackend> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        backend: &SharedBackend,
    ) -> Result<Option<Self>, std::convert::Infallible> {
        let caller = authenticate(backend, &parts.headers).await.ok();
        if caller.is_none() && parts.headers.contains_key(header::AUTHORIZATION) {
            delay_wrong_token(&parts.headers, &parts.extensions).await;
        }
        Ok(caller)
    }
}
