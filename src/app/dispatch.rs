//! Delivers the outbox: one task a receiver, so that a slow one delays nobody else.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::state::Shared;
use crate::notify::{Attempt, Outgoing, Reason, Receiver, Step, next_step};
use crate::store::{AttemptOutcome, Claimed, Store, StoreError};

/// Added to the time an attempt may take: how long a leased notification is left to its holder.
const LEASE_MARGIN: Duration = Duration::from_secs(5);
/// How long to wait when there is nothing to do.
const IDLE: Duration = Duration::from_secs(1);

/// Keeps a task running for every receiver in force.
pub(super) async fn run(store: Store, shared: Arc<Shared>, stop: CancellationToken) -> Result<(), String> {
    let mut version = None;
    let mut tasks: HashMap<String, (CancellationToken, JoinHandle<()>)> = HashMap::new();
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
                let token = stop.child_token();
                let task = deliver_all(
                    name.clone(),
                    Arc::clone(receiver),
                    store.clone(),
                    Arc::clone(&shared),
                    token.clone(),
                );
                tasks.insert(name.clone(), (token, tokio::spawn(task)));
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

async fn deliver_all(
    name: String,
    receiver: Arc<Receiver>,
    store: Store,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    let limit = receiver.attempt_limit();
    let lease = i64::try_from((limit + LEASE_MARGIN).as_micros()).unwrap_or(i64::MAX);
    while !stop.is_cancelled() {
        let woken = shared.outbox.notified();
        match store.claim_notifications(&name, 1, lease).await {
            Ok(claimed) if claimed.is_empty() => {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = woken => {}
                    () = tokio::time::sleep(IDLE) => {}
                }
            }
            Ok(claimed) => {
                for notification in claimed {
                    if let Err(error) = deliver(&name, &receiver, &store, &shared, notification).await {
                        tracing::warn!(receiver = %name, %error, "cannot record a delivery; it may be repeated under the same id");
                    }
                }
            }
            Err(error) => {
                tracing::debug!(receiver = %name, %error, "cannot look for notifications");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(IDLE * 3) => {}
                }
            }
        }
    }
}

async fn deliver(
    name: &str,
    receiver: &Receiver,
    store: &Store,
    shared: &Shared,
    claimed: Claimed,
) -> Result<(), StoreError> {
    let outgoing = Outgoing { id: claimed.id, subject: claimed.subject, body: claimed.body.clone() };
    let attempt =
        tokio::time::timeout(receiver.attempt_limit(), receiver.deliver(&outgoing)).await.unwrap_or_else(|_| {
            Attempt::Retry { reason: Reason::Timeout, detail: "the attempt took too long".to_owned(), after: None }
        });
    #[cfg(debug_assertions)]
    crate::faults::hit("dispatch.after_send");
    let (outcome, reason, detail) = match attempt {
        Attempt::Delivered => (AttemptOutcome::Sent, Reason::Delivered, String::new()),
        Attempt::Failed { reason, detail } => (AttemptOutcome::Dead, reason, detail),
        Attempt::Retry { reason, detail, after } => match next_step(claimed.attempt, after, fastrand::f64()) {
            Step::Retry(after) => (AttemptOutcome::Retry { after }, reason, detail),
            Step::GiveUp => (AttemptOutcome::Dead, reason, detail),
        },
    };
    shared.metrics.delivery(name, reason.as_str());
    let (id, event, attempt) = (claimed.id, claimed.event_type.as_str(), claimed.attempt);
    match outcome {
        AttemptOutcome::Sent => tracing::info!(receiver = name, %id, event, attempt, "delivered"),
        AttemptOutcome::Retry { after } => {
            tracing::warn!(receiver = name, %id, event, attempt, reason = reason.as_str(), %detail, retry_seconds = after / 1_000_000, "not delivered yet");
        }
        AttemptOutcome::Dead => {
            tracing::error!(receiver = name, %id, event, attempt, reason = reason.as_str(), %detail, "gave up delivering");
        }
    }
    store.record_attempt(&claimed, outcome, reason.as_str(), &detail).await
}
