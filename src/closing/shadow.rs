//! Series of a model whose predictions are logged and not used.

use crate::window::WindowKey;

/// The series of a challenger in shadow mode: its alerts are recorded and shown, and send nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shadow {
    /// All series of a model version.
    Version(String),
    /// The series of a segment, of all versions.
    Segment(String),
}

impl Shadow {
    /// Whether a window belongs to it.
    #[must_use]
    pub fn covers(&self, key: &WindowKey) -> bool {
        match self {
            Self::Version(version) => key.version == *version,
            Self::Segment(segment) => key.segment == *segment,
        }
    }
}
