//! Decoders by format: a message in, records of a batch out. A format is a variant here and a module of its own.

use super::json::{self, JsonDecoder};
use super::{DecodedBatch, FieldPath, ModelSchema, Outcomes, RawMessage, RecordLayout, RejectReason};

/// How the records of a topic are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per message.
    #[default]
    Json,
}

/// Decodes messages of one monitor into record batches.
#[derive(Debug)]
pub enum Decoder {
    /// See [`Format::Json`].
    Json(Box<JsonDecoder>),
}

impl Decoder {
    /// For the schema of a monitor and the layout of its records, which names the format.
    #[must_use]
    pub fn new(schema: &ModelSchema, layout: RecordLayout) -> Self {
        match layout.format {
            Format::Json => Self::Json(Box::new(JsonDecoder::new(schema, layout))),
        }
    }

    /// Reads one message into the batch under construction. What is broken costs that message, or that record, alone.
    pub fn decode(&mut self, message: RawMessage<'_>) -> Outcomes {
        match self {
            Self::Json(json) => Outcomes::One(json.decode(message)),
        }
    }

    /// Why the last record of this message was rejected, right after it was: field, value and what is allowed.
    #[must_use]
    pub fn explain(&self, message: RawMessage<'_>, reason: RejectReason) -> String {
        match self {
            Self::Json(json) => json.explain(message, reason),
        }
    }

    /// Which filter the last filtered record failed, by its path, and the value that the record has there.
    #[must_use]
    pub fn filtered_by(&self) -> Option<(&FieldPath, String)> {
        match self {
            Self::Json(json) => json.filtered_by(),
        }
    }

    /// The paths that a payload has, to look for the one that was meant; empty when it cannot be read.
    #[must_use]
    pub fn paths_of(&self, payload: &[u8]) -> Vec<String> {
        match self {
            Self::Json(_) => json::paths_of(payload),
        }
    }

    /// Rows decoded since the last [`Self::finish`].
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::Json(json) => json.rows(),
        }
    }

    /// Takes the decoded rows as a batch and starts the next one.
    pub fn finish(&mut self) -> DecodedBatch {
        match self {
            Self::Json(json) => json.finish(),
        }
    }
}
