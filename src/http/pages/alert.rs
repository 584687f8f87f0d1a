//! One alert: what it rests on, its history, who was told, and what can be done.

use axum::extract::State;
use maud::{Markup, html};

use super::Shown;
use super::layout::{Layout, may_operate, page, table, trail};
use super::words::{column_at, monitor_at, series_name, span, standing, time};
use crate::alert::{DriftedColumn, RuleKind};
use crate::http::Shared;
use crate::http::access::Caller;
use crate::http::extract::{By, Named};
use crate::judge::why::number;
use crate::report::{Outcome, badge, grouped};
use crate::view::{AlertDetail, Judged, RequestRow};

pub(super) async fn show(State(backend): State<Shared>, Named(alert): Named<String>, By(caller): By) -> Shown {
    let detail = backend.alert(&alert).await?;
    let mut requests = backend.requests(true).await?;
    requests.retain(|request| request.alert_id == detail.alert.view.id);
    let layout =
        Layout::titled(format!("Alert: {}", headline(&detail))).in_part("/alerts").seen_by(&caller).live();
    Ok(page(&layout, &content(&detail, &requests, &caller)))
}

fn headline(detail: &AlertDetail) -> String {
    let view = &detail.alert.view;
    if view.evidence.summary.is_empty() {
        format!("{} of {}", view.rule, view.monitor)
    } else {
        view.evidence.summary.clone()
    }
}

fn content(detail: &AlertDetail, requests: &[RequestRow], caller: &Caller) -> Markup {
    let alert = &detail.alert;
    let view = &alert.view;
    let class = match (alert.is_over(), view.severity.as_str()) {
        (true, _) => "ok",
        (false, "warn") => "warn",
        (false, _) => "drift",
    };
    html! {
        (trail(&[("/alerts", "Alerts")], view.id.to_string().get(..8).unwrap_or_default()))
        div.title { h1 { (headline(detail)) } (standing(&alert.state, view.severity.as_str())) }
        p.status.(class) { (sentence(detail)) }
        @if !view.evidence.advice.is_empty() && !alert.is_over() { p { (view.evidence.advice) } }
        (facts(detail))
        @if may_operate(caller) { (actions(detail)) }
        @if !view.evidence.drifted.is_empty() {
            h2 { "What moved" }
            (table("Columns that moved", &drifted(detail)))
            @for column in view.evidence.drifted.iter().filter(|column| !column.why.is_empty()) {
                h3 { "Why " (column.column) }
                ul { @for reason in &column.why { li { (reason) } } }
            }
        }
        h2 { "History" }
        (table("History", &history(detail)))
        h2 { "Messages" }
        @if detail.deliveries.is_empty() {
            p.soft { "Nobody was told yet." }
        } @else {
            (table("Messages", &messages(detail)))
        }
        @if !requests.is_empty() {
            h2 { "Retraining" }
            ul {
                @for request in requests {
                    li {
                        a href=(format!("/retraining/{}", request.id)) { "Request of " (time(&request.created_at)) }
                        " " (standing(request.state.as_str(), ""))
                        @if request.dry_run { " dry run" }
                    }
                }
            }
        }
    }
}

fn sentence(detail: &AlertDetail) -> Markup {
    let alert = &detail.alert;
    let view = &alert.view;
    html! {
        @match alert.state.as_str() {
            "pending" => { "Not told yet: it has not lasted long enough. Drifting since " (time(&view.since)) "." }
            "cleared" => { "It was over before it fired. Drifting since " (time(&view.since)) "." }
            "resolved" => { "Over" @if let Some(at) = &view.resolved_at { " since " (time(at)) } ". It began at " (time(&view.since)) "." }
            state => {
                "It fires" @if state == "acknowledged" { ", and " (view.acknowledged_by.as_deref().unwrap_or("somebody")) " is at it" }
                ". Since " (time(&view.since))
                @if view.kind != RuleKind::Operational { ", " (super::words::plural(view.windows as usize, "window")) " so far" }
                "."
            }
        }
        @if let Some(judged) = alert.judged { " " (judged_words(judged)) }
    }
}

fn judged_words(judged: Judged) -> &'static str {
    match judged {
        Judged::Real => "People found that something was the matter.",
        Judged::FalseAlarm => "People found that it was a false alarm.",
    }
}

