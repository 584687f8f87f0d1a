//! Evidently 0.7 (`legacy/calculations/stattests`, which the new interface calls, too).

use super::histogram::{both_between, numpy_sturges, range};
use super::{ToolScore, unknown};
use crate::measure::law::{anderson_darling_by_table, chi_square_tail};
use crate::measure::{
    AndersonDarling, LogBase, Measure, Points, Proportions, Side, Smoothing, Values, anderson_darling,
    cramer_von_mises_by_ranks, energy, epps_singleton, jensen_shannon_distance, kl, ks_p_value, ks_statistic,
    mann_whitney, psi, student_t, total_variation, wasserstein_of_points,
};
use crate::record::number_of;

/// More distinct reference values than this are binned.
const BINNED_ABOVE: usize = 20;

/// By type, by how many values the reference has and how many are distinct in both.
pub(super) fn default_measure(values: &Values) -> Measure {
    let large = values.sizes().is_some_and(|(n, _)| n > 1000);
    match (values, values.distinct()) {
        (Values::Numeric { .. }, 6..) if large => Measure::WassersteinNormed,
        (Values::Numeric { .. }, 6..) => Measure::Ks,
        _ if large => Measure::JensenShannon,
        (_, 3..) => Measure::ChiSquare,
        _ => Measure::ZProportions,
    }
}

pub(super) fn score(measure: Measure, values: &Values, n: u64, m: u64) -> ToolScore {
    match measure {
        Measure::Psi => {
            let bins = Binned::of(values);
            let detail = format!("{}, {}, {}", bins.detail, Smoothing::EvidentlyFill.describe(), "natural log");
            let statistic = psi(&bins.baseline, &bins.window, Smoothing::EvidentlyFill);
            number(measure, statistic, 0.1, detail)
        }
        Measure::Kl => {
            let bins = Binned::of(values);
            let detail = format!("{}, {}, {}", bins.detail, Smoothing::EvidentlyFill.describe(), "natural log");
            number(measure, kl(&bins.baseline, &bins.window, Smoothing::EvidentlyFill), 0.1, detail)
        }
        Measure::JensenShannon => {
            let bins = Binned::of(values);
            let detail = format!("{}, no smoothing, {}", bins.detail, LogBase::Natural.describe());
            let statistic = jensen_shannon_distance(&bins.baseline, &bins.window, LogBase::Natural);
            number(measure, statistic, 0.1, detail)
        }
        Measure::Hellinger => hellinger(values),
        Measure::TotalVariation => {
            let bins = Binned::of(values);
            let detail =
                format!("{}; Evidently's score is a p-value of random permutations, not computed", bins.detail);
            match total_variation(&bins.baseline, &bins.window) {
                Some(statistic) => ToolScore::shown(measure, statistic, detail),
                None => ToolScore::none(measure, detail),
            }
        }
        Measure::ChiSquare => chi_square(values, n, m),
        Measure::ZProportions => z(values),
        Measure::GTest | Measure::FisherExact if n != m => ToolScore::none(
            measure,
            format!("Evidently raises ValueError unless both sides have the same size, here {n} and {m}"),
        ),
        Measure::GTest => g_test(values),
        Measure::FisherExact => fisher(values),
        _ => match values {
            Values::Numeric { points, .. } => of_sample(measure, points, n, m),
            Values::Categorical(_) => unknown(
                "Evidently",
                measure,
                "psi, kl, jensen_shannon, hellinger, chi_square, z_proportions, g_test, fisher_exact, total_variation",
            ),
        },
    }
}

fn number(measure: Measure, statistic: Option<f64>, threshold: f64, detail: String) -> ToolScore {
    match statistic {
        Some(statistic) => ToolScore::above(measure, statistic, threshold, true, detail),
        None => ToolScore::none(measure, detail),
    }
}

