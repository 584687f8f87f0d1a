//! Deletes what is older than `[retention]` keeps it: every few minutes, in small batches with pauses between them, beside
//! everything else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::state::{InForce, Shared};
use crate::record::{TimeSpan, grouped};
use crate::retention::{Retention, WindowRetention};
use crate::store::{Deletion, RETENTION_TABLES, Store, StoreError};
use crate::supervisor::TaskError;

/// Before the first pass: a daemon that was just started has other things to do.
const FIRST: Duration = Duration::from_secs(20);
/// Between passes.
const EVERY: Duration = Duration::from_mins(10);
/// Between batches, so that checkpoints and closing windows never wait long for the disk.
const PAUSE: Duration = Duration::from_millis(50);

/// How long everything is kept: what one pass of [`delete_old`] goes by.
#[derive(Clone, Debug)]
pub struct RetentionPlan {
    /// What holds for all monitors.
    pub all: Retention,
    /// The configured monitors: their names, how long their windows are kept, and from how many windows a baseline is learned.
    pub monitors: Vec<(String, WindowRetention, Option<u32>)>,
}

/// Rows that were deleted, by [`Deletion::table`]; tables without any are left out.
pub type DeletedRows = BTreeMap<&'static str, u64>;

impl RetentionPlan {
    fn in_force(in_force: &InForce) -> Self {
        let monitors = in_force.monitors.iter().map(|running| {
            let monitor = &running.monitor;
            (monitor.name.clone(), in_force.retention.of_monitor(&monitor.retention), monitor.learn)
        });
        Self { all: in_force.retention, monitors: monitors.collect() }
    }
}

pub(super) async fn run(store: Store, shared: Arc<Shared>, stop: CancellationToken) -> Result<(), TaskError> {
    // A counter that is there from the beginning has a rate from the first row on.
    for table in RETENTION_TABLES {
        shared.metrics.retention_deleted(table, 0);
    }
    measure(&store, &shared).await;
    let mut wait = FIRST;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(wait) => {}
        }
        wait = EVERY;
        let plan = RetentionPlan::in_force(&shared.in_force());
        let mut deleted = DeletedRows::new();
        let outcome = delete_old(&store, &plan, &stop, &mut deleted).await;
        for (table, rows) in &deleted {
            shared.metrics.retention_deleted(table, *rows);
        }
        if !deleted.is_empty() {
            let rows: Vec<String> =
                deleted.iter().map(|(table, rows)| format!("{table} {}", grouped(*rows))).collect();
            tracing::info!(rows = %rows.join(", "), "deleted what is older than [retention] keeps it");
        }
        // The next pass goes on where one ended that failed.
        if let Err(error) = outcome {
            if error.is_transient() {
                tracing::debug!(%error, "a pass of retention ended early");
            } else if shared.complaints.is_due("", &format!("retention: {error}")) {
                tracing::warn!(%error, "cannot delete what is older than [retention] keeps it");
            }
        }
        measure(&store, &shared).await;
    }
}

async fn measure(store: &Store, shared: &Shared) {
    match store.table_sizes().await {
        Ok(sizes) => shared.metrics.table_bytes(&sizes),
        Err(error) => tracing::debug!(%error, "cannot read the sizes of tables"),
    }
}

/// Deletes all that is older than it is kept, until nothing is left, another daemon deletes, or `stop` is cancelled. What was
/// deleted is added to `deleted`, also when it ends with an error.
///
/// # Errors
/// When the database is away. What was deleted stays deleted, and a later pass goes on from there.
pub async fn delete_old(
    store: &Store,
    plan: &RetentionPlan,
    stop: &CancellationToken,
    deleted: &mut DeletedRows,
) -> Result<(), StoreError> {
    let configured: Vec<&str> = plan.monitors.iter().map(|(name, ..)| name.as_str()).collect();
    for monitor in store.monitors_to_clean(&configured).await? {
        let own = plan.monitors.iter().find(|(name, ..)| *name == monitor);
        let (kept, learn) = own.map_or((plan.all.windows, None), |(_, kept, learn)| (*kept, *learn));
        let learns_from = match learn {
            Some(windows) => store.learns_from(&monitor, windows).await?,
            None => None,
        };
        let monitor = monitor.as_str();
        let steps = [
            kept.samples.age().map(|age| Deletion::Samples { monitor, age }),
            kept.counts.age().map(|age| Deletion::Counts { monitor, age, learns_from }),
            kept.findings.age().map(|age| Deletion::Findings { monitor, age }),
        ];
        for step in steps.into_iter().flatten() {
            if !finish(store, step, stop, deleted).await? {
                return Ok(());
            }
        }
    }
    for step in of_all(&plan.all) {
        if !finish(store, step, stop, deleted).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// What does not belong to one monitor, in an order in which nothing refers to what is deleted.
fn of_all(kept: &Retention) -> impl Iterator<Item = Deletion<'static>> {
    let alerts = |step: fn(TimeSpan) -> Deletion<'static>| kept.alerts.age().map(step);
    let audit = |step: fn(TimeSpan) -> Deletion<'static>| kept.audit.age().map(step);
    let steps = [
        alerts(|age| Deletion::Proposals { age }),
        alerts(|age| Deletion::Windows { age }),
        alerts(|age| Deletion::Requests { age }),
        alerts(|age| Deletion::Alerts { age }),
        alerts(|age| Deletion::Series { age }),
        alerts(|age| Deletion::Backfills { age }),
        alerts(|age| Deletion::Pairs { age }),
        alerts(|age| Deletion::Challenges { age }),
        alerts(|age| Deletion::Detections { age }),
        alerts(|age| Deletion::DetectorStates { age }),
        alerts(|age| Deletion::DetectorNotices { age }),
        kept.messages.age().map(|age| Deletion::Messages { age }),
        audit(|age| Deletion::Audit { age }),
        audit(|age| Deletion::Silences { age }),
        audit(|age| Deletion::Gaps { age }),
        Some(Deletion::LateRows),
    ];
    steps.into_iter().flatten()
}

/// Batches until there is nothing more of it; false when this pass has to end.
async fn finish(
    store: &Store,
    step: Deletion<'_>,
    stop: &CancellationToken,
    deleted: &mut DeletedRows,
) -> Result<bool, StoreError> {
    loop {
        let Some(batch) = store.delete_batch(step).await? else { return Ok(false) };
        if batch.rows > 0 {
            *deleted.entry(step.table()).or_default() += batch.rows;
        }
        if !batch.more {
            return Ok(!stop.is_cancelled());
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(false),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_forever_has_no_step_and_every_step_has_its_counter() {
        use crate::retention::Kept;
        let all: Vec<&str> = of_all(&Retention::default()).map(|step| step.table()).collect();
        assert!(all.iter().all(|table| RETENTION_TABLES.contains(table)), "{all:?}");
        // With the three steps of each monitor.
        assert_eq!(all.len() + 3, RETENTION_TABLES.len());
        let forever = Retention { alerts: Kept::Forever, messages: Kept::Forever, ..Retention::default() };
        let rest: Vec<&str> = of_all(&forever).map(|step| step.table()).collect();
        assert_eq!(rest, ["audit", "silence", "retention_gap", "window_late"]);
    }
}
