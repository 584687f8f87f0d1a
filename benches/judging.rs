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
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use driftd::variation::{ColumnCounts, Foreign, Judge, Kind, ReferenceColumn, Variation};

const NUMERIC: usize = 18;
const BINS: usize = 500;
const CATEGORIES: [usize; 12] = [2, 2, 2, 5, 10, 10, 50, 50, 200, 1000, 1000, 5000];
const RECORDS: usize = 10_000;

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

criterion_group!(benches, judging);
criterion_main!(benches);
