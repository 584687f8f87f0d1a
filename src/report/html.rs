//! The report of a comparison as one HTML file.

use maud::{Markup, html};

use super::page::{badge, key, page, table};
use super::text::{p_words, shortened, smallest, within_noise};
use super::{ColumnReport, CompareReport, MeasureReport, Outcome, Summary};
use crate::chart::{distribution, thumbnail};
use crate::judge::why::{number, numbers_apart};
use crate::record::{grouped, number_of, plural};

/// Columns without drift get no chart of their own beyond this many, so that the file stays small.
const MAX_CHARTS: usize = 60;

/// The report as a document of its own.
#[must_use]
pub fn compare_html(report: &CompareReport) -> String {
    let title = format!("{} compared with {}", report.files.window, report.files.baseline);
    page(&title, &content(report))
}

fn content(report: &CompareReport) -> Markup {
    let rows = |number: u64| number_of(number, "row");
    html! {
        h1 { (report.files.window) " compared with " (report.files.baseline) }
        p.status.(report.verdict.as_str()) { (report.summary) }
        p.soft {
            (rows(report.rows.window)) " against " (rows(report.rows.baseline)) " of the baseline, "
            (report.method) "."
        }
        @for note in &report.notes { p.soft { (note) } }
        h2 { "Columns, those that moved most first" }
        (key(false))
        (ranking(report))
        h2 { "Column by column" }
        @for (index, column) in report.columns.iter().take(MAX_CHARTS).enumerate() { (section(index, column)) }
        @if report.columns.len() > MAX_CHARTS {
            @let others = report.columns.len() - MAX_CHARTS;
            p.soft { (number_of(others, "other column")) " " (plural(others, "is", "are")) " in the table above." }
        }
    }
}

fn ranking(report: &CompareReport) -> Markup {
    html! {
        (table("Columns", &html! {
            thead {
                tr {
                    th scope="col" { "Column" }
                    th scope="col" { "Verdict" }
                    th scope="col" { "Distributions" }
                    th.number.wide scope="col" { "Baseline" }
                    th.number.wide scope="col" { "Window" }
                    th scope="col" { "Measure" }
                }
            }
            tbody {
                @for (index, column) in report.columns.iter().enumerate() {
                    tr {
                        td.name {
                            @if index < MAX_CHARTS { a href=(format!("#c{index}")) { (column.name) } } @else { (column.name) }
                        }
                        td { (badge(column.verdict)) }
                        td { (thumbnail(&column.distribution)) }
                        @let (before, after) = places(column);
                        td.number.wide { (before) }
                        td.number.wide { (after) }
                        td.measure { @if let Some(measure) = column.leading() { (short(measure)) } }
                    }
                }
            }
        }))
    }
}

fn short(measure: &MeasureReport) -> Markup {
    html! {
        // Long names may break at their underscores.
        @for (index, part) in measure.measure.split('_').enumerate() { @if index > 0 { "_" wbr; } (part) }
        " "
        @match (measure.statistic, measure.p_value) {
            (Some(statistic), _) => { (number(statistic)) }
            (None, Some(p_value)) => { (p_words(p_value)) }
            (None, None) => { "has no value" }
        }
    }
}

/// Where a column lies on both sides: its mean, or the share of the category that changed most.
fn places(column: &ColumnReport) -> (String, String) {
    let alone = |summary: &Summary| match summary.mean {
        _ if summary.values == 0 => "no value".to_owned(),
        Some(mean) => format!("mean {}", number(mean)),
        None => "–".to_owned(),
    };
    match (column.baseline.mean.zip(column.window.mean), &column.category) {
        (Some((before, after)), _) => {
            let (before, after) = numbers_apart(before, after);
            (format!("mean {before}"), format!("mean {after}"))
        }
        (None, Some((name, before, after))) if column.baseline.values > 0 && column.window.values > 0 => {
            let name = shortened(name, 14);
            (format!("{name} {:.0} %", before * 100.0), format!("{name} {:.0} %", after * 100.0))
        }
        (None, _) => (alone(&column.baseline), alone(&column.window)),
    }
}

fn section(index: usize, column: &ColumnReport) -> Markup {
    column_section(&format!("c{index}"), column)
}

/// A column with its chart, why it moved, its measures and all numbers. `id` is that of the element.
#[must_use]
pub fn column_section(id: &str, column: &ColumnReport) -> Markup {
    html! {
        section.column id=(id) aria-labelledby=(format!("{id}-name")) {
            header {
                h3 id=(format!("{id}-name")) { (column.name) }
                (badge(column.verdict))
                span.soft { (column.column_type) }
            }
            @if column.distribution.is_empty() {
                p.soft { "There is no value to draw." }
            } @else {
                (distribution(id, &column.distribution, &sentence(column)))
            }
            @if !column.why.is_empty() {
                h4 { "Why" }
                ul {
                    @for reason in &column.why {
                        li.signature[reason.cause.is_signature()] { (reason.text) }
                    }
                }
            }
            h4 { "Measures" }
            (measures(column))
            details {
                summary { "All numbers of " (column.name) }
                (summaries(column))
                (bars(column))
            }
        }
    }
}

