//! The demo's own receiver of webhooks: it verifies signatures and keeps what came.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;

use super::super::CliError;
use crate::notify::sign;

/// A webhook that came.
#[derive(Clone, Debug)]
pub(super) struct ReceivedWebhook {
    /// `webhook-id`.
    pub id: String,
    /// Whether the signature is right.
    pub verified: bool,
    /// The event.
    pub body: Value,
}

#[derive(Clone)]
struct Inbox {
    secret: Arc<SecretString>,
    received: Arc<Mutex<Vec<ReceivedWebhook>>>,
}

/// A listening receiver.
pub(super) struct WebhookListener {
    /// Where it listens.
    pub address: SocketAddr,
    inbox: Inbox,
}

impl WebhookListener {
    /// Starts one on a free port of the loopback interface.
    pub(super) async fn start(secret: SecretString) -> Result<Self, CliError> {
        let failed = |error: std::io::Error| CliError::Unavailable(format!("cannot listen for webhooks: {error}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let inbox = Inbox { secret: Arc::new(secret), received: Arc::default() };
        let router = Router::new().route("/", post(take)).with_state(inbox.clone());
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the webhook listener of the demo stopped");
            }
        });
        Ok(Self { address, inbox })
    }

    /// What came so far.
    pub(super) fn received(&self) -> Vec<ReceivedWebhook> {
        self.inbox.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn take(State(inbox): State<Inbox>, headers: HeaderMap, body: String) -> StatusCode {
    let header =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let id = header("webhook-id");
    let timestamp = header("webhook-timestamp").parse().unwrap_or(0);
    let verified = sign(&inbox.secret, &id, timestamp, &body)
        .is_ok_and(|expected| header("webhook-signature").split(' ').any(|signature| signature == expected));
    let Ok(event) = serde_json::from_str(&body) else { return StatusCode::BAD_REQUEST };
    let received = ReceivedWebhook { id, verified, body: event };
    inbox.received.lock().unwrap_or_else(PoisonError::into_inner).push(received);
    StatusCode::NO_CONTENT
}
