//! Says which topics this daemon's consumer group reads into which database, and notices others that take its records:
//! another group that reads the same topics into this database, and another database that reads with the same group.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::state::Shared;
use super::topics::partitions_of;
use crate::kafka::SourceCommands;
use crate::store::Store;
use crate::window::Partition;

/// Between notes about what is read: a group that says nothing for 30 s is taken to be gone.
const NOTE: Duration = Duration::from_secs(10);
/// Between looks at what the group has committed.
const LOOK: Duration = Duration::from_secs(20);

/// What committed offsets begin with that driftd wrote, before the name of its database.
const MARK: &str = "driftd database ";

pub(super) struct Readers {
    store: Store,
    commands: SourceCommands,
    shared: Arc<Shared>,
    group: String,
    /// What own commits are marked with.
    mark: String,
    /// What was committed at the last look.
    committed: HashMap<Partition, (i64, String)>,
    looked: Option<Instant>,
}

impl Readers {
    /// `database` is the name of the database that is written to; own commits are marked with it from here on.
    pub(super) fn new(
        store: Store,
        commands: SourceCommands,
        shared: Arc<Shared>,
        group: String,
        database: Uuid,
    ) -> Self {
        let mark = format!("{MARK}{database}");
        commands.mark_commits(mark.clone());
        Self { store, commands, shared, group, mark, committed: HashMap::new(), looked: None }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), String> {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                outcome = self.look() => if let Err(error) = outcome {
                    tracing::debug!(%error, "cannot look for others that read the same topics");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(NOTE) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<(), String> {
        let partitions = partitions_of(&self.commands, &self.shared.monitors()).await?;
        let mut foreign = None;
        if self.looked.is_none_or(|at| at.elapsed() >= LOOK) {
            self.looked = Some(Instant::now());
            match self.commands.committed(partitions.clone()).await {
                Ok(committed) => foreign = self.compare(committed),
                Err(error) => tracing::debug!(%error, "cannot read what the group has committed"),
            }
        }
        let topics: BTreeSet<String> =
            partitions.into_iter().map(|partition| partition.topic.to_string()).collect();
        let topics: Vec<String> = topics.into_iter().collect();
        let others = self
            .store
            .note_readers(&self.group, &topics, foreign.as_deref())
            .await
            .map_err(|error| error.to_string())?;
        self.complain(&others, foreign.as_deref());
        Ok(())
    }

    /// The database that has committed with this group since the last look; what was committed before may be left over from
    /// a database that is gone.
    fn compare(&mut self, committed: Vec<(Partition, i64, String)>) -> Option<String> {
        let before = std::mem::take(&mut self.committed);
        let mut foreign = None;
        for (partition, offset, mark) in committed {
            let moved = before.get(&partition).is_some_and(|(last, by)| *last != offset || *by != mark);
            if moved && mark != self.mark {
                foreign = mark.strip_prefix(MARK).map(str::to_owned).or(foreign);
            }
            self.committed.insert(partition, (offset, mark));
        }
        foreign
    }

    fn complain(&self, others: &[String], foreign: Option<&str>) {
        let group = self.group.as_str();
        if !others.is_empty() && self.shared.complaints.is_due("", "groups") {
            tracing::error!(
                group, others = %others.join(", "),
                "other consumer groups read the same topics into this database: the daemons of a database share one `kafka.group`"
            );
        }
        if let Some(database) = foreign.filter(|_| self.shared.complaints.is_due("", "databases")) {
            tracing::error!(
                group, %database,
                "another database reads with the same consumer group, so each has a part of the records: every database has a \
                 `kafka.group` of its own"
            );
        }
    }
}
