//! Stored counts, samples and bins, damaged, with checksums that are right.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, Int32Array, Int64Array, RecordBatch, UInt8Array, UInt16Array, UInt64Array,
};
use arrow::datatypes::{Int32Type, Int64Type, UInt8Type, UInt16Type, UInt64Type};
use arrow::ipc::CompressionType;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use driftd::baseline::build;
use driftd::binning::{BinningSet, BuildOptions};
use driftd::distribution::{IpcError, RecordSample, RowOrigin, WindowCounts, sample_hashes};
use driftd::judge::{Against, ColumnRules, FalseAlarms, JudgeSpec, MeasureRule, judge};
use driftd::measure::{Measure, Pair};
use driftd::record::table::{ReadItem, TableRows, json_batches};
use driftd::record::{Column, ColumnRole, ColumnType, Derivation, FieldPath, ModelSchema, RecordLayout};
use driftd::report::{column_section, window_column};
use driftd::view::{distribution_rows, summaries};
use driftd::window::OffsetRanges;
use fastrand::Rng;
use xxhash_rust::xxh3::xxh3_64;

use super::{MEMORY, in_little_memory, mutated, try_all};

/// A column of every type.
pub(super) fn schema() -> ModelSchema {
    let types = [
        ("x", ColumnType::Numeric),
        ("k", ColumnType::Categorical),
        ("b", ColumnType::Boolean),
        ("e", ColumnType::Embedding),
        ("t", ColumnType::Text),
    ];
    let column = |(name, column_type): (&str, ColumnType)| Column {
        name: name.to_owned(),
        path: FieldPath::parse(name).unwrap(),
        role: ColumnRole::Feature,
        column_type,
        derivation: Derivation::Value,
        sensitive: false,
    };
    ModelSchema::new(types.into_iter().flat_map(|it| column(it).expand()).collect()).unwrap()
}

pub(super) fn lines(rows: u32, shift: u32) -> String {
    (0..rows)
        .map(|row| {
            format!(
                "{{\"x\":{},\"k\":\"k{}\",\"b\":{},\"e\":[{},1.5],\"t\":\"word{} and more\"}}\n",
                f64::from(row * 7 % 101 + shift) / 3.0,
                (row * 7_919 + shift) % 3_600,
                row % 2 == 0,
                row % 9,
                row % 40
            )
        })
        .collect()
}

fn rows() -> TableRows {
    TableRows { schema: schema(), layout: RecordLayout::default(), timed: false }
}

fn items(rows_of: u32, shift: u32) -> impl Iterator<Item = ReadItem> {
    json_batches(Cursor::new(lines(rows_of, shift)), &rows()).unwrap()
}

/// Counts of a window and of its baseline, on bins of the baseline or on universal ones, and a sample.
fn counted(universal: bool) -> (WindowCounts, WindowCounts, RecordSample) {
    let binnings = if universal {
        Arc::new(BinningSet::universal(&schema()))
    } else {
        let options = BuildOptions { resolution: 20, max_categories: 5 };
        build(&schema(), &[], options, || Ok(items(300, 0))).unwrap().0.binnings
    };
    let mut sample = RecordSample::new(50);
    let mut count = |rows_of: u32, shift: u32| {
        let mut counts = WindowCounts::empty(Arc::clone(&binnings));
        for item in items(rows_of, shift) {
            let batch = item.unwrap().batch;
            let rows: Vec<u32> = (0..batch.times.len() as u32).collect();
            counts.count(&batch, &rows);
            let origin = RowOrigin { topic: "t", partition: 1 };
            sample.offer(&batch, origin, &sample_hashes(origin, &batch), &rows);
        }
        counts
    };
    // More unseen categories than are counted exactly, so that there are sketches.
    let (window, baseline) = (count(if universal { 4_000 } else { 1_500 }, 40), count(300, 0));
    (window, baseline, sample)
}

