//! What a rehearsal says, in sentences.

use super::{ColumnCalibration, PowerReport, RateReport, SeriesReport};
use crate::calibration::{Budget, Division, NotRehearsed, Rehearsal, Standing};
use crate::judge::why::number;
use crate::judge::{Bound, FalseAlarms, RECORDS};
use crate::record::{TimeSpan, grouped, listed, number_of, quantity};
use crate::variation::LEAST_WINDOWS;
use crate::window::span_in_words;

/// Whether the budget is kept, in one or two sentences.
pub(super) fn summary(rehearsal: &Rehearsal) -> String {
    let budget = &rehearsal.budget;
    let Some(alerts) = budget.alerts else { return unknown(rehearsal) };
    let time = times(budget.period, alerts.periods);
    let fired = quantity(alerts.alerts, "alert", "alerts");
    let per = per_period(budget);
    let seen = format!(
        "{fired} in {time}, which is {} {per} (95 % interval {} to {})",
        short(alerts.rate),
        short(alerts.low),
        short(alerts.high)
    );
    let windows = format!(
        "{} of {} drift falsely ({}, 95 % interval {} to {}), and {} are accepted",
        grouped(budget.windows.count),
        number_of(budget.windows.of, "window"),
        percent(budget.windows.rate),
        percent(budget.windows.low),
        percent(budget.windows.high),
        percent(budget.level)
    );
    let accepted = accepted(budget);
    match (budget.standing, budget.accepted) {
        (Standing::Broken, _) if budget.is_broken_by_alerts() => {
            format!("The budget is broken: {seen}, and {accepted} is accepted.")
        }
        (Standing::Broken, FalseAlarms::PerWindow(_)) => format!("The budget is broken: {windows}."),
        (Standing::Broken, FalseAlarms::Budget { .. }) => {
            format!("The budget of {accepted} is broken: {windows}. They make {fired}, which may last long.")
        }
        (Standing::Kept, FalseAlarms::PerWindow(_)) => format!("The budget is kept: {windows}."),
        (Standing::Kept, FalseAlarms::Budget { .. }) => {
            format!("The budget is kept: {seen}, and {accepted} is accepted.")
        }
        (Standing::Unknown, FalseAlarms::PerWindow(_)) => {
            format!("These windows cannot tell whether the budget is kept: {windows}.{}", needed(budget))
        }
        (Standing::Unknown, FalseAlarms::Budget { .. }) => {
            format!(
                "These windows cannot tell whether the budget of {accepted} is kept: {seen}.{}",
                needed(budget)
            )
        }
    }
}

fn unknown(rehearsal: &Rehearsal) -> String {
    let reason = rehearsal
        .series
        .iter()
        .find_map(|series| series.not_rehearsed.map(|reason| not_rehearsed(reason, series.windows)));
    let reason = reason.unwrap_or_else(|| "there is no window".to_owned());
    format!("Nothing is known about false alarms: {reason}.")
}

/// How many windows it would take.
fn needed(budget: &Budget) -> String {
    let Some(windows) = budget.windows_needed else { return String::new() };
    let further =
        if budget.windows.count == 0 { "without a false one" } else { "in all, without a further false one," };
    format!(
        " It takes {} ({}) {further} to show that it is kept.",
        number_of(whole(windows), "window"),
        span_in_words(times_of(budget.every, windows))
    )
}

/// Why nothing is known about false alarms of a series with so many windows.
pub(super) fn not_rehearsed(reason: NotRehearsed, windows: usize) -> String {
    match reason {
        NotRehearsed::TooFewWindows { needed } => format!(
            "{} too few; {needed} are needed, {LEAST_WINDOWS} to learn how windows differ and one to judge",
            quantity(windows, "window is", "windows are")
        ),
        NotRehearsed::TooFewRecords { min_records } => {
            format!("no window has the {min_records} records that `judge.min_records` asks for")
        }
        NotRehearsed::NoneJudged => {
            "no window was judged: none has a reference, or no column can be compared".to_owned()
        }
    }
}

/// What a rehearsal assumes.
const NORMAL: &str = "All of them are taken to be normal, so that whatever drifts is false.";

/// How the windows were divided.
pub(super) fn method(rehearsal: &Rehearsal) -> String {
    match &rehearsal.division {
        Division::HeldOut => {
            let folds = rehearsal.series.first().map_or(0, |series| series.folds);
            let windows = rehearsal.series.first().map_or(0, |series| series.windows);
            if folds == windows {
                return format!("Each window was judged against all others by the rules of the monitor. {NORMAL}");
            }
            format!(
                "The windows were cut into {folds} parts in order of time, and those of a part were judged against all others by the \
                 rules of the monitor. {NORMAL}"
            )
        }
        Division::Earlier(rules) => {
            let rules: Vec<&str> = rules.iter().map(|rule| rule.as_str()).collect();
            format!(
                "Each window was judged against the windows that the monitor selects for it ({}), by its rules. {NORMAL}",
                rules.join(", else ")
            )
        }
    }
}

/// Windows that were left out, and what is not rehearsed.
pub(super) fn left_out(rehearsal: &Rehearsal) -> Vec<String> {
    let mut notes = Vec::new();
    if rehearsal.earlier > 0 {
        notes.push(format!(
            "the latest windows were rehearsed: {} before them left out, which would not fit into memory",
            quantity(rehearsal.earlier, "time was", "times were")
        ));
    }
    if rehearsal.excluded > 0 {
        notes.push(format!(
            "{} left out that {} a calendar of `exclude`",
            quantity(rehearsal.excluded, "window was", "windows were"),
            if rehearsal.excluded == 1 { "overlaps" } else { "overlap" }
        ));
    }
    notes
}

