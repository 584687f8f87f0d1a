use std::collections::HashMap;
use std::io::Cursor;

use super::*;
use crate::record::table::{TableRows, csv_batches, json_batches, parquet_batches};
use crate::record::{Absence, FieldPath, RecordLayout};
use crate::window::{BinningPins, CountingMachine, CountingSpec, Lengths, Membership, Partition, WindowLength};

fn schema() -> ModelSchema {
    ModelSchema::of_features(&[
        ("x", ColumnType::Numeric),
        ("k", ColumnType::Categorical),
        ("b", ColumnType::Boolean),
    ])
    .unwrap()
}

fn layout() -> RecordLayout {
    RecordLayout { segments: vec![("k".to_owned(), FieldPath::parse("k").unwrap())], ..RecordLayout::default() }
}

fn rows() -> TableRows {
    TableRows { schema: schema(), layout: layout(), timed: false }
}

fn lines() -> String {
    (0..200)
        .map(|index| format!("{{\"x\":{index},\"k\":\"k{}\",\"b\":{}}}\n", index % 2, index % 4 == 0))
        .collect()
}

#[test]
fn csv_and_json_lines_with_the_same_rows_give_the_same_baseline() {
    let text = lines();
    let csv: String = std::iter::once("b,x,k,other\n".to_owned())
        .chain((0..200).map(|index| format!("{},{index},k{},z\n", index % 4 == 0, index % 2)))
        .collect();
    let segments = vec!["k".to_owned()];
    let (from_json, report) =
        build(&schema(), &segments, BuildOptions::default(), || json_batches(Cursor::new(text.clone()), &rows()))
            .unwrap();
    let (from_csv, _) =
        build(&schema(), &segments, BuildOptions::default(), || csv_batches(Cursor::new(csv.clone()), rows()))
            .unwrap();
    assert_eq!((report.rows, report.rejected.total(), report.unusable), (200, 0, vec![]));
    assert_eq!(from_json, from_csv);
    assert_eq!(from_json.segments.keys().collect::<Vec<_>>(), ["*", "k=k0", "k=k1"]);
    assert_eq!(from_json.segments["k=k0"].rows(), 100);
}

#[test]
fn bad_lines_and_cells_are_counted_and_missing_columns_named() {
    let text = format!("{}not json\n\n{{\"x\":NaN,\"k\":null}}\n", lines());
    let (baseline, report) =
        build(&schema(), &[], BuildOptions::default(), || json_batches(Cursor::new(text.clone()), &rows()))
            .unwrap();
    assert_eq!((report.rows, report.rejected.total()), (201, 1));
    assert_eq!(baseline.segments["*"].columns()[0].absent(Absence::Nan), 1);
    let cells = "x,k,b\n1,a,true\n,,\noops,a,maybe\ninf,a,0\n";
    let (baseline, _) =
        build(&schema(), &[], BuildOptions::default(), || csv_batches(Cursor::new(cells), rows())).unwrap();
    let [x, k, b] = baseline.segments["*"].columns() else { panic!("three columns") };
    assert_eq!(
        [x.present(), x.absent(Absence::Null), x.absent(Absence::WrongType), x.absent(Absence::Infinite)],
        [1, 1, 1, 1]
    );
    assert_eq!((k.absent(Absence::Null), b.absent(Absence::WrongType)), (1, 1));
    assert!(matches!(
        build(&schema(), &[], BuildOptions::default(), || json_batches(Cursor::new(""), &rows())),
        Err(BaselineError::Empty)
    ));
    assert!(parquet_batches(&bytes::Bytes::from_static(b"PAR1 no"), rows()).is_err());
}

#[test]
fn columns_that_can_hardly_be_read_are_named_with_the_reason() {
    let text: String = (0..50)
        .map(|index| {
            format!("{{\"x\":{},\"k\":null}}\n", if index < 20 { "1".to_owned() } else { "\"A7\"".to_owned() })
        })
        .collect();
    let (_, report) =
        build(&schema(), &[], BuildOptions::default(), || json_batches(Cursor::new(text.clone()), &rows()))
            .unwrap();
    let said: Vec<String> = report.unusable.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
    column `x` (path `x`): 20 of 50 values can be read as numeric, others are such as "A7"
    column `k` (path `k`) is null in all records
    column `b` was not found in any record
    "#);
    let few: String = (0..100)
        .map(|index| if index < 5 { "{\"x\":1,\"k\":\"a\",\"b\":true}\n" } else { "{\"k\":\"a\",\"b\":true}\n" })
        .collect();
    let (_, report) =
        build(&schema(), &[], BuildOptions::default(), || json_batches(Cursor::new(few.clone()), &rows()))
            .unwrap();
    assert_eq!(report.unusable[0].reason, Unusable::TooFew { values: 5, records: 100 });
}

