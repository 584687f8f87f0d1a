//! `driftd compare`

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::files::{DataFile, Rows};
use super::{CliError, say};
use crate::binning::BuildOptions;
use crate::compare::{CompareError, CompareSpec, Open, compare};
use crate::judge::{ColumnRules, JudgeSpec, MeasureRule, WindowRule};
use crate::measure::{Measure, Thresholds};
use crate::preset::Preset;
use crate::record::table::{FileColumn, ReadError, TableRows};
use crate::record::{Column, ColumnType, Derivation, ModelSchema, RecordLayout, Role};
use crate::report::{Both, Outcome, compare_html, compare_report, compare_text};

/// What to compare.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What is compared with: training data, last month. .parquet, .csv, .jsonl or .arrow; `-` reads JSON lines.
    baseline: PathBuf,
    /// What is compared: this week.
    window: PathBuf,
    /// One bin a distinct value: statistics and p-values of the samples themselves. Holds every distinct value in memory.
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
    /// The chance of a false finding when nothing changed, over all measures of all columns together.
    #[arg(long, value_name = "CHANCE", default_value_t = 0.001, value_parser = chance)]
    significance: f64,
    /// A window with fewer rows gets no verdict.
    #[arg(long, value_name = "ROWS", default_value_t = 30)]
    min_rows: u64,
    /// Leave null, invalid and unseen values out of the scores of values, instead of counting them as bins.
    #[arg(long)]
    values_only: bool,
    /// What to write; by the extension of --output when absent, else text.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write to this file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a terminal.
    Text,
    /// For programs; documented in docs/reports.md.
    Json,
    /// One self-contained page.
    Html,
}

impl Format {
    /// As asked for, or by the extension of the file.
    pub(super) fn of(asked: Option<Self>, output: Option<&Path>) -> Self {
        let asked = asked.or(super::as_json().then_some(Self::Json));
        asked.unwrap_or_else(|| match output.and_then(Path::extension).and_then(|extension| extension.to_str()) {
            Some("html" | "htm") => Self::Html,
            Some("json") => Self::Json,
            _ => Self::Text,
        })
    }
}

fn preset(name: &str) -> Result<Preset, String> {
    let known: Vec<&str> = Preset::ALL.into_iter().map(Preset::as_str).collect();
    Preset::from_name(name).ok_or_else(|| format!("allowed are {}", known.join(", ")))
}

fn measure(name: &str) -> Result<Measure, String> {
    Measure::from_name(name).ok_or_else(|| {
        let near = Measure::ALL
            .into_iter()
            .map(Measure::as_str)
            .max_by(|left, right| strsim::jaro(name, left).total_cmp(&strsim::jaro(name, right)));
        format!("is not a measure; did you mean `{}`? `driftd measures` lists all", near.unwrap_or_default())
    })
}

fn limit(text: &str) -> Result<(Measure, Thresholds), String> {
    let (name, limits) = text.split_once('=').ok_or("write MEASURE=DRIFT or MEASURE=WARN,DRIFT")?;
    let number = |text: &str| {
        text.trim()
            .parse::<f64>()
            .ok()
            .filter(|value| *value >= 0.0 && value.is_finite())
            .ok_or("a limit is a number from 0 on")
    };
    let (warn, critical) = match limits.split_once(',') {
        Some((warn, critical)) => (number(warn)?, number(critical)?),
        None => (number(limits)?, number(limits)?),
    };
    if warn > critical {
        return Err("the limit of a warning must not be above that of drift".to_owned());
    }
    Ok((measure(name).map_err(|error| format!("`{name}` {error}"))?, Thresholds { warn, critical }))
}

fn chance(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|value| (1e-12..=0.5).contains(value)).ok_or_else(|| "from 1e-12 to 0.5".to_owned())
}

