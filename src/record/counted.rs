//! Numbers of things in words.

use std::fmt::Display;

/// The words that go with a number: `one` with 1, `many` with every other, as in `record was` and `records were`.
#[must_use]
pub fn plural<'a>(number: impl From<u8> + PartialEq + Copy, one: &'a str, many: &'a str) -> &'a str {
    if number == 1.into() { one } else { many }
}

/// A number of things whose plural ends in `s` or `ies`: `1 record`, `2 records`, `3 categories`.
#[must_use]
pub fn number_of(number: impl From<u8> + PartialEq + Copy + Display, one: &str) -> String {
    let words = match one.strip_suffix("ry") {
        Some(stem) => format!("{stem}ries"),
        None => format!("{one}s"),
    };
    format!("{number} {}", plural(number, one, &words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_said_in_the_singular() {
        assert_eq!(number_of(0, "record"), "0 records");
        assert_eq!(number_of(1_u64, "record"), "1 record");
        assert_eq!(number_of(2_usize, "late record"), "2 late records");
        assert_eq!(number_of(1, "category"), "1 category");
        assert_eq!(number_of(3, "category"), "3 categories");
        assert_eq!(plural(1, "record was", "records were"), "record was");
        assert_eq!(plural(0, "record was", "records were"), "records were");
    }
}
