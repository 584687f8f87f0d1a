//! What people are told, in words: the parts that mails, chats and pagers share. Names that come from data are made plain
//! here, before they reach any header, markup or terminal.

mod challenger;
mod detection;
mod merged;
mod title;

use std::fmt::Write as _;

use crate::alert::{
    AlertStatus, AlertView, AlertsEvent, DriftedColumn, EventKind, RuleKind, WindowEvidence, series_words, times,
    worst_and_last,
};
use crate::challenge::ChallengerEvent;
use crate::detection::DetectionEvent;
use crate::escape::plain;
use crate::record::{Timestamp, grouped, number_of};
use crate::retrain::RetrainingEvent;

pub(super) use challenger::{advice, as_alert, challenger_facts, challenger_sentence, pair_lines};
pub(super) use detection::{DETECTION_ADVICE, detection_alert, detection_facts, detection_sentence};
pub(super) use merged::apart;
pub(super) use title::headline;

use merged::merge_columns;
use title::{TITLE, alerts_title, short_model};

/// An event that people read.
#[derive(Clone, Debug, PartialEq)]
pub enum Readable {
    /// About alerts.
    Alerts(AlertsEvent),
    /// About a retraining.
    Retraining(Box<RetrainingEvent>),
    /// About a challenger.
    Challenger(Box<ChallengerEvent>),
    /// About a drift that a sequential detector found.
    Detection(Box<DetectionEvent>),
}

impl Readable {
    /// Reads the body of an event; `None` when it is not one that driftd writes.
    #[must_use]
    pub fn read(body: &serde_json::Value) -> Option<Self> {
        let data = body.get("data")?.clone();
        let kind: EventKind = serde_json::from_value(body.get("type")?.clone()).ok()?;
        match kind {
            EventKind::RetrainingRequested => {
                serde_json::from_value(data).ok().map(|request| Self::Retraining(Box::new(request)))
            }
            EventKind::ChallengerWorse | EventKind::ChallengerReady => {
                serde_json::from_value(data).ok().map(|event| Self::Challenger(Box::new(event)))
            }
            EventKind::DriftDetected => {
                serde_json::from_value(data).ok().map(|event| Self::Detection(Box::new(event)))
            }
            EventKind::AlertsFiring | EventKind::AlertsResolved | EventKind::AlertsDigest => {
                serde_json::from_value(data).ok().map(Self::Alerts)
            }
        }
    }

    /// As people read it: alerts about columns of one series become one, its columns ranked; those of segments that only
    /// follow the whole are a line of its alert.
    #[must_use]
    pub fn for_people(self) -> Self {
        match self {
            Self::Alerts(event) => {
                let alerts = merge_columns(&apart(&event.alerts));
                Self::Alerts(AlertsEvent { alerts, ..event })
            }
            other => other,
        }
    }

    /// Whether somebody only tries whether messages arrive.
    #[must_use]
    pub fn is_test(&self) -> bool {
        match self {
            Self::Alerts(event) => event.test,
            Self::Retraining(request) => request.test,
            Self::Challenger(event) => event.test,
            Self::Detection(event) => event.test,
        }
    }

    /// One line of less than 80 characters: how bad, and what.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Alerts(event) => alerts_title(event),
            Self::Retraining(request) => {
                let tag = if request.test { "[test] [retraining] " } else { "[retraining] " };
                let room = TITLE - tag.len();
                format!("{tag}{}", short_model(&request.monitor, &request.version, &request.segment, room))
            }
            Self::Challenger(event) => challenger::title(event),
            Self::Detection(event) => detection::title(event),
        }
    }
}

/// Monitor, and version and segment where they say something.
pub(super) fn model(monitor: &str, version: &str, segment: &str) -> String {
    series_words(&plain(monitor), &plain(version), &plain(segment))
}

/// What an alert is about.
pub(super) fn subject(alert: &AlertView) -> String {
    let what = match alert.kind {
        RuleKind::Drift => "drift",
        RuleKind::DataQuality => "missing or broken values",
        RuleKind::Volume => "unusual number of records",
        RuleKind::Operational => return plain(&alert.evidence.summary),
    };
    format!("{what} of {}", model(&alert.monitor, &alert.version, &alert.segment))
}

