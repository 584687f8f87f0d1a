//! One monitor: how it stands, which columns moved, and how that went over time.

mod detections;
mod false_alarms;
mod scores;

use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;

use super::boards::{CELLS, heat_map, line, ranked, window_cell};
use super::layout::{PageLayout, page, table, trail};
use super::words::{
    column_at, column_in, encoded, monitor_at, number_of, series_at, series_name, short_time, span, standing,
    state, time, verdict,
};
use super::{PageResult, challenger};
use crate::alert::times;
use crate::chart::{StripCell, condensed, hatching, spark, strip, strip_key};
use crate::http::SharedBackend;
use crate::http::access::Caller;
use crate::http::backend::{Backend, BackendError, SeriesQuery};
use crate::http::extract::{Path, Query};
use crate::record::{Timestamp, grouped};
use crate::reference::{ReferenceChoice, RuleName};
use crate::view::{
    ChallengerView, DetectionsView, Episode, FalseAlarmsView, MonitorDetail, MonitorView, NotCounted, Reading,
    SEGMENT_ADVICE, ScoreBoard, ScoredWindow, SeriesInfo, WindowRow,
};
use crate::window::WHOLE;

/// Columns of the heat map.
const MAPPED: usize = 30;
/// Columns of the table; all of them are in the API.
const LISTED: usize = 80;
/// Points of a small line.
const POINTS: usize = 32;
/// Series with a line of their own.
const SERIES: usize = 12;
/// Windows in the table.
const WINDOWS: usize = 25;

/// Which series of a monitor.
#[derive(Default, Deserialize)]
pub(super) struct Params {
    pub(super) version: Option<String>,
    pub(super) segment: Option<String>,
    pub(super) windows: Option<i64>,
    pub(super) window: Option<i64>,
}

impl Params {
    /// The series that is asked for; the one with the newest window of the whole without.
    pub(super) fn series(&self, detail: &MonitorDetail) -> SeriesQuery {
        let newest = detail.series.first();
        let or_newest = |asked: &Option<String>, of: fn(&SeriesInfo) -> &String, otherwise: &str| {
            asked
                .clone()
                .or_else(|| newest.map(|series| of(series).clone()))
                .unwrap_or_else(|| otherwise.to_owned())
        };
        SeriesQuery {
            monitor: detail.monitor.name.clone(),
            version: or_newest(&self.version, |series| &series.version, ""),
            segment: self.segment.clone().unwrap_or_else(|| WHOLE.to_owned()),
            windows: self.windows.unwrap_or(200).clamp(1, 2_000),
        }
    }
}

/// Everything the page shows.
struct MonitorPage<'a> {
    detail: &'a MonitorDetail,
    series: &'a SeriesQuery,
    board: &'a ScoreBoard,
    episodes: &'a [Episode],
    side_by_side: &'a [(SeriesInfo, Vec<StripCell>)],
    challenger: Option<&'a ChallengerView>,
    detections: &'a DetectionsView,
    false_alarms: &'a FalseAlarmsView,
    caller: &'a Caller,
}

pub(super) async fn show(
    State(backend): State<SharedBackend>,
    Path(monitor): Path<String>,
    Query(query): Query<Params>,
    caller: Caller,
) -> PageResult {
    let detail = backend.monitor(&monitor).await?;
    let series = query.series(&detail);
    let board = backend.score_board(&series).await?;
    let episodes = backend.episodes(&series).await?;
    let side_by_side = lines(backend.as_ref(), &detail).await?;
    let challenger = backend.challenger(&monitor, 1).await?;
    let found = backend.detections(&monitor, 20).await?;
    let account = backend.false_alarms(&monitor).await?;
    let layout = PageLayout::titled(&monitor).in_part("/").seen_by(&caller).live();
    let seen = MonitorPage {
        detail: &detail,
        series: &series,
        board: &board,
        episodes: &episodes,
        side_by_side: &side_by_side,
        challenger: challenger.as_ref(),
        detections: &found,
        false_alarms: &account,
        caller: &caller,
    };
    Ok(page(&layout, &content(&seen)))
}

