//! Natural variation: learning it from a reference and judging a window, for 30 columns (18 numeric with 500 bins, 12 categorical).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a benchmark"
)]

use std::borrow::Cow;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Cursor;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use driftd::baseline::build;
use driftd::binning::BuildOptions;
use driftd::distribution::WindowCounts;
use driftd::judge::{Against, ColumnRules, FalseAlarms, JudgeSpec, judge};
use driftd::record::table::{TableRows, json_batches};
use driftd::record::{ColumnType, FieldPath, ModelSchema, RecordLayout};
use driftd::variation::{
    Bins, ChangeTest, ColumnCounts, Foreign, Judge, Kind, ReferenceColumn, Variation, fit as fit_counts,
};

const NUMERIC: usize = 18;
const BINS: usize = 500;
const CATEGORIES: [usize; 12] = [2, 2, 2, 5, 10, 10, 50, 50, 200, 1000, 1000, 5000];
const RECORDS: usize = 10_000;
/// Records of a window whose rows are counted.
const WINDOW: u64 = 2_000;

struct Column {
    name: String,
    kind: Kind,
    total: Vec<u64>,
    windows: Vec<Vec<u64>>,
}

/// Values of 500 equally likely bins, or of categories whose shares fall with their rank.
fn window(random: &mut fastrand::Rng, column: usize) -> Vec<u64> {
    let categories = column.checked_sub(NUMERIC).map(|column| CATEGORIES[column]);
    let mut bins = vec![0; categories.unwrap_or(BINS) + 2];
    for _ in 0..RECORDS {
        let uniform = random.f64();
        let place = match categories {
            None => 1.0 + uniform * BINS as f64,
            Some(categories) => (categories as f64 + 1.0).powf(uniform) - 1.0,
        };
        bins[place as usize] += 1;
    }
    bins
}

fn reference(windows: usize) -> Vec<Column> {
    let mut random = fastrand::Rng::with_seed(1);
    (0..NUMERIC + CATEGORIES.len())
        .map(|column| {
            let windows: Vec<Vec<u64>> = (0..windows).map(|_| window(&mut random, column)).collect();
            let mut total = vec![0; windows[0].len()];
            for window in &windows {
                total.iter_mut().zip(window).for_each(|(total, count)| *total += count);
            }
            let kind = if column < NUMERIC { Kind::Numeric } else { Kind::Categorical };
            Column { name: format!("column_{column}"), kind, total, windows }
        })
        .collect()
}

fn counts(bins: &[u64]) -> ColumnCounts<'_> {
    ColumnCounts { bins, nulls: 100, invalid: 0 }
}

fn fit(columns: &[Column]) -> Variation {
    let columns: Vec<ReferenceColumn<'_>> = columns
        .iter()
        .map(|column| ReferenceColumn {
            name: &column.name,
            kind: column.kind,
            total: counts(&column.total),
            windows: column.windows.iter().map(|window| counts(window)).collect(),
            foreign: Foreign::OnlyHere(vec![0; column.windows.len()]),
            rare: None,
        })
        .collect();
    Variation::fit(&columns)
}

fn judging(criterion: &mut Criterion) {
    for windows in [24, 168] {
        let columns = reference(windows);
        criterion.bench_function(&format!("fit {windows} windows"), |bencher| {
            bencher.iter(|| fit(black_box(&columns)));
        });
        let variation = Arc::new(fit(&columns));
        let total = |name: &str| {
            let column = columns.iter().find(|column| column.name == name)?;
            Some(Cow::Borrowed(column.total.as_slice()))
        };
        criterion.bench_function(&format!("make a judge of {windows} windows"), |bencher| {
            bencher.iter(|| Judge::new(Arc::clone(&variation), total));
        });
        let judge = Judge::new(Arc::clone(&variation), total);
        let judge_all = |bins: &[Vec<u64>]| {
            for (column, bins) in columns.iter().zip(bins) {
                black_box(judge.changes(&column.name, &counts(bins)).unwrap());
            }
        };
        let mut random = fastrand::Rng::with_seed(2);
        let quiet: Vec<Vec<u64>> = (0..columns.len()).map(|column| window(&mut random, column)).collect();
        criterion.bench_function(&format!("judge a quiet window, {windows} windows"), |bencher| {
            bencher.iter(|| judge_all(&quiet));
        });
        // Everything moved: no p-value is left out.
        let moved: Vec<Vec<u64>> = quiet
            .iter()
            .map(|bins| bins.iter().zip(0u64..).map(|(count, bin)| count * (1 + bin % 3) / 2).collect())
            .collect();
        criterion.bench_function(&format!("judge a moved window, {windows} windows"), |bencher| {
            bencher.iter(|| judge_all(&moved));
        });
    }
}

