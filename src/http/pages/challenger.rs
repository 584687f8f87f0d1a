//! Champion and challenger side by side: the state of the challenge, its columns, and its pairs.

use axum::extract::State;
use maud::{Markup, html};

use super::PageResult;
use super::layout::{PageLayout, page, table, trail};
use super::words::{column_in, encoded, monitor_at, number_of, series_at, short_time, span, time};
use crate::challenge::{ChallengeState, PairedColumn, PairedVerdict, SideWindow, challenger_page};
use crate::chart::{StripCell, condensed, score_lines, strip};
use crate::http::SharedBackend;
use crate::http::access::Caller;
use crate::http::extract::Path;
use crate::judge::why::{effect_words, number};
use crate::record::grouped;
use crate::view::{ChallengerView, ComparedPair, SHOWN_PAIRS};

/// Columns in the table; all of them are in the API.
const LISTED: usize = 40;
/// Columns with a chart: the first ones of the table.
const DRAWN: usize = 4;
/// Pairs in the table.
const PAIRS: usize = 25;
/// Cells of a line at most.
const CELLS: usize = 64;

pub(super) async fn show(
    State(backend): State<SharedBackend>,
    Path(monitor): Path<String>,
    caller: Caller,
) -> PageResult {
    let view = backend.challenger(&monitor, SHOWN_PAIRS).await?;
    let layout =
        PageLayout::titled(format!("Champion and challenger of {monitor}")).in_part("/").seen_by(&caller).live();
    let content = match &view {
        None => unconfigured(&monitor),
        Some(view) => content(view),
    };
    Ok(page(&layout, &content))
}

fn unconfigured(monitor: &str) -> Markup {
    html! {
        (trail(&[("/", "Monitors"), (&monitor_at(monitor), monitor)], "challenger"))
        h1 { "Champion and challenger" }
        p.status.waiting { "This monitor has no challenger." }
        p { "To compare two model versions in the same windows, add this to the file of the monitor, which needs " code { "source.version" } ":" }
        pre tabindex="0" { "[challenger]\nchampion = \"3\"\nchallenger = \"4\"" }
        p { "To compare the arms of an experiment, add a segment column with their names and " code { "by = \"arm\"" } "." }
    }
}

fn content(view: &ChallengerView) -> Markup {
    let (champion, challenger) = (view.in_words(&view.champion), view.in_words(&view.challenger));
    html! {
        (trail(&[("/", "Monitors"), (&monitor_at(&view.monitor), &view.monitor)], "challenger"))
        div.title { h1 { (champion) " and " (challenger) } (state(view.state)) }
        p.status.(class(view.state)) { (challenger) " " (view.state.relation()) " " (champion) ": " (marked(&view.reason)) "." }
        @if view.shadow {
            p.soft { "Shadow mode: alerts of " (challenger) " are recorded and shown; they send no message and request no retraining." }
        }
        dl.facts {
            div { dt { "Champion" } dd { (side(view, &view.champion)) } }
            div { dt { "Challenger" } dd { (side(view, &view.challenger)) @if view.shadow { ", shadow" } } }
            div { dt { "Pairs of windows" } dd { (grouped(view.pairs)) ", " (grouped(view.compared)) " compared" } }
            div { dt { "Without evidence" } dd { (view.quiet.min(view.windows)) " of " (number_of(view.windows, "pair")) } }
            @if let Some(since) = &view.since { div { dt { "In this state since" } dd { (time(since)) } } }
        }
        @if view.columns.is_empty() {
            p.soft { "Nothing was compared yet. A pair is compared when both windows of the same start are closed." }
        } @else {
            h2 { "Columns in the last pair" }
            p.soft { "Scores are multiples of the drift limit: of each side against the reference of the champion, and of the two against each other. 1 and more is drift where chance does not explain it." }
            (table("Columns", &columns(view)))
            h2 { "Over the pairs" }
            div.charts { @for (index, column) in view.columns.iter().take(DRAWN).enumerate() { (chart(view, index, &column.last.column)) } }
        }
        @if !view.history.is_empty() {
            h2 { "Pairs" }
            (table("Pairs", &pairs(view)))
        }
        p.soft { "The same as JSON: " a href=(format!("/api/v1/monitors/{}/challenger", encoded(&view.monitor))) { "challenger" } "." }
    }
}

