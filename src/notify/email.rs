//! Mail through lettre: TLS unless it is switched off in as many words, text and HTML, one thread an alert.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::address::AddressError;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};

use super::address::AddressRefusal;
use super::error::{ReachError, ReceiverBuildError, authority};
use super::http::GuardedResolver;
use super::redact::Secrets;
use super::{AttemptReason, AttemptResult, Conversation, Outgoing, render_mail};
use crate::escape::plain;

/// Protection of SMTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpProtection {
    /// TLS from the first byte.
    Tls,
    /// STARTTLS, required.
    Starttls,
    None,
}

/// A mail server.
#[derive(Clone, Debug)]
pub struct SmtpOptions {
    /// Its name.
    pub host: String,
    pub port: u16,
    pub protection: SmtpProtection,
    /// The authority to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Who logs in, with what.
    pub credentials: Option<(String, SecretString)>,
}

/// How mail leaves.
#[derive(Clone, Debug)]
pub enum EmailTransport {
    Smtp(SmtpOptions),
    /// As files in a folder.
    Directory(PathBuf),
}

/// Sender, recipients, transport.
#[derive(Clone, Debug)]
pub struct EmailOptions {
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// How it leaves.
    pub transport: EmailTransport,
}

enum Sender {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Directory(PathBuf),
}

/// People, told by mail.
pub struct EmailReceiver {
    from: Mailbox,
    to: Vec<Mailbox>,
    sender: Sender,
    host: Option<String>,
    /// The name of the mail server, and who looks it up.
    server: Option<(String, GuardedResolver)>,
    secrets: Secrets,
}

impl EmailReceiver {
    /// Reads the addresses and builds the transport.
    ///
    /// # Errors
    /// When an address or the certificate of an authority cannot be read, or TLS cannot be set up.
    pub fn new(options: &EmailOptions) -> Result<Self, ReceiverBuildError> {
        super::choose_crypto();
        let sender = match &options.transport {
            EmailTransport::Directory(directory) => Sender::Directory(directory.clone()),
            EmailTransport::Smtp(smtp) => Sender::Smtp(transport(smtp)?),
        };
        let mut secrets = Secrets::default();
        let mut server = None;
        if let EmailTransport::Smtp(smtp) = &options.transport {
            server = Some((smtp.host.clone(), GuardedResolver::default()));
            if let Some((user, password)) = &smtp.credentials {
                secrets.add_login(user, password.expose_secret());
            }
        }
        Ok(Self {
            server,
            secrets,
            from: mailbox(&options.from)?,
            to: options.to.iter().map(|text| mailbox(text)).collect::<Result<_, _>>()?,
            sender,
            host: match &options.transport {
                EmailTransport::Smtp(smtp) => Some(format!("{}:{}", smtp.host, smtp.port)),
                EmailTransport::Directory(_) => None,
            },
        })
    }

    /// Tries once.
    pub async fn deliver(&self, outgoing: &Outgoing, conversation: &mut Conversation) -> AttemptResult {
        let message = match self.message(outgoing) {
            Ok(message) => message,
            Err(error) => return AttemptResult::failed(AttemptReason::Invalid, error.to_string()),
        };
        conversation.say(|| {
            let headers = String::from_utf8_lossy(&message.formatted()).into_owned();
            let headers = headers.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n", "\n> ");
            format!("> {headers}")
        });
        match &self.sender {
            Sender::Smtp(transport) => {
                if let Err(error) = self.may_connect().await {
                    conversation.say(|| format!("! {error}"));
                    return AttemptResult::retry(AttemptReason::Forbidden, error.to_string());
                }
                match transport.send(message).await {
                    Ok(response) => {
                        let said: Vec<&str> = response.message().collect();
                        let said = self.secrets.redact(said.join(" ").trim_end());
                        conversation.say(|| format!("< {} {}", response.code(), plain(&said)));
                        AttemptResult::delivered()
                    }
                    Err(error) => {
                        let detail = self.explain(&error);
                        conversation.say(|| format!("! {detail}"));
                        classify(&error, detail)
                    }
                }
            }
            Sender::Directory(directory) => {
                let path = directory.join(format!("{}.eml", outgoing.id));
                let part = directory.join(format!(".{}.part", outgoing.id));
                let written = async {
                    tokio::fs::create_dir_all(directory).await?;
                    tokio::fs::write(&part, message.formatted()).await?;
                    tokio::fs::rename(&part, &path).await
                };
                conversation.say(|| format!("> file {}", path.display()));
                match written.await {
                    Ok(()) => AttemptResult::delivered(),
                    Err(error) => AttemptResult::retry(
                        AttemptReason::Connect,
                        format!("cannot write the mail to {}: {error}", path.display()),
                    ),
                }
            }
        }
    }

    /// What went wrong between here and the mail server, without secrets.
    fn explain(&self, error: &lettre::transport::smtp::Error) -> String {
        let text = self.secrets.redact(&with_causes(error));
        self.host().map_or(text.clone(), |host| format!("{host}: {text}"))
    }

    /// The mail server, if there is one.
    pub(super) fn host(&self) -> Option<String> {
        match &self.sender {
            Sender::Smtp(_) => self.host.clone(),
            Sender::Directory(_) => None,
        }
    }

