//! Records: the declared schema of a monitored model and the decoders that turn Kafka messages into rows of Arrow record
//! batches.
//!
//! Decoding is message by message: whatever is wrong with one message costs that message alone. Every record of a message
//! ends in exactly one [`Decoded`].

pub(crate) mod arrow_check;
mod batch;
mod cell;
mod counted;
mod decode;
mod derive;
mod frame;
pub mod isolate;
mod json;
mod lenient;
mod message;
mod nearest;
mod offset;
mod rejection;
mod sensitive;
mod span;
pub mod table;
mod time;
mod timestamp;
mod value;

pub use batch::{BatchBuilder, DecodedBatch, Dictionary, arrow_schema};
pub use counted::{grouped, number_of, plural, quantity};
pub use decode::{Decoder, Format};
pub use derive::Derivation;
pub use json::{JsonDecoder, paths_of};
pub use message::{Decoded, Headers, Outcomes, RawMessage};
pub use nearest::{listed, misspelt, nearest};
pub use offset::Offset;
pub use rejection::{Filtered, Rejections};
pub use sensitive::{hashed_category, is_sensitive};
pub use span::TimeSpan;
pub use time::{EventTime, TimeError, TimeFormat, TimeUnit};
pub use timestamp::Timestamp;

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The most columns one model may declare.
pub const MAX_COLUMNS: usize = 2_000;
/// Category values longer than this many bytes are shortened to a prefix and a hash.
pub const MAX_CATEGORY_BYTES: usize = 256;

/// What a column is to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnRole {
    /// An input of the model.
    Feature,
    /// A prediction or score.
    Output,
    /// How long the prediction took.
    Latency,
}

/// What kind of values a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// Finite 64-bit floats; integers are converted.
    Numeric,
    /// Text, or integers that stand for categories.
    Categorical,
    /// `true` and `false` (also `1` and `0`).
    Boolean,
    /// Free text, watched through its length, its words and its tokens.
    Text,
    /// Vectors of one length, watched through their norms, their mean and random Fourier features.
    Embedding,
}

impl ColumnRole {
    /// The name used in configuration, logs and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Feature => "feature",
            Self::Output => "output",
            Self::Latency => "latency",
        }
    }
}

impl ColumnType {
    /// Every type.
    pub const ALL: [Self; 5] = [Self::Numeric, Self::Categorical, Self::Boolean, Self::Text, Self::Embedding];

    /// The name used in configuration, logs and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Numeric => "numeric",
            Self::Categorical => "categorical",
            Self::Boolean => "boolean",
            Self::Text => "text",
            Self::Embedding => "embedding",
        }
    }
}

/// Where a value lies in a JSON record: the keys from the outermost object inwards.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldPath(Vec<String>);

/// The deepest path a record may be read at; it also bounds the decoder's recursion.
pub const MAX_PATH_DEPTH: usize = 32;

impl FieldPath {
    /// Parses `a.b.c`; a dot inside a key is written `\.`.
    ///
    /// # Errors
    /// When the path is empty, has an empty step or more than [`MAX_PATH_DEPTH`] of them.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let mut steps = vec![String::new()];
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '\\' => {
                    if let (Some(escaped), Some(step)) = (characters.next(), steps.last_mut()) {
                        step.push(escaped);
                    }
                }
                '.' => steps.push(String::new()),
                other => {
                    if let Some(step) = steps.last_mut() {
                        step.push(other);
                    }
                }
            }
        }
        if steps.iter().any(String::is_empty) || steps.len() > MAX_PATH_DEPTH {
            return Err(SchemaError::BadPath { path: text.to_owned() });
        }
        Ok(Self(steps))
    }

    /// From keys, outermost first, which may hold any characters.
    #[must_use]
    pub fn of_steps(steps: impl IntoIterator<Item = String>) -> Self {
        Self(steps.into_iter().collect())
    }

    /// The keys, outermost first; never empty.
    #[must_use]
    pub fn steps(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped: Vec<String> =
            self.0.iter().map(|step| step.replace('\\', "\\\\").replace('.', "\\.")).collect();
        formatter.write_str(&escaped.join("."))
    }
}

