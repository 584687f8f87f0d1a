//! Windows of a baseline that comes from a file: its rows have times, so they say how windows of that time differed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Baseline, BaselineError, rows_by_segment, tests_of};
use crate::distribution::WindowCounts;
use crate::record::table::{ReadError, ReadItem};
use crate::record::{DecodedBatch, EventTime};
use crate::variation::{Bins, LEAST_WINDOWS};
use crate::window::{WHOLE, WindowLength};

/// Windows that the variation of a baseline is learned from at most. More say hardly more, and each is counted column by column.
const MOST_WINDOWS: usize = 168;
/// Times that are looked at to place blocks; further rows belong to the block of their time.
const MOST_TIMES: usize = 4_000_000;
/// Fewer rows than this are no block.
const LEAST_ROWS: u64 = 100;

/// How the rows of a file are divided in order of time.
#[derive(Clone, Debug, PartialEq)]
pub enum Blocks {
    /// The windows of a monitor.
    OfLength(WindowLength),
    /// Blocks of about this many rows: those of the usual window.
    OfRows(u64),
}

/// Periods of time in their order: from, to (exclusive).
type Periods = Vec<(EventTime, EventTime)>;

impl Blocks {
    /// The periods of time of the blocks, of which each holds enough rows; at most [`MOST_WINDOWS`], spread evenly. Empty for fewer than
    /// [`LEAST_WINDOWS`].
    fn periods(&self, mut times: Vec<EventTime>, rows: u64) -> Periods {
        times.sort_unstable();
        let found = match self {
            Self::OfLength(length) => {
                let windows = times.chunk_by(|left, right| length.start_of(*left) == length.start_of(*right));
                let period = |window: &[EventTime]| {
                    let start = length.start_of(*window.first()?);
                    (window.len() as u64 >= LEAST_ROWS).then(|| (start, length.end_of(start)))
                };
                windows.filter_map(period).collect::<Periods>()
            }
            Self::OfRows(wanted) => {
                // Of a reference that is hardly longer than a window, blocks are smaller.
                let most = (rows / LEAST_ROWS).min(MOST_WINDOWS as u64);
                let number = (rows / (*wanted).max(1)).max(2 * LEAST_WINDOWS as u64).min(most);
                let size = times.len().div_ceil(usize::try_from(number).unwrap_or(1).max(1)).max(1);
                let starts: Vec<EventTime> =
                    times.chunks(size).filter_map(|block| block.first().copied()).collect();
                let ends = starts.iter().skip(1).copied().chain([EventTime::MAX]);
                // Rows of one time are in one block.
                starts.iter().copied().zip(ends).filter(|(from, to)| from < to).collect()
            }
        };
        if found.len() < LEAST_WINDOWS {
            return Vec::new();
        }
        let step = found.len().div_ceil(MOST_WINDOWS);
        found.into_iter().step_by(step).collect()
    }
}

impl Baseline {
    /// Learns how windows of the baseline differ from its rows, which are gone through twice; `open` reads their event times. Whether
    /// they made enough blocks: otherwise the baseline stays as it is.
    ///
    /// # Errors
    /// When the rows cannot be read; the baseline stays as it is.
    pub fn learn_blocks<I>(
        &mut self,
        blocks: &Blocks,
        segments: &[String],
        mut open: impl FnMut() -> Result<I, ReadError>,
    ) -> Result<bool, BaselineError>
    where
        I: Iterator<Item = ReadItem>,
    {
        let (mut times, mut rows) = (Vec::new(), 0u64);
        for item in open()? {
            let batch = item?.batch;
            rows += batch.times.len() as u64;
            times.extend(batch.times.iter().take(MOST_TIMES.saturating_sub(times.len())));
        }
        let periods = blocks.periods(times, rows);
        if periods.is_empty() {
            return Ok(false);
        }
        let mut counted: BTreeMap<(usize, String), WindowCounts> = BTreeMap::new();
        for item in open()? {
            self.count_blocks(&item?.batch, (&periods, segments), &mut counted);
        }
        let windows: Vec<(String, WindowCounts)> =
            counted.into_iter().map(|((_, segment), counts)| (segment, counts)).collect();
        self.tests = tests_of(&self.segments, &windows, Bins::Own);
        Ok(true)
    }

    fn count_blocks(
        &self,
        batch: &DecodedBatch,
        (periods, segments): (&Periods, &[String]),
        counted: &mut BTreeMap<(usize, String), WindowCounts>,
    ) {
        let block_of = |time: EventTime| {
            let block = periods.partition_point(|(from, _)| *from <= time).checked_sub(1)?;
            periods.get(block).is_some_and(|(_, to)| time < *to).then_some(block)
        };
        for (segment, rows) in rows_by_segment(batch, segments) {
            if segment != WHOLE && !self.segments.contains_key(&segment) {
                continue;
            }
            let mut by_block: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
            for row in rows {
                let time = usize::try_from(row).ok().and_then(|row| batch.times.get(row)).copied();
                if let Some(block) = time.and_then(block_of) {
                    by_block.entry(block).or_default().push(row);
                }
            }
            for (block, rows) in by_block {
                let counts = counted
                    .entry((block, segment.clone()))
                    .or_insert_with(|| WindowCounts::empty(Arc::clone(&self.binnings)));
                counts.count(batch, &rows);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::TimeSpan;

    fn every(seconds: i64, rows: i64) -> Vec<EventTime> {
        (0..rows).map(|row| EventTime::default().shifted(TimeSpan::seconds(row * seconds))).collect()
    }

    #[test]
    fn blocks_are_windows_with_enough_rows() {
        let hours = Blocks::OfLength(WindowLength::from_micros(3_600_000_000).unwrap());
        let periods = hours.periods(every(30, 120 * 10), 1_200);
        assert_eq!(periods.len(), 10);
        assert_eq!(periods[1].0.since(periods[0].0), TimeSpan::hours(1));
        assert!(hours.periods(every(30, 120 * 5), 600).is_empty(), "five windows say too little");
        assert!(hours.periods(every(300, 120 * 10), 1_200).is_empty(), "twelve rows are no window");
        assert_eq!(hours.periods(every(30, 120 * 1_000), 120_000).len(), 167, "spread evenly");
    }

    #[test]
    fn blocks_of_rows_have_the_size_of_a_window_where_there_are_enough() {
        assert_eq!(Blocks::OfRows(500).periods(every(1, 20_000), 20_000).len(), 40);
        assert_eq!(Blocks::OfRows(5_000).periods(every(1, 20_000), 20_000).len(), 12);
        assert!(Blocks::OfRows(500).periods(every(0, 20_000), 20_000).is_empty(), "all rows have one time");
        assert!(Blocks::OfRows(500).periods(Vec::new(), 0).is_empty());
    }
}
