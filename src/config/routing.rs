//! `[alerting]`, `[[routes]]`, `[[inhibit]]`, `[calendars.NAME]` and `[operations]` of `driftd.toml`: who is told, when, and
//! of what besides drift.

use std::collections::BTreeMap;

use jiff::civil::{Date, Time};

use super::mistake::Mistake;
use super::receivers::check_names;
use super::section::Section;
use super::suggestion::suggest;
use crate::alert::{GroupTiming, InhibitRule, Matcher, OperationalLimits, Route, Routing};
use crate::record::{TimeFormat, TimeSpan, TimeUnit};
use crate::window::{Calendar, Day, Once, WeeklyTime};

pub(super) fn read(root: &Section<'_>, declared: &[String]) -> Routing {
    let calendars = calendars(root);
    let section = root.section("alerting");
    let usual = timing(&section, GroupTiming::default());
    let group_by =
        labels(&section, "group_by").unwrap_or_else(|| vec!["monitor".to_owned(), "version".to_owned()]);
    let mute = mute(&section, &calendars);
    let operators = check_names(&section, "operators", Some(declared));
    section.finish();
    let mut routes = Vec::new();
    for (index, section) in root.sections("routes").iter().enumerate() {
        routes.extend(route(section, index, declared, &calendars, usual, &group_by));
        section.finish();
    }
    let inhibit = root.sections("inhibit").iter().map(inhibition).collect();
    Routing { routes, inhibit, calendars, group_by, timing: usual, mute, operators }
}

/// `[operations]`: from where on the daemon's own work is a problem.
pub(super) fn limits(section: &Section<'_>) -> OperationalLimits {
    let usual = OperationalLimits::default();
    let limits = OperationalLimits {
        no_data: section.duration("no_data", "1h", ("0s", "366d")),
        lag: section.integer("lag", usual.lag, 0..=i64::MAX),
        rejected_share: section.float("rejected_share", 0.0..=1.0).unwrap_or(usual.rejected_share),
        late_share: section.float("late_share", 0.0..=1.0).unwrap_or(usual.late_share),
        stuck: section.duration("stuck", "10m", ("10s", "366d")),
    };
    section.finish();
    limits
}

fn timing(section: &Section<'_>, usual: GroupTiming) -> GroupTiming {
    let duration = |key, default: TimeSpan, text, range| {
        if section.has(key) {
            return section.duration(key, text, range);
        }
        section.value(key);
        default
    };
    GroupTiming {
        wait: duration("group_wait", usual.wait, "10s", ("0s", "1d")),
        interval: duration("group_interval", usual.interval, "5m", ("0s", "7d")),
        repeat: duration("repeat_interval", usual.repeat, "4h", ("0s", "366d")),
        send_resolved: section.flag("send_resolved", usual.send_resolved),
        unacknowledged_for: None,
    }
}

/// Names of labels.
fn labels(section: &Section<'_>, key: &'static str) -> Option<Vec<String>> {
    let names = section.strings(key)?;
    for (name, span) in &names {
        if !is_label(name) {
            section.add(Mistake::at(
                section.file,
                span.clone(),
                &section.key(key),
                format!("`{name}` is not the name of a label: letters, digits and `_`"),
            ));
        }
    }
    Some(names.into_iter().map(|(name, _)| name).collect())
}

