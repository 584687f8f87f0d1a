//! Mails: what drifted, how much, since when, on how many records, and what to do; as text and as HTML.

use std::fmt::Write as _;

use maud::{DOCTYPE, Markup, html};
use serde_json::Value;

use super::plain;
use crate::alert::{AlertEvent, ChangeKind, DriftedColumn, RetrainingEvent, WindowEvidence};
use crate::judge::{Movement, Verdict};

/// A rendered mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The subject line.
    pub subject: String,
    /// The plain part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// Columns in the table of a mail.
const MAX_COLUMNS: usize = 20;

/// Renders an event; `None` when it is not one that driftd writes.
#[must_use]
pub fn render_mail(event: &Value) -> Option<Mail> {
    let data = event.get("data")?.clone();
    if event.get("type")?.as_str()? == "drift.retraining.requested" {
        let request: RetrainingEvent = serde_json::from_value(data).ok()?;
        return Some(retraining_mail(&request));
    }
    let alert: AlertEvent = serde_json::from_value(data).ok()?;
    Some(alert_mail(&alert))
}

/// Monitor, and version and segment where they say something.
fn whose(monitor: &str, version: &str, segment: &str) -> String {
    let mut text = plain(monitor);
    if !version.is_empty() {
        let _infallible = write!(text, " version {}", plain(version));
    }
    if segment != "*" {
        let _infallible = write!(text, ", segment {}", plain(segment));
    }
    text
}

fn alert_mail(alert: &AlertEvent) -> Mail {
    let whose = whose(&alert.monitor, &alert.version, &alert.segment);
    let names: Vec<String> = alert.drifted.iter().take(3).map(|column| plain(&column.column)).collect();
    let more = alert.drifted.len().saturating_sub(names.len());
    let columns = match (names.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => names.join(", "),
        (false, more) => format!("{} and {more} more", names.join(", ")),
    };
    let severity = alert.severity.as_str();
    let (subject, sentence) = match alert.change {
        ChangeKind::Resolved => (
            format!("[resolved] {whose}: no drift any more"),
            format!("{whose} is back to its baseline. It had drifted since {}.", time(&alert.since)),
        ),
        ChangeKind::Worsened => (
            format!("[{severity}] {whose}: drift became worse: {columns}"),
            format!("{whose} drifts since {}, and it became worse: {columns}.", time(&alert.since)),
        ),
        _ => (
            format!("[{severity}] {whose} drifted: {columns}"),
            format!(
                "{whose} has drifted from its baseline since {}: {} of {} columns, first {columns}.",
                time(&alert.since),
                alert.drifted.len(),
                alert.columns,
            ),
        ),
    };
    let facts = [
        ("Window", window(&alert.window)),
        ("Records", format!("{} in the window, {} in the baseline", alert.window.records, alert.baseline_records)),
        ("Baseline", plain(&alert.baseline)),
        ("Drifting since", format!("{} ({} windows in a row)", time(&alert.since), alert.windows)),
        ("Alert", alert.alert_id.to_string()),
    ];
    let advice = match alert.change {
        ChangeKind::Resolved => "Nothing has to be done.",
        _ => {
            "Look at the first columns: did an upstream pipeline change, or did the world? If the new data is right, \
             retrain the model and build a baseline from the new training data (driftd baseline build)."
        }
    };
    mail(subject, &sentence, &alert.drifted, &facts, advice)
}

fn retraining_mail(request: &RetrainingEvent) -> Mail {
    let whose = whose(&request.monitor, &request.version, &request.segment);
    let facts = [
        (
            "Windows",
            format!(
                "{} drifting, the last one {}",
                request.windows.len(),
                request.windows.last().map(window).unwrap_or_default()
            ),
        ),
        ("Baseline", plain(&request.baseline)),
        ("Request", request.request_id.to_string()),
        ("Alert", request.alert_id.to_string()),
    ];
    mail(
        format!("[retraining] {whose}"),
        &format!("A retraining of {whose} is asked for: {}.", plain(&request.reason)),
        &request.drifted,
        &facts,
        "The request was sent to the training system, too, if one is configured.",
    )
}

fn window(window: &WindowEvidence) -> String {
    let incomplete = if window.complete { "" } else { ", incomplete: not every partition could be read" };
    format!("{} to {}{incomplete}", time(&window.start), time(&window.end))
}

