//! What is wrong with the connections to brokers. librdkafka reports it beside the questions that fail for it, which say only
//! that no broker answered.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};

use super::KafkaError;

/// The newest trouble of a client.
#[derive(Default)]
pub(super) struct Trouble(Mutex<Option<(Instant, String)>>);

impl Trouble {
    /// Notes what the client reports. That all brokers are away says nothing about why.
    pub(super) fn note(&self, error: &ClientError, reason: &str) {
        if !matches!(error, ClientError::Global(RDKafkaErrorCode::AllBrokersDown)) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), reason.to_owned()));
        }
    }

    /// What was reported last, no longer ago than this.
    pub(super) fn within(&self, time: Duration) -> Option<String> {
        let newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        newest.as_ref().filter(|(at, _)| at.elapsed() <= time).map(|(_, reason)| reason.clone())
    }

    /// An error of a question that took no longer than `time`, with what was wrong meanwhile.
    pub(super) fn explain(&self, error: KafkaError, time: Duration) -> KafkaError {
        match error {
            KafkaError::Client { attempted, source, trouble: None } => {
                KafkaError::Client { attempted, source, trouble: self.within(time).map(String::into_boxed_str) }
            }
            other => other,
        }
    }
}

/// A trouble after an error that it explains, and what may help.
pub(super) fn in_words(trouble: &str) -> String {
    let hint = match trouble {
        _ if trouble.contains("certificate verify failed") => {
            "`kafka.security.ca_file` is the authority that signed the brokers' certificates, and `kafka.brokers` names brokers as their \
             certificates do"
        }
        _ if trouble.contains("certificate required") || trouble.contains("bad certificate") => {
            "the brokers ask for a certificate: `kafka.security.cert_file` and `key_file`"
        }
        _ if trouble.contains("uthentication") => {
            "look at the mechanism and at who logs in with what, in `kafka.security`"
        }
        _ if trouble.contains("security.protocol") || trouble.contains("SSL handshake failed") => {
            "does `kafka.security.protocol` fit the brokers' listener?"
        }
        _ => return format!(" ({trouble})"),
    };
    format!(" ({trouble})\nhint: {hint}")
}
