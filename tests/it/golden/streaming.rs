//! Sequential detectors against river 0.23.0 on real sequences: every drift and every warning at the same value, and what
//! ADWIN knows of its window.

use std::collections::BTreeMap;
use std::fs::File;

use arrow::array::{Array as _, AsArray as _};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use driftd::detector::{
    AdwinParameters, DdmParameters, Detector, Direction, EddmParameters, HddmAParameters, HddmWParameters,
    KswinParameters, Outcome, PageHinkleyParameters, Parameters,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use super::tables::file;

/// The sequences by name.
fn sequences() -> BTreeMap<String, Vec<f64>> {
    let input = File::open(file("streaming/sequences.parquet")).unwrap();
    let mut sequences: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(input).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let names = cast(batch.column_by_name("sequence").unwrap(), &DataType::Utf8).unwrap();
        let (names, values) = (names.as_string::<i32>(), batch.column_by_name("x").unwrap());
        let values = values.as_primitive::<Float64Type>();
        for row in 0..names.len() {
            sequences.entry(names.value(row).to_owned()).or_default().push(values.value(row));
        }
    }
    sequences
}

/// What river says of each sequence.
fn river() -> BTreeMap<String, Vec<Value>> {
    serde_json::from_reader(File::open(file("streaming/river.json")).unwrap()).unwrap()
}

fn number(params: &Value, key: &str, default: f64) -> f64 {
    params.get(key).map_or(default, |value| value.as_f64().unwrap())
}

fn count(params: &Value, key: &str, default: u32) -> u32 {
    params.get(key).map_or(default, |value| u32::try_from(value.as_u64().unwrap()).unwrap())
}

fn parameters(entry: &Value) -> Parameters {
    let params = &entry["params"];
    let two_sided = params.get("two_sided_test").is_some_and(|value| value.as_bool().unwrap());
    match entry["detector"].as_str().unwrap() {
        "ADWIN" => {
            let default = AdwinParameters::default();
            Parameters::Adwin(AdwinParameters {
                delta: number(params, "delta", default.delta),
                clock: count(params, "clock", default.clock),
                max_buckets: count(params, "max_buckets", default.max_buckets),
                min_window_length: count(params, "min_window_length", default.min_window_length),
                grace_period: count(params, "grace_period", default.grace_period),
            })
        }
        "PageHinkley" => {
            let default = PageHinkleyParameters::default();
            Parameters::PageHinkley(PageHinkleyParameters {
                min_instances: count(params, "min_instances", default.min_instances),
                delta: number(params, "delta", default.delta),
                threshold: number(params, "threshold", default.threshold),
                alpha: number(params, "alpha", default.alpha),
                direction: match params.get("mode").and_then(Value::as_str) {
                    Some("up") => Direction::Up,
                    Some("down") => Direction::Down,
                    _ => default.direction,
                },
            })
        }
        "KSWIN" => {
            let default = KswinParameters::default();
            Parameters::Kswin(KswinParameters {
                alpha: number(params, "alpha", default.alpha),
                window_size: count(params, "window_size", default.window_size),
                stat_size: count(params, "stat_size", default.stat_size),
            })
        }
        "DDM" => {
            let default = DdmParameters::default();
            Parameters::Ddm(DdmParameters {
                warm_start: count(params, "warm_start", default.warm_start),
                warning_threshold: number(params, "warning_threshold", default.warning_threshold),
                drift_threshold: number(params, "drift_threshold", default.drift_threshold),
            })
        }
        "EDDM" => {
            let default = EddmParameters::default();
            Parameters::Eddm(EddmParameters {
                warm_start: count(params, "warm_start", default.warm_start),
                alpha: number(params, "alpha", default.alpha),
                beta: number(params, "beta", default.beta),
            })
        }
        "HDDM_A" => {
            let default = HddmAParameters::default();
            Parameters::HddmA(HddmAParameters {
                drift_confidence: number(params, "drift_confidence", default.drift_confidence),
                warning_confidence: number(params, "warning_confidence", default.warning_confidence),
                two_sided,
            })
        }
        "HDDM_W" => {
            let default = HddmWParameters::default();
            Parameters::HddmW(HddmWParameters {
                drift_confidence: number(params, "drift_confidence", default.drift_confidence),
                warning_confidence: number(params, "warning_confidence", default.warning_confidence),
                lambda: number(params, "lambda_val", default.lambda),
                two_sided,
            })
        }
        other => panic!("{other}"),
    }
}

