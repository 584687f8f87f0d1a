//! Simulated monitors: columns, how their windows differ when nothing changed, and changes.
//!
//! Every value is a function of a standard normal number, its *latent*; what varies from window to window or changes does so in the
//! latents. So the shares of bins are known exactly, and windows are drawn as counts, whatever their size.

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use rand_distr::{Binomial, Distribution as _, Gamma, StandardNormal};
use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

/// What values a column has.
#[derive(Clone)]
pub enum Law {
    /// Numbers, from their latents; rising.
    Numbers(fn(f64) -> f64),
    /// Categories with their shares, ordered by their latents.
    Categories(Vec<f64>),
}

#[derive(Clone)]
pub struct Column {
    pub name: String,
    pub law: Law,
    /// Share of records without a value.
    pub nulls: f64,
}

impl Column {
    pub fn numbers(name: &str, value: fn(f64) -> f64) -> Self {
        Self { name: name.to_owned(), law: Law::Numbers(value), nulls: 0.01 }
    }

    pub fn categories(name: &str, weights: impl IntoIterator<Item = f64>) -> Self {
        let weights: Vec<f64> = weights.into_iter().collect();
        let sum: f64 = weights.iter().sum();
        let shares = weights.into_iter().map(|weight| weight / sum).collect();
        Self { name: name.to_owned(), law: Law::Categories(shares), nulls: 0.01 }
    }

    pub fn with_nulls(self, nulls: f64) -> Self {
        Self { nulls, ..self }
    }

    pub fn is_numeric(&self) -> bool {
        matches!(self.law, Law::Numbers(_))
    }
}

/// Values from latents.
pub mod values {
    use super::below;

    pub fn normal(latent: f64) -> f64 {
        latent
    }

    pub fn log_normal(latent: f64) -> f64 {
        (0.8 * latent).exp()
    }

    pub fn exponential(latent: f64) -> f64 {
        -below(-latent).ln()
    }

    pub fn zeros(latent: f64) -> f64 {
        let place = below(latent);
        if place < 0.8 { 0.0 } else { -((1.0 - place) / 0.2).ln() }
    }

    pub fn poisson(latent: f64) -> f64 {
        let (place, mut value) = (below(latent), 0.0);
        let mut term = (-3.0f64).exp();
        let mut sum = term;
        while place >= sum && value < 60.0 {
            value += 1.0;
            term *= 3.0 / value;
            sum += term;
        }
        value
    }
}

/// Share of standard normal numbers below.
pub fn below(latent: f64) -> f64 {
    0.5 * statrs::function::erf::erfc(-latent / std::f64::consts::SQRT_2)
}

pub fn zipf(number: u32) -> impl Iterator<Item = f64> {
    (1..=number).map(|rank| f64::from(rank).powf(-1.1))
}

pub fn uniform(number: usize) -> impl Iterator<Item = f64> {
    std::iter::repeat_n(1.0, number)
}

/// How windows differ when nothing changed.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// By sampling alone.
    Independent,
    /// Each by an effect of its own: on location and log variance with this standard deviation; shares of categories and nulls vary by
    /// as much.
    Effects(f64),
    /// Successive records are alike: AR(1) of latents.
    Alike(f64),
    /// Latents move with the hour of the day, by this amplitude.
    Daily(f64),
}

/// A part of the records of a column whose latents are elsewhere.
#[derive(Clone, Copy)]
pub enum Latents {
    /// Normal with another mean and standard deviation.
    Normal(f64, f64),
    /// One point.
    Point(f64),
    /// Standard normal, of those above.
    Above(f64),
    /// Student's t of three degrees of freedom and variance 1.
    HeavyTailed,
}

/// What is different after a change.
#[derive(Clone)]
pub enum Change {
    /// Parts of the records of a numeric column, with their weights.
    Numbers(Vec<(f64, Latents)>),
    /// Some records move from one category to another, as a share of all.
    Moves(usize, usize, f64),
    /// This share of records has a category that was never there.
    New(f64),
    /// Records without a value.
    Nulls(f64),
}

