//! The summary of everything: what is stored, and how far that brings the monitors that are configured.

use std::collections::BTreeSet;

use super::state::Shared;
use crate::alert::Vocabulary;
use crate::config::Monitor;
use crate::store::{Store, StoreError};
use crate::view::{AlertFilter, Learning, MonitorStatus, Status};

/// Open alerts whose labels are known, at most.
const ALERTS: i64 = 1_000;

/// The summary of everything stored, with how far learning has come in these monitors.
///
/// # Errors
/// When the database is away.
pub async fn status(store: &Store, monitors: &[&Monitor]) -> Result<Status, StoreError> {
    let mut status = store.status().await?;
    for monitor in monitors {
        let Some(of) = monitor.learn else { continue };
        let stored = status.monitors.iter().position(|stored| stored.monitor == monitor.name);
        // A monitor that has counted nothing yet is learning, too.
        let windows = match stored.and_then(|index| status.monitors.get(index)) {
            Some(stored) if stored.baselines > 0 => continue,
            Some(_) => store.windows_learned(&monitor.name, &monitor.schema, of).await?,
            None => 0,
        };
        let learning = Learning::new(windows, of, monitor.counting.length.span());
        match stored.and_then(|index| status.monitors.get_mut(index)) {
            Some(stored) => stored.learning = Some(learning),
            None => status.monitors.push(MonitorStatus::unseen(&monitor.name, Some(learning))),
        }
    }
    for stored in &mut status.monitors {
        stored.configured = monitors.iter().any(|monitor| monitor.name == stored.monitor);
    }
    let known: BTreeSet<String> = status.monitors.iter().map(|monitor| monitor.monitor.clone()).collect();
    for monitor in monitors.iter().filter(|monitor| !known.contains(&monitor.name)) {
        status.monitors.push(MonitorStatus::unseen(&monitor.name, None));
    }
    status.monitors.sort_by(|left, right| left.monitor.cmp(&right.monitor));
    Ok(status)
}

/// The labels that alerts can have: of these monitors, of monitors that are stored, and of alerts that are open.
///
/// # Errors
/// When the database is away.
pub async fn vocabulary(store: &Store, monitors: &[&Monitor]) -> Result<Vocabulary, StoreError> {
    let mut known = Vocabulary::default();
    for monitor in monitors {
        let rules = monitor.rules.alerts.iter().map(|rule| rule.name.as_str());
        known.add_monitor(&monitor.name, rules, &monitor.rules.labels);
    }
    for name in store.monitor_names().await? {
        known.add_monitor(&name, [], &crate::alert::Labels::new());
    }
    for alert in store.alerts(&AlertFilter::default(), ALERTS).await? {
        known.add_labels(&alert.view.labels);
    }
    Ok(known)
}

impl Shared {
    /// The summary with the monitors of this daemon.
    pub(super) async fn status(&self, store: &Store) -> Result<Status, StoreError> {
        let running = self.monitors();
        let monitors: Vec<&Monitor> = running.iter().map(|running| &running.monitor).collect();
        status(store, &monitors).await
    }
}
