//! What people found out about alerts.

use serde::{Deserialize, Serialize};

/// What people found out about an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Judged {
    /// Something was the matter.
    Real,
    /// Nothing was.
    FalseAlarm,
}

impl Judged {
    /// The name in tables and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::FalseAlarm => "false_alarm",
        }
    }

    /// A sentence.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Real => "Judged a real problem.",
            Self::FalseAlarm => "Judged a false alarm.",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Real, Self::FalseAlarm].into_iter().find(|judged| judged.as_str() == name)
    }
}
