//! One column: against its baseline in one window, and over time.

use axum::extract::State;
use axum::http::StatusCode;
use maud::{Markup, html};

use super::PageResult;
use super::layout::{PageLayout, page, table, trail};
use super::monitor::Params;
use super::words::{
    column_in, encoded, number_of, records_at, series_at, series_name, short_time, span, time, verdict,
};
use crate::chart::{
    Change, Quantiles, Rate, ScoreLine, TimeMark, hatching, quantile_bands, rates, record_bars, stacked_shares,
    timeline_with,
};
use crate::http::SharedBackend;
use crate::http::access::Caller;
use crate::http::backend::{ColumnDetail, SeriesQuery};
use crate::http::extract::{Path, Query};
use crate::http::problem::Problem;
use crate::judge::Verdict;
use crate::judge::why::number;
use crate::record::grouped;
use crate::reference::ReferenceChoice;
use crate::report::{column_section, key};
use crate::view::{ColumnPoint, Episode, WindowRow};

/// Windows of the charts without anything asked.
const WINDOWS: i64 = 120;
/// Categories with a fill of their own.
const CATEGORIES: usize = 7;
/// Windows in the table.
const LISTED: usize = 60;

struct ColumnPage<'a> {
    series: &'a SeriesQuery,
    column: &'a str,
    points: &'a [ColumnPoint],
    episodes: &'a [Episode],
    shown: Option<&'a ColumnDetail>,
}

pub(super) async fn show(
    State(backend): State<SharedBackend>,
    Path((monitor, column)): Path<(String, String)>,
    Query(query): Query<Params>,
    caller: Caller,
) -> PageResult {
    let detail = backend.monitor(&monitor).await?;
    let mut series = query.series(&detail);
    series.windows = query.windows.unwrap_or(WINDOWS).clamp(1, 500);
    let asked = match query.window {
        Some(id) => Some(backend.column(&monitor, id, &column).await?),
        None => None,
    };
    if let Some(asked) = &asked {
        // A window is of one series, whatever else the address says.
        asked.window.version.clone_into(&mut series.version);
        asked.window.segment.clone_into(&mut series.segment);
    }
    let points = backend.column_history(&series, &column, query.window).await?;
    let known = detail.columns.iter().any(|info| info.name == column)
        || points.iter().any(|point| point.summary.is_some() || !point.findings.is_empty());
    if !known {
        return Err(
            Problem::new(StatusCode::NOT_FOUND, format!("monitor `{monitor}` has no column `{column}`")).into()
        );
    }
    let episodes = backend.episodes(&series).await?;
    // The window that is asked for, or the last one.
    let shown = match (asked, points.last()) {
        (Some(asked), _) => Some(asked),
        (None, Some(last)) => Some(backend.column(&monitor, last.window.id, &column).await?),
        (None, None) => None,
    };
    let seen = ColumnPage {
        series: &series,
        column: &column,
        points: &points,
        episodes: &episodes,
        shown: shown.as_ref(),
    };
    let layout = PageLayout::titled(format!("{column} of {monitor}")).in_part("/").seen_by(&caller).live();
    Ok(page(&layout, &content(&seen)))
}

fn content(seen: &ColumnPage<'_>) -> Markup {
    let monitor = &seen.series.monitor;
    let shown = seen.shown.and_then(|detail| seen.points.iter().find(|point| point.window.id == detail.window.id));
    html! {
        (trail(&[("/", "Monitors"), (&series_at(monitor, &seen.series.version, &seen.series.segment), monitor)], seen.column))
        div.title { h1 { (seen.column) } @if let Some(decided) = shown.and_then(decided) { (verdict(decided)) } }
        (hatching())
        p.soft { (series_name(&seen.series.version, &seen.series.segment)) " of " a href=(series_at(monitor, &seen.series.version, &seen.series.segment)) { (monitor) } "." }
        @match seen.shown {
            None => p.status.waiting { "No window of this series has been closed yet." },
            Some(detail) => (against_baseline(seen, detail)),
        }
        @if !seen.points.is_empty() { (over_time(seen)) (numbers(seen)) }
    }
}

/// The worst verdict on the column in a window.
fn decided(point: &ColumnPoint) -> Option<Verdict> {
    point.findings.iter().map(|finding| finding.verdict).reduce(Verdict::worse)
}

/// Why the first rules for a reference were not used.
fn not_used(window: &WindowRow) -> Option<String> {
    window.reference.as_ref().map(ReferenceChoice::reasons).filter(|reasons| !reasons.is_empty())
}

