//! From checked settings to the options of the edges.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::SecretString;

use super::state::{Receivers, RunningReceiver};
use crate::config::{self, KafkaSecurity, Settings, TokenSettings, UnreadError};
use crate::kafka::{OauthToken, Producer, Sasl, Security, SourceOptions, TokenProvider};
use crate::notify::{
    EmailReceiver, HttpReceiver, OauthClient, OauthError, Produce, Receiver, ReceiverBuildError, fetch_token,
};
use crate::store::StoreOptions;

/// How to reach the database.
///
/// # Errors
/// When a secret that it needs could not be read here.
pub fn store_options(settings: &Settings) -> Result<StoreOptions, UnreadError> {
    settings.need("postgres", "to connect to PostgreSQL")?;
    let postgres = &settings.daemon.postgres;
    Ok(StoreOptions {
        url: postgres.url.clone(),
        password: postgres.password.clone(),
        tls: postgres.tls,
        ca_file: postgres.ca_file.clone(),
        max_connections: postgres.max_connections,
        acquire_timeout: Duration::from_secs(10),
        statement_timeout: postgres.statement_timeout.to_std(),
        application_name: settings.daemon.name.clone(),
        statement_cache: postgres.statement_cache,
    })
}

/// How to reach Kafka.
///
/// # Errors
/// When a secret that it needs could not be read here, or tokens are to be fetched outside a runtime.
pub fn source_options(settings: &Settings) -> Result<SourceOptions, super::AppError> {
    settings.need("kafka", "to connect to Kafka")?;
    let settings = &settings.daemon;
    let kafka = &settings.kafka;
    Ok(SourceOptions {
        brokers: kafka.brokers.clone(),
        group: kafka.group.clone(),
        client_id: settings.name.clone(),
        start: kafka.start,
        session_timeout: kafka.session_timeout.to_std(),
        security: security(&kafka.security)?,
        properties: kafka.properties.clone(),
        in_flight_bytes: settings.limits.in_flight_bytes,
    })
}

fn security(settings: &KafkaSecurity) -> Result<Security, super::AppError> {
    let sasl = match &settings.sasl {
        None => None,
        Some(sasl) => Some(Sasl {
            mechanism: sasl.mechanism,
            username: sasl.username.clone(),
            password: sasl.password.clone(),
            token: sasl.token.as_ref().map(tokens).transpose()?,
        }),
    };
    Ok(Security {
        protocol: settings.protocol,
        ca_file: settings.ca_file.clone(),
        cert_file: settings.cert_file.clone(),
        key_file: settings.key_file.clone(),
        key_password: settings.key_password.clone(),
        sasl,
    })
}

