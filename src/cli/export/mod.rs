//! `driftd export`

mod files;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;

use super::monitor::name_of;
use super::reach::Database;
use super::{CliError, Context, runtime, say, tell};
use crate::escape::plain;
use crate::record::{EventTime, number_of};
use crate::store::Snapshot;
use crate::view::{ExportedAlert, ExportedColumn, ExportedFinding, ExportedWindow};
use files::{About, Folder, TableFile};

/// What to export, and where to.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Windows that start at or after this time, such as 2026-01-31T00:00:00Z, and alerts that were not over then.
    #[arg(long, value_name = "TIME")]
    from: EventTime,
    /// Windows that start, and alerts that begin, before this time. Default: all.
    #[arg(long, value_name = "TIME")]
    to: Option<EventTime>,
    /// Monitor: its name, or its file. May be repeated. Default: all, also those that are no longer configured.
    #[arg(long = "monitor", value_name = "MONITOR")]
    monitors: Vec<String>,
    /// Folder for windows.parquet, findings.parquet, columns.parquet and alerts.parquet; created if needed.
    #[arg(long, short, value_name = "FOLDER")]
    output: PathBuf,
    /// Replace files that are there already.
    #[arg(long)]
    force: bool,
}

/// Windows, and alerts, that are read at a time.
const PAGE: usize = 2_000;

/// What was written.
#[derive(Serialize)]
struct Exported {
    from: String,
    to: Option<String>,
    monitors: Vec<String>,
    files: Vec<ExportedFile>,
    /// Windows whose findings and summaries of columns were deleted before.
    windows_without_findings: u64,
}

/// One file.
#[derive(Serialize)]
struct ExportedFile {
    file: String,
    rows: u64,
    bytes: u64,
    #[serde(skip)]
    words: String,
}

/// Exports. Until all files are whole, none has its name.
pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), CliError> {
    context.only_here("`export`", "it reads the database; the API has windows and findings page by page")?;
    if arguments.to.is_some_and(|to| arguments.from >= to) {
        return Err(CliError::Usage(format!(
            "--to must be later than --from: {} is not after {}",
            arguments.to.unwrap_or(EventTime::MAX),
            arguments.from
        )));
    }
    let folder = Folder::new(&arguments.output, arguments.force)?;
    let names = arguments.monitors.iter().map(|text| name_of(text)).collect::<Result<BTreeSet<_>, _>>()?;
    let exported = runtime()?.block_on(async {
        let database = Database::open(context)?;
        tokio::select! {
            exported = export(&database, arguments, &names, &folder) => exported,
            Ok(()) = tokio::signal::ctrl_c() => Err(CliError::Failed("interrupted: no file was written".to_owned())),
        }
    })?;
    tell(&exported, || show(&exported))
}

async fn export(
    database: &Database,
    arguments: &Arguments,
    names: &BTreeSet<String>,
    folder: &Folder,
) -> Result<Exported, CliError> {
    for name in names {
        database.check_monitor(name).await?;
    }
    let mut snapshot = database.store().snapshot().await?;
    let named: Option<Vec<String>> = (!names.is_empty()).then(|| names.iter().cloned().collect());
    let monitors = match &named {
        Some(named) => named.clone(),
        None => snapshot.monitors().await?,
    };
    let about = About { from: arguments.from, to: arguments.to, monitors: &monitors };
    let mut tables = Tables::new(folder, &about)?;
    let period = (arguments.from, arguments.to.unwrap_or(EventTime::MAX));
    let mut without_findings = 0;
    for monitor in &monitors {
        without_findings += tables.windows_of(&mut snapshot, monitor, period).await?;
    }
    tables.alerts_of(&mut snapshot, named.as_deref(), period).await?;
    snapshot.finish().await?;
    Ok(Exported {
        from: arguments.from.to_string(),
        to: arguments.to.map(|to| to.to_string()),
        files: tables.finish(folder)?,
        monitors,
        windows_without_findings: without_findings,
    })
}

/// The files that are being written.
struct Tables {
    windows: TableFile<ExportedWindow>,
    findings: TableFile<ExportedFinding>,
    columns: TableFile<ExportedColumn>,
    alerts: TableFile<ExportedAlert>,
}

impl Tables {
    fn new(folder: &Folder, about: &About<'_>) -> Result<Self, CliError> {
        Ok(Self {
            windows: folder.begin("windows.parquet", about)?,
            findings: folder.begin("findings.parquet", about)?,
            columns: folder.begin("columns.parquet", about)?,
            alerts: folder.begin("alerts.parquet", about)?,
        })
    }

    /// Writes the windows of a monitor with their findings and columns. How many have lost them.
    async fn windows_of(
        &mut self,
        snapshot: &mut Snapshot,
        monitor: &str,
        period: (EventTime, EventTime),
    ) -> Result<u64, CliError> {
        let mut without = 0;
        let mut after = None;
        loop {
            let page = snapshot.windows(monitor, period, after, PAGE).await?;
            snapshot.findings(&page, |finding| self.findings.push(finding)).await?;
            snapshot.columns(&page, |column| self.columns.push(column)).await?;
            without += page.iter().filter(|window| window.findings_deleted).count() as u64;
            after = page.last().map(|window| (*window.row.pane_start, window.row.id));
            let more = page.len() == PAGE;
            for window in page {
                self.windows.push(window)?;
            }
            if !more {
                return Ok(without);
            }
        }
    }

    async fn alerts_of(
        &mut self,
        snapshot: &mut Snapshot,
        monitors: Option<&[String]>,
        period: (EventTime, EventTime),
    ) -> Result<(), CliError> {
        let mut after = None;
        loop {
            let page = snapshot.alerts(monitors, period, after, PAGE).await?;
            after = page.last().map(|alert| (*alert.since, alert.id));
            let more = page.len() == PAGE;
            for alert in page {
                self.alerts.push(alert)?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Gives all files their names, once each of them is whole.
    fn finish(self, folder: &Folder) -> Result<Vec<ExportedFile>, CliError> {
        let whole = [
            (self.windows.finish()?, "window"),
            (self.findings.finish()?, "finding"),
            (self.columns.finish()?, "column summary"),
            (self.alerts.finish()?, "alert"),
        ];
        let files = whole.into_iter().map(|(file, one)| {
            let (rows, bytes) = (file.rows(), file.bytes());
            let file = folder.name(file)?.display().to_string();
            Ok(ExportedFile { file, rows, bytes, words: number_of(rows, one) })
        });
        let files = files.collect::<Result<_, CliError>>()?;
        folder.settle()?;
        Ok(files)
    }
}

fn show(exported: &Exported) {
    for file in &exported.files {
        say(format!("{}: {}", plain(&file.file), file.words));
    }
    let without = exported.windows_without_findings;
    if without > 0 {
        say(format!(
            "note: the findings and column summaries of {} were deleted before (`retention.findings`)",
            number_of(without, "window")
        ));
    }
}
