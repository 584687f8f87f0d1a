//! `driftd notify`

use std::time::Instant;

use uuid::Uuid;

use super::{CliError, Context, as_json, runtime, say, say_json, say_lines};
use crate::app::{AppError, build_receiver, source_options};
use crate::config::Channel;
use crate::escape::plain;
use crate::kafka::Producer;
use crate::notify::{AttemptResult, Conversation, Outgoing, test_event};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Send one test message immediately, without retries, and show the protocol exchange without secrets.
    Test {
        /// Name of the receiver.
        receiver: String,
    },
}

pub(super) fn run(context: &Context, command: &Command) -> Result<(), CliError> {
    let Command::Test { receiver: name } = command;
    context.only_here("`notify test`", "it sends to the receiver from this machine")?;
    let settings = context.settings()?;
    runtime()?.block_on(async {
        let Some(configured) = settings.receivers.get(name) else {
            let known: Vec<&str> = settings.receivers.keys().map(String::as_str).collect();
            return Err(CliError::Failed(format!(
                "`{name}` is not a receiver of {}\nhint: configured receivers: {}",
                settings.path.display(),
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            )));
        };
        // Only this receiver's secrets are needed; Kafka's only for a receiver that is a topic.
        let producer = match &configured.channel {
            Some(Channel::Kafka { .. }) => {
                Some(Producer::new(&source_options(&settings)?).map_err(AppError::from)?)
            }
            _ => None,
        };
        let running =
            build_receiver(&settings, name, producer.as_ref()).map_err(|error| AppError::Receivers(vec![error]))?;
        let receiver = &running.receiver;
        let thread = Uuid::new_v4();
        let now = crate::app::clock_now().unwrap_or_default().to_the_second();
        let body = test_event(receiver.is_training(), now, thread);
        let message = Outgoing { id: Uuid::new_v4(), subject: thread, body };
        let mut conversation = Conversation::on();
        let started = Instant::now();
        let sending = receiver.deliver(&message, &mut conversation);
        let attempt = tokio::time::timeout(receiver.attempt_limit(), sending).await;
        let elapsed = started.elapsed().as_secs_f64();
        let lines: Vec<String> =
            conversation.lines().iter().map(|line| line.lines().map(plain).collect::<Vec<_>>().join("\n")).collect();
        let delivered = matches!(attempt, Ok(AttemptResult::Delivered { .. }));
        if as_json() {
            say_json(&serde_json::json!({ "receiver": name, "delivered": delivered, "seconds": elapsed, "conversation": lines }))?;
        } else {
            for line in &lines {
                say_lines(line);
            }
        }
        match attempt {
            Ok(AttemptResult::Delivered { reference }) => {
                if as_json() {
                    return Ok(());
                }
                say(format!("delivered in {elapsed:.1} s"));
                if let Some(reference) = reference {
                    say(format!("ID at the receiver: {}", plain(&reference)));
                }
                Ok(())
            }
            Ok(AttemptResult::Retry { reason, detail, .. }) => Err(CliError::Failed(format!(
                "not delivered ({}): {detail}\nhint: the daemon would retry for three days",
                reason.as_str()
            ))),
            Ok(AttemptResult::Failed { reason, detail }) => Err(CliError::Failed(format!(
                "not delivered ({}), not retried: {detail}",
                reason.as_str()
            ))),
            Err(_) => Err(CliError::Failed(format!("not delivered (timeout): no answer in {elapsed:.0} s"))),
        }
    })
}
