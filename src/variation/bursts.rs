//! How small categories vary between windows: in bursts, each of one category.

use super::scores::least_of_own;
use super::stored::short;
use super::{number, size};

/// How small categories vary between windows.
#[derive(Debug)]
pub(super) struct Bursts {
    /// How many records come together, on average; 0 of too few windows.
    pub dispersion: f64,
    /// How certain that is, as degrees of freedom.
    pub degrees: f64,
}

impl Bursts {
    /// From how often two records of a window are of the same small category, beyond what their shares explain. In each window the
    /// categories count that are small in the others: one that is large here may be so by a burst of this window, the kind that is
    /// looked for.
    pub(super) fn of(kept: &[u64], windows: &[&[u64]]) -> Self {
        let known = kept.len().saturating_sub(2);
        let kept: Vec<f64> = kept.iter().map(|count| number(*count)).collect();
        let all: f64 = kept.iter().sum();
        let pairs: Vec<(f64, f64, f64)> = windows
            .iter()
            .map(|window| {
                let values: f64 = window.iter().map(|count| number(*count)).sum();
                let least = least_of_own(all - values);
                let bins = window.iter().zip(&kept).take(known).map(|(here, all)| (number(*here), *all));
                let (mut same, mut small) = (0.0, 0.0);
                for (here, all_of_it) in bins.filter(|(here, all)| *here > 0.0 && all - here < least) {
                    let elsewhere = (all_of_it - here) / (all - values).max(1.0);
                    same += here * (here - 1.0 - (values - 1.0) * elsewhere);
                    small += here;
                }
                (same, small * (values - 1.0).max(0.0), values)
            })
            .collect();
        let count = size(pairs.len());
        let possible: f64 = pairs.iter().map(|(_, possible, _)| possible).sum();
        if count < 3.0 || possible <= 0.0 {
            return Self { dispersion: 0.0, degrees: 1.0 };
        }
        let theta = pairs.iter().map(|(same, ..)| same).sum::<f64>() / possible;
        let squares: f64 = pairs.iter().map(|(same, possible, _)| (same - theta * possible).powi(2)).sum();
        let mean = pairs.iter().map(|(.., values)| values).sum::<f64>() / count;
        let dispersion = (1.0 + mean * theta).max(0.0);
        // The variance of a ratio of sums; that of few windows is uncertain, and too small more often than too large.
        let variance = squares / (possible * possible) * count / (count - 1.0) * (1.0 + 3.0 / count.sqrt());
        let relative = mean * mean * variance / dispersion.max(1e-9).powi(2);
        Self { dispersion: short(dispersion), degrees: short((2.0 / relative.max(1e-9)).clamp(0.5, 1e6)) }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    use super::*;
    use crate::variation::scores::OWN_SHARE;

    #[test]
    fn bursts_are_seen_although_they_make_a_category_large() {
        let mut dice = SmallRng::seed_from_u64(7);
        let mut windows = |burst: u64| -> Vec<Vec<u64>> {
            let mut window = |place: usize| {
                let mut bins = vec![0; 502];
                (0..1_000).for_each(|_| bins[dice.random_range(0..500)] += 1);
                bins[place] += burst;
                bins
            };
            (0..24).map(&mut window).collect()
        };
        let of = |windows: &[Vec<u64>]| {
            let kept: Vec<u64> = (0..502).map(|bin| windows.iter().map(|window| window[bin]).sum()).collect();
            Bursts::of(&kept, &windows.iter().map(Vec::as_slice).collect::<Vec<_>>())
        };
        let calm = of(&windows(0));
        assert!((calm.dispersion - 1.0).abs() < 0.05 && calm.degrees > 100.0, "{calm:?}");
        // Of the 1,204 records of categories that are small in other windows 252 are of the burst and have 251 beside them: 53 together.
        let bursty = windows(250);
        let share = bursty[0][0] as f64 / 1_250.0;
        assert!(share * 1_250.0 / 30_000.0 > OWN_SHARE, "in all of them it has a statistic of its own");
        let bursty = of(&bursty);
        assert!((bursty.dispersion - 53.0).abs() < 1.0, "{bursty:?}");
        let none = of(&[vec![5; 502], vec![5; 502]]);
        assert_eq!((none.dispersion, none.degrees), (0.0, 1.0), "two windows say nothing");
    }
}
