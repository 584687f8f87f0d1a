//! What receivers are told: the body of every webhook, mail and Kafka message.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AlertRule, Matcher, RuleKind, Severity};
use crate::judge::why::Reason;
use crate::judge::{Judgement, Movement, Verdict};
use crate::measure::Measure;
use crate::window::OffsetRanges;

/// The `type` of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// Alerts of a group, at least one of which fires.
    #[serde(rename = "drift.alerts.firing")]
    AlertsFiring,
    /// Alerts of a group, all of which are over.
    #[serde(rename = "drift.alerts.resolved")]
    AlertsResolved,
    /// What a rate cap held back.
    #[serde(rename = "drift.alerts.digest")]
    AlertsDigest,
    /// A retraining is asked for.
    #[serde(rename = "drift.retraining.requested")]
    RetrainingRequested,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 4] =
        [Self::AlertsFiring, Self::AlertsResolved, Self::AlertsDigest, Self::RetrainingRequested];

    /// The `type` as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AlertsFiring => "drift.alerts.firing",
            Self::AlertsResolved => "drift.alerts.resolved",
            Self::AlertsDigest => "drift.alerts.digest",
            Self::RetrainingRequested => "drift.retraining.requested",
        }
    }
}

/// The window behind a decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
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
    #[schema(value_type = Vec<serde_json::Value>)]
    pub offsets: OffsetRanges,
}

/// A column that drifted, with the measure that says so most clearly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DriftedColumn {
    /// The column.
    pub column: String,
    /// Warn or critical.
    pub verdict: Verdict,
    /// The measure furthest beyond its threshold.
    #[schema(value_type = String)]
    pub measure: Measure,
    /// Its effect.
    pub effect: f64,
    /// The threshold it was held against for its verdict.
    pub threshold: f64,
    /// Before and after.
    pub movement: Movement,
    /// Why, in sentences, the most telling first; for the first columns of an alert.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
}

/// Columns of an alert that say why.
pub const EXPLAINED_COLUMNS: usize = 3;

/// Sentences a column gives as its why.
const SENTENCES: usize = 3;

impl DriftedColumn {
    /// The columns that drifted by a rule, or one of them; most moved first. `why` gives the reasons of a column.
    #[must_use]
    pub fn of(
        judgement: &Judgement,
        rule: &AlertRule,
        only: Option<&str>,
        why: impl Fn(&str) -> Vec<Reason>,
    ) -> Vec<Self> {
        let mut drifted: Vec<(f64, Self)> = judgement
            .columns
            .iter()
            .filter(|column| only.is_none_or(|only| only == column.column))
            .filter_map(|column| {
                // Drifting findings alone, the worst verdict first, then the furthest beyond its limit.
                let (finding, score) = judgement
                    .findings
                    .iter()
                    .filter(|finding| finding.column == column.column && rule.covers(finding))
                    .filter(|finding| matches!(finding.verdict, Verdict::Warn | Verdict::Critical))
                    .filter_map(|finding| Some((finding, finding.score?)))
                    .max_by(|left, right| ratio(left).total_cmp(&ratio(right)))?;
                let threshold = if finding.verdict == Verdict::Critical { finding.critical } else { finding.warn };
                let drifted = Self {
                    column: column.column.clone(),
                    verdict: finding.verdict,
                    measure: finding.measure,
                    effect: score.effect,
                    threshold,
                    movement: column.movement.clone(),
                    why: Vec::new(),
                };
                Some((ratio(&(finding, score)), drifted))
            })
            .collect();
        drifted.sort_by(|left, right| right.0.total_cmp(&left.0).then_with(|| left.1.column.cmp(&right.1.column)));
        let mut drifted: Vec<Self> = drifted.into_iter().map(|(_, column)| column).collect();
        for column in drifted.iter_mut().take(EXPLAINED_COLUMNS) {
            column.why = why(&column.column).into_iter().take(SENTENCES).map(|reason| reason.text).collect();
        }
        drifted
    }
}

/// The effect as a multiple of the critical limit: critical findings have 1 or more.
fn ratio((finding, score): &(&crate::judge::Finding, crate::measure::Score)) -> f64 {
    score.effect / finding.critical.max(f64::MIN_POSITIVE)
}

/// What an alert rests on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Evidence {
    /// What is wrong, one sentence.
    pub summary: String,
    /// What to do about it.
    pub advice: String,
    /// The window of the last change; none for operational alerts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowEvidence>,
    /// The baseline it was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// Records in the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_records: Option<u64>,
    /// Columns judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<usize>,
    /// The columns that drifted, most moved first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drifted: Vec<DriftedColumn>,
    /// Drifted columns left out because there are too many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
}

impl DriftedColumn {
    /// The effect as a multiple of its limit.
    #[must_use]
    pub fn strength(&self) -> f64 {
        self.effect / self.threshold.max(f64::MIN_POSITIVE)
    }
}

impl Evidence {
    /// That of the column that moved most; 0 without any.
    #[must_use]
    pub fn strength(&self) -> f64 {
        self.drifted.first().map_or(0.0, DriftedColumn::strength)
    }

