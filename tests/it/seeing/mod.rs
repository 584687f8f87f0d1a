//! What people and programs see: the API as it is described, tables in Arrow, metrics, pages in a browser; who may do what;
//! and what hostile requests and hostile records get.

mod api;
mod hostile;
mod pages;
mod people;

use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{TOPIC_PARTITIONS, TRAINING_ROWS, World, bike_records, services};

use api::{lists_are_complete, metrics_are_as_prometheus_wants_them, tables_are_arrow, the_api_is_as_described};
use hostile::{hostile_names_are_text, hostile_requests_are_answered_safely};
use pages::{a_wide_monitor_stays_light, pages_are_good};
use people::{commands_show_and_explain, people_change_things};

/// Names that break out of whatever does not expect them.
const HTML: &str = "<script>alert('x')</script>";
const FORMULA: &str = "=cmd|' /C calc'!A0";

/// What would be a line of its own in a log or on a terminal, and what a terminal obeys, as JSON writes it.
const FORGED: &str = "1\\r\\n2026 INFO driftd: forged\\u001b[2J\\u009b31m\\u202e\\u2066\\u2028\\u200b\\u061c";

/// Runs a program to its end; what it said when it failed is the failure.
fn run(mut command: Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{text}");
    text
}

/// Real drift, with a few records whose values are attacks, and columns whose names are.
fn prepared(world: &World) -> u64 {
    world.configure_monitor(|monitor| {
        let hostile = |name| json!({ "name": name, "path": "hostile", "type": "categorical", "role": "latency" });
        let challenger =
            json!({ "by": "workingday", "champion": "0", "challenger": "1", "receivers": ["webhook"] });
        let of_records = json!({ "kind": "page_hinkley", "column": "temp", "threshold": 5.0, "receivers": ["webhook"] });
        let of_windows = json!({ "kind": "ewma", "column": HTML, "on": "windows", "value": "null_share", "receivers": ["webhook"] });
        monitor
            .push("columns", hostile(HTML))
            .push("columns", hostile(FORMULA))
            .set("challenger", challenger)
            .push("detectors", of_records)
            .push("detectors", of_windows)
    });
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);
    let live = &live[..8_200];
    for (index, record) in live.iter().enumerate() {
        world.produce(index as i32 % TOPIC_PARTITIONS, record.as_bytes());
    }
    let attacks = [
        "<img src=x onerror=alert(1)>",
        "=1+1",
        "\\u0000\\u0007\\u202e",
        "';drop table alert;--",
        "%00%0d%0a",
        FORGED,
    ];
    for (index, attack) in attacks.iter().enumerate() {
        let last: Value = serde_json::from_str(&live[live.len() - 1]).unwrap();
        let text = format!(
            "{{\"ts\":{},\"workingday\":\"{attack}\",\"weathersit\":\"{attack}\",\"hostile\":\"{attack}\",\"temp\":0.5}}",
            last["ts"]
        );
        world.produce(index as i32, text.as_bytes());
    }
    world.produce(0, b"{\"ts\":");
    // One that is not counted: what is wrong with it is logged.
    world.produce(0, format!("{{\"ts\":\"{FORGED}\",\"workingday\":\"1\",\"temp\":0.5}}").as_bytes());
    world.flush();
    (live.len() + attacks.len() + 2) as u64
}

#[test]
fn what_is_seen_is_described_safe_and_true() {
    let Some(services) = services("seeing") else { return };
    let world = World::new(&services);
    let messages = prepared(&world);
    let daemon = world.start_daemon("a", None);
    world.wait_until_done(messages, 90);
    let seen = world.http("a");

    pages_are_good(&seen);
    lists_are_complete(&seen);
    tables_are_arrow(&seen);
    hostile_requests_are_answered_safely(&seen);
    hostile_names_are_text(&seen);
    commands_show_and_explain(&seen);
    people_change_things(&seen);
    metrics_are_as_prometheus_wants_them(&seen);
    a_wide_monitor_stays_light(&seen);
    // Last: it makes silences and baselines of its own.
    the_api_is_as_described(&seen);
    assert_eq!(daemon.stop(), Some(0));
}

/// A request, and what it must get.
type Case<'a> = (&'a str, Method, &'a str, &'a [(&'a str, &'a str)], Option<Value>, u16);
