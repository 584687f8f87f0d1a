//! Closing a window of the past: judged and stored as any other, without a change to alerts, a message or a request. Alerts are
//! about what happens now.

use super::compared::{Compared, compared};
use super::read::{known_binning, merge_deltas};
use super::write::{Pane, write_findings, write_summaries, write_window};
use super::{Closing, DueWindow, OpenWindow, SharedReads};
use crate::closing::{ClosingWindow, Decision};
use crate::judge::Verdict;
use crate::record::EventTime;
use crate::store::decoded::Decoded;
use crate::store::session::Session;
use crate::store::{StoreError, failed};

/// Closes a window that was made in this transaction.
pub(in crate::store) async fn close_quietly(
    connection: &mut Session,
    (shared, cache): (&mut SharedReads, &Decoded),
    with: Closing<'_>,
    window: OpenWindow,
    decide: impl Fn(&ClosingWindow, EventTime) -> Decision,
) -> Result<Verdict, StoreError> {
    let attempted = "close a window of a backfill";
    let counted_on: uuid::Uuid = sqlx::query_scalar("select binning_id from model_window where id = $1")
        .bind(window.id)
        .fetch_one(&mut *connection)
        .await
        .map_err(failed(attempted))?;
    let binnings = known_binning(connection, counted_on, cache).await?;
    let due = DueWindow { window, missing: Vec::new() };
    let mut merged = merge_deltas(connection, due.window.id, &binnings, with.sample_size).await?;
    let Compared { before, choice, baseline, closing } =
        compared(connection, (shared, cache), with, (&due, 0), (&mut merged, &binnings)).await?;
    let now = shared.circumstances(connection, with.monitor).await?.now;
    let decision = decide(&closing, now).without_alerts();
    let pane = Pane { merged: &merged, before: &before, revision: 0 };
    write_window(connection, &due, &pane, (with, baseline, &choice), &closing, &decision).await?;
    write_summaries(connection, due.window.id, &closing).await?;
    write_findings(connection, due.window.id, &decision).await?;
    Ok(decision.judgement.verdict)
}
