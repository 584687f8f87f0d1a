//! Why a receiver cannot be built, or cannot be reached. Texts hold no secrets and no URLs.

use std::error::Error;
use std::path::{Path, PathBuf};

use super::AttemptReason;
use super::address::AddressRefusal;
use super::dialect::DialectError;
use super::email::MailboxError;
use super::http::UrlError;

/// Why a receiver cannot be built as configured.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverBuildError {
    /// A sender or recipient.
    #[error(transparent)]
    Mailbox(#[from] MailboxError),
    /// Where to post to.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// There is nowhere to post to.
    #[error("there is no URL")]
    NoUrl,
    /// What is posted, or signed with.
    #[error(transparent)]
    Dialect(#[from] DialectError),
    /// The file of the authority to trust cannot be read.
    #[error("cannot read `{}`: {source}", .file.display())]
    Unread {
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file of the authority to trust holds something else.
    #[error("`{}` holds no certificate: {source}", .file.display())]
    NoCertificate {
        file: PathBuf,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// TLS to a mail server.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[source] lettre::transport::smtp::Error),
    /// The HTTP client.
    #[error("no HTTP client can be built: {0}")]
    Client(#[source] reqwest::Error),
}

/// Reads the file of an authority to trust.
pub(super) fn authority<T, E: Error + Send + Sync + 'static>(
    file: &Path,
    read: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Result<T, ReceiverBuildError> {
    let pem =
        std::fs::read(file).map_err(|source| ReceiverBuildError::Unread { file: file.to_owned(), source })?;
    read(&pem).map_err(|error| ReceiverBuildError::NoCertificate { file: file.to_owned(), source: error.into() })
}

/// An exchange over HTTP that failed: without the URL and without secrets.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct ExchangeError {
    /// The kind of failure.
    pub reason: AttemptReason,
    /// The host, and what the client says with all causes.
    pub detail: String,
}

/// Why a receiver does not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// Its name leads to no address that may be connected to.
    #[error("cannot connect to {host}: {source}")]
    Refused {
        host: String,
        /// Why not.
        source: AddressRefusal,
    },
    /// There is no connection.
    #[error("cannot connect to {host}: {source}")]
    Connect {
        /// Its host and port.
        host: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// There is no connection in time.
    #[error("cannot connect to {0}: no answer in 10 s")]
    TooSlow(String),
    /// The mail server is connected to, and says nothing.
    #[error("the mail server does not answer")]
    Silent,
    /// The folder for mails.
    #[error("cannot write to {}: {source}", .directory.display())]
    Folder {
        /// The folder.
        directory: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It answers that something is wrong.
    #[error("HTTP {0}")]
    Status(u16),
    /// The exchange failed: in words, from which its secrets were taken.
    #[error("{0}")]
    Failed(String),
}
