//! Connecting: TLS unless it is local, short timeouts, nothing that waits for ever.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{Connection as _, PgConnection};

use super::decoded::Decoded;
use super::session::Pool;
use super::{Store, StoreError};

/// How long a connection may take to show that it still works.
const PING: Duration = Duration::from_secs(2);
/// A connection that was used this lately is not tested again.
const FRESH: Duration = Duration::from_secs(1);

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// Verified when the host is remote, none over a socket or loopback.
    Auto,
    /// No TLS.
    Disable,
    /// TLS, the certificate is not checked.
    Require,
    /// TLS, the certificate must be signed by a known authority.
    VerifyCa,
    /// TLS, the certificate must be signed by a known authority and name the host.
    VerifyFull,
}

/// How to reach the database.
#[derive(Debug)]
pub struct StoreOptions {
    /// `postgres://user@host:port/database`.
    pub url: String,
    /// The password, if it is not in the URL.
    pub password: Option<SecretString>,
    /// How the connection is protected.
    pub tls: TlsMode,
    /// The authority to trust; the system's when absent.
    pub ca_file: Option<PathBuf>,
    /// Connections at most.
    pub max_connections: u32,
    /// How long to wait for a connection.
    pub acquire_timeout: Duration,
    /// How long a statement may take; a connection that answers nothing for a little longer is dropped.
    pub statement_timeout: Duration,
    /// What `pg_stat_activity` shows.
    pub application_name: String,
    /// Prepared statements kept a connection; 0 for poolers in transaction mode.
    pub statement_cache: usize,
}

/// The host of a database's URL when connections to it leave this machine.
///
/// # Errors
/// When the URL cannot be read.
pub fn remote_host(url: &str) -> Result<Option<String>, StoreError> {
    let options = parsed(url)?;
    Ok((!is_local(&options)).then(|| options.get_host().to_owned()))
}

fn parsed(url: &str) -> Result<PgConnectOptions, StoreError> {
    // The reason may hold parts of the password.
    PgConnectOptions::from_str(url)
        .map_err(|_| StoreError::Settings("the connection URL cannot be read".to_owned()))
}

/// Whether a database is reached over a socket or the loopback interface.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Store {
    /// A pool that connects when it is first used, so that a database that is away at start is an outage
    /// like any other.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn connect_lazily(options: &StoreOptions) -> Result<Self, StoreError> {
        let mut connect = parsed(&options.url)?
            .application_name(&options.application_name)
            .statement_cache_capacity(options.statement_cache)
            // A transaction left open by a stopped process must not hold its locks for ever, and no
            // statement here takes long. Where the client's host is gone, the server notices by itself.
            .options([
                // "relation exists already, skipping" is no news.
                ("client_min_messages", "warning".to_owned()),
                ("idle_in_transaction_session_timeout", "15s".to_owned()),
                ("statement_timeout", milliseconds(options.statement_timeout)),
                ("lock_timeout", milliseconds(options.statement_timeout.mul_f64(2.0 / 3.0))),
                ("tcp_keepalives_idle", "10".to_owned()),
                ("tcp_keepalives_interval", "5".to_owned()),
                ("tcp_keepalives_count", "3".to_owned()),
            ]);
        if let Some(password) = &options.password {
            connect = connect.password(password.expose_secret());
        }
        let is_local = is_local(&connect);
        connect = connect.ssl_mode(match options.tls {
            TlsMode::Auto if is_local => PgSslMode::Disable,
            TlsMode::Auto | TlsMode::VerifyFull => PgSslMode::VerifyFull,
            TlsMode::Disable => PgSslMode::Disable,
            TlsMode::Require => PgSslMode::Require,
            TlsMode::VerifyCa => PgSslMode::VerifyCa,
        });
        if let Some(file) = &options.ca_file {
            connect = connect.ssl_root_cert(file);
        }
        // A statement that takes too long is cancelled by the server, which says so. The deadline is for no answer at all.
        let deadline = options.statement_timeout + (options.statement_timeout / 4).max(Duration::from_secs(1));
        let pool = PgPoolOptions::new()
            .max_connections(options.max_connections)
            .acquire_timeout(options.acquire_timeout)
            // A connection may have gone silent: the pool's own tests would wait for it.
            .test_before_acquire(false)
            .before_acquire(|connection, state| {
                Box::pin(async move { if state.idle_for < FRESH { Ok(true) } else { answers(connection).await } })
            })
            .after_release(|connection, _| Box::pin(answers(connection)))
            .connect_lazy_with(connect);
        Ok(Self { pool: Pool::new(pool, deadline), decoded: Decoded::default() })
    }
}

/// Whether a connection still works; an error closes it.
async fn answers(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(PING, connection.ping()).await {
        Ok(answer) => answer.map(|()| true),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}