fn facts(detail: &AlertDetail) -> Markup {
    let view = &detail.alert.view;
    let evidence = &view.evidence;
    html! {
        dl.facts {
            div { dt { "Monitor" } dd { @if view.monitor.is_empty() { "the daemon itself" } @else { a href=(monitor_at(&view.monitor)) { (view.monitor) } } } }
            @if view.kind != RuleKind::Operational { div { dt { "Of" } dd { (series_name(&view.version, &view.segment)) } } }
            div { dt { "Rule" } dd { (view.rule) @if let Some(column) = &detail.alert.column { ", " (column) } } }
            div { dt { "Severity" } dd { (view.severity.as_str()) } }
            @if let Some(window) = &evidence.window {
                div { dt { "Window" } dd { (span(&window.start, &window.end)) ", " (grouped(window.records)) " records" @if !window.complete { ", incomplete" } } }
            }
            @if let Some(baseline) = &evidence.baseline {
                div { dt { "Baseline" } dd { (baseline) @if let Some(records) = evidence.baseline_records { ", " (grouped(records)) " records" } } }
            }
            @if let Some(columns) = evidence.columns { div { dt { "Columns" } dd { (evidence.drifted.len() + evidence.more) " of " (columns) " moved" } } }
            div { dt { "Labels" } dd { @for (label, value) in &view.labels { code { (label) "=" (value) } " " } } }
        }
    }
}

fn actions(detail: &AlertDetail) -> Markup {
    let alert = &detail.alert;
    let id = alert.view.id;
    html! {
        h2 { "Do something" }
        div.forms {
            @if alert.state == "firing" {
                form method="post" action=(format!("/alerts/{id}/acknowledge")) {
                    fieldset {
                        legend { "Acknowledge" }
                        p.soft { "Somebody is at it: nobody is told again unless it becomes worse." }
                        label for="ack-comment" { "Comment" }
                        input type="text" id="ack-comment" name="comment" maxlength="1000";
                        button { "Acknowledge" }
                    }
                }
            }
            form method="post" action=(format!("/alerts/{id}/resolve")) {
                fieldset {
                    legend { @if alert.is_over() { "What was it?" } @else { "Resolve" } }
                    @if !alert.is_over() { p.soft { "It is over; the next drifting window begins a new alert." } }
                    label.choice { input type="radio" name="judged" value="real" checked[alert.judged == Some(Judged::Real)]; "Something was the matter" }
                    label.choice { input type="radio" name="judged" value="false_alarm" checked[alert.judged == Some(Judged::FalseAlarm)]; "A false alarm" }
                    label for="resolve-comment" { "Comment" }
                    input type="text" id="resolve-comment" name="comment" maxlength="1000";
                    button { @if alert.is_over() { "Note it" } @else { "Resolve" } }
                }
            }
            @if !alert.is_over() {
                form method="post" action=(format!("/alerts/{id}/silence")) {
                    fieldset {
                        legend { "Silence" }
                        p.soft { "This rule stays quiet for this monitor, version and segment." }
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

fn drifted(detail: &AlertDetail) -> Markup {
    let view = &detail.alert.view;
    let link = |column: &DriftedColumn| column_at(&view.monitor, &column.column, &view.version, &view.segment);
    html! {
        thead {
            tr {
                th scope="col" { "Column" }
                th scope="col" { "Verdict" }
                th scope="col" { "Measure" }
                th.number scope="col" { "Effect" }
                th.number scope="col" { "Limit" }
                th.number scope="col" { "Times" }
                th scope="col" { "From, to" }
            }
        }
        tbody {
            @for column in &view.evidence.drifted {
                tr {
                    th.name scope="row" { a href=(link(column)) { (column.column) } }
                    td { (badge(Outcome::from(column.verdict))) }
                    td { (column.measure.as_str()) }
                    td.number { (number(column.effect)) }
                    td.number { (number(column.threshold)) }
                    td.number { (format!("{:.1}", column.strength())) }
                    td.words { (column.movement.words()) }
                }
            }
        }
        @if view.evidence.more > 0 { tfoot { tr { td colspan="7" { "and " (view.evidence.more) " more columns" } } } }
    }
}

fn history(detail: &AlertDetail) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "When" }
                th scope="col" { "What" }
                th scope="col" { "Why" }
                th scope="col" { "Severity" }
                th scope="col" { "Who" }
                th.wide scope="col" { "Window" }
                th scope="col" { "In words" }
            }
        }
        tbody {
            @for entry in detail.history.iter().rev().take(200) {
                tr {
                    th scope="row" { (time(&entry.at)) }
                    td { (entry.kind.replace('_', " ")) }
                    td { (entry.reason.replace('_', " ")) }
                    td { (entry.severity) }
                    td { (entry.actor) }
                    td.wide { @if let Some(window) = &entry.window { (time(window)) } }
                    td.words { (entry.detail) }
                }
            }
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
                th scope="col" { "How it went" }
            }
        }
        tbody {
            @for message in &detail.deliveries {
                tr {
                    th scope="row" { a href=(format!("/deliveries/{}", message.id)) { (time(&message.at)) } }
                    td { (message.receiver) }
                    td { (standing(&message.status, "")) }
                    td.number { (message.attempts) }
                    td.wide { (message.event_type) }
                    td.words { (message.outcome.as_deref().unwrap_or_default()) @if let Some(words) = message.detail.as_deref().filter(|words| !words.is_empty()) { ": " (words) } }
                }
            }
        }
    }
}
