//! `driftd alerts`

use super::monitor::name_of;
use super::reach::{AlertStep, Reach};
use super::{CliError, Context, say, say_lines, tell, with_reach};
use crate::alert::Matcher;
use crate::escape::plain;
use crate::record::{TimeSpan, number_of};
use crate::view::{AlertDetail, AlertFilter, AlertRow, Judged};
use crate::window::WHOLE;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Open alerts, newest first.
    List {
        /// Monitor: its name in the configuration, or its file.
        #[arg(long, value_name = "MONITOR")]
        monitor: Option<String>,
        /// Include resolved alerts.
        #[arg(long)]
        all: bool,
    },
    /// One alert: evidence, history and messages.
    Show {
        /// Alert ID or ID prefix.
        alert: String,
    },
    /// Acknowledge: somebody works on it. No further messages unless the alert becomes worse: more severe, or another column
    /// drifts.
    Ack {
        /// Alert ID or ID prefix.
        alert: String,
        /// Operator comment.
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Resolve an alert; the next window with drift opens a new one.
    Resolve {
        /// Alert ID or ID prefix.
        alert: String,
        /// Operator comment.
        #[arg(long, default_value = "")]
        comment: String,
        /// Judgement: `real` or `false-alarm`. Used for the false-alarm rate. Also allowed for resolved alerts.
        #[arg(long, value_name = "WHAT")]
        judged: Option<String>,
    },
    /// Silence one alert by ID, or all alerts that match.
    Silence {
        /// Alert ID or ID prefix, or matchers such as `monitor=credit-score` and `severity!=critical`: a label,
        /// one of =, !=, =~ and !~, and a value. All must match. Labels are alertname, kind, monitor, version, segment,
        /// severity, column, receiver, and those of monitors' `[labels]`.
        #[arg(required = true)]
        what: Vec<String>,
        /// Duration: 30m, 2h, 7d; at most 366d.
        #[arg(long = "for", value_name = "DURATION", default_value = "2h")]
        duration: String,
        /// Reason.
        #[arg(long)]
        comment: String,
    },
    /// Resend failed messages: one message, or all of a receiver.
    Replay {
        /// Message ID or ID prefix.
        #[arg(required_unless_present = "receiver")]
        message: Option<String>,
        /// Resend all failed messages of this receiver, and enable it again if it was disabled because its address is gone.
        #[arg(long, conflicts_with = "message")]
        receiver: Option<String>,
    },
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), CliError> {
    with_reach(context, async |reach| match command {
        Command::List { monitor, all } => {
            let monitor = monitor.as_deref().map(name_of).transpose()?;
            let alerts = reach.alerts(&AlertFilter { monitor: monitor.clone(), all }).await?;
            if let Some(monitor) = monitor.filter(|_| alerts.is_empty()) {
                reach.check_monitor(&monitor).await?;
            }
            tell(&alerts, || list(&alerts, all))
        }
        Command::Show { alert } => {
            let detail = reach.alert(&alert).await?;
            tell(&detail, || show(&detail))
        }
        Command::Ack { alert, comment } => {
            let alert = reach.change_alert(&alert, AlertStep::Acknowledge, &comment).await?;
            tell(&alert, || say(format!("acknowledged: {}", plain(&alert.view.evidence.summary))))
        }
        Command::Resolve { alert, comment, judged } => {
            let judged = judged.as_deref().map(judgement).transpose()?;
            // One that was resolved before is only judged.
            let before = match judged {
                Some(judged) => reach.alert(&alert).await?.alert.is_over().then_some(judged),
                None => None,
            };
            let alert = reach.change_alert(&alert, AlertStep::Resolve(judged), &comment).await?;
            tell(&alert, || match before {
                Some(judged) => say(format!("alert {}: recorded as a {}", short_id(&alert), judged_as(judged))),
                None => say(format!("resolved: {}", plain(&alert.view.evidence.summary))),
            })
        }
        Command::Silence { what, duration, comment } => silence(reach, &what, &duration, &comment).await,
        Command::Replay { message, receiver } => replay(reach, message.as_deref(), receiver.as_deref()).await,
    })
}

/// The longest silence: for a permanent one the monitor is changed.
const LONGEST: TimeSpan = TimeSpan::days(366);

async fn silence(reach: &Reach, what: &[String], duration: &str, comment: &str) -> Result<(), CliError> {
    TimeSpan::parse(duration).filter(|span| !span.is_zero() && *span <= LONGEST).ok_or_else(|| {
        CliError::Failed(format!("`{duration}` is not a duration up to 366d\nhint: write 30m, 2h or 7d"))
    })?;
    if comment.trim().is_empty() {
        return Err(CliError::Failed("--comment is empty: give the reason for the silence".to_owned()));
    }
    let matchers = match what {
        [id] if !id.contains(['=', '~', '!']) => reach.alert(id).await?.alert.view.matchers(),
        texts => texts.iter().map(|text| Matcher::parse(text)).collect::<Result<_, _>>()?,
    };
    let id = reach.silence(&matchers, duration, comment).await?;
    let texts: Vec<String> = matchers.iter().map(ToString::to_string).collect();
    tell(&serde_json::json!({ "silence": id, "matchers": texts, "duration": duration }), || {
        say(format!("silence {id} for {duration}: {}", texts.join(", ")));
    })
}

