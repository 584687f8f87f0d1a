//! What is said of an alert alike in messages, pages and commands.

use super::{AlertView, DriftedColumn, EpisodeWindow, Evidence, RuleKind};
use crate::record::{grouped, number_of};

impl AlertView {
    /// `in 7 of 9 judged windows`.
    #[must_use]
    pub fn windows_words(&self) -> String {
        match (self.windows, self.judged_windows) {
            (windows, judged) if judged > windows => {
                format!("in {windows} of {}", number_of(judged, "judged window"))
            }
            (0, _) => "in no window yet".to_owned(),
            (windows, _) => format!("in {}", number_of(windows, "window")),
        }
    }

    /// How it ended: not every end means that the drift is over.
    #[must_use]
    pub fn end_words(&self) -> String {
        match self.reason.as_str() {
            "no_more_records" => {
                "ended without a verdict: no records came for this version and segment while others of the \
                                  monitor had some"
                    .to_owned()
            }
            "rule_removed" => {
                "ended without a verdict: its monitor, rule or column is no longer configured".to_owned()
            }
            "by_person" => {
                format!("resolved by {}{}", self.resolved_by.as_deref().unwrap_or("a person"), self.said())
            }
            "did_not_persist" => "ended before it fired".to_owned(),
            "window_amended" | "withdrawn" => {
                "withdrawn: with late records too few of its windows drift".to_owned()
            }
            _ => "resolved".to_owned(),
        }
    }

    /// The comment of the person who acknowledged or resolved it, after a colon; empty without one.
    #[must_use]
    pub fn said(&self) -> String {
        self.comment.as_ref().map_or(String::new(), |comment| format!(": {comment}"))
    }
}

impl EpisodeWindow {
    /// The column with the largest effect in it, and how far it is beyond its limit.
    #[must_use]
    pub fn words(&self) -> String {
        self.columns.first().map_or_else(
            || "nothing drifted or warned".to_owned(),
            |first| format!("{} at {}", first.column, how_far(first.strength)),
        )
    }
}

impl Evidence {
    /// Columns left out of the lists.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.more + self.more_warned
    }

    /// The first, worst and last window of the episode with what each is called; a window that is several of them is named
    /// once.
    #[must_use]
    pub fn windows(&self) -> Vec<(&'static str, &EpisodeWindow)> {
        let same = |left: &Option<EpisodeWindow>, right: &Option<EpisodeWindow>| match (left, right) {
            (Some(left), Some(right)) => left.start == right.start,
            _ => false,
        };
        let (first, worst, last) = (&self.first, &self.worst, &self.last);
        let all = same(first, worst) && same(worst, last);
        [
            (if all { "Window" } else { "Worst window" }, worst.as_ref()),
            ("Last window", last.as_ref().filter(|_| !same(worst, last))),
            ("First window", first.as_ref().filter(|_| !same(worst, first) && !same(last, first))),
        ]
        .into_iter()
        .filter_map(|(name, window)| Some((name, window?)))
        .collect()
    }
}

/// Monitor, and version and segment where they say something.
#[must_use]
pub fn series_words(monitor: &str, version: &str, segment: &str) -> String {
    let mut text = monitor.to_owned();
    if !version.is_empty() {
        text.push_str(" version ");
        text.push_str(version);
    }
    if segment != crate::window::WHOLE {
        text.push_str(", segment ");
        text.push_str(segment);
    }
    text
}

/// A multiple of a limit as people read it.
#[must_use]
pub fn times(strength: f64) -> String {
    match strength {
        s if s >= 1e6 => "over a million".to_owned(),
        s if s >= 10.0 => format!("{s:.0}"),
        s if s >= 1.0 => format!("{s:.1}"),
        s => format!("{s:.2}"),
    }
}

/// How far an effect is beyond the limit of drift, or how near to it.
#[must_use]
pub fn how_far(strength: f64) -> String {
    format!("{} times its drift limit", times(strength))
}

/// The largest effect of a column, and the one in the last window where that is another.
#[must_use]
pub fn worst_and_last(column: &DriftedColumn) -> String {
    let worst = how_far(column.strength);
    match &column.last {
        Some(last) if last.effect.is_none() => format!("at worst {worst}, now without a value"),
        Some(last) if times(last.strength) != times(column.strength) => {
            format!("at worst {worst}, now {}", times(last.strength))
        }
        _ => worst,
    }
}

/// Columns that a sentence names.
const NAMED: usize = 3;

/// What is wrong with a series, one sentence. `only` is the column of an alert about one.
#[must_use]
pub fn summary_of(kind: RuleKind, whose: &str, only: Option<&str>, evidence: &Evidence) -> String {
    let (drifted, warned) = evidence.counts();
    let total = drifted + warned;
    let first = evidence.moved().next();
    if kind == RuleKind::Volume {
        return volume_words(whose, first, evidence);
    }
    let how = first.filter(|first| first.strength > 0.0).map(worst_and_last);
    if let Some(column) = only {
        let how = how.map_or(String::new(), |how| format!(": {how}"));
        return match kind {
            RuleKind::DataQuality => format!("values of {column} of {whose} are missing or broken{how}"),
            _ if drifted > 0 => format!("{column} of {whose} drifted{how}"),
            _ => format!("{column} of {whose} warns{how}"),
        };
    }
    let named = if kind == RuleKind::DataQuality {
        total
    } else if drifted > 0 {
        drifted
    } else {
        warned
    };
    let mut names: Vec<String> =
        evidence.moved().take(NAMED.min(named)).map(|column| column.column.clone()).collect();
    if let (Some(name), Some(how)) = (names.first_mut(), how) {
        *name = format!("{name} ({how})");
    }
    let more = named.saturating_sub(names.len());
    let mut list = names.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() };
    if let Some((column, last)) = evidence.leading_now().and_then(|column| Some((column, column.last.as_ref()?))) {
        list = format!("{list}; now {} ({})", column.column, how_far(last.strength));
    }
    let now = match evidence.moving_now() {
        now if now >= named => String::new(),
        0 => " (none now)".to_owned(),
        now => format!(" ({now} now)"),
    };
    let columns = |number| match evidence.columns {
        Some(judged) => format!("{number} of {}{now}", number_of(judged, "column")),
        None => format!("{}{now}", number_of(number, "column")),
    };
    match kind {
        RuleKind::DataQuality => {
            format!("values of {whose} are missing or broken in {}: {list}", columns(total))
        }
        _ if drifted > 0 => {
            let warned = if warned > 0 { format!("; {warned} more warned") } else { String::new() };
            format!("{whose} drifted in {}: {list}{warned}", columns(drifted))
        }
        _ => format!("{whose} warns in {}: {list}", columns(warned)),
    }
}

/// `credit-score has fewer records than usual: 250 per window instead of 1,000`.
fn volume_words(whose: &str, moved: Option<&DriftedColumn>, evidence: &Evidence) -> String {
    let Some((usual, counted)) = moved.and_then(|rows| rows.movement.records) else {
        return format!("the number of records of {whose} is unusual");
    };
    let how = if counted < usual { "fewer" } else { "more" };
    // Of windows that overlap it is the last pane.
    let is_pane = evidence.window.as_ref().is_some_and(|window| window.records != counted);
    let per = if is_pane { "pane" } else { "window" };
    format!("{whose} has {how} records than usual: {} per {per} instead of {}", grouped(counted), grouped(usual))
}