/// RFC 3339 as people write it.
fn time(text: &str) -> String {
    plain(text).replacen('T', " ", 1).replace('Z', " UTC")
}

/// Before and after in words.
fn moved(movement: &Movement) -> String {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    if let Some((before, after)) = movement.null_share
        && (after - before).abs() >= 0.01
    {
        return format!("nulls {} to {}", percent(before), percent(after));
    }
    if let Some((before, after)) = movement.mean {
        return format!("mean {} to {}", number(before), number(after));
    }
    if let Some((category, before, after)) = &movement.category {
        return format!("`{}` {} to {}", plain(category), percent(*before), percent(*after));
    }
    String::new()
}

/// Four significant digits.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-3..1e6).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    let decimals = match magnitude {
        m if m >= 1000.0 => 0,
        m if m >= 100.0 => 1,
        m if m >= 10.0 => 2,
        m if m >= 1.0 => 3,
        _ => 4,
    };
    format!("{value:.decimals$}")
}

fn mail(
    subject: String,
    sentence: &str,
    drifted: &[DriftedColumn],
    facts: &[(&str, String)],
    advice: &str,
) -> Mail {
    let mut text = format!("{sentence}\n");
    if !drifted.is_empty() {
        let _infallible = writeln!(
            text,
            "\n{:<24} {:<9} {:<20} {:>9} {:>10}  moved",
            "column", "verdict", "measure", "effect", "threshold"
        );
        for column in drifted.iter().take(MAX_COLUMNS) {
            let _infallible = writeln!(
                text,
                "{:<24} {:<9} {:<20} {:>9} {:>10}  {}",
                plain(&column.column),
                column.verdict.as_str(),
                column.measure.as_str(),
                number(column.effect),
                number(column.threshold),
                moved(&column.movement),
            );
        }
        if drifted.len() > MAX_COLUMNS {
            let _infallible = writeln!(text, "and {} more", drifted.len() - MAX_COLUMNS);
        }
    }
    text.push('\n');
    for (name, value) in facts {
        let _infallible = writeln!(text, "{name}: {value}");
    }
    let _infallible = writeln!(text, "\n{advice}");
    let html = page(sentence, drifted, facts, advice).into_string();
    Mail { subject, text, html }
}

/// Tables and inline styles only: what mail programs show alike.
fn page(sentence: &str, drifted: &[DriftedColumn], facts: &[(&str, String)], advice: &str) -> Markup {
    let cell = "padding:4px 12px 4px 0;text-align:left;vertical-align:top;border-bottom:1px solid #d0d7de";
    let numeric = "padding:4px 12px 4px 0;text-align:right;vertical-align:top;border-bottom:1px solid #d0d7de";
    html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "driftd" } }
            body style="font-family:-apple-system,Segoe UI,Helvetica,Arial,sans-serif;font-size:15px;line-height:1.45;color:#1f2328;background:#ffffff;max-width:760px" {
                p { strong { (sentence) } }
                @if !drifted.is_empty() {
                    table style="border-collapse:collapse;font-size:14px" {
                        tr {
                            th style=(cell) { "Column" } th style=(cell) { "Verdict" } th style=(cell) { "Measure" }
                            th style=(numeric) { "Effect" } th style=(numeric) { "Threshold" } th style=(cell) { "Moved" }
                        }
                        @for column in drifted.iter().take(MAX_COLUMNS) {
                            @let colour = if column.verdict == Verdict::Critical { "#b54708" } else { "#175cd3" };
                            tr {
                                td style=(cell) { (plain(&column.column)) }
                                td style=(cell) { span style={ "font-weight:600;color:" (colour) } { (column.verdict.as_str()) } }
                                td style=(cell) { (column.measure.as_str()) }
                                td style=(numeric) { (number(column.effect)) }
                                td style=(numeric) { (number(column.threshold)) }
                                td style=(cell) { (moved(&column.movement)) }
                            }
                        }
                    }
                    @if drifted.len() > MAX_COLUMNS { p { "and " (drifted.len() - MAX_COLUMNS) " more" } }
                }
                table style="border-collapse:collapse;font-size:14px;margin-top:16px" {
                    @for (name, value) in facts {
                        tr { td style="padding:2px 12px 2px 0;color:#59636e" { (name) } td style="padding:2px 0" { (value) } }
                    }
                }
                p { (advice) }
            }
        }
    }
}
