//! What a backfill reads: from where to where, and whether it is the one that was begun before.

use super::{BackfillError, BackfillNews, InputFile, Run};
use crate::kafka::{RangeReader, SourceOptions};
use crate::record::{EventTime, Offset, TimeSpan, number_of};
use crate::store::{Backfill, BackfillSource, BackfillWriter, LiveBegin, NewBackfill};
use crate::window::{Lengths, Partition};

/// A range of event time, as it was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    from: Option<EventTime>,
    to: Option<EventTime>,
}

impl Plan {
    pub(super) fn range(from: Option<EventTime>, to: Option<EventTime>) -> Self {
        Self { from, to }
    }

    /// The smallest range of whole windows that holds this one.
    fn of_whole_windows(self, lengths: &Lengths) -> Self {
        let up = |to: EventTime| {
            let start = lengths.start_of(to);
            if start == to { to } else { lengths.end_of(start) }
        };
        Self { from: self.from.map(|from| lengths.start_of(from)), to: self.to.map(up) }
    }
}

impl Run<'_> {
    /// The backfill that this request begins or continues, with this process as its writer; none when there is nothing to read.
    pub(super) async fn begin(
        &self,
        asked: Plan,
        report: &mut dyn FnMut(BackfillNews<'_>),
    ) -> Result<Option<(Backfill, BackfillWriter)>, BackfillError> {
        let monitor = &self.running.monitor;
        let counted_as = &self.running.counted_as;
        let pins = self
            .store
            .pins(&monitor.name, &monitor.schema, counted_as, (&monitor.counting.length, TimeSpan::ZERO))
            .await?;
        let range = asked.of_whole_windows(&pins.lengths);
        if range.from.zip(range.to).is_some_and(|(from, to)| from >= to) {
            return Err(BackfillError::Refused("--to must be later than --from".to_owned()));
        }
        let of = |name: &str, asked: Option<EventTime>, rounded: Option<EventTime>| {
            let (asked, rounded) = asked.zip(rounded).filter(|(asked, rounded)| asked != rounded)?;
            Some(format!("{name} {asked} is inside a window; whole windows are read: {name} {rounded}"))
        };
        for note in [of("--from", asked.from, range.from), of("--to", asked.to, range.to)].into_iter().flatten() {
            report(BackfillNews::Note(note));
        }
        if let Some(unfinished) = self.store.unfinished_backfill(&monitor.name).await? {
            self.check_is_same(&unfinished, range)?;
            let writer = self.writer(unfinished.id);
            report(BackfillNews::Note(format!(
                "continuing backfill {}, last active at {} ({})",
                unfinished.id, unfinished.active_at, unfinished.owner
            )));
            return Ok(Some((self.store.continue_backfill(writer, &self.owner).await?, writer)));
        }
        let sources = match &self.options {
            Some(options) => self.partitions(options, range, report).await?,
            None => files(&self.files),
        };
        if sources.iter().all(|source| source.complete) {
            return Ok(None);
        }
        let begun = self.store.begin_backfill(NewBackfill {
            monitor: &monitor.name,
            counted_as,
            binning: pins.active.id(),
            from_files: self.options.is_none(),
            from: range.from,
            to: range.to,
            sources: &sources,
            runner: self.runner,
            owner: &self.owner,
        });
        let begun = begun.await?;
        let writer = self.writer(begun.id);
        Ok(Some((begun, writer)))
    }

    /// Refuses to continue a backfill that another request began.
    fn check_is_same(&self, unfinished: &Backfill, range: Plan) -> Result<(), BackfillError> {
        let refuse = |why: &str| {
            Err(BackfillError::Refused(format!(
                "backfill {} of monitor `{}` is not done, and this command {why}\nhint: run the command that began it again, or delete \
                 what it has counted with `driftd backfill --monitor {} --discard`",
                unfinished.id,
                self.name(),
                self.name()
            )))
        };
        if (unfinished.from, unfinished.to) != (range.from, range.to) {
            return refuse("asks for another range of event time");
        }
        if unfinished.from_files != self.options.is_none() {
            return refuse(if unfinished.from_files { "does not name its files" } else { "names files" });
        }
        if unfinished.counted_as != self.running.counted_as {
            return refuse("would count differently: columns, filters or segments of the monitor have changed");
        }
        if unfinished.from_files {
            let stored = files(&self.files);
            let known = |source: &BackfillSource| {
                stored.iter().any(|file| (&file.partition, &file.file) == (&source.partition, &source.file))
            };
            if stored.len() != unfinished.sources.len() || !unfinished.sources.iter().all(known) {
                return refuse("names other files, or their content has changed");
            }
        }
        Ok(())
    }

    /// What to read of each partition: up to where live counting of the monitor began.
    async fn partitions(
        &self,
        options: &SourceOptions,
        range: Plan,
        report: &mut dyn FnMut(BackfillNews<'_>),
    ) -> Result<Vec<BackfillSource>, BackfillError> {
        let reader = RangeReader::new(options, super::reading::PATIENCE)?;
        let partitions = reader.partitions(|topic| self.running.topics.matches(topic))?;
        if partitions.is_empty() {
            return Err(crate::kafka::KafkaError::NoTopic.into());
        }
        let begins = self.store.live_begins(self.name()).await?;
        let mut sources = Vec::new();
        for partition in partitions {
            let (low, high) = reader.ends(&partition)?;
            if low >= high {
                continue;
            }
            let end = self.live_begin(&partition, begins.get(&partition))?;
            if end > high {
                return Err(BackfillError::Refused(format!(
                    "the log of {partition} ends at offset {high}, before offset {end}, where live counting began: the topic was deleted and \
                     created again, or a transaction is open\nhint: `driftd positions show {}` shows offsets",
                    partition.topic
                )));
            }
            let first = match range.from {
                // Event times may be ahead of the time of the message by so much.
                Some(from) => {
                    let from = from.shifted(-self.running.monitor.layout.max_future_skew);
                    reader.first_at(&partition, from)?.unwrap_or(end)
                }
                None => low,
            };
            let first = first.min(end).max(low.min(end));
            sources.push(BackfillSource {
                complete: first >= end,
                partition,
                first,
                next: first,
                end,
                newest: None,
                file: None,
            });
        }
        let offsets: u64 = sources.iter().map(|source| source.end.distance_from(source.first)).sum();
        report(BackfillNews::Note(format!(
            "{} in {} to read, up to where live counting began",
            number_of(offsets, "offset"),
            number_of(sources.len(), "partition")
        )));
        Ok(sources)
    }

    /// The offset from which a partition is counted live.
    fn live_begin(&self, partition: &Partition, begin: Option<&LiveBegin>) -> Result<Offset, BackfillError> {
        let monitor = self.name();
        match begin {
            Some(LiveBegin::At(offset)) => Ok(*offset),
            Some(LiveBegin::Unknown) => Err(BackfillError::Refused(format!(
                "it is not known from which offset of {partition} monitor `{monitor}` is counted live: it began under an earlier version of \
                 driftd, and no window with records of this partition is left\nhint: read files instead: `driftd backfill --monitor {monitor} \
                 FILE`"
            ))),
            None => Err(BackfillError::Refused(format!(
                "monitor `{monitor}` is not counted live in {partition} yet, so it is not known up to where to read\nhint: start the daemon \
                 with this monitor; it stores where it begins with its first checkpoint, within seconds"
            ))),
        }
    }
}

/// Files as sources.
fn files(files: &[InputFile]) -> Vec<BackfillSource> {
    let source = |(number, file): (i32, &InputFile)| BackfillSource {
        partition: file.partition(number),
        first: Offset::default(),
        next: Offset::default(),
        end: Offset::new(i64::try_from(file.records.unwrap_or(0)).unwrap_or(i64::MAX)),
        newest: None,
        complete: false,
        file: Some(file.identity.clone()),
    };
    (0..).zip(files).map(source).collect()
}
