//! `driftd compare`

mod columns;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::files::{DataFile, ReadItems, once_from_standard_input};
use super::{CliError, say_as_is};
use crate::binning::BuildOptions;
use crate::compare::{CompareError, CompareSpec, OpenFile, compare};
use crate::escape::plain_json;
use crate::judge::{ColumnRules, FalseAlarms, JudgeSpec};
use crate::measure::{Measure, Thresholds};
use crate::preset::Preset;
use crate::record::misspelt;
use crate::record::table::{ReadError, TableRows};
use crate::record::{FieldPath, ModelSchema, RecordLayout};
use crate::report::{Both, Outcome, compare_html, compare_report, compare_text};
use columns::{ComparedColumns, choose};

/// What to compare.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Baseline data, for example training data: .parquet, .csv, .jsonl or .arrow; `-` reads JSON lines.
    baseline: PathBuf,
    /// Data to check, for example of this week.
    window: PathBuf,
    /// One bin per distinct value: statistics and p-values of the samples themselves. Holds every distinct value in memory.
    #[arg(long)]
    exact: bool,
    /// The bins, smoothing, measures, limits and rule of another tool: evidently, nannyml, tfdv, deequ, azure, mlrun,
    /// whylabs, scouter. Implies --exact.
    #[arg(long, value_name = "NAME", value_parser = preset)]
    preset: Option<Preset>,
    /// A measure to compute instead of the default ones; `driftd measures` lists them. May be repeated.
    #[arg(long = "measure", value_name = "NAME", value_parser = measure)]
    measures: Vec<Measure>,
    /// A column to compare, and the type to read it as: numeric, categorical, boolean, text or embedding. All columns of the baseline when
    /// absent. May be repeated.
    #[arg(long = "column", value_name = "NAME[:TYPE]")]
    columns: Vec<String>,
    /// The limits of a measure's effect, such as psi=0.1,0.25 (warn, drift) or psi=0.2. May be repeated.
    #[arg(long = "limit", value_name = "MEASURE=[WARN,]DRIFT", value_parser = limit)]
    limits: Vec<(Measure, Thresholds)>,
    /// Accepted probability of a false finding when nothing changed, over all columns together.
    #[arg(long, value_name = "CHANCE", default_value_t = FalseAlarms::DEFAULT_PER_WINDOW, value_parser = chance, alias = "significance")]
    false_alarms: f64,
    /// The column of event times of the baseline. Blocks of it, as large as the window, then say how much windows differ by nature; without
    /// it sampling noise alone is assumed.
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// A baseline or window with fewer rows gets no verdict.
    #[arg(long, value_name = "ROWS", default_value_t = 30)]
    min_rows: u64,
    /// Leave null, invalid and unseen values out of the scores of values, instead of counting them as bins.
    #[arg(long)]
    values_only: bool,
    /// Output format. Default: the extension of --output, otherwise text.
    #[arg(long, value_enum)]
    format: Option<OutputFormat>,
    /// Write to this file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    /// For a terminal.
    Text,
    /// For programs; documented in docs/reports.md.
    Json,
    /// One self-contained page.
    Html,
}

impl OutputFormat {
    /// As asked for, or by the extension of the file; text without one.
    pub(super) fn of(asked: Option<Self>, output: Option<&Path>) -> Result<Self, CliError> {
        if let Some(asked) = asked.or(super::as_json().then_some(Self::Json)) {
            return Ok(asked);
        }
        match output.and_then(Path::extension).and_then(|extension| extension.to_str()) {
            Some("html" | "htm") => Ok(Self::Html),
            Some("json") => Ok(Self::Json),
            None | Some("txt" | "text" | "log") => Ok(Self::Text),
            Some(other) => Err(CliError::Usage(format!(
                "cannot write a report as .{other}: by its extension a file is .txt, .json or .html\nhint: set the format with --format"
            ))),
        }
    }
}

fn preset(name: &str) -> Result<Preset, CliError> {
    let known: Vec<&str> = Preset::ALL.into_iter().map(Preset::as_str).collect();
    Preset::from_name(name).ok_or_else(|| CliError::Usage(format!("allowed: {}", known.join(", "))))
}

fn measure(name: &str) -> Result<Measure, CliError> {
    Measure::from_name(name).ok_or_else(|| {
        let near = misspelt(name, Measure::ALL.into_iter().map(Measure::as_str));
        let near = near.map_or(String::new(), |near| format!("did you mean `{near}`? "));
        CliError::Usage(format!("`{name}` is not a measure; {near}`driftd measures` lists them"))
    })
}

fn limit(text: &str) -> Result<(Measure, Thresholds), CliError> {
    let wrong = |why: &str| CliError::Usage(why.to_owned());
    let (name, limits) = text.split_once('=').ok_or_else(|| wrong("write MEASURE=DRIFT or MEASURE=WARN,DRIFT"))?;
    let number = |text: &str| {
        let number = text.trim().parse::<f64>().ok().filter(|value| *value >= 0.0 && value.is_finite());
        number.ok_or_else(|| wrong("a limit is a number of at least 0"))
    };
    let (warn, critical) = match limits.split_once(',') {
        Some((warn, critical)) => (number(warn)?, number(critical)?),
        None => (number(limits)?, number(limits)?),
    };
    if warn > critical {
        return Err(wrong("the limit of a warning must not be above that of drift"));
    }
    let measure = measure(name)?;
    Ok((measure, Thresholds { warn, critical }))
}

