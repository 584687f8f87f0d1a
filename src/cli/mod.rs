//! The command line: one file a subcommand.

mod alerts;
mod baseline;
mod check;
mod compare;
mod config;
mod demo;
mod doctor;
mod drill;
mod explain;
mod files;
mod measures;
mod migrate;
mod notify;
mod records;
mod replay;
mod retraining;
mod run;
mod shell;
mod silences;
mod status;
mod tail;
mod top;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Parser, Subcommand};

use crate::app::{AppError, store_options};
use crate::config::{ConfigError, DEFAULT_PATH, Monitor, Settings, load};
use crate::store::{Store, StoreError};

/// Watches models in production for drift: Kafka prediction logs in, calibrated alerts out.
#[derive(Debug, Parser)]
#[command(name = "driftd", version, about, max_term_width = 100)]
struct Arguments {
    /// The configuration file; monitors are read from `monitors.d` beside it.
    #[arg(long, short, global = true, value_name = "FILE", default_value = DEFAULT_PATH, env = "DRIFTD_CONFIG")]
    config: PathBuf,
    /// As JSON, for programs; of `compare` and `replay` the same as `--format json`.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon.
    Run,
    /// Check the configuration; every mistake is reported at once.
    Check(check::Arguments),
    /// Bring the database's schema up to date.
    Migrate,
    /// Show monitors, partitions, alerts and deliveries.
    Status,
    /// Watch it live: throughput, lag, monitors, alerts.
    Top(top::Arguments),
    /// Show what driftd understands of live messages, field by field, and why one is rejected. Nothing is moved or counted.
    Tail(tail::Arguments),
    /// Explain an alert, or a finding: what moved, how much, and why.
    Explain(explain::Arguments),
    /// Show records of a window's sample: all, or those behind a finding.
    Records(records::Arguments),
    /// Try everything, and write what somebody who helps needs to know into a file, without secrets.
    Doctor(doctor::Arguments),
    /// Show the configuration in force.
    #[command(subcommand)]
    Config(config::Command),
    /// List, show, acknowledge, resolve and silence alerts; send again what was given up.
    #[command(subcommand)]
    Alerts(alerts::Command),
    /// List and end silences.
    #[command(subcommand)]
    Silences(silences::Command),
    /// List, show, approve and cancel retraining requests.
    #[command(subcommand)]
    Retraining(retraining::Command),
    /// Try out a receiver.
    #[command(subcommand)]
    Notify(notify::Command),
    /// Send a marked, made-up drift to everybody a monitor's alerts go to, and see what arrives where, in how long.
    Drill(drill::Arguments),
    /// Build, list, show and activate baselines.
    Baseline(baseline::Arguments),
    /// Compare two files, without any service: which columns moved, how much, and why. Exits with 3 on drift.
    Compare(compare::Arguments),
    /// Run monitors over log files, without any service: which windows would have drifted, which alerts fired. Exits with
    /// 3 when any would have.
    Replay(replay::Arguments),
    /// List the measures with their default limits.
    Measures,
    /// Write a script that completes arguments in a shell.
    Completions(shell::Completions),
    /// Write man pages.
    Man(shell::Man),
    /// See it work: real data, drift, mails, webhooks, on services of its own.
    Demo(demo::Arguments),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The daemon.
    #[error(transparent)]
    App(#[from] AppError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The training data.
    #[error("{path}: {source}")]
    Baseline {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: crate::baseline::BaselineError,
    },
    /// Findings of `check --online`.
    #[error("{0}")]
    Findings(String),
    /// Something needed is missing or away.
    #[error("{0}")]
    Unavailable(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    /// 1 failure, 3 findings, 69 unavailable, 78 configuration; 2 is clap's, for usage.
    fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::App(AppError::Config(_) | AppError::Receivers(_)) => 78,
            Self::App(AppError::Unavailable(_) | AppError::Store(_) | AppError::Kafka(_))
            | Self::Store(StoreError::Database { .. })
            | Self::Unavailable(_) => 69,
            Self::Findings(_) => 3,
            _ => 1,
        }
    }
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    JSON.store(arguments.json, Ordering::Relaxed);
    let outcome = match arguments.command {
        Command::Run => run::run(&arguments.config),
        Command::Check(check) => check::run(&arguments.config, &check),
        Command::Migrate => migrate::run(&arguments.config),
        Command::Status => status::run(&arguments.config),
        Command::Top(top) => top::run(&arguments.config, &top),
        Command::Tail(tail) => tail::run(&arguments.config, &tail),
        Command::Explain(explain) => explain::run(&arguments.config, &explain),
        Command::Records(records) => records::run(&arguments.config, &records),
        Command::Doctor(doctor) => doctor::run(&arguments.config, &doctor),
        Command::Config(command) => config::run(&arguments.config, &command),
        Command::Completions(completions) => {
            shell::completions(&completions);
            Ok(())
        }
        Command::Man(man) => shell::man(&man),
        Command::Baseline(baseline) => baseline::run(&arguments.config, baseline),
        Command::Alerts(command) => alerts::run(&arguments.config, command),
        Command::Silences(command) => silences::run(&arguments.config, command),
        Command::Retraining(command) => retraining::run(&arguments.config, command),
        Command::Notify(command) => notify::run(&arguments.config, &command),
        Command::Drill(drill) => drill::run(&arguments.config, &drill),
        Command::Demo(demo) => demo::run(&demo),
        Command::Compare(files) => return finish(compare::run(&files)),
        Command::Replay(logs) => return finish(replay::run(&logs)),
        Command::Measures => measures::run(),
    };
    finish(outcome.map(|()| 0))
}

