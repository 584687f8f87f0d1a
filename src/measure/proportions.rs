//! Tests of one share in two sides.

use super::law::{hypergeometric_mass, normal_tail, normal_two_sided};

/// From this many expected in each cell the z test is as good as Fisher's, and costs less.
const MANY: f64 = 100_000.0;

/// A share in the baseline and in the window, as hits among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proportions {
    /// Hits and size of the baseline.
    pub baseline: (u64, u64),
    /// Hits and size of the window.
    pub window: (u64, u64),
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
impl Proportions {
    fn sizes(self) -> Option<(f64, f64, f64, f64)> {
        let ((a, n), (b, m)) = (self.baseline, self.window);
        (n > 0 && m > 0).then_some((a as f64, n as f64, b as f64, m as f64))
    }

    /// The share in the window less the share in the baseline; `None` when a side is empty.
    #[must_use]
    pub fn change(self) -> Option<f64> {
        let (a, n, b, m) = self.sizes()?;
        Some(b / m - a / n)
    }

    /// The pooled z test: (z of baseline minus window, two-sided p-value). Without a hit, or without a miss, on both
    /// sides it is (0, 1). `None` when a side is empty.
    #[must_use]
    pub fn z(self) -> Option<(f64, f64)> {
        let (a, n, b, m) = self.sizes()?;
        let pooled = (a + b) / (n + m);
        let error = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
        if error == 0.0 {
            return Some((0.0, 1.0));
        }
        let z = (a / n - b / m) / error;
        Some((z, normal_two_sided(z)))
    }

    /// Fisher's exact test (1922): (sample odds ratio, two-sided p-value by the sum of all tables that are not more
    /// likely than this one). The odds ratio is infinite or NaN-free 0 at the edges. `None` when a side is empty.
    #[must_use]
    pub fn fisher(self) -> Option<(f64, f64)> {
        let (a, n, b, m) = self.sizes()?;
        let hits = a + b;
        let odds = {
            let (left, right) = (a * (m - b), b * (n - a));
            if right > 0.0 {
                left / right
            } else if left > 0.0 {
                f64::INFINITY
            } else {
                1.0
            }
        };
        Some((odds, Table::new(hits, (n, m)).as_unlikely_as(a)))
    }

    /// The p-value of a change: Fisher's test, and the z test where every cell of the table expects 100,000, which is the same then.
    /// `None` when a side is empty.
    #[must_use]
    pub fn p_value(self) -> Option<f64> {
        if self.is_large() {
            self.z().map(|(_, p_value)| p_value)
        } else {
            self.rarer().fisher().map(|(_, p_value)| p_value)
        }
    }

    /// The p-value of a rise: the chance of as many hits in the window or more, given all hits. `None` when a side is
    /// empty.
    #[must_use]
    pub fn p_value_of_rise(self) -> Option<f64> {
        let (a, n, b, m) = self.sizes()?;
        if self.is_large() {
            return self.z().map(|(z, _)| normal_tail(-z));
        }
        Some(Table::new(a + b, (n, m)).at_most(a))
    }

    /// The same shares of so many times fewer independent values.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "smaller than the count")]
    pub(super) fn thinned(self, times: f64) -> Self {
        let thinned = |count: u64| (count as f64 / times.max(1.0)).round() as u64;
        let side = |(hits, size): (u64, u64)| (thinned(hits), thinned(size).max(1));
        Self { baseline: side(self.baseline), window: side(self.window) }
    }

    /// Whether every cell of the table expects [`MANY`] or more.
    fn is_large(self) -> bool {
        self.sizes().is_some_and(|(a, n, b, m)| {
            let rarer = (a + b).min(n + m - a - b);
            rarer * n.min(m) / (n + m) >= MANY
        })
    }

    /// The same table with the rarer outcome as hits, which leaves fewer tables to sum.
    fn rarer(self) -> Self {
        let ((a, n), (b, m)) = (self.baseline, self.window);
        if 2 * (a + b) <= n + m { self } else { Self { baseline: (n - a, n), window: (m - b, m) } }
    }
}

/// All tables with these hits and these sizes of both sides, by the hits of the baseline.
#[derive(Clone, Copy)]
pub(super) struct Table {
    hits: f64,
    n: f64,
    m: f64,
}

impl Table {
    pub(super) fn new(hits: f64, (n, m): (f64, f64)) -> Self {
        Self { hits, n, m }
    }

    fn mass(self, x: f64) -> f64 {
        hypergeometric_mass(x, self.hits, self.n, self.m)
    }

    fn ends(self) -> (f64, f64) {
        ((self.hits - self.m).max(0.0), self.hits.min(self.n))
    }

    fn mode(self) -> f64 {
        let (low, high) = self.ends();
        ((self.hits + 1.0) * (self.n + 1.0) / (self.n + self.m + 2.0)).floor().clamp(low, high)
    }

    /// The chance of this number or one further from the mode on its side.
    fn outwards(self, from: f64, step: f64) -> f64 {
        let (low, high) = self.ends();
        let (mut x, mut mass, mut sum) = (from, self.mass(from), 0.0);
        while (low..=high).contains(&x) && mass > 1e-18 * sum {
            sum += mass;
            // The next mass by the ratio of neighbours.
            mass *= if step > 0.0 {
                (self.hits - x) * (self.n - x) / ((x + 1.0) * (self.m - self.hits + x + 1.0))
            } else {
                x * (self.m - self.hits + x) / ((self.hits - x + 1.0) * (self.n - x + 1.0))
            };
            x += step;
        }
        sum
    }

    /// The chance of at most this number.
    pub(super) fn at_most(self, x: f64) -> f64 {
        let (low, high) = self.ends();
        if x < low {
            return 0.0;
        }
        let chance = if x <= self.mode() {
            self.outwards(x, -1.0)
        } else {
            1.0 - self.outwards((x + 1.0).min(high + 1.0), 1.0)
        };
        chance.clamp(0.0, 1.0)
    }

    /// The chance of at least this number.
    pub(super) fn at_least(self, x: f64) -> f64 {
        let (low, high) = self.ends();
        if x > high {
            return 0.0;
        }
        let chance = if x > self.mode() {
            self.outwards(x, 1.0)
        } else {
            1.0 - self.outwards((x - 1.0).max(low - 1.0), -1.0)
        };
        chance.clamp(0.0, 1.0)
    }

    /// The chance of all numbers that are not more likely than this one.
    fn as_unlikely_as(self, x: f64) -> f64 {
        // A little slack, so that tables of equal chance are not parted by rounding.
        let limit = self.mass(x) * (1.0 + 1e-7);
        let (mode, (low, high)) = (self.mode(), self.ends());
        if self.mass(mode) <= limit {
            return 1.0;
        }
        let step = if x < mode { -1.0 } else { 1.0 };
        // Masses fall from the mode: on the other side, the first that is small enough, by halving.
        let (mut near, mut far) = (mode, if step < 0.0 { high } else { low });
        let other = if self.mass(far) > limit {
            0.0
        } else {
            while (far - near).abs() > 1.0 {
                let middle = f64::midpoint(near, far).round();
                if self.mass(middle) <= limit { far = middle } else { near = middle }
            }
            self.outwards(far, -step)
        };
        (self.outwards(x, step) + other).min(1.0)
    }
}
