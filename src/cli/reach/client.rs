//! A client of a daemon's API: the address, the token, and errors in the daemon's own words.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Certificate, Method, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::CliError;

/// Answers larger than this are not read.
const MOST_BYTES: usize = 64 << 20;

/// Where a daemon is, and who asks.
#[derive(Clone, Debug)]
pub(in crate::cli) struct ServerOptions {
    /// Its address, `http://host:9464`.
    pub(in crate::cli) url: String,
    /// A file with the token; `DRIFTD_TOKEN` otherwise.
    pub(in crate::cli) token_file: Option<PathBuf>,
    /// The authority to trust beside the system's.
    pub(in crate::cli) ca_file: Option<PathBuf>,
    /// Whether a token may travel unencrypted.
    pub(in crate::cli) allow_plain_http: bool,
}

impl ServerOptions {
    /// The token, if there is one. Never an argument: others would see it in the list of processes.
    fn token(&self) -> Result<Option<SecretString>, CliError> {
        let Some(path) = &self.token_file else {
            let token = std::env::var("DRIFTD_TOKEN").ok().filter(|token| !token.trim().is_empty());
            return Ok(token.map(|token| token.trim().into()));
        };
        let failed = |why: String| CliError::Secret(format!("the token in {}: {why}", path.display()));
        let metadata = std::fs::metadata(path).map_err(|error| failed(format!("it cannot be read: {error}")))?;
        if metadata.permissions().mode() & 0o004 != 0 {
            return Err(failed(format!("everybody can read it\nhint: chmod o-rwx {}", path.display())));
        }
        let text = std::fs::read_to_string(path).map_err(|error| failed(format!("it cannot be read: {error}")))?;
        if text.trim().is_empty() {
            return Err(failed("the file is empty".to_owned()));
        }
        Ok(Some(text.trim().into()))
    }
}

/// A client of one daemon.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<SecretString>,
}

/// What a daemon says went wrong (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    detail: String,
    #[serde(default)]
    hint: Option<String>,
}

impl Client {
    pub(super) fn new(options: &ServerOptions) -> Result<Self, CliError> {
        let bad = |why: &str| {
            CliError::Usage(format!(
                "`{}` {why}\nhint: write it as http://127.0.0.1:9464 or https://driftd.example.org",
                options.url
            ))
        };
        let base = Url::parse(&options.url).map_err(|error| bad(&format!("is not a URL: {error}")))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(bad("is not the address of a server"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(CliError::Usage(
                "the address of a server has no user and no password\nhint: --token-file FILE, or DRIFTD_TOKEN"
                    .to_owned(),
            ));
        }
        let token = options.token()?;
        let local = base.host_str().is_some_and(crate::notify::is_loopback);
        if token.is_some() && base.scheme() == "http" && !local && !options.allow_plain_http {
            return Err(CliError::Usage(format!(
                "the token would travel unencrypted to {base}\nhint: write https://, or set --allow-plain-http on a trusted \
                 network"
            )));
        }
        let _already_chosen = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            // A token goes to the server that was named, and to no other.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_mins(1))
            .user_agent(concat!("driftd/", env!("CARGO_PKG_VERSION")));
        if local {
            builder = builder.no_proxy();
        }
        if let Some(file) = &options.ca_file {
            builder = builder.tls_certs_merge(certificates(file)?);
        }
        let client =
            builder.build().map_err(|error| CliError::Failed(format!("no HTTP client can be made: {error}")))?;
        Ok(Self { http: client, base, token })
    }

    /// Reads something: the parts of its path below `/api/v1`, and the query.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, CliError> {
        self.ask(Method::GET, path, query, None).await
    }

    /// Changes something.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &Value) -> Result<T, CliError> {
        self.ask(Method::POST, path, &[], Some(body)).await
    }

    /// Ends something.
    pub(super) async fn delete<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, CliError> {
        self.ask(Method::DELETE, path, &[], None).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<T, CliError> {
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url.clone());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let mut response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MOST_BYTES {
                return Err(CliError::Failed(format!("the response of {url} is larger than {MOST_BYTES} bytes")));
            }
        }
        if !status.is_success() {
            return Err(self.refused(status, &bytes));
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            CliError::Failed(format!(
                "invalid response from {url}: {error}\nhint: is it a driftd of version {}?",
                env!("CARGO_PKG_VERSION")
            ))
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> CliError {
        let mut why = String::new();
        let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
        // The innermost says what happened: "connection refused", "certificate has expired".
        while let Some(inner) = source {
            why = inner.to_string();
            source = inner.source();
        }
        if why.is_empty() {
            why = if error.is_timeout() { "timeout".to_owned() } else { error.to_string() };
        }
        CliError::Unavailable(format!(
            "cannot reach the daemon at {}: {why}\nhint: is it running, and is this its `http.listen` or `http.external_url`?",
            self.base
        ))
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> CliError {
        let said = serde_json::from_slice::<Problem>(body).ok();
        let text = said.map(|problem| match problem.hint {
            Some(hint) => format!("{}\nhint: {hint}", problem.detail),
            None => problem.detail,
        });
        match (status, text) {
            (StatusCode::UNAUTHORIZED, text) => {
                let why = match (&self.token, text) {
                    (None, _) => "a token is required".to_owned(),
                    (Some(_), text) => text.unwrap_or_else(|| "invalid token".to_owned()),
                };
                CliError::Secret(format!(
                    "{}: {why}\nhint: put one of its `[[http.tokens]]` into a file for --token-file or \
                     DRIFTD_TOKEN_FILE, or set DRIFTD_TOKEN",
                    self.base
                ))
            }
            (status, Some(text)) if status.is_server_error() => CliError::Unavailable(text),
            (_, Some(text)) => CliError::Failed(text),
            (status, None) if status.is_redirection() => CliError::Failed(format!(
                "{} redirects ({status}), and tokens are not sent to another address\nhint: use the target address",
                self.base
            )),
            (status, None) => CliError::Failed(format!("{} answered {status}: not a driftd API", self.base)),
        }
    }
}

fn certificates(file: &Path) -> Result<Vec<Certificate>, CliError> {
    let failed = |why: String| CliError::Failed(format!("CA file {}: {why}", file.display()));
    let pem = std::fs::read(file).map_err(|error| failed(format!("it cannot be read: {error}")))?;
    let found =
        Certificate::from_pem_bundle(&pem).map_err(|error| failed(format!("it is no certificate: {error}")))?;
    if found.is_empty() { Err(failed("there is no certificate in it".to_owned())) } else { Ok(found) }
}
