//! What training systems and model registries report over HTTP: verified, then taken over.

use secrecy::ExposeSecret as _;
use serde::Deserialize;
use uuid::Uuid;

use super::state::Shared;
use crate::http::{Callback, CallbackOutcome};
use crate::notify::{unix_seconds, verify};
use crate::retrain::{RequestState, Step};
use crate::store::{Moved, NewBaseline, Store, StoreError};
use crate::view::RequestDetail;

/// The body of a report on a retraining request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    request: Uuid,
    state: RequestState,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    external_id: Option<String>,
}

/// The part of MLflow's webhooks that matters.
#[derive(Deserialize)]
struct Registered {
    entity: String,
    action: String,
    data: RegisteredData,
}

#[derive(Deserialize)]
struct RegisteredData {
    name: String,
    version: serde_json::Value,
}

/// Takes a report.
pub(super) async fn take(store: &Store, shared: &Shared, report: Callback) -> CallbackOutcome {
    match report {
        Callback::Retraining { id, signed, body } => retraining(store, shared, &id, &signed, &body).await,
        Callback::Mlflow { signed, body } => mlflow(store, shared, &signed, &body).await,
    }
}

/// Id, timestamp and signatures of a message.
type Signed = (String, String, String);

async fn retraining(store: &Store, shared: &Shared, id: &str, signed: &Signed, body: &str) -> CallbackOutcome {
    let in_force = shared.in_force();
    let Some(secret) = &in_force.callback_secret else {
        return CallbackOutcome::Off(
            "callbacks are disabled: `http.callback_secret` is not configured".to_owned(),
        );
    };
    let (message, timestamp, signatures) = signed;
    if let Err(error) = verify(secret, (message, timestamp, signatures), body, unix_seconds()) {
        return CallbackOutcome::Unauthorized(error.to_string());
    }
    let progress: Progress = match serde_json::from_str(body) {
        Ok(progress) => progress,
        Err(error) => return CallbackOutcome::Invalid(format!("invalid report: {error}")),
    };
    // The address is not signed: a report that was overheard could be sent for another request.
    if id.parse::<Uuid>() != Ok(progress.request) {
        return CallbackOutcome::Invalid(format!(
            "the report is signed for request {}, but the URL names request `{id}`\nhint: `request` in the body is the request ID",
            progress.request
        ));
    }
    let report = match report_id("retraining", message) {
        Ok(report) => report,
        Err(outcome) => return outcome,
    };
    let short = |text: &str| text.chars().filter(|c| !c.is_control()).take(500).collect::<String>();
    let (detail, external_id) = (short(&progress.detail), progress.external_id.as_deref().map(short));
    let moved = Moved {
        step: Step::Report(progress.state),
        actor: "callback",
        detail: &detail,
        external_id: external_id.as_deref(),
    };
    match take_report(store, shared, &report, progress.request, moved).await {
        Ok(state) => CallbackOutcome::Taken(state.as_str().to_owned()),
        Err(StoreError::NotFound(why)) => CallbackOutcome::NotFound(why),
        Err(StoreError::Refused(why)) => CallbackOutcome::Conflict(why),
        Err(error) => CallbackOutcome::Unavailable(error.to_string()),
    }
}

/// What a report is remembered by, so that it counts once: who signs, and the id that he gave it, which is signed.
fn report_id(kind: &str, message: &str) -> Result<String, CallbackOutcome> {
    if message.is_empty() || message.len() > 200 {
        let why = "the message ID must have 1 to 200 characters";
        return Err(CallbackOutcome::Invalid(why.to_owned()));
    }
    Ok(format!("{kind} {message}"))
}

async fn take_report(
    store: &Store,
    shared: &Shared,
    report: &str,
    id: Uuid,
    moved: Moved<'_>,
) -> Result<RequestState, StoreError> {
    let (state, new) = store.take_report(report, id, moved).await?;
    moved_on(store, shared, id, (state, new), moved.actor).await
}

/// Moves a request on; a success brings a baseline from the new version's first windows.
pub(super) async fn move_on(
    store: &Store,
    shared: &Shared,
    id: &str,
    moved: Moved<'_>,
) -> Result<RequestState, StoreError> {
    let id = id
        .parse::<Uuid>()
        .map_err(|_| StoreError::NotFound(format!("`{id}` is not the ID of a retraining request")))?;
    let outcome = store.move_request(id, moved).await?;
    moved_on(store, shared, id, outcome, moved.actor).await
}

