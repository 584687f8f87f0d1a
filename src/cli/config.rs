//! `driftd config`

use std::path::Path;

use super::{CliError, as_json, say, say_json, settings};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Every key with the value in force, defaults included; secrets are redacted.
    Show {
        /// Say where each value was set, too: a line of a file, the environment, or by default.
        #[arg(long)]
        origin: bool,
    },
}

pub(super) fn run(path: &Path, command: &Command) -> Result<(), CliError> {
    let Command::Show { origin } = command;
    let settings = settings(path)?;
    if as_json() {
        return say_json(&settings.configured);
    }
    let mut file = "";
    for value in &settings.configured {
        if value.file != file {
            file = &value.file;
            say(format!("# {file}"));
        }
        let line = format!("{} = {}", value.key, value.value);
        say(if *origin { format!("{line:<60} # {}", value.origin) } else { line });
    }
    Ok(())
}
