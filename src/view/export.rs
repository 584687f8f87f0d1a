//! What is exported: closed windows with their findings and summaries, and alerts, as tables of all monitors.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Builder, Float64Builder, ListBuilder, StringBuilder};
use uuid::Uuid;

use super::table::{Table, counts, flags, ids, ids_if_any, numbers, texts, times, versions};
use super::{ColumnSummary, FindingRow, Judged, WindowRow};
use crate::alert::{RowState, RuleKind, Severity};
use crate::judge::Verdict;
use crate::record::Timestamp;
use crate::reference::{ReferenceChoice, RuleName};

/// A closed window.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedWindow {
    /// Its monitor.
    pub monitor: String,
    /// The window.
    pub row: WindowRow,
    /// Whether its findings and summaries are older than they are kept.
    pub findings_deleted: bool,
}

impl ExportedWindow {
    fn reference(&self) -> Option<&ReferenceChoice> {
        self.row.reference.as_ref().filter(|choice| choice.rule.is_some())
    }
}

/// A finding of a closed window.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedFinding {
    /// The monitor of its window.
    pub monitor: String,
    /// The finding.
    pub row: FindingRow,
    /// Whether chance alone hardly produces it; none without a score, and where it was not noted.
    pub significant: Option<bool>,
}

/// Where a column lies in a closed window.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedColumn {
    /// The window.
    pub window: i64,
    /// Its monitor.
    pub monitor: String,
    /// The model version.
    pub version: String,
    /// The segment.
    pub segment: String,
    /// Start of the window.
    pub start: Timestamp,
    /// Summary of the column.
    pub summary: ColumnSummary,
}

/// An alert.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedAlert {
    /// Alert ID.
    pub id: Uuid,
    /// The monitor.
    pub monitor: String,
    /// The model version.
    pub version: String,
    /// The segment.
    pub segment: String,
    /// The rule.
    pub rule: String,
    /// The column, or receiver, of a rule that has an alert for each.
    pub column: Option<String>,
    /// What kind of rule.
    pub kind: RuleKind,
    /// Where it stands.
    pub state: RowState,
    /// How bad it is.
    pub severity: Severity,
    /// Start of the first drifting window.
    pub since: Timestamp,
    /// When it fired, by the wall clock; none when it never did.
    pub fired_at: Option<Timestamp>,
    /// When it was over, by the wall clock.
    pub resolved_at: Option<Timestamp>,
    /// Who works on it.
    pub acknowledged_by: Option<String>,
    /// What people found out about it.
    pub judged: Option<Judged>,
    /// Drifting windows of the episode.
    pub windows: u64,
    /// Judged windows of the episode.
    pub judged_windows: u64,
    /// Of its last change.
    pub reason: String,
    /// What is wrong, one sentence.
    pub summary: Option<String>,
}

impl Table for ExportedWindow {
    fn columns(rows: &[Self]) -> Vec<(&'static str, ArrayRef)> {
        let rule = |row: &Self| row.reference()?.rule.map(RuleName::as_str);
        vec![
            ("id", ids(rows, |row| row.row.id)),
            ("monitor", texts(rows, |row| Some(&row.monitor))),
            ("version", texts(rows, |row| Some(&row.row.version))),
            ("segment", texts(rows, |row| Some(&row.row.segment))),
            ("start", times(rows, |row| Some(row.row.start))),
            ("pane_start", times(rows, |row| Some(row.row.pane_start))),
            ("end", times(rows, |row| Some(row.row.end))),
            ("rows", counts(rows, |row| Some(row.row.rows))),
            ("revision", counts(rows, |row| Some(u64::from(row.row.revision)))),
            ("usual_rows", counts(rows, |row| row.row.usual_rows)),
            ("volume", texts(rows, |row| row.row.volume.map(Verdict::as_str))),
            ("late", counts(rows, |row| Some(row.row.late))),
            ("verdict", texts(rows, |row| row.row.verdict.map(Verdict::as_str))),
            ("complete", flags(rows, |row| row.row.complete)),
            ("baseline", versions(rows, |row| row.row.baseline)),
            ("reference_rule", texts(rows, rule)),
            ("reference_name", texts(rows, |row| row.reference().map(|choice| choice.name.as_str()))),
            ("reference_windows", counts(rows, |row| row.reference().map(|choice| u64::from(choice.windows)))),
            ("reference_records", counts(rows, |row| row.reference().map(|choice| choice.records))),
            ("backfill", ids_if_any(rows, |row| row.row.backfill)),
            ("configuration", texts(rows, |row| row.row.configuration.as_deref())),
            ("retraining", texts(rows, |row| row.row.retraining.as_deref())),
        ]
    }
}

