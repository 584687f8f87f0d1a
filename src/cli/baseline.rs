//! `driftd baseline build|list|show|activate`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::files::{DataFile, short_name};
use super::monitor::{monitor as the_monitor, name_of};
use super::reach::{Reach, StoredBaseline};
use super::{CliError, Context, actor, say, say_lines, tell, with_reach, with_store};
use crate::baseline::{Baseline, BaselineError, Blocks, BuildReport, Unusable, UnusableColumn, build};
use crate::config::Monitor;
use crate::escape::plain;
use crate::record::table::TableRows;
use crate::record::{ColumnRole, RecordLayout, nearest, number_of};
use crate::reference::NaturalVariation;
use crate::store::Store;
use crate::view::BaselineSummary;
use crate::window::WHOLE;

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
        /// Monitor: its name in the configuration, or its file.
        #[arg(required_unless_present = "named")]
        monitor: Option<String>,
        /// Same as MONITOR, as in `replay`, `drill` and `tail`.
        #[arg(long = "monitor", value_name = "MONITOR", conflicts_with = "monitor")]
        named: Option<String>,
        /// Training data: .parquet, .csv, .jsonl or .arrow; `-` reads JSON lines.
        #[arg(long, value_name = "DATA")]
        from: PathBuf,
        /// Find columns by their names in the monitor instead of their paths, for flat training data.
        #[arg(long)]
        by_name: bool,
        /// Store the baseline without activating it.
        #[arg(long)]
        inactive: bool,
    },
    /// List the baselines of one monitor, or of all.
    List {
        /// Monitor: its name, or its file. Default: all monitors.
        monitor: Option<String>,
    },
    /// Show the columns of a version.
    Show {
        /// Monitor: its name, or its file.
        monitor: String,
        /// Version. Default: the active one.
        version: Option<i32>,
    },
    /// Activate a version. Windows are compared with it when they close; windows whose counts do not fit its bins are
    /// compared with the newest version on their own bins.
    Activate {
        /// Monitor: its name, or its file.
        monitor: String,
        /// Version.
        version: i32,
    },
}

pub(super) fn run(context: &Context, arguments: Arguments) -> Result<(), CliError> {
    match arguments.action {
        Action::Build { monitor, named, from, by_name, inactive } => {
            context.only_here("`baseline build`", "it reads a file and writes to the database")?;
            let monitor = monitor.or(named).ok_or_else(|| CliError::Usage("a monitor is required".to_owned()))?;
            let monitor = the_monitor(context, &monitor)?;
            let (baseline, report) = from_file(&monitor, &from, by_name)?;
            with_store(context, async |store, _| {
                store.migrate().await?;
                let summary = store_baseline(store, &monitor, &baseline, &from, !inactive).await?;
                let built = serde_json::json!({
                    "baseline": summary, "rejected": report.rejected.total(), "left_out": left_out(&report),
                });
                tell(&built, || tell_built(&summary, &report, &baseline))
            })
        }
        Action::List { monitor } => {
            let named = monitor.map(|monitor| name_of(&monitor)).transpose()?;
            with_reach(context, async |reach| list(reach, named).await)
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
                                "monitor `{monitor}` has no active baseline\nhint: give a version; `driftd baseline list {monitor}` \
                                 lists them"
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
                        say(format!("segment {}: {}", plain(segment), number_of(*rows, "record")));
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
                        "baseline version {version} of `{monitor}` is active: windows that close from now on are compared with it"
                    ));
                })
            })
        }
    }
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
    let layout = if by_name { monitor.layout.by_name(&monitor.schema) } else { monitor.layout.clone() };
    let rows = TableRows { schema: schema.clone(), layout, timed: false };
    let failed = |source: BaselineError| CliError::Baseline { path: file.name(), source };
    let (mut baseline, report) = build(&schema, &names, monitor.build, || file.rows(&rows)).map_err(failed)?;
    if rows.layout.time.is_some() {
        let layout = RecordLayout { version: None, filters: Vec::new(), ..rows.layout.clone() };
        let timed = TableRows { layout, timed: true, ..rows.clone() };
        let blocks = Blocks::OfLength(monitor.counting.length.clone());
        // A file without the times of the monitor was read all the same; its windows are not known then.
        let _without_times = baseline.learn_blocks(&blocks, &names, || file.rows(&timed)).ok();
    }
    let needed = monitor.rules.judge.min_records;
    if report.rows < needed {
        return Err(CliError::Failed(format!(
            "{}: {}, but a baseline needs {needed} (min_records in [judge]): with fewer, every window is \"not enough data\"",
            file.name(),
            number_of(report.rows, "record")
        )));
    }
    let refused: Vec<&UnusableColumn> =
        report.unusable.iter().filter(|column| !may_be_missing(monitor, column)).collect();
    if refused.is_empty() {
        return Ok((baseline, report));
    }
    let listed: Vec<String> = refused.into_iter().map(|column| hinted(column, &file, by_name)).collect();
    Err(CliError::Failed(format!("{}: no baseline can be built from it\n{}", file.name(), listed.join("\n"))))
}

