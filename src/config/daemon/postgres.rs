//! `[postgres]`: the database.

use crate::record::TimeSpan;
use std::path::PathBuf;

use secrecy::SecretString;

use crate::config::section::Section;
use crate::store::{TlsMode, remote_host};

/// How to reach Postgres.
#[derive(Debug)]
pub struct PostgresSettings {
    /// `postgres://user@host/database`.
    pub url: String,
    pub password: Option<SecretString>,
    /// Protection.
    pub tls: TlsMode,
    /// The authority to trust.
    pub ca_file: Option<PathBuf>,
    /// Connections at most.
    pub max_connections: u32,
    /// Prepared statements a connection keeps.
    pub statement_cache: usize,
    /// How long a statement may take.
    pub statement_timeout: TimeSpan,
}

pub(super) fn read(section: &Section<'_>, warnings: &mut Vec<String>) -> Option<PostgresSettings> {
    let url = section.required("url", "the URL of the database, \"postgres://driftd@host/driftd\"");
    if let Some(url) = &url
        && !(url.starts_with("postgres://") || url.starts_with("postgresql://"))
    {
        section.add(section.mistake("url", "must begin with `postgres://`"));
    }
    let remote = url.as_deref().and_then(|url| match remote_host(url) {
        Ok(host) => host,
        Err(_) if !url.starts_with("postgres") => None,
        Err(_) => {
            section.add(
                section
                    .mistake("url", "is not a database URL")
                    .hint("write \"postgres://driftd@host:5432/driftd\"; characters like `@`, `/` and `#` in a name are percent-encoded"),
            );
            None
        }
    });
    if url
        .as_deref()
        .and_then(|url| url.split_once("://")?.1.split_once('@'))
        .is_some_and(|(user, _)| user.contains(':'))
    {
        warnings.push(
            "postgres: the password is written in the URL\nhint: set `postgres.password = { file = \"/path\" }`"
                .to_owned(),
        );
    }
    let password = section.secret("password", warnings);
    let tls = section.choice(
        "tls",
        TlsMode::Auto,
        &[
            ("auto", TlsMode::Auto),
            ("disable", TlsMode::Disable),
            ("require", TlsMode::Require),
            ("verify-ca", TlsMode::VerifyCa),
            ("verify-full", TlsMode::VerifyFull),
        ],
    );
    if tls == TlsMode::Disable
        && let Some(host) = remote
    {
        warnings.push(format!(
            "postgres: password and data travel unencrypted to {host} with `tls = \"disable\"`\nhint: leave `tls` out where the server has \
             a certificate"
        ));
    }
    let ca_file = section.file("ca_file");
    let max_connections = u32::try_from(section.integer("max_connections", 8, 3..=200)).unwrap_or(8);
    let statement_cache = usize::try_from(section.integer("statement_cache", 100, 0..=10_000)).unwrap_or(100);
    let statement_timeout = section.duration("statement_timeout", "30s", ("1s", "10m"));
    section.finish();
    Some(PostgresSettings {
        url: url?,
        password,
        tls,
        ca_file,
        max_connections,
        statement_cache,
        statement_timeout,
    })
}
