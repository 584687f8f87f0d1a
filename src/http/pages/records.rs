//! Records of a window's sample: those behind a finding, or any.

use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::PageResult;
use super::layout::{PageLayout, page, table, trail};
use super::words::{column_at, encoded, monitor_at, number_of, span, time};
use crate::http::SharedBackend;
use crate::http::access::Caller;
use crate::http::extract::{Path, Query};
use crate::view::{SampledRecord, SampledRecords};

/// Records on a page.
const LISTED: usize = 100;
/// Letters of a value.
const LETTERS: usize = 60;

/// Which records.
#[derive(Deserialize)]
pub(super) struct Params {
    /// Behind the drift of this column.
    column: Option<String>,
}

pub(super) async fn show(
    State(backend): State<SharedBackend>,
    Path((monitor, window)): Path<(String, i64)>,
    Query(query): Query<Params>,
    caller: Caller,
) -> PageResult {
    let found = backend.records(&monitor, window, query.column.as_deref(), LISTED).await?;
    let layout = PageLayout::titled(format!("Records of {monitor}")).in_part("/").seen_by(&caller);
    Ok(page(&layout, &content(&monitor, &found)))
}

fn content(monitor: &str, found: &SampledRecords) -> Markup {
    let window = &found.window;
    let column = found.column.as_deref();
    let back = column.map(|column| {
        format!("{}&window={}", column_at(monitor, column, &window.version, &window.segment), window.id)
    });
    let mut steps = vec![("/", "Monitors")];
    let at = monitor_at(monitor);
    steps.push((&at, monitor));
    if let (Some(back), Some(column)) = (&back, column) {
        steps.push((back, column));
    }
    html! {
        (trail(&steps, "Records"))
        h1 { @match column { Some(column) => { "Records behind " (column) }, None => "Records" } }
        p {
            "Window " (span(window.start, window.end)) ", " (number_of(window.rows, "record")) ", "
            (number_of(found.sample, "record")) " in its sample."
        }
        @if found.sample == 0 {
            p.status.undefined { "No records of this window are kept." }
            @match &found.deleted {
                Some(why) => p { "Reason: " (why) "." },
                None => p { "The section " code { "[sample]" } " of a monitor's file keeps a sample of the records of each window." },
            }
        } @else if column.is_some() && found.grown.is_empty() && found.records.is_empty() {
            p.status.waiting { "No value that became more frequent accounts for the score: values of the baseline are missing from the window, or the column is not in the sample." }
        }
        @if !found.grown.is_empty() {
            p { "Values that became more frequent and contribute most to the score:" }
            ul {
                @for group in &found.grown {
                    li { (group.holds) ": " "from " (format!("{:.1} % to {:.1} %", group.before * 100.0, group.after * 100.0)) ", " (number_of(group.sampled, "record")) " of the sample" }
                }
            }
        }
        @for remark in &found.remarks { p.soft { (remark) "." } }
        @if !found.left_out.is_empty() {
            p.soft { "Not in the sample: " (found.left_out.join(", ")) "." }
        }
        @if !found.records.is_empty() { (rows(column, &found.records)) }
        @if found.sample > 0 {
            p.soft {
                "At most " (LISTED) " are listed here; the full sample: "
                a href=(format!("/api/v1/monitors/{}/windows/{}/records?limit=10000{}", encoded(monitor), window.id, column.map_or(String::new(), |column| format!("&column={}", encoded(column))))) { "as JSON" }
                "."
            }
        }
    }
}

fn rows(column: Option<&str>, records: &[SampledRecord]) -> Markup {
    let mut names: Vec<&String> = records.first().map(|record| record.values.keys().collect()).unwrap_or_default();
    // The column in question first.
    names.sort_by_key(|name| column != Some(name.as_str()));
    html! {
        (table("Records", &html! {
            thead {
                tr {
                    th scope="col" { "Where" }
                    th scope="col" { "Event time" }
                    @if column.is_some() { th scope="col" { "Value range" } }
                    @for name in &names { th scope="col" { (name) } }
                }
            }
            tbody {
                @for record in records {
                    tr {
                        th scope="row" { @if let Some(topic) = &record.topic { (topic) " " } "partition " (record.partition) ", offset " (record.offset) }
                        td { (time(record.time)) }
                        @if column.is_some() { td { (record.holds.as_deref().unwrap_or("–")) } }
                        @for name in &names { td { (shown(record.values.get(name.as_str()))) } }
                    }
                }
            }
        }))
    }
}

/// A value as it is in the record, shortened.
fn shown(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => return "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let mut short: String = text.chars().take(LETTERS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
