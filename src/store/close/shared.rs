//! What windows that are closed in one transaction have in common: it is read once.

use std::collections::HashMap;
use std::sync::Arc;

use super::read::{Circumstances, circumstances_of, series_of};
use super::reference::{ChosenBaseline, ChosenBaselines};
use super::{Closing, OpenWindow};
use crate::binning::BinningSet;
use crate::judge::AcceptedLimits;
use crate::record::EventTime;
use crate::store::StoreError;
use crate::store::decoded::Decoded;
use crate::store::limits::accepted_limits;
use crate::store::session::Session;

/// Of the windows of one monitor.
#[derive(Default)]
pub(in crate::store) struct SharedReads {
    baselines: ChosenBaselines,
    /// How many series share the budget of false alarms of windows of one time.
    series: HashMap<(EventTime, EventTime), usize>,
    /// Wider limits that people accepted for the monitor.
    accepted: Option<Vec<AcceptedLimits>>,
    circumstances: Option<Circumstances>,
}

impl SharedReads {
    /// The baseline of windows that were counted on these bins, see [`ChosenBaselines::choose`].
    pub(super) async fn baseline(
        &mut self,
        connection: &mut Session,
        cache: &Decoded,
        monitor: &str,
        counted_on: &Arc<BinningSet>,
    ) -> Result<Option<ChosenBaseline>, StoreError> {
        self.baselines.choose(connection, cache, monitor, counted_on).await
    }

    /// How many series share the budget of false alarms of a window.
    pub(super) async fn series(
        &mut self,
        connection: &mut Session,
        with: Closing<'_>,
        window: &OpenWindow,
    ) -> Result<usize, StoreError> {
        let time = (window.key.start, window.end);
        if let Some(known) = self.series.get(&time) {
            return Ok(*known);
        }
        let read = series_of(connection, with, window).await?;
        self.series.insert(time, read);
        Ok(read)
    }

    /// Wider limits that people accepted for the monitor.
    pub(super) async fn accepted(
        &mut self,
        connection: &mut Session,
        monitor: &str,
    ) -> Result<Vec<AcceptedLimits>, StoreError> {
        if let Some(known) = &self.accepted {
            return Ok(known.clone());
        }
        let read = accepted_limits(connection, monitor).await?;
        self.accepted = Some(read.clone());
        Ok(read)
    }

    /// What else is decided by.
    pub(super) async fn circumstances(
        &mut self,
        connection: &mut Session,
        monitor: &str,
    ) -> Result<Circumstances, StoreError> {
        if let Some(known) = &self.circumstances {
            return Ok(known.clone());
        }
        let read = circumstances_of(connection, monitor).await?;
        self.circumstances = Some(read.clone());
        Ok(read)
    }

    /// Forgets the requests of the monitor: there is another one.
    pub(super) fn forget_requests(&mut self) {
        self.circumstances = None;
    }
}
