//! `driftd positions`: where reading stands, and how to set it right by hand.

use std::time::Duration;

use super::{CliError, Context, actor, say, say_lines, tell, with_store};
use crate::app::{clock_now, source_options};
use crate::config::Settings;
use crate::escape::plain;
use crate::kafka::{KafkaError, Source};
use crate::record::{EventTime, Offset, quantity};
use crate::store::{Store, StoredPosition};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show the stored positions of a topic, and the offsets in its log.
    Show {
        /// Topic, or one partition: TOPIC/NUMBER.
        topic: String,
    },
    /// Move positions, or set newest event times back. Prints the changes; --yes applies them.
    Reset(Reset),
    /// Forget the positions of a deleted topic, so that windows stop waiting for it.
    Forget {
        /// Topic.
        topic: String,
        /// Apply the changes.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Reset {
    /// Topic, or one partition: TOPIC/NUMBER.
    topic: String,
    /// New position: `earliest`, `latest`, or an offset.
    #[arg(long, value_name = "OFFSET", required_unless_present = "newest", conflicts_with = "newest")]
    to: Option<To>,
    /// Set the newest event time back to this (RFC 3339 or `now`), after records with a wrong clock.
    #[arg(long, value_name = "TIME")]
    newest: Option<String>,
    /// Apply the changes.
    #[arg(long)]
    yes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Earliest,
    Latest,
    Offset(Offset),
}

impl std::str::FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            number => number
                .parse()
                .ok()
                .filter(|offset| *offset >= 0)
                .map(|offset| Self::Offset(Offset::new(offset)))
                .ok_or_else(|| "write `earliest`, `latest`, or an offset".to_owned()),
        }
    }
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), CliError> {
    with_store(context, async |store, settings| match command {
        Command::Show { topic } => show(store, settings, &topic).await,
        Command::Reset(Reset { topic, to: Some(to), yes, .. }) => reset(store, settings, &topic, to, yes).await,
        Command::Reset(Reset { topic, newest, yes, .. }) => {
            set_newest(store, &topic, newest.as_deref().unwrap_or("now"), yes).await
        }
        Command::Forget { topic, yes } => {
            if store.positions(&topic, None).await?.is_empty() {
                return Err(unknown(store, &topic).await?);
            }
            if !yes {
                say_lines(format!(
                    "deletes the stored positions of topic `{}`: windows no longer wait for it; counted records are kept\nhint: \
                     add --yes to apply",
                    plain(&topic)
                ));
                return Ok(());
            }
            store.forget_topic(&topic, &actor()).await?;
            tell(&serde_json::json!({ "forgotten": topic }), || {
                say(format!("topic `{}` is forgotten", plain(&topic)));
            })
        }
    })
}

/// The stored positions of what somebody names.
async fn stored(store: &Store, named: &str) -> Result<Vec<StoredPosition>, CliError> {
    let one = named.rsplit_once('/').and_then(|(topic, number)| Some((topic, number.parse().ok()?)));
    let found = match one {
        Some((topic, number)) => store.positions(topic, Some(number)).await?,
        None => store.positions(named, None).await?,
    };
    if found.is_empty() { Err(unknown(store, named).await?) } else { Ok(found) }
}

/// That no position of what somebody names is stored, with the topics of which there are some.
async fn unknown(store: &Store, named: &str) -> Result<CliError, CliError> {
    let topics = store.topics().await?;
    let known: Vec<String> = topics.iter().map(|topic| plain(topic)).collect();
    let known = if known.is_empty() { "none was ever read".to_owned() } else { known.join(", ") };
    Ok(CliError::Failed(format!(
        "no position of `{}` is stored\nhint: name a topic or one partition, TOPIC/NUMBER; topics: {known}",
        plain(named)
    )))
}

/// Where the logs begin and end, in the order of the positions; why, where that cannot be known.
async fn log_ends(
    settings: &Settings,
    positions: &[StoredPosition],
) -> Result<Vec<Result<(Offset, Offset), KafkaError>>, CliError> {
    let source = Source::start(&source_options(settings)?).map_err(crate::app::AppError::from)?;
    let commands = source.commands();
    let mut ends = Vec::new();
    for position in positions {
        ends.push(commands.ends(&position.partition).await);
    }
    let _left_in_time = source.close(Duration::from_secs(5)).await;
    Ok(ends)
}