fn chance(text: &str) -> Result<f64, CliError> {
    let chance = text.parse().ok().filter(|value| (1e-12..=0.5).contains(value));
    chance.ok_or_else(|| CliError::Usage("from 1e-12 to 0.5".to_owned()))
}

/// Compares; the exit code says what was found: 0 no drift, 3 drift, 1 no verdict.
pub(super) fn run(arguments: &Arguments) -> Result<u8, CliError> {
    let output = arguments.output.as_deref();
    let format = OutputFormat::of(arguments.format, output)?;
    once_from_standard_input([&arguments.baseline, &arguments.window])?;
    let baseline = DataFile::new(&arguments.baseline)?;
    let window = DataFile::new(&arguments.window)?;
    let chosen = choose(&baseline, &window, &arguments.columns)?;
    let spec = spec(arguments, &chosen)?;
    let failed = |error: CompareError| {
        let file = match &error {
            CompareError::Baseline(_) => &baseline,
            CompareError::Window(_) => &window,
        };
        CliError::Failed(format!("{}: {error}", file.name()))
    };
    let found = {
        let of_time = ComparedFile { file: &baseline, time: arguments.time.as_deref() };
        compare(&spec, &of_time, &ComparedFile { file: &window, time: None }).map_err(failed)?
    };
    let names = Both { baseline: baseline.short_name(), window: window.short_name() };
    let mut report = compare_report(&found, &spec, names, chosen.notes);
    if !arguments.columns.is_empty() {
        report.asked_for_all();
    }
    write(
        output,
        &match format {
            OutputFormat::Text => compare_text(&report, output.is_none() && colours()),
            OutputFormat::Json => json(&report)?,
            OutputFormat::Html => compare_html(&report),
        },
    )?;
    Ok(match report.verdict {
        Outcome::Ok | Outcome::Warn => 0,
        Outcome::Drift => 3,
        Outcome::NotEnoughData | Outcome::Undefined => 1,
    })
}

/// Whether standard output is a terminal that may be coloured.
pub(super) fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

pub(super) fn json(report: &impl serde::Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(report).map(|text| plain_json(&text).into_owned());
    text.map_err(|error| CliError::Failed(format!("the report cannot be written as JSON: {error}")))
}

/// Writes a report to a file or to standard output.
pub(super) fn write(output: Option<&Path>, text: &str) -> Result<(), CliError> {
    match output {
        None => {
            // Reports make their names plain themselves: some are coloured, some are JSON or HTML.
            say_as_is(text.trim_end());
            Ok(())
        }
        Some(path) => std::fs::write(path, text)
            .map_err(|error| CliError::Failed(format!("cannot write the report to {}: {error}", path.display()))),
    }
}

/// A file as the comparison opens it: whatever does not fit counts as missing or of the wrong type.
struct ComparedFile<'a> {
    file: &'a DataFile,
    /// The column of event times.
    time: Option<&'a str>,
}

impl OpenFile for ComparedFile<'_> {
    type Rows = ReadItems;

    fn open(&self, schema: &ModelSchema) -> Result<ReadItems, ReadError> {
        let layout = RecordLayout { max_message_bytes: usize::MAX, ..RecordLayout::default() };
        self.file.rows(&TableRows { schema: schema.clone(), layout, timed: false })
    }

    fn has_times(&self) -> bool {
        self.time.is_some()
    }

    fn open_timed(&self, schema: &ModelSchema) -> Result<ReadItems, ReadError> {
        let time = self.time.map(|name| FieldPath::of_steps([name.to_owned()]));
        let layout = RecordLayout { max_message_bytes: usize::MAX, time, ..RecordLayout::default() };
        self.file.rows(&TableRows { schema: schema.clone(), layout, timed: true })
    }
}

fn spec(arguments: &Arguments, chosen: &ComparedColumns) -> Result<CompareSpec, CliError> {
    let mut columns = Vec::new();
    for column in chosen.schema.columns() {
        let chosen = Some(arguments.measures.as_slice()).filter(|measures| !measures.is_empty());
        let set = |measure: Measure| {
            let own = arguments.limits.iter().rev().find(|(other, _)| *other == measure);
            own.map(|(_, limits)| *limits)
        };
        columns.push(ColumnRules::new(column.name.clone(), column.column_type, chosen, None, set));
    }
    if columns.iter().all(|column| column.measures.is_empty()) {
        let names: Vec<&str> = arguments.measures.iter().map(|measure| measure.as_str()).collect();
        return Err(CliError::Failed(format!(
            "{} is not defined for any of these columns\nhint: `driftd measures` lists the column types of each measure",
            names.join(", ")
        )));
    }
    for (measure, _) in &arguments.limits {
        if !columns.iter().flat_map(|column| &column.measures).any(|rule| rule.measure == *measure) {
            let name = measure.as_str();
            return Err(CliError::Failed(format!(
                "--limit {name}: {name} is not computed for any of these columns\n\
                 hint: --measure {name} computes it where it is defined; `driftd measures` lists the column types"
            )));
        }
    }
    Ok(CompareSpec {
        schema: chosen.schema.clone(),
        integers: chosen.integers.clone(),
        judge: JudgeSpec {
            values_only: arguments.values_only,
            ..JudgeSpec::new(columns, arguments.min_rows, FalseAlarms::PerWindow(arguments.false_alarms))
        },
        build: BuildOptions::default(),
        exact: arguments.exact,
        preset: arguments.preset.map(|preset| (preset, arguments.measures.clone())),
    })
}