/// One sentence: what is wrong, or how it ended.
pub(super) fn sentence(alert: &AlertView) -> String {
    match alert.status {
        AlertStatus::Resolved => {
            let since = if alert.kind == RuleKind::Operational { alert.fired_at } else { alert.since };
            let worst = alert.evidence.worst.as_ref();
            let worst = worst.map_or(String::new(), |worst| {
                format!(" Worst window {}: {}.", time(worst.start), plain(&worst.words()))
            });
            let subject = capital(&subject(alert));
            let end = match alert.reason.as_str() {
                "no_more_records" | "rule_removed" | "by_person" | "window_amended" | "withdrawn" => {
                    format!("{subject}: {}", plain(&alert.end_words()))
                }
                _ if alert.kind == RuleKind::DataQuality => format!("{subject} are resolved"),
                _ => format!("{subject} is resolved"),
            };
            format!("{end}; it began {}.{worst}", time(since))
        }
        AlertStatus::Acknowledged => {
            let who = alert.acknowledged_by.as_deref().unwrap_or("a person");
            let summary = capital(&plain(&alert.evidence.summary));
            format!("{summary}. Acknowledged by {}{}.", plain(who), plain(&alert.said()))
        }
        AlertStatus::Firing if alert.reason == "window_amended" => {
            format!("{}. Raised late: late records changed a window.", capital(&plain(&alert.evidence.summary)))
        }
        AlertStatus::Firing => format!("{}.", capital(&plain(&alert.evidence.summary))),
    }
}

/// One line about the segments of an alert of the whole; none when none drifts.
pub(super) fn segments_line(alert: &AlertView) -> Option<String> {
    let segments = alert.segments.as_ref()?;
    let line = plain(&segments.line());
    let mut letters = line.chars();
    let first = letters.next()?.to_ascii_uppercase();
    Some(format!("{first}{}.", letters.as_str()))
}

fn capital(text: &str) -> String {
    // Only words; the name of a model stays as it is written.
    for (word, instead) in [
        ("drift of", "Drift of"),
        ("missing or", "Missing or"),
        ("values of", "Values of"),
        ("unusual", "Unusual"),
    ] {
        if let Some(rest) = text.strip_prefix(word) {
            return format!("{instead}{rest}");
        }
    }
    text.to_owned()
}

/// The name of the fact that says where more is shown.
pub(super) const LOOK: &str = "More";

/// Names and values that people look for.
pub(super) fn facts(alert: &AlertView) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let evidence = &alert.evidence;
    for (name, named) in evidence.windows() {
        facts.push((name, format!("{} to {}: {}", time(named.start), time(named.end), plain(&named.words()))));
    }
    if let Some(evidence_window) = &evidence.window {
        let is_plain =
            evidence_window.complete && evidence_window.late_records == 0 && evidence_window.revision == 0;
        if evidence.worst.is_none() || !is_plain {
            facts.push(("Window", window(evidence_window)));
        }
        let baseline =
            evidence.baseline_records.map_or(String::new(), |n| format!(", {} in the reference", grouped(n)));
        let which = if evidence.worst.is_some() { "the worst window" } else { "the window" };
        facts.push(("Records", format!("{} in {which}{baseline}", grouped(evidence_window.records))));
    }
    if let Some(baseline) = evidence.baseline.as_deref().filter(|baseline| !baseline.is_empty()) {
        facts.push(("Reference", plain(baseline)));
    }
    if let Some(known) = &evidence.natural_variation {
        facts.push(("Natural variation", known.to_string()));
    }
    if alert.kind == RuleKind::Operational {
        facts.push(("Since", time(alert.fired_at)));
    } else {
        facts.push(("Since", format!("{}, {}", time(alert.since), alert.windows_words())));
        if let Some(calm) = evidence.calm.filter(|_| alert.status != AlertStatus::Resolved) {
            facts.push(("Now", calm.words()));
        }
    }
    if let Some(at) = alert.resolved_at {
        facts.push(("Ended", time(at)));
    }
    if let Some(who) = &alert.acknowledged_by {
        facts.push(("Acknowledged by", plain(who)));
    }
    facts.push(("Alert", alert.id.to_string()));
    let look = alert.url.as_deref().map_or_else(|| format!("driftd alerts show {}", alert.id), plain);
    // A command that shows all there is sets an empty one.
    if !look.is_empty() {
        facts.push((LOOK, look));
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
                request.drifting_windows.max(u32::try_from(request.windows.len()).unwrap_or(u32::MAX)),
                request.windows.last().map(window).unwrap_or_default()
            ),
        ),
        (
            "Training range",
            format!("{} to {}, {}", time(training.from), time(training.to), number_of(training.records, "record")),
        ),
        ("Reference", plain(&request.baseline)),
        ("Request", request.request_id.to_string()),
        ("Alert", request.alert_id.to_string()),
        (LOOK, format!("driftd retraining show {}", request.request_id)),
    ]
}

pub(super) fn window(window: &WindowEvidence) -> String {
    let incomplete = if window.complete { "" } else { ", incomplete: not every partition could be read" };
    let late = match window.late_records {
        0 => String::new(),
        late => format!(", {}", number_of(late, "late record")),
    };
    let revised = match window.revision {
        0 => String::new(),
        revision => format!(", revision {revision}"),
    };
    format!("{} to {}{revised}{late}{incomplete}", time(window.start), time(window.end))
}

