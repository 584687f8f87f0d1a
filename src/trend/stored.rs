//! The stored form of slow drift: small, versioned, checked.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::evidence::{self, Bets};
use super::residual::{self, Residuals};
use super::slow_drift::{Path, SlowDrift};

const VERSION: u32 = 1;

const NUMBERS: usize = residual::NUMBERS + 2 * evidence::NUMBERS + 1;

/// What is stored: for each statistic its numbers in a fixed order, and the value of the last window where it is known; nothing for one
/// that is not followed. Seven digits say more than there is to know.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    version: u32,
    window: Option<i64>,
    statistics: Vec<Vec<f32>>,
}

/// Why stored slow drift cannot be continued.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StateError {
    /// It was written by a later version of driftd.
    #[error("read the state of slow drift: it has version {0}, known is {VERSION}\nhint: update this daemon")]
    Version(u32),
    /// It is damaged.
    #[error(
        "read the state of slow drift: the numbers of statistic {0} are not possible ones\nhint: delete the state, slow drift begins again"
    )]
    Numbers(usize),
}

impl From<SlowDrift> for Stored {
    fn from(drift: SlowDrift) -> Self {
        let numbers = |path: Path| {
            let parts = path.residuals.numbers().into_iter().chain(path.rise.numbers()).chain(path.fall.numbers());
            parts.chain([path.level]).chain(path.before).map(rounded).collect()
        };
        let statistics = drift.paths.into_iter().map(|path| path.map_or_else(Vec::new, numbers)).collect();
        Self { version: VERSION, window: drift.window, statistics }
    }
}

impl TryFrom<Stored> for SlowDrift {
    type Error = StateError;

    fn try_from(stored: Stored) -> Result<Self, StateError> {
        if stored.version != VERSION {
            return Err(StateError::Version(stored.version));
        }
        let path = |(statistic, numbers): (usize, &Vec<f32>)| match numbers.as_slice() {
            [] => Ok(None),
            numbers => path(numbers).map(Some).ok_or(StateError::Numbers(statistic)),
        };
        let paths = stored.statistics.iter().enumerate().map(path).collect::<Result<_, _>>()?;
        Ok(Self { window: stored.window, paths })
    }
}

fn path(numbers: &[f32]) -> Option<Path> {
    let (numbers, before) = numbers.split_first_chunk::<NUMBERS>()?;
    let numbers = numbers.map(f64::from);
    let (residuals, bets) = numbers.split_first_chunk()?;
    let (rise, bets) = bets.split_first_chunk()?;
    let (fall, rest) = bets.split_first_chunk()?;
    let level = rest.first().copied().filter(|level| level.is_finite())?;
    let before = match before {
        [] => None,
        [value] if value.is_finite() => Some(f64::from(*value)),
        _ => return None,
    };
    Some(Path {
        residuals: Residuals::of(*residuals)?,
        rise: Bets::of(*rise)?,
        fall: Bets::of(*fall)?,
        before,
        level,
    })
}

fn rounded(number: f64) -> f32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "to seven digits; what is too large is refused when it is read"
    )]
    let rounded = number as f32;
    rounded
}
