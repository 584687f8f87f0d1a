//! How a monitor reads its topics: what was not counted and why, what its filters see, which columns it cannot read.

use crate::record::Timestamp;
use serde::{Deserialize, Serialize};

use crate::record::{number_of, plural};

/// Messages and columns that a monitor could not read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reading {
    /// Messages that were not counted: the newest examples per reason.
    pub not_counted: Vec<NotCounted>,
    /// Values of filtered records in the fields of `where`.
    pub filters: Vec<FilterSeen>,
    /// Columns with no or few valid values in recent records.
    pub unreadable: Vec<UnreadableColumn>,
    /// Newest event time, RFC 3339, if outside the years 1990 to 2100: probably the wrong unit.
    pub implausible_time: Option<Timestamp>,
}

/// A message that was not counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NotCounted {
    /// Reason of the rejection, or `late`.
    pub reason: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// Text: field, value and allowed values.
    pub why: String,
    /// Time of reading, RFC 3339.
    pub at: Timestamp,
}

/// Values of filtered records in a field of `where`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FilterSeen {
    /// Path of the field.
    pub path: String,
    /// Examples of values, latest first.
    pub values: Vec<String>,
}

/// A column that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UnreadableColumn {
    /// Column name.
    pub column: String,
    /// Path of the column.
    pub path: String,
    /// Counted records.
    pub records: u64,
    /// Records with a valid value.
    pub valid: u64,
    /// Records without the field.
    pub missing: u64,
    /// Records with null.
    pub nulls: u64,
    /// Example of a value of the wrong type.
    pub wrong: Option<String>,
    /// Similar path that exists.
    pub nearest: Option<String>,
}

impl UnreadableColumn {
    /// The same in words: what was found instead, and what may be meant.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Self { column, path, records, valid, missing, nulls, .. } = self;
        let found = if *valid == 0 { "no valid value".to_owned() } else { number_of(*valid, "valid value") };
        let of = number_of(*records, "record");
        let mut parts = vec![format!("column `{column}` (path `{path}`) has {found} in {of}")];
        if *missing > 0 {
            parts.push(format!("{missing} {} no such field", plural(*missing, "record has", "records have")));
        }
        if *nulls > 0 {
            parts.push(format!("{nulls} {} null", plural(*nulls, "is", "are")));
        }
        parts.extend(self.wrong.as_ref().map(|wrong| format!("example of a wrong type: {wrong}")));
        parts.extend(self.nearest.as_ref().map(|nearest| format!("similar path: `{nearest}`")));
        parts.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_column_is_named_with_its_path_and_what_was_found_instead() {
        let column = UnreadableColumn {
            column: "x".to_owned(),
            path: "features.x".to_owned(),
            records: 600,
            valid: 0,
            missing: 400,
            nulls: 0,
            wrong: Some("\"12,5\"".to_owned()),
            nearest: Some("inputs.x".to_owned()),
        };
        assert_eq!(
            column.in_words(),
            "column `x` (path `features.x`) has no valid value in 600 records; 400 records have no such field; example of a \
             wrong type: \"12,5\"; similar path: `inputs.x`"
        );
    }
}
