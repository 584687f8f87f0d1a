//! A single value of a key, whether it is written in the file or laid over it: as text, integer, float or flag, or what was
//! found in its place.

use toml::de::DeValue;

use super::layer::Given;

/// A single value.
pub(super) enum SingleValue<'a> {
    Given(Given<'a>),
    Written(&'a DeValue<'a>),
}

impl SingleValue<'_> {
    pub(super) fn text(&self) -> Result<String, WrongType> {
        match self {
            Self::Given(given) => Ok(given.text()),
            Self::Written(DeValue::String(text)) => Ok(text.to_string()),
            Self::Written(other) => Err(WrongType(article(other.type_str()))),
        }
    }

    /// None for one that no integer of 64 bits holds.
    pub(super) fn integer(&self) -> Result<Option<i64>, WrongType> {
        match self {
            Self::Given(given) => given.integer().map(Some).ok_or_else(|| WrongType::given(given)),
            Self::Written(DeValue::Integer(value)) => Ok(i64::from_str_radix(value.as_str(), value.radix()).ok()),
            Self::Written(other) => Err(WrongType(article(other.type_str()))),
        }
    }

    /// None for one that no float holds.
    pub(super) fn float(&self) -> Result<Option<f64>, WrongType> {
        match self {
            Self::Given(given) => given.float().map(Some).ok_or_else(|| WrongType::given(given)),
            Self::Written(DeValue::Float(value)) => Ok(value.as_str().replace('_', "").parse().ok()),
            Self::Written(DeValue::Integer(value)) => Ok(value.as_str().replace('_', "").parse().ok()),
            Self::Written(other) => Err(WrongType(article(other.type_str()))),
        }
    }

    pub(super) fn flag(&self) -> Result<bool, WrongType> {
        match self {
            Self::Given(given) => given.flag().ok_or_else(|| WrongType::given(given)),
            Self::Written(DeValue::Boolean(value)) => Ok(*value),
            Self::Written(other) => Err(WrongType(article(other.type_str()))),
        }
    }
}

/// A value of another type: what was found in its place, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct WrongType(String);

impl WrongType {
    fn given(given: &Given<'_>) -> Self {
        Self(format!("`{}`", given.text()))
    }
}

/// What was found in place of a value, in words.
pub(super) fn article(type_name: &str) -> String {
    match type_name {
        "integer" | "array" => format!("an {type_name}"),
        _ => format!("a {type_name}"),
    }
}