fn against_baseline(seen: &ColumnPage<'_>, detail: &ColumnDetail) -> Markup {
    let place = seen.points.iter().position(|point| point.window.id == detail.window.id);
    let at = |index: Option<usize>| index.and_then(|index| seen.points.get(index)).map(|point| point.window.id);
    let (before, after) = (at(place.and_then(|place| place.checked_sub(1))), at(place.map(|place| place + 1)));
    let of = (seen.series.version.as_str(), seen.series.segment.as_str());
    let link = |id: i64| column_in(&seen.series.monitor, seen.column, of, id);
    html! {
        h2 { "Window " (span(detail.window.start, detail.window.end)) }
        p {
            (number_of(detail.window.rows, "record"))
            @if let Some(reference) = detail.window.compared_with() { ", compared with " (reference) }
            @if let Some(known) = detail.window.natural_variation() { "; " (known) }
            @if let Some(reasons) = not_used(&detail.window) { "; not used: " (reasons) }
            @if let Some(why) = detail.window.reference.as_ref().and_then(|choice| choice.why_not_compared(seen.column)) { "; not compared: " (why) }
            @if detail.window.complete == Some(false) { "; incomplete: not all partitions had passed its end" }
            ". "
            @if let Some(id) = before { a href=(link(id)) rel="prev" { "window before" } " " }
            @if let Some(id) = after { a href=(link(id)) rel="next" { "window after" } }
        }
        @match &detail.report {
            Some(report) => {
                (key(detail.sample > 0))
                (column_section("now", report))
                @if detail.sample > 0 {
                    p { a href=(records_at(&seen.series.monitor, detail.window.id, seen.column)) { "Records behind this" } ", from the sample of the window." }
                }
            }
            None if detail.deleted.is_some() => (deleted(detail.deleted.as_deref().unwrap_or_default())),
            None => {
                p.status.no_baseline {
                    @if detail.window.compared_with().is_some() { "The column was not compared: the reference has nothing of it, or its counts were deleted since." }
                    @else { "There is nothing to compare this window with: no baseline on the same bins." }
                }
                p {
                    "Its distribution, bin by bin: "
                    a href=(format!("/api/v1/monitors/{}/windows/{}/distributions?column={}", encoded(&seen.series.monitor), detail.window.id, encoded(seen.column))) { "as JSON" }
                    "."
                }
            }
        }
    }
}

/// What is not there any more, and what decides on it.
fn deleted(why: &str) -> Markup {
    let (why, hint) = why.split_once("\nhint: ").unwrap_or((why, ""));
    html! {
        p.status.no_baseline { (why) "." }
        p { "Its verdicts and scores are below. " (hint) "." }
    }
}

fn over_time(seen: &ColumnPage<'_>) -> Markup {
    let points = seen.points;
    let first = points.first().map_or(String::new(), |point| short_time(point.window.start));
    let last = points.last().map_or(String::new(), |point| short_time(point.window.end));
    let ends = (first.as_str(), last.as_str());
    let windows = number_of(points.len(), "window");
    let counts: Vec<u64> = points.iter().map(|point| point.window.rows).collect();
    let least = counts.iter().copied().min().unwrap_or(0);
    let records = format!(
        "Records per window over {windows}: between {} and {}.",
        grouped(least),
        grouped(counts.iter().copied().max().unwrap_or(0))
    );
    html! {
        h2 { "Over time" }
        div.charts {
            (measures(seen, ends))
            (bands(seen, ends))
            (shares(seen, ends))
            (absences(seen, ends))
            figure {
                figcaption { "Records" }
                (record_bars("records", &counts, ends, &records))
                p.soft { (records) }
            }
        }
    }
}

/// The measures that ever came near their limit, and the one furthest along; each over time.
fn measures(seen: &ColumnPage<'_>, ends: (&str, &str)) -> Markup {
    let mut names: Vec<(&str, f64)> = Vec::new();
    for finding in seen.points.iter().flat_map(|point| &point.findings) {
        let strength = finding.strength();
        match names.iter_mut().find(|(name, _)| *name == finding.measure) {
            Some((_, most)) => *most = most.max(strength),
            None => names.push((&finding.measure, strength)),
        }
    }
    names.sort_by(|left, right| right.1.total_cmp(&left.1));
    let marks: Vec<TimeMark> = seen.points.iter().map(|point| mark(seen, point)).collect();
    let onsets = onsets(seen);
    html! {
        @for (index, (name, _)) in names.iter().enumerate().filter(|(index, (_, most))| *index == 0 || *most >= 0.5).take(4) {
            @let of = |point: &ColumnPoint| point.findings.iter().find(|finding| finding.measure == *name).cloned();
            @let values: Vec<Option<f64>> = seen.points.iter().map(|point| of(point).and_then(|finding| finding.effect)).collect();
            @let limits = seen.points.iter().rev().find_map(of).and_then(|finding| finding.warn.zip(finding.critical));
            @let drifted = seen.points.iter().filter_map(of).filter(|finding| finding.verdict.drifts()).count();
            @let windows = number_of(values.len(), "window");
            @let sentence = match limits {
                Some((_, limit)) => format!("{name} over {windows}: drifted in {drifted} of them; its limit is {}.", number(limit)),
                None => format!("{name} over {windows}: shown only, it has no limit."),
            };
            figure {
                figcaption { (name) }
                (timeline_with(&format!("m{index}"), &ScoreLine { name: (*name).to_owned(), values, limits }, &marks, &onsets, ends, &sentence))
                p.soft { (sentence) @if !onsets.is_empty() { " Line with O: drift of an alert began about there." } }
            }
        }
    }
}