/// Compares; the exit code says what was found: 0 no drift, 3 drift, 1 no verdict.
pub(super) fn run(arguments: &Arguments) -> Result<u8, CliError> {
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
    let found = compare(&spec, &File(&baseline), &File(&window)).map_err(failed)?;
    let names = Both { baseline: baseline.short_name(), window: window.short_name() };
    let report = compare_report(&found, &spec, names, chosen.notes);
    let output = arguments.output.as_deref();
    write(
        output,
        &match Format::of(arguments.format, output) {
            Format::Text => compare_text(&report, output.is_none() && colours()),
            Format::Json => json(&report)?,
            Format::Html => compare_html(&report),
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
    let text = serde_json::to_string_pretty(report);
    text.map_err(|error| CliError::Failed(format!("the report cannot be written as JSON: {error}")))
}

/// Writes a report to a file or to standard output.
pub(super) fn write(output: Option<&Path>, text: &str) -> Result<(), CliError> {
    match output {
        None => {
            say(text.trim_end());
            Ok(())
        }
        Some(path) => std::fs::write(path, text)
            .map_err(|error| CliError::Failed(format!("cannot write the report to {}: {error}", path.display()))),
    }
}

/// A file as the comparison opens it: whatever does not fit counts as missing or of the wrong type.
struct File<'a>(&'a DataFile);

impl Open for File<'_> {
    type Rows = Rows;

    fn open(&self, schema: &ModelSchema) -> Result<Rows, ReadError> {
        let layout = RecordLayout { max_message_bytes: usize::MAX, ..RecordLayout::default() };
        self.0.rows(&TableRows { schema: schema.clone(), layout, timed: false, strict: false })
    }
}

/// The columns to compare.
struct Chosen {
    schema: ModelSchema,
    integers: Vec<bool>,
    notes: Vec<String>,
}

fn choose(baseline: &DataFile, window: &DataFile, wanted: &[String]) -> Result<Chosen, CliError> {
    let read =
        |file: &DataFile| file.columns().map_err(|error| CliError::Failed(format!("{}: {error}", file.name())));
    let (before, after) = (read(baseline)?, read(window)?);
    if before.is_empty() {
        return Err(CliError::Failed(format!(
            "{}: there is no column to compare\nhint: is it empty?",
            baseline.name()
        )));
    }
    let of = |columns: &[FileColumn], name: &str| columns.iter().find(|column| column.name == name).cloned();
    let mut notes = Vec::new();
    let mut chosen: Vec<(FileColumn, ColumnType)> = Vec::new();
    if wanted.is_empty() {
        for column in &before {
            let there = of(&after, &column.name);
            // A column without a value in the baseline's first rows is what the window has it for.
            let kind = if column.found == "empty" {
                there.as_ref().and_then(|there| there.column_type).or(column.column_type)
            } else {
                column.column_type
            };
            match kind {
                Some(kind) => chosen.push((column.clone(), kind)),
                None => notes.push(format!(
                    "`{}` is not compared: it is {}; name it with --column {}:TYPE to compare it",
                    column.name, column.found, column.name
                )),
            }
            if let (Some(kind), Some(there)) = (kind, &there)
                && there.column_type.is_some_and(|other| other != kind)
                && there.found != "empty"
            {
                notes.push(format!(
                    "`{}` is {} in the baseline and {} in the window; what cannot be read as {} counts as of the wrong type",
                    column.name, column.found, there.found, kind.as_str()
                ));
            }
        }
        let new: Vec<&str> = after
            .iter()
            .filter(|column| of(&before, &column.name).is_none())
            .map(|column| column.name.as_str())
            .collect();
        if !new.is_empty() {
            notes.push(format!("only the window has: {}", new.join(", ")));
        }
    } else {
        for text in wanted {
            let (name, kind) = named(text)?;
            let column =
                of(&before, name).or_else(|| of(&after, name)).ok_or_else(|| unknown(name, &before, baseline))?;
            let kind = kind.or(column.column_type).ok_or_else(|| {
                CliError::Failed(format!(
                    "`{name}` is {}\nhint: say what to read it as, such as --column {name}:categorical",
                    column.found
                ))
            })?;
            chosen.push((column, kind));
        }
    }
    // A text or an embedding stands for several columns.
    let (columns, integers): (Vec<Column>, Vec<bool>) = chosen
        .into_iter()
        .flat_map(|(column, column_type)| {
            let integers = column.integers && of(&after, &column.name).is_some_and(|there| there.integers);
            let FileColumn { name, path, .. } = column;
            let column = Column {
                name,
                path,
                role: Role::Feature,
                column_type,
                derivation: Derivation::Value,
                sensitive: false,
            };
            column.expand().into_iter().map(move |column| (column, integers))
        })
        .unzip();
    let schema = ModelSchema::new(columns).map_err(|error| {
        CliError::Failed(format!("{}: {error}\nhint: choose columns with --column", baseline.name()))
    })?;
    Ok(Chosen { schema, integers, notes })
}

