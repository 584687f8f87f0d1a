//! Reading: from sources to stored counts, with a checkpoint every now and then.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::retries::Retries;
use super::source::Step;
use super::{BackfillError, BackfillNews, Run};
use crate::app::counter::MonitorCounter;
use crate::app::monitors::series_limit;
use crate::binning::BinningSet;
use crate::record::table::ReadBatch;
use crate::record::{DecodedBatch, EventTime, TimeSpan, number_of};
use crate::store::{Backfill, BackfillWriter, Outcomes, SourceMove, StagedCounts};
use crate::window::{BinningPins, Example, MonitorDelta, Partition, Tally, readings};

/// How long brokers may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long nothing may come although there is more to read.
const STALLED: Duration = Duration::from_mins(1);
/// How long one look for messages takes at most: so soon a signal is noticed.
const LOOK: Duration = Duration::from_millis(200);
/// Records between two checkpoints at most.
const RECORDS: u64 = 250_000;
/// Time between two checkpoints at most.
const INTERVAL: Duration = Duration::from_secs(10);

impl Run<'_> {
    /// Reads all sources, each to its end, or until it is to stop.
    pub(super) async fn read(
        &self,
        backfill: &mut Backfill,
        writer: BackfillWriter,
        report: &mut dyn FnMut(BackfillNews<'_>),
    ) -> Result<(), BackfillError> {
        let bins = self.store.backfill_bins(backfill.binning).await?;
        let mut reported = Reported::default();
        let mut patience = Retries::new();
        for index in 0..backfill.sources.len() {
            while backfill.sources.get(index).is_some_and(|source| !source.complete) && !self.stop.is_cancelled() {
                let before = backfill.sources.get(index).map(|source| source.next);
                match self.read_source(backfill, index, writer, (&bins, &mut reported), report).await {
                    Err(BackfillError::Store(error)) => {
                        // What is stored says whether the last checkpoint was.
                        *backfill = patience.after(error, self.store, writer, report).await?;
                        if backfill.sources.get(index).map(|source| source.next) != before {
                            patience = Retries::new();
                        }
                    }
                    outcome => outcome?,
                }
            }
        }
        Ok(())
    }

    /// Reads a source on from its stored position. Ends early when it is to stop, or when records are to be counted again under
    /// other series.
    async fn read_source(
        &self,
        backfill: &mut Backfill,
        index: usize,
        writer: BackfillWriter,
        (bins, reported): (&Arc<BinningSet>, &mut Reported),
        report: &mut dyn FnMut(BackfillNews<'_>),
    ) -> Result<(), BackfillError> {
        let Some(source) = backfill.sources.get(index).cloned() else { return Ok(()) };
        let mut reader = self.open(&source, report)?;
        let mut counting = self.running.monitor.counting.clone();
        // No window is closed before all is read: a record may be as old as it likes.
        counting.max_open_windows = u32::MAX;
        let mut counter = MonitorCounter::new(&self.running, counting, self.pins(bins).await?);
        let range = (backfill.from, backfill.to);
        let mut base = source.next;
        let mut since = Since::now();
        loop {
            let step = if self.stop.is_cancelled() { None } else { Some(reader.next(LOOK)?) };
            let complete = matches!(step, Some(Step::End));
            match &step {
                Some(Step::Messages(batch)) => {
                    let rows = counter.decode(batch);
                    let seen = rows.map(|rows| count_inside(&mut counter, &rows, &batch.partition, range));
                    since.counted(batch.len() as u64, seen.unwrap_or_default());
                }
                Some(Step::Rows(batch)) => {
                    let seen = count_rows(&mut counter, batch, &source.partition, range);
                    since.counted(batch.batch.times.len() as u64, seen);
                }
                Some(Step::Nothing) if since.came.elapsed() > STALLED => {
                    return Err(BackfillError::Unavailable(format!(
                        "no message of {} came for {} s, and it is to be read up to offset {}\nhint: check the brokers, then run the same \
                         command again: it goes on where it stopped",
                        source.partition,
                        STALLED.as_secs(),
                        source.end
                    )));
                }
                Some(Step::Nothing | Step::End) | None => {}
            }
            if step.is_some() && !complete && !since.is_due(counter.machine.bytes() > self.counted_bytes) {
                continue;
            }
            let mut delta = counter.take_delta();
            if !self.admit(&delta, report).await? {
                return Ok(());
            }
            reported.report(self, &delta, report);
            let mut outcomes = backfill.outcomes.clone();
            add(&mut outcomes, &delta.tally, since.seen.outside);
            let next =
                if complete && source.file.is_none() { source.end } else { reader.position().unwrap_or(base) };
            let newest = since.seen.newest;
            let moved = SourceMove { partition: source.partition.clone(), base, next, newest, complete };
            let staged = StagedCounts { source: &moved, windows: &mut delta.windows, outcomes: &outcomes };
            self.store.stage(writer, staged).await?;
            backfill.outcomes = outcomes;
            if let Some(source) = backfill.sources.get_mut(index) {
                source.next = next;
                source.newest = source.newest.max(newest);
                source.complete = complete;
            }
            report(BackfillNews::Progress(backfill));
            if step.is_none() || complete {
                return Ok(());
            }
            base = next;
            counter.machine.repin(self.pins(bins).await?);
            since = Since::now();
        }
    }

    /// What to count on: all windows that do not exist on the same bins, whatever baseline is active by now.
    async fn pins(&self, bins: &Arc<BinningSet>) -> Result<Arc<BinningPins>, BackfillError> {
        let monitor = &self.running.monitor;
        let length = &monitor.counting.length;
        let mut pins = self
            .store
            .pins(&monitor.name, &monitor.schema, &self.running.counted_as, (length, TimeSpan::ZERO))
            .await?;
        pins.active = Arc::clone(bins);
        Ok(Arc::new(pins))
    }

    /// Has new series admitted; `false` when the records have to be counted again under other series.
    async fn admit(
        &self,
        delta: &MonitorDelta,
        report: &mut dyn FnMut(BackfillNews<'_>),
    ) -> Result<bool, BackfillError> {
        if delta.candidates.is_empty() && !delta.turned_away {
            return Ok(true);
        }
        let limit = series_limit(&self.running.monitor);
        let admitted = self.store.admit_series(self.name(), &delta.candidates, delta.turned_away, limit);
        let Some(refused) = admitted.await? else { return Ok(false) };
        if !refused.is_empty() {
            report(BackfillNews::Note(format!(
                "more versions and segments than limits.max_series ({}): {} are counted together as (other)",
                limit.most,
                refused.len()
            )));
        }
        Ok(refused.is_empty())
    }
}

/// What happened since the last checkpoint.
struct Since {
    began: Instant,
    /// When something came.
    came: Instant,
    records: u64,
    seen: Seen,
}

/// What was seen in rows.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// Records outside the range of event time.
    outside: u64,
    /// The newest event time, also of those outside the range.
    newest: Option<EventTime>,
}

impl Since {
    fn now() -> Self {
        let now = Instant::now();
        Self { began: now, came: now, records: 0, seen: Seen::default() }
    }

    fn counted(&mut self, records: u64, seen: Seen) {
        self.came = Instant::now();
        self.records += records;
        self.seen.outside += seen.outside;
        self.seen.newest = self.seen.newest.max(seen.newest);
    }

    /// Whether a checkpoint is due; `crowded` says that memory is used up. Nothing is stored while nothing comes.
    fn is_due(&self, crowded: bool) -> bool {
        self.records > 0 && (crowded || self.records >= RECORDS || self.began.elapsed() >= INTERVAL)
    }
}

/// A range of event time.
type Range = (Option<EventTime>, Option<EventTime>);

/// Counts the rows that lie in a range.
fn count_inside(
    counter: &mut MonitorCounter,
    rows: &DecodedBatch,
    partition: &Partition,
    (from, to): Range,
) -> Seen {
    let inside = |time: &EventTime| from.is_none_or(|from| from <= *time) && to.is_none_or(|to| *time < to);
    let mut first = 0;
    let mut seen = Seen { outside: 0, newest: rows.times.iter().max().copied() };
    for run in rows.times.chunk_by(|left, right| inside(left) == inside(right)) {
        if run.first().is_some_and(inside) {
            if run.len() == rows.times.len() {
                counter.machine.count(rows, partition);
            } else {
                counter.machine.count(&rows.slice(first, run.len()), partition);
            }
        } else {
            seen.outside += run.len() as u64;
        }
        first += run.len();
    }
    seen
}

/// Counts what was read of a file.
fn count_rows(counter: &mut MonitorCounter, read: &ReadBatch, partition: &Partition, range: Range) -> Seen {
    let place = read.batch.offsets.first().copied().unwrap_or_default();
    for (reason, count, example) in read.rejected.iter() {
        for _ in 0..count {
            counter.machine.reject(reason, partition);
        }
        counter.machine.notes().example(reason.as_str(), partition, place, || example.to_owned());
    }
    for _ in 0..read.filtered.total() {
        counter.machine.filter();
    }
    count_inside(counter, &read.batch, partition, range)
}

/// Adds records by outcome.
fn add(outcomes: &mut Outcomes, tally: &Tally, outside: u64) {
    let mut add = |outcome: String, count: u64| {
        if count > 0 {
            let known = outcomes.entry(outcome).or_default();
            *known = known.saturating_add(count);
        }
    };
    for (outcome, reason, count) in tally.outcomes() {
        add(if reason.is_empty() { outcome.to_owned() } else { format!("{outcome}:{reason}") }, count);
    }
    add("outside".to_owned(), outside);
}

/// What was said already: each reason and each column once.
#[derive(Default)]
struct Reported(BTreeSet<String>);

impl Reported {
    fn report(&mut self, run: &Run<'_>, delta: &MonitorDelta, report: &mut dyn FnMut(BackfillNews<'_>)) {
        for (reason, examples) in &delta.notes.examples {
            let Some(Example { partition, offset, why }) = examples.first() else { continue };
            if self.0.insert(format!("reason {reason}")) {
                let place = if run.options.is_some() {
                    format!("{partition} at {offset}")
                } else {
                    partition.topic.to_string()
                };
                report(BackfillNews::Note(format!(
                    "records are not counted ({reason}), such as in {place}: {why}"
                )));
            }
        }
        let columns = run.running.monitor.schema.columns().iter();
        let columns = columns.map(|column| (column.name.as_str(), column.path.to_string()));
        for reading in readings(&delta.windows, columns, &delta.notes.columns) {
            if reading.is_unreadable() && self.0.insert(format!("column {}", reading.column)) {
                report(BackfillNews::Note(format!(
                    "column `{}` (path `{}`) has no or almost no valid value in {}",
                    reading.column,
                    reading.path,
                    number_of(reading.rows, "record")
                )));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RejectReason;

    #[test]
    fn every_record_is_in_one_outcome() {
        let mut outcomes = Outcomes::default();
        let tally = Tally { accepted: 3, late: 0, filtered: 2, rejected: [(RejectReason::Syntax, 1)].into() };
        add(&mut outcomes, &tally, 4);
        add(&mut outcomes, &Tally { accepted: 1, ..Tally::default() }, 0);
        let expected = [("accepted", 4), ("filtered", 2), ("outside", 4), ("rejected:syntax", 1)];
        assert_eq!(outcomes, expected.map(|(outcome, count)| (outcome.to_owned(), count)).into());
    }
}
