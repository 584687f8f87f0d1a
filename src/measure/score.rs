//! From a pair of distributions to the number of a measure.

use std::f64::consts::LN_2;

use super::bridge::Bridge;
use super::energy::energy_parts;
use super::law::normal_two_sided;
use super::scale::{Scale, baseline_is_constant};
use super::wasserstein::wasserstein_parts;
use super::{
    LogBase, Measure, Pair, Points, Proportions, Reads, Score, Smoothing, WITHOUT_BOUND, anderson_darling, chance,
    chi_square, cramer_von_mises, epps_singleton, fourier_mmd, g_test, hellinger, jensen_shannon_distance, kl,
    ks_p_value, ks_p_value_fast, ks_statistic, l_infinity, levene, mann_whitney, mean_distance, mean_shift, psi,
    quantile_shift, share, student_t, total_variation, welch_t,
};
use crate::record::number_of;

impl Measure {
    /// Computes it. `None` when it is undefined: not a measure for this kind of column, or too few values on one
    /// side.
    #[must_use]
    pub fn score(self, pair: &Pair<'_>) -> Option<Score> {
        self.computed(pair, Wanted::All)
    }

    /// As [`Self::score`], without the p-value of distances whose p-value takes longer than the distance. For what is shown and decides
    /// nothing.
    #[must_use]
    pub fn distance(self, pair: &Pair<'_>) -> Option<Score> {
        self.computed(pair, Wanted::Distance)
    }

    fn computed(self, pair: &Pair<'_>, wanted: Wanted) -> Option<Score> {
        let score = match self {
            Self::Psi
            | Self::Kl
            | Self::JensenShannon
            | Self::Hellinger
            | Self::TotalVariation
            | Self::LInfinity
            | Self::ChiSquare
            | Self::GTest
            | Self::CramersV => of_groups(self, pair, wanted),
            Self::MeanDistance => mean_distance(pair).map(|statistic| of_vectors(pair, statistic)),
            Self::Mmd => fourier_mmd(pair).map(|statistic| of_vectors(pair, statistic)),
            Self::ZProportions | Self::FisherExact => of_two_values(self, pair),
            Self::Ks => of_ks(pair),
            Self::Wasserstein | Self::WassersteinNormed => of_area(self, pair, wanted),
            // Of no pair of columns: see `row_count`; of more than a pair: see `crate::variation`.
            Self::RowCount => None,
            _ if matches!(self.reads(), Reads::Change | Reads::Sequence) => None,
            Self::NullShare => share::score(pair, share::Share::Null),
            Self::InvalidShare => share::score(pair, share::Share::Invalid),
            Self::UnseenShare => share::score(pair, share::Share::Unseen),
            Self::OutOfRangeShare => share::score(pair, share::Share::OutOfRange),
            _ => of_points(self, pair),
        };
        score.filter(|score| {
            score.effect.is_finite() && !score.statistic.is_nan() && !score.p_value.is_some_and(f64::is_nan)
        })
    }

    /// What the number was computed on: bins, smoothing, base of the logarithm, exact or from bins.
    #[must_use]
    pub fn detail(self, pair: &Pair<'_>) -> String {
        let detail = self.computed_on(pair);
        let unit_is_shared = self.is_in_deviations() && baseline_is_constant(pair);
        if unit_is_shared {
            format!("{detail}, in deviations of both sides: the baseline is constant")
        } else {
            detail
        }
    }

    /// Whether its effect is stated in standard deviations.
    fn is_in_deviations(self) -> bool {
        use Measure::{Energy, MeanShift, QuantileShift, Wasserstein, WassersteinNormed};
        matches!(self, Wasserstein | WassersteinNormed | Energy | MeanShift | QuantileShift)
    }

    fn computed_on(self, pair: &Pair<'_>) -> String {
        let groups = || number_of(pair.grouped().filled(), "bin");
        match self {
            Self::Psi | Self::Kl => {
                format!("{}, {}, {}", groups(), Smoothing::HALF.describe(), LogBase::Natural.describe())
            }
            Self::JensenShannon => format!("{}, no smoothing, {}", groups(), LogBase::Two.describe()),
            Self::GTest => format!("{}, no smoothing, {}", groups(), LogBase::Natural.describe()),
            _ => match self.reads() {
                Reads::Groups => format!("{}, no smoothing", groups()),
                Reads::TwoValues => "two values".to_owned(),
                Reads::Counters => "share of all rows".to_owned(),
                Reads::Vectors => "means of all vectors".to_owned(),
                Reads::Rows => "number of records".to_owned(),
                Reads::Change | Reads::Sequence => String::new(),
                Reads::Values if pair.is_exact() => "every distinct value".to_owned(),
                Reads::Values => {
                    let bins = pair.numeric_binning().map_or(0, crate::binning::NumericBinning::bins);
                    let bins = number_of(bins, "bin");
                    let bound = pair.numeric_binning().map_or(0.0, crate::binning::NumericBinning::largest_mass);
                    match self {
                        Self::Ks => format!("{bins}, exact to {bound:.2e}"),
                        _ => bins,
                    }
                }
            },
        }
    }
}

