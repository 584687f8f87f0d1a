//! What a comparison could not read, in words.

use crate::compare::{CompareSpec, Comparison, FileRows};
use crate::record::{Absence, Column, ColumnType, Derivation, ModelSchema, grouped, number_of};

/// Rows that were rejected on a side, and values that are not of the type that their column is compared as.
pub(super) fn reading_notes(comparison: &Comparison, spec: &CompareSpec) -> Vec<String> {
    let mut notes = rejected("baseline", &comparison.baseline_rows);
    notes.extend(rejected("window", &comparison.window_rows));
    notes.extend(wrong_types(comparison, &spec.schema));
    notes
}

fn rejected(side: &str, rows: &FileRows) -> Vec<String> {
    let note = |(reason, count, example): (_, u64, &str)| {
        let rows = number_of(count, "row");
        format!("{rows} of the {side} could not be read ({reason}); {example}")
    };
    rows.rejected.iter().map(note).collect()
}

/// How to compare all values of a column nevertheless.
fn way(column: &Column) -> String {
    match column.column_type {
        ColumnType::Numeric | ColumnType::Boolean if column.derivation == Derivation::Value => {
            format!("; --column {}:categorical compares all values as categories", column.path)
        }
        _ => String::new(),
    }
}

fn wrong_types(comparison: &Comparison, schema: &ModelSchema) -> Vec<String> {
    let mut notes = Vec::new();
    for (place, column) in schema.columns().iter().enumerate() {
        let (Some(before), Some(after)) =
            (comparison.baseline.column(&column.name), comparison.window.column(&column.name))
        else {
            continue;
        };
        let wrong = [before, after].map(|side| side.absent(Absence::WrongType));
        if wrong == [0, 0] {
            continue;
        }
        let example = |rows: &FileRows| rows.wrong.get(place).cloned().flatten();
        let example = example(&comparison.window_rows).or_else(|| example(&comparison.baseline_rows));
        let such = example.map_or(String::new(), |example| format!(", such as {example}"));
        notes.push(format!(
            "`{}` is compared as {}, and {} of {} values of the baseline and {} of {} of the window are not{such}: \
             they count as of the wrong type and are not compared{}",
            column.name,
            column.column_type.as_str(),
            grouped(wrong[0]),
            grouped(before.present() + before.invalid()),
            grouped(wrong[1]),
            grouped(after.present() + after.invalid()),
            way(column)
        ));
    }
    notes
}
