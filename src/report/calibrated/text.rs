//! The report of a rehearsal for a terminal, in 100 columns.

use std::fmt::Write as _;

use super::words::{falsely, interval, limited, percent, rates, short, smallest_of};
use super::{CalibrationReport, ColumnCalibration, SeriesReport};
use crate::escape::{plain, plain_lines};
use crate::record::{grouped, listed, number_of};
use crate::report::Outcome;
use crate::report::replayed::series_name;
use crate::report::text::{Colours, note, shortened, wrapped};

/// Letters of a column's name.
const NAME: usize = 24;
/// Windows that are listed, of those that drift or warn.
const LISTED: usize = 12;
/// Columns that are named in a line.
const NAMED: usize = 5;
/// Columns of a series that are listed.
const COLUMNS: usize = 200;
/// What stands before the details of a column.
const DETAIL: &str = "                 ";
/// Series that are listed with their columns.
const SERIES: usize = 12;

/// The report as text. Names from files have no control characters in it.
#[must_use]
pub fn calibrate_text(report: &CalibrationReport, colours: bool) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _infallible = whole(&mut text, report, Colours(colours));
    text
}

fn whole(text: &mut String, report: &CalibrationReport, colours: Colours) -> std::fmt::Result {
    let title = format!("{} ({})", plain(&report.monitor), plain(&report.file));
    writeln!(text, "{}", colours.paint("1", &title))?;
    let outcome = match report.verdict {
        "kept" => Outcome::Ok,
        "broken" => Outcome::Drift,
        _ => Outcome::Undefined,
    };
    wrapped(text, "", &colours.outcome(outcome, &plain(&report.summary)))?;
    wrapped(text, "", &plain(&report.method))?;
    for words in &report.notes {
        note(text, words)?;
    }
    for series in report.series.iter().take(SERIES) {
        writeln!(text)?;
        one_series(text, series, colours)?;
    }
    if report.series.len() > SERIES {
        writeln!(text, "\nand {} other series: see the JSON report", report.series.len() - SERIES)?;
    }
    alternatives(text, report, colours)?;
    suggestions(text, report, colours)
}

fn one_series(text: &mut String, series: &SeriesReport, colours: Colours) -> std::fmt::Result {
    let records = series.records;
    let head = format!(
        "{}: {} from {} to {}, {} judged, {} ({} to {}) each",
        series_name(&plain(&series.version), &plain(&series.segment)),
        number_of(series.windows, "window"),
        series.from,
        series.to,
        grouped(series.judged),
        number_of(records.median, "record"),
        grouped(records.least),
        grouped(records.most),
    );
    let mut lines = String::new();
    wrapped(&mut lines, "", &head)?;
    write!(text, "{}", lines.lines().map(|line| colours.paint("1", line) + "\n").collect::<String>())?;
    match &series.not_rehearsed {
        Some(reason) => wrapped(text, "  ", &format!("nothing is known about false alarms: {}", plain(reason)))?,
        None => {
            for (what, rate, accepted) in rates(series) {
                let count = format!("{} of {}", grouped(rate.count), grouped(rate.of));
                let interval = format!("(95 %: {})", interval(&rate));
                writeln!(text, "  {what:<34} {count:>14} {:>8} {interval:<26} {accepted}", percent(rate.rate))?;
            }
            writeln!(text, "  {:<34} {:>14}", "windows with a warning", grouped(series.warned))?;
            writeln!(text, "  {:<34} {:>14}", "windows with which an alert fires", grouped(series.alerts))?;
        }
    }
    if let Some(pattern) = &series.pattern {
        writeln!(text, "  most false windows lie {pattern}")?;
    }
    if series.autocorrelation > 0.0 {
        let words = format!(
            "windows are like the one before (correlation {}), so that {} say less than as many independent ones",
            short(series.autocorrelation),
            number_of(series.windows, "window")
        );
        wrapped(text, "  ", &words)?;
    }
    writeln!(text)?;
    let head = format!(
        "  {:>5} {:>5}  {:<NAME$} smallest change found as drift with 80 %, in {}",
        "false",
        "warn",
        "column",
        number_of(series.usual_records, "record")
    );
    writeln!(text, "{}", colours.paint("2", &head))?;
    for column in series.columns.iter().take(COLUMNS) {
        one_column(text, column, colours)?;
    }
    if series.columns.len() > COLUMNS {
        writeln!(text, "  and {} more", series.columns.len() - COLUMNS)?;
    }
    for line in limited(series) {
        wrapped(text, "  ", &plain(&line))?;
    }
    moved(text, series)
}

