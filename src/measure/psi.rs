//! Population stability index, and what is done about empty bins.

use super::pair::shares;

/// What is done about bins that are empty on one side, where the logarithm has no value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Smoothing {
    /// Add this much to every count of both sides. A half is Jeffreys' prior, 1 is Laplace's.
    Pseudocount(f64),
    /// Add this much to every share; they are not made to sum to 1 again.
    AddShare(f64),
    /// Shares below this are raised to it; they are not made to sum to 1 again.
    FloorShare(f64),
    /// What Evidently does: empty shares become 1e-4, or a millionth of the smallest share when that is
    /// at most 1e-4; shares are not renormalised.
    EvidentlyFill,
}

impl Smoothing {
    /// Half a record in every bin: the default.
    pub const HALF: Self = Self::Pseudocount(0.5);

    /// How it is said beside a score.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Pseudocount(count) => format!("+{count} per bin"),
            Self::AddShare(share) => format!("shares +{share:e}"),
            Self::FloorShare(share) => format!("shares at least {share:e}"),
            Self::EvidentlyFill => "empty shares become 1e-4 (or a millionth of the smallest)".to_owned(),
        }
    }

    /// Shares without zeros; `None` when there is no count.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn shares(self, counts: &[u64]) -> Option<Vec<f64>> {
        let plain = shares(counts)?;
        Some(match self {
            Self::Pseudocount(half) => {
                let all = half.mul_add(counts.len() as f64, counts.iter().sum::<u64>() as f64);
                counts.iter().map(|count| (*count as f64 + half) / all).collect()
            }
            Self::AddShare(more) => plain.into_iter().map(|share| share + more).collect(),
            Self::FloorShare(least) => plain.into_iter().map(|share| share.max(least)).collect(),
            Self::EvidentlyFill => {
                let smallest = plain.iter().copied().filter(|share| *share > 0.0).fold(f64::INFINITY, f64::min);
                let fill = if smallest <= 1e-4 { smallest / 1e6 } else { 1e-4 };
                plain.into_iter().map(|share| if share == 0.0 { fill } else { share }).collect()
            }
        })
    }

    /// The shares of both sides. Bins empty on both sides get no pseudocount: they say nothing.
    #[must_use]
    pub fn both(self, baseline: &[u64], window: &[u64]) -> Option<(Vec<f64>, Vec<f64>)> {
        if let Self::Pseudocount(_) = self {
            let used = baseline.iter().zip(window).filter(|(left, right)| **left + **right > 0);
            let (baseline, window): (Vec<u64>, Vec<u64>) = used.map(|(left, right)| (*left, *right)).unzip();
            return self.shares(&baseline).zip(self.shares(&window));
        }
        self.shares(baseline).zip(self.shares(window))
    }
}

/// The population stability index: the sum over bins of `(p - q) ln(p / q)`, natural logarithm; 0 for equal
/// shares, without upper limit, symmetric.
///
/// Under no drift it is about chi-square distributed with `bins - 1` degrees of freedom, times
/// `1/n + 1/m` (Yurdakul 2018), so its noise depends on both sizes. `None` when one side has no value.
#[must_use]
pub fn psi(baseline: &[u64], window: &[u64], smoothing: Smoothing) -> Option<f64> {
    let (p, q) = smoothing.both(baseline, window)?;
    Some(p.iter().zip(&q).map(|(p, q)| (p - q) * (p / q).ln()).sum())
}