impl Table for ExportedFinding {
    fn columns(rows: &[Self]) -> Vec<(&'static str, ArrayRef)> {
        vec![
            ("window_id", ids(rows, |row| row.row.window)),
            ("monitor", texts(rows, |row| Some(&row.monitor))),
            ("version", texts(rows, |row| Some(&row.row.version))),
            ("segment", texts(rows, |row| Some(&row.row.segment))),
            ("start", times(rows, |row| Some(row.row.start))),
            ("column", texts(rows, |row| Some(&row.row.column))),
            ("measure", texts(rows, |row| Some(&row.row.measure))),
            ("statistic", numbers(rows, |row| row.row.statistic)),
            ("p_value", numbers(rows, |row| row.row.p_value)),
            ("effect", numbers(rows, |row| row.row.effect)),
            ("bound", numbers(rows, |row| row.row.bound)),
            ("noise_floor", numbers(rows, |row| row.row.noise_floor)),
            ("warn", numbers(rows, |row| row.row.warn)),
            ("critical", numbers(rows, |row| row.row.critical)),
            ("n_baseline", counts(rows, |row| row.row.n_baseline)),
            ("n_window", counts(rows, |row| row.row.n_window)),
            ("significant", flags(rows, |row| row.significant)),
            ("verdict", texts(rows, |row| Some(row.row.verdict.as_str()))),
        ]
    }
}

impl Table for ExportedColumn {
    fn columns(rows: &[Self]) -> Vec<(&'static str, ArrayRef)> {
        vec![
            ("window_id", ids(rows, |row| row.window)),
            ("monitor", texts(rows, |row| Some(&row.monitor))),
            ("version", texts(rows, |row| Some(&row.version))),
            ("segment", texts(rows, |row| Some(&row.segment))),
            ("start", times(rows, |row| Some(row.start))),
            ("column", texts(rows, |row| Some(&row.summary.column))),
            ("present", counts(rows, |row| Some(row.summary.present))),
            ("nulls", counts(rows, |row| Some(row.summary.nulls))),
            ("invalid", counts(rows, |row| Some(row.summary.invalid))),
            ("below", counts(rows, |row| Some(row.summary.below))),
            ("above", counts(rows, |row| Some(row.summary.above))),
            ("unseen", counts(rows, |row| Some(row.summary.unseen))),
            ("mean", numbers(rows, |row| row.summary.mean)),
            ("quantiles", quantiles(rows)),
            ("categories", categories(rows)),
            ("shares", shares(rows)),
        ]
    }
}

/// Null for columns without quantiles.
fn quantiles(rows: &[ExportedColumn]) -> ArrayRef {
    let mut lists = ListBuilder::new(Float64Builder::new());
    for row in rows {
        lists.append_option(row.summary.quantiles);
    }
    Arc::new(lists.finish())
}

/// Empty for columns without categories.
fn categories(rows: &[ExportedColumn]) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in rows {
        lists.append_value(row.summary.categories.iter().map(|(name, _)| Some(name)));
    }
    Arc::new(lists.finish())
}

fn shares(rows: &[ExportedColumn]) -> ArrayRef {
    let mut lists = ListBuilder::new(Float32Builder::new());
    for row in rows {
        lists.append_value(row.summary.categories.iter().map(|(_, share)| Some(*share)));
    }
    Arc::new(lists.finish())
}

impl Table for ExportedAlert {
    fn columns(rows: &[Self]) -> Vec<(&'static str, ArrayRef)> {
        let named: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
        vec![
            ("id", texts(&named, |id| Some(id))),
            ("monitor", texts(rows, |row| Some(&row.monitor))),
            ("version", texts(rows, |row| Some(&row.version))),
            ("segment", texts(rows, |row| Some(&row.segment))),
            ("rule", texts(rows, |row| Some(&row.rule))),
            ("column", texts(rows, |row| row.column.as_deref())),
            ("kind", texts(rows, |row| Some(row.kind.as_str()))),
            ("state", texts(rows, |row| Some(row.state.as_str()))),
            ("severity", texts(rows, |row| Some(row.severity.as_str()))),
            ("since", times(rows, |row| Some(row.since))),
            ("fired_at", times(rows, |row| row.fired_at)),
            ("resolved_at", times(rows, |row| row.resolved_at)),
            ("acknowledged_by", texts(rows, |row| row.acknowledged_by.as_deref())),
            ("judged", texts(rows, |row| row.judged.map(Judged::as_str))),
            ("windows", counts(rows, |row| Some(row.windows))),
            ("judged_windows", counts(rows, |row| Some(row.judged_windows))),
            ("reason", texts(rows, |row| Some(&row.reason))),
            ("summary", texts(rows, |row| row.summary.as_deref())),
        ]
    }
}