async fn replay(reach: &Reach, message: Option<&str>, receiver: Option<&str>) -> Result<(), CliError> {
    let number = match (message, receiver, reach) {
        (Some(message), _, _) => reach.send_again(message).await?,
        (None, Some(name), Reach::Database(database)) => {
            let settings = reach.settings();
            if settings.is_some_and(|settings| !settings.receivers.contains_key(name)) {
                let known: Vec<&str> = settings
                    .into_iter()
                    .flat_map(|settings| settings.receivers.keys())
                    .map(String::as_str)
                    .collect();
                return Err(CliError::Failed(format!(
                    "receiver `{name}` is not configured\nhint: configured receivers: {}",
                    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
                )));
            }
            database.send_all_again(name).await?
        }
        (None, ..) => {
            return Err(CliError::Usage(
                "`--receiver` does not support --server: it changes the receiver in the database\nhint: run it where the \
                 configuration is, or name one message"
                    .to_owned(),
            ));
        }
    };
    tell(&serde_json::json!({ "messages": number }), || {
        say(format!("{} queued for resending", number_of(number, "message")));
        if number == 0 {
            say(
                "hint: `driftd alerts show ALERT` lists its messages; only messages that failed, were sent, or are pending after a failure can be sent again",
            );
        }
    })
}

fn judgement(name: &str) -> Result<Judged, CliError> {
    Judged::from_name(&name.replace('-', "_"))
        .ok_or_else(|| CliError::Failed(format!("`{name}` is neither `real` nor `false-alarm`")))
}

fn judged_as(judged: Judged) -> &'static str {
    match judged {
        Judged::Real => "real problem",
        Judged::FalseAlarm => "false alarm",
    }
}

/// The first letters of the ID, which are enough to name the alert.
fn short_id(alert: &AlertRow) -> String {
    alert.view.id.to_string().chars().take(8).collect()
}

fn list(alerts: &[AlertRow], all: bool) {
    if alerts.is_empty() {
        say(if all { "no alerts" } else { "no open alerts; --all includes resolved alerts" });
        return;
    }
    for AlertRow { state, view, not_told, .. } in alerts {
        let held =
            if not_told.is_empty() { String::new() } else { format!(" (no messages to {})", not_told.join(", ")) };
        say(format!(
            "{}  {:<12} {:<8}  since {}  {}{}",
            view.id.to_string().get(..8).unwrap_or_default(),
            state.as_str(),
            view.severity.as_str(),
            view.since,
            plain(&view.evidence.summary),
            plain(&held),
        ));
    }
}

pub(super) fn show(AlertDetail { alert, history, deliveries, segments }: &AlertDetail) {
    let view = &alert.view;
    let event = crate::alert::AlertsEvent::new(
        view.id,
        crate::alert::Labels::new(),
        crate::alert::SendReason::Repeated,
        vec![view.clone()],
    );
    // As it was read: the event knows this alert alone.
    let shown = crate::alert::AlertView { url: Some(view.url.clone().unwrap_or_default()), ..view.clone() };
    let event = crate::alert::AlertsEvent { alerts: vec![shown], ..event };
    say_lines(format!("{} ({})\n", alert.state.as_str(), view.severity.as_str()));
    say_lines(crate::notify::text_of(&crate::notify::Readable::Alerts(event)));
    if let Some(judged) = alert.judged {
        say(judged.words());
    }
    for held in &alert.not_told {
        say(format!("No messages to {}", plain(held)));
    }
    for related in segments {
        let how = match (related.view.segment == WHOLE, related.view.follows.is_some()) {
            (true, _) => "all records",
            (false, true) => "follows *",
            (false, false) => "on its own",
        };
        say(format!(
            "{}  {:<17}  {}",
            related.view.id.to_string().get(..8).unwrap_or_default(),
            how,
            plain(&related.view.evidence.summary)
        ));
    }
    let labels: Vec<String> =
        view.labels.iter().map(|(label, value)| format!("{}={}", plain(label), plain(value))).collect();
    say_lines(format!("Labels: {}\n\nhistory", labels.join(", ")));
    for entry in history {
        let window = entry.window.as_ref().map_or(String::new(), |window| format!(", window {window}"));
        say(format!(
            "  {}  {:<8} {} by {}{window}{}",
            entry.at.to_the_second(),
            entry.severity.as_str(),
            entry.words(),
            plain(&entry.actor),
            if entry.detail.is_empty() { String::new() } else { format!(": {}", plain(&entry.detail)) },
        ));
    }
    say_lines("\nmessages");
    if deliveries.is_empty() {
        say("  none");
    }
    for delivery in deliveries {
        let outcome = match (&delivery.outcome, &delivery.detail) {
            (Some(outcome), Some(detail)) if !detail.is_empty() => format!(", {outcome}: {}", plain(detail)),
            (Some(outcome), _) => format!(", {outcome}"),
            _ => String::new(),
        };
        say(format!(
            "  {}  {}  {:<24} to {}: {} after {}{outcome}",
            delivery.at.to_the_second(),
            delivery.id.to_string().get(..8).unwrap_or_default(),
            delivery.event_type,
            delivery.receiver,
            delivery.status.words(),
            number_of(delivery.attempts, "attempt"),
        ));
    }
}
