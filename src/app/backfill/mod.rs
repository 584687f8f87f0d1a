//! A backfill: the past of one monitor, read beside live counting into stored windows. It counts as the daemon counts and judges
//! as the daemon judges; it changes no alert and sends nothing.
//!
//! Sources (partitions, or files) are read one after the other, and what was counted is stored with the position behind it. When
//! all are read, windows are made start by start. A process that continues a backfill begins at the stored positions.

mod closing;
mod error;
mod live;
mod plan;
mod reading;
mod retries;
mod source;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use error::BackfillError;
pub use source::InputFile;

use super::monitors::{RunningMonitor, runtime};
use super::wiring::source_options;
use crate::config::Settings;
use crate::kafka::SourceOptions;
use crate::record::{EventTime, TimeSpan};
use crate::store::{Backfill, BackfillState, BackfillWriter, Store};
use plan::Plan;

/// What to read.
pub struct BackfillRequest {
    /// Name of the monitor.
    pub monitor: String,
    /// Event times from here on; rounded down to the start of a window. None: all.
    pub from: Option<EventTime>,
    /// Event times before this; rounded up to the end of a window. None: all.
    pub to: Option<EventTime>,
    /// Files instead of the monitor's topics; empty for the topics.
    pub files: Vec<InputFile>,
    /// Who reads, for people.
    pub owner: String,
}

/// What is said while a backfill runs.
#[derive(Debug)]
pub enum BackfillNews<'a> {
    /// A sentence for people.
    Note(String),
    /// How far it is; after every checkpoint and every start of windows.
    Progress(&'a Backfill),
}

/// How a run ended.
#[derive(Debug)]
pub enum BackfillEnd {
    /// All windows are made.
    Done(Box<Backfill>),
    /// It was stopped at a checkpoint; the same request continues it.
    Stopped(Box<Backfill>),
    /// There is nothing to read, and nothing was stored.
    Nothing,
}

/// Runs a backfill to its end, or until it is stopped. One that was begun by the same request is continued.
///
/// # Errors
/// When it cannot begin, go on or be continued by this request. What was stored stays, and it can be continued.
pub async fn backfill(
    store: &Store,
    settings: &Settings,
    request: BackfillRequest,
    stop: &CancellationToken,
    report: &mut dyn FnMut(BackfillNews<'_>),
) -> Result<BackfillEnd, BackfillError> {
    let running = runtime(settings).into_iter().find(|running| running.monitor.name == request.monitor);
    let running = running
        .ok_or_else(|| BackfillError::Refused(format!("monitor `{}` is not configured", request.monitor)))?;
    store.propose_length(&running.monitor.name, &running.monitor.counting.length).await?;
    let options = if request.files.is_empty() { Some(source_options(settings)?) } else { None };
    let run = Run {
        store,
        running,
        options,
        files: request.files,
        counted_bytes: settings.daemon.limits.counted_bytes,
        reader_timeout: super::reader_timeout(settings),
        runner: Uuid::new_v4(),
        owner: request.owner,
        stop,
    };
    let Some((mut backfill, writer)) = run.begin(Plan::range(request.from, request.to), report).await? else {
        return Ok(BackfillEnd::Nothing);
    };
    if backfill.state == BackfillState::Reading {
        run.read(&mut backfill, writer, report).await?;
        if stop.is_cancelled() {
            return Ok(BackfillEnd::Stopped(Box::new(backfill)));
        }
        store.end_reading(writer, run.live_from(&backfill).await?).await?;
    }
    run.close(&mut backfill, writer, report).await?;
    Ok(if backfill.state == BackfillState::Done {
        BackfillEnd::Done(Box::new(backfill))
    } else {
        BackfillEnd::Stopped(Box::new(backfill))
    })
}

/// One run of a backfill by this process.
struct Run<'a> {
    store: &'a Store,
    running: Arc<RunningMonitor>,
    /// How to reach Kafka; none when files are read.
    options: Option<SourceOptions>,
    files: Vec<InputFile>,
    /// Bytes that may be counted and not stored.
    counted_bytes: usize,
    /// A reader that has been silent for longer says nothing about its partition.
    reader_timeout: TimeSpan,
    runner: Uuid,
    owner: String,
    stop: &'a CancellationToken,
}

impl Run<'_> {
    fn name(&self) -> &str {
        &self.running.monitor.name
    }

    fn writer(&self, id: i64) -> BackfillWriter {
        BackfillWriter { id, runner: self.runner }
    }
}
