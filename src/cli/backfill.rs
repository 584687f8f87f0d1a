//! `driftd backfill`

use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::files::DataFile;
use super::monitor::name_of;
use super::{CliError, Context, actor, say, say_error, say_with_hints, tell, with_store};
use crate::app::{AppError, BackfillEnd, BackfillError, BackfillNews, BackfillRequest, InputFile, backfill};
use crate::config::{Monitor, Settings};
use crate::escape::plain;
use crate::record::table::TableRows;
use crate::record::{EventTime, grouped, number_of};
use crate::store::{Backfill, BackfillState, FileIdentity, Store};

/// What to read.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Monitor: its name, or its file.
    #[arg(long, value_name = "MONITOR", required_unless_present = "list")]
    monitor: Option<String>,
    /// Event times at or after this, such as 2026-01-31T00:00:00Z; rounded down to the start of a window. Default: all.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["list", "discard"])]
    from: Option<EventTime>,
    /// Event times before this; rounded up to the end of a window. Default: all.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["list", "discard"])]
    to: Option<EventTime>,
    /// Files instead of the topics of the monitor: .jsonl as in Kafka, or .parquet, .csv or .arrow with an event time. Their records
    /// must not be among those that are counted live.
    #[arg(value_name = "FILE", conflicts_with_all = ["list", "discard"])]
    files: Vec<PathBuf>,
    /// List backfills with what they have read.
    #[arg(long)]
    list: bool,
    /// Delete an unfinished backfill of the monitor with all that it has counted. Not possible once it makes windows.
    #[arg(long, conflicts_with = "list")]
    discard: bool,
}

/// Reads; the exit code says whether all was read.
pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<u8, CliError> {
    if arguments.from.zip(arguments.to).is_some_and(|(from, to)| from >= to) {
        return Err(CliError::Usage("--to must be later than --from".to_owned()));
    }
    let monitor = arguments.monitor.as_deref().map(name_of).transpose()?;
    with_store(context, async |store, settings| {
        store.migrate().await?;
        if arguments.list {
            list(store, monitor.as_deref()).await?;
            return Ok(0);
        }
        let monitor = super::monitor::configured_one(settings, monitor.as_deref())?;
        if arguments.discard {
            discard(store, &monitor.name).await?;
            return Ok(0);
        }
        read(store, settings, monitor, arguments).await
    })
}

async fn read(
    store: &Store,
    settings: &Settings,
    monitor: &Monitor,
    arguments: &Arguments,
) -> Result<u8, CliError> {
    let request = BackfillRequest {
        monitor: monitor.name.clone(),
        from: arguments.from,
        to: arguments.to,
        files: files(monitor, &arguments.files)?,
        owner: format!("{}, process {}", actor(), std::process::id()),
    };
    let stop = CancellationToken::new();
    tokio::spawn(cancel_on_signal(stop.clone()));
    let mut progress = Progress::new();
    let ended = backfill(store, settings, request, &stop, &mut |news| match news {
        BackfillNews::Note(note) => say_error(&note),
        BackfillNews::Progress(backfill) => progress.show(backfill),
    })
    .await?;
    match ended {
        BackfillEnd::Nothing => {
            tell(&json!({ "state": "nothing", "monitor": monitor.name }), || {
                say("nothing to read: the logs have no message of this range from before live counting began");
            })?;
            Ok(0)
        }
        BackfillEnd::Done(done) => {
            tell(&as_json(&done), || {
                say(format!("backfill {} done: {}; no alert changed, nothing was sent", done.id, counted(&done)));
                if done.closed > 0 {
                    say_with_hints(&format!(
                        "{}\nhint: `driftd rejudge --monitor {} --from TIME` shows which alerts these windows would have fired",
                        number_of(done.closed, "window") + " closed",
                        done.monitor
                    ));
                }
            })?;
            Ok(0)
        }
        BackfillEnd::Stopped(stopped) => {
            tell(&as_json(&stopped), || {
                say_with_hints(&format!(
                    "backfill {} stopped at a checkpoint, {}: {}\nhint: run the same command again to continue",
                    stopped.id,
                    stage(&stopped),
                    counted(&stopped)
                ));
            })?;
            Ok(1)
        }
    }
}

/// The files that are named, ready to be opened.
fn files(monitor: &Monitor, paths: &[PathBuf]) -> Result<Vec<InputFile>, CliError> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    if paths.iter().any(|path| path.as_os_str() == "-") {
        return Err(CliError::Usage(
            "standard input cannot be read again after an interruption: name files".to_owned(),
        ));
    }
    if monitor.layout.time.is_none() {
        return Err(CliError::Failed(format!(
            "{}: without `time` in [source] records have the time of their Kafka message, which files do not have\nhint: set `source.time`",
            monitor.file
        )));
    }
    let table = TableRows { schema: monitor.schema.clone(), layout: monitor.layout.clone(), timed: true };
    let file = |path: &PathBuf| -> Result<InputFile, CliError> {
        let file = Rc::new(DataFile::new(path)?);
        let identity = file.identity();
        let (size, hash) = identity.map_err(|error| CliError::Failed(format!("{}: {error}", file.name())))?;
        let table = table.clone();
        Ok(InputFile {
            name: file.short_name(),
            identity: FileIdentity { size, hash },
            records: file.row_estimate(),
            open: Box::new(move || file.rows(&table)),
        })
    };
    paths.iter().map(file).collect()
}

