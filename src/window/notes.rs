//! What people need to know of messages that were not counted and of columns that could not be read: examples and hints,
//! bounded, beside the counts.

use std::collections::{BTreeMap, BTreeSet};

use super::{Partition, WHOLE, WindowDelta};
use crate::record::Offset;

/// The most characters of an example.
const MOST: usize = 600;
/// Values of one filter's field that are kept.
const VALUES: usize = 8;
/// Examples of one reason that are made, and how many of them are kept.
const MADE: u32 = 32;
const KINDS: usize = 3;
/// Letters by which examples are told apart.
const WORDS: usize = 30;

/// The reason under which examples of late records are kept; the others have the names of [`crate::record::RejectReason`].
pub const LATE: &str = "late";

/// A message that was not counted, and why, in words: field, value and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Where it lies.
    pub partition: Partition,
    /// At which offset.
    pub offset: Offset,
    /// Why it was not counted.
    pub why: String,
}

/// What is known of a column beside its counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnHint {
    /// A value of the wrong type, as it is shown.
    pub wrong: Option<String>,
    /// A path that does exist, where that of the column was not found in a record.
    pub nearest: Option<String>,
}

/// How a column was read since the last checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnReading {
    /// Its name.
    pub column: String,
    /// Where it is looked for.
    pub path: String,
    /// Records.
    pub rows: u64,
    /// Records with a valid value.
    pub present: u64,
    /// Records with an explicit null.
    pub nulls: u64,
    /// Records without the field.
    pub missing: u64,
    /// What else is known.
    pub hint: ColumnHint,
}

impl ColumnReading {
    /// Whether it has no valid value, or hardly one: below 1 % of the records that do not say null there. A column that
    /// is null in nearly all records and valid in the others is only sparse.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        is_unreadable(self.rows, self.present, self.nulls)
    }
}

/// See [`ColumnReading::is_unreadable`].
#[must_use]
pub fn is_unreadable(rows: u64, present: u64, nulls: u64) -> bool {
    rows > 0 && (present == 0 || present.saturating_mul(100) < rows.saturating_sub(nulls))
}

/// Examples and hints since the last checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// The first examples of each reason, one of each kind.
    pub examples: BTreeMap<&'static str, Vec<Example>>,
    /// How often an example was made, by reason.
    made: BTreeMap<&'static str, u32>,
    /// What filtered records had in the fields of `where`: path and values.
    pub filtered: BTreeMap<String, BTreeSet<String>>,
    /// Hints about columns.
    pub columns: BTreeMap<String, ColumnHint>,
}

impl Notes {
    /// Keeps an example, if it is the first of its kind; `why` is asked for with the first messages of a reason only.
    pub fn example(
        &mut self,
        reason: &'static str,
        partition: &Partition,
        offset: Offset,
        why: impl FnOnce() -> String,
    ) {
        let made = self.made.entry(reason).or_default();
        if *made >= MADE {
            return;
        }
        *made += 1;
        let example = Example { partition: partition.clone(), offset, why: cut(&why()) };
        keep(self.examples.entry(reason).or_default(), example);
    }

    /// Keeps the value of a filter's field in a record of something else.
    pub fn filtered(&mut self, path: &str, value: &str) {
        let values = self.filtered.entry(path.to_owned()).or_default();
        if values.len() < VALUES {
            values.insert(cut(value));
        }
    }

    /// Keeps a value of the wrong type.
    pub fn wrong(&mut self, column: &str, value: &str) {
        self.hint(column).wrong.get_or_insert_with(|| cut(value));
    }

    /// The hints about a column.
    pub fn hint(&mut self, column: &str) -> &mut ColumnHint {
        if !self.columns.contains_key(column) {
            self.columns.insert(column.to_owned(), ColumnHint::default());
        }
        self.columns.entry(column.to_owned()).or_default()
    }

    /// Adds others, which count as later.
    pub fn merge(&mut self, other: Self) {
        for (reason, examples) in other.examples {
            let mine = self.examples.entry(reason).or_default();
            for example in examples {
                keep(mine, example);
            }
        }
        for (path, values) in other.filtered {
            for value in values {
                self.filtered(&path, &value);
            }
        }
        for (column, hint) in other.columns {
            let mine = self.hint(&column);
            mine.wrong = mine.wrong.take().or(hint.wrong);
            mine.nearest = mine.nearest.take().or(hint.nearest);
        }
    }
}

