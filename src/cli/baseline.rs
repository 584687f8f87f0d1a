//! `driftd baseline build|list|show|activate`

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::files::{DataFile, short_name};
use super::monitor::{monitor as the_monitor, name_of};
use super::reach::StoredBaseline;
use super::{CliError, Context, actor, say, tell, with_reach, with_store};
use crate::baseline::{Baseline, BaselineError, BuildReport, build};
use crate::config::Monitor;
use crate::notify::plain;
use crate::record::Role;
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
        /// The monitor: its name in the configuration, or its file.
        #[arg(long, value_name = "MONITOR")]
        monitor: String,
        /// Training data: .parquet, .csv, .jsonl or .arrow; `-` reads JSON lines.
        #[arg(long, value_name = "DATA")]
        from: PathBuf,
        /// Store it without comparing new windows with it yet.
        #[arg(long)]
        inactive: bool,
    },
    /// List the versions of a monitor's baseline.
    List {
        /// The monitor: its name, or its file.
        monitor: String,
    },
    /// Show the columns of a version.
    Show {
        /// The monitor: its name, or its file.
        monitor: String,
        /// The version; the active one when absent.
        version: Option<i32>,
    },
    /// Compare new windows with a version; open windows keep theirs.
    Activate {
        /// The monitor: its name, or its file.
        monitor: String,
        /// The version.
        version: i32,
    },
}

pub(super) fn run(context: &Context, arguments: Arguments) -> Result<(), CliError> {
    match arguments.action {
        Action::Build { monitor, from, inactive } => {
            context.only_here("reads a file and writes to the database itself")?;
            let monitor = the_monitor(context, &monitor)?;
            let (baseline, report) = from_file(&monitor, &from)?;
            with_store(context, async |store, _| {
                store.migrate().await?;
                let summary = store_baseline(store, &monitor, &baseline, &from, !inactive).await?;
                let built = serde_json::json!({
                    "baseline": summary, "rejected": report.rejected, "left_out": report.empty_columns,
                });
                tell(&built, || tell_built(&summary, &report))
            })
        }
        Action::List { monitor } => {
            let monitor = name_of(&monitor)?;
            with_reach(context, async |reach| {
                let baselines = reach.baselines(&monitor).await?;
                if baselines.is_empty() {
                    reach.check_monitor(&monitor).await?;
                }
                tell(&baselines, || {
                    if baselines.is_empty() {
                        say(format!(
                            "monitor `{monitor}` has no baseline\nhint: `driftd baseline build` makes one from training data, \
                             `learn` in [baseline] from the first windows"
                        ));
                    }
                    for baseline in &baselines {
                        say(line(baseline));
                    }
                })
            })
        }
        Action::Show { monitor, version } => {
            let monitor = name_of(&monitor)?;
            with_reach(context, async |reach| {
                let version = match version {
                    Some(version) => version,
                    None => {
                        let baselines = reach.baselines(&monitor).await?;
                        baselines.iter().find(|baseline| baseline.active).map(|active| active.version).ok_or_else(|| {
                            CliError::Failed(format!(
                                "monitor `{monitor}` has no active baseline\nhint: name a version; `driftd baseline list {monitor}` \
                                 shows what there is"
                            ))
                        })?
                    }
                };
                let StoredBaseline { detail, distributions } = reach.baseline(&monitor, version).await?;
                let all = serde_json::json!({
                    "baseline": detail.baseline, "columns": detail.columns, "distributions": distributions,
                });
                tell(&all, || {
                    say(line(&detail.baseline));
                    for (segment, rows) in &detail.segments {
                        say(format!("segment {}: {rows} records", plain(segment)));
                    }
                    for column in &detail.columns {
                        let absent =
                            if column.absent > 0 { format!(", {} absent", column.absent) } else { String::new() };
                        say(format!("  {:<24} {}{absent}", plain(&column.column), column.values));
                    }
                })
            })
        }
        Action::Activate { monitor, version } => {
            let monitor = name_of(&monitor)?;
            with_reach(context, async |reach| {
                reach.activate(&monitor, version).await?;
                tell(&serde_json::json!({ "monitor": monitor, "active": version }), || {
                    say(format!(
                        "windows of `{monitor}` that open from now on are compared with version {version}"
                    ));
                })
            })
        }
    }
}

/// Builds a baseline from a file, by its extension. What training data cannot have, the latency, may be left out; any other
/// column without a value is a mistake.
pub(super) fn from_file(monitor: &Monitor, path: &Path) -> Result<(Baseline, BuildReport), CliError> {
    let file = DataFile::new(path)?;
    let names: Vec<String> = monitor.layout.segments.iter().map(|(name, _)| name.clone()).collect();
    let rows =
        TableRows { schema: monitor.schema.clone(), layout: monitor.layout.clone(), timed: false, strict: false };
    let failed = |source: BaselineError| CliError::Baseline { path: file.name(), source };
    let (baseline, report) = build(&monitor.schema, &names, monitor.build, || file.rows(&rows)).map_err(failed)?;
    let needed = |name: &&String| {
        let column = monitor.schema.columns().iter().find(|column| column.name == **name);
        column.is_none_or(|column| column.role != Role::Latency)
    };
    let missing: Vec<String> =
        report.empty_columns.iter().filter(needed).map(|name| of_schema(monitor, name)).collect();
    if missing.is_empty() {
        return Ok((baseline, report));
    }
    let there = file.columns().map_err(|error| CliError::Failed(format!("{}: {error}", file.name())))?;
    let there: Vec<&str> = there.iter().take(30).map(|column| column.name.as_str()).collect();
    Err(CliError::Failed(format!(
        "{}: there is no value that can be read of {}\nhint: the file has {}; only columns of role `latency` may be missing in \
         training data",
        file.name(),
        missing.join(", "),
        there.join(", ")
    )))
}

/// A column in words: what it is called, where it lies, and what its values have to be.
fn of_schema(monitor: &Monitor, name: &str) -> String {
    match monitor.schema.columns().iter().find(|column| column.name == *name) {
        Some(column) if column.path.to_string() != column.name => {
            format!("`{name}` ({} at `{}`)", column.column_type.as_str(), column.path)
        }
        Some(column) => format!("`{name}` ({})", column.column_type.as_str()),
        None => format!("`{name}`"),
    }
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
        say(format!(
            "note: column `{column}` has no value in this data: it is left out, and windows are not compared in it\n\
             hint: to compare it, too, make a baseline from windows: promote closed ones on the page of baselines, or let the \
             monitor learn it with `learn` in [baseline]"
        ));
    }
}

fn line(baseline: &BaselineSummary) -> String {
    format!(
        "{} version {}{}: {} records ({}), stored {}",
        baseline.monitor,
        baseline.version,
        if baseline.active { " (active)" } else { "" },
        baseline.rows,
        baseline.origin,
        baseline.created_at,
    )
}
