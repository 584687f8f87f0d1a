//! `[baseline]`: how baselines are learned and built, and what windows are compared with.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use toml::de::DeValue;

use super::super::alerts::named_calendars;
use super::super::mistake::Mistake;
use super::super::section::Section;
use super::super::suggestion::{list, suggest};
use super::MonitorReferences;
use crate::binning::BuildOptions;
use crate::record::{RecordLayout, TimeSpan};
use crate::reference::{ReferencePlan, ReferenceRule, RuleName, Same, Season};
use crate::retention::Kept;
use crate::window::{CalendarUnit, WindowLength, WindowReach};

/// What `[baseline]` says.
pub(super) struct BaselineSettings {
    /// Windows to learn a baseline from.
    pub(super) learn: Option<u32>,
    /// How fine baselines are.
    pub(super) build: BuildOptions,
    /// How references are chosen.
    pub(super) plan: ReferencePlan,
}

/// Reads `[baseline]`, for windows of this length.
pub(super) fn baseline(
    section: &Section<'_>,
    context: &MonitorReferences<'_>,
    length: Option<&WindowLength>,
    min_records: u64,
) -> BaselineSettings {
    let names = rule_names(section);
    let mut rules = rules(section, &names, length);
    let plan_rules: Vec<ReferenceRule> = names.iter().filter_map(|name| rules.remove(name)).collect();
    // What is left over is configured and not used.
    for (key, name) in [("rolling", RuleName::Rolling), ("seasonal", RuleName::Seasonal)] {
        if section.has(key) && !names.contains(&name) {
            let message = format!("is not used: `reference` does not name \"{key}\"");
            section.add(section.mistake(key, message).hint(format!("reference = [\"{key}\", \"fixed\"]")));
        }
    }
    if section.has("champion") && !names.contains(&RuleName::Version) {
        section.add(section.mistake("champion", "is not used: `reference` does not name \"version\""));
    }
    let excluded = named_calendars(section, "exclude", context);
    let selects = |rule: &RuleName| matches!(rule, RuleName::Previous | RuleName::Rolling | RuleName::Seasonal);
    if !excluded.is_empty() && !names.iter().any(selects) {
        let message = "is not used: `reference` names no rule that selects earlier windows";
        section.add(section.mistake("exclude", message));
    }
    if names.iter().position(|name| *name == RuleName::Fixed).is_some_and(|place| place + 1 < names.len()) {
        let message = "has rules after \"fixed\" that are never reached";
        section.add(section.mistake("reference", message).hint("put \"fixed\" last"));
    }
    let plan = ReferencePlan { rules: plan_rules, excluded, min_records, volume: Vec::new() };
    let learn =
        section.has("learn").then(|| u32::try_from(section.integer("learn", 24, 1..=10_000)).unwrap_or(24));
    section.value("learn");
    let learn = learn.or_else(|| windows_for_bins(&plan, length));
    let size = |key, default, range| usize::try_from(section.integer(key, default, range)).unwrap_or(1);
    let build = BuildOptions {
        resolution: size("resolution", 500, 10..=5_000),
        max_categories: size("max_categories", 1_000, 2..=100_000),
    };
    section.finish();
    BaselineSettings { learn, build, plan }
}

/// Whether the rules fit what is read and kept: `kept` is for how long counts are.
pub(super) fn check_references(
    root: &Section<'_>,
    (plan, length, reach): (&ReferencePlan, Option<&WindowLength>, WindowReach),
    (layout, columns): (&RecordLayout, usize),
    kept: Option<Kept>,
) {
    let section = root.section("baseline");
    let mistake = |message: &str, hint: &str| section.add(section.mistake("reference", message).hint(hint));
    if layout.version.is_none() && plan.rules.iter().any(|rule| rule.name() == RuleName::Version) {
        mistake("names \"version\", and records have no model version", "set `source.version`");
    }
    if layout.segments.is_empty() && plan.rules.contains(&ReferenceRule::Rest) {
        mistake("names \"rest\", and there are no segments", "add [[segments]]");
    }
    let Some(length) = length else { return };
    // What is looked for in an earlier cycle is every pane of a window.
    let panes = most_panes(reach, length.span());
    let of_rule = |rule: &ReferenceRule| match rule {
        ReferenceRule::Rolling { .. } => most_windows(rule, length),
        _ => most_windows(rule, length).saturating_mul(panes),
    };
    if panes.saturating_mul(columns as u64) > MOST_COUNTS {
        let most = MOST_COUNTS / columns.max(1) as u64;
        let window = root.section("window");
        let message =
            format!("are sums of up to {panes} panes of {columns} columns, which would not fit into memory");
        let hint = format!("use windows of at most {most} panes: a shorter `length`, or a longer `every`");
        window.add(window.mistake("every", message).hint(hint));
    }
    let windows = plan.rules.iter().map(of_rule).max().unwrap_or(0);
    if windows.saturating_mul(columns as u64) > MOST_COUNTS {
        let most = MOST_COUNTS / columns.max(1) as u64;
        let message =
            format!("may add up {windows} windows of {columns} columns, which would not fit into memory");
        mistake(&message, &format!("use at most {most} windows: fewer `windows` or `cycles`, or longer windows"));
    }
    let Some(Kept::For(kept)) = kept else { return };
    let needed = plan.rules.iter().map(|rule| match rule {
        ReferenceRule::Rolling { windows, .. } => length.span().times(i64::from(*windows)),
        ReferenceRule::Seasonal(season) => season.reach(),
        _ => TimeSpan::ZERO,
    });
    let own = if let WindowReach::Time(length) = reach { length } else { TimeSpan::ZERO };
    let needed = TimeSpan::from_micros(needed.max().unwrap_or_default().micros().saturating_add(own.micros()));
    if needed > kept {
        let days = |span: TimeSpan| span.micros().saturating_add(DAY - 1) / DAY;
        let message =
            format!("looks {} days back, and counts are deleted after {} days", days(needed), days(kept));
        let hint = format!(
            "counts = \"{0}d\" under [retention] of this file, and `findings` at least as long",
            days(needed)
        );
        mistake(&message, &hint);
    }
}

