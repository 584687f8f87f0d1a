//! What kinds of values a column had, and the type that it is read as for it.

use std::collections::HashSet;

use serde_json::Value as Document;
use xxhash_rust::xxh3::xxh3_64;

use super::dialect::{TableDialect, has_decimal_comma};
use super::values::Wanted;
use crate::record::ColumnType;
use crate::record::value::{Value, looks_like_time};

/// The share of values that must be of a type for the column to be of it; the others are of the wrong type then.
const MOST: f64 = 0.5;
/// From this share of other values on, a column of few different ones is one of categories.
const MIXED: f64 = 0.01;
/// Text with more distinct values than this share names rows, not kinds of rows.
const NAMES_ROWS: f64 = 0.5;
/// A column of more different values is not read as categories only because some of them are text.
const CATEGORIES: usize = 1_000;
/// Texts of at least this many words on average are read as such.
const WORDS_OF_TEXT: usize = 3;
/// With fewer values nothing is said about that.
pub(super) const FEW: usize = 30;
/// Larger integers are not measurements: floating-point numbers do not hold them exactly.
const EXACT: u64 = 1 << 53;

/// What a column is whose texts are numbers with a comma in them: of its decimals or of its thousands, which nobody can tell.
pub const WITH_COMMAS: &str = "text that looks like numbers with commas";

/// What a column is whose texts are numbers in a format that has numbers, too.
pub const OF_NUMBERS: &str = "text that holds numbers";

#[expect(clippy::cast_precision_loss, reason = "some thousand rows")]
fn share_of(count: usize, all: usize) -> f64 {
    if all == 0 { 0.0 } else { count as f64 / all as f64 }
}

/// What values a column had.
#[derive(Default)]
pub(super) struct Kinds {
    pub(super) numbers: usize,
    pub(super) integers: usize,
    /// Integers beyond what floating-point numbers hold exactly.
    long: usize,
    booleans: usize,
    vectors: usize,
    composites: usize,
    pub(super) texts: usize,
    times: usize,
    /// Texts that look like numbers with a comma.
    commas: usize,
    /// Texts that are numbers, as of a format that has both.
    quoted: usize,
    words: usize,
    /// Hashes of the different values: a text may be long.
    distinct: HashSet<u64>,
    integer_range: Option<(i64, i64)>,
    grew: Growth,
    /// The first number with leading zeros, of a format that has text only: probably a code.
    pub(super) padded: Option<String>,
}

/// Whether integers only grow from row to row.
#[derive(Default)]
struct Growth {
    last: Option<i64>,
    broken: bool,
}

impl Growth {
    fn add(&mut self, value: i64) {
        self.broken |= self.last.is_some_and(|last| last >= value);
        self.last = Some(value);
    }
}

/// Whether so many different integers of a range number rows: n independent values of a range of S have a repetition, but
/// for a chance of at most exp(-n^2 / 2S), here one in a million. In whatever order the rows are.
#[expect(clippy::cast_precision_loss, reason = "some thousand rows")]
fn numbers_rows(count: usize, range: Option<(i64, i64)>) -> bool {
    let spanned = range.map_or(0.0, |(least, most)| most as f64 - least as f64 + 1.0);
    spanned < (count as f64).powi(2) / (2.0 * 1e6_f64.ln())
}

impl Kinds {
    pub(super) fn add(&mut self, value: Value<'_>) {
        let mut text = String::new();
        match value {
            Value::Missing | Value::Null | Value::Text("") => return,
            Value::Boolean(_) => self.booleans += 1,
            Value::Integer(value) => {
                self.numbers += 1;
                self.integers += 1;
                self.long += usize::from(value.unsigned_abs() > EXACT);
                self.grew.add(value);
                let (least, most) = self.integer_range.unwrap_or((value, value));
                self.integer_range = Some((least.min(value), most.max(value)));
            }
            Value::Unsigned(_) | Value::Digits(_) => {
                self.numbers += 1;
                self.integers += 1;
                self.long += 1;
            }
            Value::Number(_) => self.numbers += 1,
            Value::Text(value) => {
                self.texts += 1;
                self.times += usize::from(looks_like_time(value));
                self.commas += usize::from(has_decimal_comma(value));
                self.quoted += usize::from(value.trim().parse::<f64>().is_ok());
            }
            Value::Vector(_) => self.vectors += 1,
            Value::Array | Value::Object => self.composites += 1,
        }
        if value.category(&mut text).is_ok() && self.distinct.insert(xxh3_64(text.as_bytes())) {
            self.words += text.split_whitespace().count();
        }
    }

