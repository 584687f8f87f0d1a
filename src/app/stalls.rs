//! Finds partitions of which the client does not see what their broker has: it was told about a topic that is not there any
//! more, or it stands still for a reason of its own. Reading begins anew then, and the log is checked to be the same.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::kafka::SourceCommands;
use crate::record::Offset;
use crate::view::PartitionStatus;
use crate::window::Partition;

/// Between two restarts of reading.
const RESTART_EVERY: Duration = Duration::from_secs(20);

/// What was seen at the last look.
#[derive(Default)]
pub(super) struct Stalls {
    /// Partitions with more in their log than the client knows, with the end that it knew.
    behind: HashMap<Partition, Option<Offset>>,
    restarted: Option<Instant>,
}

impl Stalls {
    /// Asks the brokers where the logs end that are read here, and has reading begin anew when a client stood still since the
    /// last look although there is more, or when a position lies beyond an end.
    pub(super) async fn look(&mut self, commands: &SourceCommands, stored: &[PartitionStatus]) {
        if commands.is_paused() || self.restarted.is_some_and(|at| at.elapsed() < RESTART_EVERY) {
            self.behind.clear();
            return;
        }
        let mut behind = HashMap::new();
        let mut stalled = None;
        for partition in commands.read_partitions() {
            let Ok((_, end)) = commands.ends(&partition).await else { continue };
            let next = stored
                .iter()
                .find(|known| known.topic == *partition.topic && known.partition == partition.partition)
                .and_then(|known| known.next_offset)
                .map(Offset::new);
            let known = commands.log_end(&partition).map(|end| end.high);
            if next.is_some_and(|next| next > end) {
                stalled = Some(partition.clone());
            }
            if known.is_none_or(|known| known != end) && next.is_none_or(|next| next < end) {
                if self.behind.get(&partition) == Some(&known) {
                    stalled = Some(partition.clone());
                }
                behind.insert(partition, known);
            }
        }
        self.behind = behind;
        if let Some(partition) = stalled {
            tracing::warn!(%partition, "the Kafka client and the broker disagree on the end of a log; looking up all positions again");
            self.restarted = Some(Instant::now());
            self.behind.clear();
            commands.read_anew();
        }
    }
}
