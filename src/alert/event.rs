//! What receivers are told: the body of every webhook, mail and Kafka message.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ChangeKind, Severity};
use crate::judge::{Judgement, Movement, Verdict};
use crate::measure::Measure;
use crate::window::OffsetRanges;

/// The `type` of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// An alert fires.
    #[serde(rename = "drift.alert.firing")]
    AlertFiring,
    /// A firing alert became worse.
    #[serde(rename = "drift.alert.worsened")]
    AlertWorsened,
    /// An alert is over.
    #[serde(rename = "drift.alert.resolved")]
    AlertResolved,
    /// A retraining is asked for.
    #[serde(rename = "drift.retraining.requested")]
    RetrainingRequested,
}

impl EventKind {
    /// The `type` of a told change.
    #[must_use]
    pub fn of(change: ChangeKind) -> Option<Self> {
        match change {
            ChangeKind::Firing => Some(Self::AlertFiring),
            ChangeKind::Worsened => Some(Self::AlertWorsened),
            ChangeKind::Resolved => Some(Self::AlertResolved),
            ChangeKind::Pending | ChangeKind::Cleared => None,
        }
    }
}

/// The window behind a decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowEvidence {
    /// Its start, RFC 3339.
    pub start: String,
    /// Its end (exclusive), RFC 3339.
    pub end: String,
    /// Records counted.
    pub records: u64,
    /// Records that came too late to be counted, so far.
    pub late_records: u64,
    /// Whether every partition had passed its end.
    pub complete: bool,
    /// Topic, partition, first offset, offset past the last: what the window is made of.
    pub offsets: OffsetRanges,
}

/// A column that drifted, with the measure that says so most clearly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftedColumn {
    /// The column.
    pub column: String,
    /// Warn or critical.
    pub verdict: Verdict,
    /// The measure furthest beyond its threshold.
    pub measure: Measure,
    /// Its effect.
    pub effect: f64,
    /// The threshold it was held against for its verdict.
    pub threshold: f64,
    /// Before and after.
    pub movement: Movement,
}

impl DriftedColumn {
    /// The drifted columns of a judgement, most moved first.
    #[must_use]
    pub fn of(judgement: &Judgement) -> Vec<Self> {
        judgement
            .drifted()
            .filter_map(|column| {
                let strongest = judgement
                    .findings
                    .iter()
                    .filter(|finding| finding.column == column.column && finding.verdict == column.verdict)
                    .filter_map(|finding| Some((finding, finding.score?)))
                    .max_by(|left, right| {
                        let ratio = |(finding, score): &(&crate::judge::Finding, crate::measure::Score)| {
                            score.effect / finding.critical.max(f64::MIN_POSITIVE)
                        };
                        ratio(left).total_cmp(&ratio(right))
                    });
                let (finding, score) = strongest?;
                let threshold = if finding.verdict == Verdict::Critical { finding.critical } else { finding.warn };
                Some(Self {
                    column: column.column.clone(),
                    verdict: column.verdict,
                    measure: finding.measure,
                    effect: score.effect,
                    threshold,
                    movement: column.movement.clone(),
                })
            })
            .collect()
    }
}

/// The `data` of an alert event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertEvent {
    /// The alert's id: the same over its whole life.
    pub alert_id: Uuid,
    /// The monitor.
    pub monitor: String,
    /// The model version; empty when records name none.
    pub version: String,
    /// `*` or `column=value`.
    pub segment: String,
    /// What happened.
    pub change: ChangeKind,
    /// How bad it is.
    pub severity: Severity,
    /// Start of the first drifting window, RFC 3339.
    pub since: String,
    /// Drifting windows in a row.
    pub windows: u32,
    /// The window that made the change.
    pub window: WindowEvidence,
    /// The baseline it was compared with.
    pub baseline: String,
    /// Records in the baseline.
    pub baseline_records: u64,
    /// Columns judged.
    pub columns: usize,
    /// The columns that drifted, most moved first.
    pub drifted: Vec<DriftedColumn>,
}

/// The `data` of a retraining request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetrainingEvent {
    /// The request's id: the receiver's idempotency key.
    pub request_id: Uuid,
    /// The alert behind it.
    pub alert_id: Uuid,
    /// The monitor.
    pub monitor: String,
    /// The model version that drifted.
    pub version: String,
    /// The segment that drifted.
    pub segment: String,
    /// Why, in words.
    pub reason: String,
    /// The baseline it was compared with.
    pub baseline: String,
    /// The drifting windows, oldest first, with the offsets they are made of.
    pub windows: Vec<WindowEvidence>,
    /// The columns that drifted in the last of them, most moved first.
    pub drifted: Vec<DriftedColumn>,
}
