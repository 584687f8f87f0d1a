//! What a reference and the size of a window can show: the largest change that chance may give, and the smallest that is found.

use super::change::{Change, share_size};
use super::dispersion::Centre;
use super::judge::{Judge, Judged, JudgedColumn, whole};
use super::law::{crossing, normal_quantile_two_sided};
use super::scores::Observed;
use super::{Statistic, mix, stuck};

/// A statistic beyond its limit by so many standard deviations is beyond it with a chance of 80 %.
pub(super) const POWER: f64 = 0.84;

/// The changes of a statistic that mark what can be seen at a level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detectable {
    pub statistic: Statistic,
    /// The size, on the common scale, of a change whose p-value equals the level: what chance may give at most. Of a share
    /// that no window of this size shows that of the largest change there is.
    pub floor: f64,
    /// The smallest change that is found with 80 %: of shares the difference, otherwise as [`Change::after`]; never negative. 1 for a
    /// share that no window of this size shows.
    pub change: f64,
    /// Its size on the common scale.
    pub size: f64,
}

/// What a statistic of a column has to show a change with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Means {
    pub statistic: Statistic,
    /// Its share of the column's level, see [`Change::weight`].
    pub weight: f64,
    /// The share in the reference; `None` for what is no share.
    pub before: Option<f64>,
    /// The records of a window that it is about.
    pub records: u64,
    /// How many independent records these are worth; `None` for what has no natural variation of its own.
    pub effective_size: Option<f64>,
}

/// Which way a statistic changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
    /// Up, or down when a share cannot rise by as much.
    Either,
}

impl Judge {
    /// What a column can show, statistic by statistic, in a window of so many records, as many of them with a value as in the
    /// reference, when the column's level is `level` (0 to 1). `None` for a column that the reference has not.
    ///
    /// Of rises, and of falls where a share cannot rise by as much; of [`Statistic::Stuck`] it is that of a bin of the usual size,
    /// given as bin 0.
    #[must_use]
    pub fn detectable(&self, column: &str, rows: u64, level: f64) -> Option<Vec<Detectable>> {
        let column = self.column(column)?;
        let rows = super::number(rows.max(1));
        let sums = column.statistics.iter().map(|judged| (judged.statistic, judged.weight));
        let others = [(Statistic::Stuck(0), stuck::WEIGHT), (Statistic::Mix, mix::WEIGHT)];
        let detectable = |(statistic, weight)| {
            column.detectable(statistic, column.records(statistic, rows), level * weight, Direction::Either)
        };
        Some(sums.chain(others).filter_map(detectable).collect())
    }

    /// What the statistics of a column have in a window of so many records, as many of them with a value as in the reference. `None`
    /// for a column that the reference has not.
    #[must_use]
    pub fn means(&self, column: &str, rows: u64) -> Option<Vec<Means>> {
        let column = self.column(column)?;
        let rows = super::number(rows.max(1));
        let judged = column.statistics.iter().filter(|judged| judged.theta.total() > 0.0);
        let sums = judged.map(|judged| {
            let records = column.records(judged.statistic, rows);
            Means {
                statistic: judged.statistic,
                weight: judged.weight,
                before: judged.share(),
                records: whole(records),
                effective_size: (records > 0.0).then(|| judged.theta.effective_size(records)),
            }
        });
        let others = column.others().into_iter().map(|(statistic, weight)| Means {
            statistic,
            weight,
            before: None,
            records: whole(column.records(statistic, rows)),
            effective_size: None,
        });
        Some(sums.chain(others).collect())
    }

    /// What one statistic of a column can show in a window of so many records at a level of its own (0 to 1), as
    /// [`Self::detectable`]. `None` for a column or a statistic that the reference has not.
    #[must_use]
    pub fn detectable_by(&self, column: &str, statistic: Statistic, rows: u64, level: f64) -> Option<Detectable> {
        let column = self.column(column)?;
        let records = column.records(statistic, super::number(rows.max(1)));
        column.detectable(statistic, records, level, Direction::Either)
    }

