//! Chats: Slack's blocks and Teams' adaptive cards. Names from data are escaped as each of them asks, so that they cannot
//! mention everybody or draw a link.

use serde_json::{Value, json};

use super::super::words::{
    LOOK, Readable, challenger_facts, challenger_sentence, column_line, detection_facts, detection_sentence,
    facts, pair_lines, request_facts, segments_line, sentence,
};
use super::Request;
use crate::alert::{AlertStatus, AlertView, DriftedColumn, Severity};
use crate::challenge::ChallengeState;
use crate::escape::plain;
use crate::record::number_of;

/// Alerts a chat message spells out.
const MAX_ALERTS: usize = 5;

/// Columns that a chat message lists.
const MAX_LINES: usize = 8;

/// Slack cuts texts of blocks at 3000 characters.
const MAX_TEXT: usize = 2_900;

/// `&`, `<` and `>` are Slack's only control characters (its "formatting text" page).
fn slack_text(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    cut(&text, MAX_TEXT)
}

fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit { text.to_owned() } else { text.chars().take(limit).chain(['…']).collect() }
}

fn colour(alert: Option<&AlertView>) -> &'static str {
    match alert.map(|alert| (alert.status, alert.severity)) {
        Some((AlertStatus::Resolved, _)) => "#59636e",
        Some((_, Severity::Critical)) => "#b54708",
        _ => "#175cd3",
    }
}

/// The first columns with their numbers, and their why.
fn findings<'a>(moved: impl Iterator<Item = &'a DriftedColumn>, more: usize) -> Vec<String> {
    let moved: Vec<&DriftedColumn> = moved.collect();
    let mut lines = Vec::new();
    for column in moved.iter().take(MAX_LINES) {
        lines.push(format!("• {}", column_line(column)));
        if let Some(reason) = column.why.first() {
            lines.push(format!("   {}", plain(reason)));
        }
    }
    let more = moved.len().saturating_sub(MAX_LINES) + more;
    if more > 0 {
        lines.push(format!("… and {more} more"));
    }
    lines
}

/// The segments of an alert, and its findings.
fn alert_lines(alert: &AlertView) -> Vec<String> {
    let mut lines: Vec<String> = segments_line(alert).into_iter().collect();
    lines.extend(findings(alert.evidence.moved(), alert.evidence.left_out()));
    lines
}

/// What stands below the findings: names with values, without the link.
fn small_print(facts: &[(&'static str, String)]) -> String {
    let kept = facts.iter().filter(|(name, _)| *name != LOOK);
    kept.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n")
}

pub(super) fn slack(told: &Readable) -> Request {
    let section = |text: &str| json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } });
    let mut blocks: Vec<Value> = Vec::new();
    let mut first = None;
    match told {
        Readable::Alerts(event) => {
            first = event.alerts.first();
            for alert in event.alerts.iter().take(MAX_ALERTS) {
                blocks.push(section(&format!("*{}*", slack_text(&sentence(alert)))));
                let lines = alert_lines(alert);
                if !lines.is_empty() {
                    blocks.push(section(&slack_text(&lines.join("\n"))));
                }
                let print = slack_text(&small_print(&facts(alert)));
                blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": print }] }));
                if let Some(url) = &alert.url {
                    let text = json!({ "type": "plain_text", "text": "Open this alert" });
                    blocks.push(
                        json!({ "type": "actions", "elements": [{ "type": "button", "text": text, "url": url }] }),
                    );
                }
            }
            let more = event.more + event.alerts.len().saturating_sub(MAX_ALERTS);
            if more > 0 {
                blocks.push(section(&format!("… and {}", number_of(more, "more alert"))));
            }
        }
        Readable::Retraining(request) => {
            blocks.push(section(&slack_text(
                &findings(request.drifted.iter().chain(&request.warned), 0).join("\n"),
            )));
            blocks.push(section(&slack_text(&small_print(&request_facts(request)))));
        }
        Readable::Challenger(event) => {
            blocks.push(section(&format!("*{}*", slack_text(&challenger_sentence(event)))));
            let lines: Vec<String> = pair_lines(event).iter().map(|line| format!("• {line}")).collect();
            blocks.push(section(&slack_text(&lines.join("\n"))));
            let print = slack_text(&small_print(&challenger_facts(event)));
            blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": print }] }));
            if let Some(url) = &event.url {
                let text = json!({ "type": "plain_text", "text": "Champion and challenger" });
                blocks.push(
                    json!({ "type": "actions", "elements": [{ "type": "button", "text": text, "url": url }] }),
                );
            }
        }
        Readable::Detection(event) => {
            blocks.push(section(&format!("*{}*", slack_text(&detection_sentence(event)))));
            let print = slack_text(&small_print(&detection_facts(event)));
            blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": print }] }));
            if let Some(url) = &event.url {
                let text = json!({ "type": "plain_text", "text": "Detections" });
                blocks.push(
                    json!({ "type": "actions", "elements": [{ "type": "button", "text": text, "url": url }] }),
                );
            }
        }
    }
    let title = slack_text(&told.title());
    Request::json(
        None,
        // The text is what notifications and screen readers show.
        &json!({ "text": title, "attachments": [{ "color": colour(first), "fallback": title, "blocks": blocks }] }),
    )
}

