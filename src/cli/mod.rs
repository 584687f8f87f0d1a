//! The command line: one file a subcommand.

mod alerts;
mod backfill;
mod baseline;
mod calibrate;
mod challenger;
mod check;
mod compare;
mod config;
mod context;
mod demo;
mod detections;
mod doctor;
mod drill;
mod error;
mod exit;
mod explain;
mod export;
mod files;
mod limits;
mod measures;
mod migrate;
mod monitor;
mod notify;
mod output;
mod positions;
mod reach;
mod records;
mod rejudge;
mod reload;
mod replay;
mod retraining;
mod run;
mod shell;
mod silences;
mod status;
mod survey;
mod tail;
mod top;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::app::store_options;
use crate::config::{DEFAULT_PATH, Settings};
use crate::store::Store;
pub(crate) use context::Context;
pub(crate) use error::CliError;
use output::{as_json, say_as_is, say_error, say_json, say_json_line, tell, write_json};
pub(crate) use output::{say, say_lines, say_with_hints, warn};
use reach::with_reach;

/// Monitors models in production for drift: reads prediction logs from Kafka, sends calibrated alerts.
#[derive(Debug, Parser)]
#[command(name = "driftd", version, about, max_term_width = 100)]
struct Arguments {
    /// Configuration file; monitors are read from `monitors.d` in the same folder.
    #[arg(long, short, global = true, value_name = "FILE", default_value = DEFAULT_PATH, env = "DRIFTD_CONFIG")]
    config: PathBuf,
    /// Set a configuration key for this run, such as kafka.group=trial. May be repeated. Overrides the environment
    /// (DRIFTD_KAFKA__GROUP), which overrides the file.
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_and_value, conflicts_with = "server")]
    set: Vec<(String, String)>,
    /// JSON output; for `compare`, `replay`, `rejudge` and `calibrate` the same as `--format json`.
    #[arg(long, global = true)]
    json: bool,
    /// Use the API of the daemon at this address instead of the database; needs no configuration and no secrets.
    /// For status, top, alerts, silences, limits, retraining, explain, challenger, detections, baseline list, show and activate, config show
    /// [env: DRIFTD_SERVER].
    #[arg(long, global = true, value_name = "URL", help_heading = "Over the API")]
    server: Option<String>,
    /// File with the token for --server, readable by its owner only [env: DRIFTD_TOKEN_FILE; the token itself:
    /// DRIFTD_TOKEN].
    #[arg(long, global = true, value_name = "FILE", help_heading = "Over the API")]
    token_file: Option<PathBuf>,
    /// Send the token to --server over plain HTTP, unencrypted, for trusted networks [env: DRIFTD_ALLOW_PLAIN_HTTP=1].
    #[arg(long, global = true, help_heading = "Over the API")]
    allow_plain_http: bool,
    /// CA certificate for --server, in addition to those of the system [env: DRIFTD_CA_FILE].
    #[arg(long, global = true, value_name = "FILE", help_heading = "Over the API")]
    ca_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon.
    Run,
    /// Check the configuration; reports all errors in one run.
    Check(check::Arguments),
    /// Check the configuration and reload it in a running daemon: monitors, thresholds, receivers. Other keys need a restart.
    Reload(reload::Arguments),
    /// Migrate the database schema.
    Migrate,
    /// Show monitors, partitions, alerts and deliveries.
    Status,
    /// Live view of throughput, lag, monitors and alerts.
    Top(top::Arguments),
    /// Decode live messages field by field, with the reasons for rejections. Moves no position and counts nothing.
    Tail(tail::Arguments),
    /// Explain an alert or a finding: what changed, how much, and why.
    Explain(explain::Arguments),
    /// Show the sample of a window: all records, or those of a finding.
    Records(records::Arguments),
    /// Test all connections and write a support bundle without secrets.
    Doctor(doctor::Arguments),
    /// Show the effective configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// List, show, acknowledge, resolve and silence alerts; resend failed messages.
    #[command(subcommand)]
    Alerts(alerts::Command),
    /// List and end silences.
    #[command(subcommand)]
    Silences(silences::Command),
    /// Show the account of false alarms of a monitor; accept, dismiss and withdraw wider limits.
    #[command(subcommand)]
    Limits(limits::Command),
    /// List, show, approve and cancel retraining requests.
    #[command(subcommand)]
    Retraining(retraining::Command),
    /// Show and move stored positions, set newest event times back, forget deleted topics.
    #[command(subcommand)]
    Positions(positions::Command),
    /// Test a receiver.
    #[command(subcommand)]
    Notify(notify::Command),
    /// Send a test alert to the receivers of a monitor and report delivery and latency.
    Drill(drill::Arguments),
    /// Build, list, show and activate baselines.
    Baseline(baseline::Arguments),
    /// Show champion and challenger side by side: the state, the columns, the last pairs of windows.
    Challenger(challenger::Arguments),
    /// Show the sequential detectors of a monitor and the drifts that they found.
    Detections(detections::Arguments),
    /// Compare two files, without any service: which columns drifted, how much, and why.
    Compare(compare::Arguments),
    /// Run monitors over log files, without any service: which windows and alerts they would have produced.
    Replay(replay::Arguments),
    /// Rehearse a monitor on windows that are normal: how often it would alarm for nothing, what it would find, which settings fit better.
    Calibrate(calibrate::Arguments),
    /// Read the past of a monitor into stored windows, beside live reading: from its topics or from files. Changes no alert and sends
    /// nothing. Run again, it continues where it stopped.
    Backfill(backfill::Arguments),
    /// Judge stored windows again under the present configuration, without storing anything: what would have fired.
    Rejudge(rejudge::Arguments),
    /// Write stored windows, findings and alerts as Parquet files, for analysis elsewhere.
    Export(export::Arguments),
    /// List the measures with their default limits.
    Measures,
    /// Print a shell completion script.
    Completions(shell::Completions),
    /// Write man pages.
    Man(shell::Man),
    /// Demo with real data, drift, mails and webhooks; starts its own services.
    Demo(demo::Arguments),
}

