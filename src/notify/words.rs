//! What people are told, in words: the parts that mails, chats and pagers share. Names that come from data are made plain
//! here, before they reach any header, markup or terminal.

use std::fmt::Write as _;

use super::plain;
use crate::alert::{
    AlertStatus, AlertView, AlertsEvent, DriftedColumn, EXPLAINED_COLUMNS, RuleKind, SendReason, WindowEvidence,
};
use crate::retrain::RetrainingEvent;

/// An event that people read.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// About alerts.
    Alerts(AlertsEvent),
    /// About a retraining.
    Retraining(Box<RetrainingEvent>),
}

impl Told {
    /// Reads the body of an event; `None` when it is not one that driftd writes.
    #[must_use]
    pub fn read(body: &serde_json::Value) -> Option<Self> {
        let data = body.get("data")?.clone();
        if body.get("type")?.as_str()? == crate::alert::EventKind::RetrainingRequested.as_str() {
            return serde_json::from_value(data).ok().map(|request| Self::Retraining(Box::new(request)));
        }
        serde_json::from_value(data).ok().map(Self::Alerts)
    }

    /// As people read it: alerts about columns of one series become one, its columns ranked.
    #[must_use]
    pub fn for_people(self) -> Self {
        match self {
            Self::Alerts(event) => {
                let alerts = merge_columns(&event.alerts);
                Self::Alerts(AlertsEvent { alerts, ..event })
            }
            Self::Retraining(request) => Self::Retraining(request),
        }
    }

    /// One line: how bad, and what.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Alerts(event) => alerts_title(event),
            Self::Retraining(request) => {
                let test = if request.test { "[test] " } else { "" };
                format!("{test}[retraining] {}", model(&request.monitor, &request.version, &request.segment))
            }
        }
    }
}

/// Alerts that stand alike and are about columns of one series, as one; the others as they are.
fn merge_columns(alerts: &[AlertView]) -> Vec<AlertView> {
    let is_column = |alert: &AlertView| alert.labels.contains_key("column");
    let alike = |left: &AlertView, right: &AlertView| {
        let of = |alert: &AlertView| {
            (alert.status, alert.kind, alert.monitor.clone(), alert.version.clone(), alert.segment.clone())
        };
        is_column(left) && is_column(right) && of(left) == of(right)
    };
    let mut merged: Vec<AlertView> = Vec::new();
    for alert in alerts {
        match merged.iter_mut().find(|known| alike(known, alert)) {
            Some(known) => {
                known.severity = known.severity.max(alert.severity);
                known.since = known.since.clone().min(alert.since.clone());
                known.windows = known.windows.max(alert.windows);
                known.evidence.drifted.extend(alert.evidence.drifted.iter().cloned());
                known.evidence.more += alert.evidence.more;
            }
            None => merged.push(alert.clone()),
        }
    }
    for alert in merged.iter_mut().filter(|alert| alert.evidence.drifted.len() > 1 && is_column(alert)) {
        alert.evidence.drifted.sort_by(|left, right| right.strength().total_cmp(&left.strength()));
        let columns = alert.evidence.drifted.len();
        let names: Vec<&str> =
            alert.evidence.drifted.iter().take(3).map(|column| column.column.as_str()).collect();
        let more = if columns > 3 { format!(" and {} more", columns - 3) } else { String::new() };
        let whose = model(&alert.monitor, &alert.version, &alert.segment);
        let what = if alert.kind == RuleKind::DataQuality { "have missing or broken values" } else { "drifted" };
        alert.evidence.summary = format!("{columns} columns of {whose} {what}: {}{more}", names.join(", "));
        for column in alert.evidence.drifted.iter_mut().skip(EXPLAINED_COLUMNS) {
            column.why.clear();
        }
    }
    merged
}

/// Monitor, and version and segment where they say something.
pub(super) fn model(monitor: &str, version: &str, segment: &str) -> String {
    let mut text = plain(monitor);
    if !version.is_empty() {
        let _infallible = write!(text, " version {}", plain(version));
    }
    if segment != crate::window::WHOLE {
        let _infallible = write!(text, ", segment {}", plain(segment));
    }
    text
}

