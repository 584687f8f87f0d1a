//! Settings that the numbers of a rehearsal suggest.

use super::RehearsalSpec;
use super::alternatives::Alternative;
use super::budget::Budget;
use super::columns::{ColumnRehearsal, Remark};
use super::interval::number;
use super::pattern::Pattern;
use super::powers::smaller;
use super::series::{NotRehearsed, SeriesRehearsal};
use crate::judge::why::number as in_words;
use crate::judge::{Bound, RECORDS};
use crate::measure::Measure;
use crate::record::{TimeSpan, grouped, listed, number_of};
use crate::window::{WHOLE, WindowLength};

/// What a suggestion is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// `reference` in `[baseline]`.
    Reference,
    /// `for` in `[alert]`.
    Alert,
    /// Limits of a column.
    Limits,
    /// `length` in `[window]`.
    Window,
    /// `min_records` in `[judge]`.
    MinRecords,
    /// A column that is better left out.
    Column,
    /// The time whose windows are rehearsed.
    Time,
}

impl Topic {
    /// The name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Alert => "alert",
            Self::Limits => "limits",
            Self::Window => "window",
            Self::MinRecords => "min_records",
            Self::Column => "column",
            Self::Time => "time",
        }
    }
}

/// A setting that the numbers suggest.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    pub topic: Topic,
    /// The column that it is about; none for the monitor as a whole.
    pub column: Option<String>,
    /// What to do, and why.
    pub text: String,
    /// The lines of the monitor file; those of a column stand below its `[[columns]]`. None where something is to be removed.
    pub toml: Option<String>,
}

/// Columns that are named in a sentence.
const NAMED: usize = 3;
/// A column that drifts in more of its own windows has the wrong reference, not the wrong limits.
const MOST_FALSE: f64 = 0.5;
/// New limits lie above the largest false effect by so much.
const ROOM: f64 = 1.1;
/// Limits that would have to be so many times as wide find nothing any more.
const WIDEST: f64 = 5.0;
/// Windows without a verdict, of all, from which on their size is a problem.
const MANY: f64 = 0.2;
/// A correlation of successive windows that costs most of their power.
const ALIKE: f64 = 0.5;
/// Windows that are so many times longer are another monitor.
const LONGEST: u64 = 100;

/// All suggestions, those that change most first.
pub(super) fn suggestions(
    spec: &RehearsalSpec,
    series: &[SeriesRehearsal],
    budget: &Budget,
    alternatives: &[Alternative],
) -> Vec<Suggestion> {
    let Some(whole) = series.iter().find(|series| series.segment == WHOLE).or_else(|| series.first()) else {
        return Vec::new();
    };
    let reference = of_reference(whole, budget, alternatives);
    let mut found: Vec<Suggestion> = sizes(spec, whole);
    found.extend(identifiers(whole));
    let has_reference = reference.is_some();
    found.extend(of_time(whole, budget));
    found.extend(reference);
    if !has_reference {
        found.extend(whole.columns.iter().filter_map(limits));
        found.extend(beyond_limits(whole));
    }
    found.extend(of_alerts(budget, alternatives));
    if !found.iter().any(|suggestion| suggestion.topic == Topic::Window) {
        found.extend(longer(spec, whole));
    }
    found
}

/// Another reference that has fewer false windows by far, or finds smaller changes.
fn of_reference(whole: &SeriesRehearsal, budget: &Budget, alternatives: &[Alternative]) -> Option<Suggestion> {
    let references = alternatives.iter().filter(|other| other.helps && other.toml.starts_with("[baseline]"));
    // The one with the fewest false windows; of those alike the one that finds more.
    let best = references.min_by(|left, right| {
        let rates = left.false_windows.rate.total_cmp(&right.false_windows.rate);
        rates.then_with(|| right.finds.len().cmp(&left.finds.len()))
    })?;
    let found: Vec<String> = best.finds.iter().map(|(name, then, now)| found(name, *then, *now)).collect();
    let finds = match found.as_slice() {
        [] => String::new(),
        _ => format!("smaller effects are found with 80 % ({}), and ", first(&found)),
    };
    let instead = match budget.windows.count {
        0 => String::new(),
        some => format!(" instead of {} of {}", grouped(some), grouped(budget.windows.of)),
    };
    let pattern = whole.pattern(budget.every).map_or(String::new(), |pattern| format!(" Most lie {pattern}."));
    Some(Suggestion {
        topic: Topic::Reference,
        column: None,
        text: format!(
            "{}, {finds}{} of {} drift falsely{instead}.{pattern}",
            capital(&best.name),
            grouped(best.false_windows.count),
            number_of(best.false_windows.of, "window"),
        ),
        toml: Some(best.toml.clone()),
    })
}