/// What holds for a column in one window.
#[derive(Clone, Copy)]
pub struct Conditions {
    pub shift: f64,
    pub scale: f64,
    /// Variance between windows of a share, as a part of share x (1 - share).
    pub spread_of_shares: f64,
    /// Effect on the share of nulls, as a random number that is drawn once.
    pub nulls: f64,
}

/// Bins of a column in terms of latents: the bin of each interval between bounds.
pub struct Grid {
    bounds: Vec<f64>,
    bins: Vec<usize>,
    number: usize,
    /// The first interval that a cell of latents reaches into.
    cells: Vec<usize>,
}

const CELLS: f64 = 512.0;
const FARTHEST: f64 = 8.0;

impl Grid {
    pub fn new(bounds: Vec<f64>, bins: Vec<usize>, number: usize) -> Self {
        let cell = |cell: usize| cell as f64 / CELLS * 2.0 * FARTHEST - FARTHEST;
        let cells =
            (0..=CELLS as usize).map(|place| bounds.partition_point(|bound| *bound <= cell(place))).collect();
        Self { bounds, bins, number, cells }
    }

    pub fn bin(&self, latent: f64) -> usize {
        let cell = ((latent + FARTHEST) / (2.0 * FARTHEST) * CELLS) as usize;
        let mut interval = self.cells[cell.min(CELLS as usize)];
        while interval > 0 && self.bounds[interval - 1] > latent {
            interval -= 1;
        }
        while interval < self.bounds.len() && self.bounds[interval] <= latent {
            interval += 1;
        }
        self.bins[interval]
    }

    pub fn number(&self) -> usize {
        self.number
    }

    /// The latent in the middle of each bin.
    pub fn middles(&self) -> Vec<f64> {
        let mut middles = vec![0.0; self.number];
        for (interval, bin) in self.bins.iter().enumerate() {
            let from = if interval == 0 { 0.0 } else { below(self.bounds[interval - 1]) };
            let until = self.bounds.get(interval).map_or(1.0, |bound| below(*bound));
            middles[*bin] = Normal::standard().inverse_cdf(f64::midpoint(from, until).clamp(1e-9, 1.0 - 1e-9));
        }
        middles
    }

    /// The share of each bin, of records of which these parts are below a latent.
    pub fn shares(&self, below: impl Fn(f64) -> f64) -> Vec<f64> {
        let mut shares = vec![0.0; self.number];
        let mut before = 0.0;
        for (interval, bin) in self.bins.iter().enumerate() {
            let until = self.bounds.get(interval).map_or(1.0, |bound| below(*bound));
            shares[*bin] += (until - before).max(0.0);
            before = until;
        }
        shares
    }
}

/// The records of one column of one window before they have bins.
pub enum Records {
    Latents(Vec<f64>),
    Categories(Vec<u64>),
}

/// A stream of windows.
pub struct Stream<'a> {
    pub columns: &'a [Column],
    kind: Kind,
    pub dice: SmallRng,
    hour: u32,
    phases: Vec<f64>,
    /// Where the latents of values and of nulls are, by column.
    latents: Vec<(f64, f64)>,
}

impl<'a> Stream<'a> {
    pub fn new(columns: &'a [Column], kind: Kind, seed: u64) -> Self {
        let mut dice = SmallRng::seed_from_u64(seed);
        let phases = columns.iter().map(|_| dice.random::<f64>() * std::f64::consts::TAU).collect();
        let latents = columns.iter().map(|_| (StandardNormal.sample(&mut dice), StandardNormal.sample(&mut dice)));
        let latents = latents.collect();
        Self { columns, kind, dice, hour: 0, phases, latents }
    }

    /// The next windows begin at this hour of the day.
    pub fn at_hour(&mut self, hour: u32) {
        self.hour = hour;
    }

