//! Retraining requests.

use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::PageResult;
use super::layout::{PageLayout, may_operate, page, table, trail};
use super::words::{monitor_at, series_at, series_name, standing, time};
use crate::http::SharedBackend;
use crate::http::access::Caller;
use crate::http::extract::{Path, Query};
use crate::view::{RequestDetail, RequestRow};

/// Which requests.
#[derive(Default, Deserialize)]
pub(super) struct Params {
    open: Option<String>,
}

pub(super) async fn list(
    State(backend): State<SharedBackend>,
    Query(query): Query<Params>,
    caller: Caller,
) -> PageResult {
    let requests = backend.requests(query.open.is_none()).await?;
    let layout = PageLayout::titled("Retraining").in_part("/retraining").seen_by(&caller).live();
    let content = html! {
        h1 { "Retraining requests" }
        nav.filter aria-label="Which requests" {
            a href="/retraining" aria-current=[query.open.is_none().then_some("true")] { "All" }
            a href="/retraining?open=1" aria-current=[query.open.is_some().then_some("true")] { "Open" }
        }
        @if requests.is_empty() {
            p.status.ok { @if query.open.is_some() { "No request is open." } @else { "No retraining requests yet." } }
        } @else {
            (table("Retraining requests", &rows(&requests)))
        }
    };
    Ok(page(&layout, &content))
}

fn rows(requests: &[RequestRow]) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "State" }
                th scope="col" { "Monitor" }
                th.wide scope="col" { "Series" }
                th scope="col" { "Created" }
                th scope="col" { "Updated" }
                th scope="col" { "Sent to" }
            }
        }
        tbody {
            @for request in requests.iter().take(200) {
                tr {
                    td { (standing(request.state.as_str(), "")) @if request.dry_run { " dry run" } }
                    th scope="row" { a href=(format!("/retraining/{}", request.id)) { (request.monitor) } }
                    td.wide { (series_name(&request.version, &request.segment)) }
                    td { (time(request.created_at)) }
                    td { (time(request.updated_at)) }
                    td.words { (request.receivers.join(", ")) }
                }
            }
        }
    }
}

pub(super) async fn show(
    State(backend): State<SharedBackend>,
    Path(request): Path<Uuid>,
    caller: Caller,
) -> PageResult {
    let detail = backend.request(request).await?;
    let layout = PageLayout::titled(format!("Retraining of {}", detail.request.monitor))
        .in_part("/retraining")
        .seen_by(&caller)
        .live();
    Ok(page(&layout, &content(&detail, &caller)))
}

fn content(detail: &RequestDetail, caller: &Caller) -> Markup {
    let request = &detail.request;
    let state = request.state.as_str();
    html! {
        (trail(&[("/retraining", "Retraining")], request.id.to_string().get(..8).unwrap_or_default()))
        div.title { h1 { "Retraining of " (request.monitor) } (standing(state, "")) }
        @if request.dry_run { p.status.waiting { "Dry run: this request would have been sent." } }
        dl.facts {
            div { dt { "Monitor" } dd { a href=(monitor_at(&request.monitor)) { (request.monitor) } } }
            div { dt { "Series" } dd { a href=(series_at(&request.monitor, &request.version, &request.segment)) { (series_name(&request.version, &request.segment)) } } }
            div { dt { "Because of" } dd { a href=(format!("/alerts/{}", request.alert_id)) { "this alert" } ", window to " (time(request.window_end)) } }
            div { dt { "Sent to" } dd { (request.receivers.join(", ")) } }
            @if let Some(external) = &request.external_id { div { dt { "ID in the training system" } dd { (external) } } }
            @if let Some(until) = &request.expires_at { div { dt { "Expires without an answer" } dd { (time(until)) } } }
        }
        @if may_operate(caller) && !request.state.is_over() {
            div.forms {
                @if state == "proposed" && !request.dry_run { (form(request.id, "approve", "Approve", "It is sent to the training system.")) }
                (form(request.id, "cancel", "Cancel", "Cancels the request. A run that has started is not stopped."))
            }
        }
        h2 { "History" }
        (table("History", &html! {
            thead { tr { th scope="col" { "When" } th scope="col" { "State" } th scope="col" { "Who" } th scope="col" { "Details" } } }
            tbody {
                @for change in detail.history.iter().rev() {
                    tr { th scope="row" { (time(change.at)) } td { (change.state.as_str()) } td { (change.actor) } td.words { (change.detail) } }
                }
            }
        }))
        h2 { "Request body" }
        (json(&request.body))
    }
}

/// JSON to read.
pub(super) fn json(value: &serde_json::Value) -> Markup {
    html! { pre tabindex="0" { (serde_json::to_string_pretty(value).unwrap_or_default()) } }
}

fn form(id: Uuid, action: &str, name: &str, words: &str) -> Markup {
    html! {
        form method="post" action=(format!("/retraining/{id}/{action}")) {
            fieldset {
                legend { (name) }
                p.soft { (words) }
                label for=(format!("{action}-comment")) { "Comment" }
                input type="text" id=(format!("{action}-comment")) name="comment" maxlength="1000";
                button { (name) }
            }
        }
    }
}
