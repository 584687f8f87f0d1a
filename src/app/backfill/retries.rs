//! Trying again while the database is unavailable for a moment.

use std::time::Duration;

use super::{BackfillError, BackfillNews};
use crate::store::{Backfill, BackfillWriter, Store, StoreError};

/// How often it is tried again without progress in between.
const MOST: u32 = 30;
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(2);

/// Tries that are left.
pub(super) struct Retries(u32);

impl Retries {
    pub(super) fn new() -> Self {
        Self(MOST)
    }

    /// Waits after an error that may pass, until the backfill can be read: it is then as it is stored.
    ///
    /// # Errors
    /// When the error does not pass, or no try is left.
    pub(super) async fn after(
        &mut self,
        mut error: StoreError,
        store: &Store,
        writer: BackfillWriter,
        report: &mut dyn FnMut(BackfillNews<'_>),
    ) -> Result<Backfill, BackfillError> {
        loop {
            if !error.is_transient() || self.0 == 0 {
                return Err(error.into());
            }
            self.0 -= 1;
            report(BackfillNews::Note(format!("{error}\ntrying again")));
            tokio::time::sleep(PAUSE).await;
            match store.backfill(writer.id).await {
                Ok(backfill) => return Ok(backfill),
                Err(again) => error = again,
            }
        }
    }
}
