//! What people change over the API and the pages: each change is stored with who made it, and what depends on it wakes up.

use uuid::Uuid;

use super::StoreBackend;
use crate::account::LimitsStep;
use crate::app::{callbacks, false_alarms};
use crate::config::Monitor;
use crate::http::{Backend as _, BackendError, BackendResult, NewSilence, RequestedAlertChange, RetrainingChange};
use crate::retrain::Step;
use crate::store::{AlertAction, Moved, Resend};
use crate::view::{
    AlertRow, BaselineSummary, DeliveryDetail, FalseAlarmsView, Promotion, RequestDetail, SilenceRow,
};

/// Makes a baseline of windows.
pub(super) async fn promote(
    backend: &StoreBackend,
    monitor: &str,
    wanted: Promotion,
    actor: &str,
) -> BackendResult<BaselineSummary> {
    backend.check(monitor).await?;
    let running = backend.configured(monitor)?;
    let (schema, options) = (&running.monitor.schema, running.monitor.build);
    let made = backend.store.promote(monitor, &wanted, schema, options, actor).await?;
    tracing::info!(monitor, version = made.version, actor, origin = %made.origin, "baseline built from closed windows");
    Ok(made)
}

/// Has windows compared with another version of the baseline.
pub(super) async fn activate(
    backend: &StoreBackend,
    monitor: &str,
    version: i32,
    actor: &str,
) -> BackendResult<BaselineSummary> {
    backend.store.baseline_summary(monitor, version).await?;
    backend.store.activate_baseline(monitor, version, actor).await?;
    tracing::info!(monitor, version, actor, "baseline activated");
    Ok(backend.store.baseline_summary(monitor, version).await?)
}

/// Decides about a proposal of wider limits, or withdraws a decision. All daemons judge the next window accordingly.
pub(super) async fn change_limits(
    backend: &StoreBackend,
    monitor: &str,
    (id, step): (Uuid, LimitsStep),
    (actor, comment): (&str, &str),
) -> BackendResult<FalseAlarmsView> {
    backend.check(monitor).await?;
    let running = backend.configured(monitor)?;
    false_alarms::change_limits(&backend.store, &running.monitor, (id, step), (actor, comment)).await?;
    tracing::info!(monitor, %id, actor, step = step.as_str(), "decision about limits stored");
    backend.false_alarms(monitor).await
}

/// Acknowledges or resolves an alert, and notes whether it was right.
pub(super) async fn change_alert(
    backend: &StoreBackend,
    id: Uuid,
    change: RequestedAlertChange,
    actor: &str,
    comment: &str,
) -> BackendResult<AlertRow> {
    let store = &backend.store;
    let changed = match change {
        RequestedAlertChange::Acknowledge => {
            store.act_on_alert(id, AlertAction::Acknowledge, actor, comment).await?;
            store.alert(&id.to_string()).await?.alert
        }
        RequestedAlertChange::Resolve(judged) => store.resolve_alert(id, judged, actor, comment).await?,
    };
    backend.shared.alerts.notify_waiters();
    Ok(changed)
}

/// Makes a silence.
pub(super) async fn silence(backend: &StoreBackend, wanted: NewSilence, actor: &str) -> BackendResult<SilenceRow> {
    let running = backend.shared.monitors();
    let monitors: Vec<&Monitor> = running.iter().map(|running| &running.monitor).collect();
    let known = crate::app::status::vocabulary(&backend.store, &monitors).await?;
    known.check_all(&wanted.matchers).map_err(|error| BackendError::Invalid(error.to_string()))?;
    let id = backend.store.add_silence(&wanted.matchers, wanted.duration, actor, &wanted.comment).await?;
    backend.shared.alerts.notify_waiters();
    Ok(backend.store.silence(id).await?)
}

/// Ends a silence.
pub(super) async fn end_silence(backend: &StoreBackend, id: Uuid, actor: &str) -> BackendResult<SilenceRow> {
    backend.store.expire_silence(&id.to_string(), actor).await?;
    backend.shared.alerts.notify_waiters();
    Ok(backend.store.silence(id).await?)
}

/// Sends a message again.
pub(super) async fn send_again(backend: &StoreBackend, id: Uuid, actor: &str) -> BackendResult<DeliveryDetail> {
    let before = backend.store.delivery(id).await?;
    let sent = backend.store.replay_deliveries(&Resend::Message(id.to_string()), actor).await?;
    if sent == 0 {
        return Err(BackendError::Refused(format!(
            "message {id} is {}: only failed or sent messages can be resent",
            before.delivery.status.as_str()
        )));
    }
    backend.shared.outbox.notify_waiters();
    Ok(backend.store.delivery(id).await?)
}

/// Approves or cancels a request for a retraining.
pub(super) async fn change_request(
    backend: &StoreBackend,
    id: Uuid,
    change: RetrainingChange,
    actor: &str,
    comment: &str,
) -> BackendResult<RequestDetail> {
    let step = match change {
        RetrainingChange::Approve => Step::Approve,
        RetrainingChange::Cancel => Step::Cancel,
    };
    let moved = Moved { step, actor, detail: comment, external_id: None };
    callbacks::move_on(&backend.store, &backend.shared, &id.to_string(), moved).await?;
    backend.shared.outbox.notify_waiters();
    backend.request(id).await
}
