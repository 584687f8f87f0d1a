//! The HTTP client: no redirects, no proxies, bounded in time, and never to a forbidden address. The check is
//! made on the address that is used, after resolving; literals do not pass the resolver and are checked before.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, Client, Url, redirect};

use super::AttemptReason;
use super::address::{AddressRefusal, allowed, is_forbidden, is_loopback};
use super::error::{ExchangeError, ReachError, ReceiverBuildError, authority};

/// A client for one destination.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client,
    url: Url,
    resolver: GuardedResolver,
}

/// Looks a name up: its addresses, whatever they are. The port is that of the answer.
pub(super) type NameLookup =
    Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<SocketAddr>>> + Send>> + Send + Sync>;

/// The system's resolver.
fn system() -> NameLookup {
    Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }))
}

/// A resolver that hands on what may be connected to alone.
#[derive(Clone)]
pub(super) struct GuardedResolver {
    lookup: NameLookup,
    own: Arc<str>,
}

impl std::fmt::Debug for GuardedResolver {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("GuardedResolver")
    }
}

impl Default for GuardedResolver {
    fn default() -> Self {
        Self::with(system())
    }
}

impl GuardedResolver {
    pub(super) fn with(lookup: NameLookup) -> Self {
        Self { lookup, own: rustix::system::uname().nodename().to_string_lossy().as_ref().into() }
    }

    /// The addresses of a name, or of an address as it is written, that may be connected to.
    pub(super) async fn look_up(&self, host: &str) -> Result<Vec<SocketAddr>, AddressRefusal> {
        if let Ok(literal) = host.parse::<IpAddr>() {
            return allowed(host, &self.own, std::iter::once(SocketAddr::new(literal, 0)));
        }
        let found = (self.lookup)(host.to_owned()).await?;
        allowed(host, &self.own, found.into_iter())
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let allowed = resolver.look_up(name.as_str()).await?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The host that a URL leads to over plain HTTP, when that is another machine.
#[must_use]
pub fn reached_in_the_open(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?;
    (url.scheme() == "http" && !is_loopback(host)).then(|| host.to_owned())
}

/// Why nothing is posted to a URL. It does not name the URL, which may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// It is none.
    #[error("the URL cannot be read: {0}")]
    Unreadable(#[source] <Url as FromStr>::Err),
    /// A user or a password is in it.
    #[error("the URL must not hold credentials")]
    Credentials,
    /// It leads nowhere.
    #[error("the URL names no host")]
    NoHost,
    /// It leads to an address of those that are refused.
    #[error("`{0}` is an address that is never connected to")]
    Forbidden(String),
    /// What is added to it leads away.
    #[error("the path leads to another host")]
    OtherHost,
}

/// Checks the URL of a receiver without connecting.
///
/// # Errors
/// When it cannot be read, holds credentials, or leads to a forbidden address.
pub fn check_url(url: &str) -> Result<(), UrlError> {
    target(url).map(|_| ())
}

fn target(url: &str) -> Result<Url, UrlError> {
    let url = Url::parse(url).map_err(UrlError::Unreadable)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Credentials);
    }
    let host = url.host_str().ok_or(UrlError::NoHost)?;
    // The parser has brought decimal, octal and mapped spellings into one form.
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    if literal.is_ok_and(is_forbidden) {
        return Err(UrlError::Forbidden(host.to_owned()));
    }
    Ok(url)
}

impl HttpClient {
    /// A client for a URL.
    ///
    /// # Errors
    /// When the URL or the certificate of an authority cannot be read, or the address is forbidden.
    pub fn new(url: &str, timeout: Duration, ca_file: Option<&Path>) -> Result<Self, ReceiverBuildError> {
        Self::resolving(url, timeout, ca_file, GuardedResolver::default())
    }

    pub(super) fn resolving(
        url: &str,
        timeout: Duration,
        ca_file: Option<&Path>,
        resolver: GuardedResolver,
    ) -> Result<Self, ReceiverBuildError> {
        super::choose_crypto();
        let url = target(url)?;
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(timeout)
            .connect_timeout(timeout.min(Duration::from_secs(10)))
            .dns_resolver(resolver.clone())
            .user_agent(concat!("driftd/", env!("CARGO_PKG_VERSION")));
        if let Some(file) = ca_file {
            builder = builder.tls_certs_merge(authority(file, Certificate::from_pem_bundle)?);
        }
        let client = builder.build().map_err(ReceiverBuildError::Client)?;
        Ok(Self { client, url, resolver })
    }

    pub(super) fn post(&self) -> reqwest::RequestBuilder {
        self.client.post(self.url.clone())
    }

    /// A request to the URL, or to a path below it.
    pub(super) fn request(&self, get: bool, path: Option<&str>) -> Result<reqwest::RequestBuilder, UrlError> {
        let mut url = self.url.clone();
        if let Some(path) = path {
            let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
            let base = url.path().trim_end_matches('/').to_owned();
            // Names in paths come from the configuration; whatever they hold stays in the path.
            url.set_path(&format!("{base}{path}"));
            url.set_query(query);
        }
        if url.host_str() != self.url.host_str() {
            return Err(UrlError::OtherHost);
        }
        Ok(if get { self.client.get(url) } else { self.client.post(url) })
    }

    /// Host and port.
    pub(super) fn host(&self) -> String {
        let port = self.url.port_or_known_default().unwrap_or(443);
        format!("{}:{port}", self.url.host_str().unwrap_or_default())
    }

    /// What a failed exchange with the host means, in words without the URL: that may hold a token.
    pub(super) fn explain(&self, error: reqwest::Error) -> ExchangeError {
        let error = error.without_url();
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        let reason = if error.is_timeout() {
            AttemptReason::Timeout
        } else if text.contains("forbidden addresses") {
            AttemptReason::Forbidden
        } else if text.contains("certificate") || text.contains("tls") {
            AttemptReason::Tls
        } else {
            AttemptReason::Connect
        };
        ExchangeError { reason, detail: format!("{}: {text}", self.host()) }
    }

    /// Whether a connection to the host can be made.
    pub(super) async fn connects(&self) -> Result<(), ReachError> {
        let host = self.url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = self.url.port_or_known_default().unwrap_or(443);
        let there = || format!("{host}:{port}");
        let connecting = async {
            let found = self.resolver.look_up(host).await;
            let mut found = found.map_err(|source| ReachError::Refused { host: there(), source })?;
            for address in &mut found {
                address.set_port(port);
            }
            let connected = tokio::net::TcpStream::connect(found.as_slice()).await;
            connected.map(|_| ()).map_err(|source| ReachError::Connect { host: there(), source })
        };
        let connected = tokio::time::timeout(Duration::from_secs(10), connecting).await;
        connected.unwrap_or_else(|_| Err(ReachError::TooSlow(there())))
    }
}

/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 65_536;

/// The beginning of an answer, as text. An answer that never ends is cut, one that breaks off is what it is.
pub(super) async fn read_some(mut response: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= MAX_ANSWER {
            bytes.truncate(MAX_ANSWER);
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