/// What is accepted: "1 alert per 30 days".
pub(super) fn accepted(budget: &Budget) -> String {
    match budget.accepted {
        FalseAlarms::PerWindow(chance) => format!("a false finding in {} of windows", percent(chance)),
        FalseAlarms::Budget { alarms, .. } => {
            let number = short(alarms);
            let alerts = if number == "1" { "alert" } else { "alerts" };
            format!("{number} {alerts} {}", per_period(budget))
        }
    }
}

/// "per 30 days".
fn per_period(budget: &Budget) -> String {
    format!("per {}", span_in_words(budget.period))
}

fn times(period: TimeSpan, periods: f64) -> String {
    span_in_words(times_of(period, periods))
}

#[expect(clippy::cast_possible_truncation, reason = "the conversion saturates, as it should")]
fn times_of(span: TimeSpan, times: f64) -> TimeSpan {
    TimeSpan::seconds((span.as_seconds() * times).round() as i64)
}

/// Rounded up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates, as it should"
)]
pub(super) fn whole(value: f64) -> u64 {
    value.ceil() as u64
}

/// A number to two digits, all digits of a whole one.
pub(super) fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if value >= 10.0 {
        return grouped(format!("{value:.0}"));
    }
    let scale = 10f64.powf(1.0 - value.abs().log10().floor());
    number((value * scale).round() / scale)
}

/// A share in percent, to two digits.
pub(super) fn percent(share: f64) -> String {
    let value = share * 100.0;
    // What is near to all is not all.
    let text = if value > 99.0 && value < 100.0 { format!("{value:.1}") } else { short(value) };
    format!("{text} %")
}

/// A rate with its interval: "4.2 % (0.51 to 14 %)".
pub(super) fn interval(rate: &RateReport) -> String {
    format!("{} to {}", percent(rate.low), percent(rate.high))
}

/// The smallest change of a column in a few words: "0.24 sd, spread x1.3, nulls 1 % to 3.1 %".
pub(super) fn smallest(powers: &[PowerReport]) -> String {
    powers.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The same of a column; where it has none, why.
pub(super) fn smallest_of(column: &ColumnCalibration) -> String {
    let is_column = column.name != RECORDS && column.judged > 0;
    if column.power.is_empty() && is_column {
        return "not known: no change measure decides".to_owned();
    }
    smallest(&column.power)
}

fn one(power: &PowerReport) -> String {
    let what = match power.measure {
        "location_change" => String::new(),
        "spread_change" => "spread ".to_owned(),
        "null_change" => "nulls ".to_owned(),
        "unseen_change" => "unseen values ".to_owned(),
        _ => power.of.as_ref().map_or_else(String::new, |of| format!("{of} ")),
    };
    match (power.after, power.before) {
        (None, _) if power.measure == "location_change" => "no shift".to_owned(),
        (None, _) if power.measure == "spread_change" => "no change of spread".to_owned(),
        (None, _) => format!("{what}no change"),
        (Some(after), Some(before)) => format!("{what}{} to {}", percent(before), percent(after)),
        (Some(after), None) if power.measure == "spread_change" => format!("{what}x{}", short(after)),
        (Some(after), None) => format!("{what}{} sd", short(after)),
    }
}

/// Columns that are named in a sentence.
const NAMED: usize = 6;

/// What limits the smallest changes of a series: which columns more records would help, and which they would not.
pub(super) fn limited(series: &SeriesReport) -> Vec<String> {
    let by = |bound: Bound| -> Vec<(&str, &PowerReport)> {
        let columns =
            series.columns.iter().filter_map(|column| Some((column.name.as_str(), column.power.first()?)));
        columns.filter(|(_, power)| power.bound == bound).collect()
    };
    let records: Vec<&str> = by(Bound::Records).into_iter().map(|(name, _)| name).collect();
    let variation: Vec<String> = by(Bound::Variation)
        .into_iter()
        .map(|(name, power)| {
            let worth = short(power.effective_size.max(1.0));
            format!("{name} ({} are worth {worth})", number_of(power.records, "record"))
        })
        .collect();
    let mut lines = Vec::new();
    if !records.is_empty() {
        lines.push(format!("More records in a window would find smaller changes of {}.", listed(&records, NAMED)));
    }
    if !variation.is_empty() {
        lines.push(format!(
            "More records would hardly find smaller changes of {}: windows differ by nature.",
            listed(&variation, NAMED)
        ));
    }
    lines
}

/// What a column finds falsely, by measure.
pub(super) fn falsely(column: &ColumnCalibration) -> Vec<String> {
    let words = |found: &super::FalseFindingsReport| {
        let change = if found.change.is_empty() { String::new() } else { format!(" ({})", found.change) };
        let windows = match (found.drifts, found.warns) {
            (0, warns) => format!("warns in {}", number_of(warns, "window")),
            (drifts, 0) => format!("drifts in {}", number_of(drifts, "window")),
            (drifts, warns) => format!("drifts in {}, warns in {}", number_of(drifts, "window"), grouped(warns)),
        };
        format!(
            "{} {windows}, effect up to {}{change}, limit {}",
            found.measure,
            short(found.largest),
            number(found.threshold)
        )
    };
    column.findings.iter().map(words).collect()
}

/// The rows of the table of rates of a series: what, how many, of how many, rate, interval, what is accepted.
pub(super) fn rates(series: &SeriesReport) -> [(&'static str, RateReport, String); 2] {
    let accepted = format!("{} accepted", percent(series.level));
    [
        ("false windows (drift)", series.false_windows, accepted.clone()),
        ("windows with a significant change", series.significant, accepted),
    ]
}
