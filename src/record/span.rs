//! Lengths of time.

use std::ops::Neg;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A length of time, to the microsecond; negative ones lead back. Sums stay at the longest instead of beginning again.
/// Stored and written as microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TimeSpan(i64);

impl TimeSpan {
    /// None.
    pub const ZERO: Self = Self(0);
    /// The longest.
    pub const MAX: Self = Self(i64::MAX);

    /// Of microseconds.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Of seconds.
    #[must_use]
    pub const fn seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Of minutes.
    #[must_use]
    pub const fn minutes(minutes: i64) -> Self {
        Self::seconds(minutes.saturating_mul(60))
    }

    /// Of hours.
    #[must_use]
    pub const fn hours(hours: i64) -> Self {
        Self::minutes(hours.saturating_mul(60))
    }

    /// Of days of 24 hours.
    #[must_use]
    pub const fn days(days: i64) -> Self {
        Self::hours(days.saturating_mul(24))
    }

    /// As it is written everywhere: `30s`, `1h30m`, `7d`. `None` for other texts and negative ones.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let span: jiff::Span = text.parse().ok()?;
        let duration = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
        i64::try_from(duration.as_micros()).ok().filter(|micros| *micros >= 0).map(Self)
    }

    /// In microseconds.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// In seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "to the microsecond for 285 years")]
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Whether it is no time at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Several of it.
    #[must_use]
    pub const fn times(self, number: i64) -> Self {
        Self(self.0.saturating_mul(number))
    }

    /// For clocks and timers; nothing for negative ones.
    #[must_use]
    pub fn to_std(self) -> Duration {
        Duration::from_micros(u64::try_from(self.0).unwrap_or(0))
    }
}

impl Neg for TimeSpan {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl From<Duration> for TimeSpan {
    fn from(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
    }
}
