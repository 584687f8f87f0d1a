//! `driftd compare` and `driftd replay` as a user runs them, on files of every format and on damaged ones.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow::csv::Writer as CsvWriter;
use arrow::ipc::writer::FileWriter;
use arrow::json::LineDelimitedWriter;
use parquet::arrow::ArrowWriter;
use serde_json::Value;

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

#[test]
fn every_format_with_the_same_rows_gives_the_same_report() {
    let folder = Folder::new();
    let (before, after) = (
        rows(3_000, 0, |_, _| {}),
        rows(900, 5_000, |index, row| {
            row.a = row.a.map(|value| value * 1.5).filter(|_| index % 5 > 0);
        }),
    );
    let write = |name: &str, rows: &RecordBatch| {
        folder.parquet(&format!("{name}.parquet"), rows);
        CsvWriter::new(File::create(folder.path(&format!("{name}.csv"))).unwrap()).write(rows).unwrap();
        let mut lines = LineDelimitedWriter::new(File::create(folder.path(&format!("{name}.jsonl"))).unwrap());
        lines.write(rows).unwrap();
        lines.finish().unwrap();
        let mut ipc =
            FileWriter::try_new(File::create(folder.path(&format!("{name}.arrow"))).unwrap(), &rows.schema())
                .unwrap();
        ipc.write(rows).unwrap();
        ipc.finish().unwrap();
    };
    write("before", &before);
    write("after", &after);
    let report = |extension: &str| {
        let (code, mut report) = compare(
            &folder.path(&format!("before.{extension}")),
            &folder.path(&format!("after.{extension}")),
            &[],
        );
        assert_eq!(code, Some(3), "{extension}");
        report["files"].take();
        for column in report["columns"].as_array_mut().unwrap() {
            // The JSON writer leaves null values out: missing there, null elsewhere.
            for side in ["baseline", "window"] {
                let nulls = column[side]["null"].as_u64().unwrap() + column[side]["missing"].as_u64().unwrap();
                column[side]["null"] = nulls.into();
                column[side]["missing"].take();
            }
        }
        report
    };
    let parquet = report("parquet");
    assert_eq!(
        verdicts(&parquet),
        [("a", "drift"), ("b", "ok"), ("k", "ok")].map(|(name, verdict)| (name.to_owned(), verdict.to_owned()))
    );
    for extension in ["csv", "jsonl", "arrow"] {
        assert_eq!(report(extension), parquet, "{extension}");
    }
}