fn alerts_title(event: &AlertsEvent) -> String {
    let test = if event.test { "[test] " } else { "" };
    let open: Vec<&AlertView> =
        event.alerts.iter().filter(|alert| alert.status != AlertStatus::Resolved).collect();
    let Some(first) = event.alerts.first() else { return format!("{test}no alert") };
    let number = event.alerts.len() + event.more;
    let tag = match (open.is_empty(), event.reason) {
        (true, _) => "resolved",
        (false, SendReason::Acknowledged) => "acknowledged",
        (false, _) => event.severity.as_str(),
    };
    let what = match (open.is_empty(), number) {
        (true, 1) => format!("{}: over", subject(first)),
        (true, number) => format!("{number} alerts over, first {}", subject(first)),
        (false, 1) => plain(&first.evidence.summary),
        (false, number) => format!("{} and {} more", plain(&first.evidence.summary), number - 1),
    };
    let prefix = match event.reason {
        SendReason::Escalated => "not acknowledged: ",
        SendReason::Repeated => "still: ",
        SendReason::Worsened => "worse: ",
        SendReason::Digest => "held back: ",
        _ => "",
    };
    format!("{test}[{tag}] {prefix}{what}")
}

/// What an alert is about.
pub(super) fn subject(alert: &AlertView) -> String {
    let what = match alert.kind {
        RuleKind::Drift => "drift",
        RuleKind::DataQuality => "missing or broken values",
        RuleKind::Operational => return plain(&alert.evidence.summary),
    };
    format!("{what} of {}", model(&alert.monitor, &alert.version, &alert.segment))
}

/// One sentence: what is wrong, or that it is over.
pub(super) fn sentence(alert: &AlertView) -> String {
    match alert.status {
        AlertStatus::Resolved => {
            let since = if alert.kind == RuleKind::Operational { &alert.fired_at } else { &alert.since };
            format!("{} is over; it had begun {}.", capital(&subject(alert)), time(since))
        }
        AlertStatus::Acknowledged => {
            let who = alert.acknowledged_by.as_deref().unwrap_or("somebody");
            format!("{}. {} is at it.", capital(&plain(&alert.evidence.summary)), plain(who))
        }
        AlertStatus::Firing => format!("{}.", capital(&plain(&alert.evidence.summary))),
    }
}

fn capital(text: &str) -> String {
    // Only words; the name of a model stays as it is written.
    for (word, instead) in [("drift of", "Drift of"), ("missing or", "Missing or"), ("values of", "Values of")] {
        if let Some(rest) = text.strip_prefix(word) {
            return format!("{instead}{rest}");
        }
    }
    text.to_owned()
}

/// Names and values that people look for.
pub(super) fn facts(alert: &AlertView) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let evidence = &alert.evidence;
    if let Some(evidence_window) = &evidence.window {
        facts.push(("Window", window(evidence_window)));
        let baseline = evidence.baseline_records.map_or(String::new(), |n| format!(", {n} in the baseline"));
        facts.push(("Records", format!("{} in the window{baseline}", evidence_window.records)));
    }
    if let Some(baseline) = evidence.baseline.as_deref().filter(|baseline| !baseline.is_empty()) {
        facts.push(("Baseline", plain(baseline)));
    }
    if alert.kind == RuleKind::Operational {
        facts.push(("Since", time(&alert.fired_at)));
    } else {
        let windows = if alert.windows == 1 { "window" } else { "windows" };
        facts.push(("Since", format!("{} ({} drifting {windows})", time(&alert.since), alert.windows)));
    }
    if let Some(at) = &alert.resolved_at {
        facts.push(("Over since", time(at)));
    }
    if let Some(who) = &alert.acknowledged_by {
        facts.push(("Acknowledged by", plain(who)));
    }
    facts.push(("Alert", alert.id.to_string()));
    if let Some(url) = &alert.url {
        facts.push(("Look at it", plain(url)));
    }
    facts
}