/// Where the drift of the column began, of each alert.
fn onsets(seen: &ColumnPage<'_>) -> Vec<Change> {
    let known = seen.episodes.iter().filter_map(|episode| episode.onsets.get(seen.column));
    let mut windows: Vec<usize> = known
        .filter(|likely| seen.points.first().is_some_and(|first| first.window.pane_start <= **likely))
        .filter_map(|likely| seen.points.iter().position(|point| point.window.pane_start >= *likely))
        .collect();
    windows.sort_unstable();
    windows.dedup();
    windows.into_iter().map(|window| Change { window, sign: "O".to_owned() }).collect()
}

fn mark(seen: &ColumnPage<'_>, point: &ColumnPoint) -> TimeMark {
    let fires = seen.episodes.iter().any(|episode| {
        episode.covers(point.window.pane_start)
            && episode.column.as_deref().is_none_or(|column| column == seen.column)
    });
    let judged = decided(point).is_some_and(Verdict::is_judged);
    if !judged || point.window.complete == Some(false) {
        TimeMark::Unjudged
    } else if fires {
        TimeMark::Alert
    } else {
        TimeMark::None
    }
}

fn all_known(quantiles: [Option<f64>; 5]) -> Quantiles {
    let [Some(q05), Some(q25), Some(q50), Some(q75), Some(q95)] = quantiles else { return None };
    Some([q05, q25, q50, q75, q95])
}

fn bands(seen: &ColumnPage<'_>, ends: (&str, &str)) -> Markup {
    let of = |point: &ColumnPoint| point.summary.as_ref().and_then(|summary| summary.quantiles);
    let quantiles: Vec<Quantiles> = seen.points.iter().map(|point| of(point).and_then(all_known)).collect();
    let unknown =
        seen.points.iter().filter(|point| of(point).is_some_and(|found| all_known(found).is_none())).count();
    if quantiles.iter().all(Option::is_none) && unknown == 0 {
        return html! {};
    }
    let baseline = seen
        .shown
        .and_then(|detail| detail.report.as_ref())
        .and_then(|report| report.baseline.quantiles)
        .and_then(all_known);
    let middle = |quantiles: &Quantiles| quantiles.map(|[_, _, median, ..]| number(median));
    let ends_of = quantiles.iter().flatten().next().zip(quantiles.iter().flatten().next_back());
    let mut sentence = ends_of.map_or("Quantiles over time.".to_owned(), |(first, last)| {
        format!(
            "Quantiles over time: the median goes from {} to {}{}.",
            middle(&Some(*first)).unwrap_or_default(),
            middle(&Some(*last)).unwrap_or_default(),
            middle(&baseline).map_or(String::new(), |median| format!("; that of the baseline is {median}"))
        )
    });
    if unknown > 0 {
        sentence = format!(
            "{sentence} {} left out: their values lie where the bins do not tell them apart.",
            number_of(unknown, "window")
        );
    }
    html! {
        figure {
            figcaption { "Quantiles" }
            (quantile_bands("quantiles", &quantiles, baseline, ends, &sentence))
            p.soft { (sentence) " Bands: 5 to 95 % and 25 to 75 %, with the median; grey: 5 to 95 % of the baseline, its median dashed." }
        }
    }
}

