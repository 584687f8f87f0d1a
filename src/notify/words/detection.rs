//! Texts about a detection for people: which detector found a drift, where, and how far the level moved.

use std::fmt::Write as _;

use super::title::{TITLE, fit};
use super::{LOOK, number, time};
use crate::alert::{AlertStatus, AlertView, AlertsEvent, Evidence, Labels, RuleKind, SendReason};
use crate::detection::DetectionEvent;
use crate::escape::plain;
use crate::record::{grouped, number_of};
use crate::window::WHOLE;

fn direction(event: &DetectionEvent) -> &'static str {
    if event.after > event.before {
        "rose"
    } else if event.after < event.before {
        "fell"
    } else {
        "changed"
    }
}

/// One line of less than 80 characters.
pub(super) fn title(event: &DetectionEvent) -> String {
    let test = if event.test { "[test] " } else { "" };
    let head = format!("{test}[drift detected] ");
    let moved = format!(" {} from {} to {}", direction(event), number(event.before), number(event.after));
    let room = TITLE.saturating_sub(head.chars().count() + moved.chars().count() + 2);
    let name = room / 2;
    format!("{head}{}: {}{moved}", fit(&plain(&event.monitor), room - name), fit(&plain(&event.column), name))
}

/// Where it was found.
fn place(event: &DetectionEvent) -> String {
    match (&event.topic, event.partition, event.offset) {
        (Some(topic), Some(partition), Some(offset)) => {
            format!("at offset {offset} of {}/{partition}", plain(topic))
        }
        _ => {
            let version = event.version.as_deref().filter(|version| !version.is_empty());
            let version = version.map_or(String::new(), |version| format!(" of version {}", plain(version)));
            let segment = event.segment.as_deref().filter(|segment| *segment != WHOLE);
            let segment = segment.map_or(String::new(), |segment| format!(", {}", plain(segment)));
            format!("in the window from {}{version}{segment}", time(event.at))
        }
    }
}

/// One sentence: which detector, where, and how far.
pub(in crate::notify) fn detection_sentence(event: &DetectionEvent) -> String {
    format!(
        "{}: detector {} ({}) found a drift of {} {}: the {} {} from {} to {}.",
        plain(&event.monitor),
        plain(&event.detector),
        event.kind.title(),
        plain(&event.column),
        place(event),
        event.kind.level(),
        direction(event),
        number(event.before),
        number(event.after)
    )
}

/// What to do about it.
pub(in crate::notify) const DETECTION_ADVICE: &str =
    "Look at the column around this time. A detector says that its values changed, not that the model is worse.";

/// Names and values below the sentence.
pub(in crate::notify) fn detection_facts(event: &DetectionEvent) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Detector", format!("{} ({})", plain(&event.detector), event.kind.title())),
        ("Reads", plain(&event.input)),
        ("Event time", time(event.at)),
        ("Before", format!("{} {}", event.kind.level(), number(event.before))),
        ("After", format!("{} {}", event.kind.level(), number(event.after))),
        (
            "Because",
            format!("{} {}, limit {}", event.kind.statistic(), number(event.statistic), number(event.limit)),
        ),
        ("Values", format!("{} since the detector began or was reset", grouped(event.values))),
    ];
    if event.others > 0 {
        facts.push((
            "Others",
            format!("{} since the last notification", number_of(event.others, "more detection")),
        ));
    }
    facts.push(("Detection", event.detection_id.to_string()));
    let look = event
        .url
        .as_deref()
        .map_or_else(|| format!("driftd detections --monitor {}", plain(&event.monitor)), plain);
    facts.push((LOOK, look));
    facts
}

pub(super) fn write_text(text: &mut String, event: &DetectionEvent) {
    let _infallible = writeln!(text, "{}\n", detection_sentence(event));
    for (name, value) in detection_facts(event) {
        let _infallible = writeln!(text, "{name}: {value}");
    }
    let _infallible = writeln!(text, "\n{DETECTION_ADVICE}");
}

/// For receivers that know alerts only: an alert that fires. No detection ends it.
pub(in crate::notify) fn detection_alert(event: &DetectionEvent) -> AlertsEvent {
    let alert = AlertView {
        id: event.detector_id,
        status: AlertStatus::Firing,
        severity: event.severity,
        rule: "detection".to_owned(),
        kind: RuleKind::Operational,
        monitor: event.monitor.clone(),
        version: event.version.clone().unwrap_or_default(),
        segment: event.segment.clone().unwrap_or_default(),
        labels: event.labels(&Labels::new()),
        since: event.at,
        fired_at: event.at,
        resolved_at: None,
        acknowledged_by: None,
        resolved_by: None,
        comment: None,
        reason: "detection".to_owned(),
        windows: 0,
        judged_windows: 0,
        segments: None,
        follows: None,
        evidence: Evidence {
            summary: detection_sentence(event).trim_end_matches('.').to_owned(),
            advice: DETECTION_ADVICE.to_owned(),
            ..Evidence::default()
        },
        url: event.url.clone(),
    };
    let mut alerts = AlertsEvent::new(event.detector_id, Labels::new(), SendReason::NewAlerts, vec![alert]);
    alerts.test = event.test;
    alerts
}