/// What is asked of a measure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    All,
    /// Of distances no p-value.
    Distance,
}

/// A measure of few bins. Its effect is the part of the statistic beyond what two samples of one distribution have on average:
/// with many categories, or few values, that alone may be larger than a limit.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn of_groups(measure: Measure, pair: &Pair<'_>, wanted: Wanted) -> Option<Score> {
    let groups = pair.grouped();
    let (baseline, window) = (&groups.baseline, &groups.window);
    let total = groups.totals().map(|(n, m)| (n + m) as f64)?;
    let statistic = match measure {
        Measure::Psi => psi(baseline, window, Smoothing::HALF)?,
        Measure::Kl => kl(baseline, window, Smoothing::HALF)?,
        Measure::JensenShannon => jensen_shannon_distance(baseline, window, LogBase::Two)?,
        Measure::Hellinger => hellinger(baseline, window)?,
        Measure::TotalVariation => total_variation(baseline, window)?,
        Measure::LInfinity => {
            let statistic = l_infinity(baseline, window)?;
            let p_value = Some(chance::largest_change(pair, &groups, statistic));
            return Some(Score { p_value, ..groups.score(statistic) });
        }
        Measure::GTest => g_test(baseline, window)?.statistic,
        Measure::CramersV => chi_square(baseline, window, false)?.effect,
        _ => chi_square(baseline, window, false)?.statistic,
    };
    let chance = chance::Chance::of(measure, pair, &groups)?;
    let is_test = matches!(measure, Measure::ChiSquare | Measure::GTest | Measure::CramersV);
    let mean = chance.mean();
    let beyond = |value: f64| (value - mean).max(0.0);
    let effect = match measure {
        Measure::Psi | Measure::Kl => beyond(statistic),
        Measure::JensenShannon => (beyond(statistic * statistic * LN_2) / LN_2).sqrt(),
        Measure::Hellinger => beyond(statistic * statistic).sqrt(),
        // Of a distance that chance and change make together the squares add up.
        Measure::TotalVariation => (statistic * statistic - mean * mean).max(0.0).sqrt(),
        // As Bergsma (2013) has it.
        Measure::CramersV => (beyond(statistic * statistic * total) / total).sqrt(),
        _ => (beyond(statistic) / total).sqrt(),
    };
    let p_value = (is_test || wanted == Wanted::All).then(|| chance.p_value());
    Some(Score { p_value, effect, ..groups.score(statistic) })
}

fn of_two_values(measure: Measure, pair: &Pair<'_>) -> Option<Score> {
    let binning = pair.categorical_binning()?;
    let counts = pair.baseline().counts().iter().zip(pair.window().counts());
    let mut filled: Vec<(&str, u64, u64)> = counts
        .enumerate()
        .filter(|(_, (before, after))| **before + **after > 0)
        .map(|(bin, (before, after))| (binning.label(bin), *before, *after))
        .collect();
    filled.sort_unstable();
    let [(_, first, first_after), (_, second, second_after)] = filled.as_slice() else { return None };
    let proportions =
        Proportions { baseline: (*second, first + second), window: (*second_after, first_after + second_after) };
    let (statistic, p_value) = match measure {
        Measure::FisherExact => {
            // Of the first value, which is how scipy reads a table with values in order.
            let of_first = Proportions {
                baseline: (*first, first + second),
                window: (*first_after, first_after + second_after),
            };
            of_first.fisher()?
        }
        _ => proportions.z()?,
    };
    let effect = proportions.change()?.abs();
    Some(Score { effect, p_value: Some(p_value), ..pair.score_of_values(statistic) })
}

fn of_ks(pair: &Pair<'_>) -> Option<Score> {
    let binning = pair.numeric_binning()?;
    let statistic = ks_statistic(pair.baseline().counts(), pair.window().counts())?;
    let score = pair.score_of_values(statistic);
    let exact = binning.largest_mass() == 0.0 && pair.is_exact();
    let law = if exact { ks_p_value } else { ks_p_value_fast };
    let p_value = law(statistic, score.n_baseline, score.n_window);
    Some(Score { p_value: Some(p_value), bound: Some(binning.largest_mass()), ..score })
}