fn every_measure() -> JudgeSpec {
    let rules = |column: &Column| {
        let measures = Measure::ALL.into_iter().filter(|measure| measure.applies_to(column.column_type));
        let rule = |measure: Measure| MeasureRule { measure, limits: Some(measure.default_thresholds()) };
        ColumnRules { name: column.name.clone(), measures: measures.map(rule).collect() }
    };
    JudgeSpec::new(schema().columns().iter().map(rules).collect(), 30, FalseAlarms::PerWindow(0.001))
}

/// Everything that a page, a report, the next checkpoint and the end of a window do with counts.
fn open(counts: &WindowCounts, baseline: &WindowCounts, sample: &RecordSample, spec: &JudgeSpec) {
    let judged = judge(counts, Some(Against::counts(baseline)), spec, 0.001);
    let _rows = distribution_rows(counts, Some(baseline), None);
    let _summaries = summaries(counts, sample);
    for (before, after) in baseline.columns().iter().zip(counts.columns()) {
        if let Ok(pair) = Pair::new(before, after) {
            let values = sample.column(after.name());
            let report = window_column(&pair, &judged.findings, false, values.as_ref());
            let _page = column_section("c", &report).into_string();
        }
    }
    let mut sum = counts.clone();
    for _ in 0..3 {
        let again = sum.clone();
        if sum.merge(&again).is_err() {
            break;
        }
    }
    let _bytes = sum.to_ipc().unwrap();
    let _learned =
        driftd::baseline::learn(&schema(), &[("*".to_owned(), counts.clone())], BuildOptions::default());
}

fn with_checksum(mut stream: Vec<u8>) -> Vec<u8> {
    let checksum = xxh3_64(&stream);
    stream.extend_from_slice(&checksum.to_le_bytes());
    stream
}

fn without_checksum(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() - 8]
}

fn numbers<T: Copy>(array: &[T], rng: &mut Rng, hostile: &[T]) -> Vec<T> {
    let mut numbers = array.to_vec();
    if rng.u8(0..3) > 0 && !numbers.is_empty() {
        let place = rng.usize(0..numbers.len());
        numbers[place] = hostile[rng.usize(0..hostile.len())];
    }
    numbers
}

/// The rows of stored counts with some of their values changed, written again as driftd writes them.
fn with_other_values(stream: &[u8], rng: &mut Rng) -> Vec<u8> {
    let batch = StreamReader::try_new(Cursor::new(stream), None).unwrap().next().unwrap().unwrap();
    let columns = batch.column(0).as_primitive::<UInt16Type>().values();
    let kinds = batch.column(1).as_primitive::<UInt8Type>().values();
    let keys = batch.column(2).as_primitive::<Int32Type>().values();
    let counts = batch.column(3).as_primitive::<UInt64Type>().values();
    let offsets = batch.column(4).as_primitive::<Int64Type>().values();
    let payloads: Vec<Option<Vec<u8>>> = batch
        .column(5)
        .as_binary::<i32>()
        .iter()
        .map(|payload| payload.map(|bytes| if rng.u8(0..20) == 0 { mutated(bytes, rng) } else { bytes.to_vec() }))
        .collect();
    let key = rng.i32(..);
    let large = 1u64 << rng.u8(0..64);
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(UInt16Array::from(numbers(columns, rng, &[0, 1, 7, u16::MAX]))),
        Arc::new(UInt8Array::from(numbers(kinds, rng, &[0, 3, 50, 60, 62, 64, 70, 71, 100, 101, 102, 255]))),
        Arc::new(Int32Array::from(numbers(keys, rng, &[i32::MIN, -1, 0, 12, 45, 47, 1 << 18, i32::MAX, key]))),
        Arc::new(UInt64Array::from(numbers(counts, rng, &[0, 1 << 52, 1 << 53, u64::MAX, large]))),
        Arc::new(Int64Array::from(numbers(offsets, rng, &[i64::MIN, -1, i64::MAX]))),
        Arc::new(BinaryArray::from_iter(payloads)),
    ];
    written(&RecordBatch::try_new(batch.schema(), arrays).unwrap())
}

