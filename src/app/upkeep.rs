//! What is done every now and then: merging deltas, refreshing gauges, watching for new partitions.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::monitors::known_partitions;
use super::state::Shared;
use crate::kafka::SourceCommands;
use crate::store::{Store, StoreError};
use crate::window::Partition;

/// Deltas of an open window beyond which they are merged.
const MANY_DELTAS: i64 = 32;

pub(super) async fn run(
    store: Store,
    commands: SourceCommands,
    shared: Arc<Shared>,
    interval: Duration,
    stop: CancellationToken,
) -> Result<(), String> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(interval.max(Duration::from_secs(5))) => {}
        }
        match gauges(&store, &commands, &shared).await {
            Ok(()) => shared.database(Ok(())),
            Err(error) => {
                shared.database(Err(error.to_string()));
                continue;
            }
        }
        for running in shared.monitors() {
            let monitor = &running.monitor;
            if let Err(error) =
                store.merge_many_deltas(&monitor.name, MANY_DELTAS, monitor.counting.sample_size).await
            {
                tracing::warn!(monitor = %monitor.name, %error, "cannot merge deltas");
            }
        }
        if let Err(error) = register(&store, &commands, &shared).await {
            tracing::debug!(%error, "cannot look for new partitions");
        }
    }
}

async fn gauges(store: &Store, commands: &SourceCommands, shared: &Shared) -> Result<(), StoreError> {
    let status = store.status().await?;
    let metrics = &shared.metrics;
    for running in shared.monitors() {
        let name = &running.monitor.name;
        let open = status
            .monitors
            .iter()
            .find(|monitor| monitor.monitor == *name)
            .map_or(0, |monitor| monitor.open_windows);
        metrics.open_windows(name, open);
        let firing =
            status.alerts.iter().filter(|alert| alert.monitor == *name && alert.state == "firing").count();
        metrics.alerts_firing(name, firing);
    }
    for depth in &status.outbox {
        metrics.outbox(&depth.receiver, depth.pending, depth.dead, depth.oldest_seconds);
    }
    metrics.clear_lag();
    let mut ends = Vec::new();
    for position in &status.partitions {
        let partition = Partition { topic: position.topic.as_str().into(), partition: position.partition };
        // Only the reader of a partition knows its end.
        if let (Some(end), Some(next)) = (commands.log_end(&partition), position.next_offset) {
            metrics.lag(&position.topic, position.partition, end.high.saturating_sub(next).max(0));
            ends.push((partition, end.high));
        }
    }
    store.note_log_ends(&ends).await
}

/// Makes partitions known that appeared since.
async fn register(store: &Store, commands: &SourceCommands, shared: &Shared) -> Result<(), String> {
    let partitions = known_partitions(commands, shared.monitors()).await?;
    store.register_partitions(&partitions).await.map_err(|error| error.to_string())
}
