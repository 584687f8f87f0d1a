//! `driftd limits`

use uuid::Uuid;

use super::monitor::name_of;
use super::reach::Reach;
use super::{CliError, Context, say, say_lines, tell, with_reach};
use crate::account::LimitsStep;
use crate::escape::plain;
use crate::judge::why::{effect_words, number};
use crate::record::number_of;
use crate::view::{AccountView, FalseAlarmsView, LimitsView};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// The account of false alarms against the budget, proposals of wider limits, and accepted limits.
    List {
        /// Monitor: its name in the configuration, or its file.
        #[arg(long, value_name = "MONITOR")]
        monitor: String,
    },
    /// Accept proposals: their limits hold for all windows that are judged from now on, on all daemons.
    Accept(Step),
    /// Dismiss proposals. Such a proposal returns if a later false alarm needs wider limits.
    Dismiss(Step),
    /// Withdraw accepted limits, or dismissals. The configured limits hold for windows that are judged from now on.
    Withdraw(Step),
}

#[derive(Debug, clap::Args)]
pub(super) struct Step {
    /// Monitor: its name in the configuration, or its file.
    #[arg(long, value_name = "MONITOR")]
    monitor: String,
    /// IDs or ID prefixes, as `limits list` has them.
    #[arg(required = true, value_name = "ID")]
    limits: Vec<String>,
    /// Operator comment.
    #[arg(long, default_value = "")]
    comment: String,
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), CliError> {
    with_reach(context, async |reach| match command {
        Command::List { monitor } => {
            let view = reach.false_alarms(&name_of(&monitor)?).await?;
            tell(&view, || show(&view))
        }
        Command::Accept(wanted) => step(reach, &wanted, LimitsStep::Accept).await,
        Command::Dismiss(wanted) => step(reach, &wanted, LimitsStep::Dismiss).await,
        Command::Withdraw(wanted) => step(reach, &wanted, LimitsStep::Withdraw).await,
    })
}

async fn step(reach: &Reach, wanted: &Step, step: LimitsStep) -> Result<(), CliError> {
    let monitor = name_of(&wanted.monitor)?;
    let view = reach.false_alarms(&monitor).await?;
    let ids: Vec<Uuid> =
        wanted.limits.iter().map(|prefix| the_one(&view, prefix, step)).collect::<Result<_, _>>()?;
    for id in &ids {
        reach.change_limits(&monitor, *id, step, &wanted.comment).await?;
    }
    let said = match step {
        LimitsStep::Accept => "accepted, for windows that are judged from now on",
        LimitsStep::Dismiss => "dismissed",
        LimitsStep::Withdraw => "withdrawn, for windows that are judged from now on",
    };
    tell(&serde_json::json!({ "monitor": monitor, "limits": ids, "step": step.as_str() }), || {
        for id in &ids {
            say(format!("limits {id} of {} {said}", plain(&monitor)));
        }
    })
}

/// The proposal, or the decision, whose id begins so.
fn the_one(view: &FalseAlarmsView, prefix: &str, step: LimitsStep) -> Result<Uuid, CliError> {
    // Each as it is listed, and what the step is about: a dismissal may be about an earlier proposal.
    let mut known: Vec<(Uuid, Uuid)> = match step {
        LimitsStep::Accept | LimitsStep::Dismiss => {
            view.proposals.iter().map(|proposal| (proposal.id, proposal.id)).collect()
        }
        LimitsStep::Withdraw => {
            let dismissed = view.proposals.iter().filter_map(|proposal| {
                let dismissal = proposal.dismissed.as_ref()?;
                Some((proposal.id, dismissal.id))
            });
            view.accepted.iter().map(|limits| (limits.id, limits.id)).chain(dismissed).collect()
        }
    };
    let wanted = prefix.to_lowercase();
    known.retain(|(listed, _)| listed.to_string().starts_with(&wanted));
    match known.as_slice() {
        [(_, id)] => Ok(*id),
        [] => {
            let what =
                if step == LimitsStep::Withdraw { "no accepted or dismissed limits" } else { "no proposal" };
            let monitor = &view.monitor;
            Err(CliError::Failed(format!(
                "monitor `{monitor}` has {what} `{prefix}`\nhint: `driftd limits list --monitor {monitor}` lists them"
            )))
        }
        _ => Err(CliError::Failed(format!("more than one has the prefix `{prefix}`\nhint: give more of the ID"))),
    }
}

fn show(view: &FalseAlarmsView) {
    say(format!("monitor {}", plain(&view.monitor)));
    say(format!("budget  {}", view.budget.as_deref().unwrap_or("not known: the monitor is not configured here")));
    account(&format!("last {}", view.period), &view.recent);
    account("all that is stored", &view.stored);
    if !view.columns.is_empty() {
        say("");
        let wide = view.columns.iter().map(|column| column.column.chars().count()).max();
        let wide = wide.unwrap_or(6).clamp(6, 40);
        say(format!("{:<wide$}  {:>5}  {:>10}  {:>4}", "column", "false", "not judged", "real"));
        for column in &view.columns {
            let counts = column.alerts;
            say(format!(
                "{:<wide$}  {:>5}  {:>10}  {:>4}",
                plain(&column.column),
                counts.false_alarm,
                counts.not_judged,
                counts.real
            ));
        }
    }
    say("");
    if view.proposals.is_empty() {
        say("no wider limits are proposed");
    }
    for proposal in &view.proposals {
        let what = format!("{}  {} {}", short(proposal.id), plain(&proposal.column), proposal.measure);
        say(match (&proposal.proposed, &proposal.obstacle) {
            (Some(proposed), _) => format!(
                "proposal {what}: {} instead of {} (effects up to {}): {}",
                proposed.in_words(),
                proposal.limits.in_words(),
                effect_words(proposal.largest_effect),
                proposal.outcome_in_words()
            ),
            (None, obstacle) => format!("no proposal for {what}: {}", obstacle.as_deref().unwrap_or_default()),
        });
        if let Some(dismissed) = &proposal.dismissed {
            say(format!(
                "  dismissed by {} at {}: {}",
                plain(&dismissed.by),
                dismissed.at,
                plain(&dismissed.comment)
            ));
        }
    }
    for limits in &view.accepted {
        let configured = limits.configured.map_or_else(|| "none".to_owned(), LimitsView::in_words);
        say(format!(
            "accepted {}  {} {}: {} (configured: {configured}), by {} at {}: {}",
            short(limits.id),
            plain(&limits.column),
            limits.measure,
            limits.limits.in_words(),
            plain(&limits.accepted.by),
            limits.accepted.at,
            plain(&limits.accepted.comment)
        ));
        if let Some(note) = &limits.note {
            say(format!("  {note}"));
        }
    }
    if let Some(toml) = &view.toml {
        say("");
        say("accepted limits, for the file of the monitor:");
        say_lines(toml.trim_end());
    }
}

fn account(name: &str, account: &AccountView) {
    say(format!("{name}: {}", account.sentence));
    let counts = account.alerts;
    let since = account.from.map_or(String::new(), |from| format!(" from {from}"));
    let rate = account.rate.as_ref().map_or("rate not known".to_owned(), |rate| {
        format!("{} to {} false alarms per {} (95 %)", number(rate.lower), number(rate.upper), rate.per)
    });
    say(format!(
        "  {}{since}; alerts: {} real, {} false, {} not judged; {rate}",
        number_of(account.windows, "judged window"),
        counts.real,
        counts.false_alarm,
        counts.not_judged
    ));
}

fn short(id: Uuid) -> String {
    id.to_string().get(..8).unwrap_or_default().to_owned()
}