/// Drifts, and the values at which there is a warning.
fn run(parameters: Parameters, values: &[f64]) -> (Vec<u64>, Vec<u64>) {
    let mut detector = Detector::new(parameters);
    let (mut drifts, mut warnings) = (Vec::new(), Vec::new());
    for (index, value) in (0..).zip(values) {
        match detector.update(*value) {
            Outcome::Drift(_) => drifts.push(index),
            Outcome::Warning => warnings.push(index),
            Outcome::None => {}
        }
    }
    (drifts, warnings)
}

fn indices(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(|index| index.as_u64().unwrap()).collect()
}

#[test]
fn detectors_find_the_drifts_and_warnings_that_river_finds() {
    let sequences = sequences();
    let (mut detectors, mut found) = (0, 0);
    for (sequence, entries) in river() {
        for entry in entries.iter().filter(|entry| entry["detector"] != "KSWIN") {
            let about = format!("{sequence}: {} {}", entry["detector"], entry["params"]);
            let (drifts, warnings) = run(parameters(entry), &sequences[&sequence]);
            let expected = indices(&entry["drifts"]);
            assert_eq!(drifts, expected, "{about}");
            // At a drift river may have a flag for a warning as well; a drift is more than that.
            let spans = entry["warnings"].as_array().map(Vec::as_slice).unwrap_or_default();
            let spans = spans.iter().flat_map(|span| span[0].as_u64().unwrap()..span[1].as_u64().unwrap());
            let expected: Vec<u64> = spans.filter(|index| !expected.contains(index)).collect();
            assert_eq!(warnings, expected, "{about}");
            detectors += 1;
            found += drifts.len();
        }
    }
    println!("{detectors} detectors, {found} drifts");
    assert!(detectors > 90 && found > 9_000, "{detectors} {found}");
}

#[test]
fn adwin_knows_of_its_window_what_river_knows() {
    let sequences = sequences();
    let mut compared = 0;
    for (sequence, entries) in river() {
        for entry in entries.iter().filter(|entry| entry["detector"] == "ADWIN") {
            let mut detector = Detector::new(parameters(entry));
            let mut trace = entry["trace"].as_array().unwrap().iter().peekable();
            for (index, value) in (0u64..).zip(&sequences[&sequence]) {
                detector.update(*value);
                let Some(point) = trace.next_if(|point| point[0].as_u64() == Some(index)) else { continue };
                let state: Value = serde_json::from_str(&detector.to_json()).unwrap();
                let ours = |key: &str| state["algorithm"][key].as_f64().unwrap();
                let theirs = |key: &str| point[1][key].as_f64().unwrap();
                let scale = theirs("variance").abs().max(1.0);
                assert_eq!(ours("width"), theirs("width"), "{sequence} {index}");
                let estimation = ours("total") / ours("width");
                assert!((estimation - theirs("estimation")).abs() < 1e-9, "{sequence} {index}");
                assert!((ours("variance") - theirs("variance")).abs() < 1e-9 * scale, "{sequence} {index}");
                compared += 1;
            }
            assert!(trace.next().is_none(), "{sequence}");
        }
    }
    assert!(compared > 1_000, "{compared}");
}

/// River draws with a generator: a seed changes the number of its drifts by some percent.
#[test]
fn kswin_finds_about_as_many_drifts_as_river_with_other_seeds() {
    let sequences = sequences();
    let mut compared = 0;
    for (sequence, entries) in river() {
        for entry in entries.iter().filter(|entry| entry["detector"] == "KSWIN") {
            let (drifts, _) = run(parameters(entry), &sequences[&sequence]);
            let expected = indices(&entry["drifts"]).len() as f64;
            // Four standard deviations of a Poisson law, on the safe side of what seeds differ by.
            let difference = (drifts.len() as f64 - expected).abs();
            assert!(difference <= 4.0 * expected.max(1.0).sqrt(), "{sequence}: {} and {expected}", drifts.len());
            compared += 1;
        }
    }
    assert_eq!(compared, 12);
}
