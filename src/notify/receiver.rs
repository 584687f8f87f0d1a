//! Receivers over HTTP: one client, many dialects.

use crate::record::TimeSpan;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::address::is_loopback;
use super::dialect::{Dialect, DialectError, Method, Request};
use super::error::{ExchangeError, ReachError, ReceiverBuildError};
use super::http::{HttpClient, UrlError, read_some};
use super::redact::Secrets;
use super::{AttemptReason, AttemptResult, Conversation, Outgoing};
use crate::escape::plain;
use crate::retrain::RequestState;

/// How requests say who asks.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// They do not, or the URL or body does.
    #[default]
    None,
    /// `Authorization: Bearer`.
    Bearer(SecretString),
    /// `Authorization: Basic`.
    Basic(String, SecretString),
    /// A header of its own, with what stands before the secret.
    Header(&'static str, &'static str, SecretString),
}

/// How to reach a receiver over HTTP.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Where to; more than one only for Alertmanagers of one cluster. Some hold tokens, so all are secrets.
    pub urls: Vec<SecretString>,
    /// What it understands.
    pub dialect: Dialect,
    /// How requests say who asks.
    pub auth: Auth,
    /// For one request.
    pub timeout: Duration,
    /// The authority to trust beside the system's.
    pub ca_file: Option<PathBuf>,
}

impl HttpOptions {
    /// Whether one of its URLs leads to a listener: over this machine's loopback interface by address or name, by its own
    /// address, or by the URL that people reach it by.
    #[must_use]
    pub fn leads_to(&self, listener: SocketAddr, external: Option<&str>) -> bool {
        let external = external.and_then(|url| reqwest::Url::parse(url).ok());
        let own = |url: &SecretString| {
            let url = reqwest::Url::parse(url.expose_secret()).ok()?;
            let host = url.host_str()?;
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            let local = is_loopback(host) || bare.parse::<IpAddr>().is_ok_and(|address| address == listener.ip());
            let there = external.as_ref().is_some_and(|external| {
                let base = external.path().trim_end_matches('/');
                let below =
                    url.path().strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
                external.host_str() == Some(host)
                    && external.port_or_known_default() == url.port_or_known_default()
                    && below
            });
            Some(there || (local && url.port_or_known_default() == Some(listener.port())))
        };
        self.urls.iter().any(|url| own(url).unwrap_or(false))
    }

    /// What must not be seen in answers.
    fn secrets(&self) -> Secrets {
        let mut secrets = Secrets::default();
        for url in &self.urls {
            secrets.add_url(url.expose_secret());
        }
        for secret in self.dialect.secrets() {
            secrets.add(secret.expose_secret());
        }
        match &self.auth {
            Auth::None => {}
            Auth::Bearer(secret) | Auth::Header(_, _, secret) => secrets.add(secret.expose_secret()),
            Auth::Basic(user, password) => secrets.add_login(user, password.expose_secret()),
        }
        secrets
    }
}

/// A receiver over HTTP.
pub struct HttpReceiver {
    clients: Vec<HttpClient>,
    dialect: Dialect,
    auth: Auth,
    timeout: Duration,
    fingerprint: String,
    secrets: Secrets,
}

/// Why there is no answer to a request.
#[derive(Debug, thiserror::Error)]
enum SendError {
    /// The request cannot be built.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The request was sent, or was to be sent.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
}

impl SendError {
    fn reason(&self) -> AttemptReason {
        match self {
            Self::Url(_) => AttemptReason::Invalid,
            Self::Exchange(error) => error.reason,
        }
    }
}

/// An answer, as far as it matters.
struct ReceiverAnswer {
    status: u16,
    after: Option<TimeSpan>,
    body: Value,
}

