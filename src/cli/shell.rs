//! `driftd completions` and `driftd man`: made from the command line's own definition.

use std::path::{Path, PathBuf};

use clap_complete::Shell;

use super::{CliError, say_lines};

/// Shell.
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// Shell: bash, zsh, fish, elvish or powershell.
    shell: Shell,
}

/// Output.
#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// Write one page per subcommand into this folder. Default: the page of `driftd` to standard output.
    #[arg(long, short, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

pub(super) fn completions(arguments: &Completions) {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::command(), "driftd", &mut script);
    say_lines(String::from_utf8_lossy(&script).trim_end());
}

pub(super) fn man(arguments: &Man) -> Result<(), CliError> {
    let command = super::command();
    let Some(folder) = &arguments.output else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).map_err(|error| CliError::Failed(error.to_string()))?;
        say_lines(String::from_utf8_lossy(&page).trim_end());
        return Ok(());
    };
    let failed = |folder: &Path, error: std::io::Error| {
        CliError::Failed(format!("cannot write man pages into {}: {error}", folder.display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    clap_mangen::generate_to(command, folder).map_err(|error| failed(folder, error))
}
