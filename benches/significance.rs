//! How often nothing is taken for a change: the rate of p-values at or below a level when nothing changed, as a multiple of the
//! level, as Markdown tables. Bins are built from the baseline, which is drawn anew for every few windows, by the same code as
//! in production.
//!
//!     cargo bench --bench significance                       # 2,000 windows a cell
//!     cargo bench --bench significance -- 100000 u50 n       # so many, of laws whose names begin so
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark"
)]
#![allow(clippy::cast_precision_loss, reason = "counts and sizes stay far below 2^53")]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use driftd::binning::{Binning, BinningSet, BuildOptions, categorical_from_counts, numeric_from_values};
use driftd::distribution::WindowCounts;
use driftd::measure::{Measure, Pair};
use driftd::record::{Absence, ColumnType, DecodedBatch, Dictionary, EventTime, Offset};

const LEVELS: [f64; 3] = [0.01, 0.001, 8.3e-6];
const BASELINES: [usize; 4] = [500, 5_000, 20_000, 100_000];
const WINDOWS: [usize; 5] = [30, 100, 200, 1_000, 10_000];
/// Windows to a baseline.
const SHARED: usize = 10;

enum Law {
    Numbers(fn(&mut fastrand::Rng) -> f64),
    /// Cumulative weights.
    Categories(Vec<f64>),
}

enum Values {
    Numbers(Vec<f64>),
    Categories(Vec<String>),
}

fn normal(dice: &mut fastrand::Rng) -> f64 {
    (-2.0 * (1.0 - dice.f64()).ln()).sqrt() * (std::f64::consts::TAU * dice.f64()).cos()
}

fn exponential(dice: &mut fastrand::Rng) -> f64 {
    -(1.0 - dice.f64()).ln()
}

fn poisson(dice: &mut fastrand::Rng) -> f64 {
    let (mut events, mut time) = (0.0, exponential(dice));
    while time < 3.0 {
        events += 1.0;
        time += exponential(dice);
    }
    events
}

fn categories(weights: impl IntoIterator<Item = f64>) -> Law {
    let mut sum = 0.0;
    let ends = weights.into_iter().map(|weight| {
        sum += weight;
        sum
    });
    Law::Categories(ends.collect())
}

fn zipf(number: u32) -> Law {
    categories((1..=number).map(|rank| f64::from(rank).powf(-1.1)))
}

fn uniform(number: usize) -> Law {
    categories(std::iter::repeat_n(1.0, number))
}

fn laws() -> Vec<(&'static str, Law)> {
    vec![
        ("normal", Law::Numbers(normal)),
        ("log-normal", Law::Numbers(|dice| normal(dice).exp())),
        ("80 % zeros", Law::Numbers(|dice| if dice.f64() < 0.8 { 0.0 } else { exponential(dice) })),
        ("poisson 3", Law::Numbers(poisson)),
        ("two 30/70", categories([30.0, 70.0])),
        ("two 1/99", categories([1.0, 99.0])),
        ("two 0.1/99.9", categories([0.1, 99.9])),
        ("z10", zipf(10)),
        ("z50", zipf(50)),
        ("z200", zipf(200)),
        ("z1000", zipf(1_000)),
        ("z5000", zipf(5_000)),
        ("u10", uniform(10)),
        ("u50", uniform(50)),
        ("u200", uniform(200)),
        ("u1000", uniform(1_000)),
        ("u5000", uniform(5_000)),
        ("u50000", uniform(50_000)),
    ]
}

impl Law {
    fn draw(&self, size: usize, dice: &mut fastrand::Rng) -> Values {
        match self {
            Self::Numbers(law) => Values::Numbers((0..size).map(|_| law(dice)).collect()),
            Self::Categories(ends) => {
                let all = *ends.last().unwrap();
                let draw = |_| {
                    let place = dice.f64() * all;
                    format!("c{}", ends.partition_point(|end| *end <= place))
                };
                Values::Categories((0..size).map(draw).collect())
            }
        }
    }

