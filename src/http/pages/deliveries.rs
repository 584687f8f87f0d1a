//! Messages, and how their delivery goes.

use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::PageResult;
use super::layout::{PageLayout, may_operate, page, table, trail};
use super::retraining::json;
use super::words::{encoded, standing, time};
use crate::http::SharedBackend;
use crate::http::access::Caller;
use crate::http::backend::PageRequest;
use crate::http::extract::{Path, Query};
use crate::view::{DeliveryFilter, DeliveryRow, DeliveryStatus};

/// Which messages.
#[derive(Default, Deserialize)]
pub(super) struct Params {
    receiver: Option<String>,
    status: Option<DeliveryStatus>,
    cursor: Option<String>,
}

fn name_of(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Pending => "Pending",
        DeliveryStatus::Sent => "Sent",
        DeliveryStatus::Dead => "Failed",
        DeliveryStatus::Superseded => "Superseded",
    }
}

pub(super) async fn list(
    State(backend): State<SharedBackend>,
    Query(query): Query<Params>,
    caller: Caller,
) -> PageResult {
    let filter = DeliveryFilter { receiver: query.receiver.clone(), status: query.status };
    let request = PageRequest { cursor: query.cursor.clone(), limit: 100 };
    let deliveries = backend.deliveries(&filter, &request).await?;
    let status = backend.status().await?;
    let of = query.receiver.as_ref().map_or(String::new(), |receiver| format!("&receiver={}", encoded(receiver)));
    let layout = PageLayout::titled("Deliveries").in_part("/deliveries").seen_by(&caller).live();
    let content = html! {
        h1 { "Deliveries" @if let Some(receiver) = &query.receiver { " to " (receiver) } }
        @let failed: u64 = status.outbox.iter().map(|receiver| receiver.dead).sum();
        @let pending: u64 = status.outbox.iter().map(|receiver| receiver.pending).sum();
        p.status.(if failed > 0 { "drift" } else if pending > 0 { "warn" } else { "ok" }) { (pending) " pending, " (failed) " failed." }
        nav.filter aria-label="Which messages" {
            a href=(format!("/deliveries?{}", of.trim_start_matches('&'))) aria-current=[query.status.is_none().then_some("true")] { "All" }
            @for status in DeliveryStatus::ALL {
                a href=(format!("/deliveries?status={}{of}", status.as_str())) aria-current=[(query.status == Some(status)).then_some("true")] { (name_of(status)) }
            }
            @if query.receiver.is_some() { a href="/deliveries" { "To all receivers" } }
        }
        @if deliveries.items.is_empty() { p.soft { "No messages match." } } @else { (table("Deliveries", &rows(&deliveries.items))) }
        @if let Some(next) = &deliveries.next {
            @let status = query.status.map_or(String::new(), |status| format!("&status={}", status.as_str()));
            p { a href=(format!("/deliveries?cursor={}{status}{of}", encoded(next))) rel="next" { "Older ones" } }
        }
        @if !status.outbox.is_empty() {
            h2 { "Receivers" }
            (table("Receivers", &html! {
                thead { tr { th scope="col" { "Receiver" } th.number scope="col" { "Pending" } th.number scope="col" { "Failed" } th.number scope="col" { "Oldest, seconds" } } }
                tbody {
                    @for receiver in &status.outbox {
                        tr {
                            th scope="row" { a href=(format!("/deliveries?receiver={}", encoded(&receiver.receiver))) { (receiver.receiver) } }
                            td.number { (receiver.pending) } td.number { (receiver.dead) } td.number { (format!("{:.0}", receiver.oldest_seconds)) }
                        }
                    }
                }
            }))
        }
    };
    Ok(page(&layout, &content))
}

fn rows(deliveries: &[DeliveryRow]) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "Decided" }
                th scope="col" { "State" }
                th scope="col" { "To" }
                th scope="col" { "About" }
                th.wide scope="col" { "Event" }
                th.number scope="col" { "Attempts" }
                th scope="col" { "Last attempt" }
            }
        }
        tbody {
            @for delivery in deliveries {
                tr {
                    th scope="row" { a href=(format!("/deliveries/{}", delivery.id)) { (time(delivery.created_at)) } }
                    td { (standing(delivery.status.words(), "")) }
                    td { (delivery.receiver) }
                    td.words { (delivery.about) }
                    td.wide { (delivery.event_type) }
                    td.number { (delivery.attempts) }
                    td { (delivery.outcome.as_deref().unwrap_or("–").replace('_', " ")) }
                }
            }
        }
    }
}

pub(super) async fn show(
    State(backend): State<SharedBackend>,
    Path(delivery): Path<Uuid>,
    caller: Caller,
) -> PageResult {
    let detail = backend.delivery(delivery).await?;
    let row = &detail.delivery;
    let layout =
        PageLayout::titled(format!("Message to {}", row.receiver)).in_part("/deliveries").seen_by(&caller).live();
    let again = may_operate(&caller) && matches!(row.status, DeliveryStatus::Dead | DeliveryStatus::Sent);
    let content = html! {
        (trail(&[("/deliveries", "Deliveries")], row.id.to_string().get(..8).unwrap_or_default()))
        div.title { h1 { "Message to " (row.receiver) } (standing(row.status.words(), "")) }
        p { (row.about) }
        dl.facts {
            div { dt { "Event" } dd { (row.event_type) } }
            div { dt { "ID" } dd { code { (row.id) } } }
            div { dt { "Decided" } dd { (time(row.created_at)) } }
            @if let Some(at) = &row.finished_at { div { dt { "Sent or failed" } dd { (time(at)) } } }
            @if let Some(at) = &row.next_attempt_at { div { dt { "Next attempt" } dd { (time(at)) } } }
        }
        @if again {
            form method="post" action=(format!("/deliveries/{}/replay", row.id)) { button { "Send again" } " " span.soft { "under the same ID, so that receivers can recognise a repetition" } }
        }
        h2 { "Attempts" }
        @if detail.attempts.is_empty() { p.soft { "None yet." } } @else {
            (table("Attempts", &html! {
                thead { tr { th scope="col" { "When" } th.number scope="col" { "Attempt" } th scope="col" { "Outcome" } th scope="col" { "Details" } } }
                tbody {
                    @for attempt in &detail.attempts {
                        tr { th scope="row" { (time(attempt.at)) } td.number { (attempt.attempt) } td { (attempt.outcome.replace('_', " ")) } td.words { (attempt.detail) } }
                    }
                }
            }))
        }
        h2 { "The event" }
        (json(&detail.body))
    };
    Ok(page(&layout, &content))
}