/// Text without `=` where a key with its value is expected.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("write KEY=VALUE, for example kafka.group=trial")]
struct NoKeyAndValue;

fn key_and_value(text: &str) -> Result<(String, String), NoKeyAndValue> {
    let (key, value) = text.split_once('=').ok_or(NoKeyAndValue)?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// The command line with the exit codes of every command in its help.
fn command() -> clap::Command {
    exit::explained(Arguments::command())
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    silence_isolated_panics();
    no_core_files();
    let matches = command().get_matches();
    let arguments = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    write_json(arguments.json);
    let config_named =
        matches.value_source("config") == Some(ValueSource::CommandLine) || !arguments.set.is_empty();
    let context = Context::of(&arguments, config_named);
    let outcome = match arguments.command {
        Command::Run => run::run(&context),
        Command::Check(check) => check::run(&context, &check),
        Command::Reload(reload) => reload::run(&context, &reload),
        Command::Migrate => migrate::run(&context),
        Command::Status => status::run(&context),
        Command::Top(top) => top::run(&context, &top),
        Command::Tail(tail) => tail::run(&context, &tail),
        Command::Explain(explain) => explain::run(&context, &explain),
        Command::Records(records) => records::run(&context, &records),
        Command::Doctor(doctor) => doctor::run(&context, &doctor),
        Command::Config(command) => config::run(&context, &command),
        Command::Completions(completions) => {
            shell::completions(&completions);
            Ok(())
        }
        Command::Man(man) => shell::man(&man),
        Command::Baseline(baseline) => baseline::run(&context, baseline),
        Command::Challenger(challenger) => challenger::run(&context, &challenger),
        Command::Detections(detections) => detections::run(&context, &detections),
        Command::Alerts(command) => alerts::run(&context, command),
        Command::Silences(command) => silences::run(&context, command),
        Command::Limits(command) => limits::run(&context, command),
        Command::Retraining(command) => retraining::run(&context, command),
        Command::Positions(command) => positions::run(&context, command),
        Command::Notify(command) => notify::run(&context, &command),
        Command::Drill(drill) => drill::run(&context, &drill),
        Command::Demo(demo) => demo::run(&context, &demo),
        Command::Export(export) => export::run(&context, &export),
        Command::Compare(files) => return finish(compare::run(&files)),
        Command::Backfill(past) => return finish(backfill::run(&context, &past)),
        Command::Replay(logs) => return finish(replay::run(&context, &logs)),
        Command::Calibrate(reference) => return finish(calibrate::run(&context, &reference)),
        Command::Rejudge(windows) => return finish(rejudge::run(&context, &windows)),
        Command::Measures => measures::run(),
    };
    finish(outcome.map(|()| 0))
}

/// A panic of a decoder on damaged bytes becomes an error that says which bytes; only others are bugs to print.
fn silence_isolated_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !crate::record::isolate::is_isolated() {
            print(panic);
        }
    }));
}

/// A crash leaves no memory behind, and no other process of the same user reads it: passwords, tokens and keys are in it. The unit
/// sets the limit of core files, too, which systems that pipe them into a program ignore.
fn no_core_files() {
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        warn(&format!("core files cannot be switched off: {error}"));
    }
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

fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::Failed(format!("cannot start the runtime: {error}")))
}

/// The database of a configuration, inside the runtime.
fn with_store<T>(
    context: &Context,
    work: impl AsyncFnOnce(&Store, &Settings) -> Result<T, CliError>,
) -> Result<T, CliError> {
    context.only_here("this command", "it uses the database directly")?;
    let settings = context.settings()?;
    runtime()?.block_on(async {
        let store = Store::connect_lazily(&store_options(&settings)?)?;
        work(&store, &settings).await
    })
}

/// Who uses the command line, for the audit log.
fn actor() -> String {
    format!("cli:{}", std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn arguments_are_consistent() {
        super::command().debug_assert();
    }

    /// Every flag means one thing: `--monitor` takes a monitor, by name or by file, wherever it is.
    #[test]
    fn a_flag_takes_the_same_thing_in_every_command() {
        fn walk(command: &clap::Command, path: &str, found: &mut Vec<(String, String, String)>) {
            for argument in command.get_arguments().filter(|argument| !argument.is_global_set()) {
                let values: Vec<String> =
                    argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
                if let Some(long) = argument.get_long().filter(|_| !values.is_empty()) {
                    found.push((long.to_owned(), values.join(" "), path.to_owned()));
                }
            }
            for below in command.get_subcommands() {
                walk(below, &format!("{path} {}", below.get_name()), found);
            }
        }
        let mut found = Vec::new();
        walk(&super::command(), "driftd", &mut found);
        for (flag, values, path) in &found {
            for (other, theirs, elsewhere) in &found {
                let free = ["from", "to", "output", "baseline"].contains(&flag.as_str());
                assert!(flag != other || free || values == theirs, "--{flag} in `{path}` and `{elsewhere}`");
            }
        }
        assert!(found.iter().any(|(flag, values, _)| flag == "monitor" && values == "MONITOR"));
    }
}
