//! `driftd calibrate`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::compare::{OutputFormat, colours, json, write};
use super::files::{DataFile, once_from_standard_input, short_name};
use super::monitor::{is_file, monitor as the_monitor};
use super::reach::Reach;
use super::rejudge::each_start;
use super::{CliError, Context, with_reach};
use crate::baseline::{Baseline, learn, place_bins};
use crate::calibration::{Chosen, Collecting, MOST_COUNTS, ReferenceWindows, RehearsalSpec, rehearse};
use crate::config::Monitor;
use crate::record::table::{ReadError, ReadItem, TableRows};
use crate::record::{EventTime, TimeSpan, number_of, quantity};
use crate::reference::Fit;
use crate::replay::{CountedWindow, Inputs, LogReading, NextInput};
use crate::report::{CalibrationReport, calibrate_html, calibrate_text, calibration_report};
use crate::store::{Store, StoredPeriod};
use crate::variation::Bins;
use crate::window::Partition;

/// What to rehearse, on which windows.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Monitor: its name in the configuration, or its file.
    #[arg(long, value_name = "MONITOR")]
    monitor: String,
    /// Logs whose windows are normal: .jsonl as in Kafka, or .parquet, .csv or .arrow with an event time. Without them: the windows that the
    /// daemon has stored.
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Windows that start at or after this time, such as 2026-01-31T00:00:00Z. Default: all of the logs; of stored windows those of the
    /// last 30 days, or the last 168 if these begin earlier.
    #[arg(long, value_name = "TIME")]
    from: Option<EventTime>,
    /// Windows that start before this time. Default: all.
    #[arg(long, value_name = "TIME")]
    to: Option<EventTime>,
    /// Report this model version only. The others share the budget all the same.
    #[arg(long = "model-version", value_name = "VERSION")]
    version: Option<String>,
    /// Report this segment only, such as country=DE; `*` is the whole. The others share the budget all the same.
    #[arg(long, value_name = "SEGMENT")]
    segment: Option<String>,
    /// Output format. Default: the extension of --output, otherwise text.
    #[arg(long, value_enum)]
    format: Option<OutputFormat>,
    /// Write to this file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Stored windows that are taken without --from reach back so long ...
const USUAL_TIME: TimeSpan = TimeSpan::days(30);
/// ... or over so many windows, whichever is longer.
const USUAL_WINDOWS: i64 = 168;

impl Arguments {
    fn period(&self) -> Result<(EventTime, EventTime), CliError> {
        let from = self.from.unwrap_or(EventTime::MAX.shifted(-TimeSpan::MAX));
        let to = self.to.unwrap_or(EventTime::MAX);
        if from >= to {
            return Err(CliError::Usage(format!("--to must be later than --from: {to} is not after {from}")));
        }
        Ok((from, to))
    }

    /// The series that are asked for.
    fn chosen(&self) -> Chosen {
        Chosen { version: self.version.clone(), segment: self.segment.clone() }
    }
}

/// Rehearses; the exit code says what was found: 0 the budget is kept, or cannot be told; 3 it is broken; 1 nothing was judged.
pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<u8, CliError> {
    let output = arguments.output.as_deref();
    let format = OutputFormat::of(arguments.format, output)?;
    let period = arguments.period()?;
    let monitor = the_monitor(context, &arguments.monitor).map_err(|error| as_input(error, &arguments.monitor))?;
    let rehearsed = if arguments.inputs.is_empty() {
        if is_file(&arguments.monitor) && context.settings().is_err() {
            return Err(CliError::Usage(format!(
                "a log is required: {} is the file of a monitor, and there is no configuration with a database to read stored windows from\n\
                 hint: driftd calibrate --monitor {} LOG...",
                arguments.monitor, arguments.monitor
            )));
        }
        of_store(context, arguments, &monitor)?
    } else {
        of_files(arguments, &monitor, period)?
    };
    show(&report(&monitor, rehearsed, arguments)?, format, output)
}

/// Says what is meant where a log was given as a monitor.
fn as_input(error: CliError, named: &str) -> CliError {
    let is_log = Path::new(named).is_file() && !is_toml(named);
    if !is_log {
        return error;
    }
    CliError::Usage(format!(
        "`{named}` is no monitor but a log\nhint: --monitor takes the name or the file of a monitor: driftd calibrate --monitor m.toml {named}"
    ))
}

fn is_toml(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
}

/// Windows, and what is to be said of where they come from.
struct Rehearsed {
    windows: ReferenceWindows,
    inputs: Vec<String>,
    notes: Vec<String>,
}

