//! Telling: receivers, and how an attempt went. What to retry is decided here, when is the schedule's matter.

mod address;
mod email;
mod http;
mod oauth;
mod render;
mod schedule;
mod webhook;

pub use email::{EmailOptions, EmailReceiver, EmailTransport, SmtpOptions, SmtpProtection};
pub use http::HttpClient;
pub use oauth::{OauthClient, fetch_token};
pub use render::{Mail, render_mail};
pub use schedule::{Step, next_step};
pub use webhook::{WebhookOptions, WebhookReceiver, sign};

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

/// Why an attempt ended as it did. A closed set: recorded with the attempt, and a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It arrived.
    Delivered,
    /// No connection, or it broke.
    Connect,
    /// No answer in time.
    Timeout,
    /// The other side could not be authenticated, or offers no TLS.
    Tls,
    /// The address is one that is never connected to.
    Forbidden,
    /// The receiver asks to slow down.
    RateLimited,
    /// The receiver has trouble of its own.
    ServerError,
    /// The receiver will not have it.
    Refused,
    /// The credentials are wrong.
    Unauthorized,
    /// The receiver is gone for good.
    Gone,
    /// The message could not be built.
    Invalid,
}

impl Reason {
    /// The name used in tables, logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Forbidden => "forbidden",
            Self::RateLimited => "rate_limited",
            Self::ServerError => "server_error",
            Self::Refused => "refused",
            Self::Unauthorized => "unauthorized",
            Self::Gone => "gone",
            Self::Invalid => "invalid",
        }
    }
}

/// How an attempt went. Details hold no secrets and no URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It arrived.
    Delivered,
    /// It may arrive later.
    Retry {
        /// Why not now.
        reason: Reason,
        /// In words.
        detail: String,
        /// What the receiver asked for, in microseconds.
        after: Option<i64>,
    },
    /// It never will.
    Failed {
        /// Why.
        reason: Reason,
        /// In words.
        detail: String,
    },
}

impl Attempt {
    pub(super) fn retry(reason: Reason, detail: impl Into<String>) -> Self {
        Self::Retry { reason, detail: detail.into(), after: None }
    }

    pub(super) fn failed(reason: Reason, detail: impl Into<String>) -> Self {
        Self::Failed { reason, detail: detail.into() }
    }
}

/// A message to deliver.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The same over all attempts: the receiver's idempotency key.
    pub id: Uuid,
    /// What it is about: mails about one subject form a thread.
    pub subject: Uuid,
    /// The event.
    pub body: Value,
}

/// A receiver that cannot be used as configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("receiver `{receiver}`: {message}")]
pub struct ReceiverError {
    /// Its name.
    pub receiver: String,
    /// What is wrong.
    pub message: String,
}

/// Produces (topic, key, payload) to Kafka.
pub type Produce =
    Arc<dyn Fn(String, String, Vec<u8>) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Somebody who can be told.
pub enum Receiver {
    /// People, by mail.
    Email(Box<EmailReceiver>),
    /// A program, by signed HTTP.
    Webhook(WebhookReceiver),
    /// A Kafka topic.
    Kafka {
        /// The topic.
        topic: String,
        /// How to produce.
        produce: Produce,
    },
}

impl Receiver {
    /// How long an attempt may take in all.
    #[must_use]
    pub fn attempt_limit(&self) -> Duration {
        match self {
            Self::Email(receiver) => receiver.attempt_limit(),
            Self::Webhook(receiver) => receiver.attempt_limit(),
            Self::Kafka { .. } => Duration::from_secs(40),
        }
    }

    /// Tries once.
    pub async fn deliver(&self, message: &Outgoing) -> Attempt {
        match self {
            Self::Email(receiver) => receiver.deliver(message).await,
            Self::Webhook(receiver) => receiver.deliver(message).await,
            Self::Kafka { topic, produce } => {
                let payload = message.body.to_string().into_bytes();
                match produce(topic.clone(), message.id.to_string(), payload).await {
                    Ok(()) => Attempt::Delivered,
                    Err(error) => Attempt::retry(Reason::Connect, error),
                }
            }
        }
    }

    /// Tries whether the receiver can be reached, without telling it anything.
    ///
    /// # Errors
    /// With what went wrong.
    pub async fn probe(&self) -> Result<(), String> {
        match self {
            Self::Email(receiver) => receiver.probe().await,
            Self::Webhook(receiver) => receiver.probe().await,
            // The broker is checked by itself.
            Self::Kafka { .. } => Ok(()),
        }
    }
}

/// Chooses the process's one TLS implementation; later calls have no effect.
fn choose_crypto() {
    let _already_chosen = rustls::crypto::ring::default_provider().install_default();
}

/// Names and texts that come from data, without anything that could act in a header, a terminal or a log.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests;
