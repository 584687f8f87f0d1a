//! All monitors at one glance.

use std::collections::HashMap;

use axum::extract::State;
use maud::{Markup, html};

use super::PageResult;
use super::boards::{heat_map, window_cell};
use super::layout::{PageLayout, page, table};
use super::words::{monitor_at, number_of, short_time, state, time};
use crate::chart::{StripCell, hatching, strip, strip_key};
use crate::http::SharedBackend;
use crate::http::access::Caller;
use crate::http::backend::{Backend, SeriesQuery};
use crate::record::grouped;
use crate::view::{MonitorState, MonitorView, ScoreBoard};
use crate::window::WHOLE;

/// Windows of a line.
const WINDOWS: i64 = 48;
/// Monitors whose windows are drawn; of further ones only the last is told.
const DRAWN: usize = 60;
/// Monitors with a heat map: those that are worst.
const MAPS: usize = 12;
/// Columns of a heat map here.
const COLUMNS: usize = 8;

/// How urgent a state is.
fn urgency(state: MonitorState) -> u8 {
    match state {
        MonitorState::Drift => 0,
        MonitorState::NoData | MonitorState::Trouble => 1,
        MonitorState::Warn => 2,
        MonitorState::Undefined | MonitorState::NoBaseline | MonitorState::TooFew => 3,
        MonitorState::Waiting | MonitorState::Learning => 4,
        MonitorState::Ok => 5,
        MonitorState::NotConfigured => 6,
    }
}

pub(super) async fn show(State(backend): State<SharedBackend>, caller: Caller) -> PageResult {
    let mut monitors = backend.monitors().await?;
    monitors.sort_by(|left, right| {
        urgency(left.state).cmp(&urgency(right.state)).then_with(|| left.name.cmp(&right.name))
    });
    let boards = boards(backend.as_ref(), &monitors).await?;
    let layout = PageLayout::titled("Monitors").in_part("/").seen_by(&caller).live();
    Ok(page(&layout, &content(&monitors, &boards)))
}

/// The last windows of each monitor's whole, of the version of its last window.
async fn boards(
    backend: &dyn Backend,
    monitors: &[MonitorView],
) -> Result<HashMap<String, ScoreBoard>, crate::http::backend::BackendError> {
    let mut boards = HashMap::new();
    for monitor in monitors.iter().filter(|monitor| monitor.last_window.is_some()).take(DRAWN) {
        boards.insert(monitor.name.clone(), backend.score_board(&series(monitor)).await?);
    }
    Ok(boards)
}

fn series(monitor: &MonitorView) -> SeriesQuery {
    SeriesQuery {
        monitor: monitor.name.clone(),
        version: monitor.last_window.as_ref().map_or_else(String::new, |window| window.version.clone()),
        segment: WHOLE.to_owned(),
        windows: WINDOWS,
    }
}

fn content(monitors: &[MonitorView], boards: &HashMap<String, ScoreBoard>) -> Markup {
    html! {
        h1 { "Monitors" }
        @if monitors.is_empty() {
            p.status.waiting { "No monitor is configured, and nothing was counted yet." }
            p { "Put one file per monitor into " code { "monitors.d" } ", next to " code { "driftd.toml" } ", and reload the daemon." }
        } @else {
            (hatching())
            p.status.(worst(monitors).as_str()) { (sentence(monitors)) }
            (table("Monitors", &rows(monitors, boards)))
            @let maps = monitors.iter().filter(|monitor| boards.get(&monitor.name).is_some_and(|board| !board.columns.is_empty()));
            @let maps: Vec<&MonitorView> = maps.take(MAPS).collect();
            @if !maps.is_empty() {
                h2 { "Columns over the last windows" }
                (strip_key())
            }
            @for monitor in maps {
                @if let Some(board) = boards.get(&monitor.name) {
                    section.card {
                        header {
                            h3 { a href=(monitor_at(&monitor.name)) { (monitor.name) } }
                            (state(monitor.state))
                            span.soft { (monitor.summary) }
                        }
                        (heat_map(board, (&monitor.name, &series(monitor).version, WHOLE), None, COLUMNS))
                    }
                }
            }
        }
    }
}