fn report(monitor: &Monitor, rehearsed: Rehearsed, arguments: &Arguments) -> Result<CalibrationReport, CliError> {
    let Rehearsed { windows, inputs, notes } = rehearsed;
    let windows = windows.only(arguments.chosen());
    if windows.is_empty() {
        let chosen = [
            arguments.from.map(|from| format!("from {from}")),
            arguments.to.map(|to| format!("before {to}")),
            arguments.version.as_ref().map(|version| format!("of version `{version}`")),
            arguments.segment.as_ref().map(|segment| format!("of segment `{segment}`")),
        ];
        let chosen: Vec<String> = chosen.into_iter().flatten().collect();
        let which = if chosen.is_empty() { String::new() } else { format!(" {}", chosen.join(", ")) };
        let notes: Vec<String> = notes.iter().map(|note| format!("\nnote: {note}")).collect();
        return Err(CliError::Failed(format!(
            "{}: there is no window{which} in {}{}",
            monitor.name,
            inputs.join(", "),
            notes.concat()
        )));
    }
    let spec = RehearsalSpec {
        rules: monitor.rules.clone(),
        references: monitor.references.clone(),
        silence: monitor.silence_of_series(),
        length: monitor.counting.length.clone(),
    };
    let rehearsal = rehearse(&spec, &windows);
    Ok(calibration_report(&rehearsal, short_name(Path::new(&monitor.file)), inputs, notes))
}

fn show(report: &CalibrationReport, format: OutputFormat, output: Option<&Path>) -> Result<u8, CliError> {
    write(
        output,
        &match format {
            OutputFormat::Text => calibrate_text(report, output.is_none() && colours()),
            OutputFormat::Json => json(report)?,
            OutputFormat::Html => calibrate_html(report),
        },
    )?;
    Ok(match report.verdict {
        "broken" => 3,
        _ if report.budget.alerts.is_none() => 1,
        _ => 0,
    })
}

/// Files that are looked at for the names of fields that were not found.
const PROFILED: usize = 3;

