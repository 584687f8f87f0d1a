//! `driftd reload`

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::check::can_start;
use super::{CliError, Context, runtime, say, say_lines, tell};

/// The daemon.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Process ID of the daemon. `systemctl reload driftd` passes it.
    #[arg(long, value_name = "PID", env = "MAINPID", value_parser = clap::value_parser!(i32).range(1..))]
    pid: Option<i32>,
}

/// Checks the configuration, and only then has the daemon take it: the mistakes are shown to the caller, and not only in the log.
pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), CliError> {
    context.only_here("`reload`", "it signals a process on this machine")?;
    let process = arguments.pid.ok_or_else(|| {
        CliError::Usage(
            "--pid is missing\nhint: systemctl reload driftd, or --pid with one of: pidof driftd".to_owned(),
        )
    })?;
    let settings = context.settings()?;
    let runtime = runtime()?;
    runtime.block_on(async { can_start(&settings) })?;
    runtime.shutdown_timeout(Duration::from_secs(2));
    let name = std::fs::read_to_string(format!("/proc/{process}/comm"))
        .map_err(|_| CliError::Failed(format!("process {process} not found")))?;
    if name.trim() != "driftd" {
        return Err(CliError::Failed(format!("process {process} is not driftd but `{}`", name.trim())));
    }
    let target =
        Pid::from_raw(process).ok_or_else(|| CliError::Usage(format!("--pid: {process} is no process")))?;
    kill_process(target, Signal::HUP).map_err(|error| {
        CliError::Failed(format!(
            "cannot signal process {process}: {error}\nhint: run as its user (sudo -u driftd)"
        ))
    })?;
    tell(&serde_json::json!({ "asked": process }), || {
        for warning in &settings.warnings {
            say_lines(format!("warning: {warning}"));
        }
        say(format!(
            "the configuration is valid; reload requested from process {process}, see its log for the result"
        ));
    })
}
