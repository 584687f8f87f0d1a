//! Measures of embeddings, from means that add up.

use super::Pair;
use crate::binning::Binning;

/// The Euclidean distance of the mean vectors, in spreads of the baseline (the root of the mean squared distance of its
/// vectors from their mean). `None` when one side has no vector or nothing is known of the baseline.
#[must_use]
pub fn mean_distance(pair: &Pair<'_>) -> Option<f64> {
    let ((before, _), (after, _)) = means(pair)?;
    Some(distance(&before, &after))
}

/// The maximum mean discrepancy with a Gaussian kernel as wide as the typical distance of two baseline vectors, by 64 random
/// Fourier frequencies (Rahimi and Recht 2007; Zhao and Meng 2015), biased; from 0 to the root of 2. It also sees
/// changes that leave the mean where it is. `None` as above.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "some dozen frequencies")]
pub fn fourier_mmd(pair: &Pair<'_>) -> Option<f64> {
    let ((_, before), (_, after)) = means(pair)?;
    // A cosine and a sine of one frequency together have length 1.
    Some(distance(&before, &after) / (before.len() as f64 / 2.0).sqrt())
}

fn distance(before: &[f64], after: &[f64]) -> f64 {
    before.iter().zip(after).map(|(before, after)| (before - after).powi(2)).sum::<f64>().sqrt()
}

type Means = (Vec<f64>, Vec<f64>);

fn means(pair: &Pair<'_>) -> Option<(Means, Means)> {
    let Binning::Embedding(binning) = pair.baseline().binning() else { return None };
    let of = |column: &crate::distribution::Distribution| {
        let (count, sums) = column.vector_sums()?;
        (count > 0 && binning.dimensions() > 0).then(|| binning.means(count, sums))
    };
    of(pair.baseline()).zip(of(pair.window()))
}
