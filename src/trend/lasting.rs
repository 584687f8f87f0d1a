//! Lasting changes of a column: found when evidence is strong enough, kept until the column is back.
//!
//! Evidence fades once a new level lasts, because the mean that windows are compared with follows them. So a change that was found
//! stays until the level of the latest windows is that of before again. The windows right after it was found say what the new level is;
//! evidence is then gathered against that level, and shows a *further* change.

use serde::{Deserialize, Serialize};

use super::level::{Reading, ReferenceLevel};
use super::slow_drift::{Direction, Evidence, Followed, SlowDrift};

/// Windows that the level of a change rests on: half of those that it lasted when it was found, within these.
const MEMORY: (f64, f64) = (3.0, 100.0);
/// Windows after a change was found that say which level a further change is seen against, at most.
const SETTLING: f64 = 12.0;
/// Back is what lies within so many standard errors of the level before.
const BACK: f64 = 2.0;

/// A lasting change of one statistic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LastingChange {
    /// Its place among those followed.
    pub statistic: usize,
    /// Where it moved to at last.
    pub direction: Direction,
    /// About the number of the window in which it began.
    pub since: i64,
    /// The strength of the evidence when it was found at last.
    pub strength: f64,
    /// How often it was found: more than once when it moved further.
    pub times: u32,
    /// Its mean over the latest windows.
    pub level: f64,
    /// Windows behind that mean.
    pub memory: f64,
    /// Its mean after it was found at last, and the windows behind it: what a further change is seen against.
    settled: (f64, f64),
    /// Its mean before the change, and the windows behind it.
    before: (f64, f64),
}

/// The lasting changes of one column in one series, and evidence for further ones. It belongs to one reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lasting {
    drift: SlowDrift,
    /// At most one of each statistic.
    found: Vec<LastingChange>,
}

impl Lasting {
    /// Without a window since the reference.
    #[must_use]
    pub fn new(followed: &[Followed]) -> Self {
        Self { drift: SlowDrift::new(followed), found: Vec::new() }
    }

    /// Whether the state is one of these statistics, see [`SlowDrift::fits`].
    #[must_use]
    pub fn fits(&self, followed: &[Followed]) -> bool {
        let possible = |found: &LastingChange| {
            let numbers = [found.level, found.settled.0, found.before.0];
            followed.get(found.statistic).is_some_and(|followed| followed.level.is_sound())
                && numbers.iter().all(|number| number.is_finite())
                && [found.memory, found.before.1, found.strength].iter().all(|number| *number >= 1.0)
                && (0.0..=SETTLING).contains(&found.settled.1)
        };
        self.drift.fits(followed) && self.found.iter().all(possible)
    }

    /// The changes that were found and have not gone.
    #[must_use]
    pub fn found(&self) -> &[LastingChange] {
        &self.found
    }

    /// The evidence for a further change, see [`SlowDrift::evidence`].
    #[must_use]
    pub fn evidence(&self, followed: &[Followed]) -> Option<Evidence> {
        self.drift.evidence(&self.against(followed))
    }

    /// Counts a window, see [`SlowDrift::observe`]. A change is found when the evidence has the strength that is needed.
    pub fn observe(&mut self, followed: &[Followed], window: i64, readings: &[Option<Reading>], needed: f64) {
        if self.drift.last_window().is_some_and(|last| window <= last) {
            return;
        }
        let is_settling = self.found.iter().any(LastingChange::is_settling);
        for found in &mut self.found {
            let reading = readings.get(found.statistic).copied().flatten().filter(Reading::is_known);
            if let Some(reading) = reading {
                found.level += (reading.value - found.level) / found.memory;
                found.settle(reading.value);
            }
        }
        if is_settling {
            self.begin(followed, window);
        } else {
            let evidence = self.drift.observe(&self.against(followed), window, readings);
            if let Some(evidence) = evidence.filter(|evidence| evidence.strength >= needed) {
                self.find(evidence, window);
                self.begin(followed, window);
            }
        }
        let many = self.found.len();
        self.found.retain(|found| followed.get(found.statistic).is_some_and(|one| !found.is_back(&one.level)));
        if self.found.len() < many {
            self.begin(followed, window);
        }
    }

    fn find(&mut self, evidence: Evidence, window: i64) {
        let Evidence { strength, statistic, direction, age, level, before, before_windows } = evidence;
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        let earlier = (age.round() as i64).saturating_sub(1).max(0);
        let (least, most) = MEMORY;
        let new = LastingChange {
            statistic,
            direction,
            since: window.saturating_sub(earlier),
            strength,
            times: 1,
            level,
            memory: (age / 2.0).clamp(least, most),
            settled: (level, 0.0),
            before: (before, before_windows),
        };
        match self.found.iter_mut().find(|found| found.statistic == statistic) {
            Some(found) => {
                let (since, before, times) = (found.since, found.before, found.times.saturating_add(1));
                *found = LastingChange { since, times, before, ..new };
            }
            None => self.found.push(new),
        }
    }