fn one_column(text: &mut String, column: &ColumnCalibration, colours: Colours) -> std::fmt::Result {
    let count = |number: usize| if column.judged == 0 { "-".to_owned() } else { grouped(number) };
    let change = plain(&smallest_of(column));
    let lead = format!(
        "  {:>5} {:>5}  {:<NAME$} ",
        count(column.false_windows.count),
        count(column.warned),
        shortened(&plain(&column.name), NAME)
    );
    if change.is_empty() {
        writeln!(text, "{}", lead.trim_end())?;
    } else {
        wrapped(text, &lead, &change)?;
    }
    let remarks = column.remarks.iter().map(|remark| plain(remark));
    let found = falsely(column).into_iter().map(|found| plain(&found));
    for line in remarks.chain(found) {
        let mut lines = String::new();
        wrapped(&mut lines, DETAIL, &line)?;
        write!(text, "{}", lines.lines().map(|line| colours.paint("2", line) + "\n").collect::<String>())?;
    }
    Ok(())
}

fn moved(text: &mut String, series: &SeriesReport) -> std::fmt::Result {
    if series.moved.is_empty() {
        return Ok(());
    }
    writeln!(text)?;
    writeln!(text, "  windows that drift or warn")?;
    for window in series.moved.iter().take(LISTED) {
        let names: Vec<String> = window.columns.iter().map(|name| plain(name)).collect();
        let alert = if window.alert { ", an alert fires" } else { "" };
        let line = format!("{} {}{alert}: {}", window.start, window.verdict, listed(&names, NAMED));
        wrapped(text, "    ", &line)?;
    }
    if series.moved.len() > LISTED {
        writeln!(text, "    and {} more", grouped(series.moved.len() - LISTED))?;
    }
    Ok(())
}

fn alternatives(text: &mut String, report: &CalibrationReport, colours: Colours) -> std::fmt::Result {
    if report.alternatives.is_empty() {
        return Ok(());
    }
    writeln!(text)?;
    writeln!(text, "{}", colours.paint("1", "Other settings on the same windows"))?;
    for other in &report.alternatives {
        let rate = other.false_windows;
        let line = format!(
            "{}: {} of {} drift falsely ({}), {}{}",
            plain(&other.name),
            grouped(rate.count),
            number_of(rate.of, "window"),
            percent(rate.rate),
            number_of(other.alerts, "alert"),
            match other.finds.len() {
                0 => String::new(),
                columns => format!(", finds smaller changes of {}", number_of(columns, "column")),
            },
        );
        wrapped(text, "  - ", &line)?;
    }
    Ok(())
}

fn suggestions(text: &mut String, report: &CalibrationReport, colours: Colours) -> std::fmt::Result {
    if report.suggestions.is_empty() {
        return Ok(());
    }
    writeln!(text)?;
    writeln!(text, "{}", colours.paint("1", "Suggestions"))?;
    for suggestion in &report.suggestions {
        wrapped(text, "  - ", &plain(&suggestion.text))?;
        let Some(toml) = &suggestion.toml else { continue };
        if let Some(column) = &suggestion.column {
            writeln!(text, "      below the [[columns]] of `{}`:", plain(column))?;
        }
        for line in plain_lines(toml).lines() {
            writeln!(text, "      {line}")?;
        }
    }
    Ok(())
}