/// `2026-11-21 15:00:11 UTC`.
pub(super) fn time(at: Timestamp) -> String {
    let text = at.to_the_second().to_string().replacen('T', " ", 1);
    format!("{} UTC", text.trim_end_matches('Z'))
}

/// One line about a column: measure, effect, limit, before and after.
pub(super) fn column_line(column: &DriftedColumn) -> String {
    let moved = plain(&column.movement.words());
    let moved = if moved.is_empty() { moved } else { format!("; {moved}") };
    let how = if column.strength > 0.0 { format!(", {}", worst_and_last(column)) } else { String::new() };
    format!(
        "{}: {} effect {} ({} {}{how}){moved}",
        plain(&column.column),
        column.measure.as_str(),
        effect_words(column.effect),
        limit_words(column),
        number(column.threshold),
    )
}

/// Which limit a column is held against.
pub(super) fn limit_words(column: &DriftedColumn) -> &'static str {
    if column.verdict.drifts() { "drift limit" } else { "warn limit" }
}

pub(super) use crate::judge::why::{effect_words, number};

/// What stands in messages that somebody sends to see whether they arrive.
pub(super) const TEST: &str = "This is a test message: its values are invented, and nothing is wrong.";

/// The whole event as plain text.
#[must_use]
pub fn text_of(told: &Readable) -> String {
    let mut text = String::new();
    if told.is_test() {
        let _infallible = writeln!(text, "{TEST}\n");
    }
    match told {
        Readable::Alerts(event) => {
            for (index, alert) in event.alerts.iter().enumerate() {
                if index > 0 {
                    text.push_str("\n----\n\n");
                }
                alert_text(&mut text, alert);
            }
            if event.more > 0 {
                let _infallible = writeln!(text, "\n... and {}", number_of(event.more, "more alert"));
            }
        }
        Readable::Retraining(request) => {
            let _infallible = writeln!(
                text,
                "Retraining of {} requested: {}.",
                model(&request.monitor, &request.version, &request.segment),
                plain(&request.reason)
            );
            columns_text(&mut text, request.drifted.iter().chain(&request.warned), 0);
            text.push('\n');
            for (name, value) in request_facts(request) {
                let _infallible = writeln!(text, "{name}: {value}");
            }
        }
        Readable::Challenger(event) => challenger::write_text(&mut text, event),
        Readable::Detection(event) => detection::write_text(&mut text, event),
    }
    text
}

fn alert_text(text: &mut String, alert: &AlertView) {
    let _infallible = writeln!(text, "{}", sentence(alert));
    if let Some(line) = segments_line(alert) {
        let _infallible = writeln!(text, "{line}");
    }
    columns_text(text, alert.evidence.moved(), alert.evidence.left_out());
    text.push('\n');
    for (name, value) in facts(alert) {
        let _infallible = writeln!(text, "{name}: {value}");
    }
    if alert.status != AlertStatus::Resolved && !alert.evidence.advice.is_empty() {
        let _infallible = writeln!(text, "\n{}", plain(&alert.evidence.advice));
    }
}

fn columns_text<'a>(text: &mut String, moved: impl Iterator<Item = &'a DriftedColumn>, more: usize) {
    let moved: Vec<&DriftedColumn> = moved.collect();
    if moved.is_empty() {
        return;
    }
    let wide = moved.iter().map(|column| plain(&column.column).chars().count()).max();
    let wide = wide.unwrap_or(6).clamp(6, 40);
    let _infallible = writeln!(
        text,
        "\n{:<wide$}  {:<8}  {:<20}  {:>8}  {:>8}  {:>7}  {:>7}  before, after",
        "column", "verdict", "measure", "effect", "limit", "worst", "last"
    );
    let times_of = |strength: f64| if strength > 0.0 { format!("{}x", times(strength)) } else { "-".to_owned() };
    for column in &moved {
        let _infallible = writeln!(
            text,
            "{:<wide$}  {:<8}  {:<20}  {:>8}  {:>8}  {:>7}  {:>7}  {}",
            plain(&column.column),
            column.verdict.words(),
            column.measure.as_str(),
            effect_words(column.effect),
            number(column.threshold),
            times_of(column.strength),
            column.last.as_ref().map_or("-".to_owned(), |last| times_of(last.strength)),
            plain(&column.movement.words()),
        );
    }
    if more > 0 {
        let _infallible = writeln!(text, "... and {more} more");
    }
    let _infallible = writeln!(text, "(limit: that of the verdict; worst and last: multiples of the drift limit)");
    for column in moved.iter().filter(|column| !column.sentences().is_empty()) {
        let _infallible = writeln!(text, "\nWhy {}:", plain(&column.column));
        for reason in column.sentences() {
            let _infallible = writeln!(text, "  - {}", plain(&reason));
        }
    }
}