fn written(batch: &RecordBatch) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD)).unwrap();
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn mutated_counts_are_damaged_or_opened_and_never_end_the_process() {
    in_little_memory(
        "damage::stored::mutated_counts_are_damaged_or_opened_and_never_end_the_process",
        MEMORY,
        || {
            let spec = every_measure();
            for (seed, universal) in [(1, false), (2, true)] {
                let (window, baseline, sample) = counted(universal);
                let binnings = window.binnings();
                let bytes = window.to_ipc().unwrap();
                let mut refused = 0;
                try_all("counts", seed, 1_500, |rng| {
                    let bytes = with_checksum(mutated(without_checksum(&bytes), rng));
                    match WindowCounts::from_ipc(&bytes, Arc::clone(binnings)) {
                        Ok(counts) => open(&counts, &baseline, &sample, &spec),
                        Err(_) => refused += 1,
                    }
                });
                assert!(refused > 500, "most damage is seen: {refused}");
            }
        },
    );
}

#[test]
fn counts_with_values_that_nobody_counted_are_damaged_or_opened() {
    in_little_memory(
        "damage::stored::counts_with_values_that_nobody_counted_are_damaged_or_opened",
        MEMORY,
        || {
            let spec = every_measure();
            for (seed, universal) in [(3, false), (4, true)] {
                let (window, baseline, sample) = counted(universal);
                let bytes = window.to_ipc().unwrap();
                let stream = without_checksum(&bytes);
                let (mut opened, mut refused) = (0, 0);
                try_all("values", seed, 600, |rng| {
                    let bytes = with_checksum(with_other_values(stream, rng));
                    match WindowCounts::from_ipc(&bytes, Arc::clone(window.binnings())) {
                        Ok(counts) => {
                            opened += 1;
                            open(&counts, &baseline, &sample, &spec);
                        }
                        Err(IpcError::Damaged(_)) => refused += 1,
                        Err(error) => panic!("{error}"),
                    }
                });
                assert!(opened > 0 && refused > 0, "{opened} opened, {refused} refused");
            }
        },
    );
}

#[test]
fn mutated_samples_are_damaged_or_shown() {
    in_little_memory("damage::stored::mutated_samples_are_damaged_or_shown", MEMORY, || {
        let (window, baseline, mut sample) = counted(false);
        let bytes = sample.to_ipc().unwrap().unwrap();
        let row: driftd::view::WindowRow = serde_json::from_value(serde_json::json!({
            "id": 1, "version": "", "segment": "*", "start": "2026-01-05T00:00:00Z", "end": "2026-01-05T01:00:00Z", "status": "closed", "rows": 1, "late": 0,
            "verdict": null, "complete": null, "missing": [], "baseline": null, "configuration": null, "retraining": null
        }))
        .unwrap();
        try_all("sample", 5, 2_000, |rng| {
            let bytes = with_checksum(mutated(without_checksum(&bytes), rng));
            if let Ok(mut read) = RecordSample::from_ipc(&bytes, 50) {
                let _summaries = summaries(&window, &read);
                for column in [None, Some("x"), Some("k"), Some("t.tokens"), Some("e")] {
                    let of = (&mut read, &OffsetRanges::default());
                    let found =
                        driftd::view::sampled_records(row.clone(), &window, Some(&baseline), of, column, 20);
                    let _json = serde_json::to_string(&found).unwrap();
                }
                read.merge(&sample);
                let _bytes = read.to_ipc();
            }
        });
    });
}

