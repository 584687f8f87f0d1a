//! How a monitor reads its topics: what was not counted and why, what its filters see, which columns it cannot read.

use super::Timestamp;
use serde::{Deserialize, Serialize};

use crate::record::{number_of, plural};

/// What is known of what a monitor could not count or read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reading {
    /// Messages that were not counted: the newest examples of each reason.
    pub not_counted: Vec<NotCounted>,
    /// What filtered records have in the fields of `where`.
    pub filters: Vec<FilterSeen>,
    /// Columns without a valid value, or hardly with one, in the records counted lately.
    pub unreadable: Vec<UnreadableColumn>,
    /// The newest event time of all, RFC 3339, when it lies outside the years 1990 to 2100: the unit is probably another.
    pub implausible_time: Option<Timestamp>,
}

/// A message that was not counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NotCounted {
    /// The reason of the rejection, or `late`.
    pub reason: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// Why, in words: field, value and what is allowed.
    pub why: String,
    /// When it was read, RFC 3339.
    pub at: Timestamp,
}

/// What filtered records have in a field of `where`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FilterSeen {
    /// The field's path.
    pub path: String,
    /// Some of the values, those seen last first.
    pub values: Vec<String>,
}

/// A column that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UnreadableColumn {
    /// Its name.
    pub column: String,
    /// Where it is looked for.
    pub path: String,
    /// Records that were counted.
    pub records: u64,
    /// Records with a valid value.
    pub valid: u64,
    /// Records without the field.
    pub missing: u64,
    /// Records with null.
    pub nulls: u64,
    /// A value of the wrong type.
    pub wrong: Option<String>,
    /// A path that does exist and may be meant.
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
        parts.extend(self.wrong.as_ref().map(|wrong| format!("of the wrong type is for example {wrong}")));
        parts.extend(self.nearest.as_ref().map(|nearest| format!("there is `{nearest}`")));
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
            "column `x` (path `features.x`) has no valid value in 600 records; 400 records have no such field; of the wrong \
             type is for example \"12,5\"; there is `inputs.x`"
        );
    }
}
