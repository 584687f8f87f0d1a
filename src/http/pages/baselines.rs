//! The baselines of a monitor: listed, compared, made from closed windows, activated.

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect};
use maud::{Markup, html};
use serde::Deserialize;

use super::PageResult;
use super::layout::{PageLayout, may_administer, page, table, trail};
use super::words::{monitor_at, number_of, short_time, time};
use crate::http::SharedBackend;
use crate::http::access::Caller;
use crate::http::extract::{Form, Path, Query};
use crate::http::problem::Problem;
use crate::judge::why::{effect_words, number};
use crate::record::{EventTime, grouped};
use crate::report::{ColumnDiff, Summary};
use crate::view::{BaselineDiff, BaselineSummary, MonitorDetail, Promotion};

pub(super) async fn show(
    State(backend): State<SharedBackend>,
    Path(monitor): Path<String>,
    caller: Caller,
) -> PageResult {
    let detail = backend.monitor(&monitor).await?;
    let baselines = backend.baselines(&monitor).await?;
    let layout = PageLayout::titled(format!("Baselines of {monitor}")).in_part("/").seen_by(&caller);
    Ok(page(&layout, &content(&monitor, &detail, &baselines, &caller)))
}

fn content(monitor: &str, detail: &MonitorDetail, baselines: &[BaselineSummary], caller: &Caller) -> Markup {
    let at = format!("{}/baselines", monitor_at(monitor));
    html! {
        (trail(&[("/", "Monitors"), (&monitor_at(monitor), monitor)], "Baselines"))
        h1 { "Baselines of " (monitor) }
        p.soft { "What windows are compared with. When a window closes, it is compared with the active baseline if its counts fit the bins of that baseline, otherwise with the newest baseline on its own bins." }
        @if baselines.is_empty() {
            p.status.no_baseline { "There is none: windows are counted, not judged." }
            p { "Build one from training data with " code { "driftd baseline build" } ", or from closed windows below." }
        } @else {
            (table("Baselines", &rows(&at, baselines, caller)))
        }
        @if baselines.len() > 1 { (compare(&at, baselines)) }
        @if may_administer(caller) && detail.monitor.configured && !detail.series.is_empty() { (make(&at, detail)) }
    }
}

fn rows(at: &str, baselines: &[BaselineSummary], caller: &Caller) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "Version" }
                th scope="col" { "Source" }
                th.number scope="col" { "Records" }
                th scope="col" { "Stored" }
                th scope="col" data-fixed="" { "In use" }
            }
        }
        tbody {
            @for baseline in baselines {
                tr {
                    th scope="row" { (baseline.version) }
                    td.words { (baseline.origin) }
                    td.number { (grouped(baseline.rows)) }
                    td { (time(baseline.created_at)) }
                    td {
                        @if baseline.active { span.badge.ok { "active" } }
                        @else if may_administer(caller) {
                            form.inline method="post" action=(format!("{at}/{}/activate", baseline.version)) { button.plain { "Activate version " (baseline.version) } }
                        }
                    }
                }
            }
        }
    }
}

fn compare(at: &str, baselines: &[BaselineSummary]) -> Markup {
    let choice = |name: &str, label: &str, chosen: usize| {
        html! {
            label for=(name) { (label) }
            select id=(name) name=(name) {
                @for (index, baseline) in baselines.iter().enumerate() {
                    option value=(baseline.version) selected[index == chosen] { "version " (baseline.version) }
                }
            }
        }
    };
    html! {
        div.forms {
            form method="get" action=(format!("{at}/diff")) {
                fieldset { legend { "Compare two" } (choice("before", "From", 1)) (choice("after", "To", 0)) button { "Compare" } }
            }
        }
    }
}

fn make(at: &str, detail: &MonitorDetail) -> Markup {
    let first = detail.series.iter().map(|series| series.first_start).min();
    let last = detail.series.iter().map(|series| series.last_start).max();
    html! {
        h2 { "Build a baseline from closed windows" }
        div.forms {
            form method="post" action=(at) {
                fieldset {
                    legend { "Windows" }
                    @if let Some((first, last)) = first.zip(last) {
                        p.soft { "Closed windows from " (short_time(first)) " to " (short_time(last)) " can be taken; their counts are added up." }
                    } @else {
                        p.soft { "No window is closed yet: there is nothing to take." }
                    }
                    label for="from" { "Those that start at or after" }
                    input type="text" id="from" name="from" required value=[first] placeholder="2026-01-31T00:00:00Z";
                    label for="to" { "and before" }
                    input type="text" id="to" name="to" required placeholder="2026-02-28T00:00:00Z";
                    label for="version" { "Model version (empty for all)" }
                    input type="text" id="version" name="version";
                    label.choice { input type="checkbox" name="exclude_alerts" value="1" checked; "Leave out windows in which alerts fired" }
                    label.choice { input type="checkbox" name="activate" value="1"; "Compare new windows with it at once" }
                    button { "Build a baseline" }
                }
            }
        }
    }
}

