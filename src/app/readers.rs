//! Says which topics this daemon's consumer group reads into which database, and with which configuration; notices others
//! that take its records (another group that reads the same topics into this database, another database that reads with the
//! same group) and daemons of this database that have another configuration.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::state::Shared;
use super::topics::{TopicsError, partitions_of};
use crate::config::{Parts, common_parts};
use crate::kafka::SourceCommands;
use crate::record::Offset;
use crate::store::{Store, StoreError};
use crate::supervisor::TaskError;
use crate::window::Partition;

/// Between notes about what is read: a group that says nothing for 30 s is taken to be gone.
const NOTE: Duration = Duration::from_secs(10);
/// Between looks at what the group has committed.
const LOOK: Duration = Duration::from_secs(20);

/// The time it may take to say that this daemon ends.
const LEAVE: Duration = Duration::from_secs(2);

/// What committed offsets begin with that driftd wrote, before the name of its database.
const MARK: &str = "driftd database ";

pub(super) struct Readers {
    store: Store,
    commands: SourceCommands,
    shared: Arc<Shared>,
    group: String,
    /// The name of this daemon.
    daemon: String,
    /// What own commits are marked with.
    mark: String,
    /// What was committed at the last look.
    committed: HashMap<Partition, (Offset, String)>,
    looked: Option<Instant>,
}

impl Readers {
    /// `database` is the name of the database that is written to; own commits are marked with it from here on.
    pub(super) fn new(
        store: Store,
        commands: SourceCommands,
        shared: Arc<Shared>,
        group: String,
        daemon: String,
        database: Uuid,
    ) -> Self {
        let mark = format!("{MARK}{database}");
        commands.mark_commits(mark.clone());
        Self { store, commands, shared, group, daemon, mark, committed: HashMap::new(), looked: None }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), TaskError> {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                outcome = self.look() => if let Err(error) = outcome {
                    tracing::debug!(%error, "cannot check for other readers of the same topics; retrying");
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(NOTE) => {}
            }
        }
        self.leave().await;
        Ok(())
    }

    /// What a daemon had configured that has ended must not be held against those that run.
    async fn leave(&self) {
        // A database that is away forgets by itself.
        match tokio::time::timeout(LEAVE, self.store.forget_configuration(&self.daemon)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "cannot remove this daemon from the running daemons; its entry will expire");
            }
            Err(_) => tracing::debug!(
                "timeout while removing this daemon from the running daemons; its entry will expire"
            ),
        }
    }

    async fn look(&mut self) -> Result<(), TopicsError> {
        // First, since it needs no Kafka: a daemon that waits for it runs all the same.
        self.compare_configurations().await?;
        let partitions = partitions_of(&self.commands, &self.shared.monitors()).await?;
        let mut foreign = None;
        if self.looked.is_none_or(|at| at.elapsed() >= LOOK) {
            self.looked = Some(Instant::now());
            match self.commands.committed(partitions.clone()).await {
                Ok(committed) => foreign = self.compare(committed),
                Err(error) => {
                    tracing::debug!(%error, "cannot read the committed offsets of the consumer group; retrying");
                }
            }
        }
        let topics: BTreeSet<String> =
            partitions.into_iter().map(|partition| partition.topic.to_string()).collect();
        let topics: Vec<String> = topics.into_iter().collect();
        let others = self.store.note_readers(&self.group, &topics, foreign.as_deref()).await?;
        self.complain(&others, foreign.as_deref());
        Ok(())
    }

    /// Says what this daemon has configured, and in what others differ.
    async fn compare_configurations(&self) -> Result<(), StoreError> {
        let in_force = self.shared.in_force();
        let common =
            (String::new(), common_parts(&in_force.routing, &in_force.retention, in_force.receivers.keys()));
        let monitors =
            in_force.monitors.iter().map(|running| (running.monitor.name.clone(), running.parts.clone()));
        let configured: Vec<(String, Parts)> = monitors.chain([common]).collect();
        for difference in self.store.note_configuration(&self.daemon, &configured).await? {
            if self.shared.complaints.is_due("", &difference) {
                tracing::warn!(
                    "{difference}\nhint: deploy the same configuration to all daemons of this database and reload them"
                );
            }
        }
        Ok(())
    }

    /// The database that has committed with this group since the last look; what was committed before may be left over from
    /// a database that is gone.
    fn compare(&mut self, committed: Vec<(Partition, Offset, String)>) -> Option<String> {
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
                "other consumer groups read the same topics into this database; set the same `kafka.group` for all daemons of a database"
            );
        }
        if let Some(database) = foreign.filter(|_| self.shared.complaints.is_due("", "databases")) {
            tracing::error!(
                group, %database,
                "another database reads with the same consumer group, so each database receives only a part of the records; set \
                 a separate `kafka.group` for each database"
            );
        }
    }
}
