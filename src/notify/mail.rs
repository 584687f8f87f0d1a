//! Mails: a table of findings first, as text and as HTML that mail programs show alike: tables and inline styles, bars
//! made of cells, and colours that a dark scheme replaces.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use super::words::{
    DETECTION_ADVICE, Readable, TEST, advice, challenger_facts, challenger_sentence, detection_facts,
    detection_sentence, effect_words, facts, limit_words, model, number, pair_lines, request_facts, segments_line,
    sentence, text_of,
};
use crate::alert::{AlertStatus, AlertView, DriftedColumn, Severity, worst_and_last};
use crate::challenge::{ChallengeState, ChallengerEvent};
use crate::detection::DetectionEvent;
use crate::escape::{plain, plain_lines};
use crate::judge::Verdict;

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

/// Renders an event; `None` when it is not one that driftd writes.
#[must_use]
pub fn render_mail(event: &Value) -> Option<Mail> {
    let told = Readable::read(event)?.for_people();
    // The parts are plain already; what one of them forgets does not act either.
    Some(Mail {
        subject: plain(&told.title()),
        text: plain_lines(&text_of(&told)).into_owned(),
        html: plain_lines(&page(&told).into_string()).into_owned(),
    })
}

/// Programs that know about dark schemes take these; the others show the inline light colours.
const DARK: &str = "@media (prefers-color-scheme: dark) {
body, .page { background: #0d1117 !important; color: #e6edf3 !important; }
.card { background: #161b22 !important; border-color: #30363d !important; }
.soft, .soft td { color: #9da7b3 !important; }
th, td.line { border-color: #30363d !important; }
.track { background: #30363d !important; }
a { color: #79c0ff !important; }
.warn { color: #79c0ff !important; } .critical { color: #ffa657 !important; }
}";

fn colour(severe: bool) -> &'static str {
    // Orange and blue: told apart by people who do not see red and green as different.
    if severe { "#b54708" } else { "#175cd3" }
}

fn page(told: &Readable) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                meta name="color-scheme" content="light dark";
                title { (told.title()) }
                style { (PreEscaped(DARK)) }
            }
            body class="page" style="margin:0;padding:16px;background:#f6f8fa;color:#1f2328;font-family:-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:15px;line-height:1.45" {
                @if told.is_test() { p class="soft" style="color:#59636e" { (TEST) } }
                @match told {
                    Readable::Alerts(event) => {
                        @for alert in &event.alerts { (alert_card(alert)) }
                        @if event.more > 0 { p { "... and " (event.more) " more alerts." } }
                    }
                    Readable::Retraining(request) => (card(&html! {
                        p style="margin:0 0 12px" {
                            strong { "Retraining of " (model(&request.monitor, &request.version, &request.segment)) " requested" }
                            ": " (plain(&request.reason)) "."
                        }
                        (columns(&request.drifted.iter().chain(&request.warned).collect::<Vec<_>>(), 0))
                        (fact_table(&request_facts(request)))
                    })),
                    Readable::Challenger(event) => (challenger_card(event)),
                    Readable::Detection(event) => (detection_card(event)),
                }
            }
        }
    }
}

fn challenger_card(event: &ChallengerEvent) -> Markup {
    let worse = event.state == ChallengeState::Worse;
    let (word, class) = if worse { ("challenger worse", "critical") } else { ("challenger ready", "warn") };
    card(&html! {
        p style="margin:0 0 4px" {
            span class=(class) style={ "font-size:12px;font-weight:700;letter-spacing:.04em;text-transform:uppercase;color:" (colour(worse)) } { (word) }
        }
        p style="margin:0 0 12px;font-size:17px" { strong { (challenger_sentence(event)) } }
        ul style="margin:0 0 10px;padding-left:20px;font-size:14px" {
            @for line in pair_lines(event) { li { (line) } }
        }
        (fact_table(&challenger_facts(event)))
        p style="margin:14px 0 0" { strong { "What to do: " } (advice(event)) }
        @if let Some(url) = &event.url {
            p style="margin:14px 0 0" { a href=(url) style="color:#0969da;font-weight:600" { "Champion and challenger" } }
        }
    })
}

fn detection_card(event: &DetectionEvent) -> Markup {
    let severe = event.severity == Severity::Critical;
    card(&html! {
        p style="margin:0 0 4px" {
            span class=(event.severity.as_str()) style={ "font-size:12px;font-weight:700;letter-spacing:.04em;text-transform:uppercase;color:" (colour(severe)) } { "drift detected" }
        }
        p style="margin:0 0 12px;font-size:17px" { strong { (detection_sentence(event)) } }
        (fact_table(&detection_facts(event)))
        p style="margin:14px 0 0" { strong { "What to do: " } (DETECTION_ADVICE) }
        @if let Some(url) = &event.url {
            p style="margin:14px 0 0" { a href=(url) style="color:#0969da;font-weight:600" { "Detections" } }
        }
    })
}

fn card(inner: &Markup) -> Markup {
    html! {
        table class="card" role="presentation" cellpadding="0" cellspacing="0" width="100%" style="max-width:720px;margin:0 auto 16px;background:#ffffff;border:1px solid #d0d7de;border-radius:8px" {
            tr { td style="padding:18px 20px" { (inner) } }
        }
    }
}

fn alert_card(alert: &AlertView) -> Markup {
    let over = alert.status == AlertStatus::Resolved;
    let severe = alert.severity == Severity::Critical;
    let (word, class, tint) = match (over, severe) {
        (true, _) => ("resolved", "soft", "#59636e"),
        (false, true) => ("critical", "critical", colour(true)),
        (false, false) => ("warn", "warn", colour(false)),
    };
    let moved: Vec<&DriftedColumn> = alert.evidence.moved().collect();
    card(&html! {
        p style="margin:0 0 4px" {
            span class=(class) style={ "font-size:12px;font-weight:700;letter-spacing:.04em;text-transform:uppercase;color:" (tint) } { (word) }
            @if alert.status == AlertStatus::Acknowledged { span class="soft" style="font-size:12px;color:#59636e" { " · acknowledged" } }
        }
        p style="margin:0 0 12px;font-size:17px" { strong { (sentence(alert)) } }
        @if let Some(line) = segments_line(alert) { p style="margin:0 0 12px" { (line) } }
        (columns(&moved, alert.evidence.left_out()))
        (why(&moved))
        (fact_table(&facts(alert)))
        @if !over && !alert.evidence.advice.is_empty() {
            p style="margin:14px 0 0" { strong { "What to do: " } (plain(&alert.evidence.advice)) }
        }
        @if let Some(url) = &alert.url {
            p style="margin:14px 0 0" { a href=(url) style="color:#0969da;font-weight:600" { "Open this alert" } }
        }
    })
}

fn columns(moved: &[&DriftedColumn], more: usize) -> Markup {
    let head =
        "padding:0 12px 6px 0;text-align:left;font-size:12px;font-weight:600;border-bottom:1px solid #d0d7de";
    let cell = "padding:6px 12px 6px 0;text-align:left;vertical-align:top;border-bottom:1px solid #d0d7de";
    html! {
        @if !moved.is_empty() {
            table width="100%" cellpadding="0" cellspacing="0" style="border-collapse:collapse;font-size:14px;margin:0 0 12px" {
                tr {
                    th style=(head) { "Column" } th style=(head) { "Measure" } th style=(head) { "Effect" }
                    th style=(head) { "Before, after" }
                }
                @for column in moved {
                    tr {
                        td class="line" style=(cell) {
                            strong { @if let Some(url) = &column.url { a href=(url) style="color:#0969da" { (plain(&column.column)) } } @else { (plain(&column.column)) } }
                        }
                        td class="line" style=(cell) { (column.measure.as_str()) }
                        td class="line" style=(cell) { (bar(column)) }
                        td class="line" style=(cell) { (plain(&column.movement.words())) }
                    }
                }
            }
            @if more > 0 { p style="margin:0 0 12px" { "... and " (more) " more" } }
        }
    }
}

/// The worst effect as a bar of cells: full at three times the limit of drift.
fn bar(column: &DriftedColumn) -> Markup {
    let severe = column.verdict == Verdict::Critical;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 3 and 100")]
    let share = (column.strength / 3.0 * 100.0).clamp(3.0, 100.0) as u32;
    html! {
        table role="presentation" cellpadding="0" cellspacing="0" width="120" style="border-collapse:collapse" {
            tr {
                td class="track" style="background:#e4e8ec;padding:0;line-height:8px;font-size:0;border-radius:4px" {
                    table role="presentation" cellpadding="0" cellspacing="0" width={ (share) "%" } {
                        tr { td height="8" bgcolor=(colour(severe)) style={ "height:8px;line-height:8px;font-size:0;border-radius:4px;background:" (colour(severe)) } { (PreEscaped("&nbsp;")) } }
                    }
                }
            }
        }
        span class="soft" style="font-size:12px;color:#59636e" {
            (effect_words(column.effect)) ", " (limit_words(column)) " " (number(column.threshold))
            @if column.strength > 0.0 { ", " (worst_and_last(column)) }
        }
    }
}

fn why(moved: &[&DriftedColumn]) -> Markup {
    html! {
        @for column in moved.iter().filter(|column| !column.why.is_empty()) {
            p style="margin:0 0 2px;font-size:14px" { strong { "Why " (plain(&column.column)) } }
            ul style="margin:0 0 10px;padding-left:20px;font-size:14px" {
                @for reason in &column.why { li { (plain(reason)) } }
            }
        }
    }
}

fn fact_table(facts: &[(&str, String)]) -> Markup {
    html! {
        table class="soft" cellpadding="0" cellspacing="0" style="border-collapse:collapse;font-size:13px;margin-top:4px;color:#59636e" {
            @for (name, value) in facts {
                tr { td style="padding:2px 12px 2px 0;white-space:nowrap;vertical-align:top" { (name) } td style="padding:2px 0" { (value) } }
            }
        }
    }
}