async fn moved_on(
    store: &Store,
    shared: &Shared,
    id: Uuid,
    (state, new): (RequestState, bool),
    actor: &str,
) -> Result<RequestState, StoreError> {
    if new {
        tracing::info!(request = %id, state = state.as_str(), actor, "retraining request changed state");
        if state == RequestState::Succeeded {
            propose(store, shared, id).await?;
        }
    }
    Ok(state)
}

async fn propose(store: &Store, shared: &Shared, id: Uuid) -> Result<(), StoreError> {
    let RequestDetail { request, .. } = store.retraining_request(&id.to_string()).await?;
    let running = shared.monitors().into_iter().find(|running| running.monitor.name == request.monitor);
    let Some(policy) = running.as_ref().and_then(|running| running.monitor.rules.retrain.as_ref()) else {
        return Ok(());
    };
    let wanted = NewBaseline {
        id,
        monitor: &request.monitor,
        version: None,
        // A version that is new since the request is the new model; without versions, time has to tell.
        since: (!request.version.is_empty()).then_some(*request.window_end),
        windows: policy.promote_windows,
        activate: policy.promote,
        reason: &format!("retraining request {id} succeeded"),
    };
    store.propose_baseline(wanted).await
}

/// Namespace of the proposals of MLflow's versions.
fn proposal_id(model: &str, version: &str, monitor: &str) -> Uuid {
    crate::alert::derived_id(&["mlflow", model, version, monitor])
}

async fn mlflow(store: &Store, shared: &Shared, signed: &Signed, body: &str) -> CallbackOutcome {
    let in_force = shared.in_force();
    let Some(secret) = &in_force.mlflow_secret else {
        return CallbackOutcome::Off(
            "MLflow webhooks are disabled: `http.mlflow_secret` is not configured".to_owned(),
        );
    };
    // MLflow signs with the bytes of its secret as they are.
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, secret.expose_secret());
    let (delivery, timestamp, signatures) = signed;
    if let Err(error) = verify(&encoded.into(), (delivery, timestamp, signatures), body, unix_seconds()) {
        return CallbackOutcome::Unauthorized(error.to_string());
    }
    let event: Registered = match serde_json::from_str(body) {
        Ok(event) => event,
        Err(error) => return CallbackOutcome::Invalid(format!("invalid webhook: {error}")),
    };
    if (event.entity.as_str(), event.action.as_str()) != ("model_version", "created") {
        return CallbackOutcome::Taken("ignored: not a new model version".to_owned());
    }
    let report = match report_id("mlflow", delivery) {
        Ok(report) => report,
        Err(outcome) => return outcome,
    };
    match store.is_report_taken(&report).await {
        Ok(false) => {}
        Ok(true) => {
            return CallbackOutcome::Conflict("this webhook was already received".to_owned());
        }
        Err(error) => return CallbackOutcome::Unavailable(error.to_string()),
    }
    let version = event.data.version.as_str().map_or_else(|| event.data.version.to_string(), str::to_owned);
    let mut taken = Vec::new();
    for running in shared.monitors() {
        let monitor = &running.monitor;
        let Some(registered) = monitor.mlflow.as_ref().filter(|known| known.model == event.data.name) else {
            continue;
        };
        let wanted = NewBaseline {
            id: proposal_id(&event.data.name, &version, &monitor.name),
            monitor: &monitor.name,
            version: Some(&version),
            since: None,
            windows: registered.windows,
            activate: registered.promote,
            reason: &format!("version {version} of {} was registered", event.data.name),
        };
        match store.propose_baseline(wanted).await {
            Ok(()) => {}
            Err(error) if error.is_about_text() => {
                return CallbackOutcome::Invalid("the version contains a NUL character".to_owned());
            }
            Err(error) => return CallbackOutcome::Unavailable(error.to_string()),
        }
        taken.push(monitor.name.clone());
    }
    if taken.is_empty() {
        return CallbackOutcome::NotFound("no monitor has this model in `[mlflow]`".to_owned());
    }
    // After the proposals, which have ids of their own: what breaks off in between is taken again without harm.
    match store.note_report(&report).await {
        Ok(()) | Err(StoreError::Refused(_)) => {}
        Err(error) => return CallbackOutcome::Unavailable(error.to_string()),
    }
    CallbackOutcome::Taken(format!("a baseline will be built for {}", taken.join(", ")))
}