async fn show(store: &Store, settings: &Settings, named: &str) -> Result<(), CliError> {
    let positions = stored(store, named).await?;
    let rows: Vec<_> = positions.iter().zip(log_ends(settings, &positions).await?).collect();
    let as_row = |(position, ends): &(&StoredPosition, Result<(Offset, Offset), KafkaError>)| {
        let newest: serde_json::Map<String, serde_json::Value> =
            position.newest.iter().map(|(monitor, time)| (monitor.clone(), time.to_string().into())).collect();
        serde_json::json!({
            "topic": position.partition.topic.as_ref(), "partition": position.partition.partition,
            "next_offset": position.next_offset, "log_begin": ends.as_ref().ok().map(|ends| ends.0),
            "log_end": ends.as_ref().ok().map(|ends| ends.1), "fault": position.fault, "newest": newest,
        })
    };
    tell(&rows.iter().map(as_row).collect::<Vec<_>>(), || {
        for (position, ends) in &rows {
            let log = match ends {
                Ok((low, high)) => format!("log: offsets {low} to {high}"),
                Err(_) => "log: unknown".to_owned(),
            };
            let next = position.next_offset.map_or("never read".to_owned(), |next| format!("at {next}"));
            say(format!("{} {next}; {log}", plain(&position.partition.to_string())));
            if let Some(fault) = &position.fault {
                say(format!("  not read: {}", plain(fault)));
            }
            for (monitor, newest) in &position.newest {
                say(format!("  newest event time of monitor {}: {newest}", plain(monitor)));
            }
        }
    })?;
    match rows.into_iter().find_map(|(_, ends)| ends.err()) {
        Some(error) => Err(CliError::Unavailable(error.to_string())),
        None => Ok(()),
    }
}

async fn reset(store: &Store, settings: &Settings, named: &str, to: To, yes: bool) -> Result<(), CliError> {
    let positions = stored(store, named).await?;
    let ends = log_ends(settings, &positions).await?;
    let mut plan: Vec<(StoredPosition, Offset)> = Vec::new();
    for (position, ends) in positions.into_iter().zip(ends) {
        let (low, high) = ends.map_err(|error| CliError::Unavailable(error.to_string()))?;
        let target = match to {
            To::Earliest => low,
            To::Latest => high,
            To::Offset(offset) if (low..=high).contains(&offset) => offset,
            To::Offset(offset) => {
                return Err(CliError::Failed(format!(
                    "{offset} is not in the log of {}, which has {low} to {high}",
                    plain(&position.partition.to_string())
                )));
            }
        };
        plan.push((position, target));
    }
    let rows: Vec<_> = plan
        .iter()
        .map(|(position, to)| {
            serde_json::json!({
                "topic": position.partition.topic.as_ref(), "partition": position.partition.partition,
                "from": position.next_offset, "to": to, "done": yes,
            })
        })
        .collect();
    if yes {
        for (position, to) in &plan {
            store.reset_position(&position.partition, position.next_offset, *to, &actor()).await?;
        }
    }
    tell(&rows, || {
        for (position, to) in &plan {
            say(format!("{} {}", plain(&position.partition.to_string()), what_moves(position, *to)));
        }
        say_lines(if yes {
            "applied; running daemons read from there within seconds"
        } else {
            "no changes made\nhint: add --yes to apply"
        });
    })
}

/// What moving a position does, in words.
fn what_moves(position: &StoredPosition, to: Offset) -> String {
    let Some(from) = position.next_offset else { return format!("never read; starts at {to}") };
    let moved = from.distance_from(to).max(to.distance_from(from));
    let meaning = if position.fault.is_some() {
        "log was replaced: unread messages of the old log are not counted".to_owned()
    } else if to > from {
        quantity(
            moved,
            "message skipped: never counted, shown as lost",
            "messages skipped: never counted, shown as lost",
        )
    } else if to < from {
        format!(
            "{} read again: open windows count them twice; closed windows count them as late",
            quantity(moved, "message is", "messages are")
        )
    } else {
        "unchanged".to_owned()
    };
    format!("from {from} to {to}: {meaning}")
}

async fn set_newest(store: &Store, named: &str, time: &str, yes: bool) -> Result<(), CliError> {
    let time = match time {
        "now" => clock_now().ok_or_else(|| CliError::Failed("the clock of this machine is not set".to_owned()))?,
        text => text.parse::<EventTime>().map_err(|error| CliError::Usage(format!("--newest: {error}")))?,
    };
    let positions = stored(store, named).await?;
    let ahead = |position: &&StoredPosition| position.newest.iter().any(|(_, newest)| *newest > time);
    let moved: Vec<&StoredPosition> = positions.iter().filter(ahead).collect();
    if yes {
        for position in &moved {
            store.reset_newest(&position.partition, time, &actor()).await?;
        }
    }
    let rows: Vec<_> = moved
        .iter()
        .map(|position| {
            serde_json::json!({
                "topic": position.partition.topic.as_ref(), "partition": position.partition.partition,
                "newest": time.to_string(), "done": yes,
            })
        })
        .collect();
    tell(&rows, || {
        for position in &moved {
            for (monitor, newest) in position.newest.iter().filter(|(_, newest)| *newest > time) {
                say(format!(
                    "{}: newest event time of monitor {} set back from {newest} to {time}",
                    plain(&position.partition.to_string()),
                    plain(monitor)
                ));
            }
        }
        say_lines(match (moved.is_empty(), yes) {
            (true, _) => "no newest event time is later; no changes made",
            (false, true) => "applied; running daemons restart these partitions within seconds",
            (false, false) => "no changes made\nhint: add --yes to apply",
        });
    })
}
