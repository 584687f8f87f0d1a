//! The report of a replay for a terminal.

use std::fmt::Write as _;

use super::Outcome;
use super::replayed::{
    ColumnSeries, DetectionReport, MonitorReport, ReplayReport, WindowReport, by_series, flapping_words, series,
    series_name, worst_words,
};
use super::side_by_side::{SideBySide, alike_words};
use super::text::{Colours, note, shortened, wrapped};
use crate::chart::BLOCKS;
use crate::escape::plain;
use crate::judge::why::number;
use crate::record::{grouped, listed, number_of};

/// Windows of a line of scores.
const LINE: usize = 60;
/// Columns with a line of scores.
const COLUMNS: usize = 12;
/// The least width of what stands before a line.
const MIN_LABEL: usize = 28;
/// Letters of a column's name before a line, at most.
const NAME: usize = 24;
/// Columns that are named without a line, at most.
const LISTED: usize = 20;

/// The report as text, in 100 columns.
#[must_use]
pub fn replay_text(report: &ReplayReport, colours: bool) -> String {
    let colours = Colours(colours);
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _infallible = (|| {
        for (index, monitor) in report.monitors.iter().enumerate() {
            if index > 0 {
                writeln!(text)?;
            }
            one(&mut text, monitor, colours)?;
        }
        if let Some(differences) = &report.side_by_side {
            writeln!(text)?;
            side_by_side(&mut text, report, differences, colours)?;
        }
        Ok::<(), std::fmt::Error>(())
    })();
    text
}

fn one(text: &mut String, monitor: &MonitorReport, colours: Colours) -> std::fmt::Result {
    let title = format!("{} ({})", plain(&monitor.monitor), plain(&monitor.file));
    writeln!(text, "{}", colours.paint("1", &title))?;
    wrapped(text, "", &colours.outcome(monitor.verdict, &plain(&monitor.summary)))?;
    let records = monitor.records;
    let baseline = monitor.baseline.as_deref().unwrap_or("none");
    let line = format!(
        "baseline: {}. {} counted, {} late, {} filtered, {} rejected.",
        plain(baseline),
        number_of(records.counted, "record"),
        grouped(records.late),
        grouped(records.filtered),
        grouped(records.rejected)
    );
    wrapped(text, "", &line)?;
    for words in &monitor.notes {
        note(text, words)?;
    }
    for alert in &monitor.alerts {
        let until = match &alert.resolved {
            Some(end) if alert.gone => format!("{end}, when it had had no more records for long"),
            Some(end) => end.clone(),
            None => "the end of the log".to_owned(),
        };
        let whose = series_name(&plain(&alert.version), &plain(&alert.segment));
        let listed: Vec<String> = alert.columns.iter().take(5).map(|name| plain(name)).collect();
        let more =
            if alert.columns.len() > 5 { format!(" and {} more", alert.columns.len() - 5) } else { String::new() };
        let retraining = if alert.retraining { "; asks for a retraining" } else { "" };
        writeln!(text)?;
        wrapped(
            text,
            "! ",
            &format!(
                "{} alert `{}` at {} ({whose}), drifting since {}, until {until}, in {} of {}: {}{more}{}{}{retraining}",
                alert.severity,
                plain(&alert.rule),
                alert.fired,
                alert.since,
                alert.windows,
                number_of(alert.judged_windows, "window"),
                listed.join(", "),
                worst_words(alert).map_or(String::new(), |worst| format!("; {}", plain(&worst))),
                flapping_words(alert),
            ),
        )?;
        for why in &alert.why {
            writeln!(text, "    {} at {}:", plain(&why.column), plain(&why.window))?;
            for reason in &why.reasons {
                wrapped(text, "      - ", &plain(reason))?;
            }
        }
    }
    detections(text, &monitor.detections)?;
    for ((version, segment), windows) in by_series(monitor) {
        writeln!(text)?;
        scores(text, &series_name(&plain(version), &plain(segment)), &windows, colours)?;
    }
    Ok(())
}

/// The first detections, a line each.
fn detections(text: &mut String, found: &[DetectionReport]) -> std::fmt::Result {
    if found.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n{}", number_of(found.len(), "detection"))?;
    for found in found.iter().take(LISTED) {
        let line = format!(
            "{} at {} (record {} of {}): the {} of {} went from {} to {}",
            plain(&found.detector),
            found.at,
            found.offset,
            plain(&found.file),
            found.kind.level(),
            plain(&found.column),
            number(found.before),
            number(found.after)
        );
        wrapped(text, "  ", &line)?;
    }
    if found.len() > LISTED {
        writeln!(text, "  ... and {} more", found.len() - LISTED)?;
    }
    Ok(())
}

