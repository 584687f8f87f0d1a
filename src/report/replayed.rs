//! The report of a replay: windows, scores over time, alerts that would have fired; several monitors side by side.

use std::collections::BTreeMap;

use serde::Serialize;

use super::gaps::gaps;
use super::side_by_side::SideBySide;
use super::{FORMAT, MeasureReport, Outcome, columns};
use crate::alert::{ChangeKind, ChangeReason, EXPLAINED_COLUMNS, EpisodeWindow, Transition};
use crate::judge::Movement;
use crate::record::number_of;
use crate::replay::{Reading, Replayed, ReplayedAlert, ReplayedWindow};
use crate::retrain::RetrainDecision;
use uuid::Uuid;

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
    /// What became of the records.
    pub records: Records,
    /// What could not be read or compared, and other remarks on the log.
    pub notes: Vec<String>,
    /// The alerts that would have fired.
    pub alerts: Vec<AlertReport>,
    /// The windows in the order they closed.
    pub windows: Vec<WindowReport>,
}

/// What became of the records of a log.
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

/// An alert that would have fired.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertReport {
    /// The rule.
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
    /// Whether a retraining would have been asked for.
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
    /// The column.
    pub column: String,
    /// Start of the window of the alert in which it moved most, which is the one that is explained.
    pub window: String,
    /// Sentences, the most telling first.
    pub reasons: Vec<String>,
}

/// A window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowReport {
    /// The model version; empty when records name none.
    pub version: String,
    /// `*` for the whole.
    pub segment: String,
    /// Its start.
    pub start: String,
    /// Its end.
    pub end: String,
    /// Records in it.
    pub rows: u64,
    /// The verdict.
    pub verdict: Outcome,
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
    /// The rule.
    pub rule: String,
    /// What happened.
    pub change: &'static str,
}

/// A column of a window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowColumn {
    /// Its name.
    pub name: String,
    /// The worst verdict of its measures.
    pub verdict: Outcome,
    /// Before and after: means, shares of nulls, the category that changed most.
    pub movement: Movement,
    /// Its measures.
    pub measures: Vec<MeasureReport>,
}

/// The report of what monitors would have done. Each comes with its file and what was read.
#[must_use]
pub fn replay_report(inputs: Vec<String>, monitors: Vec<(String, Reading, Replayed)>) -> ReplayReport {
    let monitors: Vec<MonitorReport> =
        monitors.into_iter().map(|(file, reading, replayed)| monitor_report(file, &reading, &replayed)).collect();
    let side_by_side = SideBySide::of(&monitors);
    ReplayReport { driftd: env!("CARGO_PKG_VERSION"), format: FORMAT, inputs, monitors, side_by_side }
}

fn monitor_report(file: String, reading: &Reading, replayed: &Replayed) -> MonitorReport {
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
        notes: reading.notes(&replayed.tally).into_iter().chain(gaps(replayed)).collect(),
        alerts,
        windows,
    }
}

