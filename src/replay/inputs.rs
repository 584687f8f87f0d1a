//! Several files read as partitions of one topic: always on from the one that is furthest behind.

use crate::record::EventTime;
use crate::record::table::{ReadBatch, ReadError, ReadItem};
use crate::window::Partition;

/// A file being read.
struct Input<I> {
    partition: Partition,
    rows: I,
    newest: Option<EventTime>,
}

/// Files, read together.
pub struct Inputs<I> {
    inputs: Vec<Input<I>>,
}

/// What comes next.
pub enum NextInput {
    /// A batch of a file.
    Batch(Partition, Box<ReadBatch>),
    /// The end of a file.
    End(Partition),
    /// A file that cannot be read on.
    Failed(Partition, ReadError),
}

impl<I: Iterator<Item = ReadItem>> Inputs<I> {
    /// Files with the partitions they stand for.
    #[must_use]
    pub fn new(files: Vec<(Partition, I)>) -> Self {
        let inputs = files.into_iter().map(|(partition, rows)| Input { partition, rows, newest: None });
        Self { inputs: inputs.collect() }
    }
}

impl<I: Iterator<Item = ReadItem>> Iterator for Inputs<I> {
    type Item = NextInput;

    fn next(&mut self) -> Option<NextInput> {
        // A file that has not begun is behind all others.
        let (index, _) = self.inputs.iter().enumerate().min_by_key(|(_, input)| input.newest)?;
        let input = self.inputs.get_mut(index)?;
        match input.rows.next() {
            Some(Ok(batch)) => {
                input.newest = input.newest.max(batch.batch.times.iter().max().copied());
                Some(NextInput::Batch(input.partition.clone(), Box::new(batch)))
            }
            Some(Err(error)) => {
                let partition = self.inputs.swap_remove(index).partition;
                Some(NextInput::Failed(partition, error))
            }
            None => Some(NextInput::End(self.inputs.swap_remove(index).partition)),
        }
    }
}