#[test]
fn mutated_bins_and_offsets_are_refused_or_used() {
    in_little_memory("damage::stored::mutated_bins_and_offsets_are_refused_or_used", MEMORY, || {
        let (window, ..) = counted(false);
        let bins = serde_json::to_vec(window.binnings().as_ref()).unwrap();
        let batch = items(200, 3).next().unwrap().unwrap().batch;
        let all: Vec<u32> = (0..200).collect();
        try_all("bins", 6, 2_000, |rng| {
            let Ok(set) = serde_json::from_slice::<BinningSet>(&mutated(&bins, rng)) else { return };
            let mut counts = WindowCounts::empty(Arc::new(set));
            counts.count(&batch, &all);
            let _rows = distribution_rows(&counts, None, None);
            let _bytes = counts.to_ipc().unwrap();
        });
        let ranges = br#"[[{"topic":"t","partition":0},5,900],[{"topic":"t","partition":1},0,7]]"#;
        try_all("offsets", 7, 2_000, |rng| {
            let Ok(mut ranges) = serde_json::from_slice::<OffsetRanges>(&mutated(ranges, rng)) else { return };
            let again = ranges.clone();
            ranges.merge(&again);
        });
    });
}

#[test]
fn sizes_that_are_not_there_are_refused_before_they_are_allocated() {
    let (window, ..) = counted(false);
    let bytes = window.to_ipc().unwrap();
    let mut stream = without_checksum(&bytes).to_vec();
    // The length that a compressed buffer says it unpacks to lies in front of it, and zstd begins with its magic number.
    let magic = stream.windows(4).position(|word| word == [0x28, 0xb5, 0x2f, 0xfd]).unwrap();
    stream[magic - 8..magic].copy_from_slice(&(1i64 << 60).to_le_bytes());
    let error = WindowCounts::from_ipc(&with_checksum(stream), Arc::clone(window.binnings())).unwrap_err();
    assert!(error.to_string().contains("damaged: a batch of"), "{error}");
    // A sketch that says that it has 2^26 slots.
    let batch =
        StreamReader::try_new(Cursor::new(without_checksum(&bytes)), None).unwrap().next().unwrap().unwrap();
    let kinds = batch.column(1).as_primitive::<UInt8Type>().clone();
    let row = kinds.iter().position(|kind| kind == Some(101)).expect("a sketch");
    let payloads = batch.column(5).as_binary::<i32>().iter().enumerate().map(|(place, payload)| {
        let mut payload = payload.map(<[u8]>::to_vec);
        if place == row {
            payload.as_mut().unwrap()[3..5].copy_from_slice(&[26, 26]);
        }
        payload
    });
    let payloads: ArrayRef = Arc::new(payloads.collect::<BinaryArray>());
    let mut columns = batch.columns().to_vec();
    columns[5] = payloads;
    let stream = written(&RecordBatch::try_new(batch.schema(), columns).unwrap());
    let error = WindowCounts::from_ipc(&with_checksum(stream), Arc::clone(window.binnings())).unwrap_err();
    assert!(error.to_string().contains("sketches"), "{error}");
}

#[test]
fn sums_of_counts_stay_below_what_is_exact() {
    let (window, ..) = counted(true);
    let bytes = window.to_ipc().unwrap();
    let batch =
        StreamReader::try_new(Cursor::new(without_checksum(&bytes)), None).unwrap().next().unwrap().unwrap();
    let mut counts = batch.column(3).as_primitive::<UInt64Type>().values().to_vec();
    counts[0] = 1 << 52;
    let mut columns = batch.columns().to_vec();
    columns[3] = Arc::new(UInt64Array::from(counts.clone()));
    let large = written(&RecordBatch::try_new(batch.schema(), columns.clone()).unwrap());
    let mut large = WindowCounts::from_ipc(&with_checksum(large), Arc::clone(window.binnings())).unwrap();
    let before = large.clone();
    let error = large.merge(&before).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    assert_eq!(large, before, "nothing was added");
    counts[0] = u64::MAX;
    columns[3] = Arc::new(UInt64Array::from(counts));
    let wrapping = written(&RecordBatch::try_new(batch.schema(), columns).unwrap());
    assert!(WindowCounts::from_ipc(&with_checksum(wrapping), Arc::clone(window.binnings())).is_err());
}