/// A column and its measure; of long names of columns the beginning.
fn label(line: &ColumnSeries<'_>) -> String {
    format!("{} {}", shortened(&plain(line.column), NAME), line.measure)
}

/// Verdicts and scores over time, the last windows of a series.
fn scores(text: &mut String, name: &str, windows: &[&WindowReport], colours: Colours) -> std::fmt::Result {
    let shown = windows.get(windows.len().saturating_sub(LINE)..).unwrap_or_default();
    let range = match (shown.first(), shown.last()) {
        (Some(first), Some(last)) => format!("{} to {}", first.start, last.end),
        _ => String::new(),
    };
    let cut = if shown.len() < windows.len() {
        format!(" (the last {} of {})", shown.len(), windows.len())
    } else {
        String::new()
    };
    writeln!(text, "{name}: {range}{cut}")?;
    let lines = series(shown);
    let labels: Vec<String> = lines.iter().take(COLUMNS).map(label).collect();
    let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0).max(MIN_LABEL);
    let verdicts: String = shown
        .iter()
        .map(|window| {
            let letter = match window.verdict {
                Outcome::Ok => "·",
                Outcome::Warn => "w",
                Outcome::Drift => "D",
                Outcome::NotEnoughData | Outcome::Undefined => "?",
            };
            colours.outcome(window.verdict, letter)
        })
        .collect();
    writeln!(text, "  {:<width$} {verdicts}", "verdict (· ok, ? not judged)")?;
    if shown.iter().any(|window| window.alert != "inactive") {
        let alerts: String = shown
            .iter()
            .map(|window| match window.alert {
                "firing" => '!',
                "pending" => '-',
                _ => ' ',
            })
            .collect();
        writeln!(text, "  {:<width$} {alerts}", "alert (! firing, - pending)")?;
    }
    for (line, label) in lines.iter().zip(&labels) {
        // Full height is twice the limit of drift.
        let bars: String = line
            .values
            .iter()
            .map(|value| match value {
                None => ' ',
                Some(value) => {
                    let limit = line.limits.map(|(_, drift)| drift).filter(|limit| *limit > 0.0);
                    let level = limit.map_or(0.0, |limit| value / limit * 4.0);
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 7")]
                    let level = level.clamp(0.0, 7.0) as usize;
                    BLOCKS.get(level).copied().unwrap_or(' ')
                }
            })
            .collect();
        match line.values.iter().flatten().copied().reduce(f64::max) {
            Some(most) => {
                let limit =
                    line.limits.map_or("shown only".to_owned(), |(_, limit)| format!("limit {}", number(limit)));
                writeln!(text, "  {label:<width$} {bars} up to {} ({limit})", number(most))?;
            }
            None => writeln!(text, "  {label:<width$} has no value")?,
        }
    }
    if lines.len() > COLUMNS {
        let names: Vec<String> = lines.iter().skip(COLUMNS).map(|line| plain(line.column)).collect();
        wrapped(text, "  ", &format!("and {}, which moved less", listed(&names, LISTED)))?;
    }
    Ok(())
}

/// The verdicts of all monitors, window by window, where they differ.
fn side_by_side(
    text: &mut String,
    report: &ReplayReport,
    differences: &SideBySide,
    colours: Colours,
) -> std::fmt::Result {
    writeln!(text, "{}", colours.paint("1", "Side by side"))?;
    let mut head = String::new();
    for monitor in &report.monitors {
        write!(head, " {:<24}", plain(&monitor.file))?;
    }
    writeln!(text, "{:<22}{:<22}{head}", "window from", "to")?;
    for window in &differences.different {
        let row: String = window
            .monitors
            .iter()
            .map(|cell| match cell {
                None => format!(" {:<24}", "no window"),
                Some(said) => format!(" {}", colours.outcome(said.verdict, &format!("{:<24}", said.words()))),
            })
            .collect();
        let place = if window.version.is_empty() && window.segment == crate::window::WHOLE {
            String::new()
        } else {
            format!(" {}", series_name(&plain(&window.version), &plain(&window.segment)))
        };
        writeln!(text, "{:<22}{:<22}{row}{place}", window.start, window.end)?;
    }
    writeln!(text, "{}", alike_words(differences.alike))
}