/// Panes of a window at most, as far as it can be said: how many hold a number of records depends on these.
fn most_panes(reach: WindowReach, pane: TimeSpan) -> u64 {
    let WindowReach::Time(length) = reach else { return 1 };
    u64::try_from(length.micros() / pane.micros().max(1)).unwrap_or(1).max(1)
}

/// Windows of a reference at most.
fn most_windows(rule: &ReferenceRule, length: &WindowLength) -> u64 {
    match rule {
        ReferenceRule::Rolling { windows, .. } => u64::from(*windows),
        ReferenceRule::Seasonal(season) => {
            let of_a_slot = season.same.slot().micros() / length.span().micros().max(1);
            u64::from(season.cycles).saturating_mul(u64::try_from(of_a_slot).unwrap_or(1).max(1))
        }
        _ => 1,
    }
}

/// Columns of windows, of a few KB each, that a reference adds up at most.
const MOST_COUNTS: u64 = 50_000;

/// Microseconds of a day.
const DAY: i64 = TimeSpan::days(1).micros();

/// How many first windows give bins where neither `learn` nor a file does: a reference that is a sum of windows needs bins, too.
/// None where only a stored baseline is used.
fn windows_for_bins(plan: &ReferencePlan, length: Option<&WindowLength>) -> Option<u32> {
    plan.rules.iter().find_map(|rule| match rule {
        ReferenceRule::Fixed => None,
        ReferenceRule::Rolling { at_least, .. } => Some(*at_least),
        ReferenceRule::Seasonal(season) => {
            let in_a_cycle = season.same.cycle().micros() / length?.span().micros().max(1);
            Some(u32::try_from(in_a_cycle).unwrap_or(u32::MAX).clamp(1, MOST_FOR_BINS))
        }
        ReferenceRule::Previous | ReferenceRule::Version(_) | ReferenceRule::Rest => Some(1),
    })
}

/// Windows of which bins are made at most, where the number is not given.
const MOST_FOR_BINS: u32 = 168;

/// `reference`: one name, or several in the order in which they are tried.
fn rule_names(section: &Section<'_>) -> Vec<RuleName> {
    let rules = RuleName::ALL.map(|rule| (rule.as_str(), rule));
    if !matches!(section.value("reference"), Some((DeValue::Array(_), _))) {
        return vec![section.choice("reference", RuleName::Fixed, &rules)];
    }
    let known: Vec<&str> = rules.iter().map(|(name, _)| *name).collect();
    let mut names = Vec::new();
    for (name, span) in section.strings("reference").unwrap_or_default() {
        let at = |message| Mistake::at(section.file, span.clone(), &section.key("reference"), message);
        match rules.iter().find(|(known, _)| *known == name) {
            Some((_, rule)) if names.contains(rule) => {
                section.add(at(format!("names `{name}` twice: the second one is never reached")));
            }
            Some((_, rule)) => names.push(*rule),
            None => section.add(suggest(at(format!("`{name}` is not one of {}", list(&known))), &name, &known)),
        }
    }
    if names.is_empty() {
        section.add(section.mistake("reference", "names no rule").hint("reference = [\"seasonal\", \"fixed\"]"));
    }
    names
}

