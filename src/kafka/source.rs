//! The polling thread from outside: it is started, hands over events, and is closed.

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::client::SourceOptions;
use super::commands::{PollingState, SourceCommands};
use super::context::CallbackContext;
use super::poll::Poller;
use super::verify::Verifier;
use super::{KafkaError, SourceEvent, refused};

/// The polling thread, and what can be asked of it.
pub struct Source {
    commands: SourceCommands,
    events: UnboundedReceiver<SourceEvent>,
    thread: Option<JoinHandle<()>>,
}

impl Source {
    /// Connects (in the background; a broker that is away is an outage, not an error) and starts polling.
    ///
    /// # Errors
    /// When librdkafka refuses the configuration.
    pub fn start(options: &SourceOptions) -> Result<Self, KafkaError> {
        let (events, receiver) = unbounded_channel();
        let budget = (options.session_timeout / 2).min(Duration::from_secs(20));
        let context = CallbackContext::new(events.clone(), budget, options.token_provider());
        let consumer: BaseConsumer<CallbackContext> =
            options.consumer().create_with_context(context).map_err(refused(&options.brokers))?;
        let consumer = Arc::new(consumer);
        let (sender, commands) = mpsc::channel();
        let shared = Arc::new(PollingState { limit: options.in_flight_bytes, ..PollingState::default() });
        let handle = SourceCommands {
            consumer: Arc::downgrade(&consumer),
            sender,
            shared: Arc::clone(&shared),
            verifier: Arc::new(Verifier::new(options)?),
            start: options.start,
        };
        let thread = std::thread::Builder::new().name("kafka-poll".to_owned()).spawn(move || {
            Poller::new(&consumer, events, shared).run(&commands);
            consumer.context().close();
            // Dropping the last reference leaves the group.
        })?;
        Ok(Self { commands: handle, events: receiver, thread: Some(thread) })
    }

    /// What can be asked of the polling thread.
    #[must_use]
    pub fn commands(&self) -> SourceCommands {
        self.commands.clone()
    }

    /// The next event; none when the thread has ended.
    pub async fn next(&mut self) -> Option<SourceEvent> {
        self.events.recv().await
    }

    /// Stops polling and leaves the group; `false` when that takes longer than the deadline (closing has hung on
    /// dead brokers), and the thread is left behind.
    pub async fn close(mut self, deadline: Duration) -> bool {
        self.commands.shared.stop.store(true, Ordering::SeqCst);
        let Some(thread) = self.thread.take() else { return true };
        let joined = tokio::task::spawn_blocking(move || thread.join().is_ok());
        matches!(tokio::time::timeout(deadline, joined).await, Ok(Ok(true)))
    }
}
