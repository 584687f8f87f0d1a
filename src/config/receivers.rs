//! `[receivers.NAME]`: who can be told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;

use super::section::{Section, suggest};

/// Somebody who can be told.
#[derive(Debug)]
pub enum Receiver {
    /// People, by mail.
    Email(EmailSettings),
    /// A program, by signed HTTP.
    Webhook(WebhookSettings),
    /// A Kafka topic of the same cluster.
    Kafka {
        /// The topic.
        topic: String,
    },
}

/// Mail.
#[derive(Debug)]
pub struct EmailSettings {
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// How it leaves.
    pub transport: EmailTransport,
}

/// How mail leaves.
#[derive(Debug)]
pub enum EmailTransport {
    /// By SMTP.
    Smtp(SmtpSettings),
    /// As files in a folder.
    Directory(PathBuf),
}

/// Protection of SMTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// TLS from the first byte, usually port 465.
    Tls,
    /// STARTTLS, required; usually port 587.
    Starttls,
    /// None.
    None,
}

/// A mail server.
#[derive(Debug)]
pub struct SmtpSettings {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Protection.
    pub tls: SmtpTls,
    /// The authority to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Who logs in.
    pub username: Option<String>,
    /// With what.
    pub password: Option<SecretString>,
}

/// A webhook.
#[derive(Debug)]
pub struct WebhookSettings {
    /// Where to.
    pub url: String,
    /// Signing secrets, `whsec_...`; the newest first, more than one while rotating.
    pub secrets: Vec<SecretString>,
    /// For one attempt, in microseconds.
    pub timeout: i64,
    /// The authority to trust beside the system's.
    pub ca_file: Option<PathBuf>,
}

#[derive(Clone, Copy)]
enum Kind {
    Email,
    Webhook,
    Kafka,
}

/// The receivers, and the names of all that were declared: one with a mistake is still known where it is used.
pub(super) fn read(root: &Section<'_>, warnings: &mut Vec<String>) -> (BTreeMap<String, Receiver>, Vec<String>) {
    let mut receivers = BTreeMap::new();
    let mut declared = Vec::new();
    for (name, section) in root.named_sections("receivers") {
        declared.push(name.clone());
        let kinds = [("email", Kind::Email), ("webhook", Kind::Webhook), ("kafka", Kind::Kafka)];
        let kind = section.optional_choice("type", &kinds);
        if !section.has("type") {
            section.add(section.problem("type", "is missing: `email`, `webhook` or `kafka`"));
        }
        let receiver = match kind {
            Some(Kind::Email) => email(&section, warnings).map(Receiver::Email),
            Some(Kind::Webhook) => webhook(&section, warnings).map(Receiver::Webhook),
            Some(Kind::Kafka) => {
                section.required("topic", "the topic that takes the events").map(|topic| Receiver::Kafka { topic })
            }
            None => continue,
        };
        section.finish();
        if let Some(receiver) = receiver {
            receivers.insert(name, receiver);
        }
    }
    (receivers, declared)
}

fn email(section: &Section<'_>, warnings: &mut Vec<String>) -> Option<EmailSettings> {
    let from = section.required("from", "the sender's address");
    let to: Vec<String> = section.strings("to").unwrap_or_default().into_iter().map(|(text, _)| text).collect();
    if to.is_empty() {
        section.add(section.problem("to", "needs at least one address"));
    }
    for address in from.iter().chain(&to) {
        if !address.contains('@') || address.chars().any(char::is_control) {
            section.add(section.problem(
                if from.as_ref() == Some(address) { "from" } else { "to" },
                format!("`{address}` is not a mail address"),
            ));
        }
    }
    let directory = section.string("directory");
    let smtp = section.section("smtp");
    let transport = match (directory, smtp.is_there()) {
        (Some(_), true) => {
            section.add(section.problem("directory", "and `smtp` exclude each other"));
            None
        }
        (Some(directory), false) => Some(EmailTransport::Directory(PathBuf::from(directory))),
        (None, false) => {
            section
                .add(section.problem("smtp", "is missing: the mail server, or a `directory` for mails as files"));
            None
        }
        (None, true) => server(&smtp, warnings).map(EmailTransport::Smtp),
    };
    Some(EmailSettings { from: from?, to, transport: transport? })
}

fn server(section: &Section<'_>, warnings: &mut Vec<String>) -> Option<SmtpSettings> {
    let host = section.required("host", "the mail server's name");
    let tls = section.choice(
        "tls",
        SmtpTls::Starttls,
        &[("tls", SmtpTls::Tls), ("starttls", SmtpTls::Starttls), ("none", SmtpTls::None)],
    );
    let usual = match tls {
        SmtpTls::Tls => 465,
        SmtpTls::Starttls => 587,
        SmtpTls::None => 25,
    };
    let port = u16::try_from(section.integer("port", usual, 1..=65_535)).unwrap_or(587);
    let username = section.string("username");
    let password = section.secret("password", warnings);
    let ca_file = section.string("ca_file").map(PathBuf::from);
    if username.is_some() != section.has("password") {
        section.add(section.problem("username", "and `password` go together"));
    }
    if tls == SmtpTls::None && username.is_some() {
        section.add(
            section.problem("tls", "`none` would send the password unencrypted").hint("use `tls = \"starttls\"`"),
        );
    }
    section.finish();
    Some(SmtpSettings { host: host?, port, tls, ca_file, username, password })
}

fn webhook(section: &Section<'_>, warnings: &mut Vec<String>) -> Option<WebhookSettings> {
    let url = section.required("url", "where to post, \"https://host/path\"");
    if let Some(url) = &url
        && !(url.starts_with("https://") || url.starts_with("http://"))
    {
        section.add(section.problem("url", "must begin with `https://` or `http://`"));
    }
    let secrets: Vec<SecretString> =
        ["secret", "old_secret"].into_iter().filter_map(|key| section.secret(key, warnings)).collect();
    if !section.has("secret") {
        section.add(
            section
                .problem("secret", "is missing: what the receiver verifies the signature with")
                .hint("make one with: echo whsec_$(head -c 24 /dev/urandom | base64)"),
        );
    }
    let timeout = section.duration("timeout", "20s", ("1s", "2m"));
    let ca_file = section.string("ca_file").map(PathBuf::from);
    Some(WebhookSettings { url: url?, secrets, timeout, ca_file })
}

/// Checks names of receivers where they are used.
pub(super) fn check_names(section: &Section<'_>, key: &'static str, receivers: Option<&[String]>) -> Vec<String> {
    let names = section.strings(key).unwrap_or_default();
    if let Some(receivers) = receivers {
        let known: Vec<&str> = receivers.iter().map(String::as_str).collect();
        for (name, span) in &names {
            if !receivers.contains(name) {
                let problem = super::problem::Problem::at(
                    section.file,
                    span.clone(),
                    &section.key(key),
                    format!("`{name}` is not a receiver of driftd.toml"),
                );
                section.add(suggest(problem, name, &known));
            }
        }
    }
    names.into_iter().map(|(name, _)| name).collect()
}
