//! A window with all that it is judged by, but for the alerts of its series and the requests of its monitor.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::panes::reach_back;
use super::read::Merged;
use super::reference::{resolve, usual_rows};
use super::shared::SharedReads;
use super::{Closing, DueWindow};
use crate::alert::{SeriesAlerts, WindowEvidence};
use crate::binning::BinningSet;
use crate::closing::{ClosingWindow, Gathered};
use crate::reference::{ReferenceChoice, RuleName};
use crate::store::StoreError;
use crate::store::decoded::Decoded;
use crate::store::session::Session;

/// What a window is compared with.
pub(super) struct Compared {
    /// The ids of the panes before its last one.
    pub(super) before: Vec<i64>,
    pub(super) choice: ReferenceChoice,
    /// The baseline, when that is the reference.
    pub(super) baseline: Option<Uuid>,
    /// The window, as if its series had no alert and no request yet.
    pub(super) closing: ClosingWindow,
}

/// Adds up the panes of a window, and chooses what it is compared with. What was counted in its last pane is then on the bins of its
/// baseline, where they fit.
pub(super) async fn compared(
    connection: &mut Session,
    (shared, cache): (&mut SharedReads, &Decoded),
    with: Closing<'_>,
    (DueWindow { window, missing }, revision): (&DueWindow, i32),
    (merged, binnings): (&mut Merged, &Arc<BinningSet>),
) -> Result<Compared, StoreError> {
    let monitor = with.monitor;
    let chosen = shared.baseline(connection, cache, monitor, binnings).await?;
    if let Some(chosen) = &chosen {
        chosen.fit.apply(&mut merged.counts, &chosen.bins);
    }
    let by = (monitor, with.references);
    let mut gathered = Gathered::of_pane(
        (window.key.clone(), window.end),
        merged.counts.clone(),
        merged.ranges.clone(),
        missing.is_empty(),
    );
    reach_back(connection, (cache, monitor), with.reach, &mut gathered).await?;
    let Gathered { span, counts, offsets, complete, ids } = gathered;
    let (reference, choice) = resolve(connection, cache, by, &span, chosen.as_ref()).await?;
    let baseline = chosen.filter(|_| choice.rule == Some(RuleName::Fixed)).map(|chosen| chosen.baseline);
    let usual_rows = usual_rows(connection, by, &span, reference.as_ref()).await?;
    let series = shared.series(connection, with, window).await?;
    let accepted = shared.accepted(connection, monitor).await?;
    let evidence = WindowEvidence {
        id: Some(window.id),
        start: span.from.into(),
        end: window.end.into(),
        records: counts.rows(),
        late_records: 0,
        complete,
        revision: revision.unsigned_abs(),
        offsets,
    };
    let closing = ClosingWindow {
        span,
        counts,
        pane_rows: merged.counts.rows(),
        sample: merged.sample.clone(),
        evidence,
        reference,
        usual_rows,
        series,
        accepted,
        alerts: SeriesAlerts::default(),
        feed_broken: false,
        requested: Vec::new(),
        requests: Vec::new(),
        rested_on: HashMap::new(),
        amends: None,
        trend: None,
    };
    Ok(Compared { before: ids, choice, baseline, closing })
}
