//! Writing checkpoints in the background; goes on trying while the database is away.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tracing::Instrument as _;

use tokio::sync::oneshot;

use super::lookup::{Patience, pins};
use crate::app::monitors::RunningMonitor;
use crate::app::state::Shared;
use crate::app::workers::{Deltas, Pins};
use crate::kafka::SourceCommands;
use crate::store::{Checkpoint, CheckpointOutcome, PositionMove, Store};
use crate::window::MonitorDelta;

/// What became of a checkpoint.
pub(super) enum Stored {
    Done { moved: Vec<PositionMove>, pins: Option<Arc<Pins>> },
    Void(&'static str),
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
        deltas: Vec<oneshot::Receiver<Deltas>>,
    ) -> Stored {
        let mut sums: HashMap<String, MonitorDelta> = HashMap::new();
        for deltas in deltas {
            let Ok(deltas) = deltas.await else { return Stored::Void("a counting thread did not answer") };
            for (monitor, delta) in deltas {
                sums.entry(monitor).or_default().merge(delta);
            }
        }
        let monitors = self
            .monitors
            .iter()
            .filter_map(|running| {
                let delta = sums.remove(&running.monitor.name).filter(|delta| !delta.is_empty())?;
                Some((running.monitor.name.clone(), running.monitor.counting.length, delta))
            })
            .collect();
        let mut checkpoint = Checkpoint { positions, monitors, owner: self.owner.clone(), shard: self.shard };
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
                    for (monitor, tally) in &tallies {
                        for (outcome, reason, count) in tally.outcomes() {
                            self.shared.metrics.records(monitor, outcome, reason, count);
                        }
                    }
                    let pins = self.pins().await;
                    return Stored::Done { moved: checkpoint.positions, pins };
                }
                Ok(CheckpointOutcome::Fenced) => {
                    self.recovered();
                    self.shared.metrics.checkpoint("fenced", seconds);
                    return Stored::Void("another daemon moved a position");
                }
                Ok(CheckpointOutcome::StaleBinning) => {
                    self.recovered();
                    self.shared.metrics.checkpoint("stale_binning", seconds);
                    return Stored::Void("a window was opened on other bins");
                }
                Err(error) => {
                    self.shared.metrics.checkpoint("failed", seconds);
                    self.shared.database(Err(error.to_string()));
                    // Fetching pauses; polling goes on, so the partitions stay ours.
                    self.commands.hold(true);
                    patience.wait().await;
                }
            }
        }
    }

    fn recovered(&self) {
        self.commands.hold(false);
        self.shared.database(Ok(()));
    }

    /// Pins may have changed: windows were opened, a baseline activated.
    async fn pins(&self) -> Option<Arc<Pins>> {
        match pins(&self.store, &self.monitors).await {
            Ok(pins) => Some(Arc::new(pins)),
            Err(error) => {
                tracing::warn!(%error, "cannot read which baselines are active; the known ones stay in use");
                None
            }
        }
    }
}
