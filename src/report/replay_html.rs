//! The report of a replay as one HTML file.

use maud::{Markup, html};

use super::Outcome;
use super::page::{badge, page, table};
use super::replayed::{
    AlertReport, ColumnSeries, MonitorReport, ReplayReport, WindowReport, by_series, flapping_words, series,
    series_name, worst_words,
};
use super::side_by_side::{SideBySide, alike_words};
use crate::chart::{ScoreLine, TimeMark, timeline};
use crate::judge::why::number;
use crate::record::{grouped, listed, number_of, plural};

/// Columns with a chart in each series.
const CHARTS: usize = 12;
/// Columns without a chart that are named.
const LISTED: usize = 20;
/// Series with charts.
const SERIES: usize = 12;

/// The report as a document of its own.
#[must_use]
pub fn replay_html(report: &ReplayReport) -> String {
    let names: Vec<&str> = report.monitors.iter().map(|monitor| monitor.monitor.as_str()).collect();
    let title = format!("Replay of {}", names.join(" and "));
    let content = html! {
        h1 { (title) }
        p.soft { "Over " (report.inputs.join(", ")) "." }
        h2 { "What would have happened" }
        div.pair.two[report.monitors.len() > 1] {
            @for monitor in &report.monitors { div { (status(monitor)) } }
        }
        @if let Some(differences) = &report.side_by_side { (side_by_side(report, differences)) }
        h2 { "Alerts that would have fired" }
        div.pair.two[report.monitors.len() > 1] {
            @for monitor in &report.monitors { div { (alerts(monitor)) } }
        }
        @if report.monitors.iter().any(|monitor| !monitor.detections.is_empty()) {
            h2 { "Drifts that detectors would have found" }
            @for monitor in &report.monitors { (detections(monitor)) }
        }
        h2 { "Scores over time" }
        p.soft {
            "Dashed: the limit of drift; the band under it begins at the limit of a warning. Shaded: windows in which an alert fires; grey: windows without a verdict."
        }
        div.pair.two[report.monitors.len() > 1] {
            @for (index, monitor) in report.monitors.iter().enumerate() { div { (charts(index, monitor)) } }
        }
        h2 { "Window by window" }
        @for monitor in &report.monitors { (windows(monitor)) }
    };
    page(&title, &content)
}

fn status(monitor: &MonitorReport) -> Markup {
    let records = monitor.records;
    html! {
        h3 { (monitor.monitor) " " span.soft { (monitor.file) } }
        p.status.(monitor.verdict.as_str()) { (monitor.summary) }
        p.soft {
            "Baseline: " (monitor.baseline.as_deref().unwrap_or("none")) ". "
            (number_of(records.counted, "record")) " counted, " (grouped(records.late)) " late, "
            (grouped(records.filtered)) " filtered, " (grouped(records.rejected)) " rejected."
        }
        @for note in &monitor.notes { p.soft { (note) } }
    }
}

fn side_by_side(report: &ReplayReport, differences: &SideBySide) -> Markup {
    let different = &differences.different;
    let left_out = different.len().saturating_sub(ROWS);
    html! {
        h2 { "Where they differ" }
        @if !different.is_empty() {
            (table("Windows in which the monitors differ", &html! {
                @if left_out > 0 { caption { "The last " (ROWS) " of " (different.len()) } }
                thead {
                    tr {
                        th scope="col" { "Window from" }
                        th scope="col" { "To" }
                        th scope="col" { "Of" }
                        @for monitor in &report.monitors { th scope="col" { (monitor.file) } }
                    }
                }
                tbody {
                    @for window in different.iter().skip(left_out) {
                        tr {
                            th scope="row" { (window.start) }
                            td { (window.end) }
                            td { (series_name(&window.version, &window.segment)) }
                            @for cell in &window.monitors {
                                td { @if let Some(said) = cell { (said.words()) } @else { "no window" } }
                            }
                        }
                    }
                }
            }))
        }
        p.soft { (alike_words(differences.alike)) }
    }
}

fn alerts(monitor: &MonitorReport) -> Markup {
    html! {
        h3 { (monitor.file) }
        @if monitor.alerts.is_empty() { p.soft { "None." } }
        @for alert in &monitor.alerts { (one_alert(alert)) }
    }
}

/// The first detections of a monitor.
fn detections(monitor: &MonitorReport) -> Markup {
    html! {
        h3 { (monitor.file) }
        (table(&format!("Detections of {}", monitor.file), &html! {
            @if monitor.detections.len() > ROWS { caption { "The first " (ROWS) " of " (monitor.detections.len()) } }
            thead {
                tr {
                    th scope="col" { "Event time" }
                    th scope="col" { "Detector" }
                    th scope="col" { "Column" }
                    th.number scope="col" { "Before" }
                    th.number scope="col" { "After" }
                    th scope="col" { "Record" }
                }
            }
            tbody {
                @for found in monitor.detections.iter().take(ROWS) {
                    tr {
                        th scope="row" { (found.at) }
                        td { (found.detector) }
                        td { (found.column) }
                        td.number { (number(found.before)) }
                        td.number { (number(found.after)) }
                        td { (found.offset) " of " (found.file) }
                    }
                }
            }
        }))
    }
}