fn of_sample(measure: Measure, points: &Points, n: u64, m: u64) -> ToolScore {
    let detail = "every distinct value";
    let test = |result: Option<(f64, f64)>, level: f64, inclusive: bool| match result {
        Some((statistic, p_value)) => {
            let score = ToolScore::test(measure, statistic, p_value, level, detail);
            ToolScore { drift: Some(p_value < level || (inclusive && p_value == level)), ..score }
        }
        None => ToolScore::none(measure, "Evidently raises ValueError: too few or too equal values"),
    };
    match measure {
        Measure::Ks => {
            let statistic = ks_statistic(points.counts(Side::Baseline), points.counts(Side::Window));
            test(statistic.map(|statistic| (statistic, ks_p_value(statistic, n, m))), 0.05, true)
        }
        Measure::WassersteinNormed | Measure::Wasserstein => {
            let deviation = points.deviation(Side::Baseline, 0).unwrap_or(0.0).max(0.001);
            let statistic = wasserstein_of_points(points).map(|distance| distance / deviation);
            number(measure, statistic, 0.1, format!("{detail}, in baseline standard deviations (at least 0.001)"))
        }
        Measure::Energy => match energy(points) {
            Some(statistic) => ToolScore::above(measure, statistic, 0.1, false, detail.to_owned()),
            None => ToolScore::none(measure, detail),
        },
        Measure::CramerVonMises => test(cramer_von_mises_by_ranks(points), 0.1, true),
        Measure::AndersonDarling => {
            // As scipy has it: the p-value ends where the table does.
            let by_table = |test: AndersonDarling| (test.statistic, anderson_darling_by_table(test.statistic));
            test(anderson_darling(points).map(by_table), 0.1, false)
        }
        Measure::EppsSingleton => test(epps_singleton(points), 0.05, false),
        Measure::MannWhitney => {
            let score = test(mann_whitney(points).map(|test| (test.statistic, test.p_less)), 0.05, false);
            ToolScore { detail: "every distinct value, one-sided (reference smaller)".to_owned(), ..score }
        }
        Measure::StudentT => test(student_t(points).map(|test| (test.statistic, test.p_value)), 0.05, false),
        _ => unknown(
            "Evidently",
            measure,
            "psi, kl, jensen_shannon, hellinger, wasserstein_normed, ks, energy, cramer_von_mises, anderson_darling, epps_singleton, mann_whitney, student_t",
        ),
    }
}

/// Its shared binning.
struct Binned {
    baseline: Vec<u64>,
    window: Vec<u64>,
    detail: String,
}

impl Binned {
    fn of(values: &Values) -> Self {
        match values {
            Values::Categorical(categories) => Self {
                baseline: categories.baseline.clone(),
                window: categories.window.clone(),
                detail: number_of(categories.names.len(), "category"),
            },
            Values::Numeric { points, integers } => {
                let total = points.size(Side::Baseline) + points.size(Side::Window);
                let known = points.of(Side::Baseline).count();
                match range(points, &[Side::Baseline, Side::Window]) {
                    Some((low, high)) if known > BINNED_ABOVE => {
                        let edges = numpy_sturges(low, high, total, *integers);
                        let (baseline, window) = both_between(points, &edges);
                        let detail = format!(
                            "{} over reference and window (sturges)",
                            number_of(baseline.len(), "equal bin")
                        );
                        Self { baseline, window, detail }
                    }
                    _ => Self {
                        baseline: points.counts(Side::Baseline).to_vec(),
                        window: points.counts(Side::Window).to_vec(),
                        detail: format!("{} as bins", number_of(points.distinct(), "distinct value")),
                    },
                }
            }
        }
    }
}

/// Numbers: on densities over bins chosen from the distinct values; categories: on shares.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn hellinger(values: &Values) -> ToolScore {
    let (baseline, window, width, detail) = match values {
        Values::Categorical(categories) => (
            categories.baseline.clone(),
            categories.window.clone(),
            1.0,
            number_of(categories.names.len(), "category"),
        ),
        Values::Numeric { points, integers } => {
            let Some((low, high)) = range(points, &[Side::Baseline, Side::Window]) else {
                return ToolScore::none(Measure::Hellinger, "no value");
            };
            let edges = numpy_sturges(low, high, points.distinct() as u64, *integers);
            let (baseline, window) = both_between(points, &edges);
            let bins = baseline.len();
            let span = edges.last().copied().unwrap_or(0.0) - edges.first().copied().unwrap_or(0.0);
            (
                baseline,
                window,
                span / bins as f64,
                format!("{} (sturges over the distinct values)", number_of(bins, "equal bin")),
            )
        }
    };
    let (n, m) = (baseline.iter().sum::<u64>() as f64, window.iter().sum::<u64>() as f64);
    let overlap: f64 = baseline
        .iter()
        .zip(&window)
        .map(|(before, after)| {
            let (p, q) = (*before as f64 / n / width, *after as f64 / m / width);
            (p * q).sqrt() * width
        })
        .sum();
    ToolScore::above(
        Measure::Hellinger,
        (1.0 - overlap.min(1.0)).sqrt(),
        0.1,
        true,
        format!("{detail}, no smoothing"),
    )
}

