//! The HTTP listener: liveness, readiness, metrics, and signed reports of training systems and model registries. On loopback
//! only; whoever reports signs.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
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

/// Something that was reported, not verified yet: id, timestamp and signatures as they came, and the body.
#[derive(Clone, Debug)]
pub enum Report {
    /// How a retraining goes.
    Retraining {
        /// The request.
        id: String,
        /// Standard Webhooks' headers.
        signed: (String, String, String),
        /// The body.
        body: String,
    },
    /// MLflow's registry has something new.
    Mlflow {
        /// MLflow's headers, in the same order.
        signed: (String, String, String),
        /// The body.
        body: String,
    },
}

/// What became of a report, in words for whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportOutcome {
    /// Taken over; how things stand.
    Taken(String),
    /// Nobody can say that it is who it says.
    Unauthorized(String),
    /// It makes no sense.
    Invalid(String),
    /// It is about nothing that there is.
    NotFound(String),
    /// It cannot be, as things stand.
    Conflict(String),
    /// Reports of this kind are not taken here.
    Off(String),
    /// Later, perhaps.
    Unavailable(String),
}

/// Takes reports.
pub type Reports = Arc<dyn Fn(Report) -> Pin<Box<dyn Future<Output = ReportOutcome> + Send>> + Send + Sync>;

/// Bytes of a report at most.
const MAX_REPORT: usize = 65_536;

/// What the listener shows; the application fills it in.
#[derive(Clone)]
pub struct Views {
    /// Is the process making progress?
    pub health: Arc<dyn Fn() -> Probe + Send + Sync>,
    /// Can it do its work: database, Kafka?
    pub ready: Arc<dyn Fn() -> Probe + Send + Sync>,
    /// The text of `/metrics`.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// What training systems and registries report.
    pub reports: Reports,
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
            .route("/api/v1/retraining/{id}", post(retraining))
            .route("/api/v1/mlflow", post(mlflow))
            .layer(DefaultBodyLimit::max(MAX_REPORT))
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

fn signed(headers: &HeaderMap, names: [&str; 3]) -> (String, String, String) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let [id, timestamp, signature] = names.map(text);
    (id, timestamp, signature)
}

async fn retraining(
    State(views): State<Views>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: String,
) -> impl IntoResponse {
    let signed = signed(&headers, ["webhook-id", "webhook-timestamp", "webhook-signature"]);
    problem((views.reports)(Report::Retraining { id, signed, body }).await)
}

async fn mlflow(State(views): State<Views>, headers: HeaderMap, body: String) -> impl IntoResponse {
    let signed = signed(&headers, ["x-mlflow-delivery-id", "x-mlflow-timestamp", "x-mlflow-signature"]);
    problem((views.reports)(Report::Mlflow { signed, body }).await)
}

/// Problems as RFC 9457 has them.
fn problem(outcome: ReportOutcome) -> impl IntoResponse {
    let (status, detail) = match outcome {
        ReportOutcome::Taken(state) => return (StatusCode::OK, Json(serde_json::json!({ "state": state }))),
        ReportOutcome::Unauthorized(why) => (StatusCode::UNAUTHORIZED, why),
        ReportOutcome::Invalid(why) => (StatusCode::BAD_REQUEST, why),
        ReportOutcome::NotFound(why) => (StatusCode::NOT_FOUND, why),
        ReportOutcome::Conflict(why) => (StatusCode::CONFLICT, why),
        ReportOutcome::Off(why) => (StatusCode::FORBIDDEN, why),
        ReportOutcome::Unavailable(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    };
    let title = status.canonical_reason().unwrap_or_default();
    (status, Json(serde_json::json!({ "title": title, "status": status.as_u16(), "detail": detail })))
}