    /// Keeps as many columns as a message may name.
    fn cut(&mut self) {
        self.more += self.drifted.len().saturating_sub(MAX_COLUMNS);
        self.drifted.truncate(MAX_COLUMNS);
    }
}

/// Columns of an alert that a message names at most: bodies stay small however wide a model is.
pub const MAX_COLUMNS: usize = 20;

/// Where an alert stands, as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertStatus {
    /// It fires.
    Firing,
    /// It fires, and somebody is at it.
    Acknowledged,
    /// It is over.
    Resolved,
}

impl AlertStatus {
    /// The name used in events and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}

/// An alert, as it is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AlertView {
    /// Its id: the same over its whole life.
    pub id: Uuid,
    /// Where it stands.
    pub status: AlertStatus,
    /// How bad it is.
    pub severity: Severity,
    /// The rule.
    pub rule: String,
    /// What kind of problem it is.
    pub kind: RuleKind,
    /// The monitor; empty when it is about the daemon.
    pub monitor: String,
    /// The model version; empty when records name none.
    pub version: String,
    /// `*` or `column=value`.
    pub segment: String,
    /// What it is routed and silenced by.
    pub labels: BTreeMap<String, String>,
    /// Start of the first drifting window, RFC 3339.
    pub since: String,
    /// When it fired, RFC 3339.
    pub fired_at: String,
    /// When it was over, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<String>,
    /// Who is at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_by: Option<String>,
    /// Why it is in this state.
    pub reason: String,
    /// Drifting windows so far.
    pub windows: u32,
    /// What it rests on.
    pub evidence: Evidence,
    /// Where to look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl AlertView {
    /// What tells this alert from others, whatever its severity and episode.
    #[must_use]
    pub fn matchers(&self) -> Vec<Matcher> {
        ["alertname", "monitor", "version", "segment", "column", "receiver"]
            .into_iter()
            .filter_map(|label| Some(Matcher::equal(label, self.labels.get(label)?)))
            .collect()
    }
}

/// The `data` of an event about alerts: one group of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertsEvent {
    /// The group's id, the same from its first message to the one that says all is over.
    pub group_id: Uuid,
    /// The labels its alerts have in common, by which they are grouped.
    pub group: BTreeMap<String, String>,
    /// Why it is told now.
    pub reason: super::SendReason,
    /// The worst severity of an alert that is not over, or of any when all are.
    pub severity: Severity,
    /// The alerts, worst first.
    pub alerts: Vec<AlertView>,
    /// Alerts left out because there are too many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
    /// Whether somebody only tries whether messages arrive.
    #[serde(default, skip_serializing_if = "is_false")]
    pub test: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Alerts an event names at most.
const MAX_ALERTS: usize = 50;

impl AlertsEvent {
    /// An event of a group, its alerts ordered: what is not over first, then by severity, then what moved most.
    #[must_use]
    pub fn new(
        group_id: Uuid,
        group: BTreeMap<String, String>,
        reason: super::SendReason,
        mut alerts: Vec<AlertView>,
    ) -> Self {
        alerts.sort_by(|left, right| {
            let over = |alert: &AlertView| alert.status == AlertStatus::Resolved;
            over(left)
                .cmp(&over(right))
                .then_with(|| right.severity.cmp(&left.severity))
                .then_with(|| right.evidence.strength().total_cmp(&left.evidence.strength()))
                .then_with(|| left.since.cmp(&right.since))
                .then_with(|| left.id.cmp(&right.id))
        });
        let more = alerts.len().saturating_sub(MAX_ALERTS);
        alerts.truncate(MAX_ALERTS);
        for alert in &mut alerts {
            alert.evidence.cut();
        }
        let severity = alerts.first().map_or(Severity::Warn, |alert| alert.severity);
        Self { group_id, group, reason, severity, alerts, more, test: false }
    }

    /// The `type` of the event.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        if self.reason == super::SendReason::Digest {
            EventKind::AlertsDigest
        } else if self.alerts.iter().all(|alert| alert.status == AlertStatus::Resolved) {
            EventKind::AlertsResolved
        } else {
            EventKind::AlertsFiring
        }
    }

    /// Takes in the alerts of an earlier event that never went out and that this one does not name.
    pub fn absorb(&mut self, earlier: Self) {
        let news = |alert: &AlertView| self.alerts.iter().all(|own| own.id != alert.id);
        let kept: Vec<AlertView> = earlier.alerts.into_iter().filter(news).collect();
        let (test, more) = (self.test, self.more + earlier.more);
        let alerts = std::mem::take(&mut self.alerts).into_iter().chain(kept).collect();
        *self = Self::new(self.group_id, std::mem::take(&mut self.group), self.reason, alerts);
        self.test = test;
        self.more += more;
    }
}

/// The body of an event: `type`, `timestamp`, `data`.
#[must_use]
pub fn event_body(kind: EventKind, timestamp: &str, data: &impl Serialize) -> serde_json::Value {
    serde_json::json!({ "type": kind, "timestamp": timestamp, "data": data })
}
