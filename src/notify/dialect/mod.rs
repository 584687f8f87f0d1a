//! Dialects: how an event becomes HTTP requests for a receiver, pure. Every dialect is a function of the message and the
//! time; what they share (client, retries, secrets) is elsewhere.

mod alertmanager;
mod chat;
mod pager;
mod standard;
mod template;
mod training;

pub use standard::{KeyError, Keys, VerifyError, sign, verify};
pub use template::{Template, TemplateError};
pub use training::Training;

use secrecy::SecretString;
use serde_json::Value;

use super::Outgoing;
use super::words::{Readable, as_alert, detection_alert};
use crate::retrain::RequestState;

/// What a receiver understands.
#[derive(Clone, Debug)]
pub enum Dialect {
    /// Signed events, as Standard Webhooks 1.0.0.
    Webhook(Keys),
    /// CloudEvents 1.0 over HTTP, structured mode.
    CloudEvents,
    /// The payload of Alertmanager's own webhooks, version 4.
    AlertmanagerWebhook,
    /// Alertmanager's API v2: alerts as a state that is posted again and again.
    Alertmanager,
    /// Slack's incoming webhooks; Mattermost understands them, too.
    Slack,
    /// Microsoft Teams, by a workflow that takes adaptive cards.
    Teams,
    /// PagerDuty, Events API v2.
    PagerDuty {
        /// The integration's key.
        routing_key: SecretString,
    },
    /// Opsgenie, Alert API v2.
    Opsgenie,
    /// Anything else, by a template.
    Template(Template),
    /// A training system.
    Training(Training),
}

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub method: Method,
    /// What is added to the configured URL.
    pub path: Option<String>,
    /// Headers; no secrets.
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<String>,
    /// Statuses beyond 2xx that say that it arrived.
    pub also_success: Vec<u16>,
}

impl Request {
    pub(super) fn json(path: Option<String>, body: &Value) -> Self {
        Self {
            method: Method::Post,
            path,
            headers: vec![("content-type", "application/json".to_owned())],
            body: Some(body.to_string()),
            also_success: Vec::new(),
        }
    }

    pub(super) fn get(path: String) -> Self {
        Self { method: Method::Get, path: Some(path), headers: Vec::new(), body: None, also_success: Vec::new() }
    }
}

/// Why there is no request.
#[derive(Debug, thiserror::Error)]
pub enum DialectError {
    /// The event says nothing in this dialect, for example a retraining to a pager: it counts as delivered.
    #[error("the event says nothing to such a receiver")]
    NotForThis,
    /// The event is none that is known.
    #[error("the event cannot be read")]
    Unreadable,
    /// It cannot be signed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The template does not fit it.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

impl Dialect {
    /// The name it has in the configuration.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::CloudEvents => "cloudevents",
            Self::AlertmanagerWebhook => "alertmanager_webhook",
            Self::Alertmanager => "alertmanager",
            Self::Slack => "slack",
            Self::Teams => "teams",
            Self::PagerDuty { .. } => "pagerduty",
            Self::Opsgenie => "opsgenie",
            Self::Template(_) => "template",
            Self::Training(training) => training.name(),
        }
    }

    /// Checks what can be checked without sending: keys are decoded, templates rendered with an example of each event.
    ///
    /// # Errors
    /// When a key is none, or the template does not fit an example.
    pub fn check(&self) -> Result<(), DialectError> {
        match self {
            Self::Webhook(keys) => Ok(keys.check()?),
            Self::Template(template) => Ok(template.check()?),
            _ => Ok(()),
        }
    }

    /// The requests of a message. `now` is the time of the attempt, in seconds.
    ///
    /// # Errors
    /// When there are none, see [`DialectError`].
    pub fn requests(&self, message: &Outgoing, now: u64) -> Result<Vec<Request>, DialectError> {
        match self {
            Self::Webhook(keys) => standard::webhook(keys, message, now).map(|request| vec![request]),
            Self::CloudEvents => Ok(vec![standard::cloud_event(message)]),
            Self::Template(template) => template.request(message).map(|request| vec![request]),
            Self::Training(training) => training.request(message).map(|request| vec![request]),
            _ => {
                let told = Readable::read(&message.body).ok_or(DialectError::Unreadable)?;
                // What knows alerts only takes a challenger or a detection as one; a state that is posted once would end by itself.
                let told = match (self, told) {
                    (Self::Slack | Self::Teams, told) => told,
                    (Self::Alertmanager, Readable::Challenger(_) | Readable::Detection(_)) => {
                        return Err(DialectError::NotForThis);
                    }
                    (_, Readable::Challenger(event)) => Readable::Alerts(as_alert(&event)),
                    (_, Readable::Detection(event)) => Readable::Alerts(detection_alert(&event)),
                    (_, told) => told,
                };
                match (self, told) {
                    (Self::Slack, told) => Ok(vec![chat::slack(&told.for_people())]),
                    (Self::Teams, told) => Ok(vec![chat::teams(&told.for_people())]),
                    (_, Readable::Retraining(_) | Readable::Challenger(_) | Readable::Detection(_)) => {
                        Err(DialectError::NotForThis)
                    }
                    (Self::PagerDuty { routing_key }, Readable::Alerts(event)) => {
                        Ok(pager::pagerduty(routing_key, &event))
                    }
                    (Self::Opsgenie, Readable::Alerts(event)) => Ok(pager::opsgenie(&event)),
                    (Self::AlertmanagerWebhook, Readable::Alerts(event)) => {
                        Ok(vec![alertmanager::webhook(&event)])
                    }
                    (_, Readable::Alerts(event)) => Ok(vec![alertmanager::state(&event.alerts)]),
                }
            }
        }
    }

    /// What the receiver calls what it took, from its answer.
    #[must_use]
    pub fn reference(&self, message: &Outgoing, answer: &Value) -> Option<String> {
        match self {
            Self::Training(training) => training.reference(message, answer),
            _ => None,
        }
    }

    /// Why a request was not taken although the status says that it arrived.
    #[must_use]
    pub fn refused(&self, answer: &Value) -> Option<String> {
        match self {
            Self::Training(training) => training.refused(answer),
            _ => None,
        }
    }

    /// How to ask a training system about a run.
    #[must_use]
    pub fn poll(&self, reference: &str) -> Option<Request> {
        match self {
            Self::Training(training) => training.poll(reference),
            _ => None,
        }
    }

    /// What its answer means.
    #[must_use]
    pub fn polled(&self, answer: &Value) -> Option<RequestState> {
        match self {
            Self::Training(training) => training.polled(answer),
            _ => None,
        }
    }

    /// Its secrets, which bodies hold or are signed with: they are never shown.
    #[must_use]
    pub fn secrets(&self) -> Vec<&SecretString> {
        match self {
            Self::PagerDuty { routing_key } => vec![routing_key],
            Self::Webhook(Keys(keys)) => keys.iter().collect(),
            _ => Vec::new(),
        }
    }
}
