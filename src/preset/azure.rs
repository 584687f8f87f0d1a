//! Azure Machine Learning model monitoring (`azureml-assets`, `model_monitoring/components`).

use super::histogram::{both_between, equal_edges, range};
use super::{ToolScore, unknown};
use crate::measure::law::chi_square_tail;
use crate::measure::{
    LogBase, Measure, Side, Smoothing, Values, jensen_shannon_distance, ks_p_value, ks_statistic, psi,
    wasserstein_of_points,
};
use crate::record::number_of;

pub(super) fn score(measure: Measure, values: &Values, n: u64, m: u64) -> ToolScore {
    let number = |statistic: Option<f64>, detail: String| match statistic {
        Some(statistic) => ToolScore::above(measure, statistic, 0.1, false, detail),
        None => ToolScore::none(measure, detail),
    };
    match (measure, values) {
        (Measure::Psi, _) => {
            let (baseline, window, detail) = binned(values, n, m);
            // Every category and bin gets one more, empty ones too.
            let statistic = laplace_psi(&baseline, &window);
            number(statistic, format!("{detail}, +1 per bin, natural log"))
        }
        (Measure::JensenShannon, _) => {
            let (baseline, window, detail) = binned(values, n, m);
            let statistic = jensen_shannon_distance(&baseline, &window, LogBase::Two);
            number(statistic, format!("{detail}, no smoothing, log base 2"))
        }
        (Measure::WassersteinNormed | Measure::Wasserstein, Values::Numeric { points, .. }) => {
            let deviation = points.deviation(Side::Baseline, 1).unwrap_or(0.0).max(0.001);
            let statistic = wasserstein_of_points(points).map(|distance| distance / deviation);
            number(
                statistic,
                "every distinct value, in sample standard deviations of the baseline (at least 0.001)".to_owned(),
            )
        }
        (Measure::Ks, Values::Numeric { .. }) if n.max(m) > 10_000 => {
            ToolScore::none(measure, "Azure raises an error above 10,000 rows a side")
        }
        (Measure::Ks, Values::Numeric { points, .. }) => {
            match ks_statistic(points.counts(Side::Baseline), points.counts(Side::Window)) {
                Some(statistic) => {
                    ToolScore::test(measure, statistic, ks_p_value(statistic, n, m), 0.05, "every distinct value")
                }
                None => ToolScore::none(measure, "no value"),
            }
        }
        (Measure::ChiSquare, Values::Categorical(categories)) => {
            chi_square(&categories.baseline, &categories.window, n, m)
        }
        (_, Values::Numeric { .. }) => unknown("Azure", measure, "wasserstein_normed, jensen_shannon, psi, ks"),
        (_, Values::Categorical(_)) => unknown("Azure", measure, "jensen_shannon, psi, chi_square"),
    }
}

fn laplace_psi(baseline: &[u64], window: &[u64]) -> Option<f64> {
    // Pseudocounts that also go to bins empty on both sides: add them to the counts.
    let one_more = |counts: &[u64]| counts.iter().map(|count| count + 1).collect::<Vec<u64>>();
    psi(&one_more(baseline), &one_more(window), Smoothing::AddShare(0.0))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the logarithm of a count"
)]
fn binned(values: &Values, n: u64, m: u64) -> (Vec<u64>, Vec<u64>, String) {
    match values {
        Values::Categorical(categories) => {
            (categories.baseline.clone(), categories.window.clone(), number_of(categories.names.len(), "category"))
        }
        Values::Numeric { points, .. } => {
            let bins = ((n.min(m) as f64).log2() + 1.0).ceil().max(1.0) as usize;
            let (low, high) = range(points, &[Side::Baseline, Side::Window]).unwrap_or_default();
            let (baseline, window) = both_between(points, &equal_edges(low, high, bins));
            (baseline, window, format!("{} over both sides", number_of(bins, "equal bin")))
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn chi_square(baseline: &[u64], window: &[u64], n: u64, m: u64) -> ToolScore {
    let scale = m as f64 / n as f64;
    let statistic: f64 = baseline
        .iter()
        .zip(window)
        .map(|(before, after)| {
            let expected = *before as f64 * scale;
            (*after as f64 - expected).powi(2) / expected
        })
        .sum();
    if baseline.len() < 2 {
        return ToolScore::none(Measure::ChiSquare, "one category on both sides has no test");
    }
    let p_value = chi_square_tail(statistic, baseline.len() as f64 - 1.0);
    let score =
        ToolScore::test(Measure::ChiSquare, statistic, p_value, 0.05, "one-sample on the union of categories");
    ToolScore { statistic: Some(statistic).filter(|value| value.is_finite()), ..score }
}
