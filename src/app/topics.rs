//! Which topics and partitions there are, and where monitors begin in them: what the brokers say, made known to the database.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::monitors::{RunningMonitor, is_read};
use super::state::Shared;
use crate::config::Topics;
use crate::kafka::{KafkaError, SourceCommands, StartAt};
use crate::record::number_of;
use crate::store::{Store, StoreError};
use crate::window::Partition;

/// Why topics, or positions in them, could not be looked up.
#[derive(Debug, thiserror::Error)]
pub(super) enum TopicsError {
    /// The brokers were asked.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The database was asked, or told.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database does not know a partition that it was told of.
    #[error("partition {0} was not registered")]
    NotRegistered(Partition),
}

/// Every partition of every topic the monitors read, as the brokers know them.
pub(super) async fn partitions_of(
    commands: &SourceCommands,
    monitors: &[Arc<RunningMonitor>],
) -> Result<Vec<Partition>, KafkaError> {
    let monitors = monitors.to_vec();
    commands.partitions(move |topic| is_read(&monitors, topic)).await
}

/// Makes partitions known, so that windows wait for them, and starts monitors that were never started: where `kafka.start`
/// is `latest`, at the ends that the partitions have now.
pub(super) async fn register(
    store: &Store,
    commands: &SourceCommands,
    monitors: &[Arc<RunningMonitor>],
    partitions: &[Partition],
) -> Result<(), TopicsError> {
    store.register_partitions(partitions).await?;
    let names: Vec<&str> = monitors.iter().map(|running| running.monitor.name.as_str()).collect();
    let new = store.never_started(&names).await?;
    for running in monitors.iter().filter(|running| new.contains(&running.monitor.name)) {
        let mut begin = Vec::new();
        if commands.start_at() == StartAt::Latest {
            for partition in partitions.iter().filter(|partition| running.topics.matches(&partition.topic)) {
                let (_, end) = commands.ends(partition).await?;
                begin.push((partition.clone(), end));
            }
        }
        store.start_monitor(&running.monitor.name, &begin).await?;
        let monitor = &running.monitor.name;
        match commands.start_at() {
            StartAt::Latest => {
                let partitions = number_of(begin.len(), "partition");
                tracing::info!(%monitor, "monitor started for the first time; {partitions} will be read from the current end");
            }
            StartAt::Earliest => {
                tracing::info!(%monitor, "monitor started for the first time; partitions will be read from the beginning");
            }
        }
    }
    Ok(())
}

/// Makes partitions known that appeared since, and notes which topics do not exist.
pub(super) async fn look_at_topics(
    store: &Store,
    commands: &SourceCommands,
    shared: &Shared,
) -> Result<(), TopicsError> {
    let monitors = shared.monitors();
    let partitions = partitions_of(commands, &monitors).await?;
    register(store, commands, &monitors, &partitions).await?;
    let there: BTreeSet<&str> = partitions.iter().map(|partition| partition.topic.as_ref()).collect();
    let mut missing = Vec::new();
    for running in &monitors {
        if let Topics::Named(names) = &running.monitor.topics {
            let absent = names.iter().filter(|name| !there.contains(name.as_str()));
            missing.extend(
                absent.map(|name| format!("topic `{name}` of monitor `{}` does not exist", running.monitor.name)),
            );
        }
    }
    shared.topics_missing(missing);
    let known = store.topics().await?;
    let read: Vec<String> = known.into_iter().filter(|topic| is_read(&monitors, topic)).collect();
    let deleted: Vec<String> = read.iter().filter(|topic| !there.contains(topic.as_str())).cloned().collect();
    Ok(store.note_deleted(&read, &deleted).await?)
}
