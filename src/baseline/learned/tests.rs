use std::sync::Arc;

use super::*;
use crate::baseline::learn;
use crate::binning::{BinningSet, BuildOptions};
use crate::distribution::WindowCounts;
use crate::judge::{ColumnRules, JudgeSpec, Judgement, MeasureRule, Verdict, WindowRule, judge};
use crate::measure::Measure;
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
    let measures = Measure::defaults_for(column_type).iter();
    let rule = |measure: &Measure| MeasureRule { measure: *measure, thresholds: measure.default_thresholds() };
    let spec = JudgeSpec {
        columns: vec![ColumnRules { name: "x".into(), measures: measures.map(rule).collect() }],
        min_records: 100,
        significance: 0.001,
        values_only: false,
        rule: WindowRule::Columns(1),
    };
    judge(window, baseline.segments.get(WHOLE), &spec)
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
fn numbers_that_their_buckets_do_not_tell_apart_are_not_compared_and_that_is_said() {
    for (mean, deviation, is_learned) in
        [(0.0, 1.0, true), (100.0, 3.0, true), (52.5, 0.03, false), (1.76e9, 1_800.0, false), (1e9, 20.0, false)]
    {
        let mut law = normal(mean, deviation, 1_000, 13);
        let learned = Learned::from(ColumnType::Numeric, &mut law);
        let expected = if is_learned { vec![] } else { vec![Unusable::TooClose] };
        assert_eq!(learned.reasons(), expected, "{mean}");
        let verdict = learned.verdict(law());
        assert_eq!(verdict == Verdict::Ok, is_learned, "{mean}: {verdict:?}");
    }
    // A constant is one value, however far from zero.
    let learned = Learned::from(ColumnType::Numeric, || vec!["1000000007".to_owned(); 500]);
    assert_eq!(learned.reasons(), []);
    // An outlier hides nothing.
    let mut law = normal(1e9, 20.0, 1_000, 14);
    let learned = Learned::from(ColumnType::Numeric, || law().into_iter().chain(["1e300".to_owned()]).collect());
    assert_eq!(learned.reasons(), [Unusable::TooClose]);
}

#[test]
fn origins_name_a_few_columns() {
    let column = |name: &str| UnusableColumn { name: name.into(), path: name.into(), reason: Unusable::TooClose };
    let without = |names: &[&str]| without_columns(&names.iter().map(|name| column(name)).collect::<Vec<_>>());
    assert_eq!(without(&[]), "");
    assert_eq!(without(&["a", "b"]), ", without `a` and `b`");
    assert_eq!(without(&["a", "b", "c", "d", "e"]), ", without `a`, `b`, `c` and 2 more");
}
