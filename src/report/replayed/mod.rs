//! The report of a replay: windows, scores over time, alerts that would have fired; several monitors side by side.

mod alerts;
mod detections;
mod series;
mod verdict;

use std::collections::BTreeSet;

use serde::Serialize;

use super::gaps::gaps;
use super::side_by_side::SideBySide;
use super::{FORMAT, MeasureReport, Outcome, columns};
use crate::judge::Movement;
use crate::record::number_of;
use crate::reference::{ReferenceChoice, RuleName};
use crate::replay::{LogReading, Replayed, ReplayedWindow};
use alerts::alerts;
pub use alerts::{AlertReport, ColumnWhy};
pub(super) use alerts::{flapping_words, worst_words};
pub use detections::DetectionReport;
pub(super) use series::{ColumnSeries, by_series, series, series_name};
use verdict::verdict;

/// What a replay found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayReport {
    /// The version of driftd.
    pub driftd: &'static str,
    /// The version of this form, see [`FORMAT`].
    pub format: u32,
    /// The files that were replayed.
    pub inputs: Vec<String>,
    /// One entry per monitor, in the order they were given.
    pub monitors: Vec<MonitorReport>,
    /// Where several monitors differ; none of a single one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side_by_side: Option<SideBySide>,
}

/// What one monitor would have done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MonitorReport {
    /// Its name.
    pub monitor: String,
    /// The file it was read from.
    pub file: String,
    /// What windows were compared with; none without a baseline.
    pub baseline: Option<String>,
    /// The verdict on the whole log: drift when an alert fired.
    pub verdict: Outcome,
    /// The same in a sentence.
    pub summary: String,
    /// Record counts by outcome.
    pub records: Records,
    /// What could not be read or compared, and other remarks on the log.
    pub notes: Vec<String>,
    /// The alerts that would have fired.
    pub alerts: Vec<AlertReport>,
    /// The drifts that sequential detectors of records would have found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub detections: Vec<DetectionReport>,
    /// The windows in the order they closed.
    pub windows: Vec<WindowReport>,
}

/// Record counts of a log by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Records {
    /// Counted in windows.
    pub counted: u64,
    /// Too late for their window.
    pub late: u64,
    /// Of something else.
    pub filtered: u64,
    /// Unusable.
    pub rejected: u64,
}

/// A window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowReport {
    /// The model version; empty when records name none.
    pub version: String,
    /// `*` for the whole.
    pub segment: String,
    pub start: String,
    pub end: String,
    /// Records in it.
    pub rows: u64,
    pub verdict: Outcome,
    /// What it was compared with.
    pub reference: ReferenceChoice,
    /// The alert after it: `inactive`, `pending` or `firing`.
    pub alert: &'static str,
    /// What happened to an alert last.
    pub change: Option<&'static str>,
    /// What happened to the alert of each rule.
    pub changes: Vec<RuleChange>,
    /// The columns in the order of the monitor's findings.
    pub columns: Vec<WindowColumn>,
}

/// What happened to the alert of a rule in a window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleChange {
    pub rule: String,
    /// What happened.
    pub change: &'static str,
}

/// A column of a window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowColumn {
    pub name: String,
    /// The worst verdict of its measures.
    pub verdict: Outcome,
    /// Before and after: means, shares of nulls, the category that changed most.
    pub movement: Movement,
    pub measures: Vec<MeasureReport>,
}

/// The report of what monitors would have done. Each comes with its file and what was read.
#[must_use]
pub fn replay_report(inputs: Vec<String>, monitors: Vec<(String, LogReading, Replayed)>) -> ReplayReport {
    let monitors: Vec<MonitorReport> = monitors
        .into_iter()
        .map(|(file, reading, replayed)| monitor_report(file, &inputs, &reading, &replayed))
        .collect();
    let side_by_side = SideBySide::of(&monitors);
    ReplayReport { driftd: env!("CARGO_PKG_VERSION"), format: FORMAT, inputs, monitors, side_by_side }
}

