//! The panes that a window reaches back to.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use sqlx::Row as _;

use super::OpenWindow;
use super::read::Merged;
use super::reference::parts_of;
use crate::binning::BinningSet;
use crate::closing::{EarlierPane, Gathered, ONSET_WINDOWS};
use crate::reference::Part;
use crate::store::decoded::Decoded;
use crate::store::selection::{SelectedWindow, WindowSelection, at_most};
use crate::store::session::Session;
use crate::store::{StoreError, damaged, failed, timestamp};
use crate::window::{MOST_PANES, OffsetRanges, WindowReach};

/// Takes in the closed panes of the series of a window that it reaches back to.
pub(super) async fn reach_back(
    connection: &mut Session,
    (cache, monitor): (&Decoded, &str),
    reach: WindowReach,
    window: &mut Gathered,
) -> Result<(), StoreError> {
    if reach.is_pane() {
        return Ok(());
    }
    let key = &window.span.key;
    let mut earlier =
        WindowSelection::closed(monitor).of_version(&key.version).of_segment(&key.segment).before(key.start);
    if let WindowReach::Time(length) = reach {
        earlier = earlier.from(timestamp(window.span.end.shifted(-length)));
    }
    let mut selected = earlier.latest(connection, at_most(MOST_PANES)).await?;
    let (mut panes, mut records) = (1, window.counts.rows());
    selected.retain(|pane| {
        let taken = reach.takes(pane.start, window.span.end, (panes, records));
        (panes, records) = (panes + 1, records.saturating_add(pane.rows));
        taken
    });
    let bins = Arc::clone(window.counts.binnings());
    let earlier = earlier_panes(connection, (cache, monitor), selected, &bins).await?;
    window.reach_back(reach, earlier);
    Ok(())
}

/// The closed panes before a window in which the onset of its drift is looked for, in order of time.
pub(super) async fn earlier_parts(
    connection: &mut Session,
    (cache, monitor): (&Decoded, &str),
    (window, merged): (&OpenWindow, &Merged),
) -> Result<Vec<Part>, StoreError> {
    let key = &window.key;
    let earlier =
        WindowSelection::closed(monitor).of_version(&key.version).of_segment(&key.segment).before(key.start);
    let mut selected = earlier.latest(connection, at_most(ONSET_WINDOWS)).await?;
    selected.reverse();
    let bins = merged.counts.binnings();
    let parts = parts_of(connection, (cache, monitor), selected, bins).await?;
    Ok(parts.into_iter().filter_map(|part| part.on(bins)).collect())
}

/// Panes with all that is known of them, in the order given.
async fn earlier_panes(
    connection: &mut Session,
    (cache, monitor): (&Decoded, &str),
    selected: Vec<SelectedWindow>,
    bins: &Arc<BinningSet>,
) -> Result<Vec<EarlierPane>, StoreError> {
    let attempted = "read the panes of a window";
    let ids: Vec<i64> = selected.iter().map(|pane| pane.id).collect();
    let rows = sqlx::query("select id, ranges, complete from model_window where id = any($1)")
        .bind(&ids)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed(attempted))?;
    let mut details: HashMap<i64, (OffsetRanges, bool)> = HashMap::new();
    for row in rows {
        let id: i64 = row.try_get("id").map_err(failed(attempted))?;
        let ranges: Option<Value> = row.try_get("ranges").map_err(failed(attempted))?;
        let ranges = ranges.unwrap_or_else(|| Value::Array(Vec::new()));
        let ranges = damaged(&format!("the offsets of window {id}"), serde_json::from_value(ranges))?;
        let complete: Option<bool> = row.try_get("complete").map_err(failed(attempted))?;
        details.insert(id, (ranges, complete.unwrap_or(true)));
    }
    let parts = parts_of(connection, (cache, monitor), selected, bins).await?;
    let pane = |part: Part| {
        let (offsets, complete) = details.remove(&part.id?)?;
        Some(EarlierPane { part, offsets, complete })
    };
    Ok(parts.into_iter().filter_map(pane).collect())
}
