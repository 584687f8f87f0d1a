//! What a configured detector reads.

use super::Parameters;

/// A detector, as it is configured.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectorSpec {
    /// Its name: one of its monitor.
    pub name: String,
    /// The column it reads.
    pub column: String,
    /// Which values of the column.
    pub reads: Reads,
    /// Which detector, with its parameters.
    pub parameters: Parameters,
}

/// Which values of a column a detector reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The values of records, one partition after the offsets of its log. A flag is read as 1 (true) or 0.
    Records,
    /// One value of each closed window of a series.
    Windows(WindowValue),
}

/// A value of a column in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowValue {
    /// The mean of the values; of flags the share of true.
    Mean,
    /// The share of records without a value: null or missing.
    NullShare,
    /// The share of a category among the values.
    CategoryShare(String),
}

impl DetectorSpec {
    /// What it reads, in words. A stored state belongs to a detector that reads the same.
    #[must_use]
    pub fn input(&self) -> String {
        match &self.reads {
            Reads::Records => format!("values of {}", self.column),
            Reads::Windows(WindowValue::Mean) => format!("mean of {} in windows", self.column),
            Reads::Windows(WindowValue::NullShare) => format!("share of nulls of {} in windows", self.column),
            Reads::Windows(WindowValue::CategoryShare(category)) => {
                format!("share of {category} of {} in windows", self.column)
            }
        }
    }
}