/// The smallest effect that is found, and what it was.
fn found(name: &str, then: f64, now: Option<f64>) -> String {
    match now {
        Some(now) => format!("`{name}` by {then:.2} instead of {now:.2}"),
        None => format!("`{name}` by {then:.2} instead of none"),
    }
}

/// The first of some parts of a sentence.
fn first(parts: &[String]) -> String {
    let named = parts.get(..parts.len().min(NAMED)).unwrap_or_default().join(", ");
    match parts.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}, and {more} more"),
    }
}

/// What to do where false windows lie together at one end.
fn of_time(whole: &SeriesRehearsal, budget: &Budget) -> Option<Suggestion> {
    let pattern = whole.pattern(budget.every)?;
    let moved = whole.moved().filter(|window| window.verdict.drifts());
    let third = TimeSpan::from_micros(whole.to.since(whole.from).micros() / 3);
    let (first, last) = (whole.from.shifted(third), whole.to.shifted(-third));
    let (option, time) = match pattern {
        Pattern::AtTheEnd => ("--to", moved.map(|window| window.start).filter(|start| *start >= last).min()?),
        Pattern::AtTheBeginning => ("--from", moved.map(|window| window.end).filter(|end| *end <= first).max()?),
        _ => return None,
    };
    Some(Suggestion {
        topic: Topic::Time,
        column: None,
        text: format!(
            "Most false windows lie {pattern}. If something changed for real, rehearse without these windows ({option} {time}), and \
             make a baseline of one side of the change."
        ),
        toml: None,
    })
}

fn of_alerts(budget: &Budget, alternatives: &[Alternative]) -> Option<Suggestion> {
    let patient = alternatives.iter().find(|other| other.helps && other.toml.starts_with("[alert]"))?;
    let now = budget.alerts.map_or(0, |alerts| alerts.alerts);
    Some(Suggestion {
        topic: Topic::Alert,
        column: None,
        text: format!(
            "With {}, {} would have fired instead of {now}. A lasting change is found a window later, and smaller ones are found.",
            patient.name,
            number_of(patient.alerts, "alert"),
        ),
        toml: Some(patient.toml.clone()),
    })
}

/// How many times as wide the limits of a column would have to be for none of its windows to drift.
fn times_wider(column: &ColumnRehearsal) -> f64 {
    let drifting = column.findings.iter().filter(|finding| finding.drifts > 0);
    let times = drifting.map(|finding| finding.largest * ROOM / finding.limits.critical.max(f64::MIN_POSITIVE));
    times.fold(1.0, f64::max)
}

/// Wider limits for a column that drifts falsely more often than its part, but not in most windows nor by far.
fn limits(column: &ColumnRehearsal) -> Option<Suggestion> {
    if !column.exceeds_its_part() || column.false_windows.rate > MOST_FALSE || times_wider(column) > WIDEST {
        return None;
    }
    let drifting = column.findings.iter().filter(|finding| finding.drifts > 0);
    let wider: Vec<(Measure, f64, f64)> = drifting
        .map(|finding| {
            let critical = rounded_up(finding.largest * ROOM);
            let part =
                if finding.limits.critical > 0.0 { finding.limits.warn / finding.limits.critical } else { 0.5 };
            (finding.measure, rounded_up(critical * part).min(critical), critical)
        })
        .collect();
    let line = |(measure, warn, critical): &(Measure, f64, f64)| {
        format!("{} = {{ warn = {warn}, critical = {critical} }}\n", measure.as_str())
    };
    let lines: Vec<String> = wider.iter().map(line).collect();
    let (about, table) = if column.name == RECORDS {
        ("The number of records".to_owned(), "[judge.thresholds]\n")
    } else {
        (format!("`{}`", column.name), "[columns.thresholds]\n")
    };
    Some(Suggestion {
        topic: Topic::Limits,
        column: (column.name != RECORDS).then(|| column.name.clone()),
        text: format!(
            "{about} drifts falsely in {} of {} windows, more than its part of the budget. With wider limits none would; smaller \
             changes are then no drift.",
            grouped(column.false_windows.count),
            grouped(column.false_windows.of)
        ),
        toml: Some(format!("{table}{}", lines.concat())),
    })
}

