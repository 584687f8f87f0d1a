//! `driftd compare`

use std::collections::{HashMap, HashSet};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::files::{DataFile, Rows};
use super::{CliError, say_as_is};
use crate::binning::BuildOptions;
use crate::compare::{CompareError, CompareSpec, Open, compare};
use crate::escape::plain_json;
use crate::judge::{ColumnRules, JudgeSpec, MeasureRule, WindowRule};
use crate::measure::{Measure, Thresholds};
use crate::preset::Preset;
use crate::record::table::{FileColumn, FileProfile, OF_NUMBERS, ReadError, TWICE, TableRows, WITH_COMMAS};
use crate::record::{Column, ColumnType, Derivation, ModelSchema, RecordLayout, Role, listed, nearest};
use crate::report::{Both, Outcome, compare_html, compare_report, compare_text};

/// What to compare.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What is compared with: training data, last month. .parquet, .csv, .jsonl or .arrow; `-` reads JSON lines.
    baseline: PathBuf,
    /// What is compared: this week.
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
                "cannot write a report as .{other}: by its extension a file is .txt, .json or .html\nhint: --format says what to write, whatever the file is called"
            ))),
        }
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
    let output = arguments.output.as_deref();
    let format = Format::of(arguments.format, output)?;
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
    let mut report = compare_report(&found, &spec, names, chosen.notes);
    if !arguments.columns.is_empty() {
        report.asked_for_all();
    }
    write(
        output,
        &match format {
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
struct File<'a>(&'a DataFile);

impl Open for File<'_> {
    type Rows = Rows;

    fn open(&self, schema: &ModelSchema) -> Result<Rows, ReadError> {
        let layout = RecordLayout { max_message_bytes: usize::MAX, ..RecordLayout::default() };
        self.0.rows(&TableRows { schema: schema.clone(), layout, timed: false })
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
        |file: &DataFile| file.profile().map_err(|error| CliError::Failed(format!("{}: {error}", file.name())));
    let (before, after) = (read(baseline)?, read(window)?);
    for (file, profile) in [(baseline, &before), (window, &after)] {
        if profile.columns.is_empty() {
            let what =
                if profile.rows == 0 { "it has no row" } else { "none of its rows is a record with fields" };
            return Err(CliError::Failed(format!("{}: there is no column to compare: {what}", file.name())));
        }
    }
    let mut notes = Vec::new();
    for (side, profile) in [("baseline", &before), ("window", &after)] {
        notes.extend(profile.remarks.iter().map(|remark| format!("the {side}: {remark}")));
    }
    let chosen = if wanted.is_empty() {
        let chosen = guessed(&before, &after, &mut notes);
        // Files of two different things, or with the names written in another way.
        if !before.columns.iter().any(|column| of(&after, &column.name).is_some()) {
            return Err(CliError::Failed(format!(
                "the columns of {} are not in {}: there is nothing to compare\n{}",
                baseline.name(),
                window.name(),
                notes.join("\n")
            )));
        }
        for (side, profile) in [("baseline", &before), ("window", &after)] {
            if !profile.complete {
                let rows = match profile.rows {
                    1 => "row".to_owned(),
                    rows => format!("{rows} rows"),
                };
                notes.push(format!("columns and their types are those of the first {rows} of the {side}"));
            }
        }
        chosen
    } else {
        named_columns(&before, &after, wanted, baseline, &mut notes)?
    };
    let integers: HashSet<String> =
        after.columns.iter().filter(|column| column.integers).map(|column| column.name.clone()).collect();
    // A text or an embedding stands for several columns.
    let (columns, integers): (Vec<Column>, Vec<bool>) = chosen
        .into_iter()
        .flat_map(|(column, column_type)| {
            let integers = column.integers && integers.contains(&column.name);
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
        let listed = notes.join("\n");
        CliError::Failed(format!("{}: {error}\nhint: choose columns with --column\n{listed}", baseline.name()))
    })?;
    Ok(Chosen { schema, integers, notes })
}

fn of(profile: &FileProfile, name: &str) -> Option<FileColumn> {
    profile.columns.iter().find(|column| column.name == name).cloned()
}

/// All columns of the baseline that can be compared; why others are not, is noted.
fn guessed(before: &FileProfile, after: &FileProfile, notes: &mut Vec<String>) -> Vec<(FileColumn, ColumnType)> {
    let mut chosen = Vec::new();
    let mut refused: HashSet<String> = HashSet::new();
    let mut refuse = |column: &FileColumn, found: &str, notes: &mut Vec<String>| {
        if !refused.insert(column.name.clone()) {
            return;
        }
        let shown = if column.name.is_empty() {
            "a column without a name".to_owned()
        } else {
            format!("`{}`", column.name)
        };
        let way = match found {
            TWICE => "; rename one of the two".to_owned(),
            WITH_COMMAS => format!(
                "; decimal commas are read where semicolons or tabs stand between the columns; --column {}:categorical compares the texts",
                column.name
            ),
            _ if column.name.is_empty() => String::new(),
            found if found.starts_with(OF_NUMBERS) => {
                format!("; store it as numbers, or name it with --column {}:categorical", column.name)
            }
            _ => format!("; name it with --column {}:TYPE to compare it", column.name),
        };
        notes.push(format!("{shown} is not compared: it is {found}{way}"));
    };
    let others: HashMap<&str, &FileColumn> =
        after.columns.iter().map(|column| (column.name.as_str(), column)).collect();
    for column in &before.columns {
        let there = others.get(column.name.as_str()).map(|there| (*there).clone());
        // Of a nested and a flat column the nested path finds both.
        let column = match &there {
            Some(there) if there.path.steps().len() > column.path.steps().len() => {
                &FileColumn { path: there.path.clone(), ..column.clone() }
            }
            _ => column,
        };
        if let Some(there) = there.as_ref().filter(|there| there.found == TWICE) {
            refuse(column, &there.found, notes);
            continue;
        }
        let other = there.as_ref().and_then(|there| there.column_type);
        let kind = match (column.column_type, other) {
            // A column without a value in the baseline's first rows is what the window has it for.
            (kind, other) if column.found == "empty" => other.or(kind),
            // Codes that are numbers on one side and numbers and text on the other are codes on both.
            (Some(ColumnType::Numeric), Some(ColumnType::Categorical)) if there.as_ref().is_some_and(is_mixed) => {
                other
            }
            // What is a number only because its file has no types, and text on the other side, is a category on both.
            (Some(ColumnType::Numeric), Some(ColumnType::Categorical))
                if before.untyped && there.as_ref().is_some_and(|there| there.found == OF_NUMBERS) =>
            {
                other
            }
            (kind, _) => kind,
        };
        let Some(kind) = kind else {
            refuse(column, &column.found, notes);
            continue;
        };
        chosen.push((column.clone(), kind));
        if kind == ColumnType::Categorical && column.found == OF_NUMBERS {
            notes.push(format!(
                "`{}` is {OF_NUMBERS}: it is compared as categories; store it as numbers to compare those",
                column.name
            ));
        }
        if kind == ColumnType::Categorical && [Some(column), there.as_ref()].into_iter().flatten().any(is_mixed) {
            notes.push(format!(
                "`{0}` has numbers and text: it is compared as categories; name it with --column {0}:numeric to compare its numbers",
                column.name
            ));
        }
        if let Some(there) = &there
            && let Some(other) = there.column_type.filter(|other| *other != kind)
            && there.found != "empty"
            && kind != ColumnType::Categorical
        {
            notes.push(format!(
                "`{}` is {} in the baseline and {} in the window, which would be compared as {}; it is compared as {}",
                column.name, column.found, there.found, other.as_str(), kind.as_str()
            ));
        }
    }
    let names =
        |profile: &FileProfile| profile.columns.iter().map(|column| column.name.clone()).collect::<HashSet<_>>();
    let (old, now) = (names(before), names(after));
    let gone: Vec<&str> =
        before.columns.iter().map(|column| column.name.as_str()).filter(|name| !now.contains(*name)).collect();
    let new: Vec<&str> =
        after.columns.iter().map(|column| column.name.as_str()).filter(|name| !old.contains(*name)).collect();
    let near = |name: &&&str| {
        nearest(name, new.iter().copied().take(LOOKED_AT)).map(|near| format!("`{name}` to `{near}`"))
    };
    let renamed: Vec<String> = gone.iter().take(LOOKED_AT).filter_map(|name| near(&name)).collect();
    if !renamed.is_empty() {
        notes.push(format!("columns were probably renamed: {}", renamed.join(", ")));
    }
    for (side, names) in [("baseline", gone), ("window", new)] {
        if !names.is_empty() {
            notes.push(format!("only the {side} has: {}", listed(&names, LOOKED_AT)));
        }
    }
    chosen
}

/// Names that are looked at for one that was renamed; among thousands a guess would take long and say little.
const LOOKED_AT: usize = 50;

fn is_mixed(column: &FileColumn) -> bool {
    column.found == "numbers and text"
}

/// The columns asked for by name.
fn named_columns(
    before: &FileProfile,
    after: &FileProfile,
    wanted: &[String],
    baseline: &DataFile,
    notes: &mut Vec<String>,
) -> Result<Vec<(FileColumn, ColumnType)>, CliError> {
    let mut chosen = Vec::new();
    for text in wanted {
        let known = |name: &str| of(before, name).or_else(|| of(after, name));
        // A column whose name has a colon is meant before a type is.
        let (name, kind) = if known(text).is_some() { (text.as_str(), None) } else { named(text)? };
        let column = known(name).ok_or_else(|| unknown(name, before, baseline))?;
        if [of(before, name), of(after, name)].iter().flatten().any(|column| column.found == TWICE) {
            return Err(CliError::Failed(format!(
                "`{name}` is in the file more than once: which of them is meant cannot be known\nhint: rename or drop one of them"
            )));
        }
        for (side, has, lacks) in [("baseline", before, after), ("window", after, before)] {
            if of(has, name).is_some() && of(lacks, name).is_none() {
                let names = lacks.columns.iter().map(|column| column.name.as_str()).take(LOOKED_AT);
                let near =
                    nearest(name, names).map_or(String::new(), |near| format!("; the other file has `{near}`"));
                notes.push(format!(
                    "only the {side} has `{name}`: every value of the other side counts as missing{near}"
                ));
            }
        }
        let kind = kind.or(column.column_type).ok_or_else(|| {
            CliError::Failed(format!(
                "`{name}` is {}\nhint: say what to read it as, such as --column {name}:categorical",
                column.found
            ))
        })?;
        chosen.push((column, kind));
    }
    Ok(chosen)
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

fn unknown(name: &str, profile: &FileProfile, file: &DataFile) -> CliError {
    let names = profile.columns.iter().map(|column| column.name.as_str());
    let hint = match nearest(name, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it has {}", names.take(30).collect::<Vec<_>>().join(", ")),
    };
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
    for (measure, _) in &arguments.limits {
        if !columns.iter().flat_map(|column| &column.measures).any(|rule| rule.measure == *measure) {
            let name = measure.as_str();
            return Err(CliError::Failed(format!(
                "--limit {name}: {name} is not computed for any of these columns\n\
                 hint: --measure {name} computes it where it is defined; `driftd measures` says for what"
            )));
        }
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
