//! The accounts of false alarms as gauges. They are read less often than other gauges: they look at all windows of a month.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::false_alarms::gauges;
use super::state::Shared;
use crate::store::{Store, StoreError};
use crate::telemetry::AccountGauges;

/// Between two readings of the account of a monitor that has judged windows.
const EVERY: Duration = Duration::from_mins(1);

/// The accounts of all monitors, as they were when they were read last.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    by_monitor: HashMap<String, (Instant, AccountGauges)>,
}

impl Accounts {
    /// Reads those that are old again. Those without a judged window cost little and are always read:
    /// the account then appears together with the first verdict.
    pub(super) async fn refresh(&mut self, store: &Store, shared: &Shared) -> Result<(), StoreError> {
        let running = shared.monitors();
        self.by_monitor.retain(|name, _| running.iter().any(|running| running.monitor.name == *name));
        for running in running {
            let monitor = &running.monitor;
            let is_known = self
                .by_monitor
                .get(&monitor.name)
                .is_some_and(|(at, read)| read.windows > 0 && at.elapsed() < EVERY);
            if !is_known {
                let read = gauges(store, monitor).await?;
                self.by_monitor.insert(monitor.name.clone(), (Instant::now(), read));
            }
        }
        Ok(())
    }

    /// That of a monitor; none before it was read.
    pub(super) fn of(&self, monitor: &str) -> Option<AccountGauges> {
        self.by_monitor.get(monitor).map(|(_, read)| *read)
    }
}
