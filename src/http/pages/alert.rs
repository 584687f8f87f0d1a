//! One alert: what it rests on, its history, who was told, and what can be done.

use axum::extract::State;
use maud::{Markup, html};

use super::PageResult;
use super::challenger::shadow_note;
use super::layout::{PageLayout, may_operate, page, table, trail};
use super::words::{column_at, column_in, monitor_at, number_of, series_at, series_name, span, standing, time};
use crate::alert::{AlertView, DriftedColumn, EpisodeWindow, RowState, RuleKind, times};
use crate::http::SharedBackend;
use crate::http::access::Caller;
use crate::http::extract::Path;
use crate::judge::why::{effect_words, number};
use crate::measure::Measure;
use crate::report::{Outcome, badge};
use crate::view::{AlertDetail, HistoryEntry, Judged, RequestRow};
use crate::window::WHOLE;

pub(super) async fn show(
    State(backend): State<SharedBackend>,
    Path(alert): Path<String>,
    caller: Caller,
) -> PageResult {
    let detail = backend.alert(&alert).await?;
    let mut requests = backend.requests(true).await?;
    requests.retain(|request| request.alert_id == detail.alert.view.id);
    let series = &detail.alert.view;
    // An alert outlives its monitor.
    let challenger = backend.challenger(&series.monitor, 0).await.unwrap_or_default();
    let layout =
        PageLayout::titled(format!("Alert: {}", headline(&detail))).in_part("/alerts").seen_by(&caller).live();
    let note = shadow_note(challenger.as_ref(), &series.version, &series.segment);
    Ok(page(&layout, &content(&detail, (&requests, &note), &caller)))
}

fn headline(detail: &AlertDetail) -> String {
    let view = &detail.alert.view;
    if view.evidence.summary.is_empty() {
        format!("{} of {}", view.rule, view.monitor)
    } else {
        view.evidence.summary.clone()
    }
}

fn content(detail: &AlertDetail, (requests, note): (&[RequestRow], &Markup), caller: &Caller) -> Markup {
    let alert = &detail.alert;
    let view = &alert.view;
    let class = match (alert.is_over(), view.severity.as_str()) {
        (true, _) => "ok",
        (false, "warn") => "warn",
        (false, _) => "drift",
    };
    html! {
        (trail(&[("/alerts", "Alerts")], view.id.to_string().get(..8).unwrap_or_default()))
        div.title { h1 { (headline(detail)) } (standing(alert.state.as_str(), view.severity.as_str())) }
        p.status.(class) { (sentence(detail)) }
        @if !view.evidence.advice.is_empty() && !alert.is_over() { p { (view.evidence.advice) } }
        (facts(detail))
        @if view.evidence.moved().next().is_some() {
            h2 { (what_moved(view)) }
            p.soft { "Values are those of each column's worst window; “last” is the last judged window. Multiples of the drift limit: 1 and more is drift." }
            (table(what_moved(view), &moved(detail)))
            @for column in view.evidence.moved().filter(|column| !column.sentences().is_empty()) {
                h3 { "Why " (column.column) }
                ul { @for reason in column.sentences() { li { (reason) } } }
            }
        }
        @if !detail.segments.is_empty() {
            h2 { @if view.segment == WHOLE { "Segments" } @else { "The whole" } }
            @if let Some(segments) = &view.segments { p { (capitalised(&segments.line())) "." } }
            @if view.follows.is_some() { p { "It drifts in the same columns as the whole, and not more strongly." } }
            (table("Related alerts", &related(detail)))
        }
        @if may_operate(caller) { (actions(detail)) }
        h2 { "History" }
        (table("History", &history(detail)))
        h2 { "Messages" }
        (note)
        @if detail.deliveries.is_empty() {
            p.soft { "No message has been sent yet." }
        } @else {
            (table("Messages", &messages(detail)))
        }
        @if !requests.is_empty() {
            h2 { "Retraining" }
            ul {
                @for request in requests {
                    li {
                        a href=(format!("/retraining/{}", request.id)) { "Request of " (time(request.created_at)) }
                        " " (standing(request.state.as_str(), ""))
                        @if request.dry_run { " dry run" }
                    }
                }
            }
        }
    }
}

fn what_moved(view: &AlertView) -> &'static str {
    if view.kind == RuleKind::Volume { "Number of records" } else { "Columns that drifted or warned" }
}

