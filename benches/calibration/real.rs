//! Real series: how often each tool calls a window drifted, how often that begins anew, whether it ends, and which known changes begin
//! to be called at their time. driftd is the program itself, `driftd replay`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, TimeUnit};
use driftd::measure::{Categories, Measure, Points, Side, Values, chi_square, ks_p_value, ks_statistic};
use driftd::preset::{DatasetRule, Preset, nannyml_threshold};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::Size;
use crate::table::header;

struct Series {
    name: &'static str,
    /// Seconds between rows, for data without times; of data with times their column.
    times: Times,
    length: &'static str,
    days: f64,
    /// Windows that everything is compared with.
    learn: usize,
    least: u64,
    columns: &'static [&'static str],
    events: &'static [Event],
}

enum Times {
    Column(&'static str),
    Every(i64),
}

/// A change that is known to be there.
struct Event {
    name: &'static str,
    /// The place of the window in which it begins.
    window: usize,
    columns: &'static [&'static str],
}

/// A change counts as found when one of its columns begins to be called drifted in the window of the change or in one of these after it.
const SOON: usize = 3;

const BIKE: &[&str] = &["temp", "atemp", "hum", "windspeed", "casual", "registered", "cnt", "weathersit"];
const ELEC: &[&str] = &["period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer", "class"];
const VICTORIA: &[&str] = &["vicprice", "vicdemand", "transfer"];
const NOAA: &[&str] = &["feat_1", "feat_2", "feat_3", "feat_4", "feat_5", "feat_6", "feat_7", "feat_8", "target"];
const ADULT: &[&str] = &[
    "age",
    "fnlwgt",
    "education-num",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "workclass",
    "education",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "native-country",
    "class",
];
const CREDIT: &[&str] = &[
    "LIMIT_BAL",
    "AGE",
    "BILL_AMT1",
    "BILL_AMT2",
    "PAY_AMT1",
    "PAY_AMT2",
    "SEX",
    "EDUCATION",
    "MARRIAGE",
    "PAY_0",
    "PAY_2",
    "default",
];

const SERIES: [Series; 6] = [
    Series {
        name: "elec2",
        times: Times::Every(1_800),
        length: "1d",
        days: 1.0,
        learn: 60,
        least: 30,
        columns: ELEC,
        events: &[Event { name: "Victorian columns begin to vary", window: 363, columns: VICTORIA }],
    },
    Series {
        name: "elec2",
        times: Times::Every(1_800),
        length: "7d",
        days: 7.0,
        learn: 26,
        least: 100,
        columns: ELEC,
        events: &[Event { name: "Victorian columns begin to vary", window: 51, columns: VICTORIA }],
    },
    Series {
        name: "bike_hour",
        times: Times::Column("ts"),
        length: "7d",
        days: 7.0,
        learn: 52,
        least: 100,
        columns: BIKE,
        events: &[Event {
            name: "growth of the second spring",
            window: 61,
            columns: &["casual", "registered", "cnt"],
        }],
    },
    Series {
        name: "noaa_weather",
        times: Times::Every(86_400),
        length: "30d",
        days: 30.0,
        learn: 120,
        least: 25,
        columns: NOAA,
        events: &[Event { name: "feat_4 rises from 10 to 14", window: 267, columns: &["feat_4"] }],
    },
    Series {
        name: "adult",
        times: Times::Every(86),
        length: "1d",
        days: 1.0,
        learn: 20,
        least: 100,
        columns: ADULT,
        events: &[],
    },
    Series {
        name: "credit_default",
        times: Times::Every(864),
        length: "7d",
        days: 7.0,
        learn: 12,
        least: 100,
        columns: CREDIT,
        events: &[Event { name: "rows begin to be ordered by SEX", window: 22, columns: &["SEX"] }],
    },
];

