//! `driftd config`

use super::{CliError, Context, as_json, say, say_json, say_lines, with_reach};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// All keys with their effective values, including defaults; secrets are redacted.
    Show {
        /// Also show the origin of each value: line of a file, environment, or default.
        #[arg(long)]
        origin: bool,
    },
}

pub(super) fn run(context: &Context, command: &Command) -> Result<(), CliError> {
    let Command::Show { origin } = command;
    // The configuration alone needs neither the database nor its password.
    let configured = match &context.server {
        Some(_) => with_reach(context, async |reach| reach.configuration().await)?,
        None => context.settings()?.configured,
    };
    if as_json() {
        return say_json(&configured);
    }
    let mut file = "";
    for value in &configured {
        if value.file != file {
            file = &value.file;
            say(format!("# {file}"));
        }
        let line = format!("{} = {}", value.key, value.value);
        // A list may be written over several lines.
        let mut remarks: Vec<String> = origin.then(|| value.origin.clone()).into_iter().collect();
        remarks.extend(value.after_restart.as_ref().map(|value| format!("after a restart: {value}")));
        say_lines(if remarks.is_empty() { line } else { format!("{line:<60} # {}", remarks.join("; ")) });
    }
    Ok(())
}