/// One thing broken at a time; the broken column says so, the others stay what they are.
#[test]
fn damaged_windows_have_outcomes_of_their_own_and_cost_no_other_column() {
    let folder = Folder::new();
    let before = folder.parquet("before.parquet", &rows(5_000, 0, |_, _| {}));
    let window = |name: &str, change: &dyn Fn(usize, &mut Row)| folder.parquet(name, &rows(1_000, 9_000, change));
    let damages: [(&str, String, &str, &str, &str); 9] = [
        ("nothing", window("same.parquet", &|_, _| {}), "a", "ok", ""),
        (
            "a number column all null",
            window("null.parquet", &|_, row| row.a = None),
            "a",
            "drift",
            "every value of the window is null",
        ),
        (
            "a category column all null",
            window("nullk.parquet", &|_, row| row.k = None),
            "k",
            "drift",
            "every value of the window is null",
        ),
        (
            "half of a column null",
            window("half.parquet", &|index, row| row.a = row.a.filter(|_| index % 2 == 0)),
            "a",
            "drift",
            "the share of null values rose",
        ),
        (
            "1 % infinities",
            window("inf.parquet", &|index, row| {
                if index % 100 == 0 {
                    row.a = Some(f64::INFINITY);
                }
            }),
            "a",
            "warn",
            "",
        ),
        (
            "2 % of a new category",
            window("new.parquet", &|index, row| {
                if index % 50 == 0 {
                    row.k = Some("new".into());
                }
            }),
            "k",
            "warn",
            "(unseen)",
        ),
        (
            "one value of 1e12",
            window("far.parquet", &|index, row| {
                if index == 5 {
                    row.a = Some(1e12);
                }
            }),
            "a",
            "ok",
            "",
        ),
        (
            "one value only",
            window("one.parquet", &|_, row| row.a = Some(3.0)),
            "a",
            "drift",
            "every value of the window is 3",
        ),
        (
            "NaN",
            window("nan.parquet", &|index, row| {
                if index % 3 == 0 {
                    row.a = Some(f64::NAN);
                }
            }),
            "a",
            "drift",
            "",
        ),
    ];
    for (damage, after, column, verdict, why) in &damages {
        for more in [&[][..], &["--exact"]] {
            let (_, report) = compare(&before, after, more);
            for (name, found) in verdicts(&report) {
                let expected = if name == *column { *verdict } else { "ok" };
                assert_eq!(found, expected, "{damage}: column {name} {more:?}");
            }
            let reasons = report["columns"].as_array().unwrap().iter().find(|found| found["name"] == *column);
            let reasons = reasons.unwrap()["why"].to_string();
            assert!(why.is_empty() || reasons.contains(why) || !more.is_empty(), "{damage}: {reasons}");
        }
    }
    // A column that vanished, and one that became text.
    let all = rows(1_000, 9_000, |_, _| {});
    let without = folder.parquet("without.parquet", &all.project(&[1, 2]).unwrap());
    let (code, report) = compare(&before, &without, &[]);
    assert_eq!((code, verdicts(&report)[0].1.as_str(), verdicts(&report)[1].1.as_str()), (Some(3), "drift", "ok"));
    assert!(report["columns"][0]["why"].to_string().contains("missing from all records"));
    let as_text = RecordBatch::try_from_iter([
        ("a", Arc::new((0..1_000).map(|index| Some(format!("{index}.5"))).collect::<StringArray>()) as ArrayRef),
        ("b", all.column(1).clone()),
        ("k", all.column(2).clone()),
    ]);
    let (_, report) = compare(&before, &folder.parquet("text.parquet", &as_text.unwrap()), &[]);
    assert_eq!((verdicts(&report)[0].1.as_str(), verdicts(&report)[1].1.as_str()), ("drift", "ok"));
    assert!(report["columns"][0]["why"].to_string().contains("another type"));
    // One row and no row are too few, and the exit code says that nothing was said.
    for size in [0, 1] {
        let (code, report) = compare(&before, &folder.parquet("few.parquet", &rows(size, 0, |_, _| {})), &[]);
        assert_eq!((code, report["verdict"].as_str()), (Some(1), Some("not_enough_data")), "{size} rows");
    }
}

#[test]
fn files_that_cannot_be_read_say_which_and_what_to_do() {
    let folder = Folder::new();
    let good = folder.parquet("good.parquet", &rows(500, 0, |_, _| {}));
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.path(name), bytes).unwrap();
        folder.path(name)
    };
    let whole = fs::read(&good).unwrap();
    for (bad, said) in [
        (write("empty.csv", b""), "the file is empty"),
        (write("garbage.parquet", b"hello"), "it begins \"hello\""),
        (write("garbage2.parquet", b"\x01\x02\x03\x04\x05"), "as Parquet"),
        (write("cut.parquet", &whole[..whole.len() / 2]), "as Parquet"),
        (write("garbage.arrow", b"ARROW1 no"), "cannot read the file"),
        (
            write("ragged.csv", b"a,b,k\n1,2,x\n1,2\n"),
            "another number of fields than the header: expected 3 got 2",
        ),
        (write("notes.docx", b"a"), "hint: name the file"),
        (write("empty.parquet", b""), "it has 0 bytes"),
        (folder.path("absent.csv"), "cannot read the file"),
    ] {
        for arguments in [["compare", &good, &bad], ["compare", &bad, &good]] {
            let output = driftd(&arguments);
            let found = text(&output);
            assert_eq!(output.status.code(), Some(1), "{bad}: {found}");
            assert!(found.contains(said) && found.contains(bad.rsplit('/').next().unwrap()), "{bad}: {found}");
        }
    }
    let output = driftd(&["compare", &good, &good, "--column", "aa"]);
    assert!(text(&output).contains("there is no column `aa`"), "{}", text(&output));
    let output = driftd(&["compare", &good, &good, "--measure", "psj"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("did you mean `psi`"), "{}", text(&output));
}

