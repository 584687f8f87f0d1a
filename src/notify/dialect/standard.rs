//! Events as they are: Standard Webhooks 1.0.0 (id, timestamp, `v1` HMAC-SHA256 signatures) and CloudEvents 1.0.
#![expect(clippy::indexing_slicing, reason = "a missing key of JSON is null, and objects made here take any key")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde_json::json;
use sha2::Sha256;

use super::super::Outgoing;
use super::{DialectError, Request};
use crate::record::number_of;

/// Signing secrets, the newest first: `whsec_` and base64.
#[derive(Clone, Debug)]
pub struct Keys(pub Vec<SecretString>);

impl Keys {
    /// Decodes the keys.
    ///
    /// # Errors
    /// With what is wrong with the first that cannot be.
    pub fn check(&self) -> Result<(), KeyError> {
        self.0.iter().try_for_each(|secret| decode(secret).map(|_| ()))
    }
}

pub(super) fn webhook(keys: &Keys, message: &Outgoing, now: u64) -> Result<Request, DialectError> {
    let id = message.id.to_string();
    let body = message.body.to_string();
    let signatures: Vec<String> =
        keys.0.iter().map(|secret| sign(secret, &id, now, &body)).collect::<Result<_, _>>()?;
    let mut request = Request::json(None, &message.body);
    request.headers.push(("webhook-id", id));
    request.headers.push(("webhook-timestamp", now.to_string()));
    request.headers.push(("webhook-signature", signatures.join(" ")));
    // The bytes that were signed are the bytes that are sent.
    request.body = Some(body);
    Ok(request)
}

/// Structured mode: the whole event is the body.
pub(super) fn cloud_event(message: &Outgoing) -> Request {
    let event = json!({
        "specversion": "1.0",
        "id": message.id,
        "source": "driftd",
        "type": message.body["type"],
        "time": message.body["timestamp"],
        "subject": message.subject,
        "datacontenttype": "application/json",
        "data": message.body["data"],
    });
    let mut request = Request::json(None, &event);
    request.headers = vec![("content-type", "application/cloudevents+json; charset=utf-8".to_owned())];
    request
}

/// Why a signing secret is none. It does not name the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is guessed too easily.
    #[error("the secret is {} long, at least 16 are needed (24 or more are better)", number_of(*.0, "byte"))]
    Short(usize),
    /// It cannot be decoded.
    #[error(
        "the secret is not `whsec_` and base64\nhint: make one with: echo whsec_$(head -c 24 /dev/urandom | base64)"
    )]
    NotBase64,
}

fn decode(secret: &SecretString) -> Result<SecretSlice<u8>, KeyError> {
    let text = secret.expose_secret().trim();
    let encoded = text.strip_prefix("whsec_").unwrap_or(text);
    match STANDARD.decode(encoded) {
        Ok(bytes) if bytes.len() >= 16 => Ok(bytes.into()),
        Ok(bytes) => Err(KeyError::Short(bytes.len())),
        Err(_) => Err(KeyError::NotBase64),
    }
}

/// The `webhook-signature` of a message, with a secret as it is configured (`whsec_...`).
///
/// # Errors
/// When the secret is not one.
pub fn sign(secret: &SecretString, id: &str, timestamp: u64, body: &str) -> Result<String, KeyError> {
    let mac = code(&decode(secret)?, id, timestamp, body);
    Ok(format!("v1,{}", STANDARD.encode(mac.map_or_else(Vec::new, |mac| mac.finalize().into_bytes().to_vec()))))
}

fn code(key: &SecretSlice<u8>, id: &str, timestamp: u64, body: &str) -> Option<Hmac<Sha256>> {
    // A key of any length is accepted.
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret()).ok()?;
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    Some(mac)
}

/// Why a signed message does not verify. The texts are sent to the caller: they help nobody who does not know the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The timestamp cannot be read.
    #[error("the timestamp is not a number of seconds")]
    Timestamp,
    /// The message is too old, or the clocks differ.
    #[error("the timestamp is too far from the time here")]
    TooFar,
    /// The secret to verify with is not a signing secret.
    #[error("the secret configured here cannot be used")]
    Secret,
    /// None of the signatures was made with the secret.
    #[error("no signature fits")]
    Signature,
}

/// How far a signed message's time may lie from ours, in seconds.
const TOLERANCE: u64 = 300;

/// Verifies a signed message that came to us: `headers` are its id, timestamp and signatures. Compared in constant time.
///
/// # Errors
/// When it is not signed with the secret, or its time is too far from ours.
pub fn verify(
    secret: &SecretString,
    (id, timestamp, signatures): (&str, &str, &str),
    body: &str,
    now: u64,
) -> Result<(), VerifyError> {
    let sent: u64 = timestamp.parse().map_err(|_| VerifyError::Timestamp)?;
    if sent.abs_diff(now) > TOLERANCE {
        return Err(VerifyError::TooFar);
    }
    let key = decode(secret).map_err(|_| VerifyError::Secret)?;
    let fits = signatures.split_whitespace().any(|signature| {
        let Some(bytes) = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok()) else {
            return false;
        };
        code(&key, id, sent, body).is_some_and(|mac| mac.verify_slice(&bytes).is_ok())
    });
    if fits { Ok(()) } else { Err(VerifyError::Signature) }
}
