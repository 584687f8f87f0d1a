//! When the columns of an alert began to drift, from the windows of the series before.

use super::{ClosingWindow, Decision};
use crate::alert::{ChangeKind, ColumnOnset, EXPLAINED_COLUMNS, Evidence, RuleKind};
use crate::distribution::WindowCounts;
use crate::record::EventTime;
use crate::reference::{Part, RuleName};
use crate::trend::{Onset, Reading, onset};
use crate::variation::ChangeTest;

/// Windows in which an onset is looked for at most.
pub const ONSET_WINDOWS: usize = 200;

impl Decision {
    /// Whether onsets are to be looked for: an alert about drift fires or becomes worse, or has news, and windows are compared with a
    /// baseline, whose windows say how much they vary.
    #[must_use]
    pub fn asks_for_onsets(&self, window: &ClosingWindow) -> bool {
        let fires = |kind| matches!(kind, ChangeKind::Firing | ChangeKind::Worsened);
        let changes = self.changes.iter().filter(|changed| changed.kind == RuleKind::Drift);
        let is_news = changes.map(|changed| changed.transition.change.kind).any(fires)
            || self.refreshed.iter().any(|refreshed| refreshed.has_news);
        is_news && test(window).is_some()
    }

    /// Says in what alerts rest on when their first columns began to drift. `pane` is what was counted in the last pane of the window,
    /// `earlier` are the closed panes before it in order of time, on the same bins.
    pub fn date(&mut self, window: &ClosingWindow, pane: &WindowCounts, earlier: &[Part]) {
        let Some(test) = test(window) else { return };
        let (start, end) = (window.span.key.start, window.span.end);
        let before =
            earlier.iter().filter(|part| part.start < start).map(|part| (part.start, part.counts.as_ref()));
        let panes: Vec<(EventTime, &WindowCounts)> = before.chain([(start, pane)]).collect();
        let grid = Grid { start, length: end.micros().saturating_sub(start.micros()).max(1) };
        let drifts = self.changes.iter_mut().filter(|changed| changed.kind == RuleKind::Drift);
        let changed = drifts.filter_map(|changed| changed.evidence.as_mut());
        for evidence in changed.chain(self.refreshed.iter_mut().map(|refreshed| &mut refreshed.evidence)) {
            date(evidence, test, grid, &panes);
        }
    }
}

/// What windows vary by, beside a baseline that stays the same.
fn test(window: &ClosingWindow) -> Option<&ChangeTest> {
    let reference = window.reference.as_ref()?;
    reference.test.as_deref().filter(|_| reference.choice.rule == Some(RuleName::Fixed))
}

fn date(evidence: &mut Evidence, test: &ChangeTest, grid: Grid, panes: &[(EventTime, &WindowCounts)]) {
    let columns = evidence.drifted.iter_mut().chain(&mut evidence.warned).take(EXPLAINED_COLUMNS);
    for column in columns.filter(|column| column.onset.as_ref().is_none_or(|onset| !onset.is_certain())) {
        if let Some(found) = onset_of(&column.column, test, grid, panes) {
            column.onset = Some(found);
        }
    }
}

/// The onset of the statistic of a column that moved most.
fn onset_of(
    column: &str,
    test: &ChangeTest,
    grid: Grid,
    panes: &[(EventTime, &WindowCounts)],
) -> Option<ColumnOnset> {
    let followed = test.followed(column);
    let readings: Vec<(i64, Vec<Option<Reading>>)> = panes
        .iter()
        .filter_map(|(start, counts)| {
            Some((grid.number(*start), test.readings(&followed, counts.column(column)?)))
        })
        .collect();
    let onset_of = |(place, followed): (usize, &crate::trend::Followed)| {
        let known = |(number, readings): &(i64, Vec<Option<Reading>>)| Some((*number, (*readings.get(place)?)?));
        let windows: Vec<(i64, Reading)> = readings.iter().filter_map(known).collect();
        let found = onset(&followed.level, &windows)?;
        let moved = (found.after - found.before).abs() / followed.level.error(1.0, followed.level.weight());
        Some((moved, found))
    };
    let found = followed.levels.iter().enumerate().filter_map(onset_of);
    let (_, Onset { likely, earliest, latest, .. }) = found.max_by(|left, right| left.0.total_cmp(&right.0))?;
    Some(ColumnOnset {
        likely: grid.start_of(likely).into(),
        earliest: earliest.map(|earliest| grid.start_of(earliest).into()),
        latest: grid.start_of(latest).into(),
    })
}

/// Panes on their grid: the last one has the number 0.
#[derive(Clone, Copy)]
struct Grid {
    /// Of the last pane.
    start: EventTime,
    /// In microseconds.
    length: i64,
}

impl Grid {
    fn number(self, start: EventTime) -> i64 {
        start.micros().saturating_sub(self.start.micros()).div_euclid(self.length)
    }

    fn start_of(self, number: i64) -> EventTime {
        let micros = self.start.micros().saturating_add(number.saturating_mul(self.length));
        EventTime::from_micros(micros).unwrap_or(self.start)
    }
}
