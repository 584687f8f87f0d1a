//! The stored form of a detector: JSON of some hundred bytes, for KSWIN of its window. It is read as what it is, input.

use serde::{Deserialize, Serialize};

use super::{Algorithm, Detector, Parameters};

/// The version of the form.
const VERSION: u32 = 1;
/// Longer texts are not parsed: twice the longest that is written.
const LONGEST: usize = 128 * 1024;
/// Counts beyond it cannot be exact.
const MOST_VALUES: u64 = 1 << 53;

/// Why a stored state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The detector was configured otherwise since.
    #[error("the state belongs to a detector with other parameters")]
    Reconfigured,
    /// It was written by another version of the program.
    #[error("the state has format {0}, and this driftd reads format {VERSION}")]
    Version(u32),
    /// It is damaged.
    #[error("the state of the detector is damaged: {0}")]
    Damaged(String),
}

#[derive(Serialize, Deserialize)]
struct Stored<A> {
    version: u32,
    values: u64,
    since_reset: u64,
    skipped: u64,
    drifted: bool,
    algorithm: A,
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Detector {
    /// The stored form.
    #[must_use]
    pub fn to_json(&self) -> String {
        let Self { algorithm, values, since_reset, skipped, drifted } = self;
        let stored = Stored {
            version: VERSION,
            values: *values,
            since_reset: *since_reset,
            skipped: *skipped,
            drifted: *drifted,
            algorithm,
        };
        // Structs of numbers: nothing of them can fail.
        serde_json::to_string(&stored).unwrap_or_default()
    }

    /// The detector that a text was written of.
    ///
    /// # Errors
    /// When the text is damaged, of another format, or of a detector with other parameters.
    pub fn from_json(text: &str, parameters: Parameters) -> Result<Self, StateError> {
        let damaged = |error: serde_json::Error| StateError::Damaged(error.to_string());
        if text.len() > LONGEST {
            return Err(StateError::Damaged(format!(
                "it has {} bytes, at most {LONGEST} are allowed",
                text.len()
            )));
        }
        let Versioned { version } = serde_json::from_str(text).map_err(damaged)?;
        if version != VERSION {
            return Err(StateError::Version(version));
        }
        let stored: Stored<Algorithm> = serde_json::from_str(text).map_err(damaged)?;
        let Stored { values, since_reset, skipped, drifted, algorithm, .. } = stored;
        if algorithm.parameters() != parameters {
            return Err(StateError::Reconfigured);
        }
        let counts = since_reset <= values && values.max(skipped) <= MOST_VALUES;
        if !counts || !algorithm.is_sound() {
            return Err(StateError::Damaged("its parts contradict each other".to_owned()));
        }
        Ok(Self { algorithm, values, since_reset, skipped, drifted })
    }
}
