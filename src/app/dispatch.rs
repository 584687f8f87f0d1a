//! Delivers the outbox: tasks for each receiver, so that a slow one delays nobody else.
//!
//! A message is leased for a few seconds, and again and again while it is being sent: what a daemon that died had in hand is
//! free soon, and a slow receiver is given its time. A lease decides only who sends; nothing is counted before the outcome of
//! an attempt is recorded.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::state::{RunningReceiver, Shared};
use crate::notify::{AfterFailure, AttemptReason, AttemptResult, Circuit, Conversation, Outgoing, next_step};
use crate::record::TimeSpan;
use crate::store::{AttemptOutcome, Claimed, Store, StoreError};
use crate::supervisor::TaskError;

/// How long a message stays with a daemon that does not say that it still sends it.
const LEASE: Duration = Duration::from_secs(15);
/// How often it says so.
const RENEW: Duration = Duration::from_secs(4);
/// How long to wait when there is nothing to do.
const IDLE: Duration = Duration::from_secs(1);
/// How long a delivery under way may go on when the daemon stops; then it is broken off.
const GRACE: Duration = Duration::from_secs(3);
/// How long giving a message back may take then.
const RELEASE: Duration = Duration::from_secs(2);

/// Keeps tasks running for every receiver in force.
pub(super) async fn run(store: Store, shared: Arc<Shared>, stop: CancellationToken) -> Result<(), TaskError> {
    let mut version = None;
    let mut tasks = JoinSet::new();
    // Of the tasks in force; what a task is sending when it is retired is sent to its end.
    let mut replaced = stop.child_token();
    loop {
        while let Some(ended) = tasks.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "delivery task ended unexpectedly; restarting all delivery tasks");
                version = None;
            }
        }
        let now = shared.version.load(Ordering::SeqCst);
        if version != Some(now) {
            version = Some(now);
            replaced.cancel();
            replaced = stop.child_token();
            // Receivers that take states are posted to, not sent to.
            for (name, receiver) in
                shared.in_force().receivers.iter().filter(|(_, running)| !running.receiver.takes_state())
            {
                for _ in 0..receiver.concurrency {
                    let worker = DeliveryTask {
                        name: name.clone(),
                        running: Arc::clone(receiver),
                        store: store.clone(),
                        shared: Arc::clone(&shared),
                        stop: stop.clone(),
                    };
                    tasks.spawn(worker.deliver_all(replaced.clone()));
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(IDLE) => {}
        }
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "delivery task ended unexpectedly");
        }
    }
    Ok(())
}

