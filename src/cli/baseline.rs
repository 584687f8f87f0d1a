//! `driftd baseline build|list|show|activate`

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::files::{DataFile, short_name};
use super::{CliError, actor, runtime, say, settings, tell};
use crate::app::store_options;
use crate::baseline::{Baseline, BaselineError, BuildReport, Unusable, UnusableColumn, build};
use crate::binning::Binning;
use crate::config::{Monitor, load_monitor};
use crate::record::table::TableRows;
use crate::record::{Absence, nearest};
use crate::store::Store;
use crate::view::BaselineSummary;

/// What to do with baselines.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Build a baseline from training data and store it as the next version.
    Build {
        /// The monitor's file.
        #[arg(long, value_name = "FILE")]
        monitor: PathBuf,
        /// Training data: .parquet, .csv, .jsonl or .arrow; `-` reads JSON lines.
        #[arg(long, value_name = "DATA")]
        from: PathBuf,
        /// Read columns by their names in the monitor instead of their paths: for flat training data.
        #[arg(long)]
        by_name: bool,
        /// Store it without comparing new windows with it yet.
        #[arg(long)]
        inactive: bool,
    },
    /// List the versions of a monitor's baseline.
    List {
        /// The monitor's name.
        monitor: String,
    },
    /// Show the columns of a version.
    Show {
        /// The monitor's name.
        monitor: String,
        /// The version; the active one when absent.
        version: Option<i32>,
    },
    /// Compare new windows with a version; open windows keep theirs.
    Activate {
        /// The monitor's name.
        monitor: String,
        /// The version.
        version: i32,
    },
}

pub(super) fn run(path: &Path, arguments: Arguments) -> Result<(), CliError> {
    let settings = settings(path)?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let store = Store::connect_lazily(&store_options(&settings.daemon))?;
        match arguments.action {
            Action::Build { monitor, from, by_name, inactive } => {
                let monitor = load_monitor(&monitor)?;
                let (baseline, report) = from_file(&monitor, &from, by_name)?;
                store.migrate().await?;
                let summary = store_baseline(&store, &monitor, &baseline, &from, !inactive).await?;
                let built = serde_json::json!({
                    "baseline": summary, "rejected": report.rejected.total(),
                });
                tell(&built, || tell_built(&summary, &report))
            }
            Action::List { monitor } => {
                let baselines = store.baselines(&monitor).await?;
                tell(&baselines, || {
                    if baselines.is_empty() {
                        say(format!("monitor `{monitor}` has no baseline"));
                    }
                    for baseline in &baselines {
                        say(line(baseline));
                    }
                })
            }
            Action::Show { monitor, version } => {
                let baselines = store.baselines(&monitor).await?;
                let wanted = version.or_else(|| baselines.iter().find(|b| b.active).map(|b| b.version));
                let version = wanted.ok_or_else(|| {
                    CliError::Failed(format!("monitor `{monitor}` has no active baseline\nhint: name a version"))
                })?;
                let baseline = store.baseline(&monitor, version).await?;
                let summary = baselines.iter().find(|summary| summary.version == version);
                let whole = baseline.segments.get(crate::window::WHOLE);
                let rows = whole.map(|whole| crate::view::distribution_rows(whole, None, None));
                tell(&serde_json::json!({ "baseline": summary, "distributions": rows }), || {
                    if let Some(summary) = summary {
                        say(line(summary));
                    }
                    show(&baseline);
                })
            }
            Action::Activate { monitor, version } => {
                store.activate_baseline(&monitor, version, &actor()).await?;
                tell(&serde_json::json!({ "monitor": monitor, "active": version }), || {
                    say(format!(
                        "windows of `{monitor}` that open from now on are compared with version {version}"
                    ));
                })
            }
        }
    })
}