/// What a tool says of a series.
struct Verdicts {
    tool: String,
    /// Of each judged window, by its place: whether it is drifted, and which columns are.
    windows: Vec<(usize, bool, BTreeSet<String>)>,
    /// Messages that people get: alerts that fire; of a tool in a job that runs once per window each window that is drifted.
    messages: usize,
    /// What `messages` are, in words.
    kind: &'static str,
    ends: String,
}

pub fn series(_: Size) {
    println!("\n## Real series\n");
    println!(
        "Each window is compared with the first ones. driftd: alerts of the default monitor, with a learned baseline that stays, and with the last windows as the reference. Other tools: a job per window; each drifted window is a message. A change is found when one of its columns begins to be called drifted within {SOON} windows."
    );
    for series in &SERIES {
        let folder = tempfile::tempdir().unwrap();
        let data = read(series);
        let (windows, file) = (windows_of(&data, series), folder.path().join("data.parquet"));
        write(&data, &file);
        let mut verdicts = vec![
            daemon("driftd, first windows", series, folder.path(), &file, ""),
            daemon(
                "driftd, last windows",
                series,
                folder.path(),
                &file,
                &format!("reference = \"rolling\"\nrolling = {{ windows = {0}, at_least = {0} }}\n", series.learn),
            ),
        ];
        verdicts.extend(peers(series, &data, &windows));
        println!(
            "\n### {}, windows of {}, {} of {} windows as reference\n",
            series.name,
            series.length,
            series.learn,
            windows.len()
        );
        let events = series.events.iter().map(|event| format!("finds \"{}\"", event.name));
        header(
            &[
                "tool",
                "judged windows",
                "drifted",
                "messages per 30 days",
                "times that drift begins",
                "at the end",
            ]
            .map(str::to_owned)
            .into_iter()
            .chain(events)
            .collect::<Vec<_>>(),
        );
        for verdicts in &verdicts {
            println!("{}", verdicts.row(series));
        }
    }
}

impl Verdicts {
    fn row(&self, series: &Series) -> String {
        let judged = self.windows.len();
        let drifted = self.windows.iter().filter(|(_, drifted, _)| *drifted).count();
        let begins = (0..judged).filter(|place| {
            let before = place.checked_sub(1).is_some_and(|before| self.windows[before].1);
            self.windows[*place].1 && !before
        });
        let per_month = self.messages as f64 / (judged as f64 * series.days) * 30.0;
        let mut row = format!(
            "| {} | {judged} | {drifted} | {per_month:.2} {} | {} | {} |",
            self.tool,
            self.kind,
            begins.count(),
            self.ends
        );
        for event in series.events {
            write!(row, " {} |", if self.finds(event) { "yes" } else { "no" }).unwrap();
        }
        row
    }

    fn finds(&self, event: &Event) -> bool {
        let called = |place: usize, column: &str| {
            self.windows.iter().any(|(own, _, columns)| *own == place && columns.contains(column))
        };
        event.columns.iter().any(|column| {
            (event.window..=event.window + SOON)
                .any(|place| called(place, column) && !called(place.saturating_sub(1), column))
        })
    }
}

fn read(series: &Series) -> RecordBatch {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/inputs/{}.parquet", series.name));
    let file = File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    let whole = concat_batches(&batches[0].schema(), &batches).unwrap();
    let times: ArrayRef = match series.times {
        Times::Column(name) => Arc::clone(whole.column_by_name(name).unwrap()),
        Times::Every(seconds) => {
            let rows = i64::try_from(whole.num_rows()).unwrap();
            Arc::new(TimestampMicrosecondArray::from_iter_values((0..rows).map(|row| row * seconds * 1_000_000)))
        }
    };
    let mut fields = vec![Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, None), true)];
    let mut columns = vec![times];
    for name in series.columns {
        let column = whole.column_by_name(name).unwrap();
        let wanted = if column.data_type() == &DataType::LargeUtf8 { DataType::Utf8 } else { DataType::Float64 };
        fields.push(Field::new(*name, wanted.clone(), true));
        columns.push(cast(column, &wanted).unwrap());
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn write(data: &RecordBatch, path: &Path) {
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), data.schema(), None).unwrap();
    writer.write(data).unwrap();
    writer.close().unwrap();
}