/// The verdicts of the last windows of each series.
async fn lines(
    backend: &dyn Backend,
    detail: &MonitorDetail,
) -> Result<Vec<(SeriesInfo, Vec<StripCell>)>, BackendError> {
    let mut lines = Vec::new();
    if detail.series.len() < 2 {
        return Ok(lines);
    }
    for info in detail.series.iter().take(SERIES) {
        let series = SeriesQuery {
            monitor: detail.monitor.name.clone(),
            version: info.version.clone(),
            segment: info.segment.clone(),
            windows: 48,
        };
        let board = backend.score_board(&series).await?;
        lines.push((info.clone(), board.windows.iter().map(window_cell).collect()));
    }
    Ok(lines)
}

fn content(seen: &MonitorPage<'_>) -> Markup {
    let monitor = &seen.detail.monitor;
    let open: Vec<&Episode> = seen.episodes.iter().filter(|episode| episode.until.is_none()).collect();
    html! {
        (trail(&[("/", "Monitors")], &monitor.name))
        div.title { h1 { (monitor.name) } (state(monitor.state)) }
        (hatching())
        p.status.(monitor.state.as_str()) { (monitor.summary) " " (moved(seen)) }
        (unknown_segments(monitor))
        @if !open.is_empty() {
            ul {
                @for episode in open {
                    li {
                        a href=(format!("/alerts/{}", episode.id)) { (episode.rule) @if let Some(column) = &episode.column { " of " (column) } }
                        " " (standing(episode.state.as_str(), episode.severity.as_str())) ", drifting since " (time(episode.since))
                    }
                }
            }
        }
        (facts(monitor, seen))
        @if !seen.series.version.is_empty() || seen.series.segment != WHOLE || seen.detail.series.len() > 1 {
            p.soft { "Shown: " strong { (series_name(&seen.series.version, &seen.series.segment)) } "." }
        }
        (challenger::shadow_note(seen.challenger, &seen.series.version, &seen.series.segment))
        @if seen.board.windows.is_empty() {
            p.soft { "No window of this series has been closed yet." }
        } @else {
            (scores::scores(seen))
            h2 { "Columns by windows" }
            (strip_key())
            (heat_map(seen.board, (&monitor.name, &seen.series.version, &seen.series.segment), running_since(seen), MAPPED))
            h2 { "Columns by largest drift" }
            p.soft { (ranked_by(seen)) }
            (table("Columns", &columns(seen)))
            (side_by_side(seen))
            h2 { "Windows" }
            (table("Windows", &windows(seen)))
        }
        (detections::detections(seen.detections))
        (false_alarms::false_alarms(seen.false_alarms, seen.caller))
        (records(monitor))
    }
}

/// Since when an alert of the series runs, if one does.
fn running_since(seen: &MonitorPage<'_>) -> Option<Timestamp> {
    let running = seen.episodes.iter().filter(|episode| episode.until.is_none());
    running.map(|episode| episode.since).min()
}

/// What columns are ranked by, in words.
fn ranked_by(seen: &MonitorPage<'_>) -> String {
    match running_since(seen) {
        Some(since) => format!("By the worst window since {}, when the alert began.", short_time(since)),
        None => format!("By the worst of the last {}.", number_of(seen.board.windows.len(), "window")),
    }
}