    /// A cell of a format that has text only.
    pub(super) fn add_untyped(&mut self, value: Value<'_>, dialect: TableDialect) {
        let Value::Text(text) = value else { return self.add(value) };
        let number = dialect.value(text, Wanted::Number);
        match number {
            Value::Text(_) => self.add(match dialect.value(text, Wanted::Boolean) {
                Value::Text(_) if text.trim_start().starts_with('[') && text.trim_end().ends_with(']') => {
                    Value::Vector(&[])
                }
                boolean => boolean,
            }),
            // Words for null may be categories, but are no evidence of any type.
            number => {
                let text = text.trim();
                if self.padded.is_none()
                    && text.len() > 1
                    && text.starts_with('0')
                    && text.bytes().all(|byte| byte.is_ascii_digit())
                {
                    self.padded = Some(text.to_owned());
                }
                self.add(number);
            }
        }
    }

    pub(super) fn add_document(&mut self, value: &Document) {
        self.add(match value {
            Document::Null => Value::Null,
            Document::Bool(value) => Value::Boolean(*value),
            Document::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(value), ..) => Value::Integer(value),
                (_, Some(value), _) => Value::Unsigned(value),
                (.., value) => Value::Number(value.unwrap_or(f64::NAN)),
            },
            Document::String(text) => {
                use crate::record::lenient::{Quoted, quoted};
                match quoted(text) {
                    None => Value::Text(text),
                    Some(Quoted::NonFinite(number)) => Value::Number(number),
                    Some(Quoted::Digits(digits)) => Value::Digits(digits),
                }
            }
            Document::Array(items) if !items.is_empty() && items.iter().all(Document::is_number) => {
                Value::Vector(&[])
            }
            Document::Array(_) => Value::Array,
            Document::Object(_) => Value::Object,
        });
    }

    pub(super) fn all(&self) -> usize {
        self.numbers + self.booleans + self.vectors + self.composites + self.texts
    }

    pub(super) fn column_type(&self) -> (Option<ColumnType>, String) {
        let all = self.all();
        let share = |count: usize| share_of(count, all);
        let what = if share(self.quoted) >= MOST { OF_NUMBERS } else { "text" };
        let few_values = self.distinct.len() <= CATEGORIES && share(self.distinct.len()) <= NAMES_ROWS;
        if all == 0 {
            (Some(ColumnType::Numeric), "empty".to_owned())
        } else if share(self.vectors) >= MOST {
            (Some(ColumnType::Embedding), "vectors".to_owned())
        } else if share(self.composites) >= MOST {
            (None, "arrays or objects".to_owned())
        } else if self.integers == all && !self.grew.broken && all >= FEW {
            (None, "integers that grow from row to row".to_owned())
        } else if self.integers == all
            && all >= FEW
            && self.distinct.len() == all
            && numbers_rows(all, self.integer_range)
        {
            (None, "integers of which no two rows have the same, as numbers of rows".to_owned())
        } else if share(self.long) >= MOST && all >= FEW && share(self.distinct.len()) > NAMES_ROWS {
            (None, "integers of 16 digits or more with nearly as many values as rows: an id or a time".to_owned())
        } else if share(self.numbers) >= MOST {
            if share(self.texts + self.booleans) >= MIXED && few_values {
                (Some(ColumnType::Categorical), "numbers and text".to_owned())
            } else {
                (Some(ColumnType::Numeric), "numbers".to_owned())
            }
        } else if share(self.booleans) >= MOST {
            if share(all - self.booleans) >= MIXED && few_values {
                (Some(ColumnType::Categorical), "booleans and others".to_owned())
            } else {
                (Some(ColumnType::Boolean), "booleans".to_owned())
            }
        } else if share(self.commas) >= MOST {
            (None, WITH_COMMAS.to_owned())
        } else if share(self.times) >= 0.9 {
            (None, "a time".to_owned())
        } else if all >= FEW && share(self.distinct.len()) > NAMES_ROWS {
            // Text is categories, unless nearly every value is another.
            if self.words >= WORDS_OF_TEXT * self.distinct.len() {
                (Some(ColumnType::Text), "free text".to_owned())
            } else {
                (None, format!("{what} with nearly as many values as rows"))
            }
        } else {
            (Some(ColumnType::Categorical), what.to_owned())
        }
    }
}
