//! Webhooks, signed as Standard Webhooks 1.0.0 has it: id, timestamp, and `v1` HMAC-SHA256 signatures.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::http::{HttpClient, explain};
use super::{Attempt, Outgoing, Reason};

/// How to reach a webhook.
#[derive(Debug)]
pub struct WebhookOptions {
    /// Where to post.
    pub url: String,
    /// Signing secrets, the newest first.
    pub secrets: Vec<SecretString>,
    /// For one attempt.
    pub timeout: Duration,
    /// The authority to trust beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// A webhook.
pub struct WebhookReceiver {
    http: HttpClient,
    keys: Vec<Key>,
    timeout: Duration,
}

/// A signing key, decoded; it has no `Debug`.
struct Key(zeroizing::Bytes);

mod zeroizing {
    //! Key bytes that are wiped when dropped.
    use secrecy::SecretBox;

    pub(super) type Bytes = SecretBox<Vec<u8>>;
}

impl WebhookReceiver {
    /// Builds the client and decodes the secrets.
    ///
    /// # Errors
    /// In words, without the secrets.
    pub fn new(options: &WebhookOptions) -> Result<Self, String> {
        let http = HttpClient::new(&options.url, options.timeout, options.ca_file.as_deref())?;
        let keys = options.secrets.iter().map(decode).collect::<Result<_, _>>()?;
        Ok(Self { http, keys, timeout: options.timeout })
    }

    /// Tries once. 2xx is success; redirects are not followed; 410 is final, as are other 4xx but 408, 425 and 429.
    pub async fn deliver(&self, message: &Outgoing) -> Attempt {
        let body = message.body.to_string();
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        let id = message.id.to_string();
        let signatures: Vec<String> =
            self.keys.iter().map(|Key(key)| signature(key.expose_secret(), &id, timestamp, &body)).collect();
        let request = self
            .http
            .post()
            .header("content-type", "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", signatures.join(" "))
            .body(body);
        match request.send().await {
            Err(error) => {
                let (reason, detail) = explain(error);
                Attempt::retry(reason, detail)
            }
            Ok(response) => judge(&response),
        }
    }

    pub(super) fn attempt_limit(&self) -> Duration {
        self.timeout + Duration::from_secs(1)
    }

    pub(super) async fn probe(&self) -> Result<(), String> {
        self.http.connects().await
    }
}

fn judge(response: &reqwest::Response) -> Attempt {
    let status = response.status();
    let detail = format!("HTTP {}", status.as_u16());
    let after = response
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.trim().parse::<i64>().ok())
        .map(|seconds| seconds.clamp(0, 86_400) * 1_000_000);
    match status.as_u16() {
        200..=299 => Attempt::Delivered,
        300..=399 => Attempt::failed(Reason::Refused, format!("{detail}: redirects are not followed")),
        401 | 403 => Attempt::failed(Reason::Unauthorized, detail),
        410 => Attempt::failed(Reason::Gone, detail),
        408 | 425 => Attempt::Retry { reason: Reason::Timeout, detail, after },
        429 => Attempt::Retry { reason: Reason::RateLimited, detail, after },
        400..=499 => Attempt::failed(Reason::Refused, detail),
        _ => Attempt::Retry { reason: Reason::ServerError, detail, after },
    }
}

fn decode(secret: &SecretString) -> Result<Key, String> {
    let text = secret.expose_secret().trim();
    let encoded = text.strip_prefix("whsec_").unwrap_or(text);
    match STANDARD.decode(encoded) {
        Ok(bytes) if bytes.len() >= 16 => Ok(Key(zeroizing::Bytes::new(Box::new(bytes)))),
        Ok(bytes) => Err(format!("the secret is {} bytes long, at least 16 are needed (24 or more are better)", bytes.len())),
        Err(_) => Err("the secret is not `whsec_` and base64\nhint: make one with: echo whsec_$(head -c 24 /dev/urandom | base64)".to_owned()),
    }
}

/// The `webhook-signature` of a message, with a secret as it is configured (`whsec_...`).
///
/// # Errors
/// When the secret is not one.
pub fn sign(secret: &SecretString, id: &str, timestamp: u64, body: &str) -> Result<String, String> {
    let Key(key) = decode(secret)?;
    Ok(signature(key.expose_secret(), id, timestamp, body))
}

fn signature(key: &[u8], id: &str, timestamp: u64, body: &str) -> String {
    // A key of any length is accepted.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}
