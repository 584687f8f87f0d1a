mod significance;

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
        let all = NumericBinning::distinct(baseline.iter().chain(&window).copied(), false).unwrap();
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

/// Measures of a type that need a pair of distributions and nothing else.
fn of_pairs(column_type: ColumnType) -> impl Iterator<Item = Measure> {
    Measure::ALL.into_iter().filter(move |measure| {
        measure.applies_to(column_type) && !measure.is_change() && !measure.has_own_budget()
    })
}

#[test]
fn one_huge_value_does_not_make_drift_of_a_thousand() {
    let baseline: Vec<f64> = (0..5_000).map(|index| f64::from(index % 1_000)).collect();
    let mut window: Vec<f64> = (0..1_000).map(f64::from).collect();
    window[0] = 1e12;
    let binnings = binned(&baseline, 500);
    assert!(score(Measure::Psi, &baseline, &window, &binnings).unwrap().effect < 0.1);
    let (before, after) = (numeric_counts(&binnings, &baseline), numeric_counts(&binnings, &window));
    let pair = Pair::new(&before.columns()[0], &after.columns()[0]).unwrap();
    for measure in of_pairs(ColumnType::Numeric) {
        let score = measure.score(&pair).unwrap();
        assert!(score.p_value.unwrap() > 1e-4, "{measure:?}: {score:?}");
    }
}

#[test]
fn names_lead_back_to_measures() {
    for measure in Measure::ALL {
        assert_eq!(Measure::from_name(measure.as_str()), Some(measure));
    }
}

type Divergence = fn(&[u64], &[u64]) -> Option<f64>;

/// A fixed linear congruential generator, so that a failure comes back.
struct Dice(u64);