/// The preset through the whole command gives the tool's numbers, as the kernel tests have them.
#[test]
fn presets_through_the_command_line_give_the_tools_verdicts() {
    let folder = Folder::new();
    let file = File::open(golden("inputs/nyc_taxis.parquet")).unwrap();
    let batches = parquet_batches(file);
    let all = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    let before = folder.parquet("before.parquet", &all.slice(0, 2_106));
    let after = folder.parquet("after.parquet", &all.slice(4_010, 683));
    for (preset, library, metric) in
        [("evidently", "evidently", "default"), ("nannyml", "nannyml", "jensen_shannon")]
    {
        let (_, report) = compare(&before, &after, &["--preset", preset]);
        let table = fs::read_to_string(golden(&format!("univariate/nyc_taxis.{library}.csv"))).unwrap();
        let mut compared = 0;
        for line in table.lines().filter(|line| line.starts_with("from-03-20,")) {
            let fields: Vec<&str> = line.splitn(8, ',').collect();
            if fields[3] != metric {
                continue;
            }
            let column =
                report["columns"].as_array().unwrap().iter().find(|column| column["name"] == fields[1]).unwrap();
            let measure = &column["measures"][0];
            let published: f64 = fields[4].parse().unwrap();
            let actual = measure["statistic"].as_f64().unwrap();
            assert!((actual - published).abs() <= 1e-9 * published.abs().max(1e-3), "{preset} {line}: {measure}");
            // The limits of NannyML here come from chunks as long as this window, not as the first one.
            if preset == "evidently" {
                assert_eq!(column["verdict"] == "drift", fields[6] == "1", "{line}");
            } else {
                assert!(measure["detail"].as_str().unwrap().contains("chunks of 683"), "{measure}");
            }
            compared += 1;
        }
        assert_eq!(compared, 12, "{preset}");
    }
}

fn parquet_batches(file: File) -> Vec<RecordBatch> {
    let reader =
        parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    reader.map(Result::unwrap).collect()
}

