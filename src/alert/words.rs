//! What is said of an alert alike in messages, pages and commands.

use super::{AlertView, EpisodeWindow, Evidence, how_far};
use crate::record::number_of;

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
            "did_not_persist" => "over before it fired".to_owned(),
            _ => "over".to_owned(),
        }
    }

    /// The comment of the person who acknowledged or resolved it, after a colon; empty without one.
    #[must_use]
    pub fn said(&self) -> String {
        self.comment.as_ref().map_or(String::new(), |comment| format!(": {comment}"))
    }
}

impl EpisodeWindow {
    /// What moved most in it, and how far.
    #[must_use]
    pub fn words(&self) -> String {
        self.columns.first().map_or_else(
            || "nothing moved".to_owned(),
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
