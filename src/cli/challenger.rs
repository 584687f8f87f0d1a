//! `driftd challenger`

use super::{CliError, Context, say, tell, with_reach};
use crate::challenge::{ComparedColumn, PairedColumn};
use crate::escape::plain;
use crate::judge::why::{effect_words, number};
use crate::record::number_of;
use crate::view::{ChallengerView, ComparedPair};

/// Pairs that are listed.
const PAIRS: usize = 10;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Monitor with a `[challenger]`.
    #[arg(long, value_name = "MONITOR")]
    monitor: String,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), CliError> {
    with_reach(context, async |reach| {
        let view = reach.challenger(&arguments.monitor).await?;
        tell(&view, || show(&view))
    })
}

fn show(view: &ChallengerView) {
    let (champion, challenger) = (view.in_words(&view.champion), view.in_words(&view.challenger));
    say(format!("monitor {}: {challenger} against {champion}", plain(&view.monitor)));
    say(format!("state       {}", view.state.as_str()));
    say(format!("because     {}", plain(&view.reason)));
    if let Some(since) = &view.since {
        say(format!("since       {since}"));
    }
    say(format!("pairs       {}, {} compared", view.pairs, view.compared));
    if view.shadow {
        say("shadow      alerts of the challenger send no message and request no retraining");
    }
    if view.columns.is_empty() {
        return;
    }
    let wide = view.columns.iter().map(|column| name(column).chars().count()).max();
    let wide = wide.unwrap_or(6).clamp(6, 40);
    say("");
    say(format!(
        "{:<wide$}  {:<16}  {:>8}  {:>10}  {:>10}  {:>5}  {:>9}  {:>5}  difference",
        "column", "last pair", "champion", "challenger", "difference", "same", "differing", "worse"
    ));
    for column in &view.columns {
        say(line(column, wide));
    }
    say("(scores: multiples of the drift limit; * decides; same, differing, worse: pairs)");
    say("");
    for pair in view.history.iter().rev().take(PAIRS) {
        say(pair_line(pair));
    }
}

fn line(column: &ComparedColumn, wide: usize) -> String {
    let score = |score: Option<f64>| score.map_or("-".to_owned(), |score| format!("{score:.2}"));
    let last = &column.last;
    format!(
        "{:<wide$}  {:<16}  {:>8}  {:>10}  {:>10}  {:>5}  {:>9}  {:>5}  {}",
        name(column),
        last.verdict.words(),
        score(last.champion),
        score(last.challenger),
        score(last.difference),
        column.pairs.same,
        column.pairs.differs,
        column.pairs.challenger_worse,
        measure(last),
    )
}

/// The name of a column, with a sign where it decides.
fn name(column: &ComparedColumn) -> String {
    format!("{}{}", plain(&column.last.column), if column.decides { " *" } else { "" })
}

fn measure(column: &PairedColumn) -> String {
    match (column.measure, column.effect, column.limit) {
        (Some(measure), Some(effect), Some(limit)) => {
            format!("{} effect {} (drift limit {})", measure.as_str(), effect_words(effect), number(limit))
        }
        _ => "-".to_owned(),
    }
}

fn pair_line(pair: &ComparedPair) -> String {
    format!(
        "{} to {}  {:<10}  {} and {}",
        pair.start.to_the_second(),
        pair.end.to_the_second(),
        pair.state.as_str(),
        number_of(pair.champion.records, "record"),
        number_of(pair.challenger.records, "record"),
    )
}