fn sentence(detail: &AlertDetail) -> Markup {
    let alert = &detail.alert;
    let view = &alert.view;
    html! {
        @match alert.state {
            RowState::Pending => { "Pending: no message is sent yet, the rule asks for more windows. Drifting since " (time(view.since)) ", " (view.windows_words()) "." }
            RowState::Cleared | RowState::Resolved => {
                (capitalised(&view.end_words())) @if let Some(at) = &view.resolved_at { ", " (time(at)) } ". It began " (time(view.since))
                @if view.kind != RuleKind::Operational { " and drifted " (view.windows_words()) }
                "."
            }
            state => {
                "Firing since " (time(view.since))
                @if view.kind != RuleKind::Operational { ", " (view.windows_words()) }
                @if let Some(calm) = view.evidence.calm { "; " (calm.words()) }
                "."
                @if state == RowState::Acknowledged { " Acknowledged by " (view.acknowledged_by.as_deref().unwrap_or("a person")) (view.said()) "." }
            }
        }
        @if !alert.not_told.is_empty() { " No messages to " (alert.not_told.join(", ")) "." }
        @if let Some(judged) = alert.judged { " " (judged.words()) }
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn facts(detail: &AlertDetail) -> Markup {
    let view = &detail.alert.view;
    let evidence = &view.evidence;
    html! {
        dl.facts {
            div { dt { "Monitor" } dd { @if view.monitor.is_empty() { "the daemon itself" } @else { a href=(monitor_at(&view.monitor)) { (view.monitor) } } } }
            @if view.kind != RuleKind::Operational { div { dt { "Series" } dd { a href=(series_at(&view.monitor, &view.version, &view.segment)) { (series_name(&view.version, &view.segment)) } } } }
            div { dt { "Rule" } dd { (view.rule) @if let Some(column) = &detail.alert.column { ", " (column) } } }
            div { dt { "Severity" } dd { (view.severity.as_str()) } }
            @for (name, window) in evidence.windows() {
                div { dt { (name) } dd { (window_link(view, window)) ", " (number_of(window.records, "record")) ": " (window.words()) } }
            }
            @if let Some(window) = evidence.window.as_ref().filter(|window| evidence.worst.is_none() || !window.complete) {
                div { dt { "Window" } dd { (span(window.start, window.end)) ", " (number_of(window.records, "record")) @if !window.complete { ", incomplete" } } }
            }
            @if let Some(baseline) = &evidence.baseline {
                div { dt { "Reference" } dd { (baseline) @if let Some(records) = evidence.baseline_records { ", " (number_of(records, "record")) } } }
            }
            @if let Some(columns) = evidence.columns {
                @let (drifted, warned) = evidence.counts();
                div { dt { "Columns" } dd { (drifted) " of " (columns) " drifted" @if warned > 0 { ", " (warned) " more warned" } } }
            }
            div { dt { "Labels" } dd { @for (label, value) in &view.labels { code { (label) "=" (value) } " " } } }
        }
    }
}

fn actions(detail: &AlertDetail) -> Markup {
    let alert = &detail.alert;
    let id = alert.view.id;
    html! {
        h2 { "Actions" }
        div.forms {
            @if alert.state == RowState::Firing {
                form method="post" action=(format!("/alerts/{id}/acknowledge")) {
                    fieldset {
                        legend { "Acknowledge" }
                        p.soft { "You are working on it: no further messages are sent unless it becomes worse: more severe, or another column drifts." }
                        label for="ack-comment" { "Comment" }
                        input type="text" id="ack-comment" name="comment" maxlength="1000";
                        button { "Acknowledge" }
                    }
                }
            }
            form method="post" action=(format!("/alerts/{id}/resolve")) {
                fieldset {
                    legend { @if alert.is_over() { "Was it a real problem?" } @else { "Resolve" } }
                    @if !alert.is_over() { p.soft { "The problem is over: the next drifting window opens a new alert." } }
                    label.choice { input type="radio" name="judged" value="real" checked[alert.judged == Some(Judged::Real)]; "A real problem" }
                    label.choice { input type="radio" name="judged" value="false_alarm" checked[alert.judged == Some(Judged::FalseAlarm)]; "A false alarm" }
                    label for="resolve-comment" { "Comment" }
                    input type="text" id="resolve-comment" name="comment" maxlength="1000";
                    button { @if alert.is_over() { "Save" } @else { "Resolve" } }
                }
            }
            @if !alert.is_over() {
                form method="post" action=(format!("/alerts/{id}/silence")) {
                    fieldset {
                        legend { "Silence" }
                        p.soft { "No messages about this rule for this monitor, version and segment." }
                        label for="silence-for" { "For" }
                        select id="silence-for" name="duration" {
                            option value="1h" { "1 hour" } option value="4h" selected { "4 hours" } option value="1d" { "1 day" }
                            option value="7d" { "7 days" } option value="30d" { "30 days" }
                        }
                        label for="silence-comment" { "Why" }
                        input type="text" id="silence-comment" name="comment" required maxlength="1000";
                        button { "Silence" }
                    }
                }
            }
        }
    }
}

/// The times of a window of the episode, as a link to the column that moved most in it.
fn window_link(view: &AlertView, window: &EpisodeWindow) -> Markup {
    let shown = span(window.start, window.end);
    let column = window.columns.first().or_else(|| view.evidence.worst.as_ref()?.columns.first());
    match (window.id, column) {
        (Some(id), Some(column)) if column.measure != Measure::RowCount => {
            let at = column_in(&view.monitor, &column.column, (&view.version, &view.segment), id);
            html! { a href=(at) { (shown) } }
        }
        _ => shown,
    }
}

fn moved(detail: &AlertDetail) -> Markup {
    let view = &detail.alert.view;
    let of = (view.version.as_str(), view.segment.as_str());
    let link = |column: &DriftedColumn| match column.window.as_ref().and_then(|window| window.id) {
        Some(id) => column_in(&view.monitor, &column.column, of, id),
        None => column_at(&view.monitor, &column.column, of.0, of.1),
    };
    let shown = |strength: f64| if strength > 0.0 { times(strength) } else { "–".to_owned() };
    html! {
        thead {
            tr {
                th scope="col" { "Column" }
                th scope="col" { "Verdict" }
                th.number scope="col" { "Worst, × drift limit" }
                th.number scope="col" { "Last, × drift limit" }
                th.wide scope="col" { "Worst window" }
                th scope="col" { "Measure" }
                th.number.wide scope="col" { "Effect" }
                th.number.wide scope="col" { "Limit of the verdict" }
                th scope="col" { "Before, after" }
            }
        }
        tbody {
            @for column in view.evidence.moved() {
                tr {
                    th.name scope="row" { @if column.is_rows() { (column.column) } @else { a href=(link(column)) { (column.column) } } }
                    td { (badge(Outcome::from(column.verdict))) }
                    td.number { (shown(column.strength)) }
                    td.number { @if let Some(last) = &column.last { (shown(last.strength)) } @else { "–" } }
                    td.wide { @if let Some(window) = &column.window { (time(window.start)) } }
                    td { (column.measure.as_str()) }
                    td.number.wide { (effect_words(column.effect)) }
                    td.number.wide { (number(column.threshold)) }
                    td.words { (column.movement.words()) }
                }
            }
        }
        @if view.evidence.left_out() > 0 { tfoot { tr { td colspan="9" { "and " (view.evidence.left_out()) " more columns" } } } }
    }
}

/// Alerts of the segments, or of the whole.
fn related(detail: &AlertDetail) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "Segment" }
                th scope="col" { "State" }
                th scope="col" { "How" }
                th.words scope="col" { "What" }
            }
        }
        tbody {
            @for alert in &detail.segments {
                tr {
                    th.name scope="row" { a href=(format!("/alerts/{}", alert.view.id)) { @if alert.view.segment == WHOLE { "the whole" } @else { (alert.view.segment) } } }
                    td { (standing(alert.state.as_str(), alert.view.severity.as_str())) }
                    td { @if alert.view.segment == WHOLE { "" } @else if alert.view.follows.is_some() { "follows the whole" } @else { "on its own" } }
                    td.words { (alert.view.evidence.summary) }
                }
            }
        }
    }
}

