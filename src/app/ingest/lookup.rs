//! Looking up, in the background, where to read and what to count on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::app::monitors::{RunningMonitor, known_partitions};
use crate::app::state::Shared;
use crate::app::workers::Pins;
use crate::kafka::SourceCommands;
use crate::record::EventTime;
use crate::store::{Store, StoreError};
use crate::window::Partition;

/// Looks up where to read and what to count on.
pub(super) struct Lookup {
    pub(super) store: Store,
    pub(super) commands: SourceCommands,
    pub(super) shared: Arc<Shared>,
    pub(super) monitors: Arc<Vec<Arc<RunningMonitor>>>,
}

/// Offset and newest event times of each partition.
pub(super) type Positions = HashMap<Partition, (i64, HashMap<String, EventTime>)>;

impl Lookup {
    pub(super) async fn until_it_works(&self, partitions: &[Partition]) -> (Pins, Positions) {
        let mut patience = Patience::new();
        loop {
            match self.once(partitions).await {
                Ok(found) => return found,
                Err(error) => {
                    tracing::warn!(%error, "cannot look positions up yet");
                    patience.wait().await;
                }
            }
        }
    }

    async fn once(&self, partitions: &[Partition]) -> Result<(Pins, Positions), String> {
        let text = |error: StoreError| {
            self.shared.database(Err(error.to_string()));
            error.to_string()
        };
        // All partitions of the topics: windows wait for those that nobody reads, too.
        let mut known = known_partitions(&self.commands, self.monitors.to_vec()).await?;
        known.extend(partitions.iter().cloned());
        self.store.register_partitions(&known).await.map_err(text)?;
        let pins = pins(&self.store, &self.monitors).await.map_err(text)?;
        let claims = self.store.claim(partitions).await.map_err(text)?;
        let mut positions = Positions::new();
        for partition in partitions {
            let claim =
                claims.get(partition).ok_or_else(|| format!("partition {partition} was not registered"))?;
            let offset = if let Some(offset) = claim.next_offset {
                offset
            } else {
                let (commands, asked) = (self.commands.clone(), partition.clone());
                let first = tokio::task::spawn_blocking(move || commands.first_position(&asked))
                    .await
                    .map_err(|error| error.to_string())?
                    .map_err(|error| error.to_string())?;
                self.store.begin_at(partition, first).await.map_err(text)?
            };
            positions.insert(partition.clone(), (offset, claim.newest.clone()));
        }
        self.shared.database(Ok(()));
        Ok((pins, positions))
    }
}

/// What each monitor counts on.
pub(super) async fn pins(store: &Store, monitors: &[Arc<RunningMonitor>]) -> Result<Pins, StoreError> {
    let mut pins = Pins::new();
    for running in monitors {
        let monitor = &running.monitor;
        pins.insert(monitor.name.clone(), Arc::new(store.pins(&monitor.name, &monitor.schema).await?));
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