    fn measures(&self) -> Vec<Measure> {
        let column_type = match self {
            Self::Numbers(_) => ColumnType::Numeric,
            Self::Categories(_) => ColumnType::Categorical,
        };
        let applies = |measure: &Measure| {
            measure.applies_to(column_type) && !matches!(measure, Measure::NullShare | Measure::InvalidShare)
        };
        Measure::ALL.into_iter().filter(applies).collect()
    }
}

impl Values {
    fn binnings(&self) -> Arc<BinningSet> {
        let options = BuildOptions::default();
        let binning = match self {
            Self::Numbers(values) => Binning::Numeric(numeric_from_values(&mut values.clone(), options).unwrap()),
            Self::Categories(values) => {
                let mut counts = BTreeMap::new();
                for value in values {
                    *counts.entry(value.clone()).or_insert(0) += 1;
                }
                categorical_from_counts(&counts, options)
            }
        };
        Arc::new(BinningSet::new(vec![("x".into(), binning)]))
    }

    fn counted(&self, binnings: &Arc<BinningSet>) -> WindowCounts {
        let array: ArrayRef = match self {
            Self::Numbers(values) => Arc::new(Float64Array::from(values.clone())),
            Self::Categories(values) => Arc::new(StringArray::from_iter_values(values)),
        };
        let size = array.len();
        let mut versions = Dictionary::default();
        (0..size).for_each(|_| versions.push(""));
        let batch = DecodedBatch {
            absences: vec![vec![Absence::Present; size]],
            times: vec![EventTime::default(); size],
            offsets: vec![Offset::default(); size],
            records: vec![0; size],
            versions,
            segments: vec![],
            wrong: vec![None],
            batch: RecordBatch::try_from_iter([("x", array)]).unwrap(),
        };
        let mut counts = WindowCounts::empty(Arc::clone(binnings));
        counts.count(&batch, &(0..u32::try_from(size).unwrap()).collect::<Vec<_>>());
        counts
    }
}

/// How many of `repetitions` windows are at or below each level, for each measure.
fn rates(law: &Law, (n, m): (usize, usize), repetitions: usize) -> Vec<[usize; LEVELS.len()]> {
    let mut dice = fastrand::Rng::with_seed((n * 31 + m) as u64);
    let measures = law.measures();
    let mut hits = vec![[0; LEVELS.len()]; measures.len()];
    for _ in 0..repetitions.div_ceil(SHARED) {
        let values = law.draw(n, &mut dice);
        let binnings = values.binnings();
        let baseline = values.counted(&binnings);
        for _ in 0..SHARED {
            let window = law.draw(m, &mut dice).counted(&binnings);
            let pair = Pair::new(&baseline.columns()[0], &window.columns()[0]).unwrap();
            for (measure, hits) in measures.iter().zip(&mut hits) {
                let p_value = measure.score(&pair).and_then(|score| score.p_value).unwrap_or(1.0);
                for (level, hits) in LEVELS.iter().zip(hits) {
                    *hits += usize::from(p_value <= *level);
                }
            }
        }
    }
    hits
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let repetitions = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(2_000);
    let wanted: Vec<&String> = arguments.iter().filter(|argument| argument.parse::<usize>().is_err()).collect();
    for (name, law) in laws() {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| name.starts_with(wanted.as_str())) {
            continue;
        }
        println!("\n### {name}\n\n{repetitions} windows a cell; multiples of 1 % / 0.1 % / 8.3e-6.\n");
        print!("| baseline | window |");
        let measures = law.measures();
        for measure in &measures {
            print!(" {} |", measure.as_str());
        }
        println!("\n|{}", " --- |".repeat(measures.len() + 2));
        for n in BASELINES {
            for m in WINDOWS {
                let hits = rates(&law, (n, m), repetitions);
                print!("| {n} | {m} |");
                for hits in hits {
                    let multiples = hits.iter().zip(LEVELS).map(|(hits, level)| {
                        let multiple = *hits as f64 / repetitions.div_ceil(SHARED) as f64 / SHARED as f64 / level;
                        if multiple < 10.0 { format!("{multiple:.2}") } else { format!("{multiple:.0}") }
                    });
                    print!(" {} |", multiples.collect::<Vec<_>>().join(" / "));
                }
                println!();
            }
        }
    }
}
