use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::binning::{Binning, BuildOptions, CategoricalBinning, category_hash, numeric_from_values};
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
        let back = WindowCounts::from_ipc(&whole.to_ipc().unwrap(), binnings).unwrap();
        prop_assert_eq!(&whole, &back);
    }

    #[test]
    fn the_sample_is_the_smallest_hashes_however_it_came_together(rows in rows_strategy(), cut in 0usize..60, size in 0usize..40) {
        let batch = batch(&rows);
        let origin = RowOrigin { topic: "t", partition: 3 };
        let hashes = sample_hashes(origin, &batch.offsets);
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
