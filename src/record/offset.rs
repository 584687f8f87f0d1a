//! Places in the log of a partition.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The offset of a message in its partition. A *position* is the offset of the message to read next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(i64);

impl Offset {
    /// As Kafka and the database number it.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// As Kafka and the database number it.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The position behind the message at this offset.
    #[must_use]
    pub const fn after(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How many offsets there are from an earlier one up to this; 0 when that is not earlier.
    #[must_use]
    pub fn distance_from(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_lie_behind_messages() {
        let offset = Offset::new(7);
        assert_eq!(offset.after(), Offset::new(8));
        assert_eq!(Offset::new(10).distance_from(offset), 3);
        assert_eq!(offset.distance_from(Offset::new(10)), 0);
        assert_eq!(Offset::new(i64::MAX).after(), Offset::new(i64::MAX), "stored state may say anything");
        assert_eq!(serde_json::to_string(&offset).unwrap(), "7");
    }
}
