//! `driftd calibrate` of real logs.

use std::fs;

use super::*;

/// Bike rentals by the week, with some columns.
fn bikes() -> Config {
    Config::monitor("bikes", "bikes")
        .set("source.time", "ts")
        .set("window.length", "7d")
        .numeric("temp")
        .numeric("windspeed")
        .categorical("weathersit")
        .set("judge.min_records", 100)
        .set("baseline.learn", 12)
}

fn log() -> String {
    golden("inputs/bike_hour.parquet").display().to_string()
}

/// The same records at times that are drawn from those of all records, so that nothing changes over time.
fn shuffled(folder: &Folder) -> String {
    let file = File::open(log()).unwrap();
    let rows = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let all: Vec<RecordBatch> = rows.with_batch_size(1 << 20).build().unwrap().map(Result::unwrap).collect();
    let batch = &all[0];
    // A step that has no factor in common with the number of rows visits each once.
    let rows = batch.num_rows();
    let order: arrow::array::UInt64Array = (0..rows).map(|row| (row * 7_919 % rows) as u64).collect();
    let place = batch.schema().index_of("ts").unwrap();
    let columns = batch.columns().iter().enumerate().map(|(index, column)| {
        if index == place { Arc::clone(column) } else { arrow::compute::take(column, &order, None).unwrap() }
    });
    folder.parquet("shuffled.parquet", &RecordBatch::try_new(batch.schema(), columns.collect()).unwrap())
}

fn report(arguments: &[&str]) -> (Option<i32>, Value) {
    let output = driftd(&[&["calibrate", "--format", "json"], arguments].concat());
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    (output.status.code(), report)
}

#[test]
fn a_log_in_which_nothing_changes_keeps_the_budget_and_one_with_seasons_finds_less() {
    let folder = Folder::new();
    let monitor = folder.path("bikes.toml");
    bikes().write(&monitor);
    let (code, quiet) = report(&["--monitor", &monitor, &shuffled(&folder)]);
    assert_eq!((code, quiet["verdict"].as_str()), (Some(0), Some("kept")), "{}", quiet["summary"]);
    let series = &quiet["series"][0];
    assert_eq!((series["windows"].as_u64(), series["folds"].as_u64()), (Some(105), Some(10)));
    let rate = &series["significant"];
    assert!(rate["low"].as_f64() <= series["level"].as_f64(), "{series}");
    let budget = &quiet["budget"];
    assert_eq!(budget["accepted"], "1 alert per 30 days");
    assert!(budget["alerts"]["high"].as_f64().unwrap() <= 1.0, "{budget}");
    let columns = |report: &Value| report["series"][0]["columns"].as_array().unwrap().clone();
    let names: Vec<Value> = columns(&quiet).iter().map(|column| column["name"].clone()).collect();
    assert_eq!(names, ["temp", "windspeed", "weathersit", "(records)"]);
    let location = |report: &Value| columns(report)[0]["power"][0].clone();
    assert_eq!(location(&quiet)["measure"], "location_change");
    assert!((0.2..0.5).contains(&location(&quiet)["after"].as_f64().unwrap()), "{}", location(&quiet));
    let weather = columns(&quiet)[2]["power"][0].clone();
    assert_eq!((weather["measure"].as_str(), weather["of"].as_str()), (Some("category_change"), Some("`1`")));
    assert!(weather["after"].as_f64() > weather["before"].as_f64(), "{weather}");

    // In order of time the temperature follows the year: records of a week are alike.
    let (_, seasons) = report(&["--monitor", &monitor, &log()]);
    let found = location(&seasons);
    assert_eq!(found["bound"], "variation", "{found}");
    assert!(found["effective_size"].as_f64().unwrap() < 20.0, "{found}");
    assert!(found["size"].is_null() || found["size"].as_f64() > location(&quiet)["size"].as_f64(), "{found}");
}

#[test]
fn a_rehearsal_is_written_as_text_and_as_one_page() {
    let folder = Folder::new();
    let monitor = folder.path("bikes.toml");
    bikes().numeric("absent").write(&monitor);
    let output = driftd(&["calibrate", "--monitor", &monitor, &log()]);
    let said = text(&output);
    for part in [
        "105 windows from 2010-12-30T00:00:00Z",
        "All of them are taken to be normal",
        "windows with a significant change",
        "smallest change found as drift with 80 %, in 168 records",
        "never judged: no value in any window",
        "note: column `absent` was not found in any record",
        "Leave out `absent`",
    ] {
        assert!(said.contains(part), "{part}:\n{said}");
    }
    assert!(said.lines().all(|line| line.chars().count() <= 110), "{said}");
    let page = folder.path("page.html");
    let output = driftd(&["calibrate", "--monitor", &monitor, &log(), "-o", &page]);
    assert!(output.stdout.is_empty(), "{}", text(&output));
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains("Rehearsal of bikes") && html.contains("<svg") && !html.contains("<script"));
    assert!(html.len() < 200_000, "{}", html.len());
}