/// The windows of logs, on bins that are placed by all of their records.
fn of_files(
    arguments: &Arguments,
    monitor: &Monitor,
    period: (EventTime, EventTime),
) -> Result<Rehearsed, CliError> {
    once_from_standard_input(&arguments.inputs)?;
    if monitor.layout.time.is_none() {
        return Err(CliError::Failed(format!(
            "{}: without `time` in [source] records have the time of their Kafka message, which files do not have\nhint: set `source.time`",
            monitor.file
        )));
    }
    let inputs: Vec<DataFile> =
        arguments.inputs.iter().map(|path| DataFile::new(path)).collect::<Result<_, _>>()?;
    let rows = TableRows { schema: monitor.schema.clone(), layout: monitor.layout.clone(), timed: true };
    let failed = |input: &DataFile, error: ReadError| CliError::Failed(format!("{}: {error}", input.name()));
    let mut reading = LogReading::new(monitor.schema.clone(), monitor.layout.clone());
    let names = || inputs.iter().map(DataFile::short_name).collect::<Vec<_>>();
    let mut opened = Vec::new();
    for (number, input) in (0i32..).zip(&inputs) {
        let partition = Partition { topic: Arc::from("files"), partition: number };
        opened.push((partition, input.rows(&rows).map_err(|error| failed(input, error))?));
    }
    let all = inputs.iter().flat_map(|input| -> Box<dyn Iterator<Item = ReadItem>> {
        match input.rows(&rows) {
            Ok(rows) => Box::new(rows),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    });
    let binnings = place_bins(&monitor.schema, monitor.build, all).map_err(|error| {
        CliError::Failed(format!("{}: cannot place the bins of `{}`: {error}", names().join(", "), monitor.name))
    })?;
    let mut collecting = Collecting::new(&monitor.counting, binnings);
    for next in Inputs::new(opened) {
        match next {
            NextInput::Batch(partition, batch) => {
                reading.take(&batch);
                collecting.count(&partition, &batch.batch);
            }
            NextInput::End(_) => {}
            NextInput::Failed(partition, error) => {
                let number = usize::try_from(partition.partition).unwrap_or(usize::MAX);
                let name = inputs.get(number).map_or_else(String::new, DataFile::name);
                return Err(CliError::Failed(format!("{name}: {error}")));
            }
        }
    }
    if reading.misses_fields() {
        // What was read is what counts; a profile that cannot be made leaves the hints away.
        let profiles = inputs.iter().take(PROFILED).filter_map(|input| input.profile().ok());
        reading.know_paths(profiles.flat_map(|profile| profile.columns).map(|column| column.name).collect());
    }
    let notes = reading.notes(collecting.tally());
    let (windows, left_out) = collecting.finish();
    let (from, to) = period;
    let is_wanted = |window: &CountedWindow| (from..to).contains(&window.key.start);
    let windows: Vec<CountedWindow> = windows.into_iter().filter(is_wanted).collect();
    let windows = ReferenceWindows::new(windows, Bins::Own, &monitor.references).without_earlier(left_out);
    Ok(Rehearsed { windows, inputs: names(), notes })
}

/// The windows that the daemon has stored.
fn of_store(context: &Context, arguments: &Arguments, monitor: &Monitor) -> Result<Rehearsed, CliError> {
    with_reach(context, async |reach| {
        let Reach::Database(database) = reach else {
            return Err(CliError::Failed(
                "stored windows are rehearsed from their counts, which the API does not have\n\
                 hint: run `driftd calibrate` without --server where the database can be reached, or give logs"
                    .to_owned(),
            ));
        };
        database.check_monitor(&monitor.name).await?;
        let store = database.store();
        let (from, to) = stored_period(store, monitor, arguments).await?;
        let mut period = store.windows_with_counts(&monitor.name, from, to).await?;
        let left_out = limited(&mut period, monitor.schema.columns().len());
        let mut windows: Vec<CountedWindow> = Vec::new();
        each_start(store, &period, false, |of_start| {
            windows.extend(of_start.into_iter().map(|stored| stored.window));
        })
        .await?;
        let baselines = store.baselines_for(&monitor.name, &period).await?;
        let (windows, bins, notes) = on_one_set_of_bins(windows, &baselines, monitor)?;
        let until = if to == EventTime::MAX { String::new() } else { format!(" to {to}") };
        Ok(Rehearsed {
            windows: ReferenceWindows::new(windows, bins, &monitor.references).without_earlier(left_out),
            inputs: vec![format!("stored windows from {from}{until}")],
            notes,
        })
    })
}

/// The time that is asked for, or the last one with enough windows.
async fn stored_period(
    store: &Store,
    monitor: &Monitor,
    arguments: &Arguments,
) -> Result<(EventTime, EventTime), CliError> {
    let to = arguments.to.unwrap_or(EventTime::MAX);
    if let Some(from) = arguments.from {
        return Ok((from, to));
    }
    let newest = store.last_window(&monitor.name).await?.map(|window| *window.end);
    let newest = newest.map(|newest| newest.min(to)).ok_or_else(|| {
        CliError::Failed(format!(
            "monitor `{}` has no closed window yet\nhint: give logs: driftd calibrate --monitor {} LOG...",
            monitor.name, monitor.name
        ))
    })?;
    let windows = monitor.counting.length.span().times(USUAL_WINDOWS);
    Ok((newest.shifted(-USUAL_TIME.max(windows)), to))
}

/// Leaves out the earliest starts where all windows together would not fit into memory; how many.
fn limited(period: &mut StoredPeriod, columns: usize) -> usize {
    let (mut kept, mut windows) = (0, 0);
    for (_, ids) in period.starts.iter().rev() {
        windows += ids.len();
        if windows * columns.max(1) > MOST_COUNTS && kept > 0 {
            break;
        }
        kept += 1;
    }
    let left_out = period.starts.len() - kept;
    period.starts.drain(..left_out);
    left_out
}

/// Windows on the bins of the preferred baseline that most can be moved to; without a baseline those of one that is learned from them.
fn on_one_set_of_bins(
    mut windows: Vec<CountedWindow>,
    baselines: &[(String, Baseline)],
    monitor: &Monitor,
) -> Result<(Vec<CountedWindow>, Bins, Vec<String>), CliError> {
    let fits = |baseline: &Baseline| {
        let fits = |window: &&CountedWindow| Fit::of(window.counts.binnings(), &baseline.binnings).is_some();
        windows.iter().filter(fits).count()
    };
    // The first of those that fit as many, which is the active one if it is among them.
    let best = baselines.iter().rev().max_by_key(|(_, baseline)| fits(baseline));
    let Some((_, baseline)) = best.filter(|(_, baseline)| fits(baseline) > 0) else {
        let counted: Vec<_> =
            windows.iter().map(|window| (window.key.segment.clone(), window.counts.clone())).collect();
        if counted.is_empty() {
            return Ok((windows, Bins::Own, Vec::new()));
        }
        let learned = learn(&monitor.schema, &counted, monitor.build).map_err(|error| {
            CliError::Failed(format!("cannot place bins by the windows of `{}`: {error}", monitor.name))
        })?;
        for window in &mut windows {
            window.counts = window.counts.rebinned(&learned.binnings);
        }
        return Ok((windows, Bins::Own, Vec::new()));
    };
    let all = windows.len();
    windows.retain_mut(|window| {
        let fit = Fit::of(window.counts.binnings(), &baseline.binnings);
        if let Some(fit) = fit {
            fit.apply(&mut window.counts, &baseline.binnings);
        }
        fit.is_some()
    });
    let others = all - windows.len();
    let note = (others > 0).then(|| {
        format!(
            "{} left out: counted on other bins than the other {}",
            quantity(others, "window was", "windows were"),
            number_of(windows.len(), "window")
        )
    });
    Ok((windows, Bins::OfOthers, note.into_iter().collect()))
}
