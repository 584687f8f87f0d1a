//! Logs that are not what positions say: messages that are gone before they were read, and logs that a position does not
//! belong to, which are not read until somebody has reset it.

use std::time::Instant;

use super::{Ingest, PATIENCE, Workers};
use crate::kafka::Beginning;
use crate::record::Offset;
use crate::store::{Fault, FaultKind};
use crate::window::Partition;

impl Ingest {
    /// Goes on behind messages that were deleted before they were read; stops where the log has no such position.
    pub(super) async fn cross_gap(
        &mut self,
        partition: Partition,
        position: Offset,
        low: Offset,
        high: Offset,
        workers: &Workers,
    ) {
        if position > high {
            let detail = format!(
                "the position {position} lies beyond the end of the log, {high}: the topic was deleted and created again, or cut off by \
                 an unclean election of a leader"
            );
            return self.stop_reading(partition, FaultKind::BeyondEnd, detail, workers).await;
        }
        if !matches!(tokio::time::timeout(PATIENCE, self.checkpoint_now(workers)).await, Ok(true)) {
            self.void("a gap was found, and the checkpoint before it was not stored");
            return;
        }
        let Some(base) = self.ledger.base(&partition) else { return };
        if low <= base {
            // Only the message before the position is gone, by which the log was to be recognised.
            let begin = Beginning { partition, offset: base, anchor: None };
            return self.commands.start(vec![begin], self.ledger.generation());
        }
        tracing::error!(%partition, from = %base, to = %low, "messages were deleted before they could be read; reading continues after the gap");
        match self.store.record_gap(&partition, base, low).await {
            Ok(true) => {
                self.ledger.crossed_gap(&partition, low);
                let begin = Beginning { partition, offset: low, anchor: None };
                self.commands.start(vec![begin], self.ledger.generation());
            }
            Ok(false) => self.void("another daemon moved a position"),
            Err(error) => {
                self.shared.database(Err(&error));
                self.void("a gap could not be recorded");
            }
        }
    }

    /// Stops reading a partition whose log is not the one that its position belongs to: going on would skip or mix records.
    pub(super) async fn stop_reading(
        &mut self,
        partition: Partition,
        kind: FaultKind,
        detail: String,
        workers: &Workers,
    ) {
        if self.ledger.stop(&partition, Instant::now()) {
            tracing::error!(
                %partition, %detail,
                "reading of a partition stopped: its position does not fit its log\nhint: `driftd positions reset {partition} --to earliest` continues with the messages that exist now"
            );
        }
        // What was counted of it until now is true.
        let stored = tokio::time::timeout(PATIENCE, self.checkpoint_now(workers)).await;
        let fault = Fault { partition: partition.clone(), kind, detail };
        if let Err(error) = self.store.note_fault(&fault).await {
            self.shared.database(Err(&error));
        }
        if matches!(stored, Ok(true)) {
            self.ledger.put_aside(&partition);
        } else {
            self.void("reading of a partition stopped, and the checkpoint before it was not stored");
        }
    }

    /// Looks whether somebody has reset the position of a partition that is not read.
    pub(super) fn retry_stopped(&mut self) {
        let due = self.ledger.due_retries(Instant::now());
        if !due.is_empty() {
            self.look_up(due);
        }
    }
}