/// Why there is no token to log in to Kafka with.
#[derive(Debug, thiserror::Error)]
enum TokenError {
    /// The file that holds it.
    #[error("cannot read the token in `{}`: {source}", .file.display())]
    File {
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The endpoint that gives it out.
    #[error(transparent)]
    Endpoint(#[from] OauthError),
    /// Nothing can be asked.
    #[error("cannot start a runtime: {0}")]
    Runtime(#[source] std::io::Error),
    /// Asking failed in a way that nobody thought of.
    #[error("the request panicked")]
    Panicked,
}

/// Fetches a token on a thread of its own: the client asks for it wherever it is polled or dropped, also within the runtime.
fn fetched(client: &OauthClient) -> Result<(SecretString, Duration), TokenError> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(runtime.map_err(TokenError::Runtime)?.block_on(fetch_token(client))?)
    };
    std::thread::scope(|scope| scope.spawn(run).join()).unwrap_or(Err(TokenError::Panicked))
}

/// Where the tokens of OAUTHBEARER come from. May block: the thread that polls or drops a client calls it.
fn tokens(settings: &TokenSettings) -> Result<TokenProvider, super::AppError> {
    let until = |lifetime: Duration| {
        let expires = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + lifetime;
        i64::try_from(expires.as_millis()).unwrap_or(i64::MAX)
    };
    match settings {
        TokenSettings::File(path) => {
            let path = path.clone();
            Ok(Arc::new(move || {
                let text = std::fs::read_to_string(&path)
                    .map_err(|source| TokenError::File { file: path.clone(), source })?;
                // The file is renewed before the token expires; it is read again soon.
                let expires_at_ms = until(Duration::from_mins(5));
                Ok(OauthToken {
                    value: text.trim().to_owned().into(),
                    principal: "driftd".to_owned(),
                    expires_at_ms,
                })
            }))
        }
        TokenSettings::Endpoint(endpoint) => {
            let client_secret = endpoint.client_secret.clone().ok_or_else(|| {
                super::AppError::Unavailable("the client's secret for Kafka's tokens was not read".to_owned())
            })?;
            let client = OauthClient {
                url: endpoint.url.clone(),
                client_id: endpoint.client_id.clone(),
                client_secret,
                scope: endpoint.scope.clone(),
            };
            Ok(Arc::new(move || {
                let (value, lifetime) = fetched(&client)?;
                Ok(OauthToken { value, principal: client.client_id.clone(), expires_at_ms: until(lifetime) })
            }))
        }
    }
}

/// A receiver that cannot be used as configured.
#[derive(Debug, thiserror::Error)]
#[error("receiver `{receiver}`: {source}")]
pub struct ReceiverError {
    /// Its name.
    pub receiver: String,
    /// What is wrong.
    pub source: UnusableError,
}

/// Why a receiver cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UnusableError {
    /// There is none of that name.
    #[error("it is not configured")]
    Unknown,
    /// Its secrets cannot be read here.
    #[error(transparent)]
    Unread(#[from] UnreadError),
    /// Its secrets were not read.
    #[error("its secrets were not read")]
    NoSecrets,
    /// It cannot be built.
    #[error(transparent)]
    Build(#[from] ReceiverBuildError),
}

/// Builds all receivers.
///
/// # Errors
/// With everything that is wrong with any of them.
pub fn build_receivers(settings: &Settings, producer: Option<&Producer>) -> Result<Receivers, Vec<ReceiverError>> {
    let mut receivers = Receivers::new();
    let mut errors = Vec::new();
    for name in settings.receivers.keys() {
        match build_receiver(settings, name, producer) {
            Ok(built) => {
                receivers.insert(name.clone(), Arc::new(built));
            }
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(receivers) } else { Err(errors) }
}

/// Builds one receiver.
///
/// # Errors
/// With what is wrong with it; a secret that could not be read here is.
pub fn build_receiver(
    settings: &Settings,
    name: &str,
    producer: Option<&Producer>,
) -> Result<RunningReceiver, ReceiverError> {
    built(settings, name, producer).map_err(|source| ReceiverError { receiver: name.to_owned(), source })
}

fn built(settings: &Settings, name: &str, producer: Option<&Producer>) -> Result<RunningReceiver, UnusableError> {
    settings.need(&format!("receivers.{name}"), "to send to it")?;
    let configured = settings.receivers.get(name).ok_or(UnusableError::Unknown)?;
    let receiver = match &configured.channel {
        Some(config::Channel::Email(email)) => Receiver::Email(Box::new(EmailReceiver::new(email)?)),
        Some(config::Channel::Http(options)) => Receiver::Http(Box::new(HttpReceiver::new(options)?)),
        Some(config::Channel::Kafka { topic }) => {
            Receiver::Kafka { topic: topic.clone(), produce: produce(producer.cloned()) }
        }
        None => return Err(UnusableError::NoSecrets),
    };
    Ok(RunningReceiver { receiver, max_per_hour: configured.max_per_hour, concurrency: configured.concurrency })
}

fn produce(producer: Option<Producer>) -> Produce {
    Arc::new(move |topic, key, payload| {
        let producer = producer.clone();
        Box::pin(async move {
            let producer = producer.ok_or("there is no producer")?;
            Ok(producer.produce(&topic, &key, &payload).await?)
        })
    })
}
