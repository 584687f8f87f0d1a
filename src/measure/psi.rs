//! Population stability index.

/// What is done about bins that are empty on one side, where the logarithm has no value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Smoothing {
    /// Add this much to every count of both sides. A half is Jeffreys' prior.
    Pseudocount(f64),
    /// What Evidently does: empty shares become 1e-4, or a millionth of the smallest share when that is
    /// at most 1e-4; shares are not renormalised.
    EvidentlyFill,
}

impl Smoothing {
    /// Half a record in every bin: the default.
    pub const HALF: Self = Self::Pseudocount(0.5);

    /// Shares without zeros; `None` when there is no count.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn shares(self, counts: &[u64]) -> Option<Vec<f64>> {
        let total: u64 = counts.iter().sum();
        if total == 0 {
            return None;
        }
        let total = total as f64;
        Some(match self {
            Self::Pseudocount(half) => {
                let all = half.mul_add(counts.len() as f64, total);
                counts.iter().map(|count| (*count as f64 + half) / all).collect()
            }
            Self::EvidentlyFill => {
                let smallest = counts
                    .iter()
                    .filter(|count| **count > 0)
                    .map(|count| *count as f64 / total)
                    .fold(f64::INFINITY, f64::min);
                let fill = if smallest <= 1e-4 { smallest / 1e6 } else { 1e-4 };
                counts.iter().map(|count| if *count == 0 { fill } else { *count as f64 / total }).collect()
            }
        })
    }
}

/// The population stability index: the sum over bins of `(p - q) ln(p / q)`, natural logarithm; 0 for equal
/// shares, without upper limit.
///
/// Under no drift it is about chi-square distributed with `bins - 1` degrees of freedom, times
/// `1/n + 1/m` (Yurdakul 2018), so its noise depends on both sizes. Bins empty on both sides do not count.
/// `None` when one side has no value.
#[must_use]
pub fn psi(baseline: &[u64], window: &[u64], smoothing: Smoothing) -> Option<f64> {
    let (baseline, window): (Vec<u64>, Vec<u64>) =
        baseline.iter().zip(window).filter(|(left, right)| **left + **right > 0).map(|(l, r)| (*l, *r)).unzip();
    let p = smoothing.shares(&baseline)?;
    let q = smoothing.shares(&window)?;
    Some(p.iter().zip(&q).map(|(p, q)| (p - q) * (p / q).ln()).sum())
}
