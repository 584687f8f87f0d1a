//! What is kept of embeddings: means that add up, of the vectors and of random Fourier features of them.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::StoredError;

/// Components of a vector at most: there are as many numbers as frequencies for each of them.
pub const MAX_COMPONENTS: usize = 65_536;
/// Random frequencies; each gives a cosine and a sine.
const FREQUENCIES: usize = 64;
/// Components, in spreads of the baseline, are kept in this many steps and cut at a thousand spreads.
const STEPS: f64 = 1_048_576.0;
const FARTHEST: f64 = 1_000.0;
/// Waves are between -1 and 1.
const WAVE_STEPS: f64 = 1_073_741_824.0;

/// Where the vectors of a baseline lie and how far they spread. Vectors are centred and scaled by it, so that their sums are
/// integers, which add up exactly.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "EmbeddingBinningFile", into = "EmbeddingBinningFile")]
pub struct EmbeddingBinning {
    centre: Vec<f64>,
    spread: f64,
    /// One row a frequency, drawn once from a normal law by a fixed hash.
    frequencies: Vec<Vec<f64>>,
}

#[derive(Clone, Serialize, Deserialize)]
struct EmbeddingBinningFile {
    centre: Vec<f64>,
    spread: f64,
}

impl TryFrom<EmbeddingBinningFile> for EmbeddingBinning {
    type Error = StoredError;

    fn try_from(file: EmbeddingBinningFile) -> Result<Self, StoredError> {
        let components = file.centre.len();
        if components > MAX_COMPONENTS {
            return Err(StoredError::Components(components));
        }
        Ok(Self::new(file.centre, file.spread))
    }
}

impl From<EmbeddingBinning> for EmbeddingBinningFile {
    fn from(binning: EmbeddingBinning) -> Self {
        Self { centre: binning.centre, spread: binning.spread }
    }
}

impl PartialEq for EmbeddingBinning {
    fn eq(&self, other: &Self) -> bool {
        self.centre == other.centre && self.spread == other.spread
    }
}

impl EmbeddingBinning {
    /// Around the baseline's mean vector; `spread` is the root of the mean squared distance from it.
    #[must_use]
    pub fn new(centre: Vec<f64>, spread: f64) -> Self {
        let spread = if spread.is_finite() && spread > 0.0 { spread } else { 1.0 };
        let dimensions = centre.len();
        let frequencies = (0..if dimensions > 0 { FREQUENCIES } else { 0 })
            .map(|row| (0..dimensions).map(|column| normal((row * dimensions + column) as u64)).collect())
            .collect();
        Self { centre, spread, frequencies }
    }

    /// Nothing is known yet: vectors are only counted.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(Vec::new(), 1.0)
    }

    /// How many components vectors have; 0 when that is not known.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.centre.len()
    }

    /// How many sums are kept: the components, then a cosine and a sine for each frequency.
    #[must_use]
    pub fn sums(&self) -> usize {
        self.centre.len() + 2 * self.frequencies.len()
    }

    /// Adds a vector to the sums; false when it is of another length, or not finite.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "cut just before")]
    pub fn add(&self, vector: &[f64], sums: &mut [i64]) -> bool {
        if self.centre.is_empty() {
            return true;
        }
        if vector.len() != self.centre.len() || vector.iter().any(|component| !component.is_finite()) {
            return false;
        }
        let scaled: Vec<f64> = vector
            .iter()
            .zip(&self.centre)
            .map(|(component, centre)| ((component - centre) / self.spread).clamp(-FARTHEST, FARTHEST))
            .collect();
        let waves = self.frequencies.iter().flat_map(|row| {
            // The kernel's width is the typical distance between two vectors, the root of 2 spreads.
            let angle: f64 = row.iter().zip(&scaled).map(|(frequency, component)| frequency * component).sum();
            let (sine, cosine) = (angle / std::f64::consts::SQRT_2).sin_cos();
            [cosine * WAVE_STEPS, sine * WAVE_STEPS]
        });
        let steps = scaled.iter().map(|component| component * STEPS).chain(waves);
        for (sum, step) in sums.iter_mut().zip(steps) {
            *sum = sum.saturating_add(step.round() as i64);
        }
        true
    }

    /// The mean vector, centred and in spreads of the baseline, and the means of the waves, from sums of `count` vectors.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "only the means are wanted")]
    pub fn means(&self, count: u64, sums: &[i64]) -> (Vec<f64>, Vec<f64>) {
        let mean = |sum: &i64, steps: f64| *sum as f64 / steps / count.max(1) as f64;
        let (components, waves) = sums.split_at(self.centre.len().min(sums.len()));
        (
            components.iter().map(|sum| mean(sum, STEPS)).collect(),
            waves.iter().map(|sum| mean(sum, WAVE_STEPS)).collect(),
        )
    }
}

/// A standard normal number for an index (Box and Muller 1958), the same on every machine of one kind.
#[expect(clippy::cast_precision_loss, reason = "53 bits are kept")]
fn normal(index: u64) -> f64 {
    let uniform = |seed: u64| (xxh3_64_with_seed(&index.to_le_bytes(), seed) >> 11) as f64 / (1u64 << 53) as f64;
    let radius = (-2.0 * (1.0 - uniform(1)).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(2)).cos()
}
