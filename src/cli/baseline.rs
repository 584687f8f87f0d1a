//! `driftd baseline build|list|show|activate`

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::files::{DataFile, short_name};
use super::{CliError, actor, runtime, say, settings, tell};
use crate::app::store_options;
use crate::baseline::{Baseline, BaselineError, BuildReport, build};
use crate::binning::Binning;
use crate::config::{Monitor, load_monitor};
use crate::record::Absence;
use crate::record::table::TableRows;
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
            Action::Build { monitor, from, inactive } => {
                let monitor = load_monitor(&monitor)?;
                let (baseline, report) = from_file(&monitor, &from)?;
                store.migrate().await?;
                let summary = store_baseline(&store, &monitor, &baseline, &from, !inactive).await?;
                let built = serde_json::json!({
                    "baseline": summary, "rejected": report.rejected, "empty_columns": report.empty_columns,
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

/// Builds a baseline from a file, by its extension.
pub(super) fn from_file(monitor: &Monitor, path: &Path) -> Result<(Baseline, BuildReport), CliError> {
    let file = DataFile::new(path)?;
    let names: Vec<String> = monitor.layout.segments.iter().map(|(name, _)| name.clone()).collect();
    let rows =
        TableRows { schema: monitor.schema.clone(), layout: monitor.layout.clone(), timed: false, strict: true };
    let failed = |source: BaselineError| CliError::Baseline { path: file.name(), source };
    build(&monitor.schema, &names, monitor.build, || file.rows(&rows)).map_err(failed)
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
    if report.rejected > 0 {
        say(format!("warning: {} rows could not be read", report.rejected));
    }
    for column in &report.empty_columns {
        say(format!("warning: column `{column}` has no value: it gets no baseline"));
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
                let range = match (binning.cuts().first(), binning.cuts().last()) {
                    (Some(first), Some(last)) => format!("{first} to {}", last.next_down()),
                    _ => String::new(),
                };
                let mean = column
                    .mean()
                    .filter(|_| !column.is_sensitive())
                    .map_or(String::new(), |mean| format!(", mean {mean:.6}"));
                format!("numeric, {} bins, {range}{mean}", binning.bins())
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
