//! The kernels, fed with the bins of other libraries, give the numbers those libraries published.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type};
use driftd::binning::{Binning, BinningSet, NumericBinning};
use driftd::distribution::WindowCounts;
use driftd::measure::{
    LogBase, Pair, Smoothing, chi_square, jensen_shannon_distance, ks_statistic, psi, standard_deviation,
    wasserstein,
};
use driftd::record::{Absence, DecodedBatch, EventTime, Labels};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

const TOLERANCE: f64 = 1e-9;

fn file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn json(name: &str) -> Value {
    serde_json::from_reader(File::open(file(name)).unwrap()).unwrap()
}

struct Row {
    dataset: String,
    window: String,
    column: String,
    value: f64,
}

fn published(library: &str, metric: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(file("tests/golden/measures.csv")).unwrap();
    let rows: Vec<Row> = text
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            (fields[1] == library && fields[4] == metric).then(|| Row {
                dataset: fields[0].to_owned(),
                window: fields[2].to_owned(),
                column: fields[3].to_owned(),
                value: fields[5].parse().unwrap(),
            })
        })
        .collect();
    assert!(!rows.is_empty(), "no {metric} of {library}");
    rows
}

fn counts(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).collect()
}

fn assert_near(actual: f64, row: &Row, what: &str) {
    let scale = row.value.abs().max(1.0);
    assert!(
        (actual - row.value).abs() <= TOLERANCE * scale,
        "{what} of {} {} {}: {actual}, published {}",
        row.dataset,
        row.window,
        row.column,
        row.value
    );
}

#[test]
fn psi_and_jensen_shannon_on_evidently_bins_are_evidently_numbers() {
    let bins: BTreeMap<&str, Value> = ["bike_hour", "car_loan"]
        .map(|name| (name, json(&format!("tests/golden/{name}.evidently-sturges.json"))))
        .into();
    let mut compared = 0;
    for (metric, is_psi) in [("psi", true), ("jensenshannon", false)] {
        for row in published("evidently", metric) {
            let pair = &bins[row.dataset.as_str()][&row.window][&row.column];
            if pair.is_null() {
                continue;
            }
            let (baseline, window) = (counts(&pair["reference"]), counts(&pair["window"]));
            let actual = if is_psi {
                psi(&baseline, &window, Smoothing::EvidentlyFill)
            } else {
                jensen_shannon_distance(&baseline, &window, LogBase::Natural)
            };
            assert_near(actual.unwrap(), &row, metric);
            compared += 1;
        }
    }
    assert!(compared >= 300, "{compared}");
}

#[test]
fn jensen_shannon_on_nannyml_bins_is_nannyml_number() {
    let mut compared = 0;
    for name in ["bike_hour", "car_loan"] {
        let bins = json(&format!("tests/golden/{name}.nannyml-doane.json"));
        let sizes = json("tests/golden/bike_hour.windows.json");
        for row in published("nannyml", "jensen_shannon").iter().filter(|row| row.dataset == name) {
            let column = &bins[&row.column];
            if column.is_null() {
                continue;
            }
            let mut baseline = counts(&column["reference"]);
            let mut window = counts(&column["windows"][&row.window]);
            // Values outside all bins form one more bin, empty in the reference.
            let size = if name == "car_loan" {
                5_000
            } else {
                let windows = sizes["windows"].as_array().unwrap();
                let found = windows.iter().find(|window| window["id"] == row.window.as_str()).unwrap();
                found["end"].as_u64().unwrap() - found["start"].as_u64().unwrap()
            };
            let leftover = size - window.iter().sum::<u64>();
            if leftover > 0 {
                baseline.push(0);
                window.push(leftover);
            }
            assert_near(jensen_shannon_distance(&baseline, &window, LogBase::Two).unwrap(), row, "jensen_shannon");
            compared += 1;
        }
    }
    assert!(compared >= 150, "{compared}");
}