/// A side with a link to its windows.
fn side(view: &ChallengerView, name: &str) -> Markup {
    let words = view.in_words(name);
    let last =
        view.history.last().map(|pair| if name == view.champion { &pair.champion } else { &pair.challenger });
    html! {
        @match last {
            Some(window) => a href=(series_at(&view.monitor, &window.version, &window.segment)) { (words) },
            None => (words),
        }
    }
}

fn class(state: ChallengeState) -> &'static str {
    match state {
        ChallengeState::Collecting => "waiting",
        ChallengeState::Ready => "ok",
        ChallengeState::Differs => "warn",
        ChallengeState::Worse => "drift",
    }
}

/// A sentence whose names stand between backticks.
fn marked(sentence: &str) -> Markup {
    html! {
        @for (index, part) in sentence.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// The state as a badge.
fn state(state: ChallengeState) -> Markup {
    html! { span class=(format!("badge {}", class(state))) { (state.as_str()) } }
}

fn verdict(verdict: PairedVerdict) -> Markup {
    let class = match verdict {
        PairedVerdict::Same => "ok",
        PairedVerdict::ChallengerWorse => "drift",
        PairedVerdict::Differs | PairedVerdict::ChampionWorse => "warn",
        PairedVerdict::NotEnoughData | PairedVerdict::NotComparable => "undefined",
    };
    html! { span class=(format!("badge {class}")) { (verdict.words()) } }
}

fn score(score: Option<f64>) -> String {
    score.map_or("–".to_owned(), |score| format!("{score:.2}"))
}

fn columns(view: &ChallengerView) -> Markup {
    let last = view.history.iter().rev().find(|pair| !pair.columns.is_empty());
    let link = |column: &str, window: &SideWindow, text: String| {
        html! { a href=(column_in(&view.monitor, column, (&window.version, &window.segment), window.id)) { (text) } }
    };
    html! {
        thead {
            tr {
                th scope="col" { "Column" }
                th scope="col" { "Verdict" }
                th.number scope="col" { "Champion" }
                th.number scope="col" { "Challenger" }
                th.number scope="col" { "Difference" }
                th.wide scope="col" { "Measure" }
                th scope="col" data-fixed="" { "Over the pairs" }
                th.number scope="col" { "Same" }
                th.number scope="col" { "Differing" }
                th.number scope="col" { "Challenger worse" }
                th.number.wide scope="col" { "Further in" }
            }
        }
        tbody {
            @for column in view.columns.iter().take(LISTED) {
                @let name = &column.last.column;
                tr {
                    th.name scope="row" { (name) @if !column.decides { span.soft { " (shown only)" } } }
                    td { (verdict(column.last.verdict)) }
                    td.number { @if let Some(pair) = last { (link(name, &pair.champion, score(column.last.champion))) } @else { (score(column.last.champion)) } }
                    td.number { @if let Some(pair) = last { (link(name, &pair.challenger, score(column.last.challenger))) } @else { (score(column.last.challenger)) } }
                    td.number { (score(column.last.difference)) }
                    td.wide { (measure(&column.last)) }
                    td { (line(view, name)) }
                    td.number { (column.pairs.same) }
                    td.number { (column.pairs.differs) }
                    td.number { (column.pairs.challenger_worse) }
                    td.number.wide { (column.pairs.further) " of " (column.pairs.trials) }
                }
            }
        }
        @if view.columns.len() > LISTED {
            tfoot { tr { td colspan="11" { "The other " (view.columns.len() - LISTED) " columns differ less; the API lists all columns." } } }
        }
    }
}

fn measure(column: &PairedColumn) -> String {
    match (column.measure, column.effect, column.limit) {
        (Some(measure), Some(effect), Some(limit)) => {
            format!("{} effect {}, limit {}", measure.as_str(), effect_words(effect), number(limit))
        }
        _ => "–".to_owned(),
    }
}

fn of_column<'a>(pair: &'a ComparedPair, name: &str) -> Option<&'a PairedColumn> {
    pair.columns.iter().find(|column| column.column == name)
}