/// Builds a baseline from a file. Columns are read where their paths say, as from Kafka; with `by_name` by their names.
/// What can hardly be read is refused: it must not be taken for normal.
pub(super) fn from_file(
    monitor: &Monitor,
    path: &Path,
    by_name: bool,
) -> Result<(Baseline, BuildReport), CliError> {
    let file = DataFile::new(path)?;
    let names: Vec<String> = monitor.layout.segments.iter().map(|(name, _)| name.clone()).collect();
    let schema = if by_name { monitor.schema.by_name() } else { monitor.schema.clone() };
    let rows = TableRows { schema: schema.clone(), layout: monitor.layout.clone(), timed: false };
    let failed = |source: BaselineError| CliError::Baseline { path: file.name(), source };
    let (baseline, report) = build(&schema, &names, monitor.build, || file.rows(&rows)).map_err(failed)?;
    let needed = monitor.rules.judge.min_records;
    if report.rows < needed {
        return Err(CliError::Failed(format!(
            "{}: it has {} records, and a baseline needs {needed} (min_records in [judge]): with fewer every window is \"not enough data\"",
            file.name(),
            report.rows
        )));
    }
    if report.unusable.is_empty() {
        return Ok((baseline, report));
    }
    let listed: Vec<String> = report.unusable.iter().map(|column| hinted(column, &file, by_name)).collect();
    Err(CliError::Failed(format!("{}: no baseline can be built from it\n{}", file.name(), listed.join("\n"))))
}

/// Why a column cannot be a baseline, and what was probably meant.
fn hinted(column: &UnusableColumn, file: &DataFile, by_name: bool) -> String {
    let columns = file.profile().map(|profile| profile.columns).unwrap_or_default();
    let names = columns.iter().map(|other| other.name.as_str());
    let found = names.clone().take(30).collect::<Vec<_>>().join(", ");
    let hint = match (&column.reason, nearest(&column.path, names.clone())) {
        (Unusable::NeverFound, _) if !by_name && names.clone().any(|name| name == column.name) => format!(
            "\nhint: the file has a column `{}`; with --by-name columns are read by their names instead of their paths",
            column.name
        ),
        (Unusable::NeverFound, Some(near)) => format!("\nhint: did you mean `{near}`? The file has: {found}"),
        (Unusable::NeverFound, None) => format!("\nhint: the file has: {found}"),
        _ => String::new(),
    };
    format!("{column}{hint}")
}

/// Stores a baseline under the name of its file.
pub(super) async fn store_baseline(
    store: &Store,
    monitor: &Monitor,
    baseline: &Baseline,
    from: &Path,
    activate: bool,
) -> Result<BaselineSummary, CliError> {
    let origin = short_name(from);
    store
        .add_baseline(&monitor.name, baseline, &origin, activate, false, &actor())
        .await?
        .ok_or_else(|| CliError::Failed("the stored baseline was not found again".to_owned()))
}

fn tell_built(summary: &BaselineSummary, report: &BuildReport) {
    say(line(summary));
    for (reason, count, example) in report.rejected.iter() {
        say(format!("warning: {count} rows could not be read ({reason}); {example}"));
    }
}

fn line(baseline: &BaselineSummary) -> String {
    format!(
        "{} version {}{}: {} records from {}, stored {}",
        baseline.monitor,
        baseline.version,
        if baseline.active { " (active)" } else { "" },
        baseline.rows,
        baseline.origin,
        baseline.created_at,
    )
}

fn show(baseline: &Baseline) {
    for (segment, counts) in &baseline.segments {
        say(format!("segment {segment}: {} records", counts.rows()));
    }
    let Some(whole) = baseline.segments.get(crate::window::WHOLE) else { return };
    for column in whole.columns() {
        let absent: u64 = Absence::ALL.iter().map(|absence| column.absent(*absence)).sum();
        let values = match column.binning() {
            Binning::Numeric(binning) => {
                let (lowest, highest) = binning.range();
                let mean = column.mean().map_or(String::new(), |mean| format!(", mean {mean:.6}"));
                format!("numeric, {} bins, {lowest} to {highest}{mean}", binning.bins())
            }
            Binning::UniversalNumeric => "numeric, no value: no baseline".to_owned(),
            Binning::Embedding(binning) => format!("embedding of {} dimensions", binning.dimensions()),
            Binning::Categorical(binning) => format!("{} categories", binning.categories().len()),
        };
        say(format!(
            "  {:<24} {values}{}",
            column.name(),
            if absent > 0 { format!(", {absent} absent") } else { String::new() }
        ));
    }
}
