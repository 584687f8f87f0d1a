//! Looking up, in the background, where to read and what to count on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::ledger::FoundPosition;
use crate::app::clock::clock_now;
use crate::app::monitors::RunningMonitor;
use crate::app::state::Shared;
use crate::app::topics::{TopicsError, partitions_of, register};
use crate::app::workers::Pins;
use crate::kafka::SourceCommands;
use crate::record::{EventTime, TimeSpan};
use crate::store::{PartitionDetectors, Store, StoreError};
use crate::window::Partition;

/// Looks up where to read and what to count on.
pub(super) struct PositionLookup {
    pub(super) store: Store,
    pub(super) commands: SourceCommands,
    pub(super) shared: Arc<Shared>,
    pub(super) monitors: Arc<Vec<Arc<RunningMonitor>>>,
}

/// Where a partition begins, and what is known of it.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) position: FoundPosition,
    /// The newest event time of each monitor.
    pub(super) newest: HashMap<String, EventTime>,
    /// The states of detectors.
    pub(super) detectors: PartitionDetectors,
}

/// The start of each partition.
pub(super) type Positions = HashMap<Partition, Start>;

impl PositionLookup {
    pub(super) async fn until_it_works(&self, partitions: &[Partition]) -> (Pins, Positions) {
        let mut patience = Patience::new();
        loop {
            match self.once(partitions).await {
                Ok(found) => return found,
                Err(error) => {
                    if self.shared.complaints.is_due("", &format!("positions: {error}")) {
                        tracing::warn!(%error, "cannot look up positions; retrying");
                    }
                    patience.wait().await;
                }
            }
        }
    }

    async fn once(&self, partitions: &[Partition]) -> Result<(Pins, Positions), TopicsError> {
        let away = |error: StoreError| {
            self.shared.database(Err(&error));
            error
        };
        // All partitions of the topics: windows wait for those that nobody reads, too.
        let mut known = partitions_of(&self.commands, &self.monitors).await?;
        known.extend(partitions.iter().cloned());
        register(&self.store, &self.commands, &self.monitors, &known).await?;
        for running in self.monitors.iter().map(|running| &running.monitor) {
            // Once: with daemons that differ, each would set its own again and again.
            if self.shared.length_is_new(&running.name, &running.counting.length) {
                self.store.propose_length(&running.name, &running.counting.length).await.map_err(away)?;
                self.shared.length_is_proposed(&running.name, &running.counting.length);
            }
        }
        let pins = pins(&self.store, &self.monitors).await.map_err(away)?;
        let claims = self.store.claim(partitions).await.map_err(away)?;
        // Read after the positions: states that a checkpoint moves in between do not fit them, and its move of the positions fences what
        // is counted on them.
        let mut detectors = self.store.detector_states(partitions).await.map_err(away)?;
        let mut positions = Positions::new();
        for partition in partitions {
            let claim = claims.get(partition).ok_or_else(|| TopicsError::NotRegistered(partition.clone()))?;
            let offset = if let Some(offset) = claim.next_offset {
                offset
            } else {
                // It appeared after its monitors were started: everything in it is new.
                let (first, _) = self.commands.ends(partition).await?;
                self.store.begin_at(partition, first).await.map_err(away)?
            };
            let newest = claim.newest.iter().filter(|(monitor, newest)| !self.is_ahead(monitor, **newest));
            let newest = newest.map(|(monitor, newest)| (monitor.clone(), *newest)).collect();
            let anchor = claim.anchor.filter(|anchor| anchor.offset < offset);
            let position = FoundPosition { offset, anchor, resets: claim.resets };
            let detectors = detectors.remove(partition).unwrap_or_default();
            positions.insert(partition.clone(), Start { position, newest, detectors });
        }
        self.shared.database(Ok(()));
        Ok((pins, positions))
    }

    /// Whether a stored time lies further ahead of the clock than records may: it was stored before that was checked, and
    /// would make all other records late.
    fn is_ahead(&self, monitor: &str, newest: EventTime) -> bool {
        let running = self.monitors.iter().find(|running| running.monitor.name == monitor);
        let skew = running.map_or(TimeSpan::ZERO, |running| running.monitor.layout.max_future_skew);
        clock_now().is_some_and(|now| newest > now.shifted(skew))
    }
}

/// What each monitor counts on.
pub(super) async fn pins(store: &Store, monitors: &[Arc<RunningMonitor>]) -> Result<Pins, StoreError> {
    let mut pins = Pins::new();
    for running in monitors {
        let monitor = &running.monitor;
        let windows = (&monitor.counting.length, monitor.counting.amend);
        let of_monitor = store.pins(&monitor.name, &monitor.schema, &running.counted_as, windows).await?;
        pins.insert(monitor.name.clone(), Arc::new(of_monitor));
    }
    Ok(pins)
}

/// Waits that grow from 0.2 s to 10 s.
pub(super) struct Patience(Duration);

impl Patience {
    pub(super) fn new() -> Self {
        Self(Duration::from_millis(200))
    }

    pub(super) async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(Duration::from_secs(10));
    }
}