    /// What the statistic of a change can show in windows of the same size at a level of its own (0 to 1), in the same
    /// direction. `None` for a column that the reference has not.
    #[must_use]
    pub fn detectable_of(&self, column: &str, change: &Change, level: f64) -> Option<Detectable> {
        let direction = if change.after < change.before { Direction::Down } else { Direction::Up };
        self.column(column)?.detectable(change.statistic, super::number(change.n_window), level, direction)
    }
}

impl JudgedColumn {
    fn detectable(
        &self,
        statistic: Statistic,
        records: f64,
        level: f64,
        direction: Direction,
    ) -> Option<Detectable> {
        if records <= 0.0 {
            return None;
        }
        match statistic {
            Statistic::Stuck(bin) => {
                let (before, floor, found) = self.stuck.as_ref()?.detectable(bin, records, level);
                let (floor, size) = (share_size(before, floor), share_size(before, found));
                Some(Detectable { statistic, floor, change: found - before, size })
            }
            Statistic::Mix => {
                let (floor, size) = self.mix.as_ref()?.detectable(records, level)?;
                Some(Detectable { statistic, floor, change: size, size })
            }
            _ => {
                let judged = self.statistics.iter().find(|judged| judged.statistic == statistic)?;
                let direction = if statistic.is_one_sided() { Direction::Up } else { direction };
                (judged.theta.total() > 0.0).then(|| judged.detectable(records, level, direction))
            }
        }
    }
}

impl Judged {
    fn detectable(&self, records: f64, level: f64, direction: Direction) -> Detectable {
        let floor = self.floor(records, level, direction);
        let found = floor + POWER * self.theta.ratio(records).sqrt();
        let statistic = self.statistic;
        let Some(before) = self.share() else {
            let unit = self.theta.sampling(records).sqrt();
            return Detectable { statistic, floor: floor * unit, change: found * unit, size: found * unit };
        };
        if direction == Direction::Either && found > self.farthest(records, direction) {
            return self.detectable(records, level, Direction::Down);
        }
        let size = |deviations| share_size(before, self.share_at(deviations, records, direction));
        let within = found <= self.farthest(records, direction);
        let change = if within { (self.share_at(found, records, direction) - before).abs() } else { 1.0 };
        Detectable { statistic, floor: size(floor), change, size: size(found) }
    }

    /// The change whose p-value equals the level, in standard deviations of sampling.
    fn floor(&self, records: f64, level: f64, direction: Direction) -> f64 {
        let wanted = normal_quantile_two_sided(level);
        let guess = wanted * self.theta.ratio(records).sqrt();
        let farthest = self.farthest(records, direction);
        let floor = crossing(wanted, guess.min(farthest), |deviations| {
            normal_quantile_two_sided(self.chance_at(deviations.min(farthest), records, direction))
        });
        floor.max(super::judge::QUIET).min(farthest)
    }

    /// The p-value of a change by so many standard deviations of sampling.
    fn chance_at(&self, deviations: f64, records: f64, direction: Direction) -> f64 {
        let unit = self.theta.sampling(records).sqrt();
        match self.centre {
            Centre::Mean { skewness, .. } => {
                self.chance_of_mean(direction.of(deviations * unit), skewness, records)
            }
            Centre::Share { count } => {
                let sum = self.share_at(deviations, records, direction) * records;
                self.chance_of_share(Observed { sum, of: records }, count)
            }
        }
    }

    /// The share that lies so many standard deviations of sampling from the reference's, by their arcsine.
    fn share_at(&self, deviations: f64, records: f64, direction: Direction) -> f64 {
        let step = direction.of(deviations * self.theta.sampling(records).sqrt() / 2.0);
        let angle = super::shares::arcsine(self.share().unwrap_or(0.0)) + step;
        angle.clamp(0.0, std::f64::consts::FRAC_PI_2).sin().powi(2)
    }

    /// How far a share can change at all.
    fn farthest(&self, records: f64, direction: Direction) -> f64 {
        let Some(before) = self.share() else { return f64::MAX };
        let angle = super::shares::arcsine(before);
        let way = if direction == Direction::Down { angle } else { std::f64::consts::FRAC_PI_2 - angle };
        2.0 * way / self.theta.sampling(records).sqrt()
    }
}

impl Direction {
    fn of(self, size: f64) -> f64 {
        if self == Self::Down { -size } else { size }
    }
}