fn monitor_report(file: String, inputs: &[String], reading: &LogReading, replayed: &Replayed) -> MonitorReport {
    let windows: Vec<WindowReport> = replayed.windows.iter().map(window_report).collect();
    let alerts = alerts(replayed);
    let (verdict, summary) = verdict(reading, replayed, &windows, &alerts);
    MonitorReport {
        monitor: replayed.monitor.clone(),
        file,
        baseline: replayed.baseline.clone(),
        verdict,
        summary,
        records: Records {
            counted: replayed.tally.accepted,
            late: replayed.tally.late,
            filtered: reading.filtered.total() + replayed.tally.filtered,
            rejected: reading.rejected.total() + replayed.tally.rejected.values().sum::<u64>(),
        },
        notes: reading
            .notes(&replayed.tally)
            .into_iter()
            .chain(replayed.unlearned.iter().map(ToString::to_string))
            .chain(gaps(replayed))
            .chain(references(replayed))
            .chain(natural_variation(replayed))
            .collect(),
        alerts,
        detections: detections::detections(&replayed.detections, inputs),
        windows,
    }
}

/// With what windows were compared, where that is not one baseline.
fn references(replayed: &Replayed) -> Option<String> {
    let choices = || replayed.windows.iter().map(|window| &window.reference);
    let is_plain = |choice: &ReferenceChoice| {
        let by_baseline = choice.rule.is_none_or(|rule| rule == RuleName::Fixed);
        by_baseline && choice.passed_over.iter().all(|passed| passed.rule == RuleName::Fixed)
    };
    if choices().all(is_plain) {
        return None;
    }
    let counted = RuleName::ALL.into_iter().filter_map(|rule| {
        let windows = choices().filter(|choice| choice.rule == Some(rule)).count();
        (windows > 0).then(|| format!("{} by `{}`", number_of(windows as u64, "window"), rule.as_str()))
    });
    let mut parts: Vec<String> = counted.collect();
    let without: Vec<&ReferenceChoice> = choices().filter(|choice| choice.rule.is_none()).collect();
    if let Some(last) = without.last() {
        parts.push(format!(
            "{} by none, the last one because of {}",
            number_of(without.len() as u64, "window"),
            last.reasons()
        ));
    }
    let beyond: BTreeSet<&String> = choices().flat_map(|choice| &choice.beyond_bins).collect();
    let beyond = match beyond.len() {
        0 => String::new(),
        _ => format!(
            ". Not compared in some windows, because more than a tenth of the reference lies outside the bins: {}",
            beyond.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ),
    };
    Some(format!("References: {}{beyond}.", parts.join(", ")))
}

/// What was known of how windows differ by nature when the last one was judged.
fn natural_variation(replayed: &Replayed) -> Option<String> {
    let known = replayed.windows.iter().rev().find_map(|window| window.reference.natural_variation)?;
    Some(format!("Natural variation: {known}."))
}

fn window_report(window: &ReplayedWindow) -> WindowReport {
    let mut by_column: Vec<WindowColumn> = Vec::new();
    let of_columns =
        window.judgement.findings.iter().filter_map(|finding| Some((finding.subject.column()?, finding)));
    for (name, finding) in of_columns {
        let measure = columns::of_finding(finding, None);
        match by_column.last_mut() {
            Some(column) if column.name == name => column.measures.push(measure),
            _ => {
                let judged = window.judgement.columns.iter().find(|column| column.column == name);
                by_column.push(WindowColumn {
                    name: name.to_owned(),
                    verdict: judged.map_or(Outcome::Undefined, |column| column.verdict.into()),
                    movement: judged.map(|column| column.movement.clone()).unwrap_or_default(),
                    measures: vec![measure],
                });
            }
        }
    }
    WindowReport {
        version: window.key.version.clone(),
        segment: window.key.segment.clone(),
        start: window.from.to_string(),
        end: window.end.to_string(),
        rows: window.judgement.n_window,
        verdict: window.judgement.verdict.into(),
        reference: window.reference.clone(),
        alert: window.phase.as_str(),
        change: window.changes.iter().map(|transition| transition.change.kind.as_str()).next_back(),
        changes: window
            .changes
            .iter()
            .map(|transition| RuleChange {
                rule: transition.rule.clone(),
                change: transition.change.kind.as_str(),
            })
            .collect(),
        columns: by_column,
    }
}

impl WindowReport {
    /// How the alerts stand after it, and what happened to which: `firing (data_quality resolved)`.
    pub(super) fn alert_words(&self) -> String {
        let changes: Vec<String> = self
            .changes
            .iter()
            .map(|changed| format!("{} {}", changed.rule, changed.change.replace('_', " ")))
            .collect();
        match (self.alert, changes.is_empty()) {
            ("inactive", true) => String::new(),
            ("inactive", false) => changes.join(", "),
            (alert, true) => alert.to_owned(),
            (alert, false) => format!("{alert} ({})", changes.join(", ")),
        }
    }
}