    /// What holds in the next window, by column.
    pub fn conditions(&mut self) -> Vec<Conditions> {
        let plain = Conditions { shift: 0.0, scale: 1.0, spread_of_shares: 0.0, nulls: 0.0 };
        let of_column = |phase: &f64| match self.kind {
            Kind::Independent | Kind::Alike(_) => plain,
            Kind::Effects(effect) => {
                let mut draw = || -> f64 { StandardNormal.sample(&mut self.dice) };
                Conditions {
                    shift: effect * draw(),
                    scale: (effect * draw() / 2.0).exp(),
                    spread_of_shares: effect * effect,
                    nulls: effect,
                }
            }
            Kind::Daily(amplitude) => {
                let angle = f64::from(self.hour) / 24.0 * std::f64::consts::TAU + phase;
                Conditions { shift: amplitude * angle.sin(), ..plain }
            }
        };
        let conditions = self.phases.clone().iter().map(of_column).collect();
        self.hour += 1;
        conditions
    }

    /// The counts of the next window.
    pub fn window(&mut self, grids: &[Grid], records: u64) -> Vec<(Vec<u64>, u64)> {
        let conditions = self.conditions();
        let columns = grids.iter().zip(conditions).enumerate();
        columns.map(|(column, (grid, conditions))| self.counts(column, grid, records, conditions, None)).collect()
    }

    /// Counts of a column: by bin, and of nulls.
    pub fn counts(
        &mut self,
        column: usize,
        grid: &Grid,
        records: u64,
        conditions: Conditions,
        change: Option<&Change>,
    ) -> (Vec<u64>, u64) {
        if let Kind::Alike(correlation) = self.kind {
            let mut bins = vec![0; grid.number()];
            let nulls = self.walk(column, records, correlation, |latent| bins[grid.bin(latent)] += 1);
            return (bins, nulls);
        }
        let nulls = self.nulls(column, records, conditions, change);
        let is_numeric = self.columns[column].is_numeric();
        // Effects on categories are in their shares alone.
        let latents = if is_numeric || conditions.spread_of_shares == 0.0 {
            conditions
        } else {
            Conditions { shift: 0.0, scale: 1.0, ..conditions }
        };
        let mut shares = match change {
            Some(Change::Numbers(parts)) => grid.shares(|bound| share_below(parts, latents, bound)),
            _ => grid.shares(|bound| below((bound - latents.shift) / latents.scale)),
        };
        match change {
            Some(Change::Moves(from, to, share)) => {
                // Categories of these monitors all have bins.
                let (from, to) = (grid.bins[*from], grid.bins[*to]);
                let moved = share.min(shares[from]);
                shares[from] -= moved;
                shares[to] += moved;
            }
            Some(Change::New(share)) => {
                for own in &mut shares {
                    *own *= 1.0 - share;
                }
                *shares.last_mut().unwrap() += share;
            }
            _ => {}
        }
        if !is_numeric {
            shares = self.varied(&shares, conditions.spread_of_shares);
        }
        (self.multinomial(records - nulls, &shares), nulls)
    }

    /// Records of a column as they are before there are bins, and how many are null.
    pub fn records(&mut self, column: usize, records: u64, conditions: Conditions) -> (Records, u64) {
        let columns = self.columns;
        if let Kind::Alike(correlation) = self.kind {
            let mut latents = Vec::new();
            let nulls = self.walk(column, records, correlation, |latent| latents.push(latent));
            let records = match &columns[column].law {
                Law::Numbers(_) => Records::Latents(latents),
                Law::Categories(shares) => {
                    let mut counts = vec![0; shares.len()];
                    let bounds = bounds_of(shares);
                    for latent in latents {
                        counts[bounds.partition_point(|bound| *bound <= latent)] += 1;
                    }
                    Records::Categories(counts)
                }
            };
            return (records, nulls);
        }
        let nulls = self.nulls(column, records, conditions, None);
        let values = records - nulls;
        let drawn = match &columns[column].law {
            Law::Numbers(_) => {
                let draw = |_| {
                    let latent: f64 = StandardNormal.sample(&mut self.dice);
                    conditions.shift + conditions.scale * latent
                };
                Records::Latents((0..values).map(draw).collect())
            }
            Law::Categories(shares) => {
                let mut moved = shares.clone();
                if conditions.shift != 0.0 && conditions.spread_of_shares == 0.0 {
                    let bounds = bounds_of(shares);
                    let all: Vec<usize> = (0..shares.len()).collect();
                    moved = Grid::new(bounds, all, shares.len()).shares(|bound| below(bound - conditions.shift));
                }
                let moved = self.varied(&moved, conditions.spread_of_shares);
                Records::Categories(self.multinomial(values, &moved))
            }
        };
        (drawn, nulls)
    }

