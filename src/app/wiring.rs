//! From checked settings to the options of the edges.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::state::{Receivers, RunningReceiver};
use crate::config::{self, KafkaSecurity, Settings, TokenSettings, UnreadError};
use crate::kafka::{Producer, Sasl, Security, SourceOptions, Token, TokenProvider};
use crate::notify::{EmailReceiver, HttpReceiver, OauthClient, Produce, Receiver, ReceiverError, fetch_token};
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
        statement_timeout: super::micros(postgres.statement_timeout),
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
        session_timeout: super::micros(kafka.session_timeout),
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

/// Runs a task on a thread of its own: the client asks for a token wherever it is polled or dropped, also within the runtime.
fn alone<T: Send>(task: impl Future<Output = Result<T, String>> + Send) -> Result<T, String> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| format!("cannot start a runtime: {error}"))?.block_on(task)
    };
    std::thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|_| Err("the request panicked".to_owned()))
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
                    .map_err(|error| format!("cannot read the token in `{}`: {error}", path.display()))?;
                // The file is renewed before the token expires; it is read again soon.
                let expires_at_ms = until(Duration::from_mins(5));
                Ok(Token { value: text.trim().to_owned().into(), principal: "driftd".to_owned(), expires_at_ms })
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
                let (value, lifetime) = alone(fetch_token(&client))?;
                Ok(Token { value, principal: client.client_id.clone(), expires_at_ms: until(lifetime) })
            }))
        }
    }
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
    let failed = |message: String| ReceiverError { receiver: name.to_owned(), message };
    settings.need(&format!("receivers.{name}"), "to send to it").map_err(|unread| failed(unread.to_string()))?;
    let receiver = settings.receivers.get(name).ok_or_else(|| failed("it is not configured".to_owned()))?;
    let built = match &receiver.channel {
        Some(config::Channel::Email(email)) => {
            EmailReceiver::new(email).map(|receiver| Receiver::Email(Box::new(receiver)))
        }
        Some(config::Channel::Http(options)) => {
            HttpReceiver::new(options).map(|receiver| Receiver::Http(Box::new(receiver)))
        }
        Some(config::Channel::Kafka { topic }) => {
            Ok(Receiver::Kafka { topic: topic.clone(), produce: produce(producer.cloned()) })
        }
        None => Err("its secrets were not read".to_owned()),
    };
    Ok(RunningReceiver {
        receiver: built.map_err(failed)?,
        max_per_hour: receiver.max_per_hour,
        concurrency: receiver.concurrency,
    })
}

fn produce(producer: Option<Producer>) -> Produce {
    Arc::new(move |topic, key, payload| {
        let producer = producer.clone();
        Box::pin(async move {
            match producer {
                Some(producer) => {
                    producer.produce(&topic, &key, &payload).await.map_err(|error| error.to_string())
                }
                None => Err("there is no producer".to_owned()),
            }
        })
    })
}
