//! Evidence for a lasting change of the mean of scores, whenever it began.
//!
//! For an effect `a` and a beginning, the product of `exp(a z - a²/2)` over all scores `z` since is a bet: its expectation is 1 while
//! scores are standard normal. The sum over all beginnings, `M ← (M + 1) exp(a z - a²/2)`, is the statistic of Shiryaev (1961) and
//! Roberts (1966). Its expectation after t scores is t, so it exceeds `c` within t scores with probability t/c at most, and once in `c`
//! scores or more on average. The mean over some effects and both directions has the same expectation.

/// Effects that are bet on, in standard deviations of a window: one of these bets gains 75 % or more of what the best one
/// would, per window, for effects of 0.14 to 2.5.
const EFFECTS: [f64; 3] = [0.2, 0.5, 1.25];

/// Evidence does not grow beyond this: more than any budget asks for, and a change back has to undo no more.
const MOST: f64 = 1e12;

/// Numbers of [`Bets`] in stored form.
pub(super) const NUMBERS: usize = 4;

/// Evidence for a change in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Bets {
    /// For each effect the sum over all beginnings.
    sums: [f64; EFFECTS.len()],
    /// Mean number of windows since the beginning, weighted by evidence.
    age: f64,
}

impl Bets {
    /// Adds a score that is positive in the direction of the change.
    pub(super) fn add(&mut self, score: f64) {
        let before = self.strength();
        self.age = 1.0 + self.age * before / (before + 1.0);
        for (sum, effect) in self.sums.iter_mut().zip(EFFECTS) {
            *sum = ((*sum + 1.0) * (effect * score - effect * effect / 2.0).exp()).min(MOST);
        }
    }

    /// Mean over the effects; its expectation is the number of scores.
    pub(super) fn strength(&self) -> f64 {
        let [small, medium, large] = self.sums;
        (small + medium + large) / 3.0
    }

    pub(super) fn age(&self) -> f64 {
        self.age
    }

    /// The stored form.
    pub(super) fn numbers(&self) -> [f64; NUMBERS] {
        let [small, medium, large] = self.sums;
        [small, medium, large, self.age]
    }

    /// Back from the stored form; None where the numbers are not possible.
    pub(super) fn of([small, medium, large, age]: [f64; NUMBERS]) -> Option<Self> {
        let sums = [small, medium, large];
        let possible = sums.iter().all(|sum| (0.0..=2.0 * MOST).contains(sum)) && age.is_finite() && age >= 0.0;
        possible.then_some(Self { sums, age })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_over_all_beginnings() {
        let scores = [0.5, -1.0, 2.0, 0.3];
        let mut bets = Bets::default();
        for score in scores {
            bets.add(score);
        }
        let mut all = 0.0;
        for effect in EFFECTS {
            for beginning in 0..scores.len() {
                let product = |score: &f64| (effect * score - effect * effect / 2.0).exp();
                all += scores[beginning..].iter().map(product).product::<f64>();
            }
        }
        assert!((bets.strength() - all / 3.0).abs() < 1e-12);
    }

    #[test]
    fn evidence_is_bounded_and_knows_when_it_began() {
        let mut bets = Bets::default();
        (0..100).for_each(|_| bets.add(-1.0));
        (0..20).for_each(|_| bets.add(2.0));
        assert!((bets.age() - 20.0).abs() < 2.0, "{}", bets.age());
        (0..10_000).for_each(|_| bets.add(3.0));
        assert!(bets.strength() <= MOST);
        (0..100).for_each(|_| bets.add(-2.0));
        assert!(bets.strength() < 10.0, "{}", bets.strength());
    }
}
