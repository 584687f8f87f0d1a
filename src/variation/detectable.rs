//! The smallest change that would be found: what a reference and a window size can show.

use super::change::share_size;
use super::judge::{Judge, Judged};
use super::law::{normal_quantile_two_sided, normal_tail};
use super::tail::lighter;
use super::{Statistic, mix, stuck, theta};

/// A statistic beyond its limit by so many standard deviations is beyond it with a chance of 80 %.
const POWER: f64 = 0.84;

/// The smallest change of a statistic that is found with 80 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detectable {
    pub statistic: Statistic,
    /// Of shares the difference, upwards; otherwise as [`Change::after`](super::Change::after). 1 for a share that no window of this
    /// size shows.
    pub change: f64,
    /// On the common scale of sizes.
    pub size: f64,
}

impl Judge {
    /// The smallest changes of a column that are found with 80 % in a window of so many records, as many of them with a value as in
    /// the reference, when the column's level is `level` (0 to 1). `None` for a column that the reference has not.
    ///
    /// Of [`Statistic::Stuck`] it is that of a bin of the usual size, given as bin 0.
    #[must_use]
    pub fn detectable(&self, column: &str, rows: u64, level: f64) -> Option<Vec<Detectable>> {
        let column = self.column(column)?;
        let rows = super::number(rows.max(1));
        let records = |statistic| column.records(statistic, rows);
        let mut found: Vec<Detectable> = column
            .statistics
            .iter()
            .filter(|judged| judged.theta.total() > 0.0 && records(judged.statistic) > 0.0)
            .map(|judged| judged.detectable(records(judged.statistic), level * judged.weight))
            .collect();
        let values = records(Statistic::Mix);
        if values <= 0.0 {
            return Some(found);
        }
        if let Some(stuck) = &column.stuck {
            let (share, change) = stuck.detectable(values, level * stuck::WEIGHT);
            let size = share_size(share, (share + change).min(1.0));
            found.push(Detectable { statistic: Statistic::Stuck(0), change, size });
        }
        if let Some(size) = column.mix.as_ref().and_then(|mix| mix.detectable(values, level * mix::WEIGHT)) {
            found.push(Detectable { statistic: Statistic::Mix, change: size, size });
        }
        Some(found)
    }
}

impl Judged {
    fn detectable(&self, records: f64, p_value: f64) -> Detectable {
        let ratio = self.theta.ratio(records);
        let needed = self.needed(records, p_value) / ratio.sqrt();
        let change = self.deviation(records) * (needed + POWER);
        let (change, size) = match self.share() {
            None => (change, change),
            Some(share) => {
                let change = change.min(1.0);
                // A share that cannot rise by as much falls by as much.
                let other = if share + change <= 1.0 { share + change } else { (share - change).max(0.0) };
                (change, share_size(share, other))
            }
        };
        Detectable { statistic: self.statistic, change, size }
    }

    /// How many standard deviations of sampling have this chance when natural variation adds to them.
    fn needed(&self, records: f64, p_value: f64) -> f64 {
        let p_value = self.tail.map_or(p_value, |degrees| lighter(p_value, degrees)).clamp(1e-300, 1.0);
        let ratios = self.theta.ratios(records);
        let largest = ratios.iter().fold(1.0f64, |largest, ratio| largest.max(*ratio));
        let (mut low, mut high) = (0.0, normal_quantile_two_sided(p_value) * largest.sqrt());
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if theta::average(&ratios, |ratio| 2.0 * normal_tail(middle / ratio.sqrt())) > p_value {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }
}
