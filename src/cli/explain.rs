//! `driftd explain`

use super::reach::{Compared, Reach};
use super::{CliError, Context, as_json, say, say_json, say_lines, with_reach};
use crate::escape::plain;
use crate::record::number_of;
use crate::reference::ReferenceChoice;
use crate::report::measure_words;
use crate::view::WindowRow;

/// What to explain.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Alert ID or ID prefix; or finding MONITOR/WINDOW/COLUMN, with the window ID or `last`.
    what: String,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), CliError> {
    with_reach(context, async |reach| match arguments.what.splitn(3, '/').collect::<Vec<_>>().as_slice() {
        [alert] => {
            let detail = reach.alert(alert).await?;
            if as_json() {
                return say_json(&detail);
            }
            super::alerts::show(&detail);
            let view = &detail.alert.view;
            if view.evidence.moved().next().is_some() {
                say_lines("\ndetails of a column, in its window with the largest effect");
            }
            for column in view.evidence.moved().filter(|moved| !moved.is_rows()) {
                let window = column.window.as_ref().and_then(|window| window.id);
                let window = window.map_or("last".to_owned(), |window| window.to_string());
                let place = format!("driftd explain {}/{window}/{}", view.monitor, column.column);
                say(format!("  {:<24} {}", plain(&column.column), plain(&place)));
            }
            Ok(())
        }
        [monitor, window, column] => finding(reach, monitor, window, column).await,
        _ => Err(CliError::Failed(format!(
            "`{}` is neither an alert nor MONITOR/WINDOW/COLUMN\nhint: `driftd alerts list --all` lists alerts",
            arguments.what
        ))),
    })
}

/// The id of a window that is called by its id or `last`: the newest closed one of the whole, of whatever version; alerts
/// name their windows by id.
pub(super) async fn window_id(
    monitor: &str,
    window: &str,
    last: impl AsyncFnOnce() -> Result<Option<WindowRow>, CliError>,
) -> Result<i64, CliError> {
    if window != "last" {
        return window
            .parse()
            .map_err(|_| CliError::Failed(format!("`{window}` is neither a window ID nor `last`")));
    }
    last()
        .await?
        .map(|window| window.id)
        .ok_or_else(|| CliError::Failed(format!("monitor `{monitor}` has no closed window")))
}

async fn finding(reach: &Reach, monitor: &str, window: &str, column: &str) -> Result<(), CliError> {
    reach.check_monitor(monitor).await?;
    let id = window_id(monitor, window, async || reach.last_window(monitor).await).await?;
    let Compared { window: row, baseline, report } = reach.column(monitor, id, column).await?;
    let reasons = row.reference.as_ref().map(ReferenceChoice::reasons).unwrap_or_default();
    let name = baseline.ok_or_else(|| {
        let why = if reasons.is_empty() { "there was no baseline when it closed" } else { &reasons };
        CliError::Failed(format!("window {id} of `{monitor}` was not compared: {why}"))
    })?;
    let report = report.ok_or_else(|| {
        CliError::Failed(format!(
            "window {id} of `{monitor}` was not compared in `{column}`: {} has nothing of it for segment `{}`\n\
             hint: `driftd baseline show {monitor}` lists its columns and segments",
            row.compared_with().unwrap_or_else(|| name.clone()),
            row.segment
        ))
    })?;
    if as_json() {
        return say_json(&serde_json::json!({ "window": row, "baseline": name, "column": report }));
    }
    say(format!(
        "{} of {}, window {} to {}: {} ({} against {})",
        plain(column),
        plain(&crate::alert::series_words(monitor, &row.version, &row.segment)),
        row.start,
        row.end,
        report.verdict.words(),
        number_of(row.rows, "record"),
        plain(&row.compared_with().unwrap_or(name)),
    ));
    if let Some(known) = row.natural_variation() {
        say(known);
    }
    if !reasons.is_empty() {
        say(format!("not used: {}", plain(&reasons)));
    }
    if let Some(why) = row.reference.as_ref().and_then(|choice| choice.why_not_compared(column)) {
        say(format!("not compared: {why}"));
    }
    if !report.why.is_empty() {
        say_lines("\nwhy");
    }
    for reason in &report.why {
        say(format!("  - {}", plain(&reason.text)));
    }
    say_lines("\nmeasures");
    for measure in &report.measures {
        let verdict = format!("{}:", measure.verdict_in_words());
        say(format!("  {verdict:<10} {}", measure_words(measure)));
    }
    say_lines("\nbars (shares of all rows)          baseline    window");
    for bar in &report.distribution {
        say(format!("  {:<30} {:>8.2} % {:>7.2} %", plain(&bar.label), bar.baseline * 100.0, bar.window * 100.0));
    }
    Ok(())
}
