//! What chance gives divergences on categories, of which many may be rare.
//!
//! The chi-square approximation of divergences needs some values in each bin; with thousands of categories most have one
//! or two, and the divergence of two samples of one source is many times what it says (Cochran 1954; Koehler and Larntz
//! 1980). So the chance is computed for each category by itself: of the c values that both sides have together, the
//! baseline has a binomial number when nothing changed. The sum over categories has the sum of their means and, since
//! they hardly depend on each other, of their variances; its quantile is that of the gamma distribution with both.
//!
//! Which categories have bins was decided by the baseline, so its counts are a selection: each is at least as large as the
//! smallest that got a bin. What the selection left out, rare and unseen categories, is expected by Good's estimate
//! (1953): categories that the baseline has r times have in another sample the mass of those it has r + 1 times.

use statrs::distribution::{Binomial, ContinuousCDF, Discrete, Gamma};

use super::{Groups, Measure, Pair, Proportions};
use crate::binning::CategoricalBinning;

/// Above this many values of a category the chi-square approximation is good.
const DENSE: u64 = 64;

/// The part of a divergence that one category contributes, of its shares on both sides.
type CategoryTerm = fn(f64, f64) -> f64;

/// The quantile of a divergence's sum when nothing changed, in the unit of its parts, for a categorical column. `None`
/// for other measures and columns.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn chance(measure: Measure, pair: &Pair<'_>, significance: f64) -> Option<f64> {
    let binning = pair.categorical_binning()?;
    let (part, half): (CategoryTerm, f64) = match measure {
        Measure::JensenShannon => (jensen_shannon, 0.0),
        Measure::Hellinger => (hellinger, 0.0),
        Measure::TotalVariation => (total_variation, 0.0),
        Measure::Psi => (psi, 0.5),
        Measure::Kl => (kl, 0.5),
        _ => return None,
    };
    let groups = pair.grouped();
    let filled = groups.filled() as f64;
    let (n, m): (u64, u64) = (groups.baseline.iter().sum(), groups.window.iter().sum());
    let sizes = Sizes { n, m, smoothed: (n as f64 + half * filled, m as f64 + half * filled), half };
    let selection = Selection::of(&groups, binning);
    let mut known: Vec<Option<PartMoments>> = vec![None; usize::try_from(DENSE).unwrap_or(0) + 1];
    let mut sum = PartMoments::default();
    let mut beside = 0.0;
    for (bin, (before, after)) in groups.baseline.iter().zip(&groups.window).enumerate() {
        if selection.left_out.contains(&bin) {
            if selection.is_foreseen(&groups, significance) {
                beside +=
                    part(sizes.share(*before, n, sizes.smoothed.0), sizes.share(*after, m, sizes.smoothed.1));
            }
            continue;
        }
        let count = before + after;
        let place = usize::try_from(count).ok().and_then(|count| known.get_mut(count));
        let moments = match place {
            Some(place) => *place.get_or_insert_with(|| sizes.moments(part, count, &selection)),
            None => sizes.moments(part, count, &selection),
        };
        sum.mean += moments.mean;
        sum.variance += moments.variance;
    }
    Some(sum.quantile(significance) + beside)
}

/// How the baseline decided which categories have bins of their own.
struct Selection {
    /// What each of them has at least in the baseline.
    least: u64,
    /// The share of the categories with as few that got a bin.
    share_of_least: f64,
    /// The bins of what was left out.
    left_out: Vec<usize>,
    /// How many values of the baseline's size another sample is expected to have in those.
    foreseen: u64,
}

impl Selection {
    fn of(groups: &Groups, binning: &CategoricalBinning) -> Self {
        let own = groups.baseline.get(..binning.categories().len()).unwrap_or_default();
        let rare = groups.baseline.get(binning.rare_bin()).copied().unwrap_or(0);
        let fewest = own.iter().copied().min().unwrap_or(0);
        // With a bin that the baseline has nothing in, it did not decide: bins are those of both sides, or of the whole
        // of which this is a segment.
        let least = if binning.rare() > 0 { fewest } else { fewest.min(1) };
        #[expect(clippy::cast_precision_loss, reason = "at most some thousand bins")]
        let share_of_least = {
            let kept = own.iter().filter(|count| **count == fewest).count() as f64;
            // Those that were left out have as many or fewer.
            if kept > 0.0 { kept / (kept + binning.rare() as f64) } else { 1.0 }
        };
        let left_out: Vec<usize> = [binning.rare_bin(), binning.unseen_bin()]
            .into_iter()
            .filter(|bin| *bin < groups.baseline.len())
            // What the baseline has in the bin of unseen categories was left out of all bins on purpose, because there are too
            // many of them: that bin is one like others.
            .filter(|bin| *bin != binning.unseen_bin() || groups.baseline.get(*bin) == Some(&0))
            .collect();
        let next = if binning.rare() > 0 { fewest + 1 } else { 1 };
        let foreseen = rare + own.iter().filter(|count| **count <= next).sum::<u64>();
        Self { least, share_of_least, left_out, foreseen }
    }