/// The window's counts against the reference's shares taken for exact; a category the reference lacks makes it certain.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn chi_square(values: &Values, n: u64, m: u64) -> ToolScore {
    let counts: Vec<(u64, u64)> = match values {
        Values::Categorical(categories) => categories.pairs().collect(),
        Values::Numeric { points, .. } => points.iter().map(|(_, before, after)| (before, after)).collect(),
    };
    let scale = m as f64 / n as f64;
    let mut statistic = 0.0;
    for (before, after) in &counts {
        let expected = *before as f64 * scale;
        let difference = *after as f64 - expected;
        if expected > 0.0 {
            statistic += difference * difference / expected;
        } else {
            statistic = f64::INFINITY;
        }
    }
    let degrees = counts.len() - 1;
    if degrees == 0 {
        return ToolScore::none(Measure::ChiSquare, "one value on both sides: Evidently gives NaN");
    }
    let p_value = chi_square_tail(statistic, degrees as f64);
    let score = ToolScore::test(
        Measure::ChiSquare,
        statistic,
        p_value,
        0.05,
        format!("{} values, one-sample: the reference's own noise does not count", counts.len()),
    );
    if statistic.is_finite() {
        score
    } else {
        let detail = format!("{}; infinite, because the reference lacks a value of the window", score.detail);
        ToolScore { statistic: None, detail, ..score }
    }
}

/// The first value in order against all others.
fn z(values: &Values) -> ToolScore {
    let (first, n, m) = match values {
        Values::Categorical(categories) => {
            (categories.pairs().next(), categories.baseline.iter().sum(), categories.window.iter().sum())
        }
        Values::Numeric { points, .. } => (
            points.iter().next().map(|(_, before, after)| (before, after)),
            points.size(Side::Baseline),
            points.size(Side::Window),
        ),
    };
    let (before, after): (u64, u64) = first.unwrap_or_default();
    let others = Proportions { baseline: (n - before, n), window: (m - after, m) };
    match others.z() {
        Some((statistic, p_value)) => ToolScore::test(
            Measure::ZProportions,
            statistic,
            p_value,
            0.05,
            "first value against all others, pooled",
        ),
        None => ToolScore::none(Measure::ZProportions, "no value"),
    }
}

/// Counts against counts, which only has a value when both sides are of one size.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn g_test(values: &Values) -> ToolScore {
    let Values::Categorical(categories) = values else {
        return unknown("Evidently", Measure::GTest, "g_test for categories only");
    };
    let terms = categories.pairs().filter(|(_, after)| *after > 0);
    let statistic: f64 =
        2.0 * terms.map(|(before, after)| after as f64 * (after as f64 / before as f64).ln()).sum::<f64>();
    let p_value = chi_square_tail(statistic, categories.names.len() as f64 - 1.0);
    let score = ToolScore::test(Measure::GTest, statistic, p_value, 0.1, "one-sample, natural log");
    ToolScore { statistic: score.statistic.filter(|value| value.is_finite()), ..score }
}

fn fisher(values: &Values) -> ToolScore {
    let Values::Categorical(categories) = values else {
        return unknown("Evidently", Measure::FisherExact, "fisher_exact for categories only");
    };
    let ([n0, n1], [m0, m1]) = (categories.baseline.as_slice(), categories.window.as_slice()) else {
        return ToolScore::none(Measure::FisherExact, "Evidently raises ValueError unless there are two values");
    };
    let table = Proportions { baseline: (*n0, n0 + n1), window: (*m0, m0 + m1) };
    match table.fisher() {
        Some((odds, p_value)) => {
            let score = ToolScore::test(Measure::FisherExact, odds, p_value, 0.1, "two values");
            ToolScore { statistic: Some(odds).filter(|odds| odds.is_finite()), ..score }
        }
        None => ToolScore::none(Measure::FisherExact, "no value"),
    }
}