    /// Evidence begins anew: of further changes, after a window.
    fn begin(&mut self, followed: &[Followed], window: i64) {
        self.drift = SlowDrift::after(&self.against(followed), window);
    }

    /// What windows are compared with: the level after a change that was found, the reference otherwise.
    fn against(&self, followed: &[Followed]) -> Vec<Followed> {
        let mut against = followed.to_vec();
        for found in &self.found {
            if let Some(one) = against.get_mut(found.statistic) {
                let (level, windows) = found.settled;
                one.level = one.level.at(level, windows.max(1.0));
            }
        }
        against
    }
}

impl LastingChange {
    fn is_settling(&self) -> bool {
        self.settled.1 < self.memory.min(SETTLING)
    }

    /// Takes a window into account for the level that a further change is seen against.
    fn settle(&mut self, value: f64) {
        if self.is_settling() {
            let (level, windows) = self.settled;
            self.settled = (level + (value - level) / (windows + 1.0), windows + 1.0);
        }
    }

    fn is_back(&self, level: &ReferenceLevel) -> bool {
        let (before, windows) = self.before;
        (self.level - before).abs() < BACK * level.error(self.memory, windows)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{LEVEL, reading};
    use super::*;

    const FOLLOWED: [Followed; 1] = [Followed { weight: 1.0, level: LEVEL }];
    const NEEDED: f64 = 10_000.0;

    fn observe(lasting: &mut Lasting, windows: std::ops::Range<i64>, value: impl Fn(i64) -> f64) {
        for window in windows {
            // Quiet windows vary by 0.059.
            let noise = if window % 2 == 0 { 0.059 } else { -0.059 };
            lasting.observe(&FOLLOWED, window, &[Some(reading(value(window) + noise))], NEEDED);
        }
    }

    #[test]
    fn a_change_is_kept_while_it_lasts_and_goes_when_the_column_is_back() {
        let mut lasting = Lasting::new(&FOLLOWED);
        observe(&mut lasting, 0..100, |_| 0.0);
        assert_eq!(lasting.found(), []);
        observe(&mut lasting, 100..400, |_| 0.1);
        let [found] = lasting.found() else { panic!("{:?}", lasting.found()) };
        assert_eq!((found.statistic, found.direction, found.times), (0, Direction::Rise, 1));
        assert!((found.since - 100).abs() <= 20, "{found:?}");
        assert!((found.level - 0.1).abs() < 0.02, "{found:?}");
        observe(&mut lasting, 400..500, |_| 0.0);
        assert_eq!(lasting.found(), []);
    }

    #[test]
    fn a_change_that_goes_on_is_found_again_once() {
        let mut lasting = Lasting::new(&FOLLOWED);
        observe(&mut lasting, 0..100, |_| 0.0);
        observe(&mut lasting, 100..200, |_| 0.2);
        assert_eq!(lasting.found().first().unwrap().times, 1);
        observe(&mut lasting, 200..300, |_| 0.4);
        let [found] = lasting.found() else { panic!("{:?}", lasting.found()) };
        assert_eq!(found.times, 2);
        assert!((found.since - 100).abs() <= 20 && (found.level - 0.4).abs() < 0.03, "{found:?}");
    }

    #[test]
    fn its_stored_form_goes_on_as_if_nothing_happened_and_damage_is_seen() {
        let mut lasting = Lasting::new(&FOLLOWED);
        observe(&mut lasting, 0..50, |_| 0.0);
        observe(&mut lasting, 50..100, |_| 0.2);
        let mut again: Lasting = serde_json::from_str(&serde_json::to_string(&lasting).unwrap()).unwrap();
        assert!(again.fits(&FOLLOWED));
        assert_eq!(again.found(), lasting.found());
        observe(&mut lasting, 100..150, |_| 0.5);
        observe(&mut again, 100..150, |_| 0.5);
        assert_eq!(again.found().first().unwrap().times, lasting.found().first().unwrap().times);
        for (name, value) in [("statistic", serde_json::json!(7)), ("memory", serde_json::json!(0.0))] {
            let mut damaged = serde_json::to_value(&lasting).unwrap();
            damaged["found"][0][name] = value;
            assert!(!serde_json::from_value::<Lasting>(damaged).unwrap().fits(&FOLLOWED), "{name}");
        }
    }
}