/// How each column was read in the records of these windows; `columns` are names and paths, `hints` what is known beside.
#[must_use]
pub fn readings<'a>(
    windows: &[WindowDelta],
    columns: impl Iterator<Item = (&'a str, String)>,
    hints: &BTreeMap<String, ColumnHint>,
) -> Vec<ColumnReading> {
    use crate::record::Absence;
    let whole: Vec<&WindowDelta> = windows.iter().filter(|window| window.key.segment == WHOLE).collect();
    columns
        .map(|(name, path)| {
            let mut reading = ColumnReading {
                column: name.to_owned(),
                path,
                rows: 0,
                present: 0,
                nulls: 0,
                missing: 0,
                hint: hints.get(name).cloned().unwrap_or_default(),
            };
            for window in &whole {
                let Some(counted) = window.counts.column(name) else { continue };
                let absent = Absence::ALL.iter().fold(0u64, |all, one| all.saturating_add(counted.absent(*one)));
                // Of the window: a text counts each of its words.
                let rows = window.counts.rows();
                let add = |total: &mut u64, count: u64| *total = total.saturating_add(count);
                add(&mut reading.rows, rows);
                add(&mut reading.present, rows.saturating_sub(absent));
                add(&mut reading.nulls, counted.absent(Absence::Null));
                add(&mut reading.missing, counted.absent(Absence::Missing));
            }
            reading
        })
        .collect()
}

/// Adds an example of another kind than those that are there.
fn keep(examples: &mut Vec<Example>, example: Example) {
    if examples.len() < KINDS && !examples.iter().any(|known| is_alike(&known.why, &example.why)) {
        examples.push(example);
    }
}

/// Whether two explanations begin with the same words, numbers and signs apart.
fn is_alike(left: &str, right: &str) -> bool {
    let words = |text: &str| text.chars().filter(|letter| letter.is_alphabetic()).take(WORDS).collect::<String>();
    words(left) == words(right)
}

/// Hostile text, bounded; what PostgreSQL cannot hold is replaced.
fn cut(text: &str) -> String {
    let mut shown: String =
        text.chars().take(MOST).map(|letter| if letter == '\0' { '\u{fffd}' } else { letter }).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32) -> Partition {
        Partition { topic: "t".into(), partition: number }
    }

    #[test]
    fn the_first_examples_of_a_reason_are_kept_and_bounded() {
        let mut notes = Notes::default();
        notes.example("syntax", &partition(0), Offset::new(7), || "x\0".repeat(2_000));
        notes.example("syntax", &partition(1), Offset::new(9), || "x".repeat(3_000));
        notes.example("syntax", &partition(1), Offset::new(10), || "the message is empty".to_owned());
        let offsets: Vec<Offset> = notes.examples["syntax"].iter().map(|example| example.offset).collect();
        assert_eq!(offsets, [7, 10].map(Offset::new), "one of each kind");
        let example = &notes.examples["syntax"][0];
        assert_eq!(example.why.chars().count(), MOST + 1);
        assert!(!example.why.contains('\0'));
        for _ in 0..MADE {
            notes.example("syntax", &partition(0), Offset::new(11), || "the message is empty".to_owned());
        }
        notes.example("syntax", &partition(0), Offset::new(12), || unreachable!("not asked for any more"));
        for value in 0..100 {
            notes.filtered("model", &value.to_string());
        }
        let mut other = Notes::default();
        other.wrong("x", "\"12,5\"");
        other.filtered("model", "new");
        notes.merge(other);
        assert_eq!(notes.filtered["model"].len(), VALUES);
        assert_eq!(notes.columns["x"].wrong.as_deref(), Some("\"12,5\""));
    }

    #[test]
    fn a_sparse_column_is_readable_and_one_of_the_wrong_type_is_not() {
        assert!(is_unreadable(1_000, 0, 1_000), "null in all records");
        assert!(is_unreadable(1_000, 9, 0), "hardly a valid value");
        assert!(!is_unreadable(1_000, 10, 0));
        assert!(!is_unreadable(1_000, 3, 997), "mostly null, otherwise valid");
        assert!(is_unreadable(1_000, 3, 0));
        assert!(!is_unreadable(0, 0, 0));
    }
}
