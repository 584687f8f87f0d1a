//! Two distributions of one column on one binning, ready to be compared.

use super::Score;
use crate::binning::{Binning, NumericBinning};
use crate::distribution::Distribution;

/// Groups of equal baseline mass that a numeric column is compared on by PSI, Jensen-Shannon and chi-square.
const GROUPS: u64 = 10;

/// Distributions that are of different columns or on different bins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column `{column}` of window and baseline is counted on different binnings")]
pub struct NotAligned {
    column: String,
}

/// A baseline and a window of one column, on the same bins.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    baseline: &'a Distribution,
    window: &'a Distribution,
}

impl<'a> Pair<'a> {
    /// Pairs them up.
    ///
    /// # Errors
    /// When they are of different columns or on different bins.
    pub fn new(baseline: &'a Distribution, window: &'a Distribution) -> Result<Self, NotAligned> {
        if baseline.is_aligned_with(window) {
            Ok(Self { baseline, window })
        } else {
            Err(NotAligned { column: window.name().to_owned() })
        }
    }

    /// What the window is compared with.
    #[must_use]
    pub fn baseline(&self) -> &'a Distribution {
        self.baseline
    }

    /// What is compared.
    #[must_use]
    pub fn window(&self) -> &'a Distribution {
        self.window
    }

    /// The binning, if it is one with cuts.
    #[must_use]
    pub fn numeric_binning(&self) -> Option<&'a NumericBinning> {
        match self.baseline.binning() {
            Binning::Numeric(binning) => Some(binning),
            _ => None,
        }
    }

    pub(super) fn score_of_rows(&self, statistic: f64) -> Score {
        sized(statistic, self.baseline.rows(), self.window.rows())
    }

    pub(super) fn score_of_values(&self, statistic: f64) -> Score {
        sized(statistic, self.baseline.present(), self.window.present())
    }

    /// Counts on few bins: categories as they are; numeric columns on about ten groups of equal baseline
    /// mass, large atoms and the two open ends apart. Absent values are a bin of their own when there are
    /// any, so a jump of the null share moves the score.
    #[must_use]
    pub fn grouped(&self) -> (Vec<u64>, Vec<u64>) {
        let (mut baseline, mut window) = match self.numeric_binning() {
            Some(_) => self.numeric_groups(),
            None => (self.baseline.counts().to_vec(), self.window.counts().to_vec()),
        };
        let absent = |column: &Distribution| column.rows() - column.present();
        if absent(self.baseline) + absent(self.window) > 0 {
            baseline.push(absent(self.baseline));
            window.push(absent(self.window));
        }
        (baseline, window)
    }

    fn numeric_groups(&self) -> (Vec<u64>, Vec<u64>) {
        let counts = self.baseline.counts();
        let others = self.window.counts();
        let total = self.baseline.present();
        let mut groups: (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
        let last = counts.len().saturating_sub(1);
        let mut before: u64 = 0;
        let mut current: Option<u64> = None;
        for (bin, (count, other)) in counts.iter().zip(others).enumerate() {
            let open = bin == 0 || bin == last;
            let large = count.saturating_mul(GROUPS) > total;
            // The decile in which the bin's mass begins, as the builder cuts them.
            let decile = (before * GROUPS).checked_div(total).unwrap_or(0);
            let alone = open || large;
            match (groups.0.last_mut(), groups.1.last_mut()) {
                (Some(baseline), Some(window)) if !alone && current == Some(decile) => {
                    *baseline += count;
                    *window += other;
                }
                _ => {
                    groups.0.push(*count);
                    groups.1.push(*other);
                }
            }
            current = if alone { None } else { Some(decile) };
            before += count;
        }
        groups
    }
}

fn sized(statistic: f64, n_baseline: u64, n_window: u64) -> Score {
    Score { statistic, p_value: None, effect: statistic, n_baseline, n_window, bound: None }
}
