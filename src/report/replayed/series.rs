//! Windows by series, a version and a segment each, and the scores of their columns over time.

use std::collections::BTreeMap;

use super::{MonitorReport, WindowReport};
use crate::report::columns;
use crate::window::WHOLE;

/// The scores of one measure of one column over the windows of a series.
pub(in crate::report) struct ColumnSeries<'a> {
    pub(in crate::report) column: &'a str,
    pub(in crate::report) measure: &'a str,
    /// The largest of the column's scores.
    pub(in crate::report) moved: f64,
    pub(in crate::report) values: Vec<Option<f64>>,
    /// The limits: warn and drift; none where the measure is only shown.
    pub(in crate::report) limits: Option<(f64, f64)>,
}

/// For each column the measure that says most about it, over the windows of one series; the columns that
/// moved most first.
pub(in crate::report) fn series<'a>(windows: &[&'a WindowReport]) -> Vec<ColumnSeries<'a>> {
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
                .and_then(|measure| measure.threshold.map(|limit| (measure.warn.unwrap_or(0.0), limit)));
            let values = windows.iter().map(|window| of(window).and_then(|measure| measure.effect)).collect();
            ColumnSeries { column, measure, moved, values, limits }
        })
        .collect();
    found.sort_by(|left, right| right.moved.total_cmp(&left.moved).then(left.column.cmp(right.column)));
    found
}

/// The series of a monitor's windows: (version, segment) with their windows, the whole before its segments.
pub(in crate::report) fn by_series(monitor: &MonitorReport) -> Vec<((&str, &str), Vec<&WindowReport>)> {
    let mut groups: BTreeMap<(&str, bool, &str), Vec<&WindowReport>> = BTreeMap::new();
    for window in &monitor.windows {
        let key = (window.version.as_str(), window.segment != WHOLE, window.segment.as_str());
        groups.entry(key).or_default().push(window);
    }
    groups.into_iter().map(|((version, _, segment), windows)| ((version, segment), windows)).collect()
}

/// A series in words.
pub(in crate::report) fn series_name(version: &str, segment: &str) -> String {
    let version = if version.is_empty() { "all versions".to_owned() } else { format!("version {version}") };
    if segment == WHOLE { version } else { format!("{version}, {segment}") }
}
