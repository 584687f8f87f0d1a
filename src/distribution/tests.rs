mod stored;

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::binning::{Binning, BuildOptions, CategoricalBinning, Level, category_hash, numeric_from_values};
use crate::record::{Absence, ColumnType, ModelSchema, batch_of};

fn schema() -> ModelSchema {
    ModelSchema::of_features(&[
        ("x", ColumnType::Numeric),
        ("k", ColumnType::Categorical),
        ("b", ColumnType::Boolean),
    ])
    .unwrap()
}

fn batch(rows: &[(f64, u8)]) -> DecodedBatch {
    let record = |(value, category): &(f64, u8)| {
        if category % 7 == 0 {
            format!(r#"{{"x":null,"k":"k{category}"}}"#)
        } else {
            format!(r#"{{"x":{value:?},"k":"k{category}","b":{}}}"#, category % 2 == 0)
        }
    };
    batch_of(&schema(), rows.iter().map(record))
}

fn binnings() -> Arc<BinningSet> {
    let mut values: Vec<f64> = (0..1000).map(|index| (f64::from(index) * 0.37).sin() * 50.0).collect();
    Arc::new(BinningSet::new(vec![
        ("x".into(), Binning::Numeric(numeric_from_values(&mut values, BuildOptions::default()).unwrap())),
        (
            "k".into(),
            Binning::Categorical(CategoricalBinning::new(
                vec!["k1".into(), "k2".into()],
                vec![category_hash("k3")],
            )),
        ),
        ("b".into(), Binning::Categorical(CategoricalBinning::boolean())),
    ]))
}

fn counted(binnings: &Arc<BinningSet>, batch: &DecodedBatch, rows: &[u32]) -> WindowCounts {
    let mut counts = WindowCounts::empty(Arc::clone(binnings));
    counts.count(batch, rows);
    counts
}

fn rows_strategy() -> impl Strategy<Value = Vec<(f64, u8)>> {
    prop::collection::vec((-200.0..200.0f64, 0u8..20), 1..60)
}

proptest! {
    #[test]
    fn merging_is_exact_commutative_and_independent_of_order(rows in rows_strategy(), cut in 0usize..60, universal in any::<bool>()) {
        let batch = batch(&rows);
        let binnings = if universal { Arc::new(BinningSet::universal(&schema())) } else { binnings() };
        let all: Vec<u32> = (0..rows.len() as u32).collect();
        let (left, right) = all.split_at(cut.min(all.len()));
        let whole = counted(&binnings, &batch, &all);
        let reversed = counted(&binnings, &batch, &all.iter().rev().copied().collect::<Vec<_>>());
        let mut forward = counted(&binnings, &batch, left);
        forward.merge(&counted(&binnings, &batch, right)).unwrap();
        let mut backward = counted(&binnings, &batch, right);
        backward.merge(&counted(&binnings, &batch, left)).unwrap();
        for other in [&reversed, &forward, &backward] {
            prop_assert_eq!(&whole, other);
            prop_assert_eq!(whole.to_ipc().unwrap(), other.to_ipc().unwrap());
        }
        for distribution in whole.columns() {
            prop_assert_eq!(distribution.rows(), rows.len() as u64, "every record is counted once");
        }
        let back = WindowCounts::from_ipc(&whole.to_ipc().unwrap(), Arc::clone(&binnings)).unwrap();
        prop_assert_eq!(&whole, &back);
        if !universal {
            let bins: Vec<_> = whole.columns().iter().map(|own| (own.counts().to_vec(), own.nulls())).collect();
            let again = WindowCounts::of_bins(binnings, &bins);
            prop_assert_eq!(again.rows(), whole.rows());
            for (own, again) in whole.columns().iter().zip(again.columns()) {
                prop_assert_eq!((own.counts(), own.nulls(), own.rows()), (again.counts(), again.nulls(), again.rows()));
            }
        }
    }

    #[test]
    fn the_sample_is_the_smallest_hashes_however_it_came_together(rows in rows_strategy(), cut in 0usize..60, size in 0usize..40) {
        let batch = batch(&rows);
        let origin = RowOrigin { topic: "t", partition: 3 };
        let hashes = sample_hashes(origin, &batch);
        let all: Vec<u32> = (0..rows.len() as u32).collect();
        let (left, right) = all.split_at(cut.min(all.len()));
        let sample = |rows: &[u32]| { let mut sample = RecordSample::new(size); sample.offer(&batch, origin, &hashes, rows); sample };
        let mut whole = sample(&all);
        let mut merged = sample(right);
        merged.merge(&sample(left));
        let mut first = sample(left);
        let _ = first.rows();
        let mut later = RecordSample::below(size, first.threshold());
        later.offer(&batch, origin, &hashes, right);
        first.merge(&later);
        prop_assert_eq!(whole.len(), rows.len().min(size));
        let bytes = whole.to_ipc().unwrap();
        prop_assert_eq!(&bytes, &merged.to_ipc().unwrap());
        prop_assert_eq!(&bytes, &first.to_ipc().unwrap());
        if let Some(bytes) = bytes {
            prop_assert_eq!(RecordSample::from_ipc(&bytes, size).unwrap().len(), whole.len());
        }
    }

    #[test]
    fn damaged_bytes_are_refused_without_panic(position in 0usize..2000, byte in any::<u8>(), cut in 0usize..2000) {
        let rows: Vec<(f64, u8)> = (0..20).map(|index| (f64::from(index), index as u8)).collect();
        let binnings = binnings();
        let mut bytes = counted(&binnings, &batch(&rows), &(0..20).collect::<Vec<_>>()).to_ipc().unwrap();
        let whole = bytes.clone();
        let index = position % bytes.len();
        bytes[index] = byte;
        bytes.truncate(bytes.len() - cut % bytes.len());
        prop_assert!(bytes == whole || WindowCounts::from_ipc(&bytes, binnings).is_err());
    }
}

#[test]
fn a_window_opened_before_the_columns_changed_keeps_its_own() {
    let older = Arc::new(BinningSet::new(vec![
        ("b".into(), Binning::Categorical(CategoricalBinning::boolean())),
        ("gone".into(), Binning::UniversalNumeric),
        ("x".into(), Binning::UniversalNumeric),
    ]));
    let counts = counted(&older, &batch(&[(1.0, 1), (2.0, 2), (3.0, 7)]), &[0, 1, 2]);
    let [b, gone, x] = counts.columns() else { panic!("three columns") };
    assert_eq!((b.counts()[0], b.counts()[1], b.absent(Absence::Missing)), (1, 1, 1));
    assert_eq!((gone.present(), gone.absent(Absence::Missing)), (0, 3));
    assert_eq!((x.present(), x.absent(Absence::Null)), (2, 1));
}

#[test]
fn counts_on_different_binnings_do_not_add_up() {
    let mut left = WindowCounts::empty(binnings());
    let right = WindowCounts::empty(Arc::new(BinningSet::universal(&schema())));
    assert!(left.merge(&right).is_err());
    assert!(WindowCounts::from_ipc(&right.to_ipc().unwrap(), binnings()).is_err());
}

#[test]
fn absences_and_unseen_categories_have_counters() {
    let batch = batch(&[(1.0, 1), (2.0, 3), (3.0, 7), (4.0, 9)]);
    let counts = counted(&binnings(), &batch, &[0, 1, 2, 3]);
    let [x, k, b] = counts.columns() else { panic!("three columns") };
    assert_eq!((x.present(), x.absent(Absence::Null)), (3, 1));
    assert_eq!(k.counts(), [1, 0, 1, 2], "k1, k2, rare k3, unseen k7 and k9");
    assert_eq!(k.unseen().unwrap().heaviest(), [("k7".to_owned(), 1), ("k9".to_owned(), 1)]);
    assert_eq!(b.absent(Absence::Missing), 1);
    assert!((x.mean().unwrap() - 7.0 / 3.0).abs() < 1e-6);
}

#[test]
fn unseen_categories_stay_in_bounded_memory_with_an_honest_estimate() {
    let mut unseen = UnseenCategories::default();
    for index in 0..100_000 {
        unseen.add(&format!("c{index}"), 1);
    }
    unseen.add("big", 50_000);
    assert!(!unseen.is_exact());
    assert!((unseen.distinct() - 100_001.0).abs() < 6_000.0, "{}", unseen.distinct());
    assert_eq!(unseen.heaviest()[0].0, "big");
}

/// Mean, population standard deviation and the quantiles of values.
fn truth(values: &[f64]) -> (f64, f64, crate::measure::Points) {
    let points = crate::measure::Points::from_samples(values, &[]);
    let side = crate::measure::Side::Baseline;
    (points.mean(side).unwrap(), points.deviation(side, 0).unwrap(), points)
}

fn numbers(binning: Binning, values: &[f64]) -> Distribution {
    let schema = ModelSchema::of_features(&[("x", ColumnType::Numeric)]).unwrap();
    let batch = batch_of(&schema, values.iter().map(|value| format!(r#"{{"x":{value:?}}}"#)));
    let binnings = Arc::new(BinningSet::new(vec![("x".into(), binning)]));
    counted(&binnings, &batch, &(0..values.len() as u32).collect::<Vec<_>>()).columns()[0].clone()
}

#[test]
fn statistics_are_those_of_the_values_wherever_they_lie() {
    let mut rng = fastrand::Rng::with_seed(46);
    let mut normal = move || (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0;
    let mut baseline: Vec<f64> = (0..4_000).map(|_| 10.0 + 5.0 * normal()).collect();
    let binning = |baseline: &mut Vec<f64>| {
        Binning::Numeric(numeric_from_values(baseline, BuildOptions::default()).unwrap())
    };
    let usual = binning(&mut baseline);
    let mut with_outlier = baseline.clone();
    with_outlier.push(1e15);
    let constant = binning(&mut vec![5.0; 500]);
    let mut of = |middle: f64, spread: f64| (0..3_000).map(|_| middle + spread * normal()).collect::<Vec<f64>>();
    let cases: Vec<(&str, Binning, Vec<f64>)> = vec![
        ("all above", usual.clone(), of(150.0, 9.0)),
        ("all below", usual.clone(), of(-4_000.0, 30.0)),
        ("partly beyond", usual.clone(), of(25.0, 8.0)),
        ("a million ranges away", usual.clone(), of(3e7, 2e6)),
        ("another constant", constant, vec![6.0; 100]),
        ("one value far away", usual.clone(), vec![82_372.0; 50]),
        ("a hair's width within a bin", usual.clone(), of(10.0, 1e-5)),
        ("beside an outlier of the baseline", binning(&mut with_outlier), of(20_000.0, 1_000.0)),
        (
            "the largest floats",
            usual.clone(),
            (0..900).map(|row| if row % 3 == 0 { 1.7e308 } else { -1.6e308 }).collect(),
        ),
        ("no baseline yet", Binning::UniversalNumeric, of(1e9, 10.0)),
        ("no baseline, one value", Binning::UniversalNumeric, vec![1_000_003.0; 70]),
    ];
    for (name, binning, values) in cases {
        let column = numbers(binning, &values);
        let (mean, deviation, points) = truth(&values);
        let found = (column.mean().unwrap(), column.deviation().unwrap());
        let near = |found: f64, truth: f64| (found - truth).abs() <= 1e-6 * deviation.max(truth.abs() * 1e-3);
        assert!(near(found.0, mean), "{name}: mean {} for {mean}", found.0);
        assert!(near(found.1, deviation), "{name}: deviation {} for {deviation}", found.1);
        for (located, level) in column.quantiles().unwrap().into_iter().zip(LEVELS) {
            let value = points.quantile(crate::measure::Side::Baseline, level).unwrap();
            match located {
                Located::At(found) => {
                    let slack = value.abs() * 1e-3;
                    assert!((found - value).abs() <= slack, "{name}: {level} at {found} for {value}");
                }
                Located::Near { value: found, bounds: (low, high) } => {
                    assert!((found - value).abs() <= deviation / 2.0, "{name}: {level} near {found} for {value}");
                    let holds =
                        |place: f64| low.is_some_and(|low| low <= place) && high.is_some_and(|high| place <= high);
                    assert!(holds(found) && holds(value), "{name}: {level} in {located:?} for {value}");
                }
                Located::Between(low, high) => assert!(
                    low.is_none_or(|low| low <= value) && high.is_none_or(|high| value <= high),
                    "{name}: {level} in {located:?} for {value}"
                ),
            }
        }
    }
}

#[test]
fn a_quantile_in_a_gap_of_the_baseline_is_not_made_up() {
    let mut baseline: Vec<f64> =
        (0..2_000).map(|row| f64::from(row % 2) * 1_000.0 + f64::from(row) / 2_000.0).collect();
    let binning = Binning::Numeric(numeric_from_values(&mut baseline, BuildOptions::default()).unwrap());
    let values: Vec<f64> = (0..500).map(|row| 400.0 + f64::from(row) / 2.5).collect();
    let column = numbers(binning, &values);
    let (mean, deviation, _) = truth(&values);
    assert!(
        (column.mean().unwrap() - mean).abs() < 1e-3 && (column.deviation().unwrap() - deviation).abs() < 1e-3
    );
    for located in column.quantiles().unwrap() {
        assert!(
            matches!(located, Located::Between(Some(low), Some(high)) if low < 401.0 && high > 599.0),
            "{located:?}"
        );
    }
}

#[test]
fn a_baseline_learned_from_buckets_has_the_statistics_of_its_values() {
    let values: Vec<f64> = (0..5_000).map(|row| 1e6 + f64::from(row * 7 % 1_000)).collect();
    let universal = numbers(Binning::UniversalNumeric, &values);
    let (level, counts) = universal.universal_counts().unwrap();
    let binning = crate::binning::numeric_from_buckets(level, counts, BuildOptions::default()).unwrap();
    let binnings = Arc::new(BinningSet::new(vec![("x".into(), Binning::Numeric(binning))]));
    let learned = universal.rebinned(&binnings, 0);
    let (mean, deviation, _) = truth(&values);
    assert!((learned.mean().unwrap() / mean - 1.0).abs() < 1e-9, "{:?}", learned.mean());
    assert!(
        (learned.deviation().unwrap() / deviation - 1.0).abs() < 1e-6,
        "{:?} {deviation}",
        learned.deviation()
    );
}

#[test]
fn records_of_one_message_are_records_of_their_own() {
    let mut several = stored::fixed_batch();
    several.offsets.fill(crate::record::Offset::new(7));
    let alone = sample_hashes(RowOrigin { topic: "t", partition: 3 }, &several);
    assert!(alone.iter().all(|hash| *hash == alone[0]), "the first record has the hash of its message");
    several.records = (0..several.times.len() as u32).collect();
    let origin = RowOrigin { topic: "t", partition: 3 };
    let hashes = sample_hashes(origin, &several);
    assert_eq!(hashes[0], alone[0]);
    let rows: Vec<u32> = several.records.clone();
    let mut sample = RecordSample::new(rows.len());
    sample.offer(&several, origin, &hashes, &rows);
    sample.offer(&several, origin, &hashes, &rows);
    assert_eq!(sample.rows().unwrap().num_rows(), rows.len(), "each once");
}