/// `NAME` or `NAME:TYPE`; a name may have colons.
fn named(text: &str) -> Result<(&str, Option<ColumnType>), CliError> {
    let Some((name, word)) = text.rsplit_once(':') else { return Ok((text, None)) };
    match ColumnType::ALL.into_iter().find(|kind| kind.as_str() == word) {
        Some(kind) => Ok((name, Some(kind))),
        None if word.contains(' ') || word.is_empty() => Ok((text, None)),
        None => {
            let known: Vec<&str> = ColumnType::ALL.iter().map(|kind| kind.as_str()).collect();
            Err(CliError::Failed(format!(
                "`{word}` in --column {text} is not a type\nhint: allowed are {}",
                known.join(", ")
            )))
        }
    }
}

fn unknown(name: &str, columns: &[FileColumn], file: &DataFile) -> CliError {
    let near = columns
        .iter()
        .map(|column| (strsim::jaro_winkler(name, &column.name), &column.name))
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .filter(|(likeness, _)| *likeness > 0.8);
    let names: Vec<&str> = columns.iter().take(30).map(|column| column.name.as_str()).collect();
    let hint =
        near.map_or_else(|| format!("it has {}", names.join(", ")), |(_, near)| format!("did you mean `{near}`?"));
    CliError::Failed(format!("{}: there is no column `{name}`\nhint: {hint}", file.name()))
}

fn spec(arguments: &Arguments, chosen: &Chosen) -> Result<CompareSpec, CliError> {
    let mut columns = Vec::new();
    for column in chosen.schema.columns() {
        let measures: Vec<Measure> = if arguments.measures.is_empty() {
            Measure::defaults_for(column.column_type).to_vec()
        } else {
            arguments.measures.iter().copied().filter(|measure| measure.applies_to(column.column_type)).collect()
        };
        let limits = |measure: Measure| {
            let own = arguments.limits.iter().rev().find(|(other, _)| *other == measure);
            own.map_or_else(|| measure.default_thresholds(), |(_, limits)| *limits)
        };
        let measures = measures.into_iter().map(|measure| MeasureRule { measure, thresholds: limits(measure) });
        columns.push(ColumnRules { name: column.name.clone(), measures: measures.collect() });
    }
    if columns.iter().all(|column| column.measures.is_empty()) {
        let names: Vec<&str> = arguments.measures.iter().map(|measure| measure.as_str()).collect();
        return Err(CliError::Failed(format!(
            "{} is not defined for any of these columns\nhint: `driftd measures` says which are for what",
            names.join(", ")
        )));
    }
    Ok(CompareSpec {
        schema: chosen.schema.clone(),
        integers: chosen.integers.clone(),
        judge: JudgeSpec {
            columns,
            min_records: arguments.min_rows,
            significance: arguments.significance,
            values_only: arguments.values_only,
            rule: WindowRule::Columns(1),
        },
        build: BuildOptions::default(),
        exact: arguments.exact,
        preset: arguments.preset.map(|preset| (preset, arguments.measures.clone())),
    })
}
