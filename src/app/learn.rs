//! Learning a baseline from closed windows. The daemon and a backfill do it when they close windows.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::baseline::{
    BaselineError, UnusableColumn, learn, unlearned_columns, unreadable_columns, without_columns,
};
use crate::binning::BinningSet;
use crate::config::Monitor;
use crate::store::{Store, StoreError};

/// What came of looking for windows to learn a baseline from.
pub(super) enum Learning {
    /// There is a baseline, or none is to be learned: windows that close do not change that.
    Settled,
    /// There are too few closed windows.
    NotDue,
    /// These columns have no or almost no valid values in the closed windows.
    Unreadable(Vec<String>),
    /// The closed windows do not make a baseline.
    Failed(BaselineError),
    /// The baseline was stored and is active.
    Learned {
        version: i32,
        /// Records of each segment.
        segments: BTreeMap<String, u64>,
        /// Columns that are not compared.
        unlearned: Vec<UnusableColumn>,
    },
}

/// Learns a baseline from the first closed windows, if that is asked for and there is none. Where some column was not read
/// in them, the latest windows are taken as soon as it is.
pub(super) async fn learn_baseline(store: &Store, monitor: &Monitor) -> Result<Learning, StoreError> {
    let Some(windows) = monitor.learn else { return Ok(Learning::Settled) };
    if !store.baselines(&monitor.name).await?.is_empty() {
        return Ok(Learning::Settled);
    }
    let universal = Arc::new(BinningSet::universal(&monitor.schema));
    let Some(mut counted) = store.windows_to_learn_from(&monitor.name, &universal, windows, false).await? else {
        return Ok(Learning::NotDue);
    };
    let mut which = "first";
    if !unreadable_columns(&counted).is_empty() {
        which = "latest readable";
        counted = store.windows_to_learn_from(&monitor.name, &universal, windows, true).await?.unwrap_or_default();
        let columns = unreadable_columns(&counted);
        if !columns.is_empty() {
            return Ok(Learning::Unreadable(columns));
        }
    }
    let baseline = match learn(&monitor.schema, &counted, monitor.build) {
        Ok(baseline) => baseline,
        Err(error) => return Ok(Learning::Failed(error)),
    };
    let origin = match windows {
        1 => format!("learned from the {which} window"),
        windows => format!("learned from the {which} {windows} windows"),
    };
    let unlearned = unlearned_columns(&monitor.schema, &baseline);
    let origin = format!("{origin}{}", without_columns(&unlearned));
    let added = store.add_baseline(&monitor.name, &baseline, &origin, true, true, "driftd").await?;
    Ok(added.map_or(Learning::NotDue, |summary| Learning::Learned {
        version: summary.version,
        segments: baseline.segments.iter().map(|(segment, counts)| (segment.clone(), counts.rows())).collect(),
        unlearned,
    }))
}