/// Training data cannot have the latency, which is known only where the model serves.
fn may_be_missing(monitor: &Monitor, unusable: &UnusableColumn) -> bool {
    let column = monitor.schema.columns().iter().find(|column| column.name == unusable.name);
    let no_value = matches!(unusable.reason, Unusable::NeverFound | Unusable::AlwaysNull);
    no_value && column.is_some_and(|column| column.role == ColumnRole::Latency)
}

/// The columns that were left out of a baseline that could be built.
fn left_out(report: &BuildReport) -> Vec<&str> {
    report.unusable.iter().map(|column| column.name.as_str()).collect()
}

/// Why a column cannot be a baseline, and what was probably meant.
fn hinted(column: &UnusableColumn, file: &DataFile, by_name: bool) -> String {
    let columns = file.profile().map(|profile| profile.columns).unwrap_or_default();
    let names = columns.iter().map(|other| other.name.as_str());
    let found = plain(&names.clone().take(30).collect::<Vec<_>>().join(", "));
    let hint = match (&column.reason, nearest(&column.path, names.clone())) {
        (Unusable::NeverFound, _) if !by_name && names.clone().any(|name| name == column.name) => format!(
            "\nhint: the file has a column `{}`; with --by-name columns are read by their names instead of their paths",
            column.name
        ),
        (Unusable::NeverFound, Some(near)) => {
            format!("\nhint: did you mean `{}`? The file has: {found}", plain(near))
        }
        (Unusable::NeverFound, None) => format!("\nhint: the file has: {found}"),
        _ => String::new(),
    };
    format!("{}{hint}", plain(&column.to_string()))
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

fn tell_built(summary: &BaselineSummary, report: &BuildReport, baseline: &Baseline) {
    say(line(summary));
    if let Some(test) = baseline.tests.get(WHOLE) {
        say(format!("natural variation: {}", NaturalVariation::of(test)));
    }
    for (reason, count, example) in report.rejected.iter() {
        say(format!("warning: {} could not be read ({reason}); {example}", number_of(count, "row")));
    }
    for column in left_out(report) {
        let column = plain(column);
        say_lines(format!(
            "note: column `{column}` has no value in this data: it is left out, and windows are not compared in it\n\
             hint: to compare it, too, make a baseline from windows: promote closed ones on the page of baselines, or let the \
             monitor learn it with `learn` in [baseline]"
        ));
    }
}

/// Lists the versions of the baseline of a monitor, or of all.
async fn list(reach: &Reach, named: Option<String>) -> Result<(), CliError> {
    let Some(monitor) = named else {
        let mut all = BTreeMap::new();
        for monitor in reach.status().await?.monitors {
            let baselines = reach.baselines(&monitor.monitor).await?;
            all.insert(monitor.monitor, baselines);
        }
        return tell(&all, || {
            for (monitor, baselines) in &all {
                say(format!("monitor {monitor}"));
                say_baselines(monitor, baselines);
            }
        });
    };
    let baselines = reach.baselines(&monitor).await?;
    if baselines.is_empty() {
        reach.check_monitor(&monitor).await?;
    }
    tell(&baselines, || say_baselines(&monitor, &baselines))
}

fn say_baselines(monitor: &str, baselines: &[BaselineSummary]) {
    if baselines.is_empty() {
        say_lines(format!(
            "monitor `{monitor}` has no baseline\nhint: `driftd baseline build` builds one from training data, \
             `learn` in [baseline] from the first windows"
        ));
    }
    for baseline in baselines {
        say(line(baseline));
    }
}

fn line(baseline: &BaselineSummary) -> String {
    format!(
        "{} version {}{}: {} ({}), stored {}",
        baseline.monitor,
        baseline.version,
        if baseline.active { " (active)" } else { "" },
        number_of(baseline.rows, "record"),
        baseline.origin,
        baseline.created_at,
    )
}