impl Dice {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

#[test]
fn noise_is_taken_for_drift_about_as_often_as_promised() {
    let mut dice = Dice(10);
    let baseline: Vec<f64> = (0..2_000).map(|_| dice.normal()).collect();
    let binnings = binned(&baseline, 500);
    let left = numeric_counts(&binnings, &baseline);
    let repetitions = 200;
    let measures: Vec<Measure> = of_pairs(ColumnType::Numeric).collect();
    let mut significant = vec![0; measures.len()];
    for _ in 0..repetitions {
        let window: Vec<f64> = (0..300).map(|_| dice.normal()).collect();
        let right = numeric_counts(&binnings, &window);
        let pair = Pair::new(&left.columns()[0], &right.columns()[0]).unwrap();
        for (measure, count) in measures.iter().zip(&mut significant) {
            *count += usize::from(measure.score(&pair).unwrap().p_value.unwrap() <= 0.01);
        }
    }
    let named: Vec<_> = measures.iter().map(|measure| measure.as_str()).zip(&significant).collect();
    assert!(significant.iter().all(|count| *count <= repetitions * 4 / 100), "at 1 %: {named:?} of {repetitions}");
}

#[test]
fn unseen_categories_of_a_long_tail_are_no_surprise() {
    // Zipf's law: every window has categories that the baseline happened not to draw.
    let mut dice = Dice(11);
    let mut draw = |size: usize| -> Vec<String> {
        (0..size).map(|_| format!("c{}", (1.0 / dice.uniform().max(1e-6)) as u64)).collect()
    };
    let baseline = draw(2_000);
    let mut counted = std::collections::BTreeMap::new();
    for category in &baseline {
        *counted.entry(category.clone()).or_insert(0) += 1;
    }
    let binning = crate::binning::categorical_from_counts(&counted, BuildOptions::default());
    let binnings = Arc::new(BinningSet::new(vec![("x".into(), binning)]));
    let schema = ModelSchema::of_features(&[("x", ColumnType::Categorical)]).unwrap();
    let count = |values: &[String]| {
        let batch = batch_of(&schema, values.iter().map(|value| format!(r#"{{"x":"{value}"}}"#)));
        let mut counts = WindowCounts::empty(Arc::clone(&binnings));
        counts.count(&batch, &(0..values.len() as u32).collect::<Vec<_>>());
        counts
    };
    let left = count(&baseline);
    let (mut alarms, mut with_some) = (0, 0);
    for _ in 0..100 {
        let right = count(&draw(300));
        let score =
            Measure::UnseenShare.score(&Pair::new(&left.columns()[0], &right.columns()[0]).unwrap()).unwrap();
        with_some += usize::from(score.statistic > 0.0);
        alarms += usize::from(score.p_value.unwrap() < 0.01);
    }
    assert!(with_some > 50, "nearly every window has some: {with_some}");
    assert!(alarms <= 4, "{alarms} of 100 at 1 %");
}

proptest! {
    #[test]
    fn measures_are_what_their_registry_says(
        left in prop::collection::vec(-30i32..30, 1..120),
        right in prop::collection::vec(-40i32..40, 1..120),
        nulls in 0usize..20,
    ) {
        let numbers = |values: &[i32], nulls: usize| -> Vec<f64> {
            values.iter().map(|value| f64::from(*value) / 4.0).chain(vec![f64::NAN; nulls]).collect()
        };
        let (left, right) = (numbers(&left, 0), numbers(&right, nulls));
        let all = NumericBinning::distinct(left.iter().chain(&right).copied(), false).unwrap();
        let binnings = Arc::new(BinningSet::new(vec![("x".into(), Binning::Numeric(all))]));
        let (before, after) = (numeric_counts(&binnings, &left), numeric_counts(&binnings, &right));
        let (before, after) = (&before.columns()[0], &after.columns()[0]);
        for measure in Measure::ALL {
            let there = measure.score(&Pair::new(before, after).unwrap());
            if let Some(score) = there {
                prop_assert!(score.effect >= 0.0 && score.effect.is_finite(), "{measure:?} {score:?}");
                prop_assert!(score.p_value.is_none_or(|p| (0.0..=1.0).contains(&p)), "{measure:?} {score:?}");
            }
            // Groups are of equal *baseline* mass, so exchanging the sides exchanges the groups: those are tested below.
            if measure.is_symmetric() && measure.reads() != Reads::Groups
                && !matches!(measure, Measure::Wasserstein | Measure::Energy)
            {
                let back = measure.score(&Pair::new(after, before).unwrap());
                prop_assert_eq!(there.is_some(), back.is_some());
                if let Some((there, back)) = there.zip(back) {
                    prop_assert!((there.effect - back.effect).abs() < 1e-9, "{:?}: {:?} {:?}", measure, there, back);
                }
            }
            if let Some(same) = measure.score(&Pair::new(before, before).unwrap()) {
                prop_assert!(same.effect < 1e-7, "{measure:?} of equal sides: {same:?}");
                prop_assert!(same.p_value.is_none_or(|p| p > 0.2), "{measure:?} of equal sides: {same:?}");
            }
        }
    }

    #[test]
    fn divergences_are_symmetric_bounded_and_grow_with_the_change(
        counts in prop::collection::vec((1u64..200, 1u64..200), 2..12),
    ) {
        let (left, right): (Vec<u64>, Vec<u64>) = counts.into_iter().unzip();
        let both: [(&str, Divergence, f64); 6] = [
            ("psi", |p, q| psi(p, q, Smoothing::HALF), f64::INFINITY),
            ("jensen_shannon", |p, q| jensen_shannon_distance(p, q, LogBase::Two), 1.0),
            ("hellinger", hellinger, 1.0),
            ("total_variation", total_variation, 1.0),
            ("l_infinity", l_infinity, 1.0),
            ("cramers_v", |p, q| Some(chi_square(p, q, false)?.effect), 1.0),
        ];
        // Halfway from one side to the other, of the same total shares.
        let (n, m) = (left.iter().sum::<u64>(), right.iter().sum::<u64>());
        let halfway: Vec<u64> = left.iter().zip(&right).map(|(p, q)| p * m + q * n).collect();
        for (name, measure, most) in both {
            let there = measure(&left, &right).unwrap();
            prop_assert!((there - measure(&right, &left).unwrap()).abs() < 1e-9, "{name}");
            prop_assert!((0.0..=most + 1e-12).contains(&there), "{name}: {there}");
            if name != "psi" && name != "cramers_v" {
                // Sizes matter to those two, and halfway has others.
                prop_assert!(measure(&left, &halfway).unwrap() <= there + 1e-9, "{name} grows with the change");
            }
        }
    }
}
