//! Looks at groups of alerts when they are due, and posts the state of alerts to receivers that take states.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::state::Shared;
use crate::alert::{AlertsEvent, SendReason};
use crate::notify::{AttemptResult, Conversation, Outgoing};
use crate::store::{Store, StoreError, Telling};
use crate::supervisor::TaskError;

/// Groups looked at in one go.
const BATCH: i64 = 100;
/// How soon to look for due groups when nothing happens: waits and intervals end by themselves.
const IDLE: Duration = Duration::from_millis(500);
/// How often states are posted: well below the resolve timeout of an Alertmanager (5 minutes).
const RESYNC: Duration = Duration::from_mins(1);
/// For how long an alert that is over is still posted, in seconds.
const POST_RESOLVED: i64 = 900;

pub(super) async fn run(store: Store, shared: Arc<Shared>, stop: CancellationToken) -> Result<(), TaskError> {
    // Side by side: a receiver of states that does not answer keeps no group from being told.
    let changed = Notify::new();
    tokio::join!(tell(&store, &shared, &changed, &stop), post(&store, &shared, &changed, &stop));
    Ok(())
}

async fn tell(store: &Store, shared: &Shared, changed: &Notify, stop: &CancellationToken) {
    loop {
        let woken = shared.alerts.notified();
        match tell_due(store, shared, stop).await {
            Ok(true) => changed.notify_one(),
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "cannot read due alert groups; retrying"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = woken => {}
            () = tokio::time::sleep(IDLE) => {}
        }
    }
}

async fn post(store: &Store, shared: &Shared, changed: &Notify, stop: &CancellationToken) {
    loop {
        tokio::select! {
            // What is not posted now is posted by the daemon that runs next.
            () = stop.cancelled() => return,
            () = post_states(store, shared) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = changed.notified() => {}
            () = tokio::time::sleep(RESYNC) => {}
        }
    }
}

/// Whether anything was decided.
async fn tell_due(store: &Store, shared: &Shared, stop: &CancellationToken) -> Result<bool, StoreError> {
    let in_force = shared.in_force();
    let receivers = &in_force.receivers;
    let caps: BTreeMap<String, u32> =
        receivers.iter().filter_map(|(name, running)| Some((name.clone(), running.max_per_hour?))).collect();
    let states: BTreeSet<String> = receivers
        .iter()
        .filter(|(_, running)| running.receiver.takes_state())
        .map(|(name, _)| name.clone())
        .collect();
    let telling = Telling {
        routing: &in_force.routing,
        caps: &caps,
        states: &states,
        external_url: in_force.external_url.as_deref(),
    };
    let due = store.due_groups(BATCH).await?;
    if due.is_empty() {
        return Ok(false);
    }
    let open = store.firing_alerts().await?;
    // A group of a receiver of states is due when one of its alerts changed.
    let mut changed = !states.is_empty() && !due.is_empty();
    for group in due {
        if stop.is_cancelled() {
            break;
        }
        match store.settle_group(group, telling, &open).await {
            Ok(None) => {}
            Ok(Some(decided)) => {
                let reason = decided.reason.as_str();
                tracing::info!(receiver = %decided.receiver, reason, alerts = decided.alerts, "notification added to the outbox");
                shared.metrics.told(&decided.receiver, reason);
                shared.outbox.notify_waiters();
                changed = true;
            }
            // What is wrong with one group must not keep the others from being told.
            Err(error) if !error.is_transient() => {
                if shared.complaints.is_due(&group.to_string(), &error.to_string()) {
                    tracing::error!(%group, %error, "cannot decide the notifications of an alert group; retrying");
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(changed)
}

/// Posts the alerts that are routed to each Alertmanager: those that fire, and for a while those that are over. What
/// cannot be posted now is posted the next time.
async fn post_states(store: &Store, shared: &Shared) {
    let in_force = shared.in_force();
    let mut posts = JoinSet::new();
    for (name, running) in in_force.receivers.iter().filter(|(_, running)| running.receiver.takes_state()) {
        let read = store.routed_alerts(name, POST_RESOLVED, in_force.external_url.as_deref()).await;
        let alerts = match read {
            Ok(alerts) if alerts.is_empty() => continue,
            Ok(alerts) => alerts,
            Err(error) => {
                tracing::debug!(receiver = %name, %error, "cannot read the alerts of a receiver; retrying");
                continue;
            }
        };
        // A state is no message: the receiver sees neither id.
        let event = AlertsEvent::new(Uuid::nil(), BTreeMap::new(), SendReason::Repeated, alerts);
        let body = crate::alert::event_body(event.kind(), crate::app::clock_now().unwrap_or_default(), &event);
        let message = Outgoing { id: Uuid::nil(), subject: Uuid::nil(), body };
        let (name, running) = (name.clone(), Arc::clone(running));
        posts.spawn(async move { (name, running.receiver.deliver(&message, &mut Conversation::off()).await) });
    }
    while let Some(posted) = posts.join_next().await {
        match posted {
            Ok((_, AttemptResult::Delivered { .. })) => {}
            Ok((name, AttemptResult::Retry { reason, detail, .. } | AttemptResult::Failed { reason, detail })) => {
                shared.metrics.delivery(&name, reason.as_str());
                tracing::warn!(receiver = %name, reason = reason.as_str(), %detail, "cannot post the state of alerts; retrying");
            }
            Err(error) => tracing::error!(%error, "posting the state of alerts panicked; retrying"),
        }
    }
}
