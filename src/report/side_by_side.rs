//! Several monitors over the same log: where their verdicts and alerts differ, window by window.

use std::collections::BTreeMap;

use serde::Serialize;

use super::replayed::{MonitorReport, WindowReport};
use super::{Outcome, columns};
use crate::record::plural;

/// Where monitors that ran over the same log differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SideBySide {
    /// Windows with the same verdict and the same state of the alert in all monitors.
    pub alike: usize,
    /// The other windows, in the order of their starts.
    pub different: Vec<DifferentWindow>,
}

/// A window on which monitors do not agree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DifferentWindow {
    pub start: String,
    /// Its end: monitors with windows of other lengths do not have this window.
    pub end: String,
    /// The model version; empty when records name none.
    pub version: String,
    /// `*` for the whole.
    pub segment: String,
    /// One entry per monitor, in the order of the monitors; none where a monitor has no such window.
    pub monitors: Vec<Option<WindowOutcome>>,
}

/// What one monitor said about a window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WindowOutcome {
    pub verdict: Outcome,
    /// The alert after it: `inactive`, `pending` or `firing`.
    pub alert: &'static str,
    /// The largest score of its columns, as a multiple of the limit of drift.
    pub score: f64,
}

impl SideBySide {
    /// None unless there are several monitors.
    pub(super) fn of(monitors: &[MonitorReport]) -> Option<Self> {
        if monitors.len() < 2 {
            return None;
        }
        let mut windows: BTreeMap<[&str; 4], Vec<Option<WindowOutcome>>> = BTreeMap::new();
        for (index, monitor) in monitors.iter().enumerate() {
            for window in &monitor.windows {
                let key = [&window.start, &window.end, &window.version, &window.segment].map(String::as_str);
                let cells = windows.entry(key).or_insert_with(|| vec![None; monitors.len()]);
                if let Some(cell) = cells.get_mut(index) {
                    *cell = Some(WindowOutcome::of(window));
                }
            }
        }
        let all = windows.len();
        let different: Vec<DifferentWindow> = windows
            .into_iter()
            .filter(|(_, cells)| !agree(cells))
            .map(|([start, end, version, segment], monitors)| DifferentWindow {
                start: start.to_owned(),
                end: end.to_owned(),
                version: version.to_owned(),
                segment: segment.to_owned(),
                monitors,
            })
            .collect();
        Some(Self { alike: all - different.len(), different })
    }
}

impl WindowOutcome {
    fn of(window: &WindowReport) -> Self {
        let leading = window.columns.iter().filter_map(|column| columns::leading(&column.measures));
        Self {
            verdict: window.verdict,
            alert: window.alert,
            score: leading.map(columns::strength).fold(0.0, f64::max),
        }
    }

    /// `drift 1.8x firing`.
    pub(super) fn words(self) -> String {
        let alert = if self.alert == "inactive" { "" } else { self.alert };
        format!("{} {:.1}x {alert}", self.verdict.words(), self.score).trim_end().to_owned()
    }
}

fn agree(cells: &[Option<WindowOutcome>]) -> bool {
    let said = |cell: Option<WindowOutcome>| cell.map(|cell| (cell.verdict, cell.alert));
    cells.windows(2).all(|pair| matches!(pair, [left, right] if said(*left) == said(*right)))
}

/// What is said below the differences.
pub(super) fn alike_words(alike: usize) -> String {
    let have = plural(alike, "window has", "windows have");
    format!("{alike} {have} the same verdict and alert (numbers are multiples of the limit).")
}