/// What columns that follow the time do to all others.
fn hides_others(whole: &SeriesRehearsal) -> &'static str {
    if whole.autocorrelation >= ALIKE {
        " How windows follow each other is estimated over all columns, so that it hides changes of the others as well."
    } else {
        ""
    }
}

/// The columns for which no limits are wide enough, together.
fn beyond_limits(whole: &SeriesRehearsal) -> Option<Suggestion> {
    let is_beyond = |column: &&ColumnRehearsal| {
        column.exceeds_its_part()
            && column.false_windows.rate <= MOST_FALSE
            && times_wider(column) > WIDEST
            && column.name != RECORDS
    };
    let columns: Vec<&ColumnRehearsal> = whole.columns.iter().filter(is_beyond).collect();
    let worst = columns.iter().max_by(|left, right| times_wider(left).total_cmp(&times_wider(right)))?;
    let names: Vec<String> = columns.iter().map(|column| format!("`{}`", column.name)).collect();
    Some(Suggestion {
        topic: Topic::Column,
        column: None,
        text: format!(
            "Leave out {}, or compare longer windows: now and then a window differs by far more than the limits ({} by {} \
             times its limit), and limits that wide would find nothing.{}",
            listed(&names, 2 * NAMED),
            format_args!("`{}`", worst.name),
            in_words((times_wider(worst) / ROOM).round()),
            hides_others(whole)
        ),
        toml: None,
    })
}

/// Columns that say nothing about drift.
fn identifiers(whole: &SeriesRehearsal) -> impl Iterator<Item = Suggestion> + '_ {
    whole.columns.iter().filter_map(|column| {
        let reason = column.remarks.iter().find_map(|remark| match remark {
            Remark::Never(_) | Remark::Identifier { .. } => Some(remark.to_string()),
            _ => None,
        });
        let mostly = column.false_windows.rate > MOST_FALSE && column.exceeds_its_part() && column.name != RECORDS;
        let drifts = || {
            mostly.then(|| {
                format!(
                    "drifts in {:.0} % of the windows of its own reference: it follows the time, so that no window is like the others",
                    column.false_windows.rate * 100.0
                )
            })
        };
        let reason = reason.or_else(drifts)?;
        Some(Suggestion {
            topic: Topic::Column,
            column: Some(column.name.clone()),
            text: format!(
                "Leave out `{}`, or compare it in another way: {reason}.{}",
                column.name,
                if mostly { hides_others(whole) } else { "" }
            ),
            toml: None,
        })
    })
}

/// Windows with too few records to be judged.
fn sizes(spec: &RehearsalSpec, whole: &SeriesRehearsal) -> Vec<Suggestion> {
    let min_records = spec.rules.judge.min_records;
    let none = matches!(whole.not_rehearsed, Some(NotRehearsed::TooFewRecords { .. }));
    let share = 1.0 - number(whole.judged) / number(whole.windows).max(1.0);
    let is_small = whole.records.least < min_records && (none || share >= MANY);
    if !is_small || whole.records.median == 0 {
        return Vec::new();
    }
    let text = format!(
        "{} of {} have fewer than {min_records} records (`judge.min_records`) and no verdict; the usual one has {}.",
        grouped(whole.windows - whole.judged),
        number_of(whole.windows, "window"),
        grouped(whole.records.median)
    );
    let times = min_records.div_ceil(whole.records.median).max(2);
    let mut found: Vec<Suggestion> = Vec::new();
    let longer = length_times(&spec.length, times).filter(|_| times <= LONGEST && spec.rules.reach.is_pane());
    found.extend(longer.map(|toml| Suggestion {
        topic: Topic::Window,
        column: None,
        text: format!("{text} Longer windows have enough."),
        toml: Some(toml),
    }));
    let fewer = whole.records.median / 2;
    if fewer >= crate::distribution::MIN_VALUES {
        found.push(Suggestion {
            topic: Topic::MinRecords,
            column: None,
            text: format!("{text} Judge them nevertheless: small windows show large changes only."),
            toml: Some(format!("[judge]\nmin_records = {fewer}\n")),
        });
    }
    found
}