/// The rows of each window, in order of time.
fn windows_of(data: &RecordBatch, series: &Series) -> Vec<RecordBatch> {
    let times = data.column(0).as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
    let length = (series.days * 86_400e6) as i64;
    let (mut windows, mut from) = (Vec::new(), 0);
    for row in 1..=data.num_rows() {
        if row == data.num_rows() || times.value(row).div_euclid(length) != times.value(from).div_euclid(length) {
            windows.push(data.slice(from, row - from));
            from = row;
        }
    }
    windows
}

fn daemon(tool: &str, series: &Series, folder: &Path, file: &Path, reference: &str) -> Verdicts {
    let mut text = format!(
        "name = \"study\"\n[source]\ntopics = [\"study\"]\ntime = \"time\"\n[window]\nlength = \"{}\"\n[judge]\nmin_records = {}\n[baseline]\nlearn = {}\n{reference}",
        series.length, series.least, series.learn
    );
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
    for field in reader.schema().fields().iter().skip(1) {
        let kind = if field.data_type() == &DataType::Utf8 { "categorical" } else { "numeric" };
        write!(text, "[[columns]]\nname = \"{}\"\ntype = \"{kind}\"\n", field.name()).unwrap();
    }
    let monitor = folder.join("monitor.toml");
    std::fs::write(&monitor, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_driftd"))
        .args(["replay", "--format", "json", "--monitor"])
        .args([monitor.as_path(), file])
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let replayed = &report["monitors"][0];
    let windows = replayed["windows"].as_array().unwrap().iter().enumerate().filter_map(|(place, window)| {
        let verdict = window["verdict"].as_str()?;
        let columns = window["columns"].as_array()?.iter().filter(|column| column["verdict"] == "drift");
        let names = columns.filter_map(|column| column["name"].as_str()).map(str::to_owned).collect();
        matches!(verdict, "ok" | "warn" | "drift").then_some((place, verdict == "drift", names))
    });
    let alerts = replayed["alerts"].as_array().unwrap();
    let open = alerts.iter().filter(|alert| alert["resolved"].is_null()).count();
    Verdicts {
        tool: tool.to_owned(),
        windows: windows.collect(),
        messages: alerts.len(),
        kind: "alerts",
        ends: if open == 0 {
            "all resolved".to_owned()
        } else {
            format!("{open} of {} alerts open", alerts.len())
        },
    }
}

fn values(before: &ArrayRef, after: &ArrayRef) -> Values {
    if before.data_type() == &DataType::Utf8 {
        let texts = |array: &ArrayRef| -> Vec<String> {
            array.as_string::<i32>().iter().flatten().map(str::to_owned).collect()
        };
        let (before, after) = (texts(before), texts(after));
        Values::Categorical(Categories::from_samples(
            before.iter().map(String::as_str),
            after.iter().map(String::as_str),
        ))
    } else {
        let numbers =
            |array: &ArrayRef| -> Vec<f64> { array.as_primitive::<Float64Type>().iter().flatten().collect() };
        Values::Numeric { points: Points::from_samples(&numbers(before), &numbers(after)), integers: false }
    }
}

/// What each preset says of each window after the first ones, and the tests of Alibi Detect.
fn peers(series: &Series, data: &RecordBatch, windows: &[RecordBatch]) -> Vec<Verdicts> {
    let rows = windows[..series.learn].iter().map(RecordBatch::num_rows).sum();
    let reference = data.slice(0, rows);
    let names: Vec<String> = series.columns.iter().map(|name| (*name).to_owned()).collect();
    let of_window =
        |window: &RecordBatch, column: usize| values(reference.column(column + 1), window.column(column + 1));
    let limits: Vec<Option<f64>> = (0..names.len())
        .map(|column| {
            let chunks = windows[..series.learn].iter().filter_map(|window| {
                Preset::NannyMl.score(Measure::JensenShannon, &of_window(window, column)).statistic
            });
            nannyml_threshold(&chunks.collect::<Vec<_>>())
        })
        .collect();
    let mut all: Vec<Verdicts> = Preset::ALL
        .map(Preset::as_str)
        .into_iter()
        .chain(["alibi"])
        .map(|tool| Verdicts {
            tool: tool.to_owned(),
            windows: Vec::new(),
            messages: 0,
            kind: "windows",
            ends: String::new(),
        })
        .collect();
    let judged = windows.iter().enumerate().skip(series.learn);
    for (place, window) in judged.filter(|(_, window)| window.num_rows() as u64 >= series.least) {
        let of_columns: Vec<Values> = (0..names.len()).map(|column| of_window(window, column)).collect();
        for (preset, verdicts) in Preset::ALL.into_iter().zip(&mut all) {
            let (drifted, columns) = by_preset(preset, &of_columns, &limits, &names);
            verdicts.windows.push((place, drifted, columns));
        }
        let level = 0.05 / names.len() as f64;
        let by_tests = of_columns.iter().zip(&names).filter(|(values, _)| tested(values) < level);
        let columns: BTreeSet<String> = by_tests.map(|(_, name)| name.clone()).collect();
        all[Preset::ALL.len()].windows.push((place, !columns.is_empty(), columns));
    }
    for verdicts in &mut all {
        verdicts.messages = verdicts.windows.iter().filter(|(_, drifted, _)| *drifted).count();
        let is_on = verdicts.windows.last().is_some_and(|(_, drifted, _)| *drifted);
        if is_on { "drifted" } else { "not drifted" }.clone_into(&mut verdicts.ends);
    }
    all
}

fn by_preset(
    preset: Preset,
    values: &[Values],
    limits: &[Option<f64>],
    names: &[String],
) -> (bool, BTreeSet<String>) {
    let mut columns = BTreeSet::new();
    let mut means = Vec::new();
    for ((values, limit), name) in values.iter().zip(limits).zip(names) {
        let scores: Vec<_> =
            preset.defaults(values).into_iter().map(|measure| preset.score(measure, values)).collect();
        let drifts = scores.iter().any(|score| match (score.drift, preset.learns_limits()) {
            (_, true) => score.statistic.zip(*limit).is_some_and(|(statistic, limit)| statistic > limit),
            (drift, false) => drift == Some(true),
        });
        if drifts {
            columns.insert(name.clone());
        }
        let statistic = |wanted: Measure| {
            scores.iter().find(|score| score.measure == wanted).and_then(|score| score.statistic).unwrap_or(0.0)
        };
        means.push(f64::midpoint(statistic(Measure::TotalVariation), statistic(Measure::Hellinger)));
    }
    let share = columns.len() as f64 / names.len() as f64;
    let drifted = match preset.dataset_rule() {
        DatasetRule::Share(least) => share >= least,
        DatasetRule::AnyColumn => !columns.is_empty(),
        DatasetRule::MeanAtLeast(least) => means.iter().sum::<f64>() / means.len() as f64 >= least,
    };
    (drifted, columns)
}

/// The p-value of the test that Alibi Detect makes of a column.
pub fn tested(values: &Values) -> f64 {
    match values {
        Values::Numeric { points, .. } => {
            let (before, after) = (points.counts(Side::Baseline), points.counts(Side::Window));
            let size = |counts: &[u64]| counts.iter().sum::<u64>();
            ks_statistic(before, after).map_or(1.0, |statistic| ks_p_value(statistic, size(before), size(after)))
        }
        Values::Categorical(categories) => {
            chi_square(&categories.baseline, &categories.window, true).map_or(1.0, |test| test.p_value)
        }
    }
}
