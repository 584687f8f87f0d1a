use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::judge::why::Cause;
use crate::judge::{ColumnRules, FalseAlarms, MeasureRule};
use crate::record::table::{TableRows, json_batches};
use crate::record::{ColumnType, RecordLayout};
use crate::report::{Both, CompareReport, compare_html, compare_report, compare_text};

/// JSON lines in memory.
struct Lines(String);

impl OpenFile for Lines {
    type Rows = Box<dyn Iterator<Item = ReadItem>>;

    fn open(&self, schema: &ModelSchema) -> Result<Self::Rows, ReadError> {
        let rows = TableRows { schema: schema.clone(), layout: RecordLayout::default(), timed: false };
        Ok(Box::new(json_batches(Cursor::new(self.0.clone()), &rows)?))
    }

    fn has_times(&self) -> bool {
        false
    }

    fn open_timed(&self, schema: &ModelSchema) -> Result<Self::Rows, ReadError> {
        self.open(schema)
    }
}

fn spec(exact: bool) -> CompareSpec {
    let schema = ModelSchema::of_features(&[
        ("x", ColumnType::Numeric),
        ("k", ColumnType::Categorical),
        ("b", ColumnType::Boolean),
    ])
    .unwrap();
    let columns = schema.columns().iter().map(|column| ColumnRules {
        name: column.name.clone(),
        measures: Measure::ALL
            .into_iter()
            .filter(|measure| measure.applies_to(column.column_type))
            .map(|measure| MeasureRule { measure, limits: Some(measure.default_thresholds()) })
            .collect(),
    });
    CompareSpec {
        judge: JudgeSpec::new(columns.collect(), 30, FalseAlarms::PerWindow(0.001)),
        integers: vec![false; 3],
        schema,
        build: BuildOptions::default(),
        exact,
        preset: None,
    }
}

fn report(spec: &CompareSpec, before: &[String], after: &[String]) -> CompareReport {
    let found = compare(spec, &Lines(before.join("\n")), &Lines(after.join("\n"))).unwrap();
    compare_report(&found, spec, Both { baseline: "before".into(), window: "after".into() }, vec![])
}

