//! Simulated windows, and what is known of them: as it is estimated from the windows of a reference.

use driftd::trend::{Reading, ReferenceLevel};

/// Columns that the correlation of windows is estimated from together.
const COLUMNS: usize = 10;

/// Means of standard normal records, so that one standard deviation of a record is 1, or shares.
#[derive(Clone, Copy)]
pub struct World {
    /// Standard deviation of the effect of a window, for shares in Cohen's h (1 is a standard deviation of a record, too).
    pub effect: f64,
    /// The share of records that are counted; 0: means of normal records.
    pub share: f64,
    /// Correlation of the effects of successive windows.
    pub correlation: f64,
    /// Degrees of freedom of the t distribution of effects, 3 or more; 0: normal.
    pub tail: u32,
    /// Windows of the reference.
    pub windows: usize,
    /// Least and most records: of windows of the reference, of later ones.
    pub sizes: [(f64, f64); 2],
}

impl World {
    pub fn new(effect: f64, windows: usize) -> Self {
        Self { effect, share: 0.0, correlation: 0.0, tail: 0, windows, sizes: [(1_000.0, 1_000.0); 2] }
    }
}

/// What happens after `quiet` windows.
#[derive(Clone, Copy)]
pub struct Change {
    pub step: f64,
    pub slope: f64,
    pub quiet: i64,
}

impl Change {
    pub fn at(self, window: i64) -> f64 {
        let since = window - self.quiet + 1;
        if since > 0 { self.step + self.slope * since as f64 } else { 0.0 }
    }
}

pub struct Random(pub fastrand::Rng);

impl Random {
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.0.f64()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.0.f64()).cos()
    }

    /// A small count, by the product of uniform values.
    fn poisson(&mut self, mean: f64) -> f64 {
        let (mut count, mut product) = (0.0, self.0.f64());
        while product > (-mean).exp() {
            count += 1.0;
            product *= self.0.f64();
        }
        count
    }

    /// A value with mean 0 and variance 1.
    fn shock(&mut self, tail: u32) -> f64 {
        if tail == 0 {
            return self.normal();
        }
        let squares: f64 = (0..tail).map(|_| self.normal().powi(2)).sum();
        self.normal() / (squares / f64::from(tail)).sqrt() * (f64::from(tail - 2) / f64::from(tail)).sqrt()
    }
}

/// Windows of one column, one after the other.
pub struct Column {
    world: World,
    effect: f64,
}

impl Column {
    pub fn next(&mut self, random: &mut Random) -> Reading {
        self.sized(random, 1)
    }

    /// The panes of a window.
    pub fn panes(&mut self, random: &mut Random, panes: u32) -> Vec<Reading> {
        self.advance(random);
        let records = self.world.sizes[1].0 / f64::from(panes);
        let value = |random: &mut Random| self.world.effect * self.effect + random.normal() / records.sqrt();
        (0..panes).map(|_| Reading { value: value(random), records }).collect()
    }

    fn advance(&mut self, random: &mut Random) {
        let fresh = random.shock(self.world.tail);
        let correlation = self.world.correlation;
        self.effect = correlation * self.effect + (1.0 - correlation * correlation).sqrt() * fresh;
    }

    fn sized(&mut self, random: &mut Random, sizes: usize) -> Reading {
        self.advance(random);
        let (least, most) = self.world.sizes[sizes];
        let records = (least + (most - least) * random.0.f64()).round();
        let effect = self.world.effect * self.effect;
        if self.world.share > 0.0 {
            let share = (self.world.share.sqrt().asin() + effect / 2.0).sin().powi(2);
            return Reading { value: random.poisson(share * records) / records, records };
        }
        Reading { value: effect + random.normal() / records.sqrt(), records }
    }
}

/// A column after its reference.
pub fn prepared(world: World, random: &mut Random) -> (Column, ReferenceLevel) {
    let (column, mut level, lag) = reference(world, random);
    let mut lags = vec![(level.dispersion, lag)];
    for _ in 1..COLUMNS {
        let (_, other, lag) = reference(world, random);
        lags.push((other.dispersion, lag));
    }
    lags.retain(|(dispersion, _)| *dispersion > 2.0);
    let k = world.windows as f64;
    level.pairs = k * COLUMNS as f64;
    if lags.len() >= 3 {
        let raw = lags.iter().map(|(_, lag)| lag).sum::<f64>() / lags.len() as f64;
        let unbiased = (raw + (1.0 + 3.0 * raw) / k).clamp(0.0, 0.9);
        let found = if unbiased > 2.0 / level.pairs.sqrt() { unbiased } else { 0.0 };
        let stretch = (1.0 + found) / (1.0 - found);
        level.dispersion = 1.0 + (level.dispersion - 1.0).max(0.0) / (1.0 - stretch / k).max(0.2);
        level.freedom = ((k - 1.0) * (1.0 - found * found) / (1.0 + found * found)).max(1.0);
        level.concentration *= stretch;
        level.autocorrelation = found;
    }
    (column, level)
}

/// A column, its level by its own windows alone, and their correlation.
fn reference(world: World, random: &mut Random) -> (Column, ReferenceLevel, f64) {
    let mut column = Column { world, effect: random.shock(world.tail) };
    let windows: Vec<Reading> = (0..world.windows).map(|_| column.sized(random, 0)).collect();
    let k = windows.len() as f64;
    let records: f64 = windows.iter().map(|window| window.records).sum();
    let squares: f64 = windows.iter().map(|window| window.records.powi(2)).sum();
    let mean = windows.iter().map(|window| window.records * window.value).sum::<f64>() / records;
    let (record_variance, record_skewness) = if world.share > 0.0 {
        let variance = mean * (1.0 - mean);
        (variance, (1.0 - 2.0 * mean) / variance.sqrt())
    } else {
        (1.0, 0.0)
    };
    let scaled: Vec<f64> = windows.iter().map(|window| (window.value - mean) * window.records.sqrt()).collect();
    let all: f64 = scaled.iter().map(|value| value * value).sum();
    let lag = scaled.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / all;
    let level = ReferenceLevel {
        mean,
        record_variance,
        record_skewness,
        records,
        window_records: (records - squares / records) / (k - 1.0),
        concentration: squares / records.powi(2),
        dispersion: all / record_variance / (k - 1.0),
        freedom: k - 1.0,
        autocorrelation: 0.0,
        pairs: k,
    };
    (column, level, lag)
}
