//! All alerts, and the silences over them.

use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;

use super::PageResult;
use super::layout::{PageLayout, may_operate, page, table};
use super::words::{encoded, standing, time};
use crate::alert::RowState;
use crate::http::SharedBackend;
use crate::http::access::Caller;
use crate::http::backend::PageRequest;
use crate::http::extract::Query;
use crate::view::{AlertRow, Page, SilenceRow};

/// Which alerts.
#[derive(Default, Deserialize)]
pub(super) struct Params {
    monitor: Option<String>,
    all: Option<String>,
    cursor: Option<String>,
}

pub(super) async fn show(
    State(backend): State<SharedBackend>,
    Query(query): Query<Params>,
    caller: Caller,
) -> PageResult {
    let states: &[RowState] = if query.all.is_some() { &[] } else { &RowState::OPEN };
    let request = PageRequest { cursor: query.cursor.clone(), limit: 100 };
    let alerts = backend.alerts(query.monitor.as_deref(), states, &request).await?;
    let silences = backend.silences(false).await?;
    let layout = PageLayout::titled("Alerts").in_part("/alerts").seen_by(&caller).live();
    Ok(page(&layout, &content(&query, &alerts, &silences, &caller)))
}

fn content(query: &Params, alerts: &Page<AlertRow>, silences: &[SilenceRow], caller: &Caller) -> Markup {
    let of = query.monitor.as_ref().map_or(String::new(), |monitor| format!("monitor={}", encoded(monitor)));
    let all = query.all.is_some();
    html! {
        h1 { "Alerts" @if let Some(monitor) = &query.monitor { " of " (monitor) } }
        nav.filter aria-label="Which alerts" {
            a href=(format!("/alerts?{of}")) aria-current=[(!all).then_some("true")] { "Open" }
            a href=(format!("/alerts?all=1&{of}")) aria-current=[all.then_some("true")] { "All" }
            @if query.monitor.is_some() { a href="/alerts" { "Of all monitors" } }
        }
        @if alerts.items.is_empty() {
            p.status.ok { @if all { "There was no alert yet." } @else { "No alert is open." } }
        } @else {
            (table("Alerts", &rows(&alerts.items)))
        }
        @if let Some(next) = &alerts.next {
            p { a href=(format!("/alerts?{}cursor={}&{of}", if all { "all=1&" } else { "" }, encoded(next))) rel="next" { "Older ones" } }
        }
        h2 { "Silences" }
        @if silences.is_empty() { p.soft { "Nothing is silenced." } } @else { (table("Silences", &silenced(silences, caller))) }
    }
}

pub(super) fn rows(alerts: &[AlertRow]) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "State" }
                th scope="col" { "Severity" }
                th scope="col" { "What" }
                th scope="col" { "Rule" }
                th scope="col" { "Since (event time)" }
                th.number.wide scope="col" { "Windows" }
                th.wide scope="col" { "Updated" }
            }
        }
        tbody {
            @for alert in alerts {
                @let view = &alert.view;
                tr {
                    td { (standing(alert.state.as_str(), view.severity.as_str())) }
                    td { (view.severity.as_str()) }
                    th.words scope="row" { a href=(format!("/alerts/{}", view.id)) { @if view.evidence.summary.is_empty() { (view.rule) " of " (view.monitor) } @else { (view.evidence.summary) } }
                        @if !alert.not_told.is_empty() { div.soft { "No messages to " (alert.not_told.join(", ")) } } }
                    td { (view.rule) }
                    td { (time(view.since)) }
                    td.number.wide { (view.windows) @if view.judged_windows > view.windows { " of " (view.judged_windows) } }
                    td.wide { (time(alert.updated_at)) }
                }
            }
        }
    }
}

fn silenced(silences: &[SilenceRow], caller: &Caller) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "Silenced" }
                th scope="col" { "Until" }
                th scope="col" { "Who" }
                th scope="col" { "Why" }
                @if may_operate(caller) { th scope="col" data-fixed="" { "End" } }
            }
        }
        tbody {
            @for silence in silences {
                tr {
                    th.words scope="row" { code { (silence.matchers.join(", ")) } }
                    td { (time(silence.ends_at)) }
                    td { (silence.author) }
                    td.words { (silence.comment) }
                    @if may_operate(caller) {
                        td { form.inline method="post" action=(format!("/silences/{}/end", silence.id)) { button.plain { "End now" } } }
                    }
                }
            }
        }
    }
}
