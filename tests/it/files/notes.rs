//! What a report says of what it could not compare, and of how it was written.

use std::fs;

use super::*;

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
        Config::monitor("m", "t")
            .set("source.time", time)
            .set("source.time_unit", "s")
            .set("source.version", "app.biuld")
            .set("window.length", "1h")
            .push("segments", json!({ "name": "land", "path": "app.lnad" }))
            .numeric("age")
            .set("columns.age.path", "features.aeg")
            .set("baseline.learn", 3)
            .write(folder.path("m.toml"));
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
    assert!(said.contains("nosuch.toml") && said.contains("hint: give the file of a monitor"), "{said}");
}

#[test]
fn a_column_that_cannot_be_learned_is_never_said_to_be_in_order() {
    let folder = Folder::new();
    let log: String = (0..12_000)
        .map(|row| {
            let (time, amount) = (1_700_000_000 + row * 6, 1_000_000_000 + row * 37 % 101);
            format!("{{\"when\":{time},\"amount\":{amount},\"user\":\"u{row}\"}}\n")
        })
        .collect();
    fs::write(folder.path("log.jsonl"), log).unwrap();
    Config::monitor("m", "t")
        .set("source.time", "when")
        .set("source.time_unit", "s")
        .set("window.length", "1h")
        .numeric("amount")
        .push("columns", json!({ "name": "user", "type": "categorical" }))
        .set("baseline.learn", 8)
        .write(folder.path("m.toml"));
    let output = driftd(&["replay", "--monitor", &folder.path("m.toml"), &folder.path("log.jsonl")]);
    let said = text(&output);
    assert!(said.contains("learned from the first 8 windows, without `user`"), "{said}");
    assert!(said.contains("`user` could not be learned and is not compared: see the notes."), "{said}");
    assert!(said.contains("driftd baseline build NAME --from FILE"), "{said}");
    assert!(!said.contains("`amount`"), "numbers far from zero are learned: {said}");
    assert_eq!(output.status.code(), Some(1), "undefined, as where a column could not be read: {said}");
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
    let output = driftd(&["compare", &base, &base, "--limit", "mmd=0.1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output).contains("--limit mmd: mmd is not computed for any of these columns\nhint: --measure mmd")
    );

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
    Config::monitor("m", "m")
        .set("source.time", "ts")
        .set("window.length", "1h")
        .push("segments", json!({ "name": "kind", "path": "customer.k" }))
        .numeric("a")
        .set("columns.a.path", "features.a")
        .write(&monitor);
    fs::write(folder.path("log.jsonl"), "{\"ts\":1700000000}\n").unwrap();
    let log = folder.path("log.jsonl");
    let said = text(&driftd(&["replay", "--monitor", &monitor, "--baseline", &base, &log]));
    let wanted = "the segment `customer.k` is not in the file, which has: a, b, k";
    assert!(said.contains(wanted) && said.contains("`--by-name` reads flat training data"), "{said}");
}

/// What a run said, without its line breaks.
fn said(arguments: &[&str]) -> String {
    text(&driftd(arguments)).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn columns_that_are_text_say_why_and_what_to_do() {
    let folder = Folder::new();
    let write = |name: &str, line: &dyn Fn(usize) -> String| {
        let lines: String = (0..2_000).map(|index| line(index) + "\n").collect();
        fs::write(folder.path(name), lines).unwrap();
        folder.path(name)
    };
    // Numbers with decimal commas, between commas.
    let comma = write("comma.csv", &|index| match index {
        0 => "price,amount".to_owned(),
        index => format!("\"{},{}\",{}", index % 97, index % 89, index * 7 % 101),
    });
    let told = said(&["compare", &comma, &comma]);
    assert!(told.contains("`price` is not compared: it is text that looks like numbers with commas"), "{told}");
    assert!(told.contains("semicolons or tabs"), "{told}");
    // Numbers in quotes are text where a format has both.
    let quoted = write("quoted.jsonl", &|index| format!("{{\"code\": \"{}\", \"x\": {}}}", index % 7, index % 13));
    let told = said(&["compare", &quoted, &quoted]);
    assert!(told.contains("`code` is text that holds numbers: it is compared as categories"), "{told}");
    let many = write("many.jsonl", &|index| format!("{{\"code\": \"{index}.5\", \"x\": {}}}", index % 13));
    let told = said(&["compare", &many, &many]);
    assert!(
        told.contains("text that holds numbers with nearly as many values as rows; store it as numbers"),
        "{told}"
    );
    // Numbers and text: the choice is said, whatever the format.
    let mixed = write("mixed.jsonl", &|index| {
        if index % 3 == 0 { "{\"m\": \"none\"}".to_owned() } else { format!("{{\"m\": {}}}", index % 50) }
    });
    let csv = write("mixed.csv", &|index| match index {
        0 => "m,x".to_owned(),
        index if index % 3 == 0 => format!("none,{}", index % 5),
        index => format!("{},{}", index % 50, index % 5),
    });
    for file in [&mixed, &csv] {
        let told = said(&["compare", file, file]);
        assert!(told.contains("`m` has numbers and text: it is compared as categories"), "{file}: {told}");
    }
}

#[test]
fn a_report_is_written_as_what_its_file_is_called() {
    let folder = Folder::new();
    let file = folder.parquet("rows.parquet", &rows(500, 0, |_, _| {}));
    let written = |name: &str, more: &[&str]| {
        let path = folder.path(name);
        let output = driftd(&[&["compare", &file, &file, "-o", &path], more].concat());
        (output.status.code(), text(&output), fs::read_to_string(&path).unwrap_or_default())
    };
    assert!(written("report.html", &[]).2.starts_with("<!DOCTYPE html>"));
    assert!(written("report.json", &[]).2.starts_with('{'));
    assert!(written("report.txt", &[]).2.contains("rows.parquet"));
    assert!(written("report", &[]).2.contains("rows.parquet"));
    let (code, said, content) = written("report.pdf", &[]);
    assert_eq!((code, content.as_str()), (Some(2), ""), "{said}");
    assert!(
        said.contains("cannot write a report as .pdf") && said.contains("hint: set the format with --format"),
        "{said}"
    );
    assert!(written("report.out", &["--format", "json"]).2.starts_with('{'));
}

#[test]
fn what_is_all_in_the_files_is_exact() {
    let folder = Folder::new();
    // Skewed, so that what lies within one bin is far apart.
    let skewed = |index: usize, row: &mut Row| {
        row.a = Some((index as f64 / 100.0).exp());
        row.b = Some(if index.is_multiple_of(2) { 1e-17 } else { index as f64 });
    };
    let file = folder.parquet("skewed.parquet", &rows(1_001, 0, skewed));
    let (_, report) = compare(&file, &file, &[]);
    let column = report["columns"].as_array().unwrap().iter().find(|column| column["name"] == "a").unwrap();
    for (place, index) in [50.0, 250.0, 500.0, 750.0, 950.0_f64].into_iter().enumerate() {
        let (shown, exact) = (column["window"]["quantiles"][place].as_f64().unwrap(), (index / 100.0).exp());
        assert!((shown / exact - 1.0).abs() < 0.011, "quantile {place}: {shown}, not {exact}");
    }
    // What is zero but for rounding is shown as zero.
    let page = folder.path("report.html");
    assert_eq!(driftd(&["compare", &file, &file, "-o", &page]).status.code(), Some(0));
    let page = fs::read_to_string(page).unwrap();
    assert!(!page.contains("e-17"), "zero is shown as what rounding left of it");
    assert!(page.contains("warns from"), "the limit of a warning is missing");
    assert!(!page.contains("sample of records"), "all rows are in the chart");
    // A limit of few chunks says so.
    let told = said(&["compare", &file, &file, "--preset", "nannyml"]);
    assert!(told.contains("too few to mean much"), "{told}");
}
