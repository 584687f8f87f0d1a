//! The HTTP listener: an API described by OpenAPI, pages that work without script, metrics, probes, and signed reports of
//! training systems and model registries.
//!
//! What is shown comes from a [`Backend`]; this edge knows no other.

mod access;
mod api;
mod arrow;
mod attempts;
mod backend;
mod extract;
mod guard;
mod paced;
mod pages;
mod places;
mod probes;
mod problem;
mod serve;
mod session;
mod wrap;

pub use access::{Access, Role, Token};
pub use api::openapi;
pub use backend::{
    Backend, BackendError, BackendResult, Callback, CallbackOutcome, ColumnDetail, NewSilence, PageRequest,
    RequestedAlertChange, RetrainingChange, SeriesQuery, WindowDetail,
};
pub use probes::Probe;
pub use serve::{TlsError, TlsFiles, acceptor};

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware;
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use attempts::Attempts;
use problem::Problem;

/// What handlers are given.
type SharedBackend = Arc<dyn Backend>;

/// Bytes of a request's body at most.
const MAX_BODY: usize = 65_536;

/// How the listener listens.
#[derive(Clone, Debug)]
pub struct ListenerOptions {
    /// Where.
    pub address: SocketAddr,
    /// Its certificate; none without TLS.
    pub tls: Option<TlsFiles>,
    /// Connections at a time at most.
    pub connections: usize,
    /// Of them those of one peer.
    pub connections_per_peer: usize,
}

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// Its certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Its address is taken, or not one of this machine.
    #[error("cannot listen on {address}: {source}\nhint: set `http.listen` to another address")]
    Address {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A bound listener.
pub struct Listener {
    inner: TcpListener,
    tls: Option<TlsAcceptor>,
    limits: serve::Limits,
}

impl Listener {
    /// Binds.
    ///
    /// # Errors
    /// When the address is taken or the certificate cannot be used.
    pub async fn bind(options: &ListenerOptions) -> Result<Self, ListenerError> {
        let address = options.address;
        let tls = options.tls.as_ref().map(serve::acceptor).transpose()?;
        let inner =
            TcpListener::bind(address).await.map_err(|source| ListenerError::Address { address, source })?;
        let limits = serve::Limits { all: options.connections, each: options.connections_per_peer };
        Ok(Self { inner, tls, limits })
    }

    /// The address it is bound to.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.inner.local_addr().ok()
    }

    /// Serves until told to stop.
    pub async fn serve(self, backend: Arc<dyn Backend>, stop: CancellationToken) {
        serve::serve(self.inner, self.tls, router(backend), self.limits, stop).await;
    }
}

/// All routes, with what holds for every answer around them.
pub fn router(backend: Arc<dyn Backend>) -> Router {
    let (api, _) = api::routes();
    api.merge(probes::routes())
        .merge(pages::routes())
        .guarded(&backend)
        .fallback(wrap::nothing_there)
        .method_not_allowed_fallback(wrap::not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(wrap::tag))
        .layer(middleware::from_fn_with_state(Arc::clone(&backend), wrap::check_request))
        .layer(Extension(Arc::new(Attempts::default())))
        .layer(middleware::from_fn_with_state(Arc::clone(&backend), wrap::limit_and_protect))
        .with_state(backend)
}

/// A problem where JSON is wanted, a page where people look.
fn problem_response(problem: Problem, path: &str) -> axum::response::Response {
    use axum::response::IntoResponse as _;
    let for_programs = path.starts_with("/api/") || path == "/metrics";
    if for_programs { problem.into_response() } else { pages::problem_page(&problem) }
}

/// What a task that is not ready to answer is told.
fn too_slow() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the answer took too long")
}