fn row(x: i32, k: &str, b: bool) -> String {
    format!(r#"{{"x":{},"k":"{k}","b":{b}}}"#, f64::from(x) / 8.0)
}

fn rows(values: &[(i32, u8, bool)]) -> Vec<String> {
    values.iter().map(|(x, k, b)| row(*x, &format!("k{k}"), *b)).collect()
}

fn some_rows(size: usize) -> Vec<String> {
    (0..size)
        .map(|index| row((index * 7919 % 1000) as i32, ["a", "b", "c"][index * 31 % 3], index % 4 == 0))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_order_of_rows_leaves_no_trace_in_the_report(
        before in prop::collection::vec((-200i32..200, 0u8..6, any::<bool>()), 40..200),
        after in prop::collection::vec((-200i32..400, 0u8..9, any::<bool>()), 40..200),
        turn in 1usize..39,
    ) {
        let (before, after) = (rows(&before), rows(&after));
        let mixed = |rows: &[String]| {
            let mut rows = rows.to_vec();
            rows.rotate_left(turn);
            rows.reverse();
            rows
        };
        for exact in [false, true] {
            let there = report(&spec(exact), &before, &after);
            let again = report(&spec(exact), &mixed(&before), &mixed(&after));
            prop_assert_eq!(
                serde_json::to_string_pretty(&there).unwrap(),
                serde_json::to_string_pretty(&again).unwrap()
            );
        }
    }

    #[test]
    fn nothing_in_a_report_is_nan_or_infinite(
        before in prop::collection::vec((-3i32..3, 0u8..2, any::<bool>()), 1..60),
        after in prop::collection::vec((-3i32..9, 0u8..3, any::<bool>()), 0..60),
    ) {
        for exact in [false, true] {
            let found = report(&spec(exact), &rows(&before), &rows(&after));
            let (text, html) = (compare_text(&found, false), compare_html(&found));
            prop_assert!(!text.contains("NaN") && !text.contains(" inf"), "{text}");
            prop_assert!(!html.contains(">NaN<") && !html.contains("inf<") && !html.contains("NaN "));
            if after.len() < 30 {
                prop_assert_eq!(found.verdict, crate::report::Outcome::NotEnoughData);
            }
        }
    }
}

/// A share of a category is that of the counts, however many categories are more frequent.
#[test]
fn the_category_that_changed_most_has_the_shares_that_it_has() {
    let of = |heavy: usize, size: usize| -> Vec<String> {
        (0..size)
            .map(|index| {
                let category = if index % 12 == 0 { heavy } else { index % 23 };
                row(1, &format!("c{category}"), true)
            })
            .collect()
    };
    let (before, after) = (of(3, 4_600), of(17, 2_300));
    let share = |rows: &[String], name: &str| {
        let with = rows.iter().filter(|row| row.contains(&format!("\"{name}\""))).count();
        with as f64 / rows.len() as f64
    };
    for exact in [false, true] {
        let found = report(&spec(exact), &before, &after);
        let column = found.columns.iter().find(|column| column.name == "k").unwrap();
        let (name, left, right) = column.category.clone().unwrap();
        assert!(["c3", "c17"].contains(&name.as_str()), "{name}");
        assert!((left - share(&before, &name)).abs() < 1e-12 && (right - share(&after, &name)).abs() < 1e-12);
        let words = format!("{name} {:.0} % to {:.0} %", left * 100.0, right * 100.0);
        assert!(compare_text(&found, false).contains(&words), "{words}");
        let html = compare_html(&found);
        for side in [left, right] {
            assert!(html.contains(&format!("{name} {:.0} %", side * 100.0)), "{html}");
        }
    }
}

/// Whole hours in minutes are whole tens: nothing was rounded.
#[test]
fn what_was_scaled_is_not_called_rounded() {
    let rows = |factor: f64| -> Vec<String> {
        (0..3_000u32)
            .map(|index| {
                let hours = f64::from(index * 7919 % 613 % 60 + index * 31 % 7 + 1);
                format!(r#"{{"x":{},"k":"a","b":true}}"#, hours * factor)
            })
            .collect()
    };
    let found = report(&spec(false), &rows(1.0), &rows(60.0));
    let x = found.columns.iter().find(|column| column.name == "x").unwrap();
    let causes: Vec<_> = x.why.iter().map(|reason| reason.cause).collect();
    assert!(causes.contains(&Cause::Scale) && !causes.contains(&Cause::Rounding), "{:?}", x.why);
}

#[test]
fn equal_files_do_not_drift_and_a_moved_column_is_the_only_one_that_does() {
    let before = some_rows(2_000);
    let after: Vec<String> = (0..500)
        .map(|index| row((index * 7919 % 1000 + 300) as i32, ["a", "b", "c"][index * 31 % 3], index % 4 == 0))
        .collect();
    for exact in [false, true] {
        let same = report(&spec(exact), &before, &before);
        assert_eq!(same.verdict.as_str(), "ok", "{}", compare_text(&same, false));
        assert!(same.columns.iter().all(|column| column.why.is_empty()));
        let moved = report(&spec(exact), &before, &after);
        assert_eq!(moved.verdict.as_str(), "drift");
        let verdicts: Vec<_> =
            moved.columns.iter().map(|column| (column.name.as_str(), column.verdict.as_str())).collect();
        assert_eq!(verdicts, [("x", "drift"), ("k", "ok"), ("b", "ok")]);
        assert!(moved.columns[0].why[0].text.contains("a constant of about 37."), "{:?}", moved.columns[0].why);
    }
}

#[test]
fn names_from_files_cannot_break_out_of_a_report() {
    let schema = ModelSchema::new(vec![crate::record::Column {
        name: "<script>alert(1)</script>\u{1b}[31m".into(),
        path: crate::record::FieldPath::of_steps(["k".to_owned()]),
        role: crate::record::ColumnRole::Feature,
        column_type: ColumnType::Categorical,
        derivation: crate::record::Derivation::Value,
        sensitive: false,
    }])
    .unwrap();
    let mut hostile = spec(false);
    hostile.judge.columns.truncate(1);
    hostile.judge.columns[0].name = schema.columns()[0].name.clone();
    hostile.judge.columns[0].measures.retain(|rule| rule.measure.applies_to(ColumnType::Categorical));
    hostile.schema = schema;
    let before: Vec<String> = (0..100).map(|_| r#"{"k":"<img src=x onerror=alert(1)>"}"#.to_owned()).collect();
    let after: Vec<String> = (0..100).map(|_| r#"{"k":"\u001b]0;owned\u0007\u202e"}"#.to_owned()).collect();
    let found = report(&hostile, &before, &after);
    let (text, html) = (compare_text(&found, false), compare_html(&found));
    assert!(!html.contains("<script>") && !html.contains("<img"), "{html}");
    assert!(
        !text.chars().any(|letter| (letter.is_control() && letter != '\n') || letter == '\u{202e}'),
        "{text:?}"
    );
}

/// Texts of some words and vectors of four numbers; `topic` chooses the words, `shift` moves the vectors and `squeeze`
/// changes their spread only.
fn documents(size: usize, topic: &str, shift: f64, squeeze: f64) -> Vec<String> {
    let unit = |index: usize, salt: usize| (((index * 7919 + salt * 104_729) % 1009) as f64 / 1009.0 - 0.5) * 2.0;
    (0..size)
        .map(|index| {
            let words: Vec<String> =
                (0..3 + index % 5).map(|place| format!("{topic}{}", (index * 31 + place * 17) % 40)).collect();
            let vector: Vec<String> =
                (0..4).map(|salt| format!("{:.6}", unit(index, salt) * squeeze + shift)).collect();
            format!(r#"{{"t":"{}","e":[{}]}}"#, words.join(" "), vector.join(","))
        })
        .collect()
}

fn document_spec(exact: bool) -> CompareSpec {
    let schema = ModelSchema::of_features(&[("t", ColumnType::Text), ("e", ColumnType::Embedding)]).unwrap();
    let columns = schema.columns().iter().map(|column| ColumnRules::of_type(&column.name, column.column_type));
    let judge = JudgeSpec { columns: columns.collect(), ..spec(exact).judge };
    CompareSpec { integers: vec![false; schema.columns().len()], judge, schema, ..spec(exact) }
}

fn document_verdicts(exact: bool, after: &[String]) -> BTreeMap<String, &'static str> {
    let found = report(&document_spec(exact), &documents(3_000, "a", 0.0, 1.0), after);
    found.columns.iter().map(|column| (column.name.clone(), column.verdict.as_str())).collect()
}

#[test]
fn texts_and_embeddings_are_watched_through_what_is_derived_of_them() {
    for exact in [false, true] {
        let same = document_verdicts(exact, &documents(1_000, "a", 0.0, 1.0));
        assert_eq!(same.len(), 5, "{same:?}");
        assert!(same.values().all(|verdict| *verdict == "ok"), "{same:?}");
        let other_words = document_verdicts(exact, &documents(1_000, "b", 0.0, 1.0));
        assert_eq!(other_words["t.tokens"], "drift");
        assert_eq!([other_words["t.words"], other_words["e"], other_words["e.norm"]], ["ok"; 3]);
        let moved = document_verdicts(exact, &documents(1_000, "a", 0.5, 1.0));
        assert_eq!([moved["e"], moved["t.tokens"]], ["drift", "ok"]);
        // The mean stays where it is: only the kernel and the norm see it.
        let squeezed = document_verdicts(exact, &documents(1_000, "a", 0.0, 0.2));
        assert_eq!([squeezed["e"], squeezed["e.norm"]], ["drift", "drift"]);
    }
    let mut shorter = documents(1_000, "a", 0.0, 1.0);
    for line in &mut shorter {
        *line = line.replace("\"e\":[", "\"e\":[1.5,");
    }
    assert_eq!(
        document_verdicts(false, &shorter)["e"],
        "drift",
        "vectors of another length are of the wrong type"
    );
}

#[test]
fn sums_of_vectors_do_not_depend_on_the_order_and_come_back_from_storage() {
    let (before, mut after) = (documents(500, "a", 0.0, 1.0), documents(300, "a", 0.1, 0.9));
    let spec = document_spec(false);
    let there = compare(&spec, &Lines(before.join("\n")), &Lines(after.join("\n"))).unwrap();
    after.reverse();
    let back = compare(&spec, &Lines(before.join("\n")), &Lines(after.join("\n"))).unwrap();
    assert_eq!(there.window, back.window);
    let stored = there.window.to_ipc().unwrap();
    let read = WindowCounts::from_ipc(&stored, std::sync::Arc::clone(there.window.binnings())).unwrap();
    assert_eq!(read, there.window);
    let set: crate::binning::BinningSet =
        serde_json::from_str(&serde_json::to_string(there.window.binnings().as_ref()).unwrap()).unwrap();
    assert_eq!(&set, there.window.binnings().as_ref());
}