/// SIGINT and SIGTERM stop it at the next checkpoint.
async fn cancel_on_signal(stop: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Then a signal ends the process, which loses nothing either.
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    say_error("stopping at the next checkpoint");
    stop.cancel();
}

async fn discard(store: &Store, monitor: &str) -> Result<(), CliError> {
    let Some(unfinished) = store.unfinished_backfill(monitor).await? else {
        return Err(CliError::Failed(format!("monitor `{monitor}` has no unfinished backfill")));
    };
    store.discard_backfill(unfinished.id, &actor()).await?;
    tell(&json!({ "discarded": unfinished.id, "monitor": monitor }), || {
        say(format!(
            "backfill {} of monitor {} is deleted, with all that it had counted",
            unfinished.id,
            plain(monitor)
        ));
    })
}

async fn list(store: &Store, monitor: Option<&str>) -> Result<(), CliError> {
    let backfills = store.backfills(monitor).await?;
    tell(&backfills.iter().map(as_json).collect::<Vec<_>>(), || {
        if backfills.is_empty() {
            say("no backfills");
        }
        for backfill in &backfills {
            let range = match (backfill.from, backfill.to) {
                (None, None) => "all event times".to_owned(),
                (from, to) => {
                    let time =
                        |time: Option<EventTime>| time.map_or_else(|| "…".to_owned(), |time| time.to_string());
                    format!("{} to {}", time(from), time(to))
                }
            };
            say(format!(
                "{} {} ({}): {}, {range}; {}, {} closed; last active {} ({})",
                backfill.id,
                plain(&backfill.monitor),
                if backfill.from_files { "files" } else { "topics" },
                stage(backfill),
                counted(backfill),
                number_of(backfill.closed, "window"),
                backfill.active_at,
                plain(&backfill.owner),
            ));
        }
    })
}

/// How far it is, in words.
fn stage(backfill: &Backfill) -> String {
    match backfill.state {
        BackfillState::Reading => format!("{} % read", percent(backfill)),
        BackfillState::Closing => "all read, closing windows".to_owned(),
        BackfillState::Done => "done".to_owned(),
    }
}

/// The share of what is to be read, in percent. Of a file the number of records is estimated.
fn percent(backfill: &Backfill) -> u64 {
    let (mut read, mut all) = (0_u64, 0_u64);
    for source in &backfill.sources {
        let done = source.next.distance_from(source.first);
        read = read.saturating_add(done);
        all = all.saturating_add(source.end.distance_from(source.first).max(done));
    }
    let complete = backfill.sources.iter().all(|source| source.complete);
    if complete { 100 } else { (read.saturating_mul(100) / all.max(1)).min(99) }
}

/// Records by outcome, in words.
fn counted(backfill: &Backfill) -> String {
    let of = |(outcome, count): (&String, &u64)| {
        let outcome = match outcome.split_once(':') {
            Some((outcome, reason)) => format!("{outcome} ({reason})"),
            None if outcome == "outside" => "outside the range".to_owned(),
            None if outcome == "late" => "late (their windows were closed already)".to_owned(),
            None => outcome.clone(),
        };
        format!("{} {outcome}", grouped(*count))
    };
    let outcomes: Vec<String> = backfill.outcomes.iter().filter(|(_, count)| **count > 0).map(of).collect();
    if outcomes.is_empty() { "no records".to_owned() } else { format!("records: {}", outcomes.join(", ")) }
}

fn as_json(backfill: &Backfill) -> Value {
    json!({
        "backfill": backfill.id, "monitor": backfill.monitor, "state": backfill.state,
        "from": backfill.from.map(|time| time.to_string()), "to": backfill.to.map(|time| time.to_string()),
        "files": backfill.from_files, "percent_read": percent(backfill), "records": backfill.outcomes,
        "windows_closed": backfill.closed, "started_at": backfill.started_at, "active_at": backfill.active_at,
        "finished_at": backfill.finished_at, "owner": backfill.owner,
    })
}

/// Between two lines about the progress.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// Says how far it is, now and then, on standard error.
struct Progress {
    said: Instant,
    /// When reading began in this process, and what had been read before.
    began: Option<(Instant, u64)>,
}

impl Progress {
    fn new() -> Self {
        Self { said: Instant::now(), began: None }
    }

    fn show(&mut self, backfill: &Backfill) {
        let records: u64 = backfill.outcomes.values().sum();
        let (began, before) = *self.began.get_or_insert((Instant::now(), records));
        if self.said.elapsed() < SAY_EVERY {
            return;
        }
        self.said = Instant::now();
        let rate = records.saturating_sub(before) / began.elapsed().as_secs().max(1);
        say_error(&format!(
            "backfill {}: {} read, {} %, {}/s",
            backfill.id,
            number_of(records, "record"),
            percent(backfill),
            number_of(rate, "record")
        ));
    }
}

impl From<BackfillError> for CliError {
    fn from(error: BackfillError) -> Self {
        match error {
            BackfillError::Store(error) => Self::Store(error),
            BackfillError::Kafka(error) => Self::App(AppError::Kafka(error)),
            BackfillError::App(error) => Self::App(error),
            BackfillError::Unavailable(text) => Self::Unavailable(text),
            error @ (BackfillError::File { .. } | BackfillError::Refused(_)) => Self::Failed(error.to_string()),
        }
    }
}
