//! From score boards to heat maps, lines and sentences.

use maud::{Markup, html};

use super::words::{column_at, short_time, verdict};
use crate::chart::{StripCell, condensed, strip};
use crate::judge::Verdict;
use crate::record::Timestamp;
use crate::view::{BoardScore, ScoreBoard, ScoredWindow};

/// Cells of a line of a heat map at most.
pub(super) const CELLS: usize = 96;

/// How a column stood as a cell.
fn cell(score: Option<BoardScore>) -> StripCell {
    match score {
        None => StripCell::Empty,
        Some(BoardScore { verdict: Verdict::Critical, score }) if score >= 2.0 => StripCell::Strong,
        Some(BoardScore { verdict: Verdict::Critical, .. }) => StripCell::Drift,
        Some(BoardScore { verdict: Verdict::Warn, .. }) => StripCell::Warn,
        Some(BoardScore { verdict: Verdict::Ok, score }) if score >= 0.5 => StripCell::Near,
        Some(BoardScore { verdict: Verdict::Ok, .. }) => StripCell::Calm,
        Some(_) => StripCell::Unjudged,
    }
}

/// The verdict of a window as a cell.
pub(super) fn window_cell(window: &ScoredWindow) -> StripCell {
    match window.window.verdict {
        None => StripCell::Empty,
        Some(Verdict::Critical) => StripCell::Drift,
        Some(Verdict::Warn) => StripCell::Warn,
        Some(Verdict::Ok) => StripCell::Calm,
        Some(_) => StripCell::Unjudged,
    }
}

/// A column of a board with how it did.
pub(super) struct Ranked<'a> {
    pub(super) index: usize,
    pub(super) name: &'a str,
    pub(super) last: Option<BoardScore>,
    /// In how many windows it drifted.
    pub(super) drifted: usize,
    /// The window in which it moved most, of those that columns are ranked by, and how it stood there.
    pub(super) worst: Option<(&'a ScoredWindow, BoardScore)>,
}

impl Ranked<'_> {
    /// The largest score of the windows that columns are ranked by.
    pub(super) fn most(&self) -> f32 {
        self.worst.map_or(0.0, |(_, score)| score.score)
    }
}

/// How loud a score is: what was judged by its verdict, then what was not.
fn loudness(score: BoardScore) -> (u8, f32) {
    match score.verdict {
        Verdict::Critical => (3, score.score),
        Verdict::Warn => (2, score.score),
        Verdict::Ok => (1, score.score),
        Verdict::Undefined | Verdict::NoBaseline | Verdict::NotEnoughData => (0, 0.0),
    }
}

/// The columns of a board, those first that moved most in any window since a time, or in any of the board: what moved a
/// minute ago and has calmed down is still what an alert is about.
pub(super) fn ranked(board: &ScoreBoard, since: Option<Timestamp>) -> Vec<Ranked<'_>> {
    let counts = |window: &&ScoredWindow| since.is_none_or(|since| window.window.pane_start >= since);
    let counted: Vec<&ScoredWindow> = board.windows.iter().filter(counts).collect();
    let louder = |left: BoardScore, right: BoardScore| {
        let (left, right) = (loudness(left), loudness(right));
        left.0.cmp(&right.0).then(left.1.total_cmp(&right.1))
    };
    let mut columns: Vec<Ranked<'_>> = board
        .columns
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let of = |window: &ScoredWindow| window.scores.get(index).copied().flatten();
            let scored = counted.iter().filter_map(|window| Some((*window, of(window)?)));
            Ranked {
                index,
                name,
                last: board.windows.last().and_then(of),
                drifted: board.windows.iter().filter_map(of).filter(|score| score.verdict.drifts()).count(),
                worst: scored.max_by(|left, right| louder(left.1, right.1)),
            }
        })
        .collect();
    columns.sort_by(|left, right| {
        let worst = |column: &Ranked<'_>| column.worst.map_or((0, 0.0), |(_, score)| loudness(score));
        let ((left_verdict, left_score), (right_verdict, right_score)) = (worst(left), worst(right));
        right_verdict
            .cmp(&left_verdict)
            .then(right_score.total_cmp(&left_score))
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
        board.windows.iter().step_by(step).map(|window| short_time(window.window.start)).collect();
    starts.join(",")
}

/// A heat map: columns by windows, those that moved most first.
pub(super) fn heat_map(
    board: &ScoreBoard,
    (monitor, version, segment): (&str, &str, &str),
    since: Option<Timestamp>,
    most: usize,
) -> Markup {
    let columns = ranked(board, since);
    let ends = board.windows.first().zip(board.windows.last());
    html! {
        table.heat data-starts=(starts(board)) {
            thead {
                tr {
                    th scope="col" { "Column" }
                    th scope="col" {
                        span.ends {
                            @if let Some((first, last)) = ends {
                                span { (short_time(first.window.start)) }
                                span { (short_time(last.window.end)) }
                            }
                        }
                    }
                    th scope="col" { "Last" }
                }
            }
            tbody {
                @for column in columns.iter().take(most) {
                    @let cells: Vec<StripCell> = board.windows.iter().map(|window| cell(window.scores.get(column.index).copied().flatten())).collect();
                    tr {
                        th scope="row" { a href=(column_at(monitor, column.name, version, segment)) { (column.name) } }
                        td { (strip(&condensed(&cells, CELLS), &sentence(column, board.windows.len()))) }
                        td.last { @if let Some(last) = column.last { (verdict(last.verdict)) } @else { "–" } }
                    }
                }
            }
        }
        @if columns.len() > most { p.soft { (columns.len() - most) " more columns have lower scores." } }
    }
}

fn sentence(column: &Ranked<'_>, windows: usize) -> String {
    format!(
        "{}: drifted in {} of {windows} windows; highest score in the ranked period {:.2}",
        column.name,
        column.drifted,
        column.most()
    )
}
