//! Tests of one share in two sides.

use super::law::{hypergeometric_mass, normal_two_sided};

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
    #[expect(clippy::many_single_char_names, reason = "the cells of a table")]
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
        let mass = |x: f64| hypergeometric_mass(x, hits, n, m);
        // A little slack, so that tables of equal chance are not parted by rounding.
        let limit = mass(a) * (1.0 + 1e-7);
        let (low, high) = ((hits - m).max(0.0), hits.min(n));
        let mode = ((hits + 1.0) * (n + 1.0) / (n + m + 2.0)).floor().clamp(low, high);
        // From the ends towards the mode while tables are unlikely enough; masses fall away from the mode.
        let mut p = 0.0;
        let mut x = low;
        while x <= mode && mass(x) <= limit {
            p += mass(x);
            x += 1.0;
        }
        let reached = x;
        let mut x = high;
        while x > mode && x >= reached && mass(x) <= limit {
            p += mass(x);
            x -= 1.0;
        }
        Some((odds, p.min(1.0)))
    }

    /// The p-value of a change: Fisher's test while the rarer outcome is rare (at most 200 times in both), the z test
    /// beyond. `None` when a side is empty.
    #[must_use]
    pub fn p_value(self) -> Option<f64> {
        let hits = self.baseline.0 + self.window.0;
        let misses = (self.baseline.1 + self.window.1).saturating_sub(hits);
        let (_, p_value) = if hits.min(misses) <= 200 { self.rarer().fisher()? } else { self.z()? };
        Some(p_value)
    }

    /// The same table with the rarer outcome as hits, which leaves fewer tables to sum.
    fn rarer(self) -> Self {
        let ((a, n), (b, m)) = (self.baseline, self.window);
        if 2 * (a + b) <= n + m { self } else { Self { baseline: (n - a, n), window: (m - b, m) } }
    }
}
