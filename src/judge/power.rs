//! Power: the smallest change of a column that windows of a size are found to drift by, with a chance of 80 %.

use serde::{Deserialize, Serialize};
use statrs::distribution::{Continuous as _, ContinuousCDF as _, Normal};

use super::ColumnRules;
use super::change::{measure_of, part, what};
use crate::distribution::Distribution;
use crate::measure::{Measure, Thresholds};
use crate::variation::{ChangeTest, Detectable, Means, Statistic, share_size};

/// What decides how small a change can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The limit of drift: smaller changes are seen, and are not material.
    Limit,
    /// Sampling noise: more records find smaller changes.
    Records,
    /// How the windows of the reference differ from each other: more records of the same window say hardly more.
    Variation,
}

/// The smallest change of one statistic of a column that is found with a chance of 80 %.
#[derive(Clone, Debug, PartialEq)]
pub struct Power {
    pub measure: Measure,
    /// What it is about, such as a category; none for the column as a whole.
    pub of: Option<String>,
    /// The share in the reference; none for what is no share.
    pub before: Option<f64>,
    /// The change: the share after it, the shift in standard deviations, the factor of the spread. None when no change of such a window
    /// can be told from chance.
    pub after: Option<f64>,
    /// Its size on the common scale; none as `after`.
    pub size: Option<f64>,
    pub bound: Bound,
    /// Records of the window that it is about.
    pub records: u64,
    /// How many independent records these are worth.
    pub effective_size: f64,
}

/// Shares of categories that are shown: of the most and the least frequent one with a statistic of its own.
#[derive(Clone, Copy, PartialEq)]
enum Shown {
    Always,
    Category,
    Never,
}

fn shown(statistic: Statistic) -> Shown {
    match statistic {
        Statistic::Location | Statistic::Spread | Statistic::Null | Statistic::Unseen => Shown::Always,
        Statistic::Category(_) => Shown::Category,
        _ => Shown::Never,
    }
}

