//! The report for a terminal, in 100 columns.

use std::fmt::Write as _;

use super::{ColumnReport, CompareReport, MeasureReport, Outcome};
use crate::chart::sparkline;
use crate::escape::plain;
use crate::judge::why::{number, numbers_apart};
use crate::record::number_of;

const WIDTH: usize = 100;
const NAME: usize = 24;
const SPARK: usize = 16;

/// Colours of a terminal, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colours(pub(super) bool);

impl Colours {
    pub(super) fn paint(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(super) fn outcome(self, outcome: Outcome, text: &str) -> String {
        let code = match outcome {
            Outcome::Drift => "1;31",
            Outcome::Warn => "33",
            Outcome::Ok => "32",
            Outcome::NotEnoughData | Outcome::Undefined => "35",
        };
        self.paint(code, text)
    }
}

/// The report as text. Names from files have no control characters in it.
#[must_use]
pub fn compare_text(report: &CompareReport, colours: bool) -> String {
    let colours = Colours(colours);
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _infallible = (|| {
        let rows = |number: u64| number_of(number, "row");
        let head = format!(
            "{} ({}) compared with baseline {} ({}), {}",
            plain(&report.files.window),
            rows(report.rows.window),
            plain(&report.files.baseline),
            rows(report.rows.baseline),
            report.method,
        );
        wrapped(&mut text, "", &head)?;
        writeln!(text, "{}", colours.outcome(report.verdict, &plain(&report.summary)))?;
        writeln!(text)?;
        let head = format!(
            "{:<9} {:<NAME$} {:<SPARK$} {:<SPARK$} baseline to window",
            "", "column", "baseline", "window"
        );
        writeln!(text, "{}", colours.paint("2", &head))?;
        for column in &report.columns {
            row(&mut text, column, colours)?;
        }
        for column in report.columns.iter().filter(|column| !column.why.is_empty()) {
            writeln!(text)?;
            writeln!(text, "{}", colours.paint("1", &format!("Why {}", plain(&column.name))))?;
            for reason in &column.why {
                wrapped(&mut text, "  - ", &plain(&reason.text))?;
            }
        }
        if !report.notes.is_empty() {
            writeln!(text)?;
        }
        for words in &report.notes {
            note(&mut text, words)?;
        }
        Ok::<(), std::fmt::Error>(())
    })();
    text
}

fn row(text: &mut String, column: &ColumnReport, colours: Colours) -> std::fmt::Result {
    let spark = |side: fn(&crate::chart::Bar) -> f64| sparkline(&column.distribution, SPARK, side);
    let verdict = format!("{:<9}", shortened(column.verdict.words(), 9));
    writeln!(
        text,
        "{} {:<NAME$} {:<SPARK$} {:<SPARK$} {}",
        colours.outcome(column.verdict, &verdict),
        shortened(&plain(&column.name), NAME),
        spark(|bar| bar.baseline),
        spark(|bar| bar.window),
        movement(column),
    )?;
    // A column that drifts says all that is wrong with it, the others the one measure that says most.
    let shown: Vec<&MeasureReport> = match column.verdict {
        Outcome::Drift | Outcome::Warn => column
            .measures
            .iter()
            .filter(|measure| matches!(measure.verdict, Outcome::Drift | Outcome::Warn))
            .collect(),
        _ => column.leading().into_iter().collect(),
    };
    for measure in shown {
        let mut lines = String::new();
        wrapped(&mut lines, &" ".repeat(10), &measure_words(measure))?;
        for line in lines.lines() {
            writeln!(text, "{}", colours.paint("2", line))?;
        }
    }
    Ok(())
}

/// A measure in words: its number, its limit, how it was computed.
#[must_use]
pub fn measure_words(measure: &MeasureReport) -> String {
    let mut text = measure.measure.clone();
    // Writing to a String cannot fail.
    match (measure.statistic, measure.effect) {
        (Some(statistic), Some(effect)) if (statistic - effect).abs() > 1e-12 => {
            let _infallible = write!(text, " {}, effect {}", number(statistic), number(effect));
        }
        (Some(statistic), None) if measure.warn.is_some() => {
            let _infallible = write!(text, " {}, effect without bound", number(statistic));
        }
        (Some(statistic), _) => {
            let _infallible = write!(text, " {}", number(statistic));
        }
        (None, _) if measure.verdict == Outcome::NotEnoughData => text.push_str(" is not computed: too few rows"),
        // Of our own measures; other tools have p-values alone.
        (None, _) if measure.p_value.is_some() && measure.warn.is_some() => text.push_str(" is without bound"),
        (None, _) => text.push_str(" has no value"),
    }
    if let Some(p_value) = measure.p_value {
        let _infallible = write!(text, ", {}", p_words(p_value));
    }
    match (measure.verdict, measure.warn, measure.threshold) {
        (Outcome::Warn, Some(warn), Some(limit)) => {
            let _infallible = write!(text, ", limit of a warning {}, of drift {}", number(warn), number(limit));
        }
        (_, _, Some(limit)) => {
            let _infallible = write!(text, ", limit {}", number(limit));
        }
        _ => {}
    }
    if let Some(words) = within_noise(measure) {
        let _infallible = write!(text, ", {words}");
    }
    if !measure.detail.is_empty() {
        let _infallible = write!(text, " ({})", measure.detail);
    }
    text
}

/// A p-value in words.
pub(super) fn p_words(p_value: f64) -> String {
    format!("p {}", smallest(p_value))
}

/// A p-value; one below what numbers can hold is said to be smaller than that, not 0.
pub(super) fn smallest(p_value: f64) -> String {
    match p_value {
        p_value if p_value < SMALLEST => "< 1e-300".to_owned(),
        // Other numbers are told from zero in single precision only.
        p_value if p_value < 1e-4 => format!("{p_value:.3e}"),
        p_value => number(p_value),
    }
}

/// Below it p-values are not told apart.
pub(super) const SMALLEST: f64 = 1e-300;

/// That an effect above its limit is no more than chance gives, and how much that is where it is known.
pub(super) fn within_noise(measure: &MeasureReport) -> Option<String> {
    let above = measure.verdict == Outcome::Ok && measure.effect? >= measure.warn?;
    let floor = measure.noise_floor.map_or(String::new(), |floor| format!(" (up to {})", number(floor)));
    above.then(|| format!("within the noise{floor}"))
}

fn movement(column: &ColumnReport) -> String {
    let (before, after) = (&column.baseline, &column.window);
    if after.rows > 0 && after.values == 0 {
        return "no valid value in the window".to_owned();
    }
    let nulls = |summary: &super::Summary| percent(summary.nulls(), summary.rows);
    let mut parts: Vec<String> = Vec::new();
    if let Some((before, after)) = before.mean.zip(after.mean) {
        let (before, after) = numbers_apart(before, after);
        parts.push(format!("mean {before} to {after}"));
    } else if let Some((name, before, after)) = &column.category {
        parts.push(format!("{} {:.0} % to {:.0} %", shortened(&plain(name), 10), before * 100.0, after * 100.0));
    }
    if before.nulls() * after.rows.max(1) != after.nulls() * before.rows.max(1) {
        parts.push(format!("null {} to {}", nulls(before), nulls(after)));
    }
    shortened(&parts.join(", "), WIDTH - 12 - NAME - 2 * SPARK)
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn percent(count: u64, all: u64) -> String {
    format!("{:.0} %", count as f64 / all.max(1) as f64 * 100.0)
}

/// The beginning of a text that is too wide.
pub(super) fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Adds a remark; a hint in it stands on a line of its own.
pub(super) fn note(text: &mut String, words: &str) -> std::fmt::Result {
    let mut lead = "note: ";
    for line in words.lines() {
        wrapped(text, lead, &plain(line))?;
        lead = "      ";
    }
    Ok(())
}

/// Breaks lines at blanks.
pub(super) fn wrapped(text: &mut String, lead: &str, words: &str) -> std::fmt::Result {
    let indent = " ".repeat(lead.len());
    let mut line = lead.to_owned();
    let mut empty = true;
    for word in words.split(' ') {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(text, "{line}")?;
            line.clone_from(&indent);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    writeln!(text, "{line}")
}