    /// Successive latents of a column; returns how many records are null.
    fn walk(&mut self, column: usize, records: u64, correlation: f64, mut each: impl FnMut(f64)) -> u64 {
        let fresh = (1.0 - correlation * correlation).sqrt();
        let (mut value, mut null) = self.latents[column];
        let empty = Normal::standard().inverse_cdf(self.columns[column].nulls);
        let mut nulls = 0;
        for _ in 0..records {
            let [one, other]: [f64; 2] =
                [StandardNormal.sample(&mut self.dice), StandardNormal.sample(&mut self.dice)];
            value = correlation * value + fresh * one;
            null = correlation * null + fresh * other;
            if null < empty { nulls += 1 } else { each(value) }
        }
        self.latents[column] = (value, null);
        nulls
    }

    fn nulls(&mut self, column: usize, records: u64, conditions: Conditions, change: Option<&Change>) -> u64 {
        let usual = match change {
            Some(Change::Nulls(share)) => *share,
            _ => self.columns[column].nulls,
        };
        let shares = self.varied(&[usual, 1.0 - usual], conditions.nulls * conditions.nulls);
        self.binomial(records, shares[0])
    }

    /// Shares of one window: Dirichlet about the usual ones.
    fn varied(&mut self, shares: &[f64], spread: f64) -> Vec<f64> {
        if spread == 0.0 {
            return shares.to_vec();
        }
        let concentration = 1.0 / spread - 1.0;
        let mut draw = |share: &f64| match share * concentration {
            shape if shape > 1e-9 => Gamma::new(shape, 1.0).unwrap().sample(&mut self.dice),
            _ => 0.0,
        };
        let drawn: Vec<f64> = shares.iter().map(&mut draw).collect();
        let sum: f64 = drawn.iter().sum();
        drawn.into_iter().map(|share| share / sum).collect()
    }

    fn binomial(&mut self, number: u64, share: f64) -> u64 {
        Binomial::new(number, share.clamp(0.0, 1.0)).unwrap().sample(&mut self.dice)
    }

    fn multinomial(&mut self, number: u64, shares: &[f64]) -> Vec<u64> {
        let (mut left, mut rest) = (number, 1.0f64);
        let mut counts = vec![0; shares.len()];
        for (count, share) in counts.iter_mut().zip(shares) {
            if left == 0 {
                break;
            }
            *count = if *share >= rest { left } else { self.binomial(left, share / rest) };
            left -= *count;
            rest -= share;
        }
        // What rounding leaves of the shares.
        if let Some(last) = counts.iter_mut().zip(shares).rev().find(|(_, share)| **share > 0.0) {
            *last.0 += left;
        }
        counts
    }
}

/// Latents that separate categories.
pub fn bounds_of(shares: &[f64]) -> Vec<f64> {
    let (normal, mut sum) = (Normal::standard(), 0.0);
    let ends = shares[..shares.len() - 1].iter().map(|share| {
        sum += share;
        normal.inverse_cdf(sum.min(1.0))
    });
    ends.collect()
}

fn share_below(parts: &[(f64, Latents)], conditions: Conditions, bound: f64) -> f64 {
    let bound = (bound - conditions.shift) / conditions.scale;
    let part = |latents: &Latents| match *latents {
        Latents::Normal(mean, deviation) => below((bound - mean) / deviation),
        Latents::Point(point) => f64::from(u8::from(point < bound)),
        Latents::Above(least) => ((below(bound) - below(least)) / below(-least)).max(0.0),
        Latents::HeavyTailed => StudentsT::new(0.0, 1.0, 3.0).unwrap().cdf(bound * 3.0f64.sqrt()),
    };
    parts.iter().map(|(weight, latents)| weight * part(latents)).sum()
}