/// One monitored quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The name in findings, tables and messages.
    pub name: String,
    /// Where it lies in a record.
    pub path: FieldPath,
    /// What it is to the model.
    pub role: ColumnRole,
    /// What values it holds.
    pub column_type: ColumnType,
    /// What is taken of the values.
    pub derivation: Derivation,
    /// Whether nobody is to read its values: they are counted, and neither kept nor shown.
    pub sensitive: bool,
}

/// The declared shape of a monitored model's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSchema {
    columns: Vec<Column>,
}

/// What is wrong with a declared schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A path with an empty step or too many of them.
    #[error(
        "field path `{path}` is not readable; write at most {MAX_PATH_DEPTH} keys separated by single dots, `\\.` for a dot inside a key"
    )]
    BadPath {
        /// The path as written.
        path: String,
    },
    /// No column at all.
    #[error("a model needs at least one column")]
    NoColumns,
    /// More than [`MAX_COLUMNS`].
    #[error("a model may have at most {MAX_COLUMNS} columns, this one has {count}")]
    TooManyColumns {
        /// How many were declared.
        count: usize,
    },
    /// The same name twice.
    #[error("column `{name}` is declared twice")]
    DuplicateColumn { name: String },
}

impl ModelSchema {
    /// A schema of these columns, in this order.
    ///
    /// # Errors
    /// When there is no column, too many, or two of one name.
    pub fn new(columns: Vec<Column>) -> Result<Self, SchemaError> {
        if columns.is_empty() {
            return Err(SchemaError::NoColumns);
        }
        if columns.len() > MAX_COLUMNS {
            return Err(SchemaError::TooManyColumns { count: columns.len() });
        }
        let mut names = HashSet::new();
        for column in &columns {
            if !names.insert(column.name.as_str()) {
                return Err(SchemaError::DuplicateColumn { name: column.name.clone() });
            }
        }
        Ok(Self { columns })
    }

    /// Features whose names are their paths; texts and embeddings with what is derived of them.
    ///
    /// # Errors
    /// As [`Self::new`], and when a name is not a path.
    pub fn of_features(features: &[(&str, ColumnType)]) -> Result<Self, SchemaError> {
        let column = |(name, column_type): &(&str, ColumnType)| {
            let path = FieldPath::parse(name)?;
            Ok(Column {
                name: (*name).to_owned(),
                path,
                role: ColumnRole::Feature,
                column_type: *column_type,
                derivation: Derivation::Value,
                sensitive: false,
            })
        };
        let columns: Vec<Column> = features.iter().map(column).collect::<Result<_, SchemaError>>()?;
        Self::new(columns.into_iter().flat_map(Column::expand).collect())
    }

    /// The same columns, each looked for by its name instead of its path, as in flat tables. What is derived of a text or
    /// an embedding has the name of the column that it is derived of.
    #[must_use]
    pub fn by_name(&self) -> Self {
        let flat = |column: &Column| {
            let suffix = column.derivation.suffix();
            let name = suffix.and_then(|suffix| column.name.strip_suffix(suffix)).unwrap_or(&column.name);
            Column { path: FieldPath::of_steps([name.to_owned()]), ..column.clone() }
        };
        Self { columns: self.columns.iter().map(flat).collect() }
    }

    /// The same columns, those at these paths sensitive, for tests.
    #[cfg(test)]
    pub(crate) fn with_sensitive(mut self, paths: &[&str]) -> Self {
        for column in &mut self.columns {
            column.sensitive = paths.contains(&column.path.to_string().as_str());
        }
        self
    }

    /// The columns in declared order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }
}

/// Why a column of a row has no usable value. A closed set: every absent value is counted as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Absence {
    /// There is a value.
    Present = 0,
    /// An explicit null.
    Null = 1,
    /// The field was not in the record.
    Missing = 2,
    /// Not a number.
    Nan = 3,
    /// Positive or negative infinity, or a number too large for 64 bits.
    Infinite = 4,
    /// A value of another type than declared.
    WrongType = 5,
}

