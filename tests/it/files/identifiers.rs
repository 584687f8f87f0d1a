//! What names rows, and what only looks like a number, in files without types.

use std::fmt::Write as _;
use std::fs;

use super::*;

/// Rows of a row number, a customer's name, a code with leading zeros and a value; `place` gives the number of a row.
fn csv(rows: u64, first: u64, place: impl Fn(u64) -> u64, code: impl Fn(u64) -> String) -> String {
    let mut text = "id,customer,code,value\n".to_owned();
    for row in 0..rows {
        // Writing to a String cannot fail.
        let _infallible = writeln!(
            text,
            "{},customer-{},{},{}",
            first + place(row),
            first + row,
            code(row % 7),
            (row * 37 % 101) as f64 / 10.0
        );
    }
    text
}

fn both(folder: &Folder, before: &str, after: &str, more: &[&str]) -> (Option<i32>, String) {
    fs::write(folder.path("before.csv"), before).unwrap();
    fs::write(folder.path("after.csv"), after).unwrap();
    let (before, after) = (folder.path("before.csv"), folder.path("after.csv"));
    let output = driftd(&[&["compare", before.as_str(), after.as_str()], more].concat());
    (output.status.code(), text(&output).split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn identifiers_are_left_out_in_whatever_order_rows_are_and_however_few() {
    let folder = Folder::new();
    let plain = |row: u64| (row + 1).to_string();
    for rows in [30, 99, 3_001] {
        // 7 has no factor in common with the sizes: each number comes once.
        let shuffled = move |row: u64| row * 7 % rows;
        for (name, place) in [("sorted", None), ("shuffled", Some(shuffled))] {
            let place = |row| place.map_or(row, |place| place(row));
            let (code, said) = both(&folder, &csv(rows, 0, place, plain), &csv(rows, 5_000, place, plain), &[]);
            assert_eq!(code, Some(0), "{rows} rows, {name}: {said}");
            for left_out in ["`id` is not compared: it is integers", "`customer` is not compared: it is text with"]
            {
                assert!(said.contains(left_out), "{rows} rows, {name}: {said}");
            }
        }
    }
    // Measurements repeat, and few different ones are no row numbers.
    let (code, said) = both(
        &folder,
        &csv(300, 0, |row| row * row % 211, plain),
        &csv(300, 5_000, |row| row * row % 211, plain),
        &[],
    );
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("moved: id"), "{said}");
}

#[test]
fn numbers_with_leading_zeros_are_said_to_lose_them() {
    let folder = Folder::new();
    let (before, after) = (
        csv(300, 0, |row| row, |code| format!("0100{code}")),
        csv(300, 0, |row| row, |code| format!("100{code}")),
    );
    let (code, said) = both(&folder, &before, &after, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("the baseline: `code` has numbers with leading zeros, such as 01000")
            && said.contains("--column code:categorical compares the texts"),
        "{said}"
    );
    let (code, said) = both(&folder, &before, &after, &["--column", "code:categorical"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("seem renamed") && said.contains("`01000` (14.3 %) to `1000`"), "{said}");
}

#[test]
fn a_headline_counts_what_has_no_verdict_and_what_only_warns() {
    let folder = Folder::new();
    let rows = |shift: u64, empty: bool| {
        let mut text = "moved,slightly,gone,same\n".to_owned();
        for row in 0..1_000u64 {
            let gone = if empty { String::new() } else { row.to_string() };
            // One of ten is null: more than the limit of a warning.
            let slightly =
                if shift > 0 && row % 10 == 0 { String::new() } else { (row * 7_919 % 1_000).to_string() };
            let _infallible = writeln!(text, "{},{slightly},{gone},{}", row * 7_919 % 1_000 + shift, row % 10);
        }
        text
    };
    let types = ["moved", "slightly", "gone", "same"].map(|name| format!("{name}:numeric"));
    let mut named: Vec<&str> = types.iter().flat_map(|column| ["--column", column.as_str()]).collect();
    named.extend(["--values-only", "--limit", "null_change=0.1,5"]);
    let (_, said) = both(&folder, &rows(0, true), &rows(900, true), &named);
    assert!(
        said.contains("Drift: 1 of 4 columns moved: moved; 1 more warned. No verdict on 1 of them."),
        "{said}"
    );
    // What was asked for by name and cannot be judged is no success.
    let (code, said) = both(&folder, &rows(0, true), &rows(0, true), &named);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("No drift in 3 of 4 columns. No verdict on 1 of them."), "{said}");
    let page = folder.path("page.html");
    let (_, said) = both(
        &folder,
        &rows(0, true),
        &rows(900, true),
        &["--column", "moved:numeric", "--measure", "ks", "-o", &page],
    );
    assert!(fs::read_to_string(&page).unwrap().contains("&lt; 1e-300"), "{said}");
    let output = driftd(&["compare", "-", "-"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("standard input can be read once"), "{}", text(&output));
}

#[test]
fn a_replay_of_a_log_without_order_is_no_verdict_and_gaps_are_noted() {
    let folder = Folder::new();
    Config::monitor("m", "t")
        .set("source.time", "at")
        .set("source.time_unit", "s")
        .set("window.length", "1h")
        .numeric("x")
        .set("baseline.learn", 3)
        .set("judge.min_records", 30)
        .write(folder.path("m.toml"));
    let replay = |hours: Vec<u64>| {
        let mut log = String::new();
        for hour in hours {
            for row in 0..600u64 {
                let at = 1_700_000_400 - 1_700_000_400 % 3_600 + hour * 3_600 + row * 6;
                let _infallible = writeln!(log, "{{\"at\":{at},\"x\":{}}}", row * 37 % 61);
            }
        }
        fs::write(folder.path("log.jsonl"), log).unwrap();
        let output = driftd(&["replay", "--monitor", &folder.path("m.toml"), &folder.path("log.jsonl")]);
        (output.status.code(), text(&output).split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let (code, said) = replay((0..40).collect());
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("no record was counted"), "{said}");
    let (code, said) = replay((0..12).chain(15..40).collect());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("no record was counted from 2023-11-15T10:00:00Z to 2023-11-15T13:00:00Z"), "{said}");
    // The newest first, but for what learns the baseline.
    let (code, said) = replay((0..6).chain((6..40).rev()).collect());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Most records were late and not counted: see the notes."), "{said}");
}
