//! Verdicts, and which of several is the loudest.

use serde::{Deserialize, Serialize};

/// Verdict. Only ok, warn and critical are about drift; the others are outcomes of their own, never green.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Compared, no drift.
    Ok,
    /// Warning: below the limit of drift.
    Warn,
    /// Drift.
    Critical,
    /// Too few records in the window or the baseline.
    NotEnoughData,
    /// No baseline.
    NoBaseline,
    /// The measure is undefined here, for example because all values are null.
    Undefined,
}

impl Verdict {
    /// The name used in tables, events and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Critical => "critical",
            Self::NotEnoughData => "not_enough_data",
            Self::NoBaseline => "no_baseline",
            Self::Undefined => "undefined",
        }
    }

    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Critical => "drift",
            Self::NotEnoughData => "not enough data",
            Self::NoBaseline => "no baseline",
            other => other.as_str(),
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Ok, Self::Warn, Self::Critical, Self::NotEnoughData, Self::NoBaseline, Self::Undefined];
        all.into_iter().find(|verdict| verdict.as_str() == name)
    }

    /// Whether it is drift.
    #[must_use]
    pub fn drifts(self) -> bool {
        self == Self::Critical
    }

    /// Whether it is drift or a warning.
    #[must_use]
    pub fn moved(self) -> bool {
        matches!(self, Self::Warn | Self::Critical)
    }

    /// Whether something was said: the others are outcomes of their own.
    #[must_use]
    pub fn is_judged(self) -> bool {
        matches!(self, Self::Ok | Self::Warn | Self::Critical)
    }

    /// The louder of two.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    /// How loud it is when several are combined.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::Ok => 1,
            Self::Undefined | Self::NoBaseline | Self::NotEnoughData => 0,
            Self::Warn => 2,
            Self::Critical => 3,
        }
    }
}
