//! Reading the tables: data sets, their windows, and what a library says of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type};
use driftd::binning::{Binning, BinningSet, CategoricalBinning, NumericBinning};
use driftd::distribution::{Distribution, WindowCounts};
use driftd::record::{
    Absence, Decoded, DecodedBatch, Dictionary, EventTime, JsonDecoder, ModelSchema, Offset, RawMessage,
    RecordLayout,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// One line of a library's table.
pub struct Line {
    pub window: String,
    pub column: String,
    pub metric: String,
    /// `None` where the library raised an error.
    pub value: Option<f64>,
    /// The library's limit, where it has one.
    pub threshold: Option<f64>,
    pub drift: Option<bool>,
    pub note: String,
}

pub fn lines(dataset: &str, library: &str) -> Vec<Line> {
    let text = std::fs::read_to_string(file(&format!("univariate/{dataset}.{library}.csv"))).unwrap();
    text.lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.splitn(8, ',').collect();
            Line {
                window: fields[0].to_owned(),
                column: fields[1].to_owned(),
                metric: fields[3].to_owned(),
                value: fields[4].parse().ok(),
                threshold: fields[5].parse().ok(),
                drift: (!fields[6].is_empty()).then(|| fields[6] == "1"),
                note: fields[7].to_owned(),
            }
        })
        .collect()
}

/// A data set with its columns and windows.
pub struct Dataset {
    pub name: String,
    pub continuous: Vec<String>,
    categorical: Vec<String>,
    pub reference: RecordBatch,
    pub windows: Vec<(String, RecordBatch)>,
}

pub fn datasets() -> Vec<Dataset> {
    let windows: BTreeMap<String, Value> =
        serde_json::from_reader(File::open(file("windows.json")).unwrap()).unwrap();
    windows.iter().map(|(name, about)| dataset(name, about)).collect()
}