impl HttpReceiver {
    /// Builds the clients and checks the dialect: keys are decoded, templates rendered.
    ///
    /// # Errors
    /// When a URL, a certificate, a key or a template cannot be used.
    pub fn new(options: &HttpOptions) -> Result<Self, ReceiverBuildError> {
        let client =
            |url: &SecretString| HttpClient::new(url.expose_secret(), options.timeout, options.ca_file.as_deref());
        let clients: Vec<HttpClient> = options.urls.iter().map(client).collect::<Result<_, _>>()?;
        if clients.is_empty() {
            return Err(ReceiverBuildError::NoUrl);
        }
        options.dialect.check()?;
        let address: Vec<&str> = options.urls.iter().map(ExposeSecret::expose_secret).collect();
        let hash = xxhash_rust::xxh3::xxh3_64(address.join(" ").as_bytes());
        Ok(Self {
            clients,
            dialect: options.dialect.clone(),
            auth: options.auth.clone(),
            timeout: options.timeout,
            fingerprint: format!("{}:{hash:016x}", options.dialect.name()),
            secrets: options.secrets(),
        })
    }

    /// What changes when it is configured to be something else.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The host it is reached at.
    #[must_use]
    pub fn host(&self) -> String {
        self.clients.first().map(HttpClient::host).unwrap_or_default()
    }

    /// What it understands.
    #[must_use]
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    pub(super) fn attempt_limit(&self) -> Duration {
        // Some dialects need several requests.
        self.timeout * 3 + Duration::from_secs(1)
    }

    pub(super) async fn probe(&self) -> Result<(), ReachError> {
        for client in &self.clients {
            client.connects().await?;
        }
        Ok(())
    }

    /// Tries once: all requests of the message, to all addresses. A message that takes several requests is delivered when
    /// all are; a repetition is recognised by its ids.
    pub async fn deliver(&self, message: &Outgoing, conversation: &mut Conversation) -> AttemptResult {
        let requests = match self.dialect.requests(message, super::unix_seconds()) {
            Ok(requests) => requests,
            Err(DialectError::NotForThis) => return AttemptResult::delivered(),
            Err(error) => return AttemptResult::failed(AttemptReason::Invalid, error.to_string()),
        };
        let mut reference = None;
        let mut worst = AttemptResult::delivered();
        for client in &self.clients {
            for request in &requests {
                let attempt = match self.send(client, request, conversation).await {
                    Err(error) => AttemptResult::retry(error.reason(), error.to_string()),
                    Ok(answer) => {
                        let attempt = judge(&answer, request);
                        match (&attempt, self.dialect.refused(&answer.body)) {
                            (AttemptResult::Delivered { .. }, Some(why)) => {
                                AttemptResult::failed(AttemptReason::Refused, why)
                            }
                            (AttemptResult::Delivered { .. }, None) => {
                                reference = self.dialect.reference(message, &answer.body).or(reference);
                                attempt
                            }
                            _ => attempt,
                        }
                    }
                };
                worst = worse(worst, attempt);
            }
        }
        match worst {
            AttemptResult::Delivered { .. } => AttemptResult::Delivered { reference },
            other => other,
        }
    }

    /// Asks a training system how a run goes. `None` when it cannot be asked, or says nothing new.
    ///
    /// # Errors
    /// When it does not answer, or with an error.
    pub async fn poll(&self, reference: &str) -> Result<Option<RequestState>, ReachError> {
        let Some(request) = self.dialect.poll(reference) else { return Ok(None) };
        let Some(client) = self.clients.first() else { return Ok(None) };
        let sent = self.send(client, &request, &mut Conversation::off()).await;
        let answer = sent.map_err(|error| ReachError::Failed(error.to_string()))?;
        if !(200..300).contains(&answer.status) {
            return Err(ReachError::Status(answer.status));
        }
        Ok(self.dialect.polled(&answer.body))
    }