fn history(detail: &AlertDetail) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "When" }
                th scope="col" { "What" }
                th scope="col" { "Severity" }
                th scope="col" { "Who" }
                th.wide scope="col" { "Window" }
                th scope="col" { "Details" }
            }
        }
        tbody {
            @for entry in detail.history.iter().rev().take(200) {
                tr {
                    th scope="row" { (time(entry.at)) }
                    td.words { (entry.words()) }
                    td { (entry.severity.as_str()) }
                    td { (entry.actor) }
                    td.wide { (changed_in(detail, entry)) }
                    td.words { (entry.detail) }
                }
            }
        }
    }
}

/// The window that made a change, as a link to what moved most in the episode.
fn changed_in(detail: &AlertDetail, entry: &HistoryEntry) -> Markup {
    let view = &detail.alert.view;
    let column = detail.alert.column.as_deref();
    let first = view.evidence.moved().find(|moved| !moved.is_rows());
    let column = column.or_else(|| first.map(|column| column.column.as_str()));
    html! {
        @match (&entry.window, entry.window_id, column) {
            (Some(window), Some(id), Some(column)) => {
                a href=(column_in(&view.monitor, column, (&view.version, &view.segment), id)) { (time(window)) }
            }
            (Some(window), ..) => { (time(window)) }
            _ => {}
        }
    }
}

fn messages(detail: &AlertDetail) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "When" }
                th scope="col" { "To" }
                th scope="col" { "State" }
                th.number scope="col" { "Attempts" }
                th.wide scope="col" { "Event" }
                th scope="col" { "Outcome" }
            }
        }
        tbody {
            @for message in detail.deliveries.iter().rev() {
                tr {
                    th scope="row" { a href=(format!("/deliveries/{}", message.id)) { (time(message.at)) } }
                    td { (message.receiver) }
                    td { (standing(message.status.words(), "")) }
                    td.number { (message.attempts) }
                    td.wide { (message.event_type) }
                    td.words { (message.outcome.as_deref().unwrap_or_default()) @if let Some(words) = message.detail.as_deref().filter(|words| !words.is_empty()) { ": " (words) } }
                }
            }
        }
    }
}