/// What drifted in the last window, in words; and what was worst while an alert runs.
fn moved(seen: &MonitorPage<'_>) -> Markup {
    let columns = ranked(seen.board, running_since(seen));
    let drifted: Vec<&str> = columns
        .iter()
        .filter(|column| column.last.is_some_and(|score| score.verdict.drifts()))
        .map(|column| column.name)
        .collect();
    let more = drifted.len().saturating_sub(3);
    let names = drifted.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    let worst = columns.first().filter(|column| column.most() >= 1.0 && running_since(seen).is_some());
    html! {
        @if !drifted.is_empty() {
            "In the last window " (number_of(drifted.len(), "column")) " drifted: " (names) @if more > 0 { " and " (more) " more" } ". "
        }
        @if let Some((column, (window, score))) = worst.and_then(|column| Some((column, column.worst?))) {
            "Worst since the alert began: " (column.name) ", " (times(f64::from(score.score))) " times its drift limit in "
            a href=(column_in(&seen.series.monitor, column.name, (&seen.series.version, &seen.series.segment), window.window.id)) {
                "the window from " (time(window.window.start))
            }
            "."
        }
    }
}

/// Segments that are counted and not judged, and what to do about them.
fn unknown_segments(monitor: &MonitorView) -> Markup {
    let segments = &monitor.segments_without_baseline;
    html! {
        @if !segments.is_empty() {
            div.status.no_baseline {
                p { (number_of(segments.len(), "segment")) " without a baseline: counted, not judged." }
                ul {
                    @for segment in segments.iter().take(UNKNOWN) { li { (segment.words()) } }
                    @if segments.len() > UNKNOWN { li { "and " (segments.len() - UNKNOWN) " more" } }
                }
                p.soft { "What to do: " (SEGMENT_ADVICE) "." }
            }
        }
    }
}

/// Segments without a baseline that are named.
const UNKNOWN: usize = 20;

fn facts(monitor: &MonitorView, seen: &MonitorPage<'_>) -> Markup {
    let detail = seen.detail;
    html! {
        dl.facts {
            div { dt { "Baseline" } dd {
                @if let Some(baseline) = &monitor.baseline { "version " (baseline.version) ", " (number_of(baseline.rows, "record")) } @else { "none" }
                " · " a href=(format!("{}/baselines", monitor_at(&monitor.name))) { "baselines" }
            } }
            @if detail.references != [RuleName::Fixed] && !detail.references.is_empty() {
                div { dt { "Reference" } dd { (detail.references.iter().map(|rule| rule.as_str()).collect::<Vec<_>>().join(", else ")) } }
            }
            @if let Some(view) = seen.challenger {
                div { dt { "Challenger" } dd { (challenger::link(&monitor.name, view)) } }
            }
            div { dt { "Last window" } dd {
                @if let Some(window) = &monitor.last_window {
                    (span(window.start, window.end)) ", " (number_of(window.rows, "record"))
                    @if !window.complete { ", incomplete" }
                } @else { "none" }
            } }
            div { dt { "Open windows" } dd { (monitor.open_windows) } }
            div { dt { "Lag" } dd { @if let Some(lag) = monitor.lag { (number_of(lag, "message")) } @else { "not known here" } } }
            div { dt { "Windows closed up to" } dd { @if let Some(watermark) = &detail.watermark { (time(watermark)) } @else { "none yet" } } }
            div { dt { "Columns" } dd { (detail.columns.len()) } }
            @if !monitor.labels.is_empty() {
                div { dt { "Labels" } dd { @for (label, value) in &monitor.labels { (label) "=" (value) " " } } }
            }
        }
    }
}

