//! Decode, count, merge and judge, on one core: 30 columns (25 numeric, 5 categorical) in about 670 bytes of JSON.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "a benchmark")]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use driftd::baseline::build;
use driftd::binning::BuildOptions;
use driftd::judge::{Against, ColumnRules, FalseAlarms, JudgeSpec, judge};
use driftd::record::table::{TableRows, json_batches};
use driftd::record::{
    ColumnType, Decoded, EventTime, FieldPath, JsonDecoder, ModelSchema, Offset, RawMessage, RecordLayout,
};
use driftd::window::{BinningPins, CountingMachine, CountingSpec, Lengths, Membership, Partition, WindowLength};

const ROWS: usize = 10_000;
const NUMERIC: usize = 25;
const CATEGORICAL: usize = 5;

fn schema() -> ModelSchema {
    let names: Vec<(String, ColumnType)> = (0..NUMERIC)
        .map(|index| (format!("feature_{index}"), ColumnType::Numeric))
        .chain((0..CATEGORICAL).map(|index| (format!("category_{index}"), ColumnType::Categorical)))
        .collect();
    let features: Vec<(&str, ColumnType)> = names.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    ModelSchema::of_features(&features).unwrap()
}

fn layout() -> RecordLayout {
    RecordLayout { time: Some(FieldPath::parse("ts").unwrap()), ..RecordLayout::default() }
}

fn records() -> Vec<String> {
    let mut state = 1u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(state >> 33).unwrap()) / f64::from(1u32 << 31)
    };
    (0..ROWS)
        .map(|row| {
            let mut text = format!("{{\"ts\":{}", 1_700_000_000_000u64 + row as u64);
            for index in 0..NUMERIC {
                write!(text, ",\"feature_{index}\":{:.4}", uniform() * 100.0).unwrap();
            }
            for index in 0..CATEGORICAL {
                write!(text, ",\"category_{index}\":\"value_{:.0}\"", uniform() * 20.0).unwrap();
            }
            text.push('}');
            text
        })
        .collect()
}

fn decode(decoder: &mut JsonDecoder, records: &[String]) {
    for (offset, record) in (0i64..).map(Offset::new).zip(records) {
        let message = RawMessage {
            payload: Some(record.as_bytes()),
            offset,
            broker_time: None,
            clock: None,
            ..RawMessage::default()
        };
        assert_eq!(decoder.decode(message), Decoded::Row);
    }
}

fn counting(criterion: &mut Criterion) {
    let (schema, records) = (schema(), records());
    let text = records.join("\n");
    let rows = TableRows { schema: schema.clone(), layout: layout(), timed: false };
    let (baseline, _) =
        build(&schema, &[], BuildOptions::default(), || json_batches(std::io::Cursor::new(text.clone()), &rows))
            .unwrap();
    let spec = CountingSpec {
        length: WindowLength::from_micros(3_600_000_000).unwrap(),
        segments: vec![],
        sample_size: 2_000,
        max_open_windows: 64,
        max_series: 100,
        amend: driftd::record::TimeSpan::ZERO,
    };
    let active = Arc::clone(&baseline.binnings);
    let pins = Arc::new(BinningPins {
        active,
        open: HashMap::new(),
        series: Membership::up_to(100),
        lengths: Lengths::fixed(WindowLength::from_micros(3_600_000_000).unwrap()),
    });
    let partition = Partition { topic: "predictions".into(), partition: 0 };
    let mut decoder = JsonDecoder::new(&schema, layout());
    decode(&mut decoder, &records);
    let batch = decoder.finish();

    let mut group = criterion.benchmark_group("per_record");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            decode(&mut decoder, &records);
            black_box(decoder.finish())
        });
    });
    group.bench_function("count", |bencher| {
        let mut machine = CountingMachine::new(spec.clone(), Arc::clone(&pins));
        bencher.iter(|| machine.count(black_box(&batch), &partition));
    });
    group.finish();

    let mut group = criterion.benchmark_group("per_window");
    let mut machine = CountingMachine::new(spec, pins);
    machine.count(&batch, &partition);
    let window = machine.take_delta().windows.remove(0);
    group.bench_function("merge", |bencher| {
        bencher.iter_batched_ref(
            || window.counts.clone(),
            |counts| counts.merge(black_box(&window.counts)).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("write_ipc", |bencher| bencher.iter(|| black_box(window.counts.to_ipc().unwrap())));
    let bytes = window.counts.to_ipc().unwrap();
    eprintln!("stored form: {} bytes for {} columns", bytes.len(), NUMERIC + CATEGORICAL);
    group.bench_function("read_ipc", |bencher| {
        bencher.iter(|| {
            driftd::distribution::WindowCounts::from_ipc(&bytes, Arc::clone(&baseline.binnings)).unwrap()
        });
    });
    let rules = JudgeSpec::new(
        schema.columns().iter().map(|column| ColumnRules::of_type(&column.name, column.column_type)).collect(),
        100,
        FalseAlarms::PerWindow(0.001),
    );
    group.bench_function("judge", |bencher| {
        bencher.iter(|| {
            black_box(judge(&window.counts, baseline.segments.get("*").map(Against::counts), &rules, 0.001))
        });
    });
    group.finish();
    // The time of records is not in the way: all lie in one hour.
    assert_eq!(window.key.start, EventTime::from_millis(1_699_999_200_000).unwrap());
}

criterion_group!(benches, counting);
criterion_main!(benches);
