//! Numbers of things in words.

use std::fmt::Display;

/// The words that go with a number: `one` with 1, `many` with every other, as in `record was` and `records were`.
#[must_use]
pub fn plural<'a>(number: impl From<u8> + PartialEq + Copy, one: &'a str, many: &'a str) -> &'a str {
    if number == 1.into() { one } else { many }
}

/// A whole number with its digits in groups: `12,345`.
#[must_use]
pub fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things whose plural ends in `s` or `ies`: `1 record`, `12,345 records`, `3 categories`.
#[must_use]
pub fn number_of(number: impl From<u8> + PartialEq + Copy + Display, one: &str) -> String {
    let words = match one.strip_suffix("ry") {
        Some(stem) => format!("{stem}ries"),
        None => format!("{one}s"),
    };
    quantity(number, one, &words)
}

/// A number with its digits in groups and the words that go with it.
#[must_use]
pub fn quantity(number: impl From<u8> + PartialEq + Copy + Display, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), plural(number, one, many))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
            (-100, "-100"),
            (-1_000, "-1,000"),
        ] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(number_of(17_379, "record"), "17,379 records");
    }

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
