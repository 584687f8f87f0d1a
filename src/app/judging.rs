//! Closes due windows and learns baselines. Any daemon may do it for any window.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::monitors::RunningMonitor;
use super::state::Shared;
use crate::baseline::{learn, unreadable_columns};
use crate::binning::BinningSet;
use crate::decision::{Decision, decide_window};
use crate::store::{Closing, Store, StoreError};
use crate::window::{CloseDecision, Progress};

/// Open windows looked at in one go.
const BATCH: i64 = 500;

pub(super) async fn run(
    store: Store,
    shared: Arc<Shared>,
    interval: Duration,
    reader_timeout: i64,
    stop: CancellationToken,
) -> Result<(), String> {
    loop {
        let mut worked = false;
        for running in shared.monitors() {
            match judge_monitor(&store, &shared, &running, reader_timeout, &stop).await {
                Ok(closed) => worked |= closed,
                Err(error) => {
                    tracing::warn!(monitor = %running.monitor.name, %error, "cannot judge windows yet");
                }
            }
        }
        if worked {
            shared.outbox.notify_waiters();
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = shared.stored.notified() => {}
            () = tokio::time::sleep(interval) => {}
        }
    }
}

/// Closes the due windows of a monitor; whether there may be more at once.
async fn judge_monitor(
    store: &Store,
    shared: &Shared,
    running: &RunningMonitor,
    reader_timeout: i64,
    stop: &CancellationToken,
) -> Result<bool, StoreError> {
    let monitor = &running.monitor;
    let topics: Vec<String> =
        store.topics().await?.into_iter().filter(|topic| running.topics.matches(topic)).collect();
    let views = store.partition_views(&monitor.name, &topics, reader_timeout).await?;
    let progress = Progress::new(views.partitions, monitor.timing, views.now);
    let Some(horizon) = progress.horizon() else { return Ok(false) };
    let open = store.open_windows(&monitor.name, horizon, BATCH).await?;
    let full = i64::try_from(open.len()).is_ok_and(|number| number == BATCH);
    let mut due = Vec::new();
    let mut closed = 0;
    let mut latest = None;
    for window in open {
        if stop.is_cancelled() {
            return Ok(false);
        }
        let missing = match progress.decide(window.end, window.due_for.unwrap_or(0)) {
            CloseDecision::Complete => Vec::new(),
            CloseDecision::Incomplete(missing) => missing,
            CloseDecision::Wait { due: true } if window.due_for.is_none() => {
                due.push(window.id);
                continue;
            }
            CloseDecision::Wait { .. } => continue,
        };
        if !missing.is_empty() {
            tracing::warn!(
                monitor = %monitor.name, window = %window.key.start, ?missing,
                "closing a window although partitions are missing"
            );
        }
        // Of a backlog, windows that begin after those that a baseline is learnt from are judged by it: so it is looked for
        // before the first window of each start, and not only when all that is due was closed.
        if latest != Some(window.key.start) {
            learn_baseline(store, shared, running).await?;
            latest = Some(window.key.start);
        }
        let with = Closing {
            monitor: &monitor.name,
            missing: &missing,
            sample_size: monitor.counting.sample_size,
            configuration: &monitor.fingerprint,
        };
        let began = std::time::Instant::now();
        let span = tracing::debug_span!(
            "close_window",
            monitor = %monitor.name, version = %window.key.version, segment = %window.key.segment, start = %window.key.start
        );
        let outcome = store
            .close_window(with, &window, |closing, now| decide_window(closing, &monitor.rules, now))
            .instrument(span)
            .await;
        let decision = match outcome {
            Err(error) if !error.is_transient() => {
                // What is wrong with one window must not keep the others from being judged.
                tracing::error!(
                    monitor = %monitor.name, version = %window.key.version, segment = %window.key.segment,
                    start = %window.key.start, %error, "cannot judge a window"
                );
                continue;
            }
            outcome => outcome?,
        };
        let Some(decision) = decision else { continue };
        closed += 1;
        shared.metrics.judging(began.elapsed().as_secs_f64());
        let verdict = decision.judgement.verdict.as_str();
        shared.metrics.window_closed(&monitor.name, verdict);
        tracing::info!(
            monitor = %monitor.name, version = %window.key.version, segment = %window.key.segment,
            start = %window.key.start, end = %window.end, records = decision.judgement.n_window, verdict,
            alerts = %alerts_in_words(&decision),
            retraining = decision.retrain.map(crate::retrain::RetrainDecision::as_str),
            "window closed"
        );
        if !decision.changes.is_empty() {
            shared.alerts.notify_waiters();
        }
        if decision.retrain.is_some_and(crate::retrain::RetrainDecision::makes_request) {
            shared.outbox.notify_waiters();
        }
    }
    if !due.is_empty() {
        store.mark_due(&due).await?;
    }
    if closed > 0 {
        learn_baseline(store, shared, running).await?;
    }
    Ok(full && closed > 0)
}

/// What happened to which alert.
fn alerts_in_words(decision: &Decision) -> String {
    let one = |changed: &crate::decision::ChangedAlert| {
        let transition = &changed.transition;
        let column = transition.column.as_ref().map_or(String::new(), |column| format!(" of {column}"));
        format!("{}{column} {}", transition.rule, transition.change.kind.as_str())
    };
    decision.changes.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Learns a baseline from the first closed windows, if that is asked for and there is none. Where some column was not read
/// in them, the latest windows are taken as soon as it is.
async fn learn_baseline(store: &Store, shared: &Shared, running: &RunningMonitor) -> Result<(), StoreError> {
    let monitor = &running.monitor;
    let Some(windows) = monitor.learn else { return Ok(()) };
    if !store.baselines(&monitor.name).await?.is_empty() {
        return Ok(());
    }
    let universal = Arc::new(BinningSet::universal(&monitor.schema));
    let Some(mut counted) = store.windows_to_learn_from(&monitor.name, &universal, windows, false).await? else {
        return Ok(());
    };
    let mut which = "first";
    if !unreadable_columns(&counted).is_empty() {
        which = "latest readable";
        counted = store.windows_to_learn_from(&monitor.name, &universal, windows, true).await?.unwrap_or_default();
        let columns = unreadable_columns(&counted);
        if !columns.is_empty() {
            if shared.complaints.is_due(&monitor.name, "learn") {
                tracing::warn!(
                    monitor = %monitor.name, ?columns,
                    "no baseline is learned: these columns have no valid value, or hardly one, in the closed windows"
                );
            }
            return Ok(());
        }
    }
    let baseline = match learn(&monitor.schema, &counted, monitor.build) {
        Ok(baseline) => baseline,
        Err(error) => {
            tracing::warn!(monitor = %monitor.name, %error, "cannot learn a baseline from the first windows");
            return Ok(());
        }
    };
    let origin = format!("learned from the {which} {windows} windows");
    let added = store.add_baseline(&monitor.name, &baseline, &origin, true, true, "driftd").await?;
    if let Some(summary) = added {
        let segments: BTreeMap<&String, u64> =
            baseline.segments.iter().map(|(segment, counts)| (segment, counts.rows())).collect();
        tracing::info!(monitor = %monitor.name, version = summary.version, ?segments, "learned a baseline");
    }
    Ok(())
}