#[test]
fn few_windows_and_small_ones_say_what_is_missing() {
    let folder = Folder::new();
    let monitor = folder.path("bikes.toml");
    bikes().write(&monitor);
    let (code, few) = report(&["--monitor", &monitor, &log(), "--to", "2011-02-01T00:00:00Z"]);
    assert_eq!((code, few["verdict"].as_str()), (Some(1), Some("unknown")));
    let reason = "5 windows are too few; 7 are needed, 6 to learn how windows differ and one to judge";
    assert_eq!(few["series"][0]["not_rehearsed"], reason);
    assert_eq!(few["budget"]["alerts"], Value::Null, "no number where nothing is known");
    let small = folder.path("small.toml");
    bikes().set("window.length", "1d").write(&small);
    let (code, small) = report(&["--monitor", &small, &log()]);
    assert_eq!(code, Some(1), "{small}");
    let of = |topic: &str| {
        let suggestions = small["suggestions"].as_array().unwrap();
        suggestions.iter().find(|suggestion| suggestion["topic"] == topic).cloned().unwrap_or_default()
    };
    assert_eq!(of("window")["toml"], "[window]\nlength = \"5d\"\n", "{small}");
}

/// Each kind of suggestion, put into the file of the monitor, is accepted.
#[test]
fn suggested_lines_are_lines_of_a_monitor_file() {
    let folder = Folder::new();
    // What is suggested for odd days, for windows that are too small, and for seasons.
    let mut found: Vec<(String, Option<String>, String)> = Vec::new();
    let file = folder.path("bikes.toml");
    for (length, min_records) in [("1d", 20), ("1d", 100), ("7d", 100)] {
        bikes()
            .categorical("holiday")
            .set("window.length", length)
            .set("judge.min_records", min_records)
            .write(&file);
        let (_, report) = report(&["--monitor", &file, &log()]);
        let lines = |suggestion: &Value| {
            let column = suggestion["column"].as_str().map(str::to_owned);
            Some((suggestion["topic"].as_str()?.to_owned(), column, suggestion["toml"].as_str()?.to_owned()))
        };
        found.extend(report["suggestions"].as_array().unwrap().iter().filter_map(lines));
        let tried = report["alternatives"].as_array().unwrap().iter();
        found.extend(tried.map(|other| ("tried".to_owned(), None, other["toml"].as_str().unwrap().to_owned())));
    }
    // The limits of a column stand below it; those that no rehearsal of this log gives are as its code writes them.
    found.push((
        "limits".to_owned(),
        Some("temp".to_owned()),
        "[columns.thresholds]\nspread_change = { warn = 0.19, critical = 0.37 }\n".to_owned(),
    ));
    for topic in ["window", "tried", "limits"] {
        assert!(found.iter().any(|(own, ..)| own == topic), "{topic}: {found:?}");
    }
    for (topic, column, lines) in found {
        let mut text = "name = \"bikes\"\n[source]\ntopics = [\"bikes\"]\ntime = \"ts\"\n".to_owned();
        if column.is_none() {
            text.push_str(&lines);
        }
        for name in ["temp", "windspeed", "weathersit", "holiday"] {
            let kind = if matches!(name, "temp" | "windspeed") { "numeric" } else { "categorical" };
            text.extend(["[[columns]]\nname = \"", name, "\"\ntype = \"", kind, "\"\n"]);
            if column.as_deref() == Some(name) {
                text.push_str(&lines);
            }
        }
        fs::write(&file, &text).unwrap();
        let output = driftd(&["calibrate", "--monitor", &file, &log(), "--to", "2011-01-05T00:00:00Z"]);
        assert!(output.status.code() != Some(78), "{topic}:\n{lines}\n{}", super::text(&output));
    }
}

#[test]
fn mistakes_are_explained() {
    let folder = Folder::new();
    let monitor = folder.path("bikes.toml");
    bikes().write(&monitor);
    let config = folder.path("driftd.toml");
    let of = |arguments: &[&str]| {
        let output = driftd(&[&["--config", &config, "calibrate"], arguments].concat());
        (output.status.code(), text(&output))
    };
    for (arguments, code, parts) in [
        (&["--monitor", &monitor][..], 2, &["a log is required", "hint: driftd calibrate --monitor"][..]),
        (&["--monitor", &log()], 2, &["is no monitor but a log", "hint: --monitor takes"]),
        (&["--monitor", &monitor, "missing.parquet"], 1, &["missing.parquet: cannot read the file"]),
        (
            &["--monitor", &monitor, &log(), "--from", "2012-01-01T00:00:00Z", "--to", "2011-01-01T00:00:00Z"],
            2,
            &["--to must be later than --from"],
        ),
        (&["--monitor", &monitor, &log(), "--segment", "country=DE"], 1, &["no window of segment `country=DE`"]),
        (&["--monitor", &monitor, "-", "-"], 2, &["standard input can be read once"]),
    ] {
        let (found, said) = of(arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {said}");
        for part in parts {
            assert!(said.contains(part), "{arguments:?}: {said}");
        }
    }
    let untimed = folder.path("untimed.toml");
    bikes().remove("source.time").write(&untimed);
    let (code, said) = of(&["--monitor", &untimed, &log()]);
    assert!(code == Some(1) && said.contains("hint: set `source.time`"), "{said}");
}
