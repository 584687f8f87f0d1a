//! One run of each kind, and many of them at once.

use std::thread;

use driftd::trend::{Followed, Onset, Reading, ReferenceLevel, SlowDrift, onset};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::world::{Change, Random, World, prepared};

pub const WINDOWS: i64 = 1_000;

/// One false alarm in 30 days of hourly windows over 30 columns: once in so many windows of a column.
pub const BUDGET: f64 = 720.0 * 30.0;

/// Runs on all cores, each with its own seed.
pub fn all<T: Send>(runs: u64, run: impl Fn(&mut Random) -> T + Sync) -> Vec<T> {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    thread::scope(|scope| {
        let run = &run;
        let part = |core: u64| {
            let seeds = (core..runs).step_by(cores as usize);
            move || seeds.map(|seed| run(&mut Random(fastrand::Rng::with_seed(seed)))).collect::<Vec<T>>()
        };
        let parts: Vec<_> = (0..cores).map(|core| scope.spawn(part(core))).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    })
}

/// Slow drift of one statistic.
struct Watch {
    followed: [Followed; 1],
    drift: SlowDrift,
}

impl Watch {
    fn new(level: ReferenceLevel) -> Self {
        let followed = [Followed { weight: 1.0, level }];
        Self { drift: SlowDrift::new(&followed), followed }
    }

    fn strength(&mut self, window: i64, reading: Reading) -> f64 {
        self.drift.observe(&self.followed, window, &[Some(reading)]).map_or(0.0, |evidence| evidence.strength)
    }
}

/// The largest strength of evidence although nothing changes; `odd`: each so many windows one lies ten standard deviations away.
pub fn quiet(world: World, odd: i64, random: &mut Random) -> f64 {
    let (mut column, level) = prepared(world, random);
    let mut watch = Watch::new(level);
    let mut most = 0.0f64;
    for window in 1..=WINDOWS {
        let mut reading = column.next(random);
        if odd > 0 && window % odd == 0 {
            reading.value += 10.0 * (world.effect.powi(2) + 1.0 / reading.records).sqrt();
        }
        most = most.max(watch.strength(window, reading));
    }
    most
}

/// Windows from the onset of a change to evidence of the budget: of slow drift, and of windows that are judged one by one.
pub fn delays(world: World, change: Change, random: &mut Random) -> [f64; 2] {
    let (mut column, level) = prepared(world, random);
    let mut watch = Watch::new(level);
    let mut found = [f64::INFINITY; 2];
    for window in 0..change.quiet + WINDOWS {
        let mut reading = column.next(random);
        reading.value += change.at(window);
        let slow = watch.strength(window, reading);
        if window < change.quiet {
            continue;
        }
        for (found, strength) in found.iter_mut().zip([slow, alone(&level, reading)]) {
            if strength >= BUDGET {
                *found = found.min((window - change.quiet + 1) as f64);
            }
        }
        if found.iter().all(|found| found.is_finite()) {
            break;
        }
    }
    found
}

/// One over the p-value of a window by itself, in the units of the reference.
fn alone(level: &ReferenceLevel, reading: Reading) -> f64 {
    let theta = (level.dispersion.max(1.0) - 1.0) / level.window_records;
    let variance = 1.0 / reading.records + 1.0 / level.records + theta * (1.0 + level.concentration);
    let value = (reading.value - level.mean) / (level.record_variance * variance).sqrt();
    0.5 / StudentsT::new(0.0, 1.0, level.freedom).unwrap().cdf(-value.abs()).max(1e-300)
}

/// The onset after `changed` windows, or as soon as there is evidence of the budget.
pub fn located(world: World, change: Change, changed: Option<i64>, random: &mut Random) -> Option<Onset> {
    let (mut column, level) = prepared(world, random);
    let mut watch = Watch::new(level);
    let mut windows = vec![];
    for window in 0..change.quiet + WINDOWS {
        let mut reading = column.next(random);
        reading.value += change.at(window);
        windows.push((window, reading));
        let strong = watch.strength(window, reading) >= BUDGET;
        let since = window - change.quiet + 1;
        if since > 0 && changed.map_or(strong, |changed| since >= changed) {
            break;
        }
    }
    onset(&level, &windows)
}

/// The same in panes: each window has ten, with a common effect.
pub fn located_pane(world: World, change: Change, changed: i64, random: &mut Random) -> Option<Onset> {
    let (mut column, level) = prepared(world, random);
    let mut panes: Vec<(i64, Reading)> = vec![];
    for pane in 0..change.quiet + changed {
        if pane % 10 == 0 {
            panes.extend((pane..).zip(column.panes(random, 10)));
        }
    }
    for (pane, reading) in &mut panes {
        reading.value += change.at(*pane);
    }
    panes.truncate((change.quiet + changed) as usize);
    onset(&level, &panes)
}
