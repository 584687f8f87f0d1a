//! `driftd retraining`

use super::reach::{Reach, RequestStep};
use super::{CliError, Context, as_json, say, say_json, say_lines, tell, with_reach};
use crate::escape::plain;
use crate::notify::{Readable, text_of};
use crate::view::{RequestDetail, RequestRow};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Open requests, newest first.
    List {
        /// Include finished requests.
        #[arg(long)]
        all: bool,
    },
    /// One request: evidence, training data, state and history.
    Show {
        /// Request ID or ID prefix.
        request: String,
    },
    /// Approve a proposed request and send it.
    Approve {
        /// Request ID or ID prefix.
        request: String,
        /// Operator comment.
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Cancel a request. A run that a training system has already started is not stopped.
    Cancel {
        /// Request ID or ID prefix.
        request: String,
        /// Operator comment.
        #[arg(long, default_value = "")]
        comment: String,
    },
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), CliError> {
    with_reach(context, async |reach| match command {
        Command::List { all } => {
            let requests = reach.requests(all).await?;
            if as_json() {
                return say_json(&requests);
            }
            if requests.is_empty() {
                say(if all { "no requests" } else { "no open requests; --all includes finished requests" });
            }
            for request in requests {
                say(line(&request));
            }
            Ok(())
        }
        Command::Show { request } => {
            let detail = reach.request(&request).await?;
            if as_json() {
                return say_json(&detail);
            }
            let RequestDetail { request, history } = detail;
            say(line(&request));
            if let Some(told) = Readable::read(&request.body) {
                say_lines(format!("\n{}", text_of(&told)));
            }
            say(format!("sent to: {}", request.receivers.join(", ")));
            if let Some(external) = &request.external_id {
                say(format!("ID in the training system: {}", plain(external)));
            }
            if let Some(until) = &request.expires_at {
                say(format!("expires at {until} without an answer"));
            }
            say_lines("\nhistory");
            for change in history {
                let detail =
                    if change.detail.is_empty() { String::new() } else { format!(": {}", plain(&change.detail)) };
                say(format!(
                    "  {}  {:<10} by {}{detail}",
                    change.at.to_the_second(),
                    change.state.as_str(),
                    plain(&change.actor)
                ));
            }
            Ok(())
        }
        Command::Approve { request, comment } => step(reach, &request, RequestStep::Approve, &comment).await,
        Command::Cancel { request, comment } => step(reach, &request, RequestStep::Cancel, &comment).await,
    })
}

fn line(request: &RequestRow) -> String {
    let version =
        if request.version.is_empty() { String::new() } else { format!(" version {}", plain(&request.version)) };
    let reason = request.body.pointer("/data/reason").and_then(|reason| reason.as_str()).unwrap_or_default();
    format!(
        "{}  {:<10} {}  {}{version}: {}{}",
        request.id.to_string().get(..8).unwrap_or_default(),
        request.state.as_str(),
        request.created_at.to_the_second(),
        request.monitor,
        plain(reason),
        if request.dry_run { " (dry run)" } else { "" },
    )
}

async fn step(reach: &Reach, request: &str, step: RequestStep, comment: &str) -> Result<(), CliError> {
    let (id, state) = reach.change_request(request, step, comment).await?;
    tell(&serde_json::json!({ "request": id, "state": state }), || {
        say(format!("retraining request {id} is {}", state.as_str()));
    })
}
