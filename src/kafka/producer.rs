//! Producing events to a topic.

use std::time::Duration;

use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::util::Timeout;

use super::client::SourceOptions;
use super::context::CallbackContext;
use super::{KafkaError, failed, refused};

/// An idempotent producer.
#[derive(Clone)]
pub struct Producer {
    inner: FutureProducer<CallbackContext>,
}

impl Producer {
    /// Connects in the background.
    ///
    /// # Errors
    /// When librdkafka refuses the configuration.
    pub fn new(options: &SourceOptions) -> Result<Self, KafkaError> {
        let context = CallbackContext::unheard(options.token_provider());
        let inner = options.producer().create_with_context(context).map_err(refused(&options.brokers))?;
        Ok(Self { inner })
    }

    /// Puts a message into the queue towards a partition; it is delivered in the background, in order.
    ///
    /// # Errors
    /// When the queue is full.
    pub fn enqueue(&self, topic: &str, partition: i32, payload: &[u8]) -> Result<(), KafkaError> {
        let record: FutureRecord<'_, str, [u8]> = FutureRecord::to(topic).partition(partition).payload(payload);
        match self.inner.send_result(record) {
            Ok(_delivered_later) => Ok(()),
            Err((error, _)) => Err(failed(format!("queue a message for topic `{topic}`"))(error)),
        }
    }

    /// Waits until everything queued was delivered. Blocks.
    ///
    /// # Errors
    /// When it was not in time.
    pub fn flush(&self, timeout: Duration) -> Result<(), KafkaError> {
        self.inner.flush(Timeout::After(timeout)).map_err(failed("deliver queued messages"))
    }

    /// Produces a message and waits until the brokers have it.
    ///
    /// # Errors
    /// When they do not take it in time.
    pub async fn produce(&self, topic: &str, key: &str, payload: &[u8]) -> Result<(), KafkaError> {
        let record = FutureRecord::to(topic).key(key).payload(payload);
        match self.inner.send(record, Timeout::After(Duration::from_secs(30))).await {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(failed(format!("produce to topic `{topic}`"))(error)),
        }
    }
}
