//! Windows with what is kept of them: counts and samples have a limited time.

use super::StoreBackend;
use crate::http::{BackendError, BackendResult, ColumnDetail, WindowDetail};
use crate::measure::Pair;
use crate::report::window_column;
use crate::retention::WindowRetention;
use crate::store::{StoreError, StoredWindow, WindowCountsPair};
use crate::view::{DistributionRow, SampledRecords, distribution_rows, sampled_records};

impl StoreBackend {
    /// How long the windows of a monitor are kept.
    fn retention_of(&self, monitor: &str) -> WindowRetention {
        let own = self.running(monitor).map_or_else(Default::default, |running| running.monitor.retention);
        self.shared.in_force().retention.of_monitor(&own)
    }

    /// A window with its counts; when they were deleted, in words that say after how long.
    async fn counted(&self, monitor: &str, id: i64) -> BackendResult<WindowCountsPair> {
        match self.store.window_counts(monitor, id).await {
            Err(StoreError::CountsDeleted { .. }) => {
                Err(BackendError::Deleted(self.retention_of(monitor).counts_deleted()))
            }
            counted => Ok(counted?),
        }
    }
}

pub(super) async fn detail(backend: &StoreBackend, monitor: &str, id: i64) -> BackendResult<WindowDetail> {
    let StoredWindow { row, offsets, counts_deleted } = backend.store.window(monitor, id).await?;
    let deleted = counts_deleted.then(|| backend.retention_of(monitor).counts_deleted());
    Ok(WindowDetail { window: row, offsets, deleted })
}

pub(super) async fn distributions(
    backend: &StoreBackend,
    monitor: &str,
    id: i64,
    column: Option<&str>,
) -> BackendResult<Vec<DistributionRow>> {
    let pair = backend.counted(monitor, id).await?;
    let baseline = pair.reference.as_ref().and_then(|reference| reference.counts.as_ref());
    if let Some(name) = column.filter(|name| pair.window.column(name).is_none()) {
        return Err(BackendError::NotFound(format!("window {id} has no column `{name}`")));
    }
    Ok(distribution_rows(&pair.window, baseline, column))
}

pub(super) async fn column(
    backend: &StoreBackend,
    monitor: &str,
    id: i64,
    column: &str,
) -> BackendResult<ColumnDetail> {
    let pair = match backend.counted(monitor, id).await {
        Err(BackendError::Deleted(why)) => {
            let window = backend.store.window(monitor, id).await?.row;
            let baseline =
                window.reference.as_ref().map(|choice| choice.name.clone()).filter(|name| !name.is_empty());
            let baseline = baseline.or_else(|| window.baseline.map(|version| format!("version {version}")));
            return Ok(ColumnDetail { window, baseline, report: None, sample: 0, deleted: Some(why) });
        }
        counted => counted?,
    };
    let Some(after) = pair.window.column(column) else {
        return Err(BackendError::NotFound(format!("window {id} has no column `{column}`")));
    };
    let findings = backend.store.judged(id).await?;
    let (name, counts) = pair.reference.map(|reference| (reference.choice.name, reference.counts)).unzip();
    let values_only = backend.running(monitor).is_some_and(|running| running.monitor.rules.judge.values_only);
    let counts = counts.flatten();
    let before = counts.as_ref().and_then(|counts| counts.column(column));
    let sample = backend.store.window_sample(monitor, id).await?;
    let values = sample.column(column);
    let report = before.and_then(|before| {
        let pair = Pair::new(before, after).ok()?;
        Some(window_column(&pair, &findings, values_only, values.as_ref()))
    });
    Ok(ColumnDetail { window: pair.row, baseline: name, report, sample: sample.len(), deleted: None })
}

pub(super) async fn records(
    backend: &StoreBackend,
    monitor: &str,
    id: i64,
    (column, limit): (Option<&str>, usize),
) -> BackendResult<SampledRecords> {
    let pair = backend.counted(monitor, id).await?;
    if let Some(column) = column.filter(|column| pair.window.column(column).is_none()) {
        return Err(BackendError::NotFound(format!("window {id} has no column `{column}`")));
    }
    let mut sample = backend.store.window_sample(monitor, id).await?;
    let baseline = pair.reference.and_then(|reference| reference.counts);
    let of = (&mut sample, &pair.offsets);
    let mut found = sampled_records(pair.row, &pair.window, baseline.as_ref(), of, column, limit);
    if backend.running(monitor).is_some_and(|running| running.monitor.counting.sample_size > 0) {
        found.explain_missing_sample(&backend.retention_of(monitor), pair.closed_for);
    }
    Ok(found)
}
