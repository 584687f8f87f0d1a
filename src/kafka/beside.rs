//! Clients beside the group: they read what they are told to, and join and commit nothing.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError as ClientError;

use super::client::SourceOptions;
use super::context::CallbackContext;
use super::{KafkaError, failed};
use crate::window::Partition;

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
fn explained(consumer: &BaseConsumer<CallbackContext>, began: Instant, error: KafkaError) -> KafkaError {
    let until = Instant::now() + LOOK * 10;
    while Instant::now() < until {
        drop(consumer.poll(LOOK));
    }
    consumer.context().trouble.explain(error, began.elapsed())
}

/// The answer to a question to the brokers; its error says what was wrong meanwhile.
pub(super) fn ask<T>(
    consumer: &BaseConsumer<CallbackContext>,
    attempted: &'static str,
    question: impl FnOnce() -> Result<T, ClientError>,
) -> Result<T, KafkaError> {
    let began = Instant::now();
    question().map_err(failed(attempted)).map_err(|error| explained(consumer, began, error))
}

/// All partitions of the topics that are wanted, in order.
pub(super) fn partitions(
    consumer: &BaseConsumer<CallbackContext>,
    patience: Duration,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Partition>, KafkaError> {
    let metadata = ask(consumer, "list topics", || consumer.fetch_metadata(None, patience))?;
    let mut partitions = Vec::new();
    for topic in metadata.topics().iter().filter(|topic| wanted(topic.name())) {
        let of = |number: i32| Partition { topic: topic.name().into(), partition: number };
        partitions.extend(topic.partitions().iter().map(|partition| of(partition.id())));
    }
    partitions.sort();
    Ok(partitions)
}
