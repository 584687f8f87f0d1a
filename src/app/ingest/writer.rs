//! Writing checkpoints in the background; goes on trying while the database is away.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tracing::Instrument as _;

use tokio::sync::oneshot;

use super::lookup::{Patience, pins};
use crate::app::monitors::{RunningMonitor, series_limit};
use crate::app::state::Shared;
use crate::app::workers::{Deltas, Pins};
use crate::kafka::SourceCommands;
use crate::record::RejectReason;
use crate::store::{Checkpoint, CheckpointOutcome, MonitorCounts, PositionMove, Store};
use crate::window::{Anchor, ColumnReading, Example, MonitorDelta, Partition, RecordDetection, readings};

/// Outcome of a checkpoint.
pub(super) enum Stored {
    Done { moved: Vec<PositionMove>, pins: Option<Arc<Pins>> },
    Void(String),
}

/// Why records have to be counted again under other series.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum AdmitError {
    /// Records were counted as `(other)` whose series have a place now.
    #[error("there is room for more versions and segments by now")]
    Room,
    /// Series were refused: their records are counted as `(other)` next time.
    #[error("there were more versions and segments than limits.max_series")]
    TooMany,
}

/// Stores checkpoints; goes on trying while the database is away.
pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) shared: Arc<Shared>,
    pub(super) commands: SourceCommands,
    pub(super) monitors: Arc<Vec<Arc<RunningMonitor>>>,
    pub(super) owner: String,
    pub(super) shard: i16,
}

impl Writer {
    pub(super) async fn write(
        self,
        positions: Vec<PositionMove>,
        anchors: Vec<(Partition, Anchor)>,
        deltas: Vec<oneshot::Receiver<Deltas>>,
    ) -> Stored {
        let taken_at = Instant::now();
        let mut sums: HashMap<String, MonitorDelta> = HashMap::new();
        for deltas in deltas {
            let Ok(deltas) = deltas.await else {
                return Stored::Void("a counting thread did not answer".to_owned());
            };
            for (monitor, delta) in deltas {
                sums.entry(monitor).or_default().merge(delta);
            }
        }
        if self.is_replaced(anchors).await {
            return Stored::Void("a log was replaced".to_owned());
        }
        if let Err(error) = self.admit(&sums).await {
            return Stored::Void(error.to_string());
        }
        let in_force = self.shared.in_force();
        let monitors: Vec<MonitorCounts> = self
            .monitors
            .iter()
            .filter_map(|running| {
                let delta = sums.remove(&running.monitor.name).filter(|delta| !delta.is_empty())?;
                let monitor = &running.monitor;
                let columns = monitor.schema.columns().iter();
                let columns = columns.map(|column| (column.name.as_str(), column.path.to_string()));
                let readings = readings(&delta.windows, columns, &delta.notes.columns);
                Some(MonitorCounts {
                    monitor: monitor.name.clone(),
                    counted_as: running.counted_as.clone(),
                    max_future_skew: monitor.layout.max_future_skew,
                    amend: monitor.counting.amend,
                    delta,
                    readings,
                    // Receivers and routes may have changed since; what is counted has not.
                    detection: in_force
                        .monitors
                        .iter()
                        .find(|known| known.monitor.name == monitor.name)
                        .map_or_else(|| Arc::clone(&running.detection), |known| Arc::clone(&known.detection)),
                })
            })
            .collect();
        let mut checkpoint = Checkpoint {
            reads: self.reads(&positions),
            positions,
            monitors,
            owner: self.owner.clone(),
            shard: self.shard,
            taken_at,
        };
        let mut patience = Patience::new();
        loop {
            let started = Instant::now();
            let span = tracing::debug_span!("checkpoint", partitions = checkpoint.positions.len());
            let outcome = self.store.checkpoint(&mut checkpoint).instrument(span).await;
            let seconds = started.elapsed().as_secs_f64();
            match outcome {
                Ok(CheckpointOutcome::Stored { tallies }) => {
                    self.recovered();
                    self.shared.metrics.checkpoint("stored", seconds);
                    for counted in &checkpoint.monitors {
                        self.tell(counted);
                        self.tell_detections(counted);
                    }
                    for (monitor, tally) in &tallies {
                        for (outcome, reason, count) in tally.outcomes() {
                            self.shared.metrics.records(monitor, outcome, reason, count);
                        }
                    }
                    let pins = self.pins().await;
                    return Stored::Done { moved: checkpoint.positions, pins };
                }
                Ok(CheckpointOutcome::Fenced(fence)) => {
                    self.recovered();
                    self.shared.metrics.checkpoint("fenced", seconds);
                    return Stored::Void(fence.to_string());
                }
                Ok(CheckpointOutcome::StaleBinning) => {
                    self.recovered();
                    self.shared.metrics.checkpoint("stale_binning", seconds);
                    return Stored::Void("a window was opened on another binning".to_owned());
                }
                Err(error) => {
                    self.shared.metrics.checkpoint("failed", seconds);
                    self.shared.written(Err(&error));
                    // Fetching pauses; polling goes on, so the partitions stay ours.
                    self.commands.hold(true);
                    patience.wait().await;
                }
            }
        }
    }

