//! Thinning: a random part of counted values, so that two sides of different size can be held against one reference alike.
//!
//! The distance of a sample from a reference grows with its noise, and so does that of the smaller side. A part of the larger
//! side that is as large as the smaller one has the same noise.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::measure::law::hypergeometric_mass;

/// The counts of `keep` values drawn without replacement from what was counted: all of them when there are not more. The draw
/// follows from the seed.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn thinned(counts: &[u64], keep: u64, seed: u64) -> Vec<u64> {
    let mut all: u64 = counts.iter().sum();
    let mut left = keep.min(all);
    if left == all {
        return counts.to_vec();
    }
    let draw = |(place, count): (usize, &u64)| {
        let chance = uniform(seed, place);
        let drawn = hypergeometric(left as f64, *count as f64, (all - count) as f64, chance).min(*count).min(left);
        all -= count;
        left -= drawn;
        drawn
    };
    counts.iter().enumerate().map(draw).collect()
}

/// A number from 0 to below 1 that follows from the seed and the place.
#[expect(clippy::cast_precision_loss, reason = "53 bits")]
fn uniform(seed: u64, place: usize) -> f64 {
    (xxh3_64_with_seed(&place.to_le_bytes(), seed) >> 11) as f64 / (1_u64 << 53) as f64
}

/// How many of the drawn ones are marked: the masses are added up from the likeliest number outwards until they reach `chance`,
/// which takes about as many steps as the number has standard deviations.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a count")]
fn hypergeometric(drawn: f64, marked: f64, unmarked: f64, chance: f64) -> u64 {
    let all = marked + unmarked;
    if marked <= 0.0 || drawn <= 0.0 {
        return 0;
    }
    let (least, most) = ((drawn - unmarked).max(0.0), drawn.min(marked));
    let likeliest = ((drawn + 1.0) * (marked + 1.0) / (all + 2.0)).floor().clamp(least, most);
    let mass = |hits: f64| hypergeometric_mass(hits, drawn, marked, unmarked);
    let mut sum = mass(likeliest);
    let (mut low, mut high) = (likeliest, likeliest);
    let mut last = likeliest;
    while sum <= chance && (low > least || high < most) {
        if high < most {
            high += 1.0;
            sum += mass(high);
            last = high;
        }
        if sum <= chance && low > least {
            low -= 1.0;
            sum += mass(low);
            last = low;
        }
    }
    last as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_the_asked_size_never_more_than_there_was_and_the_right_shares() {
        let counts = [500, 0, 300, 3, 200_000, 17];
        for keep in [0, 1, 57, 1_000, 200_820, 1 << 40] {
            let part = thinned(&counts, keep, keep);
            assert_eq!(part.iter().sum::<u64>(), keep.min(counts.iter().sum()));
            assert!(part.iter().zip(&counts).all(|(part, all)| part <= all), "{part:?}");
        }
        assert_eq!(thinned(&[], 5, 1), Vec::<u64>::new());
        // Mean and variance of a hypergeometric number: 100 of 1,000, 300 marked: 30 and 18.9.
        let drawn: Vec<f64> = (0..4_000).map(|seed| thinned(&[300, 700], 100, seed)[0] as f64).collect();
        let mean = drawn.iter().sum::<f64>() / 4_000.0;
        let variance = drawn.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 3_999.0;
        assert!((mean - 30.0).abs() < 0.4 && (variance - 18.92).abs() < 2.0, "{mean} {variance}");
    }

    #[test]
    fn the_same_seed_draws_the_same_part() {
        assert_eq!(thinned(&[50, 60, 70], 90, 7), thinned(&[50, 60, 70], 90, 7));
        assert!((0..20).any(|seed| thinned(&[50, 60, 70], 90, seed) != thinned(&[50, 60, 70], 90, 7)));
    }
}