    async fn send(
        &self,
        client: &HttpClient,
        request: &Request,
        conversation: &mut Conversation,
    ) -> Result<ReceiverAnswer, SendError> {
        let mut builder = client.request(request.method == Method::Get, request.path.as_deref())?;
        conversation.say(|| {
            // Paths of chat systems are secrets.
            let path = request.path.as_deref().unwrap_or("(as configured)");
            format!("> {} {} {path}", if request.method == Method::Get { "GET" } else { "POST" }, client.host())
        });
        for (name, value) in &request.headers {
            conversation.say(|| format!("> {name}: {value}"));
            builder = builder.header(*name, value);
        }
        builder = match &self.auth {
            Auth::None => builder,
            Auth::Bearer(token) => builder.bearer_auth(token.expose_secret()),
            Auth::Basic(user, password) => builder.basic_auth(user, Some(password.expose_secret())),
            Auth::Header(name, prefix, secret) => {
                builder.header(*name, format!("{prefix}{}", secret.expose_secret()))
            }
        };
        if !matches!(self.auth, Auth::None) {
            conversation.say(|| "> (credentials, not shown)".to_owned());
        }
        if let Some(body) = &request.body {
            conversation.say(|| format!(">\n> {}", self.secrets.redact(body).replace('\n', "\n> ")));
            builder = builder.body(body.clone());
        }
        let response = match builder.send().await {
            Ok(response) => response,
            Err(error) => {
                let ExchangeError { reason, detail } = client.explain(error);
                let detail = self.secrets.redact(&detail);
                conversation.say(|| format!("! {}: {detail}", reason.as_str()));
                return Err(ExchangeError { reason, detail }.into());
            }
        };
        let status = response.status().as_u16();
        let after = response
            .headers()
            .get("retry-after")
            .and_then(|value| retry_after(value.to_str().ok()?, super::unix_seconds()));
        let text = read_some(response).await;
        conversation.say(|| {
            // Before it is cut: a part of a secret is found by nobody.
            let shown: String = self.secrets.redact(&text).chars().take(500).collect();
            let lines: Vec<String> = shown.lines().map(|line| format!("< {}", plain(line))).collect();
            format!("< HTTP {status}\n{}", lines.join("\n"))
        });
        // What is taken from it is shown and stored, too: why it was refused, what a run is called.
        let body = self.secrets.redact_value(serde_json::from_str(&text).unwrap_or_default());
        Ok(ReceiverAnswer { status, after, body })
    }
}

/// Seconds, or a date, as the time from now: a day at most.
fn retry_after(text: &str, now: u64) -> Option<TimeSpan> {
    let text = text.trim();
    let seconds = match text.parse::<i64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_second();
            at - i64::try_from(now).ok()?
        }
    };
    Some(TimeSpan::seconds(seconds.clamp(0, 86_400)))
}

/// 2xx is success; redirects are not followed; 410 is final, as are other 4xx but 408, 425 and 429.
fn judge(answer: &ReceiverAnswer, request: &Request) -> AttemptResult {
    let (status, after) = (answer.status, answer.after);
    let detail = format!("HTTP {status}");
    match status {
        200..=299 => AttemptResult::delivered(),
        _ if request.also_success.contains(&status) => AttemptResult::delivered(),
        300..=399 => {
            AttemptResult::failed(AttemptReason::Refused, format!("{detail}: redirects are not followed"))
        }
        401 | 403 => AttemptResult::failed(AttemptReason::Unauthorized, detail),
        410 => AttemptResult::failed(AttemptReason::Gone, detail),
        408 | 425 => AttemptResult::Retry { reason: AttemptReason::Timeout, detail, after },
        429 => AttemptResult::Retry { reason: AttemptReason::RateLimited, detail, after },
        400..=499 => AttemptResult::failed(AttemptReason::Refused, detail),
        _ => AttemptResult::Retry { reason: AttemptReason::ServerError, detail, after },
    }
}

/// What can be tried again is worse than what arrived, and what never will is worse than both.
fn worse(known: AttemptResult, new: AttemptResult) -> AttemptResult {
    let rank = |attempt: &AttemptResult| match attempt {
        AttemptResult::Delivered { .. } => 0,
        AttemptResult::Retry { .. } => 1,
        AttemptResult::Failed { .. } => 2,
    };
    if rank(&new) > rank(&known) { new } else { known }
}