/// The facts of a retraining request.
pub(super) fn request_facts(request: &RetrainingEvent) -> Vec<(&'static str, String)> {
    let training = &request.training;
    vec![
        (
            "Windows",
            format!(
                "{} drifting, the last one {}",
                request.windows.len(),
                request.windows.last().map(window).unwrap_or_default()
            ),
        ),
        (
            "Training range",
            format!("{} to {}, {} records", time(&training.from), time(&training.to), training.records),
        ),
        ("Baseline", plain(&request.baseline)),
        ("Request", request.request_id.to_string()),
        ("Alert", request.alert_id.to_string()),
    ]
}

pub(super) fn window(window: &WindowEvidence) -> String {
    let incomplete = if window.complete { "" } else { ", incomplete: not every partition could be read" };
    let late =
        if window.late_records > 0 { format!(", {} late records", window.late_records) } else { String::new() };
    format!("{} to {}{late}{incomplete}", time(&window.start), time(&window.end))
}

/// RFC 3339 as people write it, to the second.
pub(super) fn time(text: &str) -> String {
    let text = plain(text).replacen('T', " ", 1);
    let text = text.trim_end_matches('Z');
    format!("{} UTC", text.split('.').next().unwrap_or(text))
}

/// One line about a column: measure, effect, limit, before and after.
pub(super) fn column_line(column: &DriftedColumn) -> String {
    let moved = plain(&column.movement.words());
    let moved = if moved.is_empty() { moved } else { format!("; {moved}") };
    format!(
        "{}: {} {} (limit {}){moved}",
        plain(&column.column),
        column.measure.as_str(),
        number(column.effect),
        number(column.threshold),
    )
}

pub(super) use crate::judge::why::number;

/// The whole event as plain text.
#[must_use]
pub fn text_of(told: &Told) -> String {
    let mut text = String::new();
    match told {
        Told::Alerts(event) => {
            for (index, alert) in event.alerts.iter().enumerate() {
                if index > 0 {
                    text.push_str("\n----\n\n");
                }
                alert_text(&mut text, alert);
            }
            if event.more > 0 {
                let _infallible = writeln!(text, "\n... and {} more alerts", event.more);
            }
        }
        Told::Retraining(request) => {
            let _infallible = writeln!(
                text,
                "A retraining of {} is asked for: {}.",
                model(&request.monitor, &request.version, &request.segment),
                plain(&request.reason)
            );
            columns_text(&mut text, &request.drifted, 0);
            text.push('\n');
            for (name, value) in request_facts(request) {
                let _infallible = writeln!(text, "{name}: {value}");
            }
        }
    }
    text
}

fn alert_text(text: &mut String, alert: &AlertView) {
    let _infallible = writeln!(text, "{}", sentence(alert));
    columns_text(text, &alert.evidence.drifted, alert.evidence.more);
    text.push('\n');
    for (name, value) in facts(alert) {
        let _infallible = writeln!(text, "{name}: {value}");
    }
    if alert.status != AlertStatus::Resolved && !alert.evidence.advice.is_empty() {
        let _infallible = writeln!(text, "\n{}", plain(&alert.evidence.advice));
    }
}

fn columns_text(text: &mut String, drifted: &[DriftedColumn], more: usize) {
    if drifted.is_empty() {
        return;
    }
    let wide = drifted.iter().map(|column| plain(&column.column).chars().count()).max();
    let wide = wide.unwrap_or(6).clamp(6, 40);
    let _infallible = writeln!(
        text,
        "\n{:<wide$}  {:<8}  {:<20}  {:>8}  {:>8}  moved",
        "column", "verdict", "measure", "effect", "limit"
    );
    for column in drifted {
        let _infallible = writeln!(
            text,
            "{:<wide$}  {:<8}  {:<20}  {:>8}  {:>8}  {}",
            plain(&column.column),
            column.verdict.as_str(),
            column.measure.as_str(),
            number(column.effect),
            number(column.threshold),
            plain(&column.movement.words()),
        );
    }
    if more > 0 {
        let _infallible = writeln!(text, "... and {more} more");
    }
    for column in drifted.iter().filter(|column| !column.why.is_empty()) {
        let _infallible = writeln!(text, "\nWhy {}:", plain(&column.column));
        for reason in &column.why {
            let _infallible = writeln!(text, "  - {}", plain(reason));
        }
    }
}