    /// Whether the window has no more in the bins of what was left out than chance may give.
    fn is_foreseen(&self, groups: &Groups, significance: f64) -> bool {
        let (n, m): (u64, u64) = (groups.baseline.iter().sum(), groups.window.iter().sum());
        let after: u64 = self.left_out.iter().filter_map(|bin| groups.window.get(*bin)).sum();
        let proportions = Proportions { baseline: (self.foreseen.min(n), n), window: (after, m) };
        let fell = proportions.change().is_none_or(|change| change <= 0.0);
        fell || proportions.p_value().is_none_or(|p_value| p_value > significance)
    }
}

/// Mean and variance of a part.
#[derive(Clone, Copy, Debug, Default)]
struct PartMoments {
    mean: f64,
    variance: f64,
}

impl PartMoments {
    fn quantile(self, significance: f64) -> f64 {
        if self.variance <= 0.0 || self.mean <= 0.0 {
            return self.mean;
        }
        let law = Gamma::new(self.mean * self.mean / self.variance, self.mean / self.variance);
        law.map_or(f64::INFINITY, |law| law.inverse_cdf(1.0 - significance))
    }
}

/// The sizes of both sides, as they are and with what smoothing adds.
struct Sizes {
    n: u64,
    m: u64,
    smoothed: (f64, f64),
    half: f64,
}

impl Sizes {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    fn share(&self, count: u64, size: u64, smoothed: f64) -> f64 {
        if size == 0 { 0.0 } else { (count as f64 + self.half) / smoothed }
    }

    /// Of a category that both sides together have `count` times, and that got a bin.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    fn moments(&self, part: CategoryTerm, count: u64, selection: &Selection) -> PartMoments {
        let all = (self.n + self.m) as f64;
        let mine = self.n as f64 / all;
        // For many values it is enough to look at the values within some deviations of the mean.
        let deviation = (count as f64 * mine * (1.0 - mine)).sqrt();
        let (low, high) = if count <= DENSE {
            (selection.least.min(count), count)
        } else {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the count")]
            let at = |value: f64| value.clamp(0.0, count as f64) as u64;
            (at(count as f64 * mine - 6.0 * deviation), at(count as f64 * mine + 6.0 * deviation))
        };
        let Ok(law) = Binomial::new(mine, count) else { return PartMoments::default() };
        // A grid of some dozen values is as good as all of them.
        let step = ((high - low) / DENSE).max(1);
        let (mut weight, mut mean, mut square) = (0.0, 0.0, 0.0);
        let mut before = low;
        while before <= high {
            let kept = if before == selection.least { selection.share_of_least } else { 1.0 };
            let chance = law.pmf(before) * kept;
            let value = part(
                self.share(before, self.n, self.smoothed.0),
                self.share(count - before, self.m, self.smoothed.1),
            );
            weight += chance;
            mean += chance * value;
            square += chance * value * value;
            before += step;
        }
        if weight <= 0.0 {
            return PartMoments::default();
        }
        let (mean, square) = (mean / weight, square / weight);
        // Shares sum to 1, which takes a category's own share from its freedom.
        let free = 1.0 - count as f64 / all;
        PartMoments { mean: mean * free, variance: (square - mean * mean).max(0.0) * free * free }
    }
}

fn jensen_shannon(p: f64, q: f64) -> f64 {
    let middle = f64::midpoint(p, q);
    let half = |share: f64| if share > 0.0 { share * (share / middle).ln() / 2.0 } else { 0.0 };
    half(p) + half(q)
}

fn hellinger(p: f64, q: f64) -> f64 {
    (p.sqrt() - q.sqrt()).powi(2) / 2.0
}

fn total_variation(p: f64, q: f64) -> f64 {
    (p - q).abs() / 2.0
}

fn psi(p: f64, q: f64) -> f64 {
    (p - q) * (p / q).ln()
}

/// With what sums to zero over all categories, so that no part is negative.
fn kl(p: f64, q: f64) -> f64 {
    p * (p / q).ln() - p + q
}