fn verdict(
    reading: &Reading,
    replayed: &Replayed,
    windows: &[WindowReport],
    alerts: &[AlertReport],
) -> (Outcome, String) {
    let judged =
        windows.iter().filter(|window| matches!(window.verdict, Outcome::Ok | Outcome::Warn | Outcome::Drift));
    let judged = judged.count();
    let all = windows.len();
    if all == 0 {
        return (Outcome::Undefined, "There is no window: no record could be counted.".to_owned());
    }
    if judged == 0 {
        let most = windows.iter().map(|window| window.rows).max().unwrap_or(0);
        let why = if replayed.learning {
            "the log ended while the baseline was being learnt".to_owned()
        } else if replayed.baseline.is_none() {
            "there is no baseline".to_owned()
        } else if windows.iter().all(|window| window.verdict == Outcome::NotEnoughData) {
            format!("each has fewer records than a verdict needs, the largest {most}")
        } else {
            "each has too few records or nothing to compare".to_owned()
        };
        return (Outcome::Undefined, format!("None of {} was judged: {why}.", number_of(all, "window")));
    }
    let drifting = windows.iter().filter(|window| window.verdict == Outcome::Drift).count();
    let warned = windows.iter().filter(|window| window.verdict == Outcome::Warn).count();
    // What could not be read cannot be said to be fine.
    let unread: Vec<String> = reading.unusable().into_iter().map(|column| format!("`{}`", column.name)).collect();
    let mostly_late = Reading::mostly_late(&replayed.tally);
    let verdict = match (alerts.len(), warned + drifting) {
        (0, _) if !unread.is_empty() || reading.all_implausible() || mostly_late => Outcome::Undefined,
        (0, 0) => Outcome::Ok,
        (0, _) => Outcome::Warn,
        _ => Outcome::Drift,
    };
    let unread = match unread.len() {
        0 => String::new(),
        _ => format!(" {} could not be read: see the notes.", unread.join(", ")),
    };
    let late = if mostly_late { " Most records were late and not counted: see the notes." } else { "" };
    let fired = match alerts.len() {
        0 => "No alert would have fired".to_owned(),
        count => format!("{} would have fired", number_of(count, "alert")),
    };
    let asked = alerts.iter().filter(|alert| alert.retraining).count();
    let retraining = match asked {
        0 => String::new(),
        count => format!("; {} would have been asked for", number_of(count, "retraining")),
    };
    let unjudged = match all - judged {
        0 => String::new(),
        count => format!(", {count} of them not judged"),
    };
    (
        verdict,
        format!(
            "{fired}{retraining}: {} drifted and {} warned, of {}{unjudged}.{unread}{late}",
            number_of(drifting, "window"),
            warned,
            number_of(all, "window"),
        ),
    )
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
        start: window.key.start.to_string(),
        end: window.end.to_string(),
        rows: window.judgement.n_window,
        verdict: window.judgement.verdict.into(),
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

fn alerts(replayed: &Replayed) -> Vec<AlertReport> {
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
        window: column.window.as_ref().map_or_else(String::new, |window| window.start.clone()),
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
pub(super) fn flapping_words(alert: &AlertReport) -> &'static str {
    if alert.flapping {
        "; flapping: it fired again soon after it had resolved, so twice as many quiet windows as before end it"
    } else {
        ""
    }
}

/// When an alert was worst, by which column, in words.
pub(super) fn worst_words(alert: &AlertReport) -> Option<String> {
    let worst = alert.worst.as_ref()?;
    Some(format!("worst at {}: {}", worst.start, worst.words()))
}

/// The scores of one measure of one column over the windows of a series.
pub(super) struct ColumnSeries<'a> {
    pub(super) column: &'a str,
    pub(super) measure: &'a str,
    /// The largest of the column's scores.
    pub(super) moved: f64,
    pub(super) values: Vec<Option<f64>>,
    pub(super) limits: (f64, f64),
}

/// For each column the measure that says most about it, over the windows of one series; the columns that
/// moved most first.
pub(super) fn series<'a>(windows: &[&'a WindowReport]) -> Vec<ColumnSeries<'a>> {
    let mut best: BTreeMap<&str, (f64, &str)> = BTreeMap::new();
    for column in windows.iter().flat_map(|window| &window.columns) {
        let Some(leading) = columns::leading(&column.measures) else { continue };
        let moved = columns::strength(leading);
        let entry = best.entry(&column.name).or_insert((-1.0, &leading.measure));
        if moved > entry.0 {
            *entry = (moved, &leading.measure);
        }
    }
    let mut found: Vec<ColumnSeries<'a>> = best
        .into_iter()
        .map(|(column, (moved, measure))| {
            let of = |window: &&'a WindowReport| {
                let column = window.columns.iter().find(|other| other.name == column)?;
                column.measures.iter().find(|other| other.measure == measure)
            };
            let limits = windows
                .iter()
                .find_map(of)
                .map_or((0.0, 0.0), |measure| (measure.warn.unwrap_or(0.0), measure.threshold.unwrap_or(0.0)));
            let values = windows.iter().map(|window| of(window).and_then(|measure| measure.effect)).collect();
            ColumnSeries { column, measure, moved, values, limits }
        })
        .collect();
    found.sort_by(|left, right| right.moved.total_cmp(&left.moved).then(left.column.cmp(right.column)));
    found
}

/// The series of a monitor's windows: (version, segment) with their windows, the whole before its segments.
pub(super) fn by_series(monitor: &MonitorReport) -> Vec<((&str, &str), Vec<&WindowReport>)> {
    let mut groups: BTreeMap<(&str, bool, &str), Vec<&WindowReport>> = BTreeMap::new();
    for window in &monitor.windows {
        let key = (window.version.as_str(), window.segment != crate::window::WHOLE, window.segment.as_str());
        groups.entry(key).or_default().push(window);
    }
    groups.into_iter().map(|((version, _, segment), windows)| ((version, segment), windows)).collect()
}

/// A series in words.
pub(super) fn series_name(version: &str, segment: &str) -> String {
    let version = if version.is_empty() { "all versions".to_owned() } else { format!("version {version}") };
    if segment == crate::window::WHOLE { version } else { format!("{version}, {segment}") }
}