    /// Which monitors count which of the partitions.
    fn reads(&self, positions: &[PositionMove]) -> Vec<(String, Partition)> {
        let of = |running: &Arc<RunningMonitor>| {
            let read = positions.iter().filter(|position| running.topics.matches(&position.partition.topic));
            read.map(|position| (running.monitor.name.clone(), position.partition.clone())).collect::<Vec<_>>()
        };
        self.monitors.iter().flat_map(of).collect()
    }

    /// Whether some log was replaced since the last checkpoint: nothing of it is stored then.
    async fn is_replaced(&self, anchors: Vec<(Partition, Anchor)>) -> bool {
        if anchors.is_empty() {
            return false;
        }
        match self.commands.replaced(anchors).await {
            Ok(replaced) => !replaced.is_empty(),
            Err(error) => {
                tracing::warn!(%error, "cannot check whether logs were replaced; storing the checkpoint without this check");
                false
            }
        }
    }

    /// Has new series admitted.
    ///
    /// # Errors
    /// When the records have to be counted again under other series.
    async fn admit(&self, sums: &HashMap<String, MonitorDelta>) -> Result<(), AdmitError> {
        for running in self.monitors.iter() {
            let monitor = &running.monitor;
            let undecided = |delta: &&MonitorDelta| !delta.candidates.is_empty() || delta.turned_away;
            let Some(delta) = sums.get(&monitor.name).filter(undecided) else { continue };
            let mut patience = Patience::new();
            let refused = loop {
                let limit = series_limit(monitor);
                match self.store.admit_series(&monitor.name, &delta.candidates, delta.turned_away, limit).await {
                    // Another daemon may count them apart already.
                    Ok(None) => return Err(AdmitError::Room),
                    Ok(Some(refused)) => break refused,
                    Err(error) => {
                        self.shared.database(Err(&error));
                        self.commands.hold(true);
                        patience.wait().await;
                    }
                }
            };
            if !refused.is_empty() {
                tracing::warn!(
                    monitor = %monitor.name, limit = monitor.counting.max_series, refused = refused.len(), example = ?refused.first(),
                    "too many versions and segments; the refused ones are counted together as (other)"
                );
                return Err(AdmitError::TooMany);
            }
        }
        Ok(())
    }

    /// Logs what was not counted and what could not be read, each kind once in a while.
    fn tell(&self, counted: &MonitorCounts) {
        let MonitorCounts { monitor, delta, readings, .. } = counted;
        for (reason, examples) in &delta.notes.examples {
            let number = match delta.tally.rejected.iter().find(|(known, _)| known.as_str() == *reason) {
                Some((_, count)) => *count,
                None => delta.tally.late,
            };
            if !self.shared.complaints.is_due(monitor, reason) {
                continue;
            }
            for Example { partition, offset, why } in examples {
                if *reason == RejectReason::Tombstone.as_str() {
                    tracing::debug!(%monitor, reason, number, %partition, %offset, "messages without a value were not counted");
                } else {
                    tracing::warn!(%monitor, reason, number, %partition, %offset, example = %why, "records were not counted");
                }
            }
        }
        for reading in readings.iter().filter(|reading| reading.is_unreadable()) {
            if self.shared.complaints.is_due(monitor, &reading.column) {
                let ColumnReading { column, path, rows, present, missing, hint, .. } = reading;
                tracing::warn!(
                    %monitor, column, path, records = rows, with_a_value = present, missing,
                    wrong_value = hint.wrong.as_deref(), nearest_path = hint.nearest.as_deref(),
                    "a column could not be read"
                );
            }
        }
        if delta.tally.accepted == 0
            && !delta.notes.filtered.is_empty()
            && self.shared.complaints.is_due(monitor, "where")
        {
            let seen = &delta.notes.filtered;
            tracing::info!(%monitor, filtered = delta.tally.filtered, ?seen, "all records were filtered by `where`");
        }
        let newest = delta.newest.values().max().filter(|newest| !newest.is_plausible());
        if let Some(newest) = newest.filter(|_| self.shared.complaints.is_due(monitor, "time")) {
            tracing::warn!(%monitor, %newest, "event times are implausible; check `source.time_unit`");
        }
    }

    /// Logs and counts what detectors found, and has the notifications sent.
    fn tell_detections(&self, counted: &MonitorCounts) {
        let MonitorCounts { monitor, delta, .. } = counted;
        let found = &delta.detectors.detections;
        for detection in found {
            let RecordDetection { detector, column, partition, offset, time, evidence, .. } = detection;
            self.shared.metrics.detections(monitor, detector, 1);
            tracing::info!(
                %monitor, %detector, %column, %partition, %offset, %time, before = evidence.before, after = evidence.after,
                "drift detected"
            );
        }
        if !found.is_empty() {
            self.shared.outbox.notify_waiters();
        }
    }

    fn recovered(&self) {
        self.commands.hold(false);
        self.shared.written(Ok(()));
    }

    /// Pins may have changed: windows were opened, a baseline activated.
    async fn pins(&self) -> Option<Arc<Pins>> {
        match pins(&self.store, &self.monitors).await {
            Ok(pins) => Some(Arc::new(pins)),
            Err(error) => {
                tracing::warn!(%error, "cannot read the active baselines; the known ones stay in use");
                None
            }
        }
    }
}
