//! `driftd check`

use std::path::Path;
use std::time::Duration;

use super::{CliError, runtime, say, settings};
use crate::app::{AppError, build_receivers, source_options, store_options};
use crate::config::{Settings, Topics};
use crate::kafka::{Producer, Source};
use crate::store::Store;

/// What to check.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Try every connection, too: Kafka and its topics, Postgres, mail servers, webhooks.
    #[arg(long)]
    online: bool,
}

pub(super) fn run(path: &Path, arguments: &Arguments) -> Result<(), CliError> {
    let settings = settings(path)?;
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let receivers = build_receivers(&settings.receivers, None).map_err(AppError::Receivers)?;
        let options = source_options(&settings.daemon)?;
        Producer::new(&options).map_err(AppError::from)?;
        for warning in &settings.warnings {
            say(format!("warning: {warning}"));
        }
        say(format!(
            "{}: {} monitors, {} receivers: ok",
            path.display(),
            settings.monitors.len(),
            settings.receivers.len()
        ));
        if !arguments.online {
            return Ok(());
        }
        let mut failures = 0;
        let mut report = |what: String, outcome: Result<String, String>| match outcome {
            Ok(detail) => say(format!("ok      {what}{}{detail}", if detail.is_empty() { "" } else { ": " })),
            Err(error) => {
                failures += 1;
                say(format!("failed  {what}: {error}"));
            }
        };
        report("postgres".to_owned(), database(&settings).await);
        for (what, outcome) in kafka(&settings).await {
            report(what, outcome);
        }
        for (name, receiver) in &receivers {
            report(format!("receiver `{name}`"), receiver.receiver.probe().await.map(|()| String::new()));
        }
        match failures {
            0 => Ok(()),
            number => Err(CliError::Findings(format!("{number} connections failed"))),
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    outcome
}

async fn database(settings: &Settings) -> Result<String, String> {
    let store = Store::connect_lazily(&store_options(&settings.daemon)).map_err(|error| error.to_string())?;
    store.ping().await.map_err(|error| error.to_string())?;
    Ok(String::new())
}

async fn kafka(settings: &Settings) -> Vec<(String, Result<String, String>)> {
    let source = match source_options(&settings.daemon)
        .map_err(|error| error.to_string())
        .and_then(|options| Source::start(&options).map_err(|error| error.to_string()))
    {
        Ok(source) => source,
        Err(error) => return vec![("kafka".to_owned(), Err(error))],
    };
    let commands = source.commands();
    let found = tokio::task::spawn_blocking(move || commands.partitions(|_| true)).await;
    let partitions = match found {
        Ok(Ok(partitions)) => partitions,
        Ok(Err(error)) => return vec![("kafka".to_owned(), Err(error.to_string()))],
        Err(error) => return vec![("kafka".to_owned(), Err(error.to_string()))],
    };
    let mut report = vec![("kafka".to_owned(), Ok(String::new()))];
    for monitor in &settings.monitors {
        if let Topics::Named(topics) = &monitor.topics {
            for topic in topics {
                let number = partitions.iter().filter(|partition| partition.topic.as_ref() == topic).count();
                let outcome = match number {
                    0 => Err("it does not exist, or this user may not describe it".to_owned()),
                    number => Ok(format!("{number} partitions")),
                };
                report.push((format!("topic `{topic}` of monitor `{}`", monitor.name), outcome));
            }
        }
    }
    let _left_in_time = source.close(Duration::from_secs(5)).await;
    report
}
