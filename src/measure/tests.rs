use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::binning::{Binning, BinningSet, BuildOptions, NumericBinning, numeric_from_values};
use crate::distribution::WindowCounts;
use crate::record::{ColumnType, ModelSchema, batch_of};

fn numeric_counts(binnings: &Arc<BinningSet>, values: &[f64]) -> WindowCounts {
    let schema = ModelSchema::of_features(&[("x", ColumnType::Numeric)]).unwrap();
    let record =
        |value: &f64| if value.is_nan() { r#"{"x":null}"#.to_owned() } else { format!(r#"{{"x":{value:?}}}"#) };
    let batch = batch_of(&schema, values.iter().map(record));
    let mut counts = WindowCounts::empty(Arc::clone(binnings));
    counts.count(&batch, &(0..values.len() as u32).collect::<Vec<_>>());
    counts
}

fn binned(values: &[f64], resolution: usize) -> Arc<BinningSet> {
    let options = BuildOptions { resolution, ..BuildOptions::default() };
    let binning = numeric_from_values(&mut values.to_vec(), options).unwrap();
    Arc::new(BinningSet::new(vec![("x".into(), Binning::Numeric(binning))]))
}

fn score(measure: Measure, baseline: &[f64], window: &[f64], binnings: &Arc<BinningSet>) -> Option<Score> {
    let (baseline, window) = (numeric_counts(binnings, baseline), numeric_counts(binnings, window));
    measure.score(&Pair::new(&baseline.columns()[0], &window.columns()[0]).unwrap())
}

/// The statistic by definition, over all distinct values.
fn exact_ks(baseline: &[f64], window: &[f64]) -> f64 {
    let share =
        |values: &[f64], at: f64| values.iter().filter(|value| **value <= at).count() as f64 / values.len() as f64;
    baseline.iter().chain(window).map(|at| (share(baseline, *at) - share(window, *at)).abs()).fold(0.0, f64::max)
}

proptest! {
    #[test]
    fn the_binned_ks_lies_within_its_bound_whatever_the_window_holds(
        baseline in prop::collection::vec(-100i32..100, 20..200),
        window in prop::collection::vec(-150i32..150, 1..200),
        resolution in 2usize..30,
    ) {
        let baseline: Vec<f64> = baseline.into_iter().map(|value| f64::from(value) / 3.0).collect();
        let window: Vec<f64> = window.into_iter().map(|value| f64::from(value) / 3.0).collect();
        let binnings = binned(&baseline, resolution);
        let score = score(Measure::Ks, &baseline, &window, &binnings).unwrap();
        let exact = exact_ks(&baseline, &window);
        prop_assert!(score.bound.unwrap() <= 1.0 / resolution as f64 + 1e-12, "a bin holds at most its share");
        prop_assert!(score.statistic <= exact + 1e-12, "{} > {exact}", score.statistic);
        prop_assert!(exact <= score.statistic + score.bound.unwrap() + 1e-12, "{exact} > {} + {:?}", score.statistic, score.bound);
    }

    #[test]
    fn one_bin_a_distinct_value_is_exact(
        baseline in prop::collection::vec(-20i32..20, 1..60),
        window in prop::collection::vec(-30i32..30, 1..60),
    ) {
        let baseline: Vec<f64> = baseline.into_iter().map(f64::from).collect();
        let window: Vec<f64> = window.into_iter().map(f64::from).collect();
        let all = NumericBinning::distinct(baseline.iter().chain(&window).copied()).unwrap();
        let binnings = Arc::new(BinningSet::new(vec![("x".into(), Binning::Numeric(all))]));
        let ks = score(Measure::Ks, &baseline, &window, &binnings).unwrap();
        prop_assert!((ks.statistic - exact_ks(&baseline, &window)).abs() < 1e-12);
        let (left, right) = (numeric_counts(&binnings, &baseline), numeric_counts(&binnings, &window));
        let distance = wasserstein(&Pair::new(&left.columns()[0], &right.columns()[0]).unwrap()).unwrap();
        // By definition: the sum over unit steps of the gap between the cumulative shares.
        let share = |values: &[f64], at: f64| values.iter().filter(|value| **value <= at).count() as f64 / values.len() as f64;
        let area: f64 = (-40..40).map(|at| (share(&baseline, f64::from(at)) - share(&window, f64::from(at))).abs()).sum();
        prop_assert!((distance - area).abs() < 1e-9, "{distance} != {area}");
    }
}

#[test]
fn equal_distributions_score_zero_and_do_not_hang() {
    let values = vec![3.0; 50];
    let binnings = binned(&values, 500);
    for measure in
        [Measure::Psi, Measure::JensenShannon, Measure::Ks, Measure::WassersteinNormed, Measure::ChiSquare]
    {
        let score = score(measure, &values, &values, &binnings).unwrap();
        assert!(score.effect.abs() < 1e-12, "{measure:?}: {score:?}");
        assert!(score.p_value.is_none_or(|p| p == 1.0), "{measure:?}: {score:?}");
    }
}

#[test]
fn a_constant_baseline_that_starts_to_vary_is_seen() {
    let baseline = vec![3.0; 500];
    let window: Vec<f64> = (0..500).map(|index| 3.0 + f64::from(index) / 2_000.0).collect();
    let binnings = binned(&baseline, 500);
    for measure in
        [Measure::Psi, Measure::JensenShannon, Measure::Ks, Measure::WassersteinNormed, Measure::OutOfRangeShare]
    {
        let score = score(measure, &baseline, &window, &binnings).unwrap();
        assert!(score.effect > measure.default_thresholds().critical, "{measure:?}: {score:?}");
    }
}

#[test]
fn a_column_of_nulls_is_undefined_for_values_and_drift_for_the_null_share() {
    let baseline: Vec<f64> = (0..500).map(f64::from).collect();
    let window = vec![f64::NAN; 300];
    let binnings = binned(&baseline, 500);
    assert_eq!(score(Measure::Ks, &baseline, &window, &binnings), None);
    assert_eq!(score(Measure::WassersteinNormed, &baseline, &window, &binnings), None);
    assert_eq!(score(Measure::NullShare, &baseline, &window, &binnings).unwrap().effect, 1.0);
    assert!(score(Measure::Psi, &baseline, &window, &binnings).unwrap().effect > 1.0);
}

#[test]
fn one_huge_value_does_not_make_drift_of_a_thousand() {
    let baseline: Vec<f64> = (0..5_000).map(|index| f64::from(index % 1_000)).collect();
    let mut window: Vec<f64> = (0..1_000).map(f64::from).collect();
    window[0] = 1e12;
    let binnings = binned(&baseline, 500);
    assert!(score(Measure::Psi, &baseline, &window, &binnings).unwrap().effect < 0.1);
}

#[test]
fn names_lead_back_to_measures() {
    for measure in Measure::ALL {
        assert_eq!(Measure::from_name(measure.as_str()), Some(measure));
    }
}

#[test]
fn noise_stays_below_the_floor_in_nearly_every_window() {
    // A fixed linear congruential generator: two samples of one law, many times.
    let mut state = 7u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut normal = move || (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
    let baseline: Vec<f64> = (0..2_000).map(|_| normal()).collect();
    let binnings = binned(&baseline, 500);
    let left = numeric_counts(&binnings, &baseline);
    let repetitions = 200;
    let measures = [
        Measure::Psi,
        Measure::JensenShannon,
        Measure::Ks,
        Measure::WassersteinNormed,
        Measure::ChiSquare,
        Measure::OutOfRangeShare,
    ];
    let mut above = [0; 6];
    for _ in 0..repetitions {
        let window: Vec<f64> = (0..300).map(|_| normal()).collect();
        let right = numeric_counts(&binnings, &window);
        let pair = Pair::new(&left.columns()[0], &right.columns()[0]).unwrap();
        for (measure, count) in measures.iter().zip(&mut above) {
            let score = measure.score(&pair).unwrap();
            *count += usize::from(score.effect > noise_floor(*measure, &pair, &score, 0.01));
        }
    }
    assert!(above.iter().all(|count| *count <= repetitions * 4 / 100), "at 1 %: {above:?} of {repetitions}");
}
