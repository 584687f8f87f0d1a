use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::judge::{ColumnRules, MeasureRule, WindowRule};
use crate::record::table::{TableRows, json_lines_batches};
use crate::record::{ColumnType, RecordLayout};
use crate::report::{Both, CompareReport, compare_html, compare_report, compare_text};

/// JSON lines in memory.
struct Lines(String);

impl Open for Lines {
    type Rows = Box<dyn Iterator<Item = ReadItem>>;

    fn open(&self, schema: &ModelSchema) -> Result<Self::Rows, ReadError> {
        let rows =
            TableRows { schema: schema.clone(), layout: RecordLayout::default(), timed: false, strict: false };
        Ok(Box::new(json_lines_batches(Cursor::new(self.0.clone()), &rows)))
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
            .map(|measure| MeasureRule { measure, thresholds: measure.default_thresholds() })
            .collect(),
    });
    CompareSpec {
        judge: JudgeSpec {
            columns: columns.collect(),
            min_records: 30,
            significance: 0.001,
            values_only: false,
            rule: WindowRule::Columns(1),
        },
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
        role: crate::record::Role::Feature,
        column_type: ColumnType::Categorical,
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
    assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n'), "{text:?}");
}
