//! Columns whose values cannot be a baseline: what could not be read must not be learned as normal.

use std::fmt;

use crate::distribution::{Distribution, MIN_VALUES, WindowCounts};
use crate::record::{Absence, Column, ModelSchema, number_of};

/// A column that gets no baseline, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusableColumn {
    pub name: String,
    /// Where it was looked for.
    pub path: String,
    /// Why it cannot be a baseline.
    pub reason: Unusable,
}

/// Why a column cannot be a baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Its path is in no record.
    NeverFound,
    /// It is null in all records.
    AlwaysNull,
    /// More values are of another type or not finite than can be read.
    Unreadable {
        /// The declared type.
        declared: &'static str,
        /// Values that can be read.
        readable: u64,
        /// Values that are there, readable or not.
        values: u64,
        /// One that cannot be read, where it is known.
        example: Option<String>,
    },
    /// Fewer values than [`MIN_VALUES`], in more records.
    TooFew {
        /// How many there are.
        values: u64,
        /// How many records there are.
        records: u64,
    },
    /// Its numbers lie so close together, beside their distance from zero, that the buckets they are counted in before there
    /// is a baseline do not tell them apart.
    TooClose {
        /// Whether they are not to be shown: then the buckets are never finer.
        sensitive: bool,
    },
    /// It has too many categories to count each of them before there is a baseline, and none that are most of its values.
    TooManyCategories {
        /// How many there are, roughly.
        distinct: u64,
    },
    /// Vectors: what they are compared by needs their mean beforehand.
    Vectors,
}

/// What compares a column that cannot be learned.
const REMEDY: &str = "a baseline built from a file compares it: driftd baseline build NAME --from FILE";

impl Unusable {
    /// In a few words, of a column that is named beside them.
    #[must_use]
    pub fn shortly(&self) -> &'static str {
        match self {
            Self::NeverFound | Self::AlwaysNull => "no value",
            Self::Unreadable { .. } => "most values cannot be read",
            Self::TooFew { .. } => "too few values",
            Self::TooClose { sensitive: true } => {
                "sensitive values too close together for the buckets that hide them"
            }
            Self::TooClose { sensitive: false } => {
                "values too close together to be learned from windows; build a baseline from a file"
            }
            Self::TooManyCategories { .. } => {
                "too many categories to be learned from windows; build a baseline from a file"
            }
            Self::Vectors => "embeddings are not learned from windows; build a baseline from a file",
        }
    }
}

impl fmt::Display for UnusableColumn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, path, reason } = self;
        match reason {
            Unusable::NeverFound if name == path => {
                write!(formatter, "column `{name}` was not found in any record")
            }
            Unusable::NeverFound => {
                write!(formatter, "column `{name}`: its path `{path}` was not found in any record")
            }
            Unusable::AlwaysNull => write!(formatter, "column `{name}` (path `{path}`) is null in all records"),
            Unusable::Unreadable { declared, readable, values, example } => {
                write!(
                    formatter,
                    "column `{name}` (path `{path}`): {readable} of {} can be read as {declared}",
                    number_of(*values, "value")
                )?;
                match example {
                    Some(example) => write!(formatter, ", others are such as {example}"),
                    None => Ok(()),
                }
            }
            Unusable::TooFew { values, records } => write!(
                formatter,
                "column `{name}` (path `{path}`) has {} in {}; a baseline needs {MIN_VALUES}",
                number_of(*values, "value"),
                number_of(*records, "record")
            ),
            Unusable::TooClose { sensitive: true } => write!(
                formatter,
                "column `{name}` (path `{path}`) cannot be learned from windows: it is sensitive, and the buckets that hide its \
                 values are too wide to tell them apart"
            ),
            Unusable::TooClose { sensitive: false } => write!(
                formatter,
                "column `{name}` (path `{path}`) cannot be learned from windows: its values lie too close together for the \
                 buckets that count them before there is a baseline; {REMEDY}"
            ),
            Unusable::TooManyCategories { distinct } => write!(
                formatter,
                "column `{name}` (path `{path}`) cannot be learned from windows: about {} are too many to count each before \
                 there is a baseline, and none are frequent enough; {REMEDY}",
                number_of(*distinct, "category")
            ),
            Unusable::Vectors => write!(
                formatter,
                "column `{name}` (path `{path}`) cannot be learned from windows: embeddings are not; {REMEDY}"
            ),
        }
    }
}

/// How a column is filled over some records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    records: u64,
    readable: u64,
    missing: u64,
    null: u64,
    invalid: u64,
}

impl Fill {
    pub(super) fn of(records: u64, counts: &Distribution) -> Self {
        let missing = counts.absent(Absence::Missing);
        Self {
            records,
            readable: counts.present(),
            missing,
            null: counts.nulls() - missing,
            invalid: counts.invalid(),
        }
    }

    /// Adds the values of a batch.
    pub fn add(&mut self, absences: &[Absence]) {
        self.records += absences.len() as u64;
        for absence in absences {
            *match absence {
                Absence::Present => &mut self.readable,
                Absence::Missing => &mut self.missing,
                Absence::Null => &mut self.null,
                Absence::Nan | Absence::Infinite | Absence::WrongType => &mut self.invalid,
            } += 1;
        }
    }

    pub(super) fn unusable(&self, declared: &'static str, example: Option<String>) -> Option<Unusable> {
        let Self { records, readable, missing, null, invalid } = *self;
        if records == 0 {
            None
        } else if missing == records {
            Some(Unusable::NeverFound)
        } else if missing + null == records {
            Some(Unusable::AlwaysNull)
        } else if invalid > readable {
            Some(Unusable::Unreadable { declared, readable, values: readable + invalid, example })
        } else if readable < MIN_VALUES && records >= MIN_VALUES {
            Some(Unusable::TooFew { values: readable, records })
        } else {
            None
        }
    }
}

/// The columns of counted records that cannot be a baseline. `examples` are values of another type than declared, in the
/// order of the schema, as far as they are known.
#[must_use]
pub fn unusable_columns(
    schema: &ModelSchema,
    counts: &WindowCounts,
    examples: &[Option<String>],
) -> Vec<UnusableColumn> {
    let of =
        |column: &Column| counts.column(&column.name).map_or_else(Fill::default, |of| Fill::of(counts.rows(), of));
    let fills: Vec<Fill> = schema.columns().iter().map(of).collect();
    unusable_of_fills(schema, &fills, examples)
}

/// As [`unusable_columns`], by how the columns of the schema are filled.
#[must_use]
pub fn unusable_of_fills(
    schema: &ModelSchema,
    fills: &[Fill],
    examples: &[Option<String>],
) -> Vec<UnusableColumn> {
    let columns = schema.columns().iter().zip(fills).enumerate();
    let of = |(place, (column, fill)): (usize, (&Column, &Fill))| {
        let reason = fill.unusable(column.column_type.as_str(), examples.get(place).cloned().flatten())?;
        Some(UnusableColumn { name: column.name.clone(), path: column.path.to_string(), reason })
    };
    columns.filter_map(of).collect()
}