/// All rules by their names, with what the section says of each.
fn rules(
    section: &Section<'_>,
    names: &[RuleName],
    length: Option<&WindowLength>,
) -> BTreeMap<RuleName, ReferenceRule> {
    let mut rules: BTreeMap<RuleName, ReferenceRule> = BTreeMap::new();
    rules.insert(RuleName::Fixed, ReferenceRule::Fixed);
    rules.insert(RuleName::Previous, ReferenceRule::Previous);
    rules.insert(RuleName::Rolling, rolling(&section.section("rolling")));
    let is_used = names.contains(&RuleName::Seasonal);
    rules.insert(RuleName::Seasonal, seasonal(&section.section("seasonal"), length, is_used));
    rules.insert(RuleName::Rest, ReferenceRule::Rest);
    match section.string("champion") {
        Some(champion) if champion.is_empty() => {
            section.add(section.mistake("champion", "is empty: the model version that others are compared with"));
        }
        Some(champion) => {
            rules.insert(RuleName::Version, ReferenceRule::Version(champion));
        }
        None if names.contains(&RuleName::Version) && !section.has("champion") => {
            let message = "is missing: the model version that others are compared with";
            section.add(section.mistake("champion", message).hint("champion = \"3\""));
        }
        None => {}
    }
    rules
}

fn rolling(section: &Section<'_>) -> ReferenceRule {
    let windows = number(section, "windows", 24, 1..=2_000);
    let at_least = at_least(section, ("windows", windows));
    section.finish();
    ReferenceRule::Rolling { windows, at_least }
}

fn seasonal(section: &Section<'_>, length: Option<&WindowLength>, is_used: bool) -> ReferenceRule {
    let choices = Same::ALL.map(|same| (same.as_str(), same));
    let usual = match length.map(WindowLength::span) {
        Some(length) if length > TimeSpan::days(7) => Same::DayOfYear,
        Some(length) if length > TimeSpan::hours(1) => Same::DayOfWeek,
        _ => Same::HourOfWeek,
    };
    let same = section.choice("same", usual, &choices);
    let zone = section.time_zone("time_zone");
    let cycles = number(section, "cycles", 4, 1..=400);
    let at_least = at_least(section, ("cycles", cycles));
    if (is_used || section.is_there())
        && let Some(length) = length.filter(|length| !has_slots(length, same, &zone))
    {
        let (message, hint) = misfit(length, same);
        section.add(section.mistake("same", message).hint(hint));
    }
    section.finish();
    ReferenceRule::Seasonal(Season { same, zone, cycles, at_least })
}

/// Whether each window has one slot, the same for all windows that are alike.
fn has_slots(length: &WindowLength, same: Same, zone: &TimeZone) -> bool {
    match length {
        WindowLength::Fixed(_) | WindowLength::Calendar(CalendarUnit::Hour, _) => length.span() <= same.slot(),
        // Longer ones begin with a day of their zone, a week with a Monday, a month with its first day.
        WindowLength::Calendar(unit, of_windows) => {
            let recurs = match unit {
                CalendarUnit::Hour | CalendarUnit::Day => !same.is_hour(),
                CalendarUnit::Week => same == Same::DayOfWeek,
                CalendarUnit::Month => matches!(same, Same::DayOfMonth | Same::DayOfYear),
            };
            recurs && of_windows.iana_name() == zone.iana_name()
        }
    }
}

fn misfit(length: &WindowLength, same: Same) -> (String, &'static str) {
    let is_hour = same.is_hour();
    let slot = if is_hour { "an hour" } else { "a day" };
    match length {
        WindowLength::Calendar(..) if !is_hour => (
            format!("`{}` does not recur with these windows", same.as_str()),
            "give both the same `time_zone`; weeks have \"day_of_week\", months \"day_of_month\" or \"day_of_year\"",
        ),
        _ if is_hour => (
            format!("`{}` takes windows of at most {slot}; `window.length` is longer", same.as_str()),
            "use \"day_of_week\", \"day_of_month\" or \"day_of_year\", or shorter windows (window.length)",
        ),
        _ => (
            format!("`{}` takes windows of at most {slot}; `window.length` is longer", same.as_str()),
            "use windows of a unit of the calendar, such as window.length = \"month\", in the same `time_zone`",
        ),
    }
}

fn number(section: &Section<'_>, key: &'static str, default: i64, range: std::ops::RangeInclusive<i64>) -> u32 {
    u32::try_from(section.integer(key, default, range)).unwrap_or(1)
}

/// `at_least`, by default half of what is looked at.
fn at_least(section: &Section<'_>, (of, most): (&str, u32)) -> u32 {
    let at_least = number(section, "at_least", i64::from(most.div_ceil(2)), 1..=2_000);
    if at_least > most {
        section.add(section.mistake("at_least", format!("must not be above `{of}`: {at_least} > {most}")));
    }
    at_least
}
