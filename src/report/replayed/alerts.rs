//! The alerts that would have fired: from when to when, over which columns, and why.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use crate::alert::{ChangeKind, ChangeReason, EXPLAINED_COLUMNS, EpisodeWindow, Transition};
use crate::replay::{Replayed, ReplayedAlert, ReplayedWindow};
use crate::retrain::RetrainDecision;

/// An alert that would have fired.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertReport {
    pub rule: String,
    /// The model version; empty when records name none.
    pub version: String,
    /// `*` for the whole.
    pub segment: String,
    /// The start of its first drifting window.
    pub since: String,
    /// When it would have fired: the end of that window.
    pub fired: String,
    /// When it would have been resolved; none when it still fires.
    pub resolved: Option<String>,
    /// Whether it would have ended because its version or segment had no more records, while others had.
    pub gone: bool,
    /// Whether it fired again soon after it had resolved, so that more windows than `resolve_after` must be quiet to end it.
    pub flapping: bool,
    /// The worst severity.
    pub severity: &'static str,
    /// Whether a retraining would have been requested.
    pub retraining: bool,
    /// Windows since it began that drift by its rule.
    pub windows: u32,
    /// Windows since it began that were judged, these included.
    pub judged_windows: u32,
    /// The columns that drifted in a window of it, most moved first; those that warned when none drifted.
    pub columns: Vec<String>,
    /// Its first drifting window.
    pub first: Option<EpisodeWindow>,
    /// The window in which a column moved most.
    pub worst: Option<EpisodeWindow>,
    /// Its last judged window.
    pub last: Option<EpisodeWindow>,
    /// Why the columns that moved most did, the most moved first.
    pub why: Vec<ColumnWhy>,
}

/// Why a column moved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnWhy {
    pub column: String,
    /// Start of the window of the alert in which it moved most, which is the one that is explained.
    pub window: String,
    /// Sentences, the most telling first.
    pub reasons: Vec<String>,
}

/// The alerts of a replay, in the order in which they fired.
pub(super) fn alerts(replayed: &Replayed) -> Vec<AlertReport> {
    let mut found: Vec<AlertReport> = Vec::new();
    // The alerts that fire, by their places in the list.
    let mut firing: BTreeMap<Uuid, usize> = BTreeMap::new();
    for window in &replayed.windows {
        for transition in &window.changes {
            let change = &transition.change;
            let place = firing.get(&change.id).copied();
            match change.kind {
                ChangeKind::Firing => {
                    firing.insert(change.id, found.len());
                    found.push(fired(window, transition, replayed.alerts.get(&change.id)));
                }
                ChangeKind::Worsened => {
                    if let Some(alert) = place.and_then(|place| found.get_mut(place)) {
                        alert.severity = change.severity.as_str();
                    }
                }
                ChangeKind::Resolved => {
                    firing.remove(&change.id);
                    if let Some(alert) = place.and_then(|place| found.get_mut(place)) {
                        alert.resolved = Some(window.end.to_string());
                    }
                }
                _ => {}
            }
        }
        for id in &window.gone {
            if let Some(alert) = firing.remove(id).and_then(|place| found.get_mut(place)) {
                alert.resolved = Some(window.end.to_string());
                alert.gone = true;
            }
        }
        let place = window.requested_by.and_then(|id| firing.get(&id)).copied();
        if let Some(alert) = place.and_then(|place| found.get_mut(place))
            && window.retraining == Some(RetrainDecision::Request)
        {
            alert.retraining = true;
        }
    }
    found
}

fn fired(window: &ReplayedWindow, transition: &Transition, episode: Option<&ReplayedAlert>) -> AlertReport {
    let ReplayedAlert { evidence, windows, judged } = episode.cloned().unwrap_or_default();
    let counted = if evidence.drifted.is_empty() { &evidence.warned } else { &evidence.drifted };
    let columns: Vec<String> = counted.iter().map(|column| column.column.clone()).collect();
    // Of the columns that it is about, not of those that only warned.
    let explained = evidence.moved().filter(|column| columns.contains(&column.column) && !column.why.is_empty());
    let why = explained.map(|column| ColumnWhy {
        column: column.column.clone(),
        window: column.window.as_ref().map_or_else(String::new, |window| window.start.to_string()),
        reasons: column.why.clone(),
    });
    AlertReport {
        rule: transition.rule.clone(),
        version: window.key.version.clone(),
        segment: window.key.segment.clone(),
        since: transition.change.since.to_string(),
        fired: window.end.to_string(),
        resolved: None,
        gone: false,
        flapping: transition.change.reason == ChangeReason::FiredAgain,
        severity: transition.change.severity.as_str(),
        retraining: false,
        windows,
        judged_windows: judged,
        why: why.take(EXPLAINED_COLUMNS).collect(),
        columns,
        first: evidence.first,
        worst: evidence.worst,
        last: evidence.last,
    }
}

/// That an alert flaps, and what follows.
pub(in crate::report) fn flapping_words(alert: &AlertReport) -> &'static str {
    if alert.flapping {
        "; flapping: it fired again soon after it had resolved, so twice as many quiet windows as before end it"
    } else {
        ""
    }
}

/// When an alert was worst, by which column, in words.
pub(in crate::report) fn worst_words(alert: &AlertReport) -> Option<String> {
    let worst = alert.worst.as_ref()?;
    Some(format!("worst at {}: {}", worst.start, worst.words()))
}
