//! Looks at groups of alerts when they are due, and posts the state of alerts to receivers that take states.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::state::Shared;
use crate::alert::{AlertsEvent, SendReason};
use crate::notify::{Attempt, Conversation, Outgoing};
use crate::store::{Store, StoreError, Telling};

/// Groups looked at in one go.
const BATCH: i64 = 100;
/// How soon to look for due groups when nothing happens: waits and intervals end by themselves.
const IDLE: Duration = Duration::from_millis(500);
/// How often states are posted: well below the resolve timeout of an Alertmanager (5 minutes).
const RESYNC: Duration = Duration::from_mins(1);
/// For how long an alert that is over is still posted, in seconds.
const POST_RESOLVED: i64 = 900;

pub(super) async fn run(store: Store, shared: Arc<Shared>, stop: CancellationToken) -> Result<(), String> {
    let mut synced: Option<Instant> = None;
    loop {
        let woken = shared.alerts.notified();
        let mut changed = false;
        match tell_due(&store, &shared, &stop).await {
            Ok(told) => changed = told,
            Err(error) => tracing::debug!(%error, "cannot look at groups of alerts"),
        }
        if changed || synced.is_none_or(|at| at.elapsed() >= RESYNC) {
            synced = Some(Instant::now());
            post_states(&store, &shared).await;
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = woken => {}
            () = tokio::time::sleep(IDLE) => {}
        }
    }
}

/// Whether anything was decided.
async fn tell_due(store: &Store, shared: &Shared, stop: &CancellationToken) -> Result<bool, StoreError> {
    let common = shared.common();
    let receivers = shared.receivers();
    let caps: BTreeMap<String, u32> =
        receivers.iter().filter_map(|(name, running)| Some((name.clone(), running.max_per_hour?))).collect();
    let states: BTreeSet<String> = receivers
        .iter()
        .filter(|(_, running)| running.receiver.takes_state())
        .map(|(name, _)| name.clone())
        .collect();
    let telling = Telling {
        routing: &common.routing,
        caps: &caps,
        states: &states,
        external_url: common.external_url.as_deref(),
    };
    let due = store.due_groups(BATCH).await?;
    // A group of a receiver of states is due when one of its alerts changed.
    let mut changed = !states.is_empty() && !due.is_empty();
    for group in due {
        if stop.is_cancelled() {
            break;
        }
        match store.settle_group(group, telling).await {
            Ok(None) => {}
            Ok(Some(decided)) => {
                let reason = decided.reason.as_str();
                tracing::info!(receiver = %decided.receiver, reason, alerts = decided.alerts, "telling");
                shared.metrics.told(&decided.receiver, reason);
                shared.outbox.notify_waiters();
                changed = true;
            }
            // What is wrong with one group must not keep the others from being told.
            Err(error) if !error.is_transient() => {
                tracing::error!(%group, %error, "cannot tell a group of alerts");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(changed)
}

/// Posts the alerts that are routed to each Alertmanager: those that fire, and for a while those that are over. What
/// cannot be posted now is posted the next time.
async fn post_states(store: &Store, shared: &Shared) {
    let common = shared.common();
    for (name, running) in shared.receivers().iter().filter(|(_, running)| running.receiver.takes_state()) {
        let posted = async {
            let alerts = store.routed_alerts(name, POST_RESOLVED, common.external_url.as_deref()).await?;
            if alerts.is_empty() {
                return Ok(None);
            }
            let thread = Uuid::new_v4();
            let event = AlertsEvent::new(thread, BTreeMap::new(), SendReason::Repeated, alerts);
            let body = crate::alert::event_body(event.kind(), "", &event);
            let message = Outgoing { id: thread, subject: thread, body };
            Ok::<_, StoreError>(Some(running.receiver.deliver(&message, &mut Conversation::off()).await))
        };
        match posted.await {
            Ok(None | Some(Attempt::Delivered { .. })) => {}
            Ok(Some(Attempt::Retry { reason, detail, .. } | Attempt::Failed { reason, detail })) => {
                shared.metrics.delivery(name, reason.as_str());
                tracing::warn!(receiver = %name, reason = reason.as_str(), %detail, "cannot post the state of alerts");
            }
            Err(error) => tracing::debug!(receiver = %name, %error, "cannot read the state of alerts"),
        }
    }
}
