//! The report of a rehearsal as one HTML file.

use maud::{Markup, html};

use super::words::{falsely, interval, limited, percent, rates, short, smallest, smallest_of};
use super::{CalibrationReport, ColumnCalibration, PowerReport, SeriesReport};
use crate::chart::{StripCell, condensed, strip, strip_key};
use crate::judge::Verdict;
use crate::record::{grouped, listed, number_of, plural};
use crate::report::page::{page, scrolling, table};
use crate::report::replayed::series_name;

/// Series that are shown.
const SERIES: usize = 24;
/// Windows that are listed, of those that drift or warn.
const LISTED: usize = 200;
/// Cells of a strip.
const CELLS: usize = 240;
/// Columns that are named in a cell.
const NAMED: usize = 6;

/// The report as a document of its own.
#[must_use]
pub fn calibrate_html(report: &CalibrationReport) -> String {
    let title = format!("Rehearsal of {}", report.monitor);
    let status = match report.verdict {
        "kept" => "ok",
        "broken" => "drift",
        _ => "undefined",
    };
    let content = html! {
        h1 { (title) " " span.soft { (report.file) } }
        p.status.(status) { (report.summary) }
        p.soft { (report.method) " Input: " (report.inputs.join(", ")) "." }
        @for note in &report.notes { p.soft { (note) } }
        (suggestions(report))
        (alternatives(report))
        @for (index, series) in report.series.iter().take(SERIES).enumerate() { (one_series(index, series)) }
        @if report.series.len() > SERIES {
            @let others = report.series.len() - SERIES;
            p.soft { (others) " other series " (plural(others, "is", "are")) " in the JSON report." }
        }
    };
    page(&title, &content)
}

fn suggestions(report: &CalibrationReport) -> Markup {
    html! {
        @if !report.suggestions.is_empty() {
            h2 { "Suggestions" }
            @for (index, suggestion) in report.suggestions.iter().enumerate() {
                section.column {
                    p { (suggestion.text) }
                    @if let Some(toml) = &suggestion.toml {
                        @if let Some(column) = &suggestion.column { p.soft { "Below the [[columns]] of " (column) ":" } }
                        (scrolling(&format!("Lines of suggestion {}", index + 1), &html! { pre { (toml.trim_end()) } }))
                    }
                }
            }
        }
    }
}

fn alternatives(report: &CalibrationReport) -> Markup {
    html! {
        @if !report.alternatives.is_empty() {
            h2 { "Other settings on the same windows" }
            (table("Other settings", &html! {
                thead {
                    tr {
                        th scope="col" { "Setting" }
                        th.number scope="col" { "False windows" }
                        th.number scope="col" { "Rate" }
                        th.number scope="col" { "Alerts" }
                        th scope="col" { "Finds smaller changes of" }
                    }
                }
                tbody {
                    @for other in &report.alternatives {
                        tr {
                            th scope="row" { (other.name) }
                            td.number { (grouped(other.false_windows.count)) " of " (grouped(other.false_windows.of)) }
                            td.number { (percent(other.false_windows.rate)) }
                            td.number { (grouped(other.alerts)) }
                            @let names: Vec<&str> = other.finds.iter().map(|found| found.column.as_str()).collect();
                            td.name { (listed(&names, NAMED)) }
                        }
                    }
                }
            }))
        }
    }
}

fn one_series(index: usize, series: &SeriesReport) -> Markup {
    let name = series_name(&series.version, &series.segment);
    let cells: Vec<StripCell> = series.cells.iter().map(|verdict| cell(*verdict)).collect();
    let sentence = format!(
        "{}, {} with drift and {} with a warning",
        number_of(series.windows, "window"),
        series.false_windows.count,
        series.warned
    );
    html! {
        section aria-labelledby=(format!("s{index}")) {
            h2 id=(format!("s{index}")) { (name) }
            p.soft {
                (number_of(series.windows, "window")) " from " (series.from) " to " (series.to) ", "
                (grouped(series.judged)) " judged; " (number_of(series.records.median, "record")) " in the usual one ("
                (grouped(series.records.least)) " to " (grouped(series.records.most)) ")."
            }
            @match &series.not_rehearsed {
                Some(reason) => p { "Nothing is known about false alarms: " (reason) "." },
                None => {
                    (strip(&condensed(&cells, CELLS), &sentence))
                    (strip_key())
                    (rate_table(&name, series))
                }
            }
            @if let Some(pattern) = &series.pattern { p { "Most false windows lie " (pattern) "." } }
            @if series.autocorrelation > 0.0 {
                p.soft {
                    "Windows are like the one before (correlation " (short(series.autocorrelation)) "), so that they say less than as many "
                    "independent ones."
                }
            }
            h3 { "Columns" }
            (columns(&name, series))
            @for line in limited(series) { p.soft { (line) } }
            (moved(&name, series))
            (longer(&name, series))
        }
    }
}

