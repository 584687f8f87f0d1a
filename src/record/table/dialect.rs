//! How a text table is written: its separator, and what its cells mean, which have no types.

use std::io::Read;
use std::sync::Arc;

use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::error::ReadError;
use super::read::refuse_too_wide;
use super::values::Wanted;
use crate::record::value::Value;

/// How a text table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableDialect {
    /// What stands between columns.
    pub(super) separator: u8,
    /// Whether numbers have a comma before their decimals, as in much of Europe.
    pub(super) decimal_comma: bool,
    /// Whether a blank follows each separator, which is no part of names and values.
    pub(super) blanks: bool,
    /// Whether the first line names the separator (`sep=;`), as spreadsheets write it.
    pub(super) named: bool,
}

/// What may stand between columns; the first of those that fit alike wins.
const SEPARATORS: [u8; 6] = *b",;\t|\x01\x1f";
/// What data frames read as null in columns of numbers.
const NULL_WORDS: [&str; 11] = ["", "NA", "N/A", "n/a", "#N/A", "#NA", "null", "NULL", "None", "<NA>", "\\N"];
/// A first line that is longer, in bytes, is none of column names.
const LONGEST_HEADER: usize = 16 << 20;
/// Lines looked at to find the separator.
const LINES: usize = 50;

impl TableDialect {
    /// The dialect of a file that begins with this text. The separator is the one that every line has equally often, and
    /// most often.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}');
        let mut lines: Vec<&str> = records(text).take(LINES).collect();
        let told = lines.first().and_then(|line| match line.as_bytes() {
            [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator] => Some(*separator),
            _ => None,
        });
        if told.is_some() {
            lines.remove(0);
        }
        let of = |separator: u8| {
            let mut counts = lines.iter().map(|line| unquoted(line, separator));
            let first = counts.next().unwrap_or(0);
            (first > 0 && counts.all(|count| count == first)).then_some(first)
        };
        let steady = SEPARATORS.into_iter().filter_map(|separator| Some((separator, of(separator)?)));
        let best = steady.reduce(|best, next| if next.1 > best.1 { next } else { best });
        // Where no separator is steady, the header decides, which is the line that has no numbers in it.
        let header = lines.first().copied().unwrap_or_default();
        let in_header = || {
            SEPARATORS
                .into_iter()
                .reduce(|best, next| if unquoted(header, next) > unquoted(header, best) { next } else { best })
        };
        let separator = told.or_else(|| best.map(|(separator, _)| separator)).or_else(in_header).unwrap_or(b',');
        let cells = || {
            lines
                .iter()
                .skip(1)
                .flat_map(|line| line.split(char::from(separator)))
                .map(|cell| cell.trim().trim_matches('"'))
        };
        let decimal_comma = separator != b','
            && cells().any(has_decimal_comma)
            && !cells().any(|cell| cell.contains('.') && cell.parse::<f64>().is_ok());
        let blanks = unquoted(header, separator) > 0
            && header
                .split(char::from(separator))
                .skip(1)
                .all(|name| name.starts_with(' ') && !name.trim().is_empty());
        Self { separator, decimal_comma, blanks, named: told.is_some() }
    }

    /// What the separator is called.
    #[must_use]
    pub fn separator_name(self) -> &'static str {
        match self.separator {
            b';' => "semicolons",
            b'\t' => "tabs",
            b'|' => "vertical bars",
            b',' => "commas",
            _ => "control characters",
        }
    }

    /// Whether numbers are written as `1,5`.
    #[must_use]
    pub fn decimal_comma(self) -> bool {
        self.decimal_comma
    }

    /// The value that a cell is to a column.
    pub(super) fn value(self, text: &str, wanted: Wanted) -> Value<'_> {
        let trimmed = text.trim();
        let text = if self.blanks { trimmed } else { text };
        match wanted {
            Wanted::Category | Wanted::Text => Value::Text(text),
            _ if NULL_WORDS.contains(&trimmed) => Value::Null,
            Wanted::Boolean if trimmed.eq_ignore_ascii_case("true") => Value::Boolean(true),
            Wanted::Boolean if trimmed.eq_ignore_ascii_case("false") => Value::Boolean(false),
            Wanted::Time | Wanted::Number | Wanted::Boolean | Wanted::Vector => {
                if let Ok(integer) = trimmed.parse() {
                    return Value::Integer(integer);
                }
                self.number(trimmed).map_or(Value::Text(text), Value::Number)
            }
        }
    }

    fn number(self, text: &str) -> Option<f64> {
        if self.decimal_comma && has_decimal_comma(text) {
            return text.replace('.', "").replace(',', ".").parse().ok();
        }
        text.parse().ok()
    }
}

/// `1,5` or `1.234,5`.
pub(super) fn has_decimal_comma(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    text.split_once(',').is_some_and(|(whole, decimals)| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        whole.split('.').all(digits) && digits(decimals)
    })
}

/// The lines of a text, line breaks in quotes being part of them, without empty ones.
fn records(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c: char| {
        quoted ^= c == '"';
        c == '\n' && !quoted
    })
    .map(|line| line.trim_end_matches('\r'))
    .filter(|line| !line.trim().is_empty())
}

