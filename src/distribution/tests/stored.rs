//! What earlier versions wrote down.

use super::*;

/// Bins whose identity never changes, for bytes that were written by earlier versions.
fn fixed_binnings() -> Arc<BinningSet> {
    let cuts = vec![0.0, 5.0, 5.0_f64.next_up(), 10.0_f64.next_up()];
    Arc::new(BinningSet::new(vec![
        ("x".into(), Binning::Numeric(crate::binning::NumericBinning::new(cuts, 0.5).unwrap())),
        ("u".into(), Binning::UniversalNumeric),
        ("k".into(), Binning::Categorical(CategoricalBinning::new(vec!["a".into(), "b".into()], vec![]))),
    ]))
}

pub(super) fn fixed_batch() -> DecodedBatch {
    let schema = ModelSchema::of_features(&[
        ("x", ColumnType::Numeric),
        ("u", ColumnType::Numeric),
        ("k", ColumnType::Categorical),
    ])
    .unwrap();
    let records: Vec<String> = (0..40)
        .map(|row| {
            format!(
                r#"{{"x":{},"u":{},"k":"{}"}}"#,
                f64::from(row) / 2.0 - 2.0,
                1_000 + row,
                ["a", "b", "new"][row as usize % 3]
            )
        })
        .collect();
    batch_of(&schema, records)
}

#[test]
fn counts_of_the_first_version_are_read_and_say_what_they_know() {
    let bytes = include_bytes!("../../../tests/stored/counts-1.bin");
    let old = WindowCounts::from_ipc(bytes, fixed_binnings()).unwrap();
    let new = counted(&fixed_binnings(), &fixed_batch(), &(0..40).collect::<Vec<_>>());
    let [x, u, k] = old.columns() else { panic!("three columns") };
    assert_eq!((old.rows(), x.counts()), (40, new.columns()[0].counts()));
    assert_eq!(u.universal_counts().unwrap().0, Level::COARSEST, "as coarse as they were counted");
    assert_eq!((u.present(), u.quantiles()), (40, old.columns()[1].quantiles()));
    assert_eq!(k, &new.columns()[2]);
    // Sums were kept, squares and places beyond the range were not.
    assert!((x.mean().unwrap() - 7.75).abs() < 1e-6);
    assert_eq!(x.deviation(), None);
    let [.., high] = x.quantiles().unwrap();
    assert_eq!(high, Located::Between(Some(10.0_f64.next_up()), None));
    // What is counted today adds up with it, and knows no more than both do.
    let mut sum = old.clone();
    sum.merge(&new).unwrap();
    assert_eq!((sum.rows(), sum.columns()[0].present()), (80, 80));
    assert_eq!(sum.columns()[0].deviation(), None);
    let back = WindowCounts::from_ipc(&sum.to_ipc().unwrap(), fixed_binnings()).unwrap();
    assert_eq!(back, sum);
    // And a baseline is still learned from it.
    assert!(sum.rebinned(&fixed_binnings()).columns()[0].present() == 80);
}

#[test]
fn finer_buckets_come_back_from_the_stored_form() {
    let values: Vec<f64> = (0..6_000).map(|row| 52.5 + f64::from(row * 7_919 % 6_007) * 1e-5).collect();
    let column = numbers(Binning::UniversalNumeric, &values);
    let (level, counts) = column.universal_counts().unwrap();
    assert!(level > Level::FINEST && level < Level::COARSEST && counts.len() > 1_000, "{level:?}");
    let binnings = Arc::new(BinningSet::new(vec![("x".into(), Binning::UniversalNumeric)]));
    let window = WindowCounts { binnings: Arc::clone(&binnings), rows: 6_000, columns: vec![column] };
    let bytes = window.to_ipc().unwrap();
    assert_eq!(WindowCounts::from_ipc(&bytes, binnings).unwrap(), window);
    // A sensitive column has no such buckets, wherever the bytes come from: they are read as the coarsest ones.
    let schema = ModelSchema::of_features(&[("x", ColumnType::Numeric)]).unwrap().with_sensitive(&["x"]);
    let hidden = Distribution::empty(Arc::new(BinningSet::universal(&schema)), 0);
    assert_eq!(hidden.universal_counts().unwrap().0, Level::COARSEST);
}

#[test]
fn samples_of_the_first_version_are_read() {
    let bytes = include_bytes!("../../../tests/stored/sample-1.bin");
    let sample = RecordSample::from_ipc(bytes, 20).unwrap();
    assert_eq!(sample.len(), 20);
    assert_eq!(sample.column("x").unwrap().len(), 20);
}

/// What is counted before there is a baseline: times in seconds, and more categories than the second version kept exactly.
fn fixed_universal_batch() -> DecodedBatch {
    let schema = ModelSchema::of_features(&[("t", ColumnType::Numeric), ("k", ColumnType::Categorical)]).unwrap();
    let category = |row: u64| if row.is_multiple_of(5) { "top".to_owned() } else { format!("c{}", row % 1_000) };
    let record = |row: u64| format!(r#"{{"t":{},"k":"{}"}}"#, 1_760_000_000 + row * 37 % 7_200, category(row));
    batch_of(&schema, (0..2_000).map(record))
}

#[test]
fn counts_of_the_second_version_are_read_and_add_up_with_those_of_today() {
    let bytes = include_bytes!("../../../tests/stored/counts-2.bin");
    let old = WindowCounts::from_ipc(bytes, fixed_binnings()).unwrap();
    let new = counted(&fixed_binnings(), &fixed_batch(), &(0..40).collect::<Vec<_>>());
    assert_eq!((&old.columns()[0], &old.columns()[2]), (&new.columns()[0], &new.columns()[2]));
    assert_eq!(old.columns()[1].mean(), new.columns()[1].mean());
    let bytes = include_bytes!("../../../tests/stored/universal-2.bin");
    let schema = ModelSchema::of_features(&[("t", ColumnType::Numeric), ("k", ColumnType::Categorical)]).unwrap();
    let binnings = Arc::new(BinningSet::universal(&schema));
    let old = WindowCounts::from_ipc(bytes, Arc::clone(&binnings)).unwrap();
    let new = counted(&binnings, &fixed_universal_batch(), &(0..2_000).collect::<Vec<_>>());
    let [t, k] = old.columns() else { panic!("two columns") };
    assert_eq!(
        (t.present(), t.mean(), t.deviation()),
        (2_000, new.columns()[0].mean(), new.columns()[0].deviation())
    );
    assert_eq!((k.present(), k.unseen().unwrap().is_exact()), (2_000, false));
    assert!(new.columns()[1].unseen().unwrap().is_exact(), "more of them are kept by now");
    for (mine, theirs) in [(&old, &new), (&new, &old)] {
        let mut sum = mine.clone();
        sum.merge(theirs).unwrap();
        let [t, k] = sum.columns() else { panic!("two columns") };
        assert_eq!((t.present(), k.present()), (4_000, 4_000));
        assert_eq!(t.universal_counts().unwrap().0, Level::COARSEST, "no finer than the coarser of both");
        assert_eq!((t.mean(), t.deviation()), (new.columns()[0].mean(), new.columns()[0].deviation()));
        // Each category that the old sketch dropped has lost two records at most, and so has each that it kept.
        let unseen = k.unseen().unwrap();
        assert_eq!((unseen.heaviest().len(), unseen.error()), (801, 2));
        assert_eq!(unseen.heaviest()[0], ("top".to_owned(), 798));
        let back = WindowCounts::from_ipc(&sum.to_ipc().unwrap(), Arc::clone(&binnings)).unwrap();
        assert_eq!(back, sum);
    }
}
