//! From score boards to heat maps, lines and sentences.

use maud::{Markup, html};

use super::words::{column_at, short_time, verdict};
use crate::chart::{Cell, condensed, strip};
use crate::judge::Verdict;
use crate::view::{ColumnScore, ScoreBoard, ScoredWindow};

/// Cells of a line of a heat map at most.
pub(super) const CELLS: usize = 96;

/// How a column stood as a cell.
fn cell(score: Option<ColumnScore>) -> Cell {
    match score {
        None => Cell::Empty,
        Some(ColumnScore { verdict: Verdict::Critical, score }) if score >= 2.0 => Cell::Strong,
        Some(ColumnScore { verdict: Verdict::Critical, .. }) => Cell::Drift,
        Some(ColumnScore { verdict: Verdict::Warn, .. }) => Cell::Warn,
        Some(ColumnScore { verdict: Verdict::Ok, score }) if score >= 0.5 => Cell::Near,
        Some(ColumnScore { verdict: Verdict::Ok, .. }) => Cell::Calm,
        Some(_) => Cell::Unjudged,
    }
}

/// The verdict of a window as a cell.
pub(super) fn window_cell(window: &ScoredWindow) -> Cell {
    match window.window.verdict {
        None => Cell::Empty,
        Some(Verdict::Critical) => Cell::Drift,
        Some(Verdict::Warn) => Cell::Warn,
        Some(Verdict::Ok) => Cell::Calm,
        Some(_) => Cell::Unjudged,
    }
}

/// A column of a board with how it did.
pub(super) struct Ranked<'a> {
    pub(super) index: usize,
    pub(super) name: &'a str,
    pub(super) last: Option<ColumnScore>,
    /// In how many windows it drifted.
    pub(super) drifted: usize,
    /// The largest score of all windows.
    pub(super) most: f32,
}

fn loudness(verdict: Option<Verdict>) -> u8 {
    match verdict {
        Some(Verdict::Critical) => 0,
        Some(Verdict::Warn) => 1,
        Some(Verdict::Undefined | Verdict::NoBaseline | Verdict::NotEnoughData) => 2,
        Some(Verdict::Ok) | None => 3,
    }
}

/// The columns of a board: how the last window stands first, then the score there, then how often they drifted.
pub(super) fn ranked(board: &ScoreBoard) -> Vec<Ranked<'_>> {
    let mut columns: Vec<Ranked<'_>> = board
        .columns
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let scores = || board.windows.iter().filter_map(|window| window.scores.get(index).copied().flatten());
            Ranked {
                index,
                name,
                last: board.windows.last().and_then(|window| window.scores.get(index).copied().flatten()),
                drifted: scores().filter(|score| score.verdict == Verdict::Critical).count(),
                most: scores().map(|score| score.score).fold(0.0, f32::max),
            }
        })
        .collect();
    columns.sort_by(|left, right| {
        let verdict = |column: &Ranked<'_>| loudness(column.last.map(|score| score.verdict));
        let score = |column: &Ranked<'_>| column.last.map_or(0.0, |score| score.score);
        verdict(left)
            .cmp(&verdict(right))
            .then(score(right).total_cmp(&score(left)))
            .then(right.drifted.cmp(&left.drifted))
            .then_with(|| left.name.cmp(right.name))
    });
    columns
}

/// The scores of a column over the windows, the largest of neighbours where there are too many.
pub(super) fn line(board: &ScoreBoard, index: usize, most: usize) -> Vec<Option<f64>> {
    let step = board.windows.len().div_ceil(most).max(1);
    let score = |window: &ScoredWindow| {
        let scored = window.scores.get(index).copied().flatten()?;
        scored.verdict.is_judged().then_some(f64::from(scored.score))
    };
    let largest = |part: &[ScoredWindow]| part.iter().filter_map(score).reduce(f64::max);
    board.windows.chunks(step).map(largest).collect()
}

/// Where the cells of a heat map begin, for scripts that say what is under the pointer.
fn starts(board: &ScoreBoard) -> String {
    let step = board.windows.len().div_ceil(CELLS).max(1);
    let starts: Vec<String> =
        board.windows.iter().step_by(step).map(|window| short_time(&window.window.start)).collect();
    starts.join(",")
}

/// A heat map: columns by windows, those that moved most first.
pub(super) fn heat_map(board: &ScoreBoard, monitor: &str, version: &str, segment: &str, most: usize) -> Markup {
    let columns = ranked(board);
    let ends = board.windows.first().zip(board.windows.last());
    html! {
        table.heat data-starts=(starts(board)) {
            thead {
                tr {
                    th scope="col" { "Column" }
                    th scope="col" {
                        span.ends {
                            @if let Some((first, last)) = ends {
                                span { (short_time(&first.window.start)) }
                                span { (short_time(&last.window.end)) }
                            }
                        }
                    }
                    th scope="col" { "Last" }
                }
            }
            tbody {
                @for column in columns.iter().take(most) {
                    @let cells: Vec<Cell> = board.windows.iter().map(|window| cell(window.scores.get(column.index).copied().flatten())).collect();
                    tr {
                        th scope="row" { a href=(column_at(monitor, column.name, version, segment)) { (column.name) } }
                        td { (strip(&condensed(&cells, CELLS), &sentence(column, board.windows.len()))) }
                        td.last { @if let Some(last) = column.last { (verdict(last.verdict)) } @else { "–" } }
                    }
                }
            }
        }
        @if columns.len() > most { p.soft { (columns.len() - most) " more columns moved less." } }
    }
}

fn sentence(column: &Ranked<'_>, windows: usize) -> String {
    format!(
        "{}: drifted in {} of {windows} windows, at most {:.2} times its limit",
        column.name, column.drifted, column.most
    )
}
