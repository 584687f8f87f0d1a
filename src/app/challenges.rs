//! Compares champion and challenger in every pair of windows that has closed. Any daemon may do it for any monitor.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::monitors::RunningMonitor;
use super::state::{InForce, Shared};
use crate::challenge::{ChallengeSpec, ChallengeStep, Decider, SidePair};
use crate::store::{DuePair, Store, StoreError, WindowCountsPair};
use crate::supervisor::TaskError;

/// Windows that other daemons close are found after this time at most.
const POLL: Duration = Duration::from_secs(5);
/// Pairs of a monitor that are compared before those of the next monitor.
const TOGETHER: usize = 50;

pub(super) async fn run(store: Store, shared: Arc<Shared>, stop: CancellationToken) -> Result<(), TaskError> {
    loop {
        let closed = shared.windows_closed.notified();
        let in_force = shared.in_force();
        let mut worked = false;
        for running in &in_force.monitors {
            let Some(spec) = &running.monitor.challenger else { continue };
            match compare(&store, &shared, (&in_force, running, spec), &stop).await {
                Ok(more) => worked |= more,
                Err(error) => {
                    let monitor = &running.monitor.name;
                    if shared.complaints.is_due(monitor, &format!("challenger: {error}")) {
                        tracing::warn!(%monitor, %error, "cannot compare champion and challenger; retrying");
                    }
                }
            }
        }
        if worked && !stop.is_cancelled() {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = closed => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

/// Compares the pairs of a monitor that are due, in order; whether there may be more.
async fn compare(
    store: &Store,
    shared: &Shared,
    (in_force, running, spec): (&InForce, &RunningMonitor, &ChallengeSpec),
    stop: &CancellationToken,
) -> Result<bool, StoreError> {
    let rules = &running.monitor.rules;
    let monitor = running.monitor.name.as_str();
    let accepted = store.accepted_limits(monitor).await?;
    let judge = rules.judge.with_accepted(&accepted);
    let decider = Decider {
        monitor,
        labels: &rules.labels,
        receivers: &rules.receivers,
        judge: &judge,
        spec,
        routing: &in_force.routing,
        external_url: in_force.external_url.as_deref(),
    };
    for _ in 0..TOGETHER {
        let challenge = store.open_challenge(monitor, spec).await?;
        shared.metrics.challenge(monitor, challenge.progress.state);
        if stop.is_cancelled() {
            return Ok(false);
        }
        let Some(pair) = store.next_pair(monitor, spec, &challenge).await? else { return Ok(false) };
        let [champion, challenger] = &pair.windows;
        let champion = readable(store, monitor, champion.id).await?;
        let challenger = readable(store, monitor, challenger.id).await?;
        let counts = champion.as_ref().zip(challenger.as_ref()).map(|(champion, challenger)| SidePair {
            start: pair.start,
            champion: &champion.window,
            challenger: &challenger.window,
            reference: champion.reference.as_ref().and_then(|reference| reference.counts.as_ref()),
        });
        let now = store.clock().await?;
        let step = decider.decide((pair.start, pair.end), &pair.windows, counts, &challenge.progress, now);
        if store.store_step(&challenge, &pair, &step).await? {
            report(shared, (monitor, spec), &pair, &challenge.progress, &step);
        }
    }
    Ok(true)
}

/// The counts of a window and of its reference; none when they are damaged or were deleted, which is logged.
async fn readable(store: &Store, monitor: &str, window: i64) -> Result<Option<WindowCountsPair>, StoreError> {
    match store.window_counts(monitor, window).await {
        Ok(counts) => Ok(Some(counts)),
        Err(error @ (StoreError::Damaged { .. } | StoreError::CountsDeleted { .. } | StoreError::NotFound(_))) => {
            tracing::warn!(%monitor, window, %error, "cannot compare a window of champion and challenger");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn report(
    shared: &Shared,
    (monitor, spec): (&str, &ChallengeSpec),
    pair: &DuePair,
    before: &crate::challenge::Progress,
    step: &ChallengeStep,
) {
    let progress = &step.progress;
    shared.metrics.challenge_pair(monitor, progress.compared > before.compared);
    shared.metrics.challenge(monitor, progress.state);
    if progress.state == before.state {
        tracing::debug!(%monitor, start = %pair.start, state = progress.state.as_str(), "champion and challenger compared");
        return;
    }
    tracing::info!(
        %monitor, champion = %spec.champion, challenger = %spec.challenger, start = %pair.start,
        before = before.state.as_str(), state = progress.state.as_str(), reason = %progress.reason(spec),
        "state of the challenger changed"
    );
    if !step.notifications.is_empty() {
        shared.outbox.notify_waiters();
    }
}