fn columns(seen: &MonitorPage<'_>) -> Markup {
    let ranked = ranked(seen.board, running_since(seen));
    let of = (seen.series.version.as_str(), seen.series.segment.as_str());
    let type_of = |name: &str| seen.detail.columns.iter().find(|column| column.name == name);
    html! {
        thead {
            tr {
                th scope="col" { "Column" }
                th.number scope="col" { "Worst score" }
                th scope="col" { "Last verdict" }
                th.number scope="col" { "Last score" }
                th scope="col" data-fixed="" { "Over time" }
                th.number scope="col" { "Windows drifted" }
                th.wide scope="col" { "Role" }
                th.wide scope="col" { "Type" }
            }
        }
        tbody {
            @for column in ranked.iter().take(LISTED) {
                tr {
                    th.name scope="row" { a href=(column_at(&seen.series.monitor, column.name, &seen.series.version, &seen.series.segment)) { (column.name) } }
                    td.number {
                        @if let Some((window, score)) = column.worst.filter(|(_, score)| score.verdict.is_judged()) {
                            a href=(column_in(&seen.series.monitor, column.name, of, window.window.id)) title=(short_time(window.window.start)) { (times(f64::from(score.score))) }
                        } @else { "–" }
                    }
                    td { @if let Some(last) = column.last { (verdict(last.verdict)) } @else { "–" } }
                    td.number { @if let Some(last) = column.last.filter(|last| last.verdict.is_judged()) { (format!("{:.2}", last.score)) } @else { "–" } }
                    td { (spark(&line(seen.board, column.index, POINTS), 1.0)) }
                    td.number { (column.drifted) }
                    @let declared = type_of(column.name);
                    td.wide { (declared.map_or("–", |column| &column.role)) }
                    td.wide { (declared.map_or("–", |column| &column.column_type)) }
                }
            }
        }
        @if ranked.len() > LISTED {
            tfoot { tr { td colspan="8" { "The other " (ranked.len() - LISTED) " columns have lower scores; the API lists all columns." } } }
        }
    }
}

fn side_by_side(seen: &MonitorPage<'_>) -> Markup {
    html! {
        @if !seen.side_by_side.is_empty() {
            h2 { "Versions and segments side by side" }
            (table("Series", &html! {
                thead {
                    tr {
                        th scope="col" { "Of" }
                        th scope="col" { "Last" }
                        th.number scope="col" { "Records" }
                        th scope="col" data-fixed="" { "Last windows" }
                        th.number.wide scope="col" { "Windows" }
                        th.wide scope="col" { "Last window" }
                    }
                }
                tbody {
                    @for (info, cells) in seen.side_by_side {
                        @let name = series_name(&info.version, &info.segment);
                        @let drifted = cells.iter().filter(|cell| cell.drifted()).count();
                        tr {
                            th scope="row" {
                                @if info.version == seen.series.version && info.segment == seen.series.segment {
                                    strong { (name) }
                                } @else {
                                    a href=(series_at(&seen.series.monitor, &info.version, &info.segment)) { (name) }
                                }
                            }
                            td { (verdict(info.last_verdict)) }
                            td.number { (grouped(info.last_rows)) }
                            td { (strip(&condensed(cells, CELLS), &format!("{name}: {drifted} of {} drifted", number_of(cells.len(), "window")))) }
                            td.number.wide { (info.windows) }
                            td.wide { (time(info.last_start)) }
                        }
                    }
                }
            }))
            @if seen.detail.series.len() > SERIES {
                details {
                    summary { "The other " (seen.detail.series.len() - SERIES) " series" }
                    ul {
                        @for info in seen.detail.series.iter().skip(SERIES) {
                            li { a href=(series_at(&seen.series.monitor, &info.version, &info.segment)) { (series_name(&info.version, &info.segment)) } " " (verdict(info.last_verdict)) }
                        }
                    }
                }
            }
        }
    }
}