fn dataset(name: &str, about: &Value) -> Dataset {
    let input = File::open(file(&format!("inputs/{name}.parquet"))).unwrap();
    let batches: Vec<RecordBatch> =
        ParquetRecordBatchReaderBuilder::try_new(input).unwrap().build().unwrap().map(Result::unwrap).collect();
    let rows = concat_batches(&batches[0].schema(), &batches).unwrap();
    let names = |key: &str| -> Vec<String> {
        about[key].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let slice = |from: &Value, to: &Value| {
        let (from, to) = (from.as_u64().unwrap() as usize, to.as_u64().unwrap() as usize);
        rows.slice(from, to - from)
    };
    let windows = about["windows"].as_array().unwrap();
    Dataset {
        name: name.to_owned(),
        continuous: names("continuous"),
        categorical: names("categorical"),
        reference: slice(&about["reference"][0], &about["reference"][1]),
        windows: windows
            .iter()
            .map(|window| (window["id"].as_str().unwrap().to_owned(), slice(&window["start"], &window["end"])))
            .collect(),
    }
}

impl Dataset {
    pub fn window(&self, name: &str) -> &RecordBatch {
        &self.windows.iter().find(|(id, _)| id == name).unwrap().1
    }

    pub fn is_continuous(&self, column: &str) -> bool {
        self.continuous.iter().any(|name| name == column)
    }

    /// Whether the column is one of those that the tables are about.
    pub fn is_known(&self, column: &str) -> bool {
        self.is_continuous(column) || self.categorical.iter().any(|name| name == column)
    }

    /// Baseline and window of a column on one bin per distinct value of both.
    pub fn exact(&self, window: &str, column: &str) -> (Distribution, Distribution) {
        let (before, after) = (&self.reference, self.window(window));
        let binning = if self.is_continuous(column) {
            let values = [before, after].map(|rows| numbers(rows, column)).concat();
            Binning::Numeric(NumericBinning::distinct(values.into_iter().flatten(), false).unwrap())
        } else {
            let mut values: Vec<String> =
                [before, after].map(|rows| texts(rows, column)).concat().into_iter().flatten().collect();
            values.sort_unstable();
            values.dedup();
            Binning::Categorical(CategoricalBinning::new(values, vec![]))
        };
        let binnings = Arc::new(BinningSet::new(vec![(column.to_owned(), binning)]));
        let count = |rows| {
            let mut counts = WindowCounts::empty(Arc::clone(&binnings));
            let batch = decoded(rows, column, self.is_continuous(column));
            counts.count(&batch, &(0..batch.times.len() as u32).collect::<Vec<_>>());
            counts.columns()[0].clone()
        };
        (count(before), count(after))
    }
}

pub fn numbers(rows: &RecordBatch, column: &str) -> Vec<Option<f64>> {
    let array = cast(rows.column_by_name(column).unwrap(), &DataType::Float64).unwrap();
    array.as_primitive::<Float64Type>().iter().map(|value| value.filter(|value| value.is_finite())).collect()
}

pub fn texts(rows: &RecordBatch, column: &str) -> Vec<Option<String>> {
    let array = cast(rows.column_by_name(column).unwrap(), &DataType::Utf8).unwrap();
    array.as_string::<i32>().iter().map(|value| value.map(str::to_owned)).collect()
}

/// Records of JSON text.
pub fn records(schema: &ModelSchema, lines: impl Iterator<Item = String>) -> DecodedBatch {
    let mut decoder = JsonDecoder::new(schema, RecordLayout::default());
    for (offset, text) in (0i64..).map(Offset::new).zip(lines) {
        let message = RawMessage {
            payload: Some(text.as_bytes()),
            offset,
            broker_time: Some(EventTime::default()),
            clock: None,
            ..RawMessage::default()
        };
        assert_eq!(decoder.decode(message), Decoded::Row, "{text}");
    }
    decoder.finish()
}

fn decoded(rows: &RecordBatch, column: &str, continuous: bool) -> DecodedBatch {
    let kind = if continuous { DataType::Float64 } else { DataType::Utf8 };
    let array = cast(rows.column_by_name(column).unwrap(), &kind).unwrap();
    let absences = (0..array.len()).map(|row| if array.is_null(row) { Absence::Null } else { Absence::Present });
    let mut versions = Dictionary::default();
    (0..array.len()).for_each(|_| versions.push(""));
    DecodedBatch {
        absences: vec![absences.collect()],
        times: vec![EventTime::default(); array.len()],
        offsets: vec![Offset::default(); array.len()],
        records: vec![0; array.len()],
        versions,
        segments: vec![],
        wrong: vec![None],
        batch: RecordBatch::try_from_iter([(column, array)]).unwrap(),
    }
}

/// Compares, and keeps a tally of how many values agreed.
#[derive(Default)]
pub struct Tally {
    counts: BTreeMap<String, (usize, f64)>,
    failures: Vec<String>,
}

impl Tally {
    /// Agrees to `tolerance`, relative to the larger of the value and `scale`.
    pub fn near(
        &mut self,
        what: &str,
        place: &str,
        actual: Option<f64>,
        expected: f64,
        tolerance: f64,
        scale: f64,
    ) {
        let entry = self.counts.entry(what.to_owned()).or_default();
        entry.0 += 1;
        let agrees = match actual {
            None => expected.is_nan(),
            Some(actual) if expected.is_infinite() => actual == expected,
            Some(actual) => {
                let off = (actual - expected).abs() / expected.abs().max(scale).max(1e-300);
                entry.1 = entry.1.max(off);
                off <= tolerance || actual == expected
            }
        };
        if !agrees {
            self.failures.push(format!("{what} of {place}: {actual:?}, published {expected:e}"));
        }
    }

    pub fn same(&mut self, what: &str, place: &str, actual: bool, expected: bool) {
        self.counts.entry(what.to_owned()).or_default().0 += 1;
        if actual != expected {
            self.failures.push(format!("{what} of {place}: {actual}, published {expected}"));
        }
    }

    /// Prints how many values agreed, and fails with those that did not.
    pub fn finish(self, title: &str) {
        for (what, (count, off)) in &self.counts {
            eprintln!("{title} {what}: {count} values, at most {off:.1e} off");
        }
        let shown: Vec<&String> = self.failures.iter().take(40).collect();
        assert!(self.failures.is_empty(), "{} of {title} differ:\n{shown:#?}", self.failures.len());
        assert!(!self.counts.is_empty(), "{title}: nothing was compared");
    }
}