/// The form of a promotion.
#[derive(Deserialize)]
pub(super) struct Promote {
    from: String,
    to: String,
    #[serde(default)]
    version: String,
    exclude_alerts: Option<String>,
    activate: Option<String>,
}

pub(super) async fn promote(
    State(backend): State<SharedBackend>,
    Path(monitor): Path<String>,
    caller: Caller,
    Form(given): Form<Promote>,
) -> PageResult {
    let time = |text: &str| text.trim().parse::<EventTime>().map_err(Problem::bad);
    let wanted = Promotion {
        from: time(&given.from)?,
        to: time(&given.to)?,
        version: Some(given.version.trim().to_owned()).filter(|version| !version.is_empty()),
        exclude: Vec::new(),
        exclude_alerts: given.exclude_alerts.is_some(),
        activate: given.activate.is_some(),
    };
    backend.promote(&monitor, wanted, &caller.name).await?;
    Ok(Redirect::to(&format!("{}/baselines", monitor_at(&monitor))).into_response())
}

pub(super) async fn activate(
    State(backend): State<SharedBackend>,
    Path((monitor, version)): Path<(String, i32)>,
    caller: Caller,
) -> PageResult {
    backend.activate(&monitor, version, &caller.name).await?;
    Ok(Redirect::to(&format!("{}/baselines", monitor_at(&monitor))).into_response())
}

/// Which two.
#[derive(Deserialize)]
pub(super) struct Two {
    before: i32,
    after: i32,
}

pub(super) async fn diff(
    State(backend): State<SharedBackend>,
    Path(monitor): Path<String>,
    Query(two): Query<Two>,
    caller: Caller,
) -> PageResult {
    let diff = backend.baseline_diff(&monitor, two.before, two.after).await?;
    let layout = PageLayout::titled(format!("Baselines of {monitor} compared")).in_part("/").seen_by(&caller);
    Ok(page(&layout, &compared(&monitor, &diff)))
}

fn compared(monitor: &str, diff: &BaselineDiff) -> Markup {
    let at = format!("{}/baselines", monitor_at(monitor));
    let here = format!("{} to {}", diff.before.version, diff.after.version);
    html! {
        (trail(&[("/", "Monitors"), (&monitor_at(monitor), monitor), (&at, "Baselines")], &here))
        h1 { "Baseline version " (diff.before.version) " to version " (diff.after.version) }
        p { "From " (diff.before.origin) " (" (number_of(diff.before.rows, "record")) ") to " (diff.after.origin) " (" (number_of(diff.after.rows, "record")) ")." }
        @if !diff.same_bins { p.status.waiting { "They are counted on different bins, so there are no measures between them, only what is in each." } }
        (table("Columns", &html! {
            thead {
                tr {
                    th scope="col" { "Column" }
                    th scope="col" { "Measures" }
                    th scope="col" { "Before" }
                    th scope="col" { "After" }
                }
            }
            tbody {
                @for column in diff.columns.iter().take(300) {
                    tr {
                        th.name scope="row" { (column.column) }
                        td { (measures(column)) }
                        td.words { (contents(column.before.as_ref())) }
                        td.words { (contents(column.after.as_ref())) }
                    }
                }
            }
        }))
    }
}

fn measures(column: &ColumnDiff) -> Markup {
    html! {
        @for (index, measure) in column.measures.iter().enumerate() {
            @if index > 0 { ", " }
            @let effect = measure.effect.map_or("–".to_owned(), effect_words);
            @let limit = measure.critical.filter(|limit| measure.effect.is_some_and(|effect| effect >= *limit));
            span { (measure.measure) " " @if let Some(limit) = limit { strong { (effect) " (limit " (number(limit)) ")" } } @else { (effect) } }
        }
        @if column.measures.is_empty() { "–" }
    }
}

fn contents(side: Option<&Summary>) -> String {
    let Some(side) = side else { return "not in it".to_owned() };
    let mut text = match (side.mean, side.top.first()) {
        (Some(mean), _) => format!("mean {}", number(mean)),
        (None, Some((name, share))) => format!("{name} {:.0} %", share * 100.0),
        (None, None) => "no value".to_owned(),
    };
    if let Some([low, _, middle, _, high]) = side.quantile_words() {
        text = format!("{text}, median {middle} ({low} to {high})");
    }
    if side.nulls() > 0 {
        text = format!("{text}, {} null or missing", grouped(side.nulls()));
    }
    text
}
