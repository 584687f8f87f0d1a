//! `driftd replay`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use super::baseline::from_file;
use super::compare::{OutputFormat, colours, json, write};
use super::files::{DataFile, once_from_standard_input, short_name};
use super::monitor::monitor as the_monitor;
use super::{CliError, Context};
use crate::baseline::{Baseline, BaselineError};
use crate::config::Monitor;
use crate::record::table::TableRows;
use crate::replay::{Inputs, LogReading, NextInput, Replay, ReplaySpec, Replayed};
use crate::report::{Outcome, ReplayReport, replay_html, replay_report, replay_text};
use crate::window::Partition;

/// What to replay.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Monitor: its name in the configuration, or its file. Given twice: both side by side, to tune thresholds on past data.
    #[arg(long = "monitor", value_name = "MONITOR", required = true)]
    monitors: Vec<String>,
    /// Logs: .jsonl as in Kafka, or .parquet, .csv or .arrow with an event time. Each is read as one partition.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Data to build the baseline from. Default: learned from the first windows, as `learn` of the monitor says.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Find the columns of --baseline by their names in the monitor instead of their paths, for flat training data.
    #[arg(long, requires = "baseline")]
    by_name: bool,
    /// Output format. Default: the extension of --output, otherwise text.
    #[arg(long, value_enum)]
    format: Option<OutputFormat>,
    /// Write to this file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Replays; the exit code says what was found: 0 no alert, 3 alerts would have fired, 1 nothing could be judged, or a
/// column could not be read.
pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<u8, CliError> {
    let output = arguments.output.as_deref();
    let format = OutputFormat::of(arguments.format, output)?;
    once_from_standard_input(&arguments.inputs)?;
    let inputs: Vec<DataFile> =
        arguments.inputs.iter().map(|path| DataFile::new(path)).collect::<Result<_, _>>()?;
    let mut monitors = Vec::new();
    for named in &arguments.monitors {
        let monitor = the_monitor(context, named)?;
        let path = PathBuf::from(&monitor.file);
        let baseline = baseline(&monitor, &path, arguments.baseline.as_deref(), arguments.by_name)?;
        monitors.push((path, monitor, baseline));
    }
    let mut replayed = Vec::new();
    let passes = monitors.len();
    for (pass, (path, monitor, baseline)) in monitors.into_iter().enumerate() {
        let progress = progress_bar(&inputs, pass, passes);
        let (reading, outcome) = replay(&monitor, baseline, &inputs, &progress)?;
        progress.finish_and_clear();
        replayed.push((short_name(&path), reading, outcome));
    }
    let report = replay_report(inputs.iter().map(DataFile::short_name).collect(), replayed);
    show(&report, format, output)
}

/// Writes a report where it is wanted; the exit code that says what was found.
pub(super) fn show(report: &ReplayReport, format: OutputFormat, output: Option<&Path>) -> Result<u8, CliError> {
    write(
        output,
        &match format {
            OutputFormat::Text => replay_text(report, output.is_none() && colours()),
            OutputFormat::Json => json(report)?,
            OutputFormat::Html => replay_html(report),
        },
    )?;
    let verdicts: Vec<Outcome> = report.monitors.iter().map(|monitor| monitor.verdict).collect();
    Ok(if verdicts.contains(&Outcome::Drift) { 3 } else { u8::from(verdicts.contains(&Outcome::Undefined)) })
}

fn baseline(
    monitor: &Monitor,
    path: &Path,
    data: Option<&Path>,
    by_name: bool,
) -> Result<Option<(String, Baseline)>, CliError> {
    match data {
        Some(data) => {
            let (baseline, _) = from_file(monitor, data, by_name)?;
            Ok(Some((short_name(data), baseline)))
        }
        None if monitor.learn.is_some() => Ok(None),
        None => Err(CliError::Failed(format!(
            "{}: no baseline to compare with\nhint: give training data with --baseline, or let the monitor learn it with `learn` in [baseline]",
            path.display()
        ))),
    }
}

/// Files that are looked at for the names of fields that were not found.
const PROFILED: usize = 3;

/// Runs one monitor over all inputs.
fn replay(
    monitor: &Monitor,
    baseline: Option<(String, Baseline)>,
    inputs: &[DataFile],
    progress: &ProgressBar,
) -> Result<(LogReading, Replayed), CliError> {
    if monitor.layout.time.is_none() {
        return Err(CliError::Failed(format!(
            "{}: without `time` in [source] records have the time of their Kafka message, which files do not have\nhint: set `source.time`",
            monitor.file
        )));
    }
    let rows = TableRows { schema: monitor.schema.clone(), layout: monitor.layout.clone(), timed: true };
    let spec = ReplaySpec {
        schema: monitor.schema.clone(),
        counting: monitor.counting.clone(),
        timing: monitor.timing,
        rules: monitor.rules.clone(),
        learn: monitor.learn.filter(|_| baseline.is_none()),
        build: monitor.build,
        references: monitor.references.clone(),
        silence: monitor.silence_of_series(),
    };
    let learning = |error: BaselineError| {
        CliError::Failed(format!("cannot learn the baseline of `{}`: {error}", monitor.name))
    };
    let mut names = BTreeMap::new();
    let mut opened = Vec::new();
    for (number, input) in (0i32..).zip(inputs) {
        let partition = Partition { topic: Arc::from("files"), partition: number };
        let rows = input.rows(&rows).map_err(|error| CliError::Failed(format!("{}: {error}", input.name())))?;
        names.insert(partition.clone(), input);
        opened.push((partition, rows));
    }
    let mut machine = Replay::new(spec, baseline);
    machine.detect(monitor.record_detectors());
    machine.announce(names.keys().cloned());
    let mut reading = LogReading::new(monitor.schema.clone(), monitor.layout.clone());
    for next in Inputs::new(opened) {
        match next {
            NextInput::Batch(partition, batch) => {
                reading.take(&batch);
                progress.inc(batch.batch.times.len() as u64 + batch.rejected.total() + batch.filtered.total());
                machine.feed(&partition, &batch.batch).map_err(learning)?;
            }
            NextInput::End(partition) => machine.end_of(&partition).map_err(learning)?,
            NextInput::Failed(partition, error) => {
                // What was read before is not lost, but nobody shall take it for the whole.
                let name = names.get(&partition).map_or_else(String::new, |input| input.name());
                return Err(CliError::Failed(format!("{name}: {error}")));
            }
        }
    }
    if reading.misses_fields() {
        // What was read is what counts; a profile that cannot be made leaves the hints away.
        let profiles = inputs.iter().take(PROFILED).filter_map(|input| input.profile().ok());
        reading.know_paths(profiles.flat_map(|profile| profile.columns).map(|column| column.name).collect());
    }
    Ok((reading, machine.finish().map_err(learning)?))
}

/// How far it has come, on a terminal; the number of rows is a guess where files do not say it.
fn progress_bar(inputs: &[DataFile], pass: usize, passes: usize) -> ProgressBar {
    let rows = inputs.iter().map(DataFile::row_estimate).sum::<Option<u64>>();
    // Hidden unless standard error is a terminal.
    let bar = rows.map_or_else(ProgressBar::no_length, ProgressBar::new);
    let style =
        ProgressStyle::with_template("{prefix}{bar:40} {percent} % {human_pos} records, {per_sec}, {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    if passes > 1 {
        bar.set_prefix(format!("monitor {} of {passes} ", pass + 1));
    }
    bar
}