pub(super) fn is_label(name: &str) -> bool {
    name.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

pub(super) fn matchers(section: &Section<'_>, key: &'static str) -> Vec<Matcher> {
    let texts = section.strings(key).unwrap_or_default();
    texts
        .into_iter()
        .filter_map(|(text, span)| {
            Matcher::parse(&text)
                .map_err(|error| {
                    section.add(Mistake::at(section.file, span, &section.key(key), error.to_string()));
                })
                .ok()
        })
        .collect()
}

/// A route, and the escalation that follows it.
fn route(
    section: &Section<'_>,
    index: usize,
    declared: &[String],
    calendars: &BTreeMap<String, Calendar>,
    usual: GroupTiming,
    group_by: &[String],
) -> Vec<Route> {
    let name = section.string("name").unwrap_or_else(|| format!("route {}", index + 1));
    let receivers = check_names(section, "receivers", Some(declared));
    let escalate_to = check_names(section, "escalate_to", Some(declared));
    if receivers.is_empty() && escalate_to.is_empty() {
        section.add(section.mistake("receivers", "needs at least one receiver"));
    }
    if escalate_to.is_empty() && section.has("escalate_after") {
        section.add(section.mistake("escalate_after", "needs `escalate_to`"));
    }
    let after = section.duration("escalate_after", "30m", ("1s", "30d"));
    let timing = timing(section, usual);
    let route = Route {
        matchers: matchers(section, "matchers"),
        receivers,
        group_by: labels(section, "group_by").unwrap_or_else(|| group_by.to_vec()),
        timing,
        mute: mute(section, calendars),
        goes_on: section.flag("continue", false),
        name,
    };
    if escalate_to.is_empty() {
        return vec![route];
    }
    // The escalation comes first and goes on, so that whether the route itself goes on is still its own matter.
    let escalation = Route {
        name: format!("{} (escalation)", route.name),
        receivers: escalate_to,
        timing: GroupTiming { unacknowledged_for: Some(after), wait: TimeSpan::ZERO, ..timing },
        goes_on: true,
        ..route.clone()
    };
    vec![escalation, route]
}

/// Names of calendars.
fn mute(section: &Section<'_>, calendars: &BTreeMap<String, Calendar>) -> Vec<String> {
    let known: Vec<&str> = calendars.keys().map(String::as_str).collect();
    let names = section.strings("mute").unwrap_or_default();
    for (name, span) in &names {
        if !calendars.contains_key(name) {
            let message = format!("`{name}` is not a calendar");
            let mistake = Mistake::at(section.file, span.clone(), &section.key("mute"), message);
            section.add(suggest(mistake, name, &known));
        }
    }
    names.into_iter().map(|(name, _)| name).collect()
}

fn inhibition(section: &Section<'_>) -> InhibitRule {
    let rule = InhibitRule {
        source: matchers(section, "source"),
        target: matchers(section, "target"),
        equal: labels(section, "equal").unwrap_or_default(),
    };
    for (key, matchers) in [("source", &rule.source), ("target", &rule.target)] {
        if matchers.is_empty() {
            section.add(section.mistake(key, "needs at least one matcher"));
        }
    }
    section.finish();
    rule
}

fn calendars(root: &Section<'_>) -> BTreeMap<String, Calendar> {
    let read = |(name, section): (String, Section<'_>)| {
        let zone = section.time_zone("time_zone");
        let weekly = section.sections("weekly").iter().filter_map(weekly).collect();
        let days = days(&section);
        let once = section.sections("once").iter().filter_map(once).collect();
        section.finish();
        (name, Calendar { zone, weekly, days, once })
    };
    root.named_sections("calendars").into_iter().map(read).collect()
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn weekly(section: &Section<'_>) -> Option<WeeklyTime> {
    let days = section.strings("days");
    let mut numbers: Vec<i8> = Vec::new();
    for (name, span) in days.iter().flatten() {
        match (1..).zip(DAYS).find(|(_, day)| day == name) {
            Some((number, _)) => numbers.push(number),
            None => {
                let message = format!("`{name}` is not a day");
                let mistake = Mistake::at(section.file, span.clone(), &section.key("days"), message);
                section.add(suggest(mistake, name, &DAYS));
            }
        }
    }
    if days.is_none() {
        numbers = (1..=7).collect();
    }
    let time = |key: &'static str, default: &str| {
        let text = section.string(key).unwrap_or_else(|| default.to_owned());
        let read = text.parse::<Time>().ok();
        if read.is_none() {
            section
                .add(section.mistake(key, format!("`{text}` is not a time of the day")).hint("write \"22:00\""));
        }
        read
    };
    let (from, to) = (time("from", "00:00"), time("to", "00:00"));
    section.finish();
    Some(WeeklyTime { days: numbers, from: from?, to: to? })
}

/// `days`: dates, or months and days of every year.
fn days(section: &Section<'_>) -> Vec<Day> {
    let day = |text: &str| {
        if let Ok(date) = text.parse::<Date>() {
            return Some(Day::Date(date));
        }
        let (month, day) = text.split_once('-').filter(|(month, day)| month.len() == 2 && day.len() == 2)?;
        // In a leap year all days exist.
        let date = Date::new(2_024, month.parse().ok()?, day.parse().ok()?).ok()?;
        Some(Day::Yearly { month: date.month(), day: date.day() })
    };
    let read = |(text, span): (String, std::ops::Range<usize>)| {
        let found = day(&text);
        if found.is_none() {
            let mistake = Mistake::at(section.file, span, &section.key("days"), format!("`{text}` is not a day"));
            section.add(mistake.hint("write \"2026-12-25\", or \"12-25\" for every year"));
        }
        found
    };
    section.strings("days").unwrap_or_default().into_iter().filter_map(read).collect()
}

fn once(section: &Section<'_>) -> Option<Once> {
    let format = TimeFormat { unit: TimeUnit::Seconds };
    let time = |key: &'static str| {
        let text = section.required(key, "a point in time, \"2026-12-24T00:00:00Z\"")?;
        let read = format.text(&text);
        if read.is_none() {
            section.add(section.mistake(key, format!("`{text}` is not a point in time (RFC 3339)")));
        }
        read
    };
    let (from, to) = (time("from"), time("to"));
    section.finish();
    let (from, to) = (from?, to?);
    if from >= to {
        section.add(section.mistake("to", "must be later than `from`"));
        return None;
    }
    Some(Once { from, to })
}
