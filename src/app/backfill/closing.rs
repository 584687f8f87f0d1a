//! Closing: from stored counts to judged windows, in the order of their starts, and a baseline learned from the first of them.

use super::retries::Retries;
use super::{BackfillError, BackfillNews, Run};
use crate::alert::Routing;
use crate::app::learn::{Learning, learn_baseline};
use crate::app::monitors::closing_of;
use crate::closing::{ClosingWindow, decide_window};
use crate::record::{listed, number_of};
use crate::store::{Backfill, BackfillWriter};

/// Columns that are named at most.
const NAMED: usize = 10;

impl Run<'_> {
    /// Makes all windows, or goes on until it is to stop. The backfill is then as it is stored.
    pub(super) async fn close(
        &self,
        backfill: &mut Backfill,
        writer: BackfillWriter,
        report: &mut dyn FnMut(BackfillNews<'_>),
    ) -> Result<(), BackfillError> {
        let monitor = &self.running.monitor;
        let with = closing_of(&self.running);
        // No message is sent.
        let routing = Routing::default();
        let decide = |closing: &ClosingWindow, now| decide_window(closing, &monitor.rules, &routing, now);
        let starts = self.store.backfilled_starts(backfill.id).await?;
        let (mut drifting, mut closed) = (0_u64, 0_u64);
        let mut retries = Retries::new();
        for (made, start) in starts.iter().enumerate() {
            if self.stop.is_cancelled() {
                *backfill = self.store.backfill(backfill.id).await?;
                return Ok(());
            }
            if !start.is_live {
                self.learn(report).await?;
            }
            let outcome = loop {
                match self.store.close_backfilled(writer, with, *start, decide).await {
                    Ok(outcome) => break outcome,
                    // One that was stored all the same has nothing left to do.
                    Err(error) => *backfill = retries.after(error, self.store, writer, report).await?,
                }
            };
            retries = Retries::new();
            drifting += outcome.drifting;
            closed += outcome.closed;
            if made % 100 == 99 {
                report(BackfillNews::Note(format!("{} of {} window starts closed", made + 1, starts.len())));
            }
        }
        self.learn(report).await?;
        self.store.finish_backfill(writer).await?;
        *backfill = self.store.backfill(backfill.id).await?;
        if closed > 0 {
            report(BackfillNews::Note(format!("{} closed, {drifting} with drift", number_of(closed, "window"))));
        }
        Ok(())
    }

    /// Learns a baseline, if one is due.
    async fn learn(&self, report: &mut dyn FnMut(BackfillNews<'_>)) -> Result<(), BackfillError> {
        match learn_baseline(self.store, &self.running.monitor).await? {
            Learning::Settled | Learning::NotDue => {}
            Learning::Unreadable(columns) => report(BackfillNews::Note(format!(
                "no baseline is learned: no or almost no valid values in the closed windows of {}",
                listed(&columns, NAMED)
            ))),
            Learning::Failed(error) => report(BackfillNews::Note(format!("no baseline is learned: {error}"))),
            Learning::Learned { version, unlearned, .. } => {
                report(BackfillNews::Note(format!("baseline version {version} learned")));
                for column in unlearned {
                    report(BackfillNews::Note(format!("not compared: {column}")));
                }
            }
        }
        Ok(())
    }
}
