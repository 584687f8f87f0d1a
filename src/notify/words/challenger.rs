//! Texts about a challenger for people: which side is worse, or that it can be promoted.

use std::fmt::Write as _;

use super::title::{TITLE, fit};
use super::{LOOK, effect_words, number, time};
use crate::alert::{AlertStatus, AlertView, AlertsEvent, Evidence, Labels, RuleKind, SendReason, Severity};
use crate::challenge::{ChallengeState, ChallengerEvent, ComparedColumn, side_words};
use crate::escape::plain;
use crate::record::{grouped, number_of, quantity};

/// Columns that a message lists.
const LISTED: usize = 8;

fn is_worse(event: &ChallengerEvent) -> bool {
    event.state == ChallengeState::Worse
}

fn side(event: &ChallengerEvent, name: &str) -> String {
    plain(&side_words(event.by.as_deref(), name))
}

/// One line of less than 80 characters.
pub(super) fn title(event: &ChallengerEvent) -> String {
    let test = if event.test { "[test] " } else { "" };
    let said = event.state.relation();
    let head = format!("{test}[challenger {}] ", event.state.as_str());
    let room = TITLE.saturating_sub(head.chars().count() + said.chars().count() + 4);
    let (challenger, champion) = (side(event, &event.challenger), side(event, &event.champion));
    let name = room / 3;
    format!(
        "{head}{}: {} {said} {}",
        fit(&plain(&event.monitor), room - 2 * name),
        fit(&challenger, name),
        fit(&champion, name)
    )
}

/// One or two sentences: which side is worse, why, and what follows.
pub(in crate::notify) fn challenger_sentence(event: &ChallengerEvent) -> String {
    let (challenger, champion) = (side(event, &event.challenger), side(event, &event.champion));
    let monitor = plain(&event.monitor);
    let said = event.state.relation();
    format!("{monitor}: {challenger} {said} {champion}: {}.", plain(&event.reason))
}

/// What to do about it.
pub(in crate::notify) fn advice(event: &ChallengerEvent) -> &'static str {
    match (is_worse(event), event.shadow) {
        (true, true) => "Do not promote the challenger. Its predictions are not in use (shadow mode).",
        (true, false) => "Roll the challenger back: its predictions are in use.",
        (false, _) => {
            "The challenger can be promoted. Ready means that its outputs are alike, not that it is the better model."
        }
    }
}

/// Names and values below the columns.
pub(in crate::notify) fn challenger_facts(event: &ChallengerEvent) -> Vec<(&'static str, String)> {
    let mode =
        if event.shadow { "shadow: its predictions are not in use" } else { "in use for a part of the traffic" };
    let mut facts = vec![
        ("Champion", side(event, &event.champion)),
        ("Challenger", format!("{}, {mode}", side(event, &event.challenger))),
        ("Compared", quantity(event.compared, "pair of windows", "pairs of windows")),
        ("Last pair", format!("{} to {}", time(event.start), time(event.end))),
        (
            "Records",
            format!(
                "{} of the champion, {} of the challenger in it",
                grouped(event.champion_window.records),
                grouped(event.challenger_window.records)
            ),
        ),
        ("Challenge", event.challenge_id.to_string()),
    ];
    let look = event
        .url
        .as_deref()
        .map_or_else(|| format!("driftd challenger --monitor {}", plain(&event.monitor)), plain);
    facts.push((LOOK, look));
    facts
}

fn score(score: Option<f64>) -> String {
    score.map_or("not judged".to_owned(), |score| format!("{score:.2}"))
}

/// A line about a column: the last pair, and all of them.
fn pair_line(column: &ComparedColumn) -> String {
    let (last, all) = (&column.last, &column.pairs);
    let difference = match (last.measure, last.effect, last.limit) {
        (Some(measure), Some(effect), Some(limit)) => {
            format!(
                "; difference: {} effect {} (drift limit {})",
                measure.as_str(),
                effect_words(effect),
                number(limit)
            )
        }
        _ => String::new(),
    };
    format!(
        "{}: {}; champion {}, challenger {} times the drift limit{difference}; so far {} same, {} differing, {} challenger worse, \
         {} champion worse",
        plain(&last.column),
        last.verdict.words(),
        score(last.champion),
        score(last.challenger),
        all.same,
        all.differs,
        all.challenger_worse,
        all.champion_worse,
    )
}

/// The first columns, a line each.
pub(in crate::notify) fn pair_lines(event: &ChallengerEvent) -> Vec<String> {
    let mut lines: Vec<String> = event.columns.iter().take(LISTED).map(pair_line).collect();
    let more = event.columns.len().saturating_sub(LISTED) + event.more;
    if more > 0 {
        lines.push(format!("and {}", number_of(more, "more column")));
    }
    lines
}

pub(super) fn write_text(text: &mut String, event: &ChallengerEvent) {
    let _infallible = writeln!(text, "{}\n", challenger_sentence(event));
    for line in pair_lines(event) {
        let _infallible = writeln!(text, "- {line}");
    }
    text.push('\n');
    for (name, value) in challenger_facts(event) {
        let _infallible = writeln!(text, "{name}: {value}");
    }
    let _infallible = writeln!(text, "\n{}", advice(event));
}

/// For receivers that know alerts only: a challenger that is worse is an alert that fires, and one that is ready ends it.
pub(in crate::notify) fn as_alert(event: &ChallengerEvent) -> AlertsEvent {
    let over = !is_worse(event);
    let labels: Labels = event.labels(&Labels::new());
    let alert = AlertView {
        id: event.challenge_id,
        status: if over { AlertStatus::Resolved } else { AlertStatus::Firing },
        severity: Severity::Critical,
        rule: "challenger".to_owned(),
        kind: RuleKind::Operational,
        monitor: event.monitor.clone(),
        version: event.challenger_window.version.clone(),
        segment: event.challenger_window.segment.clone(),
        labels,
        since: event.start,
        fired_at: event.end,
        resolved_at: over.then_some(event.end),
        acknowledged_by: None,
        resolved_by: None,
        comment: None,
        reason: event.state.as_str().to_owned(),
        windows: 0,
        judged_windows: event.compared,
        segments: None,
        follows: None,
        evidence: Evidence {
            summary: challenger_sentence(event).trim_end_matches('.').to_owned(),
            advice: advice(event).to_owned(),
            ..Evidence::default()
        },
        url: event.url.clone(),
    };
    let mut alerts = AlertsEvent::new(event.challenge_id, Labels::new(), SendReason::NewAlerts, vec![alert]);
    alerts.test = event.test;
    alerts
}
