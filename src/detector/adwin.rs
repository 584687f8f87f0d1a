//! ADWIN: a window of values that shrinks when two parts of it have different means (Bifet, Gavalda: Learning from
//! time-changing data with adaptive windowing, 2007). The window is kept as an exponential histogram: rows of buckets, where
//! a bucket of row i holds the sum and the variance of 2^i values (Babcock et al. 2003).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Found, Step};

/// Rows at most: more values than any log has.
const ROWS: usize = 60;

/// Parameters of ADWIN. The defaults are river's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdwinParameters {
    /// Confidence: smaller values detect fewer and larger changes. Above 0 and below 1; 0.002.
    pub delta: f64,
    /// Values between two checks; at least 1; 32.
    pub clock: u32,
    /// Buckets of a row at most; at least 2; 5.
    pub max_buckets: u32,
    /// Values of each of the two parts at least; at least 1; 5.
    pub min_window_length: u32,
    /// No check before the window has more values; 10.
    pub grace_period: u32,
}

impl Default for AdwinParameters {
    fn default() -> Self {
        Self { delta: 0.002, clock: 32, max_buckets: 5, min_window_length: 5, grace_period: 10 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Adwin {
    pub(super) parameters: AdwinParameters,
    /// Row i has buckets of 2^i values, oldest first; the last row has the oldest values.
    rows: Vec<VecDeque<Bucket>>,
    pub(super) width: f64,
    pub(super) total: f64,
    /// The sum of squared distances from the mean.
    pub(super) variance: f64,
    ticks: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Bucket {
    total: f64,
    variance: f64,
}

/// A place where the window is cut in two.
struct Cut {
    before: f64,
    after: f64,
    limit: f64,
}

impl Adwin {
    pub(super) fn new(parameters: AdwinParameters) -> Self {
        Self { parameters, rows: vec![VecDeque::new()], width: 0.0, total: 0.0, variance: 0.0, ticks: 0 }
    }

    pub(super) fn update(&mut self, value: f64) -> Step {
        self.insert(value);
        self.ticks = self.ticks.saturating_add(1);
        let is_due = self.ticks.is_multiple_of(u64::from(self.parameters.clock.max(1)));
        if !is_due || self.width <= f64::from(self.parameters.grace_period) {
            return Step::None;
        }
        let Some(Cut { before, after, limit }) = self.find_cut() else { return Step::None };
        self.drop_oldest();
        while self.find_cut().is_some() && self.drop_oldest() {}
        Step::Drift(Found { before, after, statistic: (before - after).abs(), limit })
    }

    fn insert(&mut self, value: f64) {
        if let Some(row) = self.rows.first_mut() {
            row.push_back(Bucket { total: value, variance: 0.0 });
        }
        self.width += 1.0;
        if self.width > 1.0 {
            let n = self.width - 1.0;
            let mean = self.total / n;
            self.variance += n * (value - mean) * (value - mean) / self.width;
        }
        self.total += value;
        self.compress();
    }

    /// Merges the two oldest buckets of each row that has too many into one of the next row.
    fn compress(&mut self) {
        let mut size = 1.0;
        let mut index = 0;
        while let Some(row) = self.rows.get_mut(index) {
            if row.len() <= self.parameters.max_buckets as usize {
                return;
            }
            let (Some(left), Some(right)) = (row.pop_front(), row.pop_front()) else { return };
            let (left_mean, right_mean) = (left.total / size, right.total / size);
            let between = size * size * (left_mean - right_mean) * (left_mean - right_mean) / (size + size);
            let merged =
                Bucket { total: left.total + right.total, variance: left.variance + right.variance + between };
            index += 1;
            size *= 2.0;
            match self.rows.get_mut(index) {
                Some(next) => next.push_back(merged),
                None if index < ROWS => self.rows.push(VecDeque::from([merged])),
                None => return,
            }
        }
    }

    /// The oldest place between two buckets where the means of both parts differ by more than chance explains.
    fn find_cut(&self) -> Option<Cut> {
        let least = f64::from(self.parameters.min_window_length);
        let (mut old, mut old_total) = (0.0, 0.0);
        let (mut new, mut new_total) = (self.width, self.total);
        let mut size = 2f64.powi(i32::try_from(self.rows.len()).unwrap_or(0) - 1);
        for (index, row) in self.rows.iter().enumerate().rev() {
            for (place, bucket) in row.iter().enumerate() {
                old += size;
                new -= size;
                old_total += bucket.total;
                new_total -= bucket.total;
                if index == 0 && place + 1 == row.len() {
                    return None;
                }
                let (before, after) = (old_total / old, new_total / new);
                if new >= least && old >= least {
                    let limit = self.limit(old, new);
                    if (before - after).abs() > limit {
                        return Some(Cut { before, after, limit });
                    }
                }
            }
            size /= 2.0;
        }
        None
    }

    /// How far the means of two parts are apart by chance.
    fn limit(&self, old: f64, new: f64) -> f64 {
        let least = f64::from(self.parameters.min_window_length);
        let confidence = (2.0 * self.width.ln() / self.parameters.delta).ln();
        let sizes = 1.0 / (old - least + 1.0) + 1.0 / (new - least + 1.0);
        (2.0 * sizes * (self.variance / self.width) * confidence).sqrt() + 2.0 / 3.0 * confidence * sizes
    }

    /// Drops the oldest bucket; false when there is none.
    fn drop_oldest(&mut self) -> bool {
        let size = 2f64.powi(i32::try_from(self.rows.len()).unwrap_or(0) - 1);
        let Some(row) = self.rows.last_mut() else { return false };
        let Some(Bucket { total, variance }) = row.pop_front() else { return false };
        if row.is_empty() && self.rows.len() > 1 {
            self.rows.pop();
        }
        self.width -= size;
        self.total -= total;
        let apart = total / size - self.total / self.width;
        self.variance -= variance + size * self.width * apart * apart / (size + self.width);
        true
    }

    pub(super) fn is_sound(&self) -> bool {
        let fits = |row: &VecDeque<Bucket>| row.len() <= self.parameters.max_buckets as usize;
        let mut size = 1.0;
        let mut width = 0.0;
        for row in &self.rows {
            width += row.iter().map(|_| size).sum::<f64>();
            size *= 2.0;
        }
        let is_filled = self.rows.iter().skip(1).all(|row| !row.is_empty());
        (1..=ROWS).contains(&self.rows.len()) && self.rows.iter().all(fits) && is_filled && width == self.width
    }

    pub(super) fn bytes(&self) -> usize {
        self.rows.iter().map(|row| row.capacity() * size_of::<Bucket>()).sum()
    }
}
