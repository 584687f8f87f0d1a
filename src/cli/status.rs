//! `driftd status`

use std::path::Path;

use super::{CliError, say, tell, with_store};
use crate::view::{RecordCount, Status};

pub(super) fn run(path: &Path) -> Result<(), CliError> {
    with_store(path, async |store, _| {
        let status = store.status().await?;
        tell(&status, || show(&status))
    })
}

pub(super) fn show(status: &Status) {
    if status.monitors.is_empty() {
        say("nothing was counted yet");
    }
    for monitor in &status.monitors {
        say(format!("monitor {}", monitor.monitor));
        say(format!(
            "  baseline      {}",
            monitor.baseline.as_deref().unwrap_or("none: windows are counted, not judged")
        ));
        for RecordCount { outcome, reason, count } in &monitor.records {
            let label = if reason.is_empty() { outcome.clone() } else { format!("{outcome} ({reason})") };
            say(format!("  records       {count:>12}  {label}"));
        }
        say(format!("  open windows  {:>12}", monitor.open_windows));
        if let Some(window) = &monitor.last_window {
            let incomplete = if window.complete { "" } else { ", incomplete" };
            say(format!(
                "  last window   {} to {}: {} records, {}{incomplete}",
                window.start,
                window.end,
                window.rows,
                window.verdict.as_str()
            ));
        }
    }
    for alert in &status.alerts {
        say(format!(
            "alert    {} {} {} of {} since {}  {}{}",
            alert.state,
            alert.severity,
            alert.rule,
            if alert.monitor.is_empty() { "the daemon" } else { &alert.monitor },
            alert.since,
            if alert.segment == "*" { String::new() } else { format!("{} ", alert.segment) },
            alert.id,
        ));
    }
    for partition in &status.partitions {
        let lost = if partition.lost > 0 {
            format!(", {} messages lost to retention", partition.lost)
        } else {
            String::new()
        };
        say(format!(
            "position {}/{} at {}{}{lost}",
            partition.topic,
            partition.partition,
            partition.next_offset.map_or("-".to_owned(), |offset| offset.to_string()),
            if partition.caught_up { ", at the end" } else { "" },
        ));
    }
    for outbox in &status.outbox {
        if outbox.pending + outbox.dead > 0 {
            say(format!("receiver {}: {} waiting, {} given up", outbox.receiver, outbox.pending, outbox.dead));
        }
    }
}
