//! KSWIN: a Kolmogorov-Smirnov test of the newest values of a window against a sample of its older ones (Raab, Heusinger,
//! Schleif: Reactive soft prototype computing for concept drift streams, 2020).
//!
//! A hash of the value's index selects the sample, so every daemon finds the same drifts in the same values. River selects it with
//! a random generator: single drifts differ from those found here, their rate does not.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{Found, Step};

/// Smaller differences are no drift, however small their p-value: river's limit.
const LEAST_DIFFERENCE: f64 = 0.1;

/// Parameters of KSWIN. The defaults are river's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct KswinParameters {
    /// A p-value up to it is a drift; above 0 and below 1; 0.005.
    pub alpha: f64,
    /// Values of the window; at least twice `stat_size`; 100.
    pub window_size: u32,
    /// Newest values, and as many older ones, that are tested; at least 2; 30.
    pub stat_size: u32,
}

impl Default for KswinParameters {
    fn default() -> Self {
        Self { alpha: 0.005, window_size: 100, stat_size: 30 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Kswin {
    pub(super) parameters: KswinParameters,
    /// Oldest first.
    window: VecDeque<f64>,
}

impl Kswin {
    pub(super) fn new(parameters: KswinParameters) -> Self {
        Self { parameters, window: VecDeque::new() }
    }

    pub(super) fn update(&mut self, value: f64, position: u64) -> Step {
        let KswinParameters { alpha, window_size, stat_size } = self.parameters;
        if self.window.len() >= window_size as usize {
            self.window.pop_front();
        }
        self.window.push_back(value);
        if self.window.len() < window_size as usize {
            return Step::None;
        }
        let older = window_size.saturating_sub(stat_size);
        let mut earlier = self.draw(older, position);
        let mut recent: Vec<f64> = self.window.range(older as usize..).copied().collect();
        earlier.sort_by(f64::total_cmp);
        recent.sort_by(f64::total_cmp);
        let apart = steps_apart(&earlier, &recent);
        if f64::from(apart) / f64::from(stat_size) <= LEAST_DIFFERENCE {
            return Step::None;
        }
        let chance = chance_of(apart, stat_size);
        if chance > alpha {
            return Step::None;
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / f64::from(stat_size);
        Step::Drift(Found { before: mean(&earlier), after: mean(&recent), statistic: chance, limit: alpha })
    }

    /// As many of the older values as there are newest ones, each set of them as likely as any other (Knuth's algorithm S).
    fn draw(&self, older: u32, position: u64) -> Vec<f64> {
        let mut wanted = self.parameters.stat_size;
        let mut drawn = Vec::with_capacity(wanted as usize);
        for (left, (index, value)) in (1..=older).rev().zip((0u32..).zip(&self.window)) {
            let hash = xxh3_64_with_seed(&index.to_le_bytes(), position);
            let place = (u128::from(hash) * u128::from(left)) >> 64;
            if place < u128::from(wanted) {
                drawn.push(*value);
                wanted -= 1;
            }
        }
        drawn
    }

    pub(super) fn is_sound(&self) -> bool {
        self.window.len() <= self.parameters.window_size as usize
    }

    pub(super) fn bytes(&self) -> usize {
        self.window.capacity() * size_of::<f64>()
    }
}

/// The largest difference of the numbers of values up to any value, of two sorted samples of the same size.
fn steps_apart(left: &[f64], right: &[f64]) -> u32 {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    let (mut apart, mut most) = (0i32, 0u32);
    while let Some(value) = match (left.peek(), right.peek()) {
        (Some(left), Some(right)) => Some(left.min(**right)),
        (Some(rest), None) | (None, Some(rest)) => Some(**rest),
        (None, None) => None,
    } {
        while left.next_if(|next| **next <= value).is_some() {
            apart += 1;
        }
        while right.next_if(|next| **next <= value).is_some() {
            apart -= 1;
        }
        most = most.max(apart.unsigned_abs());
    }
    most
}

/// The chance that two samples of one law, both of this size, are so many steps apart or more (Gnedenko and Koroljuk 1951).
fn chance_of(apart: u32, size: u32) -> f64 {
    if apart == 0 {
        return 1.0;
    }
    let (n, h) = (f64::from(size), f64::from(apart));
    let mut chance = 0.0;
    for crossing in (0..=size / apart).rev() {
        let reached = f64::from(crossing) * h;
        let mut term = 1.0;
        for step in 0..apart {
            let step = f64::from(step);
            term = (n - reached - step) * term / (n + reached + step + 1.0);
        }
        chance = term * (1.0 - chance);
    }
    (2.0 * chance).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::{chance_of, steps_apart};

    #[test]
    fn chances_are_those_of_scipy() {
        // scipy.stats.ks_2samp, exact: statistics 15/30 and 16/30, and 50/100.
        assert!((chance_of(14, 30) - 0.002_530_062_236_269_839_7).abs() < 1e-15);
        assert!((chance_of(15, 30) - 0.000_899_557_684_017_6).abs() < 1e-4);
        assert_eq!(chance_of(0, 30), 1.0);
        assert!(chance_of(30, 30) > 0.0);
    }

    #[test]
    fn equal_values_step_together() {
        assert_eq!(steps_apart(&[1.0, 1.0, 2.0], &[1.0, 2.0, 2.0]), 1);
        assert_eq!(steps_apart(&[1.0, 2.0], &[3.0, 4.0]), 2);
        assert_eq!(steps_apart(&[], &[]), 0);
    }
}