/// The area between the cumulative distributions. Values beyond the range of the baseline count in its p-value as far as there
/// are more of them than chance gives: one value of 1e12 moves the mean of a thousand, and means nothing.
fn of_area(measure: Measure, pair: &Pair<'_>, wanted: Wanted) -> Option<Score> {
    let (inside, outside) = wasserstein_parts(pair)?;
    let distance = inside + outside;
    let effect = Scale::of_pair(pair)?.normed(distance);
    let statistic = if measure == Measure::Wasserstein { distance } else { effect };
    let score = Score { effect, ..pair.score_of_values(statistic) };
    if wanted == Wanted::Distance {
        return Some(score);
    }
    let bridge = Bridge::of(pair)?;
    let p_value = with_outside(pair, (inside, outside), |area| bridge.area_tail(area));
    Some(Score { p_value: Some(p_value), ..score })
}

fn of_energy(pair: &Pair<'_>, points: &Points) -> Option<Score> {
    let (inside, outside) = energy_parts(points)?;
    let squared = inside + outside;
    let bridge = Bridge::of(pair)?;
    // It is twice the area under the square.
    let p_value = with_outside(pair, (inside, outside), |area| bridge.square_tail(area / 2.0));
    let effect = Scale::of_points(points)?.normed(squared).sqrt();
    Some(Score { effect, p_value: Some(p_value), ..pair.score_of_values(squared.sqrt()) })
}

/// The p-value of an area within the range of the baseline, or of all of it where significantly many values lie beyond.
fn with_outside(pair: &Pair<'_>, (inside, outside): (f64, f64), tail: impl Fn(f64) -> f64) -> f64 {
    let within = tail(inside);
    if outside == 0.0 {
        return within;
    }
    let beyond = share::score(pair, share::Share::OutOfRange).and_then(|score| score.p_value);
    within.min(tail(inside + outside).max(beyond.unwrap_or(1.0)))
}

/// A distance of means of vectors: the squared distance of two means of spread 1 is `1/n + 1/m` on average, and that of one
/// direction at most (waves have length 1).
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn of_vectors(pair: &Pair<'_>, statistic: f64) -> Score {
    let score = pair.score_of_values(statistic);
    let spread = 1.0 / score.n_baseline as f64 + 1.0 / score.n_window as f64;
    Score { p_value: Some(normal_two_sided(statistic / spread.sqrt())), ..score }
}

fn of_points(measure: Measure, pair: &Pair<'_>) -> Option<Score> {
    let points = pair.points()?;
    let (n, m) = points.sizes()?;
    let score = |statistic| pair.score_of_values(statistic);
    // What turns a statistic that grows with the sizes into an effect that does not.
    let per_size = |statistic: f64| (statistic * (n + m) / (n * m)).max(0.0).sqrt();
    Some(match measure {
        Measure::CramerVonMises => {
            let (statistic, p_value) = cramer_von_mises(&points)?;
            Score { p_value: Some(p_value), effect: per_size(statistic), ..score(statistic) }
        }
        Measure::AndersonDarling => {
            let test = anderson_darling(&points)?;
            Score { p_value: Some(test.p_value), effect: per_size(test.raw), ..score(test.statistic) }
        }
        Measure::Energy => of_energy(pair, &points)?,
        Measure::MannWhitney => {
            let test = mann_whitney(&points)?;
            Score { p_value: Some(test.p_value), effect: test.effect.abs(), ..score(test.statistic) }
        }
        Measure::StudentT | Measure::WelchT => {
            let test = if measure == Measure::StudentT { student_t(&points)? } else { welch_t(&points)? };
            Score { p_value: Some(test.p_value), effect: bounded(test.effect), ..score(test.statistic) }
        }
        Measure::Levene => {
            let (statistic, p_value, ratio) = levene(&points)?;
            Score { p_value: Some(p_value), effect: bounded(ratio), ..score(statistic) }
        }
        Measure::EppsSingleton => {
            let (statistic, p_value) = epps_singleton(&points)?;
            let effect = (statistic / (n + m)).max(0.0).sqrt();
            Score { p_value: Some(p_value), effect, ..score(statistic) }
        }
        Measure::MeanShift => {
            let statistic = mean_shift(&points)?;
            // The same question as Welch's test asks; two constant sides that differ are certain.
            let p_value = welch_t(&points).map_or(f64::from(u8::from(statistic == 0.0)), |test| test.p_value);
            Score { p_value: Some(p_value), effect: statistic.abs(), ..score(statistic) }
        }
        Measure::QuantileShift => {
            let (statistic, p_value) = quantile_shift(&points)?;
            Score { p_value: Some(p_value), effect: statistic.abs(), ..score(statistic) }
        }
        _ => return None,
    })
}

fn bounded(effect: f64) -> f64 {
    effect.abs().min(WITHOUT_BOUND)
}
