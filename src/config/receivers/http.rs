//! Receivers over HTTP: what they understand, where they are, who asks.

use secrecy::{ExposeSecret, SecretString};

use super::{ReceiverKind, training};
use crate::config::daemon::in_the_open;
use crate::config::section::Section;
use crate::notify::{Auth, Dialect, HttpOptions, Keys, Template, check_url};

pub(super) fn read(section: &Section<'_>, kind: ReceiverKind, warnings: &mut Vec<String>) -> Option<HttpOptions> {
    let timeout = section.duration("timeout", "20s", ("1s", "2m")).to_std();
    let ca_file = section.file("ca_file");
    let dialect = dialect(section, kind, warnings);
    let auth = auth(section, kind, warnings);
    let urls = urls(section, kind, warnings);
    Some(HttpOptions { urls: urls?, dialect: dialect?, auth: auth?, timeout, ca_file })
}

fn dialect(section: &Section<'_>, kind: ReceiverKind, warnings: &mut Vec<String>) -> Option<Dialect> {
    match kind {
        ReceiverKind::Webhook => Some(Dialect::Webhook(Keys(signing_secrets(section, warnings)))),
        ReceiverKind::CloudEvents => Some(Dialect::CloudEvents),
        ReceiverKind::AlertmanagerWebhook => Some(Dialect::AlertmanagerWebhook),
        ReceiverKind::Alertmanager => Some(Dialect::Alertmanager),
        ReceiverKind::Slack => Some(Dialect::Slack),
        ReceiverKind::Teams => Some(Dialect::Teams),
        ReceiverKind::PagerDuty => {
            let routing_key = section.secret("routing_key", warnings);
            needed(section, "routing_key", "the key of an Events API v2 integration");
            Some(Dialect::PagerDuty { routing_key: routing_key? })
        }
        ReceiverKind::Opsgenie => Some(Dialect::Opsgenie),
        ReceiverKind::Template => template(section).map(Dialect::Template),
        _ => training::read(section, kind).map(Dialect::Training),
    }
}

fn needed(section: &Section<'_>, key: &'static str, what: &str) {
    if !section.has(key) {
        section.add(section.mistake(key, format!("is missing: {what}")));
    }
}

fn signing_secrets(section: &Section<'_>, warnings: &mut Vec<String>) -> Vec<SecretString> {
    let mut secrets = Vec::new();
    for key in ["secret", "old_secret"] {
        let Some(secret) = section.secret(key, warnings) else { continue };
        if let Err(error) = Keys(vec![secret.clone()]).check() {
            section.add(section.mistake(key, error.to_string()));
        }
        secrets.push(secret);
    }
    if !section.has("secret") {
        section.add(
            section
                .mistake("secret", "is missing: the signing secret")
                .hint("generate one with: echo whsec_$(head -c 24 /dev/urandom | base64)"),
        );
    }
    secrets
}

fn template(section: &Section<'_>) -> Option<Template> {
    let body = section.string("body");
    let file = section.file("body_file");
    let key = if file.is_some() { "body_file" } else { "body" };
    let content_type = section.string("content_type").unwrap_or_else(|| "application/json".to_owned());
    if content_type.chars().any(char::is_control) {
        section.add(section.mistake("content_type", "must not contain control characters"));
    }
    let body = match (body, file) {
        (Some(_), Some(_)) => {
            section.add(section.mistake("body_file", "cannot be combined with `body`"));
            None
        }
        (Some(body), None) => Some(body),
        // One that cannot be read was noted.
        (None, Some(file)) => std::fs::read_to_string(&file).ok(),
        (None, None) => {
            section.add(section.mistake("body", "is missing: the template of the request body"));
            None
        }
    };
    let template = Template { body: body?, content_type };
    if let Err(error) = template.check() {
        section.add(section.mistake(key, error.to_string()));
    }
    Some(template)
}

/// What stands for the secret in each dialect, or a token or a password for all others.
fn auth(section: &Section<'_>, kind: ReceiverKind, warnings: &mut Vec<String>) -> Option<Auth> {
    if kind == ReceiverKind::Opsgenie {
        needed(section, "api_key", "the key of an API integration");
        return section.secret("api_key", warnings).map(|key| Auth::Header("authorization", "GenieKey ", key));
    }
    if matches!(kind, ReceiverKind::Slack | ReceiverKind::Teams | ReceiverKind::PagerDuty) {
        // The URL or the body says who asks.
        return Some(Auth::None);
    }
    let token = section.secret("token", warnings);
    let username = section.string("username");
    let password = section.secret("password", warnings);
    if username.is_some() != section.has("password") {
        let together = if username.is_some() { ("username", "password") } else { ("password", "username") };
        section.add(section.mistake(together.0, format!("needs `{}`", together.1)));
    }
    if section.has("token") && username.is_some() {
        section.add(section.mistake("token", "cannot be combined with `username`"));
    }
    Some(match (token, username.zip(password)) {
        (Some(token), _) if kind == ReceiverKind::Dagster => Auth::Header("dagster-cloud-api-token", "", token),
        (Some(token), _) => Auth::Bearer(token),
        (None, Some((username, password))) => Auth::Basic(username, password),
        (None, None) => Auth::None,
    })
}

fn urls(section: &Section<'_>, kind: ReceiverKind, warnings: &mut Vec<String>) -> Option<Vec<SecretString>> {
    let fixed = match kind {
        ReceiverKind::PagerDuty => Some("https://events.pagerduty.com/v2/enqueue"),
        ReceiverKind::Opsgenie => Some("https://api.opsgenie.com"),
        ReceiverKind::GitHub => Some("https://api.github.com"),
        _ => None,
    };
    let urls: Vec<SecretString> = match kind {
        ReceiverKind::Alertmanager => {
            let urls = section.strings("urls").unwrap_or_default();
            if urls.is_empty() {
                section.add(section.mistake("urls", "is missing: the URLs of all Alertmanagers of the cluster"));
            }
            urls.into_iter().map(|(url, _)| url.into()).collect()
        }
        // These URLs are secrets: knowing one is enough to post.
        ReceiverKind::Slack | ReceiverKind::Teams => {
            needed(section, "url", "the URL of the webhook (a secret)");
            section.secret("url", warnings).into_iter().collect()
        }
        _ => {
            let url = match fixed {
                Some(fixed) => Some(section.string("url").unwrap_or_else(|| fixed.to_owned())),
                None => section.required("url", "the URL, \"https://host/path\""),
            };
            url.into_iter().map(Into::into).collect()
        }
    };
    let key = if kind == ReceiverKind::Alertmanager { "urls" } else { "url" };
    // Of some the URL itself is the secret, or the body holds it.
    let says_who = matches!(
        kind,
        ReceiverKind::Slack | ReceiverKind::Teams | ReceiverKind::PagerDuty | ReceiverKind::Opsgenie
    );
    let sends_secret = says_who || section.has("token") || section.has("password");
    for url in &urls {
        let url = url.expose_secret();
        if sends_secret {
            in_the_open(section, key, url, "its secret");
        }
        if !(url.starts_with("https://") || url.starts_with("http://")) {
            section.add(section.mistake(key, "must begin with `https://` or `http://`"));
        } else if let Err(error) = check_url(url) {
            section.add(section.mistake(key, error.to_string()));
        }
    }
    section.value("allow_plain_http");
    (!urls.is_empty()).then_some(urls)
}
