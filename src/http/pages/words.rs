//! Words, numbers and links of pages.

use std::fmt::Display;

use maud::{Markup, html};

use crate::alert::column_page;
use crate::judge::Verdict;
use crate::report::Outcome;
use crate::view::MonitorState;
use crate::window::WHOLE;

pub(in crate::http) use crate::alert::encoded;
pub(super) use crate::record::number_of;

/// A time as people read it, exact to the second; machines get all of it.
pub(super) fn time(at: impl Display) -> Markup {
    html! { time datetime=(at) { (short_time(&at)) } }
}

/// `2026-01-31 12:00:00Z`, and without its zeroes when it is midnight.
pub(super) fn short_time(at: impl Display) -> String {
    let text = at.to_string();
    let (date, clock) = text.trim_end_matches('Z').split_once('T').unwrap_or((&text, ""));
    match clock.get(..8).unwrap_or(clock) {
        "00:00:00" | "" => date.to_owned(),
        clock => format!("{date} {}Z", clock.strip_suffix(":00").unwrap_or(clock)),
    }
}

/// A window's start to its end.
pub(super) fn span(start: impl Display, end: impl Display) -> Markup {
    html! { (time(start)) " to " (time(end)) }
}

/// A series in words.
pub(super) fn series_name(version: &str, segment: &str) -> String {
    let version = if version.is_empty() { "all versions".to_owned() } else { format!("version {version}") };
    if segment == WHOLE { version } else { format!("{version}, {segment}") }
}

/// A verdict as a badge.
pub(super) fn verdict(verdict: Verdict) -> Markup {
    html! { span class=(format!("badge {}", Outcome::from(verdict).as_str())) { (verdict.words()) } }
}

/// The state of a monitor as a badge.
pub(super) fn state(state: MonitorState) -> Markup {
    html! { span class=(format!("badge {}", state.as_str())) { (state.words()) } }
}

/// The state of an alert, a request or a delivery as a badge.
pub(super) fn standing(state: &str, severity: &str) -> Markup {
    let class = match state {
        "firing" | "failed" | "expired" => {
            if severity == "warn" {
                "warn"
            } else {
                "drift"
            }
        }
        "acknowledged" | "pending" | "proposed" | "requested" | "accepted" | "running" => "warn",
        "resolved" | "cleared" | "sent" | "succeeded" => "ok",
        _ => "undefined",
    };
    html! { span class=(format!("badge {class}")) { (state) } }
}

/// The address of a monitor.
pub(super) fn monitor_at(monitor: &str) -> String {
    format!("/monitors/{}", encoded(monitor))
}

/// The address of a monitor's series.
pub(super) fn series_at(monitor: &str, version: &str, segment: &str) -> String {
    format!("/monitors/{}?version={}&segment={}", encoded(monitor), encoded(version), encoded(segment))
}

/// The address of a column in a series.
pub(super) fn column_at(monitor: &str, column: &str, version: &str, segment: &str) -> String {
    column_page(monitor, column, version, segment, None)
}

/// The address of a column in a window of a series.
pub(super) fn column_in(monitor: &str, column: &str, (version, segment): (&str, &str), window: i64) -> String {
    column_page(monitor, column, version, segment, Some(window))
}

/// Where the records behind a column's drift in a window are shown.
pub(super) fn records_at(monitor: &str, window: i64, column: &str) -> String {
    format!("/monitors/{}/windows/{window}/records?column={}", encoded(monitor), encoded(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_where_nothing_is_lost() {
        assert_eq!(short_time("2012-12-16T00:00:00Z"), "2012-12-16");
        assert_eq!(short_time("2012-12-16T10:30:00Z"), "2012-12-16 10:30Z");
        assert_eq!(short_time("2012-12-16T10:30:05.123456Z"), "2012-12-16 10:30:05Z");
    }
}