/// Longer windows that find smaller changes of columns with too few records.
fn longer(spec: &RehearsalSpec, whole: &SeriesRehearsal) -> Option<Suggestion> {
    if !spec.rules.reach.is_pane() {
        return None;
    }
    let names: Vec<&str> = whole.columns.iter().map(|column| column.name.as_str()).collect();
    whole.longer.iter().find_map(|windows| {
        let pairs = whole.columns.iter().map(|column| &column.power).zip(&windows.columns).zip(&names);
        let better: Vec<String> = pairs
            .filter_map(|((now, then), name)| {
                let (now, then) = (now.first()?, then.first()?);
                (now.bound == Bound::Records && smaller(now, then))
                    .then(|| found(name, then.size.unwrap_or(0.0), now.size))
            })
            .collect();
        let length = length_times(&spec.length, windows.times as u64)?;
        (!better.is_empty()).then(|| Suggestion {
            topic: Topic::Window,
            column: None,
            text: format!(
                "Windows that are {} times as long find smaller effects with 80 % ({}), and find them later.",
                windows.times,
                first(&better)
            ),
            toml: Some(length),
        })
    })
}

fn length_times(length: &WindowLength, times: u64) -> Option<String> {
    if length.calendar().is_some() {
        return None;
    }
    let span = TimeSpan::from_micros(length.span().micros().checked_mul(i64::try_from(times).ok()?)?);
    (span <= TimeSpan::days(366)).then(|| format!("[window]\nlength = \"{}\"\n", duration(span)))
}

/// As it is written in a configuration file.
fn duration(span: TimeSpan) -> String {
    let seconds = span.micros() / 1_000_000;
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let whole = units.into_iter().find(|(unit, _)| seconds >= *unit && seconds % unit == 0);
    whole.map_or_else(|| format!("{seconds}s"), |(unit, name)| format!("{}{name}", seconds / unit))
}

/// To two digits, not below.
fn rounded_up(value: f64) -> f64 {
    if !(value.is_finite() && value > 0.0) {
        return 1.0;
    }
    let scale = 10f64.powf(1.0 - value.log10().floor());
    // A few digits more than the division leaves.
    let up = (value * scale - 1e-9).ceil() / scale;
    format!("{up:.12}").parse().unwrap_or(up)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl SeriesRehearsal {
    /// Where its false windows lie, when that says where they come from.
    #[must_use]
    pub fn pattern(&self, every: TimeSpan) -> Option<Pattern> {
        let drifting = self.moved().filter(|window| window.verdict.drifts());
        let starts: Vec<_> = drifting.map(|window| window.start).collect();
        // Where nearly all windows are false there is no place that they lie in.
        (self.false_windows.rate <= MOST_FALSE)
            .then(|| Pattern::of(&starts, (self.from, self.to), every))
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_rounded_up_to_two_digits() {
        for (value, up) in [(0.213, 0.22), (0.2, 0.2), (1.04, 1.1), (0.01, 0.01), (12.3, 13.0), (0.0, 1.0)] {
            assert_eq!(rounded_up(value), up);
        }
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for (span, text) in [
            (TimeSpan::hours(2), "2h"),
            (TimeSpan::days(2), "2d"),
            (TimeSpan::minutes(90), "90m"),
            (TimeSpan::seconds(90), "90s"),
        ] {
            assert_eq!(duration(span), text);
            assert_eq!(TimeSpan::parse(text), Some(span));
        }
    }
}
