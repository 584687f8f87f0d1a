//! Closing a window of the past: judged and stored as any other, without a change to alerts, a message or a request. Alerts are
//! about what happens now.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::read::{binning, merge_deltas};
use super::write::{Pane, write_findings, write_summaries, write_window};
use super::{Closing, Compared, DueWindow, OpenWindow, SharedReads, compared};
use crate::alert::SeriesAlerts;
use crate::closing::{ClosingWindow, Decision};
use crate::judge::Verdict;
use crate::record::EventTime;
use crate::store::counts_cache::CountsCache;
use crate::store::session::Session;
use crate::store::{StoreError, event_time, failed};

/// Closes a window that was made in this transaction.
pub(in crate::store) async fn close_quietly(
    connection: &mut Session,
    (shared, cache): (&mut SharedReads, &CountsCache),
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
    let binnings = if let Some(known) = shared.binnings.get(&counted_on) {
        Arc::clone(known)
    } else {
        let read = binning(connection, counted_on).await?;
        shared.binnings.insert(counted_on, Arc::clone(&read));
        read
    };
    let due = DueWindow { window, missing: Vec::new() };
    let mut merged = merge_deltas(connection, due.window.id, &binnings, with.sample_size).await?;
    let Compared { before, span, counts, evidence, reference, choice, baseline, usual_rows } =
        compared(connection, (shared, cache), with, (&due, 0), (&mut merged, &binnings)).await?;
    let closing = ClosingWindow {
        span,
        counts,
        pane_rows: merged.counts.rows(),
        sample: merged.sample.clone(),
        evidence,
        reference,
        usual_rows,
        alerts: SeriesAlerts::default(),
        feed_broken: false,
        amends: None,
        requested: Vec::new(),
        requests: Vec::new(),
        rested_on: HashMap::new(),
    };
    let now: DateTime<Utc> =
        sqlx::query_scalar("select now()").fetch_one(&mut *connection).await.map_err(failed(attempted))?;
    let decided = decide(&closing, event_time(now));
    let decision = Decision {
        judgement: decided.judgement,
        teaches: decided.teaches,
        alerts: SeriesAlerts::default(),
        changes: Vec::new(),
        refreshed: Vec::new(),
        drifts_for: Vec::new(),
        retrain: None,
        request: None,
    };
    let pane = Pane { merged: &merged, before: &before, revision: 0 };
    write_window(connection, &due, &pane, (with, baseline, &choice), &closing, &decision).await?;
    write_summaries(connection, due.window.id, &closing).await?;
    write_findings(connection, due.window.id, &decision).await?;
    Ok(decision.judgement.verdict)
}
