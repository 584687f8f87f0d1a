//! The score of a monitor over time: alerts, and what changed.

use maud::{Markup, html};

use super::super::words::{number_of, short_time, standing, time};
use super::MonitorPage;
use crate::chart::{Change, ScoreLine, TimeMark, timeline_with};
use crate::judge::Verdict;
use crate::judge::why::number;
use crate::record::Timestamp;
use crate::view::{Episode, ScoredWindow, SeriesInfo, WindowRow};

fn largest(window: &ScoredWindow) -> Option<f64> {
    let judged = window.window.verdict.is_some_and(Verdict::is_judged);
    let scores = window.scores.iter().flatten().map(|score| f64::from(score.score));
    if judged { scores.reduce(f64::max) } else { None }
}

/// The chart with its sentence, what changed in words, and the alerts.
pub(super) fn scores(seen: &MonitorPage<'_>) -> Markup {
    let windows = &seen.board.windows;
    let values: Vec<Option<f64>> = windows.iter().map(largest).collect();
    let changes = changes(seen);
    let marks = marks(windows, seen.episodes);
    let drifted = windows.iter().filter(|window| window.window.verdict.is_some_and(Verdict::drifts)).count();
    let unjudged = values.iter().filter(|value| value.is_none()).count();
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    let sentence = format!(
        "Highest score of all columns over {}: {} times the drift limit. {drifted} drifted, {unjudged} without a verdict.",
        number_of(windows.len(), "window"),
        number(most)
    );
    let first = windows.first().map_or(String::new(), |window| short_time(window.window.start));
    let last = windows.last().map_or(String::new(), |window| short_time(window.window.end));
    let series = ScoreLine { name: "score".to_owned(), values, limits: Some((0.5, 1.0)) };
    html! {
        h2 { "Score over time" }
        p { (sentence) }
        figure {
            (timeline_with("score", &series, &marks, &changes_only(&changes), (&first, &last), &sentence))
        }
        p.soft {
            "Score: effect ÷ drift limit, of the column where it is largest. Dashed line: drift limit. Shaded: an alert fires. Hatched: incomplete, or no verdict."
        }
        @if !changes.is_empty() {
            ul { @for (change, words) in &changes { li { strong { (change.sign) } " " (words) } } }
        }
        (alerts_of(seen.episodes))
    }
}

fn changes_only(changes: &[(Change, String)]) -> Vec<Change> {
    changes.iter().map(|(change, _)| change.clone()).collect()
}

/// Where baseline, configuration and model version changed between two windows.
fn changes(seen: &MonitorPage<'_>) -> Vec<(Change, String)> {
    let windows = &seen.board.windows;
    let others = || {
        seen.detail
            .series
            .iter()
            .filter(|info| info.segment == seen.series.segment && info.version != seen.series.version)
    };
    let mut changes = Vec::new();
    for (index, pair) in windows.windows(2).enumerate() {
        let [before, after] = pair else { continue };
        let mut add = |sign: &str, words: String| {
            let sign = format!("{sign}{}", changes.len() + 1);
            changes.push((Change { window: index + 1, sign }, words));
        };
        let at = short_time(after.window.start);
        if reference(&before.window) != reference(&after.window) {
            let (now, earlier) = (reference(&after.window), reference(&before.window));
            add("B", format!("{at}: compared with {now} instead of {earlier}"));
        }
        if before.window.configuration.is_some() && before.window.configuration != after.window.configuration {
            add("C", format!("{at}: the monitor's configuration changed"));
        }
        let appears = |info: &&SeriesInfo| {
            before.window.pane_start < info.first_start && info.first_start <= after.window.pane_start
        };
        for info in others().filter(appears) {
            add("V", format!("{at}: version {} appears", info.version));
        }
    }
    // A chart full of signs says nothing.
    let more = changes.len().saturating_sub(12);
    changes.drain(..more);
    changes
}

/// The baseline by its version, or the rule that gave the reference.
fn reference(window: &WindowRow) -> String {
    let rule = window.reference.as_ref().and_then(|choice| choice.rule);
    match (window.baseline, rule) {
        (Some(version), _) => format!("baseline version {version}"),
        (None, Some(rule)) => format!("the {} reference", rule.as_str()),
        (None, None) => "nothing".to_owned(),
    }
}

fn marks(windows: &[ScoredWindow], episodes: &[Episode]) -> Vec<TimeMark> {
    let fires = |start: Timestamp| episodes.iter().any(|episode| episode.covers(start));
    let mark = |window: &ScoredWindow| {
        let judged = window.window.verdict.is_some_and(Verdict::is_judged);
        if !judged || window.window.complete == Some(false) {
            TimeMark::Unjudged
        } else if fires(window.window.pane_start) {
            TimeMark::Alert
        } else {
            TimeMark::None
        }
    };
    windows.iter().map(mark).collect()
}

fn alerts_of(episodes: &[Episode]) -> Markup {
    html! {
        @if !episodes.is_empty() {
            details {
                summary { (number_of(episodes.len(), "alert")) " of this series" }
                ul {
                    @for episode in episodes.iter().rev().take(50) {
                        li {
                            a href=(format!("/alerts/{}", episode.id)) { (episode.rule) @if let Some(column) = &episode.column { " of " (column) } }
                            " " (standing(episode.state.as_str(), episode.severity.as_str())) ", drift from " (time(episode.since))
                            @if let Some(until) = &episode.until { " to " (time(until)) }
                        }
                    }
                }
            }
        }
    }
}