/// Adaptive cards read a part of Markdown; what would be markup is escaped.
fn card_text(text: &str) -> String {
    let mut escaped = String::new();
    for character in cut(text, MAX_TEXT).chars() {
        if "\\`*_[]()#<>|!".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

pub(super) fn teams(told: &Readable) -> Request {
    let block = |text: String, more: Value| {
        let mut block = json!({ "type": "TextBlock", "text": text, "wrap": true });
        if let (Value::Object(block), Value::Object(more)) = (&mut block, more) {
            block.extend(more);
        }
        block
    };
    let severe = match told {
        Readable::Alerts(event) => event.severity == Severity::Critical,
        Readable::Challenger(event) => event.state == ChallengeState::Worse,
        Readable::Detection(event) => event.severity == Severity::Critical,
        Readable::Retraining(_) => false,
    };
    let tint = if severe { "warning" } else { "accent" };
    let mut body =
        vec![block(card_text(&told.title()), json!({ "weight": "bolder", "size": "medium", "color": tint }))];
    let mut actions = Vec::new();
    let facts_of = |facts: &[(&'static str, String)]| {
        let kept = facts.iter().filter(|(name, _)| *name != LOOK);
        let facts: Vec<Value> =
            kept.map(|(name, value)| json!({ "title": name, "value": card_text(value) })).collect();
        json!({ "type": "FactSet", "facts": facts })
    };
    match told {
        Readable::Alerts(event) => {
            for alert in event.alerts.iter().take(MAX_ALERTS) {
                body.push(block(card_text(&sentence(alert)), json!({ "separator": true })));
                for line in alert_lines(alert) {
                    body.push(block(card_text(&line), json!({ "spacing": "none" })));
                }
                body.push(facts_of(&facts(alert)));
                if let Some(url) = &alert.url {
                    actions.push(json!({ "type": "Action.OpenUrl", "title": "Open this alert", "url": url }));
                }
            }
            let more = event.more + event.alerts.len().saturating_sub(MAX_ALERTS);
            if more > 0 {
                body.push(block(format!("… and {}", number_of(more, "more alert")), json!({})));
            }
        }
        Readable::Retraining(request) => {
            for line in findings(request.drifted.iter().chain(&request.warned), 0) {
                body.push(block(card_text(&line), json!({ "spacing": "none" })));
            }
            body.push(facts_of(&request_facts(request)));
        }
        Readable::Challenger(event) => {
            body.push(block(card_text(&challenger_sentence(event)), json!({ "separator": true })));
            for line in pair_lines(event) {
                body.push(block(card_text(&line), json!({ "spacing": "none" })));
            }
            body.push(facts_of(&challenger_facts(event)));
            if let Some(url) = &event.url {
                actions.push(json!({ "type": "Action.OpenUrl", "title": "Champion and challenger", "url": url }));
            }
        }
        Readable::Detection(event) => {
            body.push(block(card_text(&detection_sentence(event)), json!({ "separator": true })));
            body.push(facts_of(&detection_facts(event)));
            if let Some(url) = &event.url {
                actions.push(json!({ "type": "Action.OpenUrl", "title": "Detections", "url": url }));
            }
        }
    }
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard", "version": "1.4", "body": body, "actions": actions,
        "msteams": { "width": "Full" },
    });
    Request::json(
        None,
        &json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card,
            }],
        }),
    )
}