fn windows(seen: &MonitorPage<'_>) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "Window from" }
                th scope="col" { "Verdict" }
                th.number scope="col" { "Records" }
                th.number scope="col" { "Late" }
                th scope="col" { "Complete" }
                th.wide scope="col" { "Reference" }
                th.wide scope="col" { "Retraining" }
                th scope="col" { "Columns that drifted" }
            }
        }
        tbody {
            @for scored in seen.board.windows.iter().rev().take(WINDOWS) {
                @let window = &scored.window;
                tr {
                    th scope="row" { (time(window.start)) @if let Some(backfill) = window.backfill { " (backfill " (backfill) ")" } }
                    td { @if let Some(decided) = window.verdict { (verdict(decided)) } @if window.revision > 0 { " revision " (window.revision) } }
                    td.number { (grouped(window.rows)) @if let Some(words) = window.volume_in_words() { " (" (words) ")" } }
                    td.number { (grouped(window.late)) }
                    td { @if window.complete == Some(false) { "no: " (window.missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")) } @else { "yes" } }
                    td.wide title=(reference_title(window)) { (window.reference_in_short().as_deref().unwrap_or(if window.reference.is_some() { "none" } else { "–" })) }
                    td.wide { (window.retraining.as_deref().unwrap_or("–").replace('_', " ")) }
                    td.words { (drifted(seen, scored)) }
                }
            }
        }
    }
}

/// What a window was compared with in full, and why not with what comes first.
fn reference_title(window: &WindowRow) -> String {
    let reasons = window.reference.as_ref().map(ReferenceChoice::reasons).unwrap_or_default();
    let parts =
        [window.compared_with().unwrap_or_default(), window.natural_variation().unwrap_or_default(), reasons];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

fn drifted(seen: &MonitorPage<'_>, scored: &ScoredWindow) -> Markup {
    let mut names: Vec<(&String, f32)> = seen
        .board
        .columns
        .iter()
        .zip(&scored.scores)
        .filter_map(|(name, score)| score.filter(|score| score.verdict.drifts()).map(|score| (name, score.score)))
        .collect();
    names.sort_by(|left, right| right.1.total_cmp(&left.1));
    html! {
        @for (index, (name, _)) in names.iter().take(4).enumerate() {
            @if index > 0 { ", " }
            a href=(column_in(&seen.series.monitor, name, (&seen.series.version, &seen.series.segment), scored.window.id)) { (name) }
        }
        @if names.len() > 4 { " and " (names.len() - 4) " more" }
    }
}

/// Why records were not counted, which columns cannot be read, and what the filters see.
fn not_counted(monitor: &MonitorView) -> Markup {
    let Reading { not_counted, filters, unreadable, implausible_time } = &monitor.reading;
    html! {
        @if let Some(newest) = implausible_time {
            p.status.drift { "The newest event time is " (time(newest)) ": are " code { "source.time" } " and " code { "source.time_unit" } " right?" }
        }
        @for column in unreadable {
            p.status.drift { (column.in_words()) "." }
        }
        @for filter in filters {
            p.soft { code { (filter.path) } " of records that " code { "where" } " filters: " (filter.values.join(", ")) "." }
        }
        @if !not_counted.is_empty() {
            h3 { "Examples of what was not counted" }
            (table("Examples", &html! {
                thead { tr { th scope="col" { "Reason" } th scope="col" { "Message" } th scope="col" { "Why" } th.wide scope="col" { "Read" } } }
                tbody {
                    @for NotCounted { reason, topic, partition, offset, why, at } in not_counted {
                        tr {
                            th scope="row" { (reason.replace('_', " ")) }
                            td { (topic) "/" (partition) " at " (offset) }
                            td.words { (why) }
                            td.wide { (time(at)) }
                        }
                    }
                }
            }))
        }
    }
}

/// Record counts by outcome.
fn records(monitor: &MonitorView) -> Markup {
    let reasons = |reason: &str| if reason.is_empty() { String::new() } else { reason.replace('_', " ") };
    html! {
        h2 { "Records" }
        @if monitor.records.is_empty() {
            p.soft { "No records received yet." }
        } @else {
            (table("Records", &html! {
                thead { tr { th scope="col" { "Outcome" } th scope="col" { "Why" } th.number scope="col" { "Records" } } }
                tbody {
                    @for records in &monitor.records {
                        tr { th scope="row" { (records.outcome) } td { (reasons(&records.reason)) } td.number { (grouped(records.count)) } }
                    }
                }
            }))
        }
        (not_counted(monitor))
        p.soft { "The same as JSON: " a href=(format!("/api/v1/monitors/{}/windows", encoded(&monitor.name))) { "windows" } ", " a href=(format!("/api/v1/monitors/{}/findings", encoded(&monitor.name))) { "findings" } "." }
    }
}