/// The exit code of a command, after saying why it failed.
fn finish(outcome: Result<u8, CliError>) -> ExitCode {
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            match &error {
                // Says "error:" before each mistake itself.
                CliError::Config(error) => say_error(&error.to_string()),
                other => say_error(&format!("error: {other}")),
            }
            ExitCode::from(error.exit_code())
        }
    }
}

#[expect(clippy::print_stderr, reason = "the command line's own output")]
fn say_error(text: &str) {
    eprintln!("{text}");
}

/// Writes a line to standard output; a reader that went away is no error.
pub(crate) fn say(text: impl AsRef<str>) {
    use std::io::Write as _;
    let mut output = std::io::stdout().lock();
    let _reader_gone = writeln!(output, "{}", text.as_ref());
    let _reader_gone = output.flush();
}

fn settings(path: &std::path::Path) -> Result<Settings, CliError> {
    Ok(load(path)?)
}

fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::Failed(format!("cannot start the runtime: {error}")))
}

/// The database of a configuration, inside the runtime.
fn with_store<T>(
    path: &std::path::Path,
    work: impl AsyncFnOnce(&Store, &Settings) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let settings = settings(path)?;
    runtime()?.block_on(async {
        let store = Store::connect_lazily(&store_options(&settings.daemon))?;
        work(&store, &settings).await
    })
}

/// Whether programs read the output; said once on the command line, for all subcommands.
static JSON: AtomicBool = AtomicBool::new(false);

fn as_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Prints something: as JSON for programs, otherwise in words.
fn tell(value: &impl serde::Serialize, words: impl FnOnce()) -> Result<(), CliError> {
    if as_json() {
        return say_json(value);
    }
    words();
    Ok(())
}

/// The monitor of this name; the only one when none is named.
fn monitor_of<'a>(settings: &'a Settings, name: Option<&str>) -> Result<&'a Monitor, CliError> {
    match (name, settings.monitors.as_slice()) {
        (Some(name), monitors) => monitors
            .iter()
            .find(|monitor| monitor.name == name)
            .ok_or_else(|| CliError::Failed(format!("`{name}` is not a monitor of {}", settings.path.display()))),
        (None, [monitor]) => Ok(monitor),
        (None, monitors) => {
            let names: Vec<&str> = monitors.iter().map(|monitor| monitor.name.as_str()).collect();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Err(CliError::Failed(format!("which monitor?\nhint: --monitor NAME; there are {known}")))
        }
    }
}

/// Prints something as JSON.
fn say_json(value: &impl serde::Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| CliError::Failed(error.to_string()))?;
    say(text);
    Ok(())
}

/// Who uses the command line, for the audit log.
fn actor() -> String {
    format!("cli:{}", std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn arguments_are_consistent() {
        super::Arguments::command().debug_assert();
    }
}
