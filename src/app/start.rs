//! Waiting for the database: it may come up after the daemon, and an outage at the start is an outage like any other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::state::Shared;
use super::{ReloadError, ReloadRequest};
use crate::store::{Store, StoreError};

/// Between tries.
const PAUSE: Duration = Duration::from_secs(1);
/// Between log lines about the same wait.
const SAY_EVERY: Duration = Duration::from_mins(1);

/// Brings the schema up to date as soon as the database can be reached, and returns the name of the database; none when the
/// daemon is told to stop before. What the database refuses (credentials, a database that is not there, a schema that is
/// newer) is not waited for: it takes somebody to change that.
///
/// # Errors
/// When the database refuses.
pub(super) async fn wait_for_database(
    store: &Store,
    shared: &Arc<Shared>,
    reloads: &mut mpsc::Receiver<ReloadRequest>,
    stop: &CancellationToken,
) -> Result<Option<Uuid>, StoreError> {
    let mut said: Option<Instant> = None;
    loop {
        let error = tokio::select! {
            () = stop.cancelled() => return Ok(None),
            never = stay_alive(shared, reloads) => match never {},
            ready = prepare(store) => match ready {
                Ok(name) => {
                    shared.database(Ok(()));
                    return Ok(Some(name));
                }
                Err(error) if error.is_transient() => error,
                Err(error) => return Err(error),
            },
        };
        if said.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
            said = Some(Instant::now());
            tracing::warn!(%error, "waiting for the database; reading starts when it is available");
        }
        shared.waits_for_database(&error);
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            never = stay_alive(shared, reloads) => match never {},
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn prepare(store: &Store) -> Result<Uuid, StoreError> {
    store.migrate().await?;
    store.database_name().await
}

/// Turns in the place of the task that reads, which has not begun, and answers requests to reload.
async fn stay_alive(shared: &Shared, reloads: &mut mpsc::Receiver<ReloadRequest>) -> std::convert::Infallible {
    loop {
        shared.ingest_turned();
        match tokio::time::timeout(Duration::from_secs(1), reloads.recv()).await {
            Ok(Some(request)) => {
                let error = ReloadError::NotBegun;
                tracing::error!(%error, "reload rejected");
                // The caller may have gone.
                let _asker_gone = request.send(Err(error));
            }
            // Nobody can ask now.
            Ok(None) => tokio::time::sleep(Duration::from_secs(1)).await,
            Err(_) => {}
        }
    }
}
