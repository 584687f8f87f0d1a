//! The whole and its segments: drift of the whole shows in most of its segments, and one line says so. A segment that drifts
//! in columns of its own, or more strongly, stands apart.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{AlertStatus, AlertView};
use crate::record::number_of;
use crate::window::WHOLE;

/// How the segments of an alert of the whole stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Segments {
    /// Segments of the model version that were judged since the alert began; none when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<u32>,
    /// Segments whose alerts only follow it: they drift in the same columns, and not more strongly.
    pub following: u32,
    /// Segments whose alerts stand apart: they drift in other columns, or more strongly.
    pub apart: u32,
    /// The names of those that follow, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The names of those that stand apart, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apart_names: Vec<String>,
}

/// Segments that an alert of the whole names.
pub const SEGMENT_NAMES: usize = 20;

/// How many times as strongly as in the whole a column of a segment that follows may move: a segment has fewer records,
/// so its effects scatter more.
const ALIKE: f64 = 1.5;

fn is_over(alert: &AlertView) -> bool {
    alert.status == AlertStatus::Resolved
}

/// Whether two alerts are about the same, one for the whole and one for a segment.
fn belongs(segment: &AlertView, whole: &AlertView) -> bool {
    let column = |alert: &AlertView| alert.labels.get("column").cloned();
    whole.segment == WHOLE
        && segment.segment != WHOLE
        && (segment.monitor == whole.monitor && segment.version == whole.version)
        && (segment.rule == whole.rule && column(segment) == column(whole))
        && is_over(segment) == is_over(whole)
}

/// Whether the alert of a segment says no more than that of the whole.
fn follows(segment: &AlertView, whole: &AlertView) -> bool {
    let alike = |column: &super::DriftedColumn| {
        let of_whole = whole.evidence.moved().find(|known| known.column == column.column);
        of_whole.is_some_and(|known| {
            known.verdict.drifts() >= column.verdict.drifts() && column.strength <= known.strength * ALIKE
        })
    };
    // A segment warns of many things by chance; what it drifts in is what counts, if it drifts in anything.
    let evidence = &segment.evidence;
    let counted = if evidence.drifted.is_empty() { &evidence.warned } else { &evidence.drifted };
    segment.severity <= whole.severity && counted.iter().all(alike)
}

/// Says of each alert of the whole how its segments stand, and of each alert of a segment which one it follows.
pub fn relate(alerts: &mut [AlertView]) {
    let wholes: Vec<usize> =
        alerts.iter().enumerate().filter(|(_, alert)| alert.segment == WHOLE).map(|(index, _)| index).collect();
    for alert in alerts.iter_mut() {
        alert.follows = None;
    }
    for index in wholes {
        let Some(whole) = alerts.get(index).cloned() else { continue };
        // A segment may have several alerts, one episode after another: it counts once.
        let (mut following, mut apart) = (BTreeSet::new(), BTreeSet::new());
        for alert in alerts.iter_mut().filter(|alert| belongs(alert, &whole)) {
            if follows(alert, &whole) {
                following.insert(alert.segment.clone());
                alert.follows = Some(whole.id);
            } else {
                apart.insert(alert.segment.clone());
            }
        }
        following.retain(|segment| !apart.contains(segment));
        let number = |segments: &BTreeSet<String>| u32::try_from(segments.len()).unwrap_or(u32::MAX);
        let mut segments = Segments {
            following: number(&following),
            apart: number(&apart),
            names: following.into_iter().collect(),
            apart_names: apart.into_iter().collect(),
            ..whole.segments.clone().unwrap_or_default()
        };
        segments.names.truncate(SEGMENT_NAMES);
        segments.apart_names.truncate(SEGMENT_NAMES);
        if let Some(alert) = alerts.get_mut(index) {
            alert.segments = (segments.following + segments.apart > 0).then_some(segments);
        }
    }
}

/// Names that a line lists.
const LISTED: usize = 6;

/// Names in brackets, after what they are the names of; empty without any.
fn listed(names: &[String], all: u32) -> String {
    let named: Vec<&str> = names.iter().take(LISTED).map(String::as_str).collect();
    match (named.len(), (all as usize).saturating_sub(named.len())) {
        (0, _) => String::new(),
        (_, 0) => format!(" ({})", named.join(", ")),
        (_, more) => format!(" ({} and {more} more)", named.join(", ")),
    }
}

impl Segments {
    /// `also in 5 of 6 judged segments`, and what stands apart; empty when no segment drifts.
    #[must_use]
    pub fn words(&self) -> String {
        self.said("", "")
    }

    /// The same with the names of the segments.
    #[must_use]
    pub fn line(&self) -> String {
        self.said(&listed(&self.names, self.following), &listed(&self.apart_names, self.apart))
    }

    fn said(&self, following_names: &str, apart_names: &str) -> String {
        let of = self.judged.filter(|judged| *judged >= self.following + self.apart);
        let number = |number: u32| match of {
            Some(all) => format!("{number} of {}", number_of(all, "judged segment")),
            None => number_of(number, "segment"),
        };
        let own = if self.apart == 1 { "drifts on its own" } else { "drift on their own" };
        match (self.following, self.apart) {
            (0, 0) => String::new(),
            (0, apart) => format!("{} {own}{apart_names}", number(apart)),
            (following, 0) => format!("also in {}{following_names}", number(following)),
            (following, apart) => {
                format!("also in {}{following_names}; {apart} more {own}{apart_names}", number(following))
            }
        }
    }
}
