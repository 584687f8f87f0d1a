//! `driftd demo`
use super::CliError;
/// What the demo uses.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}
pub(super) fn run(_: Arguments) -> Result<(), CliError> { Ok(()) }
