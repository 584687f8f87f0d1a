//! Which baseline a closing window is compared with.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::Row as _;
use uuid::Uuid;

use super::read::binning;
use crate::baseline::{Fit, Reference};
use crate::binning::BinningSet;
use crate::distribution::WindowCounts;
use crate::store::session::Session;
use crate::store::{StoreError, damaged, failed};

/// The baseline for windows that were counted on one set of bins.
#[derive(Clone, Debug)]
pub(super) struct ChosenBaseline {
    pub(super) baseline: Uuid,
    pub(super) bins: Arc<BinningSet>,
    pub(super) fit: Fit,
}

/// What windows that are closed together are compared with; each is read and decoded once.
#[derive(Default)]
pub(super) struct References {
    /// By the bins that windows were counted on.
    chosen: HashMap<Uuid, Option<ChosenBaseline>>,
    /// By baseline and segment.
    read: HashMap<(Uuid, String), Reference>,
}

impl References {
    /// The active baseline of a monitor where the counts fit its bins; otherwise the newest baseline on the bins they were made
    /// on: the one that was active when the window was opened, or a later one like it.
    pub(super) async fn choose(
        &mut self,
        connection: &mut Session,
        monitor: &str,
        counted_on: &Arc<BinningSet>,
    ) -> Result<Option<ChosenBaseline>, StoreError> {
        if let Some(known) = self.chosen.get(&counted_on.id()) {
            return Ok(known.clone());
        }
        let chosen = choose(connection, monitor, counted_on).await?;
        self.chosen.insert(counted_on.id(), chosen.clone());
        Ok(chosen)
    }

    /// The counts of a chosen baseline for a segment.
    pub(super) async fn of_segment(
        &mut self,
        connection: &mut Session,
        chosen: &ChosenBaseline,
        segment: &str,
    ) -> Result<Reference, StoreError> {
        let key = (chosen.baseline, segment.to_owned());
        if let Some(known) = self.read.get(&key) {
            return Ok(known.clone());
        }
        let read = reference(connection, chosen.baseline, segment, &chosen.bins).await?;
        self.read.insert(key, read.clone());
        Ok(read)
    }
}

async fn choose(
    connection: &mut Session,
    monitor: &str,
    counted_on: &Arc<BinningSet>,
) -> Result<Option<ChosenBaseline>, StoreError> {
    let attempted = "find what a window is compared with";
    let candidates: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "select id, binning_id from baseline where monitor = $1 and (active or binning_id = $2)
         order by active desc, version desc",
    )
    .bind(monitor)
    .bind(counted_on.id())
    .fetch_all(&mut *connection)
    .await
    .map_err(failed(attempted))?;
    for (baseline, bins) in candidates {
        let bins =
            if bins == counted_on.id() { Arc::clone(counted_on) } else { binning(connection, bins).await? };
        if let Some(fit) = Fit::of(counted_on, &bins) {
            return Ok(Some(ChosenBaseline { baseline, bins, fit }));
        }
    }
    Ok(None)
}

/// A stored baseline as the reference of windows of a segment.
pub(in crate::store) async fn reference(
    connection: &mut Session,
    id: Uuid,
    segment: &str,
    bins: &Arc<BinningSet>,
) -> Result<Reference, StoreError> {
    let row = sqlx::query(
        "select b.version, b.origin, s.counts from baseline b
         left join baseline_segment s on s.baseline_id = b.id and s.segment = $2 where b.id = $1",
    )
    .bind(id)
    .bind(segment)
    .fetch_one(connection)
    .await
    .map_err(failed("read a baseline"))?;
    let version: i32 = row.try_get("version").map_err(failed("read a baseline"))?;
    let origin: String = row.try_get("origin").map_err(failed("read a baseline"))?;
    let counts: Option<&[u8]> = row.try_get("counts").map_err(failed("read a baseline"))?;
    let read = |bytes: &[u8]| {
        damaged(&format!("baseline version {version}"), WindowCounts::from_ipc(bytes, Arc::clone(bins)))
    };
    Ok(Reference { name: format!("version {version} ({origin})"), counts: counts.map(read).transpose()? })
}
