use std::sync::Arc;

use super::*;
use crate::baseline::learn;
use crate::binning::{BinningSet, BuildOptions, numeric_from_values};
use crate::distribution::WindowCounts;
use crate::judge::{Against, ColumnRules, FalseAlarms, JudgeSpec, Judgement, Verdict, judge};
use crate::record::batch_of;

fn schema(column_type: ColumnType) -> ModelSchema {
    ModelSchema::of_features(&[("x", column_type)]).unwrap()
}

/// A window of these values, as they are written in JSON.
fn window(
    column_type: ColumnType,
    binnings: &Arc<BinningSet>,
    values: impl Iterator<Item = String>,
) -> WindowCounts {
    let batch = batch_of(&schema(column_type), values.map(|value| format!(r#"{{"x":{value}}}"#)));
    let mut counts = WindowCounts::empty(Arc::clone(binnings));
    counts.count(&batch, &(0u32..).take(batch.times.len()).collect::<Vec<_>>());
    counts
}

fn judged(column_type: ColumnType, window: &WindowCounts, baseline: &Baseline) -> Judgement {
    let spec = JudgeSpec::new(vec![ColumnRules::of_type("x", column_type)], 100, FalseAlarms::PerWindow(0.001));
    judge(window, baseline.segments.get(WHOLE).map(Against::counts), &spec, 0.001)
}

/// Learns from 24 windows; with it windows of the same law, the last of which was counted before there was the baseline,
/// and then a window of another law are judged.
struct Learned {
    column_type: ColumnType,
    baseline: Baseline,
}

impl Learned {
    fn from(column_type: ColumnType, mut law: impl FnMut() -> Vec<String>) -> Self {
        let universal = Arc::new(BinningSet::universal(&schema(column_type)));
        let windows: Vec<(String, WindowCounts)> =
            (0..24).map(|_| (WHOLE.to_owned(), window(column_type, &universal, law().into_iter()))).collect();
        let baseline = learn(&schema(column_type), &windows, BuildOptions::default()).unwrap();
        Self { column_type, baseline }
    }

    fn reasons(&self) -> Vec<Unusable> {
        unlearned_columns(&schema(self.column_type), &self.baseline)
            .into_iter()
            .map(|column| column.reason)
            .collect()
    }

    fn verdict(&self, values: Vec<String>) -> Verdict {
        let counts = window(self.column_type, &self.baseline.binnings, values.into_iter());
        judged(self.column_type, &counts, &self.baseline).verdict
    }

    /// Of a window that was counted before there was a baseline.
    fn verdict_moved(&self, values: Vec<String>) -> Verdict {
        let universal = Arc::new(BinningSet::universal(&schema(self.column_type)));
        let counts = window(self.column_type, &universal, values.into_iter());
        judged(self.column_type, &counts.rebinned(&self.baseline.binnings), &self.baseline).verdict
    }
}

/// Categories by their weights.
fn categories(weights: Vec<f64>, rows: usize, seed: u64) -> impl FnMut() -> Vec<String> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut ends = weights;
    let mut sum = 0.0;
    for end in &mut ends {
        sum += *end;
        *end = sum;
    }
    move || {
        let draw = |_| {
            let place = rng.f64() * sum;
            format!("\"c{}\"", ends.partition_point(|end| *end <= place))
        };
        (0..rows).map(draw).collect()
    }
}

fn zipf(number: u32) -> Vec<f64> {
    (1..=number).map(|rank| 1.0 / f64::from(rank)).collect()
}

/// Of these values a tenth is another one.
fn with_more(mut values: Vec<String>, category: &str) -> Vec<String> {
    for value in values.iter_mut().step_by(10) {
        *value = format!("\"{category}\"");
    }
    values
}

#[test]
fn thousands_of_categories_are_learned_and_do_not_drift_by_themselves() {
    for (name, weights) in [("uniform", vec![1.0; 1_000]), ("zipf", zipf(5_000))] {
        let mut law = categories(weights, 10_000, 11);
        let learned = Learned::from(ColumnType::Categorical, &mut law);
        assert_eq!(learned.reasons(), [], "{name}");
        for index in 0..4 {
            assert_eq!(learned.verdict(law()), Verdict::Ok, "{name} {index}");
        }
        assert_eq!(learned.verdict_moved(law()), Verdict::Ok, "{name} moved");
        // The second of the Zipf law has 5.5 %.
        let changed = learned.verdict(with_more(law(), "c1"));
        assert!(changed.moved(), "{name}: {changed:?}");
    }
}

#[test]
fn of_more_categories_than_are_counted_exactly_those_with_known_counts_are_learned() {
    let mut law = categories(zipf(20_000), 10_000, 12);
    let learned = Learned::from(ColumnType::Categorical, &mut law);
    assert_eq!(learned.reasons(), []);
    let Binning::Categorical(binning) = &learned.baseline.binnings.columns()[0].1 else { panic!("categories") };
    assert!((50..300).contains(&binning.categories().len()), "{}", binning.categories().len());
    assert_eq!(binning.rare(), 0);
    for index in 0..4 {
        assert_eq!(learned.verdict(law()), Verdict::Ok, "{index}");
    }
    assert_eq!(learned.verdict_moved(law()), Verdict::Ok);
    let changed = learned.verdict(with_more(law(), "c1"));
    assert!(changed.moved(), "{changed:?}");
}

#[test]
fn a_column_of_names_alone_is_not_compared_and_that_is_said() {
    let mut next = 0;
    let learned = Learned::from(ColumnType::Categorical, || {
        next += 1_000;
        (next..next + 1_000).map(|name| format!("\"user-{name}\"")).collect()
    });
    assert!(
        matches!(learned.reasons()[..], [Unusable::TooManyCategories { distinct: 23_000..25_000 }]),
        "{:?}",
        learned.reasons()
    );
    let columns = unlearned_columns(&schema(ColumnType::Categorical), &learned.baseline);
    assert!(columns[0].to_string().contains("driftd baseline build NAME --from FILE"), "{}", columns[0]);
    assert_eq!(without_columns(&columns), ", without `x`");
    let values = || (0..1_000).map(|name| format!("\"user-{name}\"")).collect::<Vec<_>>();
    let counts = window(ColumnType::Categorical, &learned.baseline.binnings, values().into_iter());
    let judgement = judged(ColumnType::Categorical, &counts, &learned.baseline);
    assert_eq!(judgement.columns[0].verdict, Verdict::NoBaseline, "never ok");
    // Shares of null values need no bins.
    let nulls = (0..1_000).map(|_| "null".to_owned()).chain(values()).collect();
    assert_eq!(learned.verdict(nulls), Verdict::Critical);
}

/// Numbers of a normal law.
fn normal(mean: f64, deviation: f64, rows: usize, seed: u64) -> impl FnMut() -> Vec<String> {
    let mut rng = fastrand::Rng::with_seed(seed);
    move || {
        (0..rows)
            .map(|_| {
                let (size, angle) = ((-2.0 * (1.0 - rng.f64()).ln()).sqrt(), std::f64::consts::TAU * rng.f64());
                format!("{:?}", (size * angle.cos()).mul_add(deviation, mean))
            })
            .collect()
    }
}

#[test]
fn numbers_far_from_zero_are_learned_and_their_shifts_are_found() {
    // Around zero, and with a thousand times their spread and more from it: latitudes, times in seconds, identifiers.
    for (mean, deviation, seed) in
        [(0.0, 1.0, 1), (100.0, 3.0, 2), (52.5, 0.03, 3), (1.76e9, 1_800.0, 4), (1e9, 20.0, 5), (-1e9, 0.5, 6)]
    {
        let mut law = normal(mean, deviation, 1_000, seed);
        let learned = Learned::from(ColumnType::Numeric, &mut law);
        assert_eq!(learned.reasons(), [], "{mean}");
        for index in 0..20 {
            let (direct, moved) = (learned.verdict(law()), learned.verdict_moved(law()));
            assert_eq!((direct, moved), (Verdict::Ok, Verdict::Ok), "{mean}, window {index}");
        }
        for shift in [4.0, -4.0, 1.0] {
            let mut shifted = normal(deviation.mul_add(shift, mean), deviation, 1_000, seed + 100);
            let found = (learned.verdict(shifted()), learned.verdict_moved(shifted()));
            assert_eq!(found, (Verdict::Critical, Verdict::Critical), "{mean} by {shift}");
        }
    }
}

#[test]
fn a_window_with_more_values_than_were_learned_from_is_divided_among_the_bins() {
    for (mean, deviation) in [(52.5, 0.03), (1.76e9, 1_800.0), (0.0, 1.0)] {
        let mut few = normal(mean, deviation, 100, 7);
        let learned = Learned::from(ColumnType::Numeric, &mut few);
        assert_eq!(learned.reasons(), [], "{mean}");
        let mut many = normal(mean, deviation, 40_000, 8);
        assert_eq!(learned.verdict_moved(many()), Verdict::Ok, "{mean}");
        let mut shifted = normal(deviation.mul_add(0.5, mean), deviation, 40_000, 9);
        assert_eq!(learned.verdict_moved(shifted()), Verdict::Critical, "{mean}");
    }
}

#[test]
fn integers_have_the_bins_of_a_baseline_from_a_file() {
    let values = || (0..1_000).map(|index| (index * index % 101).to_string()).collect::<Vec<_>>();
    let learned = Learned::from(ColumnType::Numeric, values);
    let Binning::Numeric(learned) = &learned.baseline.binnings.columns()[0].1 else { panic!("numbers") };
    let mut values: Vec<f64> = values().iter().map(|value| value.parse().unwrap()).collect();
    let built = numeric_from_values(&mut values, BuildOptions::default()).unwrap();
    // Of values, what single precision takes for zero is with it; a bucket has zero alone.
    assert_eq!(learned.cuts().get(2..), built.cuts().get(2..));
    assert_eq!((learned.atom(1), learned.atom(3)), (Some(0.0), Some(1.0)));
    assert_eq!((learned.largest_mass(), built.largest_mass()), (0.0, 0.0));
}

#[test]
fn sensitive_numbers_that_their_buckets_do_not_tell_apart_are_not_compared_and_that_is_said() {
    let plain = schema(ColumnType::Numeric);
    let sensitive = plain.clone().with_sensitive(&["x"]);
    let universal = Arc::new(BinningSet::universal(&sensitive));
    for (mean, deviation, reasons) in
        [(52.5, 0.03, vec![Unusable::TooClose { sensitive: true }]), (0.0, 1.0, vec![]), (100.0, 3.0, vec![])]
    {
        let mut law = normal(mean, deviation, 1_000, 13);
        // An outlier hides nothing.
        let mut values = || law().into_iter().chain(["1e300".to_owned()]);
        let windows: Vec<(String, WindowCounts)> =
            (0..3).map(|_| (WHOLE.to_owned(), window(ColumnType::Numeric, &universal, values()))).collect();
        let baseline = learn(&sensitive, &windows, BuildOptions::default()).unwrap();
        let columns = unlearned_columns(&sensitive, &baseline);
        assert_eq!(columns.iter().map(|column| column.reason.clone()).collect::<Vec<_>>(), reasons, "{mean}");
        let counts = window(ColumnType::Numeric, &baseline.binnings, values());
        let expected = if reasons.is_empty() { Verdict::Ok } else { Verdict::NoBaseline };
        assert_eq!(judged(ColumnType::Numeric, &counts, &baseline).columns[0].verdict, expected, "{mean}");
        if let Binning::Numeric(binning) = &baseline.binnings.columns()[0].1 {
            let is_grid = |cut: &f64| crate::binning::universal::is_lower_end(*cut);
            assert!(
                binning.level().is_none() && binning.cuts().iter().all(is_grid),
                "no end is a value of somebody"
            );
        }
    }
    // A constant is one value, however far from zero.
    let values = || vec!["1000000007".to_owned(); 500].into_iter();
    let windows = vec![(WHOLE.to_owned(), window(ColumnType::Numeric, &universal, values()))];
    let baseline = learn(&sensitive, &windows, BuildOptions::default()).unwrap();
    assert_eq!(unlearned_columns(&sensitive, &baseline), []);
}

#[test]
fn origins_name_a_few_columns() {
    let column =
        |name: &str| UnusableColumn { name: name.into(), path: name.into(), reason: Unusable::AlwaysNull };
    let without = |names: &[&str]| without_columns(&names.iter().map(|name| column(name)).collect::<Vec<_>>());
    assert_eq!(without(&[]), "");
    assert_eq!(without(&["a", "b"]), ", without `a` and `b`");
    assert_eq!(without(&["a", "b", "c", "d", "e"]), ", without `a`, `b`, `c` and 2 more");
}