fn one_alert(alert: &AlertReport) -> Markup {
    html! {
        section.column {
            header {
                h3 { (alert.fired) }
                span class=(format!("badge {}", if alert.severity == "warn" { "warn" } else { "drift" })) { (alert.severity) }
                span.soft { (alert.rule) " · " (series_name(&alert.version, &alert.segment)) }
            }
            p {
                "Drifting since " (alert.since) ", "
                @match &alert.resolved {
                    Some(end) if alert.gone => { "ended at " (end) ", when it had had no more records for long." }
                    Some(end) => { "resolved at " (end) "." }
                    None => { "firing to the end of the log." }
                }
                " In " (alert.windows) " of " (alert.judged_windows) " judged windows" @if let Some(worst) = worst_words(alert) { "; " (worst) } (flapping_words(alert)) "."
                @if alert.retraining { " It would have requested a retraining." }
            }
            p { "Columns: " (alert.columns.join(", ")) "." }
            @for why in &alert.why {
                h4 { (why.column) " " span.soft { "at " (why.window) } }
                ul { @for reason in &why.reasons { li { (reason) } } }
            }
        }
    }
}

fn charts(index: usize, monitor: &MonitorReport) -> Markup {
    let groups = by_series(monitor);
    html! {
        @for (place, ((version, segment), windows)) in groups.iter().take(SERIES).enumerate() {
            @let (lines, others) = charted(windows);
            h3 { (series_name(version, segment)) }
            @for (number, line) in lines.into_iter().enumerate() {
                h4 { (line.column) " " span.soft { (line.measure) } }
                @let sentence = sentence(line.column, line.measure, &line.values, line.limits.map(|(_, drift)| drift));
                (timeline(
                    &format!("t{index}-{place}-{number}"),
                    &ScoreLine { name: line.column.to_owned(), values: line.values, limits: line.limits },
                    &marks(windows),
                    ends(windows),
                    &sentence,
                ))
            }
            @if !others.is_empty() { p.soft { "Not drawn, because they moved less: " (listed(&others, LISTED)) "." } }
        }
        @if groups.len() > SERIES {
            @let others = groups.len() - SERIES;
            p.soft { (others) " other series " (plural(others, "is", "are")) " in the table below." }
        }
    }
}

/// The columns with charts, and the names of the others.
fn charted<'a>(windows: &[&'a WindowReport]) -> (Vec<ColumnSeries<'a>>, Vec<&'a str>) {
    let mut lines = series(windows);
    let others = lines.split_off(lines.len().min(CHARTS));
    (lines, others.into_iter().map(|line| line.column).collect())
}

fn sentence(column: &str, measure: &str, values: &[Option<f64>], limit: Option<f64>) -> String {
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    let lead =
        format!("{measure} of {column} over {}: at most {}", number_of(values.len(), "window"), number(most));
    let Some(limit) = limit else { return format!("{lead}, shown only.") };
    let above = values.iter().flatten().filter(|value| **value >= limit).count();
    format!("{lead}, at or above the limit of {} in {above} of them.", number(limit))
}

fn ends<'a>(windows: &[&'a WindowReport]) -> (&'a str, &'a str) {
    let first = windows.first().map_or("", |window| window.start.as_str());
    let last = windows.last().map_or("", |window| window.end.as_str());
    (first, last)
}

fn marks(windows: &[&WindowReport]) -> Vec<TimeMark> {
    windows
        .iter()
        .map(|window| match (window.alert, window.verdict) {
            ("firing", _) => TimeMark::Alert,
            (_, Outcome::NotEnoughData | Outcome::Undefined) => TimeMark::Unjudged,
            _ => TimeMark::None,
        })
        .collect()
}

/// Windows in the table.
const ROWS: usize = 1_000;

fn windows(monitor: &MonitorReport) -> Markup {
    html! {
        (table(&format!("Windows of {}", monitor.file), &html! {
            caption { (monitor.monitor) ", " (monitor.file) @if monitor.windows.len() > ROWS { ", the last " (ROWS) " of " (monitor.windows.len()) } }
            thead {
                tr {
                    th scope="col" { "Window from" }
                    th scope="col" { "Of" }
                    th.number scope="col" { "Records" }
                    th scope="col" { "Verdict" }
                    th scope="col" { "Alert" }
                    th scope="col" { "Columns that drifted" }
                }
            }
            tbody {
                @for window in monitor.windows.iter().skip(monitor.windows.len().saturating_sub(ROWS)) {
                    tr {
                        th scope="row" { (window.start) }
                        td { (series_name(&window.version, &window.segment)) }
                        td.number { (grouped(window.rows)) }
                        td { (badge(window.verdict)) }
                        td { (window.alert_words()) }
                        td.name { (drifted(window)) }
                    }
                }
            }
        }))
    }
}

fn drifted(window: &WindowReport) -> String {
    let names: Vec<&str> = window
        .columns
        .iter()
        .filter(|column| column.verdict == Outcome::Drift)
        .map(|column| column.name.as_str())
        .collect();
    names.join(", ")
}
