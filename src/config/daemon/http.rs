//! `[http]`: the listener and who may use it.

use std::net::SocketAddr;

use secrecy::{ExposeSecret as _, SecretString};

use super::in_the_open;
use crate::config::section::Section;
use crate::http::{Role, TlsFiles, Token};
use crate::notify::{Dialect, Keys};

/// The listener.
#[derive(Debug)]
pub struct HttpSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What people and training systems reach it by.
    pub external_url: Option<String>,
    /// What training systems sign their reports with, `whsec_...`.
    pub callback_secret: Option<SecretString>,
    /// What MLflow signs its registry webhooks with.
    pub mlflow_secret: Option<SecretString>,
    /// Who may look and change; without any, every process that reaches a loopback address.
    pub tokens: Vec<Token>,
    /// Its certificate; none without TLS.
    pub tls: Option<TlsFiles>,
    /// Connections at a time at most.
    pub max_connections: usize,
    /// Of them those of one peer.
    pub max_connections_per_peer: usize,
}

impl HttpSettings {
    /// What a request's id is put behind to report on it; none when reports could not be verified.
    #[must_use]
    pub fn callback_url(&self) -> Option<String> {
        self.callback_secret.as_ref()?;
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let base = self.external_url.clone().unwrap_or_else(|| format!("{scheme}://{}", self.listen));
        Some(format!("{}/api/v1/retraining/", base.trim_end_matches('/')))
    }
}

pub(super) fn read(section: &Section<'_>, warnings: &mut Vec<String>) -> Option<HttpSettings> {
    let text = section.string("listen").unwrap_or_else(|| "127.0.0.1:9464".to_owned());
    let listen = text.parse::<SocketAddr>().ok();
    if listen.is_none() {
        section.add(
            section
                .mistake("listen", format!("`{text}` is not an address and port"))
                .hint("write \"127.0.0.1:9464\""),
        );
    }
    let external_url = section.string("external_url");
    if let Some(url) = &external_url
        && !(url.starts_with("https://") || url.starts_with("http://"))
    {
        section.add(section.mistake("external_url", "must begin with `https://` or `http://`"));
    }
    let callback_secret = section.secret("callback_secret", warnings);
    let mlflow_secret = section.secret("mlflow_secret", warnings);
    if let Some(secret) = &callback_secret
        && let Err(error) = Dialect::Webhook(Keys(vec![secret.clone()])).check()
    {
        section.add(section.mistake("callback_secret", error.to_string()));
    }
    if mlflow_secret.as_ref().is_some_and(|secret| secret.expose_secret().len() < 16) {
        section.add(section.mistake("mlflow_secret", "needs 16 characters or more"));
    }
    let tls = tls(&section.section("tls"));
    let tokens = tokens(section, warnings);
    let may_be_open = section.flag("allow_plain_http", false);
    let max_connections = usize::try_from(section.integer("max_connections", 256, 8..=65_536)).unwrap_or(256);
    let max_connections_per_peer =
        usize::try_from(section.integer("max_connections_per_peer", 64, 4..=65_536)).unwrap_or(64);
    if listen.is_some_and(|address| !address.ip().is_loopback()) {
        if !section.has("tokens") {
            section.add(
                section
                    .mistake(
                        "listen",
                        format!(
                            "`{text}` is not a loopback address, and every client that can connect has full access"
                        ),
                    )
                    .hint("add `[[http.tokens]]`, or bind to 127.0.0.1"),
            );
        } else if tls.is_none() && !may_be_open {
            section.add(
                section
                    .mistake("listen", format!("tokens would travel unencrypted to {text}"))
                    .hint("set `http.tls`, bind to 127.0.0.1 with a proxy in front, or set `allow_plain_http = true` on a trusted network"),
            );
        }
    }
    if let Some(url) = external_url.as_deref().filter(|_| section.has("tokens")) {
        in_the_open(section, "external_url", url, "tokens");
    }
    section.finish();
    Some(HttpSettings {
        listen: listen?,
        external_url,
        callback_secret,
        mlflow_secret,
        tokens,
        tls,
        max_connections,
        max_connections_per_peer,
    })
}

fn tls(section: &Section<'_>) -> Option<TlsFiles> {
    if !section.is_there() {
        return None;
    }
    let certificate = section.required_file("cert_file", "the certificate of the listener, PEM");
    let key = section.required_key_file("key_file", "the private key, PEM");
    section.finish();
    Some(TlsFiles { certificate: certificate?, key: key? })
}

/// Shorter ones could be guessed.
const TOKEN_LENGTH: usize = 20;

fn tokens(section: &Section<'_>, warnings: &mut Vec<String>) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    for entry in section.sections("tokens") {
        let name = entry.required("name", "the name of the token, for the audit log");
        let role = entry.optional_choice(
            "role",
            &[("viewer", Role::Viewer), ("operator", Role::Operator), ("admin", Role::Admin)],
        );
        if role.is_none() && !entry.has("role") {
            entry.add(entry.mistake("role", "is missing: `viewer`, `operator` or `admin`"));
        }
        let secret = entry.secret("token", warnings);
        if secret.is_none() && !entry.has("token") {
            entry.add(
                entry.mistake("token", "is missing").hint("generate one with: head -c 24 /dev/urandom | base64"),
            );
        }
        if secret.as_ref().is_some_and(|secret| secret.expose_secret().len() < TOKEN_LENGTH) {
            entry.add(
                entry
                    .mistake("token", format!("needs {TOKEN_LENGTH} characters or more"))
                    .hint("generate one with: head -c 24 /dev/urandom | base64"),
            );
        }
        entry.finish();
        if let Some(secret) = &secret
            && let Some(other) = tokens.iter().find(|other| other.secret.expose_secret() == secret.expose_secret())
        {
            entry.add(
                entry
                    .mistake("token", format!("is the same as the token of `{}`", other.name))
                    .hint("generate one for each with: head -c 24 /dev/urandom | base64"),
            );
        }
        if let Some(name) = &name
            && tokens.iter().any(|other| other.name == *name)
        {
            entry.add(entry.mistake("name", format!("duplicate token name `{name}`")));
        }
        if let (Some(name), Some(role), Some(secret)) = (name, role, secret) {
            tokens.push(Token { name, role, secret });
        }
    }
    tokens
}
