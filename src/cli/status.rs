//! `driftd status`

use super::{CliError, Context, say, tell, with_reach};
use crate::escape::plain;
use crate::record::number_of;
use crate::view::{FilterSeen, NotCounted, Reading, RecordCount, SEGMENT_ADVICE, Status};

pub(super) fn run(context: &Context) -> Result<(), CliError> {
    with_reach(context, async |reach| {
        let status = reach.status().await?;
        tell(&status, || show(&status))
    })
}

/// Letters by which examples of a reason are told apart.
const SAME: usize = 24;

/// What could not be counted or read, a line each; of each reason the newest example of each kind.
fn in_words(reading: &Reading) -> Vec<String> {
    let mut lines = Vec::new();
    let mut shown: Vec<(&str, String)> = Vec::new();
    for NotCounted { reason, topic, partition, offset, why, .. } in &reading.not_counted {
        let kind = (reason.as_str(), why.chars().take(SAME).collect());
        if !shown.contains(&kind) {
            shown.push(kind);
            lines.push(format!(
                "not counted   {reason}: {topic}/{partition} at {offset}: {}",
                why.replace('\n', " ")
            ));
        }
    }
    for FilterSeen { path, values } in &reading.filters {
        lines.push(format!("filtered      other values of `{path}`: {}", values.join(", ")));
    }
    lines.extend(reading.unreadable.iter().map(|column| format!("unreadable    {}", column.in_words())));
    if let Some(time) = &reading.implausible_time {
        lines.push(format!(
            "implausible   the newest event time is {time}: are `source.time` and `source.time_unit` right?"
        ));
    }
    lines
}

pub(super) fn show(status: &Status) {
    say(format!("daemons  {}", plain(&status.daemons_in_words())));
    for difference in &status.differences {
        say(format!("daemons  {}", plain(difference)));
    }
    if status.monitors.is_empty() {
        say("no monitors: none configured, none stored");
    }
    for monitor in &status.monitors {
        let here = if monitor.configured { "" } else { " (not configured here: not counted)" };
        say(format!("monitor {}{here}", plain(&monitor.monitor)));
        say(format!(
            "  baseline      {}",
            match (&monitor.baseline, &monitor.learning) {
                (Some(baseline), _) => baseline.clone(),
                (None, Some(learning)) => learning.words(),
                (None, None) => "none: windows are counted, but not judged".to_owned(),
            }
        ));
        for segment in &monitor.segments_without_baseline {
            say(format!("  not judged    {}", plain(&segment.words())));
        }
        if !monitor.segments_without_baseline.is_empty() {
            say(format!("  hint: {SEGMENT_ADVICE}"));
        }
        if monitor.records.is_empty() {
            say("  records       none yet");
        }
        for RecordCount { outcome, reason, count } in &monitor.records {
            let label = if reason.is_empty() { outcome.clone() } else { format!("{outcome} ({reason})") };
            say(format!("  records       {count:>12}  {label}"));
        }
        for line in in_words(&monitor.reading) {
            say(format!("  {}", plain(&line)));
        }
        say(format!("  open windows  {:>12}", monitor.open_windows));
        if let Some(window) = &monitor.last_window {
            let incomplete = if window.complete { "" } else { ", incomplete" };
            say(format!(
                "  last window   {} to {}{}: {}, {}{incomplete}",
                window.start,
                window.end,
                if window.version.is_empty() {
                    String::new()
                } else {
                    format!(" of version {}", plain(&window.version))
                },
                number_of(window.rows, "record"),
                window.verdict.words()
            ));
            if let Some(reasons) = window.why_no_reference() {
                say(format!("  no reference  {}", plain(&reasons)));
            }
        }
    }
    for alert in &status.alerts {
        say(format!(
            "alert    {}{} {} {} of {}{} since {}  {}{}",
            alert.state.as_str(),
            if alert.silenced { " (silenced)" } else { "" },
            alert.severity.as_str(),
            alert.rule,
            if alert.monitor.is_empty() { "the daemon" } else { &alert.monitor },
            if alert.version.is_empty() { String::new() } else { format!(" version {}", plain(&alert.version)) },
            alert.since,
            if alert.segment == "*" { String::new() } else { format!("{} ", alert.segment) },
            alert.id,
        ));
    }
    for partition in &status.partitions {
        let lost = if partition.lost > 0 {
            format!(", {} never read", number_of(partition.lost, "message"))
        } else {
            String::new()
        };
        let held = if partition.held_back > 0 {
            format!(", {} held back by an open transaction", number_of(partition.held_back, "message"))
        } else {
            String::new()
        };
        let fault = partition.fault.as_ref().map_or(String::new(), |fault| format!("; NOT READ: {fault}"));
        let lag = match partition.lag {
            Some(lag) if lag > 0 => {
                let when = partition
                    .checked_at
                    .map_or(String::new(), |checked| format!(" (checked {})", checked.to_the_second()));
                format!(", {} behind{when}", number_of(lag, "message"))
            }
            _ => String::new(),
        };
        let newest = partition.newest.as_ref().map_or(String::new(), |newest| format!(", newest event {newest}"));
        say(format!(
            "partition {}/{}: offset {}{}{lag}{held}{lost}{newest}{fault}",
            partition.topic,
            partition.partition,
            partition.next_offset.map_or("-".to_owned(), |offset| offset.to_string()),
            match &partition.checked_at {
                Some(checked) if partition.caught_up && partition.lag.unwrap_or(0) == 0 =>
                    format!(", read to the end (checked {})", checked.to_the_second()),
                _ => String::new(),
            },
        ));
    }
    for outbox in &status.outbox {
        if outbox.pending + outbox.dead > 0 {
            say(format!("receiver {}: {} pending, {} failed", outbox.receiver, outbox.pending, outbox.dead));
        }
    }
}