#[test]
fn learning_from_windows_moves_every_count() {
    let universal = Arc::new(BinningSet::universal(&schema()));
    let mut machine = CountingMachine::new(
        CountingSpec {
            length: WindowLength::from_micros(1).unwrap(),
            segments: vec!["k".into()],
            sample_size: 0,
            max_open_windows: 10,
            max_series: 100,
            amend: crate::record::TimeSpan::ZERO,
        },
        Arc::new(BinningPins {
            active: universal,
            open: HashMap::new(),
            series: Membership::up_to(100),
            lengths: Lengths::fixed(WindowLength::from_micros(1).unwrap()),
        }),
    );
    for item in json_batches(Cursor::new(lines()), &rows()).unwrap() {
        machine.count(&item.unwrap().batch, &Partition { topic: "t".into(), partition: 0 });
    }
    let windows: Vec<_> =
        machine.take_delta().windows.into_iter().map(|window| (window.key.segment, window.counts)).collect();
    let baseline = learn(&schema(), &windows, BuildOptions::default()).unwrap();
    let [x, k, b] = baseline.segments["*"].columns() else { panic!("three columns") };
    assert_eq!((x.present(), x.counts()[0], *x.counts().last().unwrap()), (200, 0, 0));
    assert_eq!((k.counts(), b.counts()), (&[100, 100, 0, 0][..], &[150, 50, 0, 0][..]));
    assert!((x.mean().unwrap() - 99.5).abs() < 1.0, "{:?}", x.mean());
    assert_eq!(baseline.segments["k=k1"].column("k").unwrap().counts(), [0, 100, 0, 0]);
    // So can those of windows that are still open; those of bins that training data placed cannot be told apart.
    let universal = BinningSet::universal(&schema());
    assert!(baseline.binnings.holds_whole_buckets_of(&universal));
    let whole =
        windows.iter().find(|(segment, _)| segment == "*").map(|(_, counts)| counts.rebinned(&baseline.binnings));
    assert_eq!(whole.as_ref(), Some(&baseline.segments["*"]));
    let (built, _) = build(&schema(), &[], BuildOptions::default(), || {
        let rows = lines().replace("\"x\":", "\"x\":0.1");
        json_batches(Cursor::new(rows), &self::rows())
    })
    .unwrap();
    assert!(!built.binnings.holds_whole_buckets_of(&universal));
    let renamed = BinningSet::new(vec![("y".to_owned(), crate::binning::Binning::UniversalNumeric)]);
    assert!(!baseline.binnings.holds_whole_buckets_of(&renamed), "other columns");
}

#[test]
fn no_end_of_a_bin_of_a_sensitive_column_is_a_value_of_somebody() {
    let plain = ModelSchema::of_features(&[("x", ColumnType::Numeric)]).unwrap();
    let schema = plain.clone().with_sensitive(&["x"]);
    let values: Vec<f64> = (0..2_000).map(|row| 1_000.011 + f64::from(row) * 0.37).collect();
    let text: String = values.iter().map(|value| format!("{{\"x\":{value:?}}}\n")).collect();
    let cuts_of = |schema: &ModelSchema| {
        let rows = TableRows { schema: schema.clone(), layout: RecordLayout::default(), timed: false };
        let read = || json_batches(Cursor::new(text.clone()), &rows);
        let (baseline, _) = build(schema, &[], BuildOptions::default(), read).unwrap();
        let Binning::Numeric(binning) = &baseline.binnings.columns()[0].1 else { panic!("numeric") };
        (binning.cuts().to_vec(), Arc::clone(&baseline.binnings))
    };
    let is_value = |cut: &f64| values.iter().any(|value| (value - cut).abs() < 2e-4);
    let ((hidden, set), (shown, other)) = (cuts_of(&schema), cuts_of(&plain));
    assert!(shown.iter().all(is_value));
    // The grid is the same for all data; that a value lies on it is chance.
    assert!(hidden.len() > 20 && hidden.iter().filter(|cut| is_value(cut)).count() < 3, "{hidden:?}");
    assert!(set.is_sensitive("x") && set.fits(&schema) && !set.fits(&plain) && !other.fits(&schema));
}
