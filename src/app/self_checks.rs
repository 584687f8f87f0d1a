//! Looks after the daemon's own work: operational alerts, unanswered retraining requests, runs to ask about, baselines that
//! are due.

use crate::record::TimeSpan;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::state::{InForce, Shared};
use crate::closing::CheckScope;
use crate::config::{Monitor, Topics};
use crate::retrain::{RequestState, Step};
use crate::store::{InputCheck, Moved, Store, StoreError};
use crate::supervisor::TaskError;

/// Between looks at one thing on all daemons together.
const LOOK: TimeSpan = TimeSpan::seconds(30);
/// Between questions about one run.
const POLL: TimeSpan = TimeSpan::minutes(1);
/// How long a monitor has to be missing before its alerts end: daemons are restarted, and reloaded one after the other.
const REMOVED_AFTER: Duration = Duration::from_mins(1);
/// Between rounds of this task.
const ROUND: Duration = Duration::from_secs(5);

pub(super) async fn run(store: Store, shared: Arc<Shared>, stop: CancellationToken) -> Result<(), TaskError> {
    let mut missing = HashMap::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(ROUND) => {}
        }
        let round = async {
            if let Err(error) = look(&store, &shared).await {
                tracing::debug!(%error, "self-checks failed; retrying");
            }
            if let Err(error) = end_removed(&store, &shared, &mut missing).await {
                tracing::debug!(%error, "cannot resolve the alerts of removed monitors; retrying");
            }
            ask_about_runs(&store, &shared).await;
        };
        tokio::select! {
            // A training system that does not answer must not hold up the end.
            () = stop.cancelled() => return Ok(()),
            () = round => {}
        }
    }
}

/// Ends the alerts of monitors that no daemon has now: nothing else would, and they would be told again and again.
async fn end_removed(
    store: &Store,
    shared: &Shared,
    missing: &mut HashMap<String, Instant>,
) -> Result<(), StoreError> {
    let monitors = shared.monitors();
    let configured: Vec<&str> = monitors.iter().map(|running| running.monitor.name.as_str()).collect();
    let removed = store.removed_monitors(&configured).await?;
    missing.retain(|monitor, _| removed.contains(monitor));
    for monitor in removed {
        let since = missing.entry(monitor.clone()).or_insert_with(Instant::now);
        if since.elapsed() < REMOVED_AFTER {
            continue;
        }
        let ended = store.end_alerts_of(&monitor).await?;
        tracing::info!(%monitor, ended, "resolved the alerts of a monitor that is no longer configured");
        shared.alerts.notify_waiters();
    }
    Ok(())
}

async fn look(store: &Store, shared: &Shared) -> Result<(), StoreError> {
    let in_force = shared.in_force();
    let topics = store.topics().await?;
    for running in &in_force.monitors {
        let topics: Vec<String> = topics.iter().filter(|topic| running.topics.matches(topic)).cloned().collect();
        match look_at(store, &in_force, &running.monitor, &topics).await {
            Ok(()) => {}
            // What is wrong with one monitor must not keep the others from being looked at.
            Err(error) if !error.is_transient() => {
                let monitor = &running.monitor.name;
                if shared.complaints.is_due(monitor, &format!("input: {error}")) {
                    tracing::error!(%monitor, %error, "cannot check the input of a monitor; retrying");
                }
            }
            Err(error) => return Err(error),
        }
    }
    let names: Vec<String> = in_force.receivers.keys().cloned().collect();
    let labels = crate::alert::Labels::new();
    let scope = CheckScope { monitor: "", labels: &labels, receivers: &[], routing: &in_force.routing };
    store.check_deliveries(scope, &names, LOOK).await?;
    let expired = store.expire_requests().await?;
    if expired > 0 {
        tracing::warn!(requests = expired, "retraining requests expired without an answer");
    }
    shared.alerts.notify_waiters();
    Ok(())
}

async fn look_at(
    store: &Store,
    in_force: &InForce,
    monitor: &Monitor,
    topics: &[String],
) -> Result<(), StoreError> {
    let scope = CheckScope {
        monitor: &monitor.name,
        labels: &monitor.rules.labels,
        receivers: &monitor.rules.receivers,
        routing: &in_force.routing,
    };
    let limits = in_force.operations.for_windows(monitor.counting.length.span());
    let unknown: Vec<String> = match &monitor.topics {
        Topics::Named(names) => names.iter().filter(|name| !topics.contains(name)).cloned().collect(),
        Topics::Pattern(_) => Vec::new(),
    };
    let watched = InputCheck {
        scope,
        topics,
        schema: &monitor.schema,
        learns: monitor.learn.is_some(),
        unknown_topics: &unknown,
        max_series: monitor.counting.max_series,
        min_records: monitor.rules.judge.min_records.max(1),
        time_format: monitor.layout.time.as_ref().map(|_| monitor.layout.time_format),
        filters: &monitor.layout.filters,
        limits: &limits,
    };
    store.check_input(watched, LOOK).await?;
    let limit = super::monitors::series_limit(monitor);
    store.retire_idle_series(&monitor.name, limit).await?;
    let ended = store.end_alerts_of_gone_series(&monitor.name, limit.idle).await?;
    if ended > 0 {
        tracing::info!(monitor = %monitor.name, series = ended, "resolved the alerts of versions and segments without records");
    }
    make_baselines(store, monitor).await;
    Ok(())
}

/// Makes proposed baselines for which there are enough windows.
async fn make_baselines(store: &Store, monitor: &Monitor) {
    match store.make_proposed_baselines(&monitor.name, &monitor.schema, monitor.build).await {
        Ok(made) => {
            for (version, active) in made {
                tracing::info!(monitor = %monitor.name, version, active, "baseline built from the first windows of a new version");
            }
        }
        Err(error) => {
            tracing::warn!(monitor = %monitor.name, %error, "cannot build a proposed baseline; retrying");
        }
    }
}

/// Asks training systems how their runs go.
async fn ask_about_runs(store: &Store, shared: &Shared) {
    let in_force = shared.in_force();
    let receivers = &in_force.receivers;
    let requests = match store.requests_to_poll(POLL).await {
        Ok(requests) => requests,
        Err(error) => {
            tracing::debug!(%error, "cannot read the retraining requests to poll; retrying");
            return;
        }
    };
    for request in requests {
        let Some(reference) = &request.external_id else { continue };
        for name in &request.receivers {
            let Some(running) = receivers.get(name).filter(|running| running.receiver.is_training()) else {
                continue;
            };
            match running.receiver.poll(reference).await {
                Ok(None) => {}
                Ok(Some(state)) => report(store, shared, &request.id.to_string(), state, name).await,
                Err(error) => {
                    tracing::warn!(receiver = %name, request = %request.id, %error, "cannot poll the state of a training run; retrying");
                }
            }
        }
    }
}

async fn report(store: &Store, shared: &Shared, id: &str, state: RequestState, by: &str) {
    let moved = Moved { step: Step::Report(state), actor: by, detail: "", external_id: None };
    if let Err(error) = super::callbacks::move_on(store, shared, id, moved).await {
        tracing::warn!(request = id, %error, "cannot change the state of a retraining request; retrying");
    }
}
