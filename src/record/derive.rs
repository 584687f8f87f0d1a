//! Columns derived from others: texts and embeddings are watched through numbers and categories.

use super::{Column, ColumnType};

/// What is taken of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Derivation {
    /// The value itself.
    #[default]
    Value,
    /// The number of characters of a text.
    Length,
    /// The number of words of a text.
    Words,
    /// The words of a text, in lower case, each counted.
    Tokens,
    /// The Euclidean norm of a vector.
    Norm,
}

impl Derivation {
    /// What the name of a derived column ends in.
    pub(super) fn suffix(self) -> Option<&'static str> {
        match self {
            Self::Value => None,
            Self::Length => Some(".length"),
            Self::Words => Some(".words"),
            Self::Tokens => Some(".tokens"),
            Self::Norm => Some(".norm"),
        }
    }
}

impl Column {
    /// The columns that stand for it: a text has its length, its words and its tokens (whose unseen share is the share of
    /// words out of the vocabulary); an embedding has its norm beside itself; all others are what they are.
    #[must_use]
    pub fn expand(self) -> Vec<Self> {
        let part = |column_type: ColumnType, derivation: Derivation| Self {
            name: format!("{}{}", self.name, derivation.suffix().unwrap_or_default()),
            column_type,
            derivation,
            ..self.clone()
        };
        match self.column_type {
            ColumnType::Text => vec![
                part(ColumnType::Numeric, Derivation::Length),
                part(ColumnType::Numeric, Derivation::Words),
                part(ColumnType::Categorical, Derivation::Tokens),
            ],
            ColumnType::Embedding => {
                let norm = part(ColumnType::Numeric, Derivation::Norm);
                vec![self, norm]
            }
            _ => vec![self],
        }
    }
}

/// The words of a text: runs of letters and digits.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// A number taken of a text; `None` when the derivation is not of texts.
#[expect(clippy::cast_precision_loss, reason = "texts are shorter than 2^53")]
pub(super) fn of_text(derivation: Derivation, text: &str) -> Option<f64> {
    match derivation {
        Derivation::Length => Some(text.chars().count() as f64),
        Derivation::Words => Some(words(text).count() as f64),
        _ => None,
    }
}

/// The Euclidean norm.
pub(super) fn norm(vector: &[f64]) -> f64 {
    vector.iter().map(|component| component * component).sum::<f64>().sqrt()
}