    pub(super) fn attempt_limit(&self) -> Duration {
        match self.sender {
            Sender::Directory(_) => Duration::from_secs(5),
            // Every command of the conversation has 30 s of its own.
            Sender::Smtp(_) => Duration::from_mins(2),
        }
    }

    pub(super) async fn probe(&self) -> Result<(), ReachError> {
        match &self.sender {
            Sender::Directory(directory) => writable(directory).await,
            Sender::Smtp(transport) => {
                self.may_connect().await?;
                match transport.test_connection().await {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(ReachError::Silent),
                    Err(error) => Err(ReachError::Failed(self.explain(&error))),
                }
            }
        }
    }

    /// Whether the name of the mail server leads to a machine that may be connected to. A name that cannot be looked up is for the
    /// transport to complain about.
    async fn may_connect(&self) -> Result<(), ReachError> {
        let Some((name, resolver)) = &self.server else { return Ok(()) };
        match resolver.look_up(name).await {
            Err(source @ (AddressRefusal::Loopback | AddressRefusal::Forbidden)) => {
                Err(ReachError::Refused { host: name.clone(), source })
            }
            Ok(_) | Err(AddressRefusal::Lookup(_) | AddressRefusal::NoAddress) => Ok(()),
        }
    }

    fn message(&self, outgoing: &Outgoing) -> Result<Message, MailError> {
        let mail = render_mail(&outgoing.body).ok_or(MailError::NoMail)?;
        let domain = self.from.email.domain();
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(mail.subject)
            // The same over all attempts: a repetition is recognised. All mails of an alert refer to one
            // (never sent) root, which makes them one thread.
            .message_id(Some(format!("<{}@{domain}>", outgoing.id)))
            .in_reply_to(format!("<{}@{domain}>", outgoing.subject))
            .references(format!("<{}@{domain}>", outgoing.subject))
            .header(AutoSubmitted);
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        Ok(builder.multipart(MultiPart::alternative_plain_html(mail.text, mail.html))?)
    }
}

/// Why an event does not become a mail.
#[derive(Debug, thiserror::Error)]
enum MailError {
    /// It has no words for people.
    #[error("the event cannot be rendered as mail")]
    NoMail,
    /// The words do not make a message.
    #[error("the mail cannot be built: {0}")]
    NoMessage(#[from] lettre::error::Error),
}

/// `Auto-Submitted: auto-generated`: no out-of-office answers, please (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// A sender or recipient that is none.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a mail address: expected name@example.org")]
pub struct MailboxError {
    text: String,
    source: AddressError,
}

/// Checks a sender or recipient: `a@example.org`, or `A <a@example.org>`.
///
/// # Errors
/// When it is none.
pub fn check_mailbox(text: &str) -> Result<(), MailboxError> {
    mailbox(text).map(|_| ())
}

fn mailbox(text: &str) -> Result<Mailbox, MailboxError> {
    text.parse().map_err(|source| MailboxError { text: text.to_owned(), source })
}

fn transport(options: &SmtpOptions) -> Result<AsyncSmtpTransport<Tokio1Executor>, ReceiverBuildError> {
    let tls = || -> Result<TlsParameters, ReceiverBuildError> {
        let mut builder = TlsParameters::builder(options.host.clone());
        if let Some(file) = &options.ca_file {
            builder = builder.add_root_certificate(authority(file, Certificate::from_pem)?);
        }
        builder.build().map_err(ReceiverBuildError::Tls)
    };
    let protection = match options.protection {
        SmtpProtection::Tls => Tls::Wrapper(tls()?),
        SmtpProtection::Starttls => Tls::Required(tls()?),
        SmtpProtection::None => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&options.host)
        .port(options.port)
        .tls(protection)
        .timeout(Some(Duration::from_secs(30)));
    if let Some((username, password)) = &options.credentials {
        builder = builder.credentials(Credentials::new(username.clone(), password.expose_secret().to_owned()));
    }
    Ok(builder.build())
}

/// 4xx is tried again, 5xx is final, everything below SMTP is weather.
fn classify(error: &lettre::transport::smtp::Error, detail: String) -> AttemptResult {
    let code = error.status().map(|code| code.to_string());
    if error.is_permanent() {
        let reason = match code.as_deref() {
            Some("530" | "534" | "535" | "538") => AttemptReason::Unauthorized,
            _ => AttemptReason::Refused,
        };
        AttemptResult::failed(reason, detail)
    } else if error.is_transient() {
        AttemptResult::retry(AttemptReason::ServerError, detail)
    } else if error.is_timeout() {
        AttemptResult::retry(AttemptReason::Timeout, detail)
    } else if error.is_tls() {
        AttemptResult::retry(AttemptReason::Tls, detail)
    } else {
        AttemptResult::retry(AttemptReason::Connect, detail)
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = inner.source();
    }
    // Servers answer in several lines.
    plain(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Whether mails can be written to a folder: tried.
async fn writable(directory: &Path) -> Result<(), ReachError> {
    let probe = directory.join(format!(".{}.probe", uuid::Uuid::new_v4()));
    let tried = async {
        tokio::fs::create_dir_all(directory).await?;
        tokio::fs::write(&probe, b"").await?;
        tokio::fs::remove_file(&probe).await
    };
    tried.await.map_err(|source| ReachError::Folder { directory: directory.to_owned(), source })
}