fn bike_hour() -> RecordBatch {
    let file = File::open(file("src/cli/demo/bike_hour.parquet")).unwrap();
    let batches: Vec<RecordBatch> =
        ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().map(Result::unwrap).collect();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn numbers(data: &RecordBatch, column: &str) -> Vec<f64> {
    let array = cast(data.column_by_name(column).unwrap(), &DataType::Float64).unwrap();
    array.as_primitive::<Float64Type>().iter().flatten().collect()
}

fn texts(data: &RecordBatch, column: &str) -> Vec<String> {
    let array = cast(data.column_by_name(column).unwrap(), &DataType::Utf8).unwrap();
    array.as_string::<i32>().iter().flatten().map(str::to_owned).collect()
}

/// The rows of the reference, and of every window by its name.
fn slices(data: &RecordBatch) -> (RecordBatch, BTreeMap<String, RecordBatch>) {
    let windows = json("tests/golden/bike_hour.windows.json");
    let slice = |from: &Value, to: &Value| {
        let (from, to) = (from.as_u64().unwrap() as usize, to.as_u64().unwrap() as usize);
        data.slice(from, to - from)
    };
    let reference = slice(&windows["reference"][0], &windows["reference"][1]);
    let named = windows["windows"].as_array().unwrap().iter();
    let named =
        named.map(|window| (window["id"].as_str().unwrap().to_owned(), slice(&window["start"], &window["end"])));
    (reference, named.collect())
}

/// Counts with one bin a distinct value of both sides: statistics from them are those of the samples.
fn exact_counts(binnings: &Arc<BinningSet>, values: &[f64]) -> WindowCounts {
    let array: arrow::array::Float64Array = values.iter().copied().map(Some).collect();
    let rows = values.len();
    let batch = DecodedBatch {
        batch: RecordBatch::try_from_iter([("x", Arc::new(array) as Arc<dyn Array>)]).unwrap(),
        absences: vec![vec![Absence::Present; rows]],
        times: vec![EventTime::default(); rows],
        offsets: vec![0; rows],
        versions: Labels::default(),
        segments: vec![],
    };
    let mut counts = WindowCounts::empty(Arc::clone(binnings));
    counts.count(&batch, &(0..rows as u32).collect::<Vec<_>>());
    counts
}

#[test]
fn ks_and_wasserstein_on_distinct_values_are_scipys_sample_statistics() {
    let data = bike_hour();
    let (reference, windows) = slices(&data);
    for (metric, index) in [("ks_stat", 0), ("wasserstein", 1), ("wasserstein_std0", 2)] {
        for row in published("scipy", metric) {
            let (before, after) = (numbers(&reference, &row.column), numbers(&windows[&row.window], &row.column));
            let binning = NumericBinning::distinct(before.iter().chain(&after).copied()).unwrap();
            let binnings = Arc::new(BinningSet::new(vec![("x".into(), Binning::Numeric(binning))]));
            let (left, right) = (exact_counts(&binnings, &before), exact_counts(&binnings, &after));
            let pair = Pair::new(&left.columns()[0], &right.columns()[0]).unwrap();
            let actual = match index {
                0 => ks_statistic(pair.baseline().counts(), pair.window().counts()).unwrap(),
                1 => wasserstein(&pair).unwrap(),
                _ => wasserstein(&pair).unwrap() / standard_deviation(pair.baseline()).unwrap(),
            };
            assert_near(actual, &row, metric);
        }
    }
}

#[test]
fn chi_square_and_jensen_shannon_of_categories_are_scipys() {
    let data = bike_hour();
    let (reference, windows) = slices(&data);
    for metric in ["chi2_stat", "chi2_p", "cramers_v", "js_distance_base2"] {
        for row in published("scipy", metric) {
            let (before, after) = (texts(&reference, &row.column), texts(&windows[&row.window], &row.column));
            let mut categories: Vec<&String> = before.iter().chain(&after).collect();
            categories.sort();
            categories.dedup();
            let count = |values: &[String]| -> Vec<u64> {
                categories
                    .iter()
                    .map(|category| values.iter().filter(|value| value == category).count() as u64)
                    .collect()
            };
            let (baseline, window) = (count(&before), count(&after));
            let test = chi_square(&baseline, &window).unwrap();
            let actual = match metric {
                "chi2_stat" => test.statistic,
                "chi2_p" => test.p_value,
                "cramers_v" => test.cramers_v,
                _ => jensen_shannon_distance(&baseline, &window, LogBase::Two).unwrap(),
            };
            assert_near(actual, &row, metric);
        }
    }
}
