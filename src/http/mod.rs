//! The HTTP listener: liveness, readiness, metrics. On loopback only; there is nothing to authenticate yet.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What a probe says.
#[derive(Clone, Debug, Serialize)]
pub struct Probe {
    /// Whether all is well.
    pub ok: bool,
    /// What is not.
    pub problems: Vec<String>,
}

impl Probe {
    /// All is well when there is no problem.
    #[must_use]
    pub fn new(problems: Vec<String>) -> Self {
        Self { ok: problems.is_empty(), problems }
    }
}

/// What the listener shows; the application fills it in.
#[derive(Clone)]
pub struct Views {
    /// Is the process making progress?
    pub health: Arc<dyn Fn() -> Probe + Send + Sync>,
    /// Can it do its work: database, Kafka?
    pub ready: Arc<dyn Fn() -> Probe + Send + Sync>,
    /// The text of `/metrics`.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// A bound listener.
pub struct Listener {
    inner: TcpListener,
}

impl Listener {
    /// Binds.
    ///
    /// # Errors
    /// In words, when the address is taken.
    pub async fn bind(address: SocketAddr) -> Result<Self, String> {
        TcpListener::bind(address).await.map(|inner| Self { inner }).map_err(|error| {
            format!("cannot listen on {address}: {error}\nhint: set `http.listen` to another address")
        })
    }

    /// The address it is bound to.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.inner.local_addr().ok()
    }

    /// Serves until told to stop.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn serve(self, views: Views, stop: CancellationToken) -> Result<(), String> {
        let router = Router::new()
            .route("/healthz", get(health))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(views);
        axum::serve(self.inner, router)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await
            .map_err(|error| format!("the HTTP listener broke: {error}"))
    }
}

async fn health(State(views): State<Views>) -> impl IntoResponse {
    answer((views.health)())
}

async fn ready(State(views): State<Views>) -> impl IntoResponse {
    answer((views.ready)())
}

fn answer(probe: Probe) -> impl IntoResponse {
    let status = if probe.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(probe))
}

async fn metrics(State(views): State<Views>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], (views.metrics)())
}
