//! What is done every now and then: merging deltas, refreshing gauges, watching for new partitions.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::accounts::Accounts;
use super::monitors::RunningMonitor;
use super::stalls::Stalls;
use super::state::Shared;
use super::topics::look_at_topics;
use crate::alert::RowState;
use crate::kafka::SourceCommands;
use crate::record::{EventTime, Offset, TimeSpan};
use crate::store::{NotedEnd, Store, StoreError};
use crate::supervisor::TaskError;
use crate::telemetry::{Gauges, MonitorGauges, PartitionGauges};
use crate::view::{OpenAlert, PartitionStatus, Status};
use crate::window::{EventTimeProgress, Partition};

/// Deltas of an open window beyond which they are merged.
const MANY_DELTAS: i64 = 32;

pub(super) async fn run(
    store: Store,
    commands: SourceCommands,
    shared: Arc<Shared>,
    interval: Duration,
    reader_timeout: TimeSpan,
    stop: CancellationToken,
) -> Result<(), TaskError> {
    // The first look is at once: what appears after it is new, and read from its beginning.
    let mut wait = Duration::ZERO;
    let mut stalls = Stalls::default();
    let mut accounts = Accounts::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(wait) => {}
        }
        wait = interval.max(Duration::from_secs(5));
        if let Err(error) = look_at_topics(&store, &commands, &shared).await {
            tracing::debug!(%error, "cannot read the partitions of topics from the brokers; retrying");
        }
        let looked = async {
            let status = shared.status(&store).await?;
            stalls.look(&commands, &status.partitions).await;
            accounts.refresh(&store, &shared).await?;
            gauges(&store, &commands, &shared, (reader_timeout, &accounts), &status).await
        };
        match looked.await {
            Ok(()) => shared.database(Ok(())),
            Err(error) => {
                shared.database(Err(&error));
                continue;
            }
        }
        for running in shared.monitors() {
            let monitor = &running.monitor;
            if let Err(error) =
                store.merge_many_deltas(&monitor.name, MANY_DELTAS, monitor.counting.sample_size).await
                && shared.complaints.is_due(&monitor.name, &format!("deltas: {error}"))
            {
                tracing::warn!(monitor = %monitor.name, %error, "cannot merge deltas; retrying");
            }
        }
    }
}

async fn gauges(
    store: &Store,
    commands: &SourceCommands,
    shared: &Shared,
    (reader_timeout, accounts): (TimeSpan, &Accounts),
    status: &Status,
) -> Result<(), StoreError> {
    let judged = store.judged_alerts().await?;
    let topics = store.topics().await?;
    let mut monitors = Vec::new();
    for running in shared.monitors() {
        let name = &running.monitor.name;
        let stored = status.monitors.iter().find(|monitor| monitor.monitor == *name);
        let firing = |alert: &&OpenAlert| alert.monitor == *name && alert.state != RowState::Pending;
        let end = stored.and_then(|monitor| monitor.last_window.as_ref());
        let lag = watermark(store, &running, &topics, reader_timeout)
            .await?
            .map(|(watermark, now)| seconds(now, watermark));
        let gauges = MonitorGauges {
            open_windows: stored.map_or(0, |monitor| monitor.open_windows),
            learning: stored.and_then(|monitor| monitor.learning).map(|learning| (learning.windows, learning.of)),
            unknown_segments: stored.map_or(0, |monitor| monitor.segments_without_baseline.len() as u64),
            firing: status.alerts.iter().filter(firing).count() as u64,
            watermark_lag: lag,
            window_end: end.map(|window| seconds(*window.end, EventTime::default())),
            scores: store.last_scores(name).await?,
            judged: judged.iter().find(|(monitor, ..)| monitor == name).map(|(_, real, wrong)| (*real, *wrong)),
            account: accounts.of(name),
        };
        for detector in &running.monitor.detectors {
            // From 0 on, so that the first detection is an increase.
            shared.metrics.detections(name, &detector.spec.name, 0);
        }
        monitors.push((name.clone(), gauges));
    }
    let now = store.clock().await?;
    let (partitions, ends): (Vec<_>, Vec<_>) = read_here(commands, &status.partitions, now).into_iter().unzip();
    shared.metrics.refresh(&Gauges {
        monitors,
        partitions,
        outbox: status.outbox.clone(),
        pending_deltas: store.pending_deltas().await?,
        connections: store.connections(),
    });
    store.note_log_ends(&ends).await
}

/// The partitions that this daemon reads, with their ends: only the reader of a partition knows it.
fn read_here(
    commands: &SourceCommands,
    stored: &[PartitionStatus],
    now: EventTime,
) -> Vec<(PartitionGauges, NotedEnd)> {
    let read = stored.iter().filter_map(|position| {
        let partition = Partition { topic: position.topic.as_str().into(), partition: position.partition };
        let (end, next) = (commands.log_end(&partition)?, Offset::new(position.next_offset?));
        let newest = position.newest.map(|newest| *newest);
        let gauges = PartitionGauges {
            topic: position.topic.clone(),
            partition: position.partition,
            lag: end.readable.distance_from(next),
            event_lag: newest.map(|newest| seconds(now, newest)),
        };
        Some((gauges, NotedEnd { partition, readable: end.readable, held_back: end.held_back() }))
    });
    read.collect()
}

#[expect(clippy::cast_precision_loss, reason = "times, far below 2^53 microseconds from one another")]
fn seconds(later: EventTime, earlier: EventTime) -> f64 {
    (later.micros() - earlier.micros()) as f64 / 1e6
}

/// The watermark of a monitor, and the clock; none before every partition has counted something.
pub(super) async fn watermark(
    store: &Store,
    running: &RunningMonitor,
    topics: &BTreeSet<String>,
    reader_timeout: TimeSpan,
) -> Result<Option<(EventTime, EventTime)>, StoreError> {
    let (progress, now) = progress(store, running, topics, reader_timeout).await?;
    Ok(progress.watermark().map(|watermark| (watermark, now)))
}

/// How far event time has come in a monitor's topics, and the clock.
pub(super) async fn progress(
    store: &Store,
    running: &RunningMonitor,
    topics: &BTreeSet<String>,
    reader_timeout: TimeSpan,
) -> Result<(EventTimeProgress, EventTime), StoreError> {
    let own: Vec<String> = topics.iter().filter(|topic| running.topics.matches(topic)).cloned().collect();
    let views = store.partition_views(&running.monitor.name, &own, reader_timeout).await?;
    let now = views.now;
    Ok((EventTimeProgress::new(views.partitions, running.monitor.timing, now), now))
}