/// What a window of so many records could show of a column that is tested so. `level` is that of a column by itself (see
/// [`super::JudgeSpec::level_of_one`]), which its deciding statistics share. Empty where no change measure decides.
#[must_use]
pub fn power(
    rules: &ColumnRules,
    (test, reference): (&ChangeTest, &Distribution),
    rows: u64,
    level: f64,
) -> Vec<Power> {
    let limits = |statistic: Statistic| {
        let rule = rules.measures.iter().find(|rule| rule.measure == measure_of(statistic));
        rule.and_then(|rule| rule.limits)
    };
    let means = test.means(&rules.name, rows).unwrap_or_default();
    let deciding: Vec<(Means, Thresholds)> =
        means.into_iter().filter_map(|means| Some((means, limits(means.statistic)?))).collect();
    let weights: f64 = deciding.iter().map(|(means, _)| means.weight).sum();
    let categories = || deciding.iter().filter(|(means, _)| shown(means.statistic) == Shown::Category);
    let share = |means: &Means| means.before.unwrap_or(0.0);
    let most = categories().max_by(|left, right| share(&left.0).total_cmp(&share(&right.0)));
    let least = categories().min_by(|left, right| share(&left.0).total_cmp(&share(&right.0)));
    let ends: Vec<Statistic> = most.into_iter().chain(least).map(|(means, _)| means.statistic).collect();
    deciding
        .iter()
        .filter(|(means, _)| match shown(means.statistic) {
            Shown::Always => true,
            Shown::Category => ends.contains(&means.statistic),
            Shown::Never => false,
        })
        .filter_map(|(means, limits)| {
            let own = level * part(means.weight, weights);
            let detectable = test.detectable_by(&rules.name, means.statistic, rows, own)?;
            let bins = test.bins(&rules.name, means.statistic);
            Some(of_statistic(means, *limits, detectable, what(means.statistic, bins, reference)))
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn of_statistic(means: &Means, limits: Thresholds, found: Detectable, of: Option<String>) -> Power {
    let records = means.records as f64;
    let effective_size = means.effective_size.unwrap_or(records);
    // What chance exceeds as rarely as the level says, and what lies beyond the limit by as much as is found with 80 %.
    let size = found.size.max(limits.critical + (found.size - found.floor));
    let bound = if limits.critical >= found.floor {
        Bound::Limit
    } else if effective_size < records / 2.0 {
        Bound::Variation
    } else {
        Bound::Records
    };
    let is_out_of_reach = means.before.is_some() && found.change >= 1.0;
    let after = match (means.statistic, means.before) {
        _ if is_out_of_reach => None,
        (_, Some(before)) => share_after(before, size),
        (Statistic::Spread, None) => factor_of_spread(size),
        (_, None) => Some(size).filter(|size| *size < CUT),
    };
    Power {
        measure: measure_of(means.statistic),
        of,
        before: means.before,
        size: after.map(|_| size),
        after,
        bound,
        records: means.records,
        effective_size,
    }
}

/// Normal scores are cut at so many standard deviations: no shift is seen as a larger one.
const CUT: f64 = 2.5;

/// The factor of the standard deviation of normal values whose squared scores, cut, rise by so many of their standard deviations;
/// none where they cannot rise so far.
fn factor_of_spread(size: f64) -> Option<f64> {
    let law = Normal::standard();
    let (inside, density) = (2.0 * law.cdf(CUT) - 1.0, law.pdf(CUT));
    let mean = |factor: f64| {
        let cut = CUT / factor;
        let inside = 2.0 * law.cdf(cut) - 1.0;
        factor * factor * (inside - 2.0 * cut * law.pdf(cut)) + CUT * CUT * (1.0 - inside)
    };
    let square = 3.0 * inside - 2.0 * density * (CUT.powi(3) + 3.0 * CUT) + CUT.powi(4) * (1.0 - inside);
    let deviation = (square - mean(1.0).powi(2)).sqrt();
    let reaches = |factor: f64| (mean(factor) - mean(1.0)) / deviation >= size;
    reaches(WIDEST).then(|| first(1.0, WIDEST, reaches))
}

/// Beyond this factor nearly all scores are cut.
const WIDEST: f64 = 100.0;

/// The share that a change of a size leads to: a rise, or a fall where a share cannot rise so far; none where it can neither.
fn share_after(before: f64, size: f64) -> Option<f64> {
    let reaches = |end: f64| share_size(before, end) >= size;
    let end = [1.0, 0.0].into_iter().find(|end| reaches(*end))?;
    // The size grows with the distance.
    Some(first(before, end, reaches))
}

/// Where something is reached between a place where it is not and one where it is.
fn first(mut near: f64, mut far: f64, reaches: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..60 {
        let middle = f64::midpoint(near, far);
        if reaches(middle) {
            far = middle;
        } else {
            near = middle;
        }
    }
    far
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_after_a_change_has_the_size_of_the_change() {
        for (before, size) in [(0.3, 0.2), (0.01, 0.2), (0.0, 0.1), (0.97, 0.5), (1.0, 0.2)] {
            let after = share_after(before, size).unwrap();
            assert!((share_size(before, after) - size).abs() < 1e-6, "{before}: {after}");
        }
        assert!(share_after(0.3, 0.2).unwrap() > 0.3, "a rise where there is room");
        assert!(share_after(0.97, 0.5).unwrap() < 0.97, "otherwise a fall");
        assert_eq!(share_after(0.5, 4.0), None);
    }

    #[test]
    fn a_factor_of_the_spread_has_the_effect_of_scores_that_are_cut() {
        // scipy 1.17: the mean of min(z^2, 6.25) for z of this standard deviation, less that of 1, over its standard deviation
        for (size, factor) in [(0.1, 1.071_2), (0.5, 1.352_6), (1.5, 2.219_5)] {
            let found = factor_of_spread(size).unwrap();
            assert!((found - factor).abs() < 2e-3, "{size}: {found}");
        }
        assert_eq!(factor_of_spread(4.1), None, "more than all scores at the cut");
    }
}
