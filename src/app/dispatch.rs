//! Delivers the outbox: one task a receiver, so that a slow one delays nobody else.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::state::{RunningReceiver, Shared};
use crate::notify::{Attempt, Circuit, Conversation, Outgoing, Reason, Step, next_step};
use crate::store::{AttemptOutcome, Claimed, Store, StoreError};

/// Added to the time an attempt may take: how long a leased notification is left to its holder.
const LEASE_MARGIN: Duration = Duration::from_secs(5);
/// How long to wait when there is nothing to do.
const IDLE: Duration = Duration::from_secs(1);

/// Keeps a task running for every receiver in force.
pub(super) async fn run(store: Store, shared: Arc<Shared>, stop: CancellationToken) -> Result<(), String> {
    let mut version = None;
    let mut tasks: HashMap<(String, u32), (CancellationToken, JoinHandle<()>)> = HashMap::new();
    loop {
        let now = shared.version.load(Ordering::SeqCst);
        if version != Some(now) {
            version = Some(now);
            // What is being sent is sent to its end; the next claim sees the new receivers.
            for (_, (token, task)) in tasks.drain() {
                token.cancel();
                drop(task);
            }
            for (name, receiver) in shared.receivers().iter() {
                // Receivers that take states are posted to, not sent to.
                if receiver.receiver.takes_state() {
                    continue;
                }
                for number in 0..receiver.concurrency {
                    let token = stop.child_token();
                    let worker = Worker {
                        name: name.clone(),
                        running: Arc::clone(receiver),
                        store: store.clone(),
                        shared: Arc::clone(&shared),
                    };
                    let task = worker.deliver_all(token.clone());
                    tasks.insert((name.clone(), number), (token, tokio::spawn(task)));
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(IDLE) => {}
        }
    }
    for (_, (_, task)) in tasks {
        // A delivery under way may finish; the supervisor bounds the wait.
        if let Err(error) = task.await {
            tracing::error!(%error, "a delivery task died");
        }
    }
    Ok(())
}

/// Delivers the messages of one receiver, one after another.
struct Worker {
    name: String,
    running: Arc<RunningReceiver>,
    store: Store,
    shared: Arc<Shared>,
}

/// What to do next.
enum Turn {
    Again,
    Pause(Duration),
}

impl Worker {
    async fn deliver_all(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let woken = self.shared.outbox.notified();
            let pause = match self.turn().await {
                Ok(Turn::Again) => continue,
                Ok(Turn::Pause(pause)) => pause,
                Err(error) => {
                    tracing::debug!(receiver = %self.name, %error, "cannot look for notifications");
                    IDLE * 3
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = woken => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn turn(&self) -> Result<Turn, StoreError> {
        let receiver = &self.running.receiver;
        let host = receiver.host();
        if let Some(host) = &host
            && let Some(seconds) = self.circuit().wait(host, seconds())
        {
            return Ok(Turn::Pause(Duration::from_secs(seconds.min(5))));
        }
        let lease = i64::try_from((receiver.attempt_limit() + LEASE_MARGIN).as_micros()).unwrap_or(i64::MAX);
        let claimed = self.store.claim_notifications(&self.name, 1, lease).await?;
        let Some(claimed) = claimed.into_iter().next() else {
            return Ok(Turn::Pause(IDLE));
        };
        let span = tracing::debug_span!("deliver", receiver = %self.name, message = %claimed.id, attempt = claimed.attempt);
        if let Err(error) = self.deliver(claimed, host.as_deref()).instrument(span).await {
            tracing::warn!(receiver = %self.name, %error, "cannot record a delivery; it may be repeated under the same id");
        }
        Ok(Turn::Again)
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.shared.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn deliver(&self, claimed: Claimed, host: Option<&str>) -> Result<(), StoreError> {
        let receiver = &self.running.receiver;
        let name = self.name.as_str();
        let outgoing = Outgoing { id: claimed.id, subject: claimed.subject, body: claimed.body.clone() };
        let attempt = if self.store.is_disabled(name, receiver.fingerprint()).await? {
            Attempt::Failed { reason: Reason::Gone, detail: "it said before that it is gone for good".to_owned() }
        } else {
            #[cfg(debug_assertions)]
            crate::faults::hit("dispatch.before_send");
            let mut conversation = Conversation::off();
            let sending = receiver.deliver(&outgoing, &mut conversation);
            let too_long = |_| Attempt::Retry {
                reason: Reason::Timeout,
                detail: "the attempt took too long".to_owned(),
                after: None,
            };
            let attempt = tokio::time::timeout(receiver.attempt_limit(), sending).await.unwrap_or_else(too_long);
            if let Some(host) = host {
                self.circuit().note(host, attempt.was_answered(), seconds());
            }
            attempt
        };
        #[cfg(debug_assertions)]
        crate::faults::hit("dispatch.after_send");
        let (outcome, reason, detail) = match attempt {
            Attempt::Delivered { reference } => {
                (AttemptOutcome::Sent { reference }, Reason::Delivered, String::new())
            }
            Attempt::Failed { reason, detail } => (AttemptOutcome::Dead, reason, detail),
            Attempt::Retry { reason, detail, after } => match next_step(claimed.attempt, after, fastrand::f64()) {
                Step::Retry(after) => (AttemptOutcome::Retry { after }, reason, detail),
                Step::GiveUp => (AttemptOutcome::Dead, reason, detail),
            },
        };
        self.shared.metrics.delivery(name, reason.as_str());
        let (id, event, attempt) = (claimed.id, claimed.event_type.as_str(), claimed.attempt);
        let gone = outcome == AttemptOutcome::Dead && reason == Reason::Gone;
        match &outcome {
            AttemptOutcome::Sent { .. } => tracing::info!(receiver = name, %id, event, attempt, "delivered"),
            AttemptOutcome::Retry { after } => {
                tracing::warn!(receiver = name, %id, event, attempt, reason = reason.as_str(), %detail, retry_seconds = after / 1_000_000, "not delivered yet");
            }
            AttemptOutcome::Dead => {
                tracing::error!(receiver = name, %id, event, attempt, reason = reason.as_str(), %detail, "gave up delivering");
            }
        }
        self.store.record_attempt(&claimed, outcome, reason.as_str(), &detail).await?;
        #[cfg(debug_assertions)]
        crate::faults::hit("dispatch.after_record");
        if gone {
            self.store.disable_receiver(name, receiver.fingerprint(), &detail).await?;
        }
        Ok(())
    }
}

/// Seconds of a clock that only goes forward.
fn seconds() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_secs()
}