fn worst(monitors: &[MonitorView]) -> MonitorState {
    monitors
        .iter()
        .map(|monitor| monitor.state)
        .min_by_key(|state| urgency(*state))
        .unwrap_or(MonitorState::Waiting)
}

/// How many monitors are in which state.
fn sentence(monitors: &[MonitorView]) -> String {
    let states = [
        (MonitorState::Drift, "drifting"),
        (MonitorState::NoData, "without data"),
        (MonitorState::Trouble, "with trouble with their input"),
        (MonitorState::Warn, "with a warning"),
        (MonitorState::NoBaseline, "without a baseline"),
        (MonitorState::Learning, "learning a baseline"),
        (MonitorState::TooFew, "with too few records"),
        (MonitorState::Undefined, "that cannot be compared"),
        (MonitorState::Waiting, "waiting for a first window"),
        (MonitorState::Ok, "ok"),
    ];
    let counted: Vec<String> = states
        .into_iter()
        .filter_map(|(state, words)| {
            let number = monitors.iter().filter(|monitor| monitor.state == state).count();
            (number > 0).then(|| format!("{number} {words}"))
        })
        .collect();
    format!("{}: {}.", number_of(monitors.len(), "monitor"), counted.join(", "))
}

fn rows(monitors: &[MonitorView], boards: &HashMap<String, ScoreBoard>) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "Monitor" }
                th scope="col" { "State" }
                th scope="col" { "Alerts" }
                th scope="col" data-fixed="" { "Last windows" }
                th scope="col" { "Last window" }
                th.number scope="col" { "Records" }
                th.number.wide scope="col" { "Lag" }
                th.wide scope="col" { "Baseline" }
            }
        }
        tbody {
            @for monitor in monitors {
                tr {
                    th scope="row" { a href=(monitor_at(&monitor.name)) { (monitor.name) } @if !monitor.configured { " " span.soft { "(not configured here)" } } }
                    td data-sort=(urgency(monitor.state)) { (state(monitor.state)) }
                    td { (alerts(monitor)) }
                    td { (sparkline(monitor, boards.get(&monitor.name))) }
                    td data-sort=(monitor.last_window.as_ref().map_or(String::new(), |window| window.end.to_string())) {
                        @if let Some(window) = &monitor.last_window { (time(window.start)) } @else { "none" }
                    }
                    td.number { @if let Some(window) = &monitor.last_window { (grouped(window.rows)) } @else { "–" } }
                    td.number.wide { @if let Some(lag) = monitor.lag { (grouped(lag)) } @else { "–" } }
                    td.wide { @if let Some(baseline) = &monitor.baseline { "version " (baseline.version) } @else { "none" } }
                }
            }
        }
    }
}

fn alerts(monitor: &MonitorView) -> Markup {
    let open = monitor.alerts.firing + monitor.alerts.acknowledged;
    html! {
        @if open > 0 {
            a href=(format!("/alerts?monitor={}", super::encoded(&monitor.name))) { (number_of(open, "alert")) }
            @if monitor.alerts.acknowledged == open { " " span.soft { "acknowledged" } }
        } @else if monitor.alerts.pending > 0 {
            (monitor.alerts.pending) " pending"
        } @else { "none" }
    }
}

/// The verdicts on the last windows.
fn sparkline(monitor: &MonitorView, board: Option<&ScoreBoard>) -> Markup {
    let Some(board) = board.filter(|board| !board.windows.is_empty()) else { return html! { "no window yet" } };
    let cells: Vec<StripCell> = board.windows.iter().map(window_cell).collect();
    let drifted = cells.iter().filter(|cell| cell.drifted()).count();
    let starts: Vec<String> = board.windows.iter().map(|window| short_time(window.window.start)).collect();
    let words = format!("{}: {drifted} of the last {} drifted", monitor.name, number_of(cells.len(), "window"));
    html! { div.line data-starts=(starts.join(",")) { (strip(&cells, &words)) } }
}