#[test]
fn a_replay_of_a_real_log_names_its_alerts_in_three_forms() {
    let folder = Folder::new();
    let monitor = |name: &str, limits: &str| {
        let text = format!(
            "name = \"bikes\"\n[source]\ntopics = [\"bikes\"]\ntime = \"ts\"\n[window]\nlength = \"7d\"\nout_of_orderness = \"0s\"\n\
             [[columns]]\nname = \"temp\"\ntype = \"numeric\"\n[[columns]]\nname = \"weathersit\"\ntype = \"categorical\"\n\
             [judge]\nmin_records = 100\n{limits}\n[alert]\nfor = 2\n[baseline]\nlearn = 12\n"
        );
        fs::write(folder.path(name), text).unwrap();
        folder.path(name)
    };
    let tight = monitor("tight.toml", "");
    let loose = monitor(
        "loose.toml",
        "[judge.thresholds]\npsi = { warn = 50, critical = 90 }\nwasserstein_normed = { warn = 50, critical = 90 }\nout_of_range_share = { warn = 1, critical = 1 }\njensen_shannon = { warn = 1, critical = 1 }",
    );
    let log = golden("inputs/bike_hour.parquet").display().to_string();
    let output = driftd(&["replay", "--monitor", &tight, "--monitor", &loose, &log, "--format", "json"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let monitors = report["monitors"].as_array().unwrap();
    let alerts = |index: usize| monitors[index]["alerts"].as_array().unwrap().len();
    assert!(alerts(0) >= 1 && alerts(1) == 0, "{}", text(&output));
    for alert in monitors[0]["alerts"].as_array().unwrap() {
        let why = &alert["why"][0];
        assert_eq!((&why["column"], &why["window"]), (&alert["columns"][0], &alert["worst"]["start"]), "{alert}");
        assert!(!why["reasons"].as_array().unwrap().is_empty(), "{alert}");
    }
    // The state after a window goes with what happened to each rule's alert in it.
    for window in monitors[0]["windows"].as_array().unwrap() {
        let changes = window["changes"].as_array().unwrap();
        assert_eq!(
            window["change"],
            changes.last().map_or(Value::Null, |last| last["change"].clone()),
            "{window}"
        );
        assert!(changes.iter().all(|change| change["rule"].is_string()), "{window}");
    }
    for monitor in monitors {
        assert_eq!(monitor["records"]["counted"], 17_379);
        assert_eq!(monitor["windows"].as_array().unwrap().len(), 105);
    }
    // Every window is either alike or among those that differ, in all three forms.
    let compared = &report["side_by_side"];
    let different = compared["different"].as_array().unwrap();
    assert_eq!(compared["alike"].as_u64().unwrap() + different.len() as u64, 105);
    for window in different {
        let of = |index: usize| {
            let windows = monitors[index]["windows"].as_array().unwrap();
            windows.iter().find(|other| other["start"] == window["start"]).unwrap()
        };
        for index in [0, 1] {
            let said = &window["monitors"][index];
            assert_eq!(
                (&said["verdict"], &said["alert"]),
                (&of(index)["verdict"], &of(index)["alert"]),
                "{window}"
            );
        }
        assert_ne!(window["monitors"][0], window["monitors"][1]);
    }
    let output = driftd(&["replay", "--monitor", &tight, "--monitor", &loose, &log]);
    let both = text(&output);
    let start = different[0]["start"].as_str().unwrap();
    assert!(both.contains(&format!("{start}   ")) && both.contains(" firing"), "{both}");
    let output = driftd(&["replay", "--monitor", &tight, &log, "--format", "json"]);
    assert!(!text(&output).contains("side_by_side"), "nothing to compare a single monitor with");
    let output = driftd(&["replay", "--monitor", &tight, &log]);
    let said = text(&output);
    assert!(said.contains("alert `drift` at") && said.contains("temp"), "{said}");
    assert!(said.lines().all(|line| line.chars().count() <= 130), "{said}");
    let page = folder.path("page.html");
    driftd(&["replay", "--monitor", &tight, "--monitor", &loose, &log, "-o", &page]);
    let html = fs::read_to_string(&page).unwrap();
    assert!(
        html.contains("Where they differ") && html.contains(&format!(r#"<th scope="row">{start}</th>"#)),
        "{html}"
    );
    assert!(html.contains("<svg") && !html.contains("<script") && html.len() < 500_000, "{}", html.len());
}

#[test]
fn a_field_that_no_record_has_comes_with_the_one_that_was_meant() {
    let folder = Folder::new();
    let log: String = (0..600)
        .map(|index| {
            let time = 1_700_000_000 + index * 60;
            format!(
                "{{\"when\":{time},\"app\":{{\"build\":\"b\",\"land\":\"de\"}},\"features\":{{\"age\":{}}}}}\n",
                index % 50
            )
        })
        .collect();
    fs::write(folder.path("log.jsonl"), &log).unwrap();
    fs::write(folder.path("log.json"), format!("[{}]", log.trim_end().replace('\n', ","))).unwrap();
    let monitor = |time: &str| {
        let text = format!(
            "name = \"m\"\n[source]\ntopics = [\"t\"]\ntime = \"{time}\"\ntime_unit = \"s\"\nversion = \"app.biuld\"\n\
             [window]\nlength = \"1h\"\n[[segments]]\nname = \"land\"\npath = \"app.lnad\"\n\
             [[columns]]\nname = \"age\"\npath = \"features.aeg\"\ntype = \"numeric\"\n[baseline]\nlearn = 3\n"
        );
        fs::write(folder.path("m.toml"), text).unwrap();
        folder.path("m.toml")
    };
    for log in ["log.jsonl", "log.json"] {
        // One run names all of them, when records can be read and when their time cannot be.
        for (time, either) in [("when", ""), ("wehn", "is not in the first records, either")] {
            let output = driftd(&["replay", "--monitor", &monitor(time), &folder.path(log)]);
            let said = text(&output);
            assert_eq!(output.status.code(), Some(1), "{said}");
            for meant in ["app.build", "app.land", "features.age"] {
                assert!(said.contains(&format!("hint: did you mean `{meant}`?")), "{log}, {time}: {said}");
            }
            assert_eq!(said.contains(either) && !either.is_empty(), time == "wehn", "{said}");
            assert_eq!(said.contains("did you mean `when`?"), time == "wehn", "{said}");
        }
    }
    let output = driftd(&["replay", "--monitor", "nosuch.toml", &folder.path("log.jsonl")]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("nosuch.toml") && said.contains("hint: a monitor is named by its file"), "{said}");
}

#[test]
fn what_two_files_do_not_share_is_said_before_anything_is_concluded_from_it() {
    let folder = Folder::new();
    let base = folder.parquet("base.parquet", &rows(500, 0, |_, _| {}));
    let renamed = |from: usize, name: &dyn Fn(&str) -> String| {
        let rows = rows(500, 500, |_, _| {});
        let columns = rows.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
        let renamed = columns.iter().enumerate().map(|(index, column)| {
            (if index < from { column.clone() } else { name(column) }, Arc::clone(rows.column(index)), true)
        });
        RecordBatch::try_from_iter_with_nullable(renamed).unwrap()
    };

    // Nothing in common: another file, or names written in another way.
    let other = folder.parquet("other.parquet", &renamed(0, &|name| format!("features.{name}")));
    let output = driftd(&["compare", &base, &other]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("other.parquet: there is nothing to compare"), "{said}");
    assert!(said.contains("only the window has: features.a, features.b, features.k"), "{said}");
    // Some in common: the verdict says what it rests on.
    let part = folder.parquet("part.parquet", &renamed(1, &|name| format!("features.{name}")));
    let said = text(&driftd(&["compare", &base, &part]));
    assert!(said.contains("Drift: 2 of 3 columns moved, because the window does not have them: b, k."), "{said}");

    // A column that was asked for is in one file only.
    let said = text(&driftd(&["compare", &base, &part, "--column", "b"]));
    let wanted = "only the baseline has `b`: every value of the other side counts as missing";
    assert!(said.contains(wanted), "{said}");

    // Ids are no measurements, however they are written.
    let id = |row: u64| {
        1_000_000_000_000_000_000 + row.wrapping_mul(4_919_777_777_777_777_777) % 8_000_000_000_000_000_000
    };
    for (name, from) in [("ids.jsonl", 0), ("other-ids.jsonl", 500)] {
        let rows: String =
            (from..from + 500).map(|row| format!("{{\"a\": {}, \"id\": {}}}\n", row % 7, id(row))).collect();
        fs::write(folder.path(name), rows).unwrap();
    }
    let output = driftd(&["compare", &folder.path("ids.jsonl"), &folder.path("other-ids.jsonl")]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("`id` is not compared: it is integers of 16 digits or more"), "{said}");

    // A limit that nothing is held against.
    let output = driftd(&["compare", &base, &base, "--limit", "ks=0.1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("--limit ks: ks is not computed for any of these columns\nhint: --measure ks"));

    // What moved is shown, not what is frequent; the limit that was passed, not the one that was not; each category once.
    let moved = rows(500, 500, |index, row| {
        if index % 5 == 0 && row.k.as_deref() == Some("z") {
            row.k = Some("new".to_owned());
        }
    });
    let moved = folder.parquet("moved.parquet", &moved);
    let said = text(&driftd(&["compare", &base, &moved, "--limit", "unseen_share=0.01,0.9", "--column", "k"]));
    assert!(said.contains("new 0 % to ") || said.contains("z 33 % to "), "{said}");
    assert!(said.contains("limit of a warning 0.01, of drift 0.9"), "{said}");
    assert_eq!(said.matches("`new`").count(), 1, "{said}");

    // A flat file for a monitor of nested records: what is there is listed, and the way to read it is named.
    let monitor = folder.path("monitor.toml");
    let config = "name = \"m\"\n[source]\ntopics = [\"m\"]\ntime = \"ts\"\n[window]\nlength = \"1h\"\n[[segments]]\nname = \"kind\"\npath = \"customer.k\"\n\
                  [[columns]]\nname = \"a\"\ntype = \"numeric\"\npath = \"features.a\"\n";
    fs::write(&monitor, config).unwrap();
    fs::write(folder.path("log.jsonl"), "{\"ts\":1700000000}\n").unwrap();
    let log = folder.path("log.jsonl");
    let said = text(&driftd(&["replay", "--monitor", &monitor, "--baseline", &base, &log]));
    let wanted = "the segment `customer.k` is not in the file, which has: a, b, k";
    assert!(said.contains(wanted) && said.contains("`--by-name` reads flat training data"), "{said}");
}