/// What is to be seen in the chart.
fn sentence(column: &ColumnReport) -> String {
    let moved = column.distribution.iter().max_by(|left, right| {
        (left.window - left.baseline).abs().total_cmp(&(right.window - right.baseline).abs())
    });
    let moved = moved.filter(|bar| (bar.window - bar.baseline).abs() > 0.0);
    let largest = moved.map_or(String::new(), |bar| {
        format!(
            " The largest change is at {}: {:.1} % of the baseline, {:.1} % of the window.",
            bar.label,
            bar.baseline * 100.0,
            bar.window * 100.0
        )
    });
    format!("Distribution of {} in baseline and window: {}.{largest}", column.name, column.verdict.words())
}

fn measures(column: &ColumnReport) -> Markup {
    let value = |number: Option<f64>| number.map_or("–".to_owned(), crate::judge::why::number);
    html! {
        (table(&format!("Measures of {}", column.name), &html! {
            thead {
                tr {
                    th scope="col" { "Measure" }
                    th.number scope="col" { "Value" }
                    th.number scope="col" { "p" }
                    th.number scope="col" { "Limit of drift" }
                    th scope="col" { "Verdict" }
                    th.wide scope="col" { "Computed on" }
                }
            }
            tbody {
                @for measure in &column.measures {
                    tr {
                        th scope="row" { (measure.measure) }
                        td.number {
                            (value(measure.statistic))
                            @if let Some(effect) = measure.effect.filter(|effect| measure.statistic.is_some_and(|statistic| (statistic - effect).abs() > 1e-12)) {
                                br; span.soft { "effect " (number(effect)) }
                            }
                        }
                        td.number { (measure.p_value.map_or_else(|| "–".to_owned(), smallest)) }
                        td.number {
                            (value(measure.threshold))
                            @if let Some(warn) = measure.warn.filter(|warn| measure.threshold.is_some_and(|limit| *warn < limit)) {
                                br; span.soft { "warns from " (number(warn)) }
                            }
                        }
                        td {
                            @if measure.verdict == Outcome::Ok { (measure.verdict_in_words()) } @else { (badge(measure.verdict)) }
                            @if let Some(words) = within_noise(measure) { br; span.soft { (words) } }
                        }
                        td.wide.soft { (measure.detail) }
                    }
                }
            }
        }))
    }
}

/// A counter of a side.
type Count = fn(&Summary) -> u64;

fn summaries(column: &ColumnReport) -> Markup {
    let (before, after) = (&column.baseline, &column.window);
    let counts: [(&str, Count); 5] = [
        ("rows", |side| side.rows),
        ("valid values", |side| side.values),
        ("null or missing", Summary::nulls),
        ("not a finite number", |side| side.nan + side.infinite),
        ("of the wrong type", |side| side.wrong_type),
    ];
    html! {
        table {
            caption { "What is in the column" }
            thead { tr { th scope="col" { "What" } th.number scope="col" { "Baseline" } th.number scope="col" { "Window" } } }
            tbody {
                @for (name, count) in counts {
                    tr { th scope="row" { (name) } td.number { (grouped(count(before))) } td.number { (grouped(count(after))) } }
                }
                @for (name, (before, after)) in [("mean", (before.mean, after.mean)), ("standard deviation", (before.sd, after.sd))] {
                    @if before.is_some() || after.is_some() {
                        tr { th scope="row" { (name) } td.number { (known(before)) } td.number { (known(after)) } }
                    }
                }
                @if let Some((before, after)) = before.quantile_words().zip(after.quantile_words()) {
                    @for (name, (before, after)) in ["5 %", "25 %", "median", "75 %", "95 %"].into_iter().zip(before.into_iter().zip(after)) {
                        tr { th scope="row" { (name) } td.number { (before) } td.number { (after) } }
                    }
                }
            }
        }
    }
}

fn known(value: Option<f64>) -> String {
    value.map_or("not known".to_owned(), number)
}

fn bars(column: &ColumnReport) -> Markup {
    html! {
        table {
            caption { "The bars of the chart: shares of all rows; a number is the lower bound of its bar" }
            thead { tr { th scope="col" { "Bar" } th.number scope="col" { "Baseline" } th.number scope="col" { "Window" } } }
            tbody {
                @for bar in &column.distribution {
                    tr {
                        th scope="row" { (bar.label) }
                        td.number { (format!("{:.2} %", bar.baseline * 100.0)) }
                        td.number { (format!("{:.2} %", bar.window * 100.0)) }
                    }
                }
            }
        }
    }
}
