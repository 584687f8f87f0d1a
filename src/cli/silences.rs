//! `driftd silences`

use super::{CliError, Context, as_json, say, say_json, tell, with_reach};
use crate::escape::plain;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Active silences.
    List {
        /// Include expired silences.
        #[arg(long)]
        all: bool,
    },
    /// End a silence now; alerts that still fire are sent.
    Expire {
        /// Silence ID or ID prefix.
        silence: String,
    },
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), CliError> {
    with_reach(context, async |reach| match command {
        Command::List { all } => {
            let silences = reach.silences(all).await?;
            if as_json() {
                return say_json(&silences);
            }
            if silences.is_empty() {
                say("no silences; `driftd alerts silence` creates one");
            }
            for silence in silences {
                say(format!(
                    "{}  {:<8} until {}  {}  by {}: {}",
                    silence.id.to_string().get(..8).unwrap_or_default(),
                    if silence.active { "active" } else { "expired" },
                    silence.ends_at,
                    plain(&silence.matchers.join(", ")),
                    plain(&silence.author),
                    plain(&silence.comment),
                ));
            }
            Ok(())
        }
        Command::Expire { silence } => {
            let id = reach.end_silence(&silence).await?;
            tell(&serde_json::json!({ "silence": id }), || say(format!("silence {id} ended")))
        }
    })
}