fn shares(seen: &ColumnPage<'_>, ends: (&str, &str)) -> Markup {
    let categories =
        |point: &ColumnPoint| point.summary.as_ref().map(|summary| summary.categories.clone()).unwrap_or_default();
    let mut totals: Vec<(String, f64)> = Vec::new();
    for (name, share) in seen.points.iter().flat_map(categories) {
        match totals.iter_mut().find(|(known, _)| *known == name) {
            Some((_, total)) => *total += f64::from(share),
            None => totals.push((name, f64::from(share))),
        }
    }
    if totals.is_empty() {
        return html! {};
    }
    totals.sort_by(|left, right| right.1.total_cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    let names: Vec<String> = totals.iter().take(CATEGORIES).map(|(name, _)| name.clone()).collect();
    let of_window = |point: &ColumnPoint| {
        let own = categories(point);
        let share = |name: &String| {
            own.iter().find(|(known, _)| known == name).map_or(0.0, |(_, share)| f64::from(*share))
        };
        names.iter().map(share).collect::<Vec<f64>>()
    };
    let windows: Vec<Vec<f64>> = seen.points.iter().map(of_window).collect();
    let change = windows.first().zip(windows.last()).and_then(|(first, last)| {
        let changes = names.iter().zip(first.iter().zip(last));
        changes.max_by(|left, right| {
            let by = |(_, (first, last)): &(&String, (&f64, &f64))| (**last - **first).abs();
            by(left).total_cmp(&by(right))
        })
    });
    let sentence = change.map_or_else(String::new, |(name, (first, last))| {
        format!("Shares of categories: {name} goes from {:.1} % to {:.1} %.", first * 100.0, last * 100.0)
    });
    html! {
        figure {
            figcaption { "Categories" }
            (stacked_shares("categories", &names, &windows, ends, &sentence))
            p.soft { (sentence) }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts, for a chart")]
fn absences(seen: &ColumnPage<'_>, ends: (&str, &str)) -> Markup {
    let rate = |name: &'static str, of: fn(&crate::view::ColumnSummary) -> u64| Rate {
        name,
        values: seen
            .points
            .iter()
            .map(|point| {
                let count = point.summary.as_ref().map_or(0, of);
                count as f64 / point.window.rows.max(1) as f64
            })
            .collect(),
    };
    let lines = [
        rate("null or missing", |summary| summary.nulls),
        rate("invalid", |summary| summary.invalid),
        rate("out of range", |summary| summary.below + summary.above),
        rate("unseen", |summary| summary.unseen),
    ];
    let last: Vec<String> = lines
        .iter()
        .filter(|line| line.values.iter().any(|value| *value > 0.0))
        .map(|line| format!("{} {:.1} %", line.name, line.values.last().copied().unwrap_or(0.0) * 100.0))
        .collect();
    if last.is_empty() {
        return html! { figure { figcaption { "Missing, invalid and unseen values" } p.soft { "No value was null, missing, invalid, out of range or unseen in these windows." } } };
    }
    let sentence =
        format!("Shares of records without a known value; in the last of these windows: {}.", last.join(", "));
    html! {
        figure {
            figcaption { "Missing, invalid and unseen values" }
            (rates("rates", &lines, ends, &sentence))
            p.soft { (sentence) }
        }
    }
}

fn numbers(seen: &ColumnPage<'_>) -> Markup {
    let shown = |value: Option<f64>| value.map_or("–".to_owned(), number);
    html! {
        h2 { "Window by window" }
        p.soft { "Quantiles are estimates where values were counted in bins wider than the digits shown." }
        (table("Windows", &html! {
            thead {
                tr {
                    th scope="col" { "Window from" }
                    th scope="col" { "Verdict" }
                    th.number scope="col" { "Records" }
                    th.number scope="col" { "Null" }
                    th.number scope="col" { "Invalid" }
                    th.number scope="col" { "Out of range" }
                    th.number scope="col" { "Unseen" }
                    th.number scope="col" { "Mean" }
                    th.number.wide scope="col" { "5 %" }
                    th.number scope="col" { "Median" }
                    th.number.wide scope="col" { "95 %" }
                }
            }
            tbody {
                @for point in seen.points.iter().rev().take(LISTED) {
                    @let summary = point.summary.clone().unwrap_or_default();
                    @let [low, _, middle, _, high] = summary.quantiles.unwrap_or_default();
                    tr {
                        th scope="row" {
                            a href=(column_in(&seen.series.monitor, seen.column, (&seen.series.version, &seen.series.segment), point.window.id)) { (time(point.window.start)) }
                        }
                        td { @if let Some(decided) = decided(point) { (verdict(decided)) } @else { "–" } }
                        td.number { (grouped(point.window.rows)) }
                        td.number { (grouped(summary.nulls)) }
                        td.number { (grouped(summary.invalid)) }
                        td.number { (grouped(summary.below + summary.above)) }
                        td.number { (grouped(summary.unseen)) }
                        td.number { (shown(summary.mean)) }
                        td.number.wide { (shown(low)) }
                        td.number { (shown(middle)) }
                        td.number.wide { (shown(high)) }
                    }
                }
            }
        }))
    }
}