/// Rows of a window as lines of JSON; all numbers moved by `shift` of their range.
fn lines(random: &mut fastrand::Rng, shift: f64) -> String {
    let mut text = String::new();
    for row in 0..WINDOW {
        write!(text, "{{\"ts\":{}", 1_700_000_000_000u64 + row).unwrap();
        for column in 0..NUMERIC {
            write!(text, ",\"feature_{column}\":{:.6}", random.f64() + shift).unwrap();
        }
        for (column, categories) in CATEGORIES.iter().enumerate() {
            let category = (*categories as f64 + 1.0).powf(random.f64() * (1.0 - shift)) - 1.0;
            write!(text, ",\"category_{column}\":\"value_{}\"", category as usize).unwrap();
        }
        text.push_str("}\n");
    }
    text
}

/// The whole of [`judge`] with the measures that are on by default, its findings included.
fn whole_windows(criterion: &mut Criterion) {
    let names: Vec<(String, ColumnType)> = (0..NUMERIC)
        .map(|column| (format!("feature_{column}"), ColumnType::Numeric))
        .chain((0..CATEGORIES.len()).map(|column| (format!("category_{column}"), ColumnType::Categorical)))
        .collect();
    let features: Vec<(&str, ColumnType)> = names.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    let schema = ModelSchema::of_features(&features).unwrap();
    let layout = RecordLayout { time: Some(FieldPath::parse("ts").unwrap()), ..RecordLayout::default() };
    let rows = TableRows { schema: schema.clone(), layout, timed: false };
    let batches = |text: &str| json_batches(Cursor::new(text.to_owned()), &rows);
    let mut random = fastrand::Rng::with_seed(3);
    let windows: Vec<String> = (0..24).map(|_| lines(&mut random, 0.0)).collect();
    let (baseline, _) = build(&schema, &[], BuildOptions::default(), || batches(&windows.concat())).unwrap();
    let count = |text: &str| {
        let mut counts = WindowCounts::empty(Arc::clone(&baseline.binnings));
        for item in batches(text).unwrap() {
            let batch = item.unwrap().batch;
            counts.count(&batch, &(0..batch.times.len() as u32).collect::<Vec<_>>());
        }
        counts
    };
    let reference = baseline.segments.get("*").unwrap();
    let counted: Vec<WindowCounts> = windows.iter().map(|text| count(text)).collect();
    let rules = JudgeSpec::new(
        names.iter().map(|(name, kind)| ColumnRules::of_type(name, *kind)).collect(),
        100,
        FalseAlarms::PerWindow(0.001),
    );
    let verdict_alone =
        |(name, kind): &(String, ColumnType)| ColumnRules::new(name.clone(), *kind, None, Some(&[]), |_| None);
    let deciding = JudgeSpec { columns: names.iter().map(verdict_alone).collect(), ..rules.clone() };
    for (name, parts) in [("24 windows", counted.iter().collect::<Vec<_>>()), ("a file", Vec::new())] {
        let variation = Arc::new(fit_counts(reference, &parts, Bins::Own));
        let test = ChangeTest::new(variation, reference);
        let against = Against { counts: reference, test: Some(&test), lasting: None };
        for (kind, shift) in [("quiet", 0.0), ("moved", 0.1)] {
            let window = count(&lines(&mut random, shift));
            for (what, rules) in [("", &rules), (", verdict alone", &deciding)] {
                criterion.bench_function(&format!("judge() of a {kind} window, {name}{what}"), |bencher| {
                    bencher.iter(|| black_box(judge(black_box(&window), Some(against), rules, 0.001)));
                });
            }
        }
    }
}

criterion_group!(benches, judging, whole_windows);
criterion_main!(benches);
