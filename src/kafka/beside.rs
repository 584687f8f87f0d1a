//! Clients beside the group: they read what they are told to, and join and commit nothing.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::client::SourceOptions;
use super::context::CallbackContext;
use super::{KafkaError, failed};

/// Between looks whether a token has come.
const LOOK: Duration = Duration::from_millis(20);

/// Such a client; `adjust` changes its settings.
pub(super) fn consumer(
    options: &SourceOptions,
    adjust: impl FnOnce(&mut ClientConfig),
) -> Result<BaseConsumer<CallbackContext>, KafkaError> {
    let context = CallbackContext::unheard(options.token_provider());
    let mut config = options.consumer();
    adjust(&mut config);
    config.create_with_context(context).map_err(failed(format!("create a consumer for `{}`", options.brokers)))
}

/// Waits until the client has the token that it logs in with, if it needs one: it asks for one only when it is polled, and
/// questions to the brokers do not poll.
pub(super) fn log_in(consumer: &BaseConsumer<CallbackContext>, patience: Duration) -> Result<(), KafkaError> {
    let until = Instant::now() + patience;
    while consumer.context().waits_for_token()? && Instant::now() < until {
        // Nothing was assigned, so no message can come; what brokers say is logged.
        drop(consumer.poll(LOOK));
    }
    Ok(())
}

/// An error of a question that began then, with what the client says was wrong meanwhile: it says so only when it is polled.
pub(super) fn explained(
    consumer: &BaseConsumer<CallbackContext>,
    began: Instant,
    error: KafkaError,
) -> KafkaError {
    let until = Instant::now() + LOOK * 10;
    while Instant::now() < until {
        drop(consumer.poll(LOOK));
    }
    consumer.context().trouble.explain(error, began.elapsed())
}