/// The verdicts on a column, a cell a pair.
fn line(view: &ChallengerView, name: &str) -> Markup {
    let cell = |pair: &ComparedPair| match of_column(pair, name).map(|column| column.verdict) {
        None => StripCell::Empty,
        Some(PairedVerdict::Same) => StripCell::Calm,
        Some(PairedVerdict::ChampionWorse | PairedVerdict::Differs) => StripCell::Warn,
        Some(PairedVerdict::ChallengerWorse) => StripCell::Drift,
        Some(PairedVerdict::NotEnoughData | PairedVerdict::NotComparable) => StripCell::Unjudged,
    };
    let cells: Vec<StripCell> = view.history.iter().map(cell).collect();
    let worse = cells.iter().filter(|cell| cell.drifted()).count();
    let sentence = format!("{name}: challenger worse in {worse} of {}", number_of(cells.len(), "pair"));
    strip(&condensed(&cells, CELLS), &sentence)
}

/// The distances of both sides from the reference over the pairs.
fn chart(view: &ChallengerView, index: usize, name: &str) -> Markup {
    let scores = |of: fn(&PairedColumn) -> Option<f64>| -> Vec<Option<f64>> {
        view.history.iter().map(|pair| of_column(pair, name).and_then(of)).collect()
    };
    let lines = [
        (view.in_words(&view.champion), scores(|column| column.champion)),
        (view.in_words(&view.challenger), scores(|column| column.challenger)),
        ("difference of the two".to_owned(), scores(|column| column.difference)),
    ];
    let end = |pair: Option<&ComparedPair>| pair.map(|pair| short_time(pair.start)).unwrap_or_default();
    let (first, last) = (end(view.history.first()), end(view.history.last()));
    let sentence = format!(
        "{name}: distance of champion and challenger from the reference as multiples of the drift limit, {} from {first} to {last}",
        number_of(view.history.len(), "pair")
    );
    html! {
        figure {
            figcaption { (name) }
            (score_lines(&format!("pairs-{index}"), &lines, 1.0, (&first, &last), &sentence))
        }
    }
}

fn pairs(view: &ChallengerView) -> Markup {
    let window = |window: &SideWindow| {
        html! { a href=(series_at(&view.monitor, &window.version, &window.segment)) title=(format!("window {}", window.id)) { (grouped(window.records)) } }
    };
    html! {
        thead {
            tr {
                th scope="col" { "Windows" }
                th.number scope="col" { "Records of the champion" }
                th.number scope="col" { "Records of the challenger" }
                th scope="col" { "State after it" }
                th scope="col" { "Columns" }
            }
        }
        tbody {
            @for pair in view.history.iter().rev().take(PAIRS) {
                tr {
                    th scope="row" { (span(pair.start, pair.end)) }
                    td.number { (window(&pair.champion)) }
                    td.number { (window(&pair.challenger)) }
                    td { (state(pair.state)) }
                    td.words { (said(view, pair)) }
                }
            }
        }
    }
}

/// The columns of a pair that are not the same, with links to the window of the challenger.
fn said(view: &ChallengerView, pair: &ComparedPair) -> Markup {
    let different: Vec<&PairedColumn> =
        pair.columns.iter().filter(|column| column.verdict != PairedVerdict::Same).collect();
    let of = (pair.challenger.version.as_str(), pair.challenger.segment.as_str());
    html! {
        @if pair.columns.is_empty() { "the counts of a window could not be read" }
        @else if different.is_empty() { "all the same" }
        @for (index, column) in different.iter().take(4).enumerate() {
            @if index > 0 { ", " }
            a href=(column_in(&view.monitor, &column.column, of, pair.challenger.id)) { (column.column) } " " (column.verdict.words())
        }
        @if different.len() > 4 { " and " (different.len() - 4) " more" }
    }
}

/// A note where alerts of a series send nothing.
pub(super) fn shadow_note(view: Option<&ChallengerView>, version: &str, segment: &str) -> Markup {
    html! {
        @if let Some(view) = view.filter(|view| view.is_shadowed(version, segment)) {
            p.soft {
                "This is the challenger in " a href=(challenger_page(&view.monitor)) { "shadow mode" }
                ": its alerts are recorded and shown; they send no message and request no retraining."
            }
        }
    }
}

/// The link of the page of a monitor.
pub(super) fn link(monitor: &str, view: &ChallengerView) -> Markup {
    html! {
        a href=(challenger_page(monitor)) { (view.in_words(&view.challenger)) " against " (view.in_words(&view.champion)) }
        " " (state(view.state))
        @if view.shadow { " shadow" }
    }
}
