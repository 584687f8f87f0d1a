//! Reports of `driftd compare`: the same in every format, outcomes of damaged windows, tools.

use std::fs::{self, File};

use super::*;
use arrow::csv::Writer as CsvWriter;
use arrow::ipc::writer::FileWriter;
use arrow::json::LineDelimitedWriter;

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
            "drift",
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
            "drift",
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
    let said = text(&driftd(&["compare", &good, &good, "--measure", "foo"]));
    assert!(said.contains("`foo` is not a measure; `driftd measures` lists them"), "{said}");
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
