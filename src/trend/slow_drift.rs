//! Slow drift of one column: evidence from all windows together, for what no single window shows.

use serde::{Deserialize, Serialize};

use super::evidence::Bets;
use super::level::{Reading, ReferenceLevel};
use super::residual::Residuals;
use super::stored::Stored;

/// A statistic of a column that is followed, with its share of the column's budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Followed {
    /// Weights are relative to their sum; above 0.
    pub weight: f64,
    /// Its level in the reference.
    pub level: ReferenceLevel,
}

/// Where a statistic moves to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To larger values.
    Rise,
    /// To smaller values.
    Fall,
}

/// What all windows so far say together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// If nothing changes, a strength of `s` is reached once in `s` windows or more, on average. Compare it with the number of windows in
    /// which one false alarm of this column is acceptable.
    pub strength: f64,
    /// The statistic that contributes most, by its place among those followed.
    pub statistic: usize,
    /// Where this statistic moves to.
    pub direction: Direction,
    /// About how many windows ago its drift began, the last one included: 1 or more. [`onset`](super::onset()) is more
    /// precise where the windows are still known.
    pub age: f64,
    /// About the mean of this statistic over the later half of the windows since then.
    pub level: f64,
    /// About the mean of the reference and of the windows before.
    pub before: f64,
    /// How many usual windows know `before`.
    pub before_windows: f64,
}

impl Evidence {
    /// The probability that evidence of this strength is reached at any time within the first `windows` windows although nothing
    /// changes: at most this.
    #[must_use]
    pub fn chance(&self, windows: f64) -> f64 {
        (windows / self.strength).min(1.0)
    }
}

/// One statistic so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Path {
    pub(super) residuals: Residuals,
    pub(super) rise: Bets,
    pub(super) fall: Bets,
    /// The value in the last window that the column has seen, if it was known.
    pub(super) before: Option<f64>,
    /// About the mean since the drift began that there is most evidence for.
    pub(super) level: f64,
}

impl Path {
    /// What it contributes with the evidence of one direction.
    fn evidence(&self, level: &ReferenceLevel, direction: Direction, age: f64) -> Evidence {
        let (mean, weight) = self.residuals.mean();
        // The windows of the drift are in the mean, too.
        let before_windows = (weight - age).max(level.weight());
        let before = level.mean + mean + (mean - (self.level - level.mean)) * (age / before_windows);
        Evidence { strength: 0.0, statistic: 0, direction, age, level: self.level, before, before_windows }
    }
}

/// The state of slow drift of one column in one series: about 15 numbers per statistic, whatever the number of windows.
///
/// It belongs to one reference: begin a new one when the reference changes, and when an alert that rests on it is resolved. Its
/// stored form is versioned, and checked when it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct SlowDrift {
    /// The last window.
    pub(super) window: Option<i64>,
    /// None for a statistic that cannot be followed.
    pub(super) paths: Vec<Option<Path>>,
}

impl SlowDrift {
    /// Without a window since the reference. Statistics whose level is not sound are not followed.
    #[must_use]
    pub fn new(followed: &[Followed]) -> Self {
        let path = |followed: &Followed| {
            let residuals = followed.level.is_sound().then(|| Residuals::new(&followed.level))?;
            Some(Path { residuals, rise: Bets::default(), fall: Bets::default(), before: None, level: 0.0 })
        };
        Self { window: None, paths: followed.iter().map(path).collect() }
    }

    /// As [`Self::new`], when this window was counted already.
    #[must_use]
    pub(super) fn after(followed: &[Followed], window: i64) -> Self {
        Self { window: Some(window), ..Self::new(followed) }
    }

    /// Whether the state is one of as many statistics, of which the same can be followed. If not, it is one of another reference.
    #[must_use]
    pub fn fits(&self, followed: &[Followed]) -> bool {
        self.paths.len() == followed.len()
            && self.paths.iter().zip(followed).all(|(path, followed)| path.is_some() == followed.level.is_sound())
    }

    /// The last window that was counted.
    #[must_use]
    pub fn last_window(&self) -> Option<i64> {
        self.window
    }

    /// Counts a window: its number on the grid of windows, and its readings in the order of `followed`, None where there are none.
    /// A window that is not after the last one changes nothing, so that an amended window does not count twice. Missing windows
    /// may be left out. The evidence is None as long as no statistic has been read.
    pub fn observe(
        &mut self,
        followed: &[Followed],
        window: i64,
        readings: &[Option<Reading>],
    ) -> Option<Evidence> {
        if self.window.is_none_or(|last| window > last) {
            let distance = self.window.map_or(i64::MAX, |last| window.saturating_sub(last));
            let distance = i32::try_from(distance).unwrap_or(i32::MAX);
            for ((path, followed), reading) in self.paths.iter_mut().zip(followed).zip(readings) {
                if let Some(path) = path {
                    path.add(&followed.level, *reading, distance);
                }
            }
            self.window = Some(window);
        }
        self.evidence(followed)
    }

    /// The evidence after the last window; None as long as no statistic has been read.
    #[must_use]
    pub fn evidence(&self, followed: &[Followed]) -> Option<Evidence> {
        let total: f64 = followed.iter().map(|followed| followed.weight).sum();
        let mut strength = 0.0;
        let mut leading: Option<(f64, Evidence)> = None;
        for (statistic, (path, followed)) in self.paths.iter().zip(followed).enumerate() {
            let Some(path) = path else { continue };
            for (bets, direction) in [(path.rise, Direction::Rise), (path.fall, Direction::Fall)] {
                let part = bets.strength() / 2.0 * followed.weight / total;
                strength += part;
                if part > leading.map_or(0.0, |(most, _)| most) {
                    let evidence = path.evidence(&followed.level, direction, bets.age());
                    leading = Some((part, Evidence { statistic, ..evidence }));
                }
            }
        }
        leading.map(|(_, evidence)| Evidence { strength, ..evidence })
    }
}

impl Path {
    fn add(&mut self, level: &ReferenceLevel, reading: Option<Reading>, distance: i32) {
        let before = self.before.take().map(|value| (distance, value));
        let known = reading.filter(Reading::is_known);
        let scored = known.and_then(|reading| Some((reading, self.residuals.score(level, reading, before)?)));
        let Some((reading, scored)) = scored else { return };
        self.rise.add(scored.score);
        self.fall.add(-scored.score);
        self.before = Some(scored.value);
        let stronger = if self.rise.strength() >= self.fall.strength() { self.rise } else { self.fall };
        // The age counts some windows before the drift: the later half is of the drift alone.
        self.level += (reading.value - self.level) / (stronger.age() / 2.0).max(1.0);
    }
}
