//! What few windows say about a rate: exact intervals, and how many more windows it would take to know.

use crate::account::Interval;

/// It is not said that more windows than these are needed.
const MOST_WINDOWS: f64 = 1e8;

/// A part of windows, with its 95 % interval by Clopper and Pearson.
///
/// Windows that follow each other may be alike, so that ten in a row say as little as one. As Korn and Graubard (1998) do for surveys, the
/// interval is that of the number of independent windows that these are worth, by the correlation of successive ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Windows that have it.
    pub count: usize,
    /// Of so many.
    pub of: usize,
    /// `count` over `of`; 0 without windows.
    pub rate: f64,
    pub low: f64,
    pub high: f64,
    /// How many windows say as much as one independent window, 1 or more.
    pub alike: f64,
}

impl Rate {
    /// Of windows in order of time, each of which has it or not.
    #[must_use]
    pub fn of_windows(has: &[bool]) -> Self {
        let count = has.iter().filter(|has| **has).count();
        let (some, all) = (number(count), number(has.len()));
        let alike = alike(has);
        let Interval { lower: low, upper: high } = Interval::of_share(some / alike, all / alike);
        let rate = if has.is_empty() { 0.0 } else { some / all };
        Self { count, of: has.len(), rate, low, high, alike }
    }
}

/// How many successive windows say as much as one independent window, by their correlation.
fn alike(has: &[bool]) -> f64 {
    let all = number(has.len());
    let rate = has.iter().map(|has| f64::from(u8::from(*has))).sum::<f64>() / all.max(1.0);
    let variance = rate * (1.0 - rate) * all;
    if variance <= 0.0 {
        return 1.0;
    }
    let off = |has: bool| f64::from(u8::from(has)) - rate;
    let products = has.iter().zip(has.iter().skip(1)).map(|(before, after)| off(*before) * off(*after));
    let correlation = (products.sum::<f64>() / variance).clamp(0.0, 0.95);
    (1.0 + correlation) / (1.0 - correlation)
}

/// Alerts over a time, with the exact 95 % interval of their number by the law of Poisson.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlertRate {
    /// How often alerts fired. Those that fire in the same window, in one series or in several, count once.
    pub alerts: usize,
    /// Over so many periods, above 0.
    pub periods: f64,
    /// Per period.
    pub rate: f64,
    pub low: f64,
    pub high: f64,
}

impl AlertRate {
    /// So many alerts in so many periods.
    #[must_use]
    pub fn new(alerts: usize, periods: f64) -> Self {
        let periods = periods.max(f64::MIN_POSITIVE);
        let seen = Interval::of_count(alerts as u64, alerts as u64).scaled(1.0 / periods);
        Self { alerts, periods, rate: number(alerts) / periods, low: seen.lower, high: seen.upper }
    }

    /// Over how many periods, in all, no further alert has to fire until the interval lies below the accepted number of alerts per period.
    #[must_use]
    pub fn periods_needed(&self, accepted: f64) -> f64 {
        self.high * self.periods / accepted
    }
}

impl Rate {
    /// In how many windows, in all, no further one has to have it until the interval lies below an accepted chance; none where that is
    /// beyond any reason.
    #[must_use]
    pub fn windows_needed(&self, accepted: f64) -> Option<f64> {
        let some = number(self.count) / self.alike;
        let is_kept = |all: f64| Interval::of_share(some, all / self.alike).upper <= accepted;
        let mut far = number(self.of).max(1.0);
        while !is_kept(far) {
            far *= 2.0;
            if far > MOST_WINDOWS {
                return None;
            }
        }
        let mut near = far / 2.0;
        while far - near > 1e-3 * far {
            let middle = f64::midpoint(near, far);
            if is_kept(middle) {
                far = middle;
            } else {
                near = middle;
            }
        }
        Some(far)
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of windows")]
pub(super) fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-5, "{found} instead of {expected}");
    }

    /// Alternating, so that successive windows are not alike.
    fn scattered(some: usize, all: usize) -> Vec<bool> {
        (0..all).map(|place| place % 2 == 0 && place / 2 < some).collect()
    }

    #[test]
    fn intervals_of_independent_windows_are_those_of_clopper_and_pearson() {
        // scipy 1.17: stats.beta.ppf(0.025, k, n - k + 1), stats.beta.ppf(0.975, k + 1, n - k)
        for (some, all, low, high) in
            [(0, 48, 0.0, 0.073_970), (2, 48, 0.005_084_5, 0.142_532), (48, 48, 0.926_030, 1.0)]
        {
            let has: Vec<bool> = if some == all { vec![true; all] } else { scattered(some, all) };
            let rate = Rate::of_windows(&has);
            assert_eq!((rate.count, rate.of), (some, all));
            close(rate.low, low);
            close(rate.high, high);
        }
        assert_eq!(Rate::of_windows(&[]), Rate { count: 0, of: 0, rate: 0.0, low: 0.0, high: 1.0, alike: 1.0 });
    }

    #[test]
    fn windows_in_a_row_say_less_than_scattered_ones() {
        let row: Vec<bool> = (0..100).map(|place| place < 8).collect();
        let (row, apart) = (Rate::of_windows(&row), Rate::of_windows(&scattered(8, 100)));
        assert!(row.alike > 5.0 && apart.alike == 1.0, "{row:?} {apart:?}");
        assert!(row.low < apart.low && row.high > apart.high);
    }

    #[test]
    fn intervals_of_alerts_are_exact() {
        // scipy 1.17: stats.chi2.ppf(0.025, 2 k) / 2, stats.chi2.ppf(0.975, 2 k + 2) / 2
        for (alerts, low, high) in [(0, 0.0, 3.688_879), (1, 0.025_318, 5.571_643), (5, 1.623_486, 11.668_332)] {
            let rate = AlertRate::new(alerts, 2.0);
            close(rate.low, low / 2.0);
            close(rate.high, high / 2.0);
        }
    }

    #[test]
    fn it_is_said_how_much_more_has_to_be_seen() {
        for (alerts, needed) in [(0, 3.689), (1, 5.572), (5, 11.668)] {
            let periods = AlertRate::new(alerts, 1.0).periods_needed(1.0);
            assert!((periods - needed).abs() < 0.001, "{periods}");
        }
        let windows = Rate::of_windows(&[false; 100]).windows_needed(0.001).unwrap();
        assert!((windows - 3_687.0).abs() < 10.0, "{windows}");
    }
}
