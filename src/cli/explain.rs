//! `driftd explain`

use std::fmt::Write as _;
use std::path::Path;

use super::{CliError, as_json, say, say_json, with_store};
use crate::measure::Pair;
use crate::notify::plain;
use crate::report::window_column;
use crate::store::Store;

/// What to explain.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// An alert: its id, or how it begins. Or a finding: MONITOR/WINDOW/COLUMN, the window by its id or `last`.
    what: String,
}

pub(super) fn run(path: &Path, arguments: &Arguments) -> Result<(), CliError> {
    with_store(path, async |store, settings| match arguments.what.splitn(3, '/').collect::<Vec<_>>().as_slice() {
        [alert] => {
            let detail = store.alert(alert).await?;
            if as_json() {
                return say_json(&detail);
            }
            super::alerts::show(&detail);
            let view = &detail.alert.view;
            for column in &view.evidence.drifted {
                let place = format!("driftd explain {}/last/{}", view.monitor, column.column);
                say(format!("{:<24} {place}", plain(&column.column)));
            }
            Ok(())
        }
        [monitor, window, column] => {
            let values_only = settings
                .monitors
                .iter()
                .find(|known| known.name == *monitor)
                .is_some_and(|known| known.rules.judge.values_only);
            finding(store, monitor, window, column, values_only).await
        }
        _ => Err(CliError::Failed(format!(
            "`{}` is neither an alert nor MONITOR/WINDOW/COLUMN\nhint: `driftd alerts list --all` lists alerts",
            arguments.what
        ))),
    })
}

/// The id of a window that is called by its id or `last`: the newest closed one of the whole.
pub(super) async fn window_id(store: &Store, monitor: &str, window: &str) -> Result<i64, CliError> {
    if window != "last" {
        return window
            .parse()
            .map_err(|_| CliError::Failed(format!("`{window}` is not the id of a window, nor `last`")));
    }
    let filter = crate::view::WindowFilter {
        segment: Some(crate::window::WHOLE.to_owned()),
        status: Some("closed".to_owned()),
        ..crate::view::WindowFilter::default()
    };
    let page = store.windows(monitor, &filter, None, 1).await?;
    page.items
        .first()
        .map(|window| window.id)
        .ok_or_else(|| CliError::Failed(format!("monitor `{monitor}` has no closed window")))
}

async fn finding(
    store: &Store,
    monitor: &str,
    window: &str,
    column: &str,
    values_only: bool,
) -> Result<(), CliError> {
    let id = window_id(store, monitor, window).await?;
    let found = store.window_counts(monitor, id).await?;
    let row = &found.row;
    let missing = || CliError::Failed(format!("window {id} of `{monitor}` has no column `{column}`"));
    let after = found.window.column(column).ok_or_else(missing)?;
    let (name, counts) = found.baseline.clone().ok_or_else(|| {
        CliError::Failed(format!(
            "window {id} of `{monitor}` was not compared: there was no baseline when it opened"
        ))
    })?;
    let before = counts.as_ref().and_then(|counts| counts.column(column)).ok_or_else(|| {
        CliError::Failed(format!("baseline {name} has no column `{column}` for segment `{}`", row.segment))
    })?;
    let pair = Pair::new(before, after).map_err(|error| CliError::Failed(error.to_string()))?;
    let sample = store.window_sample(monitor, id).await?.column(column);
    let report = window_column(&pair, &store.judged(id).await?, values_only, sample.as_ref());
    if as_json() {
        return say_json(&serde_json::json!({ "window": row, "baseline": name, "column": report }));
    }
    say(format!(
        "{} of {monitor}, window {} to {}: {} ({} records against baseline {name})",
        plain(column),
        row.start,
        row.end,
        report.verdict.words(),
        row.rows,
    ));
    if !report.why.is_empty() {
        say("\nwhy");
    }
    for reason in &report.why {
        say(format!("  - {}", plain(&reason.text)));
    }
    say("\nmeasures");
    for measure in &report.measures {
        let mut line = format!("  {:<20} {:<9}", measure.measure, measure.verdict.words());
        // Writing to a String cannot fail.
        let mut add = |name: &str, value: Option<f64>| {
            if let Some(value) = value {
                let _infallible = write!(line, " {name} {}", crate::judge::why::number(value));
            }
        };
        add("effect", measure.effect.or(measure.statistic));
        add("p", measure.p_value);
        add("warn", measure.warn);
        add("limit", measure.threshold);
        add("noise up to", measure.noise_floor);
        if !measure.detail.is_empty() {
            let _infallible = write!(line, " ({})", measure.detail);
        }
        say(line);
    }
    say("\nbars (shares of all rows)          baseline    window");
    for bar in &report.distribution {
        say(format!("  {:<30} {:>8.2} % {:>7.2} %", plain(&bar.label), bar.baseline * 100.0, bar.window * 100.0));
    }
    Ok(())
}