fn cell(verdict: Verdict) -> StripCell {
    match verdict {
        Verdict::Ok => StripCell::Calm,
        Verdict::Warn => StripCell::Warn,
        Verdict::Critical => StripCell::Drift,
        Verdict::NotEnoughData | Verdict::NoBaseline | Verdict::Undefined => StripCell::Unjudged,
    }
}

fn rate_table(name: &str, series: &SeriesReport) -> Markup {
    html! {
        (table(&format!("False windows of {name}"), &html! {
            thead {
                tr {
                    th scope="col" { "What" }
                    th.number scope="col" { "Windows" }
                    th.number scope="col" { "Rate" }
                    th.number scope="col" { "95 % interval" }
                    th scope="col" { "Accepted" }
                }
            }
            tbody {
                @for (what, rate, accepted) in rates(series) {
                    tr {
                        th scope="row" { (what) }
                        td.number { (grouped(rate.count)) " of " (grouped(rate.of)) }
                        td.number { (percent(rate.rate)) }
                        td.number { (interval(&rate)) }
                        td { (accepted) }
                    }
                }
                tr { th scope="row" { "windows with a warning" } td.number { (grouped(series.warned)) } td {} td {} td {} }
                tr { th scope="row" { "windows with which an alert fires" } td.number { (grouped(series.alerts)) } td {} td {} td {} }
            }
        }))
    }
}

fn columns(name: &str, series: &SeriesReport) -> Markup {
    html! {
        (table(&format!("Columns of {name}"), &html! {
            thead {
                tr {
                    th scope="col" { "Column" }
                    th.number scope="col" { "False" }
                    th.number scope="col" { "Warned" }
                    th scope="col" { "Smallest change found as drift with 80 %, in " (number_of(series.usual_records, "record")) }
                }
            }
            tbody { @for column in &series.columns { (one_column(column)) } }
        }))
    }
}

fn one_column(column: &ColumnCalibration) -> Markup {
    let count = |number: usize| if column.judged == 0 { "–".to_owned() } else { grouped(number) };
    html! {
        tr {
            td.name { (column.name) }
            td.number { (count(column.false_windows.count)) }
            td.number { (count(column.warned)) }
            td {
                (smallest_of(column))
                @for line in column.remarks.iter().cloned().chain(falsely(column)) { div.soft { (line) } }
            }
        }
    }
}

fn moved(name: &str, series: &SeriesReport) -> Markup {
    html! {
        @if !series.moved.is_empty() {
            details {
                summary { (number_of(series.moved.len(), "window")) " of " (name) " that drift or warn" }
                (table(&format!("Windows of {name} that drift or warn"), &html! {
                    @if series.moved.len() > LISTED { caption { "The first " (LISTED) " of " (series.moved.len()) } }
                    thead {
                        tr {
                            th scope="col" { "Window from" }
                            th.number scope="col" { "Records" }
                            th scope="col" { "Verdict" }
                            th scope="col" { "Alert" }
                            th scope="col" { "Columns" }
                        }
                    }
                    tbody {
                        @for window in series.moved.iter().take(LISTED) {
                            tr {
                                th scope="row" { (window.start) }
                                td.number { (grouped(window.records)) }
                                td { span class=(format!("badge {}", window.verdict)) { (window.verdict) } }
                                td { @if window.alert { "fires" } }
                                td.name { (listed(&window.columns, NAMED)) }
                            }
                        }
                    }
                }))
            }
        }
    }
}

/// What longer windows would find, where that is known.
fn longer(name: &str, series: &SeriesReport) -> Markup {
    let times: Vec<(usize, u64)> = series
        .columns
        .iter()
        .map(|column| column.longer.iter().map(|longer| (longer.times, longer.records)).collect::<Vec<_>>())
        .max_by_key(Vec::len)
        .unwrap_or_default();
    let of = |column: &ColumnCalibration, times: usize| -> Vec<PowerReport> {
        let longer = column.longer.iter().find(|longer| longer.times == times);
        longer.map_or_else(Vec::new, |longer| longer.power.clone())
    };
    html! {
        @if !times.is_empty() {
            details {
                summary { "Smallest changes of " (name) " in longer windows" }
                (table(&format!("Smallest changes of {name} in longer windows"), &html! {
                    thead {
                        tr {
                            th scope="col" { "Column" }
                            th scope="col" { (number_of(series.usual_records, "record")) }
                            @for (times, records) in &times { th scope="col" { (times) " times as long, " (number_of(*records, "record")) } }
                        }
                    }
                    tbody {
                        @for column in series.columns.iter().filter(|column| !column.power.is_empty()) {
                            tr {
                                td.name { (column.name) }
                                td { (smallest(&column.power)) }
                                @for (times, _) in &times { td { (smallest(&of(column, *times))) } }
                            }
                        }
                    }
                }))
            }
        }
    }
}
