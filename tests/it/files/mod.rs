//! `driftd compare`, `driftd replay` and `driftd calibrate` as a user runs them, on files of every format and on damaged ones.

mod comparing;
mod identifiers;
mod notes;
mod rehearsing;
mod replaying;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use crate::support::Config;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn driftd(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_driftd")).args(arguments).env_remove("DRIFTD_CONFIG").output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Two numbers and a category; `change` may damage them.
fn rows(size: usize, first: usize, change: impl Fn(usize, &mut Row)) -> RecordBatch {
    let all: Vec<Row> = (first..first + size)
        .map(|index| {
            let mut row = Row {
                a: Some((index * 7919 % 1009) as f64 / 100.0),
                b: Some((index * 104_729 % 997) as f64),
                k: Some(["x", "y", "z"][index * 31 % 3].to_owned()),
            };
            change(index - first, &mut row);
            row
        })
        .collect();
    let columns: [(&str, ArrayRef); 3] = [
        ("a", Arc::new(all.iter().map(|row| row.a).collect::<Float64Array>())),
        ("b", Arc::new(all.iter().map(|row| row.b).collect::<Float64Array>())),
        ("k", Arc::new(all.iter().map(|row| row.k.clone()).collect::<StringArray>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

struct Row {
    a: Option<f64>,
    b: Option<f64>,
    k: Option<String>,
}

fn parquet(path: &Path, rows: &RecordBatch) {
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), rows.schema(), None).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn parquet(&self, name: &str, rows: &RecordBatch) -> String {
        let path = self.path(name);
        parquet(Path::new(&path), rows);
        path
    }
}

fn compare(before: &str, after: &str, more: &[&str]) -> (Option<i32>, Value) {
    let arguments = [&["compare", before, after, "--format", "json"], more].concat();
    let output = driftd(&arguments);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    (output.status.code(), report)
}

fn verdicts(report: &Value) -> Vec<(String, String)> {
    let columns = report["columns"].as_array().unwrap().iter();
    let of = |column: &Value, key: &str| column[key].as_str().unwrap().to_owned();
    let mut found: Vec<_> = columns.map(|column| (of(column, "name"), of(column, "verdict"))).collect();
    found.sort();
    found
}
