//! What every command is told beside its own arguments: where the configuration is, what is laid over it, and which daemon is
//! asked instead of the database.

use std::path::PathBuf;

use super::reach::ServerOptions;
use super::{Arguments, CliError};
use crate::config::{Overrides, Settings, load_here};

/// What all commands share: where the configuration is, or which daemon is asked.
pub(crate) struct Context {
    pub(super) config: PathBuf,
    /// What is laid over the configuration file.
    pub(super) overrides: Overrides,
    /// From `--server`, or from the environment.
    pub(super) server: Option<ServerOptions>,
    /// Whether it was named on the command line.
    pub(super) server_named: bool,
}

impl Context {
    pub(super) fn of(arguments: &Arguments, config_named: bool) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let server_named = arguments.server.is_some();
        // A configuration that is named on the command line counts more than a server of the environment.
        let server = arguments.server.clone().or_else(|| variable("DRIFTD_SERVER").filter(|_| !config_named));
        let server = server.map(|url| ServerOptions {
            url,
            token_file: arguments.token_file.clone().or_else(|| variable("DRIFTD_TOKEN_FILE").map(PathBuf::from)),
            ca_file: arguments.ca_file.clone().or_else(|| variable("DRIFTD_CA_FILE").map(PathBuf::from)),
            allow_plain_http: arguments.allow_plain_http
                || variable("DRIFTD_ALLOW_PLAIN_HTTP").as_deref() == Some("1"),
        });
        let overrides = Overrides::of_process(arguments.set.clone());
        Self { config: arguments.config.clone(), overrides, server, server_named }
    }

    /// Reads the configuration; secrets that cannot be read here are missing in it.
    pub(super) fn settings(&self) -> Result<Settings, CliError> {
        Ok(load_here(&self.config, &self.overrides)?)
    }

    /// Refuses `--server` for a command that does not use the API.
    pub(super) fn only_here(&self, command: &str, why: &str) -> Result<(), CliError> {
        if self.server_named {
            return Err(CliError::Usage(format!(
                "{command} does not support --server: {why}\nhint: run it where the configuration is, with --config"
            )));
        }
        Ok(())
    }
}
