//! `driftd check`

use std::path::Path;
use std::time::Duration;

use super::{CliError, runtime, say, settings, tell};
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
        let mut checks: Vec<(String, Result<String, String>)> = Vec::new();
        if arguments.online {
            checks.push(("postgres".to_owned(), database(&settings).await));
            checks.extend(kafka(&settings).await);
            for (name, receiver) in &receivers {
                let probed = receiver.receiver.probe().await.map(|()| String::new());
                checks.push((format!("receiver `{name}`"), probed));
            }
        }
        report(path, &settings, &checks)?;
        match checks.iter().filter(|(_, outcome)| outcome.is_err()).count() {
            0 => Ok(()),
            number => Err(CliError::Findings(format!("{number} connections failed"))),
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    outcome
}

fn report(path: &Path, settings: &Settings, checks: &[(String, Result<String, String>)]) -> Result<(), CliError> {
    let connections: Vec<serde_json::Value> = checks
        .iter()
        .map(|(what, outcome)| {
            let (Ok(detail) | Err(detail)) = outcome;
            serde_json::json!({ "what": what, "ok": outcome.is_ok(), "detail": detail })
        })
        .collect();
    let (monitors, receivers) = (settings.monitors.len(), settings.receivers.len());
    let all = serde_json::json!({
        "file": path, "monitors": monitors, "receivers": receivers, "warnings": settings.warnings, "connections": connections,
    });
    tell(&all, || {
        for warning in &settings.warnings {
            say(format!("warning: {warning}"));
        }
        say(format!("{}: {monitors} monitors, {receivers} receivers: ok", path.display()));
        for (what, outcome) in checks {
            match outcome {
                Ok(detail) => say(format!("ok      {what}{}{detail}", if detail.is_empty() { "" } else { ": " })),
                Err(error) => say(format!("failed  {what}: {error}")),
            }
        }
    })
}

pub(super) async fn database(settings: &Settings) -> Result<String, String> {
    let store = Store::connect_lazily(&store_options(&settings.daemon)).map_err(|error| error.to_string())?;
    store.ping().await.map_err(|error| error.to_string())?;
    Ok(String::new())
}

pub(super) async fn kafka(settings: &Settings) -> Vec<(String, Result<String, String>)> {
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
