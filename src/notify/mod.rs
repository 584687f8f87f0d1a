//! Telling: receivers, and how an attempt went. What to retry is decided here, when is the schedule's matter.

mod address;
mod circuit;
mod dialect;
mod email;
mod error;
mod examples;
mod http;
mod mail;
mod oauth;
mod receiver;
mod redact;
mod schedule;
mod words;

pub use address::{AddressRefusal, is_loopback};
pub use circuit::Circuit;
pub use dialect::{
    Dialect, DialectError, KeyError, Keys, Method, Request, Template, TemplateError, Training, VerifyError, sign,
    verify,
};
pub use email::{
    EmailOptions, EmailReceiver, EmailTransport, MailboxError, SmtpOptions, SmtpProtection, check_mailbox,
};
pub use error::{ExchangeError, ReachError, ReceiverBuildError};
pub use examples::{example_alert, example_challenger, example_detection, example_request, examples, test_event};
pub use http::{HttpClient, UrlError, check_url, reached_in_the_open};
pub use mail::{Mail, render_mail};
pub use oauth::{OauthClient, OauthError, fetch_token};
pub use receiver::{Auth, HttpOptions, HttpReceiver};
pub use schedule::{AfterFailure, next_step};
pub use words::{Readable, text_of};

use crate::record::TimeSpan;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

/// Why an attempt ended as it did. A closed set: recorded with the attempt, and a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptReason {
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

impl AttemptReason {
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
pub enum AttemptResult {
    /// It arrived.
    Delivered {
        /// What the receiver calls what it took, if it says so: the id of a training run.
        reference: Option<String>,
    },
    /// It may arrive later.
    Retry {
        /// Why not now.
        reason: AttemptReason,
        /// In words.
        detail: String,
        /// What the receiver asked for.
        after: Option<TimeSpan>,
    },
    /// It never will.
    Failed {
        /// Why.
        reason: AttemptReason,
        /// In words.
        detail: String,
    },
}

impl AttemptResult {
    pub(super) fn delivered() -> Self {
        Self::Delivered { reference: None }
    }

    /// Whether the other side was there at all: what it said may be no.
    #[must_use]
    pub fn was_answered(&self) -> bool {
        !matches!(
            self,
            Self::Retry {
                reason: AttemptReason::Connect
                    | AttemptReason::Timeout
                    | AttemptReason::Tls
                    | AttemptReason::ServerError,
                ..
            }
        )
    }

    pub(super) fn retry(reason: AttemptReason, detail: impl Into<String>) -> Self {
        Self::Retry { reason, detail: detail.into(), after: None }
    }

    pub(super) fn failed(reason: AttemptReason, detail: impl Into<String>) -> Self {
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

/// How a message was taken elsewhere, or what kept it from being.
pub type Produced = Result<(), Box<dyn Error + Send + Sync>>;

/// Produces (topic, key, payload) to Kafka.
pub type Produce =
    Arc<dyn Fn(String, String, Vec<u8>) -> Pin<Box<dyn Future<Output = Produced> + Send>> + Send + Sync>;

/// What was said in an attempt, for people who look for the mistake. Secrets are taken out before anything is noted.
#[derive(Debug, Default)]
pub struct Conversation(Option<Vec<String>>);

impl Conversation {
    /// Notes nothing.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Notes everything.
    #[must_use]
    pub fn on() -> Self {
        Self(Some(Vec::new()))
    }

    fn say(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.0 {
            lines.push(line());
        }
    }

    /// What was said, a line each.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        self.0.as_deref().unwrap_or_default()
    }
}

/// Somebody who can be told.
pub enum Receiver {
    /// People, by mail.
    Email(Box<EmailReceiver>),
    /// A program, a chat, a pager, a training system, by HTTP.
    Http(Box<HttpReceiver>),
    /// A Kafka topic.
    Kafka {
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
            Self::Http(receiver) => receiver.attempt_limit(),
            Self::Kafka { .. } => Duration::from_secs(40),
        }
    }

    /// What changes when it is configured to be something else.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        match self {
            Self::Http(receiver) => receiver.fingerprint(),
            // They never say that they are gone for good.
            Self::Email(_) | Self::Kafka { .. } => "",
        }
    }

    /// The host it is reached at: receivers on one host share its troubles. None for files and the own cluster.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        match self {
            Self::Http(receiver) => Some(receiver.host()),
            Self::Email(receiver) => receiver.host(),
            Self::Kafka { .. } => None,
        }
    }

    /// Whether it is a training system: it takes requests, and no alerts.
    #[must_use]
    pub fn is_training(&self) -> bool {
        matches!(self, Self::Http(receiver) if matches!(receiver.dialect(), Dialect::Training(_)))
    }

    /// Whether it takes alerts as a state that is posted again and again, rather than as messages.
    #[must_use]
    pub fn takes_state(&self) -> bool {
        matches!(self, Self::Http(receiver) if matches!(receiver.dialect(), Dialect::Alertmanager))
    }

    /// Tries once.
    pub async fn deliver(&self, message: &Outgoing, conversation: &mut Conversation) -> AttemptResult {
        match self {
            Self::Email(receiver) => receiver.deliver(message, conversation).await,
            Self::Http(receiver) => receiver.deliver(message, conversation).await,
            Self::Kafka { topic, produce } => {
                let payload = message.body.to_string();
                conversation.say(|| format!("> topic {topic}, key {}, {} bytes", message.id, payload.len()));
                match produce(topic.clone(), message.id.to_string(), payload.into_bytes()).await {
                    Ok(()) => AttemptResult::delivered(),
                    Err(error) => AttemptResult::retry(AttemptReason::Connect, error.to_string()),
                }
            }
        }
    }

    /// Asks a training system how a run goes; `None` when it cannot be asked or says nothing.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn poll(&self, reference: &str) -> Result<Option<crate::retrain::RequestState>, ReachError> {
        match self {
            Self::Http(receiver) => receiver.poll(reference).await,
            Self::Email(_) | Self::Kafka { .. } => Ok(None),
        }
    }

    /// Tries whether the receiver can be reached, without telling it anything.
    ///
    /// # Errors
    /// With what went wrong.
    pub async fn probe(&self) -> Result<(), ReachError> {
        match self {
            Self::Email(receiver) => receiver.probe().await,
            Self::Http(receiver) => receiver.probe().await,
            // The broker is checked by itself.
            Self::Kafka { .. } => Ok(()),
        }
    }
}

/// Seconds since 1970.
#[must_use]
pub fn unix_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// Chooses the process's one TLS implementation; later calls have no effect.
fn choose_crypto() {
    let _already_chosen = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests;
