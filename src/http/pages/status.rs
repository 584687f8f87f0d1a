//! How the daemon itself does.

use axum::extract::State;
use maud::{Markup, html};

use super::PageResult;
use super::layout::{PageLayout, page, table};
use super::words::time;
use crate::http::Probe;
use crate::http::SharedBackend;
use crate::http::access::Caller;
use crate::http::backend::PageRequest;
use crate::record::grouped;
use crate::view::{AuditEntry, ConfiguredValue, Status};

pub(super) async fn show(State(backend): State<SharedBackend>, caller: Caller) -> PageResult {
    let status = backend.status().await?;
    let audit = backend.audit(None, &PageRequest { cursor: None, limit: 30 }).await?;
    let layout = PageLayout::titled("Status").in_part("/status").seen_by(&caller).live();
    let ready = backend.ready();
    let works = if ready.standby {
        "The database answers; this daemon is on standby, without a partition."
    } else {
        "The database answers, and partitions are assigned."
    };
    let content = html! {
        h1 { "Status" }
        (probe("Ready", &ready, works))
        (probe("Live", &backend.health(), "All tasks run."))
        p { "Running daemons of this database: " (status.daemons_in_words()) "." }
        @for difference in &status.differences { p.status.drift { (difference) "." } }
        h2 { "Partitions" }
        (partitions(&status))
        h2 { "Who changed what" }
        @if audit.items.is_empty() { p.soft { "No changes yet." } } @else { (table("Audit log", &changes(&audit.items))) }
        h2 { "Build" }
        dl.facts {
            div { dt { "Version" } dd { "driftd " (env!("CARGO_PKG_VERSION")) } }
            div { dt { "For machines" } dd { a href="/metrics" { "metrics" } ", " a href="/healthz" { "healthz" } ", " a href="/readyz" { "readyz" } ", " a href="/api/v1/openapi.json" { "OpenAPI" } } }
        }
        h2 { "Configuration" }
        p.soft { "What is in force on this daemon, secrets left out." }
        (configuration(&backend.configuration()))
    };
    Ok(page(&layout, &content))
}

fn probe(name: &str, probe: &Probe, well: &str) -> Markup {
    html! {
        @if probe.ok {
            p.status.ok { (name) ": " (well) }
        } @else {
            p.status.drift { (name) ": " (probe.problems.join("; ")) "." }
        }
    }
}

fn partitions(status: &Status) -> Markup {
    if status.partitions.is_empty() {
        return html! { p.soft { "No partition is known yet." } };
    }
    let shown = |offset: Option<i64>| offset.map_or("–".to_owned(), |offset| offset.to_string());
    table(
        "Partitions",
        &html! {
            thead {
                tr {
                    th scope="col" { "Partition" }
                    th.number scope="col" { "Next offset" }
                    th.number.wide scope="col" { "Log end" }
                    th.number scope="col" { "Lag" }
                    th scope="col" { "Newest event" }
                    th scope="col" { "Last checkpoint" }
                    th scope="col" { "Read to the end" }
                    th.number scope="col" { "Messages never read" }
                    th.wide scope="col" { "Read by" }
                }
            }
            tbody {
                @for partition in &status.partitions {
                    tr {
                        th scope="row" { (partition.topic) "/" (partition.partition) }
                        td.number { (shown(partition.next_offset)) }
                        td.number.wide { (shown(partition.log_end)) }
                        td.number {
                            (partition.lag.map_or("–".to_owned(), grouped))
                            @if partition.held_back > 0 { " (" (grouped(partition.held_back)) " in an open transaction)" }
                        }
                        td { @if let Some(newest) = &partition.newest { (time(newest)) } @else { "–" } }
                        td { (time(partition.progressed_at)) }
                        td {
                            @if let Some(fault) = &partition.fault { strong { "not read: " (fault) } }
                            @else if partition.caught_up {
                                "yes"
                                @if let Some(checked) = &partition.checked_at { ", as of " (time(checked)) }
                            } @else { "no" }
                        }
                        td.number { (grouped(partition.lost)) }
                        td.wide { (partition.owner.as_deref().unwrap_or("–")) }
                    }
                }
            }
        },
    )
}

fn changes(entries: &[AuditEntry]) -> Markup {
    html! {
        thead { tr { th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" } th scope="col" { "Of" } th.wide scope="col" { "Before and after" } } }
        tbody {
            @for entry in entries {
                tr {
                    th scope="row" { (time(entry.at)) }
                    td { (entry.actor) }
                    td { (entry.action) }
                    td.words { (entry.subject) }
                    td.words.wide { code { (entry.detail) } }
                }
            }
        }
    }
}

/// Keys a page lists; all of them are in the API.
const KEYS: usize = 400;

fn is_shown(value: &ConfiguredValue) -> bool {
    value.origin != "default" || value.after_restart.is_some()
}

fn configuration(values: &[ConfiguredValue]) -> Markup {
    let mut files: Vec<&str> = values.iter().map(|value| value.file.as_str()).collect();
    files.dedup();
    html! {
        @for file in files {
            details {
                summary { (file) }
                (table(file, &html! {
                    thead { tr { th scope="col" { "Key" } th scope="col" { "Value" } th scope="col" { "Set" } } }
                    tbody {
                        @for value in values.iter().filter(|value| value.file == file && is_shown(value)).take(KEYS) {
                            tr {
                                th scope="row" { code { (value.key) } }
                                td.words {
                                    code { (value.value) }
                                    @if let Some(later) = &value.after_restart { br; "after a restart: " code { (later) } }
                                }
                                td { (value.origin) }
                            }
                        }
                    }
                }))
            }
        }
        p.soft { "With every default: " a href="/api/v1/configuration" { "as JSON" } ", or " code { "driftd config show --origin" } "." }
    }
}
