//! The accounts of false alarms as gauges. They are read less often than other gauges: they look at all windows of a month.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::false_alarms::gauges;
use super::state::Shared;
use crate::store::{Store, StoreError};
use crate::telemetry::AccountGauges;

/// Between two readings.
const EVERY: Duration = Duration::from_mins(1);

/// The accounts of all monitors, as they were when they were read last.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    read_at: Option<Instant>,
    by_monitor: HashMap<String, AccountGauges>,
}

impl Accounts {
    /// Reads them again when they are old.
    pub(super) async fn refresh(&mut self, store: &Store, shared: &Shared) -> Result<(), StoreError> {
        if self.read_at.is_some_and(|at| at.elapsed() < EVERY) {
            return Ok(());
        }
        let mut read = HashMap::new();
        for running in shared.monitors() {
            let monitor = &running.monitor;
            read.insert(monitor.name.clone(), gauges(store, monitor).await?);
        }
        *self = Self { read_at: Some(Instant::now()), by_monitor: read };
        Ok(())
    }

    /// That of a monitor; none before it was read.
    pub(super) fn of(&self, monitor: &str) -> Option<AccountGauges> {
        self.by_monitor.get(monitor).copied()
    }
}