/// Delivers the messages of one receiver, one after another.
struct DeliveryTask {
    name: String,
    running: Arc<RunningReceiver>,
    store: Store,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

/// What to do next.
enum Turn {
    Again,
    Pause(Duration),
}

impl DeliveryTask {
    async fn deliver_all(self, replaced: CancellationToken) {
        while !replaced.is_cancelled() {
            let woken = self.shared.outbox.notified();
            let pause = match self.turn().await {
                Ok(Turn::Again) => continue,
                Ok(Turn::Pause(pause)) => pause,
                Err(error) => {
                    tracing::debug!(receiver = %self.name, %error, "cannot read pending notifications; retrying");
                    IDLE * 3
                }
            };
            tokio::select! {
                () = replaced.cancelled() => return,
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
        let claimed = self.store.claim_notifications(&self.name, 1, TimeSpan::from(LEASE)).await?;
        let Some(claimed) = claimed.into_iter().next() else {
            return Ok(Turn::Pause(IDLE));
        };
        let span =
            tracing::debug_span!("deliver", receiver = %self.name, id = %claimed.id, attempt = claimed.attempt);
        if let Err(error) = self.deliver(claimed, host.as_deref()).instrument(span).await {
            tracing::warn!(receiver = %self.name, %error, "cannot record a delivery attempt; the message may be sent again under the same ID");
        }
        Ok(Turn::Again)
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.shared.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tries once; none when the daemon stops before there is an outcome.
    async fn send(&self, claimed: &Claimed) -> Option<AttemptResult> {
        let (running, body) = (Arc::clone(&self.running), claimed.body.clone());
        let outgoing = Outgoing { id: claimed.id, subject: claimed.subject, body };
        let limit = self.running.receiver.attempt_limit();
        // A task of its own: a panic costs the attempt, not the deliveries of the receiver.
        let mut sending = tokio::spawn(
            async move { running.receiver.deliver(&outgoing, &mut Conversation::off()).await }.in_current_span(),
        );
        let abandoned = async {
            self.stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        let attempt = tokio::select! {
            ended = &mut sending => Some(ended.unwrap_or_else(|error| {
                tracing::error!(receiver = %self.name, id = %claimed.id, %error, "delivery attempt panicked; retrying later");
                AttemptResult::Retry { reason: AttemptReason::Invalid, detail: "driftd failed while it sent this".to_owned(), after: None }
            })),
            () = tokio::time::sleep(limit) => Some(AttemptResult::Retry {
                reason: AttemptReason::Timeout,
                detail: "the attempt took too long".to_owned(),
                after: None,
            }),
            () = abandoned => None,
            never = self.keep_lease(claimed) => match never {},
        };
        sending.abort();
        attempt
    }

    /// Renews the lease until it is dropped. A database that is away is no reason to break off: the daemon that takes the message
    /// then sends it under the same id.
    async fn keep_lease(&self, claimed: &Claimed) -> Infallible {
        loop {
            tokio::time::sleep(RENEW).await;
            match self.store.renew_lease(claimed, TimeSpan::from(LEASE)).await {
                Ok(true) => {}
                Ok(false) => tracing::warn!(
                    receiver = %self.name, id = %claimed.id,
                    "the lease of a message was not renewed in time; another daemon sends it too, under the same ID"
                ),
                Err(error) => {
                    tracing::debug!(receiver = %self.name, id = %claimed.id, %error, "cannot renew the lease of a message; retrying");
                }
            }
        }
    }

    /// Gives a message back whose sending was broken off because the daemon stops.
    async fn give_back(&self, claimed: &Claimed) {
        tracing::warn!(
            receiver = %self.name, id = %claimed.id,
            "shutdown aborted a delivery; the message will be sent again under the same ID"
        );
        match tokio::time::timeout(RELEASE, self.store.release_lease(claimed)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "cannot release the lease of a message; it will expire"),
            Err(_) => tracing::debug!("timeout while releasing the lease of a message; it will expire"),
        }
    }

    async fn deliver(&self, claimed: Claimed, host: Option<&str>) -> Result<(), StoreError> {
        let receiver = &self.running.receiver;
        let name = self.name.as_str();
        let attempt = if self.store.is_disabled(name, receiver.fingerprint()).await? {
            AttemptResult::Failed {
                reason: AttemptReason::Gone,
                detail: "the receiver reported before that its address is gone".to_owned(),
            }
        } else {
            #[cfg(debug_assertions)]
            crate::faults::hit("dispatch.before_send");
            let Some(attempt) = self.send(&claimed).await else {
                self.give_back(&claimed).await;
                return Ok(());
            };
            if let Some(host) = host {
                self.circuit().note(host, attempt.was_answered(), seconds());
            }
            attempt
        };
        #[cfg(debug_assertions)]
        crate::faults::hit("dispatch.after_send");
        let (outcome, reason, detail) = match attempt {
            AttemptResult::Delivered { reference } => {
                (AttemptOutcome::Sent { reference }, AttemptReason::Delivered, String::new())
            }
            AttemptResult::Failed { reason, detail } => (AttemptOutcome::Dead, reason, detail),
            AttemptResult::Retry { reason, detail, after } => {
                match next_step(claimed.failures, claimed.trying_for, after, fastrand::f64()) {
                    AfterFailure::Retry(after) => (AttemptOutcome::Retry { after }, reason, detail),
                    AfterFailure::Fail => (AttemptOutcome::Dead, reason, detail),
                }
            }
        };
        self.shared.metrics.delivery(name, reason.as_str());
        let (id, event, attempt) = (claimed.id, claimed.event_type.as_str(), claimed.attempt);
        let gone = outcome == AttemptOutcome::Dead && reason == AttemptReason::Gone;
        match &outcome {
            AttemptOutcome::Sent { .. } => {
                tracing::info!(receiver = name, %id, event, attempt, "message delivered");
            }
            AttemptOutcome::Retry { after } => {
                tracing::warn!(receiver = name, %id, event, attempt, reason = reason.as_str(), %detail, retry_seconds = after.micros() / 1_000_000, "delivery attempt failed; retrying later");
            }
            AttemptOutcome::Dead => {
                tracing::error!(receiver = name, %id, event, attempt, reason = reason.as_str(), %detail, "delivery failed permanently");
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
