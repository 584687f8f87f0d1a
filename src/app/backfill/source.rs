//! What records come from: the log of a partition, or a file.

use std::fmt;
use std::time::Duration;

use super::{BackfillError, BackfillNews, Run};
use crate::kafka::{LogRange, MessageBatch, RangeReader, RangeStep};
use crate::record::Offset;
use crate::record::table::{ReadBatch, ReadError, ReadItem};
use crate::store::{BackfillSource, FileIdentity};
use crate::window::Partition;

/// Rows of a file.
type Rows = Box<dyn Iterator<Item = ReadItem>>;

/// A file to read.
pub struct InputFile {
    /// Its name, without folders.
    pub name: String,
    pub identity: FileIdentity,
    /// About how many records it has, if that can be said.
    pub records: Option<u64>,
    /// Opens it.
    pub open: Box<dyn Fn() -> Result<Rows, ReadError>>,
}

impl fmt::Debug for InputFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("InputFile").field("name", &self.name).finish_non_exhaustive()
    }
}

impl InputFile {
    /// What it is called among the partitions: topics of Kafka have no colon.
    pub(super) fn partition(&self, number: i32) -> Partition {
        Partition { topic: format!("file:{}", self.name).into(), partition: number }
    }
}

/// What comes next of a source.
pub(super) enum Step {
    Messages(MessageBatch),
    Rows(Box<ReadBatch>),
    /// Nothing for now.
    Nothing,
    End,
}

/// A source that is being read.
pub(super) enum Reader {
    Log(Box<RangeReader>, Partition),
    File {
        name: String,
        rows: Rows,
        /// Records that were handed out, or passed over.
        read: u64,
        /// Records that were counted before.
        skip: u64,
    },
}

impl Run<'_> {
    /// Begins to read a source at its stored position.
    pub(super) fn open(
        &self,
        source: &BackfillSource,
        report: &mut dyn FnMut(BackfillNews<'_>),
    ) -> Result<Reader, BackfillError> {
        let partition = &source.partition;
        let Some(options) = &self.options else {
            let file = (0..).zip(&self.files).find(|(number, file)| file.partition(*number) == *partition);
            let (_, file) = file.ok_or_else(|| {
                BackfillError::Refused(format!("{} is not among the files that were named", partition.topic))
            })?;
            let rows = (file.open)().map_err(|source| BackfillError::File { file: file.name.clone(), source })?;
            let skip = source.next.distance_from(Offset::default());
            return Ok(Reader::File { name: file.name.clone(), rows, read: 0, skip });
        };
        let mut reader = RangeReader::new(options, super::reading::PATIENCE)?;
        let (low, high) = reader.ends(partition)?;
        if source.end > high {
            return Err(BackfillError::Refused(format!(
                "the log of {partition} ends at offset {high}, before offset {}, up to which it is to be read: the topic was deleted and \
                 created again\nhint: delete what was counted of the old topic with --discard",
                source.end
            )));
        }
        let from = source.next.max(low.min(source.end));
        if from > source.next {
            report(BackfillNews::Note(format!(
                "offsets {} to {} of {partition} are no longer in the log (retention): they are not read",
                source.next,
                from.number() - 1
            )));
        }
        reader.start(LogRange { partition: partition.clone(), from, to: source.end })?;
        Ok(Reader::Log(Box::new(reader), partition.clone()))
    }
}

impl Reader {
    /// The position behind what was handed out.
    pub(super) fn position(&self) -> Option<Offset> {
        match self {
            Self::Log(reader, _) => reader.position(),
            Self::File { read, .. } => Some(Offset::new(i64::try_from(*read).unwrap_or(i64::MAX))),
        }
    }

    pub(super) fn next(&mut self, wait: Duration) -> Result<Step, BackfillError> {
        match self {
            Self::Log(reader, partition) => Ok(match reader.next(wait)? {
                RangeStep::Messages(batch) => Step::Messages(batch),
                RangeStep::Nothing => Step::Nothing,
                RangeStep::End => Step::End,
                RangeStep::Gone => {
                    return Err(BackfillError::Refused(format!(
                        "retention has deleted messages of {partition} that were to be read next\nhint: run the same command again: it goes \
                         on where the log begins now, and says which offsets are missing"
                    )));
                }
            }),
            Self::File { name, rows, read, skip } => loop {
                let Some(item) = rows.next() else { return Ok(Step::End) };
                let batch = item.map_err(|source| BackfillError::File { file: name.clone(), source })?;
                let records = batch.batch.times.len() as u64 + batch.rejected.total() + batch.filtered.total();
                *read = read.saturating_add(records);
                if *read <= *skip {
                    continue;
                }
                if *read - records < *skip {
                    return Err(BackfillError::Refused(format!(
                        "{name}: record {skip}, where the backfill stopped, is inside a batch: another version of driftd began it\nhint: \
                         start over: delete what it has counted with --discard"
                    )));
                }
                return Ok(Step::Rows(Box::new(batch)));
            },
        }
    }
}