/// How often a separator stands outside of quotes.
fn unquoted(line: &str, separator: u8) -> usize {
    let mut quoted = false;
    line.bytes()
        .filter(|byte| {
            quoted ^= *byte == b'"';
            *byte == separator && !quoted
        })
        .count()
}

/// The column names of a CSV file, read byte by byte, so that no row is swallowed with them.
///
/// # Errors
/// When there is no readable header, or it is not UTF-8.
pub(super) fn header(reader: &mut impl Read, dialect: TableDialect) -> Result<SchemaRef, ReadError> {
    let mut header = Vec::new();
    let mut byte = [0u8];
    let mut quoted = false;
    while reader.read(&mut byte)? == 1 {
        if header.len() >= LONGEST_HEADER {
            return Err(ReadError::Layout {
                found: format!("text whose first line is longer than {} MiB", LONGEST_HEADER >> 20),
                hint: "a CSV file begins with a line of column names; is a quote not closed?",
            });
        }
        header.extend_from_slice(&byte);
        quoted ^= byte == *b"\"";
        if byte == *b"\n" && !quoted {
            break;
        }
    }
    // A byte order mark, as spreadsheets write it, is no part of the first name.
    let header = header.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&header);
    if header.iter().all(u8::is_ascii_whitespace) {
        return Err(ReadError::NoHeader);
    }
    let (names, _) =
        Format::default().with_header(true).with_delimiter(dialect.separator).infer_schema(header, Some(0))?;
    refuse_too_wide(names.fields().len())?;
    let name = |name: &str| if dialect.blanks { name.trim().to_owned() } else { name.to_owned() };
    let texts: Vec<Field> =
        names.fields().iter().map(|field| Field::new(name(field.name()), DataType::Utf8, true)).collect();
    refuse_values(&texts)?;
    Ok(Arc::new(Schema::new(texts)))
}

/// A first line of numbers is no header, unless it numbers the columns.
fn refuse_values(names: &[Field]) -> Result<(), ReadError> {
    let numbers: Vec<f64> = names.iter().filter_map(|field| field.name().trim().parse().ok()).collect();
    let numbered = numbers.iter().zip(0u32..).all(|(number, place)| *number == f64::from(place));
    let has_decimals = numbers.iter().any(|number| *number != number.trunc());
    if numbers.is_empty() || (numbers.len() < names.len() && !has_decimals) || (numbered && !has_decimals) {
        return Ok(());
    }
    let shown: Vec<&str> = names.iter().take(3).map(|field| field.name().as_str()).collect();
    Err(ReadError::Layout {
        found: format!(
            "text whose first line holds values ({}) instead of the names of columns",
            shown.join(", ")
        ),
        hint: "put a line of column names in front",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_separator_is_the_one_that_every_line_has() {
        let separator = |text| char::from(TableDialect::of(text).separator);
        assert_eq!(separator("age;plan;paid\n20;a;1\n30;b;0\n"), ';');
        assert_eq!(separator("age,plan;old,paid\n20,a;x,1\n"), ',');
        assert_eq!(separator("a\tb\n1,5\t2\n"), '\t');
        assert_eq!(separator("a|b|c\n1|2|3\n"), '|');
        assert_eq!(separator("a;b\n\"x;y\";1,5\n"), ';');
        assert_eq!(separator("text\nhello, world\nfine\n"), ',');
        assert_eq!(separator("a,b\n\"one\ntwo\",2\n"), ',');
        assert_eq!(separator(""), ',');
        assert_eq!(separator("sep=;\na;b,c\n1;2\n"), ';');
        assert!(TableDialect::of("a, b\n1, 2\n").blanks && !TableDialect::of("a, b,c\n").blanks);
    }

    #[test]
    fn decimal_commas_are_read_where_nothing_has_a_point() {
        let dialect = TableDialect::of("a;b\n1,5;x\n-1.234,25;y\n7;z\n");
        assert!(dialect.decimal_comma());
        assert_eq!(dialect.value("1,5", Wanted::Number), Value::Number(1.5));
        assert_eq!(dialect.value("-1.234,25", Wanted::Number), Value::Number(-1234.25));
        assert!(!TableDialect::of("a;b\n1,5;2.5\n").decimal_comma());
        assert!(!TableDialect::of("a,b\n1,5\n").decimal_comma());
    }

    #[test]
    fn cells_are_read_as_the_column_that_wants_them() {
        let dialect = TableDialect { separator: b',', decimal_comma: false, blanks: false, named: false };
        assert_eq!(dialect.value("NA", Wanted::Category), Value::Text("NA"));
        assert_eq!(dialect.value("NA", Wanted::Number), Value::Null);
        assert_eq!(dialect.value(" 12 ", Wanted::Number), Value::Integer(12));
        assert!(matches!(dialect.value("nan", Wanted::Number), Value::Number(value) if value.is_nan()));
        assert_eq!(dialect.value("A7", Wanted::Number), Value::Text("A7"));
        assert_eq!(dialect.value("True", Wanted::Boolean), Value::Boolean(true));
        assert_eq!(dialect.value("1772323200000", Wanted::Time), Value::Integer(1_772_323_200_000));
    }
}