impl Absence {
    /// Every way to be absent, in the order of their codes from 1.
    pub const ALL: [Self; 5] = [Self::Null, Self::Missing, Self::Nan, Self::Infinite, Self::WrongType];

    /// The name used in tables and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Null => "null",
            Self::Missing => "missing",
            Self::Nan => "nan",
            Self::Infinite => "infinite",
            Self::WrongType => "wrong_type",
        }
    }
}

/// Why a message was rejected. A closed set, used in counters, logs and tables alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectReason {
    /// Not well-formed JSON, more than one document, not UTF-8 where text is needed, or another format.
    Syntax,
    /// Well-formed, but not an object.
    NotAnObject,
    /// Larger than the configured limit.
    TooBig,
    /// A message without a value.
    Tombstone,
    /// No event time, or one that cannot be read.
    BadTimestamp,
    /// An event time too far ahead of the clock: the message's timestamp or the reader's, whichever is earlier.
    FutureTimestamp,
}

impl RejectReason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Syntax,
        Self::NotAnObject,
        Self::TooBig,
        Self::Tombstone,
        Self::BadTimestamp,
        Self::FutureTimestamp,
    ];

    /// The name used in counters, logs and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::NotAnObject => "not_an_object",
            Self::TooBig => "too_big",
            Self::Tombstone => "tombstone",
            Self::BadTimestamp => "bad_timestamp",
            Self::FutureTimestamp => "future_timestamp",
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// How a monitor reads records: paths beside the columns, and limits.
#[derive(Clone, Debug)]
pub struct RecordLayout {
    /// How records are written.
    pub format: Format,
    /// Path of the event time; the Kafka timestamp when absent.
    pub time: Option<FieldPath>,
    /// How the event time is written.
    pub time_format: TimeFormat,
    /// Path of the model version; records without it share the empty version.
    pub version: Option<FieldPath>,
    /// Declared segment columns: name and path.
    pub segments: Vec<(String, FieldPath)>,
    /// Records must have exactly these values to be counted, the rest is filtered.
    pub filters: Vec<(FieldPath, String)>,
    /// Messages larger than this are rejected.
    pub max_message_bytes: usize,
    /// How far an event time may lie ahead of the clock.
    pub max_future_skew: TimeSpan,
}

impl RecordLayout {
    /// For data whose columns have the names of the monitor instead of their paths: a segment is read where the column of its
    /// path is, or under its own name.
    #[must_use]
    pub fn by_name(&self, schema: &ModelSchema) -> Self {
        let named = |(name, path): &(String, FieldPath)| {
            let column = schema.columns().iter().find(|column| column.path == *path);
            (name.clone(), FieldPath::of_steps([column.map_or(name, |column| &column.name).clone()]))
        };
        Self { segments: self.segments.iter().map(named).collect(), ..self.clone() }
    }
}

impl Default for RecordLayout {
    /// Columns only: the time of the message, one version, no segments, nothing filtered.
    fn default() -> Self {
        Self {
            format: Format::default(),
            time: None,
            time_format: TimeFormat { unit: TimeUnit::Milliseconds },
            version: None,
            segments: Vec::new(),
            filters: Vec::new(),
            max_message_bytes: 1_048_576,
            max_future_skew: TimeSpan::minutes(5),
        }
    }
}

/// A batch of JSON records with offsets from 0, for the tests of other modules.
#[cfg(test)]
pub(crate) fn batch_of(schema: &ModelSchema, records: impl IntoIterator<Item = String>) -> DecodedBatch {
    let mut decoder = JsonDecoder::new(schema, RecordLayout::default());
    for (offset, text) in (0i64..).map(Offset::new).zip(records) {
        let message = RawMessage {
            payload: Some(text.as_bytes()),
            offset,
            broker_time: Some(EventTime::default()),
            clock: None,
            ..RawMessage::default()
        };
        assert_eq!(decoder.decode(message), Decoded::Row, "{text}");
    }
    decoder.finish()
}
