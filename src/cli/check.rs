//! `driftd check`

use std::path::Path;
use std::time::Duration;

use super::survey::{CheckResult, Survey};
use super::{CliError, Context, runtime, say, say_lines, say_with_hints, tell, warn};
use crate::app::{AppError, TopicMatcher, build_receiver, check_listener, source_options, store_options};
use crate::config::{ConfigError, Monitor, Settings, Topics};
use crate::kafka::{Producer, Source};
use crate::record::{listed, nearest, number_of};
use crate::store::Store;
use crate::window::Partition;

/// What to check.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Also test all connections (Kafka and its topics, PostgreSQL, mail servers, webhooks) and decode some messages of each
    /// monitor: paths never found, records filtered by `where`, rejections, implausible times.
    #[arg(long)]
    online: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), CliError> {
    context.only_here("`check`", "it checks the configuration files")?;
    let settings = context.settings().inspect_err(|_| {
        if arguments.online {
            warn("connections were not tested: the configuration has errors");
        }
    })?;
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        can_start(&settings)?;
        let mut checks = Vec::new();
        if arguments.online {
            checks.push(database(&settings).await);
            checks.extend(kafka(&settings).await);
            checks.extend(receivers(&settings).await);
        }
        report(&context.config, &settings, &checks)?;
        match checks.iter().filter(|check| !check.ok).count() {
            0 => Ok(()),
            number => Err(CliError::Findings(format!("{} failed", number_of(number, "check")))),
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    outcome
}

/// Checks what a daemon with these settings builds at its start, without asking anybody. Within a runtime.
pub(super) fn can_start(settings: &Settings) -> Result<(), CliError> {
    // What only the daemon can read is its own matter; what nobody can read is a mistake.
    let (unread, broken): (Vec<_>, Vec<_>) = settings.unread.iter().cloned().partition(|unread| unread.elsewhere);
    if !broken.is_empty() {
        let mistakes = broken.into_iter().map(|unread| unread.mistake).collect();
        return Err(ConfigError { mistakes, warnings: settings.warnings.clone(), unread }.into());
    }
    let with_secrets =
        settings.receivers.keys().filter(|name| has_secrets(settings, &format!("receivers.{name}")));
    let errors: Vec<_> = with_secrets.filter_map(|name| build_receiver(settings, name, None).err()).collect();
    if !errors.is_empty() {
        return Err(AppError::Receivers(errors).into());
    }
    if has_secrets(settings, "kafka") {
        Producer::new(&source_options(settings)?).map_err(AppError::from)?;
    }
    Ok(check_listener(settings)?)
}

/// Whether all secrets below a key were read.
fn has_secrets(settings: &Settings, key: &str) -> bool {
    settings.need(key, "").is_ok()
}

/// Every receiver, tried.
pub(super) async fn receivers(settings: &Settings) -> Vec<CheckResult> {
    let mut checks = Vec::new();
    for name in settings.receivers.keys() {
        let what = format!("receiver `{name}`");
        checks.push(match build_receiver(settings, name, None) {
            Ok(running) => CheckResult::of(what, running.receiver.probe().await.map(|()| String::new())),
            Err(error) => CheckResult::bad(what, error.source.to_string()),
        });
    }
    checks
}

fn report(path: &Path, settings: &Settings, checks: &[CheckResult]) -> Result<(), CliError> {
    let (monitors, receivers) = (settings.monitors.len(), settings.receivers.len());
    let unread: Vec<String> = settings
        .unread
        .iter()
        .map(|unread| format!("`{}`: {}", unread.mistake.key, unread.mistake.message))
        .collect();
    let all = serde_json::json!({
        "file": path, "monitors": monitors, "receivers": receivers, "warnings": settings.warnings, "secrets_not_read": unread,
        "connections": checks,
    });
    tell(&all, || {
        for warning in &settings.warnings {
            say_lines(format!("warning: {warning}"));
        }
        for secret in &unread {
            say(format!("not read here: {secret}"));
        }
        if !unread.is_empty() {
            say(
                "hint: the daemon may be able to read it. To check it like the daemon, set CREDENTIALS_DIRECTORY to the folder of the unit's \
                 credentials: sudo -u driftd env CREDENTIALS_DIRECTORY=... driftd check",
            );
        }
        say(format!(
            "{}: {}, {}: valid",
            path.display(),
            number_of(monitors, "monitor"),
            number_of(receivers, "receiver")
        ));
        for CheckResult { what, ok, detail } in checks {
            if *ok {
                let colon = if detail.is_empty() { "" } else { ": " };
                say_with_hints(&format!("ok      {what}{colon}{detail}"));
            } else {
                say_lines(format!("failed  {what}: {detail}"));
            }
        }
    })
}

/// The database, tried.
pub(super) async fn database(settings: &Settings) -> CheckResult {
    CheckResult::of("postgres", schema(settings).await)
}

/// The schema of the database, in words.
async fn schema(settings: &Settings) -> Result<String, CliError> {
    let store = Store::connect_lazily(&store_options(settings)?)?;
    store.ping().await?;
    let (known, found) = store.check_schema().await?;
    Ok(match found {
        0 => "no schema yet: the daemon creates it at start".to_owned(),
        found if found < known => {
            format!("schema version {found}: the daemon migrates it to {known} at start")
        }
        found => format!("schema version {found}"),
    })
}

/// Topics that are named at most when one does not exist.
const NAMED: usize = 10;

/// That a topic does not exist, with the one that may be meant, or those that there are.
fn no_such_topic(topic: &str, partitions: &[Partition]) -> String {
    let mut there: Vec<&str> = partitions.iter().map(|partition| partition.topic.as_ref()).collect();
    there.sort_unstable();
    there.dedup();
    there.retain(|name| !name.starts_with("__"));
    let hint = match nearest(topic, there.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if there.is_empty() => "this user can describe no topics".to_owned(),
        None => format!("topics: {}", listed(&there, NAMED)),
    };
    format!("does not exist, or this user may not describe it\nhint: {hint}")
}

/// The brokers, asked for the topics and some messages of each monitor.
pub(super) async fn kafka(settings: &Settings) -> Vec<CheckResult> {
    let source = match source_options(settings).and_then(|options| Ok(Source::start(&options)?)) {
        Ok(source) => source,
        Err(error) => return vec![CheckResult::bad("kafka", error.to_string())],
    };
    let commands = source.commands();
    let partitions = match commands.partitions(|_| true).await {
        Ok(partitions) => partitions,
        Err(error) => return vec![CheckResult::bad("kafka", error.to_string())],
    };
    let mut report = vec![CheckResult::good("kafka", "")];
    for monitor in &settings.monitors {
        if let Topics::Named(topics) = &monitor.topics {
            for topic in topics {
                let number = partitions.iter().filter(|partition| partition.topic.as_ref() == topic).count();
                let what = format!("topic `{topic}` of monitor `{}`", monitor.name);
                report.push(match number {
                    0 => CheckResult::bad(what, no_such_topic(topic, &partitions)),
                    number => CheckResult::good(what, number_of(number, "partition")),
                });
            }
        }
    }
    let _left_in_time = source.close(Duration::from_secs(5)).await;
    for monitor in &settings.monitors {
        let topics = TopicMatcher::new(&monitor.topics);
        // Without any of its topics there is no message; that they are missing was said.
        if partitions.iter().any(|partition| topics.matches(&partition.topic)) {
            report.extend(messages(settings, monitor).await);
        } else if let Topics::Pattern(pattern) = &monitor.topics {
            let none = format!("no topic that this user may describe matches `{pattern}`");
            report.push(CheckResult::bad(format!("topics of monitor `{}`", monitor.name), none));
        }
    }
    report
}

/// What a monitor makes of some of the newest messages of its topics.
async fn messages(settings: &Settings, monitor: &Monitor) -> Vec<CheckResult> {
    let options = match source_options(settings) {
        Ok(options) => options,
        Err(error) => return vec![CheckResult::bad("kafka", error.to_string())],
    };
    let (own, bytes) = (monitor.clone(), settings.daemon.limits.max_message_bytes);
    let read = tokio::task::spawn_blocking(move || {
        let mut survey = Survey::new(&own, bytes);
        let topics = TopicMatcher::new(&own.topics);
        survey.read(&options, |topic| topics.matches(topic)).map(|()| survey.found())
    });
    let what = format!("messages of monitor `{}`", monitor.name);
    match read.await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => vec![CheckResult::bad(what, error.to_string())],
        Err(error) => vec![CheckResult::bad(what, error.to_string())],
    }
}
